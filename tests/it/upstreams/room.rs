//! How many connections there may be to an endpoint, whatever thread makes them.

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{nobody, one, refused, shown, upstream};
use crate::support::{
    Client, Janua, Origin,
    origin::{Served, reply},
    until,
};

/// A request that is on its way.
async fn asks(janua: &Janua) -> Client {
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client
}

/// Requests that are on their way, all of them at the origin.
async fn asked(janua: &Janua, origin: &Origin, count: usize) -> Vec<Client> {
    let before = origin.requests().len();
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(asks(janua).await);
    }
    until("all of them at the origin", || origin.requests().len() == before + count).await;
    clients
}

async fn all_well(clients: &mut [Client]) {
    for client in clients {
        assert_eq!(client.answer().await.status(), 200);
    }
}

async fn assert_busy(janua: &Janua, why: &str) {
    janua.get("/").await.assert_refused(503, "upstream.busy", why);
}

/// How many connections there are to the first endpoint, as the operator sees it.
fn counted(janua: &Janua) -> u64 {
    shown(janua)["endpoints"][0]["connections"].as_u64().unwrap()
}

#[tokio::test]
async fn a_burst_makes_no_more_connections_than_there_may_be() {
    let (held, may) = Origin::held().await;
    let setup = one(&held.url, "max-connections = 3").server("workers = 2");
    let janua = setup.start().await;
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let mut client = janua.client().await;
        clients.spawn(async move { client.get("/").await });
    }
    for _ in 0..13 {
        let refused = clients.join_next().await.unwrap().unwrap();
        refused.assert_refused(503, "upstream.busy", "three are at it");
        assert_eq!(refused.field("retry-after").as_deref(), Some("1"));
    }
    until("the others at the origin", || held.requests().len() == 3).await;
    assert_eq!((held.connections(), counted(&janua)), (3, 3));
    may.add_permits(3);
    while let Some(answer) = clients.join_next().await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(shown(&janua)["max-connections"], 3);
}

#[tokio::test]
async fn an_idle_connection_of_another_thread_makes_room() {
    let origin = Origin::ok().await;
    let setup = one(&origin.url, "max-connections = 1").server("workers = 2");
    let janua = setup.start().await;
    // Each on a connection of its own, so that both threads have some of them.
    for turn in 0..40 {
        let answer = janua.get("/").await;
        assert_eq!(answer.status(), 200, "{turn}: {answer:?}");
        assert_eq!(counted(&janua), 1, "{turn}");
    }
    let connections = origin.connections();
    assert!((2..40).contains(&connections), "both threads, and some kept: {connections}");
    until("the others' end", || origin.open() == 1).await;
}

