//! Origins at Unix sockets, over HTTP/2, over TLS: with whom a connection is made, and with whom not.

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{sync::Barrier, task::JoinSet};

use super::{one, upstream};
use crate::support::{
    Janua, Origin,
    certs::{Authority, Identity, provider},
    daemon::{Daemon, JANUA},
    frames,
    origin::{Peer, Reply, Served, collect, reply},
    until,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers every request on a connection.
async fn well(mut peer: Peer) {
    while peer.request().await.is_some() {
        peer.send(OK).await;
    }
}

/// Answers with the version and what was sent.
async fn told(request: Request<Incoming>) -> Reply {
    let version = format!("{:?}", request.version());
    let body = collect(request.into_body()).await;
    reply([version.as_bytes(), b" ", &body].concat())
}

// --- Unix sockets ---

#[tokio::test]
async fn an_origin_may_be_at_a_unix_socket() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.sock");
    let origin = Origin::unix(&path, well);
    let janua = one(&origin.url, "").start().await;
    assert_eq!(janua.get("/a").await.text(), "ok");
    assert_eq!(janua.get("/b").await.text(), "ok");
    assert_eq!(origin.connections(), 1, "it is kept");
    assert_eq!(origin.last().values("host"), ["a.example"]);
    let janua = one(&format!("unix:{}", home.path().join("none.sock").display()), "").start().await;
    janua.get("/").await.assert_refused(502, "upstream.connect_refused", "nobody is there");
}

// --- HTTP/2 in clear ---

#[tokio::test]
async fn an_origin_may_speak_http2_in_clear() {
    let origin = Served::h2c(told).await;
    let janua = one(&origin.url, "protocol = \"h2\"").listener("h2c = true").start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.text(), "HTTP/2.0 ");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(client.answer().await.text(), "HTTP/2.0 hello");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.send("3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "HTTP/2.0 abc");
    let mut http2 = janua.http2().await;
    let (answer, body) = http2.get("http://a.example/").await;
    assert_eq!((answer.version(), &*body), (Version::HTTP_2, &b"HTTP/2.0 "[..]));
    assert_eq!(origin.connections(), 1, "one connection for all of them");
}

/// An origin of two streams at a time that answers to `/all` when six ask for that.
async fn of_two_streams() -> Served {
    let all = Arc::new(Barrier::new(6));
    let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http2.max_concurrent_streams(2);
    Served::start(None, http2, move |request: Request<Incoming>| {
        let all = all.clone();
        async move {
            if request.uri().path() == "/all" {
                all.wait().await;
            }
            reply("ok")
        }
    })
    .await
}

async fn assert_six_at_once(janua: &Janua) {
    let mut clients = JoinSet::new();
    for _ in 0..6 {
        let mut client = janua.client().await;
        clients.spawn(async move { client.get("/all").await });
    }
    while let Some(answer) = clients.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
}

#[tokio::test]
async fn when_streams_run_out_there_is_another_connection() {
    let origin = of_two_streams().await;
    let janua = one(&origin.url, "protocol = \"h2\"").start().await;
    assert_eq!(janua.get("/").await.status(), 200);
    assert_six_at_once(&janua).await;
    assert!(origin.connections() >= 3, "{}", origin.connections());
}

/// RFC 9113, 8.7: a refused stream was not looked at, so it may be begun again.
#[tokio::test]
async fn a_refused_stream_is_begun_again() {
    let origin = of_two_streams().await;
    let janua = one(&origin.url, "protocol = \"h2\"").start().await;
    assert_six_at_once(&janua).await;
}

