//! Tokens that do not hold, each with its reason: made by whoever knows all that is public.

use aws_lc_rs::hmac;
use serde_json::json;

use super::{ISSUER, Rsa, Signer, base64, bearer, good, jwks_file, now};
use crate::auth::{gateway, send};

/// A token with this header, and a secret that is none.
fn by_secret(header: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", base64(header), base64(good().to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", base64(tag))
}

/// A signature in the form of certificates: SEQUENCE { INTEGER r, INTEGER s }.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| [&[2, 33, 0], half].concat();
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()][..], &both].concat()
}

/// What is wrong, the token, the reason.
type Case = (&'static str, String, &'static str);

fn by_claims(signer: &Signer) -> Vec<Case> {
    let token = |changed| signer.token(changed);
    let (claims, es256) =
        (good().to_string(), format!(r#"{{"alg":"ES256","kid":"{}"}}"#, signer.kid));
    let twice = claims.replacen('{', r#"{"sub":"root","#, 1);
    let escaped = claims.replacen('{', r#"{"\u0073ub":"root","#, 1);
    let deep = format!("{}{}", r#"{"a":"#.repeat(1_000), "1".to_owned() + &"}".repeat(1_000));
    vec![
        ("expired", token(json!({ "exp": now() - 31 })), "auth.jwt.expired"),
        ("expired long ago", token(json!({ "exp": 0 })), "auth.jwt.expired"),
        ("without an end", token(json!({ "exp": null })), "auth.jwt.claims"),
        ("an end in letters", token(json!({ "exp": "2099" })), "auth.jwt.claims"),
        ("not yet", token(json!({ "nbf": now() + 120 })), "auth.jwt.not_yet"),
        ("a beginning in letters", token(json!({ "nbf": "0" })), "auth.jwt.claims"),
        ("another audience", token(json!({ "aud": "other" })), "auth.jwt.audience"),
        ("other audiences", token(json!({ "aud": ["a", "orders2"] })), "auth.jwt.audience"),
        ("no audience", token(json!({ "aud": null })), "auth.jwt.audience"),
        ("another issuer", token(json!({ "iss": "https://evil.example" })), "auth.jwt.issuer"),
        ("nearly the issuer", token(json!({ "iss": format!("{ISSUER}/") })), "auth.jwt.issuer"),
        ("no issuer", token(json!({ "iss": null })), "auth.jwt.issuer"),
        ("nobody", token(json!({ "sub": null })), "auth.jwt.claims"),
        ("an empty name", token(json!({ "sub": "" })), "auth.jwt.claims"),
        ("a number for a name", token(json!({ "sub": 7 })), "auth.jwt.claims"),
        ("roles that are no words", token(json!({ "roles": [1] })), "auth.jwt.claims"),
        ("a claim twice", signer.raw(&es256, &twice), "auth.jwt.malformed"),
        ("a claim twice, escaped", signer.raw(&es256, &escaped), "auth.jwt.malformed"),
        ("claims without end", signer.raw(&es256, &deep), "auth.jwt.malformed"),
        ("claims that are a list", signer.raw(&es256, "[]"), "auth.jwt.malformed"),
        ("claims that are no JSON", signer.raw(&es256, "sub=alice"), "auth.jwt.malformed"),
    ]
}

fn by_header(signer: &Signer, rsa: &Rsa) -> Vec<Case> {
    let claims = good().to_string();
    let raw = |header: &str| signer.raw(header, &claims);
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg }).to_string();
        format!("{}.{}.", base64(header), base64(&claims))
    };
    let hs = r#"{"alg":"HS256","kid":"r"}"#;
    let jwk = rsa.jwk("r").to_string();
    vec![
        ("none", unsigned("none"), "auth.jwt.algorithm"),
        ("None", unsigned("None"), "auth.jwt.algorithm"),
        ("NONE", unsigned("NONE"), "auth.jwt.algorithm"),
        ("no algorithm", raw(r#"{"kid":"a"}"#), "auth.jwt.malformed"),
        ("an empty algorithm", raw(r#"{"alg":"","kid":"a"}"#), "auth.jwt.algorithm"),
        ("another case", raw(r#"{"alg":"es256","kid":"a"}"#), "auth.jwt.algorithm"),
        ("the public key as a secret, DER", by_secret(hs, &rsa.public()), "auth.jwt.algorithm"),
        ("the public key as a secret, JWK", by_secret(hs, jwk.as_bytes()), "auth.jwt.algorithm"),
        ("a secret without a kid", by_secret(r#"{"alg":"HS256"}"#, b""), "auth.jwt.algorithm"),
        ("RSA's key by ECDSA", raw(r#"{"alg":"ES256","kid":"r"}"#), "auth.jwt.algorithm"),
        ("ECDSA's key by RSA", rsa.token(&json!({"alg":"RS256","kid":"a"})), "auth.jwt.algorithm"),
        (
            "not the key's algorithm",
            rsa.token(&json!({"alg":"RS512","kid":"r"})),
            "auth.jwt.algorithm",
        ),
        ("PSS by name only", rsa.token(&json!({"alg":"PS256","kid":"r"})), "auth.jwt.algorithm"),
        ("an unknown key", raw(r#"{"alg":"ES256","kid":"b"}"#), "auth.jwt.key_unknown"),
        (
            "a path for a key",
            raw(r#"{"alg":"ES256","kid":"../../dev/null"}"#),
            "auth.jwt.key_unknown",
        ),
        (
            "SQL for a key",
            raw(r#"{"alg":"ES256","kid":"x' UNION SELECT 'k"}"#),
            "auth.jwt.key_unknown",
        ),
        ("a number for a key", raw(r#"{"alg":"ES256","kid":1}"#), "auth.jwt.malformed"),
        ("null for a key", raw(r#"{"alg":"ES256","kid":null}"#), "auth.jwt.malformed"),
        ("crit", raw(r#"{"alg":"ES256","kid":"a","crit":["exp"],"exp":1}"#), "auth.jwt.malformed"),
        ("empty crit", raw(r#"{"alg":"ES256","kid":"a","crit":[]}"#), "auth.jwt.malformed"),
        ("b64", raw(r#"{"alg":"ES256","kid":"a","b64":false}"#), "auth.jwt.malformed"),
        ("zip", raw(r#"{"alg":"ES256","kid":"a","zip":"DEF"}"#), "auth.jwt.malformed"),
        (
            "a logout token",
            raw(r#"{"alg":"ES256","kid":"a","typ":"logout+jwt"}"#),
            "auth.jwt.malformed",
        ),
        ("a kind that is none", raw(r#"{"alg":"ES256","kid":"a","typ":7}"#), "auth.jwt.malformed"),
        ("alg twice", raw(r#"{"alg":"ES256","alg":"none","kid":"a"}"#), "auth.jwt.malformed"),
    ]
}

/// Keys that a token brings along are its maker's.
fn by_its_own_keys() -> Vec<Case> {
    let (other, claims) = (Signer::new("a"), good().to_string());
    let mut brought = other.jwk();
    brought["kid"] = "a".into();
    let with = |name: &str, value: serde_json::Value| {
        other.raw(&json!({ "alg": "ES256", "kid": "a", name: value }).to_string(), &claims)
    };
    vec![
        ("its own key", with("jwk", brought), "auth.jwt.signature"),
        ("its own keys' URL", with("jku", "http://127.0.0.1:1/".into()), "auth.jwt.signature"),
        (
            "its own certificate's URL",
            with("x5u", "http://127.0.0.1:1/".into()),
            "auth.jwt.signature",
        ),
        ("its own certificate", with("x5c", json!(["MIIB"])), "auth.jwt.signature"),
        ("somebody else's signature", other.token(json!({})), "auth.jwt.signature"),
    ]
}

fn by_form(signer: &Signer) -> Vec<Case> {
    let token = signer.token(json!({}));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let with = |bytes: &[u8]| format!("{signed}.{}", base64(bytes));
    let of_another = signer.token(json!({ "sub": "bob" }));
    let other_claims = of_another.split('.').nth(1).unwrap();
    let huge = signer.token(json!({ "padding": "x".repeat(16_384) }));
    let ones = [&[0xff; 32][..], &[0xff; 32]].concat();
    vec![
        ("nothing", String::new(), "auth.jwt.malformed"),
        ("a word", "hello".into(), "auth.jwt.malformed"),
        ("dots", "..".into(), "auth.jwt.malformed"),
        ("many dots", ".".repeat(10_000), "auth.jwt.malformed"),
        ("two parts", signed.into(), "auth.jwt.malformed"),
        ("four parts", format!("{token}."), "auth.jwt.malformed"),
        ("five parts, encrypted", format!("{token}.a.b"), "auth.jwt.malformed"),
        ("no header", format!(".{claims}.{signature}"), "auth.jwt.malformed"),
        ("no claims", format!("{header}..{signature}"), "auth.jwt.malformed"),
        ("no signature", format!("{signed}."), "auth.jwt.signature"),
        ("padding", format!("{token}=="), "auth.jwt.malformed"),
        ("the other base64", token.replacen('.', "+/.", 1), "auth.jwt.malformed"),
        ("a space within", token.replacen('.', " .", 1), "auth.jwt.malformed"),
        ("a letter too many", format!("{token}A"), "auth.jwt.signature"),
        ("quotes", format!("\"{token}\""), "auth.jwt.malformed"),
        ("beyond ASCII", format!("{token}\u{e9}"), "auth.jwt.malformed"),
        ("two of them", format!("{token}, {token}"), "auth.jwt.malformed"),
        ("huge", huge, "auth.jwt.malformed"),
        ("other claims", format!("{header}.{other_claims}.{signature}"), "auth.jwt.signature"),
        ("DER", with(&der(&signer.signature(signed))), "auth.jwt.signature"),
        ("zeros", with(&[0; 64]), "auth.jwt.signature"),
        ("ones", with(&ones), "auth.jwt.signature"),
        ("half of it", with(&signer.signature(signed)[..32]), "auth.jwt.signature"),
        (
            "a byte too many",
            with(&[&signer.signature(signed)[..], &[0]].concat()),
            "auth.jwt.signature",
        ),
    ]
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused_with_its_reason() {
    let (signer, rsa) = (Signer::new("a"), Rsa::new());
    let (_folder, file) = jwks_file(&[signer.jwk(), rsa.jwk("r")]);
    let sections = format!(
        "[auth.corp]\nlock-out.attempts = 0\n\
         jwt = {{ issuer = \"{ISSUER}\", audience = [\"orders\", \"x\"], {file} }}"
    );
    let (janua, origin) = gateway(&sections, "auth = \"corp\"").await;
    let mut cases = by_claims(&signer);
    cases.extend(by_header(&signer, &rsa));
    cases.extend(by_its_own_keys());
    cases.extend(by_form(&signer));
    for (what, token, reason) in cases {
        let answer = send(&janua, "GET /", &bearer(&token)).await;
        answer.assert_refused(401, reason, what);
        let told = answer.field("www-authenticate");
        let expected = "Bearer realm=\"corp\", error=\"invalid_token\"";
        assert_eq!(told.as_deref(), Some(expected), "{what}");
    }
    for (fields, status, reason) in [
        (String::new(), 401, "auth.missing"),
        ("Authorization: Basic YTpi\r\n".into(), 401, "auth.missing"),
        (format!("Cookie: at={}\r\n", signer.token(json!({}))), 401, "auth.missing"),
        (bearer(&signer.token(json!({}))).repeat(2), 400, "auth.ambiguous"),
    ] {
        let answer = send(&janua, "GET /", &fields).await;
        answer.assert_refused(status, reason, &fields);
        let expected = (status == 401).then_some("Bearer realm=\"corp\"");
        assert_eq!(answer.field("www-authenticate").as_deref(), expected, "{fields}");
    }
    assert_eq!(origin.requests().len(), 0, "something got through");
    // The signers are who they say.
    let by_rsa = rsa.token(&json!({ "alg": "RS256", "kid": "r" }));
    for token in [signer.token(json!({})), by_rsa] {
        assert_eq!(send(&janua, "GET /", &bearer(&token)).await.status(), 200);
    }
}
