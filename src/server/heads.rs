//! Whether a client of HTTP/2 is within the head of a request: so that one that never ends it is not waited for.
//!
//! In: every byte that it sends. Out: whether the last of them leaves something open that is no body: the preface, a
//! frame's own head, or HEADERS and CONTINUATION before END_HEADERS (RFC 9113 sections 3.4, 4.1 and 6.10). What is in
//! them, and whether it may stand there, is the library's to say.

/// Bytes of the preface.
const PREFACE: u8 = 24;

/// Bytes of a frame's head: the payload's length, kind, flags, stream.
const FRAME: usize = 9;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// How far a client's bytes have come.
pub(super) struct Heads {
    /// What is left of the preface.
    preface: u8,
    /// The head of the frame that comes, as far as it has.
    frame: [u8; FRAME],
    has: usize,
    /// What is left of its payload.
    payload: usize,
    /// Whether a request's head goes on after this frame.
    goes_on: bool,
}

impl Heads {
    pub(super) const fn new() -> Self {
        Self { preface: PREFACE, frame: [0; FRAME], has: 0, payload: 0, goes_on: false }
    }

    /// Follows bytes; says whether a head is open after them.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) -> bool {
        let skipped = bytes.len().min(usize::from(self.preface));
        // Never more than the preface has.
        self.preface -= u8::try_from(skipped).unwrap_or(self.preface);
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            let passed = bytes.len().min(self.payload);
            self.payload -= passed;
            bytes = &bytes[passed..];
            let taken = bytes.len().min(FRAME - self.has);
            if self.payload == 0 {
                self.frame[self.has..self.has + taken].copy_from_slice(&bytes[..taken]);
                self.has += taken;
                bytes = &bytes[taken..];
            }
            if self.has == FRAME {
                self.begin();
            }
        }
        self.is_open()
    }

    /// The frame's head is whole: its payload comes.
    fn begin(&mut self) {
        let [a, b, c, kind, flags, ..] = self.frame;
        self.has = 0;
        self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.goes_on = flags & END_HEADERS == 0;
        }
    }

    fn is_open(&self) -> bool {
        let within = self.payload > 0 && matches!(self.frame[3], HEADERS | CONTINUATION);
        self.preface > 0 || self.has > 0 || within || self.goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: u8 = 4;
    const DATA: u8 = 0;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME + usize::from(length), b'x');
        frame
    }

    /// What is said after each byte.
    fn said(bytes: &[u8]) -> Vec<bool> {
        let mut heads = Heads::new();
        heads.follow(&[b'P'; PREFACE as usize]);
        bytes.chunks(1).map(|byte| heads.follow(byte)).collect()
    }

    #[test]
    fn a_head_is_open_until_its_last_frame_has_come() {
        let open = |bytes: &[u8]| said(bytes).last().copied();
        let head = frame(HEADERS, END_HEADERS, 5);
        assert_eq!(open(&head), Some(false));
        assert!(said(&head)[..head.len() - 1].iter().all(|open| *open));
        let pieces = [frame(HEADERS, 0, 5), frame(CONTINUATION, 0, 0)].concat();
        assert!(said(&pieces).iter().all(|open| *open));
        let whole = [pieces, frame(CONTINUATION, END_HEADERS, 3)].concat();
        assert_eq!(open(&whole), Some(false));
        assert_eq!(open(&frame(HEADERS, END_HEADERS, 0)), Some(false));
        assert_eq!(open(&frame(SETTINGS, 0, 6)), Some(false));
        assert_eq!(open(&frame(SETTINGS, 0, 6)[..5]), Some(true), "the head of a frame");
        // A body is none, however much of it is to come.
        assert_eq!(open(&frame(DATA, 0, 9)[..12]), Some(false));
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_come() {
        let bytes = [
            vec![b'P'; PREFACE as usize],
            frame(SETTINGS, 0, 0),
            frame(HEADERS, 0, 20),
            frame(CONTINUATION, END_HEADERS, 7),
            frame(DATA, 1, 100),
            frame(HEADERS, END_HEADERS, 1),
        ]
        .concat();
        let mut alone = Heads::new();
        let said: Vec<_> = bytes.chunks(1).map(|byte| alone.follow(byte)).collect();
        for size in 1..bytes.len() {
            let mut heads = Heads::new();
            let mut at = 0;
            for piece in bytes.chunks(size) {
                at += piece.len();
                assert_eq!(heads.follow(piece), said[at - 1], "{size} bytes at a time, {at}");
            }
        }
        assert!(said[10] && !said[said.len() - 1]);
    }
}
