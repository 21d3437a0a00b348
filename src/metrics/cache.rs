//! [`CacheMetrics`]: what became of the requests of a route that keeps answers, and of its answers.
//!
//! In: each once. Out: counts, for the encoder. What the memory holds is not counted here.

use serde::Serialize;

use super::{Counter, Counters, Labels};
use crate::worker::PerWorker;

/// What became of a request at the cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cached {
    /// It was answered by what was kept and is fresh.
    Hit,
    /// The same with something stale, for want of better or while a fresh one is fetched.
    Stale,
    /// The same after the origin said that it holds.
    Validated,
    /// It waited for what another one fetched.
    Joined,
    /// The origin answered it, and others may have the answer.
    Miss,
    /// It went by.
    Passed,
}

const OUTCOMES: Labels = &["hit", "stale", "validated", "joined", "miss", "passed"];

impl Cached {
    /// Its word.
    pub const fn word(self) -> &'static str {
        OUTCOMES[self as usize]
    }
}

/// What became of the requests of a route that keeps answers, and of its answers.
#[derive(Debug)]
pub struct CacheMetrics {
    requests: Counters,
    refused: Counters,
    stored: PerWorker<Counter>,
}

impl CacheMetrics {
    /// Counts for a route; `reasons` are the words of [`CacheMetrics::refuse`].
    pub fn new(workers: usize, reasons: Labels) -> Self {
        Self {
            requests: Counters::new(OUTCOMES, workers),
            refused: Counters::new(reasons, workers),
            stored: PerWorker::new(workers),
        }
    }

    /// Counts a request.
    #[inline]
    pub fn request(&self, worker: usize, outcome: Cached) {
        self.requests.inc(worker, outcome as usize);
    }

    /// Counts an answer that is kept.
    pub fn store(&self, worker: usize) {
        self.stored.at(worker).inc();
    }

    /// Counts one that is not.
    pub fn refuse(&self, worker: usize, reason: usize) {
        self.refused.inc(worker, reason);
    }

    /// Requests, by what became of them.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.requests.counted()
    }

    /// Answers that are not kept, by reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refused.counted()
    }

    /// Answers that are kept.
    pub(super) fn stored(&self) -> u64 {
        self.stored.sum(Counter::get)
    }
}

/// What the memory for answers holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shelved {
    /// Bytes, everything counted.
    pub bytes: u64,
    /// Bytes that it may hold.
    pub capacity: u64,
    /// URLs of which answers are kept.
    pub objects: u64,
    /// Those that made room for others.
    pub evicted: u64,
    /// Bytes of answers that are on their way and may be kept.
    pub filling: u64,
    /// Bytes of bodies of more than 64 KiB, those included that are not kept any longer but are still read.
    pub large: u64,
    /// What is on the disk, if there is one.
    pub disk: Option<OnDisk>,
}

/// What the disk for answers holds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OnDisk {
    /// `waiting` for another process, `reading` what there is, `ready`, or `off` after errors.
    pub state: &'static str,
    /// Bytes of its files, as far as they are known.
    pub bytes: u64,
    /// Bytes that they may have.
    pub capacity: u64,
    /// Answers.
    pub objects: u64,
    /// Answers that were found.
    pub hits: u64,
    /// Answers that were written.
    pub writes: u64,
    /// Answers that were not, for want of time or room.
    pub dropped: u64,
    /// Errors, damaged files among them.
    pub errors: u64,
    /// Answers that made room for others.
    pub evictions: u64,
    /// Purges that not all was compared with yet.
    pub purges: usize,
}
