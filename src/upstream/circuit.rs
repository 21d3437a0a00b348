//! [`Circuit`]: closed, open or half-open. The state machine alone: time and counts are given to it.
//!
//! Closed, it looks at each failure whether too many of the requests within the window were such. Open, it
//! refuses for a time. Half-open, it lets a few probes through: if all go well it closes, if one fails it
//! opens again.

use std::{collections::VecDeque, time::Duration};

use crate::config;

/// Steps in which a window moves on.
const STEPS: u32 = 10;

/// Requests since the beginning, and how many failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) failures: u64,
}

/// Closed, open or half-open.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: State,
    /// How often the state has changed: what began before is of no account after.
    epoch: u32,
    /// What was counted when, oldest first: the first is where the window begins.
    samples: VecDeque<(Duration, Totals)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum State {
    /// All goes.
    #[default]
    Closed,
    /// A few are out to see, and so many went well.
    HalfOpen { out: u32, well: u32 },
    /// Nothing goes until then.
    Open { until: Duration },
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    Go,
    /// It goes, to see; in this epoch.
    Probe(u32),
    /// It does not go, for so long.
    Refused(Duration),
}

impl Circuit {
    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// A request comes.
    pub(super) fn ask(&mut self, settings: &config::Breaker, now: Duration) -> Verdict {
        if let State::Open { until } = self.state {
            if now < until {
                return Verdict::Refused(until - now);
            }
            self.turn(State::HalfOpen { out: 0, well: 0 });
        }
        // A reload may want fewer than went well already.
        if let State::HalfOpen { well, .. } = self.state
            && well >= settings.probes
        {
            self.turn(State::Closed);
        }
        match &mut self.state {
            State::HalfOpen { out, well } if *out + *well < settings.probes => {
                *out += 1;
                Verdict::Probe(self.epoch)
            }
            // What the probes come to is known soon, or not: who knows.
            State::HalfOpen { .. } => Verdict::Refused(Duration::from_secs(1)),
            State::Closed | State::Open { .. } => Verdict::Go,
        }
    }

    /// A request failed that was let go while it was closed; it is counted in `totals`.
    pub(super) fn failed(&mut self, settings: &config::Breaker, totals: Totals, now: Duration) {
        if self.state != State::Closed {
            return;
        }
        let window = settings.window.0;
        let begins = now.saturating_sub(window);
        while self.samples.get(1).is_some_and(|(time, _)| *time <= begins) {
            self.samples.pop_front();
        }
        // After a quiet time the window begins with this one: what went well before it says nothing.
        if self.samples.back().is_none_or(|(time, _)| *time < begins) {
            let before = Totals {
                requests: totals.requests.saturating_sub(1),
                failures: totals.failures.saturating_sub(1),
            };
            self.samples = VecDeque::from([(now, before)]);
        }
        let Some((_, since)) = self.samples.front() else { return };
        let requests = totals.requests.saturating_sub(since.requests);
        let failures = totals.failures.saturating_sub(since.failures);
        let percent = u64::from(settings.failure_percent);
        if requests >= settings.min_requests.into() && failures * 100 >= requests * percent {
            self.open(settings, now);
        } else if self.samples.back().is_some_and(|(time, _)| now - *time >= window / STEPS) {
            self.samples.push_back((now, totals));
        }
    }

    /// A probe of this epoch went well, or failed, or says nothing.
    pub(super) fn told(
        &mut self,
        settings: &config::Breaker,
        epoch: u32,
        well: Option<bool>,
        now: Duration,
    ) {
        let State::HalfOpen { out, well: known } = &mut self.state else { return };
        if epoch != self.epoch {
            return;
        }
        *out = out.saturating_sub(1);
        match well {
            Some(true) => *known += 1,
            Some(false) => return self.open(settings, now),
            None => {}
        }
        if *known >= settings.probes {
            self.turn(State::Closed);
        }
    }

