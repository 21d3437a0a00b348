//! Requests that are sent once more, and those that are not: what the client sees, by fault and method.

use super::{nobody, refused, upstream};
use crate::support::{
    Janua, Origin,
    origin::{Served, reply},
    until,
};

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

/// An origin that reads each request as it comes and resets.
async fn resets() -> Origin {
    faulty("resets").await
}

/// What is sent, whether it goes on to the next endpoint, and what that gets.
#[tokio::test]
async fn a_body_is_sent_once_more_within_its_bound_and_by_methods_that_do_no_harm() {
    let chunked = |size: usize| {
        format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size))
    };
    let long = |size: usize| format!("Content-Length: {size}\r\n\r\n{}", "x".repeat(size));
    for (keys, method, body, status) in [
        ("", "PUT", long(2), 200),
        ("", "DELETE", long(2), 200),
        ("", "GET", long(2), 200),
        ("", "PUT", chunked(2), 200),
        ("", "PUT", long(64 << 10), 200),
        ("", "PUT", long((64 << 10) + 1), 502),
        ("", "PUT", chunked(100_000), 502),
        ("", "POST", long(2), 502),
        ("", "PATCH", long(2), 502),
        ("retry.body = \"0B\"", "PUT", long(2), 502),
        ("retry.body = \"0B\"", "PUT", "\r\n".to_owned(), 200),
        ("retry.body = \"9B\"", "PUT", long(9), 200),
        ("retry.body = \"9B\"", "PUT", long(10), 502),
        ("retry.body = \"9B\"", "PUT", chunked(10), 502),
        ("retry.body = \"1MiB\"", "PUT", chunked(900_000), 200),
        ("retry.body = \"1MiB\"", "PUT", long(1 << 20), 200),
        ("retry.methods = \"POST\"", "POST", long(2), 200),
        ("retry.methods = \"POST\"", "PUT", long(2), 502),
        ("retry.methods = []", "GET", "\r\n".to_owned(), 502),
        ("retry.methods = [\"PURGE\"]", "PURGE", "\r\n".to_owned(), 200),
    ] {
        let (faulty, good) = (resets().await, Origin::answering(OK).await);
        let janua = before(&faulty, &good, keys).await;
        let mut client = janua.client().await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{body}")).await;
        let answer = client.answer().await;
        let about = format!("{keys}: {method}, {} bytes", body.len());
        assert_eq!(answer.status(), status, "{about}: {answer:?}");
        match status {
            200 => assert_eq!(good.last().body, faulty.last().body, "{about}"),
            _ => assert!(good.requests().is_empty(), "{about}"),
        }
    }
}

/// A refusal comes before the client has sent its body: the next endpoint gets all of it, once.
#[tokio::test]
async fn an_upload_that_is_refused_on_the_way_goes_on_to_the_next_endpoint() {
    let busy = Origin::script(|mut peer| async move {
        while peer.head().await.is_some() {
            peer.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let (busy, good) = (busy.await, Origin::echo().await);
    let janua = before(&busy, &good, "retry.on = \"503\"\ntimeout.total = \"5s\"").await;
    let mut client = janua.client().await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").await;
    until("the second try", || good.connections() == 1).await;
    client.send("world").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), &*answer.text()), (200, "helloworld"));
}

/// A client that breaks off its upload is no reason to send what came of it anywhere else.
#[tokio::test]
async fn an_upload_that_breaks_off_is_not_sent_again() {
    for protocol in ["http/1.1", "h2"] {
        let good = Origin::ok().await;
        let slow = Served::h2c(|request: http::Request<hyper::body::Incoming>| async move {
            drop(http_body_util::BodyExt::collect(request.into_body()).await);
            reply("late")
        });
        let (slow, first) = (slow.await, Origin::ok().await);
        let first = if protocol == "h2" { &slow.url } else { &first.url };
        let keys =
            format!("endpoints = [\"{first}\", \"{}\"]\nprotocol = \"{protocol}\"", good.url);
        let janua = upstream(&keys).start().await;
        let mut client = janua.client().await;
        client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").await;
        client.half_close().await;
        drop(client);
        janua.logged("its end", |line| line["method"] == "PUT" && line["tries"] == 1).await;
        assert_eq!(good.connections(), 0, "{protocol}");
    }
}

