//! [`Waiting`]: answers that are to be written, or are being written.
//!
//! In: names. Out: whether an answer is still to get its name when its turn comes. What is forgotten meanwhile is
//! in no index yet, and no stamp says so; no more names than there is room for in the queue.

use std::collections::BTreeMap;

use super::{index::all_of_url, name::Name};

/// Answers that are to be written: the number of the newest of each name.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    all: BTreeMap<Name, u64>,
    last: u64,
}

impl Waiting {
    /// Takes in one, in place of those of its name that came before; its number.
    pub(super) fn add(&mut self, name: Name) -> u64 {
        self.last += 1;
        self.all.insert(name, self.last);
        self.last
    }

    /// Whether one is still to be written.
    pub(super) fn is_due(&self, name: &Name, number: u64) -> bool {
        self.all.get(name) == Some(&number)
    }

    /// Whether any of this name is.
    pub(super) fn has(&self, name: &Name) -> bool {
        self.all.contains_key(name)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whatever came of one, it waits no more.
    pub(super) fn done(&mut self, name: &Name, number: u64) {
        if self.is_due(name, number) {
            self.all.remove(name);
        }
    }

    /// None of this name is to be written.
    pub(super) fn remove(&mut self, name: &Name) {
        self.all.remove(name);
    }

    /// None of a URL is to be written.
    pub(super) fn remove_url(&mut self, url: u64) {
        let names: Vec<_> = self.all.range(all_of_url(url)).map(|(name, _)| *name).collect();
        names.iter().for_each(|name| self.remove(name));
    }
}