    fn open(&mut self, settings: &config::Breaker, now: Duration) {
        self.turn(State::Open { until: now + settings.time.0 });
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.epoch = self.epoch.wrapping_add(1);
        self.samples.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// A circuit with what it needs to count.
    #[derive(Default)]
    struct Bench {
        circuit: Circuit,
        settings: config::Breaker,
        totals: Totals,
    }

    impl Bench {
        /// Requests that came while it was closed.
        fn requests(&mut self, good: u64, bad: u64, now: Duration) {
            self.totals.requests += good;
            for _ in 0..bad {
                self.totals.requests += 1;
                self.totals.failures += 1;
                self.circuit.failed(&self.settings, self.totals, now);
            }
        }

        fn ask(&mut self, now: Duration) -> Verdict {
            self.circuit.ask(&self.settings, now)
        }

        fn probe(&mut self, now: Duration) -> u32 {
            match self.ask(now) {
                Verdict::Probe(epoch) => epoch,
                other => panic!("no probe: {other:?}"),
            }
        }

        fn told(&mut self, epoch: u32, well: Option<bool>, now: Duration) -> State {
            self.circuit.told(&self.settings, epoch, well, now);
            self.circuit.state()
        }
    }

    #[test]
    fn it_opens_when_too_many_of_enough_requests_fail() {
        for (good, bad, opens) in [
            (0, 19, false),
            (0, 20, true),
            (10, 10, true),
            (11, 10, false),
            (1_000, 999, false),
            (1_000, 1_000, true),
        ] {
            let mut bench = Bench::default();
            // The first failure begins the window.
            bench.requests(0, 1, secs(100));
            bench.requests(good, bad - 1, secs(101));
            let open = matches!(bench.circuit.state(), State::Open { .. });
            assert_eq!(open, opens, "{good} {bad}");
        }
    }

    #[test]
    fn what_was_before_the_window_does_not_count() {
        let mut bench = Bench::default();
        bench.requests(0, 19, secs(1));
        bench.requests(1_000_000, 0, secs(3_000));
        bench.requests(0, 19, secs(3_600));
        assert_eq!(bench.circuit.state(), State::Closed, "19 at a time are too few");
        bench.requests(0, 1, secs(3_601));
        assert_eq!(bench.circuit.state(), State::Open { until: secs(3_611) });
        // And a slow trickle never comes to enough within a window.
        let mut bench = Bench::default();
        (0..1_000).for_each(|turn| bench.requests(0, 1, secs(turn)));
        assert_eq!(bench.circuit.state(), State::Closed);
    }

    #[test]
    fn open_it_refuses_for_its_time_and_then_lets_probes_through() {
        let mut bench = Bench::default();
        bench.requests(0, 20, secs(5));
        assert_eq!(bench.ask(secs(5)), Verdict::Refused(secs(10)));
        assert_eq!(bench.ask(secs(14)), Verdict::Refused(secs(1)));
        let probes: Vec<_> = (0..3).map(|_| bench.probe(secs(15))).collect();
        assert_eq!(bench.ask(secs(15)), Verdict::Refused(secs(1)), "three are out");
        assert_eq!(bench.told(probes[0], None, secs(15)), State::HalfOpen { out: 2, well: 0 });
        let again = bench.probe(secs(15));
        for epoch in [probes[1], probes[2]] {
            assert!(matches!(bench.told(epoch, Some(true), secs(16)), State::HalfOpen { .. }));
        }
        assert_eq!(bench.told(again, Some(true), secs(16)), State::Closed);
        assert_eq!(bench.ask(secs(16)), Verdict::Go);
    }

    #[test]
    fn it_closes_when_a_reload_wants_no_more_probes_than_went_well() {
        let mut bench = Bench::default();
        bench.requests(0, 20, secs(0));
        let probes: Vec<_> = (0..2).map(|_| bench.probe(secs(10))).collect();
        for epoch in probes {
            bench.told(epoch, Some(true), secs(10));
        }
        assert_eq!(bench.circuit.state(), State::HalfOpen { out: 0, well: 2 });
        bench.settings.probes = 2;
        assert_eq!(bench.ask(secs(11)), Verdict::Go, "nobody else would ever come through");
        assert_eq!(bench.circuit.state(), State::Closed);
    }

    #[test]
    fn a_probe_that_fails_opens_it_again_and_one_of_the_past_does_nothing() {
        let mut bench = Bench::default();
        bench.requests(0, 20, secs(0));
        let (first, second) = (bench.probe(secs(10)), bench.probe(secs(10)));
        assert_eq!(bench.told(first, Some(false), secs(11)), State::Open { until: secs(21) });
        assert_eq!(bench.told(second, Some(true), secs(12)), State::Open { until: secs(21) });
        let third = bench.probe(secs(21));
        bench.told(second, Some(false), secs(22));
        assert_eq!(bench.told(third, Some(true), secs(22)), State::HalfOpen { out: 0, well: 1 });
    }

    proptest! {
        /// Whatever happens: never more probes out than may be, open for the whole time, and open only
        /// when enough failed.
        #[test]
        fn its_promises_hold(
            steps in proptest::collection::vec((0_u8..5, 0_u64..3_000), 1..400),
        ) {
            let mut bench = Bench::default();
            let (mut now, mut out) = (Duration::ZERO, Vec::new());
            let mut opened = None;
            for (what, millis) in steps {
                now += Duration::from_millis(millis);
                let before = bench.circuit.state();
                match what {
                    0 | 1 => match bench.ask(now) {
                        Verdict::Go => {
                            prop_assert_eq!(before, State::Closed);
                            bench.requests(u64::from(what == 0), u64::from(what == 1), now);
                        }
                        Verdict::Probe(epoch) => out.push(epoch),
                        Verdict::Refused(_) => prop_assert_ne!(before, State::Closed),
                    },
                    _ => if let Some(epoch) = out.pop() {
                        let well = [Some(true), Some(false), None][usize::from(what) - 2];
                        bench.told(epoch, well, now);
                    },
                }
                match (before, bench.circuit.state()) {
                    (State::Open { .. }, State::Closed) => prop_assert!(false, "closed unproved"),
                    (State::Closed, State::HalfOpen { .. }) => prop_assert!(false, "not opened"),
                    (State::Open { .. }, State::HalfOpen { .. }) => {
                        prop_assert!(opened.is_some_and(|at| now >= at + bench.settings.time.0));
                    }
                    (State::Closed | State::HalfOpen { .. }, State::Open { .. }) => {
                        opened = Some(now);
                    }
                    _ => {}
                }
                if let State::HalfOpen { out, well } = bench.circuit.state() {
                    prop_assert!(out + well <= bench.settings.probes);
                }
            }
        }
    }
}