/// An origin that speaks HTTP/2 by hand: what it says to each stream's head, and to its end, by the
/// number of the connection.
async fn by_hand(
    to_head: impl Fn(usize, u32) -> Vec<u8> + Clone + Send + Sync + 'static,
    to_end: impl Fn(usize, u32) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> Origin {
    Origin::script(move |peer| speak_by_hand(peer, to_head.clone(), to_end.clone())).await
}

async fn speak_by_hand(
    mut peer: Peer,
    to_head: impl Fn(usize, u32) -> Vec<u8>,
    to_end: impl Fn(usize, u32) -> Vec<u8>,
) {
    let number = peer.number;
    let say = |part: Part, stream| match part {
        Part::Head => to_head(number, stream),
        Part::End => to_end(number, stream),
        Part::Whole => [to_head(number, stream), to_end(number, stream)].concat(),
    };
    converse(&mut peer, say).await;
}

/// What comes on a stream.
#[derive(Clone, Copy)]
enum Part {
    /// A head; a body follows.
    Head,
    /// The body's end.
    End,
    /// A head, and nothing after it.
    Whole,
}

/// Speaks HTTP/2 until the connection's end: what it says to each part of a stream.
async fn converse(peer: &mut Peer, mut say: impl FnMut(Part, u32) -> Vec<u8>) {
    peer.send(frames::frame(frames::SETTINGS, 0, 0, &[])).await;
    peer.expect("SM\r\n\r\n").await;
    let mut held = Vec::new();
    while let Some(bytes) = peer.some().await {
        held.extend(bytes);
        while let [a, b, c, kind, flags, stream @ ..] = &held[..]
            && let Some((stream, rest)) = stream.split_first_chunk()
            && let Some(length) = Some(u32::from_be_bytes([0, *a, *b, *c]) as usize)
            && rest.len() >= length
        {
            let (kind, flags, stream) = (*kind, *flags, u32::from_be_bytes(*stream));
            held.drain(..9 + length);
            let part = match (kind, flags & frames::END_STREAM > 0) {
                (frames::HEADERS, false) => Part::Head,
                (frames::HEADERS, true) => Part::Whole,
                (frames::DATA, true) => Part::End,
                _ => continue,
            };
            peer.send(say(part, stream)).await;
        }
    }
}

fn refused(stream: u32) -> Vec<u8> {
    frames::frame(frames::RST_STREAM, 0, stream, &7_u32.to_be_bytes())
}

/// Nothing was done for any stream.
fn gone_away(_stream: u32) -> Vec<u8> {
    frames::frame(frames::GOAWAY, 0, 0, &[0; 8])
}

fn answered(stream: u32) -> Vec<u8> {
    // The status 200 of HPACK's static table.
    let head = frames::frame(frames::HEADERS, frames::END_HEADERS, stream, &[0x88]);
    [head, frames::frame(frames::DATA, frames::END_STREAM, stream, b"ok")].concat()
}

/// RFC 9113, 8.7: what was turned away unseen is begun again, on another connection.
#[tokio::test]
async fn a_stream_that_was_turned_away_unseen_is_begun_again() {
    for (name, away) in
        [("refused", refused as fn(u32) -> Vec<u8>), ("the connection goes away", gone_away)]
    {
        let first_only = move |number, stream| if number == 0 { away(stream) } else { Vec::new() };
        let others = |number, stream| if number > 0 { answered(stream) } else { Vec::new() };
        for request in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            let origin = by_hand(first_only, others).await;
            let janua = one(&origin.url, "protocol = \"h2\"").start().await;
            let mut client = janua.client().await;
            for _ in 0..2 {
                client.send(request).await;
                let answer = client.answer().await;
                assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{name}: {request}");
            }
            assert_eq!(origin.connections(), 2, "{name}: {request}");
            let bodies = origin.received().matches("hello").count();
            assert!(bodies >= 2 || request.starts_with("GET"), "{name}: {request}");
        }
    }
}

#[tokio::test]
async fn what_is_turned_away_again_and_again_is_502_or_the_next_ones() {
    for away in [refused as fn(u32) -> Vec<u8>, gone_away] {
        let streams = Arc::new(AtomicUsize::new(0));
        let counter = streams.clone();
        let turn_away = move |_, stream| {
            counter.fetch_add(1, Relaxed);
            away(stream)
        };
        let origin = by_hand(turn_away, |_, _| Vec::new()).await;
        let janua = one(&origin.url, "protocol = \"h2\"").start().await;
        janua.get("/").await.assert_refused(502, "upstream.reset", "alone");
        assert_eq!(streams.load(Relaxed), 3, "it is begun again twice");
        let good = by_hand(|_, _| Vec::new(), |_, stream| answered(stream)).await;
        let both = format!("endpoints = [\"{}\", \"{}\"]\nprotocol = \"h2\"", origin.url, good.url);
        let janua = upstream(&both).start().await;
        for _ in 0..4 {
            assert_eq!(janua.get("/").await.status(), 200, "the next one answers");
        }
    }
}

