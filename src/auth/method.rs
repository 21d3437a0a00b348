//! [`Method`]: how a section finds out who somebody is. A closed list: to add one, add a variant, and the
//! compiler shows the rest.
//!
//! In: a head. Out: [`Found`]: who it is, that nothing is said here, that what is said is wrong, or that
//! somebody has to be asked first.

use std::sync::Arc;

use super::{
    Ask, Found,
    api_key::ApiKeys,
    basic::{self, Basic},
    forward::Forward,
    introspection::Introspection,
    jwt::Jwt,
    lock_out::LockOut,
    mtls::Mtls,
    oidc::Oidc,
    place::Place,
    principal::{Introduction, Principal},
    provider::Given,
};
use crate::config::{self, Path, Problem, Problems};

/// Where bearer tokens are (RFC 6750).
const BEARER: Place = Place::Authorization("Bearer");

/// How a section finds out who somebody is.
#[derive(Debug)]
pub(super) enum Method {
    ApiKey(Box<ApiKeys>),
    Basic(Box<Basic>),
    Forward(Box<Forward>),
    Introspection(Box<Introspection>),
    Jwt(Box<Jwt>),
    Mtls(Box<Mtls>),
    Oidc(Box<Oidc>),
}

/// What a section of the same method knew before.
macro_rules! known {
    ($before:expr, $method:ident) => {
        match $before {
            Some(Self::$method(known)) => Some(&**known),
            _ => None,
        }
    };
}

impl Method {
    /// Compiles the one method of the section at `at`; what it knew `before` goes on.
    pub(super) fn compile(
        name: &Arc<str>,
        section: &config::Auth,
        introduction: &Introduction,
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let metrics = &given.metrics;
        let config::Auth { api_key, basic, forward, introspection, jwt, mtls, oidc, .. } = section;
        let all = [
            api_key.is_some(),
            basic.is_some(),
            forward.is_some(),
            introspection.is_some(),
            jwt.is_some(),
            mtls.is_some(),
            oidc.is_some(),
        ];
        if all.iter().filter(|is| **is).count() > 1 {
            let problem = Problem::error(at.clone(), "it has more than one method");
            let help = "give each a section, and name both in the route's `auth`";
            problems.push(problem.help(help));
            return None;
        }
        let who = |method| Principal { auth: name.clone(), method, ..Principal::default() };
        if let Some(keys) = api_key {
            let at = at.key("api-key");
            let before = known!(before, ApiKey);
            let who = who("api-key");
            let keys = ApiKeys::compile(keys, &who, introduction, before, given, &at, problems)?;
            return Some(Self::ApiKey(Box::new(keys)));
        }
        if let Some(users) = basic {
            let (at, who, counts) = (at.key("basic"), who("basic"), metrics.clone());
            let before = known!(before, Basic);
            let basic = Basic::compile(users, &who, introduction, before, counts, &at, problems)?;
            return Some(Self::Basic(Box::new(basic)));
        }
        if let Some(section) = forward {
            let (at, who) = (at.key("forward"), who("forward"));
            let before = known!(before, Forward);
            let share = (&who, introduction);
            let forward = Forward::compile(section, share, before, given, &at, problems)?;
            return Some(Self::Forward(Box::new(forward)));
        }
        if let Some(section) = introspection {
            let (at, who) = (at.key("introspection"), who("introspection"));
            let before = known!(before, Introspection);
            let share = (&who, introduction);
            let made = Introspection::compile(section, share, before, given, &at, problems)?;
            return Some(Self::Introspection(Box::new(made)));
        }
        if let Some(tokens) = jwt {
            let (at, who, counts) = (at.key("jwt"), who("jwt"), metrics.clone());
            let before = known!(before, Jwt);
            let jwt = Jwt::compile(tokens, &who, introduction, before, counts, &at, problems)?;
            return Some(Self::Jwt(Box::new(jwt)));
        }
        if let Some(certificates) = mtls {
            let (at, who) = (at.key("mtls"), who("mtls"));
            let mtls = Mtls::compile(certificates, who, introduction, &at, problems);
            return Some(Self::Mtls(Box::new(mtls)));
        }
        if let Some(people) = oidc {
            let (at, who, counts) = (at.key("oidc"), who("oidc"), metrics.clone());
            let before = known!(before, Oidc);
            let oidc = Oidc::compile(people, &who, introduction, before, counts, &at, problems)?;
            return Some(Self::Oidc(Box::new(oidc)));
        }
        let problem = Problem::error(at.clone(), "it has no method, so nobody could come in");
        problems.push(problem.help(
            "add `api-key`, `basic`, `forward`, `introspection`, `jwt`, `mtls` or `oidc`, each `= { .. }`",
        ));
        None
    }

