//! What a filter costs: a body of 1 KiB through a small filter, a larger one through a longer one, and to
//! compile one.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use janua::{
    config::{self, Filter, Path, Problems},
    message::{DEPTH, parse_json},
    transform::{Effort, Known, Transform},
};

/// Items of about 80 bytes each.
fn items(count: usize) -> String {
    let item = |number: usize| {
        format!(
            "{{\"id\":{number},\"name\":\"thing {number}\",\"price\":12.5,\"tags\":[\"a\",\"b\"],\"internal\":{{\"cost\":7}}}}"
        )
    };
    let items: Vec<_> = (0..count).map(item).collect();
    format!("{{\"items\":[{}]}}", items.join(","))
}

fn compile(text: &str) -> Option<Transform> {
    let request = Some(Filter::Text(text.into()));
    let section = config::Transform { request, ..config::Transform::default() };
    Transform::compile(&section, &Path::root(), &mut Problems::new())
}

fn bodies(c: &mut Criterion) {
    let mut group = c.benchmark_group("transform");
    let (small, large) = (items(13), items(300));
    assert!(small.len() > 1024);
    let known = Known::new();
    group.throughput(Throughput::Bytes(small.len() as u64));
    group.bench_function("parse 1 KiB", |b| {
        b.iter(|| parse_json(black_box(small.as_bytes()), DEPTH).is_ok());
    });
    for (name, text) in [
        ("1 KiB, .", "."),
        ("1 KiB, del", "del(.items[].internal)"),
        ("1 KiB, map({id, name})", ".items | map({id, name})"),
        ("1 KiB, select and sum", "[.items[] | select(.price > 10) | .price] | add"),
        ("1 KiB, walk", "walk(if type == \"object\" then del(.internal) else . end)"),
    ] {
        let Some(filter) = compile(text) else { continue };
        group.bench_function(name, |b| {
            b.iter(|| filter.request(black_box(small.as_bytes()), &known, Effort::Little).is_ok());
        });
    }
    group.throughput(Throughput::Bytes(large.len() as u64));
    if let Some(filter) = compile(".items | map({id, name})") {
        group.bench_function("24 KiB, map({id, name})", |b| {
            b.iter(|| filter.request(black_box(large.as_bytes()), &known, Effort::All).is_ok());
        });
    }
    group.finish();
    c.bench_function("transform/compile", |b| {
        b.iter(|| compile(".items | map({id, name})").is_some());
    });
}

criterion_group!(benches, bodies);
criterion_main!(benches);
