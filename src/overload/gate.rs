//! [`Gate`]: how many requests are in flight to an upstream, and whom there is no room for.
//!
//! In: requests, as they come, are answered, and end. Out: a [`Slot`] for each that there is room for.
//! All workers share the count, by one exchange of it for each request; the rest of what they write is
//! each one's own. What is found out of latencies becomes a new limit every tenth of a second, by whoever
//! comes to it first.
//!
//! What counts as latency: from when a request goes to the upstream, or its upload has ended, to the head
//! of its answer. An answer of 500 or more says nothing of that, however fast it is, nor does 429: an
//! upstream that is broken would look idle. One that took too long is as slow as it was, at least; so is
//! one whose client did not wait for the answer, if that was longer than answers take. An upstream that
//! cannot be reached, breaks off or answers 503 is overloaded: the limit falls by a tenth if that happens
//! to one in ten.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicI64, AtomicU32, AtomicU64,
            Ordering::{AcqRel, Relaxed},
        },
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    Priority, Shares,
    gradient::{ENOUGH, Gradient, Latency, WINDOW},
    window::Window,
};
use crate::{
    config::{self, MaxInFlight, Path, Problem, Problems},
    metrics::UpstreamMetrics,
};

/// What stands before an upstream and counts who is in it.
#[derive(Clone, Debug)]
pub struct Gate {
    /// A number, where the limit does not find itself.
    fixed: Option<u32>,
    /// Else its bounds.
    bounds: (u32, u32),
    shares: Shares,
    state: Arc<State>,
    metrics: Arc<UpstreamMetrics>,
}

/// What outlives a reload.
#[derive(Debug)]
struct State {
    /// What it found itself to be.
    limit: AtomicU32,
    in_flight: AtomicU32,
    /// The most that were in flight since the last window.
    peak: AtomicU32,
    /// Which probe runs, or 0.
    probe: AtomicU32,
    adaptive: Option<Adaptive>,
}

/// How the limit finds itself.
#[derive(Debug)]
struct Adaptive {
    epoch: Instant,
    window: Window,
    /// When the window may be closed, in microseconds since the epoch.
    due: AtomicU64,
    gradient: Mutex<Gradient>,
    /// What answers take without load, a `Latency`; 0 as long as that is not known.
    baseline: AtomicI64,
    probes: AtomicU32,
}

/// A request in flight. To be given back by [`Gate::leave`].
#[derive(Debug)]
#[must_use = "its place is taken until it is given back"]
pub struct Slot {
    began: Instant,
    /// The probe that it began in.
    probe: u32,
    /// Whether what it came to is known.
    told: bool,
}

/// What a request came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// An answer that took as long as such answers take.
    Answer,
    /// It took too long.
    Late,
    /// The upstream could not take it.
    Overloaded,
    /// It says nothing.
    Nothing,
}

impl Gate {
    /// Compiles `max-in-flight` at `at`; what was counted before goes on if the upstream is the same.
    pub fn compile(
        written: &MaxInFlight,
        shares: Shares,
        workers: usize,
        previous: Option<&Self>,
        metrics: &Arc<UpstreamMetrics>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let (fixed, bounds) = match *written {
            MaxInFlight::Number(most) => (Some(most), (most, most)),
            MaxInFlight::Word(_) => (None, bounds(config::Adaptive::default())),
            MaxInFlight::Adaptive(adaptive) => (None, bounds(adaptive)),
        };
        let nothing = "no request could go there";
        let wrong = match bounds {
            (0, _) if fixed.is_some() => Some((at.clone(), nothing)),
            (0, _) => Some((at.key("min"), nothing)),
            (min, max) if min > max => Some((at.key("max"), "this is less than `min`")),
            _ => None,
        };
        if let Some((at, message)) = wrong {
            problems.push(Problem::error(at, message).help("a number, as 200, or \"adaptive\""));
            return None;
        }
        // Another number counts on; what finds itself begins anew within other bounds.
        let same = |known: &&Self| match fixed {
            Some(_) => known.fixed.is_some(),
            None => known.fixed.is_none() && known.bounds == bounds,
        };
        let known = previous.filter(same).map(|known| known.state.clone());
        let new = || Arc::new(State::new(fixed.is_none().then_some(bounds), workers));
        let (state, metrics) = (known.unwrap_or_else(new), metrics.clone());
        Some(Self { fixed, bounds, shares, state, metrics })
    }

