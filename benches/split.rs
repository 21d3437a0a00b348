//! What it costs to choose one of two ways: by chance, by conditions that do not hold, by what a client has.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, header::COOKIE};
use janua::{
    config::{Loaded, Path, Problems},
    split::{Ask, Split},
};

const CHANCE: &str = "to = [{ upstream = \"v2\", weight = 5 }, { upstream = \"v1\", weight = 95 }]";
const CONDITIONS: &str = "to = [{ upstream = \"v2\", weight = 5, headers = { x-canary = \"always\" } }, \
                          { upstream = \"v1\", weight = 95, cookies = { canary = \"never\" } }]";

fn split(keys: &str) -> Option<Split> {
    let text = format!("[[route]]\n{keys}\n");
    let config = Loaded::parse("<bench>", &text, &|_| None).ok()?.config;
    Split::compile(&config.route[0], &Path::root(), &mut Problems::new())
}

fn choose(c: &mut Criterion) {
    let mut headers = HeaderMap::new();
    let cookie = "theme=dark; session=6f1ed002ab5595859014ebf0951522d9; janua-split=7fffffff";
    headers.insert(COOKIE, HeaderValue::from_static(cookie));
    let client = "192.0.2.1".parse().ok();
    let ask = Ask { headers: &headers, client, who: Some(("corp", "alice")) };
    let mut group = c.benchmark_group("choose");
    for (name, keys) in [
        ("chance", CHANCE.to_owned()),
        ("conditions", CONDITIONS.to_owned()),
        ("cookie", format!("sticky = \"cookie\"\n{CHANCE}")),
        ("ip", format!("sticky = \"ip\"\n{CHANCE}")),
        ("identity", format!("sticky = \"identity\"\n{CHANCE}")),
    ] {
        let split = split(&keys).unwrap_or_else(|| unreachable!("{keys}"));
        group.bench_function(name, |b| b.iter(|| split.choose(black_box(&ask))));
    }
    group.finish();
}

criterion_group!(benches, choose);
criterion_main!(benches);
