//! Interim answers (RFC 9110 section 15.2): what an origin says by HTTP/1.1 before its answer.
//!
//! In: bytes as they come from an origin. Out: statuses and fields, for whoever passes them on ([`Onward`]). The
//! library reads over them, or wants a callback made for each request; here an answer that has none costs a
//! look at its first bytes. They are bounded in number and in size: what is more is not passed on.

use std::{
    fmt,
    sync::atomic::{
        AtomicBool, AtomicU8,
        Ordering::{Acquire, Relaxed, Release},
    },
    task::{Context, Poll, Waker},
};

use futures_util::task::AtomicWaker;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;

/// So many wait to be passed on.
const MOST: usize = 16;

/// Bytes of one that has not come whole, and fields of one.
const LONGEST: usize = 16 << 10;
const FIELDS: usize = 100;

/// What comes next: nothing that anybody wants, the beginning of an answer, the rest of an interim one.
const NOTHING: u8 = 0;
const BEGINNING: u8 = 1;
const REST: u8 = 2;

/// An answer before the answer.
#[derive(Debug)]
pub struct Interim {
    /// Its status: neither 100, which is the gateway's own to say, nor 101.
    pub status: StatusCode,
    /// Its fields, as they came.
    pub headers: HeaderMap,
}

/// Who passes interim answers on.
pub trait Onward: fmt::Debug + Send + Sync {
    /// Passes one on.
    fn pass_on(&self, interim: Interim);

    /// Whether the answer itself may follow. If not, whoever waits for it is woken when it may.
    fn is_clear(&self) -> bool;
}

/// Interim answers of one connection, or of another task, that wait to be passed on.
#[derive(Debug, Default)]
pub struct Interims {
    /// What comes next.
    next: AtomicU8,
    /// Whether some wait to be passed on.
    there: AtomicBool,
    found: Mutex<Found>,
    waiting: AtomicWaker,
}

#[derive(Debug, Default)]
struct Found {
    /// What came of one, as long as that is not all.
    begun: Vec<u8>,
    list: Vec<Interim>,
}

/// An answer that is waited for, and what comes before it.
pub struct Before<'a, T> {
    source: Option<(&'a Interims, &'a dyn Onward)>,
    /// The answer, if what came before it has not gone.
    held: Option<Box<T>>,
}

/// What an answer is that begins so.
#[derive(Debug, Eq, PartialEq)]
enum Kind {
    Interim,
    Final,
    /// Too little is known of it.
    Either,
}

impl Interims {
    /// A request begins; its interim answers are wanted or not.
    pub(super) fn begin(&self, wanted: bool) {
        self.next.store(if wanted { BEGINNING } else { NOTHING }, Relaxed);
        if self.there.load(Relaxed) {
            self.forget();
        }
    }

    #[cold]
    fn forget(&self) {
        self.there.store(false, Relaxed);
        *self.found.lock() = Found::default();
    }

    /// Looks at what came.
    #[inline]
    pub(super) fn hear(&self, bytes: &[u8]) {
        match self.next.load(Relaxed) {
            NOTHING => {}
            BEGINNING if kind(bytes) == Kind::Final => self.next.store(NOTHING, Relaxed),
            _ => self.take(bytes),
        }
    }

    /// Takes in what is of an interim answer, or may be.
    #[cold]
    fn take(&self, bytes: &[u8]) {
        let mut found = self.found.lock();
        let next = match (found.take(bytes), found.begun.is_empty()) {
            (false, _) => NOTHING,
            (true, true) => BEGINNING,
            (true, false) => REST,
        };
        self.next.store(next, Relaxed);
        if !found.list.is_empty() {
            self.there.store(true, Release);
            drop(found);
            self.waiting.wake();
        }
    }

    /// Passes on what has come. Whoever still waits for the answer is woken when more comes.
    fn give_all(&self, onward: &dyn Onward, waits: Option<&Waker>) {
        if let Some(waker) = waits {
            self.waiting.register(waker);
        }
        if self.there.load(Acquire) {
            self.give(onward);
        }
    }

    #[cold]
    fn give(&self, onward: &dyn Onward) {
        let list = {
            let mut found = self.found.lock();
            self.there.store(false, Relaxed);
            std::mem::take(&mut found.list)
        };
        list.into_iter().for_each(|interim| onward.pass_on(interim));
    }
}

impl Onward for Interims {
    fn pass_on(&self, interim: Interim) {
        let mut found = self.found.lock();
        if found.list.len() < MOST {
            found.list.push(interim);
        }
        drop(found);
        self.there.store(true, Release);
        self.waiting.wake();
    }

    fn is_clear(&self) -> bool {
        // Whoever takes them waits for who gets them.
        true
    }
}

impl<'a, T> Before<'a, T> {
    /// What comes from there is passed on, if anything is.
    pub fn new(source: Option<(&'a Interims, &'a dyn Onward)>) -> Self {
        Self { source, held: None }
    }

