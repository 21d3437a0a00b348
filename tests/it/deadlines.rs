//! Slow, silent and greedy clients: each deadline and bound of a listener, what a client is told when
//! it is met, and that nobody else pays for it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::support::{
    Client, Janua, Message, Origin, Setup,
    frames::{
        END_HEADERS, END_STREAM, Frames, HEADERS, Outcome, PREFACE, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, block, frame, with,
    },
    message::reason,
    soon, until,
};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

/// An origin that answers as often as it was allowed to, and reads no body before.
async fn held(answer: &'static str) -> (Origin, Arc<Semaphore>) {
    let may = Arc::new(Semaphore::new(0));
    let known = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = known.clone();
        async move {
            while let Some(head) = peer.head().await {
                may.acquire().await.unwrap().forget();
                if peer.body(head).await.is_none() {
                    return;
                }
                peer.send(answer).await;
            }
        }
    });
    (origin.await, may)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Waits until a connection on which nothing happens was closed: a clock that runs beside.
async fn wait_for_keep_alive(address: SocketAddr) {
    assert_eq!(Client::connect(address).await.ended().await, "");
}

/// The origin has not seen a whole request, and the gateway goes on.
async fn assert_unharmed(janua: &Janua, origin: &Origin) {
    assert_eq!(origin.requests().len(), 0, "{:?}", origin.requests());
    assert_eq!(janua.get("/").await.status(), 200);
}

// --- The head ---

#[tokio::test]
async fn a_head_that_does_not_end_is_answered_with_408() {
    let origin = Origin::ok().await;
    let setup = Setup::to(&origin.url).listener("timeout.header = \"200ms\"");
    let janua = setup.start().await;
    let mut all = JoinSet::new();
    for begin in [
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
    ] {
        let mut client = janua.client().await;
        all.spawn(async move {
            let start = Instant::now();
            client.send(begin).await;
            let answer = client.answer().await;
            answer.assert_refused(408, "timeout.request", begin);
            assert_eq!(answer.field("connection").as_deref(), Some("close"));
            assert!(start.elapsed() >= Duration::from_millis(200));
            assert_eq!(client.ended().await, "");
            assert_eq!(client.broken, None);
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    assert_unharmed(&janua, &origin).await;
    janua.logged_reason("timeout.request").await;
}

/// Also while it could become HTTP/2.
#[tokio::test]
async fn the_beginning_of_a_preface_that_does_not_end_is_answered_with_408() {
    let origin = Origin::ok().await;
    let setup = Setup::to(&origin.url).listener("h2c = true\ntimeout.header = \"1s\"");
    let janua = setup.start().await;
    let start = Instant::now();
    let mut client = janua.client().await;
    client.send("PRI * HT").await;
    client.answer().await.assert_refused(408, "timeout.request", "a preface");
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1_900), "{took:?}");
    assert_eq!(client.ended().await, "");
    assert_unharmed(&janua, &origin).await;
}

/// Slowloris: the time is for all of the head, not for each of its bytes.
#[tokio::test]
async fn a_head_that_trickles_is_answered_with_408() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).listener("timeout.header = \"300ms\"").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let answer = loop {
        client.send("X: y\r\n").await;
        let answer = tokio::time::timeout(Duration::from_millis(20), client.answer()).await;
        if let Ok(answer) = answer {
            break answer;
        }
    };
    answer.assert_refused(408, "timeout.request", "a trickle");
    assert_unharmed(&janua, &origin).await;
}

#[tokio::test]
async fn the_second_head_on_a_connection_has_its_own_time() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).listener("timeout.header = \"200ms\"").start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.status(), 200);
    client.send("GET / HTTP/1.1\r\nHo").await;
    client.answer().await.assert_refused(408, "timeout.request", "the second");
    assert_eq!(client.ended().await, "");
}

