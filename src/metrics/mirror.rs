//! [`MirrorMetrics`]: what became of the copies of a route's requests.
//!
//! In: copies as they begin, end, or are not made. Out: counts, for the encoder. The number of those in
//! flight is the bound itself: it outlives a reload, as the copies do.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use super::{Counters, Labels};

/// What a copy came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mirrored {
    /// It was answered, with a status below 500.
    Answered,
    /// It was answered with another.
    Error,
    /// It had no answer, or one that broke off or took too long.
    Failed,
}

/// Why there was no copy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unmirrored {
    /// There were too many.
    InFlight,
    /// The body is too large.
    Body,
    /// The body broke off.
    Incomplete,
    /// The upstream takes no more, by its own bound.
    Upstream,
}

const OUTCOMES: Labels = &["answered", "error", "failed"];
const REASONS: Labels = &["in_flight", "body", "incomplete", "upstream"];

/// What became of the copies of a route's requests.
#[derive(Debug)]
pub struct MirrorMetrics {
    in_flight: AtomicU32,
    ended: Counters,
    dropped: Counters,
}

/// A copy that is in flight while this lives.
#[derive(Debug)]
#[must_use = "it is out of flight as soon as this is dropped"]
pub struct MirrorPlace(Arc<MirrorMetrics>);

impl MirrorMetrics {
    /// Counts for a route.
    pub fn new(workers: usize) -> Self {
        let (ended, dropped) = (Counters::new(OUTCOMES, workers), Counters::new(REASONS, workers));
        Self { in_flight: AtomicU32::new(0), ended, dropped }
    }

    /// A place for one more copy, if there are fewer than this.
    pub fn enter(self: &Arc<Self>, most: u32) -> Option<MirrorPlace> {
        // Made before it is known: if it is one too many, it counts itself out.
        let before = self.in_flight.fetch_add(1, Relaxed);
        let place = MirrorPlace(self.clone());
        (before < most).then_some(place)
    }

    /// Counts what a copy came to.
    pub fn end(&self, worker: usize, outcome: Mirrored) {
        self.ended.inc(worker, outcome as usize);
    }

    /// Counts one that was not made.
    pub fn skip(&self, worker: usize, reason: Unmirrored) {
        self.dropped.inc(worker, reason as usize);
    }

    /// Copies that are in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Copies that were sent, by what they came to.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ended.counted()
    }

    /// Copies that were not made, by reason.
    pub(super) fn skipped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.dropped.counted()
    }
}

impl Drop for MirrorPlace {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_may_be() {
        let metrics = Arc::new(MirrorMetrics::new(1));
        let (first, second) = (metrics.enter(2), metrics.enter(2));
        assert!(first.is_some() && second.is_some());
        assert!(metrics.enter(2).is_none());
        assert_eq!(metrics.in_flight(), 2, "who found no place has left");
        drop(first);
        assert!(metrics.enter(2).is_some());
        drop(second);
        assert_eq!(metrics.in_flight(), 0);
    }
}
