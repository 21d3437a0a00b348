//! Endpoints that have as many requests as they may: others take the next one, or it waits its turn.

use std::time::Duration;

use super::{nobody, refused, shown, upstream};
use crate::support::{Client, Janua, Origin, until};

/// A request that is on its way.
async fn asks(janua: &Janua, target: &str) -> Client {
    let mut client = janua.client().await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    client
}

async fn before(origins: &[&Origin], keys: &str) -> Janua {
    let urls: Vec<_> = origins.iter().map(|origin| format!("\"{}\"", origin.url)).collect();
    upstream(&format!("endpoints = [{}]\n{keys}", urls.join(", "))).start().await
}

async fn waiting(janua: &Janua, count: u64) {
    let length = "janua_upstream_queue_length{upstream=\"u\"}";
    until("the queue", || janua.counted(length) == count).await;
}

#[tokio::test]
async fn an_endpoint_that_is_full_is_passed_over() {
    let (held, may) = Origin::held().await;
    let good = Origin::named("good").await;
    let janua = before(&[&held, &good], "max-requests = 1").await;
    let mut first = asks(&janua, "/").await;
    until("it is full", || held.requests().len() == 1).await;
    let mut client = janua.client().await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await.text(), "good");
    }
    assert_eq!(shown(&janua)["max-requests"], 1);
    may.add_permits(2);
    assert_eq!(first.answer().await.text(), "ok");
    let who = [client.get("/").await.text(), client.get("/").await.text()];
    assert!(who.contains(&"ok".to_owned()), "its place is free again: {who:?}");
}

/// Of its own, where it is good for more or less than the others; also where only it has one.
#[tokio::test]
async fn an_endpoint_may_have_a_bound_of_its_own() {
    for (own, keys, expected) in [
        ("max-requests = 1", "max-requests = 3", [1, 3]),
        ("max-requests = 3", "max-requests = 1", [3, 1]),
        ("max-requests = 3", "max-connections = 2\nmax-requests = 1\nqueue.time = \"10s\"", [2, 1]),
    ] {
        let ((one, may), (two, also)) = (Origin::held().await, Origin::held().await);
        let with = |own: &str| {
            let endpoints = format!("[{{ url = \"{}\", {own} }}, \"{}\"]", one.url, two.url);
            upstream(&format!("endpoints = {endpoints}\n{keys}"))
        };
        let janua = with(own).start().await;
        let count = expected[0] + expected[1];
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(asks(&janua, "/").await);
        }
        let came = || [one.requests().len(), two.requests().len()];
        until("all are there", || came() == expected).await;
        let mut more = asks(&janua, "/").await;
        match keys.contains("queue") {
            true => waiting(&janua, 1).await,
            false => more.answer().await.assert_refused(503, "upstream.busy", own),
        }
        let shown = shown(&janua);
        assert_eq!(shown["endpoints"][0]["max-requests"].to_string(), own[15..]);
        assert!(shown["endpoints"][1]["max-requests"].is_null(), "{shown}");
        // What it has room for can be said anew.
        if !keys.contains("queue") {
            janua.reload(&with("max-requests = 4")).await.ok().unwrap();
            let room = 4 - expected[0];
            for _ in 0..room {
                clients.push(asks(&janua, "/").await);
            }
            until("it has more", || came() == [4, expected[1]]).await;
        }
        may.add_permits(100);
        also.add_permits(100);
        for client in &mut clients {
            assert_eq!(client.answer().await.status(), 200);
        }
    }
}

