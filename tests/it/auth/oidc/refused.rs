//! Logins that do not hold: each is refused for its reason, and nobody is let in.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{Browser, Idp, SESSION, Says, flow, metric, now};

/// What comes back to the callback, and how the provider was prepared.
struct Return {
    says: Says,
    /// The query; `STATE` and `ISS` stand for what they are.
    query: &'static str,
    /// What becomes of the login's cookie with this name.
    cookie: fn(&str, String) -> Option<String>,
    section: &'static str,
}

type Case = (&'static str, fn(&mut Return), u16, &'static str);

const GOOD: &str = "code=c&state=STATE&iss=ISS";

fn claims(it: &mut Return, claims: Value) {
    it.says.claims = claims;
}

fn document(it: &mut Return, document: Value) {
    it.says.document = document;
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // What the browser brings
    ("no state", |it| it.query = "code=c&iss=ISS", 400, "auth.oidc.state"),
    ("an empty state", |it| it.query = "code=c&state=&iss=ISS", 400, "auth.oidc.state"),
    ("another state", |it| it.query = "code=c&state=xSTATE&iss=ISS", 400, "auth.oidc.state"),
    ("two states", |it| it.query = "code=c&state=STATE&state=STATE&iss=ISS", 400, "auth.oidc.response"),
    ("two codes", |it| it.query = "code=c&code=d&state=STATE&iss=ISS", 400, "auth.oidc.response"),
    ("no code", |it| it.query = "state=STATE&iss=ISS", 400, "auth.oidc.response"),
    ("an empty code", |it| it.query = "code=&state=STATE&iss=ISS", 400, "auth.oidc.response"),
    ("a code that is no text", |it| it.query = "code=%ff&state=STATE&iss=ISS", 400, "auth.oidc.response"),
    ("nothing", |it| it.query = "", 400, "auth.oidc.state"),
    ("no issuer where it is promised", |it| it.query = "code=c&state=STATE", 400, "auth.oidc.issuer"),
    ("another issuer", |it| it.query = "code=c&state=STATE&iss=https%3A%2F%2Fevil.example", 400, "auth.oidc.issuer"),
    ("another issuer's error", |it| it.query = "error=x&state=STATE&iss=evil", 400, "auth.oidc.issuer"),
    ("the user does not agree", |it| it.query = "error=access_denied&state=STATE&iss=ISS", 403, "auth.oidc.denied"),
    ("an error", |it| it.query = "error=server_error&error_description=%3Cb%3E&state=STATE&iss=ISS", 502, "auth.oidc.error"),
    ("an error and a code", |it| it.query = "error=invalid_scope&code=c&state=STATE&iss=ISS", 502, "auth.oidc.error"),
    ("no cookie", |it| it.cookie = |_, _| None, 400, "auth.oidc.flow"),
    ("an empty cookie", |it| it.cookie = |_, _| Some(String::new()), 400, "auth.oidc.flow"),
    ("a forged cookie", |it| it.cookie = |_, it| Some(format!("A{it}")), 400, "auth.oidc.flow"),
    ("a cut cookie", |it| it.cookie = |_, it| Some(it[..it.len() - 4].into()), 400, "auth.oidc.flow"),
    ("a cookie in clear", |it| it.cookie = |_, _| Some(URL_SAFE_NO_PAD.encode("{\"s\":\"x\"}")), 400, "auth.oidc.flow"),
    ("two cookies", |it| it.cookie = |name, it| Some(format!("{it}; {name}={it}")), 400, "auth.ambiguous"),
    // What the token endpoint says
    ("the code is not taken", |it| { it.says.head = "400 Bad"; it.says.body = Some(r#"{"error":"invalid_grant"}"#.into()); }, 400, "auth.oidc.code"),
    ("the secret is wrong", |it| { it.says.head = "401 No"; it.says.body = Some(r#"{"error":"invalid_client"}"#.into()); }, 502, "auth.oidc.provider"),
    ("the provider fails", |it| { it.says.head = "500 Oh"; it.says.body = Some("<h1>secret</h1>".into()); }, 502, "auth.oidc.provider"),
    ("it leads elsewhere", |it| it.says.head = "302 Found\r\nLocation: http://127.0.0.1:1/", 502, "auth.oidc.provider"),
    ("it is no JSON", |it| it.says.body = Some("<html>".into()), 502, "auth.oidc.provider"),
    ("a name is there twice", |it| it.says.body = Some(r#"{"id_token":"a","id_token":"b"}"#.into()), 502, "auth.oidc.provider"),
    ("it is huge", |it| { it.section = "fetch.max-size = \"64KiB\""; it.says.body = Some(" ".repeat(70_000)); }, 502, "auth.oidc.provider"),
    ("it is slow", |it| { it.section = "fetch.timeout = \"300ms\""; it.says.hangs = true; }, 503, "auth.oidc.unavailable"),
    ("it is not there", |it| document(it, json!({ "token_endpoint": "http://127.0.0.1:1/token" })), 503, "auth.oidc.unavailable"),
    ("it is not told", |it| document(it, json!({ "token_endpoint": null })), 502, "auth.oidc.provider"),
    ("it is no URL", |it| document(it, json!({ "token_endpoint": "file:///etc/passwd" })), 502, "auth.oidc.provider"),
    ("no ID token", |it| it.says.tokens = json!({ "id_token": null }), 502, "auth.oidc.provider"),
    ("an ID token that is no text", |it| it.says.tokens = json!({ "id_token": 7 }), 502, "auth.oidc.provider"),
    ("a huge ID token", |it| it.says.id_token = Some("a".repeat(20_000)), 502, "auth.oidc.provider"),
    ("no access token", |it| it.says.tokens = json!({ "access_token": null }), 502, "auth.oidc.provider"),
    ("tokens of another kind", |it| it.says.tokens = json!({ "token_type": "mac" }), 502, "auth.oidc.provider"),
    // What the ID token says
    ("garbage", |it| it.says.id_token = Some("a.b.c".into()), 502, "auth.oidc.id_token"),
    ("another nonce", |it| claims(it, json!({ "nonce": "x" })), 400, "auth.oidc.nonce"),
    ("no nonce", |it| claims(it, json!({ "nonce": null })), 400, "auth.oidc.nonce"),
    ("another issuer's token", |it| claims(it, json!({ "iss": "https://evil.example" })), 502, "auth.oidc.id_token"),
    ("for somebody else", |it| claims(it, json!({ "aud": "other" })), 502, "auth.oidc.id_token"),
    ("for several, without azp", |it| claims(it, json!({ "aud": ["janua", "other"] })), 502, "auth.oidc.id_token"),
    ("for several, azp of another", |it| claims(it, json!({ "aud": ["janua", "other"], "azp": "other" })), 502, "auth.oidc.id_token"),
    ("azp of another", |it| claims(it, json!({ "azp": "other" })), 502, "auth.oidc.id_token"),
    ("azp that is no text", |it| claims(it, json!({ "azp": ["janua"] })), 502, "auth.oidc.id_token"),
    ("expired", |it| claims(it, json!({ "exp": now() - 60 })), 502, "auth.oidc.id_token"),
    ("without an end", |it| claims(it, json!({ "exp": null })), 502, "auth.oidc.id_token"),
    ("without a beginning", |it| claims(it, json!({ "iat": null })), 502, "auth.oidc.id_token"),
    ("not yet", |it| claims(it, json!({ "nbf": now() + 600 })), 502, "auth.oidc.id_token"),
    ("about nobody", |it| claims(it, json!({ "sub": null })), 502, "auth.oidc.id_token"),
    ("about an empty name", |it| claims(it, json!({ "sub": "" })), 502, "auth.oidc.id_token"),
    ("about a number", |it| claims(it, json!({ "sub": 7 })), 502, "auth.oidc.id_token"),
    ("roles of a wrong kind", |it| claims(it, json!({ "roles": 7 })), 502, "auth.oidc.id_token"),
    ("alg none", |it| it.says.header = json!({ "alg": "none" }), 502, "auth.oidc.id_token"),
    ("alg HS256", |it| it.says.header = json!({ "alg": "HS256", "kid": "a" }), 502, "auth.oidc.id_token"),
    ("alg RS256", |it| it.says.header = json!({ "alg": "RS256", "kid": "a" }), 502, "auth.oidc.id_token"),
    ("an unknown key", |it| it.says.header = json!({ "alg": "ES256", "kid": "b" }), 502, "auth.oidc.id_token"),
    ("crit", |it| it.says.header = json!({ "alg": "ES256", "kid": "a", "crit": ["x"] }), 502, "auth.oidc.id_token"),
    ("an access token", |it| it.says.header = json!({ "alg": "ES256", "kid": "a", "typ": "at+jwt" }), 502, "auth.oidc.id_token"),
    ("a logout token", |it| it.says.header = json!({ "alg": "ES256", "kid": "a", "typ": "logout+jwt" }), 502, "auth.oidc.id_token"),
    // What userinfo says
    ("userinfo about somebody else", |it| { it.section = "userinfo = true"; it.says.userinfo = json!({ "sub": "mallory" }); }, 502, "auth.oidc.provider"),
    ("userinfo about nobody", |it| { it.section = "userinfo = true"; it.says.userinfo = json!({}); }, 502, "auth.oidc.provider"),
];

#[tokio::test]
async fn a_login_that_does_not_hold_is_refused_for_its_reason() {
    for (what, prepare, status, reason) in CASES {
        let mut it =
            Return { says: Says::good(), query: GOOD, cookie: |_, it| Some(it), section: "" };
        prepare(&mut it);
        let Return { says, query, cookie, section } = it;
        let idp = Idp::start(|good| *good = says).await;
        let section =
            idp.section(section).replace("fetch.timeout = \"3s\"\nfetch.timeout", "fetch.timeout");
        let (janua, origin) = crate::auth::gateway(&section, "auth = \"corp\"").await;
        let mut browser = Browser::default();
        let asked = browser.begin(&janua, &idp, "/page").await;
        let issuer = idp.at.url.replace(':', "%3A").replace('/', "%2F");
        // The issuer first: a state is random, and may hold its word.
        let query = query.replace("ISS", &issuer).replace("STATE", &asked["state"]);
        let name = flow(&asked["state"]);
        let sealed = browser.cookies.remove(&name).unwrap();
        browser.cookies.extend(cookie(&name, sealed).map(|value| (name.clone(), value)));
        let line = format!("GET /.janua/corp/callback?{query}");
        let answer = browser.send(&janua, &line, "").await;
        answer.assert_refused(*status, reason, what);
        // Whose login it is cannot be said where the answer does not say it, or says it in two ways.
        let unclear = ["auth.oidc.state", "auth.oidc.response", "auth.ambiguous"].contains(reason);
        let gone = unclear && !query.contains("code=&") && !query.starts_with("state");
        assert_eq!(browser.flows().len(), usize::from(gone), "{what}: the login's cookie");
        assert!(!answer.text().contains("secret"), "{what}: {answer:?}");
        assert!(!browser.cookies.contains_key(SESSION), "{what}");
        assert_eq!(origin.requests().len(), 0, "{what}");
        assert_eq!(
            metric(&janua, "janua_auth_logins_total{auth=\"corp\",outcome=\"failed\"}"),
            1,
            "{what}"
        );
        assert_eq!(metric(&janua, "janua_auth_sessions{auth=\"corp\"}"), 0, "{what}");
    }
}

#[tokio::test]
async fn a_login_is_over_when_it_came_back_once() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let mut browser = Browser::default();
    let asked = browser.begin(&janua, &idp, "/").await;
    let mut again = browser.clone();
    assert_eq!(browser.come_back(&janua, &idp, &asked["state"]).await.status(), 303);
    let answer = again
        .send(&janua, &format!("GET /.janua/corp/callback?code=c&state={}", asked["state"]), "")
        .await;
    answer.assert_refused(400, "auth.oidc.replayed", "replayed");
    assert_eq!(idp.says.lock().asked.len(), 1, "the code was sent twice");
}

#[tokio::test]
async fn one_browsers_login_is_of_no_use_to_another() {
    let idp = Idp::start(|_| {}).await;
    let (janua, _origin) = idp.gateway("").await;
    let (mut mallory, mut victim) = (Browser::default(), Browser::default());
    let hers = mallory.begin(&janua, &idp, "/").await;
    victim.begin(&janua, &idp, "/").await;
    let link = format!("GET /.janua/corp/callback?code=c&state={}", hers["state"]);
    victim.send(&janua, &link, "").await.assert_refused(400, "auth.oidc.state", "her link");
    let (other, _) = idp.gateway("").await;
    let answer = mallory.send(&other, &link, "").await;
    answer.assert_refused(400, "auth.oidc.flow", "another process's key");
}

#[tokio::test]
async fn while_the_provider_is_down_nobody_logs_in_and_then_they_do() {
    let (idp, may) = crate::support::Origin::held().await;
    drop(may);
    let section = format!(
        "[auth.corp.oidc]\nissuer = \"{}\"\nclient-id = \"janua\"\nfetch.timeout = \"200ms\"",
        idp.url
    );
    let (janua, _origin) = crate::auth::gateway(&section, "auth = \"corp\"").await;
    let answer = crate::auth::send(&janua, "GET /", "Accept: text/html\r\n").await;
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert!(answer.text().contains("auth.oidc.unavailable"), "{answer:?}");
    let answer = crate::auth::send(&janua, "GET /", "").await;
    answer.assert_refused(401, "auth.missing", "a program is told so at once");
}