/// Whoever has one closed gets its room, whoever else is after it: nobody waits for what does not come.
#[tokio::test]
async fn threads_that_take_connections_from_each_other_all_go_on() {
    let origin = Origin::ok().await;
    let setup = one(&origin.url, "max-connections = 3").server("workers = 2");
    let janua = setup.start().await;
    let address = janua.address;
    let mut clients = JoinSet::new();
    for _ in 0..6 {
        clients.spawn(async move {
            for turn in 0..50 {
                let answer = Client::connect(address).await.get("/").await;
                assert!([200, 503].contains(&answer.status()), "{turn}: {answer:?}");
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    until("the count to be right", || counted(&janua) == origin.open() as u64).await;
    assert!(origin.open() <= 3 && origin.connections() > 3);
    assert_eq!(janua.get("/").await.status(), 200);
}

#[tokio::test]
async fn when_all_are_busy_the_next_endpoint_is_asked() {
    let ((held, may), good) = (Origin::held().await, Origin::named("good").await);
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", held.url, good.url);
    // Nothing of this is a failure, and who is passed over is not tried.
    let keys = "max-connections = 1\nejection.failures = 1\nretry.tries = 1";
    let janua = upstream(&format!("{endpoints}\n{keys}")).start().await;
    let mut first = asked(&janua, &held, 1).await;
    let mut client = janua.client().await;
    for _ in 0..6 {
        assert_eq!(client.get("/").await.text(), "good");
    }
    assert_eq!((held.connections(), good.connections()), (1, 1));
    assert_eq!(shown(&janua)["endpoints"][0]["state"], "up");
    assert_eq!(janua.world().upstreams[0].metrics.at(0).retries.get(), 0);
    let full = "janua_upstream_connect_failures_total{upstream=\"u\",reason=\"upstream.busy\"}";
    assert!(janua.counted(full) >= 1);
    may.add_permits(2);
    all_well(&mut first).await;
    let who = [client.get("/").await.text(), client.get("/").await.text()];
    assert!(who.contains(&"ok".to_owned()), "its connection is free again: {who:?}");
}

#[tokio::test]
async fn an_endpoint_without_room_is_neither_ejected_nor_broken() {
    let (held, may) = Origin::held().await;
    let keys = "max-connections = 1\nejection.failures = 1\n\
                breaker = { failure-percent = 1, min-requests = 1, window = \"10s\" }";
    let janua = one(&held.url, keys).start().await;
    let mut first = asked(&janua, &held, 1).await;
    for _ in 0..5 {
        assert_busy(&janua, "neither breaker nor ejection").await;
    }
    assert_eq!(shown(&janua)["endpoints"][0]["state"], "up");
    assert_eq!(shown(&janua)["breaker"], "closed");
    may.add_permits(2);
    all_well(&mut first).await;
    assert_eq!(janua.get("/").await.status(), 200);
}

/// Whatever way a connection goes, its room is free after it.
#[tokio::test]
async fn a_connection_leaves_its_room_however_it_ends() {
    let resets = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.reset();
    });
    let closes = Origin::answering("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok");
    let (resets, closes) = (resets.await, closes.await);
    let (held, _may) = Origin::held().await;
    let (_taken, dead) = nobody();
    for url in [&resets.url, &closes.url, &held.url, &dead] {
        let keys = "max-connections = 1\nejection.failures = 0\ntimeout.first-byte = \"50ms\"";
        let janua = one(url, keys).start().await;
        for _ in 0..3 {
            assert_ne!(asks(&janua).await.head().await.status(), 503, "{url}");
            until("its end", || counted(&janua) == 0).await;
        }
        // A client that goes away is no other case.
        drop(asks(&janua).await);
        until("its end", || counted(&janua) == 0).await;
    }
}

/// A tunnel through a gateway to its one endpoint.
async fn tunnel(keys: &str) -> (Origin, Janua, Client) {
    let origin = Origin::tunnels().await;
    let janua = one(&origin.url, keys).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x/1\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 101);
    (origin, janua, client)
}

#[tokio::test]
async fn a_tunnel_is_a_connection_while_it_is_open() {
    let (_origin, janua, client) = tunnel("max-connections = 1").await;
    assert_busy(&janua, "the tunnel has the connection").await;
    assert_eq!(counted(&janua), 1);
    drop(client);
    until("its end", || counted(&janua) == 0).await;
}

/// An endpoint with open tunnels is not idle, and not to be stopped.
#[tokio::test]
async fn a_tunnel_is_in_flight_while_it_is_open() {
    let (_origin, janua, client) = tunnel("max-requests = 1").await;
    let in_flight = || shown(&janua)["endpoints"][0]["in-flight"].clone();
    let counted = "janua_upstream_requests_in_flight{upstream=\"u\"}";
    assert_eq!((in_flight(), janua.counted(counted)), (1.into(), 1));
    assert_busy(&janua, "the tunnel has the place").await;
    drop(client);
    until("its end", || in_flight() == 0 && janua.counted(counted) == 0).await;
}

/// Who closes after each answer is not busy meanwhile: its connection's room is about to be free.
#[tokio::test]
async fn a_connection_that_is_being_closed_makes_room() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\nok",
    ] {
        let closes = Origin::script(move |mut peer| async move {
            peer.request().await;
            peer.send(answer).await;
        })
        .await;
        let setup = one(&closes.url, "max-connections = 4").server("workers = 2");
        let janua = setup.start().await;
        let address = janua.address;
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            clients.spawn(async move {
                for turn in 0..200 {
                    let answer = Client::connect(address).await.get("/").await;
                    assert_eq!(answer.status(), 200, "{turn}: {answer:?}");
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        assert_eq!(closes.connections(), 800);
        until("the count to be right", || counted(&janua) == 0).await;
    }
}

/// By HTTP/1.1 a connection is a request's alone, so that the queue can go by their number.
#[tokio::test]
async fn who_finds_all_connections_busy_waits_in_the_queue() {
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let kept = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (answer, keys, most) in [
        (close, "max-connections = 2", 2),
        (kept, "max-connections = 2", 2),
        (kept, "max-connections = 2\nmax-requests = 9", 2),
        (kept, "max-connections = 9\nmax-requests = 2", 9),
        (kept, "max-connections = 2\nkeep-alive.max-idle = 0", 2),
    ] {
        let origin = Origin::script(move |mut peer| async move {
            while peer.request().await.is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                peer.send(answer).await;
                if answer == close {
                    return;
                }
            }
        })
        .await;
        let keys = format!("{keys}\nqueue = {{ size = 20, time = \"10s\" }}");
        let janua = one(&origin.url, &keys).server("workers = 2").start().await;
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let mut client = janua.client().await;
            clients.spawn(async move {
                let mut statuses = Vec::new();
                for _ in 0..20 {
                    statuses.push(client.get("/").await.status());
                }
                statuses
            });
        }
        while let Some(statuses) = clients.join_next().await {
            assert_eq!(statuses.unwrap(), [200; 20], "{keys}");
        }
        assert!(origin.open() <= most && counted(&janua) <= most as u64, "{keys}");
        let waited = "janua_upstream_queue_seconds_count{upstream=\"u\"}";
        assert!(janua.counted(waited) > 0, "{keys}");
    }
}