/// Where nothing is said of the others they take what comes; and by a file it can be said as well.
#[tokio::test]
async fn a_bound_of_its_own_is_an_endpoints_alone() {
    let ((one, _may), two) = (Origin::held().await, Origin::named("two").await);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("endpoints.toml");
    let bounded = format!("{{ url = \"{}\", max-requests = 1 }}", one.url);
    std::fs::write(&file, format!("endpoints = [{bounded}]\n")).unwrap();
    for (endpoint, keys) in
        [(bounded.clone(), ""), (format!("\"file://{}\"", file.display()), "max-requests = 9")]
    {
        let endpoints = format!("endpoints = [{endpoint}, \"{}\"]\n{keys}", two.url);
        let janua = upstream(&endpoints).start().await;
        let all = || shown(&janua)["endpoints"].as_array().unwrap().len();
        until("both are known", || all() == 2).await;
        let before = one.requests().len();
        let mut held = Vec::new();
        while one.requests().len() == before {
            held.push(asks(&janua, "/").await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for _ in 0..5 {
            assert_eq!(janua.get("/").await.text(), "two", "{endpoint}");
        }
    }
}

#[tokio::test]
async fn when_all_are_full_and_nobody_may_wait_the_answer_says_so() {
    let (held, may) = Origin::held().await;
    let janua = before(&[&held], "max-requests = 2").await;
    let mut both = [asks(&janua, "/").await, asks(&janua, "/").await];
    until("it is full", || held.requests().len() == 2).await;
    let refused = janua.get("/").await;
    refused.assert_refused(503, "upstream.busy", "two are at it");
    assert_eq!(refused.field("retry-after").as_deref(), Some("1"));
    may.add_permits(3);
    for client in &mut both {
        assert_eq!(client.answer().await.status(), 200);
    }
    assert_eq!(janua.get("/").await.status(), 200);
}

#[tokio::test]
async fn who_comes_first_is_served_first_whatever_thread_it_is_on() {
    let (held, may) = Origin::held().await;
    let keys = "max-requests = 1\nqueue = { size = 6, time = \"10s\" }";
    let endpoints = format!("endpoints = \"{}\"\n{keys}", held.url);
    let janua = upstream(&endpoints).server("workers = 2").start().await;
    let mut clients = vec![asks(&janua, "/0").await];
    until("it is full", || held.requests().len() == 1).await;
    for number in 1..=6 {
        clients.push(asks(&janua, &format!("/{number}")).await);
        waiting(&janua, number).await;
    }
    janua.get("/").await.assert_refused(503, "upstream.queue_full", "six wait");
    assert_eq!(shown(&janua)["waiting"], 6);
    // Who goes away leaves the place to others.
    drop(clients.remove(3));
    waiting(&janua, 5).await;
    clients.push(asks(&janua, "/7").await);
    waiting(&janua, 6).await;
    may.add_permits(7);
    for client in &mut clients {
        assert_eq!(client.answer().await.status(), 200);
    }
    let targets: Vec<_> = held.requests().iter().map(|it| it.target().to_owned()).collect();
    assert_eq!(targets, ["/0", "/1", "/2", "/4", "/5", "/6", "/7"]);
    waiting(&janua, 0).await;
    let waited = "janua_upstream_queue_seconds_count{upstream=\"u\"}";
    assert_eq!(janua.counted(waited), 6, "whoever was served after a wait is counted");
}

#[tokio::test]
async fn nobody_waits_longer_than_the_queue_or_the_request_lasts() {
    let (held, _may) = Origin::held().await;
    for (keys, status, reason) in [
        ("queue.time = \"100ms\"", 503, "upstream.queue_timeout"),
        ("queue.time = \"10s\"\ntimeout.total = \"100ms\"", 504, "timeout.total"),
    ] {
        let janua = before(&[&held], &format!("max-requests = 1\n{keys}")).await;
        let asked = held.requests().len();
        let _first = asks(&janua, "/").await;
        until("it is full", || held.requests().len() > asked).await;
        janua.get("/").await.assert_refused(status, reason, keys);
        waiting(&janua, 0).await;
    }
}

/// Whatever way a request goes, its place is free after it.
#[tokio::test]
async fn a_place_is_free_again_however_its_request_ends() {
    let resets = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.reset();
    });
    let half = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").await;
    });
    let (resets, half) = (resets.await, half.await);
    let (held, _may) = Origin::held().await;
    let (_taken, dead) = nobody();
    for url in [&resets.url, &half.url, &held.url, &dead] {
        let keys = "max-requests = 1\nejection.failures = 0\ntimeout.first-byte = \"50ms\"";
        let janua = upstream(&format!("endpoints = \"{url}\"\n{keys}")).start().await;
        for _ in 0..3 {
            assert_ne!(soon_not_busy(&janua).await, 503, "{url}");
        }
        // Clients who go away are no other case.
        for _ in 0..3 {
            drop(asks(&janua, "/").await);
        }
        let answer = soon_not_busy(&janua).await;
        assert_ne!(answer, 503, "{url}");
    }
}

