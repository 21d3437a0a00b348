//! [`ListenerMetrics`]: the connections that came in at an address.
//!
//! In: a worker's own events, through [`ListenerMetrics::at`]. Out: sums, for the encoder.

use super::{Counter, Counters, Gauge, Labels};
use crate::worker::PerWorker;

/// The connections that came in at an address.
#[derive(Debug)]
pub struct ListenerMetrics {
    shards: PerWorker<ListenerShard>,
    refused: Counters,
}

/// One worker's part.
#[derive(Debug, Default)]
pub struct ListenerShard {
    /// Connections that were taken from the system.
    pub accepted: Counter,
    /// Connections that are open. Raised and lowered by the worker that owns the connection.
    pub active: Gauge,
    /// TLS handshakes that succeeded.
    pub handshakes: Counter,
    /// TLS handshakes that did not.
    pub handshakes_failed: Counter,
    requests: [Counter; Protocol::ALL.len()],
}

impl ListenerShard {
    /// Counts a request, whether its head made sense or not.
    pub fn request(&self, protocol: Protocol) {
        self.requests[protocol as usize].inc();
    }
}

/// What a client spoke.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl Protocol {
    const ALL: [Self; 4] = [Self::Http10, Self::Http11, Self::Http2, Self::Http3];

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

impl ListenerMetrics {
    /// Counts for a listener; `reasons` are the words of [`ListenerMetrics::refuse`].
    pub fn new(workers: usize, reasons: Labels) -> Self {
        Self { shards: PerWorker::new(workers), refused: Counters::new(reasons, workers) }
    }

    /// Counts why a connection was closed as soon as it was accepted.
    pub fn refuse(&self, worker: usize, reason: usize) {
        self.refused.inc(worker, reason);
    }

    /// Connections that were closed at once, by reason.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refused.counted()
    }

    /// This worker's part.
    pub fn at(&self, worker: usize) -> &ListenerShard {
        self.shards.at(worker)
    }

    /// The sum of a gauge or count over the workers.
    pub(super) fn sum<N: std::iter::Sum<N>>(&self, read: impl Fn(&ListenerShard) -> N) -> N {
        self.shards.sum(read)
    }

    /// Requests by protocol.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Protocol::ALL.into_iter().map(|protocol| {
            let count = self.shards.sum(|shard| shard.requests[protocol as usize].get());
            (protocol.as_str(), count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_under_their_protocol() {
        let listener = ListenerMetrics::new(2, &[]);
        listener.at(0).request(Protocol::Http2);
        listener.at(1).request(Protocol::Http2);
        listener.at(1).request(Protocol::Http10);
        let counts: Vec<_> = listener.requests().collect();
        assert_eq!(counts, [("HTTP/1.0", 1), ("HTTP/1.1", 0), ("HTTP/2", 2), ("HTTP/3", 0)]);
    }
}