/// Slowloris, with patience: a head that begins when the connection was quiet for a while has no more
/// time than any other, and not all that a quiet connection has.
#[tokio::test]
async fn a_head_that_begins_late_has_its_time_and_no_more() {
    let origin = Origin::ok().await;
    let setup = Setup::new(format!(
        "[[listener]]\nname = \"clock\"\naddress = \"127.0.0.2:0\"\n\
         timeout.keep-alive = \"1500ms\"\n[[route]]\nto = \"{}\"\n",
        origin.url
    ));
    let janua = setup.listener("timeout.header = \"200ms\"").start().await;
    let mut fresh = janua.client().await;
    let mut used = janua.client().await;
    assert_eq!(used.get("/").await.status(), 200);
    wait_for_keep_alive(janua.address_of("clock").await).await;
    for client in [&mut fresh, &mut used] {
        client.send("GET / HTTP/1.1\r\nHo").await;
    }
    for client in [&mut fresh, &mut used] {
        client.answer().await.assert_refused(408, "timeout.request", "a late head");
    }
}

/// The time before the first byte is nobody's, however long it was.
#[tokio::test]
async fn a_client_does_not_pay_for_the_quiet_before_it() {
    let origin = Origin::ok().await;
    let keys = "timeout.header = \"2s\"\ntimeout.keep-alive = \"2s\"";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let (mut late, mut slow) = (janua.client().await, janua.client().await);
    slow.send("GET / HTTP/1.1\r\nHo").await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    slow.send("st: a\r\n\r\n").await;
    assert_eq!(slow.answer().await.status(), 200, "half a head was not old");
    assert_eq!(late.get("/").await.status(), 200, "a new connection was not idle");
}

/// What comes behind a request is not looked at before that is answered, however long it takes.
#[tokio::test]
async fn what_comes_behind_a_slow_request_has_its_time_afterwards() {
    let (origin, may) = held(OK).await;
    let setup = Setup::new(format!(
        "[[listener]]\nname = \"clock\"\naddress = \"127.0.0.2:0\"\n\
         timeout.keep-alive = \"4s\"\n[[route]]\nto = \"{}\"\n",
        origin.url
    ));
    let janua = setup.listener("timeout.header = \"200ms\"").start().await;
    let (mut half, mut wrong) = (janua.client().await, janua.client().await);
    half.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHo").await;
    wrong.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n").await;
    wait_for_keep_alive(janua.address_of("clock").await).await;
    half.send("st: a\r\n\r\n").await;
    may.add_permits(3);
    for _ in 0..2 {
        assert_eq!(half.answer().await.status(), 200);
    }
    assert_eq!(wrong.answer().await.status(), 200);
    wrong.answer().await.assert_refused(400, "request.line", "behind");
    assert_eq!(wrong.ended().await, "");
}

// --- Between requests ---

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let origin = Origin::ok().await;
    let setup = Setup::to(&origin.url).listener("timeout.keep-alive = \"200ms\"\nh2c = true");
    let janua = setup.start().await;
    let start = Instant::now();
    let mut fresh = janua.client().await;
    let mut used = janua.client().await;
    assert_eq!(used.get("/").await.status(), 200);
    let mut http2 = janua.http2().await;
    assert_eq!(http2.get("http://a.example/").await.0.status().as_u16(), 200);
    for client in [&mut fresh, &mut used] {
        assert_eq!(client.ended().await, "");
        assert_eq!(client.broken, None);
    }
    assert!(http2.ended().await.is_ok(), "GOAWAY, and the end");
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_connection_with_a_request_is_not_idle_however_long_that_takes() {
    let (origin, may) = held(OK).await;
    let keys = "timeout.keep-alive = \"100ms\"\ntimeout.header = \"100ms\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut http2 = janua.http2().await;
    let call = http2.begin(Request::get("http://a.example/").body(()).unwrap(), true).await;
    for _ in 0..2 {
        wait_for_keep_alive(janua.address).await;
    }
    may.add_permits(2);
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(call.answer().await.0.status().as_u16(), 200);
}

