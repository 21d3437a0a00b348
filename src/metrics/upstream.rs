//! [`UpstreamMetrics`]: the connections to an upstream and what went wrong with them.
//!
//! In: a worker's own events, through [`UpstreamMetrics::at`]; failures by the index of their reason.
//! Out: sums, for the encoder. The endpoints' health is kept by name, as a reload keeps upstreams.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{Counter, Counters, Gauge, Labels};
use crate::worker::PerWorker;

/// The connections to an upstream and what went wrong with them.
#[derive(Debug)]
pub struct UpstreamMetrics {
    shards: PerWorker<UpstreamShard>,
    failures: Counters,
    /// Touched when endpoints come or go and by a scrape, never by a request.
    endpoints: Mutex<BTreeMap<Box<str>, Arc<Gauge>>>,
}

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
    /// Requests that were sent and not yet answered to the end.
    pub in_flight: Gauge,
}

impl UpstreamMetrics {
    /// Counts for an upstream; `reasons` are the words of [`UpstreamMetrics::connect_failed`].
    pub fn new(workers: usize, reasons: Labels) -> Self {
        Self {
            shards: PerWorker::new(workers),
            failures: Counters::new(reasons, workers),
            endpoints: Mutex::default(),
        }
    }

    /// This worker's part.
    pub fn at(&self, worker: usize) -> &UpstreamShard {
        self.shards.at(worker)
    }

    /// Counts why a connection could not be made.
    pub fn connect_failed(&self, worker: usize, reason: usize) {
        self.failures.inc(worker, reason);
    }

    /// The gauge of an endpoint, 1 while it may be used and else 0. The caller keeps it and sets it;
    /// when nobody keeps it any more its series ends.
    pub fn endpoint(&self, name: &str) -> Arc<Gauge> {
        let mut endpoints = self.endpoints.lock();
        endpoints.retain(|_, gauge| Arc::strong_count(gauge) > 1);
        Arc::clone(endpoints.entry(name.into()).or_default())
    }

    /// The sum of a gauge or count over the workers.
    pub(super) fn sum<N: std::iter::Sum<N>>(&self, read: impl Fn(&UpstreamShard) -> N) -> N {
        self.shards.sum(read)
    }

    /// Failed connections by reason, without those that never happened.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.failures.counted()
    }

    /// The endpoints that somebody keeps, and whether they may be used.
    pub(super) fn endpoints(&self) -> Vec<(Box<str>, i64)> {
        let endpoints = self.endpoints.lock();
        let kept = endpoints.iter().filter(|(_, gauge)| Arc::strong_count(gauge) > 1);
        kept.map(|(name, gauge)| (name.clone(), gauge.get())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_told_while_somebody_keeps_it() {
        let upstream = UpstreamMetrics::new(1, &[]);
        let one = upstream.endpoint("http://a");
        let same = upstream.endpoint("http://a");
        one.set(1);
        assert_eq!(same.get(), 1);
        assert_eq!(upstream.endpoints(), [("http://a".into(), 1)]);
        drop((one, same));
        assert_eq!(upstream.endpoints(), []);
    }
}