/// An origin that answers others meanwhile may turn a request away far more often before that is too often:
/// it retires its connections, and the request has no luck.
#[tokio::test]
async fn what_is_turned_away_while_others_are_answered_has_more_patience() {
    let streams = Arc::new(AtomicUsize::new(0));
    let counter = streams.clone();
    let origin = Origin::script(move |mut peer| {
        let counter = counter.clone();
        async move {
            let mut unlucky = None;
            converse(&mut peer, |part, stream| match part {
                Part::Head => {
                    counter.fetch_add(1, Relaxed);
                    unlucky = Some(stream);
                    Vec::new()
                }
                Part::End => Vec::new(),
                // Whenever another is answered, the connection goes away.
                Part::Whole => {
                    let away = unlucky.take().map(gone_away).unwrap_or_default();
                    [answered(stream), away].concat()
                }
            })
            .await;
        }
    })
    .await;
    let janua = one(&origin.url, "protocol = \"h2\"").start().await;
    let (mut unlucky, mut other) = (janua.client().await, janua.client().await);
    unlucky.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
    let mut answer = pin!(unlucky.answer());
    let answer = loop {
        tokio::select! {
            biased;
            answer = &mut answer => break answer,
            answered = other.get("/") => assert_eq!(answered.status(), 200, "{answered:?}"),
        }
    };
    answer.assert_refused(502, "upstream.reset", "it was too often");
    assert_eq!(streams.load(Relaxed), 101, "it is begun again a hundred times");
}

