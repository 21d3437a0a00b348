//! Connections to origins: kept, given up, bounded; and what a broken one does to the next request.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::{sync::Semaphore, task::JoinSet};

use super::one;
use crate::support::{Janua, Origin, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn all_well(janua: &Janua, count: usize) {
    let mut client = janua.client().await;
    for turn in 0..count {
        let answer = client.get("/").await;
        assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{turn}: {answer:?}");
    }
}

/// So many requests, none of which is answered before all are at the origin.
async fn all_at_once(janua: &Janua, origin: &Origin, may: &Semaphore, count: usize) {
    let mut clients = JoinSet::new();
    for _ in 0..count {
        let mut client = janua.client().await;
        clients.spawn(async move { client.get("/").await.status() });
    }
    until("all of them at the origin", || origin.requests().len() == count).await;
    may.add_permits(count);
    while let Some(status) = clients.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}

#[tokio::test]
async fn a_connection_is_used_again_by_any_client() {
    let origin = Origin::ok().await;
    let janua = one(&origin.url, "").start().await;
    for _ in 0..5 {
        all_well(&janua, 4).await;
    }
    assert_eq!((origin.connections(), origin.requests().len()), (1, 20));
}

#[tokio::test]
async fn an_origin_that_closes_after_each_answer_is_asked_on_a_new_one() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
    ] {
        let origin = Origin::script(move |mut peer| async move {
            peer.request().await;
            peer.send(answer).await;
        })
        .await;
        let janua = one(&origin.url, "").start().await;
        all_well(&janua, 5).await;
        assert_eq!(origin.connections(), 5, "{answer}");
    }
}

/// The oldest trap of keep-alive: the origin has closed, and says so only now.
#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_unnoticed() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send(OK).await;
    })
    .await;
    let janua = one(&origin.url, "").start().await;
    let mut client = janua.client().await;
    for turn in 0..50 {
        match turn % 2 {
            0 => client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await,
            _ => client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await,
        }
        let answer = client.answer().await;
        assert_eq!(answer.status(), 200, "{turn}: {answer:?}");
        until("the origin's end", || origin.open() == 0).await;
    }
    assert_eq!(origin.requests().len(), 50, "none was sent twice");
}

/// An origin whose first connection answers once and then says this to a request, and ends. Others
/// are well.
async fn ends_when_asked_again(says: &'static str) -> Origin {
    Origin::script(move |mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(OK).await;
            if peer.number == 0 {
                peer.request().await;
                return peer.send(says).await;
            }
        }
    })
    .await
}

/// How many requests were sent once more; there is one worker.
fn retries(janua: &Janua) -> u64 {
    janua.world().upstreams[0].metrics.at(0).retries.get()
}

/// RFC 9110, 9.2.2: what does no harm twice is sent again if a kept connection ends in that moment.
#[tokio::test]
async fn an_idempotent_request_that_a_kept_connection_loses_is_sent_again_on_a_new_one() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        let origin = ends_when_asked_again("").await;
        let janua = one(&origin.url, "").start().await;
        all_well(&janua, 1).await;
        let mut client = janua.client().await;
        client.send(format!("{method} /x?y HTTP/1.1\r\nHost: a\r\nX-Mine: z\r\n\r\n")).await;
        assert_eq!(client.head().await.status(), 200, "{method}");
        let requests = origin.requests();
        assert_eq!((origin.connections(), requests.len()), (2, 3), "{method}");
        assert_eq!(retries(&janua), 1, "{method}");
        assert_eq!(requests[1].line, requests[2].line, "{method}");
        assert_eq!(requests[1].fields, requests[2].fields, "{method}");
    }
}

#[tokio::test]
async fn what_a_kept_connection_loses_is_502_if_the_origin_may_have_acted_or_has_begun_to_answer() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (request, says) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", ""),
        ("PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", ""),
        ("MINE / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        (get, "H"),
        (get, "HTTP/1.1 200 OK\r\nContent-Le"),
        (get, "HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let origin = ends_when_asked_again(says).await;
        let janua = one(&origin.url, "").start().await;
        all_well(&janua, 1).await;
        let mut client = janua.client().await;
        client.send(request).await;
        client.answer().await.assert_refused(502, "upstream.reset", request);
        assert_eq!((origin.connections(), origin.requests().len()), (1, 2), "{request} {says}");
        assert_eq!(retries(&janua), 0, "{request} {says}");
    }
}

/// Two kept connections and a new one, and all of them end: it is sent twice.
#[tokio::test]
async fn a_request_is_sent_again_once_and_not_to_another_kept_connection() {
    let may = Arc::new(Semaphore::new(0));
    let known = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = known.clone();
        async move {
            peer.request().await;
            if peer.number < 2 {
                may.acquire().await.unwrap().forget();
                peer.send(OK).await;
                peer.request().await;
            }
        }
    })
    .await;
    let janua = one(&origin.url, "").start().await;
    all_at_once(&janua, &origin, &may, 2).await;
    janua.get("/").await.assert_refused(502, "upstream.reset", "the new one ends as well");
    assert_eq!((origin.connections(), origin.requests().len()), (3, 4));
}

