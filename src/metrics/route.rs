//! [`RouteMetrics`]: what became of a route's requests.
//!
//! In: the facts of a finished request, once each; refusals by the index of their reason. Out: sums,
//! for the encoder. A route that a reload keeps keeps its `RouteMetrics`; see `registry`.

use super::{Counter, Counters, Histogram, Labels, histogram::Distribution};
use crate::worker::PerWorker;

/// The words for [`Finished::status`], by class.
pub(super) const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// What became of a route's requests.
#[derive(Debug)]
pub struct RouteMetrics {
    shards: PerWorker<Shard>,
    rejects: Counters,
    reports: Counters,
}

#[derive(Debug, Default)]
struct Shard {
    classes: [Counter; CLASSES.len()],
    latency: Histogram,
    bytes_in: Counter,
    bytes_out: Counter,
}

/// The facts of a finished request.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// The status the client was sent; `None` if it had no answer at all.
    pub status: Option<u16>,
    /// Microseconds from the first byte of the request's head to the last of the answer.
    pub micros: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

impl RouteMetrics {
    /// Counts for a route; `reasons` are the words of [`RouteMetrics::reject`].
    pub fn new(workers: usize, reasons: Labels) -> Self {
        let counters = || Counters::new(reasons, workers);
        Self { shards: PerWorker::new(workers), rejects: counters(), reports: counters() }
    }

    /// Counts a finished request, refused or not.
    pub fn finish(&self, worker: usize, request: &Finished) {
        let shard = self.shards.at(worker);
        shard.classes[class(request.status)].inc();
        shard.latency.record(request.micros);
        shard.bytes_in.add(request.bytes_in);
        shard.bytes_out.add(request.bytes_out);
    }

    /// Counts why a request was refused, beside [`RouteMetrics::finish`].
    pub fn reject(&self, worker: usize, reason: usize) {
        self.rejects.inc(worker, reason);
    }

    /// Counts what a rule in trial would have refused a request for.
    pub fn report(&self, worker: usize, reason: usize) {
        self.reports.inc(worker, reason);
    }

    /// Finished requests by class of status.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CLASSES
            .iter()
            .enumerate()
            .map(|(class, word)| (*word, self.shards.sum(|shard| shard.classes[class].get())))
    }

    /// What rules in trial would have refused, by reason.
    pub(super) fn reports(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.reports.counted()
    }

    /// How long they took.
    pub(super) fn latency(&self) -> Distribution {
        Distribution::read(&self.shards, |shard| &shard.latency)
    }

    /// Bytes of requests' bodies.
    pub(super) fn bytes_in(&self) -> u64 {
        self.shards.sum(|shard| shard.bytes_in.get())
    }

    /// Bytes of answers' bodies.
    pub(super) fn bytes_out(&self) -> u64 {
        self.shards.sum(|shard| shard.bytes_out.get())
    }

    /// Refusals by reason, without those that never happened.
    pub(super) fn rejects(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.rejects.counted()
    }
}

/// The index into [`CLASSES`]; what is no status counts as no answer.
fn class(status: Option<u16>) -> usize {
    match status {
        Some(status @ 100..=599) => usize::from(status / 100) - 1,
        _ => CLASSES.len() - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_count_by_class() {
        for (status, word) in [
            (Some(101), "1xx"),
            (Some(200), "2xx"),
            (Some(304), "3xx"),
            (Some(499), "4xx"),
            (Some(599), "5xx"),
            (Some(600), "none"),
            (Some(99), "none"),
            (None, "none"),
        ] {
            assert_eq!(CLASSES[class(status)], word);
        }
    }
}
