//! Answers: from an origin, held to what the document promises; or from the document itself.

use super::{setup, shop_of_all};
use crate::support::{Janua, Origin, until};

/// The shop before an origin that answers so.
async fn answering(answer: &'static str, keys: &str) -> (Origin, Janua) {
    let origin = Origin::answering(answer).await;
    let janua = setup(&origin.url, keys).start().await;
    (origin, janua)
}

/// What drifted, once so many answers were looked at.
async fn drift(janua: &Janua, operation: &str, checked: u64) -> (u64, Vec<String>) {
    let world = janua.world();
    let mut policies = world.apis[0].policies.iter();
    let policy = policies.find(|policy| *policy.operation.id == *operation).unwrap();
    let drift = policy.operation.drift.clone();
    until("the answers are looked at", || drift.counts().0 == checked).await;
    (drift.counts().1, drift.samples().into_iter().map(|sample| sample.says).collect())
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 53\r\n\r\n\
                    {\"id\":1,\"name\":\"a\",\"made\":\"2026-01-01T12:00:00.000Z\"}";
const BAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n\
                   {\"id\":\"secret\",\"name\":1}";

#[tokio::test]
async fn what_answers_are_that_nobody_promised_is_counted_and_told() {
    for (answer, drifted, said) in [
        (GOOD, 0, &[][..]),
        (
            BAD,
            1,
            &[
                "body /id: it is not of type \"integer\"",
                "body /name: it is not of type \"string\"",
                "body: \"made\" is a required property",
            ],
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
            1,
            &["body: it ends too early, in line 1, column 1"],
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\n{",
            1,
            &["body: the type of the body is not promised"],
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
            1,
            &["body: the type of the body is not said"],
        ),
        (
            "HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n",
            1,
            &["body: the status 503 is not promised"],
        ),
        ("HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n", 0, &[]),
    ] {
        let (_origin, janua) = answering(answer, "answers = \"report\"").await;
        let given = janua.get("/v1/orders/1").await;
        let sent = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(given.text(), sent, "the client gets it as it is");
        let (count, mut told) = drift(&janua, "getOrder", 1).await;
        told.sort();
        let mut said: Vec<_> = said.iter().map(ToString::to_string).collect();
        said.sort();
        assert_eq!((count, told), (drifted, said), "{answer}");
    }
}

#[tokio::test]
async fn a_header_field_that_is_promised_is_looked_for() {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let (_origin, janua) = answering(text, "answers = \"report\"").await;
    janua.get("/v1/orders").await;
    let (_, told) = drift(&janua, "listOrders", 1).await;
    assert_eq!(told, ["header x-total: is missing"]);
}

#[tokio::test]
async fn an_answer_that_is_not_as_promised_is_kept_from_the_client_if_that_is_asked_for() {
    let (_origin, janua) = answering(BAD, "answers = \"enforce\"").await;
    let answer = janua.get("/v1/orders/1").await;
    answer.assert_refused(502, "contract.answer", "the origin's answer is not as promised");
    assert!(!answer.text().contains("secret"));
    let (_origin, janua) = answering(GOOD, "answers = \"enforce\"").await;
    let answer = janua.get("/v1/orders/1").await;
    assert_eq!(
        (answer.status(), answer.text()),
        (200, GOOD.split_once("\r\n\r\n").unwrap().1.into())
    );
}

/// What is larger than is looked at is passed on whole.
#[tokio::test]
async fn an_answer_that_is_too_large_to_be_looked_at_is_lost_to_nobody() {
    let body = format!("{{\"id\":\"{}\"}}", "x".repeat(200_000));
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    for look in ["report", "enforce"] {
        for text in [
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunked}"),
        ] {
            let origin = Origin::answering(text).await;
            let keys = format!("answers = \"{look}\"\nmax-body = \"100KiB\"");
            let janua = setup(&origin.url, &keys).start().await;
            let answer = janua.get("/v1/orders/1").await;
            assert_eq!((answer.status(), answer.text() == body), (200, true), "{look}");
        }
    }
}

#[tokio::test]
async fn what_drifted_is_known_over_a_reload() {
    let (origin, janua) = answering(BAD, "answers = \"report\"").await;
    janua.get("/v1/orders/1").await;
    drift(&janua, "getOrder", 1).await;
    janua.reload(&setup(&origin.url, "answers = \"report\"\nmax-depth = 9")).await.unwrap();
    assert_eq!(drift(&janua, "getOrder", 1).await.0, 1);
}

#[tokio::test]
async fn an_api_without_an_origin_answers_from_its_document() {
    let janua = setup("mock", "").start().await;
    let post = "{\"id\":1,\"name\":\"a\"}";
    for (line, fields, status, kind, part) in [
        ("GET /v1/orders", "", 200, "application/json", "\"made\": \"2026-01-01T12:00:00Z\""),
        ("GET /v1/orders/7", "", 200, "application/json", "\"id\": 1"),
        ("GET /v1/orders/7", "Prefer: code=404\r\n", 404, "application/problem+json", "Gone"),
        ("GET /v1/orders/7", "Prefer: code=500\r\n", 200, "application/json", "\"id\": 1"),
        ("GET /v1/files/.1/;matrix=1/a,1", "", 200, "", ""),
    ] {
        let answer = janua.client().await.request(line, fields).await;
        let given = (answer.status(), answer.field("content-type").unwrap_or_default());
        assert_eq!(given, (status, kind.into()), "{line} {fields}");
        assert!(answer.text().contains(part), "{line}: {}", answer.text());
    }
    let answer = super::send(&janua, "POST /v1/orders", "application/json", post).await;
    assert_eq!((answer.status(), answer.text().contains("\"id\": 1")), (201, true));
    let mut client = janua.client().await;
    client.send(format!("POST /v1/orders HTTP/1.1\r\nHost: a\r\nPrefer: example=large\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{post}", post.len())).await;
    assert!(client.answer().await.text().contains("\"id\": 2"));
    // What does not keep to the contract is refused here, too.
    janua.get("/v1/orders/x").await.assert_refused(400, "contract.parameter", "no number");
}

/// An operation may go elsewhere than the others.
#[tokio::test]
async fn one_operation_may_be_a_mock() {
    let (origin, janua) = shop_of_all("operations = { getOrder = { to = \"mock\" } }").await;
    assert_eq!(janua.get("/v1/orders/7").await.field("content-type").unwrap(), "application/json");
    assert!(origin.requests().is_empty());
    assert_eq!(janua.get("/v1/orders").await.status(), 200);
    assert_eq!(origin.requests().len(), 1);
}

/// The operator sees it at the admin door, and by `janua drift`.
#[test]
fn the_operator_sees_what_drifted() {
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for stream in origin.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream
                .write_all(BAD.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes());
        }
    });
    let text = format!(
        "[admin]\naddress = \"unix:HOME/admin.sock\"\n{}[api.shop]\nopenapi = {}\n\
         security = {{ key = \"partners\" }}\nanswers = \"report\"\n[[route]]\napi = \"shop\"\nto = \"{url}\"\n",
        super::partners(),
        super::shop()
    );
    let daemon = crate::support::Daemon::start(&text);
    assert_eq!(daemon.public.get("/v1/orders/1").0, 200);
    let told = |text: &str| {
        text.contains("GET /v1/orders/{order-id} (getOrder): 1 of 1")
            && text.contains("1 x 200: body /id: it is not of type \"integer\"")
            && !text.contains("secret")
    };
    let mut said = String::new();
    for _ in 0..500 {
        said = String::from_utf8_lossy(&daemon.verb("drift").stdout).into_owned();
        if told(&said) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(told(&said), "{said}");
    let (status, page) = daemon.admin().get("/apis");
    assert!(status == 200 && page.contains("\"drifted\":1"), "{page}");
    let (_, routes) = daemon.admin().get("/routes");
    assert!(routes.contains("\"paths\":[\"/v1/orders/{order-id}\"]"), "{routes}");
}
