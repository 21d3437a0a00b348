//! Answers on their way to the client.

use super::{gateway, origin, post, route};
use crate::support::{Origin, Setup};

const ITEMS: &str = "{\"items\":[{\"id\":1,\"secret\":2}]}";

#[tokio::test]
async fn a_client_gets_what_the_filter_makes() {
    let fields =
        "etag: \"1\"\r\ncontent-digest: sha-256=:AAAA:\r\naccept-ranges: bytes\r\nx-total: 5\r\n";
    let origin = origin("application/json", fields, ITEMS).await;
    let keys = "transform.response = '{data: [.items[].id], total: ($headers.\"x-total\" | tonumber), page: $query.page, status: $status}'";
    let janua = route(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    let got = client.request("GET /?page=3", "range: bytes=0-3\r\naccept-encoding: gzip\r\n").await;
    let made = "{\"data\":[1],\"total\":5,\"page\":\"3\",\"status\":200}";
    assert_eq!((got.status(), got.text()), (200, made.to_owned()));
    assert_eq!(got.field("content-length"), Some(made.len().to_string()));
    assert_eq!(got.field("etag").as_deref(), Some("W/\"1\""));
    assert_eq!((got.field("content-digest"), got.field("accept-ranges")), (None, None));
    let asked = origin.last();
    assert_eq!((asked.field("range"), asked.field("accept-encoding")), (None, None));
    // The next one on the same connection is well framed.
    assert_eq!(client.get("/?page=3").await.text(), made);
}

#[tokio::test]
async fn an_answer_has_the_status_that_a_filter_says() {
    let keys = "transform = { response = '{ok: (.error | not)}', status = 'if .error then 422 else null end' }";
    for (answer, status, text) in
        [("{\"error\":1}", 422, "{\"ok\":false}"), ("{}", 200, "{\"ok\":true}")]
    {
        let (_origin, janua) = gateway(answer, keys).await;
        let got = janua.get("/").await;
        assert_eq!((got.status(), got.text()), (status, text.to_owned()));
    }
    let (_origin, janua) = gateway("{\"a\": 1}", "transform.status = '.a + 200'").await;
    let got = janua.get("/").await;
    assert_eq!((got.status(), got.text()), (201, "{\"a\": 1}".to_owned()));
}

#[tokio::test]
async fn an_answer_whose_new_status_has_no_body_says_nothing_of_one() {
    for (keys, status, length) in [
        ("transform.status = 'if .gone then 204 else null end'", 204, None),
        ("transform = { status = '204', response = '{a: 1}' }", 204, None),
        ("transform.status = '205'", 205, Some("0")),
        ("transform = { status = '205', response = '{a: 1}' }", 205, Some("0")),
    ] {
        let (_origin, janua) = gateway("{\"gone\":true}", keys).await;
        let mut client = janua.client().await;
        for _ in 0..2 {
            let got = client.get("/").await;
            assert_eq!((got.status(), got.text()), (status, String::new()), "{keys}");
            assert_eq!(got.field("content-length").as_deref(), length, "{keys}");
            assert_eq!(got.field("content-type"), None, "{keys}");
        }
    }
    // A client that asked for no part of it would take this for what it has.
    let (_origin, janua) = gateway("{}", "transform.status = '304'").await;
    janua.get("/").await.assert_refused(502, "transform.answer", "304");
}

#[tokio::test]
async fn an_answer_that_cannot_be_changed_is_not_given_by_halves() {
    let large = format!("{{\"items\":[\"{}\"]}}", "x".repeat(2048));
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (answered, reason) in [
        (format!("{json}content-length: 9\r\n\r\n{{\"items\":"), "transform.answer"),
        (format!("{json}content-length: 11\r\n\r\n{{\"items\":1}}"), "transform.answer"),
        (format!("{json}content-length: 14\r\n\r\n{{\"items\":null}}"), "transform.answer"),
        (format!("{json}content-length: {}\r\n\r\n{large}", large.len()), "transform.too_large"),
        (format!("{json}connection: close\r\n\r\n{large}"), "transform.too_large"),
        (format!("{json}content-length: 15\r\n\r\n{{\"items\":[1e9]}}"), "transform.answer_steps"),
        (format!("{json}content-length: 16\r\n\r\n{{\"items\":[2000]}}"), "transform.too_large"),
        (format!("{json}content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx"), "transform.answer"),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 3\r\n\r\n<p>".into(),
            "transform.answer",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into(), "transform.answer"),
    ] {
        let origin = Origin::answering(answered.clone()).await;
        let keys = "transform = { response = '.items | map(if type == \"number\" then [range(.)] else . end)', max-body = \"1KiB\" }";
        let janua = route(&origin.url, keys).start().await;
        janua.get("/").await.assert_refused(502, reason, &answered);
        janua.rejected("r", reason, 1).await;
    }
}

