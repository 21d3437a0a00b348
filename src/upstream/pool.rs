//! One worker's connections to one endpoint.
//!
//! HTTP/1 connections carry one exchange at a time: they are taken out, and come back when the
//! answer's body has ended. The latest to come back is the first to go out, so that a pool shrinks
//! to what the load needs and the rest grow old and are closed. HTTP/2 connections stay in and are
//! shared up to their peer's number of streams.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed},
    },
};

use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;

use super::{
    connections::{Hold, Unused},
    dialogue::Dialogue,
    endpoint::{Endpoint, Origin},
};
use crate::{
    health::Tally,
    message::RequestBody,
    metrics::{UpstreamMetrics, UpstreamShard},
    reject::Reject,
    worker::Rouser,
};

pub(super) type Http2 = http2::SendRequest<RequestBody>;

/// A connection of HTTP/1.
#[derive(Debug)]
pub(super) struct Http1 {
    pub(super) sender: http1::SendRequest<RequestBody>,
    /// What was said on it last.
    pub(super) dialogue: Arc<Dialogue>,
    /// Wakes the task that drives it.
    pub(super) rouser: Arc<Rouser>,
    /// Given up with it.
    pub(super) hold: Hold,
}

/// One worker's connections to one endpoint.
pub struct Pool {
    /// Where they lead.
    pub origin: Arc<Origin>,
    /// The worker's number, for the counters.
    worker: usize,
    /// Idle connections kept.
    most: usize,
    metrics: Arc<UpstreamMetrics>,
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    /// What came of the worker's requests here, if somebody wants to know.
    pub(super) tally: Tally,
    /// How many streams were answered, modulo its size.
    answers: AtomicU16,
    /// Held while an HTTP/2 connection is made, so that a burst of requests makes one, not one each.
    pub(super) connecting: tokio::sync::Mutex<()>,
}

struct Idle {
    connection: Http1,
    /// When it came back, on the worker's clock.
    since: u64,
}

struct Shared {
    sender: Http2,
    streams: Arc<Streams>,
    /// When its last stream was begun, on the worker's clock.
    used: u64,
}

impl Idle {
    /// Whether it waits for a request: it has not ended, and carries nothing more.
    fn is_unused(&self) -> bool {
        self.connection.sender.is_ready()
    }
}

impl Shared {
    /// Whether it waits for a request.
    fn is_unused(&self) -> bool {
        !self.sender.is_closed() && self.streams.open.load(Relaxed) == 0
    }
}

/// The streams of a shared connection.
#[derive(Debug)]
pub(super) struct Streams {
    open: AtomicUsize,
    /// How many the peer allows; its connection task keeps this up to date.
    pub(super) most: AtomicUsize,
}

impl Streams {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), most: AtomicUsize::new(most) })
    }
}

/// A stream on a shared connection; counts itself out when it is dropped.
#[derive(Debug)]
pub(super) struct StreamLease(Arc<Streams>);

impl StreamLease {
    fn begin(streams: &Arc<Streams>) -> Self {
        streams.open.fetch_add(1, Relaxed);
        Self(streams.clone())
    }

    /// What tells the connection it is on from others.
    pub(super) fn connection(&self) -> Arc<Streams> {
        self.0.clone()
    }
}

impl Drop for StreamLease {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// A request that was sent to the endpoint, until its answer has ended or nobody waits for that.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Pool>);

impl InFlight {
    /// The pool that its connection is of.
    pub(super) fn pool(&self) -> &Pool {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.counters().in_flight.dec();
        self.0.origin.load.end();
    }
}

/// A connection that is open. It does not hold its pool: a pool that nobody needs any more is dropped, and
/// that closes its connections.
#[derive(Debug)]
pub(super) struct Open {
    metrics: Arc<UpstreamMetrics>,
    worker: usize,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.at(self.worker).connections.dec();
    }
}

impl Pool {
    /// A pool of the worker with this number, without connections.
    pub(super) fn new(
        origin: Arc<Origin>,
        worker: usize,
        metrics: Arc<UpstreamMetrics>,
    ) -> Arc<Self> {
        let most = origin.settings.most_kept();
        let (idle, shared, tally) = (Mutex::default(), Mutex::default(), Tally::default());
        let (answers, connecting) = (AtomicU16::new(0), Default::default());
        Arc::new(Self { origin, worker, most, metrics, idle, shared, tally, answers, connecting })
    }

    /// Whether it leads to this endpoint.
    pub(super) fn is_of(&self, endpoint: &Endpoint) -> bool {
        Arc::ptr_eq(&self.origin, &endpoint.origin)
    }

    /// The worker's counters.
    pub(super) fn counters(&self) -> &UpstreamShard {
        self.metrics.at(self.worker)
    }