/// By HTTP/2 a request is at hand until it is answered.
#[tokio::test]
async fn what_an_endpoint_of_http2_refuses_goes_on_with_its_body() {
    let served = |status: u16| {
        Served::h2c(move |request: http::Request<hyper::body::Incoming>| async move {
            let body = http_body_util::BodyExt::collect(request.into_body()).await.unwrap();
            let mut answer = reply(body.to_bytes());
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
            answer
        })
    };
    let (bad, good) = (served(503).await, served(200).await);
    let keys = format!(
        "endpoints = [\"{}\", \"{}\"]\nprotocol = \"h2\"\nretry.on = \"503\"\nejection.failures = 0",
        bad.url, good.url
    );
    let janua = upstream(&keys).start().await;
    for (method, status) in [("PUT", 200), ("POST", 503), ("GET", 200)] {
        // Each has its turn at the one that refuses.
        let mut seen = Vec::new();
        for _ in 0..2 {
            let mut client = janua.client().await;
            let fields = "Host: a\r\nContent-Length: 2";
            client.send(format!("{method} / HTTP/1.1\r\n{fields}\r\n\r\nhi")).await;
            let answer = client.answer().await;
            assert_eq!(answer.text(), "hi", "{method}");
            seen.push(answer.status());
        }
        seen.sort_unstable();
        assert_eq!(seen.last(), Some(&status), "{method}");
        assert_eq!(seen[0], 200, "{method}");
    }
}

/// The time of the whole exchange goes on, whoever is asked.
#[tokio::test]
async fn the_end_of_the_exchange_holds_for_the_next_endpoint_too() {
    let (busy, stalls) = (faulty("503 No").await, faulty("stalls").await);
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", busy.url, stalls.url);
    let keys = "retry.on = \"503\"\ntimeout = { total = \"300ms\", first-byte = \"10s\" }";
    let janua = upstream(&format!("{endpoints}\n{keys}")).start().await;
    assert_eq!(asks(&janua, "GET").await, (504, "timeout.total".into()));
    assert_eq!(stalls.requests().len(), 1);
}

/// What is kept of a body is memory, and counts as that.
#[tokio::test]
async fn a_body_that_is_kept_counts_among_the_bytes_in_flight() {
    let origin = Origin::ok().await;
    for (keys, status) in [("", 200), ("retry.body = \"2MiB\"", 503)] {
        let setup = upstream(&format!("endpoints = \"{}\"\n{keys}", origin.url));
        let janua = setup.server("max-in-flight-bytes = \"1MiB\"").start().await;
        let mut client = janua.client().await;
        let body = "x".repeat(1_500_000);
        let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}", body.len());
        client.send(format!("{head}\r\n\r\n{body}")).await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), status, "{keys}: {answer:?}");
    }
}

#[tokio::test]
async fn only_so_many_are_sent_again_at_a_time() {
    let (stalled, may) = Origin::held().await;
    let first = resets().await;
    let keys = "retry.max-in-flight = 1\ntimeout.first-byte = \"10s\"";
    let endpoints =
        format!("endpoints = [{{ url = \"{}\", weight = 9 }}, \"{}\"]", first.url, stalled.url);
    let janua = upstream(&format!("{endpoints}\nejection.failures = 0\n{keys}")).start().await;
    let mut waits = janua.client().await;
    waits.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the second try", || stalled.connections() == 1).await;
    assert_eq!(asks(&janua, "GET").await.0, 502, "one is sent again already");
    may.add_permits(1);
    assert_eq!(waits.answer().await.status(), 200);
    may.add_permits(1);
    assert_eq!(asks(&janua, "GET").await.0, 200);
}

