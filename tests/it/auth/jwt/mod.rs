//! Tokens: which hold, and what becomes of those that do not; and keys that come, go and stay away.

mod keys;
mod refused;

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{gateway, send};
use crate::support::{Janua, Origin, Setup, until};

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap()
}

/// A key pair over P-256.
pub(super) struct Signer {
    pub(super) kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(super) fn new(kid: &'static str) -> Self {
        Self { kid, pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    pub(super) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid,
            "x": base64(&point[1..33]), "y": base64(&point[33..]),
        })
    }

    /// The signature of a text.
    pub(super) fn signature(&self, text: &str) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec()
    }

    /// A token with this header and these claims, to the letter.
    pub(super) fn raw(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        format!("{signed}.{}", base64(self.signature(&signed)))
    }

    /// A good token but for these claims.
    pub(super) fn token(&self, changed: Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid });
        self.raw(&header.to_string(), &claims(changed).to_string())
    }
}

/// A key pair of RSA.
pub(super) struct Rsa {
    pair: RsaKeyPair,
}

impl Rsa {
    pub(super) fn new() -> Self {
        Self { pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        // SEQUENCE { INTEGER n, INTEGER e }, of 2,048 and 17 bits.
        let der = self.public();
        let (n, e) = (&der[9..265], &der[der.len() - 3..]);
        json!({ "kty": "RSA", "alg": "RS256", "kid": kid, "n": base64(n), "e": base64(e) })
    }

    /// The public key: what everybody knows.
    pub(super) fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    pub(super) fn token(&self, header: &Value) -> String {
        let signed = format!("{}.{}", base64(header.to_string()), base64(good().to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", base64(signature))
    }
}

pub(super) const ISSUER: &str = "https://idp.example";

pub(super) fn good() -> Value {
    claims(json!({}))
}

/// Claims that hold, but for these; `null` takes one away.
fn claims(changed: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "orders", "sub": "alice", "exp": now() + 600, "scope": "read write",
        "realm_access": { "roles": ["admin"] },
    });
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

pub(super) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A number of the metrics' page.
pub(super) fn metric(janua: &Janua, name: &str) -> i64 {
    let page = janua.metrics();
    let name = format!("{name}{{auth=\"corp\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap()
}

/// A file with these keys, in a folder that ends with the test.
pub(super) fn jwks_file(keys: &[Value]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, json!({ "keys": keys }).to_string()).unwrap();
    let key = format!("jwks-file = \"{}\"", file.display());
    (folder, key)
}

#[tokio::test]
async fn a_token_that_holds_lets_in_and_says_who_it_is() {
    let signer = Signer::new("a");
    let (_folder, file) = jwks_file(&[signer.jwk()]);
    let sections = format!(
        "[auth.corp]\nidentity-headers = {{ x-user = \"sub\", x-roles = \"roles\", x-scopes = \"scopes\" }}\n\
         [auth.corp.jwt]\nissuer = \"{ISSUER}\"\naudience = \"orders\"\n{file}\n\
         header = \"authorization\"\ncookie = \"at\"\nquery = \"token\"\nroles = \"realm_access.roles\"\n"
    );
    let route = "auth = \"corp\"\nallow = { role = \"admin\", scope = \"read\" }";
    let (janua, origin) = gateway(&sections, route).await;
    let token = signer.token(json!({}));
    for (target, fields) in [
        ("/a?x=1", bearer(&token)),
        ("/a?x=1", format!("Cookie: at={token}\r\n")),
        (&format!("/a?token={token}&x=1"), "X-User: root\r\nX_Roles: root\r\n".into()),
    ] {
        let answer = send(&janua, &format!("GET {target}"), &fields).await;
        assert_eq!(answer.status(), 200, "{target} {fields}: {answer:?}");
        let seen = origin.last();
        assert_eq!(seen.target(), "/a?x=1");
        let said = ["x-user", "x-roles", "x-scopes"].map(|name| seen.field(name).unwrap());
        assert_eq!(said, ["alice", "admin", "read,write"]);
    }
    assert_eq!(metric(&janua, "janua_auth_remembered"), 1, "it is one token");
    assert!(!origin.received().contains(&token), "the origin saw the token");
    let clerk = signer.token(json!({ "realm_access": { "roles": ["clerk"] } }));
    let answer = send(&janua, "GET /", &bearer(&clerk)).await;
    answer.assert_refused(403, "authz.role", "another role");
    let reader = signer.token(json!({ "scope": "write" }));
    let answer = send(&janua, "GET /", &bearer(&reader)).await;
    answer.assert_refused(403, "authz.scope", "another scope");
    let told = answer.field("www-authenticate").unwrap();
    assert!(told.contains("insufficient_scope"), "{told}");
    let log = std::fs::read_to_string(janua.path("access.log")).unwrap();
    assert!(!log.contains(&token), "{log}");
}

#[tokio::test]
async fn a_token_that_is_remembered_ends_when_it_ends() {
    let signer = Signer::new("a");
    let (_folder, file) = jwks_file(&[signer.jwk()]);
    let sections =
        format!("[auth.corp]\njwt = {{ audience = \"orders\", leeway = \"0s\", {file} }}");
    let (janua, _origin) = gateway(&sections, "auth = \"corp\"").await;
    let token = signer.token(json!({ "exp": now() + 2 }));
    assert_eq!(send(&janua, "GET /", &bearer(&token)).await.status(), 200);
    let mut client = janua.client().await;
    let answer = crate::support::soon("its end", async {
        loop {
            let answer = client.request("GET /", &bearer(&token)).await;
            if answer.status() != 200 {
                return answer;
            }
        }
    });
    answer.await.assert_refused(401, "auth.jwt.expired", "its time is over");
}

#[tokio::test]
async fn whoever_makes_up_signatures_is_locked_out_and_who_comes_late_is_not() {
    let (signer, other) = (Signer::new("a"), Signer::new("a"));
    let (_folder, file) = jwks_file(&[signer.jwk()]);
    let sections = format!("[auth.corp]\njwt = {{ audience = \"orders\", {file} }}");
    let (janua, _origin) = gateway(&sections, "auth = \"corp\"").await;
    let good = signer.token(json!({}));
    assert_eq!(send(&janua, "GET /", &bearer(&good)).await.status(), 200);
    let late = bearer(&signer.token(json!({ "exp": 1 })));
    for _ in 0..10 {
        send(&janua, "GET /", &late).await.assert_refused(401, "auth.jwt.expired", "late");
    }
    for _ in 0..5 {
        let forged = bearer(&other.token(json!({})));
        send(&janua, "GET /", &forged).await.assert_refused(401, "auth.jwt.signature", "forged");
    }
    let forged = bearer(&other.token(json!({})));
    send(&janua, "GET /", &forged).await.assert_refused(429, "auth.locked_out", "once too often");
    assert_eq!(send(&janua, "GET /", &bearer(&good)).await.status(), 200, "that one is known");
}

#[tokio::test]
async fn a_shared_secret_is_for_its_algorithms_only() {
    use aws_lc_rs::hmac;
    let secret = "0123456789abcdef0123456789abcdef";
    let sections = format!(
        "[auth.corp]\nlock-out.attempts = 0\njwt = {{ audience = \"orders\", secret = \"{secret}\" }}"
    );
    let (janua, _origin) = gateway(&sections, "auth = \"corp\"").await;
    let signed = |alg: &str, hash, secret: &str| {
        let header = json!({ "alg": alg, "kid": "any" });
        let text = format!("{}.{}", base64(header.to_string()), base64(good().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hash, secret.as_bytes()), text.as_bytes());
        format!("{text}.{}", base64(tag))
    };
    let good = signed("HS256", hmac::HMAC_SHA256, secret);
    assert_eq!(send(&janua, "GET /", &bearer(&good)).await.status(), 200);
    for (token, reason) in [
        (signed("HS256", hmac::HMAC_SHA256, "another secret"), "auth.jwt.signature"),
        (signed("HS256", hmac::HMAC_SHA512, secret), "auth.jwt.signature"),
        // The secret is too short for it.
        (signed("HS512", hmac::HMAC_SHA512, secret), "auth.jwt.algorithm"),
        (signed("ES256", hmac::HMAC_SHA256, secret), "auth.jwt.algorithm"),
        (signed("none", hmac::HMAC_SHA256, secret), "auth.jwt.algorithm"),
    ] {
        send(&janua, "GET /", &bearer(&token)).await.assert_refused(401, reason, &token);
    }
}

/// Who is of a team has the endpoint of the team.
#[tokio::test]
async fn a_claim_says_which_endpoint_somebody_has() {
    let signer = Signer::new("a");
    let (_folder, file) = jwks_file(&[signer.jwk()]);
    let mut origins = Vec::new();
    for name in ["one", "two", "three"] {
        origins.push(Origin::named(name).await);
    }
    let urls: Vec<_> = origins.iter().map(|origin| format!("\"{}\"", origin.url)).collect();
    let setup = Setup::new(format!(
        "[auth.corp]\njwt = {{ audience = \"orders\", {file} }}\n\
         [upstream.u]\nendpoints = [{}]\nbalance.hash = \"claim:team\"\n\
         [[route]]\nto = \"u\"\nauth = \"corp\"\n",
        urls.join(", ")
    ));
    let janua = setup.start().await;
    let mut seen = std::collections::BTreeSet::new();
    for team in 0..20 {
        let mut names = Vec::new();
        for who in ["alice", "bob"] {
            let token = signer.token(json!({ "sub": who, "team": format!("team {team}") }));
            names.push(send(&janua, "GET /", &bearer(&token)).await.text());
        }
        assert_eq!(names[0], names[1], "team {team}");
        seen.extend(names);
    }
    assert_eq!(seen.len(), 3, "teams are spread: {seen:?}");
}
