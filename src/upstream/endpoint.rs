//! One endpoint: an origin, and each worker's connections to it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use super::{
    compile::Settings, connect::Tls, connections::Connections, load::Load, pool::Pool, share::Share,
};
use crate::{
    dial::Resolved,
    health::Health,
    metrics::UpstreamMetrics,
    worker::{PerWorker, Worker},
};

/// A server, as all workers know it.
pub struct Origin {
    /// Its URL, as logs show it.
    pub name: Arc<str>,
    pub(super) settings: Settings,
    pub(super) tls: Option<Tls>,
    pub(super) resolved: Resolved,
    /// What is known of it.
    pub health: Health,
    /// How busy it is.
    pub load: Load,
    /// The connections to it, of all workers.
    pub(super) connections: Connections,
    /// What share of requests it has by itself.
    pub(super) share: Share,
    /// Requests that it may have at a time, if that is said of it alone; else 0.
    pub(super) max_requests: AtomicU32,
}

/// An origin, and the connections to it.
#[derive(Debug)]
pub struct Endpoint {
    /// The server.
    pub origin: Arc<Origin>,
    pools: PerWorker<Arc<Pool>>,
}

impl Endpoint {
    /// An endpoint without connections.
    pub(super) fn new(origin: Origin, workers: usize, metrics: &Arc<UpstreamMetrics>) -> Self {
        let origin = Arc::new(origin);
        let pools =
            PerWorker::with(workers, |worker| Pool::new(origin.clone(), worker, metrics.clone()));
        origin.connections.wait_in(pools.iter());
        Self { origin, pools }
    }

    /// A worker's connections.
    pub(super) fn pool(&self, worker: &Worker) -> &Arc<Pool> {
        self.pools.at(worker.index)
    }

    /// What came of requests here since this was asked last, by all workers: how many, and failures.
    pub(super) fn tally(&self) -> (u64, u64) {
        let tallies = self.pools.iter().map(|pool| pool.tally.take());
        tallies.fold((0, 0), |(all, failed), tally| (all + tally.0, failed + tally.1))
    }

    /// Closes the connections that wait for a request: there will be none. What runs goes on.
    pub(super) fn close(&self) {
        self.pools.iter().for_each(|pool| pool.close());
    }

    /// Whether it can go on as one with these settings and for so many workers.
    pub(super) fn serves(&self, settings: &Settings, workers: usize) -> bool {
        // A connection lives on the worker that made it: no two may share a pool.
        self.origin.settings == *settings && self.pools.workers() >= workers
    }
}

impl Origin {
    /// It may have so many requests at a time, as is said of it alone.
    pub(super) fn may_have(&self, max_requests: Option<u32>) {
        self.max_requests.store(max_requests.unwrap_or(0), Relaxed);
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("name", &self.name).finish_non_exhaustive()
    }
}
