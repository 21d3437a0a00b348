//! Stages 4 and 5, identify and authorize: who is it, and may they do this.
//!
//! In: the request's head. Out: an [`Identity`], which later stages are handed as a value: limits by
//! identity, the log's user, header fields for the origin. A route that asks for nobody costs nothing.
//!
//! [`Auth`] is a route's: which providers are asked, and what is asked of whom they find. A
//! [`Provider`] is a section `[auth.NAME]`; to add a method, see there. What can be said at once is said
//! at once; only a method that has to ask somebody makes a future, which is boxed.

mod allow;
mod api_key;
mod basic;
mod client_proof;
mod discovery;
mod forward;
mod identity_token;
mod introspection;
mod jwt;
mod key;
mod lines;
mod lock_out;
mod memory;
mod method;
mod mtls;
mod oidc;
mod password;
mod place;
mod policy;
mod principal;
mod provider;
mod questions;
mod signer;
mod stored_keys;

use std::{collections::BTreeMap, fmt, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, COOKIE, WWW_AUTHENTICATE},
};
use tokio::time::Instant;

use self::{allow::Allow, policy::Policy};
pub use self::{
    forward::{Denial, cookie_name},
    key::{Wish, key_line, make_key, parse_key_line},
    oidc::{Door, Login, Page},
    password::hash_password,
    policy::Deed,
    principal::Principal,
    provider::{Given, Provider, identity_header},
    signer::Signer,
    stored_keys::{store_key, stored_keys},
};
use crate::{
    config::{self, Path, Problem, Problems, Require},
    message::{Client, ClientCertificate},
    reject::Reject,
};

/// Who makes a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Identity {
    /// Nobody asked.
    #[default]
    Stranger,
    /// Somebody who was made out.
    Known(Arc<Principal>),
}

impl Identity {
    /// Whoever was made out.
    pub fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Stranger => None,
            Self::Known(who) => Some(who),
        }
    }
}

/// Somebody who is taken to have been made out, for a dry run.
#[derive(Clone, Debug)]
pub struct Pretended(Principal);

impl From<&config::Who> for Pretended {
    fn from(who: &config::Who) -> Self {
        let words = |words: &[String]| words.iter().map(|word| word.as_str().into()).collect();
        let value = |values: &config::OneOrMany<config::ClaimValue>| match &values[..] {
            [one] => allow::value(one),
            several => several.iter().map(allow::value).collect(),
        };
        let claims = who.claims.iter().map(|(name, values)| (name.clone(), value(values)));
        Self(Principal {
            subject: who.user.as_str().into(),
            roles: words(&who.roles),
            scopes: words(&who.scopes),
            claims: claims.collect(),
            ..Principal::default()
        })
    }
}

/// What a request says, and when.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target: path and query.
    pub target: &'a Uri,
    /// What it asks for by `Host`.
    pub host: Option<&'a HeaderValue>,
    /// The connection that it came by.
    pub connection: Option<&'a Client>,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its query.
    pub query: Option<&'a str>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The certificate that the client showed.
    pub certificate: Option<&'a ClientCertificate>,
    /// When it came.
    pub now: Instant,
    /// When it came, in milliseconds since 1970.
    pub wall: u64,
}

#[cfg(test)]
impl<'a> Ask<'a> {
    /// One that says nothing else, at the beginning of time.
    fn bare(headers: &'a HeaderMap) -> Self {
        static ROOT: std::sync::LazyLock<Uri> = std::sync::LazyLock::new(|| Uri::from_static("/"));
        Self {
            method: &Method::GET,
            target: &ROOT,
            host: None,
            connection: None,
            headers,
            query: None,
            client: None,
            certificate: None,
            now: Instant::now(),
            wall: 0,
        }
    }
}

/// Why somebody is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The reason.
    pub reject: Reject,
    /// When it may be worth to come again.
    pub retry_after: Option<Duration>,
    /// The answer of whoever decided it.
    pub denial: Option<Arc<Denial>>,
}

/// Cookies of sessions, which no origin gets, whichever route a request takes.
#[derive(Debug, Default)]
pub struct Cookies(Box<[place::Place]>);

impl Cookies {
    /// Those of these sections.
    pub fn of(providers: &Providers) -> Self {
        let places = providers.values().flatten().filter_map(|provider| provider.login());
        Self(places.flat_map(oidc::Oidc::places).cloned().collect())
    }