    /// Lets a request in that comes `now`, unless there is no room for one of its priority, which is
    /// only asked for where there is not room for all.
    ///
    /// # Errors
    /// There is no room; and the priority that it had.
    #[inline]
    pub fn enter(
        &self,
        now: Instant,
        worker: usize,
        priority: impl FnOnce() -> Priority,
    ) -> Result<Slot, Priority> {
        let state = &*self.state;
        let limit = self.limit();
        let low = self.part(Priority::Low, limit);
        let most = |most: u32| move |count: u32| (count < most).then_some(count + 1);
        let entered = state.in_flight.fetch_update(AcqRel, Relaxed, most(low));
        let entered = match entered {
            Ok(before) => before,
            Err(_) => {
                let priority = priority();
                let most = most(self.part(priority, limit));
                let Ok(before) = state.in_flight.fetch_update(AcqRel, Relaxed, most) else {
                    self.metrics.shed(worker, priority as usize);
                    state.peak.fetch_max(limit, Relaxed);
                    state.look(now);
                    return Err(priority);
                };
                before
            }
        };
        if entered >= state.peak.load(Relaxed) {
            state.peak.fetch_max(entered + 1, Relaxed);
        }
        Ok(Slot { began: now, probe: state.probe.load(Relaxed), told: state.adaptive.is_none() })
    }

    /// Whether it is to be told what its requests came to.
    #[inline]
    pub fn is_adaptive(&self) -> bool {
        self.state.adaptive.is_some()
    }

    /// Notes what a request came to, `now`; of an upload the time that it took is the client's, if it is
    /// known to have `ended`.
    pub fn tell(
        &self,
        slot: &mut Slot,
        outcome: Outcome,
        ended: Option<Instant>,
        now: Instant,
        worker: usize,
    ) {
        let Some(adaptive) = &self.state.adaptive else { return };
        if slot.told {
            return;
        }
        slot.told = true;
        // What began before a probe waited in the queue that the probe is to do without.
        let probe = self.state.probe.load(Relaxed);
        if probe != 0 && slot.probe != probe {
            return;
        }
        let since = ended.map_or(slot.began, |ended| ended.max(slot.began));
        match outcome {
            Outcome::Answer | Outcome::Late => {
                adaptive.window.add(worker, Latency::of(now.saturating_duration_since(since)));
            }
            Outcome::Overloaded => adaptive.window.fail(),
            Outcome::Nothing => return,
        }
        if adaptive.since(now) >= adaptive.due.load(Relaxed) {
            self.state.close(adaptive, now);
        }
    }

    /// Gives back the place of a request that has ended. What the upstream did not answer it has taken
    /// that long for, at least; the time is only asked for in that case.
    #[inline]
    pub fn leave(&self, slot: Slot, worker: usize, now: impl FnOnce() -> Instant) {
        if !slot.told {
            self.give_up(slot, worker, now());
        }
        self.state.in_flight.fetch_sub(1, AcqRel);
    }

    #[cold]
    fn give_up(&self, mut slot: Slot, worker: usize, now: Instant) {
        let Some(adaptive) = &self.state.adaptive else { return };
        let took = Latency::of(now.saturating_duration_since(slot.began));
        if took.0 > adaptive.baseline.load(Relaxed) {
            self.tell(&mut slot, Outcome::Late, None, now, worker);
        }
    }

    #[inline]
    fn limit(&self) -> u32 {
        self.fixed.unwrap_or_else(|| self.state.limit.load(Relaxed))
    }

    #[inline]
    fn part(&self, priority: Priority, limit: u32) -> u32 {
        // No share is more than the limit.
        u32::try_from(self.shares.of(priority, limit.into())).unwrap_or(limit)
    }

    /// How many are in flight, may be, and may be of this priority.
    pub fn now(&self, priority: Priority) -> (u32, u32, u32) {
        let limit = self.limit();
        (self.state.in_flight.load(Relaxed), limit, self.part(priority, limit))
    }

    /// Brings the gauges up to date.
    pub fn measure(&self) {
        self.metrics.max_in_flight.set(self.limit().into());
        if let Some(adaptive) = &self.state.adaptive {
            let micros = match adaptive.baseline.load(Relaxed) {
                0 => 0,
                baseline => Latency(baseline).duration().as_micros(),
            };
            self.metrics.baseline.set(i64::try_from(micros).unwrap_or(i64::MAX));
        }
    }
}

impl State {
    fn new(bounds: Option<(u32, u32)>, workers: usize) -> Self {
        let gradient = bounds.map(|(min, max)| Gradient::new(min, max));
        let limit = gradient.as_ref().map_or(0, Gradient::limit);
        let adaptive = gradient.map(|gradient| Adaptive {
            epoch: Instant::now(),
            window: Window::new(workers),
            due: AtomicU64::new(micros(WINDOW)),
            gradient: Mutex::new(gradient),
            baseline: AtomicI64::new(0),
            probes: AtomicU32::new(0),
        });
        Self {
            limit: AtomicU32::new(limit),
            in_flight: AtomicU32::new(0),
            peak: AtomicU32::new(0),
            probe: AtomicU32::new(0),
            adaptive,
        }
    }

    /// Closes the window, if enough was said and nobody else does.
    #[cold]
    fn close(&self, adaptive: &Adaptive, now: Instant) {
        let Some(mut gradient) = adaptive.gradient.try_lock() else { return };
        let time = adaptive.since(now);
        if time < adaptive.due.load(Relaxed) || adaptive.window.count() < ENOUGH {
            return;
        }
        let peak = self.peak.swap(self.in_flight.load(Relaxed), Relaxed);
        gradient.close(adaptive.window.take(peak), Duration::from_micros(time));
        self.publish(adaptive, &gradient);
    }