#[tokio::test]
async fn so_many_idle_connections_are_kept_and_no_more() {
    for (most, kept) in [(0, 0), (2, 2)] {
        let (origin, may) = Origin::held().await;
        let janua = one(&origin.url, &format!("keep-alive.max-idle = {most}")).start().await;
        all_at_once(&janua, &origin, &may, 4).await;
        may.add_permits(100);
        until("the rest to be closed", || origin.open() == kept).await;
        all_well(&janua, 3).await;
        let fresh = if kept == 0 { 3 } else { 0 };
        assert_eq!(origin.connections(), 4 + fresh);
    }
}

#[tokio::test]
async fn a_connection_that_is_idle_for_too_long_is_closed() {
    let origin = Origin::ok().await;
    let janua = one(&origin.url, "keep-alive.idle = \"100ms\"").start().await;
    all_well(&janua, 2).await;
    assert_eq!(origin.connections(), 1);
    until("its end", || origin.open() == 0).await;
    all_well(&janua, 1).await;
}

/// What an origin says without being asked is nobody's answer.
#[tokio::test]
async fn what_comes_behind_an_answer_is_never_another_requests() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for behind in [evil, "x", "\r\n\r\n", "HTTP/1.1 "] {
        let origin = Origin::script(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.send(format!("{OK}{behind}")).await;
            }
        })
        .await;
        let janua = one(&origin.url, "").start().await;
        for _ in 0..3 {
            all_well(&janua, 3).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_gives_its_connection_up() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    let (origin, sent) = Origin::floods(head, b'x', 1_000_000_000).await;
    let janua = one(&origin.url, "").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    drop(client);
    until("the end at the origin", || origin.open() == 0).await;
    assert!(sent.load(Relaxed) < 1_000_000_000);
}

#[tokio::test]
async fn a_client_that_goes_before_its_answer_takes_the_request_along() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.ended().await;
    })
    .await;
    let janua = one(&origin.url, "").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the request at the origin", || origin.requests().len() == 1).await;
    drop(client);
    until("the end at the origin", || origin.open() == 0).await;
    // What a client did not wait for: whose fault that is, the log has to say.
    let line = janua.logged_reason("client.gone").await;
    assert_eq!((&line["path"], &line["tries"]), (&"/".into(), &1.into()), "{line}");
    assert_eq!(line["endpoint"], origin.url, "{line}");
}

#[tokio::test]
async fn idle_connections_to_an_endpoint_that_a_reload_takes_away_are_closed() {
    let (a, b) = (Origin::ok().await, Origin::ok().await);
    let janua = one(&a.url, "").start().await;
    janua.get("/").await;
    assert_eq!(a.open(), 1);
    janua.reload(&one(&b.url, "")).await.ok().unwrap();
    // The worker looks at the world with its next request.
    janua.get("/").await;
    until("closed", || a.open() == 0).await;
}

/// Listens at a Unix socket, answers once, and takes nothing more on that connection, which says so only to whoever
/// writes; and when it does so.
fn deaf(path: &std::path::Path) -> std::sync::mpsc::Receiver<std::os::unix::net::UnixStream> {
    use std::io::{Read as _, Write as _};
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    let (sender, is_deaf) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut buffer = [0; 4_096];
        assert!(peer.read(&mut buffer).unwrap() > 0);
        peer.write_all(OK.as_bytes()).unwrap();
        peer.shutdown(std::net::Shutdown::Read).unwrap();
        sender.send(peer).unwrap();
    });
    is_deaf
}

/// Nothing of it was written, so it is for the next endpoint, whatever its method.
#[tokio::test]
async fn a_request_of_which_no_byte_could_be_written_goes_on() {
    let long = "x".repeat(3_000);
    let length = |body: &str| format!("Content-Length: {}\r\n\r\n{body}", body.len());
    for (method, body, status) in [
        ("GET", "\r\n".to_owned(), 200),
        ("POST", length(""), 200),
        ("POST", length("hi"), 200),
        ("POST", length(&long), 200),
        ("PATCH", length("hi"), 200),
        ("PUT", length("hi"), 200),
    ] {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("socket");
        let is_deaf = deaf(&socket);
        let good = Origin::ok().await;
        let endpoints = format!("endpoints = [\"unix:{}\", \"{}\"]", socket.display(), good.url);
        let keys = "ejection.failures = 0\nretry = { on = [], budget = 0 }";
        let janua = super::upstream(&format!("{endpoints}\n{keys}")).start().await;
        all_well(&janua, 1).await;
        let _peer = is_deaf.recv().unwrap();
        all_well(&janua, 1).await;
        let mut client = janua.client().await;
        client.send(format!("{method} /x HTTP/1.1\r\nHost: a\r\nX-Mine: z\r\n{body}")).await;
        assert_eq!(client.answer().await.status(), status, "{method}");
        let got = good.last();
        assert_eq!((got.target(), got.field("x-mine").as_deref()), ("/x", Some("z")), "{method}");
        assert!(body.ends_with(&*got.text()), "{method}: {got:?}");
        assert_eq!(good.requests().len(), 2, "{method}");
    }
}
