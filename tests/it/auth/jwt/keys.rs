//! An issuer's keys: found, renewed, gone; and an issuer that is down, slow, or talks nonsense.

use std::sync::Arc;

use janua::{
    app::{Source, config_tests, explain},
    snapshot::{Purpose, Snapshot},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Signer, bearer, metric, until};
use crate::{
    auth::{gateway, send, setup},
    support::{Origin, certs::Authority, soon},
};

/// An identity provider whose answers can be changed: a status line with fields, and a document.
#[derive(Clone)]
struct Idp(Arc<Mutex<(String, String)>>);

impl Idp {
    async fn start(keys: &[Value]) -> (Self, Origin) {
        let idp = Self(Arc::default());
        idp.has(keys);
        let known = idp.clone();
        let origin = Origin::script(move |mut peer| {
            let idp = known.clone();
            async move {
                while let Some(request) = peer.request().await {
                    let (head, mut body) = idp.0.lock().clone();
                    if request.target().ends_with("/.well-known/openid-configuration") {
                        let url = format!("http://{}", request.field("host").unwrap());
                        let keys = format!("{url}/keys");
                        body = json!({ "issuer": url, "jwks_uri": keys }).to_string();
                    }
                    let length = body.len();
                    peer.send(format!("{head}Content-Length: {length}\r\n\r\n{body}")).await;
                }
            }
        });
        (idp, origin.await)
    }

    fn says(&self, head: &str, body: impl Into<String>) {
        *self.0.lock() = (format!("HTTP/1.1 {head}\r\n"), body.into());
    }

    fn has(&self, keys: &[Value]) {
        self.says("200 OK", json!({ "keys": keys }).to_string());
    }
}

fn section(idp: &Origin, more: &str) -> String {
    format!(
        "[auth.corp]\nlock-out.attempts = 0\n\
         jwt = {{ jwks = \"{}/keys\", audience = \"orders\", {more} }}",
        idp.url
    )
}

#[tokio::test]
async fn an_issuers_keys_are_discovered() {
    let signer = Signer::new("a");
    let (_idp, at) = Idp::start(&[signer.jwk()]).await;
    let jwt = format!("[auth.corp]\njwt = {{ issuer = \"{}\", audience = \"orders\" }}", at.url);
    let (janua, _origin) = gateway(&jwt, "auth = \"corp\"").await;
    // The first request waits for the keys rather than being refused.
    let token = signer.token(json!({ "iss": at.url }));
    assert_eq!(send(&janua, "GET /", &bearer(&token)).await.status(), 200);
    let asked: Vec<_> = at.requests().iter().map(|asked| asked.target().to_owned()).collect();
    assert_eq!(asked, ["/.well-known/openid-configuration", "/keys"]);
    assert_eq!(metric(&janua, "janua_auth_keys"), 1);
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_asked_for_but_not_all_the_time() {
    let (old, new, never) = (Signer::new("old"), Signer::new("new"), Signer::new("never"));
    let (idp, at) = Idp::start(&[old.jwk()]).await;
    let (janua, _origin) = gateway(&section(&at, "cool-down = \"0s\""), "auth = \"corp\"").await;
    let old = bearer(&old.token(json!({})));
    assert_eq!(send(&janua, "GET /", &old).await.status(), 200);
    idp.has(&[new.jwk()]);
    assert_eq!(send(&janua, "GET /", &bearer(&new.token(json!({})))).await.status(), 200);
    assert_eq!(at.requests().len(), 2);
    // A remembered token goes with its key.
    send(&janua, "GET /", &old).await.assert_refused(401, "auth.jwt.key_unknown", "withdrawn");

    let (_idp, at) = Idp::start(&[new.jwk()]).await;
    let (janua, _origin) = gateway(&section(&at, "cool-down = \"1h\""), "auth = \"corp\"").await;
    assert_eq!(send(&janua, "GET /", &bearer(&new.token(json!({})))).await.status(), 200);
    for _ in 0..5 {
        let answer = send(&janua, "GET /", &bearer(&never.token(json!({})))).await;
        answer.assert_refused(401, "auth.jwt.key_unknown", "nobody has it");
    }
    assert_eq!(at.requests().len(), 1, "an attacker had it asked again and again");
}

#[tokio::test]
async fn many_who_wait_have_keys_fetched_once() {
    let signer = Signer::new("a");
    let (idp, may) = Origin::held().await;
    let (janua, _origin) = gateway(&section(&idp, ""), "auth = \"corp\"").await;
    let token = bearer(&signer.token(json!({})));
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let (address, token) = (janua.address, token.clone());
            tokio::spawn(async move {
                let mut client = crate::support::Client::connect(address).await;
                client.request("GET /", &token).await
            })
        })
        .collect();
    until("the question", || idp.received().contains("\r\n\r\n")).await;
    may.add_permits(1);
    for answer in waiting {
        let answer = answer.await.unwrap();
        answer.assert_refused(503, "auth.jwt.keys_unavailable", "`ok` is no key set");
    }
    assert_eq!(idp.requests().len(), 1);
}

