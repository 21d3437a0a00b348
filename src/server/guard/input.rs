//! The bytes not looked at yet, and what a machine says when it has looked at some.
//!
//! In: a slice. Out: runs of it. It copies nothing and refuses nothing.

use super::octets::{self, Octets};
use crate::reject::Reject;

/// What a machine says: it is done, it needs more bytes (`None`), or it refuses.
pub(super) type Step<T> = Result<Option<T>, Reject>;

/// The bytes not looked at yet.
pub(super) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Skips these bytes, if they come next.
    pub(super) fn skip_prefix<const N: usize>(&mut self, prefix: &[u8; N]) -> bool {
        let is_next = self.rest.first_chunk() == Some(prefix);
        if is_next {
            self.skip(N);
        }
        is_next
    }

    /// Skips one byte that must come next.
    pub(super) fn one(&mut self, byte: u8, otherwise: Reject) -> Step<()> {
        match self.peek() {
            None => Ok(None),
            Some(next) if next == byte => {
                self.skip(1);
                Ok(Some(()))
            }
            Some(_) => Err(otherwise),
        }
    }

    /// Takes the bytes from here on that are in the set.
    pub(super) fn run(&mut self, set: &Octets) -> &'a [u8] {
        self.take(octets::run(self.rest, set))
    }

    /// Skips the bytes from here on that are in the set; there may be many.
    pub(super) fn skip_run(&mut self, set: &Octets) {
        self.skip(octets::long_run(self.rest, set));
    }

    /// Takes the bytes from here on that may stand in a field's value.
    pub(super) fn value_run(&mut self) -> &'a [u8] {
        self.take(octets::value_run(self.rest))
    }

    /// Lets a machine see no more than `left` bytes, and refuses when it wants one more than that.
    ///
    /// What it took is taken off `left`. Because it never sees a byte beyond the bound, the bound is
    /// found at the same byte however the bytes were cut on their way.
    pub(super) fn bounded<T>(
        &mut self,
        left: &mut usize,
        over: Reject,
        machine: impl FnOnce(&mut Self) -> Step<T>,
    ) -> Step<T> {
        let seen = self.rest.len().min(*left);
        let mut window = Input::new(self.rest.get(..seen).unwrap_or_default());
        let done = machine(&mut window)?;
        let taken = seen - window.len();
        *left -= taken;
        self.skip(taken);
        if done.is_none() && !self.rest.is_empty() { Err(over) } else { Ok(done) }
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}
