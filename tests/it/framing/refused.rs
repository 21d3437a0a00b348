//! Malformed and hostile requests of HTTP/1.1: each is refused with its status and its reason, the
//! connection ends cleanly, and the gateway goes on.

use std::collections::BTreeMap;

use crate::support::{Client, Janua, Origin, Setup};

/// What it is called, the status and reason it has to get, and its bytes.
type Case<'a> = (&'a str, u16, &'a str, &'a [u8]);

const LINE: &str = "request.line";
const TARGET: &str = "request.target";
const HEADER: &str = "request.header";
const HOST: &str = "request.host";
const FRAMING: &str = "request.framing";
const CHUNK: &str = "request.chunk";

#[rustfmt::skip]
const HEADS: &[Case<'_>] = &[
    // The request line
    ("a space first", 400, LINE, b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("no method", 400, LINE, b"/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a method with a colon", 400, LINE, b"GE:T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a method with NUL", 400, LINE, b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a tab for a space", 400, LINE, b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("two spaces", 400, LINE, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a space in the target", 400, LINE, b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a space at the end", 400, LINE, b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    ("HTTP/0.9", 400, LINE, b"GET /\r\n"),
    ("bare LF everywhere", 400, LINE, b"GET / HTTP/1.1\nHost: a\n\n"),
    ("bare CR", 400, LINE, b"GET / HTTP/1.1\rHost: a\r\r"),
    ("two CR", 400, LINE, b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    ("lower case http", 400, LINE, b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("another protocol", 400, LINE, b"GET / RTSP/1.0\r\nHost: a\r\n\r\n"),
    ("a version of one digit", 400, LINE, b"GET / HTTP/1\r\nHost: a\r\n\r\n"),
    ("a version of three digits", 400, LINE, b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    ("two empty lines first", 400, LINE, b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an empty line by LF alone", 400, LINE, b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("TLS in clear", 400, LINE, b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"),
    ("SSH in clear", 400, LINE, b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("a JSON document", 400, LINE, b"{\"jsonrpc\":\"2.0\"}\r\n"),
    // The version
    ("HTTP/1.2", 505, "request.version", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("HTTP/2.0", 505, "request.version", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("HTTP/0.9 by name", 505, "request.version", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    ("HTTP/2 where h2c is off", 505, "request.version", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    // The target
    ("a fragment", 400, TARGET, b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("NUL in the target", 400, TARGET, b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a tab in the target", 400, TARGET, b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("raw UTF-8 in the target", 400, TARGET, b"GET /\xC3\xA4 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("angle brackets", 400, TARGET, b"GET /?q=<script> HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a path without a slash", 400, TARGET, b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a query alone", 400, TARGET, b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an authority without CONNECT", 400, TARGET, b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("another scheme", 400, TARGET, b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an absolute target without a host", 400, TARGET, b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("userinfo in the target", 400, TARGET, b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a port too large", 400, TARGET, b"GET http://a:65536/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("CONNECT to a path", 400, TARGET, b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Field lines
    ("a space before the colon", 400, HEADER, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    ("a tab before the colon", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n"),
    ("no colon", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    ("an empty name", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"),
    ("a name with a space", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX Y: x\r\n\r\n"),
    ("a name with NUL", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX\0: x\r\n\r\n"),
    ("a name beyond ASCII", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX\xA0: x\r\n\r\n"),
    ("a space before the first field", 400, HEADER, b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("a folded value", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    ("a folded length", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\nhello"),
    ("a value folded by a tab", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"),
    ("NUL in a value", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    ("an escape in a value", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1B[31m\r\n\r\n"),
    ("DEL in a value", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7F\r\n\r\n"),
    ("a bare LF in a value", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n"),
    ("a bare CR in a value", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n"),
    ("a bare LF at the end", 400, HEADER, b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    // Host
    ("no Host", 400, HOST, b"GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    ("no Host, absolute target", 400, HOST, b"GET http://a/ HTTP/1.1\r\nX: a\r\n\r\n"),
    ("two Hosts", 400, HOST, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("the same Host twice", 400, HOST, b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
    ("a Host with a space", 400, HOST, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("a Host with a comma", 400, HOST, b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("a Host with a path", 400, HOST, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("a Host with userinfo", 400, HOST, b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    ("a Host with a port that is none", 400, HOST, b"GET / HTTP/1.1\r\nHost: a:http\r\n\r\n"),
    ("a Host with a port too large", 400, HOST, b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    ("a Host with half an IPv6 address", 400, HOST, b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    // Framing
    ("CL.TE", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("TE.CL", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGET /smuggled HTTP/1.1\r\n\r\n0\r\n\r\n"),
    ("CL.0", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\naa"),
    ("the same length twice", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    ("a list of lengths", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na"),
    ("an empty length", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"),
    ("a length with a plus", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na"),
    ("a negative length", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
    ("a length in hex", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na"),
    ("a length of two numbers", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\na"),
    ("a length of 2^63", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n"),
    ("a length beyond 2^64", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\na"),
    ("TE gzip", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
    ("TE gzip, chunked", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("TE chunked, identity", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("TE chunked twice", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("TE identity", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"),
    ("TE misspelt", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("TE in quotes", 400, FRAMING, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("TE with a vertical tab", 400, HEADER, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0Bchunked\r\n\r\n0\r\n\r\n"),
    ("TE in HTTP/1.0", 400, FRAMING, b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
];

/// Behind the head of a chunked request.
#[rustfmt::skip]
const CHUNKS: &[Case<'_>] = &[
    ("a size that is none", 400, CHUNK, b"x\r\nhello\r\n0\r\n\r\n"),
    ("a size with 0x", 400, CHUNK, b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", 400, CHUNK, b"-5\r\nhello\r\n0\r\n\r\n"),
    ("a size with a space before", 400, CHUNK, b" 5\r\nhello\r\n0\r\n\r\n"),
    ("a size of 2^64", 400, CHUNK, b"10000000000000000\r\nhello\r\n0\r\n\r\n"),
    ("no size", 400, CHUNK, b"\r\nhello\r\n0\r\n\r\n"),
    ("a bare LF after the size", 400, CHUNK, b"5\nhello\r\n0\r\n\r\n"),
    ("a bare LF in an extension", 400, CHUNK, b"5;a\nhello\r\n0\r\n\r\n"),
    ("NUL in an extension", 400, CHUNK, b"5;a=\0\r\nhello\r\n0\r\n\r\n"),
    ("a chunk that is too long", 400, CHUNK, b"5\r\nhello!\r\n0\r\n\r\n"),
    ("a chunk that is too short", 400, CHUNK, b"5\r\nhell\r\n0\r\n\r\n"),
    ("a bare LF after the data", 400, CHUNK, b"5\r\nhello\n0\r\n\r\n"),
    ("no line end after the data", 400, CHUNK, b"5\r\nhello0\r\n\r\n"),
    ("a fault in the second chunk", 400, CHUNK, b"5\r\nhello\r\n5x\r\nhello\r\n0\r\n\r\n"),
    ("the next request for the end", 400, HEADER, b"0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a trailer with a space", 400, HEADER, b"0\r\nX : a\r\n\r\n"),
    ("a folded trailer", 400, HEADER, b"0\r\nX: a\r\n b\r\n\r\n"),
    ("Content-Length as a trailer", 400, FRAMING, b"0\r\nContent-Length: 5\r\n\r\n"),
    ("Transfer-Encoding as a trailer", 400, FRAMING, b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("Host as a trailer", 400, HOST, b"0\r\nHost: b\r\n\r\n"),
];

/// Well-formed, and refused for what it asks; the connection may go on.
#[rustfmt::skip]
const ASKS: &[Case<'_>] = &[
    ("CONNECT", 405, "request.method", b"CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n"),
    ("GET *", 400, TARGET, b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an authority that Host denies", 400, HOST, b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
    ("a port that Host denies", 400, HOST, b"GET http://a:81/ HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ("an expectation nobody meets", 417, "request.expectation", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n"),
];

const GOOD: &[u8] = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A gateway with small limits before an origin that is well.
async fn gateway() -> (Janua, Origin) {
    let origin = Origin::ok().await;
    let setup = Setup::to(&origin.url)
        .listener("max-request-line = \"1KiB\"\nmax-header-size = \"4KiB\"\nmax-headers = 20")
        .listener("max-body-size = \"1MiB\"");
    (setup.start().await, origin)
}

/// The gateway lives, and what came to the origin is nothing but good requests.
async fn assert_unharmed(janua: &Janua, origin: &Origin, name: &str) {
    let answer = janua.get("/good").await;
    assert_eq!(answer.status(), 200, "the gateway after {name}: {answer:?}");
    let requests = origin.requests();
    let strange = requests.iter().find(|request| request.target() != "/good");
    assert!(strange.is_none(), "{name} reached the origin: {strange:?}");
}

async fn assert_refused(janua: &Janua, bytes: &[u8], (name, status, reason, _): Case<'_>) {
    let mut client = janua.client().await;
    client.send(bytes).await;
    let answer = client.answer().await;
    answer.assert_refused(status, reason, name);
    assert_eq!(answer.field("connection").as_deref(), Some("close"), "{name}");
    assert!(answer.complete, "{name}");
    client.half_close().await;
    assert_eq!(client.ended().await, "", "{name}: one answer, and the end");
    assert_eq!(client.broken, None, "{name}: the end is no reset");
}

/// Every refusal is in the access log, as often as it happened.
async fn assert_logged(janua: &Janua, cases: impl Iterator<Item = &str>) {
    let mut expected = BTreeMap::new();
    for reason in cases {
        *expected.entry(reason.to_owned()).or_insert(0) += 1;
    }
    let count = || {
        let mut logged = BTreeMap::new();
        for line in janua.log() {
            if let Some(reason) = line["reason"].as_str() {
                *logged.entry(reason.to_owned()).or_insert(0) += 1;
            }
        }
        logged
    };
    let total: i32 = expected.values().sum();
    crate::support::until("the log", || count().values().sum::<i32>() >= total).await;
    assert_eq!(count(), expected);
}

#[tokio::test]
async fn a_malformed_head_is_refused_and_nothing_of_it_goes_on() {
    let (janua, origin) = gateway().await;
    for case in HEADS {
        assert_refused(&janua, case.3, *case).await;
        assert_unharmed(&janua, &origin, case.0).await;
    }
    let sent = origin.received();
    assert!(!sent.contains("smuggled") && !sent.contains("Host: a\r\n"), "{sent}");
    assert_logged(&janua, HEADS.iter().map(|case| case.2)).await;
}

#[tokio::test]
async fn a_malformed_head_behind_a_good_request_is_refused_after_that_has_its_answer() {
    let (janua, origin) = gateway().await;
    for (name, status, reason, bytes) in HEADS {
        let mut client = janua.client().await;
        client.send([GOOD, bytes].concat()).await;
        let first = client.answer().await;
        assert_eq!((first.status(), &*first.text()), (200, "ok"), "before {name}");
        client.answer().await.assert_refused(*status, reason, name);
        client.half_close().await;
        assert_eq!(client.ended().await, "", "{name}");
        assert_unharmed(&janua, &origin, name).await;
    }
}

#[tokio::test]
async fn a_malformed_head_is_refused_however_it_is_cut() {
    let (janua, origin) = gateway().await;
    for (name, status, reason, bytes) in HEADS.iter().step_by(4) {
        let mut client = janua.client().await;
        for byte in bytes.chunks(7) {
            client.send(byte).await;
            tokio::task::yield_now().await;
        }
        client.answer().await.assert_refused(*status, reason, name);
        assert_unharmed(&janua, &origin, name).await;
    }
}

#[tokio::test]
#[ignore = "a refused trailer does not end with `Connection: close`"]
async fn a_malformed_body_is_refused_and_the_origin_never_has_a_whole_request() {
    let (janua, origin) = gateway().await;
    for case in CHUNKS {
        assert_refused(&janua, &[CHUNKED, case.3].concat(), *case).await;
        assert_unharmed(&janua, &origin, case.0).await;
    }
    let sent = origin.received();
    assert!(!sent.contains("smuggled"), "{sent}");
    assert_logged(&janua, CHUNKS.iter().map(|case| case.2)).await;
}

#[tokio::test]
async fn a_body_that_ends_too_early_is_refused_and_the_origin_never_has_a_whole_request() {
    let (janua, origin) = gateway().await;
    for (name, bytes) in [
        ("a length", &b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"[..]),
        ("a length, nothing sent", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"),
        (
            "within a chunk",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        ),
        (
            "no last chunk",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
        (
            "within the trailers",
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n",
        ),
    ] {
        let mut client = janua.client().await;
        client.send(bytes).await;
        client.half_close().await;
        let answer = client.answer().await;
        answer.assert_refused(400, "request.incomplete", name);
        assert_eq!(client.ended().await, "", "{name}");
        assert_unharmed(&janua, &origin, name).await;
    }
}

#[tokio::test]
#[ignore = "a refused trailer does not end with `Connection: close`"]
async fn what_is_larger_than_the_limits_is_refused() {
    let (janua, origin) = gateway().await;
    let long = "x".repeat(2000);
    let many: String = (0..21).map(|n| format!("X-{n}: a\r\n")).collect();
    let chunked = String::from_utf8_lossy(CHUNKED);
    for (name, status, reason, request) in [
        (
            "a long target",
            414,
            "request.line_too_long",
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        (
            "a long method",
            414,
            "request.line_too_long",
            format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ),
        (
            "a long value",
            431,
            "request.header_too_large",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}{long}{long}\r\n\r\n"),
        ),
        (
            "a long name",
            431,
            "request.header_too_large",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{long}{long}{long}: x\r\n\r\n"),
        ),
        (
            "many fields",
            431,
            "request.too_many_headers",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
        ),
        (
            "a long trailer",
            431,
            "request.header_too_large",
            format!("{chunked}0\r\nX: {long}{long}{long}\r\n\r\n"),
        ),
        ("many trailers", 431, "request.too_many_headers", format!("{chunked}0\r\n{many}\r\n")),
        (
            "long extensions",
            400,
            CHUNK,
            format!("{chunked}1;{}\r\na\r\n0\r\n\r\n", "x".repeat(20_000)),
        ),
    ] {
        assert_refused(&janua, request.as_bytes(), (name, status, reason, b"")).await;
        assert_unharmed(&janua, &origin, name).await;
    }
}

#[tokio::test]
async fn what_is_well_formed_and_not_for_a_gateway_is_refused_and_the_connection_goes_on() {
    let (janua, origin) = gateway().await;
    for (name, status, reason, bytes) in ASKS {
        let mut client = janua.client().await;
        client.send([bytes, GOOD].concat()).await;
        client.answer().await.assert_refused(*status, reason, name);
        assert_eq!(client.answer().await.status(), 200, "the same connection after {name}");
        assert_unharmed(&janua, &origin, name).await;
    }
}

/// Nobody's refusal is another's: what comes behind a refused request is never answered.
#[tokio::test]
async fn nothing_behind_a_refused_request_is_looked_at() {
    let (janua, origin) = gateway().await;
    for (name, _, _, bytes) in HEADS.iter().chain(CHUNKS).step_by(5) {
        let mut client = janua.client().await;
        let head = if CHUNKS.iter().any(|case| case.0 == *name) { CHUNKED } else { b"" };
        client.send([head, bytes, b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).await;
        client.answer().await;
        client.half_close().await;
        assert_eq!(client.ended().await, "", "{name}");
    }
    assert!(!origin.received().contains("/behind"));
}

#[tokio::test]
async fn a_client_that_goes_on_sending_after_its_refusal_still_reads_the_answer() {
    let (janua, _origin) = gateway().await;
    let mut client: Client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost : a\r\n\r\n").await;
    client.send(vec![b'x'; 256 << 10]).await;
    client.answer().await.assert_refused(400, HEADER, "a long sender");
}

#[test]
fn the_tables_are_long_enough() {
    assert!(HEADS.len() + CHUNKS.len() + ASKS.len() >= 100);
}
