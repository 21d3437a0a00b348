//! [`LimitMetrics`]: what a limit let through, had wait and refused. By the limit's name, never by key.
//!
//! In: one count for each request that it passes, by worker; the rest is rare. Out: cells and sums, for
//! the encoder.

use super::{Counter, Counters, Gauge, Histogram, Labels, histogram::Distribution};
use crate::worker::PerWorker;

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
    /// Requests that cost their client good standing.
    pub offences: Counter,
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
            offences: Counter::default(),
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

    pub(super) fn allowed(&self) -> u64 {
        self.allowed.sum(Counter::get)
    }

    pub(super) fn paced(&self) -> u64 {
        self.paced.sum(Counter::get)
    }

    pub(super) fn rejected(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rejected.counted()
    }

    pub(super) fn reported(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.reported.counted()
    }

    pub(super) fn delayed(&self) -> Distribution {
        Distribution::read(&self.delayed, |histogram| histogram)
    }
}
