//! [`Endpoint`]: where an authorization server is asked about tokens, and how.
//!
//! In: a token. Out: the server's claims about it (RFC 7662 section 2.2), or why there are none.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Map, Value};

use super::super::{
    client_proof,
    discovery::{self, Fault},
};
use crate::{
    config::{self, ClientAuth, Path, Problem, Problems},
    dial::{Destination, Fetcher},
};

/// Connections that are kept for the next question.
const MAX_IDLE: usize = 16;

/// What stands for itself in a form (`application/x-www-form-urlencoded`).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// Where an authorization server is asked, and by whom.
#[derive(Debug)]
pub(super) struct Endpoint {
    issuer: Option<Box<str>>,
    at: Location,
    credentials: Credentials,
    fetcher: Fetcher,
}

#[derive(Debug)]
enum Location {
    Url(Arc<Destination>),
    /// Where the issuer's discovery document says, until that fails.
    Discovery(Box<Destination>, ArcSwapOption<Destination>),
}

/// What proves who asks.
#[derive(Debug)]
enum Credentials {
    Basic(HeaderValue),
    /// The end of the body.
    Post(Secret),
}

/// What is not printed.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Endpoint {
    /// Compiles what the section at `at` says of it.
    pub(super) fn compile(
        section: &config::Introspection,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let fetcher = Fetcher::compile(&section.fetch, &at.key("fetch"), problems);
        let location = location(section, at, problems);
        let credentials = problems.keep(credentials(section, at));
        Some(Self {
            issuer: section.issuer.as_deref().map(Into::into),
            at: location?,
            credentials: credentials?,
            fetcher: fetcher?.keeping(MAX_IDLE),
        })
    }

    /// What the server says of a token: an object that says whether it is `active`.
    pub(super) async fn ask(&self, token: &[u8]) -> Result<Map<String, Value>, Fault> {
        let said = self.fetch(token).await;
        if let (Err(_), Location::Discovery(_, found)) = (&said, &self.at) {
            // It may be elsewhere by now.
            found.store(None);
        }
        said
    }

    async fn fetch(&self, token: &[u8]) -> Result<Map<String, Value>, Fault> {
        let at = self.locate().await?;
        let mut body = format!("token={}&token_type_hint=access_token", form(token));
        let mut question = Request::new(Bytes::new());
        *question.method_mut() = Method::POST;
        let fields = question.headers_mut();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        fields.insert(header::CONTENT_TYPE, kind);
        fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        match &self.credentials {
            Credentials::Basic(value) => drop(fields.insert(header::AUTHORIZATION, value.clone())),
            Credentials::Post(end) => body.push_str(&end.0),
        }
        *question.body_mut() = body.into();
        let claims = discovery::object(self.fetcher.fetch(&at, question).await?)?;
        match claims.get("active") {
            Some(Value::Bool(_)) => Ok(claims),
            _ => Err(Fault::Content("it does not say whether the token is `active`".into())),
        }
    }

    /// Where the server is asked.
    async fn locate(&self) -> Result<Arc<Destination>, Fault> {
        let (document, found) = match &self.at {
            Location::Url(at) => return Ok(at.clone()),
            Location::Discovery(document, found) => (document, found),
        };
        if let Some(found) = found.load_full() {
            return Ok(found);
        }
        let document =
            discovery::object(self.fetcher.fetch(document, Request::new(Bytes::new())).await?)?;
        let issuer = self.issuer.as_deref().unwrap_or_default();
        let at = Arc::new(discovery::endpoint(issuer, &document, "introspection_endpoint")?);
        found.store(Some(at.clone()));
        Ok(at)
    }
}

fn form(text: &[u8]) -> impl std::fmt::Display {
    percent_encode(text, FORM).to_string()
}

fn location(
    section: &config::Introspection,
    at: &Path,
    problems: &mut Problems,
) -> Option<Location> {
    let (key, url) = match (&section.url, &section.issuer) {
        (Some(url), _) => ("url", url.clone()),
        (None, Some(issuer)) => ("issuer", discovery::url(issuer)),
        (None, None) => {
            let problem = Problem::error(at.clone(), "it does not say whom to ask");
            problems.push(problem.help("`url = \"https://..\"`, or `issuer`"));
            return None;
        }
    };
    let at = at.key(key);
    let to = Destination::parse(&url).map_err(|message| Problem::error(at.clone(), message));
    let to = problems.keep(to)?;
    if !to.is_protected() {
        let message = "anybody on the way can read the tokens, and say that they hold";
        problems.push(Problem::finding(at, message).help("write https://"));
    }
    Some(match key {
        "url" => Location::Url(Arc::new(to)),
        _ => Location::Discovery(Box::new(to), ArcSwapOption::empty()),
    })
}

fn credentials(section: &config::Introspection, at: &Path) -> Result<Credentials, Problem> {
    if section.client_id.is_empty() {
        return Err(Problem::error(at.key("client-id"), "it does not say who asks"));
    }
    let missing = || Problem::error(at.key("client-secret"), "nothing proves who asks");
    let secret = section.client_secret.as_ref().ok_or_else(missing)?.reveal();
    let secret = secret.map_err(|message| Problem::error(at.key("client-secret"), message))?;
    let (id, secret) = (form(section.client_id.as_bytes()), form(secret.as_bytes()));
    Ok(match section.client_auth {
        ClientAuth::Post => {
            Credentials::Post(Secret(format!("&client_id={id}&client_secret={secret}")))
        }
        ClientAuth::Basic => {
            let value = client_proof::basic(id, secret);
            Credentials::Basic(value.ok_or_else(|| Problem::error(at.clone(), "it is too long"))?)
        }
    })
}
