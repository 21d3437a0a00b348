//! A copy of a client's body, made as the body goes by.
//!
//! In: pieces, as whoever the body is for takes them. Out: all of it, once it has ended. The bytes are
//! copied: a piece that is merely held keeps the buffer that it was read into, however small it is. Nobody
//! waits for the copy, and a body that is too large is given up as soon as that is known.

use bytes::Bytes;
use tokio::sync::oneshot;

/// Why there is no copy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Untapped {
    /// The body is larger than the copy may be.
    TooLarge,
    /// It broke off, or nobody took it to its end.
    BrokenOff,
}

type Copied = Result<Bytes, Untapped>;

/// What makes the copy.
#[derive(Debug)]
pub(super) struct Tap {
    copy: Vec<u8>,
    most: usize,
    whole: oneshot::Sender<Copied>,
}

/// A copy in the making.
#[derive(Debug)]
pub struct Tapped(oneshot::Receiver<Copied>);

impl Tap {
    /// For so many bytes at most, of which so many are known to come.
    pub(super) fn new(most: usize, known: usize) -> (Self, Tapped) {
        let (whole, coming) = oneshot::channel();
        let copy = Vec::with_capacity(known.min(most));
        (Self { copy, most, whole }, Tapped(coming))
    }

    /// Takes a piece; what is left to be taken from, if something is.
    pub(super) fn take(mut self, piece: &[u8]) -> Option<Self> {
        if self.copy.len() + piece.len() > self.most {
            self.say(Err(Untapped::TooLarge));
            return None;
        }
        self.copy.extend_from_slice(piece);
        Some(self)
    }

    /// The body has ended.
    pub(super) fn end(mut self) {
        let copy = std::mem::take(&mut self.copy);
        self.say(Ok(copy.into()));
    }

    fn say(self, copied: Copied) {
        // Whoever wanted it may have gone.
        let _ = self.whole.send(copied);
    }
}

impl Tapped {
    /// The copy, when the body has ended.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn whole(self) -> Result<Bytes, Untapped> {
        self.0.await.unwrap_or(Err(Untapped::BrokenOff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_copied_whole_or_not_at_all() {
        for (pieces, ends, expected) in [
            (&["ab", "cd"][..], true, Ok("abcd")),
            (&["abcde"], true, Ok("abcde")),
            (&[], true, Ok("")),
            (&["abcd", "ef"], true, Err(Untapped::TooLarge)),
            (&["ab"], false, Err(Untapped::BrokenOff)),
        ] {
            let (tap, tapped) = Tap::new(5, 100);
            let tap = pieces.iter().try_fold(tap, |tap, piece| tap.take(piece.as_bytes()));
            if let Some(tap) = tap
                && ends
            {
                tap.end();
            }
            assert_eq!(
                tapped.whole().await,
                expected.map(|body: &str| Bytes::from(body.to_owned())),
                "{pieces:?}"
            );
        }
    }
}