/// Each endpoint has so long; whoever may not go on is told so after the first.
#[tokio::test]
async fn each_try_has_its_time_where_that_is_said() {
    let times = "timeout.first-byte = \"20s\"\nretry.on = \"timeout\"";
    for (method, time, status) in
        [("GET", "100ms", 200), ("POST", "100ms", 504), ("GET", "1h", 504)]
    {
        let (stalls, good) = (faulty("stalls").await, Origin::answering(OK).await);
        let endpoints = format!("endpoints = [\"{}\", \"{}\"]", stalls.url, good.url);
        let times = if time == "1h" { "timeout.first-byte = \"100ms\"" } else { times };
        let keys = format!("{endpoints}\n{times}\nretry.try-timeout = \"{time}\"");
        let janua = upstream(&keys).start().await;
        let begun = std::time::Instant::now();
        assert_eq!(asks(&janua, method).await.0, status, "{method} {time}");
        let took = begun.elapsed().as_millis();
        assert!((95..10_000).contains(&took), "{method} {time}: {took} ms");
    }
}

/// Requests that one moment has failed do not all come again in another one.
#[tokio::test]
async fn before_a_request_is_sent_again_it_waits_for_a_time_of_its_own() {
    let (faulty, good) = (resets().await, Origin::answering(OK).await);
    let endpoints =
        format!("endpoints = [{{ url = \"{}\", weight = 99 }}, \"{}\"]", faulty.url, good.url);
    let keys = "ejection.failures = 0\nretry = { budget = 100, backoff = \"100ms\" }";
    let janua = upstream(&format!("{endpoints}\n{keys}")).start().await;
    let asked = (0..10).map(|_| async {
        let begun = std::time::Instant::now();
        assert_eq!(asks(&janua, "GET").await.0, 200);
        begun.elapsed().as_millis()
    });
    let mut times = futures_util::future::join_all(asked).await;
    times.sort_unstable();
    // By chance up to twice as much; all of ten below a fifth of that would be one in ten million.
    assert!(times[9] >= 40 && times[9] - times[0] >= 10, "{times:?}");
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

/// When all fail, each request is sent 1.2 times on average, whatever is reloaded meanwhile.
#[tokio::test]
async fn an_outage_is_not_made_worse_by_retries() {
    let origins = [faulty("resets").await, faulty("resets").await];
    let janua = before(&origins[0], &origins[1], "").await;
    let requests = 200;
    for turn in 0..requests {
        assert_eq!(janua.get("/").await.status(), 502);
        if turn % 20 == 19 {
            let urls = format!("[\"{}\", \"{}\"]", origins[0].url, origins[1].url);
            let more = "ejection.failures = 0\nretry.backoff = \"1ms\"";
            let keys = format!("endpoints = {urls}\n{more}\npanic-threshold = {}", turn / 2);
            janua.reload(&upstream(&keys)).await.ok().unwrap();
        }
    }
    let sent: usize = origins.iter().map(|origin| origin.requests().len()).sum();
    let amplification = sent as f64 / f64::from(requests);
    println!("{requests} requests, {sent} tries: {amplification}");
    assert!((236..=240).contains(&sent), "{sent}");
    let refused = "janua_upstream_retries_refused_total{upstream=\"u\"}";
    assert_eq!(
        janua.counted(refused) + sent as u64,
        400,
        "each has failed once or been sent twice"
    );
}

#[tokio::test]
async fn retries_that_cannot_be_meant_are_refused_at_load() {
    refused([
        ("retry.on = \"200\"", "retry.on[0]", "`200` is no failure", "\"503\""),
        ("retry.on = [\"reset\", \"404\"]", "retry.on[1]", "`404` is no failure", "\"503\""),
        ("retry.on = \"never\"", "retry.on[0]", "`never` is nothing that", "\"reset\""),
        ("retry.methods = [\"GET\", \"put\"]", "retry.methods[1]", "`put` is not a", "\"PUT\""),
        ("retry.methods = \"a b\"", "retry.methods[0]", "`a b` is not a method", "capitals"),
        ("retry.methods = \"CONNECT\"", "retry.methods[0]", "a tunnel cannot be", "capitals"),
        ("retry.max-in-flight = 0", "retry.max-in-flight", "no request could", "tries = 1"),
        ("retry.tries = 0", "retry.tries", "no request could be sent", "the first one counts"),
        ("retry.budget = 101", "retry.budget", "more retries than requests", "per cent"),
        ("retry.try-timeout = \"0s\"", "retry.try-timeout", "no endpoint could answer", ""),
    ])
    .await;
}
