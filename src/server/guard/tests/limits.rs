//! The bounds: what is as large as they say passes, and one byte more is refused when it comes.

use super::{HeadLimits, Outcome, WIDE, feed, feed_every_way};
use crate::{reject::Reject, server::guard::Guard};

const HEAD: &[u8] = b"GET /12345 HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
const LINE: usize = b"GET /12345 HTTP/1.1".len();
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// How many bytes pass before the refusal, when they come one by one.
fn refused_after(bytes: &[u8], limits: &HeadLimits) -> (usize, Reject) {
    let mut guard = Guard::new();
    for (at, byte) in bytes.chunks(1).enumerate() {
        if let Err(refused) = guard.inspect(byte, limits) {
            return (at, refused.reject);
        }
    }
    panic!("nothing was refused");
}

#[test]
fn a_head_may_be_as_large_as_the_bound() {
    let limits = HeadLimits { max_header_size: HEAD.len(), ..WIDE };
    assert_eq!(feed_every_way("head", HEAD, &limits), Outcome::idle(1));
    let pipeline = [b"\r\n", HEAD, HEAD].concat();
    assert_eq!(feed_every_way("pipeline", &pipeline, &limits), Outcome::idle(2));

    for max_header_size in 0..HEAD.len() {
        let limits = HeadLimits { max_header_size, ..WIDE };
        let outcome = feed_every_way("larger head", HEAD, &limits);
        assert_eq!(outcome, Outcome::refused(Reject::HeaderTooLarge, 0, 0));
        assert_eq!(refused_after(HEAD, &limits), (max_header_size, Reject::HeaderTooLarge));
    }
}

#[test]
fn a_request_line_may_be_as_long_as_the_bound() {
    let limits = HeadLimits { max_request_line: LINE, ..WIDE };
    assert_eq!(feed_every_way("line", HEAD, &limits), Outcome::idle(1));
    for max_request_line in 0..LINE {
        let limits = HeadLimits { max_request_line, ..WIDE };
        let outcome = feed_every_way("longer line", HEAD, &limits);
        assert_eq!(outcome, Outcome::refused(Reject::TargetTooLong, 0, 0));
        assert_eq!(refused_after(HEAD, &limits), (max_request_line + 2, Reject::TargetTooLong));
    }
}

#[test]
fn a_request_line_is_never_longer_than_a_uri_may_be() {
    const LONGEST: usize = 65_534;
    let wide = HeadLimits { max_header_size: 1 << 20, max_request_line: 1 << 20, ..WIDE };
    for (length, reject) in [(LONGEST, None), (LONGEST + 1, Some(Reject::TargetTooLong))] {
        let path = "a".repeat(length - "GET / HTTP/1.1".len());
        let head = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(feed([head.as_bytes()], &wide).reject, reject);
        assert_eq!(feed(head.as_bytes().chunks(1000), &wide).reject, reject);
    }
}

#[test]
fn a_field_name_is_never_longer_than_the_http_crate_takes() {
    const LONGEST: usize = 65_535;
    let wide = HeadLimits { max_header_size: 1 << 20, ..WIDE };
    for (length, reject) in [(LONGEST, None), (LONGEST + 1, Some(Reject::HeaderTooLarge))] {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}: b\r\n\r\n", "a".repeat(length));
        assert_eq!(feed([head.as_bytes()], &wide).reject, reject);
        assert_eq!(feed(head.as_bytes().chunks(1000), &wide).reject, reject);
    }
}

#[test]
fn there_may_be_as_many_fields_as_the_bound() {
    let two = HeadLimits { max_headers: 2, ..WIDE };
    assert_eq!(feed_every_way("two fields", HEAD, &two), Outcome::idle(1));
    let one = HeadLimits { max_headers: 1, ..WIDE };
    let outcome = feed_every_way("one field too many", HEAD, &one);
    assert_eq!(outcome, Outcome::refused(Reject::TooManyHeaders, 0, 0));
    let second_field = HEAD.windows(2).position(|bytes| bytes == b"X:").unwrap();
    assert_eq!(refused_after(HEAD, &one), (second_field, Reject::TooManyHeaders));
}

#[test]
fn trailers_have_the_same_bounds() {
    let trailers = [CHUNKED, b"0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"].concat();
    let three = HeadLimits { max_headers: 3, ..WIDE };
    assert_eq!(feed_every_way("three trailers", &trailers, &three), Outcome::idle(1));
    let two = HeadLimits { max_headers: 2, ..WIDE };
    let outcome = feed_every_way("one trailer too many", &trailers, &two);
    assert_eq!(outcome, Outcome::refused(Reject::TooManyHeaders, 1, 0));

    let padding = "x".repeat(CHUNKED.len());
    let trailers = [CHUNKED, b"0\r\nA: ", padding.as_bytes(), b"\r\n\r\n"].concat();
    let small = HeadLimits { max_header_size: CHUNKED.len(), ..WIDE };
    let outcome = feed_every_way("trailers too large", &trailers, &small);
    assert_eq!(outcome, Outcome::refused(Reject::HeaderTooLarge, 1, 0));
}

#[test]
fn extensions_are_bounded_over_the_whole_body() {
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(1023));
    for (chunks, last, reject) in [
        (15, "x".repeat(1022), None),
        (15, "x".repeat(1023), Some(Reject::RequestChunk)),
        (16, String::new(), Some(Reject::RequestChunk)),
    ] {
        let body = format!("{}0;{last}\r\n\r\n", chunk.repeat(chunks));
        let message = [CHUNKED, body.as_bytes()].concat();
        assert_eq!(feed([&message[..]], &WIDE).reject, reject);
        assert_eq!(feed(message.chunks(7), &WIDE).reject, reject);
    }
}

#[test]
fn the_state_of_a_connection_is_small() {
    assert!(size_of::<Guard>() <= 192, "{}", size_of::<Guard>());
}
