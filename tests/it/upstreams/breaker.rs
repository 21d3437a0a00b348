//! An upstream that fails too many requests gets none for a while, and is found out to be well again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{nobody, refused, shown, upstream};
use crate::support::{Client, Janua, Origin, until};

/// An origin that answers with the status that it is told.
async fn told(status: u16) -> (Origin, Arc<AtomicU16>) {
    let told = Arc::new(AtomicU16::new(status));
    let known = told.clone();
    let origin = Origin::script(move |mut peer| {
        let status = known.clone();
        async move {
            while peer.request().await.is_some() {
                let status = status.load(Relaxed);
                peer.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")).await;
            }
        }
    });
    (origin.await, told)
}

const KEYS: &str = "ejection.failures = 0\n\
    breaker = { failure-percent = 50, min-requests = 4, time = \"400ms\", probes = 2 }";

async fn before(url: &str, keys: &str) -> Janua {
    upstream(&format!("endpoints = \"{url}\"\n{keys}")).start().await
}

async fn statuses(client: &mut Client, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(client.get("/").await.status());
    }
    statuses
}

const STATE: &str = "janua_upstream_breaker{upstream=\"u\"}";

#[tokio::test]
async fn it_opens_refuses_with_the_time_to_come_again_probes_and_closes() {
    let (origin, status) = told(503).await;
    let janua = before(&origin.url, KEYS).await;
    let mut client = janua.client().await;
    assert_eq!(shown(&janua)["breaker"], "closed");
    assert_eq!(statuses(&mut client, 4).await, [503; 4]);
    let asked = origin.requests().len();
    let refused = client.get("/").await;
    refused.assert_refused(503, "upstream.breaker_open", "it is open");
    assert_eq!(refused.field("retry-after").as_deref(), Some("1"));
    assert_eq!(origin.requests().len(), asked, "nothing is sent while it is open");
    assert_eq!((shown(&janua)["breaker"].as_str(), janua.counted(STATE)), (Some("open"), 2));
    // Still unwell: the first probe opens it again.
    tokio::time::sleep(Duration::from_millis(420)).await;
    assert_eq!(client.get("/").await.reason(), "");
    assert_eq!(client.get("/").await.reason(), "upstream.breaker_open");
    assert_eq!(origin.requests().len(), asked + 1, "one probe was enough");
    status.store(200, Relaxed);
    tokio::time::sleep(Duration::from_millis(420)).await;
    assert_eq!(statuses(&mut client, 1).await, [200]);
    assert_eq!((shown(&janua)["breaker"].as_str(), janua.counted(STATE)), (Some("half-open"), 1));
    assert_eq!(statuses(&mut client, 4).await, [200; 4]);
    assert_eq!((shown(&janua)["breaker"].as_str(), janua.counted(STATE)), (Some("closed"), 0));
}

/// What an upstream does, and whether it is held against it.
#[tokio::test]
async fn only_what_the_upstream_does_opens_it() {
    for (status, more, opens) in [
        (200, "", false),
        (404, "", false),
        (429, "", false),
        (500, "", false),
        (500, "ejection.statuses = \"5xx\"", true),
        (502, "", true),
        (504, "", true),
    ] {
        let (origin, _) = told(status).await;
        let janua = before(&origin.url, &format!("{KEYS}\n{more}")).await;
        statuses(&mut janua.client().await, 6).await;
        let state = if opens { "open" } else { "closed" };
        assert_eq!(shown(&janua)["breaker"], state, "{status} {more}");
    }
    let (_taken, dead) = nobody();
    let janua = before(&dead, KEYS).await;
    assert_eq!(statuses(&mut janua.client().await, 6).await, [502, 502, 502, 502, 503, 503]);
    // Clients who go away say nothing of it.
    let (origin, _may) = Origin::held().await;
    let janua = before(&origin.url, KEYS).await;
    for count in 1..=6 {
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        until("request", || origin.requests().len() == count).await;
    }
    let in_flight = "janua_upstream_requests_in_flight{upstream=\"u\"}";
    until("all have gone", || janua.counted(in_flight) == 0).await;
    assert_eq!(shown(&janua)["breaker"], "closed");
}

/// One that goes well on another endpoint went well.
#[tokio::test]
async fn a_request_that_another_endpoint_answers_is_no_failure() {
    let (_taken, dead) = nobody();
    let good = Origin::ok().await;
    let keys = format!("endpoints = [\"{dead}\", \"{}\"]\n{KEYS}", good.url);
    let janua = upstream(&keys).start().await;
    assert_eq!(statuses(&mut janua.client().await, 12).await, [200; 12]);
    assert_eq!(shown(&janua)["breaker"], "closed");
}

#[tokio::test]
async fn it_stays_open_over_a_reload_and_a_probe_that_is_given_up_makes_room() {
    let (origin, _) = told(503).await;
    let janua = before(&origin.url, KEYS).await;
    statuses(&mut janua.client().await, 4).await;
    let held = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let keys = KEYS.replace("probes = 2", "probes = 1").replace("400ms", "300ms");
    let setup = |url: &str| upstream(&format!("endpoints = \"{url}\"\n{keys}"));
    janua.reload(&setup(&origin.url)).await.ok().unwrap();
    assert_eq!(shown(&janua)["breaker"], "open");
    let (silent, _may) = Origin::held().await;
    janua.reload(&setup(&silent.url)).await.ok().unwrap();
    tokio::time::sleep(Duration::from_millis(420)).await;
    let mut probe = janua.client().await;
    probe.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the probe", || silent.requests().len() == 1).await;
    assert_eq!(janua.get("/").await.reason(), "upstream.breaker_open", "one probe at a time");
    drop(probe);
    let good = Origin::answering(held).await;
    janua.reload(&setup(&good.url)).await.ok().unwrap();
    let mut client = janua.client().await;
    let mut status = 0;
    for _ in 0..500 {
        status = client.get("/").await.status();
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(status, 200);
    assert_eq!(shown(&janua)["breaker"], "closed");
}

#[tokio::test]
async fn a_breaker_that_cannot_be_meant_is_refused_at_load() {
    refused([
        (
            "breaker.failure-percent = 0",
            "breaker.failure-percent",
            "from 1 to 100",
            "leave `breaker` out",
        ),
        (
            "breaker.failure-percent = 101",
            "breaker.failure-percent",
            "from 1 to 100",
            "leave `breaker`",
        ),
        ("breaker.window = \"0s\"", "breaker.window", "nothing can be done in that", "\"10s\""),
        ("breaker.time = \"0s\"", "breaker.time", "nothing can be done in that", "\"10s\""),
        ("breaker.min-requests = 0", "breaker.min-requests", "of no requests", ""),
        ("breaker.probes = 0", "breaker.probes", "never close again", ""),
    ])
    .await;
}
