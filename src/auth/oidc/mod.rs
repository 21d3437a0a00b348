//! The method `oidc`: people who log in at an identity provider with a browser (OpenID Connect Core, by
//! code, with PKCE, `state`, `nonce` and `iss`).
//!
//! In: a head. Out: the principal of the session whose cookie it brings, which was made at the login. A
//! browser without one is sent to the provider ([`Oidc::login`]) and comes back to a [`Door`]: an address of
//! the gateway's own. A session whose claims are to be renewed is, by one request; the others go on.
//! Sessions are in this process's memory, or in a store that several gateways share.
//!
//! The flow is our own: it needs the keys and tokens of `jwt` and little more, and what libraries for it
//! add are other flows.

mod compile;
mod door;
mod flow;
mod flows;
mod idp;
mod memory;
mod refresh;
mod sessions;
mod sharing;
mod stored;
mod vault;

use std::sync::{Arc, OnceLock};

use http::{HeaderValue, Method};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::task::AbortOnDropHandle;

pub use self::door::Door;
pub(super) use self::door::End;
use self::{
    flow::{Flow, Key, Once},
    idp::Idp,
    refresh::AGAIN,
    sessions::{Limits, Moment, Sessions, Shown},
};
use super::{
    Ask, Found, Refusal,
    place::Place,
    principal::{Introduction, Principal},
};
use crate::{config, metrics::AuthMetrics, reject::Reject, worker::wall};

/// After so long it is worth trying again when the store is of no use.
const STORE_DOWN: std::time::Duration = std::time::Duration::from_secs(1);
/// How often sessions that are over are forgotten.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(60);

/// The sessions of a section.
#[derive(Debug)]
pub(super) struct Oidc {
    shared: Arc<Shared>,
    sweeper: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    section: config::Oidc,
    introduction: Introduction,
    idp: Idp,
    limits: Limits,
    sessions: Arc<Sessions>,
    /// The session's cookie, and the beginning of logins' cookies.
    places: [Place; 2],
    cookies: [Box<str>; 2],
    paths: [Box<str>; 3],
    key: Arc<Key>,
    once: Arc<Once>,
    waiting: Semaphore,
    metrics: Arc<AuthMetrics>,
}

/// A page that was asked for by nobody who is known.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What the request says.
    pub ask: Ask<'a>,
    /// Its method.
    pub method: &'a Method,
    /// Its path and query, as they came.
    pub target: &'a str,
    /// Scheme and host by which the browser came.
    pub origin: &'a str,
}

/// Where a browser goes to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// The provider's page.
    pub location: HeaderValue,
    /// The cookie that it brings back, and those that it need not keep.
    pub cookies: Vec<HeaderValue>,
}