/// A stream whose connection broke may have been seen.
#[tokio::test]
async fn a_stream_that_broke_is_not_begun_again() {
    let origin = by_hand(
        |_, stream| frames::frame(frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        |_, _| Vec::new(),
    )
    .await;
    let janua = one(&origin.url, "protocol = \"h2\"").start().await;
    janua.get("/").await.assert_refused(502, "upstream.reset", "cancelled");
    assert_eq!(origin.connections(), 1);
}

/// RST_STREAM with NO_ERROR is for what is left of a request. The library takes it for the end of the answer.
#[tokio::test]
async fn an_answer_that_ends_before_its_length_is_broken_however_politely_it_ends() {
    let said = |fields: &'static [_], data: &'static [u8], end: fn(u32) -> Vec<u8>| {
        move |_: usize, stream: u32| {
            let head = head_of(stream, fields);
            [head, frames::frame(frames::DATA, 0, stream, data), end(stream)].concat()
        }
    };
    let ended: fn(u32) -> Vec<u8> =
        |stream| frames::frame(frames::DATA, frames::END_STREAM, stream, b"");
    let early: fn(u32) -> Vec<u8> = |stream| {
        let end = frames::frame(frames::DATA, frames::END_STREAM, stream, b"");
        [end, no_error(stream)].concat()
    };
    let trailers: fn(u32) -> Vec<u8> = |stream| {
        let (flags, fields) = (frames::END_HEADERS | frames::END_STREAM, [("x-sum", "1")]);
        let trailers = frames::frame(frames::HEADERS, flags, stream, &frames::block(&fields));
        [trailers, no_error(stream)].concat()
    };
    let reset: fn(u32) -> Vec<u8> = no_error;
    let (ten, any) = (&[("content-length", "10")][..], &[][..]);
    for (name, request, fields, data, end, complete) in [
        ("half of it", "GET /", ten, &b"half!"[..], reset, false),
        ("nothing of it", "GET /", ten, b"", reset, false),
        ("all of it but the end", "GET /", ten, b"0123456789", reset, true),
        ("some of it", "GET /", any, b"half!", reset, false),
        ("nothing", "GET /", any, b"", reset, false),
        ("all of it", "GET /", ten, b"0123456789", early, true),
        ("all of it, of whatever length", "GET /", any, b"half!", early, true),
        ("all of it, with trailers", "GET /", any, b"half!", trailers, true),
        ("none is due", "HEAD /", ten, b"", ended, true),
    ] {
        let origin = by_hand(said(fields, data, end), |_, _| Vec::new()).await;
        let janua = one(&origin.url, "protocol = \"h2\"").start().await;
        let answer = janua.client().await.request(request, "").await;
        match complete {
            true => assert_eq!((answer.status(), answer.complete), (200, true), "{name}"),
            false => {
                // Where nothing has come the client may still be told.
                assert!(answer.status() == 502 || !answer.complete, "{name}: {answer:?}");
                janua.logged_reason("upstream.reset").await;
            }
        }
    }
}

/// A head of 200 and these fields.
fn head_of(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = frames::block(&[&[(":status", "200")], fields].concat());
    frames::frame(frames::HEADERS, frames::END_HEADERS, stream, &fields)
}

fn no_error(stream: u32) -> Vec<u8> {
    frames::frame(frames::RST_STREAM, 0, stream, &[0; 4])
}

#[tokio::test]
async fn an_answer_that_ends_politely_before_its_end_is_not_kept() {
    let half = |_, stream| {
        let head = head_of(stream, &[("cache-control", "max-age=100")]);
        [head, frames::frame(frames::DATA, 0, stream, b"half"), no_error(stream)].concat()
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let count = move |_, _| {
        counter.fetch_add(1, Relaxed);
        Vec::new()
    };
    let origin = by_hand(half, count).await;
    let upstream = format!("[upstream.u]\nendpoints = [\"{}\"]\nprotocol = \"h2\"\n", origin.url);
    let route = "[[route]]\nto = \"u\"\ncache = true\n";
    let janua = crate::support::Setup::new(format!("{upstream}{route}")).start().await;
    for times in 1..=2 {
        let answer = janua.get("/").await;
        assert!(answer.status() == 502 || !answer.complete, "{answer:?}");
        assert_eq!(asked.load(Relaxed), times);
    }
}

/// The library would not write it, and the client would see nothing but an end.
#[tokio::test]
async fn a_length_that_is_none_is_no_answer_by_http2_either() {
    for length in ["", " ", "2x", "+2", "0x2"] {
        let say = move |_, stream| {
            let head = head_of(stream, &[("content-length", length)]);
            [head, frames::frame(frames::DATA, frames::END_STREAM, stream, b"ok")].concat()
        };
        let origin = by_hand(say, |_, _| Vec::new()).await;
        let janua = one(&origin.url, "protocol = \"h2\"").start().await;
        janua.get("/").await.assert_refused(502, "upstream.protocol", length);
    }
}

/// The same from a client: what the origin gets is no whole request.
#[tokio::test]
async fn an_upload_that_ends_before_its_length_is_broken_however_politely_it_ends() {
    let ended = Arc::new(AtomicUsize::new(0));
    let counter = ended.clone();
    let origin = Origin::script(move |mut peer| {
        let counter = counter.clone();
        async move {
            converse(&mut peer, |part, stream| match part {
                Part::Head => Vec::new(),
                Part::End => {
                    counter.fetch_add(1, Relaxed);
                    Vec::new()
                }
                Part::Whole => answered(stream),
            })
            .await;
        }
    })
    .await;
    let janua = one(&origin.url, "protocol = \"h2\"").listener("h2c = true").start().await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
        ("content-length", "10"),
    ];
    let mut client = frames::Frames::open(janua.address).await;
    let head = frames::frame(frames::HEADERS, frames::END_HEADERS, 1, &frames::block(&fields));
    client.send(&[head, frames::frame(frames::DATA, 0, 1, b"hello")].concat()).await;
    until("the beginning", || origin.received().contains("hello")).await;
    client.send(&frames::frame(frames::RST_STREAM, 0, 1, &[0; 4])).await;
    janua.logged("the end", |line| line["method"] == "POST").await;
    assert_eq!(janua.get("/").await.status(), 200, "the connection goes on");
    assert_eq!((ended.load(Relaxed), origin.connections()), (0, 1));
}

/// A request in chunks has no length by which its origin could tell.
#[tokio::test]
async fn half_an_upload_by_http2_is_no_whole_one_to_an_origin_of_http1() {
    let origin = Origin::script(well).await;
    let janua = one(&origin.url, "").listener("h2c = true").start().await;
    let fields = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let mut client = frames::Frames::open(janua.address).await;
    let reset = |stream| frames::frame(frames::RST_STREAM, 0, stream, &[0; 4]);
    for number in 0..20 {
        let stream = 2 * number + 1;
        let head =
            frames::frame(frames::HEADERS, frames::END_HEADERS, stream, &frames::block(&fields));
        let first = format!("first {number}.");
        let data = frames::frame(frames::DATA, 0, stream, first.as_bytes());
        client.send(&[head, data].concat()).await;
        until("the beginning", || origin.received().contains(&first)).await;
        let last = frames::frame(frames::DATA, 0, stream, b"more");
        client.send(&[last, reset(stream)].concat()).await;
        until("the end", || origin.open() == 0).await;
    }
    let received = origin.received();
    assert!(!received.contains("\r\n0\r\n"), "{received}");
    assert_eq!(janua.get("/").await.status(), 200);
}

/// Requests that wait for a connection that one of them makes do not wait one after the other.
#[tokio::test]
async fn an_origin_of_http2_that_says_nothing_holds_nobody_for_longer_than_a_connection_may_take() {
    let origin = Origin::script(|mut peer| async move { peer.ended().await }).await;
    let keys = "protocol = \"h2\"\ntimeout.connect = \"300ms\"";
    let janua = one(&origin.url, keys).start().await;
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let mut client = janua.client().await;
        clients.spawn(async move { client.get("/").await });
    }
    while let Some(answer) = clients.join_next().await {
        answer.unwrap().assert_refused(504, "timeout.connect", "all");
    }
    assert!(start.elapsed() < Duration::from_millis(1_500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_origin_that_does_not_speak_http2_is_502() {
    let origin = Origin::ok().await;
    let janua = one(&origin.url, "protocol = \"h2\"").start().await;
    let answer = janua.get("/").await;
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(answer.reason().starts_with("upstream."), "{answer:?}");
}

/// An origin of HTTP/2 that goes away is connected to again.
#[tokio::test]
async fn a_connection_of_http2_that_ended_is_replaced() {
    let first = Served::h2c(told).await;
    let address = first.url.clone();
    let janua = one(&address, "protocol = \"h2\"").start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.status(), 200);
    drop(first);
    until("the origin's end", || {
        std::net::TcpStream::connect(address.trim_start_matches("http://")).is_err()
    })
    .await;
    client.get("/").await.assert_refused(502, "upstream.connect_refused", "it is gone");
}

// --- TLS ---

/// An authority, and what an origin of its shows.
struct Site {
    home: tempfile::TempDir,
    authority: Authority,
}

impl Site {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), authority: Authority::new("A") }
    }

    /// The key that trusts the authority.
    fn ca(&self) -> String {
        format!("tls.ca = \"{}\"", self.authority.save(&self.path("ca.pem")))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn identity(&self, name: &str) -> Identity {
        self.authority.issue(1, &[name])
    }
}

