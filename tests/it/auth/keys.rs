//! API keys: where they stand, which hold, and what becomes of them behind the gateway.

use super::{gateway, key, send, setup, sha256};
use crate::support::Origin;

fn keys() -> String {
    let keys = [
        key("good", "k-good", ", owner = \"acme\", roles = \"buyer\", expires = \"2099-01-01\""),
        key("next", "k-next", ", owner = \"acme\""),
        key("old", "k-old", ", expires = \"2020-01-01\""),
        key("gone", "k-gone", ", revoked = true"),
    ];
    format!("keys = [{}]", keys.join(", "))
}

#[tokio::test]
async fn a_key_that_does_not_hold_is_refused_with_its_reason() {
    let sections = format!(
        "[auth.keys]\nlock-out.attempts = 0\napi-key = {{ header = \"x-api-key\", query = \"key\", cookie = \"k\", {} }}",
        keys()
    );
    let (janua, origin) = gateway(&sections, "auth = \"keys\"").await;
    let huge = format!("X-Api-Key: {}\r\n", "k".repeat(20_000));
    for (target, fields, status, reason) in [
        ("/", "", 401, "auth.missing"),
        ("/?other=k-good", "", 401, "auth.missing"),
        ("/", "X-Api-Keys: k-good\r\n", 401, "auth.missing"),
        ("/", "Cookie: kk=k-good\r\n", 401, "auth.missing"),
        ("/", "Authorization: Bearer k-good\r\n", 401, "auth.missing"),
        ("/", "X-Api-Key:\r\n", 401, "auth.key.unknown"),
        ("/", "X-Api-Key: k-goo\r\n", 401, "auth.key.unknown"),
        ("/", "X-Api-Key: k-good2\r\n", 401, "auth.key.unknown"),
        ("/", "X-Api-Key: K-GOOD\r\n", 401, "auth.key.unknown"),
        ("/", "X-Api-Key: \"k-good\"\r\n", 401, "auth.key.unknown"),
        ("/", "X-Api-Key: k-good, k-good\r\n", 401, "auth.key.unknown"),
        ("/", "X-Api-Key: \u{e9}\r\n", 401, "auth.key.unknown"),
        ("/", &huge, 401, "auth.key.unknown"),
        ("/", "X-Api-Key: k-old\r\n", 401, "auth.key.expired"),
        ("/", "X-Api-Key: k-gone\r\n", 401, "auth.key.revoked"),
        ("/", "X-Api-Key: k-good\r\nX-Api-Key: k-good\r\n", 400, "auth.ambiguous"),
        ("/", "X-Api-Key: bad\r\nX-Api-Key: k-good\r\n", 400, "auth.ambiguous"),
        ("/?key=k-good&key=bad", "", 400, "auth.ambiguous"),
        ("/?key=bad&k%65y=k-good", "", 400, "auth.ambiguous"),
        ("/", "Cookie: k=k-good; k=bad\r\n", 400, "auth.ambiguous"),
        // The first place that holds something counts: nobody tries his luck at three.
        ("/?key=k-good", "X-Api-Key: bad\r\n", 401, "auth.key.unknown"),
        ("/?key=", "Cookie: k=k-good\r\n", 401, "auth.key.unknown"),
        ("/?key=k-old", "", 401, "auth.key.expired"),
        ("/", "Cookie: a=b; k=k-gone\r\n", 401, "auth.key.revoked"),
    ] {
        let answer = send(&janua, &format!("GET {target}"), fields).await;
        answer.assert_refused(status, reason, &format!("{target} {fields}"));
        let challenge = answer.field("www-authenticate");
        let expected = (status == 401).then_some("ApiKey realm=\"keys\", header=\"x-api-key\"");
        assert_eq!(challenge.as_deref(), expected, "{target} {fields}");
    }
    assert_eq!(origin.requests().len(), 0, "something got through");
}

#[tokio::test]
async fn a_key_that_holds_lets_in_and_goes_no_further() {
    let api_key = format!(
        "api-key = {{ header = \"x-api-key\", query = \"key\", cookie = \"k\", {} }}",
        keys()
    );
    let (janua, origin) = gateway(&format!("[auth.keys]\n{api_key}"), "auth = \"keys\"").await;
    for (target, fields) in [
        ("/a?x=1", "X-Api-Key: k-good\r\n"),
        ("/a?key=k-good&x=1", ""),
        ("/a?x=1&k%65y=k%2Dgood", ""),
        ("/a?x=1", "Cookie: k=k-good\r\n"),
        ("/a?x=1", "X-Api-Key:   k-next  \r\n"),
        // The other places are cleared too: what stands there was not looked at.
        ("/a?key=k-next&x=1", "X-Api-Key: k-good\r\nCookie: k=k-gone\r\n"),
    ] {
        let answer = send(&janua, &format!("GET {target}"), fields).await;
        assert_eq!(answer.status(), 200, "{target} {fields}: {answer:?}");
        let seen = origin.last();
        assert_eq!(seen.target(), "/a?x=1", "{target} {fields}");
        assert_eq!((seen.field("x-api-key"), seen.field("cookie")), (None, None), "{seen:?}");
    }
    send(&janua, "GET /", "X-Api-Key: k-good\r\nCookie: a=1; k=2; b=3\r\n").await;
    assert_eq!(origin.last().field("cookie").as_deref(), Some("a=1; b=3"));
    assert!(!origin.received().contains("k-good"), "the origin saw a key");
}

