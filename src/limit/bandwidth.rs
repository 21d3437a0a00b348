//! [`Bandwidth`]: how fast an answer goes to its client, and [`Pace`], one answer on its way.
//!
//! In: bytes that are there, and the time. Out: how many of them may go now. What may have gone by a
//! moment depends on that moment alone, so no delay adds up: an answer ends when it should, however
//! unevenly it was asked for.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{self, ByteRate, Path, Problem, Problems},
    metrics::LimitMetrics,
};

/// How fast an answer goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Bandwidth {
    /// Bytes in a second.
    rate: u64,
    /// Bytes that go at once.
    after: u64,
}

/// An answer on its way.
#[derive(Debug)]
pub struct Pace {
    bandwidth: Bandwidth,
    sent: u64,
    /// When its first bytes were there, and in which they were, in milliseconds.
    begun: Option<u64>,
    /// Where it is counted, until it was.
    metrics: Option<Arc<LimitMetrics>>,
}

/// As much as fits this time goes at once, so that small answers are not held back for nothing. It is
/// what the clock of a worker can tell apart.
const AT_ONCE: u64 = 50;

impl Bandwidth {
    /// Of a limit; `of_tier` is what a tier of it says instead.
    pub(super) fn of(limit: &config::Limit, of_tier: Option<ByteRate>) -> Option<Self> {
        let rate = of_tier.or(limit.bandwidth)?.0;
        Some(Self { rate, after: limit.bandwidth_after.map_or(0, |size| size.0) })
    }

    /// What could not be meant.
    pub(super) fn check(limit: &config::Limit, at: &Path, problems: &mut Problems) {
        let mut tiers = limit.tiers.iter().filter_map(|(name, tier)| match tier {
            config::Tier::Table(table) => Some((name, table.bandwidth?)),
            config::Tier::Rate(_) => None,
        });
        let nothing =
            |at: Path| Problem::error(at, "no answer would ever arrive").help("as in \"1MiB/s\"");
        if limit.bandwidth == Some(ByteRate(0)) {
            problems.push(nothing(at.key("bandwidth")));
        }
        let none = limit.bandwidth.is_none() && tiers.clone().next().is_none();
        if limit.bandwidth_after.is_some() && none {
            let problem = Problem::error(at.key("bandwidth-after"), "after it comes a `bandwidth`");
            problems.push(problem.help("bandwidth = \"1MiB/s\""));
        }
        if let Some((name, _)) = tiers.find(|(_, rate)| rate.0 == 0) {
            problems.push(nothing(at.key("tiers").key(name.clone()).key("bandwidth")));
        }
    }

    /// Whether an answer goes slower by this than by another.
    pub(super) const fn is_slower(self, other: Self) -> bool {
        self.rate < other.rate
    }

    /// Bytes in a second; nothing is faster than none.
    pub(super) fn speed(bandwidth: Option<Self>) -> u64 {
        bandwidth.map_or(u64::MAX, |bandwidth| bandwidth.rate)
    }

    /// Bytes that may have gone so many milliseconds after the first were there.
    fn by(self, millis: u64) -> u64 {
        let paced = u128::from(self.rate) * u128::from(millis + AT_ONCE) / 1_000;
        u64::try_from(paced).unwrap_or(u64::MAX).saturating_add(self.after)
    }

    /// For people.
    pub(super) fn describe(self) -> String {
        let after = match self.after {
            0 => String::new(),
            after => format!(" after {}", config::ByteSize(after)),
        };
        format!("answers at {}{after}", ByteRate(self.rate))
    }
}

impl Pace {
    pub(super) fn new(bandwidth: Bandwidth, metrics: Arc<LimitMetrics>) -> Self {
        Self { bandwidth, sent: 0, begun: None, metrics: Some(metrics) }
    }