fn with_alpn(mut config: ServerConfig, protocols: &[&str]) -> ServerConfig {
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

#[tokio::test]
async fn an_origin_over_tls_is_verified() {
    let site = Site::new();
    let good = Origin::tls(site.identity("localhost").server(), well).await;
    let misnamed = Origin::tls(site.identity("other.example").server(), well).await;
    let stranger = Authority::new("S").issue(1, &["localhost"]);
    let stranger = Origin::tls(stranger.server(), well).await;
    let clear = Origin::script(|mut peer| async move {
        peer.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        peer.ended().await;
    })
    .await;
    let clear_url = format!("https://localhost:{}", clear.address.port());
    let ca = site.ca();
    for (name, url, keys, works) in [
        ("a good one", &good.url, ca.clone(), true),
        ("another name", &misnamed.url, ca.clone(), false),
        (
            "another name that is expected",
            &misnamed.url,
            format!("{ca}\ntls.server-name = \"other.example\""),
            true,
        ),
        ("an unexpected name", &good.url, format!("{ca}\ntls.server-name = \"x.example\""), false),
        ("another authority", &stranger.url, ca.clone(), false),
        ("another authority, unverified", &stranger.url, "tls.verify = false".to_owned(), true),
        ("another name, unverified", &misnamed.url, "tls.verify = false".to_owned(), true),
        ("the system's authorities", &good.url, String::new(), false),
        ("no TLS at all", &clear_url, ca.clone(), false),
        ("no TLS at all, unverified", &clear_url, "tls.verify = false".to_owned(), false),
    ] {
        let janua = one(url, &keys).start().await;
        let answer = janua.get("/").await;
        if works {
            assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{name}: {answer:?}");
        } else {
            answer.assert_refused(502, "upstream.tls", name);
            let line = janua.log().pop().unwrap();
            assert!(
                line["cause"].is_string()
                    && !answer.text().contains(line["cause"].as_str().unwrap()),
                "{line}"
            );
        }
    }
    assert!(!clear.received().contains("HTTP"), "nothing goes in clear");
}

/// `openssl req -x509` calls what it makes an authority.
#[tokio::test]
async fn an_origin_that_signs_for_itself_is_trusted_if_its_certificate_is_named() {
    let site = Site::new();
    let made = |name: &str| {
        let (cert, key) = (site.path(&format!("{name}.pem")), site.path(&format!("{name}.key")));
        let mut openssl = std::process::Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl.args(["-nodes", "-subj", "/CN=o", "-addext", "subjectAltName=DNS:localhost"]);
        let output = openssl.arg("-out").arg(&cert).arg("-keyout").arg(&key).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (cert, key)
    };
    let ((cert, key), (other, _)) = (made("a"), made("b"));
    let shown = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&cert).unwrap()],
            PrivateKeyDer::from_pem_file(&key).unwrap(),
        );
    let origin = Origin::tls(shown.unwrap(), well).await;
    let trusts = |file: &Path| format!("tls.ca = \"{}\"", file.display());
    let janua = one(&origin.url, &trusts(&cert)).start().await;
    assert_eq!(janua.get("/").await.text(), "ok");
    let janua = one(&origin.url, &trusts(&other)).start().await;
    janua.get("/").await.assert_refused(502, "upstream.tls", "another that calls itself so");
    let cause = janua.log().pop().unwrap()["cause"].to_string();
    assert!(cause.contains("certificate"), "{cause}");
}

