//! `Expect: 100-continue`: the client is asked for its body when the origin is there to take it.

use crate::support::{Origin, Setup};

const ASKS: &str = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[tokio::test]
async fn the_body_is_asked_for_when_the_origin_has_the_request() {
    let origin = Origin::echo().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    for _ in 0..2 {
        client.send(format!("POST / HTTP/1.1\r\n{ASKS}")).await;
        assert_eq!(client.answer().await.line, "HTTP/1.1 100 Continue");
        client.send("hello").await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), &*answer.text()), (200, "hello"));
    }
    assert_eq!(origin.last().field("expect"), None, "we meet the expectation, not the origin");
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_asked_for_its_body() {
    let gone = Origin::ok().await.url.clone();
    let janua = Setup::new(format!(
        "[[route]]\npath = \"/gone\"\nto = \"{gone}\"\n\
         [[route]]\npath = \"/small\"\nmax-body-size = \"3B\"\nto = \"{gone}\"\n\
         [[route]]\npath = \"/get\"\nmethods = \"GET\"\nto = \"{gone}\"\n"
    ))
    .start()
    .await;
    for (target, status, reason) in [
        ("/gone", 502, "upstream.connect_refused"),
        ("/small", 413, "request.body_too_large"),
        ("/get", 405, "method_not_allowed"),
        ("/nowhere", 404, "no_route"),
    ] {
        let mut client = janua.client().await;
        client.send(format!("POST {target} HTTP/1.1\r\n{ASKS}")).await;
        client.answer().await.assert_refused(status, reason, target);
    }
}

/// Such a client may go on with its body or with another request; only the end makes that clear.
#[tokio::test]
async fn a_client_that_was_not_asked_and_sends_no_body_is_not_misread() {
    let janua = Setup::new("[[route]]\npath = \"/echo\"\nto = \"echo\"\n").start().await;
    let mut client = janua.client().await;
    client.send(format!("POST /nowhere HTTP/1.1\r\n{ASKS}")).await;
    client.answer().await.assert_refused(404, "no_route", "not asked");
    client.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.half_close().await;
    assert_eq!(client.ended().await, "", "what follows is the body or is not read");
}

#[tokio::test]
async fn a_body_that_comes_unasked_is_taken() {
    let origin = Origin::echo().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send(format!("POST / HTTP/1.1\r\n{ASKS}hello")).await;
    let mut answer = client.answer().await;
    if answer.status() == 100 {
        answer = client.answer().await;
    }
    assert_eq!((answer.status(), &*answer.text()), (200, "hello"));
}

/// RFC 9110, 10.1.1: a server that gets it from HTTP/1.0 ignores it.
#[tokio::test]
async fn a_client_of_http_1_0_is_never_asked() {
    let origin = Origin::echo().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send(format!("POST / HTTP/1.0\r\n{ASKS}hello")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), &*answer.text()), (200, "hello"));
}