    /// How many of the bytes that are there may go `now`, in milliseconds on a clock that goes on; at
    /// least one.
    ///
    /// # Errors
    /// None; how long to wait.
    pub fn allow(&mut self, there: usize, now: u64) -> Result<usize, Duration> {
        let begun = *self.begun.get_or_insert(now);
        let by = self.bandwidth.by(now.saturating_sub(begun));
        match usize::try_from(by.saturating_sub(self.sent)).unwrap_or(usize::MAX) {
            0 => {
                // What is less than a millisecond is the clock's.
                let missing = u128::from(self.sent + 1 - by) * 1_000;
                let millis = missing.div_ceil(u128::from(self.bandwidth.rate.max(1)));
                Err(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
            }
            allowed => {
                let allowed = allowed.min(there);
                self.sent += allowed as u64;
                Ok(allowed)
            }
        }
    }

    /// Counts an answer that has to wait, once.
    pub fn count(&mut self, worker: usize) {
        if let Some(metrics) = self.metrics.take() {
            metrics.pace(worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(rate: u64, after: u64) -> Pace {
        let metrics = Arc::new(LimitMetrics::new(0, &[]));
        Pace::new(Bandwidth { rate, after }, metrics)
    }

    /// When all of an answer has gone, if it is asked for every so many milliseconds.
    fn takes(mut pace: Pace, size: u64, every: u64) -> u64 {
        let (mut left, mut now) = (size, 7);
        loop {
            while let Ok(sent @ 1..) = pace.allow(left.min(16 << 10) as usize, now) {
                left -= sent as u64;
                if left == 0 {
                    return now - 7;
                }
            }
            now += every;
        }
    }

    #[test]
    fn an_answer_takes_its_size_over_the_bandwidth() {
        for (rate, after, size, millis) in [
            (1 << 20, 0, 2 << 20, 2_000),
            (1 << 20, 1 << 20, 3 << 20, 2_000),
            (100_000, 0, 300_000, 3_000),
            (3, 0, 30, 10_000),
            (1 << 40, 0, 1 << 30, 0),
            (1_000, 1 << 50, 1 << 20, 0),
        ] {
            for every in [1, 50, 100] {
                let took = takes(pace(rate, after), size, every);
                assert!(took <= millis + every, "{rate} {after} {size}: {took}");
                assert!(took + AT_ONCE + 1 >= millis, "{rate} {after} {size}: {took}");
            }
        }
    }

    #[test]
    fn a_small_answer_does_not_wait() {
        assert_eq!(pace(1 << 20, 0).allow(4_000, 0), Ok(4_000));
        assert_eq!(pace(1, 4_000).allow(4_000, 0), Ok(4_000));
        let mut slow = pace(10, 0);
        assert_eq!(slow.allow(100, 0), Err(Duration::from_millis(100)));
        assert_eq!(slow.allow(100, 100), Ok(1));
    }

    proptest! {
        #[test]
        fn nothing_goes_too_soon_and_whoever_waits_as_told_may_go_on(
            rate in 1_u64..1 << 34,
            after in 0_u64..1 << 24,
            pieces in prop::collection::vec((1_usize..1 << 20, 0_u64..2_000), 1..100),
        ) {
            let mut pace = pace(rate, after);
            let (mut now, mut sent) = (5_u64, 0_u64);
            for (piece, pause) in pieces {
                now += pause;
                let allowed = pace.allow(piece, now);
                if let Ok(allowed) = allowed {
                    prop_assert!((1..=piece).contains(&allowed));
                    sent += allowed as u64;
                }
                let most = u128::from(rate) * u128::from(now - 5 + AT_ONCE) / 1_000 + u128::from(after);
                prop_assert!(u128::from(sent) <= most);
                if let Err(wait) = allowed {
                    now += u64::try_from(wait.as_millis()).unwrap();
                    let allowed = pace.allow(1, now);
                    prop_assert_eq!(allowed, Ok(1));
                    sent += 1;
                }
            }
        }
    }
}
