//! A queue through entries, out of whose middle one can be taken.

use super::entries::Entries;

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) first: u32,
    last: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { first: Self::NOBODY, last: Self::NOBODY }
    }
}

impl Queue {
    /// No entry's number.
    pub(super) const NOBODY: u32 = u32::MAX;

    /// Puts an entry at the end.
    pub(super) fn push(&mut self, at: u32, entries: &mut Entries) {
        let Some(entry) = entries.get_mut(at) else { return };
        (entry.before, entry.after) = (self.last, Self::NOBODY);
        match entries.get_mut(self.last) {
            Some(last) => last.after = at,
            None => self.first = at,
        }
        self.last = at;
    }

    /// Takes an entry out, wherever it is.
    pub(super) fn unlink(&mut self, at: u32, entries: &mut Entries) {
        let Some(entry) = entries.get(at) else { return };
        let (before, after) = (entry.before, entry.after);
        match entries.get_mut(before) {
            Some(entry) => entry.after = after,
            None => self.first = after,
        }
        match entries.get_mut(after) {
            Some(entry) => entry.before = before,
            None => self.last = before,
        }
    }
}
