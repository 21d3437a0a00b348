//! How long an answer is: HEAD, 204, 304, lengths that are not true, HTTP/1.0, pipelines.

use std::sync::Arc;

use http::Request;
use tokio::sync::Semaphore;

use crate::support::{Janua, Origin, Setup, until};

async fn before(answer: &'static str) -> (Janua, Origin) {
    let origin = Origin::answering(answer).await;
    (Setup::to(&origin.url).listener("h2c = true").start().await, origin)
}

#[tokio::test]
async fn an_answer_without_a_body_leaves_the_connection_where_it_should_be() {
    for (request, answer, status, length) in [
        ("HEAD /", "200 OK\r\nContent-Length: 1000", 200, Some("1000")),
        ("HEAD /", "200 OK\r\nTransfer-Encoding: chunked", 200, None),
        ("HEAD /", "404 Not Found\r\nContent-Length: 9", 404, Some("9")),
        ("GET /", "204 No Content", 204, None),
        ("DELETE /", "204 No Content", 204, None),
        ("GET /", "304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 1000", 304, Some("1000")),
        ("GET /", "304 Not Modified\r\nETag: \"x\"", 304, None),
        ("GET /", "200 OK\r\nContent-Length: 0", 200, Some("0")),
    ] {
        let (janua, origin) = before(Box::leak(format!("HTTP/1.1 {answer}\r\n\r\n").into())).await;
        let mut client = janua.client().await;
        for _ in 0..3 {
            let got = client.request(request, "").await;
            assert_eq!(got.status(), status, "{request}: {answer}");
            if status == 304 || request.starts_with("HEAD") {
                let seen = got.field("content-length");
                assert!(seen.is_none() || seen.as_deref() == length, "{request} {answer}: {got:?}");
            }
            if status == 204 {
                assert_eq!(got.field("content-length"), None, "RFC 9110, 8.6: {got:?}");
                assert_eq!(got.field("transfer-encoding"), None, "RFC 9112, 6.1: {got:?}");
            }
        }
        assert_eq!(origin.connections(), 1, "{request} {answer}: the origin's connection is kept");
    }
}

#[tokio::test]
async fn a_head_keeps_the_length_that_the_body_would_have() {
    let (janua, _origin) = before("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
    let answer = janua.client().await.request("HEAD /", "").await;
    assert_eq!(answer.field("content-length").as_deref(), Some("1000"));
    let mut client = janua.http2().await;
    let request = Request::head("http://a.example/").body(()).unwrap();
    let (answer, body) = client.begin(request, true).await.answer().await;
    assert_eq!((&answer.headers()["content-length"], body.len()), (&"1000".parse().unwrap(), 0));
}

/// A client that cannot tell a broken answer from a whole one keeps half a file.
#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_for_the_client_too() {
    for (name, reason, answer) in [
        (
            "less than its length",
            "upstream.reset",
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        ),
        (
            "within a chunk",
            "upstream.reset",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
        ),
        (
            "no last chunk",
            "upstream.reset",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ),
        (
            "a bad chunk",
            "upstream.protocol",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n",
        ),
    ] {
        let origin = Origin::script(move |mut peer| async move {
            peer.request().await;
            peer.send(answer).await;
        })
        .await;
        let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
        let mut client = janua.client().await;
        let got = client.get("/one").await;
        assert_eq!((got.status(), got.complete), (200, false), "{name}: {got:?}");
        assert!(got.text().contains("half"), "{name}: what came is passed on");
        let line = janua.logged(name, |line| line["path"] == "/one").await;
        assert_eq!(line["reason"], reason, "{name} is in the log: {line}");

        let mut client = janua.http2().await;
        let request = Request::get("http://a.example/two").body(()).unwrap();
        let (answer, _) = client.begin(request, true).await.head().await.unwrap();
        let mut body = answer.into_body();
        let mut ended = Ok(());
        while let Some(data) = body.data().await {
            if let Err(error) = data {
                ended = Err(error);
                break;
            }
        }
        assert!(ended.is_err_and(|error| error.is_reset()), "{name} by HTTP/2");
    }
}

/// The client has heard nothing yet, so it can be told.
#[tokio::test]
async fn an_answer_that_is_broken_from_its_first_byte_is_502() {
    for chunk in ["xyz\r\n", "-1\r\n", "\r\n", "fffffffffffffffff\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        let origin = Origin::script(move |mut peer| {
            let answer = answer.clone();
            async move {
                peer.request().await;
                peer.send(answer).await;
                peer.ended().await;
            }
        })
        .await;
        let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
        let mut client = janua.client().await;
        client.get("/one").await.assert_refused(502, "upstream.protocol", chunk);
        client.get("/two").await.assert_refused(502, "upstream.protocol", "the connection goes on");
        let line = janua.logged_reason("upstream.protocol").await;
        assert!(line["cause"].is_string(), "{line}");
        let (answer, _) = janua.http2().await.get("http://a.example/").await;
        assert_eq!(answer.status(), 502, "{chunk} by HTTP/2");
    }
}

