//! [`Gradient`]: the arithmetic of a limit that finds itself.
//!
//! In: what a window of requests came to ([`Heard`]) and the time. Out: how many may be in flight from
//! now on. The idea, the formula and most constants are those of Envoy's gradient controller (its filter
//! `adaptive_concurrency`), which has them from Netflix's `concurrency-limits`: what answers take without
//! load (the *baseline*, there `minRTT`), with a quarter more for luck, over what they take now, is the
//! gradient; by it the limit is multiplied, and gets its square root on top as room to grow.
//!
//! What is different here, and why:
//! - Latencies are averaged by their logarithm, not by a percentile: that needs one cell and no histogram,
//!   one request that takes a minute moves it little, and so does another mix of fast and slow ones.
//! - Nothing grows that is not asked for (Netflix: only with half of the limit in use), so a quiet hour
//!   does not end with a limit that a burst may use to bury the upstream.
//! - The baseline is measured anew (a *probe*) not by the clock alone but when the limit is in use or
//!   answers are slow, and not with three requests in flight but with half of what the upstream is
//!   thought to work on at a time: it idles little. While a probe confirms what was known the next one is
//!   twice as far away. It lasts for several answers: the first to come back are the fastest, and tell
//!   little of the others.
//! - Failures that tell of overload count as well; see `gate`.

use std::time::Duration;

/// A latency by its logarithm: 1,024 times that to the base of 2, of microseconds.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Latency(pub(super) i64);

/// What the logarithm of 2 is here.
const OCTAVE: i64 = 1 << 10;

/// A quarter more than the baseline is no queue.
const TOLERANCE: i64 = 330;

/// By how much a probe's result may be off the baseline that it confirms: a quarter.
const SAME: i64 = TOLERANCE;

/// Requests that say something together.
pub(super) const ENOUGH: u64 = 25;

/// How long a window is at least.
pub(super) const WINDOW: Duration = Duration::from_millis(100);

/// How far off the next probe is, at first and at most.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);

/// How many answers, one after the other, a probe lasts at least.
const ANSWERS: u32 = 4;

/// A probe is given up after this time at least, and after this many times that it should take.
const PATIENCE: (Duration, u32) = (Duration::from_secs(5), 3);

/// Where a limit begins, within its bounds.
const FIRST: u32 = 20;

/// What a window of requests came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// What answers took, and how many said so.
    pub(super) latency: Option<Latency>,
    pub(super) samples: u64,
    /// Requests whose end tells of overload.
    pub(super) failures: u64,
    /// The most that were in flight.
    pub(super) peak: u32,
}

/// A limit that finds itself.
#[derive(Clone, Debug)]
pub(super) struct Gradient {
    min: u32,
    max: u32,
    limit: u32,
    /// What answers take without load.
    baseline: Option<Latency>,
    probe: Probe,
    /// When the last window was closed, and the next one may be.
    closed: Duration,
    due: Duration,
}

/// What is done to learn the baseline.
#[derive(Clone, Copy, Debug)]
enum Probe {
    /// Nothing until then (or, if all seems lost, until `soon`), and so much longer if the next one
    /// confirms what is known.
    Due { at: Duration, soon: Duration, again: Duration },
    /// Few are in flight, until then at most; afterwards the limit is this again.
    Runs { until: Duration, limit: u32, again: Duration },
}

impl Latency {
    /// A duration as a latency; nothing takes no time.
    pub(super) fn of(time: Duration) -> Self {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let octave = micros.ilog2();
        // Linear between two powers of two, which is off by a sixteenth at most, the same each time.
        let fraction = ((u128::from(micros) << 10) >> octave) & 1_023;
        Self(i64::from(octave) * OCTAVE + i64::try_from(fraction).unwrap_or(0))
    }

    /// The duration of about this latency.
    pub(super) fn duration(self) -> Duration {
        let (octave, fraction) = (self.0 / OCTAVE, self.0 % OCTAVE);
        let mantissa = u64::try_from(OCTAVE + fraction).unwrap_or(0);
        Duration::from_micros((u128::from(mantissa) << octave >> 10) as u64)
    }
}

/// 2 to the power of so many 1,024ths.
fn power(exponent: i64) -> f64 {
    (exponent as f64 / OCTAVE as f64).exp2()
}

impl Gradient {
    /// A limit within these bounds.
    pub(super) fn new(min: u32, max: u32) -> Self {
        let zero = Duration::ZERO;
        let probe = Probe::Due { at: zero, soon: zero, again: SOON };
        let limit = FIRST.clamp(min, max);
        Self { min, max, limit, baseline: None, probe, closed: zero, due: WINDOW }
    }

