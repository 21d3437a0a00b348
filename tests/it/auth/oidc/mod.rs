//! People who log in at an identity provider: a provider that does what a test says, and a browser.

mod logins;
mod refused;
pub(crate) mod sessions;

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::jwt::{Signer, now};
use crate::support::{Janua, Message, Origin, Setup};

/// What a provider says, and what it was asked.
pub(crate) struct Says {
    pub(in crate::auth) signer: Signer,
    /// Changes to its discovery document; null takes a name out.
    pub(crate) document: Value,
    /// Changes to the ID token's claims.
    pub(crate) claims: Value,
    pub(crate) header: Value,
    /// The nonce of the login that it was asked for.
    pub(crate) nonce: String,
    /// An ID token to the letter, in place of a good one.
    pub(crate) id_token: Option<String>,
    /// Changes to the answer with the tokens.
    pub(crate) tokens: Value,
    /// The status line of that answer, and its body in place of a good one.
    pub(crate) head: &'static str,
    pub(crate) body: Option<String>,
    /// Whether it does not answer when it is asked for tokens.
    pub(crate) hangs: bool,
    /// Requests for tokens that came meanwhile.
    pub(crate) held: usize,
    pub(crate) userinfo: Value,
    /// Forms that came to the token endpoint, with `Authorization`.
    pub(crate) asked: Vec<(BTreeMap<String, String>, String)>,
}

fn change(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().into_iter().flatten() {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            change => value[name] = change.clone(),
        }
    }
    value
}

impl Says {
    fn good() -> Self {
        let header = json!({ "alg": "ES256", "kid": "a" });
        Self {
            signer: Signer::new("a"),
            document: json!({}),
            claims: json!({}),
            header,
            nonce: String::new(),
            id_token: None,
            tokens: json!({}),
            head: "200 OK",
            body: None,
            hangs: false,
            held: 0,
            userinfo: json!({ "sub": "alice", "department": "sales", "roles": ["root"] }),
            asked: Vec::new(),
        }
    }

    /// An ID token as it is now.
    pub(crate) fn id_token(&self, url: &str) -> String {
        let claims = json!({
            "iss": url, "aud": "janua", "sub": "alice", "sid": "s1", "roles": ["admin"],
            "iat": now(), "exp": now() + 300, "nonce": self.nonce,
        });
        let claims = change(claims, &self.claims);
        self.signer.raw(&self.header.to_string(), &claims.to_string())
    }

    fn answer(&mut self, url: &str, request: &Message) -> (&'static str, String) {
        match request.target() {
            "/.well-known/openid-configuration" => {
                let document = json!({
                    "issuer": url, "jwks_uri": format!("{url}/keys"),
                    "authorization_endpoint": format!("{url}/authorize"),
                    "token_endpoint": format!("{url}/token"),
                    "userinfo_endpoint": format!("{url}/me"),
                    "end_session_endpoint": format!("{url}/end?x=y"),
                    "authorization_response_iss_parameter_supported": true,
                });
                ("200 OK", change(document, &self.document).to_string())
            }
            "/keys" => ("200 OK", json!({ "keys": [self.signer.jwk()] }).to_string()),
            "/me" => ("200 OK", self.userinfo.to_string()),
            "/token" => {
                let proof = request.field("authorization").unwrap_or_default();
                self.asked.push((form(&request.text()), proof));
                let id_token = self.id_token.clone().unwrap_or_else(|| self.id_token(url));
                let tokens = json!({
                    "token_type": "Bearer", "access_token": "at", "expires_in": 300,
                    "id_token": id_token,
                });
                let body = change(tokens, &self.tokens).to_string();
                (self.head, self.body.clone().unwrap_or(body))
            }
            _ => ("404 Not Found", String::new()),
        }
    }
}

/// A provider.
pub(crate) struct Idp {
    pub(crate) says: Arc<Mutex<Says>>,
    pub(crate) at: Origin,
}

impl Idp {
    pub(crate) async fn start(prepare: impl FnOnce(&mut Says)) -> Self {
        let mut says = Says::good();
        prepare(&mut says);
        let says = Arc::new(Mutex::new(says));
        let known = says.clone();
        let at = Origin::script(move |mut peer| {
            let says = known.clone();
            async move {
                while let Some(request) = peer.request().await {
                    let url = format!("http://{}", request.field("host").unwrap());
                    if says.lock().hangs && request.target() == "/token" {
                        says.lock().held += 1;
                        until_ever(|| !says.lock().hangs).await;
                    }
                    let (head, body) = says.lock().answer(&url, &request);
                    let length = body.len();
                    peer.send(format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}"))
                        .await;
                }
            }
        });
        Self { says, at: at.await }
    }

