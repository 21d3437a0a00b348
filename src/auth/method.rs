//! [`Method`]: how a section finds out who somebody is. A closed list: to add one, add a variant, and the
//! compiler shows the rest.
//!
//! In: a head. Out: [`Found`]: who it is, that nothing is said here, that what is said is wrong, or that
//! somebody has to be asked first.

use std::sync::Arc;

use super::{
    Ask, Found,
    api_key::ApiKey,
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

/// What to add to a section that has no method.
const ONE_OF: &str = "add `api-key`, `basic`, `forward`, `introspection`, `jwt`, `mtls` or `oidc`, \
    each `= { .. }`";

/// How a section finds out who somebody is.
#[derive(Debug)]
pub(super) enum Method {
    ApiKey(Box<ApiKey>),
    Basic(Box<Basic>),
    Forward(Box<Forward>),
    Introspection(Box<Introspection>),
    Jwt(Box<Jwt>),
    Mtls(Box<Mtls>),
    Oidc(Box<Oidc>),
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
        let (mut tables, mut made) = (0, None);
        macro_rules! compile {
            ($($table:ident, $name:literal => $method:ident;)+) => {$(
                if let Some(section) = &section.$table {
                    let method = $name;
                    let who = Principal { auth: name.clone(), method, ..Principal::default() };
                    let (share, at) = ((&who, introduction), at.key($name));
                    let before = match before {
                        Some(Self::$method(before)) => Some(&**before),
                        _ => None,
                    };
                    let method = $method::compile(section, share, before, given, &at, problems);
                    made = method.map(|method| Self::$method(Box::new(method)));
                    tables += 1;
                }
            )+};
        }
        compile! {
            api_key, "api-key" => ApiKey;
            basic, "basic" => Basic;
            forward, "forward" => Forward;
            introspection, "introspection" => Introspection;
            jwt, "jwt" => Jwt;
            mtls, "mtls" => Mtls;
            oidc, "oidc" => Oidc;
        }
        let (message, help) = match tables {
            0 => ("it has no method, so nobody could come in", ONE_OF),
            1 => return made,
            _ => (
                "it has more than one method",
                "give each a section, and name both in the route's `auth`",
            ),
        };
        problems.push(Problem::error(at.clone(), message).help(help));
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
