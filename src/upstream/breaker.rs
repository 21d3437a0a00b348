//! [`Breaker`]: an upstream that fails too many requests gets none for a while.
//!
//! In: requests as they come, and what came of them. Out: a [`Permit`] for each, or for how long there is
//! none. While it is closed that is a load, and two counts that are each worker's own; a failure is looked at
//! by all of them together. What is known outlives a reload.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::circuit::{Circuit, State, Totals, Verdict};
use crate::{
    config::{self, Path, Problem, Problems},
    worker::PerWorker,
};

/// What keeps requests from an upstream that fails too many.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: config::Breaker,
    /// The upstream's name.
    name: Arc<str>,
    known: Arc<Known>,
}

/// What outlives a reload.
#[derive(Debug)]
struct Known {
    epoch: Instant,
    /// The circuit's state, as a number: 0 is closed.
    state: AtomicU8,
    circuit: Mutex<Circuit>,
    counts: PerWorker<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    failures: AtomicU64,
}

/// The words for its states, by number.
const STATES: [&str; 3] = ["closed", "half-open", "open"];

/// A request that was let through.
#[derive(Debug)]
#[must_use = "it counts only when it is told what came of it"]
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    /// The epoch that it is a probe of.
    probe: Option<u32>,
}

impl Breaker {
    /// Compiles `[upstream.NAME.breaker]` at `at`; goes on with what is known.
    pub(super) fn compile(
        settings: &config::Breaker,
        name: &Arc<str>,
        workers: usize,
        previous: Option<&Self>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.iter().len();
        if !(1..=100).contains(&settings.failure_percent) {
            let problem = Problem::error(at.key("failure-percent"), "it is from 1 to 100 per cent");
            problems.push(problem.help("to have no breaker, leave `breaker` out"));
        }
        for (key, time) in [("window", settings.window), ("time", settings.time)] {
            if time.0.is_zero() {
                let problem = Problem::error(at.key(key), "nothing can be done in that");
                problems.push(problem.help("write it like \"10s\""));
            }
        }
        for (key, count, message) in [
            ("min-requests", settings.min_requests, "of no requests nothing can be said"),
            ("probes", settings.probes, "it would never close again"),
        ] {
            if count == 0 {
                problems.push(Problem::error(at.key(key), message));
            }
        }
        if problems.iter().len() > before {
            return None;
        }
        let known = previous.map_or_else(|| Known::new(workers), |known| known.known.clone());
        Some(Self { settings: settings.clone(), name: name.clone(), known })
    }

    /// Lets a request through.
    ///
    /// # Errors
    /// It is open: nothing goes.
    #[inline]
    pub(super) fn enter(&self) -> Result<Permit<'_>, ()> {
        let probe = match self.known.state.load(Relaxed) {
            0 => None,
            _ => self.ask()?,
        };
        Ok(Permit { breaker: self, probe })
    }

    #[cold]
    fn ask(&self) -> Result<Option<u32>, ()> {
        match self.turn(Circuit::ask) {
            Verdict::Go => Ok(None),
            Verdict::Probe(epoch) => Ok(Some(epoch)),
            Verdict::Refused(_) => Err(()),
        }
    }

    /// For how long nothing goes.
    pub(super) fn left(&self) -> Duration {
        match self.known.circuit.lock().state() {
            State::Open { until } => until.saturating_sub(self.known.epoch.elapsed()),
            State::HalfOpen { .. } | State::Closed => Duration::ZERO,
        }
    }

    /// What it is now: its number, and its word.
    pub(super) fn state(&self) -> (u8, &'static str) {
        let state = self.known.state.load(Relaxed);
        (state, STATES[usize::from(state)])
    }

    /// Does something with the circuit, and says what it has become.
    fn turn<T>(&self, act: impl FnOnce(&mut Circuit, &config::Breaker, Duration) -> T) -> T {
        let mut circuit = self.known.circuit.lock();
        let result = act(&mut circuit, &self.settings, self.known.epoch.elapsed());
        let state = match circuit.state() {
            State::Closed => 0,
            State::HalfOpen { .. } => 1,
            State::Open { .. } => 2,
        };
        let before = self.known.state.swap(state, Relaxed);
        drop(circuit);
        let (upstream, time) = (&*self.name, self.settings.time.0);
        match (before, state) {
            (0, 2) => {
                tracing::warn!(upstream, ?time, "too many requests fail: the breaker is open");
            }
            (1, 2) => tracing::warn!(upstream, ?time, "a probe failed: the breaker is open again"),
            (2, 1) => tracing::info!(upstream, "the breaker is half-open: probes go through"),
            (1, 0) => tracing::info!(upstream, "the probes went well: the breaker is closed"),
            _ => {}
        }
        result
    }

    #[cold]
    fn probed(&self, epoch: u32, well: Option<bool>) {
        self.turn(|circuit, settings, now| circuit.told(settings, epoch, well, now));
    }

    #[cold]
    fn failed(&self) {
        let sum = |read: fn(&Counts) -> &AtomicU64| {
            self.known.counts.sum(|counts| read(counts).load(Relaxed))
        };
        let totals = Totals { requests: sum(|it| &it.requests), failures: sum(|it| &it.failures) };
        self.turn(|circuit, settings, now| circuit.failed(settings, totals, now));
    }
}

impl Known {
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            epoch: Instant::now(),
            state: AtomicU8::new(0),
            circuit: Mutex::default(),
            counts: PerWorker::new(workers),
        })
    }
}

impl Permit<'_> {
    /// What came of the request: it went well, failed, or says nothing of the upstream.
    #[inline]
    pub(super) fn tell(mut self, well: Option<bool>, worker: usize) {
        if let Some(epoch) = self.probe.take() {
            return self.breaker.probed(epoch, well);
        }
        let Some(well) = well else { return };
        let counts = self.breaker.known.counts.at(worker);
        counts.requests.fetch_add(1, Relaxed);
        if !well {
            counts.failures.fetch_add(1, Relaxed);
            self.breaker.failed();
        }
    }
}

impl Drop for Permit<'_> {
    /// A probe whose client went away makes room for another.
    fn drop(&mut self) {
        if let Some(epoch) = self.probe.take() {
            self.breaker.probed(epoch, None);
        }
    }
}