impl Oidc {
    /// Begins what it does beside requests.
    pub(super) fn start(&self) {
        self.shared.idp.keys.start();
        let shared = Arc::downgrade(&self.shared);
        let sweep = async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(shared) = shared.upgrade() else { return };
                let at = Moment { now: Instant::now(), wall: wall() };
                shared.sessions.sweep(&shared.limits, at);
                shared.count();
            }
        };
        self.sweeper.get_or_init(|| AbortOnDropHandle::new(tokio::spawn(sweep)));
    }

    /// The cookies of sessions and logins; no origin gets them.
    pub(super) fn places(&self) -> &[Place] {
        &self.shared.places
    }

    /// Who it is, as far as that can be said at once.
    #[inline]
    pub(super) fn look(&self, ask: &Ask<'_>) -> Found {
        let shared = &*self.shared;
        let cookie = match shared.places[SESSION].find(ask) {
            Ok(Some(cookie)) => cookie,
            Ok(None) => return Found::Absent,
            Err(reject) => return Found::Wrong(reject.into()),
        };
        match shared.sessions.at_hand(&sessions::id(&cookie), &shared.limits, ask.into()) {
            Some(session) if session.is_due(ask.wall) => Found::Unsure,
            Some(session) => Found::Known(session.who.clone()),
            None if shared.sessions.may_know(&cookie) => Found::Unsure,
            None => Found::Wrong(Reject::AuthOidcSession.into()),
        }
    }

    /// Who it is, by others' word.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Found {
        let found = self.find(ask).await;
        found.unwrap_or_else(|reject| Found::Wrong(refusal(reject)))
    }

    async fn find(&self, ask: &Ask<'_>) -> Result<Found, Reject> {
        let shared = &self.shared;
        let Some(shown) = shared.shown(ask)? else { return Ok(Found::Absent) };
        let session = shared.sessions.find(&shown, &shared.limits, ask.into()).await?;
        let session = session.ok_or(Reject::AuthOidcSession)?;
        if !session.claim(ask.wall, ask.wall.saturating_add(AGAIN)) {
            return Ok(Found::Known(session.who.clone()));
        }
        // It goes on when the client goes away: what the provider gave must not be lost.
        let (shared, wall) = (shared.clone(), ask.wall);
        let renewed =
            tokio::spawn(async move { shared.refresh(&shown, session, wall).await }).await;
        Ok(Found::Known(renewed.map_err(|_| Reject::Internal)??))
    }

    /// Who it is, for a dry run, which knows no sessions.
    pub(super) fn rehearse(&self, ask: &Ask<'_>) -> Found {
        match self.shared.shown(ask) {
            Ok(Some(_)) => Found::Unsure,
            Ok(None) => Found::Absent,
            Err(reject) => Found::Wrong(reject.into()),
        }
    }

    /// Sends a browser that asks for a page to log in.
    pub(super) async fn login(&self, page: &Page<'_>) -> Result<Login, Refusal> {
        let shared = &*self.shared;
        let Ok(_place) = shared.waiting.try_acquire() else { return Err(Reject::AuthBusy.into()) };
        let doors = shared.idp.doors().await?;
        let origin = shared.origin(page.origin);
        let flow = Flow::begin(origin.to_owned(), page.target, page.ask.wall);
        let flow = flow.map_err(|_| Reject::Internal)?;
        let back = shared.redirect_uri(origin);
        let (scope, challenge) = (shared.section.request_scopes.join(" "), flow.challenge());
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &*shared.idp.client_id),
            ("redirect_uri", &*back),
            ("scope", &*scope),
            ("state", &*flow.state),
            ("nonce", &*flow.nonce),
            ("code_challenge", &*challenge),
            ("code_challenge_method", "S256"),
        ];
        let more = shared.section.parameters.iter();
        parameters.extend(more.map(|(name, value)| (name.as_str(), value.as_str())));
        let location = shared.idp.send_to(&doors, "authorization_endpoint", &parameters)?;
        let sealed = shared.key.seal(&shared.name, &flow).ok_or(Reject::Internal)?;
        let name = shared.flow_cookie(&flow.state).ok_or(Reject::Internal)?;
        let mut cookies = shared.make_room(&page.ask);
        cookies.push(shared.cookie(&name, &sealed, Some(flow::LONGEST / 1_000))?);
        shared.metrics.logins_begun.inc();
        Ok(Login { location, cookies })
    }

    /// The addresses of the gateway's own, each with its path and methods.
    pub(super) fn ends(&self) -> impl Iterator<Item = (End, &str)> {
        End::ALL.into_iter().map(|end| (end, &*self.shared.paths[end as usize]))
    }
}

/// The places of the cookies.
const SESSION: usize = 0;
const FLOW: usize = 1;

impl Shared {
    /// The session's cookie that a request shows.
    fn shown(&self, ask: &Ask<'_>) -> Result<Option<Shown>, Reject> {
        let cookie = self.places[SESSION].find(ask)?;
        Ok(cookie.map(|cookie| Shown::new(&cookie)))
    }

    /// Whether this is used for the first time, at any gateway; from now on, for so long, no more.
    async fn first(&self, what: &[u8], wall: u64, keep: u64) -> Result<bool, Reject> {
        match &*self.sessions {
            Sessions::Memory(_) => Ok(self.once.first(what, wall, keep)),
            Sessions::Stored(stored) => stored.first(what, keep).await,
        }
    }

    /// Scheme and host by which browsers come.
    fn origin<'a>(&'a self, said: &'a str) -> &'a str {
        self.section.public_url.as_deref().map_or(said, |url| url.trim_end_matches('/'))
    }

    fn redirect_uri(&self, origin: &str) -> String {
        format!("{origin}{}", self.paths[End::Callback as usize])
    }

    /// A cookie that is set, for so many seconds or as long as the browser is open.
    fn cookie(&self, name: &str, value: &str, age: Option<u64>) -> Result<HeaderValue, Reject> {
        let secure = if self.section.insecure_cookies { "" } else { "; Secure" };
        let age = age.map(|age| format!("; Max-Age={age}")).unwrap_or_default();
        let cookie = format!("{name}={value}; Path=/{age}; HttpOnly; SameSite=Lax{secure}");
        let mut cookie = HeaderValue::try_from(cookie).map_err(|_| Reject::Internal)?;
        cookie.set_sensitive(true);
        Ok(cookie)
    }

    /// The principal of these claims.
    fn principal(
        &self,
        claims: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Arc<Principal>, Reject> {
        let who = self.idp.rules.principal(claims).map_err(|_| Reject::AuthOidcIdToken)?;
        Ok(Arc::new(who))
    }

    /// Tells how many sessions there are.
    fn count(&self) {
        self.metrics.sessions.set(i64::try_from(self.sessions.len()).unwrap_or(i64::MAX));
    }
}

/// What a client is told that is refused for this reason.
fn refusal(reject: Reject) -> Refusal {
    match reject {
        Reject::AuthOidcStoreUnavailable => Refusal::later(reject, STORE_DOWN),
        reject => reject.into(),
    }
}
