//! The two cells everything is made of: a [`Counter`] that only grows and a [`Gauge`] that moves.
//!
//! All accesses are relaxed: a scrape wants each number, not an order between them. A cell alone is
//! for rare events; what happens with every request belongs in a [`PerWorker`](crate::worker::PerWorker).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// `count` more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Makes it `value`.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// One more.
    pub fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less. In a [`PerWorker`](crate::worker::PerWorker) this may be another shard than the one that
    /// was raised; only the sum means something.
    pub fn dec(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }

    /// One more until the guard falls, however the work ends: by value, error or cancellation.
    pub fn hold(&self) -> Held<'_> {
        self.inc();
        Held(self)
    }
}

/// Keeps a [`Gauge`] one higher while it lives.
#[derive(Debug)]
#[must_use = "the gauge falls as soon as this is dropped"]
pub struct Held<'a>(&'a Gauge);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_gauge_falls_with_its_guard() {
        let gauge = Gauge::default();
        let first = gauge.hold();
        {
            let _second = gauge.hold();
            assert_eq!(gauge.get(), 2);
        }
        assert_eq!(gauge.get(), 1);
        drop(first);
        assert_eq!(gauge.get(), 0);
    }
}