/// Notes by which name an origin was asked for.
#[derive(Debug)]
struct Noted {
    inner: Arc<dyn ResolvesServerCert>,
    names: Arc<Mutex<Vec<Option<String>>>>,
}

impl ResolvesServerCert for Noted {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.names.lock().push(hello.server_name().map(str::to_owned));
        self.inner.resolve(hello)
    }
}

#[tokio::test]
async fn an_origin_is_asked_for_by_its_name() {
    let site = Site::new();
    let names = ["localhost", "other.example", "127.0.0.1"];
    let mut config = site.authority.issue(1, &names).server();
    let asked = Arc::new(Mutex::default());
    config.cert_resolver =
        Arc::new(Noted { inner: config.cert_resolver.clone(), names: Arc::clone(&asked) });
    let origin = Origin::tls(config, well).await;
    let port = origin.address.port();
    for (host, key, name) in [
        ("localhost", "", Some("localhost")),
        ("localhost", "tls.server-name = \"other.example\"", Some("other.example")),
        ("127.0.0.1", "tls.server-name = \"other.example\"", Some("other.example")),
        // An address is no name (RFC 6066 section 3).
        ("127.0.0.1", "", None),
    ] {
        let keys = format!("{}\n{key}", site.ca());
        let janua = one(&format!("https://{host}:{port}"), &keys).start().await;
        assert_eq!(janua.get("/").await.text(), "ok", "{host} {key}");
        let asked = std::mem::take(&mut *asked.lock());
        assert_eq!(asked, [name.map(str::to_owned)], "{host} {key}");
    }
}

/// Without `tls.ca` whoever the system trusts is trusted; here the system is the test's.
#[tokio::test(flavor = "multi_thread")]
async fn whom_the_system_trusts_is_trusted() {
    let site = Site::new();
    let origin = Origin::tls(site.identity("localhost").server(), well).await;
    let stranger = Authority::new("S").issue(1, &["localhost"]);
    let stranger = Origin::tls(stranger.server(), well).await;
    for (url, status) in [(&origin.url, 200), (&stranger.url, 502)] {
        let text = format!(
            "[admin]\naddress = \"off\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[route]]\nto = \"{url}\"\n"
        );
        let home = tempfile::tempdir().unwrap();
        let pem = home.path().join("roots.pem");
        std::fs::write(&pem, site.authority.pem()).unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let daemon = Daemon::start_in(home, &text, |file| {
                let mut command = std::process::Command::new(JANUA);
                command.args(["run", "-c"]).arg(file);
                command.env("SSL_CERT_FILE", pem).env_remove("SSL_CERT_DIR");
                command
            });
            daemon.public.get("/")
        });
        assert_eq!(answer.await.unwrap().0, status, "{url}");
    }
}

