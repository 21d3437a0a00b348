//! [`LimitMetrics`]: what a limit let through, had wait and refused. By the limit's name, never by key.
//!
//! In: one count for each request that it passes, by worker; the rest is rare. Out: cells and sums, for
//! the encoder.

use super::{Counter, Counters, Gauge, Histogram, Labels, histogram::Distribution};
use crate::worker::PerWorker;

/// How it goes to keep what quotas count.
#[derive(Debug)]
pub struct QuotaMetrics {
    /// 0 while it is in memory only, else 1.
    pub kept: Gauge,
    /// Times that it was written.
    pub writes: Counter,
    /// Times that it could not be written.
    pub failures: Counter,
}

impl Default for QuotaMetrics {
    fn default() -> Self {
        let (kept, writes, failures) = (Gauge::default(), Counter::default(), Counter::default());
        // As long as there is nothing to keep, nothing is missing.
        kept.set(1);
        Self { kept, writes, failures }
    }
}

/// What a limit let through, had wait and refused.
#[derive(Debug)]
pub struct LimitMetrics {
    allowed: PerWorker<Counter>,
    rejected: Counters,
    reported: Counters,
    delayed: PerWorker<Histogram>,
    paced: PerWorker<Counter>,
    /// Requests that wait, of clients in good standing.
    pub waiting_good: Gauge,
    /// Requests that wait, of others.
    pub waiting_bad: Gauge,
    /// Keys that owe something, as of the last look.
    pub keys: Gauge,
    /// Keys that used something of their quota, as of the last look.
    pub quota_keys: Gauge,
    /// Requests that cost their client good standing.
    pub offences: Counter,
    /// Times that the limit's store was asked.
    pub fetches: Counter,
    /// Requests that it decided without its store.
    pub fallbacks: Counter,
    /// 1 while it goes on without its store, else 0.
    pub store_down: Gauge,
    /// Times that a key's use of a quota could not be noted for the store, for want of room.
    pub store_lost: Counter,
}

impl LimitMetrics {
    /// Counts for a limit; `reasons` are the words of [`LimitMetrics::reject`].
    pub fn new(workers: usize, reasons: Labels) -> Self {
        Self {
            allowed: PerWorker::new(workers),
            rejected: Counters::new(reasons, workers),
            reported: Counters::new(reasons, workers),
            delayed: PerWorker::new(workers),
            paced: PerWorker::new(workers),
            waiting_good: Gauge::default(),
            waiting_bad: Gauge::default(),
            keys: Gauge::default(),
            quota_keys: Gauge::default(),
            offences: Counter::default(),
            fetches: Counter::default(),
            fallbacks: Counter::default(),
            store_down: Gauge::default(),
            store_lost: Counter::default(),
        }
    }

    /// Counts a request that was let through, at once or after a wait.
    #[inline]
    pub fn allow(&self, worker: usize) {
        self.allowed.at(worker).inc();
    }

    /// Counts one that waited for so many microseconds.
    pub fn delay(&self, worker: usize, micros: u64) {
        self.delayed.at(worker).record(micros);
    }

    /// Counts an answer that went slower than it could.
    pub fn pace(&self, worker: usize) {
        self.paced.at(worker).inc();
    }

    /// Counts why a request was refused.
    pub fn reject(&self, worker: usize, reason: usize) {
        self.rejected.inc(worker, reason);
    }

    /// Counts why one would have been refused or had to wait.
    pub fn report(&self, worker: usize, reason: usize) {
        self.reported.inc(worker, reason);
    }

    /// The gauge of those who wait.
    pub fn waiting(&self, good: bool) -> &Gauge {
        if good { &self.waiting_good } else { &self.waiting_bad }
    }

    /// How many requests were let through.
    pub fn allowed(&self) -> u64 {
        self.allowed.sum(Counter::get)
    }

    pub(super) fn paced(&self) -> u64 {
        self.paced.sum(Counter::get)
    }

    /// How many were refused, by reason.
    pub fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rejected.counted()
    }

    /// How many would have been, by reason.
    pub fn reported(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.reported.counted()
    }

    /// How many of those that were let through had waited.
    pub fn delays(&self) -> u64 {
        self.delayed().buckets.iter().sum()
    }

    /// How many workers have a block of their own.
    pub fn workers(&self) -> usize {
        self.allowed.workers()
    }

    pub(super) fn delayed(&self) -> Distribution {
        Distribution::read(&self.delayed, |histogram| histogram)
    }
}
