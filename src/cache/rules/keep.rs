//! Whether an answer may be kept, and how (RFC 9111 section 3, 3.1, 3.5, 5.2.2, 7.3).
//!
//! In: the facts of an exchange. Out: [`Kept`], or why not. An answer is not kept either that could never be
//! used: memory is for those that can.

use http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{
        AGE, COOKIE, ETAG, EXPIRES, LAST_MODIFIED, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
        SET_COOKIE, TRAILER,
    },
};

use super::{
    super::policy::Policy,
    asked::Asked,
    date,
    lifetime::{Lifetime, lifetime},
    said::Said,
    status::{is_kept_unasked, is_never_kept, is_understood},
    terms::{HEURISTIC, IMMUTABLE, MUST_REVALIDATE, NO_CACHE, Terms, date_of, initial_age},
    vary::Vary,
};

/// Facts of an exchange that keeping its answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The request's.
    pub method: &'a Method,
    /// Whether the request had `Authorization`, or we know by other means whose it is.
    pub authorized: bool,
    /// Whether the origin saw cookies by which its answers are not told apart.
    pub cookies: bool,
    /// Whether `Content-Location` names the URI that was asked for; matters for POST only.
    pub located: bool,
    /// The answer's.
    pub status: StatusCode,
    /// The answer's fields, without those about one hop.
    pub answer: &'a HeaderMap,
    /// What the request says to caches.
    pub asked: &'a Asked,
    /// What the answer says to caches.
    pub said: &'a Said,
    /// When the request went, in seconds since 1970.
    pub sent: u64,
    /// When the head of the answer came.
    pub got: u64,
}

/// How an answer is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// How it may be used.
    pub terms: Terms,
    /// Fields that are not kept.
    pub strip: Box<[HeaderName]>,
    /// It has no date that can be read: it gets that of when it came (RFC 9110 section 6.6.1).
    pub undated: bool,
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unkept {
    /// Answers to such requests are not.
    Method,
    /// Such a status is not, or not on this route.
    Status,
    /// It is a part of an answer.
    Partial,
    /// The request says `no-store`.
    RequestNoStore,
    /// The answer says `no-store`.
    NoStore,
    /// It is for one user.
    Private,
    /// Its request was authorized, and it does not say that it is for others, too.
    Authorization,
    /// It sets a cookie, and does not say that it is for everybody.
    SetCookie,
    /// Its request had cookies, and nobody says that it is for others, too.
    Cookie,
    /// It depends on what is in no request.
    VaryStar,
    /// Its request had a field that its origin may take for one by which answers are told apart; not for the rules to
    /// say.
    Twin,
    /// Nobody says for how long it holds.
    NoLifetime,
    /// It is stale at once, and could not be validated.
    Expired,
    /// It wants to be validated each time, and cannot be.
    NoCache,
    /// It is a failure in whose place what was kept may be given (RFC 5861 section 4).
    StaleIfError,
    /// It is larger than what the cache takes; not for the rules to say.
    TooLarge,
    /// It broke off; not for the rules to say either.
    Incomplete,
}

