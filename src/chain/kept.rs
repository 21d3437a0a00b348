//! What of an answer is kept.
//!
//! In: the head of an answer, and the facts of its exchange. Out: [`Made`], of which an object is made when the
//! body is there; or an object that was kept, with what its origin says of it now.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AGE, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, EXPIRES, SET_COOKIE, VARY},
};
use tokio::time::Instant;

use super::{prepare::is_of_one_request, status::CACHE_STATUS};
use crate::{
    cache::{
        Cache, Head, Object, Seek, Spans, Tags,
        rules::{self, Asked, Kept, Said, Terms, Unkept, Vary},
    },
    message::{reads_like, remove_where},
};

/// Facts of an exchange.
pub(super) struct Facts<'a> {
    /// What the origin was asked.
    pub(super) request: &'a HeaderMap,
    /// What of it was said to caches.
    pub(super) asked: &'a Asked,
    /// Whether it had credentials by which its answers are not told apart.
    pub(super) authorized: bool,
    /// Whether it was a POST whose answer is located at its own URL.
    pub(super) posted: bool,
    /// The number of what was made void last, when it began.
    pub(super) stamp: u64,
    /// When it was sent, in seconds since 1970.
    pub(super) sent: u64,
    /// When the head of the answer came.
    pub(super) got: u64,
}

/// The names of fields that an answer varies by, and what the request said there.
type Varied = (Box<[u8]>, Box<[u8]>);

/// The head of what is kept.
pub(super) struct Made {
    status: StatusCode,
    headers: HeaderMap,
    terms: Terms,
    at: Instant,
    stamp: u64,
    vary: Option<Varied>,
    tags: Tags,
}

impl Made {
    /// What is kept of an answer with this head; or why it is not.
    pub(super) fn of(
        cache: &Cache,
        facts: &Facts<'_>,
        status: StatusCode,
        headers: HeaderMap,
    ) -> Result<Self, Unkept> {
        let cookies = cache.partition.has_cookies(facts.request);
        Self::judged(cache, (facts, cookies), status, headers)
    }

    /// The same; `cookies` is whether the origin saw some by which its answers are not told apart.
    fn judged(
        cache: &Cache,
        (facts, cookies): (&Facts<'_>, bool),
        status: StatusCode,
        mut headers: HeaderMap,
    ) -> Result<Self, Unkept> {
        let policy = &cache.policy;
        let said = Said::read(&headers, policy);
        let exchange = rules::Exchange {
            method: if facts.posted { &Method::POST } else { &Method::GET },
            authorized: facts.authorized,
            cookies,
            located: facts.posted,
            status,
            answer: &headers,
            asked: facts.asked,
            said: &said,
            sent: facts.sent,
            got: facts.got,
        };
        let Kept { terms, strip, undated } = rules::keep(&exchange, policy)?;
        let vary = Vary::read(&headers, policy).map_err(|_| Unkept::VaryStar)?;
        let by = || vary.iter().flat_map(Vary::names);
        if by().any(is_of_one_request) {
            return Err(Unkept::VaryStar);
        }
        if by().chain(cache.partition.fields()).any(|known| has_twin(facts.request, known)) {
            return Err(Unkept::Twin);
        }
        let vary = vary.map(|vary| {
            let names: Vec<_> = vary.names().iter().map(HeaderName::as_str).collect();
            (names.join(",").into_bytes().into(), vary.values(facts.request, policy))
        });
        let tags = Tags::read(&headers);
        for name in &strip {
            headers.remove(name);
        }
        if undated
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()))
        {
            headers.insert(DATE, date);
        }
        let (at, stamp) = (Instant::now(), facts.stamp);
        Ok(Self { status, headers, terms, at, stamp, vary, tags })
    }

    /// The fields that are kept.
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Takes note of which parts of the whole the body is.
    pub(super) fn place(&mut self, spans: &Spans) {
        let whole = spans.is_whole();
        self.status = if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
        self.headers.remove(CONTENT_RANGE);
        self.headers.remove(CONTENT_LENGTH);
        if whole {
            self.headers.insert(CONTENT_LENGTH, spans.total.into());
        } else if let Some(field) = spans.field() {
            self.headers.insert(CONTENT_RANGE, field);
        }
    }

    /// The object with this body.
    pub(super) fn object(&self, body: Vec<Bytes>) -> Object {
        let Self { status, headers, terms, at, stamp, vary, tags } = self;
        let vary = vary.as_ref().map_or((&[][..], &[][..]), |(names, values)| (names, values));
        let head = Head {
            status: *status,
            headers,
            terms: *terms,
            at: *at,
            stamp: *stamp,
            vary,
            tags: tags.clone(),
        };
        Object::new(head, body)
    }
}

