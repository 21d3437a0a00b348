//! What it costs to choose an endpoint: `cargo bench --bench balance`.
//!
//! The number to watch: among 1,000 endpoints, while another worker does the same, each algorithm takes at most
//! 150 ns, the look at the set that holds now and the reference to the endpoint included; of `hash` also to read
//! the key. All endpoints have requests under way, so that loads are
//! compared and bounds looked at. Before that it prints what it takes to load 1,000 upstreams of 10 endpoints
//! each, tasks included: at most 1 s and 64 MiB.

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use janua::{
    config::Config,
    key::Ask,
    snapshot::{Purpose, Snapshot},
    upstream::{Aim, Upstream},
    worker::{Clock, Worker},
};

const WORKERS: usize = 2;

/// A world with so many upstreams of so many endpoints, with these keys.
fn world(upstreams: usize, endpoints: usize, keys: &str) -> Snapshot {
    let mut text = format!("[server]\nworkers = {WORKERS}\n[log]\naccess = \"off\"\n");
    for upstream in 0..upstreams {
        let urls: Vec<_> = (0..endpoints)
            .map(|n| format!("\"http://10.{}.{}.{}:80\"", upstream % 256, n / 256, n % 256))
            .collect();
        let urls = urls.join(", ");
        // Writing to a string cannot fail.
        let _ = write!(text, "[upstream.u{upstream}]\nendpoints = [{urls}]\n{keys}\n");
    }
    text += "[[route]]\nto = \"u0\"\n";
    let config: Config = toml::from_str(&text).unwrap_or_else(|error| unreachable!("{error}"));
    match Snapshot::compile(config, Purpose::Look, None) {
        Ok((world, _)) => world,
        Err(problems) => unreachable!("{problems:?}"),
    }
}

/// Bytes that the process has in memory, where a page has 4 KiB.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_u64);
    pages * 4_096
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn load(_: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap_or_else(|error| unreachable!("{error}"));
    for keys in ["", "balance = \"least-requests\"", "balance.hash = \"ip\""] {
        let (before, since) = (resident(), Instant::now());
        let world = world(1_000, 10, keys);
        let entered = runtime.enter();
        world.start();
        let (took, grew) = (since.elapsed(), resident().saturating_sub(before));
        drop(entered);
        println!("1,000 upstreams of 10, `{keys}`: {took:?}, {:.1} MiB", grew as f64 / 1048576.0);
        // What it leaves would be the next one's to use.
        std::mem::forget(world);
    }
}

/// One worker's requests.
struct Requests<'a> {
    upstream: &'a Upstream,
    worker: Worker,
    headers: HeaderMap,
    now: tokio::time::Instant,
    next: u32,
}

impl<'a> Requests<'a> {
    fn new(upstream: &'a Upstream, index: usize) -> Self {
        let worker = Worker { index, clock: Clock::new() };
        let now = tokio::time::Instant::now();
        Self { upstream, worker, headers: HeaderMap::new(), now, next: 0 }
    }

    fn aim(&mut self) -> Aim {
        if !self.upstream.aims() {
            return Aim::default();
        }
        self.next = self.next.wrapping_add(0x9e37_79b9);
        if self.next.is_multiple_of(64) {
            self.now = tokio::time::Instant::now();
        }
        let ask = Ask {
            now: self.now,
            wall: &|| 1_700_000_000_000,
            client: Some(IpAddr::V4(Ipv4Addr::from(self.next))),
            method: &Method::GET,
            headers: &self.headers,
            route: "r",
            param: &|_| None,
            who: None,
        };
        self.upstream.aim(&ask, false)
    }

    fn choose(&mut self) {
        let aim = self.aim();
        black_box(self.upstream.choose(&self.worker, aim));
    }

    /// As a worker does it: what is chosen has a request more, until that is answered.
    fn carry(&mut self) {
        let aim = self.aim();
        let Some(pool) = self.upstream.choose(&self.worker, aim) else { return };
        pool.origin.load.begin();
        if self.upstream.balance() == "peak-ewma" {
            let now = janua::balance::micros(self.now);
            pool.origin.load.latency.answered(std::time::Duration::from_micros(500), now);
        }
        pool.origin.load.end();
    }
}

fn choose(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("choose");
    for (name, keys) in [
        ("round-robin", ""),
        ("least-requests", "balance = \"least-requests\""),
        ("peak-ewma", "balance = \"peak-ewma\""),
        ("random", "balance = \"random\""),
        ("hash", "balance.hash = \"ip\""),
        ("hash, bounded load", "balance = { hash = \"ip\", bounded-load = 125 }"),
    ] {
        let world = world(1, 1_000, keys);
        let Some(upstream) = world.upstream("u0").cloned() else { continue };
        let members = upstream.members();
        for (index, member) in members.list.iter().enumerate() {
            let origin = &member.endpoint.origin;
            for _ in 0..5 + index % 7 {
                origin.load.begin();
                upstream.metrics.at(index % WORKERS).in_flight.inc();
            }
            let micros = janua::balance::micros(tokio::time::Instant::now());
            let took = std::time::Duration::from_micros(300 + index as u64);
            origin.load.latency.answered(took, micros);
        }
        let mut one = Requests::new(&upstream, 0);
        group.bench_function(name, |bencher| bencher.iter(|| one.choose()));
        let over = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (upstream, until) = (&upstream, over.clone());
            scope.spawn(move || {
                let mut other = Requests::new(upstream, 1);
                while !until.load(Relaxed) {
                    other.carry();
                }
            });
            let name = format!("{name}, two workers");
            group.bench_function(name, |bencher| bencher.iter(|| one.choose()));
            over.store(true, Relaxed);
        });
    }
    group.finish();
}

criterion_group!(benches, load, choose);
criterion_main!(benches);
