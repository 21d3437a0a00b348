//! Origins that take too long: each step has its time, and its name, in the metrics too.

use std::{
    net::{SocketAddr, TcpStream as Std},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use socket2::{Domain, Socket, Type};
use tokio::sync::Notify;

use super::{one, upstream};
use crate::support::{
    Janua, Message, Origin, Setup, certs::Authority, message::reason, origin::Served, until,
};

/// An origin that reads its requests and says this, no more.
async fn saying(words: &'static str) -> Origin {
    Origin::script(move |mut peer| async move {
        peer.request().await;
        peer.send(words).await;
        peer.ended().await;
    })
    .await
}

/// An address that takes no connections: its queue is full, and nobody comes to empty it.
pub(super) struct Full {
    pub(super) url: String,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl Full {
    pub(super) fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        for _ in 0..8 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            queued.push(socket);
        }
        let url = format!("http://{}", address.as_socket().unwrap());
        Self { url, _listener: listener, _queued: queued }
    }
}

#[tokio::test]
async fn a_connection_that_is_not_taken_is_504_or_the_next_ones() {
    let full = Full::new();
    let probe = full.url.trim_start_matches("http://").parse().unwrap();
    assert!(Std::connect_timeout(&probe, Duration::from_millis(100)).is_err(), "it is not full");
    let times = "timeout.connect = \"200ms\"";
    let janua = one(&full.url, times).start().await;
    let start = Instant::now();
    janua.get("/").await.assert_refused(504, "timeout.connect", "alone");
    assert!(start.elapsed() >= Duration::from_millis(200));
    janua.rejected("default", "timeout.connect", 1).await;
    let other = Origin::ok().await;
    let both = format!("endpoints = [\"{}\", \"{}\"]\n{times}", full.url, other.url);
    let janua = upstream(&both).start().await;
    for _ in 0..2 {
        assert_eq!(janua.get("/").await.status(), 200, "the next one answers");
    }
}

#[tokio::test]
async fn connecting_counts_as_part_of_the_whole_exchange() {
    let full = Full::new();
    let times = "timeout = { connect = \"1m\", total = \"200ms\" }";
    let janua = one(&full.url, times).start().await;
    janua.get("/").await.assert_refused(504, "timeout.total", "while connecting");
    janua.rejected("default", "timeout.total", 1).await;
}

#[tokio::test]
async fn a_handshake_that_stands_still_is_a_connection_not_taken() {
    let origin = saying("").await;
    let home = tempfile::tempdir().unwrap();
    let ca = Authority::new("A").save(&home.path().join("ca.pem"));
    let url = origin.url.replace("http:", "https:");
    let keys = format!("timeout.connect = \"200ms\"\ntls.ca = \"{ca}\"");
    let janua = one(&url, &keys).start().await;
    janua.get("/").await.assert_refused(504, "timeout.connect", "TLS");
    janua.rejected("default", "timeout.connect", 1).await;
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_504() {
    for words in ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let origin = saying(words).await;
        let janua = one(&origin.url, "timeout.first-byte = \"200ms\"").start().await;
        let start = Instant::now();
        janua.get("/").await.assert_refused(504, "timeout.first_byte", words);
        assert!(start.elapsed() >= Duration::from_millis(200));
        until("the end at the origin", || origin.open() == 0).await;
        let line = janua.logged_reason("timeout.first_byte").await;
        assert_eq!(line["endpoint"], origin.url.as_str(), "{line}");
        janua.rejected("default", "timeout.first_byte", 1).await;
    }
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_504_by_http2_too() {
    let origin = saying("").await;
    let setup = one(&origin.url, "timeout.first-byte = \"200ms\"").listener("h2c = true");
    let janua = setup.start().await;
    let mut http2 = janua.http2().await;
    let (answer, body) = http2.get("http://a.example/").await;
    assert_eq!((answer.status().as_u16(), reason(&body)), (504, "timeout.first_byte".into()));
    let (answer, _) = http2.get("http://a.example/").await;
    assert_eq!(answer.status().as_u16(), 504, "the connection goes on");
    janua.rejected("default", "timeout.first_byte", 2).await;
}

/// The origin is waited for from when it has the request.
#[tokio::test]
async fn an_upload_may_take_longer_than_the_first_byte() {
    let origin = Origin::echo().await;
    let setup = one(&origin.url, "timeout.first-byte = \"250ms\"").listener("h2c = true");
    let janua = setup.start().await;
    let mut client = janua.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n").await;
    let mut http2 = janua.http2().await;
    let request = Request::post("http://a.example/").body(()).unwrap();
    let mut call = http2.begin(request, false).await;
    for turn in 0..10 {
        client.send("abc").await;
        call.body.send_data(Bytes::from_static(b"abc"), turn == 9).unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.body.len()), (200, 30), "{answer:?}");
    assert_eq!(call.answer().await.0.status().as_u16(), 200);
}

