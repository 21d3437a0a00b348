//! What a request pays for being logged and counted.
//!
//! `format` is the line alone, `append` adds the worker's buffer while the writer empties it to
//! `/dev/null`, `count` is a route's counters.

use std::{hint::black_box, net::IpAddr, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use janua::{
    metrics::{Finished, RouteMetrics},
    telemetry::{
        AccessLog, Format, Losses, Options, Paint, Record, Redaction, Sink, Tls, write_json,
        write_text,
    },
};

fn record() -> Record<'static> {
    Record {
        operation: None,
        time: 1_795_491_863_123,
        id: b"0195f7a1-5b1c-7c3e-9d5e-2f6b8a4c1d0e",
        client: Some(IpAddr::from([203, 0, 113, 77])),
        peer: Some(IpAddr::from([203, 0, 113, 77])),
        listener: "public",
        protocol: "HTTP/1.1",
        tls: Some(Tls { version: "TLSv1.3", cipher: "TLS13_AES_256_GCM_SHA384" }),
        method: b"GET",
        host: b"api.example.com",
        path: b"/orders/7f3a/items",
        query: Some(b"page=2&sort=name&token=abcdef"),
        status: Some(200),
        reason: None,
        cause: None,
        reported: None,
        route: Some("orders"),
        upstream: Some("orders"),
        endpoint: Some("http://10.0.0.5:8080"),
        user: Some(b"acme"),
        auth: Some("keys"),
        agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        referer: Some(b"https://www.example.com/cart?step=2"),
        bytes_in: 0,
        bytes_out: 18_432,
        duration: 12_345,
        identify: None,
        waited: None,
        connect: None,
        first_byte: Some(11_900),
        cache: None,
        tries: 1,
    }
}

fn redaction() -> Redaction {
    let names = ["access_token", "api_key", "apikey", "code", "key", "password", "secret", "sig"];
    Redaction::new(names.into_iter().chain(["token"]))
}

fn format(criterion: &mut Criterion) {
    let (redaction, mut out) = (redaction(), Vec::with_capacity(4096));
    let small =
        Record { query: None, tls: None, user: None, referer: None, agent: None, ..record() };
    for (name, record) in [("json", record()), ("json, no agent, referer or query", small)] {
        criterion.bench_function(&format!("format/{name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                write_json(black_box(&record), &redaction, &mut out);
            });
        });
    }
    criterion.bench_function("format/text", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_text(black_box(&record()), &redaction, Paint::Plain, &mut out);
        });
    });
}

fn append(criterion: &mut Criterion) {
    let options = Options {
        sink: Sink::File("/dev/null".into()),
        format: Format::Json,
        redaction: redaction(),
        workers: 1,
        buffer: 8 << 20,
    };
    let Ok(log) = AccessLog::open(options, Arc::new(Losses::default())) else { return };
    criterion.bench_function("append", |bencher| {
        bencher.iter(|| log.write(0, black_box(&record())));
    });
    let off = AccessLog::off();
    criterion.bench_function("append/off", |bencher| {
        bencher.iter(|| off.write(0, black_box(&record())));
    });
}

fn count(criterion: &mut Criterion) {
    let route = RouteMetrics::new(4, &[]);
    let finished = Finished { status: Some(200), micros: 12_345, bytes_in: 100, bytes_out: 18_432 };
    criterion.bench_function("count", |bencher| {
        bencher.iter(|| route.finish(1, black_box(&finished)));
    });
}

criterion_group!(benches, format, append, count);
criterion_main!(benches);