/// An origin by HTTP/2 of so many streams at a time, that answers as often as it was allowed to; and how many
/// requests came.
async fn held_http2(streams: u32) -> (Served, Arc<Semaphore>, Arc<Semaphore>) {
    let (may, came) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (known, count) = (may.clone(), came.clone());
    let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http2.max_concurrent_streams(streams);
    let origin = Served::start(None, http2, move |_: Request<Incoming>| {
        let (may, came) = (known.clone(), count.clone());
        async move {
            came.add_permits(1);
            may.acquire().await.unwrap().forget();
            reply("ok")
        }
    });
    (origin.await, may, came)
}

#[tokio::test]
async fn threads_share_a_connection_of_http2_where_no_more_may_be_made() {
    let (origin, may, came) = held_http2(16).await;
    let keys = "protocol = \"h2\"\nmax-connections = 1";
    let janua = one(&origin.url, keys).server("workers = 2").start().await;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(asks(&janua).await);
    }
    until("all streams", || came.available_permits() == 16).await;
    assert_eq!((origin.connections(), counted(&janua)), (1, 1));
    assert_busy(&janua, "all streams are taken").await;
    may.add_permits(18);
    all_well(&mut clients).await;
    assert_eq!(janua.get("/").await.status(), 200);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn the_count_goes_on_over_a_reload() {
    let (held, may) = Origin::held().await;
    let with = |keys: &str| one(&held.url, keys).server("workers = 2");
    // Those are counted that were made while nobody asked.
    let janua = with("").start().await;
    let mut clients = asked(&janua, &held, 2).await;
    janua.reload(&with("max-connections = 2")).await.ok().unwrap();
    assert_busy(&janua, "both were there before").await;
    janua.reload(&with("max-connections = 3")).await.ok().unwrap();
    clients.extend(asked(&janua, &held, 1).await);
    assert_busy(&janua, "three is more, but not four").await;
    assert_eq!((held.connections(), counted(&janua)), (3, 3));
    may.add_permits(100);
    all_well(&mut clients).await;
    janua.reload(&with("max-connections = 1")).await.ok().unwrap();
    until("what is too much to be closed", || held.open() == 1 && counted(&janua) == 1).await;
    for _ in 0..8 {
        assert_eq!(janua.get("/").await.status(), 200);
    }
}

#[tokio::test]
async fn a_bound_that_lets_nothing_through_is_refused_at_load() {
    refused([("max-connections = 0", "max-connections", "no connection could be", "leave it")])
        .await;
}
