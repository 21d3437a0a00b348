//! Bodies stream: each piece is on the other side before the next is sent, and who does not read
//! stops who sends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use tokio::sync::Semaphore;

use crate::support::{Message, Origin, Setup, soon, until};

/// More than all buffers of the kernel and of a gateway that streams.
const MUCH: usize = 128 << 20;
/// Less than a gateway would hold that does not.
const BOUND: usize = 64 << 20;

const CHUNKED: &str = "Transfer-Encoding: chunked";

/// The answer of an origin that wants no more of an upload.
const TOO_LARGE: &str =
    "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch";

/// An origin that sends a head and then a piece for each word it is given.
async fn word_by_word(
    head: &'static str,
    pieces: &'static [&'static str],
) -> (Origin, Arc<Semaphore>) {
    let words = Arc::new(Semaphore::new(0));
    let wait = words.clone();
    let origin = Origin::script(move |mut peer| {
        let wait = wait.clone();
        async move {
            peer.request().await;
            peer.send(head).await;
            for piece in pieces {
                wait.acquire().await.unwrap().forget();
                peer.send(piece).await;
            }
        }
    })
    .await;
    (origin, words)
}

#[tokio::test]
async fn each_piece_of_an_answer_arrives_before_the_next_is_sent() {
    for (head, pieces, seen) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            &["one", "two", "six"][..],
            &["one", "two", "six"][..],
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            &["3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"],
            &["3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"],
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", &["one", "two"], &["3\r\none\r\n", "3\r\ntwo\r\n"]),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            &["d\r\ndata: hello\n\n\r\n", "0\r\n\r\n"],
            &["data: hello\n\n"],
        ),
    ] {
        let (origin, words) = word_by_word(head, pieces).await;
        let janua = Setup::to(&origin.url).start().await;
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.head().await.status(), 200, "the head comes before the body: {head}");
        for piece in seen {
            words.add_permits(1);
            client.expect(piece).await;
        }
    }
}

#[tokio::test]
async fn each_piece_of_an_upload_arrives_before_the_next_is_sent() {
    for (head, pieces) in [
        ("Content-Length: 6", &["one", "two"][..]),
        (CHUNKED, &["3\r\none\r\n", "3\r\ntwo\r\n", "0\r\n\r\n"]),
    ] {
        let origin = Origin::script(move |mut peer| async move {
            peer.head().await;
            for piece in pieces {
                peer.expect(piece).await;
            }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            peer.ended().await;
        })
        .await;
        let janua = Setup::to(&origin.url).start().await;
        let mut client = janua.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n")).await;
        for piece in pieces {
            client.send(piece).await;
            until("the piece", || origin.received().contains(piece)).await;
        }
        assert_eq!(client.answer().await.status(), 200, "{head}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_origin() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n");
    let (origin, sent) = Origin::floods(head, b'x', MUCH).await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await;
    let stopped = settled(&sent).await;
    assert!(stopped < BOUND, "{stopped} bytes went to a client that reads nothing");
    client.exactly(stopped + 1).await;
    until("the origin goes on", || sent.load(Relaxed) > stopped).await;
}

/// The count when it has not moved for a moment.
async fn settled(count: &AtomicUsize) -> usize {
    let mut last = 0;
    soon("rest", async {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = count.load(Relaxed);
            if now == last && now > 0 {
                return now;
            }
            last = now;
        }
    })
    .await
}

