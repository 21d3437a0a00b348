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
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;

use crate::message::RequestBody;

pub(super) type Http1 = http1::SendRequest<RequestBody>;
pub(super) type Http2 = http2::SendRequest<RequestBody>;

/// One worker's connections to one endpoint.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    /// Held while an HTTP/2 connection is made, so that a burst of requests makes one, not one each.
    pub(super) connecting: tokio::sync::Mutex<()>,
}

struct Idle {
    sender: Http1,
    /// When it came back, on the worker's clock.
    since: u64,
}

struct Shared {
    sender: Http2,
    streams: Arc<Streams>,
    /// When its last stream was begun, on the worker's clock.
    used: u64,
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

impl Pool {
    /// An idle connection that was not closed, no older than `oldest` milliseconds.
    pub(super) fn take(&self, now: u64, oldest: u64) -> Option<Http1> {
        let mut idle = self.idle.lock();
        while let Some(Idle { sender, since }) = idle.pop() {
            if now.saturating_sub(since) > oldest {
                // Those below it are older still.
                idle.clear();
                return None;
            }
            // One that is not ready still carries the rest of an upload whose answer came early.
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    /// Takes a connection back, unless there are enough.
    pub(super) fn put(&self, sender: Http1, now: u64, most: usize) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < most {
            idle.push(Idle { sender, since: now });
        }
    }

    /// A shared connection with room for one more stream.
    pub(super) fn share(&self, now: u64) -> Option<(Http2, StreamLease)> {
        let mut shared = self.shared.lock();
        shared.retain(|connection| !connection.sender.is_closed());
        let connection = shared.iter_mut().find(|connection| {
            let streams = &connection.streams;
            streams.open.load(Relaxed) < streams.most.load(Relaxed)
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

    /// Gives up a shared connection that takes no more streams.
    pub(super) fn forget(&self, connection: &Arc<Streams>) {
        self.shared.lock().retain(|shared| !Arc::ptr_eq(&shared.streams, connection));
    }

    /// Closes what has been idle for longer than `oldest` milliseconds.
    pub(super) fn reap(&self, now: u64, oldest: u64) {
        let fresh = |since: u64| now.saturating_sub(since) <= oldest;
        self.idle.lock().retain(|idle| fresh(idle.since) && !idle.sender.is_closed());
        self.shared.lock().retain(|connection| {
            let busy = connection.streams.open.load(Relaxed) > 0;
            !connection.sender.is_closed() && (busy || fresh(connection.used))
        });
    }

    /// How many connections wait here: idle ones, shared ones.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.idle.lock().len(), self.shared.lock().len())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idle, shared) = self.len();
        f.debug_struct("Pool").field("idle", &idle).field("shared", &shared).finish_non_exhaustive()
    }
}