    /// Whether the answer is here, and waits for what came before it.
    pub fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// The answer, when what came before it has gone.
    #[inline]
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        answer: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let came = if self.holds() { Poll::Pending } else { answer(cx) };
        let Some((interims, onward)) = self.source else { return came };
        interims.give_all(onward, came.is_pending().then_some(cx.waker()));
        let is_clear = onward.is_clear();
        if let Poll::Ready(answer) = came {
            if is_clear {
                return Poll::Ready(answer);
            }
            self.held = Some(Box::new(answer));
        }
        match self.held.take_if(|_| is_clear) {
            Some(answer) => Poll::Ready(*answer),
            None => Poll::Pending,
        }
    }
}

impl Found {
    /// Takes in what came; whether there may be more of the kind.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.begun.extend_from_slice(bytes);
        let mut at = 0;
        let goes_on = loop {
            let rest = &self.begun[at..];
            match kind(rest) {
                Kind::Final => break false,
                Kind::Either => break true,
                Kind::Interim => {}
            }
            match read(rest) {
                Some((interim, length)) => {
                    at += length;
                    if self.list.len() < MOST {
                        self.list.extend(interim);
                    }
                }
                // What the library cannot read either ends the connection.
                None => break rest.len() < LONGEST,
            }
        };
        match goes_on {
            true => drop(self.begun.drain(..at)),
            false => self.begun = Vec::new(),
        }
        goes_on
    }
}

fn kind(bytes: &[u8]) -> Kind {
    const INTERIM: &[u8] = b"HTTP/1.1 1";
    const SWITCH: &[u8] = b"HTTP/1.1 101";
    match () {
        () if !bytes.starts_with(INTERIM) && !INTERIM.starts_with(bytes) => Kind::Final,
        () if bytes.starts_with(SWITCH) => Kind::Final,
        () if SWITCH.starts_with(bytes) => Kind::Either,
        () => Kind::Interim,
    }
}

/// The first head of these bytes and how long it is, if it is there; no interim answer if it is one that is not
/// passed on.
fn read(bytes: &[u8]) -> Option<(Option<Interim>, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = parsed.parse(bytes) else { return None };
    let status = StatusCode::from_u16(parsed.code?).ok()?;
    let headers = headers(parsed.headers)?;
    let passes = status != StatusCode::CONTINUE;
    Some((passes.then_some(Interim { status, headers }), length))
}

/// Fields of a head as it was on the wire.
pub(super) fn headers(parsed: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    /// The statuses that are found in this, and whether more would be looked for.
    fn found<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u16>, bool) {
        let interims = Interims::default();
        interims.begin(true);
        pieces.into_iter().for_each(|piece| interims.hear(piece));
        let found = interims.found.lock();
        assert_eq!(!found.list.is_empty(), interims.there.load(Relaxed));
        let statuses = found.list.iter().map(|interim| interim.status.as_u16());
        (statuses.collect(), interims.next.load(Relaxed) != NOTHING)
    }

    #[test]
    fn what_comes_before_an_answer_is_found_and_nothing_else() {
        let long = format!("HTTP/1.1 103 X\r\na: {}\r\n\r\n", "x".repeat(LONGEST));
        for (text, statuses, goes_on) in [
            ("", &[][..], true),
            ("HTTP/1.1 1", &[], true),
            (EARLY, &[103], true),
            (OK, &[], false),
            (&format!("{EARLY}{OK}{EARLY}"), &[103], false),
            (&format!("HTTP/1.1 102 P\r\n\r\n{EARLY}{OK}"), &[102, 103], false),
            (&format!("HTTP/1.1 100 Continue\r\n\r\n{EARLY}"), &[103], true),
            (&format!("HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n{EARLY}"), &[], false),
            ("HTTP/1.1 199 \r\n\r\n", &[199], true),
            ("HTTP/1.0 103 Early Hints\r\n\r\n", &[], false),
            ("HTTP/1.1 103 X\r\na b: c\r\n\r\n", &[], true),
            (&long[..LONGEST], &[], false),
            (&EARLY.repeat(MOST + 9), &[103; MOST], true),
            ("nonsense", &[], false),
        ] {
            assert_eq!(found([text.as_bytes()]), (statuses.to_vec(), goes_on), "{text:.60}");
        }
    }

    #[test]
    fn nobody_looks_where_nobody_wants_them() {
        let interims = Interims::default();
        interims.begin(false);
        interims.hear(EARLY.as_bytes());
        assert!(interims.found.lock().list.is_empty());
        interims.begin(true);
        interims.hear(EARLY.as_bytes());
        interims.begin(true);
        assert!(interims.found.lock().list.is_empty(), "it was of the request before");
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same(cuts in prop::collection::vec(1_usize..90, 0..9)) {
            let text = format!("{EARLY}HTTP/1.1 102 P\r\na: b\r\n\r\n{OK}body");
            let (mut rest, mut pieces) = (text.as_bytes(), Vec::new());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            pieces.push(rest);
            prop_assert_eq!(found(pieces), (vec![103, 102], false));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, text in "HTTP/1.1 1[0-9 ]{0,4}[ -~\r\n]{0,40}") {
            found([&bytes[..], text.as_bytes()]);
            found([text.as_bytes(), &bytes[..]]);
        }
    }
}
