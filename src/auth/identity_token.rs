//! [`IdentityToken`]: a short-lived token by which the origin is told who makes a request.
//!
//! In: a principal. Out: a header field with a JWT that this gateway signed. The token stays with the
//! principal and is used again for half of its life, so that a request costs a lock and a reference; a
//! principal that is made for one request has a signature of its own.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{
    principal::{Principal, seen},
    provider::identity_header,
    signer::{LONGEST, Signer},
};
use crate::config::{self, Path, Problem, Problems};

/// What the tokens of a section say.
#[derive(Debug)]
pub(super) struct IdentityToken {
    header: HeaderName,
    /// In milliseconds.
    lifetime: u64,
    claims: Box<[Box<str>]>,
    audience: Option<Box<str>>,
    issuer: Box<str>,
    signer: Arc<Signer>,
}

/// By whom they are signed counts, not which keys he has just now.
impl PartialEq for IdentityToken {
    fn eq(&self, other: &Self) -> bool {
        let Self { header, lifetime, claims, audience, issuer, signer } = self;
        (header, lifetime, claims, audience, issuer)
            == (&other.header, &other.lifetime, &other.claims, &other.audience, &other.issuer)
            && Arc::ptr_eq(signer, &other.signer)
    }
}

/// A principal's token.
#[derive(Debug, Default)]
pub(super) struct Token {
    of: Option<Arc<IdentityToken>>,
    /// The newest, and up to when it is used, in milliseconds since 1970.
    made: Mutex<Option<(u64, HeaderValue)>>,
}

/// Claims that the token itself has.
const OWN: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

impl IdentityToken {
    /// Compiles the key at `at`.
    pub(super) fn compile(
        token: &config::IdentityToken,
        signer: Option<&Arc<Signer>>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let header = identity_header(&token.header)
            .map_err(|message| Problem::error(at.key("header"), message));
        let header = problems.keep(header);
        for (index, claim) in token.claims.iter().enumerate() {
            if OWN.contains(&claim.as_str()) {
                let message = format!("`{claim}` is there by itself");
                problems.push(Problem::error(at.key("claims").index(index), message));
            }
        }
        let lifetime = u64::try_from(token.lifetime.0.as_millis()).unwrap_or(u64::MAX);
        if !(2_000..=LONGEST).contains(&lifetime) {
            let problem = Problem::error(at.key("lifetime"), "a token lives for 2s to 1d");
            problems.push(problem);
            return None;
        }
        Some(Self {
            header: header?,
            lifetime,
            claims: token.claims.iter().map(|claim| claim.as_str().into()).collect(),
            audience: token.audience.as_deref().map(Into::into),
            issuer: token.issuer.as_str().into(),
            signer: signer?.clone(),
        })
    }

    /// What it says of somebody beside the name.
    fn claims(&self, who: &Principal) -> Map<String, Value> {
        let claim = |name: &str| Some((name.to_owned(), who.claim(name)?.into_owned()));
        self.claims.iter().filter_map(|name| claim(name)).collect()
    }

    fn make(&self, who: &Principal, now: u64) -> Result<HeaderValue, String> {
        let mut claims = self.claims(who);
        claims.insert("iss".into(), Value::from(&*self.issuer));
        claims.insert("sub".into(), Value::from(&*who.subject));
        if let Some(audience) = &self.audience {
            claims.insert("aud".into(), Value::from(&**audience));
        }
        claims.insert("iat".into(), Value::from(now / 1_000));
        claims.insert("exp".into(), Value::from(now.saturating_add(self.lifetime) / 1_000));
        let token = self.signer.sign(&Value::Object(claims), now)?;
        HeaderValue::try_from(token).map_err(|error| error.to_string())
    }
}

impl Token {
    /// What one is to have.
    pub(super) fn new(of: Option<Arc<IdentityToken>>) -> Self {
        Self { of, made: Mutex::default() }
    }

    /// A digest of what it says of somebody beside the name; nothing if it is none, or says no more.
    pub(super) fn says_of(&self, who: &Principal) -> Box<[u8]> {
        let claims = self.of.as_ref().map(|token| token.claims(who));
        claims.filter(|claims| !claims.is_empty()).map(|claims| seen(&claims)).unwrap_or_default()
    }

    /// This one, or else another.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self::new(self.of.clone().or_else(|| other.of.clone()))
    }

    /// The header field that tells who it is, at this moment in milliseconds since 1970. Without a
    /// token that was asked for, the field is empty: the origin lets nobody in.
    pub(super) fn field(
        &self,
        who: &Principal,
        now: impl FnOnce() -> u64,
    ) -> Option<(&HeaderName, HeaderValue)> {
        let of = self.of.as_deref()?;
        let now = now();
        let mut made = self.made.lock();
        if let Some((until, value)) = &*made
            && now < *until
        {
            return Some((&of.header, value.clone()));
        }
        match of.make(who, now) {
            Ok(value) => {
                *made = Some((now.saturating_add(of.lifetime / 2), value.clone()));
                Some((&of.header, value))
            }
            Err(error) => {
                tracing::error!(error, "no identity token can be made");
                Some((&of.header, HeaderValue::from_static("")))
            }
        }
    }
}

/// Whoever copies a principal may change it.
impl Clone for Token {
    fn clone(&self) -> Self {
        Self::new(self.of.clone())
    }
}

/// It says what the principal says.
impl PartialEq for Token {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