    /// Its name, as in the configuration.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ApiKey(_) => "api-key",
            Self::Basic(_) => "basic",
            Self::Forward(_) => "forward",
            Self::Introspection(_) => "introspection",
            Self::Jwt(_) => "jwt",
            Self::Mtls(_) => "mtls",
            Self::Oidc(_) => "oidc",
        }
    }

    /// Where clients put what it looks at.
    pub(super) fn places(&self) -> &[Place] {
        match self {
            Self::ApiKey(keys) => keys.places(),
            Self::Basic(_) => &basic::PLACE,
            Self::Introspection(tokens) => tokens.places(),
            Self::Jwt(jwt) => jwt.places(),
            Self::Forward(_) | Self::Mtls(_) => &[],
            Self::Oidc(oidc) => oidc.places(),
        }
    }

    /// What a client of the section with this name is told that says nothing of itself (RFC 9110 section
    /// 11.6.1).
    pub(super) fn challenge(&self, name: &str) -> String {
        match self {
            Self::ApiKey(keys) => keys.challenge(name),
            Self::Basic(basic) => basic.challenge(),
            Self::Introspection(_) | Self::Jwt(_) => {
                format!("Bearer realm={}", super::quoted(name))
            }
            Self::Forward(_) => format!("Forward realm={}", super::quoted(name)),
            Self::Mtls(_) => format!("ClientCertificate realm={}", super::quoted(name)),
            Self::Oidc(_) => format!("Cookie realm={}", super::quoted(name)),
        }
    }

    /// Whether what it asks for is a bearer token (RFC 6750).
    pub(super) fn is_bearer(&self) -> bool {
        self.places().contains(&BEARER)
    }

    /// Begins what it does beside requests, on the runtime that this is called on.
    pub(super) fn start(&self) {
        match self {
            Self::Jwt(jwt) => jwt.start(),
            Self::Oidc(oidc) => oidc.start(),
            Self::ApiKey(_)
            | Self::Basic(_)
            | Self::Forward(_)
            | Self::Introspection(_)
            | Self::Mtls(_) => {}
        }
    }

    /// Who it is, as far as that can be said at once.
    #[inline]
    pub(super) fn look(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        match self {
            Self::ApiKey(keys) => keys.look(ask, lock_out),
            Self::Basic(basic) => basic.look(ask, lock_out),
            Self::Forward(forward) => forward.look(ask),
            Self::Introspection(tokens) => tokens.look(ask),
            Self::Jwt(jwt) => jwt.look(ask, lock_out),
            Self::Mtls(mtls) => mtls.look(ask),
            Self::Oidc(oidc) => oidc.look(ask),
        }
    }

    /// Who it is; this may wait for others.
    pub(super) async fn ask(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        match self {
            Self::ApiKey(keys) => keys.ask(ask, lock_out).await,
            Self::Basic(basic) => basic.ask(ask, lock_out).await,
            Self::Forward(forward) => forward.ask(ask).await,
            Self::Introspection(tokens) => tokens.ask(ask, lock_out).await,
            Self::Jwt(jwt) => jwt.ask(ask, lock_out).await,
            Self::Mtls(mtls) => mtls.look(ask),
            Self::Oidc(oidc) => oidc.ask(ask).await,
        }
    }

    /// What it would do that cannot say who it is at once, in words.
    pub(super) fn would_ask(&self) -> &'static str {
        match self {
            Self::ApiKey(_) => "would have to ask the store",
            Self::Forward(_) => "would ask the service that decides",
            Self::Introspection(_) => "would ask the authorization server",
            Self::Basic(_) | Self::Jwt(_) | Self::Mtls(_) | Self::Oidc(_) => "would have to ask",
        }
    }

    /// Who it is, for a dry run: it neither waits nor counts.
    pub(super) fn rehearse(&self, ask: &Ask<'_>) -> Found {
        match self {
            Self::ApiKey(keys) => keys.rehearse(ask),
            Self::Basic(basic) => basic.rehearse(ask),
            Self::Forward(forward) => forward.look(ask),
            Self::Introspection(tokens) => tokens.look(ask),
            Self::Jwt(jwt) => jwt.rehearse(ask),
            Self::Mtls(mtls) => mtls.look(ask),
            Self::Oidc(oidc) => oidc.rehearse(ask),
        }
    }
}