/// The status of an answer once the place of whoever went away is free.
async fn soon_not_busy(janua: &Janua) -> u16 {
    for _ in 0..200 {
        let status = asks(janua, "/").await.head().await.status();
        if status != 503 {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    503
}

/// A request that is sent once more needs a place where it goes, and does not wait for one.
#[tokio::test]
async fn a_request_is_not_sent_again_to_who_is_full() {
    let (_taken, dead) = nobody();
    let (held, may) = Origin::held().await;
    let keys = format!(
        "endpoints = [\"{dead}\", \"{}\"]\nmax-requests = 1\nejection.failures = 0",
        held.url
    );
    let janua = upstream(&keys).start().await;
    let mut first = asks(&janua, "/").await;
    until("it is full", || held.requests().len() == 1).await;
    janua.get("/").await.assert_refused(502, "upstream.connect_refused", "the other is full");
    may.add_permits(2);
    assert_eq!(first.answer().await.status(), 200);
    assert_eq!(janua.get("/").await.status(), 200);
}

/// Who waits is not told of it, and finds out.
#[tokio::test]
async fn an_endpoint_that_is_used_again_serves_who_waits() {
    let ((held, _may), good) = (Origin::held().await, Origin::named("good").await);
    let keys = "max-requests = 1\nqueue = { size = 9, time = \"10s\" }";
    let janua = before(&[&held, &good], keys).await;
    let drain = |drained| janua.world().upstream("u").unwrap().drain(&good.url, drained);
    assert!(drain(true));
    let _first = asks(&janua, "/").await;
    until("it is full", || held.requests().len() == 1).await;
    let mut second = asks(&janua, "/").await;
    waiting(&janua, 1).await;
    assert!(drain(false));
    assert_eq!(second.answer().await.text(), "good");
}

/// An endpoint is as fast as it answers, whoever had to wait for a place there.
#[tokio::test]
async fn what_a_request_waits_in_the_queue_is_not_its_endpoints_time() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.field("upgrade").is_some() {
                let switches = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade";
                peer.send(format!("{switches}\r\nUpgrade: x\r\n\r\n")).await;
                return peer.ended().await;
            }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let keys = "balance = \"peak-ewma\"\nmax-requests = 1\nqueue.time = \"10s\"";
    let janua = before(&[&origin], keys).await;
    let mut tunnel = janua.client().await;
    let fields = "Connection: upgrade\r\nUpgrade: x\r\n";
    tunnel.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
    assert_eq!(tunnel.head().await.status(), 101);
    let mut waits = asks(&janua, "/").await;
    waiting(&janua, 1).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    drop(tunnel);
    assert_eq!(waits.answer().await.text(), "ok");
    let latency = shown(&janua)["endpoints"][0]["latency-us"].as_u64().unwrap();
    assert!(latency < 600_000, "{latency}");
}

#[tokio::test]
async fn who_waits_goes_on_over_a_reload() {
    let (held, may) = Origin::held().await;
    let keys = "max-requests = 1\nqueue = { size = 1, time = \"10s\" }";
    let janua = before(&[&held], keys).await;
    let mut first = asks(&janua, "/1").await;
    until("it is full", || held.requests().len() == 1).await;
    let mut second = asks(&janua, "/2").await;
    waiting(&janua, 1).await;
    let more = keys.replace("size = 1", "size = 2");
    let setup = upstream(&format!("endpoints = \"{}\"\n{more}", held.url));
    janua.reload(&setup).await.ok().unwrap();
    let mut third = asks(&janua, "/3").await;
    waiting(&janua, 2).await;
    may.add_permits(3);
    for client in [&mut first, &mut second, &mut third] {
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn a_queue_that_cannot_be_meant_is_refused_at_load() {
    refused([
        ("max-requests = 0", "max-requests", "no request could be sent", "leave it out"),
        ("queue.size = 9", "queue", "nobody would wait", "max-requests = 100"),
        (
            "max-connections = 9\nprotocol = \"h2\"\nqueue.size = 9",
            "queue",
            "a connection of HTTP/2 takes several",
            "max-requests = 100",
        ),
        ("max-requests = 1\nqueue.size = 0", "queue.size", "nobody could wait", "leave it out"),
        ("max-requests = 1\nqueue.time = \"0s\"", "queue.time", "nobody could wait", "leave it"),
    ])
    .await;
}