/// An upload has no time of its own to be over, but it must go on.
#[tokio::test]
async fn an_origin_that_takes_no_more_of_an_upload_is_504() {
    let may = Arc::new(Notify::new());
    let known = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = known.clone();
        async move {
            peer.head().await;
            may.notified().await;
            peer.ended().await;
        }
    })
    .await;
    // Its window is never opened again.
    let http2 = Served::h2c(|request: Request<Incoming>| async move {
        let _unread = request;
        std::future::pending().await
    })
    .await;
    let times = "timeout = { idle = \"300ms\", first-byte = \"1m\" }";
    for (url, keys) in [(&origin.url, ""), (&http2.url, "protocol = \"h2\"\n")] {
        let janua = one(url, &format!("{keys}{times}")).start().await;
        let mut client = janua.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").await;
        let start = Instant::now();
        let sent = client.flood(&[b'x'; 65_536], 1_000_000_000, Duration::from_millis(100)).await;
        assert!((70_000..1_000_000_000).contains(&sent), "{sent}");
        client.answer().await.assert_refused(504, "timeout.idle", keys);
        assert!(start.elapsed() >= Duration::from_millis(300), "{keys}");
        janua.rejected("default", "timeout.idle", 1).await;
    }
    may.notify_waiters();
    until("the end at the origin", || origin.open() == 0).await;
}

#[tokio::test]
async fn an_origin_that_has_all_of_an_upload_must_answer() {
    let origin = saying("").await;
    let times = "timeout = { first-byte = \"250ms\", idle = \"1m\" }";
    let janua = one(&origin.url, times).start().await;
    for framing in
        ["Content-Length: 6\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"]
    {
        let mut client = janua.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let start = Instant::now();
        client.send(if framing.starts_with('C') { "def" } else { "0\r\n\r\n" }).await;
        client.answer().await.assert_refused(504, "timeout.first_byte", framing);
        let took = start.elapsed();
        assert!((250..5_000).contains(&took.as_millis()), "{framing}: {took:?}");
    }
    janua.rejected("default", "timeout.first_byte", 2).await;
}

/// An answer that begins early may wait for the rest of the request.
#[tokio::test]
async fn an_answer_may_wait_for_the_end_of_its_upload() {
    let origin = Origin::script(|mut peer| async move {
        let head = peer.head().await.unwrap();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        peer.body(head).await;
        peer.send("4\r\ndone\r\n0\r\n\r\n").await;
        peer.ended().await;
    })
    .await;
    let times = "timeout = { first-byte = \"250ms\", idle = \"250ms\" }";
    let janua = one(&origin.url, times).start().await;
    let mut client = janua.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    for _ in 0..10 {
        client.send("abc").await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    client.expect("done").await;
}

/// The answer's head comes, its end never does.
async fn cut_off(janua: &Janua, path: &str) -> Message {
    let mut client = janua.client().await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let head = client.head().await;
    assert_eq!(head.status(), 200);
    let answer = client.body(head).await;
    assert!(!answer.complete, "{answer:?}");
    answer
}

#[tokio::test]
async fn an_answer_that_stands_still_is_cut_off() {
    for words in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let origin = saying(words).await;
        let janua = one(&origin.url, "timeout.idle = \"200ms\"").start().await;
        cut_off(&janua, "/").await;
        until("the end at the origin", || origin.open() == 0).await;
        let line = janua.logged_reason("timeout.idle").await;
        assert_eq!((&line["status"], &line["bytes_out"]), (&200.into(), &5.into()), "{line}");
        janua.rejected("default", "timeout.idle", 1).await;
    }
}

/// An origin that says a little, again and again.
async fn trickling() -> Origin {
    Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            peer.send("1\r\nx\r\n").await;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        peer.send("0\r\n\r\n").await;
        peer.ended().await;
    })
    .await
}

#[tokio::test]
async fn an_answer_that_goes_on_may_take_as_long_as_it_likes() {
    let origin = trickling().await;
    let janua = one(&origin.url, "timeout.idle = \"400ms\"").start().await;
    let answer = janua.get("/").await;
    assert!(answer.complete && answer.body.len() > 3, "{answer:?}");
}

#[tokio::test]
async fn the_whole_exchange_has_its_time_where_that_is_asked_for() {
    let origin = trickling().await;
    let janua = one(&origin.url, "timeout.total = \"300ms\"").start().await;
    cut_off(&janua, "/").await;
    janua.logged_reason("timeout.total").await;
    janua.rejected("default", "timeout.total", 1).await;
    let silent = saying("").await;
    let janua = one(&silent.url, "timeout.total = \"200ms\"").start().await;
    janua.get("/").await.assert_refused(504, "timeout.total", "before the head");
    janua.rejected("default", "timeout.total", 1).await;
}

#[tokio::test]
async fn a_route_has_its_own_times() {
    let origin = saying("").await;
    let routes = format!(
        "[upstream.u]\nendpoints = \"{}\"\ntimeout.first-byte = \"1m\"\n\
         [[route]]\npath = \"/quick\"\nto = \"u\"\ntimeout.first-byte = \"100ms\"\n\
         [[route]]\npath = \"/all\"\nto = \"u\"\ntimeout.total = \"100ms\"\n",
        origin.url
    );
    let janua = Setup::new(routes).start().await;
    janua.get("/quick").await.assert_refused(504, "timeout.first_byte", "quick");
    janua.get("/all").await.assert_refused(504, "timeout.total", "all");
    janua.rejected("/quick", "timeout.first_byte", 1).await;
    janua.rejected("/all", "timeout.total", 1).await;
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let origin = saying(switch).await;
    let janua = one(&origin.url, "timeout.idle = \"200ms\"").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 101);
    assert_eq!(client.ended().await, "");
    until("the end at the origin", || origin.open() == 0).await;
    let line = janua.logged_reason("timeout.idle").await;
    assert_eq!(line["status"], 101, "{line}");
    janua.rejected("default", "timeout.idle", 1).await;
}