#[tokio::test]
async fn while_there_are_no_keys_nobody_comes_in_and_then_they_do() {
    let signer = Signer::new("a");
    let (idp, at) = Idp::start(&[]).await;
    let token = bearer(&signer.token(json!({})));
    let many: Vec<_> = (0..65).map(|_| signer.jwk()).collect();
    let secret = json!({ "keys": [{ "kty": "oct", "kid": "a", "k": "c2VjcmV0" }] }).to_string();
    let mut encrypts = signer.jwk();
    encrypts["use"] = "enc".into();
    let mut weak = super::Rsa::new().jwk("a");
    weak["n"] = super::base64([0xff; 128]).into();
    for (what, head, body) in [
        ("no keys", "200 OK", json!({ "keys": [] }).to_string()),
        ("garbage", "200 OK", "<html>".into()),
        ("not a set", "200 OK", signer.jwk().to_string()),
        ("too many keys", "200 OK", json!({ "keys": many }).to_string()),
        ("a secret for all to see", "200 OK", secret),
        ("a key for something else", "200 OK", json!({ "keys": [encrypts] }).to_string()),
        ("a weak key", "200 OK", json!({ "keys": [weak] }).to_string()),
        ("huge", "200 OK", " ".repeat(70_000)),
        ("an error", "500 Oh", json!({ "keys": [signer.jwk()] }).to_string()),
        ("elsewhere", "302 Found\r\nLocation: /other", String::new()),
        ("not HTTP", "hello", String::new()),
    ] {
        idp.says(head, body);
        let (janua, origin) =
            gateway(&section(&at, "fetch.max-size = \"64KiB\""), "auth = \"corp\"").await;
        let answer = send(&janua, "GET /", &token).await;
        answer.assert_refused(503, "auth.jwt.keys_unavailable", what);
        assert!(answer.field("retry-after").is_some(), "{what}");
        assert_eq!(origin.requests().len(), 0, "{what}");
        assert_eq!(metric(&janua, "janua_auth_key_fetch_failures_total"), 1, "{what}");
    }
    let (janua, _origin) = gateway(&section(&at, ""), "auth = \"corp\"").await;
    let answer = send(&janua, "GET /", &token).await;
    answer.assert_refused(503, "auth.jwt.keys_unavailable", "still");
    idp.has(&[signer.jwk()]);
    until("recovery", || metric(&janua, "janua_auth_keys") == 1).await;
    assert_eq!(send(&janua, "GET /", &token).await.status(), 200);
}

#[tokio::test]
async fn an_issuer_that_says_nothing_is_not_waited_for_for_ever() {
    let signer = Signer::new("a");
    let (idp, _never) = Origin::held().await;
    let jwt = section(&idp, "fetch.timeout = \"100ms\"");
    let (janua, _origin) = gateway(&jwt, "auth = \"corp\"").await;
    let answer = send(&janua, "GET /", &bearer(&signer.token(json!({})))).await;
    answer.assert_refused(503, "auth.jwt.keys_unavailable", "slow");
}

#[tokio::test]
async fn the_last_keys_hold_while_the_issuer_is_down_and_over_a_reload() {
    let signer = Signer::new("a");
    let (idp, at) = Idp::start(&[signer.jwk()]).await;
    let origin = Origin::ok().await;
    let setup =
        setup(&origin, &section(&at, "cool-down = \"0s\", refresh = \"1s\""), "auth = \"corp\"");
    let janua = setup.clone().start().await;
    let fresh = || bearer(&signer.token(json!({ "jti": super::now() })));
    assert_eq!(send(&janua, "GET /", &fresh()).await.status(), 200);
    idp.says("503 Down", "");
    let failures = "janua_auth_key_fetch_failures_total";
    until("a refresh that fails", || metric(&janua, failures) > 0).await;
    assert_eq!(send(&janua, "GET /", &fresh()).await.status(), 200);
    janua.reload(&setup).await.unwrap();
    assert_eq!(send(&janua, "GET /", &fresh()).await.status(), 200);
    // Somebody's unknown key does not turn the others away.
    let other = bearer(&Signer::new("b").token(json!({})));
    send(&janua, "GET /", &other).await.assert_refused(401, "auth.jwt.key_unknown", "unknown");
    assert_eq!(send(&janua, "GET /", &fresh()).await.status(), 200);
}

