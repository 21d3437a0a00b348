//! [`Gcra`]: the arithmetic of a rate, as pure functions of a number and the time.
//!
//! The generic cell rate algorithm (ITU-T I.371): all that is known of a key is when, at the rate, all
//! that it took would have been paid for: its *theoretical arrival time*, `tat`. Each unit moves it on by
//! the interval between two units; how far ahead of now it may lie is the burst. A `tat` that is past is
//! as good as none: whoever has it may take a whole burst.
//!
//! Everything is whole nanoseconds since an epoch of the caller's, and sums stay below half of what 64
//! bits hold. There is no clock and no state here, so the same few lines can run elsewhere: in a
//! script beside a shared store, say.

/// A rate and a burst.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Gcra {
    /// Between two units at the rate.
    interval: u64,
    /// What a whole burst takes to come back.
    burst: u64,
}

/// Why something cannot be taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Over {
    /// It can be at this time, if nobody takes anything before.
    Until(u64),
    /// It is more than a burst.
    Never,
}

/// The longest that a burst may take to come back.
pub(super) const LONGEST: u64 = 366 * 86_400 * 1_000_000_000;

impl Gcra {
    /// So many units in so many nanoseconds, and as many at once as `burst`; none if a burst would take
    /// longer than a year to come back, or something is zero.
    pub(super) fn new(units: u64, period: u64, burst: u64) -> Option<Self> {
        // Rounded up: never more than was said.
        let interval = Some(period).filter(|period| *period > 0)?.checked_next_multiple_of(units);
        let interval = interval?.checked_div(units)?;
        let burst = interval.checked_mul(burst).filter(|all| (1..=LONGEST).contains(all))?;
        Some(Self { interval, burst })
    }

    /// What `cost` units move a `tat` on by; none if that is more than a burst.
    #[inline]
    pub(super) fn price(self, cost: u64) -> Option<u64> {
        self.interval.checked_mul(cost).filter(|price| *price <= self.burst)
    }

    /// Takes `cost` units; the `tat` after that.
    #[inline]
    pub(super) fn take(self, tat: u64, now: u64, cost: u64) -> Result<u64, Over> {
        let Some(price) = self.price(cost) else { return Err(Over::Never) };
        let after = tat.max(now) + price;
        if after <= now + self.burst { Ok(after) } else { Err(Over::Until(after - self.burst)) }
    }

    /// When `cost` units could be taken, behind others who wait for `ahead`. It may be past.
    pub(super) fn conforms(self, tat: u64, ahead: u64, cost: u64) -> u64 {
        let units = ahead.saturating_add(cost).saturating_mul(self.interval);
        tat.saturating_add(units).saturating_sub(self.burst)
    }

    /// The `tat` as if `cost` units had not been taken.
    pub(super) fn give_back(self, tat: u64, cost: u64) -> u64 {
        tat.saturating_sub(self.interval.saturating_mul(cost))
    }

    /// How many units can be taken at once.
    #[inline]
    pub(super) fn left(self, tat: u64, now: u64) -> u64 {
        (now + self.burst).saturating_sub(tat.max(now)) / self.interval
    }

    /// One of so many equal parts, of the burst too; at least such that `cost` units fit if they fit the
    /// whole.
    pub(super) fn part(self, parts: u32, cost: u64) -> Self {
        let interval = self.interval.saturating_mul(parts.into()).min(LONGEST);
        let units = self.units().div_ceil(parts.into()).max(cost.min(self.units()));
        // As long as sums stay far below what 64 bits hold.
        Self { interval, burst: interval.saturating_mul(units).min(50 * LONGEST) }
    }

    /// Between two units at the rate, in nanoseconds.
    pub(super) const fn interval(self) -> u64 {
        self.interval
    }

    /// The burst, in units.
    pub(super) const fn units(self) -> u64 {
        self.burst / self.interval
    }

    /// In how many seconds so many units come back that take so long, for people: intervals are rounded up, which
    /// makes no second more.
    #[inline]
    pub(super) fn seconds(self, units: u64, nanos: u64) -> u64 {
        nanos.saturating_sub(units).div_ceil(1_000_000_000).max(u64::from(nanos > 0))
    }

