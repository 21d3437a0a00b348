//! What the operator meant: compiled, cross-checked, immutable.
//!
//! A [`Snapshot`] is made whole from a `Config` and the snapshot before it, and published by one swap
//! in [`World`]. A request takes the snapshot once and sees one world from start to end. What has a
//! life of its own (connections, counters, tickets) hangs in it by `Arc` and is carried over by name.

mod access_log;
mod admin;
mod apis;
mod bodies;
mod calls;
mod compile;
mod diff;
mod doors;
mod graphql;
mod guards;
mod listener;
mod mirror;
mod overload;
mod portal;
mod route;
mod strays;
mod target;

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use parking_lot::Mutex;

pub use self::{
    calls::Calling,
    diff::Diff,
    graphql::{Governed, Graphql, Guarded, Introspection},
    listener::{Bind, HeadLimits, Listener, ProxyProtocol},
    mirror::Mirror,
    route::Route,
    target::{Fork, Target, Way},
};
use crate::{
    auth::{Cookies, Provider, Signer},
    cache::{Caches, Query},
    config::{self, Config},
    contract::Api,
    discovery::Running,
    limit::Limits,
    message::{NamedMethods, Reserved},
    metrics,
    overload::Overload,
    route::RouteTable,
    store::Store,
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
    /// What several gateways share.
    pub stores: Vec<Arc<Store>>,
    /// Ways to say who one is.
    pub auths: Vec<Arc<Provider>>,
    /// The keys by which origins are told who somebody is, if they are.
    pub signer: Option<Arc<Signer>>,
    /// What limits count.
    pub limits: Limits,
    /// What is kept of answers.
    pub caches: Caches,
    /// APIs and their contracts.
    pub apis: Vec<Arc<Api>>,
    /// How much the gateway may have in flight.
    pub overload: Overload,
    /// Header fields that only Janua says, see `identity-headers`.
    pub reserved: Arc<Reserved>,
    /// Methods that routes, their `allow` and the costs of limits name.
    pub methods: NamedMethods,
    /// Cookies that no origin gets.
    pub cookies: Cookies,
    /// Which requests go where.
    pub routes: RouteTable<Route>,
    /// The ways in which queries tell answers apart that are kept by any of them, or were by those before; none where
    /// nothing ever was.
    pub queries: Box<[Query]>,
    /// Routes as they were written, or as a document has them, by the number of their rule.
    pub written: Vec<config::Route>,
    /// All counters.
    pub metrics: metrics::Registry,
    /// The counters of requests that no route takes.
    pub no_route: Arc<metrics::RouteMetrics>,
    /// The access log.
    pub access_log: Arc<AccessLog>,
    /// What the access logs of this process lost.
    pub losses: Arc<Losses>,
    /// What `Via` says of requests by HTTP/1.0, HTTP/1.1 and HTTP/2.
    pub via: [HeaderValue; 3],
    /// Session tickets.
    pub tickets: tls::Tickets,
    /// Threads that carry traffic.
    pub workers: usize,
    /// The most there were of them in this process. Those that leave may work for long.
    pub most_workers: usize,
    /// Counts the snapshots of this process, from 1.
    pub generation: u64,
}

/// The snapshot that holds now.
#[derive(Debug)]
pub struct World {
    now: ArcSwap<Snapshot>,
    /// The generation of `now`, to be looked at without touching its count of references.
    generation: AtomicU64,
}

impl World {
    /// A world that begins with this snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Arc<Self> {
        let generation = AtomicU64::new(snapshot.generation);
        Arc::new(Self { now: ArcSwap::new(snapshot), generation })
    }

    /// The snapshot that holds now.
    pub fn load(&self) -> Arc<Snapshot> {
        self.now.load_full()
    }

    /// Makes this the snapshot that holds, and gives back the one before.
    pub fn swap(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let generation = snapshot.generation;
        let before = self.now.swap(snapshot);
        self.generation.store(generation, Release);
        before
    }
}

/// A snapshot as one worker holds it: each request takes and gives back a reference, and a count of
/// references that all workers share would be passed between their cores for each.
#[derive(Debug)]
pub struct View(Arc<Snapshot>);

impl View {
    /// A view of a snapshot.
    pub fn new(snapshot: Arc<Snapshot>) -> Arc<Self> {
        Arc::new(Self(snapshot))
    }
}

impl Deref for View {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

/// A worker's eye on the world.
#[derive(Clone, Debug)]
pub struct Lens(Arc<(Arc<World>, Mutex<Arc<View>>)>);

impl Lens {
    /// An eye on a world.
    pub fn new(world: Arc<World>) -> Self {
        let view = Mutex::new(View::new(world.load()));
        Self(Arc::new((world, view)))
    }

    /// The world itself.
    pub fn world(&self) -> &World {
        &self.0.0
    }

    /// The view of what holds now.
    pub fn look(&self) -> Arc<View> {
        let (world, view) = &*self.0;
        let mut view = view.lock();
        // A swap that is just under way shows the world before it for one more request.
        if view.generation != world.generation.load(Acquire) {
            *view = View::new(world.load());
        }
        view.clone()
    }
}

impl Snapshot {
    /// Begins what is done beside requests, on the runtime that this is called on.
    pub fn start(&self) {
        self.stores.iter().for_each(|store| store.start());
        self.auths.iter().for_each(|auth| auth.start());
        self.limits.start();
        self.listeners.iter().for_each(|listener| listener.per_address.start());
        self.caches.start(&self.config.cache);
        self.upstreams.iter().for_each(|upstream| upstream.start());
    }

    /// Has those asked who know of endpoints, for as long as what this gives is kept; [`Snapshot::start`] does
    /// so for as long as the snapshot holds.
    pub fn ask_sources(&self) -> Vec<Arc<Running>> {
        self.upstreams.iter().flat_map(|upstream| upstream.ask_sources()).collect()
    }

    /// Ends of that what another snapshot does from now on.
    pub fn rest(&self) {
        self.upstreams.iter().for_each(|upstream| upstream.rest());
    }

    /// The upstream of this name: that of a section, or of a URL that a route names.
    pub fn upstream(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.iter().find(|upstream| *upstream.name == *name)
    }

    /// The page of metrics.
    pub fn metrics_page(&self, outside: &metrics::Outside) -> String {
        self.limits.measure(&self.metrics);
        self.overload.measure(self.metrics.process());
        self.upstreams.iter().for_each(|upstream| upstream.measure());
        self.metrics.encode(outside)
    }

    /// The listener with this number, if it is still there.
    pub fn listener(&self, id: usize) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.id == id)
    }

    /// The listener at this address, if there is one.
    pub fn listener_at(&self, bind: &Bind) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.bind == *bind)
    }
}
