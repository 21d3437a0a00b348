//! How long a client waits, told to origins with what is left of it.

use std::time::{Duration, Instant};

use super::{one, refused, upstream};
use crate::support::{
    Janua, Message, Origin, Setup,
    origin::{Served, reply},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn asks(janua: &Janua, fields: &str) -> Message {
    let mut client = janua.client().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
    client.answer().await
}

/// What the origin is told, in milliseconds; at most this, and not much less.
fn about(told: Option<&str>, millis: u64) -> bool {
    let told: u64 = told.unwrap_or_default().parse().unwrap_or(0);
    told <= millis && told + 3_000 > millis
}

#[tokio::test]
async fn an_origin_is_told_what_is_left() {
    let header = "deadline-header = \"x-timeout-ms\"";
    let total = "deadline-header = \"x-timeout-ms\"\ntimeout.total = \"60s\"";
    for (keys, fields, told) in [
        (header, "X-Timeout-Ms: 50000\r\n", Some(50_000)),
        (total, "X-Timeout-Ms: 50000\r\n", Some(50_000)),
        (total, "X-Timeout-Ms: 90000\r\n", Some(60_000)),
        (total, "", Some(60_000)),
        (total, "X-Timeout-Ms: soon\r\n", Some(60_000)),
        (header, "", None),
    ] {
        let origin = Origin::answering(OK).await;
        let janua = one(&origin.url, keys).start().await;
        assert_eq!(asks(&janua, fields).await.status(), 200, "{keys} {fields}");
        let found = origin.last().field("x-timeout-ms");
        match told {
            Some(millis) => assert!(about(found.as_deref(), millis), "{fields} {found:?}"),
            None => assert_eq!(found, None, "{fields}"),
        }
    }
    // It is nobody's business where it was not asked for, and by HTTP/1.1 nobody speaks gRPC.
    let origin = Origin::answering(OK).await;
    let janua = Setup::to(&origin.url).start().await;
    asks(&janua, "X-Timeout-Ms: 1\r\nGrpc-Timeout: 1n\r\n").await;
    assert_eq!(origin.last().field("x-timeout-ms").as_deref(), Some("1"));
    assert_eq!(origin.last().field("grpc-timeout").as_deref(), Some("1n"));
}

#[tokio::test]
async fn each_try_is_told_what_is_left_for_it() {
    let slow = Origin::script(|mut peer| async move {
        peer.request().await;
        tokio::time::sleep(Duration::from_millis(120)).await;
    });
    let (slow, good) = (slow.await, Origin::answering(OK).await);
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", slow.url, good.url);
    let keys = format!("{endpoints}\ndeadline-header = \"x-timeout-ms\"");
    let janua = upstream(&keys).start().await;
    assert_eq!(asks(&janua, "X-Timeout-Ms: 9000\r\n").await.status(), 200);
    let told =
        |origin: &Origin| -> u64 { origin.last().field("x-timeout-ms").unwrap().parse().unwrap() };
    let (first, second) = (told(&slow), told(&good));
    assert!(second + 120 <= first && second + 3_000 > first, "{first} {second}");
}

#[tokio::test]
async fn nobody_works_for_a_client_that_has_given_up() {
    let (silent, _may) = Origin::held().await;
    let janua = one(&silent.url, "deadline-header = \"x-timeout-ms\"").start().await;
    let begun = Instant::now();
    let answer = asks(&janua, "X-Timeout-Ms: 200\r\n").await;
    answer.assert_refused(504, "timeout.total", "it waited for 200 ms");
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    let asked = silent.requests().len();
    let answer = asks(&janua, "X-Timeout-Ms: 0\r\n").await;
    answer.assert_refused(504, "timeout.total", "it is over before it begins");
    assert_eq!(silent.requests().len(), asked);
}

#[tokio::test]
async fn grpc_has_its_own_words_for_it() {
    let origin = Served::h2c(|request: http::Request<hyper::body::Incoming>| async move {
        let told = request.headers().get("grpc-timeout").cloned();
        reply(told.map_or_else(Vec::new, |told| told.as_bytes().to_vec()))
    });
    let origin = origin.await;
    let janua = one(&origin.url, "protocol = \"h2\"").start().await;
    for (said, unit, most, least) in [
        ("50S", "u", 50_000_000, 47_000_000),
        ("1H", "m", 3_600_000, 3_597_000),
        ("9000000m", "m", 9_000_000, 8_997_000),
    ] {
        let told = asks(&janua, &format!("Grpc-Timeout: {said}\r\n")).await.text();
        let count: u64 = told.trim_end_matches(unit).parse().unwrap();
        assert!((least..=most).contains(&count), "{said}: {told}");
    }
    for (said, told) in [("soon", "soon"), ("", "")] {
        let fields = format!("Grpc-Timeout: {said}\r\n");
        assert_eq!(asks(&janua, &fields).await.text(), told);
    }
}

#[tokio::test]
async fn a_deadline_header_that_cannot_be_meant_is_refused_at_load() {
    refused(["", "a b", "grpc-timeout", "ä"].map(|name| {
        let keys = format!("deadline-header = \"{name}\"");
        (keys, "deadline-header", "cannot be it", "milliseconds")
    }))
    .await;
}