#[tokio::test]
async fn what_has_no_body_to_change_passes() {
    for (answered, status, body) in [
        ("HTTP/1.1 204 No Content\r\ncontent-type: application/json\r\n\r\n", 204, ""),
        ("HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n", 304, ""),
        ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n", 200, ""),
        ("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 2\r\n\r\n<p", 302, "<p"),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{\"e\":1}",
            404,
            "{\"e\":1}",
        ),
    ] {
        let origin = Origin::answering(answered).await;
        let janua = route(&origin.url, "transform.response = '.a.b.c | error'").start().await;
        let got = janua.get("/").await;
        assert_eq!((got.status(), got.text()), (status, body.to_owned()), "{answered}");
        // As that of the whole, which is the filter's.
        assert_eq!(got.field("etag").as_deref(), (status == 304).then_some("W/\"1\""));
    }
    let failed = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: 16\r\n\r\n{\"detail\":\"none\"}";
    let origin = Origin::answering(failed.replace("16", "17")).await;
    let keys = "transform = { response = '{error: .detail, status: $status}', errors = true }";
    let janua = route(&origin.url, keys).start().await;
    let got = janua.get("/").await;
    assert_eq!((got.status(), got.text()), (404, "{\"error\":\"none\",\"status\":404}".into()));
    // What Janua says itself is nobody's to change.
    let origin = Origin::answering("nonsense\r\n\r\n").await;
    let janua = route(&origin.url, keys).start().await;
    let got = janua.get("/").await;
    assert!(got.text().contains("\"reason\""), "{}", got.text());
}

#[tokio::test]
async fn the_head_of_an_answer_says_nothing_of_the_body_that_it_would_have() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"1\"\r\ncontent-length: 9\r\n\r\n";
    let origin = Origin::answering(head).await;
    let janua = route(&origin.url, "transform.response = '.a'").start().await;
    let mut client = janua.client().await;
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let got = client.answer_to_head().await;
    assert_eq!((got.status(), got.field("content-length")), (200, None));
    assert_eq!(got.field("etag").as_deref(), Some("W/\"1\""));
}

#[tokio::test]
async fn what_is_kept_is_the_origin_s_and_is_changed_for_each() {
    let origin = origin("application/json", "cache-control: max-age=60\r\n", "{\"a\":1}").await;
    let keys =
        "cache = true\ntransform.response = '.a + ($headers | length | . - .) + ($path | length)'";
    let janua = route(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/abc").await.text(), "5");
    }
    assert_eq!(client.request("GET /abc", "range: bytes=0-0\r\n").await.text(), "5");
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn each_line_and_each_event_of_a_stream_is_changed_when_it_comes() {
    for (kind, first, second, made, rest) in [
        ("application/x-ndjson", "{\"a\":1}\n", "{\"a\":2}\n", "1\n", "2\n"),
        (
            "text/event-stream",
            "event: x\ndata: {\"a\":1}\n\n",
            "data: {\"a\":2}\n\n",
            "event: x\ndata: 1\n\n",
            "data: 2\n\n",
        ),
    ] {
        let (go, gone) = tokio::sync::watch::channel(false);
        let origin = Origin::script(move |mut peer| {
            let mut gone = gone.clone();
            async move {
                peer.request().await;
                peer.send(format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{first}"
                ))
                .await;
                let _ = gone.wait_for(|gone| *gone).await;
                peer.send(second).await;
            }
        })
        .await;
        let janua = route(&origin.url, "transform.response = '.a'").start().await;
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        // The first is there while the origin has not said the second.
        client.expect(made).await;
        go.send(true).unwrap();
        client.expect(rest).await;
    }
}

