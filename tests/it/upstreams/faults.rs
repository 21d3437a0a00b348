//! Origins that break off, reset, lie or talk nonsense: the client gets a clear answer or a clear
//! end, never a guess, and nothing of it harms the next request.

use std::sync::atomic::Ordering::Relaxed;

use super::one;
use crate::support::{
    Message, Origin, Setup,
    frames::{self, Frames, Outcome},
    message::reason,
    origin::{Peer, Served, reply},
};

/// What an origin does when it has a request.
#[derive(Clone, Copy)]
enum Does {
    Closes,
    Resets,
    /// Says this and closes.
    Says(&'static [u8]),
    /// Says this and waits.
    SaysAndWaits(&'static [u8]),
    /// Says this and resets.
    SaysAndResets(&'static [u8]),
}

impl Does {
    async fn origin(self) -> Origin {
        Origin::script(move |peer| self.answer(peer)).await
    }

    async fn answer(self, mut peer: Peer) {
        if peer.request().await.is_none() {
            return;
        }
        match self {
            Self::Closes => {}
            Self::Resets => peer.reset(),
            Self::Says(bytes) => peer.send(bytes).await,
            Self::SaysAndWaits(bytes) => {
                peer.send(bytes).await;
                peer.ended().await;
            }
            Self::SaysAndResets(bytes) => {
                peer.send(bytes).await;
                peer.reset();
            }
        }
    }
}

const RESET: &str = "upstream.reset";
const PROTOCOL: &str = "upstream.protocol";

/// What an origin does instead of an answer, and by which name that fails.
#[rustfmt::skip]
const NO_ANSWER: &[(&str, &str, Does)] = &[
    ("closes", RESET, Does::Closes),
    ("resets", RESET, Does::Resets),
    ("closes in the status line", RESET, Does::Says(b"HTTP/1.1 20")),
    ("closes in the head", RESET, Does::Says(b"HTTP/1.1 200 OK\r\nContent-Le")),
    ("closes before the head's end", RESET, Does::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")),
    ("resets in the head", RESET, Does::SaysAndResets(b"HTTP/1.1 200 OK\r\nContent-Le")),
    ("closes after 100", RESET, Does::Says(b"HTTP/1.1 100 Continue\r\n\r\n")),
    ("closes after 103", RESET, Does::Says(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")),
    ("garbage", PROTOCOL, Does::SaysAndWaits(b"hello, world\r\n\r\n")),
    ("zeros", PROTOCOL, Does::SaysAndWaits(&[0; 64])),
    ("an alert of TLS", PROTOCOL, Does::SaysAndWaits(b"\x15\x03\x01\x00\x02\x02\x46")),
    ("SETTINGS of HTTP/2", PROTOCOL, Does::SaysAndWaits(b"\0\0\0\x04\0\0\0\0\0")),
    ("SSH", PROTOCOL, Does::SaysAndWaits(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
    ("a body without a head", PROTOCOL, Does::SaysAndWaits(b"<html></html>\r\n\r\n")),
    ("HTTP/3.0", PROTOCOL, Does::SaysAndWaits(b"HTTP/3.0 200 OK\r\n\r\n")),
    ("no status", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 OK\r\n\r\n")),
    ("a status of two digits", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 20 OK\r\n\r\n")),
    ("a status below 100", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 099 OK\r\n\r\n")),
    ("101 that nobody asked for", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")),
    ("no colon", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n")),
    ("NUL in a value", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n")),
    ("a bare CR in a value", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n")),
    ("a length that is none", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok")),
    ("a negative length", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok")),
    ("two lengths", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok")),
    ("a list of two lengths", PROTOCOL, Does::SaysAndWaits(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok")),
];

#[tokio::test]
async fn what_is_no_answer_is_502_by_name() {
    for (name, expected, does) in NO_ANSWER {
        let origin = does.origin().await;
        let janua = one(&origin.url, "timeout.first-byte = \"5s\"").start().await;
        let mut client = janua.client().await;
        for request in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        ] {
            client.send(request).await;
            let answer = client.answer().await;
            answer.assert_refused(502, expected, name);
            assert_eq!(answer.field("connection"), None, "{name}: the client may go on");
        }
        assert_eq!(origin.requests().len(), 2, "{name}: what was sent is not sent again");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_502_by_http2_too() {
    for (name, expected, does) in NO_ANSWER.iter().step_by(4) {
        let origin = does.origin().await;
        let janua = one(&origin.url, "").listener("h2c = true").start().await;
        let mut http2 = janua.http2().await;
        for _ in 0..2 {
            let (answer, body) = http2.get("http://a.example/").await;
            let said = (answer.status().as_u16(), reason(&body));
            assert_eq!(said, (502, (*expected).to_owned()), "{name}");
        }
    }
}

/// Answers that break off in their body; the client must see that they did.
const HALF: &[(&str, &str, Does)] = &[
    ("a length", RESET, Does::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")),
    (
        "a length, reset",
        RESET,
        Does::SaysAndResets(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"),
    ),
    (
        "within a chunk",
        RESET,
        Does::Says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello"),
    ),
    (
        "before the last chunk",
        RESET,
        Does::Says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ),
    (
        "a chunk that is none",
        "upstream.protocol",
        Does::SaysAndWaits(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
        ),
    ),
    (
        "a chunk too long",
        "upstream.protocol",
        Does::SaysAndWaits(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        ),
    ),
];

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    for (name, reason, does) in HALF {
        let origin = does.origin().await;
        let janua = one(&origin.url, "").listener("h2c = true").start().await;
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.head().await;
        assert_eq!(head.status(), 200, "{name}");
        let answer = client.body(head).await;
        assert!(!answer.complete, "{name}: {answer:?}");
        assert!(!answer.text().ends_with("0\r\n\r\n"), "{name}: {answer:?}");
        janua.logged_reason(reason).await;

        let mut frames = Frames::open(janua.address).await;
        let head = frames::block(&frames::with(&[]));
        let end = frames::END_HEADERS | frames::END_STREAM;
        frames.send(&frames::frame(frames::HEADERS, end, 1, &head)).await;
        let outcome = frames.outcome().await;
        assert!(matches!(outcome, Outcome::Reset(_)), "{name} by HTTP/2: {outcome:?}");
    }
}

async fn relayed(answer: Vec<u8>) -> Message {
    let origin = Origin::script(move |mut peer| {
        let answer = answer.clone();
        async move {
            peer.request().await;
            peer.send(answer).await;
        }
    })
    .await;
    Setup::to(&origin.url).start().await.get("/").await
}

/// Odd, and clear enough: it passes, in one form.
#[tokio::test]
async fn an_answer_that_is_odd_and_clear_passes_in_one_form() {
    for (name, answer) in [
        ("no reason", &b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"[..]),
        ("an empty reason", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"),
        ("a long reason", b"HTTP/1.1 200 All is well, thank you\r\nContent-Length: 2\r\n\r\nok"),
        ("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("until the end", b"HTTP/1.1 200 OK\r\n\r\nok"),
        ("a length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        (
            "103 before",
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            "chunks with extensions",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\n\r\n",
        ),
        (
            "chunked in capitals",
            b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
        (
            "bytes beyond ASCII",
            b"HTTP/1.1 200 OK\r\nX: \xC3\xA4\xE4\r\nContent-Length: 2\r\n\r\nok",
        ),
    ] {
        let answer = relayed(answer.to_vec()).await;
        assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{name}: {answer:?}");
        assert!(answer.complete, "{name}");
        let framings =
            answer.values("content-length").len() + answer.values("transfer-encoding").len();
        assert_eq!(framings, 1, "{name}: {answer:?}");
        assert!(answer.line.starts_with("HTTP/1.1 200"), "{name}: {answer:?}");
    }
}

/// Both framings: the origin meant one, the client must see one (RFC 9112, 6.3).
#[tokio::test]
async fn an_answer_of_two_framings_is_not_passed_on_as_it_is() {
    let both = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let answer = relayed(both.to_vec()).await;
    if answer.status() == 200 {
        assert_eq!(answer.text(), "ok", "{answer:?}");
        assert_eq!(answer.values("content-length").len(), 0, "{answer:?}");
    } else {
        answer.assert_refused(502, PROTOCOL, "both");
    }
}

/// Its bytes are not what the client would take them for.
#[tokio::test]
async fn an_answer_in_a_coding_that_nobody_asked_for_is_502() {
    for coding in ["gzip", "gzip, chunked", "chunked, gzip", "xchunked"] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        relayed(answer.into()).await.assert_refused(502, PROTOCOL, coding);
    }
}

#[tokio::test]
async fn an_answer_with_large_fields_passes() {
    let large = "y".repeat(60_000);
    let answer = format!("HTTP/1.1 200 OK\r\nX: {large}\r\nContent-Length: 2\r\n\r\nok");
    let answer = relayed(answer.into()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.values("x")[0].len(), 60_000);
}

/// An answer with so many fields, the length among them.
fn with_fields(count: usize) -> String {
    let fields: String = (1..count).map(|n| format!("X-{n}: y\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok")
}

#[tokio::test]
async fn an_answer_with_many_fields_passes() {
    let answer = relayed(with_fields(100).into()).await;
    assert_eq!((answer.status(), answer.values("x-99")), (200, vec!["y"]));
}

const HEADER: &str = "upstream.header_too_large";

#[tokio::test]
async fn an_answers_head_has_its_bounds() {
    let sized = |size: usize| {
        let rest = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: \r\n\r\nok";
        rest.replace("X: ", &format!("X: {}", "y".repeat(size + 2 - rest.len())))
    };
    for (keys, answer, passes) in [
        ("", with_fields(100), true),
        ("", with_fields(101), false),
        ("max-headers = 200", with_fields(200), true),
        ("max-headers = 200", with_fields(201), false),
        ("max-headers = 3", with_fields(3), true),
        ("max-headers = 3", with_fields(4), false),
        ("max-headers = 2000", with_fields(2000), true),
        ("", sized(128 << 10), true),
        ("", sized((128 << 10) + 4), false),
        ("max-header-size = \"1KiB\"", sized(1 << 10), true),
        ("max-header-size = \"1KiB\"", sized((1 << 10) + 4), false),
        ("max-header-size = \"1MiB\"", sized(1 << 20), true),
        ("max-header-size = \"1MiB\"", sized((1 << 20) + 4), false),
    ] {
        let origin = Origin::answering(answer.clone()).await;
        let janua = one(&origin.url, keys).start().await;
        for _ in 0..2 {
            let said = janua.get("/").await;
            match passes {
                true => assert_eq!(said.status(), 200, "{keys} {} bytes", answer.len()),
                false => said.assert_refused(502, HEADER, keys),
            }
        }
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut_off_at_its_bound() {
    let (origin, sent) = Origin::floods("HTTP/1.1 200 OK\r\nX: ", b'y', 1_000_000_000).await;
    one(&origin.url, "").start().await.get("/").await.assert_refused(502, HEADER, "no end");
    assert!(sent.load(Relaxed) < 1_000_000_000);
}

#[tokio::test]
async fn an_answers_head_has_its_bounds_by_http2_too() {
    let origin = Served::h2c(|request: http::Request<hyper::body::Incoming>| async move {
        let mut answer = reply("ok");
        let asked = request.uri().path().trim_start_matches('/').to_owned();
        let (kind, count) = asked.split_once('/').unwrap();
        let count: usize = count.parse().unwrap();
        match kind {
            "fields" => (0..count).for_each(|n| {
                let name: http::HeaderName = format!("x-{n}").parse().unwrap();
                answer.headers_mut().insert(name, "y".parse().unwrap());
            }),
            _ => drop(answer.headers_mut().insert("x", "y".repeat(count).parse().unwrap())),
        }
        answer
    })
    .await;
    let janua = one(&origin.url, "protocol = \"h2\"").start().await;
    for (path, refused) in [
        ("/fields/90", None),
        ("/fields/201", Some(HEADER)),
        ("/bytes/60000", None),
        ("/bytes/132000", Some(PROTOCOL)),
        ("/fields/1", None),
    ] {
        let said = janua.get(path).await;
        match refused {
            None => assert_eq!((said.status(), &*said.text()), (200, "ok"), "{path}"),
            Some(reason) => said.assert_refused(502, reason, path),
        }
    }
    assert_eq!(origin.connections(), 1, "the connection goes on");
}

#[tokio::test]
async fn bounds_that_no_answer_could_keep_are_no_configuration() {
    for key in ["max-headers = 0", "max-header-size = \"0B\""] {
        let report = one("http://127.0.0.1:1", key).fails_to_start().await;
        assert!(report.to_string().contains("no answer could come"), "{report}");
    }
}
