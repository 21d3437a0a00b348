//! [`Provider`]: a section `[auth.NAME]`, ready to be asked.
//!
//! In: a head. Out: [`Found`]: who it is, that nothing is said here, that what is said is wrong, or
//! that somebody has to be asked first. Methods are a closed list; to add one, add a variant, and the
//! compiler shows the rest. This is where they plug in:
//!
//! - [`Provider::look`] decides at once, if that can be done without waiting;
//! - what answers [`Found::Unsure`] there is asked again through [`Provider::ask`], which may wait;
//! - [`Provider::rehearse`] is for dry runs: it neither waits nor counts.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use super::{
    Ask, Found,
    api_key::ApiKeys,
    basic::{self, Basic},
    identity_token::IdentityToken,
    lock_out::LockOut,
    mtls::Mtls,
    place::Place,
    principal::{Introduction, Principal},
    signer::Signer,
};
use crate::{
    config::{self, Path, Problem, Problems},
    metrics::AuthMetrics,
};

/// A section `[auth.NAME]`.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: Arc<str>,
    method: Method,
    lock_out: LockOut,
    introduction: Introduction,
    /// What the origin does not get.
    pub(super) credentials: Box<[Place]>,
    /// What a client is told that says nothing of itself.
    pub(super) challenge: HeaderValue,
    metrics: Arc<AuthMetrics>,
}

#[derive(Debug)]
enum Method {
    ApiKey(ApiKeys),
    Basic(Box<Basic>),
    Mtls(Box<Mtls>),
}

impl Provider {
    /// Compiles the section at `at`; what was counted and remembered `before` goes on.
    pub fn compile(
        name: &str,
        section: &config::Auth,
        before: Option<&Self>,
        (metrics, signer): (Arc<AuthMetrics>, Option<&Arc<Signer>>),
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let introduction = introduction(section, signer, at, problems);
        let name: Arc<str> = name.into();
        let who = |method| Principal { auth: name.clone(), method, ..Principal::default() };
        let methods = (&section.api_key, &section.basic, &section.mtls);
        let (method, credentials, challenge) = match methods {
            (Some(keys), None, None) => {
                let at = at.key("api-key");
                let keys = ApiKeys::compile(keys, &who("api-key"), &introduction, &at, problems)?;
                let (places, challenge) = (keys.places().into(), keys.challenge(&name));
                (Method::ApiKey(keys), places, challenge)
            }
            (None, Some(users), None) => {
                let at = at.key("basic");
                let before = before.and_then(|before| match &before.method {
                    Method::Basic(basic) => Some(&**basic),
                    Method::ApiKey(_) | Method::Mtls(_) => None,
                });
                let (who, counts) = (who("basic"), metrics.clone());
                let basic =
                    Basic::compile(users, &who, &introduction, before, counts, &at, problems)?;
                let challenge = basic.challenge();
                (Method::Basic(Box::new(basic)), basic::PLACE.into(), challenge)
            }
            (None, None, Some(mtls)) => {
                let at = at.key("mtls");
                let mtls = Mtls::compile(mtls, who("mtls"), &introduction, &at, problems);
                let challenge = format!("ClientCertificate realm={}", super::quoted(&name));
                (Method::Mtls(Box::new(mtls)), Box::default(), challenge)
            }
            (None, None, None) => {
                let problem =
                    Problem::error(at.clone(), "it has no method, so nobody could come in");
                problems
                    .push(problem.help("add `api-key = { .. }`, `basic = { .. }` or `mtls = {}`"));
                return None;
            }
            _ => {
                let problem = Problem::error(at.clone(), "it has more than one method");
                problems
                    .push(problem.help("give each a section, and name both in the route's `auth`"));
                return None;
            }
        };
        let challenge = HeaderValue::try_from(challenge).map_err(|_| {
            Problem::error(at.clone(), "its name or realm cannot stand in a header field")
        });
        Some(Self {
            name,
            method,
            lock_out: LockOut::compile(&section.lock_out, before.map(|before| &before.lock_out)),
            introduction,
            credentials: if section.keep_credentials { Box::default() } else { credentials },
            challenge: problems.keep(challenge)?,
            metrics,
        })
    }