    /// Looks whether a probe has run too long: of those who come nobody is let in who could end it.
    #[cold]
    fn look(&self, now: Instant) {
        if self.probe.load(Relaxed) != 0
            && let Some(adaptive) = &self.adaptive
            && let Some(mut gradient) = adaptive.gradient.try_lock()
        {
            gradient.look(Duration::from_micros(adaptive.since(now)));
            self.publish(adaptive, &gradient);
        }
    }

    fn publish(&self, adaptive: &Adaptive, gradient: &Gradient) {
        let runs = self.probe.load(Relaxed) != 0;
        if gradient.probes() && !runs {
            let number = adaptive.probes.fetch_add(1, Relaxed).wrapping_add(1).max(1);
            self.probe.store(number, Relaxed);
            // What others tell from now on is of the probe alone.
            let _before = adaptive.window.take(0);
        } else if !gradient.probes() {
            self.probe.store(0, Relaxed);
        }
        if let Some(baseline) = gradient.baseline() {
            adaptive.baseline.store(baseline.0, Relaxed);
        }
        adaptive.due.store(micros(gradient.due()), Relaxed);
        self.limit.store(gradient.limit(), Relaxed);
    }
}

impl Adaptive {
    fn since(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.epoch))
    }
}

const fn bounds(adaptive: config::Adaptive) -> (u32, u32) {
    (adaptive.min, adaptive.max)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(written: MaxInFlight) -> Gate {
        let metrics = Arc::new(UpstreamMetrics::new(1, &[]));
        let (at, mut problems) = (Path::root(), Problems::new());
        let shares = Shares::default();
        Gate::compile(&written, shares, 1, None, &metrics, &at, &mut problems).unwrap()
    }

    /// One after the other, requests that take so long and come to this, or are given up.
    fn requests(
        gate: &Gate,
        now: &mut Instant,
        count: usize,
        millis: u64,
        came_to: Option<Outcome>,
    ) {
        for _ in 0..count {
            let mut slot = gate.enter(*now, 0, || Priority::Normal).unwrap();
            *now += Duration::from_millis(millis);
            if let Some(outcome) = came_to {
                gate.tell(&mut slot, outcome, None, *now, 0);
            }
            gate.leave(slot, 0, || *now);
        }
    }

    /// A gate that knows an upstream whose answers take 10 ms, and the time.
    fn known() -> (Gate, Instant) {
        let gate = gate(MaxInFlight::Word(config::AdaptiveWord::Adaptive));
        let mut now = Instant::now();
        requests(&gate, &mut now, 30, 10, Some(Outcome::Answer));
        assert_eq!(gate.now(Priority::High).1, 20);
        (gate, now)
    }

    #[test]
    fn what_is_slow_late_given_up_or_fails_is_overload_and_what_says_nothing_is_not() {
        for (millis, came_to, falls) in [
            (10, Some(Outcome::Answer), false),
            (50, Some(Outcome::Answer), true),
            (50, Some(Outcome::Late), true),
            (5, Some(Outcome::Overloaded), true),
            (50, Some(Outcome::Nothing), false),
            (1, Some(Outcome::Nothing), false),
            (50, None, true),
            (1, None, false),
        ] {
            let (gate, mut now) = known();
            requests(&gate, &mut now, 60, millis, came_to);
            let (in_flight, limit, _) = gate.now(Priority::High);
            assert_eq!((in_flight, limit < 20), (0, falls), "{millis} {came_to:?}: {limit}");
        }
    }

    #[test]
    fn what_fails_at_once_makes_nobody_else_look_slow() {
        let (gate, mut now) = known();
        for _ in 0..200 {
            requests(&gate, &mut now, 5, 0, Some(Outcome::Nothing));
            requests(&gate, &mut now, 1, 0, None);
            requests(&gate, &mut now, 1, 10, Some(Outcome::Answer));
        }
        assert_eq!(gate.now(Priority::High).1, 20);
    }

    #[test]
    fn many_threads_never_let_more_in_than_may_be() {
        let (gate, inside) = (gate(MaxInFlight::Number(2)), AtomicU32::new(0));
        let let_in = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (gate, inside, let_in) = (&gate, &inside, &let_in);
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        let now = Instant::now();
                        let Ok(slot) = gate.enter(now, worker, || Priority::High) else { continue };
                        assert!(inside.fetch_add(1, AcqRel) < 2);
                        std::thread::yield_now();
                        let_in.fetch_add(1, Relaxed);
                        inside.fetch_sub(1, AcqRel);
                        gate.leave(slot, worker, || now);
                    }
                });
            }
        });
        assert_eq!(gate.now(Priority::High).0, 0);
        assert!(let_in.load(Relaxed) > 1_000);
    }
}