    /// How many may be in flight now.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    /// What answers take without load, as far as that is known.
    pub(super) const fn baseline(&self) -> Option<Latency> {
        self.baseline
    }

    /// Whether a probe runs: what began before tells nothing then.
    pub(super) const fn probes(&self) -> bool {
        matches!(self.probe, Probe::Runs { .. })
    }

    /// When the next window may be closed.
    pub(super) const fn due(&self) -> Duration {
        self.due
    }

    /// Takes in a window that ends now.
    pub(super) fn close(&mut self, heard: Heard, now: Duration) {
        let length = now.saturating_sub(self.closed);
        (self.closed, self.due) = (now, now + WINDOW);
        match self.probe {
            Probe::Runs { limit, again, .. } => {
                self.limit = limit;
                self.end_probe(heard, again, length, now);
            }
            Probe::Due { at, soon, again } => {
                self.adapt(heard);
                let (Some(latency), Some(baseline)) = (heard.latency, self.baseline) else {
                    return;
                };
                let longer = latency.0 - baseline.0 - TOLERANCE;
                let asked = now >= at && (longer > 0 || self.is_pressed(heard.peak));
                // Either it is not the load, or there is nothing left to lose.
                let lost = longer >= OCTAVE || (longer > 0 && self.limit == self.min);
                if asked || (lost && now >= soon) {
                    self.begin_probe(latency, baseline, again, now);
                }
            }
        }
    }

    /// Gives up a probe that brings nothing.
    pub(super) fn look(&mut self, now: Duration) {
        if let Probe::Runs { until, limit, again } = self.probe
            && now > until
        {
            self.limit = limit;
            self.probe = Probe::Due { at: now + again, soon: now + SOON, again };
        }
    }

    /// Whether so many in flight ask for the limit.
    const fn is_pressed(&self, peak: u32) -> bool {
        peak >= self.limit.div_ceil(2)
    }

    fn adapt(&mut self, heard: Heard) {
        let fails = heard.failures * 10 > heard.samples + heard.failures;
        let gradient = match heard.latency {
            None => 1.0,
            Some(latency) => {
                let baseline = *self.baseline.get_or_insert(latency);
                if latency < baseline {
                    // Slowly, so that a window of fast requests does not make all others slow.
                    self.baseline = Some(Latency(baseline.0 - (baseline.0 - latency.0) / 8));
                }
                power((baseline.0 + TOLERANCE - latency.0).clamp(-OCTAVE, OCTAVE))
            }
        };
        let wanted = match fails {
            true => f64::from(self.limit) * gradient.min(0.9),
            false => {
                let multiplied = f64::from(self.limit) * gradient;
                multiplied + multiplied.sqrt()
            }
        };
        // What is too large becomes the largest.
        let wanted = wanted as u32;
        if wanted <= self.limit || self.is_pressed(heard.peak) {
            self.limit = wanted.clamp(self.min, self.max);
        }
    }

    fn begin_probe(&mut self, latency: Latency, baseline: Latency, again: Duration, now: Duration) {
        // What the upstream works on at a time, queues aside; half of that has none.
        let share = power((baseline.0 - latency.0).clamp(-16 * OCTAVE, 0));
        let few = (f64::from(self.limit) * share / 2.0) as u32;
        let few = few.clamp(self.min, self.max);
        let answer = latency.duration();
        self.due = now + (answer * ANSWERS).max(WINDOW);
        // With few in flight it takes a while until enough were answered.
        let all = answer.saturating_mul(u32::try_from(ENOUGH).unwrap_or(u32::MAX)) / few;
        let until = now + (all.max(answer * ANSWERS) * PATIENCE.1).max(PATIENCE.0);
        self.probe = Probe::Runs { until, limit: self.limit, again };
        self.limit = few;
    }