#[tokio::test]
async fn an_origin_that_does_not_read_stops_the_client() {
    let reads = Arc::new(Semaphore::new(0));
    let wait = reads.clone();
    let origin = Origin::script(move |mut peer| {
        let wait = wait.clone();
        async move {
            peer.head().await;
            wait.acquire().await.unwrap().forget();
            peer.ended().await;
        }
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n")).await;
    let quiet = Duration::from_millis(500);
    let sent = client.flood(&[b'x'; 64 << 10], MUCH, quiet).await;
    assert!(sent < BOUND, "{sent} bytes were taken for an origin that reads nothing");
    reads.add_permits(1);
    let more = client.flood(&[b'x'; 64 << 10], 8 << 20, quiet).await;
    assert!(more >= 8 << 20, "the client goes on when the origin does");
}

/// The same by HTTP/2: what one stream may send without being read is its window.
#[tokio::test]
async fn a_stream_that_nobody_reads_does_not_stop_the_others() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(head) = peer.head().await {
            if head.target() == "/stuck" {
                std::future::pending::<()>().await;
            }
            peer.body(head).await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let setup = Setup::to(&origin.url).listener("h2c = true\nhttp2.window = \"64KiB\"");
    let janua = setup.start().await;
    let mut client = janua.http2().await;
    let request = Request::post("http://a.example/stuck").body(()).unwrap();
    let mut stuck = client.begin(request, false).await;
    let data = Bytes::from(vec![b'x'; 1 << 20]);
    stuck.body.reserve_capacity(data.len());
    stuck.body.send_data(data, false).unwrap();
    for _ in 0..5 {
        let (answer, body) = client.get("http://a.example/").await;
        assert_eq!((answer.status().as_u16(), &*body), (200, &b"ok"[..]));
    }
}

#[tokio::test]
async fn large_bodies_arrive_whole_both_ways() {
    let origin = Origin::echo().await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let body: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(5_000_000).collect();
    let mut client = janua.client().await;
    for framing in [format!("Content-Length: {}", body.len()), CHUNKED.to_owned()] {
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        if framing == CHUNKED {
            for chunk in body.chunks(100_001) {
                client.send(format!("{:x}\r\n", chunk.len())).await;
                client.send(chunk).await;
                client.send("\r\n").await;
            }
            client.send("0\r\n\r\n").await;
        } else {
            client.send(&body).await;
        }
        let answer = client.answer().await;
        assert!(answer.body == body && answer.complete, "{framing}");
    }
    let mut client = janua.http2().await;
    let request = Request::post("http://a.example/").body(()).unwrap();
    let mut call = client.begin(request, false).await;
    call.body.send_data(body.clone().into(), true).unwrap();
    let (_, echoed) = call.answer().await;
    assert!(echoed == body, "by HTTP/2");
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
         Trailer: X-Sum, Connection, Set-Cookie, Content-Length, Upgrade\r\n\r\n\
         2\r\nok\r\n0\r\nX-Sum: 7\r\nConnection: close\r\nSet-Cookie: a=1\r\nContent-Length: 9\r\n\
         Upgrade: h2c\r\n\r\n",
    )
    .await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let mut client = janua.client().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\nTrailer: X-Check\r\n\
             {CHUNKED}\r\n\r\n2\r\nok\r\n0\r\nX-Check: 9\r\n\r\n"
        ))
        .await;
    let answer: Message = client.answer().await;
    assert_eq!(answer.trailers, [("x-sum".into(), "7".into())]);
    assert_eq!(origin.last().trailers, [("x-check".into(), "9".into())]);

    // A client that does not say it takes trailers gets the body without them.
    let answer = janua.get("/").await;
    assert_eq!((answer.text().as_str(), answer.trailers.len()), ("ok", 0));
    assert_eq!(origin.connections(), 1, "the connection is used again");

    let mut client = janua.http2().await;
    let request = Request::post("http://a.example/").header("te", "trailers");
    let request = request.header("trailer", "x-check").body(()).unwrap();
    let mut call = client.begin(request, false).await;
    call.body.send_data("ok".into(), false).unwrap();
    call.body.send_trailers([("x-check", "8")].map(parsed).into_iter().collect()).unwrap();
    let (answer, _) = call.head().await.unwrap();
    let mut body = answer.into_body();
    while let Some(data) = soon("data", body.data()).await {
        assert_eq!(data.unwrap(), "ok");
    }
    let trailers = soon("trailers", body.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["x-sum"], "7");
    assert_eq!(origin.last().trailers, [("x-check".into(), "8".into())]);
}

fn parsed((name, value): (&str, &str)) -> (http::HeaderName, http::HeaderValue) {
    (name.parse().unwrap(), value.parse().unwrap())
}

#[tokio::test]
async fn an_answer_that_comes_early_is_passed_on_while_the_upload_still_runs() {
    let origin = Origin::script(|mut peer| async move {
        peer.head().await;
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        peer.ended().await;
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    for framing in ["Content-Length: 1000000", CHUNKED] {
        let mut client = janua.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), &*answer.text()), (403, "no"), "{framing}");
    }
}

#[tokio::test]
async fn an_early_answer_of_an_origin_that_hangs_up_is_passed_on() {
    let origin = Origin::script(|mut peer| async move {
        peer.head().await;
        peer.send(TOO_LARGE).await;
        peer.half_close().await;
        peer.ended().await;
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n").await;
    client.send(vec![b'x'; 2_000_000]).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), &*answer.text()), (413, "much"));
}

/// Its system resets the connection, as it has not read what came.
#[tokio::test]
async fn an_early_answer_of_an_origin_that_reads_no_more_is_passed_on() {
    let origin = Origin::script(|mut peer| async move {
        peer.head().await;
        peer.send(TOO_LARGE).await;
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    for framing in ["Content-Length: 20000000", CHUNKED] {
        for turn in 0..20 {
            let mut client = janua.client().await;
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
            client.send(format!("f4240\r\n{}\r\n", "x".repeat(1_000_000))).await;
            let answer = client.answer().await;
            assert_eq!((answer.status(), &*answer.text()), (413, "much"), "{framing}, {turn}");
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_origin() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
        peer.ended().await;
    })
    .await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.expect("half").await;
    assert_eq!(origin.open(), 1);
    drop(client);
    until("the origin's connection ends", || origin.open() == 0).await;
}

/// An origin that takes a request, and waits for its connection's end.
async fn silent() -> Origin {
    Origin::script(|mut peer| async move {
        peer.request().await;
        peer.ended().await;
    })
    .await
}

/// As nginx has it: one who is gone looks the same, and what nobody waits for is to be given up.
#[tokio::test]
async fn a_client_that_closes_its_side_before_its_answer_is_taken_for_gone() {
    let origin = silent().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.half_close().await;
    assert_eq!(client.ended().await, "");
    assert_eq!(janua.logged_reason("client.gone").await["path"], "/half");
    until("the origin's connection ends", || origin.open() == 0).await;
}

/// What comes behind a request is not read before that is answered: the end behind it has to be looked for.
#[tokio::test]
async fn whatever_a_client_sent_behind_its_request_it_is_missed_when_it_goes() {
    for behind in ["\r\n", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let origin = silent().await;
        let janua = Setup::to(&origin.url).start().await;
        let mut client = janua.client().await;
        client.send(format!("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n{behind}")).await;
        until("the origin is asked", || origin.requests().len() == 1).await;
        drop(client);
        assert_eq!(janua.logged_reason("client.gone").await["path"], "/gone", "{behind:?}");
        until("the origin's connection ends", || origin.open() == 0).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_answer_is_logged_as_gone() {
    let origin = silent().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the request", || origin.requests().len() == 1).await;
    drop(client);
    let line = janua.logged_reason("client.gone").await;
    assert_eq!(line["path"], "/slow");
    until("the origin's connection ends", || origin.open() == 0).await;
}
