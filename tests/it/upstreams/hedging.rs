//! A second endpoint that is asked when the first takes long.

use super::{nobody, refused, upstream};
use crate::support::{Janua, Message, Origin, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The first one has the first turn.
async fn before(first: &str, second: &str, keys: &str) -> Janua {
    let endpoints = format!("endpoints = [\"{first}\", \"{second}\"]\nejection.failures = 0");
    let hedge = "hedge.after = \"40ms\"\nretry.backoff = \"1ms\"";
    upstream(&format!("{endpoints}\n{hedge}\n{keys}")).start().await
}

/// An origin that takes a request and says nothing.
async fn silent() -> Origin {
    Origin::script(|mut peer| async move {
        peer.request().await;
        peer.ended().await;
    })
    .await
}

async fn asks(janua: &Janua, method: &str, body: &str) -> Message {
    let mut client = janua.client().await;
    let length = body.len();
    let fields = format!("Host: a\r\nContent-Length: {length}");
    client.send(format!("{method} / HTTP/1.1\r\n{fields}\r\n\r\n{body}")).await;
    client.answer().await
}

const HEDGES: &str = "janua_upstream_hedges_total{upstream=\"u\"}";

#[tokio::test]
async fn the_answer_that_comes_first_is_taken_and_the_other_is_given_up() {
    let (stalled, good) = (silent().await, Origin::answering(OK).await);
    let janua = before(&stalled.url, &good.url, "").await;
    let answer = asks(&janua, "GET", "").await;
    assert_eq!((answer.status(), &*answer.text()), (200, "ok"));
    assert_eq!((stalled.requests().len(), good.requests().len()), (1, 1));
    until("the other is given up", || stalled.open() == 0).await;
    let line = janua.logged("request", |line| line["status"] == 200).await;
    assert_eq!((&line["tries"], janua.counted(HEDGES)), (&2.into(), 1));
    assert_eq!(line["endpoint"], good.url);
    let in_flight = "janua_upstream_requests_in_flight{upstream=\"u\"}";
    until("nothing is left", || janua.counted(in_flight) == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_both_is_logged_with_the_first() {
    let (stalled, other) = (silent().await, silent().await);
    let janua = before(&stalled.url, &other.url, "").await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    until("both are asked", || stalled.requests().len() + other.requests().len() == 2).await;
    drop(client);
    let line = janua.logged_reason("client.gone").await;
    assert_eq!(line["endpoint"], stalled.url, "{line}");
    assert_eq!(line["tries"], 1, "{line}");
}

#[tokio::test]
async fn what_must_not_be_sent_twice_waits_for_the_first() {
    for (method, body, keys, hedged) in [
        ("GET", "", "", true),
        ("HEAD", "", "", true),
        ("DELETE", "", "", true),
        ("POST", "hi", "", false),
        ("PUT", "hi", "", false),
        ("POST", "", "", false),
        ("POST", "", "retry.methods = \"POST\"", true),
        ("GET", "", "retry.budget = 0", false),
        ("GET", "", "retry.max-in-flight = 1", true),
    ] {
        let (stalled, _may) = Origin::held().await;
        let good = Origin::answering("HTTP/1.1 204 No\r\n\r\n").await;
        let keys = format!("{keys}\ntimeout.first-byte = \"150ms\"");
        let janua = before(&stalled.url, &good.url, &keys).await;
        let mut client = janua.client().await;
        let length = body.len();
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}");
        client.send(format!("{head}\r\n\r\n{body}")).await;
        let status = client.head().await.status();
        let expected = if hedged { (204, 1) } else { (504, 0) };
        assert_eq!((status, good.requests().len()), expected, "{method} {body} {keys}");
        assert_eq!(janua.counted(HEDGES), u64::from(hedged), "{method} {body} {keys}");
    }
}

#[tokio::test]
async fn an_answer_in_time_is_the_only_one() {
    let (first, second) = (Origin::named("first").await, Origin::named("second").await);
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", first.url, second.url);
    let janua = upstream(&format!("{endpoints}\nhedge.after = \"5s\"")).start().await;
    let mut client = janua.client().await;
    for _ in 0..6 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    assert_eq!((first.requests().len(), second.requests().len()), (3, 3));
    assert_eq!(janua.counted(HEDGES), 0);
}

/// An origin that reads a request and, when it may, breaks off.
async fn breaks_later() -> (Origin, std::sync::Arc<tokio::sync::Semaphore>) {
    let may = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let known = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = known.clone();
        async move {
            peer.request().await;
            may.acquire().await.unwrap().forget();
            peer.reset();
        }
    });
    (origin.await, may)
}

#[tokio::test]
async fn one_that_fails_leaves_it_to_the_other() {
    // The first fails while the second is asked.
    let (broken, may_break) = breaks_later().await;
    let (good, may) = Origin::held().await;
    let janua = before(&broken.url, &good.url, "").await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("both are asked", || good.requests().len() == 1).await;
    may_break.add_permits(1);
    until("it breaks", || broken.open() == 0).await;
    may.add_permits(1);
    assert_eq!(client.answer().await.status(), 200);
    // The second fails while the first is asked.
    let (slow, may) = Origin::held().await;
    let (_taken, dead) = nobody();
    let janua = before(&slow.url, &dead, "").await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("both are asked", || janua.counted(HEDGES) == 1).await;
    may.add_permits(1);
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(slow.requests().len(), 1);
}

#[tokio::test]
async fn when_both_fail_the_first_ones_failure_is_the_answer() {
    let (first, may_first) = breaks_later().await;
    let (second, may_second) = breaks_later().await;
    let janua = before(&first.url, &second.url, "").await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("both are asked", || second.requests().len() == 1).await;
    may_first.add_permits(9);
    may_second.add_permits(9);
    let answer = client.answer().await;
    answer.assert_refused(502, "upstream.reset", "both broke off");
    let line = janua.logged_reason("upstream.reset").await;
    assert_eq!(line["tries"], 2);
}

#[tokio::test]
async fn the_whole_exchange_has_its_end_with_two_as_with_one() {
    let (first, second) = (silent().await, silent().await);
    let janua = before(&first.url, &second.url, "timeout.total = \"200ms\"").await;
    asks(&janua, "GET", "").await.assert_refused(504, "timeout.total", "nobody answers");
    until("both are given up", || first.open() + second.open() == 0).await;
}

#[tokio::test]
async fn a_hedge_that_cannot_be_meant_is_refused_at_load() {
    refused([("hedge.after = \"0s\"", "hedge.after", "sent twice", "95 in 100")]).await;
}
