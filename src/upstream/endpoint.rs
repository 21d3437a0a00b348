//! One endpoint: an origin, and each worker's connections to it.

use std::{fmt, sync::Arc};

use super::{compile::Settings, connect::Tls, load::Load, pool::Pool};
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
        Self { origin, pools }
    }

    /// A worker's connections.
    pub(super) fn pool(&self, worker: &Worker) -> &Arc<Pool> {
        self.pools.at(worker.index)
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

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("name", &self.name).finish_non_exhaustive()
    }
}