/// Whatever a client of HTTP/2 leaves undone, its connection ends.
#[tokio::test]
async fn a_silent_client_of_http2_is_let_go() {
    let origin = Origin::ok().await;
    let keys = "timeout.keep-alive = \"200ms\"\ntimeout.header = \"200ms\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let half = frame(HEADERS, END_STREAM, 1, &block(&with(&[])));
    let mut all = JoinSet::new();
    for (name, bytes) in [
        ("half a preface", b"PRI * HTTP/2.0\r\n".to_vec()),
        ("a preface alone", PREFACE.to_vec()),
        ("no acknowledgements", [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()),
        ("half a head", [PREFACE, &frame(SETTINGS, 0, 0, b""), &half].concat()),
        ("half a frame", [PREFACE, &frame(SETTINGS, 0, 0, b""), &[0, 0, 10, HEADERS]].concat()),
    ] {
        let mut frames = Frames::silent(janua.address).await;
        all.spawn(async move {
            frames.send(&bytes).await;
            soon(name, async { while frames.next().await.is_some() {} }).await;
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
    assert_unharmed(&janua, &origin).await;
}

#[tokio::test]
async fn a_tunnel_is_no_idle_connection() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
        peer.send(head).await;
        while peer.expect("\n").await {
            peer.send("heard\n").await;
        }
    })
    .await;
    let keys = "timeout.keep-alive = \"100ms\"\ntimeout.header = \"100ms\"";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 101);
    wait_for_keep_alive(janua.address).await;
    wait_for_keep_alive(janua.address).await;
    client.send("hello\n").await;
    client.expect("heard\n").await;
}

// --- The body ---

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_with_408() {
    let origin = Origin::ok().await;
    let keys = "timeout.body = \"200ms\"\nmin-body-rate = \"1KiB/s\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    for body in ["Content-Length: 10000\r\n\r\nhello", &format!("{CHUNKED}5\r\nhello\r\n")] {
        let mut client = janua.client().await;
        client.send(format!("{POST}{body}")).await;
        let answer = client.answer().await;
        answer.assert_refused(408, "timeout.request_body", body);
        assert_eq!(answer.field("connection").as_deref(), Some("close"));
        assert_eq!(client.ended().await, "");
    }
    let mut http2 = janua.http2().await;
    let request = Request::post("http://a.example/").body(()).unwrap();
    let mut call = http2.begin(request, false).await;
    call.body.send_data(Bytes::from_static(b"hello"), false).unwrap();
    let (answer, body) = call.answer().await;
    let said = (answer.status().as_u16(), reason(&body));
    assert_eq!(said, (408, "timeout.request_body".into()));
    assert_unharmed(&janua, &origin).await;
}

#[tokio::test]
async fn a_body_that_keeps_the_rate_takes_as_long_as_it_likes() {
    let origin = Origin::echo().await;
    let keys = "timeout.body = \"250ms\"\nmin-body-rate = \"60B/s\"";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut client = janua.client().await;
    client.send(format!("{POST}Content-Length: 300\r\n\r\n")).await;
    // 200 B/s: the pace is what is under test. Much of it is lost on a busy machine.
    for _ in 0..30 {
        client.send([b'x'; 10]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.body.len()), (200, 300), "{answer:?}");
}

/// A client cannot send what the origin does not take.
#[tokio::test]
async fn a_client_does_not_pay_for_a_slow_origin() {
    let (origin, may) = held(OK).await;
    let keys =
        "timeout.body = \"100ms\"\nmin-body-rate = \"1KiB/s\"\ntimeout.keep-alive = \"500ms\"";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut client = janua.client().await;
    client.send(format!("{POST}Content-Length: 100000000\r\n\r\n")).await;
    let piece = vec![b'x'; 1 << 20];
    let sent = client.flood(&piece, 100_000_000, Duration::from_millis(500)).await;
    assert!(sent < 60_000_000, "the gateway took {sent} bytes that nobody wanted");
    may.add_permits(1);
    let rest = vec![b'x'; 100_000_000 - sent];
    client.send(rest).await;
    assert_eq!(client.answer().await.status(), 200);
}

// --- The answer ---