    /// Counts a request that is about to be sent.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.counters().in_flight.inc();
        self.origin.load.begin();
        InFlight(self.clone())
    }

    /// Counts a connection that was made, while it is open.
    pub(super) fn connected(&self) -> Open {
        self.counters().connects.inc();
        self.counters().connections.inc();
        Open { metrics: self.metrics.clone(), worker: self.worker }
    }

    /// Counts a connection that could not be made.
    pub(super) fn connect_failed(&self, reject: Reject) {
        self.metrics.connect_failed(self.worker, reject as usize);
    }

    /// An idle connection that was not closed, and that has not been idle for too long.
    pub(super) fn take(&self, now: u64) -> Option<Http1> {
        let oldest = self.origin.settings.keep_alive.idle_millis();
        let mut idle = self.idle.lock();
        let before = idle.len();
        let mut found = None;
        while let Some(Idle { connection, since }) = idle.pop() {
            if now.saturating_sub(since) > oldest {
                // Those below it are older still.
                idle.clear();
                break;
            }
            // One that is not ready still carries the rest of an upload whose answer came early.
            if connection.sender.is_ready() {
                found = Some(connection);
                break;
            }
        }
        self.count_gone(before - idle.len());
        found
    }

    /// Counts idle connections that were taken or given up.
    fn count_gone(&self, gone: usize) {
        (0..gone).for_each(|_| self.counters().idle.dec());
    }

    /// Takes a connection back, unless there are enough.
    pub(super) fn put(&self, connection: Http1, now: u64) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < self.most {
            idle.push(Idle { connection, since: now });
            self.counters().idle.inc();
        }
    }

    /// A shared connection with room for one more stream, other than the one that just refused one.
    pub(super) fn share(
        &self,
        now: u64,
        refused: Option<&Arc<Streams>>,
    ) -> Option<(Http2, StreamLease)> {
        let mut shared = self.shared.lock();
        shared.retain(|connection| !connection.sender.is_closed());
        let connection = shared.iter_mut().find(|connection| {
            let streams = &connection.streams;
            let other = refused.is_none_or(|refused| !Arc::ptr_eq(streams, refused));
            other && streams.open.load(Relaxed) < streams.most.load(Relaxed)
        })?;
        connection.used = now;
        Some((connection.sender.clone(), StreamLease::begin(&connection.streams)))
    }

    /// Adds a shared connection, with its first stream begun.
    pub(super) fn add(&self, sender: Http2, streams: Arc<Streams>, now: u64) -> StreamLease {
        let lease = StreamLease::begin(&streams);
        self.shared.lock().push(Shared { sender, streams, used: now });
        lease
    }

    /// Counts a stream that was answered.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Relaxed);
    }

    /// Tells by its change whether streams were answered meanwhile.
    pub(super) fn answers(&self) -> u16 {
        self.answers.load(Relaxed)
    }

    /// Gives up a shared connection that takes no more streams, which may be another worker's.
    pub(super) fn forget(&self, connection: &Arc<Streams>) {
        let forget = |pool: &Self| {
            pool.shared.lock().retain(|shared| !Arc::ptr_eq(&shared.streams, connection));
        };
        forget(self);
        self.origin.connections.pools().for_each(|pool| forget(&pool));
    }

    /// How many connections wait here that could be closed without harm.
    pub(super) fn unused(&self) -> usize {
        let idle = self.idle.lock().iter().filter(|idle| idle.is_unused()).count();
        idle + self.shared.lock().iter().filter(|shared| shared.is_unused()).count()
    }

    /// The oldest of them.
    pub(super) fn take_unused(&self) -> Option<Unused> {
        let mut idle = self.idle.lock();
        if let Some(oldest) = idle.iter().position(Idle::is_unused) {
            self.count_gone(1);
            return Some(Box::new(idle.remove(oldest).connection));
        }
        drop(idle);
        let mut shared = self.shared.lock();
        let unused = shared.iter().enumerate().filter(|(_, shared)| shared.is_unused());
        let (oldest, _) = unused.min_by_key(|(_, shared)| shared.used)?;
        Some(Box::new(shared.remove(oldest).sender))
    }

    /// Closes what has been idle for too long.
    pub(super) fn reap(&self, now: u64) {
        let oldest = self.origin.settings.keep_alive.idle_millis();
        let fresh = |since: u64| now.saturating_sub(since) <= oldest;
        let mut idle = self.idle.lock();
        let before = idle.len();
        idle.retain(|idle| fresh(idle.since) && !idle.connection.sender.is_closed());
        self.count_gone(before - idle.len());
        drop(idle);
        self.shared.lock().retain(|connection| {
            let busy = connection.streams.open.load(Relaxed) > 0;
            !connection.sender.is_closed() && (busy || fresh(connection.used))
        });
    }

    /// Closes all that waits here.
    pub(super) fn close(&self) {
        let mut idle = self.idle.lock();
        self.count_gone(idle.len());
        idle.clear();
        drop(idle);
        self.shared.lock().clear();
    }

    /// How many connections wait here: idle ones, shared ones.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.idle.lock().len(), self.shared.lock().len())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let idle = self.idle.get_mut().len();
        self.count_gone(idle);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idle, shared) = self.len();
        f.debug_struct("Pool").field("idle", &idle).field("shared", &shared).finish_non_exhaustive()
    }
}
