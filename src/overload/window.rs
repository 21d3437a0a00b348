//! [`Window`]: what requests say of an upstream, gathered by all workers until one of them takes it.
//!
//! In: latencies, each a single addition in a cell of the worker's own. Out: their number and mean.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::gradient::{Heard, Latency};
use crate::worker::PerWorker;

/// What requests say of an upstream.
#[derive(Debug)]
pub(super) struct Window {
    /// Their number above, the sum of their latencies below.
    samples: PerWorker<AtomicU64>,
    /// Requests whose end tells of overload, which are few.
    failures: AtomicU64,
}

/// Bits of the sum. A latency has less than 16, so a million of them fit; a window has far fewer.
const SUM: u32 = 40;

impl Window {
    pub(super) fn new(workers: usize) -> Self {
        Self { samples: PerWorker::new(workers), failures: AtomicU64::new(0) }
    }

    /// Takes in what an answer took.
    #[inline]
    pub(super) fn add(&self, worker: usize, latency: Latency) {
        // No latency of this process has more bits.
        let latency = u64::try_from(latency.0).unwrap_or(0);
        self.samples.at(worker).fetch_add((1 << SUM) + latency, Relaxed);
    }

    /// Takes in a failure that tells of overload.
    pub(super) fn fail(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// How many said something.
    pub(super) fn count(&self) -> u64 {
        self.samples.sum(|cell| cell.load(Relaxed) >> SUM) + self.failures.load(Relaxed)
    }

    /// Takes all out. What is added meanwhile is in this window or the next.
    pub(super) fn take(&self, peak: u32) -> Heard {
        let (mut samples, mut sum) = (0, 0);
        for cell in self.samples.iter() {
            let taken = cell.swap(0, Relaxed);
            samples += taken >> SUM;
            sum += taken & ((1 << SUM) - 1);
        }
        let latency = sum.checked_div(samples);
        let latency = latency.map(|mean| Latency(i64::try_from(mean).unwrap_or(i64::MAX)));
        Heard { latency, samples, failures: self.failures.swap(0, Relaxed), peak }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_window_is_the_mean_of_what_all_workers_heard() {
        let window = Window::new(2);
        for (worker, millis) in [(0, 1), (1, 4), (7, 16)] {
            window.add(worker, Latency::of(Duration::from_millis(millis)));
        }
        window.fail();
        assert_eq!(window.count(), 4);
        let heard = window.take(9);
        assert_eq!((heard.samples, heard.failures, heard.peak), (3, 1, 9));
        let mean = heard.latency.unwrap().duration().as_micros();
        assert!((3_900..4_100).contains(&mean), "the middle of three factors: {mean}");
        assert!(window.take(0).latency.is_none(), "it is taken once");
    }

    #[test]
    fn as_many_as_a_window_may_have_fit() {
        let window = Window::new(1);
        let slow = Latency::of(Duration::from_secs(365 * 86_400));
        (0..200_000).for_each(|_| window.add(0, slow));
        let heard = window.take(0);
        assert_eq!((heard.samples, heard.latency), (200_000, Some(slow)));
    }
}
