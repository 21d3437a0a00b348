//! [`UpstreamMetrics`]: the connections to an upstream and what went wrong with them.
//!
//! In: a worker's own events, through [`UpstreamMetrics::at`]; failures by the index of their reason.
//! Out: sums, for the encoder.

use super::{
    Counter, Counters, DiscoveryMetrics, Gauge, Histogram, Labels, histogram::Distribution,
};
use crate::worker::PerWorker;

/// The connections to an upstream and what went wrong with them.
#[derive(Debug)]
pub struct UpstreamMetrics {
    shards: PerWorker<UpstreamShard>,
    failures: Counters,
    shed: Counters,
    /// Requests that may be in flight, as of the last look; 0 if nobody counts.
    pub max_in_flight: Gauge,
    /// Microseconds that answers take without load, as far as that is known.
    pub baseline: Gauge,
    /// Endpoints by what they are, as of the last look; in the order of [`STANDINGS`].
    pub endpoints: [Gauge; STANDINGS.len()],
    /// 1 while too few endpoints are up and all are used.
    pub panics: Gauge,
    /// 0 while the breaker is closed, 1 half-open, 2 open.
    pub breaker: Gauge,
    /// Requests that wait for an endpoint to have room.
    pub queue: Gauge,
    /// How often an endpoint was left out for failing clients.
    pub ejections: Counter,
    /// How often endpoints were asked whether they are well: those that were, those that were not.
    pub checks: [Counter; 2],
    /// What the sources of its endpoints say.
    pub discovery: DiscoveryMetrics,
}

/// What an endpoint can be.
pub const STANDINGS: [&str; 5] = ["up", "down", "unchecked", "ejected", "drained"];

/// The words of [`UpstreamMetrics::shed`].
pub(super) const PRIORITIES: Labels = &["low", "normal", "high"];

/// One worker's part.
#[derive(Debug, Default)]
pub struct UpstreamShard {
    /// Connections that are open, busy or idle.
    pub connections: Gauge,
    /// Connections that wait for a request.
    pub idle: Gauge,
    /// Connections that were made.
    pub connects: Counter,
    /// Requests that were sent once more.
    pub retries: Counter,
    /// Requests that were not, because too many were.
    pub retries_refused: Counter,
    /// Requests that were sent to a second endpoint beside the first.
    pub hedges: Counter,
    /// How long requests waited for an endpoint to have room, those that did.
    pub queue_wait: Histogram,
    /// Requests that were sent and not yet answered to the end.
    pub in_flight: Gauge,
}

impl UpstreamMetrics {
    /// Counts for an upstream; `reasons` are the words of [`UpstreamMetrics::connect_failed`].
    pub fn new(workers: usize, reasons: Labels) -> Self {
        Self {
            shards: PerWorker::new(workers),
            failures: Counters::new(reasons, workers),
            shed: Counters::new(PRIORITIES, workers),
            max_in_flight: Gauge::default(),
            baseline: Gauge::default(),
            endpoints: Default::default(),
            panics: Gauge::default(),
            breaker: Gauge::default(),
            queue: Gauge::default(),
            ejections: Counter::default(),
            checks: Default::default(),
            discovery: DiscoveryMetrics::default(),
        }
    }

    /// This worker's part.
    pub fn at(&self, worker: usize) -> &UpstreamShard {
        self.shards.at(worker)
    }

    /// Requests that were sent and not yet answered to the end, of all workers.
    pub fn in_flight(&self) -> u32 {
        u32::try_from(self.sum(|shard| shard.in_flight.get())).unwrap_or(0)
    }

    /// Counts why a connection could not be made.
    pub fn connect_failed(&self, worker: usize, reason: usize) {
        self.failures.inc(worker, reason);
    }

    /// Counts a request that there was no room for, by the number of its priority.
    pub fn shed(&self, worker: usize, priority: usize) {
        self.shed.inc(worker, priority);
    }

    /// Requests that there was no room for, by priority.
    pub(super) fn sheds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.shed.counted()
    }

    /// How long requests waited for an endpoint to have room.
    pub(super) fn queue_waits(&self) -> Distribution {
        Distribution::read(&self.shards, |shard| &shard.queue_wait)
    }

    /// The sum of a gauge or count over the workers.
    pub(super) fn sum<N: std::iter::Sum<N>>(&self, read: impl Fn(&UpstreamShard) -> N) -> N {
        self.shards.sum(read)
    }

    /// Failed connections by reason, without those that never happened.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.failures.counted()
    }
}
