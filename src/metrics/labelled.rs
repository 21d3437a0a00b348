//! [`Counters`]: one count for each word of a closed list, such as the reasons of refusals.
//!
//! In: a worker and the index of a word. Out: the words that were counted at all. Most routes never
//! refuse anything, so the blocks are made by the first count.

use std::sync::OnceLock;

use super::{Counter, Labels};
use crate::worker::PerWorker;

/// As many counts as fill the alignment, so that a worker's last group is nobody else's line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Group([Counter; GROUP]);

const GROUP: usize = 16;

/// One count for each word of a closed list.
#[derive(Debug)]
pub struct Counters {
    labels: Labels,
    workers: usize,
    shards: OnceLock<PerWorker<Box<[Group]>>>,
}

impl Counters {
    /// Counts for `labels`, without any memory yet.
    pub const fn new(labels: Labels, workers: usize) -> Self {
        Self { labels, workers, shards: OnceLock::new() }
    }

    /// One more of the word at `label`. An index beyond the words is nobody's and not counted.
    pub fn inc(&self, worker: usize, label: usize) {
        let shards = self.shards.get_or_init(|| self.allocate());
        if let Some(group) = shards.at(worker).get(label / GROUP) {
            group.0[label % GROUP].inc();
        }
    }

    /// The words that were counted at least once, and how often.
    pub fn counted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.shards.get().into_iter().flat_map(|shards| {
            self.labels.iter().enumerate().filter_map(|(label, word)| {
                let count = shards.sum(|groups| groups[label / GROUP].0[label % GROUP].get());
                (count > 0).then_some((*word, count))
            })
        })
    }

    fn allocate(&self) -> PerWorker<Box<[Group]>> {
        let groups = self.labels.len().div_ceil(GROUP);
        PerWorker::with(self.workers, |_| (0..groups).map(|_| Group::default()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WORDS: [&str; 18] =
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r"];

    #[test]
    fn only_counted_words_are_told() {
        let counters = Counters::new(&WORDS, 2);
        assert_eq!(counters.counted().count(), 0);
        assert!(counters.shards.get().is_none(), "no memory before the first count");
        counters.inc(0, 1);
        counters.inc(1, 1);
        counters.inc(9, 17);
        counters.inc(0, 18);
        counters.inc(0, usize::MAX);
        assert_eq!(counters.counted().collect::<Vec<_>>(), [("b", 2), ("r", 1)]);
    }
}
