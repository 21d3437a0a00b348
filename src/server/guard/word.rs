//! A method or a field name that may arrive in pieces.
//!
//! In: the pieces. Out: the word, long enough to tell the few words that matter from all others.
//! A word that arrives whole is not copied.

/// The pieces of a word so far.
pub(super) struct Word {
    length: usize,
    bytes: [u8; Self::KEPT],
}

impl Word {
    /// One more than `transfer-encoding`, the longest word that matters, so that what is cut here
    /// equals none of them.
    const KEPT: usize = 18;

    pub(super) const fn new() -> Self {
        Self { length: 0, bytes: [0; Self::KEPT] }
    }

    /// Forgets the word; the next piece is another word's first.
    pub(super) const fn clear(&mut self) {
        self.length = 0;
    }

    /// Adds a piece; the next one comes with other bytes.
    pub(super) fn add(&mut self, piece: &[u8]) {
        let free = self.bytes.get_mut(self.length..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(piece) {
            *to = *from;
        }
        self.length += piece.len();
    }

    /// The word with its last piece; cut when it is longer than what matters.
    pub(super) fn join<'a>(&'a mut self, last: &'a [u8]) -> &'a [u8] {
        if self.length == 0 {
            return last;
        }
        self.add(last);
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// How long the word is with its last piece.
    pub(super) const fn length_with(&self, last: &[u8]) -> usize {
        self.length + last.len()
    }
}
