//! An upstream on paper, and a [`Gate`] before it: does its limit find what the upstream is good for?
//!
//! The upstream has so many workers, each busy with one request for about so long; what comes while all
//! are waits in a queue without end, which is what an overloaded server does to those who let it. Clients
//! come at random, whether or not others are done. Time is a number, so minutes take no time.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Gate, Outcome, Priority, Shares, Slot};
use crate::{
    config::{MaxInFlight, Path, Problems},
    metrics::UpstreamMetrics,
};

/// What comes, and what the upstream does with it.
#[derive(Clone, Copy)]
struct World {
    /// Requests a second.
    rate: f64,
    /// Of these, one in so many has high priority.
    high: u64,
    workers: usize,
    /// What a request takes, on average.
    millis: f64,
    /// Requests out of a hundred that fail at once, without any work.
    broken: u64,
}

/// 500 requests a second, if it were asked for so many.
const WELL: World = World { rate: 250.0, high: u64::MAX, workers: 20, millis: 40.0, broken: 0 };

enum Event {
    Arrives,
    Done(Request),
}

/// An event, the first one the greatest.
struct Due(Reverse<(u64, u64)>, Event);

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Due {}

struct Request {
    slot: Slot,
    came: u64,
    outcome: Outcome,
}

struct Simulation {
    gate: Gate,
    start: Instant,
    /// In microseconds.
    now: u64,
    events: BinaryHeap<Due>,
    number: u64,
    busy: usize,
    queue: VecDeque<Request>,
    random: fastrand::Rng,
    took: Vec<u64>,
    told: Told,
}

/// What came of it.
#[derive(Clone, Copy, Default)]
struct Told {
    came: [u64; 2],
    shed: [u64; 2],
    answered: u64,
    seconds: f64,
    /// Milliseconds.
    p99: f64,
}

impl Told {
    fn throughput(&self) -> f64 {
        self.answered as f64 / self.seconds
    }

    fn shed(&self, high: bool) -> f64 {
        self.shed[usize::from(high)] as f64 / self.came[usize::from(high)].max(1) as f64
    }
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let metrics = Arc::new(UpstreamMetrics::new(1, &[]));
        let written = MaxInFlight::Word(crate::config::AdaptiveWord::Adaptive);
        let (at, mut problems) = (Path::root(), Problems::new());
        let shares = Shares::new(true);
        let gate = Gate::compile(&written, shares, 1, None, &metrics, &at, &mut problems).unwrap();
        Self {
            gate,
            start: Instant::now(),
            now: 0,
            events: BinaryHeap::new(),
            number: 0,
            busy: 0,
            queue: VecDeque::new(),
            random: fastrand::Rng::with_seed(seed),
            took: Vec::new(),
            told: Told::default(),
        }
    }

    fn limit(&self) -> u32 {
        self.gate.now(Priority::High).1
    }

    fn moment(&self, micros: u64) -> Instant {
        self.start + Duration::from_micros(micros)
    }

    fn at(&mut self, time: u64, event: Event) {
        self.number += 1;
        self.events.push(Due(Reverse((time, self.number)), event));
    }

    /// Lets so many seconds pass; what came of those that were answered meanwhile.
    fn run(&mut self, seconds: f64, world: World) -> Told {
        self.told = Told { seconds, ..Told::default() };
        self.took.clear();
        let end = self.now + (seconds * 1e6) as u64;
        if world.rate > 0.0 {
            self.at(self.now, Event::Arrives);
        }
        self.serve(world);
        while self.events.peek().is_some_and(|due| due.0.0.0 <= end)
            && let Some(Due(Reverse((time, _)), event)) = self.events.pop()
        {
            self.now = time;
            match event {
                Event::Arrives => {
                    self.arrive(world);
                    let pause = -self.random.f64().max(1e-12).ln() / world.rate * 1e6;
                    let next = self.now + pause as u64;
                    if next <= end {
                        self.at(next, Event::Arrives);
                    }
                }
                Event::Done(request) => {
                    if request.outcome == Outcome::Answer {
                        self.busy -= 1;
                    }
                    self.leave(request);
                }
            }
            self.serve(world);
        }
        self.now = end;
        self.took.sort_unstable();
        let p99 = self.took.get(self.took.len() * 99 / 100).copied().unwrap_or(0);
        Told { p99: p99 as f64 / 1e3, ..self.told }
    }

    fn arrive(&mut self, world: World) {
        let high = self.random.u64(..).is_multiple_of(world.high);
        let priority = if high { Priority::High } else { Priority::Normal };
        self.told.came[usize::from(high)] += 1;
        match self.gate.enter(self.moment(self.now), 0, || priority) {
            Err(_) => self.told.shed[usize::from(high)] += 1,
            Ok(slot) if self.random.u64(..100) < world.broken => {
                let request = Request { slot, came: self.now, outcome: Outcome::Nothing };
                self.at(self.now + 200, Event::Done(request));
            }
            Ok(slot) => {
                let request = Request { slot, came: self.now, outcome: Outcome::Answer };
                self.queue.push_back(request);
            }
        }
    }

    fn serve(&mut self, world: World) {
        while self.busy < world.workers
            && let Some(request) = self.queue.pop_front()
        {
            self.busy += 1;
            let takes = world.millis * 1e3 * (0.5 + self.random.f64());
            self.at(self.now + takes as u64, Event::Done(request));
        }
    }

    fn leave(&mut self, request: Request) {
        let Request { mut slot, came, outcome, .. } = request;
        let now = self.moment(self.now);
        self.gate.tell(&mut slot, outcome, None, now, 0);
        self.gate.leave(slot, 0, || now);
        if outcome == Outcome::Answer {
            self.told.answered += 1;
            self.took.push(self.now - came);
        }
    }
}