#[tokio::test]
async fn a_stream_of_many_values_or_large_ones_comes_whole() {
    let large = format!("{{\"a\":\"{}\"}}\n", "x".repeat(300_000));
    let many = "{\"a\":1}\n".repeat(20_000);
    let sent = format!("{many}{large}{{\"a\":2}}\n{large}");
    let origin = origin("application/jsonl", "", &sent).await;
    let keys = "transform.response = 'if (.a | length) > 9 then (.a | length) else .a end'";
    let janua = route(&origin.url, keys).start().await;
    let made = format!("{}300000\n2\n300000\n", "1\n".repeat(20_000));
    assert!(janua.get("/").await.text() == made);
    // What the operator does not let one value have, ends it.
    let janua = route(&origin.url, &format!("{keys}\ntransform.max-steps = 9000")).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.ended().await;
    janua.logged_reason("transform.answer_steps").await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_changed_breaks_off_and_says_so_in_the_log() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let origin = Origin::script(move |mut peer| {
        let mut gone = gone.clone();
        async move {
            peer.request().await;
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\nconnection: close\r\n\r\n";
            peer.send(format!("{head}{{\"a\":1}}\n")).await;
            let _ = gone.wait_for(|gone| *gone).await;
            peer.send("[1]\n{\"a\":2}\n").await;
        }
    })
    .await;
    let janua = route(&origin.url, "transform.response = '.a'").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.expect("1\n").await;
    go.send(true).unwrap();
    // Not even the end of the chunks comes.
    let rest = client.ended().await;
    assert!(!rest.contains("0\r\n") && !rest.contains("2\n"), "{rest}");
    janua.logged_reason("transform.answer").await;
}

#[tokio::test]
async fn a_mock_and_an_answer_of_januas_own_are_changed_too() {
    let to = "{ status = 200, body = '{{\"a\":[1]}}', content-type = \"application/json\" }";
    let janua =
        Setup::new(format!("[[route]]\nto = {to}\ntransform.response = '.a'\n")).start().await;
    assert_eq!(janua.get("/").await.text(), "[1]");
}

#[tokio::test]
async fn an_upgrade_and_other_bodies_pass_where_they_may() {
    let origin = Origin::tunnels().await;
    let janua = route(&origin.url, "transform.response = '.a'").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x/1\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 101);
    let origin = super::origin("text/html", "", "<p>").await;
    let keys = "transform = { response = '.a', other = \"pass\" }";
    let janua = route(&origin.url, keys).start().await;
    assert_eq!(janua.get("/").await.text(), "<p>");
}

#[tokio::test]
async fn a_reload_brings_another_filter() {
    let (origin, janua) = gateway("{\"a\":1,\"b\":2}", "transform.response = '.a'").await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.text(), "1");
    let file = janua.path("b.jq");
    std::fs::write(&file, "# the second\n.b\n").unwrap();
    let keys = format!("transform.response = {{ file = {:?} }}", file.display().to_string());
    janua.reload(&route(&origin.url, &keys)).await.unwrap();
    assert_eq!(client.get("/").await.text(), "2");
    std::fs::write(&file, ".a |").unwrap();
    let report = janua.reload(&route(&origin.url, &keys)).await.unwrap_err();
    assert!(report.text(false).contains("b.jq:1:5: expected term"), "{}", report.text(false));
    assert_eq!(client.get("/").await.text(), "2");
    assert_eq!(post(&mut client, "text/plain", "x").await.text(), "2");
}

#[tokio::test]
async fn an_answer_is_held_to_its_contract_as_the_client_gets_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.yaml");
    let document = "openapi: 3.1.0\ninfo: {title: A, version: '1'}\npaths:\n  /a:\n    get:\n      responses:\n        200:\n          description: a\n          content: {application/json: {schema: {type: object, required: [id]}}}\n";
    std::fs::write(&file, document).unwrap();
    for (filter, status) in [("{id: .number}", 200), ("{nr: .number}", 502)] {
        let origin = origin("application/json", "", "{\"number\":7}").await;
        let janua = Setup::new(format!(
            "[api.a]\nopenapi = {:?}\nanswers = \"enforce\"\n\
             [[route]]\napi = \"a\"\nto = \"{}\"\ntransform.response = '{filter}'\n",
            file.display().to_string(),
            origin.url
        ))
        .start()
        .await;
        assert_eq!(janua.get("/a").await.status(), status, "{filter}");
    }
}