    /// The method's name.
    pub fn method(&self) -> &'static str {
        match &self.method {
            Method::ApiKey(_) => "api-key",
            Method::Basic(_) => "basic",
            Method::Mtls(_) => "mtls",
        }
    }

    /// Whether what it asks for is a bearer token (RFC 6750).
    pub(super) fn is_bearer(&self) -> bool {
        match &self.method {
            Method::ApiKey(keys) => ApiKeys::is_bearer(keys.places()),
            Method::Basic(_) | Method::Mtls(_) => false,
        }
    }

    /// Whether what it asks for is a client's certificate.
    pub(super) fn wants_certificates(&self) -> bool {
        matches!(self.method, Method::Mtls(_))
    }

    /// Who it is, as far as that can be said at once.
    pub(super) fn look(&self, ask: &Ask<'_>) -> Found {
        let found = match &self.method {
            Method::ApiKey(keys) => keys.look(ask, &self.lock_out),
            Method::Basic(basic) => basic.look(ask, &self.lock_out),
            Method::Mtls(mtls) => mtls.look(ask),
        };
        self.counted(found)
    }

    /// Who it is; this may wait for others.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Found {
        let found = match &self.method {
            Method::ApiKey(keys) => keys.look(ask, &self.lock_out),
            Method::Basic(basic) => basic.ask(ask, &self.lock_out).await,
            Method::Mtls(mtls) => mtls.look(ask),
        };
        self.counted(found)
    }

    /// Who it is, for a dry run.
    pub(super) fn rehearse(&self, ask: &Ask<'_>) -> Found {
        match &self.method {
            Method::ApiKey(keys) => keys.look(ask, &LockOut::never()),
            Method::Basic(basic) => basic.rehearse(ask),
            Method::Mtls(mtls) => mtls.look(ask),
        }
    }

    /// Somebody whom it is taken to know, for a dry run.
    pub(super) fn pretend(&self, who: &Principal) -> Principal {
        let (auth, method) = (self.name.clone(), self.method());
        self.introduction.of(Principal { auth, method, ..who.clone() })
    }

    /// Failures change how many are counted, and are rare.
    fn counted(&self, found: Found) -> Found {
        if matches!(found, Found::Wrong(_)) {
            self.metrics.lock_out.set(i64::try_from(self.lock_out.entries()).unwrap_or(i64::MAX));
        }
        found
    }
}

/// What the origin is told.
fn introduction(
    section: &config::Auth,
    signer: Option<&Arc<Signer>>,
    at: &Path,
    problems: &mut Problems,
) -> Introduction {
    let token = section.identity_token.as_ref().and_then(|token| {
        IdentityToken::compile(token, signer, &at.key("identity-token"), problems)
    });
    let at = at.key("identity-headers");
    let field = |(name, claim): (&String, &String)| {
        let at = at.key(name.clone());
        let field = identity_header(name).map_err(|message| Problem::error(at.clone(), message));
        let known = (!claim.is_empty()).then(|| claim.as_str().into());
        let claim = known.ok_or_else(|| Problem::error(at, "a claim has a name"));
        problems.keep(field).zip(problems.keep(claim))
    };
    let fields = section.identity_headers.iter().filter_map(field).collect();
    Introduction { fields, token: token.map(Arc::new) }
}

/// A header field's name that may say who somebody is, and nothing that HTTP or Janua itself says.
pub fn identity_header(name: &str) -> Result<HeaderName, String> {
    let field: HeaderName =
        name.parse().map_err(|_| format!("`{name}` is not a header field's name"))?;
    let taken = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::COOKIE,
        header::EXPECT,
        header::FORWARDED,
        header::HOST,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::VIA,
    ];
    let ours = [
        "keep-alive",
        "proxy-connection",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-real-ip",
        "x-request-id",
    ];
    if taken.contains(&field) || ours.contains(&field.as_str()) {
        return Err(format!("`{field}` means something else; choose another name, `x-user` say"));
    }
    if field.as_str().contains('_') {
        return Err(format!("`{field}`: many origins take `_` for `-`; write `-`"));
    }
    Ok(field)
}