#[tokio::test]
async fn a_length_that_comes_twice_goes_on_once() {
    for lengths in [
        "Content-Length: 2, 2\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2,2\r\nContent-Length: 2\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lengths}\r\nok");
        let origin = Origin::answering(answer).await;
        let janua = Setup::to(&origin.url).start().await;
        let mut client = janua.client().await;
        for _ in 0..2 {
            let answer = client.get("/").await;
            assert_eq!((answer.values("content-length"), &*answer.text()), (vec!["2"], "ok"));
        }
    }
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n").await;
    let janua = Setup::to(&origin.url).start().await;
    let answer = janua.client().await.request("HEAD /", "").await;
    assert_eq!(answer.status(), 502, "two lengths: {answer:?}");
}

/// What an origin says beyond its answer is nobody's: least of all the next client's.
#[tokio::test]
async fn more_than_the_length_never_becomes_somebody_elses_answer() {
    let origin = Origin::script(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
                 HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
            )
            .await;
        }
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    for _ in 0..20 {
        let answer = client.get("/").await;
        assert_eq!((answer.status(), &*answer.text()), (200, "ok"));
    }
}

#[tokio::test]
async fn a_body_behind_204_or_304_never_becomes_somebody_elses_answer() {
    for status in ["204 No Content", "304 Not Modified"] {
        let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
        let answer = format!("HTTP/1.1 {status}\r\n\r\n{poison}");
        let (janua, _origin) = before(Box::leak(answer.into())).await;
        let mut client = janua.client().await;
        for _ in 0..10 {
            let answer = client.get("/").await;
            assert!(status.starts_with(&answer.status().to_string()), "{answer:?}");
        }
    }
}

/// RFC 9112, 6.3: of an origin, too, two framings are one too many.
#[tokio::test]
async fn an_answer_that_may_be_read_in_two_ways_is_none() {
    for (name, head) in [
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3"),
        ("a list of lengths", "Content-Length: 2, 3"),
        ("a length that is none", "Content-Length: two"),
        ("a negative length", "Content-Length: -2"),
        ("a folded field", "X: a\r\n b\r\nContent-Length: 2"),
        ("a name with a space", "X : a\r\nContent-Length: 2"),
        ("NUL in a value", "X: a\0b\r\nContent-Length: 2"),
        ("an unknown coding", "Transfer-Encoding: gzip\r\nContent-Length: 2"),
    ] {
        let origin = Origin::script(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nok")).await;
                peer.half_close().await;
            }
        })
        .await;
        let janua = Setup::to(&origin.url).start().await;
        let answer = janua.get("/").await;
        answer.assert_refused(502, "upstream.protocol", name);
    }
}

#[tokio::test]
async fn an_answer_until_the_end_is_whole_for_clients_of_every_version() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it").await;
    })
    .await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let answer = janua.get("/").await;
    assert_eq!((answer.line.as_str(), &*answer.text()), ("HTTP/1.1 200 OK", "all of it"));
    assert!(answer.complete && answer.field("transfer-encoding").is_some());
    let (_, body) = janua.http2().await.get("http://a.example/").await;
    assert_eq!(body, "all of it");
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(client.ended().await.ends_with("\r\n\r\nall of it"), "no chunks for HTTP/1.0");
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks_and_the_end() {
    let (janua, origin) = before(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
    )
    .await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let all = client.ended().await;
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n") || all.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(all.ends_with("\r\n\r\nonetwo"), "{all}");
    assert!(!all.to_ascii_lowercase().contains("transfer-encoding"), "{all}");
    assert!(origin.last().field("host").is_some(), "HTTP/1.1 to the origin needs a Host");
}

#[tokio::test]
async fn a_connection_lives_as_long_as_the_client_says() {
    let (janua, _origin) = before("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    for (version, connection, lives) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Close, X\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: close\r\n", false),
    ] {
        let mut client = janua.client().await;
        let request = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
        client.send(&request).await;
        let answer = client.answer().await;
        let said = answer.field("connection").unwrap_or_default().to_ascii_lowercase();
        if lives {
            client.send(&request).await;
            assert_eq!(client.answer().await.status(), 200, "{version} {connection}");
            assert_eq!(said == "keep-alive", version == "1.0", "{version} {connection}: {said}");
        } else {
            assert_eq!(client.ended().await, "", "{version} {connection}");
            assert!(version == "1.0" || said == "close", "{version} {connection}: {said}");
        }
    }
}

/// What an origin says of its connection is not said of ours.
#[tokio::test]
async fn an_origin_that_hangs_up_does_not_hang_up_on_the_client() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    for _ in 0..5 {
        let answer = client.get("/").await;
        assert_eq!((answer.status(), answer.field("connection")), (200, None));
    }
    assert_eq!(origin.connections(), 5);
}

#[tokio::test]
async fn the_answers_of_a_pipeline_keep_the_order_of_its_requests() {
    let slow = Arc::new(Semaphore::new(0));
    let wait = slow.clone();
    let origin = Origin::script(move |mut peer| {
        let wait = wait.clone();
        async move {
            while let Some(request) = peer.request().await {
                if request.target() == "/0" {
                    wait.acquire().await.unwrap().forget();
                }
                let body = request.target();
                let length = body.len();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"))
                    .await;
            }
        }
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    let requests: String = (0..10)
        .map(|number| match number % 3 {
            0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET "),
            _ => format!("PUT /{number} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
        })
        .collect();
    client.send(requests).await;
    until("the first", || origin.requests().len() == 1).await;
    slow.add_permits(1);
    for number in 0..10 {
        let answer = client.answer().await;
        assert_eq!(answer.text(), format!("/{number}"), "{answer:?}");
    }
}