    /// Takes them off a request.
    #[inline]
    pub fn clear(&self, headers: &mut HeaderMap) {
        if !self.0.is_empty() && headers.contains_key(COOKIE) {
            self.0.iter().for_each(|place| place.clear(headers, &mut Uri::default()));
        }
    }
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self { reject, retry_after: None, denial: None }
    }
}

impl Refusal {
    /// It may be worth to come again after this time.
    fn later(reject: Reject, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..reject.into() }
    }

    fn locked_out(wait: Duration) -> Self {
        Self::later(Reject::AuthLockedOut, wait)
    }
}

/// What a provider makes of a request.
#[derive(Debug)]
enum Found {
    /// Nothing here is for it.
    Absent,
    /// Who it is.
    Known(Arc<Principal>),
    /// There is something for it, and it does not hold.
    Wrong(Refusal),
    /// There is something for it, and somebody has to be asked.
    Unsure,
}

/// What comes of identifying.
pub enum Verdict<'a> {
    /// It is known at once.
    Now(Result<Identity, Refusal>),
    /// Somebody has to be asked.
    Later(Pin<Box<dyn Future<Output = Result<Identity, Refusal>> + Send + 'a>>),
}

impl fmt::Debug for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(result) => f.debug_tuple("Now").field(result).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// Providers by name; none for a name whose section is wrong, so that routes that name it are not
/// called dangling too.
pub type Providers = BTreeMap<String, Option<Arc<Provider>>>;

/// What a route asks of an identity.
#[derive(Debug, Default)]
pub struct Auth(Option<Box<Asked>>);

#[derive(Debug)]
struct Asked {
    providers: Box<[Arc<Provider>]>,
    require: Require,
    /// Why somebody is refused who shows nothing at all.
    missing: Reject,
    allow: Option<Allow>,
    policy: Option<Box<Policy>>,
}

impl Auth {
    /// Compiles what the `[[route]]` at `at`, with this name and these path parameters, asks for.
    pub fn compile(
        route: &config::Route,
        (name, params): (&str, &[Box<str>]),
        known: &Providers,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut providers: Vec<Arc<Provider>> = Vec::new();
        let mut whole = true;
        for (index, name) in route.auth.iter().enumerate() {
            let at = at.key("auth");
            let at = if route.auth.len() > 1 { at.index(index) } else { at };
            match known.get(name) {
                Some(Some(same)) if providers.iter().any(|known| Arc::ptr_eq(known, same)) => {
                    problems.push(Problem::error(at, format!("`{name}` is there twice")));
                }
                Some(Some(provider)) => providers.push(provider.clone()),
                Some(None) => whole = false,
                None => problems.push(dangling(name, known, at)),
            }
        }
        let (at, at_policy) = (at.key("allow"), at.key("policy"));
        let allow = route.allow.as_ref().map(|allow| Allow::compile(allow, &at, problems));
        let policy = route.policy.as_ref();
        let policy = policy.map(|it| Policy::compile(it, name, params, &at_policy, problems));
        if route.auth.is_empty() {
            for at in
                allow.iter().map(|_| at.clone()).chain(policy.iter().map(|_| at_policy.clone()))
            {
                let problem =
                    Problem::error(at, "nobody is asked who they are, so nobody could be allowed");
                problems.push(
                    problem
                        .help("say how one says who one is: `auth = \"NAME\"`, of `[auth.NAME]`"),
                );
            }
            return Some(Self(None));
        }
        let certificates = providers.iter().all(|provider| provider.wants_certificates());
        let missing = if certificates { Reject::AuthMtlsMissing } else { Reject::AuthMissing };
        let policy = match policy {
            Some(None) => return None,
            policy => policy.flatten().map(Box::new),
        };
        let (providers, require) = (providers.into(), route.require);
        let asked = Asked { providers, require, missing, allow, policy };
        whole.then(|| Self(Some(Box::new(asked))))
    }

    /// Whether it asks for certificates, which only a listener can do.
    pub fn wants_certificates(&self) -> bool {
        let mut providers = self.0.iter().flat_map(|asked| &asked.providers);
        providers.any(|provider| provider.wants_certificates())
    }

    /// Whether anybody is asked.
    pub fn is_asked(&self) -> bool {
        self.0.is_some()
    }

    /// Finds out who makes a request. Only if somebody has to be asked is it not known at once.
    #[inline]
    pub fn identify<'a>(&'a self, ask: Ask<'a>) -> Verdict<'a> {
        match &self.0 {
            None => Verdict::Now(Ok(Identity::Stranger)),
            Some(asked) => asked.identify(ask),
        }
    }

