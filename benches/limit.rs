//! What a limit costs a request: `cargo bench --bench limit`.
//!
//! The number to watch: with 10,000 live keys and two workers that hammer them, a limit takes at most
//! 0.4 µs of a request. `two workers` is the time of one of them while the other does the same. On an AMD
//! EPYC with two cores that others worked on too, nanoseconds for a limit by address: 116 to 158 alone, 103
//! to 269 with two workers; with how many at a time as well 226 to 249 and 305 to 383; the two fields of
//! the answer 134 more.

use std::{
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use janua::{
    config::{Config, LimitUse, Path, Problems},
    key::Ask,
    limit::{Limiter, Limits, Pass, Place, Verdict, Visit},
    metrics::Loading,
    store::Stores,
};
use tokio::time::Instant;

const KEYS: u32 = 10_000;

fn limiter(keys: &str) -> Arc<Limiter> {
    let config: Config = toml::from_str(&format!("[limit.l]\n{keys}\n"))
        .unwrap_or_else(|error| unreachable!("{error}"));
    let (mut problems, mut metrics) = (Problems::new(), Loading::first(2, &[], 0));
    let limits = Limits::compile(&config, None, &Stores::new(), &mut metrics, &mut problems);
    let place = Place { route: "r", told: "default", params: &[], asks: true, at: &Path::root() };
    let uses = [LimitUse::Word("l".into())];
    let limiter = limits.of_route(&uses, place, &mut metrics, &mut problems);
    Arc::new(limiter.unwrap_or_else(|| unreachable!("{problems:?}")))
}

/// One worker's requests, each of another client.
struct Load {
    limiter: Arc<Limiter>,
    headers: HeaderMap,
    now: Instant,
    next: u32,
    count: u32,
    worker: usize,
}

impl Load {
    fn new(limiter: &Arc<Limiter>, worker: usize) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", HeaderValue::from_static("a tenant of some length"));
        Self { limiter: limiter.clone(), headers, now: Instant::now(), next: 0, count: 0, worker }
    }

    fn request(&mut self) -> Pass {
        self.next = self.next.wrapping_add(0x9e37_79b9);
        self.count = self.count.wrapping_add(1);
        if self.count.is_multiple_of(64) {
            self.now = Instant::now();
        }
        let client = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + self.next % KEYS));
        let ask = Ask {
            now: self.now,
            wall: &|| 1_700_000_000_000,
            client: Some(black_box(client)),
            method: &Method::GET,
            headers: &self.headers,
            route: "r",
            param: &|_| None,
            who: None,
        };
        let (mut pass, mut reported) = (Pass::default(), None);
        let visit = Visit { pass: &mut pass, worker: self.worker, reported: &mut reported };
        let verdict = self.limiter.take(&ask, visit);
        assert!(matches!(verdict, Verdict::Go));
        pass
    }
}

fn limits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("limit");
    let rate = "rate = \"1000000/s\"\nburst = 1000000\n";
    let quota = "quota = \"1000000000000/day\"\n";
    for (name, keys) in [
        ("per address", format!("{rate}per = \"ip\"")),
        ("per address and header field", format!("{rate}per = [\"ip\", \"header:x-tenant\"]")),
        ("per address, rate and concurrency", format!("{rate}concurrent = 1000")),
        ("per address, may wait", format!("{rate}over = {{ delay = \"1s\" }}")),
        ("per address, busiest keys not noted", format!("{rate}busiest = 0")),
        ("per address, rate and quota", format!("{rate}{quota}")),
        ("per address, quota alone", quota.into()),
    ] {
        let limiter = limiter(&keys);
        let mut load = Load::new(&limiter, 0);
        group.bench_function(name, |bencher| bencher.iter(|| load.request()));
        let ends = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = Load::new(&limiter, 1);
                while !ends.load(Relaxed) {
                    black_box(other.request());
                }
            });
            group.bench_function(format!("{name}, two workers"), |bencher| {
                bencher.iter(|| load.request());
            });
            ends.store(true, Relaxed);
        });
    }
    let limiter = limiter(&format!("{rate}per = \"ip\"\nheaders = \"always\""));
    let mut load = Load::new(&limiter, 0);
    let pass = load.request();
    // An answer has a map already.
    let mut headers = HeaderMap::with_capacity(16);
    group.bench_function("header fields of the answer", |bencher| {
        bencher.iter(|| {
            headers.clear();
            limiter.tell(&pass, &mut headers);
        });
    });
    let none = Limiter::default();
    group.bench_function("no limit", |bencher| bencher.iter(|| black_box(&none).is_empty()));
    group.finish();
}

criterion_group!(benches, limits);
criterion_main!(benches);
