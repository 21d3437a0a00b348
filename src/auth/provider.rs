//! [`Provider`]: a section `[auth.NAME]`, ready to be asked.
//!
//! In: a head. Out: [`Found`]: who it is, that nothing is said here, that what is said is wrong, or
//! that somebody has to be asked first. What all methods have is here: lock-out, what the origin is told
//! and does not get, and what a client is told. This is where they plug in:
//!
//! - [`Provider::look`] decides at once, if that can be done without waiting;
//! - what answers [`Found::Unsure`] there is asked again through [`Provider::ask`], which may wait;
//! - [`Provider::rehearse`] is for dry runs: it neither waits nor counts.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};

use super::{
    Ask, Found,
    identity_token::IdentityToken,
    lock_out::LockOut,
    method::Method,
    oidc::Oidc,
    place::Place,
    principal::{Introduction, Principal},
    signer::Signer,
};
use crate::{
    config::{self, Path, Problem, Problems},
    metrics::AuthMetrics,
    reject::Reject,
    store::Stores,
};

/// What a section is given by others.
#[derive(Debug)]
pub struct Given<'a> {
    /// Its counts.
    pub metrics: Arc<AuthMetrics>,
    /// The gateway's own keys.
    pub signer: Option<&'a Arc<Signer>>,
    /// What it may share with other gateways.
    pub stores: &'a Stores,
}

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
    challenge: HeaderValue,
    metrics: Arc<AuthMetrics>,
}

impl Provider {
    /// Compiles the section at `at`; what was counted and remembered `before` goes on.
    pub fn compile(
        name: &str,
        section: &config::Auth,
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let introduction = introduction(section, given.signer, at, problems);
        let name: Arc<str> = name.into();
        let known = before.map(|before| &before.method);
        let method = Method::compile(&name, section, &introduction, known, given, at, problems)?;
        let challenge = HeaderValue::try_from(method.challenge(&name)).map_err(|_| {
            Problem::error(at.clone(), "its name or realm cannot stand in a header field")
        });
        let kept = match &method {
            Method::Oidc(_) if section.keep_credentials => {
                let message = "a session's cookie goes to no origin";
                problems.push(Problem::error(at.key("keep-credentials"), message));
                return None;
            }
            _ => section.keep_credentials,
        };
        let credentials = if kept { &[] } else { method.places() };
        Some(Self {
            name,
            lock_out: LockOut::compile(&section.lock_out, before.map(|before| &before.lock_out)),
            introduction,
            credentials: credentials.into(),
            challenge: problems.keep(challenge)?,
            method,
            metrics: given.metrics.clone(),
        })
    }

    /// Begins what it does beside requests; to be called on the runtime of the control side.
    pub fn start(&self) {
        self.method.start();
    }

    /// What a client is told that is refused for this reason.
    pub(super) fn challenge(&self, reject: Reject) -> HeaderValue {
        let family = match self.method {
            Method::Jwt(_) => Some("auth.jwt."),
            Method::Introspection(_) => Some("auth.introspection."),
            Method::ApiKey(_)
            | Method::Basic(_)
            | Method::Forward(_)
            | Method::Mtls(_)
            | Method::Oidc(_) => None,
        };
        if !family.is_some_and(|family| reject.reason().starts_with(family)) {
            return self.challenge.clone();
        }
        let told = [self.challenge.as_bytes(), b", error=\"invalid_token\""].concat();
        HeaderValue::from_bytes(&told).unwrap_or_else(|_| self.challenge.clone())
    }

    /// Where it looks for credentials.
    pub(super) fn places(&self) -> &[Place] {
        self.method.places()
    }

    /// Where browsers log in, if they do.
    pub(super) fn login(&self) -> Option<&Oidc> {
        match &self.method {
            Method::Oidc(oidc) => Some(oidc),
            Method::ApiKey(_)
            | Method::Basic(_)
            | Method::Forward(_)
            | Method::Introspection(_)
            | Method::Jwt(_)
            | Method::Mtls(_) => None,
        }
    }

    /// What it would do that cannot say who it is at once, in words.
    pub(super) fn would_ask(&self) -> &'static str {
        self.method.would_ask()
    }

    /// The method's name.
    pub fn method(&self) -> &'static str {
        self.method.name()
    }

    /// Whether what it asks for is a bearer token (RFC 6750).
    pub(super) fn is_bearer(&self) -> bool {
        self.method.is_bearer()
    }

    /// Whether what it asks for is a client's certificate.
    pub(super) fn wants_certificates(&self) -> bool {
        matches!(self.method, Method::Mtls(_))
    }

    /// Who it is, as far as that can be said at once.
    pub(super) fn look(&self, ask: &Ask<'_>) -> Found {
        self.counted(self.method.look(ask, &self.lock_out))
    }

    /// Who it is; this may wait for others.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Found {
        self.counted(self.method.ask(ask, &self.lock_out).await)
    }

    /// Who it is, for a dry run.
    pub(super) fn rehearse(&self, ask: &Ask<'_>) -> Found {
        self.method.rehearse(ask)
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
    Introduction { fields, token: token.map(Arc::new), keeps: section.keep_credentials }
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
