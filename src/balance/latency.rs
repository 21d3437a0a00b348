//! [`Latency`]: how long an endpoint's answers take lately, with the worst remembered.
//!
//! A moving average that follows what is slower at once and what is faster slowly, after Finagle's peak EWMA: an
//! endpoint that stalls is avoided from the first answer that shows it. What is known fades, so that one that is
//! avoided is asked again some day. All workers write it, in one word and without a lock.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{high, low};

/// In this time what is known fades to 1/e.
const DECAY: f32 = 10.0;

/// What a failure is taken to take at least: an endpoint that refuses at once is not a fast one.
const PENALTY: Duration = Duration::from_secs(1);

/// Microseconds between two moments that are told apart, as a power of two: 2^32 of them are 3 days.
const GRAIN: u32 = 6;

/// Microseconds, and when that was; nothing before the first answer.
#[derive(Debug, Default)]
pub struct Latency(AtomicU64);

/// A moment in microseconds, for [`Latency`].
pub fn micros(moment: Instant) -> u64 {
    static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = moment.saturating_duration_since(*EPOCH).as_micros();
    u64::try_from(since).unwrap_or(u64::MAX)
}

impl Latency {
    /// An answer took this long, and came at this moment.
    pub fn answered(&self, took: Duration, now: u64) {
        let took = took.as_secs_f32() * 1e6;
        // A word that others changed meanwhile is tried again: a peak is not to be lost.
        let _ = self.0.fetch_update(Relaxed, Relaxed, |word| {
            let average = match average(word, now) {
                // What fades in between is not made up for: the old average weighs less, the longer ago it was.
                Some((average, kept)) if took < average => average * kept + took * (1.0 - kept),
                _ => took,
            };
            Some(u64::from(average.max(1.0).to_bits()) << 32 | u64::from(low(now >> GRAIN)))
        });
    }

    /// A request failed after this long.
    pub fn failed(&self, took: Duration, now: u64) {
        self.answered(took.max(PENALTY), now);
    }

    /// What an answer takes, as far as it is known at this moment, in microseconds.
    #[inline]
    pub fn at(&self, now: u64) -> Option<f32> {
        average(self.0.load(Relaxed), now).map(|(average, kept)| average * kept)
    }
}

/// The average of a word, and how much of it is left at this moment.
#[inline]
fn average(word: u64, now: u64) -> Option<(f32, f32)> {
    let average = f32::from_bits(high(word));
    // The clock of another worker may have been read later.
    let ago = low(now >> GRAIN).wrapping_sub(low(word)).cast_signed().max(0);
    let seconds = ago as f32 * (1_u32 << GRAIN) as f32 / 1e6;
    (average > 0.0).then(|| (average, (-seconds / DECAY).exp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn near(latency: &Latency, now: u64, expected: f32) {
        let found = latency.at(now).unwrap();
        assert!((found - expected).abs() < expected / 50.0, "{found} instead of {expected}");
    }

    #[test]
    fn what_is_slower_counts_at_once_and_what_is_faster_with_time() {
        let latency = Latency::default();
        assert_eq!(latency.at(0), None);
        latency.answered(millis(10), SECOND);
        near(&latency, SECOND, 10_000.0);
        latency.answered(millis(500), SECOND);
        near(&latency, SECOND, 500_000.0);
        // A hundred good answers at once do not make it good.
        (0..100).for_each(|_| latency.answered(millis(10), SECOND));
        near(&latency, SECOND, 500_000.0);
        // Good ones for a minute do.
        for second in 2..62 {
            latency.answered(millis(10), second * SECOND);
        }
        near(&latency, 61 * SECOND, 11_200.0);
    }

    #[test]
    fn a_failure_is_slow_however_fast_it_came_and_is_forgiven() {
        let latency = Latency::default();
        latency.answered(millis(10), SECOND);
        latency.failed(Duration::from_micros(80), SECOND);
        near(&latency, SECOND, 1e6);
        near(&latency, 11 * SECOND, 1e6 / std::f32::consts::E);
        assert!(latency.at(100 * SECOND).unwrap() < 100.0);
    }

    #[test]
    fn a_clock_that_another_worker_read_later_does_no_harm() {
        let latency = Latency::default();
        latency.answered(millis(10), 5 * SECOND);
        near(&latency, 4 * SECOND, 10_000.0);
    }
}
