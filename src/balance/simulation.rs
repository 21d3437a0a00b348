//! Algorithms on paper: servers with queues, requests that come by chance, and the figures that come of it.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use proptest::prelude::*;

use super::{Algorithm, Balancer, Digest, Entry, Latency, Loads, Turn};

const ALL: [Algorithm; 5] = [
    Algorithm::RoundRobin,
    Algorithm::LeastRequests,
    Algorithm::PeakEwma,
    Algorithm::Random,
    Algorithm::Hash { bound: None },
];

/// Servers that answer one request after the other.
struct Servers {
    now: u64,
    in_flight: Vec<u32>,
    latencies: Vec<Latency>,
    free_at: Vec<u64>,
    /// When requests end, of which server, and when they came.
    ends: BinaryHeap<Reverse<(u64, usize, u64)>>,
}

impl Loads for Servers {
    fn in_flight(&self, index: usize) -> u32 {
        self.in_flight[index]
    }

    fn all_in_flight(&self) -> u32 {
        self.in_flight.iter().sum()
    }

    fn latency(&self, index: usize) -> Option<f32> {
        self.latencies[index].at(self.now)
    }
}

impl Servers {
    fn new(count: usize) -> Self {
        Self {
            now: 1_000_000,
            in_flight: vec![0; count],
            latencies: (0..count).map(|_| Latency::default()).collect(),
            free_at: vec![0; count],
            ends: BinaryHeap::new(),
        }
    }

    /// Sends a request to one, that it needs so many microseconds for.
    fn send(&mut self, to: usize, needs: u64) {
        let end = self.now.max(self.free_at[to]) + needs;
        self.free_at[to] = end;
        self.in_flight[to] += 1;
        self.ends.push(Reverse((end, to, self.now)));
    }

    /// Lets time go on to a moment; how long the requests took that ended meanwhile.
    fn go_on(&mut self, to: u64) -> Vec<u64> {
        let mut took = Vec::new();
        while let Some(Reverse((end, server, came))) = self.ends.peek().copied() {
            if end > to {
                break;
            }
            self.ends.pop();
            self.in_flight[server] -= 1;
            took.push(end - came);
            self.latencies[server].answered(Duration::from_micros(end - came), end);
        }
        self.now = to;
        took
    }
}

/// What came of a simulation.
#[derive(Debug)]
struct Figures {
    /// Milliseconds that 99 in 100 were answered in.
    p99: f64,
    /// The longest queue there was.
    longest: u32,
    sent: Vec<u32>,
}

/// Servers with these weights and slowness, and requests for so much of what they are good for. Each needs 10 ms
/// on average; `tail` says how: the less, the more of it is in a few that are long (Pareto).
fn simulate(algorithm: Algorithm, slowness: &[f64], load: f64, tail: f64) -> Figures {
    const REQUESTS: usize = 100_000;
    const MEAN: f64 = 10_000.0;
    let mut chance = fastrand::Rng::with_seed(4_711);
    let count = slowness.len();
    let entries: Vec<_> = (1..=count as u64).map(|id| Entry { id, weight: 1 }).collect();
    let balancer = Balancer::new(algorithm, &entries, 1);
    let mut servers = Servers::new(count);
    let (mut took, mut longest, mut sent) = (Vec::new(), 0, vec![0; count]);
    let capacity: f64 = slowness.iter().map(|slow| 1.0 / slow).sum();
    for _ in 0..REQUESTS {
        let pause = -(1.0 - chance.f64()).ln() * MEAN / (load * capacity);
        took.extend(servers.go_on(servers.now + pause as u64));
        let least = MEAN * (tail - 1.0) / tail;
        let needs = (least / (1.0 - chance.f64()).powf(1.0 / tail)).min(1e7);
        let turn = Turn { key: chance.u64(..), random: chance.u64(..), ..Turn::default() };
        let to = balancer.choose(turn, &servers).unwrap();
        servers.send(to, (needs * slowness[to]) as u64);
        sent[to] += 1;
        longest = longest.max(servers.in_flight[to]);
    }
    took.extend(servers.go_on(u64::MAX / 2));
    took.sort_unstable();
    Figures { p99: took[took.len() * 99 / 100] as f64 / 1e3, longest, sent }
}

