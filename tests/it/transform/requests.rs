//! Bodies of requests on their way to the origin.

use super::{errors, gateway, post, route};
use crate::support::{Origin, Setup, keys};

#[tokio::test]
async fn an_origin_gets_what_the_filter_makes() {
    let keys = "transform.request = '.items | map({id, by: $headers.\"x-by\", page: $query.page})'";
    let (origin, janua) = gateway("{}", keys).await;
    let mut client = janua.client().await;
    let sent = "{\"items\":[{\"id\":1,\"secret\":true},{\"id\":\"x\"}]}";
    let fields = "content-type: application/json; charset=utf-8\r\nx-by: me\r\ncontent-digest: sha-256=:AAAA:\r\n";
    let got = client.request_with("POST /a?page=2", fields, sent).await;
    assert_eq!(got.status(), 200);
    let asked = origin.last();
    let made =
        "[{\"id\":1,\"by\":\"me\",\"page\":\"2\"},{\"id\":\"x\",\"by\":\"me\",\"page\":\"2\"}]";
    assert_eq!(asked.text(), made);
    assert_eq!(asked.field("content-length"), Some(made.len().to_string()));
    assert_eq!(asked.field("content-type").as_deref(), Some("application/json; charset=utf-8"));
    assert_eq!(asked.field("content-digest"), None);
}

#[tokio::test]
async fn a_chunked_body_is_changed_too() {
    let (origin, janua) = gateway("{}", "transform.request = '.a'").await;
    let mut client = janua.client().await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    client.send(format!("{head}3\r\n{{\"a\r\n5\r\n\":[1]\r\n1\r\n}}\r\n0\r\n\r\n")).await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(origin.last().text(), "[1]");
}

#[tokio::test]
async fn a_request_that_cannot_be_changed_never_gets_to_the_origin() {
    let keys = "transform = { request = 'if .n then [range(.n)] elif .fail then error(\"secret\") else .items | map(.id) end', max-body = \"1KiB\" }";
    let (origin, janua) = gateway("{}", keys).await;
    let json = "application/json";
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1024));
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    for (kind, body, status, reason, says) in [
        (json, "{\"items\":1", 400, "body.syntax", "body|||it ends too early"),
        (
            json,
            "{\"items\":1,\"items\":2}",
            400,
            "body.syntax",
            "body|||an object has a name twice",
        ),
        (json, &deep, 400, "body.syntax", "body|||it is nested too deeply"),
        (json, &large, 413, "request.body_too_large", ""),
        (json, "{\"items\":1}", 422, "transform.request", ""),
        (json, "{\"fail\":1}", 422, "transform.request", ""),
        (json, "[]", 422, "transform.request", ""),
        (json, "{\"n\":1000}", 422, "transform.request", "body|||what becomes of it is too large"),
        (json, "{\"n\":1e12}", 422, "transform.request_steps", ""),
        ("text/plain", "x", 415, "body.type", ""),
        ("application/json; charset=utf-16", "{}", 415, "body.type", ""),
        ("application/json\r\ncontent-encoding: gzip", "{}", 415, "body.type", ""),
        ("application/json\r\ncontent-type: text/plain", "{}", 415, "body.type", ""),
        ("application/x-ndjson", "{}\n", 415, "body.type", ""),
    ] {
        let mut client = janua.client().await;
        let got = post(&mut client, kind, body).await;
        got.assert_refused(status, reason, body);
        let told = errors(&got).join("; ");
        assert!(
            told.starts_with(says) && (says.is_empty() == told.is_empty()),
            "{body:.30}: {told}"
        );
        assert!(!got.text().contains("secret"), "{}", got.text());
    }
    assert_eq!(origin.requests().len(), 0);
    janua.rejected("r", "transform.request", 4).await;
    janua.logged_reason("transform.request_steps").await;
}

#[tokio::test]
async fn a_request_without_a_body_passes_and_others_pass_if_they_may() {
    let keys = "transform = { request = '.a', other = \"pass\" }";
    let (origin, janua) = gateway("{}", keys).await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(
        client.request_with("POST /", "content-type: application/json\r\n", "").await.status(),
        200
    );
    assert_eq!(post(&mut client, "text/plain", "as it is").await.status(), 200);
    assert_eq!(origin.last().text(), "as it is");
    assert_eq!(post(&mut client, "application/merge-patch+json", "{\"a\":1}").await.status(), 200);
    assert_eq!(origin.last().text(), "1");
}