impl Unkept {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Method,
        Self::Status,
        Self::Partial,
        Self::RequestNoStore,
        Self::NoStore,
        Self::Private,
        Self::Authorization,
        Self::SetCookie,
        Self::Cookie,
        Self::VaryStar,
        Self::Twin,
        Self::NoLifetime,
        Self::Expired,
        Self::NoCache,
        Self::StaleIfError,
        Self::TooLarge,
        Self::Incomplete,
    ];

    /// Whether it is for what its request brought: nothing is said by that of what is for others. `brings` is whether
    /// that has credentials or cookies, by which an origin may know somebody.
    pub const fn is_about_one(self, brings: bool) -> bool {
        match self {
            Self::Authorization | Self::Cookie | Self::Twin => true,
            Self::Private
            | Self::NoStore
            | Self::SetCookie
            | Self::NoLifetime
            | Self::Expired
            | Self::NoCache => brings,
            Self::Method
            | Self::Status
            | Self::Partial
            | Self::RequestNoStore
            | Self::VaryStar
            | Self::StaleIfError
            | Self::TooLarge
            | Self::Incomplete => false,
        }
    }

    /// Their words, by number.
    pub const REASONS: &'static [&'static str] = &{
        let mut words = [""; Self::ALL.len()];
        let mut at = 0;
        while at < words.len() {
            words[at] = Self::ALL[at].reason();
            at += 1;
        }
        words
    };

    /// Its word, for metrics, logs and `Cache-Status`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::Partial => "partial",
            Self::RequestNoStore => "request_no_store",
            Self::NoStore => "no_store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::SetCookie => "set_cookie",
            Self::Cookie => "cookie",
            Self::VaryStar => "vary_star",
            Self::Twin => "twin_field",
            Self::NoLifetime => "no_lifetime",
            Self::Expired => "expired",
            Self::NoCache => "no_cache",
            Self::StaleIfError => "stale_if_error",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Whether an answer may be kept, and how.
///
/// # Errors
/// Why not.
pub fn keep(exchange: &Exchange<'_>, policy: &Policy) -> Result<Kept, Unkept> {
    may_be_kept(exchange, policy)?;
    is_for_all(exchange, policy)?;
    if Vary::read(exchange.answer, policy).is_err() {
        return Err(Unkept::VaryStar);
    }
    let terms = terms(exchange, policy)?;
    let strip = strip(exchange, policy);
    let undated = date_of(exchange.answer, exchange.got).is_none();
    Ok(Kept { terms, strip, undated })
}

/// Method, status, `no-store`: section 3, 5.2.1.5, 5.2.2.3, 5.2.2.5.
fn may_be_kept(exchange: &Exchange<'_>, policy: &Policy) -> Result<(), Unkept> {
    let Exchange { status, said, .. } = *exchange;
    let method = match *exchange.method {
        Method::GET => policy.methods.get,
        // RFC 9110 section 9.3.3: it says for what URI it is, and for how long.
        Method::POST => policy.methods.post && exchange.located && says_how_long(exchange),
        _ => false,
    };
    let wanted = policy.status.as_ref().is_none_or(|wanted| wanted.contains(&status));
    let understood = !said.must_understand || is_understood(status);
    match () {
        () if !method => Err(Unkept::Method),
        () if status == StatusCode::PARTIAL_CONTENT => Err(Unkept::Partial),
        () if is_never_kept(status) || !wanted || !understood => Err(Unkept::Status),
        () if exchange.asked.no_store => Err(Unkept::RequestNoStore),
        // `must-understand` beside it: for caches that do not.
        () if said.no_store && !said.must_understand => Err(Unkept::NoStore),
        () => Ok(()),
    }
}

/// `private`, `Authorization`, `Set-Cookie`: section 3.5, 5.2.2.7, 7.3.
fn is_for_all(exchange: &Exchange<'_>, policy: &Policy) -> Result<(), Unkept> {
    let Exchange { said, answer, .. } = *exchange;
    let shared = said.public || said.s_maxage.is_some();
    let ignore = policy.ignore;
    let sets_cookie = answer.contains_key(SET_COOKIE) && !said.fields.contains(&SET_COOKIE);
    match () {
        () if said.private => Err(Unkept::Private),
        () if exchange.authorized && !(ignore.authorization || shared || said.must_revalidate) => {
            Err(Unkept::Authorization)
        }
        () if sets_cookie && !(ignore.set_cookie || shared) => Err(Unkept::SetCookie),
        () => Ok(()),
    }
}

