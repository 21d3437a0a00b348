//! Malformed and hostile exchanges of HTTP/2: each ends its stream or its connection, by the code that
//! RFC 9113 names or by an answer with the reason; the gateway goes on.

use crate::support::{
    Janua, Origin, Setup,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Outcome, PADDED,
        PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
        with,
    },
    message::reason,
};

/// What has to come of an exchange.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The stream is answered with this reason.
    Reason(&'static str),
    /// The stream is reset with this code, or the connection ends with it.
    Stream(u32),
    /// The connection ends with this code, or without a word.
    Connection(u32),
    /// The connection ends, with whatever code.
    End,
}

use Expected::{Connection, End, Reason, Stream};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

const ALL: u8 = END_STREAM | END_HEADERS;

fn get(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, ALL, 1, &block(fields))
}

fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &block(fields))
}

/// A request for `/`, with more fields.
fn more(fields: &[(&str, &str)]) -> Vec<u8> {
    get(&with(fields))
}

/// A request with one pseudo-header field in another's place.
fn pseudo(method: &str, scheme: &str, path: &str, authority: &str) -> Vec<u8> {
    get(&[(":method", method), (":scheme", scheme), (":path", path), (":authority", authority)])
}

/// Requests that cannot be written as one clean HTTP/1.1 request.
#[rustfmt::skip]
fn requests() -> Vec<(&'static str, Expected, Vec<u8>)> {
    let malformed = Stream(PROTOCOL_ERROR);
    // What h2 cannot read at all it takes for a fault of the connection.
    let unreadable = Connection(PROTOCOL_ERROR);
    vec![
        ("a name in capitals", unreadable, more(&[("X-Upper", "a")])),
        ("connection", malformed, more(&[("connection", "close")])),
        ("keep-alive", malformed, more(&[("keep-alive", "timeout=5")])),
        ("proxy-connection", malformed, more(&[("proxy-connection", "close")])),
        ("transfer-encoding", malformed, more(&[("transfer-encoding", "chunked")])),
        ("upgrade", malformed, more(&[("upgrade", "websocket")])),
        ("te: gzip", malformed, more(&[("te", "gzip")])),
        ("a name with a space", unreadable, more(&[("x y", "a")])),
        ("a name with a colon", unreadable, more(&[("x:y", "a")])),
        ("an empty name", unreadable, more(&[("", "a")])),
        ("CRLF in a value", unreadable, more(&[("x", "a\r\ncontent-length: 5")])),
        ("LF in a value", unreadable, more(&[("x", "a\nb")])),
        ("NUL in a value", unreadable, more(&[("x", "a\0b")])),
        ("CRLF in the path", malformed, pseudo("GET", "http", "/ HTTP/1.1\r\nX: y", "a")),
        ("a space in the path", malformed, pseudo("GET", "http", "/a b", "a")),
        ("a space in the method", unreadable, pseudo("GET /x", "http", "/", "a")),
        ("no path", malformed, get(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")])),
        ("an empty path", malformed, pseudo("GET", "http", "", "a")),
        ("no method", malformed, get(&[(":scheme", "http"), (":path", "/"), (":authority", "a")])),
        ("no scheme", malformed, get(&[(":method", "GET"), (":path", "/"), (":authority", "a")])),
        ("two paths", malformed, more(&[(":path", "/b")])),
        ("two methods", malformed, more(&[(":method", "POST")])),
        ("two authorities", malformed, more(&[(":authority", "b")])),
        ("an unknown pseudo-header", unreadable, more(&[(":colour", "red")])),
        ("a status in a request", malformed, more(&[(":status", "200")])),
        ("a pseudo-header after a field", malformed, get(&[(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/"), (":authority", "a")])),
        (":protocol without CONNECT", malformed, more(&[(":protocol", "websocket")])),
        ("a length that is none", malformed, more(&[("content-length", "x")])),
        ("a length without a body", malformed, more(&[("content-length", "5")])),
        ("less than the length", malformed, [post(&with(&[("content-length", "10")])), frame(DATA, END_STREAM, 1, b"hello")].concat()),
        ("more than the length", malformed, [post(&with(&[("content-length", "3")])), frame(DATA, END_STREAM, 1, b"hello")].concat()),
        ("two lengths", malformed, [post(&with(&[("content-length", "5"), ("content-length", "6")])), frame(DATA, END_STREAM, 1, b"hello")].concat()),
        ("one length twice", Reason("request.framing"), [post(&with(&[("content-length", "5"), ("content-length", "5")])), frame(DATA, END_STREAM, 1, b"hello")].concat()),
        ("an empty length", Reason("request.framing"), more(&[("content-length", "")])),
        ("a path without a slash", Reason("request.target"), pseudo("GET", "http", "*", "a")),
        ("a host that is not the authority", Reason("request.host"), more(&[("host", "b.example")])),
        ("two hosts", Reason("request.host"), get(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a"), ("host", "b")])),
        ("a path with bytes above ASCII", Reason("request.target"), pseudo("GET", "http", "/\u{fc}", "a")),
        ("a query with bytes above ASCII", Reason("request.target"), pseudo("GET", "http", "/?a=\u{fc}", "a")),
        ("a port that is none", Reason("request.host"), pseudo("GET", "http", "/", "a.b:99999")),
        ("neither an authority nor a host", Reason("request.host"), get(&[(":method", "GET"), (":scheme", "http"), (":path", "/")])),
        ("an authority with a comma", Reason("request.host"), pseudo("GET", "http", "/", "a,b")),
        ("an authority with userinfo", Reason("request.host"), pseudo("GET", "http", "/", "u@a")),
        ("CONNECT", Reason("request.method"), get(&[(":method", "CONNECT"), (":authority", "a:443")])),
        ("a known method in lower case", Reason("request.method"), pseudo("delete", "http", "/", "a")),
        ("an expectation nobody meets", Reason("request.expectation"), more(&[("expect", "200-ok")])),
        ("a long target", Reason("request.line_too_long"), pseudo("GET", "http", &format!("/{}", "x".repeat(2000)), "a")),
        ("many fields", Reason("request.too_many_headers"), more(&[("x", "y"); 30])),
    ]
}

/// Frames and sequences of frames that no peer may send. Where the end counts and not its code, it is
/// `End`: h2 says PROTOCOL_ERROR for some that have a code of their own.
#[rustfmt::skip]
fn sequences() -> Vec<(&'static str, Expected, Vec<u8>)> {
    let begun = || post(&with(&[]));
    vec![
        ("DATA on stream 0", Connection(PROTOCOL_ERROR), frame(DATA, 0, 0, b"x")),
        ("HEADERS on stream 0", Connection(PROTOCOL_ERROR), frame(HEADERS, ALL, 0, &block(&with(&[])))),
        ("HEADERS on an even stream", Connection(PROTOCOL_ERROR), frame(HEADERS, ALL, 2, &block(&with(&[])))),
        ("a lower stream after a higher one", Connection(PROTOCOL_ERROR), [frame(HEADERS, END_HEADERS, 5, &block(&with(&[]))), frame(HEADERS, ALL, 3, &block(&with(&[])))].concat()),
        ("DATA on an idle stream", Connection(PROTOCOL_ERROR), frame(DATA, END_STREAM, 1, b"x")),
        ("RST_STREAM on an idle stream", Connection(PROTOCOL_ERROR), frame(RST_STREAM, 0, 1, &[0; 4])),
        ("RST_STREAM on stream 0", Connection(PROTOCOL_ERROR), frame(RST_STREAM, 0, 0, &[0; 4])),
        ("WINDOW_UPDATE on an idle stream", Connection(PROTOCOL_ERROR), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("PUSH_PROMISE from a client", Connection(PROTOCOL_ERROR), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("CONTINUATION alone", Connection(PROTOCOL_ERROR), frame(CONTINUATION, END_HEADERS, 1, &block(&with(&[])))),
        ("another frame within a head", Connection(PROTOCOL_ERROR), [frame(HEADERS, END_STREAM, 1, &block(&with(&[]))), frame(PING, 0, 0, &[0; 8])].concat()),
        ("another stream's CONTINUATION", Connection(PROTOCOL_ERROR), [frame(HEADERS, END_STREAM, 1, &block(&with(&[]))), frame(CONTINUATION, END_HEADERS, 3, b"")].concat()),
        ("SETTINGS on a stream", Connection(PROTOCOL_ERROR), frame(SETTINGS, 0, 1, b"")),
        ("SETTINGS of 5 bytes", End, frame(SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS ACK with a payload", End, frame(SETTINGS, 1, 0, &[0; 6])),
        ("ENABLE_PUSH of 2", Connection(PROTOCOL_ERROR), frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])),
        ("a window of 2^31", End, frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        ("a frame size of 1", Connection(PROTOCOL_ERROR), frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])),
        ("PING of 7 bytes", End, frame(PING, 0, 0, &[0; 7])),
        ("PING on a stream", Connection(PROTOCOL_ERROR), frame(PING, 0, 1, &[0; 8])),
        ("GOAWAY on a stream", Connection(PROTOCOL_ERROR), frame(GOAWAY, 0, 1, &[0; 8])),
        ("WINDOW_UPDATE of 0", Connection(PROTOCOL_ERROR), frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("WINDOW_UPDATE of 3 bytes", End, frame(WINDOW_UPDATE, 0, 0, &[0; 3])),
        ("the connection's window overflows", Connection(FLOW_CONTROL_ERROR), [frame(WINDOW_UPDATE, 0, 0, &[0x7F, 0xFF, 0xFF, 0xFF]), frame(WINDOW_UPDATE, 0, 0, &[0x7F, 0xFF, 0xFF, 0xFF])].concat()),
        ("a stream's window overflows", Stream(FLOW_CONTROL_ERROR), [begun(), frame(WINDOW_UPDATE, 0, 1, &[0x7F, 0xFF, 0xFF, 0xFF])].concat()),
        ("a stream that depends on itself", Stream(PROTOCOL_ERROR), [begun(), frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])].concat()),
        ("a frame that is too large", Connection(FRAME_SIZE_ERROR), [begun(), frame(DATA, 0, 1, &[0; 16_385])].concat()),
        ("padding longer than the frame", Connection(PROTOCOL_ERROR), [begun(), frame(DATA, PADDED, 1, &[200, 0, 0])].concat()),
        ("a block that is no HPACK", End, frame(HEADERS, ALL, 1, &[0xFF; 20])),
        ("an index that is not there", End, frame(HEADERS, ALL, 1, &[0xC8])),
        ("a second head that does not end the stream", Stream(PROTOCOL_ERROR), [begun(), frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")]))].concat()),
        ("DATA after the end", End, [post(&with(&[])), frame(DATA, END_STREAM, 1, b"x"), frame(DATA, 0, 1, b"y")].concat()),
    ]
}

/// Much of what is allowed once.
fn floods() -> Vec<(&'static str, Expected, Vec<u8>)> {
    let fields = block(&with(&[]));
    let stream = |number: u32| number * 2 + 1;
    let resets = (0..2_000).flat_map(|number| {
        let head = frame(HEADERS, ALL, stream(number), &fields);
        [head, frame(RST_STREAM, 0, stream(number), &[0, 0, 0, 8])].concat()
    });
    let malformed = block(&with(&[("connection", "close")]));
    // Each is reset by us, for a mistake that the client makes on purpose.
    let mistakes = (0..2_000).flat_map(|number| frame(HEADERS, ALL, stream(number), &malformed));
    let continuations = (0..10_000).flat_map(|_| frame(CONTINUATION, 0, 1, &[0; 64]));
    let empty = (0..50_000).flat_map(|_| frame(CONTINUATION, 0, 1, b""));
    let head = frame(HEADERS, END_STREAM, 1, &fields);
    let large = block(&[("x", &*"y".repeat(8000))]);
    let larger = (0..40).flat_map(|_| frame(CONTINUATION, 0, 1, &large));
    vec![
        ("rapid reset", Connection(ENHANCE_YOUR_CALM), resets.collect()),
        ("rapid mistakes", Connection(ENHANCE_YOUR_CALM), mistakes.collect()),
        ("CONTINUATION without end", End, head.clone().into_iter().chain(continuations).collect()),
        (
            "empty CONTINUATIONs",
            Connection(ENHANCE_YOUR_CALM),
            head.clone().into_iter().chain(empty).collect(),
        ),
        ("a field block of 320 KiB", End, head.into_iter().chain(larger).collect()),
    ]
}

async fn gateway() -> (Janua, Origin) {
    let origin = Origin::ok().await;
    let setup = Setup::to(&origin.url)
        .listener("h2c = true\nmax-request-line = \"1KiB\"\nmax-header-size = \"16KiB\"")
        .listener("max-headers = 20");
    (setup.start().await, origin)
}

async fn assert_unharmed(janua: &Janua, origin: &Origin, name: &str) {
    let (answer, body) = janua.http2().await.get("http://a.example/good").await;
    assert_eq!((answer.status().as_u16(), &*body), (200, &b"ok"[..]), "the gateway after {name}");
    let requests = origin.requests();
    let strange = requests.iter().find(|request| request.target() != "/good");
    assert!(strange.is_none(), "{name} reached the origin: {strange:?}");
}

/// What is wrong with an outcome, if anything is.
fn judge(name: &str, expected: Expected, outcome: Outcome) -> Option<String> {
    let fits = match (expected, &outcome) {
        (Reason(expected), Outcome::Answer(body)) => reason(body) == expected,
        (Stream(code), Outcome::Reset(found)) => code == *found,
        (Connection(code), Outcome::GoAway(found)) => code == *found,
        (Connection(_) | End, Outcome::Closed) | (End, Outcome::GoAway(_)) => true,
        _ => false,
    };
    let outcome = match outcome {
        Outcome::Answer(body) => format!("Answer({})", String::from_utf8_lossy(&body)),
        other => format!("{other:?}"),
    };
    (!fits).then(|| format!("{name}: {expected:?} was expected, and not {outcome}"))
}

async fn assert_all(cases: Vec<(&'static str, Expected, Vec<u8>)>) {
    let (janua, origin) = gateway().await;
    let mut wrong = Vec::new();
    for (name, expected, bytes) in cases {
        let mut frames = Frames::open(janua.address).await;
        frames.send(&bytes).await;
        wrong.extend(judge(name, expected, frames.outcome().await));
        assert_unharmed(&janua, &origin, name).await;
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn a_request_that_is_no_clean_one_ends_its_stream() {
    assert!(requests().len() >= 25);
    assert_all(requests()).await;
}

#[tokio::test]
async fn a_frame_that_may_not_come_ends_the_connection() {
    assert!(sequences().len() >= 25);
    assert_all(sequences()).await;
}

#[tokio::test]
async fn the_preface_is_what_it_has_to_be() {
    let (janua, origin) = gateway().await;
    for (name, bytes) in [
        ("the preface alone", PREFACE.to_vec()),
        ("a frame that is no SETTINGS first", [PREFACE, &frame(PING, 0, 0, &[0; 8])].concat()),
        ("HTTP/1.1 behind the preface", [PREFACE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat()),
    ] {
        let mut frames = Frames::silent(janua.address).await;
        frames.send(&bytes).await;
        frames.half_close().await;
        let ended = frames.outcome().await;
        assert!(matches!(ended, Outcome::GoAway(_) | Outcome::Closed), "{name}: {ended:?}");
        assert_unharmed(&janua, &origin, name).await;
    }
    let mut client = janua.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r!").await;
    client.answer().await.assert_refused(505, "request.version", "nearly the preface");
}

#[tokio::test]
async fn a_flood_of_frames_ends_the_connection_and_nobody_elses() {
    let (janua, origin) = gateway().await;
    let mut other = janua.http2().await;
    let mut wrong = Vec::new();
    for (name, expected, bytes) in floods() {
        let mut frames = Frames::open(janua.address).await;
        frames.send(&bytes).await;
        frames.half_close().await;
        let mut outcome = frames.outcome().await;
        // Some streams may have been answered or reset before it was too much.
        while matches!(outcome, Outcome::Answer(_) | Outcome::Reset(_)) {
            outcome = frames.outcome().await;
        }
        wrong.extend(judge(name, expected, outcome));
        let (answer, _) = other.get("http://a.example/good").await;
        assert_eq!(answer.status(), 200, "another connection during {name}");
    }
    assert_eq!(wrong, [""; 0]);
    drop(origin);
}

/// What the operator allows, and one more.
#[tokio::test]
async fn so_many_resets_as_are_allowed_and_no_more_are_borne() {
    let stream = |number: u32| number * 2 + 1;
    let fields = block(&with(&[]));
    // The client's, of streams that nobody has looked at yet.
    let reset = |number| {
        let head = frame(HEADERS, ALL, stream(number), &fields);
        [head, frame(RST_STREAM, 0, stream(number), &[0, 0, 0, 8])].concat()
    };
    let malformed = block(&with(&[("connection", "close")]));
    // Ours, for mistakes of the client.
    let mistake = |number| frame(HEADERS, ALL, stream(number), &malformed);
    let origin = Origin::ok().await;
    for (keys, resets, mistakes, borne) in [
        ("", 20, 0, true),
        ("", 21, 0, false),
        ("http2.max-pending-resets = 100", 100, 0, true),
        ("http2.max-pending-resets = 3", 4, 0, false),
        ("", 0, 128, true),
        ("", 0, 129, false),
        ("http2.max-resets = 500", 0, 500, true),
        ("http2.max-resets = 5", 0, 6, false),
    ] {
        let janua = Setup::to(&origin.url).listener("h2c = true").listener(keys).start().await;
        let mut frames = Frames::open(janua.address).await;
        let all = (0..resets).flat_map(reset).chain((0..mistakes).flat_map(mistake));
        frames.send(&all.chain(frame(PING, 0, 0, b"are here")).collect::<Vec<_>>()).await;
        let answer = loop {
            match frames.next().await {
                Some(frame) if frame.kind == PING => break true,
                Some(frame) if frame.kind == GOAWAY => {
                    assert_eq!(frame.payload[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
                    break false;
                }
                Some(_) => {}
                None => break false,
            }
        };
        assert_eq!(answer, borne, "`{keys}`: {resets} resets, {mistakes} mistakes");
    }
}

/// Frames that ask for an answer, from a client that reads none: what waits to be sent is bounded.
#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_not_listened_to_for_ever() {
    let (janua, origin) = gateway().await;
    for (name, piece) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
    ] {
        let mut client = janua.client().await;
        client.send([PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()).await;
        let quiet = std::time::Duration::from_millis(500);
        let most = 64 << 20;
        let sent = client.flood(&piece.repeat(1000), most, quiet).await;
        assert!(sent < most, "{name}: all of {sent} bytes were taken");
        assert_unharmed(&janua, &origin, name).await;
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_the_others_go_on() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.ended().await;
    })
    .await;
    let janua = Setup::to(&origin.url).listener("h2c = true\nhttp2.max-streams = 4").start().await;
    let mut frames = Frames::open(janua.address).await;
    for stream in [1, 3, 5, 7, 9] {
        frames.send(&frame(HEADERS, ALL, stream, &block(&with(&[])))).await;
    }
    let refused = frames.next_of(RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, &*refused.payload), (9, &[0, 0, 0, 7][..]), "REFUSED_STREAM");
    crate::support::until("the others", || origin.requests().len() == 4).await;
}

/// RFC 9113, 8.1: such trailers are malformed. h2 takes the field off instead, which harms nobody.
#[tokio::test]
async fn a_pseudo_header_in_the_trailers_never_passes() {
    let (janua, origin) = gateway().await;
    let mut frames = Frames::open(janua.address).await;
    let trailers = frame(HEADERS, ALL, 1, &block(&[(":path", "/b"), ("x", "y")]));
    frames.send(&[post(&with(&[])), trailers].concat()).await;
    let outcome = frames.outcome().await;
    assert!(matches!(outcome, Outcome::Answer(_) | Outcome::Reset(PROTOCOL_ERROR)), "{outcome:?}");
    assert!(!origin.received().contains("/b"), "{}", origin.received());
}

/// Legal exchanges: the request line and the body that the origin sees.
#[rustfmt::skip]
fn clean() -> Vec<(&'static str, Vec<u8>, &'static str, &'static [u8])> {
    let split = block(&with(&[("x-y", "z")]));
    vec![
        ("a head in pieces", [frame(HEADERS, END_STREAM, 1, &split[..9]), frame(CONTINUATION, 0, 1, &split[9..20]), frame(CONTINUATION, END_HEADERS, 1, &split[20..])].concat(), "GET / HTTP/1.1", b""),
        ("padding", [frame(HEADERS, END_HEADERS | PADDED, 1, &[&[3], &block(&with(&[]))[..], &[0; 3]].concat()), frame(DATA, END_STREAM | PADDED, 1, &[&[5], &b"body"[..], &[0; 5]].concat())].concat(), "GET / HTTP/1.1", b"body"),
        ("a body without a length", [frame(HEADERS, END_HEADERS, 1, &block(&[(":method", "POST"), (":scheme", "http"), (":path", "/p?q"), (":authority", "a")])), frame(DATA, 0, 1, b"he"), frame(DATA, 0, 1, b""), frame(DATA, END_STREAM, 1, b"llo")].concat(), "POST /p?q HTTP/1.1", b"hello"),
        ("host for the authority", get(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a.example")]), "GET / HTTP/1.1", b""),
        ("host equal to the authority", more(&[("host", "a.example")]), "GET / HTTP/1.1", b""),
        ("OPTIONS *", pseudo("OPTIONS", "http", "*", "a"), "OPTIONS * HTTP/1.1", b""),
        ("te: trailers", more(&[("te", "trailers")]), "GET / HTTP/1.1", b""),
        ("cookies in pieces", more(&[("cookie", "a=b"), ("cookie", "c=d")]), "GET / HTTP/1.1", b""),
        ("dot segments", pseudo("GET", "http", "/a/../b", "a"), "GET /b HTTP/1.1", b""),
        ("an unknown frame", [frame(0xEE, 0xFF, 0, b"what?"), more(&[])].concat(), "GET / HTTP/1.1", b""),
        ("an unknown setting", [frame(SETTINGS, 0, 0, &[0xAA, 0xAA, 0, 0, 0, 1]), more(&[])].concat(), "GET / HTTP/1.1", b""),
    ]
}

#[tokio::test]
async fn what_is_legal_in_http2_reaches_the_origin_as_one_clean_request() {
    let (janua, origin) = gateway().await;
    for (name, bytes, line, body) in clean() {
        let mut frames = Frames::open(janua.address).await;
        frames.send(&bytes).await;
        let outcome = frames.outcome().await;
        assert_eq!(outcome, Outcome::Answer(b"ok".to_vec()), "{name}");
        let seen = origin.last();
        assert_eq!((&*seen.line, &*seen.body), (line, body), "{name}");
        assert_eq!(seen.values("host").len(), 1, "{name}: {seen:?}");
        let cookies = seen.values("cookie");
        assert!(cookies.is_empty() || cookies == ["a=b; c=d"], "RFC 9113, 8.2.3: {cookies:?}");
    }
}