/// An origin that answers with more than anybody wants, and how much of it was taken.
async fn endless() -> (Origin, Arc<AtomicUsize>) {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    Origin::floods(head, b'x', 1_000_000_000).await
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let (origin, sent) = endless().await;
    let janua = Setup::to(&origin.url).listener("timeout.write = \"300ms\"").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the first bytes", || sent.load(Relaxed) > 0).await;
    until("the end at the origin", || origin.open() == 0).await;
    assert!(sent.load(Relaxed) < 60_000_000, "{} bytes were taken", sent.load(Relaxed));
}

#[tokio::test]
async fn a_client_that_is_cut_is_logged_as_such() {
    let (origin, sent) = endless().await;
    let janua = Setup::to(&origin.url).listener("timeout.write = \"300ms\"").start().await;
    let mut gone = janua.client().await;
    gone.send("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the first bytes", || sent.load(Relaxed) > 0).await;
    drop(gone);
    let line = janua.logged("the first", |line| line["path"] == "/gone").await;
    assert_eq!(line["reason"], "client.gone", "{line}");
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let line = janua.logged("the request", |line| line["path"] == "/").await;
    assert_eq!(line["reason"], "timeout.write", "{line}");
}

#[tokio::test]
async fn a_client_of_http2_that_opens_no_window_is_cut() {
    let (origin, sent) = endless().await;
    let keys = "timeout.write = \"300ms\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut frames = Frames::silent(janua.address).await;
    frames.send(&begin_http2(0, &[1])).await;
    until("the first bytes", || sent.load(Relaxed) > 0).await;
    until("the end at the origin", || origin.open() == 0).await;
    let line = janua.logged("the request", |line| line["path"] == "/").await;
    assert_eq!(line["reason"], "timeout.write", "{line}");
}

/// A client's preface with this window for each stream, and requests on these streams.
fn begin_http2(window: u8, streams: &[u32]) -> Vec<u8> {
    // SETTINGS_INITIAL_WINDOW_SIZE
    let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, window])].concat();
    for stream in streams {
        let head = block(&with(&[]));
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, *stream, &head));
    }
    bytes
}

/// Whoever stops reading one answer may go on with others: a video that is paused.
#[tokio::test]
async fn only_the_stream_that_gets_no_window_is_cut() {
    let origin = Origin::ok().await;
    let keys = "timeout.write = \"300ms\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut frames = Frames::silent(janua.address).await;
    frames.send(&begin_http2(0, &[1])).await;
    let reset = frames.next_of(RST_STREAM).await.unwrap();
    assert_eq!(reset.stream, 1);
    let line = janua.logged("the request", |line| line["path"] == "/").await;
    assert_eq!(line["reason"], "timeout.write", "a small answer too: {line}");
    frames.send(&frame(HEADERS, END_STREAM | END_HEADERS, 3, &block(&with(&[])))).await;
    frames.send(&frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 2])).await;
    assert_eq!(frames.outcome().await, Outcome::Answer(b"ok".to_vec()));
}

/// A byte now and then is not enough.
#[tokio::test]
async fn a_client_of_http2_that_opens_its_window_by_the_byte_is_cut() {
    let (origin, _sent) = endless().await;
    let keys = "timeout.write = \"300ms\"\nmin-body-rate = \"1MiB/s\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut frames = Frames::silent(janua.address).await;
    frames.send(&begin_http2(1, &[1])).await;
    soon("the reset", async {
        while frames.next().await.unwrap().kind != RST_STREAM {
            frames.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])).await;
        }
    })
    .await;
    until("the end at the origin", || origin.open() == 0).await;
    janua.logged_reason("timeout.write").await;
}