    fn end_probe(&mut self, heard: Heard, again: Duration, length: Duration, now: Duration) {
        // Slow answers make long windows; a quiet time is none.
        let least = (length * 10).clamp(SOON, LATER);
        let again = match (heard.latency, self.baseline) {
            (Some(found), Some(known)) if heard.samples * 2 >= ENOUGH => {
                self.baseline = Some(found);
                match (found.0 - known.0).abs() <= SAME {
                    true => (again * 2).min(LATER),
                    false => SOON,
                }
            }
            _ => again,
        };
        self.probe = Probe::Due { at: now + again.max(least), soon: now + least, again };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(millis: u64, peak: u32) -> Heard {
        let latency = Some(Latency::of(Duration::from_millis(millis)));
        Heard { latency, samples: ENOUGH, failures: 0, peak }
    }

    /// After so many windows of a tenth of a second.
    fn after(gradient: &mut Gradient, windows: u32, heard: impl Fn(&Gradient) -> Heard) {
        for _ in 0..windows {
            let now = gradient.due();
            gradient.close(heard(gradient), now);
        }
    }

    #[test]
    fn a_limit_in_use_grows_while_answers_are_as_fast_as_without_load() {
        let mut gradient = Gradient::new(3, 1_000);
        assert_eq!(gradient.limit(), 20);
        after(&mut gradient, 60, |gradient| heard(10, gradient.limit()));
        assert_eq!(gradient.limit(), 1_000);
    }

    #[test]
    fn what_nobody_asks_for_does_not_grow() {
        let mut gradient = Gradient::new(3, 1_000);
        after(&mut gradient, 1_000, |_| heard(10, 9));
        assert_eq!(gradient.limit(), 20);
    }

    #[test]
    fn a_limit_falls_when_answers_take_longer_and_never_below_its_least() {
        let mut gradient = Gradient::new(3, 1_000);
        after(&mut gradient, 9, |_| heard(10, 9));
        gradient.adapt(heard(30, 20));
        assert!((10..15).contains(&gradient.limit()), "{}", gradient.limit());
        let mut failing = Gradient::new(3, 1_000);
        after(&mut failing, 100, |_| Heard { latency: None, samples: 0, failures: 25, peak: 20 });
        assert_eq!(failing.limit(), 3);
    }

    #[test]
    fn some_failures_are_no_overload() {
        let mut gradient = Gradient::new(3, 1_000);
        after(&mut gradient, 100, |gradient| Heard {
            samples: 97,
            failures: 3,
            ..heard(10, gradient.limit() / 2 - 1)
        });
        assert_eq!(gradient.limit(), 20);
    }

    #[test]
    fn an_upstream_that_became_slower_by_itself_is_found_out() {
        let mut gradient = Gradient::new(3, 1_000);
        after(&mut gradient, 50, |gradient| heard(10, gradient.limit().min(60)));
        after(&mut gradient, 60, |gradient| heard(40, gradient.limit().min(60)));
        let baseline = gradient.baseline().unwrap().duration();
        assert!((35..45).contains(&baseline.as_millis()), "{baseline:?}");
        assert!(gradient.limit() >= 60, "{}", gradient.limit());
    }

    #[test]
    fn a_probe_that_nobody_comes_to_is_given_up() {
        let mut gradient = Gradient::new(3, 1_000);
        let mut before = 0;
        while !gradient.probes() {
            before = gradient.limit();
            after(&mut gradient, 1, |gradient| heard(10, gradient.limit()));
        }
        assert!(gradient.limit() <= before, "{} of {before}", gradient.limit());
        let since = gradient.closed;
        gradient.look(since + PATIENCE.0);
        assert!(gradient.probes());
        gradient.look(since + PATIENCE.0 * 2);
        assert!(!gradient.probes() && gradient.limit() > before);
    }

    proptest! {
        #[test]
        fn latencies_are_in_order_and_about_right(one in 1_u64..1 << 40, other in 1_u64..1 << 40) {
            let latency = |micros| Latency::of(Duration::from_micros(micros));
            if one <= other {
                prop_assert!(latency(one) <= latency(other));
            }
            let back = latency(one).duration().as_micros();
            prop_assert!(back <= u128::from(one) && back * 1_001 / 1_000 + 1 >= u128::from(one));
        }

        #[test]
        fn whatever_is_heard_the_limit_keeps_its_bounds(
            heard in prop::collection::vec((0_u64..100_000_000, 0_u64..100, 0_u32..5_000), 1..200),
            (min, more) in (1_u32..50, 0_u32..2_000),
        ) {
            let mut gradient = Gradient::new(min, min + more);
            for (micros, failures, peak) in heard {
                let latency = (micros > 0).then(|| Latency::of(Duration::from_micros(micros)));
                let now = gradient.due();
                gradient.close(Heard { latency, samples: ENOUGH, failures, peak }, now);
                prop_assert!((min..=min + more).contains(&gradient.limit()));
            }
        }
    }
}
