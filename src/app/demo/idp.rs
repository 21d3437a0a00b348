//! The demo's identity provider: two users who log in by a click, and tokens for them.
//!
//! In: a browser and the gateway. Out: an [`Idp`] at a port of 127.0.0.1 until it is dropped, with keys of its
//! own. It speaks as much OpenID Connect as a login needs, and is nobody's model of a provider.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::host::{Host, Speaks};
use crate::auth::Signer;

/// What it calls the gateway.
const CLIENT: &str = "demo";
/// What the gateway proves that by when it asks about tokens: its name and its secret.
const PROOF: &str = "Basic ZGVtbzpkZW1vLXNlY3JldA==";
/// A token that is good for itself only.
pub(super) const OPAQUE: &str = "demo-opaque-token";
/// The word that opens the cave.
const PASS: &str = "sesame";
/// Where the gateway takes browsers back.
const CALLBACK: &str = "/.janua/people/callback";
/// Logins that wait to be taken up; more begin anew.
const MOST: usize = 1_000;
/// Bytes of a form.
const LONGEST: usize = 16 << 10;

const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Log in</title>\n\
    <style>body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto}</style>\n\
    <h1>Who are you?</h1>\n<form method=\"post\">\n<button name=\"user\" value=\"ada\">Ada, administrator</button>\n\
    <button name=\"user\" value=\"ben\">Ben, user</button>\n</form>\n";
const BYE: &str =
    "<!doctype html>\n<html lang=\"en\">\n<title>Logged out</title>\n<h1>Logged out</h1>\n";

/// An identity provider that serves until it is dropped.
pub(super) struct Idp {
    pub(super) address: SocketAddr,
    provider: Arc<Provider>,
    _host: Host,
}

struct Provider {
    issuer: String,
    signer: Signer,
    /// What was asked for, by code.
    logins: Mutex<HashMap<String, Asked>>,
}

struct Asked {
    user: &'static str,
    nonce: String,
    challenge: String,
    back: String,
}

impl Idp {
    /// Starts one.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = Host::place().await?;
        let address = listener.local_addr()?;
        let signer = Signer::load(None, now() * 1_000).map_err(io::Error::other)?;
        let (issuer, logins) = (format!("http://{address}"), Mutex::default());
        let provider = Arc::new(Provider { issuer, signer, logins });
        let by = provider.clone();
        let host = Host::start(Speaks::Http1, listener, move |request| {
            let provider = by.clone();
            async move { provider.answer(request).await }
        })?;
        Ok(Self { address, provider, _host: host })
    }

    /// A token with which a program may come.
    pub(super) fn token(&self) -> Result<String, String> {
        self.provider.sign("ada", "orders", None, 86_400)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

type Fields = HashMap<String, String>;

fn fields(text: &str) -> Fields {
    let field = |field: &str| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let value = value.replace('+', " ");
        (name.to_owned(), percent_decode_str(&value).decode_utf8_lossy().into_owned())
    };
    text.split('&').map(field).collect()
}

