//! How much the gateway itself may have in flight.

use std::time::Duration;

use super::{assert_shed, fill, routes, sent};
use crate::support::{Client, Daemon, Door, Janua, Origin, Setup, until};

/// Routes to an origin, a route for each priority, with these keys of the server.
fn priorities(url: &str, keys: &str) -> Setup {
    Setup::new(routes(&["low", "normal", "high"], url)).server(keys)
}

fn shed(janua: &Janua, reason: &str, priority: &str) -> u64 {
    janua.counted(&format!("janua_shed_total{{reason=\"{reason}\",priority=\"{priority}\"}}"))
}

#[tokio::test]
async fn more_requests_than_may_be_are_503_those_of_low_priority_first() {
    let (origin, may) = Origin::held().await;
    let janua = priorities(&origin.url, "max-in-flight = 10").start().await;
    let reason = "overload.requests";
    let mut running =
        fill(&janua, &origin, reason, |janua, priority| shed(janua, reason, priority)).await;
    assert_eq!(janua.counted("janua_requests_in_flight"), 10);
    assert_eq!(janua.counted("janua_max_in_flight"), 10);
    may.add_permits(100);
    for client in &mut running {
        assert_eq!(client.answer().await.status(), 200);
    }
    until("nothing is in flight", || janua.counted("janua_requests_in_flight") == 0).await;
    assert_eq!(janua.get("/low").await.status(), 200);
}

#[tokio::test]
async fn who_is_in_flight_is_so_after_a_reload() {
    let (origin, may) = Origin::held().await;
    let janua = priorities(&origin.url, "max-in-flight = 5").start().await;
    let mut first = sent(&janua, "/high").await;
    until("it is there", || origin.requests().len() == 1).await;
    janua.reload(&priorities(&origin.url, "max-in-flight = 1")).await.unwrap();
    assert_shed(&janua.get("/high").await, "overload.requests", "one is there");
    may.add_permits(2);
    assert_eq!(first.answer().await.status(), 200);
    until("nothing is in flight", || janua.counted("janua_requests_in_flight") == 0).await;
    assert_eq!(janua.get("/high").await.status(), 200);
}

#[tokio::test]
async fn what_several_workers_have_in_flight_is_one_number() {
    let (origin, may) = Origin::held().await;
    let janua = priorities(&origin.url, "workers = 4\nmax-in-flight = 10").start().await;
    let mut running = Vec::new();
    while running.len() < 10 {
        running.push(sent(&janua, "/high").await);
        until("it is there", || origin.requests().len() == running.len()).await;
    }
    for _ in 0..8 {
        assert_shed(&janua.get("/high").await, "overload.requests", "wherever it comes");
    }
    may.add_permits(10);
    for client in &mut running {
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn answers_that_wait_for_their_clients_leave_no_memory_for_others() {
    const SIZE: usize = 64 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    let (origin, _sent) = Origin::floods(head, b'x', SIZE).await;
    let janua = priorities(&origin.url, "max-in-flight-bytes = \"400KiB\"").start().await;
    let mut slow = sent(&janua, "/normal").await;
    assert_eq!(slow.head().await.status(), 200);
    until("as much is held as may be", || janua.counted("janua_bytes_in_flight") == 496 << 10)
        .await;
    assert_shed(&janua.get("/high").await, "overload.memory", "no memory is left");
    assert_eq!(shed(&janua, "overload.memory", "high"), 1);
    drop(slow);
    until("it is given back", || janua.counted("janua_bytes_in_flight") == 0).await;
    let mut next = sent(&janua, "/low").await;
    assert_eq!(next.head().await.status(), 200);
}

#[tokio::test]
async fn uploads_take_the_memory_that_buffers_hold_of_them() {
    let origin = Origin::echo().await;
    let janua = priorities(&origin.url, "max-in-flight-bytes = \"200KiB\"").start().await;
    let head = |length: usize| {
        format!("POST /normal HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut first = janua.client().await;
    first.send(head(1 << 20)).await;
    until("it is expected", || janua.counted("janua_bytes_in_flight") == 112 << 10).await;
    let post = async |length: usize| {
        let mut client: Client = janua.client().await;
        client.send(head(length)).await;
        client.send(vec![b'x'; length]).await;
        client.answer().await
    };
    assert_shed(&post(1 << 20).await, "overload.memory", "another one");
    assert_eq!(post(10_000).await.status(), 200, "a small one");
    assert_eq!(post(60_000).await.status(), 200, "one that fits");
    first.send(vec![b'x'; 1 << 20]).await;
    assert_eq!(first.answer().await.body.len(), 1 << 20);
    until("it is given back", || janua.counted("janua_bytes_in_flight") == 0).await;
    assert_eq!(post(1 << 20).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_comes_in_when_nobody_else_does() {
    let (origin, may) = Origin::held().await;
    let text = format!(
        "[server]\nmax-in-flight = 1\n[log]\naccess = \"off\"\n\
         [admin]\naddress = \"unix:HOME/admin.sock\"\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nto = \"{}\"\n",
        origin.url
    );
    let daemon = tokio::task::spawn_blocking(move || Daemon::start(&text)).await.unwrap();
    let mut client = Client::connect(address_of(&daemon.public)).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("it is there", || origin.requests().len() == 1).await;
    let daemon = tokio::task::spawn_blocking(move || {
        assert_eq!(daemon.public.get("/").0, 503);
        let door = daemon.admin();
        for page in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(door.get(page).0, 200, "{page}");
        }
        daemon
    });
    let _daemon = daemon.await.unwrap();
    may.add_permits(1);
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_request_that_waits_at_a_limit_is_in_flight() {
    let setup = "[[route]]\nlimit = { rate = \"2/s\", burst = 1, over = { delay = \"10s\" } }\n\
                 to = { status = 204 }\n";
    let janua = Setup::new(setup).server("max-in-flight = 1").start().await;
    assert_eq!(janua.get("/").await.status(), 204);
    let mut waits = sent(&janua, "/").await;
    until("it waits", || janua.counted("janua_requests_in_flight") == 1).await;
    assert_shed(&janua.get("/").await, "overload.requests", "there is room for one");
    tokio::time::timeout(Duration::from_secs(5), waits.answer()).await.unwrap();
}

fn address_of(door: &Door) -> std::net::SocketAddr {
    match door {
        Door::Tcp(address) => *address,
        Door::Unix(path) => panic!("{}", path.display()),
    }
}