#[tokio::test]
async fn a_large_body_and_a_long_work_are_done_beside_the_worker() {
    let keys = "transform.request = 'if type == \"array\" then map(. + 1) | add else reduce range(.n) as $x (0; . + $x) end'";
    let (origin, janua) = gateway("{}", keys).await;
    let mut client = janua.client().await;
    let many: Vec<_> = (0..30_000).map(|n| n.to_string()).collect();
    let large = format!("[{}]", many.join(","));
    assert_eq!(post(&mut client, "application/json", &large).await.status(), 200);
    assert_eq!(origin.last().text(), "450015000");
    assert_eq!(post(&mut client, "application/json", "{\"n\":50000}").await.status(), 200);
    assert_eq!(origin.last().text(), "1249975000");
}

#[tokio::test]
async fn what_would_go_on_for_ever_ends_and_others_are_served_meanwhile() {
    let keys =
        "transform = { request = 'def f: f; if .loop then f else . end', max-steps = 3000000 }";
    let (_origin, janua) = gateway("{}", keys).await;
    let mut client = janua.client().await;
    let body = "{\"loop\":true}";
    let slow = post(&mut client, "application/json", body);
    let answer = janua.serves_others_during("/", slow).await;
    answer.assert_refused(422, "transform.request_steps", body);
}

/// A large body, and a filter that takes its time with it.
#[tokio::test]
async fn others_are_served_while_a_large_body_is_changed() {
    let keys = "max-body-size = \"8MiB\"\ntransform = { request = 'map(tostring | length) | add', max-body = \"8MiB\", max-steps = 10000000 }";
    let (origin, janua) = gateway("{}", keys).await;
    let mut client = janua.client().await;
    let body = format!("[{}]", vec!["{\"a\":[1]}"; 100_000].join(","));
    let answer =
        janua.serves_others_during("/", post(&mut client, "application/json", &body)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(origin.requests().iter().any(|request| request.text() == "900000"));
}

#[tokio::test]
async fn a_filter_knows_who_it_is_and_never_by_what() {
    let key = "0123456789abcdef0123456789abcdef";
    let sha = keys::DIGEST;
    let origin = Origin::ok().await;
    let janua = Setup::new(format!(
        "[auth.partners.api-key]\nheader = \"x-api-key\"\nquery = \"key\"\n\
         keys = [{{ id = \"acme\", sha256 = \"{sha}\", roles = [\"buyer\"] }}]\n\
         [[route]]\nto = \"{}\"\nauth = \"partners\"\n\
         transform.request = '{{all: [$headers, $query], who: $identity.sub, roles: $identity.roles}}'\n",
        origin.url
    ))
    .start()
    .await;
    let mut client = janua.client().await;
    let fields = format!(
        "content-type: application/json\r\nx-api-key: {key}\r\nauthorization: Basic c2VjcmV0\r\ncookie: a=secret\r\nx-a: 1\r\nx-a: 2\r\n"
    );
    let got = client.request_with("POST /?a=1&a=%C3%A4+b&c", &fields, "{}").await;
    assert_eq!(got.status(), 200, "{}", got.text());
    let made: serde_json::Value = serde_json::from_str(&origin.last().text()).unwrap();
    assert_eq!((&made["who"], &made["roles"]), (&"acme".into(), &serde_json::json!(["buyer"])));
    assert_eq!(made["all"][0]["x-a"], "1, 2");
    assert_eq!(made["all"][1], serde_json::json!({ "a": ["1", "ä b"], "c": "" }));
    let text = made.to_string();
    assert!(
        !text.contains(key) && !text.contains("secret") && !text.contains("c2VjcmV0"),
        "{text}"
    );
}

#[tokio::test]
async fn a_filter_comes_after_the_contract_and_before_the_other_language() {
    let keys = "translate = { origin = \"xml\", root = \"order\" }\n\
                transform = { request = '{id: .number}', response = '{number: .id}' }\n\
                validate.body = { type = \"object\", required = [\"number\"] }";
    let answer = "<order><id>9</id></order>";
    let origin = super::origin("application/xml", "", answer).await;
    let janua = route(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    let got = post(&mut client, "application/json", "{\"number\":\"7\"}").await;
    assert_eq!((got.status(), got.text()), (200, "{\"number\":\"9\"}".into()));
    assert!(
        origin.last().text().ends_with("<order><id>7</id></order>"),
        "{}",
        origin.last().text()
    );
    // It is what the client sends that is held to the contract.
    let got = post(&mut client, "application/json", "{\"id\":\"7\"}").await;
    got.assert_refused(422, "contract.body", "the contract is the client's");
    // Who speaks as the origin does is understood by nobody in between.
    let got = post(&mut client, "application/xml", "<order/>").await;
    got.assert_refused(415, "body.type", "no JSON");
}