    /// The section, with more keys of `oidc`.
    pub(crate) fn section(&self, more: &str) -> String {
        format!(
            "[auth.corp]\nidentity-headers = {{ x-user = \"sub\", x-roles = \"roles\" }}\n\
             [auth.corp.oidc]\nissuer = \"{}\"\nclient-id = \"janua\"\n\
             client-secret = {{ file = \"/etc/hostname\" }}\nfetch.timeout = \"3s\"\n{more}\n",
            self.at.url
        )
    }

    /// A gateway with one route, for people of this provider's.
    pub(crate) async fn gateway(&self, more: &str) -> (Janua, Origin) {
        super::gateway(&self.section(more), "auth = \"corp\"").await
    }

    pub(crate) fn setup(&self, origin: &Origin, more: &str) -> Setup {
        super::setup(origin, &self.section(more), "auth = \"corp\"")
    }
}

/// Waits until something holds, if ever.
async fn until_ever(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// The fields of a form or query.
pub(crate) fn form(text: &str) -> BTreeMap<String, String> {
    let field = |field: &str| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let value = value.replace('+', " ");
        let value = percent_encoding::percent_decode_str(&value).decode_utf8_lossy().into_owned();
        (name.to_owned(), value)
    };
    text.split('&').map(field).collect()
}

pub(crate) const SESSION: &str = "__Host-janua-corp";
pub(crate) const FLOW: &str = "__Host-janua-corp-login";

/// The name of the cookie of the login with this state.
pub(crate) fn flow(state: &str) -> String {
    format!("{FLOW}~{}", &state[..8])
}

/// A browser, as far as it matters here: it keeps cookies and asks for pages.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) async fn send(&mut self, janua: &Janua, line: &str, fields: &str) -> Message {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = match cookies.is_empty() {
            true => String::new(),
            false => format!("Cookie: {}\r\n", cookies.join("; ")),
        };
        let answer = super::send(janua, line, &format!("{cookie}{fields}")).await;
        for set in answer.values("set-cookie") {
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            match set.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.into(), value.into())),
            }
        }
        answer
    }

    pub(crate) async fn get(&mut self, janua: &Janua, page: &str) -> Message {
        self.send(janua, &format!("GET {page}"), "Accept: text/html\r\n").await
    }

    /// Asks for a page and is sent to the provider; what that is asked.
    pub(crate) async fn begin(
        &mut self,
        janua: &Janua,
        idp: &Idp,
        page: &str,
    ) -> BTreeMap<String, String> {
        let answer = self.get(janua, page).await;
        assert_eq!(answer.status(), 302, "{answer:?}");
        let location = answer.field("location").unwrap();
        let (place, query) = location.split_once('?').unwrap();
        assert_eq!(place, format!("{}/authorize", idp.at.url));
        let asked = form(query);
        idp.says.lock().nonce = asked["nonce"].clone();
        asked
    }

    /// The cookies of logins that it has under way.
    pub(crate) fn flows(&self) -> Vec<&String> {
        self.cookies.keys().filter(|name| name.starts_with(FLOW)).collect()
    }

    /// Comes back from the provider.
    pub(crate) async fn come_back(&mut self, janua: &Janua, idp: &Idp, state: &str) -> Message {
        let issuer = idp.at.url.replace(':', "%3A").replace('/', "%2F");
        let target = format!("/.janua/corp/callback?code=c&state={state}&iss={issuer}");
        self.get(janua, &target).await
    }

    /// Logs in, and is back at the page.
    pub(crate) async fn log_in(&mut self, janua: &Janua, idp: &Idp, page: &str) -> Message {
        let asked = self.begin(janua, idp, page).await;
        let answer = self.come_back(janua, idp, &asked["state"]).await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        answer
    }
}

/// A number of the metrics' page.
pub(crate) fn metric(janua: &Janua, line: &str) -> u64 {
    let page = janua.world().metrics.encode(&janua::metrics::Outside::default());
    let found = page.lines().find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
    found.unwrap().parse().unwrap()
}