/// Whether a request has a field that its origin may take for this one, by which answers are told apart: `X_Tenant` is
/// `X-Tenant` to who makes variables of both.
fn has_twin(request: &HeaderMap, known: &HeaderName) -> bool {
    request.keys().any(|name| name != known && reads_like(name.as_str(), known))
}

/// Keeps what was kept with what its origin says of it now, by a 304 or to a HEAD; or no longer.
pub(super) fn freshen(
    cache: &Cache,
    facts: &Facts<'_>,
    seek: &Seek<'_>,
    old: &Arc<Object>,
    by: &HeaderMap,
) -> Result<Arc<Object>, Unkept> {
    let whole = |made: Made| Arc::new(made.object(old.open().body().collect()));
    let fresh = renewed(cache, facts, old, by).map(whole);
    let kept = match &fresh {
        Ok(fresh) => Some(fresh.clone()),
        Err(Unkept::Authorization) => renewed_for_others(cache, facts, old, by).map(whole),
        Err(Unkept::Twin) => return fresh,
        Err(_) => None,
    };
    match kept {
        Some(kept) => cache.memory.replace(seek, old, kept),
        None => cache.memory.forget(seek, old),
    }
    fresh
}

/// What of a head that belongs to what is kept is for whoever asked, and nobody else: fields that are not to be given
/// without asking, and all that is not for others.
pub(super) fn of_one(
    cache: &Cache,
    facts: &Facts<'_>,
    old: &Arc<Object>,
    by: &HeaderMap,
) -> HeaderMap {
    let said = Said::read(&freshened(old, by), &cache.policy);
    let shared = for_others(cache, facts, old, by);
    // What we say ourselves stays: which bytes they are, and what became of the request.
    let is_own = |name: &HeaderName| {
        ![ETAG, CACHE_STATUS].contains(name)
            && (said.fields.contains(name)
                || !shared.contains_key(name)
                || cache.policy.ignore.set_cookie && *name == SET_COOKIE)
    };
    let mut own = HeaderMap::new();
    rules::freshen(&mut own, by);
    own.iter().filter(|(name, _)| is_own(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// Why what comes with a head that belongs to what is kept is about who asked, and nobody else: it was said to somebody
/// with credentials and does not say itself that it is for all, as what was kept may have done; or with cookies, and
/// nobody says how long it holds, nor did of what was kept.
fn about_one(
    cache: &Cache,
    facts: &Facts<'_>,
    old: &Arc<Object>,
    by: &HeaderMap,
) -> Option<Unkept> {
    let (said, ignore) = (Said::read(by, &cache.policy), cache.policy.ignore);
    if facts.authorized && !(is_to_all(&said) || said.must_revalidate || ignore.authorization) {
        return Some(Unkept::Authorization);
    }
    // As the whole of it would be judged.
    let made = || Made::of(cache, facts, StatusCode::OK, freshened(old, by));
    let has_cookies = cache.partition.has_cookies(facts.request);
    (has_cookies && matches!(made(), Err(Unkept::Cookie))).then_some(Unkept::Cookie)
}

const fn is_to_all(said: &Said) -> bool {
    said.public || said.s_maxage.is_some()
}

/// What of a head that belongs to what is kept (a 304, a part, what is said to a HEAD) may be taken in for others:
/// unless it says itself that it is for all, no cookie, and of what is about one only how long it holds.
fn for_others<'h>(
    cache: &Cache,
    facts: &Facts<'_>,
    old: &Arc<Object>,
    by: &'h HeaderMap,
) -> Cow<'h, HeaderMap> {
    without(cache, by, about_one(cache, facts, old, by).is_some())
}

/// The same, of what is about one or not.
fn without<'h>(cache: &Cache, by: &'h HeaderMap, is_about_one: bool) -> Cow<'h, HeaderMap> {
    let cookie = by.contains_key(SET_COOKIE) && !is_to_all(&Said::read(by, &cache.policy));
    if !is_about_one && !cookie {
        return Cow::Borrowed(by);
    }
    let is_about_time = |name: &str| {
        [AGE, DATE, EXPIRES, VARY].iter().any(|known| known == name)
            || name.ends_with("cache-control")
    };
    let mut said = by.clone();
    remove_where(&mut said, |name| SET_COOKIE == name || is_about_one && !is_about_time(name));
    Cow::Owned(said)
}

