//! The token by which the gateway tells an origin who makes a request.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use janua::config::Report;
use serde_json::{Value, json};

use super::{key, send, setup};
use crate::support::{Daemon, Janua, Origin, Setup};

fn sections(token: &str) -> String {
    let keys = [
        key("ann", "k-ann", ", owner = \"acme\", roles = [\"a\", \"b\"]"),
        key("bob", "k-bob", ""),
    ];
    format!(
        "[auth.keys]\nidentity-token = {{ {token} }}\napi-key = {{ keys = [{}] }}\n",
        keys.join(", ")
    )
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// What a token says, if a key of this set signed it.
fn claims(token: &str, jwks: &Value) -> Value {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (head, claims) = text.split_once('.').unwrap();
    let head = part(head);
    assert_eq!((&head["alg"], &head["typ"]), (&json!("ES256"), &json!("JWT")));
    let keys = jwks["keys"].as_array().unwrap();
    let jwk = keys.iter().find(|jwk| jwk["kid"] == head["kid"]).unwrap();
    assert_eq!(
        (&jwk["kty"], &jwk["crv"], &jwk["use"]),
        (&json!("EC"), &json!("P-256"), &json!("sig"))
    );
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(text.as_bytes(), &signature).unwrap();
    part(claims)
}

fn jwks(janua: &Janua) -> Value {
    janua.world().signer.as_ref().unwrap().jwks()
}

/// The token that the origin gets for this key.
async fn token(janua: &Janua, origin: &Origin, key: &str, header: &str) -> String {
    let fields = format!("X-Api-Key: {key}\r\n{header}: forged\r\n");
    assert_eq!(send(janua, "GET /", &fields).await.status(), 200);
    let seen = origin.last();
    let values = seen.values(header);
    assert_eq!(values.len(), 1, "{values:?}");
    String::from(values[0])
}

#[tokio::test]
async fn the_origin_is_told_by_a_token_that_it_can_check() {
    let origin = Origin::ok().await;
    let more = "header = \"x-who\", lifetime = \"2m\", claims = [\"roles\", \"owner\", \"nothing\"], audience = \"orders\", issuer = \"gate\"";
    for (keys, header, life, said) in [
        (
            more,
            "x-who",
            120,
            json!({ "sub": "ann", "iss": "gate", "aud": "orders", "roles": ["a", "b"], "owner": "acme" }),
        ),
        ("", "x-identity", 60, json!({ "sub": "ann", "iss": "janua" })),
    ] {
        let janua = setup(&origin, &sections(keys), "auth = \"keys\"").start().await;
        let token = token(&janua, &origin, "k-ann", header).await;
        let mut claims = claims(&token, &jwks(&janua));
        let claims = claims.as_object_mut().unwrap();
        let (made, ends) = (claims.remove("iat").unwrap(), claims.remove("exp").unwrap());
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(made.as_u64().unwrap().abs_diff(now) <= 5, "{made} {now}");
        assert_eq!(ends.as_u64().unwrap() - made.as_u64().unwrap(), life);
        assert_eq!(Value::Object(claims.clone()), said);
    }
}

/// Signing costs more than all the rest: nobody's token is made anew for each request.
#[tokio::test]
async fn a_token_is_used_again_and_belongs_to_one_alone() {
    let origin = Origin::ok().await;
    let janua = setup(&origin, &sections("lifetime = \"1h\""), "auth = \"keys\"").start().await;
    let ann = token(&janua, &origin, "k-ann", "x-identity").await;
    let bob = token(&janua, &origin, "k-bob", "x-identity").await;
    assert_eq!(claims(&bob, &jwks(&janua))["sub"], "bob");
    assert_eq!(token(&janua, &origin, "k-ann", "x-identity").await, ann);
}

#[tokio::test]
async fn a_token_is_renewed_when_half_of_its_life_is_over() {
    let origin = Origin::ok().await;
    let janua = setup(&origin, &sections("lifetime = \"2s\""), "auth = \"keys\"").start().await;
    let first = token(&janua, &origin, "k-ann", "x-identity").await;
    let mut next = first.clone();
    while next == first {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        next = token(&janua, &origin, "k-ann", "x-identity").await;
    }
    let [old, new] = [first, next].map(|token| claims(&token, &jwks(&janua)));
    let made = |claims: &Value| claims["iat"].as_u64().unwrap();
    assert!(made(&new) > made(&old) && made(&new) <= old["exp"].as_u64().unwrap(), "{old} {new}");
}

#[tokio::test]
async fn keys_outlive_reloads_and_restarts_and_only_their_owner_reads_them() {
    use std::os::unix::fs::PermissionsExt as _;

    let origin = Origin::ok().await;
    let with = |token: &str| setup(&origin, &sections(token), "auth = \"keys\"");
    let janua = with("").start().await;
    let old = token(&janua, &origin, "k-ann", "x-identity").await;
    let before = jwks(&janua);
    janua.reload(&with("audience = \"a\"")).await.unwrap();
    assert_eq!(jwks(&janua), before);
    let new = token(&janua, &origin, "k-ann", "x-identity").await;
    assert_eq!(claims(&new, &before)["aud"], "a", "{old}");
    let file = janua.path("state").join("identity-keys.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let home = janua.home.clone();
    janua.stop().await;
    let again = with("").start_in(home).await;
    assert_eq!(jwks(&again), before);
}

#[tokio::test]
async fn a_forged_token_passes_on_no_route() {
    let origin = Origin::ok().await;
    let open = format!("{}\n[[route]]\npath = \"/open\"\nto = \"{}\"\n", sections(""), origin.url);
    let janua = setup(&origin, &open, "auth = \"keys\"").start().await;
    let forged = "X-Identity: root\r\nX_Identity: root\r\n";
    assert_eq!(send(&janua, "GET /open", forged).await.status(), 200);
    assert!(!format!("{:?}", origin.last()).contains("root"), "{:?}", origin.last());
}

#[test]
fn the_public_keys_are_at_the_admin_door_for_everybody() {
    let text = |sections: &str| {
        format!(
            "[log]\naccess = \"off\"\n[server]\nstate = \"HOME/state\"\n\
             [admin]\naddress = \"unix:HOME/admin.sock\"\ntoken = \"0123456789abcdef\"\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\n{sections}[[route]]\nto = \"echo\"\n"
        )
    };
    for (sections, count) in [(String::new(), 0), (sections(""), 1)] {
        let daemon = Daemon::start(&text(&sections));
        let (status, answer) = daemon.admin().get("/jwks");
        assert_eq!(status, 200, "{answer}");
        assert!(
            answer.to_lowercase().contains("content-type: application/jwk-set+json"),
            "{answer}"
        );
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let jwks: Value = serde_json::from_str(body).unwrap();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), count);
        assert!(!body.contains("\"d\""), "no private part: {body}");
    }
}

#[tokio::test]
async fn tokens_that_make_no_sense_are_refused_at_load() {
    for (token, said) in [
        ("lifetime = \"1s\"", "a token lives for 2s to 1d"),
        ("lifetime = \"2d\"", "a token lives for 2s to 1d"),
        ("header = \"authorization\"", "means something else"),
        ("header = \"x_who\"", "write `-`"),
        ("claims = [\"roles\", \"exp\"]", "`exp` is there by itself"),
    ] {
        let rest = format!("{}[[route]]\nauth = \"keys\"\nto = \"echo\"\n", sections(token));
        let report: Report = Setup::new(rest).fails_to_start().await;
        assert!(report.text(false).contains(said), "{token}: {}", report.text(false));
    }
}