/// What lies in buffers is being taken, though nobody sees it.
#[tokio::test]
async fn a_client_of_http2_that_reads_slowly_and_steadily_gets_everything() {
    let body = vec![b'x'; 4 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let origin = Origin::answering([head.as_bytes(), &body].concat()).await;
    let keys = "timeout.write = \"100ms\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let mut http2 = janua.http2().await;
    let call = http2.begin(Request::get("http://a.example/").body(()).unwrap(), true).await;
    let (answer, _) = call.head().await.unwrap();
    let (mut answer, mut got) = (answer.into_body(), 0);
    while let Some(piece) = soon("a piece", answer.data()).await {
        got += piece.unwrap().len();
        if got % (1 << 16) < (1 << 14) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let taken = answer.flow_control().used_capacity();
        answer.flow_control().release_capacity(taken).unwrap();
    }
    assert_eq!(got, body.len());
}

#[tokio::test]
async fn a_client_that_reads_slowly_and_steadily_gets_everything() {
    let body = vec![b'x'; 6 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let origin = Origin::answering([head.as_bytes(), &body].concat()).await;
    let janua = Setup::to(&origin.url).listener("timeout.write = \"1s\"").start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    for _ in 0..24 {
        client.exactly(body.len() / 24).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// By HTTP/2 nobody can be told why: the connection ends.
#[tokio::test]
async fn a_client_of_http2_that_never_ends_a_head_is_cut() {
    let origin = Origin::ok().await;
    let keys = "h2c = true\ntimeout.header = \"300ms\"";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&with(&[])));
    let settings = [PREFACE, &frame(SETTINGS, 0, 0, b"")].concat();
    for (name, bytes) in [
        ("half of HEADERS", [&settings, &head[..20]].concat()),
        ("HEADERS that go on", [&settings[..], &frame(HEADERS, 0, 1, &head[9..20])].concat()),
        ("the head of a frame", [&settings, &head[..5]].concat()),
    ] {
        let mut frames = Frames::silent(janua.address).await;
        frames.send(&bytes).await;
        assert_eq!(soon(name, frames.outcome()).await, Outcome::GoAway(0), "{name}");
        while soon("the end", frames.next()).await.is_some() {}
    }
    // Who has sent all of it may be quiet for longer.
    let mut frames = Frames::open(janua.address).await;
    frames.send(&head).await;
    assert_eq!(frames.outcome().await, Outcome::Answer(b"ok".to_vec()));
    tokio::time::sleep(Duration::from_millis(900)).await;
    frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &block(&with(&[])))).await;
    assert_eq!(frames.outcome().await, Outcome::Answer(b"ok".to_vec()));
    assert_eq!(origin.requests().len(), 2);
}

