//! [`PerWorker`]: a block for each worker, on cache lines of its own.
//!
//! In: a worker's index. Out: its block; for a scrape, the sum over all. There is one block more than
//! workers: every index beyond them lands in it, so a control thread, or a worker that a reload
//! added after the blocks were made, is slower but never wrong.

use std::iter::Sum;

/// Two lines, because x86 prefetches them in pairs and some ARM cores have lines of 128 bytes.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// A block for each worker.
#[derive(Debug)]
pub struct PerWorker<T> {
    shards: Box<[Padded<T>]>,
}

impl<T: Default> PerWorker<T> {
    /// Blocks for the workers `0..workers`, and one for everybody else.
    pub fn new(workers: usize) -> Self {
        Self::with(workers, |_| T::default())
    }
}

impl<T> PerWorker<T> {
    /// As [`PerWorker::new`], with blocks from `make`, which is told whose it is.
    pub fn with(workers: usize, make: impl Fn(usize) -> T) -> Self {
        Self { shards: (0..=workers).map(|worker| Padded(make(worker))).collect() }
    }

    /// How many workers have a block of their own.
    pub fn workers(&self) -> usize {
        self.shards.len() - 1
    }

    /// The block of this worker.
    pub fn at(&self, worker: usize) -> &T {
        &self.shards[worker.min(self.workers())].0
    }

    /// What `read` finds in the blocks, added up. Another worker may be counting meanwhile; each cell
    /// is read once, so the sum of a count never falls between two scrapes.
    pub fn sum<N: Sum<N>>(&self, read: impl Fn(&T) -> N) -> N {
        self.shards.iter().map(|shard| read(&shard.0)).sum()
    }

    /// The blocks.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().map(|shard| &shard.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    fn no_two_blocks_share_a_line() {
        let blocks = PerWorker::<AtomicU64>::new(3);
        let addresses: Vec<_> = blocks.iter().map(|cell| std::ptr::from_ref(cell).addr()).collect();
        assert_eq!(addresses.len(), 4);
        assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] >= 128));
        assert!(addresses.iter().all(|address| address % 128 == 0));
    }

    #[test]
    fn any_index_counts_and_only_the_sum_matters() {
        let blocks = PerWorker::<(AtomicU64, AtomicI64)>::new(2);
        for worker in [0, 1, 2, 77, usize::MAX] {
            blocks.at(worker).0.fetch_add(1, Relaxed);
            blocks.at(worker).1.fetch_add(1, Relaxed);
        }
        for _ in 0..5 {
            blocks.at(0).1.fetch_sub(1, Relaxed);
        }
        assert_eq!(blocks.sum(|shard| shard.0.load(Relaxed)), 5);
        assert_eq!(blocks.sum(|shard| shard.1.load(Relaxed)), 0);
    }

    #[test]
    fn counts_of_many_threads_add_up() {
        let blocks = PerWorker::<AtomicU64>::new(2);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let blocks = &blocks;
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        blocks.at(worker).fetch_add(1, Relaxed);
                    }
                });
            }
        });
        assert_eq!(blocks.sum(|cell| cell.load(Relaxed)), 40_000);
    }
}
