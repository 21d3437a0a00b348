//! What holds for all bytes, and for all messages.

use proptest::{collection::vec, prelude::*, sample::select};

use super::{Outcome, Phase, WIDE, feed};
use crate::server::guard::Guard;

/// Bytes that lie near what HTTP looks like: pieces of requests, in any order, some of them bent.
fn near_http() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"GET ",
        b"POST ",
        b"CONNECT ",
        b"/",
        b"/a?b",
        b"http://a",
        b"*",
        b"a:1",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/2.0\r\n",
        b"Host: a\r\n",
        b"Host:",
        b"X: y\r\n",
        b"X : y\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length:",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding:",
        b"chunked",
        b"Connection: upgrade\r\n",
        b"Upgrade: websocket\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b",",
        b"0",
        b"3",
        b"abc",
        b"0\r\n",
        b"3\r\nabc\r\n",
        b";a=b",
        b"\0",
        b"\x7F",
        b"\x80",
        b"[::1]",
        b"#",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    let piece = prop_oneof![
        30 => select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// Bytes cut at these places.
fn cut<'a>(bytes: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

const TOKEN: &str = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,30}";

fn field() -> impl Strategy<Value = String> {
    // With an `x` in front, no name is one that frames, routes or upgrades.
    (TOKEN, "[ \t]{0,2}", "[ -~\t\u{80}-\u{FF}]{0,60}")
        .prop_map(|(name, space, value)| format!("x{name}:{space}{value}\r\n"))
}

fn chunked(sizes: Vec<usize>, trailers: &[String]) -> String {
    let chunks = sizes.iter().map(|&size| format!("{size:x};e=\"x\"\r\n{}\r\n", "\r".repeat(size)));
    format!("{}0\r\n{}\r\n", chunks.collect::<String>(), trailers.concat())
}

/// A valid message, and how many bytes of it are its head.
fn message() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let target = prop_oneof![
        Just("*".to_owned()),
        "/[!$&'()*+,./0-9:;=@A-Z_a-z~{}|\"^-]{0,60}(\\?[!$&'()*+,./0-9:;=?@A-Z_a-z~`{}|-]{0,40})?",
        "https?://[a-z0-9.-]{1,20}(:[0-9]{0,4})?(/[a-z]{0,9})?",
    ];
    let body = prop_oneof![
        Just((String::new(), String::new())),
        "[ -~\r\n]{0,80}".prop_map(|body| (format!("Content-Length: {}\r\n", body.len()), body)),
        (vec(1..40_usize, 0..5), vec(field(), 0..3)).prop_map(|(sizes, trailers)| (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            chunked(sizes, &trailers)
        )),
    ];
    let host = "([a-z0-9._-]{1,20}|\\[::1\\])?".prop_map(|host| format!("Host: {host}\r\n"));
    let fields = (vec(field(), 0..4), vec(field(), 0..4));
    (TOKEN, target, host, fields, body).prop_map(
        |(method, target, host, fields, (framing, body))| {
            let fields = [fields.0.concat(), host, framing, fields.1.concat()].concat();
            let head = format!("x{method} {target} HTTP/1.1\r\n{fields}\r\n");
            ([head.as_bytes(), body.as_bytes()].concat(), head.len())
        },
    )
}

/// Whether httparse takes these bytes for one head and nothing else; its number of fields.
fn httparse_fields(head: &[u8]) -> Option<usize> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let length = request.parse(head).ok()?;
    let target = request.path?;
    assert!(target.parse::<http::Uri>().is_ok(), "hyper would not take {target:?}");
    (length == httparse::Status::Complete(head.len())).then_some(request.headers.len())
}

/// The heads that pass, as they would reach hyper, byte by byte: their bytes.
fn heads(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut guard, mut heads, mut start) = (Guard::new(), Vec::new(), 0);
    for (at, byte) in bytes.chunks(1).enumerate() {
        let (before, whole) = (guard.phase(), guard.heads());
        if guard.inspect(byte, &WIDE).is_err() {
            break;
        }
        if before == Phase::Idle && guard.phase() == Phase::Head {
            start = at;
        }
        if guard.heads() > whole {
            heads.push(&bytes[start..=at]);
        }
        if guard.phase() == Phase::Upgrade {
            guard.resume();
        }
    }
    heads
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn cutting_never_changes_the_verdict(
        bytes in near_http(),
        at in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = feed([&bytes[..]], &WIDE);
        prop_assert_eq!(feed(cut(&bytes, &at), &WIDE), whole);
        prop_assert_eq!(feed(bytes.chunks(1), &WIDE), whole);
    }

    #[test]
    fn cutting_never_changes_the_verdict_of_a_message_with_a_bent_byte(
        (mut bytes, _) in message(),
        byte in any::<u8>(),
        bent in any::<prop::sample::Index>(),
        at in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bent = bent.index(bytes.len());
        bytes[bent] = byte;
        let whole = feed([&bytes[..]], &WIDE);
        prop_assert_eq!(feed(cut(&bytes, &at), &WIDE), whole);
        for head in heads(&bytes) {
            prop_assert!(httparse_fields(head).is_some(), "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn any_bytes_at_all_are_judged(pieces in vec(vec(any::<u8>(), 0..50), 0..8)) {
        let whole = pieces.concat();
        let pieces = feed(pieces.iter().map(Vec::as_slice), &WIDE);
        prop_assert_eq!(feed([&whole[..]], &WIDE), pieces);
    }

    #[test]
    fn what_passes_as_a_head_is_one_for_httparse_too(bytes in near_http()) {
        for head in heads(&bytes) {
            let text = String::from_utf8_lossy(head);
            let lines = head.windows(2).filter(|pair| pair == b"\r\n").count();
            prop_assert_eq!(httparse_fields(head), Some(lines - 2), "{}", text);
        }
    }

    #[test]
    fn valid_messages_pass_and_are_counted(
        messages in vec(message(), 1..5),
        at in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = messages.iter().map(|(bytes, _)| &bytes[..]).collect::<Vec<_>>().concat();
        let count = messages.len() as u64;
        prop_assert_eq!(feed(cut(&bytes, &at), &WIDE), Outcome::idle(count));

        let mut guard = Guard::new();
        for (done, (bytes, head)) in (0..).zip(&messages) {
            for (at, byte) in bytes.chunks(1).enumerate() {
                prop_assert_eq!(guard.inspect(byte, &WIDE), Ok(1));
                let taken = at + 1;
                let (phase, heads, whole) = if taken == bytes.len() {
                    (Phase::Idle, done + 1, done + 1)
                } else if taken >= *head {
                    (Phase::Body, done + 1, done)
                } else {
                    (Phase::Head, done, done)
                };
                prop_assert_eq!((guard.phase(), guard.heads(), guard.messages()), (phase, heads, whole));
            }
        }
        for ((_, head), passed) in messages.iter().zip(heads(&bytes)) {
            prop_assert_eq!(passed.len(), *head);
            prop_assert!(httparse_fields(passed).is_some());
        }
    }
}