#[test]
fn two_choices_beat_chance_where_some_requests_are_long() {
    for (tail, name) in [(1.5, "heavy-tailed"), (4.0, "nearly alike")] {
        let figures = |algorithm| simulate(algorithm, &[1.0; 20], 0.8, tail);
        for algorithm in ALL {
            let Figures { p99, longest, .. } = figures(algorithm);
            let word = algorithm.word();
            println!("{name:12} {word:14} p99 {p99:8.1} ms, longest queue {longest}");
        }
        let (two, chance) = (figures(Algorithm::LeastRequests), figures(Algorithm::Random));
        assert!(two.p99 * 1.5 < chance.p99, "{name}: {two:?} {chance:?}");
        assert!(two.longest * 2 < chance.longest, "{name}: {two:?} {chance:?}");
    }
}

#[test]
fn one_that_is_slow_gets_what_it_is_good_for() {
    let mut slowness = [1.0; 10];
    slowness[3] = 10.0;
    for (algorithm, most) in [(Algorithm::LeastRequests, 0.06), (Algorithm::PeakEwma, 0.03)] {
        let figures = simulate(algorithm, &slowness, 0.6, 4.0);
        let share = f64::from(figures.sent[3]) / 100_000.0;
        println!(
            "{}: one of ten is ten times as slow: {:.1} % of requests",
            algorithm.word(),
            share * 100.0
        );
        assert!(share < most && share > 0.0, "{algorithm:?}: {share}");
        let blind = simulate(Algorithm::RoundRobin, &slowness, 0.6, 4.0);
        assert!(figures.p99 * 5.0 < blind.p99, "{algorithm:?}: {} {}", figures.p99, blind.p99);
    }
}

/// The greatest difference between the share of requests that one had and the one it should have.
fn error(algorithm: Algorithm, weights: &[u32], requests: u64) -> f64 {
    let id = |index: usize| Digest::of(&index.to_be_bytes());
    let entry = |(index, weight): (usize, &u32)| Entry { id: id(index), weight: *weight };
    let entries: Vec<_> = weights.iter().enumerate().map(entry).collect();
    let balancer = Balancer::new(algorithm, &entries, 1);
    let mut servers = Servers::new(weights.len());
    let mut chance = fastrand::Rng::with_seed(42);
    let mut counts = vec![0_u32; weights.len()];
    for _ in 0..requests {
        let turn = Turn { key: chance.u64(..), random: chance.u64(..), ..Turn::default() };
        let to = balancer.choose(turn, &servers).unwrap();
        counts[to] += 1;
        // All are as fast, and none has a queue.
        servers.latencies[to].answered(Duration::from_millis(10), servers.now);
    }
    servers.go_on(0);
    let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let error = |(count, weight): (&u32, &u32)| {
        (f64::from(*count) / requests as f64 - f64::from(*weight) / sum).abs()
    };
    counts.iter().zip(weights).map(error).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn requests_are_shared_out_by_weight(weights in prop::collection::vec(1_u32..50, 1..12)) {
        const REQUESTS: u64 = 20_000;
        for algorithm in ALL {
            let bound = match algorithm {
                // A round is off by nothing, what is begun of the next by less than one request for each.
                Algorithm::RoundRobin => 50.0 / REQUESTS as f64,
                // Chance: five times the deviation of the worst case, a half. An endpoint that is not known yet
                // has its first request out of turn.
                Algorithm::Random | Algorithm::LeastRequests | Algorithm::PeakEwma => 0.018,
                // The same for keys, and what the table is off.
                Algorithm::Hash { .. } => 0.019,
            };
            let error = error(algorithm, &weights, REQUESTS);
            prop_assert!(error <= bound, "{:?}: {} for {:?}", algorithm, error, weights);
        }
    }
}