/// Several fates, so that none of them is luck.
fn each(mut test: impl FnMut(Simulation)) {
    (1..=3).for_each(|seed| test(Simulation::new(seed)));
}

#[test]
fn three_times_the_load_leaves_the_throughput_and_bounds_the_wait() {
    for (workers, millis) in [(20, 40.0), (1, 4.0), (4, 20.0), (100, 100.0)] {
        each(|mut simulation| {
            let capacity = workers as f64 * 1e3 / millis;
            let world = World { workers, millis, rate: 3.0 * capacity, ..WELL };
            simulation.run(20.0, world);
            let told = simulation.run(20.0, world);
            let what = format!(
                "{workers} x {millis} ms: {:.0} of {capacity} a second, p99 {:.0} ms, limit {}",
                told.throughput(),
                told.p99,
                simulation.limit()
            );
            eprintln!("{what}");
            assert!(told.throughput() > 0.92 * capacity, "{what}");
            let queue = if workers == 1 { 12.0 } else { 4.0 };
            assert!(told.p99 < queue * millis, "{what}");
            assert!((0.6..0.75).contains(&told.shed(false)), "{what}");
        });
    }
}

#[test]
fn below_its_capacity_nobody_is_shed() {
    for share in [0.01, 0.3, 0.7] {
        each(|mut simulation| {
            let world = World { rate: 500.0 * share, ..WELL };
            simulation.run(2.0, world);
            let told = simulation.run(120.0, world);
            let what = format!("{share}: {:.4} limit {}", told.shed(false), simulation.limit());
            eprintln!("{what}");
            assert!(told.shed(false) < 0.005, "{what}");
        });
    }
}

#[test]
fn high_priority_passes_while_others_are_shed() {
    each(|mut simulation| {
        let world = World { rate: 1_500.0, high: 10, ..WELL };
        simulation.run(10.0, world);
        let told = simulation.run(30.0, world);
        let what = format!("high {:.3}, normal {:.3}", told.shed(true), told.shed(false));
        eprintln!("{what}");
        assert!(told.shed(true) < 0.1 && told.shed(false) > 0.6, "{what}");
    });
}

#[test]
fn an_upstream_that_becomes_slow_is_spared_and_used_again_when_it_is_fast() {
    each(|mut simulation| {
        let world = World { rate: 375.0, ..WELL };
        simulation.run(30.0, world);
        let slow = World { millis: 400.0, ..world };
        simulation.run(15.0, slow);
        let told = simulation.run(30.0, slow);
        let what = format!(
            "slow: {:.0} a second, p99 {:.0} ms, limit {}",
            told.throughput(),
            told.p99,
            simulation.limit()
        );
        eprintln!("{what}");
        assert!(told.throughput() > 45.0 && told.p99 < 2_000.0, "{what}");
        simulation.run(5.0, world);
        let told = simulation.run(30.0, world);
        let what = format!("fast again: {:.4} limit {}", told.shed(false), simulation.limit());
        eprintln!("{what}");
        assert!(told.shed(false) < 0.01, "{what}");
    });
}

#[test]
fn neither_a_quiet_hour_nor_a_burst_fools_it() {
    each(|mut simulation| {
        let world = World { rate: 1_500.0, ..WELL };
        simulation.run(30.0, world);
        let before = simulation.limit();
        simulation.run(1_800.0, World { rate: 0.0, ..WELL });
        simulation.run(1_800.0, World { rate: 5.0, ..WELL });
        let after = simulation.limit();
        assert!(after <= before + before / 2 + 10, "{before} and then {after}");
        let told = simulation.run(10.0, world);
        let what = format!("{:.0} a second, p99 {:.0} ms", told.throughput(), told.p99);
        eprintln!("{before} {after} {what}");
        assert!(told.throughput() > 450.0 && told.p99 < 200.0, "{what}");
    });
}

#[test]
fn an_upstream_that_fails_at_once_does_not_look_fast() {
    each(|mut simulation| {
        let world = World { rate: 1_500.0, broken: 50, ..WELL };
        simulation.run(20.0, world);
        let told = simulation.run(30.0, world);
        let what = format!("{:.0} a second, p99 {:.0} ms", told.throughput(), told.p99);
        eprintln!("{what}");
        assert!(told.throughput() > 450.0 && told.p99 < 160.0, "{what}");
        let told = simulation.run(10.0, WELL);
        assert!(told.shed(false) < 0.01, "well again: {:.3}", told.shed(false));
    });
}
