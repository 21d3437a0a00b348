//! What was said last on a connection of HTTP/1: so that a request that it lost can be sent again.
//!
//! The library takes a request and gives it back only if it has not begun to write it. To hold a
//! copy ready for every request, in case that its connection ends without a word, costs more than all
//! that the chain does; the bytes that were written cost nothing but a place to keep them. They are read
//! again in the rare case.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use parking_lot::Mutex;

use crate::message::RequestBody;

/// Bytes of memory that a connection keeps for the head of its last request.
const KEPT: usize = 4 << 10;

/// What was said last on a connection.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    /// Whether the origin has said anything since the last request was begun.
    heard: AtomicBool,
    /// Whether what is said to the origin is kept.
    keeps: AtomicBool,
    said: Mutex<Vec<u8>>,
}

impl Dialogue {
    /// A request begins; it is kept if it may be sent again, which asks for one without a body.
    pub(super) fn begin(&self, keep: bool) {
        self.heard.store(false, Relaxed);
        self.keeps.store(keep, Relaxed);
        if keep {
            let mut said = self.said.lock();
            said.clear();
            said.shrink_to(KEPT);
        }
    }

    /// The origin has said something.
    pub(super) fn hear(&self) {
        self.heard.store(true, Relaxed);
    }

    /// The origin is told this.
    pub(super) fn say(&self, bytes: &[u8]) {
        if self.keeps.load(Relaxed) {
            self.said.lock().extend_from_slice(bytes);
        }
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

/// Reads a head that was written here.
fn read(head: &[u8]) -> Option<Request<RequestBody>> {
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    let mut fields = vec![httparse::EMPTY_HEADER; lines];
    let mut parsed = httparse::Request::new(&mut fields);
    parsed.parse(head).ok().filter(httparse::Status::is_complete)?;
    let mut request = Request::new(RequestBody::Empty);
    *request.method_mut() = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    *request.uri_mut() = Uri::try_from(parsed.path?).ok()?;
    for field in parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(field.value).ok()?);
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
    fn one_that_was_not_kept_or_not_whole_is_not() {
        for (keep, head) in [(false, HEAD), (true, &HEAD[1..60])] {
            let dialogue = Dialogue::default();
            dialogue.begin(keep);
            dialogue.say(head);
            assert!(dialogue.kept().is_none(), "{keep}");
        }
        let dialogue = Dialogue::default();
        dialogue.hear();
        assert!(dialogue.has_heard());
        dialogue.begin(true);
        assert!(!dialogue.has_heard(), "that was about the one before");
    }
}