#[tokio::test]
async fn no_key_is_in_the_access_log() {
    let api_key = format!("api-key = {{ query = \"pass\", {} }}", keys());
    let (janua, _origin) = gateway(&format!("[auth.keys]\n{api_key}"), "auth = \"keys\"").await;
    let fields = "Referer: https://a.example/?pass=k-good\r\n";
    assert_eq!(send(&janua, "GET /in?pass=k-good&x=1", fields).await.status(), 200);
    assert_eq!(send(&janua, "GET /out?pass=k-old", "").await.status(), 401);
    let line = janua.logged("the one let in", |line| line["path"] == "/in").await;
    assert_eq!((&line["user"], &line["auth"]), (&"good".into(), &"keys".into()));
    assert_eq!(line["query"], "x=1");
    let line = janua.logged_reason("auth.key.expired").await;
    assert_eq!(line["query"], "pass=***");
    assert!(line.get("user").is_none());
    let log = std::fs::read_to_string(janua.path("access.log")).unwrap();
    assert!(!log.contains("k-good") && !log.contains("k-old"), "{log}");
}

#[tokio::test]
async fn credentials_pass_on_where_that_is_wanted() {
    let sections = format!(
        "[auth.keys]\nkeep-credentials = true\napi-key = {{ query = \"key\", {} }}",
        keys()
    );
    let (janua, origin) = gateway(&sections, "auth = \"keys\"").await;
    assert_eq!(send(&janua, "GET /?key=k-good", "").await.status(), 200);
    assert_eq!(origin.last().target(), "/?key=k-good");
}

#[tokio::test]
async fn a_key_may_come_as_a_bearer_token() {
    let sections = format!("[auth.keys]\napi-key = {{ header = \"Authorization\", {} }}", keys());
    let (janua, origin) = gateway(&sections, "auth = \"keys\"").await;
    let answer = send(&janua, "GET /", "").await;
    answer.assert_refused(401, "auth.missing", "no token");
    assert_eq!(answer.field("www-authenticate").as_deref(), Some("Bearer realm=\"keys\""));
    assert_eq!(send(&janua, "GET /", "Authorization: bearer k-good\r\n").await.status(), 200);
    assert_eq!(origin.last().field("authorization"), None);
    let twice = "Authorization: Bearer k-good\r\nAuthorization: Bearer k-good\r\n";
    send(&janua, "GET /", twice).await.assert_refused(400, "auth.ambiguous", "twice");
    let other = "Authorization: Basic YTpi\r\n";
    send(&janua, "GET /", other).await.assert_refused(401, "auth.missing", "another scheme");
}

#[tokio::test]
async fn a_file_of_keys_is_read_again_at_each_reload() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let origin = Origin::ok().await;
    let sections = format!("[auth.keys]\napi-key = {{ file = \"{}\" }}", file.display());
    let setup = setup(&origin, &sections, "auth = \"keys\"");
    let line = |id: &str, more: &str| format!("{}\n", key(id, &format!("k-{id}"), more));
    std::fs::write(&file, format!("# ours\n\n{}", line("a", ""))).unwrap();
    let janua = setup.clone().start().await;
    let status = async |id: &str| send(&janua, "GET /", &format!("X-Api-Key: k-{id}\r\n")).await;
    assert_eq!(status("a").await.status(), 200);
    status("b").await.assert_refused(401, "auth.key.unknown", "not yet");

    std::fs::write(&file, line("a", ", revoked = true") + &line("b", "")).unwrap();
    janua.reload(&setup).await.unwrap();
    status("a").await.assert_refused(401, "auth.key.revoked", "revoked");
    assert_eq!(status("b").await.status(), 200);

    std::fs::write(&file, line("b", "") + "{ id = \"c\" }\n").unwrap();
    let report = janua.reload(&setup).await.err().unwrap().to_string();
    assert!(report.contains(&format!("{}:2: ", file.display())), "{report}");
    assert!(report.contains("64 hexadecimal digits"), "{report}");
    assert_eq!(status("b").await.status(), 200, "nothing has changed");
    assert_eq!(sha256("").len(), 64);
}