// --- Bounds ---

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_anybody_sees_it() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).listener("max-body-size = \"5B\"").start().await;
    for (name, fields) in [
        ("by its length", "Content-Length: 6\r\n\r\nhello!"),
        ("by its length alone", "Content-Length: 6\r\n\r\n"),
        ("that waits for 100", "Content-Length: 6\r\nExpect: 100-continue\r\n\r\n"),
    ] {
        let mut client = janua.client().await;
        client.send(format!("{POST}{fields}")).await;
        let answer = client.answer().await;
        answer.assert_refused(413, "request.body_too_large", name);
        assert_eq!(answer.field("connection").as_deref(), Some("close"), "{name}");
        client.half_close().await;
        assert_eq!(client.ended().await, "", "{name}");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused_and_no_origin_has_all_of_it() {
    let origin = Origin::ok().await;
    let keys = "max-body-size = \"5B\"\nh2c = true";
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    for (name, chunks) in [
        ("in one chunk", "6\r\nhello!\r\n0\r\n\r\n"),
        ("in two", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"),
        ("in one that has not ended", "ffffff\r\nhello!"),
    ] {
        let mut client = janua.client().await;
        client.send(format!("{POST}{CHUNKED}{chunks}")).await;
        let answer = client.answer().await;
        answer.assert_refused(413, "request.body_too_large", name);
        assert_eq!(answer.field("connection").as_deref(), Some("close"), "{name}");
    }
    let mut http2 = janua.http2().await;
    let request = Request::post("http://a.example/").body(()).unwrap();
    let mut call = http2.begin(request, false).await;
    call.body.send_data(Bytes::from_static(b"hello!"), false).unwrap();
    let (answer, body) = call.answer().await;
    let said = (answer.status().as_u16(), reason(&body));
    assert_eq!(said, (413, "request.body_too_large".into()));
    let (answer, _) = http2.get("http://a.example/").await;
    assert_eq!(answer.status().as_u16(), 200, "HTTP/2 goes on");
    assert_eq!(origin.requests().len(), 1, "{:?}", origin.requests());
}

async fn post(janua: &Janua, path: &str, fields: &str) -> Message {
    let mut client = janua.client().await;
    client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}")).await;
    client.answer().await
}

#[tokio::test]
async fn a_route_has_its_own_size() {
    let origin = Origin::ok().await;
    let route = |path: &str, size: &str| {
        let url = &origin.url;
        format!("[[route]]\npath = \"{path}\"\nto = \"{url}\"\nmax-body-size = \"{size}\"\n")
    };
    let routes = format!(
        "{}{}[[route]]\nto = \"{}\"\n",
        route("/small", "2B"),
        route("/large", "8B"),
        origin.url
    );
    let janua = Setup::new(routes).listener("max-body-size = \"5B\"").start().await;
    let chunked = format!("{CHUNKED}3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
    for (path, body, status) in [
        ("/", "Content-Length: 5\r\n\r\nhello", 200),
        ("/", "Content-Length: 6\r\n\r\nhello!", 413),
        ("/", &chunked, 413),
        ("/small", "Content-Length: 2\r\n\r\nhe", 200),
        ("/small", "Content-Length: 3\r\n\r\nhel", 413),
        ("/large", "Content-Length: 8\r\n\r\nhello!!!", 200),
        ("/large", &chunked, 200),
        ("/large", "Content-Length: 9\r\n\r\nhello!!!!", 413),
    ] {
        assert_eq!(post(&janua, path, body).await.status(), status, "{path} {body}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).listener("max-connections = 2").start().await;
    let mut all = [janua.client().await, janua.client().await];
    for client in &mut all {
        assert_eq!(client.get("/").await.status(), 200);
    }
    let mut third = janua.client().await;
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(300), third.answer()).await;
    assert!(early.is_err(), "{early:?}");
    let [first, mut second] = all;
    drop(first);
    assert_eq!(third.answer().await.status(), 200);
    assert_eq!(second.get("/").await.status(), 200);
}

#[tokio::test]
async fn more_connections_are_let_in_as_soon_as_they_may() {
    let origin = Origin::ok().await;
    let limited = |most: u32| Setup::to(&origin.url).listener(&format!("max-connections = {most}"));
    let janua = limited(1).start().await;
    let mut first = janua.client().await;
    assert_eq!(first.get("/").await.status(), 200);
    let mut second = janua.client().await;
    second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(300), second.answer()).await;
    assert!(early.is_err(), "{early:?}");
    janua.reload(&limited(2)).await.unwrap();
    assert_eq!(second.answer().await.status(), 200);
    assert_eq!(first.get("/").await.status(), 200);
}

/// Those that are there stay, and count.
#[tokio::test]
async fn fewer_connections_are_let_in_once_enough_have_ended() {
    let origin = Origin::ok().await;
    let limited = |most: u32| Setup::to(&origin.url).listener(&format!("max-connections = {most}"));
    let janua = limited(3).start().await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let mut client = janua.client().await;
        assert_eq!(client.get("/").await.status(), 200);
        all.push(client);
    }
    janua.reload(&limited(1)).await.unwrap();
    let mut last = janua.client().await;
    last.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    while let Some(mut client) = all.pop() {
        assert_eq!(client.get("/").await.status(), 200);
        let early = tokio::time::timeout(Duration::from_millis(200), last.head()).await;
        assert!(early.is_err(), "{early:?}");
    }
    assert_eq!(last.answer().await.status(), 200);
}

/// A worker that waits for a client keeps no place from another worker's.
#[tokio::test]
async fn every_worker_has_room_for_the_only_connection() {
    let origin = Origin::ok().await;
    let setup = Setup::to(&origin.url).listener("max-connections = 1").server("workers = 3");
    let janua = setup.start().await;
    for _ in 0..30 {
        assert_eq!(janua.get("/").await.status(), 200);
    }
}
