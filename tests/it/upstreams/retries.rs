//! Requests that are sent once more, and those that are not: what the client sees, by fault and method.

use super::{nobody, upstream};
use crate::support::{Janua, Origin};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An origin that reads each request and then does what a fault of this name is.
async fn faulty(fault: &'static str) -> Origin {
    Origin::script(move |mut peer| async move {
        while peer.request().await.is_some() {
            match fault {
                "resets" => return,
                "stalls" => std::future::pending().await,
                "half a head" => return peer.send("HTTP/1.1 200 OK\r\nConte").await,
                "half a body" => {
                    return peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").await;
                }
                "garbage" => return peer.send("SSH-2.0-OpenSSH\r\n\r\n").await,
                status => {
                    let fields = if status == "503 patience" { "Retry-After: 1\r\n" } else { "" };
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{fields}\r\n");
                    peer.send(answer).await;
                }
            }
        }
    })
    .await
}

/// The faulty one has the first turn.
async fn before(faulty: &Origin, good: &Origin, keys: &str) -> Janua {
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", faulty.url, good.url);
    let more = "ejection.failures = 0\ntimeout.first-byte = \"100ms\"\nretry.backoff = \"1ms\"";
    upstream(&format!("{endpoints}\n{more}\n{keys}")).start().await
}

async fn asks(janua: &Janua, method: &str) -> (u16, String) {
    let mut client = janua.client().await;
    let body = if method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
    client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{body}")).await;
    let answer = client.answer().await;
    let reason = if answer.status() >= 400 { answer.reason() } else { String::new() };
    (answer.status(), reason)
}

#[tokio::test]
async fn a_failed_request_is_sent_to_the_next_endpoint_where_that_does_no_harm() {
    let all = "retry.on = [\"reset\", \"timeout\", \"429\", \"5xx\"]";
    let none = "retry.on = []";
    let tries = "retry.on = \"reset\"\nretry.tries = 1";
    for (fault, keys, get, post) in [
        ("resets", "", 200, 502),
        ("resets", none, 502, 502),
        ("resets", tries, 502, 502),
        ("resets", "retry.budget = 0", 502, 502),
        ("stalls", "", 504, 504),
        ("stalls", all, 200, 504),
        ("503 No", "", 503, 503),
        ("503 No", all, 200, 503),
        ("503 No", "retry.on = \"502\"", 503, 503),
        ("503 patience", all, 503, 503),
        ("429 Slow", all, 200, 429),
        ("404 None", all, 404, 404),
        // Whoever has begun to answer has acted on it.
        ("half a head", all, 502, 502),
        ("garbage", all, 502, 502),
    ] {
        let (faulty, good) = (faulty(fault).await, Origin::answering(OK).await);
        for (method, expected) in [("GET", get), ("DELETE", get), ("POST", post)] {
            let janua = before(&faulty, &good, keys).await;
            let (status, reason) = asks(&janua, method).await;
            assert_eq!(status, expected, "{method}, {fault}, {keys}: {reason}");
            let line = janua.logged("request", |line| line["status"] == expected).await;
            let tries = if status == 200 { 2 } else { 1 };
            assert_eq!(line["tries"], tries, "{method}, {fault}, {keys}: {line}");
        }
        let asked = good.requests();
        assert!(asked.iter().all(|request| request.text().is_empty()), "{fault}: {asked:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let (faulty, good) = (faulty("half a body").await, Origin::answering(OK).await);
    let janua = before(&faulty, &good, "").await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.ended().await.ends_with("\r\n\r\nok"), "cut where the origin cut it");
    assert!(good.requests().is_empty());
}

/// What nobody has seen goes on, whatever the method, and costs nothing of the budget.
#[tokio::test]
async fn a_request_that_no_endpoint_has_seen_goes_on() {
    let ((_first, one), (_second, two)) = (nobody(), nobody());
    let good = Origin::answering(OK).await;
    let endpoints = format!("endpoints = [\"{one}\", \"{two}\", \"{}\"]", good.url);
    let keys = "retry = { on = [], budget = 0 }\nejection.failures = 0";
    let janua = upstream(&format!("{endpoints}\n{keys}")).start().await;
    for method in ["GET", "POST"].repeat(3) {
        assert_eq!(asks(&janua, method).await.0, 200, "{method}");
    }
    let janua = upstream(&format!("{endpoints}\nretry.tries = 2\nejection.failures = 0"));
    let janua = janua.start().await;
    let (status, reason) = asks(&janua, "GET").await;
    assert_eq!((status, &*reason), (502, "upstream.connect_refused"), "two tries, both at nobody");
}

/// When all fail, each request is sent 1.2 times on average, beyond what was saved before.
#[tokio::test]
async fn an_outage_is_not_made_worse_by_retries() {
    let origins = [faulty("resets").await, faulty("resets").await];
    let janua = before(&origins[0], &origins[1], "").await;
    let mut client = janua.client().await;
    let requests = 200;
    for _ in 0..requests {
        assert_eq!(client.get("/").await.status(), 502);
    }
    let sent: usize = origins.iter().map(|origin| origin.requests().len()).sum();
    let amplification = sent as f64 / f64::from(requests);
    println!("{requests} requests, {sent} tries: {amplification}");
    assert!((240..=250).contains(&sent), "{sent}");
    let refused = "janua_upstream_retries_refused_total{upstream=\"u\"}";
    assert_eq!(
        janua.counted(refused) + sent as u64,
        400,
        "each has failed once or been sent twice"
    );
}

#[tokio::test]
async fn retries_that_cannot_be_meant_are_refused_at_load() {
    for (keys, path, message, help) in [
        ("retry.on = \"200\"", "retry.on[0]", "`200` is no failure", "\"503\""),
        ("retry.on = [\"reset\", \"404\"]", "retry.on[1]", "`404` is no failure", "\"503\""),
        ("retry.on = \"never\"", "retry.on[0]", "`never` is nothing that", "\"reset\""),
        ("retry.tries = 0", "retry.tries", "no request could be sent", "the first one counts"),
        ("retry.budget = 101", "retry.budget", "more retries than requests", "per cent"),
        ("retry.try-timeout = \"0s\"", "retry.try-timeout", "no endpoint could answer", ""),
    ] {
        let setup = upstream(&format!("endpoints = \"http://127.0.0.1:9\"\n{keys}"));
        setup.fails_at(&format!("upstream.u.{path}"), message, help).await;
    }
}