    /// Whether this identity may do this; what is only to be told.
    ///
    /// # Errors
    /// What it lacks.
    #[inline]
    pub fn authorize(&self, who: &Identity, deed: &Deed<'_>) -> Result<Option<Reject>, Reject> {
        match &self.0 {
            None => Ok(None),
            Some(asked) => asked.authorize(who, deed),
        }
    }

    /// Whether browsers are sent to log in.
    pub fn logs_in(&self) -> bool {
        self.0.iter().flat_map(|asked| &asked.providers).any(|provider| provider.login().is_some())
    }

    /// Where a browser goes that asks for a page and is refused for this reason; none if it would not help
    /// it to log in.
    ///
    /// # Errors
    /// It would, and it cannot.
    pub async fn login(&self, reject: Reject, page: &Page<'_>) -> Result<Option<Login>, Refusal> {
        if !matches!(reject, Reject::AuthMissing | Reject::AuthOidcSession) {
            return Ok(None);
        }
        for provider in self.0.iter().flat_map(|asked| &asked.providers) {
            // Whoever has to be asked still was asked, and did not know.
            if let Some(oidc) = provider.login()
                && !matches!(oidc.look(&page.ask), Found::Known(_))
            {
                return oidc.login(page).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Takes off what proved who it is.
    pub fn strip(&self, headers: &mut HeaderMap, uri: &mut Uri) {
        let providers = self.0.iter().flat_map(|asked| &asked.providers);
        for place in providers.flat_map(|provider| &provider.credentials) {
            place.clear(headers, uri);
        }
    }

    /// Whether `Authorization` of a request goes on to the origin and is not what this principal is known by.
    pub fn is_foreign(&self, who: Option<&Principal>, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION) else { return false };
        let is_there = |place: &place::Place| place.is_in_authorization(value);
        let mut providers = self.0.iter().flat_map(|asked| &asked.providers);
        !providers.any(|provider| {
            let knows = who.is_some_and(|who| {
                who.auth == provider.name || who.also.iter().any(|(auth, _)| *auth == provider.name)
            });
            // Of several places the first that has something counts: one before it might have.
            provider.credentials.iter().any(is_there)
                || knows && provider.places().first().is_some_and(is_there)
        })
    }

    /// Puts into a refusal what says how to do better.
    pub fn challenge(
        &self,
        reject: Reject,
        who: &Identity,
        method: &Method,
        answer: &mut HeaderMap,
    ) {
        let Some(asked) = &self.0 else { return };
        if reject.code() == 401 {
            for provider in &asked.providers {
                answer.append(WWW_AUTHENTICATE, provider.challenge(reject));
            }
        }
        let bearer = |who: &Principal| {
            asked.providers.iter().any(|known| known.name == who.auth && known.is_bearer())
        };
        let told = asked.allow.as_ref().and_then(|allow| allow.insufficient(method));
        if reject == Reject::AuthzScope
            && who.principal().is_some_and(bearer)
            && let Some(told) = told
        {
            answer.append(WWW_AUTHENTICATE, told.clone());
        }
    }

    /// Somebody whom the first provider is taken to know; nobody where nobody is asked.
    pub fn pretend(&self, who: &Pretended) -> Option<Arc<Principal>> {
        let provider = self.0.as_ref()?.providers.first()?;
        Some(Arc::new(provider.pretend(&who.0)))
    }

    /// What each provider makes of a request, in words, and what comes of it: for a dry run.
    pub fn rehearse(&self, ask: Ask<'_>) -> (String, Result<Identity, Refusal>) {
        let Some(asked) = &self.0 else {
            return ("nothing configured".into(), Ok(Identity::Stranger));
        };
        let mut progress = asked.progress();
        let mut words = Vec::new();
        for provider in &asked.providers {
            let found = provider.rehearse(&ask);
            let makes = match &found {
                Found::Absent if provider.login().is_some() => {
                    "is not shown a session; a browser would be sent to log in".into()
                }
                Found::Absent => "is not shown anything".into(),
                Found::Known(who) => format!("knows {}", who.describe()),
                Found::Wrong(refusal) => format!("refuses, {}", refusal.reject.reason()),
                Found::Unsure => provider.would_ask().into(),
            };
            words.push(format!("`{}` ({}) {makes}", provider.name, provider.method()));
            if let Some(done) = progress.take(asked.require, found) {
                return (words.join("; "), done);
            }
        }
        (words.join("; "), progress.end(asked.require))
    }

    /// What is asked of somebody who would do this, in words: for a dry run.
    pub fn explain(&self, who: &Identity, deed: &Deed<'_>) -> String {
        let (Some(asked), Some(who)) = (&self.0, who.principal()) else {
            return "nothing configured".into();
        };
        let allow = asked.allow.as_ref().map(|allow| allow.explain(who, deed.method));
        let policy = asked.policy.as_ref().map(|policy| policy.explain(who, deed));
        match (allow, policy) {
            (Some(allow), Some(policy)) => format!("{allow}; {policy}"),
            (allow, policy) => {
                allow.or(policy).unwrap_or_else(|| "everybody who is known may".into())
            }
        }
    }
}

impl Asked {
    fn progress(&self) -> Progress {
        Progress { known: None, refused: None, missing: self.missing }
    }

    fn identify<'a>(&'a self, ask: Ask<'a>) -> Verdict<'a> {
        let mut progress = self.progress();
        for (at, provider) in self.providers.iter().enumerate() {
            let found = provider.look(&ask);
            if matches!(found, Found::Unsure) {
                return Verdict::Later(Box::pin(self.go_on(at, progress, ask)));
            }
            if let Some(done) = progress.take(self.require, found) {
                return Verdict::Now(done);
            }
        }
        Verdict::Now(progress.end(self.require))
    }

    /// Goes on with the provider that has to ask somebody.
    async fn go_on(
        &self,
        at: usize,
        mut progress: Progress,
        ask: Ask<'_>,
    ) -> Result<Identity, Refusal> {
        for (index, provider) in self.providers.iter().enumerate().skip(at) {
            let found = if index == at { Found::Unsure } else { provider.look(&ask) };
            let found = match found {
                Found::Unsure => provider.ask(&ask).await,
                found => found,
            };
            if let Some(done) = progress.take(self.require, found) {
                return done;
            }
        }
        progress.end(self.require)
    }

    fn authorize(&self, who: &Identity, deed: &Deed<'_>) -> Result<Option<Reject>, Reject> {
        // Whoever was not made out has come no further than this.
        let Some(who) = who.principal() else { return Err(Reject::AuthMissing) };
        let mut told = None;
        if let Some(allow) = &self.allow
            && let Err(reject) = allow.judge(who, deed.method)
        {
            told = Some(if allow.report { reject } else { return Err(reject) });
        }
        if let Some(policy) = &self.policy
            && let Err(reject) = policy.judge(who, deed)
        {
            told.get_or_insert(if policy.report { reject } else { return Err(reject) });
        }
        Ok(told)
    }
}

/// What the providers have said so far.
#[derive(Debug)]
struct Progress {
    known: Option<Arc<Principal>>,
    /// The first thing that did not hold.
    refused: Option<Refusal>,
    /// Why somebody is refused who shows nothing at all.
    missing: Reject,
}

impl Progress {
    /// What one more says; what comes of it, if that is decided.
    #[inline]
    fn take(&mut self, require: Require, found: Found) -> Option<Result<Identity, Refusal>> {
        match (require, found) {
            (Require::Any, Found::Known(who)) => Some(Ok(Identity::Known(who))),
            (Require::Any, Found::Wrong(refusal)) => {
                self.refused.get_or_insert(refusal);
                None
            }
            (Require::Any, Found::Absent | Found::Unsure) => None,
            (Require::All, Found::Known(who)) => {
                self.known = Some(match &self.known {
                    None => who,
                    Some(first) => Arc::new(first.and(&who)),
                });
                None
            }
            (Require::All, Found::Wrong(refusal)) => Some(Err(refusal)),
            (Require::All, Found::Absent | Found::Unsure) => Some(Err(self.missing.into())),
        }
    }

    /// What comes of it, when all have been asked.
    fn end(self, require: Require) -> Result<Identity, Refusal> {
        let Self { known, refused, missing } = self;
        match (require, known) {
            (Require::All, Some(who)) => Ok(Identity::Known(who)),
            _ => Err(refused.unwrap_or_else(|| missing.into())),
        }
    }
}

fn dangling(name: &str, known: &Providers, at: Path) -> Problem {
    let problem = Problem::error(at, format!("there is no `[auth.{name}]`"));
    problem.help_meant(name, known.keys().map(String::as_str), || format!("add [auth.{name}]"))
}

/// A text as a quoted string (RFC 9110 section 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
