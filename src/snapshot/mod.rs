//! What the operator meant: compiled, cross-checked, immutable.
//!
//! A [`Snapshot`] is made whole from a `Config` and the snapshot before it, and published by one swap
//! in [`World`]. A request takes the snapshot once and sees one world from start to end. What has a
//! life of its own (connections, counters, tickets) hangs in it by `Arc` and is carried over by name.

mod compile;
mod diff;
mod listener;
mod route;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;

pub use self::{
    diff::Diff,
    listener::{Bind, Listener},
    route::{Route, Target},
};
use crate::{
    config::Config,
    metrics,
    route::RouteTable,
    telemetry::{AccessLog, Losses},
    tls,
    upstream::Upstream,
};

/// What a snapshot is made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// To be looked at: nothing is written or opened for writing.
    Look,
    /// To serve.
    Serve,
}

/// A compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// What it was made from.
    pub config: Config,
    /// Addresses where clients come in.
    pub listeners: Vec<Arc<Listener>>,
    /// Origins: those with a name, and those that a route names by URL.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Which requests go where.
    pub routes: RouteTable<Route>,
    /// All counters.
    pub metrics: metrics::Registry,
    /// The counters of requests that no route takes.
    pub no_route: Arc<metrics::RouteMetrics>,
    /// The access log.
    pub access_log: Arc<AccessLog>,
    /// What the access logs of this process lost.
    pub losses: Arc<Losses>,
    /// What `Via` says of HTTP/1.1 and HTTP/2 requests.
    pub via: [HeaderValue; 2],
    /// Session tickets.
    pub tickets: tls::Tickets,
    /// Threads that carry traffic.
    pub workers: usize,
    /// Counts the snapshots of this process, from 1.
    pub generation: u64,
}

/// The snapshot that holds now.
#[derive(Debug)]
pub struct World(ArcSwap<Snapshot>);

impl World {
    /// A world that begins with this snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Arc<Self> {
        Arc::new(Self(ArcSwap::new(snapshot)))
    }

    /// The snapshot that holds now.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Makes this the snapshot that holds, and gives back the one before.
    pub fn swap(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        self.0.swap(snapshot)
    }
}

impl Snapshot {
    /// The listener with this number, if it is still there.
    pub fn listener(&self, id: usize) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.id == id)
    }
}