fn terms(exchange: &Exchange<'_>, policy: &Policy) -> Result<Terms, Unkept> {
    let Exchange { status, answer, said, sent, got, .. } = *exchange;
    let named = policy.status.is_some() || policy.ttl.of(status).is_some();
    if !(named || is_kept_unasked(status) || says_how_long(exchange) || said.public) {
        return Err(Unkept::NoLifetime);
    }
    let age = initial_age(answer, sent, got);
    let lifetime = match policy.override_ttl {
        // It counts from now.
        Some(seconds) => Lifetime::Said(age.saturating_add(seconds)),
        None => lifetime(status, answer, said, (age, got), policy),
    };
    if matches!(lifetime, Lifetime::Guessed(_) | Lifetime::Unknown)
        && is_somebodys(exchange, policy)
    {
        return Err(Unkept::Cookie);
    }
    let revalidate = said.must_revalidate
        || said.proxy_revalidate
        || (said.s_maxage.is_some() && policy.override_ttl.is_none());
    let flags = [
        (revalidate && !policy.ignore.must_revalidate, MUST_REVALIDATE),
        (said.no_cache, NO_CACHE),
        (matches!(lifetime, Lifetime::Guessed(_)), HEURISTIC),
        (said.immutable, IMMUTABLE),
    ];
    // Where the origin says that it is never fresh, the operator's default does not make it so.
    let fresh = policy.override_ttl.unwrap_or_else(|| lifetime.seconds()) > 0;
    let while_revalidate = if fresh { policy.stale_while_revalidate } else { 0 };
    let terms = Terms {
        age,
        lifetime: lifetime.seconds(),
        stale_while_revalidate: said.stale_while_revalidate.unwrap_or(while_revalidate),
        stale_if_error: said.stale_if_error.unwrap_or(policy.stale_if_error),
        flags: flags.iter().filter(|(is, _)| *is).fold(0, |flags, (_, flag)| flags | flag),
    };
    if can_be_validated(answer, got) {
        return Ok(terms);
    }
    let stale = terms.stale_while_revalidate.max(terms.stale_if_error) > 0;
    match lifetime {
        _ if terms.no_cache() => Err(Unkept::NoCache),
        Lifetime::Unknown => Err(Unkept::NoLifetime),
        _ if fresh || (stale && !terms.must_revalidate()) => Ok(terms),
        _ => Err(Unkept::Expired),
    }
}

/// Whether an answer of which nobody says how long it holds may be the page of who brought cookies. That it is to be
/// asked about each time is enough: it comes to nobody then of whom the origin does not say so.
fn is_somebodys(exchange: &Exchange<'_>, policy: &Policy) -> bool {
    let Exchange { cookies, said, answer, .. } = *exchange;
    let told_apart =
        || matches!(Vary::read(answer, policy), Ok(Some(vary)) if vary.names().contains(&COOKIE));
    cookies && !(said.public || said.no_cache || told_apart())
}

/// Whether the origin says for how long it holds, if in vain.
fn says_how_long(exchange: &Exchange<'_>) -> bool {
    let said = exchange.said;
    said.max_age.is_some()
        || said.s_maxage.is_some()
        || (!said.targeted && exchange.answer.contains_key(EXPIRES))
}

fn can_be_validated(answer: &HeaderMap, now: u64) -> bool {
    answer.get(ETAG).is_some_and(|tag| !tag.is_empty())
        || answer.get(LAST_MODIFIED).is_some_and(|date| date::read(date, now).is_some())
}

/// Fields that are not kept: what `private` and `no-cache` name, a cookie that nobody is to get, what is about
/// the way to the origin (section 3.1), and `Age`, which is counted anew each time.
fn strip(exchange: &Exchange<'_>, policy: &Policy) -> Box<[HeaderName]> {
    let info = HeaderName::from_static("proxy-authentication-info");
    // Trailers are not kept, so none is announced (RFC 9110 section 6.6.2).
    let always = [AGE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TRAILER, info];
    let cookie = policy.ignore.set_cookie.then_some(SET_COOKIE);
    let mut strip: Vec<HeaderName> = Vec::new();
    for name in always.into_iter().chain(cookie).chain(exchange.said.fields.iter().cloned()) {
        if exchange.answer.contains_key(&name) && !strip.contains(&name) {
            strip.push(name);
        }
    }
    strip.into()
}