#[tokio::test]
async fn alpn_decides_what_is_spoken_to_an_origin() {
    let site = Site::new();
    let ca = site.ca();
    for (offered, keys, expected) in [
        (&["h2", "http/1.1"][..], "", Some("HTTP/2.0 ")),
        (&["http/1.1"], "", Some("HTTP/1.1 ")),
        (&[], "", Some("HTTP/1.1 ")),
        (&["h2", "http/1.1"], "protocol = \"http/1.1\"", Some("HTTP/1.1 ")),
        (&["h2", "http/1.1"], "protocol = \"h2\"", Some("HTTP/2.0 ")),
        (&["http/1.1"], "protocol = \"h2\"", None),
    ] {
        let tls = with_alpn(site.identity("localhost").server(), offered);
        let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let origin = Served::start(Some(tls), http2, told).await;
        let janua = one(&origin.url, &format!("{ca}\n{keys}")).start().await;
        let mut client = janua.client().await;
        for _ in 0..2 {
            let answer = client.get("/").await;
            match expected {
                Some(text) => assert_eq!(answer.text(), text, "{offered:?} {keys}"),
                None => answer.assert_refused(502, "upstream.tls", "no protocol in common"),
            }
        }
        if expected.is_some() {
            assert_eq!(origin.connections(), 1, "{offered:?} {keys}");
        }
    }
}

#[tokio::test]
async fn an_upgrade_goes_by_http1_even_where_http2_is_spoken() {
    let site = Site::new();
    let tls = with_alpn(site.identity("localhost").server(), &["h2", "http/1.1"]);
    let origin = Origin::tls(tls, |mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\n").await;
        peer.send("Connection: upgrade\r\nUpgrade: x\r\n\r\n").await;
        while peer.expect("\n").await {
            peer.send("heard\n").await;
        }
    })
    .await;
    let janua = one(&origin.url, &site.ca()).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 101);
    client.send("hello\n").await;
    client.expect("heard\n").await;
}

#[tokio::test]
async fn an_origin_may_ask_for_a_certificate() {
    let site = Site::new();
    let tls = site.authority.server_for_clients(&site.identity("localhost"));
    let origin = Origin::tls(tls, well).await;
    let shown = site.authority.issue(2, &["janua"]);
    let key = |name: &str| site.path(name).display().to_string();
    shown.save(site.home.path(), "janua");
    let keys = format!(
        "{}\ntls.cert = \"{}\"\ntls.key = \"{}\"",
        site.ca(),
        key("janua.pem"),
        key("janua.key")
    );
    let janua = one(&origin.url, &keys).start().await;
    assert_eq!(janua.get("/").await.text(), "ok");
    let janua = one(&origin.url, &site.ca()).start().await;
    let answer = janua.get("/").await;
    // With TLS 1.3 the origin's refusal comes after the handshake.
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(["upstream.tls", "upstream.reset"].contains(&&*answer.reason()), "{answer:?}");
}

#[tokio::test]
async fn a_new_authority_holds_after_a_reload() {
    let site = Site::new();
    let other = Authority::new("B");
    let origin = Origin::tls(other.issue(1, &["localhost"]).server(), well).await;
    let setup = one(&origin.url, &site.ca());
    let janua = setup.clone().start().await;
    janua.get("/").await.assert_refused(502, "upstream.tls", "the old one");
    let path: &Path = &site.path("ca.pem");
    other.save(path);
    janua.reload(&setup).await.unwrap();
    assert_eq!(janua.get("/").await.text(), "ok");
}

#[tokio::test]
async fn a_large_body_passes_to_and_from_an_origin_over_tls() {
    let site = Site::new();
    let tls = with_alpn(site.identity("localhost").server(), &["h2", "http/1.1"]);
    let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let origin = Served::start(Some(tls), http2, |request: Request<Incoming>| async {
        reply(collect(request.into_body()).await)
    })
    .await;
    let janua = one(&origin.url, &site.ca()).start().await;
    let body = Bytes::from(vec![b'x'; 3 << 20]);
    let mut client = janua.client().await;
    client
        .send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()))
        .await;
    client.send(&body).await;
    let answer = client.answer().await;
    assert!(answer.body == body, "{answer:?}");
}
