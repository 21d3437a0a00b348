//! What is refused, and by which name.

use super::{Outcome, WIDE, feed, feed_every_way};
use crate::reject::Reject;

type Case = (&'static str, &'static [u8], Reject);

/// Refused before their first head is whole.
const HEADS: &[Case] = {
    use Reject::{
        RequestFraming, RequestHeader, RequestHost, RequestLine, RequestTarget, RequestVersion,
    };
    &[
        // The request line
        ("no method", b" / HTTP/1.1\r\n", RequestLine),
        ("space first", b" GET / HTTP/1.1\r\n", RequestLine),
        ("tab first", b"\tGET / HTTP/1.1\r\n", RequestLine),
        ("method with a colon", b"GE:T / HTTP/1.1\r\n", RequestLine),
        ("method with NUL", b"GE\0T / HTTP/1.1\r\n", RequestLine),
        ("method beyond ASCII", b"G\xC3\x89T / HTTP/1.1\r\n", RequestLine),
        ("method in quotes", b"\"GET\" / HTTP/1.1\r\n", RequestLine),
        ("tab for the first space", b"GET\t/ HTTP/1.1\r\n", RequestLine),
        ("two spaces before the target", b"GET  / HTTP/1.1\r\n", RequestLine),
        ("two spaces after the target", b"GET /  HTTP/1.1\r\n", RequestLine),
        ("space in the target", b"GET /a b HTTP/1.1\r\n", RequestLine),
        ("space at the end", b"GET / HTTP/1.1 \r\n", RequestLine),
        ("only a method", b"GET\r\n", RequestLine),
        ("no target", b"GET HTTP/1.1\r\n\r\n", RequestTarget),
        ("HTTP/0.9", b"GET /\r\n", RequestLine),
        ("HTTP/0.9, bare LF", b"GET /\n", RequestLine),
        ("bare LF", b"GET / HTTP/1.1\nHost: a\n\n", RequestLine),
        ("bare CR", b"GET / HTTP/1.1\rHost: a\r\n\r\n", RequestLine),
        ("two CR", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", RequestLine),
        ("lower case http", b"GET / http/1.1\r\n", RequestLine),
        ("another protocol", b"GET / ICY/1.1\r\n", RequestLine),
        ("version without minor", b"GET / HTTP/1\r\n", RequestLine),
        ("version with two minor digits", b"GET / HTTP/1.10\r\n", RequestLine),
        ("version with two major digits", b"GET / HTTP/11.1\r\n", RequestLine),
        ("version with a comma", b"GET / HTTP/1,1\r\n", RequestLine),
        ("version with a sign", b"GET / HTTP/+1.1\r\n", RequestLine),
        ("version with NUL", b"GET / HTTP/1.1\0\r\n", RequestLine),
        ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", RequestLine),
        ("a bare LF first", b"\nGET / HTTP/1.1\r\n", RequestLine),
        ("a bare CR first", b"\rGET / HTTP/1.1\r\n", RequestLine),
        ("two empty lines first", b"\r\n\r\nGET / HTTP/1.1\r\n", RequestLine),
        // The version
        ("HTTP/2.0", b"GET / HTTP/2.0\r\n", RequestVersion),
        ("HTTP/1.2", b"GET / HTTP/1.2\r\n", RequestVersion),
        ("HTTP/0.9 by name", b"GET / HTTP/0.9\r\n", RequestVersion),
        ("HTTP/3.0", b"GET / HTTP/3.0\r\n", RequestVersion),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", RequestVersion),
        // The target
        ("fragment", b"GET /a#b HTTP/1.1\r\n", RequestTarget),
        ("fragment in the query", b"GET /a?b#c HTTP/1.1\r\n", RequestTarget),
        ("angle bracket", b"GET /<script> HTTP/1.1\r\n", RequestTarget),
        ("angle bracket in the query", b"GET /?q=<b> HTTP/1.1\r\n", RequestTarget),
        ("quote in the query", b"GET /?q=\"b\" HTTP/1.1\r\n", RequestTarget),
        ("backtick in the path", b"GET /`id` HTTP/1.1\r\n", RequestTarget),
        ("NUL in the target", b"GET /a\0b HTTP/1.1\r\n", RequestTarget),
        ("tab in the target", b"GET /a\tb HTTP/1.1\r\n", RequestTarget),
        ("DEL in the target", b"GET /a\x7F HTTP/1.1\r\n", RequestTarget),
        ("UTF-8 in the target", b"GET /\xC3\xA4 HTTP/1.1\r\n", RequestTarget),
        ("Latin-1 in the query", b"GET /?\xE4 HTTP/1.1\r\n", RequestTarget),
        ("relative path", b"GET a/b HTTP/1.1\r\n", RequestTarget),
        ("relative path like a scheme", b"GET html/a HTTP/1.1\r\n", RequestTarget),
        ("query alone", b"GET ?a HTTP/1.1\r\n", RequestTarget),
        ("authority without CONNECT", b"GET a:80 HTTP/1.1\r\n", RequestTarget),
        ("more than an asterisk", b"OPTIONS *a HTTP/1.1\r\n", RequestTarget),
        ("another scheme", b"GET ftp://a/ HTTP/1.1\r\n", RequestTarget),
        ("scheme with one slash", b"GET http:/a/ HTTP/1.1\r\n", RequestTarget),
        ("scheme alone", b"GET http:// HTTP/1.1\r\n", RequestTarget),
        ("absolute without a host", b"GET http:///a HTTP/1.1\r\n", RequestTarget),
        ("absolute with a port alone", b"GET http://:80/ HTTP/1.1\r\n", RequestTarget),
        ("absolute with userinfo", b"GET http://u:p@a/ HTTP/1.1\r\n", RequestTarget),
        ("absolute with user", b"GET http://u@a/ HTTP/1.1\r\n", RequestTarget),
        ("absolute with %", b"GET http://a%2e/ HTTP/1.1\r\n", RequestTarget),
        ("absolute with a large port", b"GET http://a:65536/ HTTP/1.1\r\n", RequestTarget),
        ("CONNECT to a path", b"CONNECT /a HTTP/1.1\r\n", RequestTarget),
        ("CONNECT without a port", b"CONNECT a HTTP/1.1\r\n", RequestTarget),
        ("CONNECT with an empty port", b"CONNECT a: HTTP/1.1\r\n", RequestTarget),
        ("CONNECT with a URL", b"CONNECT http://a:80/ HTTP/1.1\r\n", RequestTarget),
        // Field lines
        ("space before the colon", b"GET / HTTP/1.1\r\nHost : a\r\n", RequestHeader),
        ("tab before the colon", b"GET / HTTP/1.1\r\nHost\t: a\r\n", RequestHeader),
        ("no colon", b"GET / HTTP/1.1\r\nHost\r\n\r\n", RequestHeader),
        ("empty name", b"GET / HTTP/1.1\r\n: a\r\n", RequestHeader),
        ("name with a space", b"GET / HTTP/1.1\r\nX Y: a\r\n", RequestHeader),
        ("name with NUL", b"GET / HTTP/1.1\r\nX\0: a\r\n", RequestHeader),
        ("name beyond ASCII", b"GET / HTTP/1.1\r\nX\xC3\xA4: a\r\n", RequestHeader),
        ("name with a slash", b"GET / HTTP/1.1\r\nX/Y: a\r\n", RequestHeader),
        ("name in brackets", b"GET / HTTP/1.1\r\n[X]: a\r\n", RequestHeader),
        ("space before the first field", b"GET / HTTP/1.1\r\n Host: a\r\n", RequestHeader),
        ("obs-fold", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", RequestHeader),
        ("obs-fold with a tab", b"GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", RequestHeader),
        ("obs-fold of nothing", b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", RequestHeader),
        ("NUL in a value", b"GET / HTTP/1.1\r\nX: a\0b\r\n", RequestHeader),
        ("escape in a value", b"GET / HTTP/1.1\r\nX: \x1B[0m\r\n", RequestHeader),
        ("DEL in a value", b"GET / HTTP/1.1\r\nX: abcdefghij\x7F\r\n", RequestHeader),
        ("form feed in a value", b"GET / HTTP/1.1\r\nX: \x0Ca\r\n", RequestHeader),
        ("bare LF after a value", b"GET / HTTP/1.1\r\nHost: a\n\r\n", RequestHeader),
        ("bare LF in a value", b"GET / HTTP/1.1\r\nX: a\nY: b\r\n", RequestHeader),
        ("bare CR in a value", b"GET / HTTP/1.1\r\nX: a\rY: b\r\n", RequestHeader),
        ("two CR after a value", b"GET / HTTP/1.1\r\nX: a\r\r\n", RequestHeader),
        ("bare LF for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", RequestHeader),
        ("bare CR for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", RequestHeader),
        // Host
        ("no Host", b"GET / HTTP/1.1\r\n\r\n", RequestHost),
        ("no Host with an absolute target", b"GET http://a/ HTTP/1.1\r\n\r\n", RequestHost),
        ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", RequestHost),
        ("the same Host twice", b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n", RequestHost),
        ("two Hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n", RequestHost),
        ("an empty Host and another", b"GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n", RequestHost),
        ("Host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n", RequestHost),
        ("Host with a comma", b"GET / HTTP/1.1\r\nHost: a,b\r\n", RequestHost),
        ("Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n", RequestHost),
        ("Host with userinfo", b"GET / HTTP/1.1\r\nHost: u@a\r\n", RequestHost),
        ("Host with a scheme", b"GET / HTTP/1.1\r\nHost: http://a\r\n", RequestHost),
        ("Host with a query", b"GET / HTTP/1.1\r\nHost: a?b\r\n", RequestHost),
        ("Host with a fragment", b"GET / HTTP/1.1\r\nHost: a#b\r\n", RequestHost),
        ("Host with %", b"GET / HTTP/1.1\r\nHost: a%00\r\n", RequestHost),
        ("Host beyond ASCII", b"GET / HTTP/1.1\r\nHost: \xC3\xA4.de\r\n", RequestHost),
        ("Host with a port alone", b"GET / HTTP/1.1\r\nHost: :80\r\n", RequestHost),
        ("Host with two ports", b"GET / HTTP/1.1\r\nHost: a:80:90\r\n", RequestHost),
        ("Host with a port that is none", b"GET / HTTP/1.1\r\nHost: a:http\r\n", RequestHost),
        ("Host with a large port", b"GET / HTTP/1.1\r\nHost: a:99999\r\n", RequestHost),
        ("Host with a backslash", b"GET / HTTP/1.1\r\nHost: a\\b\r\n", RequestHost),
        ("Host with a bare IPv6 address", b"GET / HTTP/1.1\r\nHost: ::1\r\n", RequestHost),
        ("Host with an open bracket", b"GET / HTTP/1.1\r\nHost: [::1\r\n", RequestHost),
        ("Host with a name in brackets", b"GET / HTTP/1.1\r\nHost: [name]\r\n", RequestHost),
        ("Host with a zone", b"GET / HTTP/1.1\r\nHost: [fe80::1%eth0]\r\n", RequestHost),
        ("Host with more after it", b"GET / HTTP/1.1\r\nHost: [::1]a\r\n", RequestHost),
        ("Host with many colons", b"GET / HTTP/1.1\r\nHost: [:::::::::]\r\n", RequestHost),
        // Framing
        (
            "CL and TE",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            RequestFraming,
        ),
        (
            "TE and CL",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            RequestFraming,
        ),
        (
            "CL 0 and TE",
            b"POST / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            RequestFraming,
        ),
        (
            "two lengths",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
            RequestFraming,
        ),
        (
            "the same length twice",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n",
            RequestFraming,
        ),
        ("a list of lengths", b"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n", RequestFraming),
        ("empty length", b"POST / HTTP/1.1\r\nContent-Length:\r\n", RequestFraming),
        ("length of spaces", b"POST / HTTP/1.1\r\nContent-Length:  \t \r\n", RequestFraming),
        ("length with plus", b"POST / HTTP/1.1\r\nContent-Length: +1\r\n", RequestFraming),
        ("length with minus", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n", RequestFraming),
        ("length in hex", b"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n", RequestFraming),
        ("length with a point", b"POST / HTTP/1.1\r\nContent-Length: 1.0\r\n", RequestFraming),
        (
            "length with a space within",
            b"POST / HTTP/1.1\r\nContent-Length: 1 0\r\n",
            RequestFraming,
        ),
        (
            "length with an underscore",
            b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n",
            RequestFraming,
        ),
        (
            "length of 2^63",
            b"POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n",
            RequestFraming,
        ),
        (
            "length beyond 2^64",
            b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n",
            RequestFraming,
        ),
        ("TE gzip", b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n", RequestFraming),
        (
            "TE gzip, chunked",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
            RequestFraming,
        ),
        (
            "TE chunked, gzip",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n",
            RequestFraming,
        ),
        (
            "TE chunked, chunked",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n",
            RequestFraming,
        ),
        ("TE identity", b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n", RequestFraming),
        ("TE empty", b"POST / HTTP/1.1\r\nTransfer-Encoding:\r\n", RequestFraming),
        ("TE cut short", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunke\r\n", RequestFraming),
        ("TE too long", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunkedd\r\n", RequestFraming),
        ("TE with a comma", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked,\r\n", RequestFraming),
        (
            "TE with a comma first",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: ,chunked\r\n",
            RequestFraming,
        ),
        (
            "TE with a parameter",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked;q=1\r\n",
            RequestFraming,
        ),
        ("TE in quotes", b"POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n", RequestFraming),
        (
            "TE with a high byte",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: \xA0chunked\r\n",
            RequestFraming,
        ),
        (
            "TE with vertical tab",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0Bchunked\r\n",
            RequestHeader,
        ),
        (
            "TE twice",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            RequestFraming,
        ),
        ("TE in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", RequestFraming),
    ]
};

/// Behind the head of a chunked request.
const CHUNKS: &[Case] = {
    use Reject::{RequestChunk, RequestFraming, RequestHeader, RequestHost};
    &[
        ("no size", b"\r\nabc", RequestChunk),
        ("size that is none", b"x\r\n", RequestChunk),
        ("size with 0x", b"0x5\r\n", RequestChunk),
        ("size with plus", b"+5\r\n", RequestChunk),
        ("size with minus", b"-5\r\n", RequestChunk),
        ("size with a space before", b" 5\r\n", RequestChunk),
        ("size with a space behind", b"5 \r\nhello\r\n", RequestChunk),
        ("size with a space within", b"5 5\r\n", RequestChunk),
        ("size with an underscore", b"5_0\r\n", RequestChunk),
        ("size of 17 digits", b"00000000000000005\r\n", RequestChunk),
        ("size of 2^63", b"8000000000000000\r\n", RequestChunk),
        ("size of 2^64 - 1", b"ffffffffffffffff\r\n", RequestChunk),
        ("extension without a size", b";a=b\r\n", RequestChunk),
        ("bare LF after the size", b"5\nhello\r\n", RequestChunk),
        ("bare CR after the size", b"5\rhello\r\n", RequestChunk),
        ("bare LF in an extension", b"5;a\nhello\r\n", RequestChunk),
        ("bare CR in an extension", b"5;a\rb\r\nhello\r\n", RequestChunk),
        ("NUL in an extension", b"5;a=\0\r\nhello\r\n", RequestChunk),
        ("DEL in an extension", b"5;\x7F\r\nhello\r\n", RequestChunk),
        ("data too long", b"5\r\nhello!\r\n", RequestChunk),
        ("data too short", b"5\r\nhell\r\n0\r\n\r\n", RequestChunk),
        ("bare LF after the data", b"5\r\nhello\n0\r\n\r\n", RequestChunk),
        ("bare CR after the data", b"5\r\nhello\r0\r\n\r\n", RequestChunk),
        ("no line end after the data", b"5\r\nhello0\r\n\r\n", RequestChunk),
        ("bare LF after the last size", b"0\n\r\n", RequestChunk),
        ("bare LF at the end", b"0\r\n\n", RequestHeader),
        ("bare CR at the end", b"0\r\n\rG", RequestHeader),
        ("the next request instead of the end", b"0\r\nGET / HTTP/1.1\r\n", RequestHeader),
        ("trailer with a space before the colon", b"0\r\nX : a\r\n\r\n", RequestHeader),
        ("trailer folded", b"0\r\nX: a\r\n b\r\n\r\n", RequestHeader),
        ("trailer with NUL", b"0\r\nX: \0\r\n\r\n", RequestHeader),
        ("trailer with a bare LF", b"0\r\nX: a\n\r\n", RequestHeader),
        ("Content-Length as a trailer", b"0\r\nContent-Length: 5\r\n\r\n", RequestFraming),
        ("Transfer-Encoding as a trailer", b"0\r\nTransfer-Encoding: chunked\r\n", RequestFraming),
        ("Host as a trailer", b"0\r\nHost: b\r\n\r\n", RequestHost),
        ("Connection as a trailer", b"0\r\nConnection: close\r\n\r\n", RequestHeader),
        ("Upgrade as a trailer", b"0\r\nUpgrade: websocket\r\n\r\n", RequestHeader),
    ]
};

const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const PLAIN: &[u8] = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_malformed_head_is_refused_by_its_name() {
    for &(name, bytes, reject) in HEADS {
        let outcome = feed_every_way(name, bytes, &WIDE);
        assert_eq!(outcome, Outcome::refused(reject, 0, 0), "{name}");
    }
}

#[test]
fn a_malformed_head_is_refused_behind_a_good_message_too() {
    for &(name, bytes, reject) in HEADS {
        // The empty line is tolerated once more before each request.
        let pipeline = [PLAIN, bytes].concat();
        let outcome = feed_every_way(name, &pipeline, &WIDE);
        assert_eq!(outcome, Outcome::refused(reject, 1, 1), "{name}");

        let refused = super::Guard::new().inspect(&pipeline, &WIDE).unwrap_err();
        assert_eq!(refused.accepted, PLAIN.len(), "{name}: nothing of the bad head goes on");
    }
}

#[test]
fn a_malformed_chunk_is_refused_by_its_name() {
    for &(name, bytes, reject) in CHUNKS {
        let message = [CHUNKED, bytes].concat();
        let outcome = feed_every_way(name, &message, &WIDE);
        assert_eq!(outcome, Outcome::refused(reject, 1, 0), "{name}");

        let refused = super::Guard::new().inspect(&message, &WIDE).unwrap_err();
        let accepted = refused.accepted;
        assert!((CHUNKED.len()..message.len()).contains(&accepted), "{name}: {accepted}");
    }
}

/// A control byte is refused wherever in a value it stands, and whatever stands around it: the fast
/// run looks at eight bytes at once.
#[test]
fn every_control_byte_is_found_at_every_place_of_a_value() {
    for byte in (0..0x20).chain([0x7F]).filter(|byte| !b"\t\r".contains(byte)) {
        for at in 0..40 {
            for filler in [b'a', b' ', b'!', b'~', 0x80, 0xFF] {
                let mut value = [filler; 40];
                value[at] = byte;
                let head = [b"GET / HTTP/1.1\r\nX:", &value[..], b"\r\nHost: a\r\n\r\n"].concat();
                assert_eq!(feed([&head[..]], &WIDE).reject, Some(Reject::RequestHeader));
            }
        }
    }
}

#[test]
fn the_tables_are_long_enough() {
    assert!(HEADS.len() + CHUNKS.len() >= 80);
}
