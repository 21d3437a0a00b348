//! What is odd and legal reaches the origin, in one form: one request line, one framing.

use crate::support::{Message, Origin, Setup};

/// A request, and what the origin must see of it.
struct Case {
    name: &'static str,
    bytes: &'static [u8],
    /// The request line that the origin sees.
    line: &'static str,
    /// Fields that the origin must see; an empty value is one that it must not.
    fields: &'static [(&'static str, &'static str)],
    body: &'static [u8],
}

const fn case(name: &'static str, line: &'static str, bytes: &'static [u8]) -> Case {
    Case { name, bytes, line, fields: &[], body: b"" }
}

impl Case {
    const fn fields(self, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { fields, ..self }
    }

    const fn body(self, body: &'static [u8]) -> Self {
        Self { body, ..self }
    }
}

const ABSENT: &str = "";

#[rustfmt::skip]
const CASES: &[Case] = &[
    // The request line
    case("plain", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").fields(&[("host", "a"), ("content-length", ABSENT), ("transfer-encoding", ABSENT)]),
    case("an empty line first", "GET / HTTP/1.1", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("HTTP/1.0", "GET / HTTP/1.1", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").fields(&[("host", "a")]),
    case("HTTP/1.0 with a body", "POST / HTTP/1.1", b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\nok").fields(&[("content-length", "2")]).body(b"ok"),
    case("a method of ours", "BREW /pot HTTP/1.1", b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("a method in lower case", "brew / HTTP/1.1", b"brew / HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("a method of signs", "M-!#$%&'*+.^_`|~9 / HTTP/1.1", b"M-!#$%&'*+.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("OPTIONS *", "OPTIONS * HTTP/1.1", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("an absolute target", "GET /b?c HTTP/1.1", b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n").fields(&[("host", "a")]),
    case("an absolute target in capitals", "GET /b HTTP/1.1", b"GET HTTP://A.example/b HTTP/1.1\r\nHost: a.EXAMPLE\r\n\r\n"),
    case("an absolute target with the port that it has anyway", "GET /b HTTP/1.1", b"GET http://a:80/b HTTP/1.1\r\nHost: a\r\n\r\n").fields(&[("host", "a:80")]),
    case("an absolute target whose Host is spelled otherwise", "GET /b HTTP/1.1", b"GET http://a/b HTTP/1.1\r\nHost: A.:80\r\n\r\n").fields(&[("host", "a")]),
    case("an absolute target without a path", "GET / HTTP/1.1", b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("an absolute target with a query alone", "GET /?b HTTP/1.1", b"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("an empty query", "GET /? HTTP/1.1", b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("a query full of signs", "GET /a?b?c=/d?e&f[]=1|2&g={h}^`\\ HTTP/1.1", b"GET /a?b?c=/d?e&f[]=1|2&g={h}^`\\ HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("a path full of signs", "GET /-._~!$&'()*+,;=:@[]|{}^\\\" HTTP/1.1", b"GET /-._~!$&'()*+,;=:@[]|{}^\\\" HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("percent-encoding is not touched", "GET /%C3%A4%2f%zz% HTTP/1.1", b"GET /%C3%A4%2f%zz% HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("empty segments are not touched", "GET //a//b/ HTTP/1.1", b"GET //a//b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("dot segments are resolved", "GET /b/c HTTP/1.1", b"GET /a/../b/./c HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("dot segments do not climb", "GET /etc/passwd HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("dot segments in disguise", "GET /b HTTP/1.1", b"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Host
    case("a Host without a space", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n").fields(&[("host", "a")]),
    case("a Host with white space around", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: \t a:80\t \r\n\r\n").fields(&[("host", "a:80")]),
    case("a Host with an underscore", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: my_host\r\n\r\n").fields(&[("host", "my_host")]),
    case("a Host of IPv6", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n").fields(&[("host", "[::1]:8080")]),
    case("a Host with a final dot", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a.example.\r\n\r\n").fields(&[("host", "a.example.")]),
    // Fields
    case("names in any case", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nhOsT: a\r\nCONTENT-LENGTH: 1\r\n\r\nx").fields(&[("content-length", "1")]).body(b"x"),
    case("an empty value", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Y: z\r\n\r\n").fields(&[("x-y", "z")]),
    case("a value of signs, quotes and a tab", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb: \"c\" ;=,\t\r\n\r\n").fields(&[("x", "a\tb: \"c\" ;=,")]),
    case("a value in UTF-8", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nX: \xC3\xA4\xE2\x82\xAC\r\n\r\n").fields(&[("x", "\u{e4}\u{20ac}")]),
    case("a field often", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\nX: 3\r\n\r\n").fields(&[("x", "1, 3"), ("y", "2")]),
    case("a name of signs", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~9: x\r\n\r\n").fields(&[("!#$%&'*+-.^_`|~9", "x")]),
    // Framing
    case("a length of nothing", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").fields(&[("content-length", "0"), ("transfer-encoding", ABSENT)]),
    case("a length with zeros and spaces", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t0003 \r\n\r\nabc").body(b"abc"),
    case("GET with a body", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\0\r\n").fields(&[("content-length", "3")]).body(b"\0\r\n"),
    case("a body that looks like a request", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n").body(b"GET / HTTP/1.1\r\n\r\n"),
    case("chunked", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").fields(&[("transfer-encoding", "chunked"), ("content-length", ABSENT)]).body(b"hello"),
    case("chunked in capitals", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING:\tCHUNKED \r\n\r\n1\r\na\r\n0\r\n\r\n").fields(&[("transfer-encoding", "chunked")]).body(b"a"),
    case("chunk sizes in any form", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0000a\r\n0123456789\r\nB\r\n0123456789a\r\n000\r\n\r\n").body(b"01234567890123456789a"),
    case("chunk extensions do not pass", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0;last\r\n\r\n").body(b"ok"),
    case("chunks full of line ends", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n").body(b"\r\n0\r\n\r\n"),
    case("GET with a chunked body", "GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").fields(&[("transfer-encoding", "chunked")]).body(b"hello"),
    case("an empty chunked body", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    case("a length named in Connection stays", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length, host\r\nContent-Length: 2\r\n\r\nok").fields(&[("content-length", "2"), ("host", "a"), ("connection", ABSENT)]).body(b"ok"),
    case("a field that mimics framing does not pass", "POST / HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent_Length: 99\r\nContent-Length: 1\r\n\r\nx").fields(&[("transfer_encoding", ABSENT), ("content_length", ABSENT), ("content-length", "1")]).body(b"x"),
];

fn assert_seen(case: &Case, seen: &Message) {
    let name = case.name;
    assert_eq!(seen.line, case.line, "{name}");
    for (field, value) in case.fields {
        let expected = Some(*value).filter(|value| *value != ABSENT);
        assert_eq!(seen.field(field).as_deref(), expected, "{name}: {field} in {seen:?}");
    }
    assert_eq!(seen.body, case.body, "{name}");
    let framings = seen.values("content-length").len() + seen.values("transfer-encoding").len();
    assert!(framings <= 1, "{name}: one framing out, not {seen:?}");
    assert_eq!(seen.values("host").len(), 1, "{name}");
}

#[tokio::test]
async fn what_is_odd_and_legal_reaches_the_origin_in_one_form() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    for case in CASES {
        let mut client = janua.client().await;
        client.send(case.bytes).await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), 200, "{}: {answer:?}", case.name);
        assert_seen(case, &origin.last());
    }
    assert_eq!(origin.requests().len(), CASES.len());
    assert!(!origin.received().contains(";a=b"), "an extension passed");
}

#[tokio::test]
async fn what_is_odd_and_legal_passes_byte_by_byte_too() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    for case in CASES.iter().step_by(3) {
        let mut client = janua.client().await;
        for byte in case.bytes.chunks(1) {
            client.send(byte).await;
        }
        let answer = client.answer().await;
        assert_eq!(answer.status(), 200, "{}: {answer:?}", case.name);
        assert_seen(case, &origin.last());
    }
}

/// All of them on one connection at once: answers and requests keep their order.
#[tokio::test]
async fn what_is_odd_and_legal_passes_in_a_pipeline() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let alive: Vec<_> = CASES.iter().filter(|case| !case.name.starts_with("HTTP/1.0")).collect();
    let mut client = janua.client().await;
    client.send(alive.iter().map(|case| case.bytes).collect::<Vec<_>>().concat()).await;
    for case in &alive {
        assert_eq!(client.answer().await.status(), 200, "{}", case.name);
    }
    for (case, seen) in alive.iter().zip(origin.requests()) {
        assert_seen(case, &seen);
    }
}

#[test]
fn the_table_is_long_enough() {
    assert!(CASES.len() >= 40);
}