#[tokio::test]
async fn keys_hold_no_longer_than_was_allowed_without_newer_ones() {
    let signer = Signer::new("a");
    let (idp, at) = Idp::start(&[signer.jwk()]).await;
    let more = "cool-down = \"0s\", refresh = \"1s\", max-stale = \"2s\"";
    let (janua, _origin) = gateway(&section(&at, more), "auth = \"corp\"").await;
    let token = bearer(&signer.token(json!({})));
    assert_eq!(send(&janua, "GET /", &token).await.status(), 200);
    idp.says("503 Down", "");
    let mut client = janua.client().await;
    let refused = soon("the end of the keys", async {
        loop {
            let answer = client.request("GET /", &token).await;
            if answer.status() != 200 {
                return answer;
            }
        }
    });
    // A remembered token goes with them.
    refused.await.assert_refused(503, "auth.jwt.keys_unavailable", "too old");
    idp.has(&[signer.jwk()]);
    soon("recovery", async { while client.request("GET /", &token).await.status() != 200 {} })
        .await;
}

#[tokio::test]
async fn an_issuer_over_tls_is_verified() {
    let signer = Signer::new("a");
    let keys = json!({ "keys": [signer.jwk()] }).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{keys}", keys.len());
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let ca = ours.save(&folder.path().join("ca.pem"));
    let known = format!("fetch.ca = \"{ca}\"");
    for (what, identity, more, works) in [
        ("a good one", ours.issue(1, &["localhost"]), &*known, true),
        ("another name", ours.issue(2, &["other.example"]), &*known, false),
        ("another authority", theirs.issue(3, &["localhost"]), &*known, false),
        ("an authority that the system does not know", ours.issue(4, &["localhost"]), "", false),
    ] {
        let answer = answer.clone();
        let idp = Origin::tls(identity.server(), move |mut peer| {
            let answer = answer.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.send(answer.as_bytes()).await;
                }
            }
        })
        .await;
        let (janua, _origin) = gateway(&section(&idp, more), "auth = \"corp\"").await;
        let answer = send(&janua, "GET /", &bearer(&signer.token(json!({})))).await;
        match works {
            true => assert_eq!(answer.status(), 200, "{what}"),
            false => answer.assert_refused(503, "auth.jwt.keys_unavailable", what),
        }
        assert_eq!(idp.requests().len(), usize::from(works), "{what}");
    }
}

/// What `janua explain` and `[[test]]` say of tokens is what the chain does.
#[tokio::test]
async fn a_dry_run_shows_what_is_made_of_a_token() {
    let (signer, other) = (Signer::new("a"), Signer::new("b"));
    let (_folder, file) = super::jwks_file(&[signer.jwk()]);
    let good = signer.token(json!({}));
    let text = format!(
        "[auth.corp.jwt]\naudience = \"orders\"\nroles = \"realm_access.roles\"\n{file}\n\
         [auth.far.jwt]\naudience = \"orders\"\njwks = \"http://127.0.0.1:9/keys\"\n\
         [[route]]\nname = \"near\"\nauth = \"corp\"\nallow.role = \"admin\"\nto = \"echo\"\n\
         [[route]]\nname = \"far\"\npath = \"/far\"\nauth = \"far\"\nto = \"echo\"\n\
         [[test]]\nrequest = \"GET http://a/\"\nas = {{ user = \"ann\", roles = \"admin\" }}\nexpect.status = 200\n\
         [[test]]\nrequest = \"GET http://a/\"\nas = {{ user = \"ann\" }}\nexpect.reason = \"authz.role\"\n\
         [[test]]\nrequest = \"GET http://a/\"\nheaders.authorization = \"Bearer {good}\"\nexpect.status = 200\n\
         [[test]]\nrequest = \"GET http://a/\"\nheaders.authorization = \"Bearer a.b.c\"\nexpect.reason = \"auth.jwt.malformed\"\n",
    );
    let source = Source::Text("janua.toml".into(), text);
    let loaded = source.load().unwrap_or_else(|report| panic!("{report}"));
    let world = Snapshot::compile(loaded.config.clone(), Purpose::Look, None).unwrap().0;
    let wrong = config_tests::run(&Arc::new(world));
    assert!(wrong.is_empty(), "{wrong:?}");
    for (url, token, lines) in [
        ("/", good.clone(), ["`corp` (jwt) knows alice, roles admin", "role admin: yes"]),
        ("/", signer.token(json!({ "exp": 1 })), ["refuses, auth.jwt.expired", "401"]),
        ("/", other.token(json!({})), ["refuses, auth.jwt.key_unknown", "401"]),
        ("/far", good, ["`far` (jwt) would have to ask", "identify"]),
    ] {
        let asked = explain::Arguments {
            method: "GET".into(),
            url: url.into(),
            headers: vec![format!("authorization: Bearer {token}")],
            ..explain::Arguments::default()
        };
        let text = explain::explain(&source, &asked).unwrap().to_string();
        for line in lines {
            assert!(text.contains(line), "no {line:?}: {text}");
        }
        assert!(!text.contains(&token), "explain shows the token: {text}");
    }
}
