//! What access lists cost a request: `cargo bench --bench access`.
//!
//! The numbers to watch: a look-up among 100,000 prefixes stays far below a microsecond, and to load
//! so many far below a second. On an AMD EPYC, nanoseconds a look-up among 10, 1,000 and 100,000: 23,
//! 36, 92 (IPv4) and 20, 60, 235 (IPv6); 100,000 lines are read and compiled in 16 and 50 ms.

use std::{
    fmt::Write as _,
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use janua::{
    access::{Access, Lists},
    config::{Config, Path, Problems},
    metrics::Loading,
};

/// Prefixes of all lengths that lie about everywhere, the same each time.
fn networks(count: u32, six: bool) -> Vec<String> {
    let one = |index: u32| {
        let bits = u128::from(index.wrapping_mul(0x9e37_79b9)) << 96
            | u128::from(index.wrapping_mul(0x85eb_ca6b)) << 64;
        let length = 16 + index % 17;
        match six {
            false => {
                let address = (bits >> 96) as u32 & u32::MAX << (32 - length);
                format!("{}/{length}", Ipv4Addr::from(address))
            }
            true => {
                let length = length * 2;
                let address = bits & u128::MAX << (128 - length);
                format!("{}/{length}", Ipv6Addr::from(address))
            }
        }
    };
    (0..count).map(one).collect()
}

fn config(keys: &str) -> Config {
    toml::from_str(&format!("[access.list]\n{keys}"))
        .unwrap_or_else(|error| unreachable!("{error}"))
}

fn load(config: &Config) -> Access {
    let mut problems = Problems::new();
    let lists = Lists::compile(config, &mut Loading::first(1, &[], 0), &mut problems);
    let access = lists.named(&["list".into()], &Path::root(), &mut problems);
    access.unwrap_or_else(|| unreachable!("{problems:?}"))
}

fn file_of(count: u32, six: bool) -> (tempfile::NamedTempFile, Config) {
    let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| unreachable!("{error}"));
    let text = networks(count, six).join("\n");
    std::fs::write(file.path(), text).unwrap_or_else(|error| unreachable!("{error}"));
    let config = config(&format!("deny = {{ file = \"{}\" }}", file.path().display()));
    (file, config)
}

/// Addresses that lie about everywhere.
fn clients(six: bool) -> Vec<Option<IpAddr>> {
    let one = |index: u32| {
        let bits = index.wrapping_mul(0xc2b2_ae35);
        Some(match six {
            false => Ipv4Addr::from(bits).into(),
            true => Ipv6Addr::from(u128::from(bits) << 96 | u128::from(index)).into(),
        })
    };
    (0..65_536).map(one).collect()
}

fn prefixes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prefixes");
    let headers = HeaderMap::new();
    for (kind, six) in [("v4", false), ("v6", true)] {
        let clients = clients(six);
        for count in [10, 1_000, 100_000] {
            let (_file, config) = file_of(count, six);
            let access = load(&config);
            let mut next = 0;
            group.bench_function(BenchmarkId::new(kind, count), |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % clients.len();
                    access.admit(black_box(clients[next]), &headers, |_, _| {})
                });
            });
        }
    }
    group.sample_size(10);
    for (kind, six) in [("v4", false), ("v6", true)] {
        let (_file, config) = file_of(100_000, six);
        group.bench_function(BenchmarkId::new(format!("load {kind}"), 100_000), |bencher| {
            bencher.iter(|| load(&config));
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    let mut headers = HeaderMap::new();
    for index in 0..10 {
        let mut name = String::from("x-field-");
        let _ = write!(name, "{index}");
        let name = http::HeaderName::try_from(name).unwrap_or_else(|error| unreachable!("{error}"));
        headers.insert(name, HeaderValue::from_static("value"));
    }
    let client = Some(IpAddr::from([10, 1, 2, 3]));
    for (name, keys) in [
        ("a network", "allow = \"10.0.0.0/8\""),
        ("a header field", "allow-headers = { x-field-3 = [\"value\", \"other\"] }"),
        ("a header field that is not there", "deny-headers = { x-debug = true }"),
        ("a regular expression", "allow-headers = { x-field-3 = { regex = \"^[a-z]+$\" } }"),
    ] {
        let access = load(&config(keys));
        group.bench_function(name, |bencher| {
            bencher.iter(|| access.admit(black_box(client), &headers, |_, _| {}));
        });
    }
    let none = Access::default();
    group.bench_function("no list", |bencher| {
        bencher.iter(|| none.admit(black_box(client), &headers, |_, _| {}));
    });
    group.finish();
}

criterion_group!(benches, prefixes, requests);
criterion_main!(benches);
