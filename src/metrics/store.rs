//! [`StoreMetrics`]: what a shared store is asked, how long that takes, and whether it is there.
//!
//! In: commands, which are not many: what they bring is remembered. Out: cells, for the encoder.

use super::{Counter, Gauge, Histogram, histogram::Distribution};
use crate::worker::PerWorker;

/// What a store `[store.NAME]` is asked, and whether it is there.
#[derive(Debug)]
pub struct StoreMetrics {
    /// Servers that there is a connection to.
    pub up: Gauge,
    /// Servers that there should be one to: of a cluster, those that have slots.
    pub servers: Gauge,
    /// Connections that were made.
    pub connects: Counter,
    /// Connections that could not be made.
    pub connect_failures: Counter,
    /// Commands that were sent.
    pub commands: Counter,
    /// Commands that wait for their answer.
    pub waiting: Gauge,
    /// Commands that had no answer in time.
    pub timeouts: Counter,
    /// Commands whose answer was an error, or whose connection broke.
    pub errors: Counter,
    /// Commands that were not sent: no connection, or too many that wait.
    pub skipped: Counter,
    latency: PerWorker<Histogram>,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self {
            up: Gauge::default(),
            servers: Gauge::default(),
            connects: Counter::default(),
            connect_failures: Counter::default(),
            commands: Counter::default(),
            waiting: Gauge::default(),
            timeouts: Counter::default(),
            errors: Counter::default(),
            skipped: Counter::default(),
            latency: PerWorker::new(0),
        }
    }
}

impl StoreMetrics {
    /// Notes how many microseconds an answer took.
    pub fn answered(&self, micros: u64) {
        self.latency.at(0).record(micros);
    }

    /// Whether there is a connection to every server.
    pub(super) fn is_up(&self) -> bool {
        let servers = self.servers.get();
        servers > 0 && self.up.get() >= servers
    }

    /// How long answers took.
    pub(super) fn latency(&self) -> Distribution {
        Distribution::read(&self.latency, |histogram| histogram)
    }

    /// Commands that brought nothing, by what happened.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all =
            [("timeout", &self.timeouts), ("error", &self.errors), ("skipped", &self.skipped)];
        all.into_iter().map(|(word, count)| (word, count.get()))
    }
}