/// The fields of what was kept and a part that comes now, which is joined to it.
///
/// # Errors
/// The part is about who asked, also where its bytes have the same validator (RFC 9111 section 3.5).
pub(super) fn joined(
    cache: &Cache,
    facts: &Facts<'_>,
    old: &Arc<Object>,
    by: &HeaderMap,
) -> Result<HeaderMap, Unkept> {
    match about_one(cache, facts, old, by) {
        Some(why) => Err(why),
        None => Ok(freshened(old, &without(cache, by, false))),
    }
}

/// The fields of what was kept, with those that come now.
fn freshened(old: &Arc<Object>, by: &HeaderMap) -> HeaderMap {
    let mut headers = old.open().headers();
    rules::freshen(&mut headers, by);
    headers
}

fn renewed(
    cache: &Cache,
    facts: &Facts<'_>,
    old: &Arc<Object>,
    by: &HeaderMap,
) -> Result<Made, Unkept> {
    let headers = freshened(old, &for_others(cache, facts, old, by));
    // Parts are kept as the whole would be.
    let part = old.status == StatusCode::PARTIAL_CONTENT;
    let status = if part { StatusCode::OK } else { old.status };
    // What was kept was for all who look for it, and its origin says no more than that it holds.
    let mut made = Made::judged(cache, (facts, false), status, headers)?;
    made.status = old.status;
    Ok(made)
}

/// What is for all stays, whoever asked whether it holds: of what was said to somebody with credentials only for how
/// long it holds is taken, and nothing that may be about them.
fn renewed_for_others(
    cache: &Cache,
    facts: &Facts<'_>,
    old: &Arc<Object>,
    by: &HeaderMap,
) -> Option<Made> {
    // What needed leave to be kept may itself have come to somebody with credentials.
    let as_it_was = renewed(cache, facts, old, &HeaderMap::new());
    let was_for_all = matches!(as_it_was, Err(Unkept::Authorization));
    if !was_for_all || [VARY, SET_COOKIE].iter().any(|name| by.contains_key(name)) {
        return None;
    }
    let said = for_others(cache, facts, old, by);
    renewed(cache, &Facts { authorized: false, ..*facts }, old, &said).ok()
}

/// What was kept, with what its origin says of it to one only: it says also that this is not to be kept.
pub(super) fn once(old: &Arc<Object>, by: &HeaderMap, facts: &Facts<'_>) -> Object {
    let headers = freshened(old, by);
    let mut terms = old.terms;
    terms.age = rules::initial_age(by, facts.sent, facts.got);
    let head = Head {
        status: old.status,
        headers: &headers,
        terms,
        at: Instant::now(),
        stamp: 0,
        vary: old.vary(),
        tags: Tags::default(),
    };
    Object::new(head, old.open().body().collect())
}