    /// How long a whole burst takes to come back, in nanoseconds.
    pub(super) const fn window(self) -> u64 {
        self.burst
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use governor::{Quota, RateLimiter, clock::FakeRelativeClock};
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// What a rate promises, said plainly: in no stretch of time that ends now, more than a burst and
    /// what the rate gives in it.
    #[derive(Default)]
    struct Model(Vec<(u64, u64)>);

    impl Model {
        fn take(&mut self, interval: u64, burst: u64, now: u64, cost: u64) -> bool {
            self.0.push((now, cost));
            let keeps = (0..self.0.len()).all(|first| {
                let taken: u64 = self.0[first..].iter().map(|(_, cost)| cost).sum();
                taken * interval <= burst * interval + (now - self.0[first].0)
            });
            if !keeps {
                self.0.pop();
            }
            keeps
        }
    }

    /// Pauses and costs; a pause in tenths of an interval, so that both answers are frequent.
    fn requests() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((0_u64..25, 0_u64..5), 1..120)
    }

    proptest! {
        #[test]
        fn it_lets_through_what_the_promise_allows_and_nothing_else(
            units in 1_u64..2_000, burst in 1_u64..30, requests in requests(),
        ) {
            let gcra = Gcra::new(units, SECOND, burst).unwrap();
            let (mut model, mut tat, mut now) = (Model::default(), 0, 7);
            for (pause, cost) in requests {
                now += pause * gcra.interval / 10;
                let taken = gcra.take(tat, now, cost);
                let expected = model.take(gcra.interval, burst, now, cost);
                prop_assert_eq!(taken.is_ok(), expected, "{:?} at {}", taken, now);
                tat = taken.unwrap_or(tat);
            }
        }

        #[test]
        fn governor_says_the_same(
            units in 1_u64..2_000, burst in 1_u32..30, requests in requests(),
        ) {
            let gcra = Gcra::new(units, SECOND, burst.into()).unwrap();
            let clock = FakeRelativeClock::default();
            let quota = Quota::with_period(Duration::from_nanos(gcra.interval)).unwrap();
            let quota = quota.allow_burst(NonZeroU32::new(burst).unwrap());
            let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
            let (mut tat, mut now) = (0, 0);
            for (pause, cost) in requests {
                let pause = pause * gcra.interval / 10;
                now += pause;
                clock.advance(Duration::from_nanos(pause));
                let Ok(Some(cost)) = u32::try_from(cost).map(NonZeroU32::new) else { continue };
                let expected = matches!(oracle.check_n(cost), Ok(Ok(())));
                let taken = gcra.take(tat, now, cost.get().into());
                prop_assert_eq!(taken.is_ok(), expected, "{:?} at {}", taken, now);
                tat = taken.unwrap_or(tat);
            }
        }

        #[test]
        fn the_time_to_come_again_is_true_to_the_nanosecond(
            units in 1_u64..2_000, burst in 1_u64..30, requests in requests(),
        ) {
            let gcra = Gcra::new(units, SECOND, burst).unwrap();
            let (mut tat, mut now) = (0, 7);
            for (pause, cost) in requests {
                now += pause * gcra.interval / 10;
                match gcra.take(tat, now, cost) {
                    Ok(after) => {
                        prop_assert!(gcra.conforms(tat, 0, cost) <= now);
                        prop_assert_eq!(gcra.give_back(after, cost), tat.max(now));
                        tat = after;
                    }
                    Err(Over::Until(time)) => {
                        prop_assert!(time > now);
                        prop_assert_eq!(gcra.conforms(tat, 0, cost), time);
                        prop_assert!(gcra.take(tat, time, cost).is_ok());
                        prop_assert!(gcra.take(tat, time - 1, cost).is_err());
                    }
                    Err(Over::Never) => prop_assert!(cost > burst),
                }
                let left = gcra.left(tat, now);
                prop_assert!(gcra.take(tat, now, left).is_ok());
                prop_assert!(gcra.take(tat, now, left + 1).is_err());
            }
        }

        #[test]
        fn no_number_overflows(
            units: u64, period: u64, burst: u64, tat in 0..u64::MAX / 2, now in 0..u64::MAX / 4,
            cost: u64,
        ) {
            if let Some(gcra) = Gcra::new(units, period, burst) {
                let _ = gcra.take(tat, now, cost);
                let _ = (gcra.conforms(tat, cost, cost), gcra.give_back(tat, cost));
                prop_assert!(gcra.left(tat, now) <= gcra.units());
            }
        }
    }

    #[test]
    fn what_makes_no_sense_is_no_rate() {
        for (units, period, burst) in
            [(0, SECOND, 1), (1, 0, 1), (1, SECOND, 0), (1, SECOND, u64::MAX), (1, LONGEST, 2)]
        {
            assert_eq!(Gcra::new(units, period, burst), None, "{units} in {period}, {burst}");
        }
        let third = Gcra::new(3, SECOND, 3).unwrap();
        assert_eq!((third.interval, third.units()), (333_333_334, 3), "rounded to the safe side");
    }
}