impl Provider {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let query = fields(head.uri.query().unwrap_or_default());
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let form = fields(&String::from_utf8_lossy(&body));
        let issuer = &self.issuer;
        match (head.method, head.uri.path()) {
            (Method::GET, "/.well-known/openid-configuration") => data(&json!({
                "issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "introspection_endpoint": format!("{issuer}/introspect"),
                "end_session_endpoint": format!("{issuer}/end"),
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "authorization_response_iss_parameter_supported": true,
            })),
            (Method::GET, "/keys") => data(&self.signer.jwks()),
            (Method::GET, "/authorize") if may_return(&query) => page(PAGE),
            (Method::POST, "/authorize") if may_return(&query) => self.log_in(&query, &form),
            (Method::POST, "/token") => self.tokens(&form).unwrap_or_else(wrong),
            (Method::POST, "/introspect") if proves(&head.headers) => self.introspect(&form),
            (Method::GET, "/decide") => decide(&head.headers),
            (Method::GET, "/end") => page(BYE),
            _ => wrong(),
        }
    }

    /// A user has clicked: back to the gateway, with a code.
    fn log_in(&self, query: &Fields, form: &Fields) -> Response<Full<Bytes>> {
        let user = match form.get("user").map(String::as_str) {
            Some("ada") => "ada",
            Some("ben") => "ben",
            _ => return page(PAGE),
        };
        let text = |name: &str| query.get(name).cloned().unwrap_or_default();
        let (nonce, challenge, back) =
            (text("nonce"), text("code_challenge"), text("redirect_uri"));
        let code = uuid::Uuid::from_u128(fastrand::u128(..)).to_string();
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let (state, issuer) = (encoded(&text("state")), encoded(&self.issuer));
        let to = format!("{back}?code={code}&state={state}&iss={issuer}");
        let mut logins = self.logins.lock();
        if logins.len() >= MOST {
            logins.clear();
        }
        logins.insert(code, Asked { user, nonce, challenge, back });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SEE_OTHER;
        match HeaderValue::try_from(to) {
            Ok(to) => drop(response.headers_mut().insert(header::LOCATION, to)),
            Err(_) => return wrong(),
        }
        response
    }

    /// The tokens of a code, once.
    fn tokens(&self, form: &Fields) -> Option<Response<Full<Bytes>>> {
        let Asked { user, nonce, challenge, back } =
            self.logins.lock().remove(form.get("code")?)?;
        let proof = URL_SAFE_NO_PAD.encode(digest(&SHA256, form.get("code_verifier")?.as_bytes()));
        if proof != challenge || *form.get("redirect_uri")? != back {
            return None;
        }
        let token = self.sign(user, CLIENT, Some(&nonce), 300).ok()?;
        Some(data(&json!({ "token_type": "Bearer", "access_token": "none", "id_token": token })))
    }

    /// What it knows of a token.
    fn introspect(&self, form: &Fields) -> Response<Full<Bytes>> {
        match form.get("token").is_some_and(|token| token == OPAQUE) {
            true => data(&json!({
                "active": true, "iss": self.issuer, "sub": "ben", "aud": "parcels",
                "exp": now() + 300,
            })),
            false => data(&json!({ "active": false })),
        }
    }

    fn sign(&self, user: &str, to: &str, nonce: Option<&str>, life: u64) -> Result<String, String> {
        let (now, role) = (now(), if user == "ada" { "admin" } else { "user" });
        let mut claims = json!({
            "iss": self.issuer, "sub": user, "aud": to, "iat": now, "exp": now + life, "roles": [role],
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        self.signer.sign(&claims, now * 1_000)
    }
}

/// Whether it is the gateway that asks, on this machine.
fn may_return(query: &Fields) -> bool {
    let back = query.get("redirect_uri").map(|uri| uri.parse::<http::Uri>());
    let Some(Ok(back)) = back else { return false };
    let here = matches!(back.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    here && back.path() == CALLBACK && query.get("client_id").is_some_and(|id| id == CLIENT)
}

/// Whether it is the gateway that asks.
fn proves(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|proof| proof == PROOF)
}

/// A service that decides: not the provider's trade, but there is room.
fn decide(headers: &HeaderMap) -> Response<Full<Bytes>> {
    let may = headers.get("x-pass").is_some_and(|word| word == PASS);
    let mut response = Response::new(Full::from(if may { "" } else { "Say the word.\n" }));
    match may {
        true => drop(response.headers_mut().insert("x-user", HeaderValue::from_static("ali"))),
        false => *response.status_mut() = StatusCode::FORBIDDEN,
    }
    response
}

fn page(text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn data(value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn wrong() -> Response<Full<Bytes>> {
    let mut response = data(&json!({ "error": "invalid_grant" }));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}
