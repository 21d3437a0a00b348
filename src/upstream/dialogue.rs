//! What was said last on a connection of HTTP/1: so that a request that it lost can be sent again.
//!
//! The library takes a request and gives it back only if it has not begun to write it. To hold a
//! copy ready for every request, in case that its connection ends without a word, costs more than all
//! that the chain does; the bytes that were written cost nothing but a place to keep them. They are read
//! again in the rare case.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use parking_lot::Mutex;

use super::interim::{Interims, headers};
use crate::message::RequestBody;

/// Bytes of memory that a connection keeps for the head of its last request.
const KEPT: usize = 4 << 10;

/// What was said last on a connection.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    /// Whether the origin has said anything since the last request was begun.
    heard: AtomicBool,
    /// Whether the origin was told any of it.
    told: AtomicBool,
    /// Whether what is said to the origin is kept.
    keeps: AtomicBool,
    said: Mutex<Vec<u8>>,
    /// What the origin says before its answer.
    pub(super) interims: Interims,
}

impl Dialogue {
    /// A request begins; it is kept if it may be sent again, which asks for one without a body.
    pub(super) fn begin(&self, keep: bool) {
        self.heard.store(false, Relaxed);
        self.told.store(false, Relaxed);
        self.keeps.store(keep, Relaxed);
        if keep {
            let mut said = self.said.lock();
            said.clear();
            said.shrink_to(KEPT);
        }
    }

    /// The origin has said this.
    #[inline]
    pub(super) fn hear(&self, bytes: &[u8]) {
        self.heard.store(true, Relaxed);
        self.interims.hear(bytes);
    }

    /// The origin is told this.
    pub(super) fn say(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.told.store(true, Relaxed);
        if self.keeps.load(Relaxed) {
            self.said.lock().extend_from_slice(bytes);
        }
    }

    /// The origin could not be told this. If that is where a request begins nobody has seen it, so it is kept,
    /// whatever it is.
    #[cold]
    pub(super) fn give_up(&self, bytes: &[u8]) {
        if !self.has_told() && !self.keeps.swap(true, Relaxed) {
            self.said.lock().clear();
        }
        if self.keeps.load(Relaxed) {
            self.said.lock().extend_from_slice(bytes);
        }
    }

    /// Whether the origin was told anything since the last request was begun.
    pub(super) fn has_told(&self) -> bool {
        self.told.load(Relaxed)
    }

    /// Whether the origin has said anything since the last request was begun.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.load(Relaxed)
    }

    /// The request that was kept.
    pub(super) fn kept(&self) -> Option<Request<RequestBody>> {
        self.keeps.load(Relaxed).then(|| read(&self.said.lock()))?
    }
}

/// Reads a head that was written here, and a body of which it says the length.
fn read(head: &[u8]) -> Option<Request<RequestBody>> {
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    let mut fields = vec![httparse::EMPTY_HEADER; lines];
    let mut parsed = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = parsed.parse(head).ok()? else { return None };
    let mut request = Request::new(RequestBody::Empty);
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    *request.headers_mut() = headers(parsed.headers)?;
    let body = &head[length..];
    let said = request.headers().get(CONTENT_LENGTH).map(HeaderValue::to_str);
    let said = said.map_or(Some(0), |length| length.ok()?.parse().ok())?;
    if said != body.len() || request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    if !body.is_empty() {
        *request.body_mut() = Bytes::copy_from_slice(body).into();
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /a%20b?c=d HTTP/1.1\r\nhost: x\r\nx-a: 1\r\nx-a: \xe9\t2\r\nx-b: \r\n\r\n";

    #[test]
    fn a_request_that_met_silence_is_at_hand_again() {
        let dialogue = Dialogue::default();
        dialogue.say(b"of the request before");
        dialogue.begin(true);
        for piece in HEAD.chunks(7) {
            dialogue.say(piece);
        }
        assert!(!dialogue.has_heard());
        let request = dialogue.kept().unwrap();
        assert_eq!(request.method(), "GET");
        assert_eq!(request.uri(), "/a%20b?c=d");
        let fields: Vec<_> =
            request.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        let expected: [(&str, &[u8]); 4] =
            [("host", b"x"), ("x-a", b"1"), ("x-a", b"\xe9\t2"), ("x-b", b"")];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_request_that_could_not_be_said_is_at_hand_with_its_body() {
        let post = "POST / HTTP/1.1\r\nhost: x\r\n";
        for (fields, body, kept) in [
            ("\r\n", "", true),
            ("content-length: 0\r\n\r\n", "", true),
            ("content-length: 2\r\n\r\n", "hi", true),
            ("content-length: 3\r\n\r\n", "hi", false),
            ("content-length: 1\r\n\r\n", "hi", false),
            ("transfer-encoding: chunked\r\n\r\n", "2\r\nhi\r\n0\r\n\r\n", false),
        ] {
            let head = format!("{post}{fields}");
            let dialogue = Dialogue::default();
            dialogue.say(b"of the request before");
            dialogue.begin(false);
            dialogue.give_up(head.as_bytes());
            dialogue.give_up(body.as_bytes());
            assert!(!dialogue.has_told());
            let request = dialogue.kept();
            assert_eq!(request.is_some(), kept, "{fields}{body}");
            let size = request.map(|request| http_body::Body::size_hint(request.body()).exact());
            assert_eq!(size, kept.then_some(Some(body.len() as u64)), "{fields}{body}");
            // Of one that the origin was told in part nobody knows what it has seen.
            dialogue.begin(false);
            dialogue.say(&head.as_bytes()[..9]);
            dialogue.give_up(&head.as_bytes()[9..]);
            assert!(dialogue.has_told() && dialogue.kept().is_none());
        }
    }

    #[test]
    fn one_that_was_not_kept_or_not_whole_is_not() {
        for (keep, head) in [(false, HEAD), (true, &HEAD[1..60])] {
            let dialogue = Dialogue::default();
            dialogue.begin(keep);
            dialogue.say(head);
            assert!(dialogue.kept().is_none(), "{keep}");
        }
        let dialogue = Dialogue::default();
        dialogue.hear(b"x");
        assert!(dialogue.has_heard());
        dialogue.begin(true);
        assert!(!dialogue.has_heard(), "that was about the one before");
    }
}
