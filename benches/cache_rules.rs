//! What the rules of the cache cost: at each hit, and when an answer is to be kept.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use janua::cache::{
    Policy,
    rules::{Asked, Exchange, Said, Stored, Vary, keep, part, reuse},
};

/// Sun, 09 Sep 2001 01:46:40 GMT
const NOW: u64 = 1_000_000_000;

type Field = (&'static str, &'static str);

const BROWSER: &[Field] = &[
    ("host", "www.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "de-AT,de;q=0.8,en-US;q=0.5,en;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("sec-fetch-mode", "navigate"),
    ("cookie", "session=6f1ed002ab5595859014ebf0951522d9"),
];
const RELOAD: &[Field] = &[
    ("cache-control", "max-age=0"),
    ("if-none-match", "\"5f1e-62ab5595859014\""),
    ("if-modified-since", "Sun, 09 Sep 2001 00:46:40 GMT"),
];
const ANSWER: &[Field] = &[
    ("date", "Sun, 09 Sep 2001 01:46:40 GMT"),
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "public, max-age=3600, stale-while-revalidate=60"),
    ("last-modified", "Sun, 09 Sep 2001 00:46:40 GMT"),
    ("etag", "\"5f1e-62ab5595859014\""),
    ("vary", "accept-encoding"),
];

fn headers(fields: &[Field]) -> HeaderMap {
    let field =
        |(name, value): &Field| (HeaderName::from_static(name), HeaderValue::from_static(value));
    fields.iter().map(field).collect()
}

fn exchange<'a>(answer: &'a HeaderMap, asked: &'a Asked, said: &'a Said) -> Exchange<'a> {
    Exchange {
        method: &Method::GET,
        authorized: false,
        cookies: false,
        located: false,
        status: StatusCode::OK,
        answer,
        asked,
        said,
        sent: NOW,
        got: NOW,
    }
}

fn rules(c: &mut Criterion) {
    let policy = Policy::default();
    let answer = headers(ANSWER);
    let requests = [("plain", BROWSER.to_vec()), ("reload", [BROWSER, RELOAD].concat())];
    let stored = Stored {
        status: StatusCode::OK,
        etag: answer.get("etag"),
        last_modified: answer.get("last-modified"),
        date: answer.get("date"),
        came: NOW,
        length: Some(10_000),
    };
    let nothing = Asked::default();
    let Ok(kept) = keep(&exchange(&answer, &nothing, &Said::read(&answer, &policy)), &policy)
    else {
        return;
    };
    let Ok(Some(vary)) = Vary::read(&answer, &policy) else { return };
    let mut group = c.benchmark_group("cache rules");
    for (name, fields) in requests {
        let request = headers(&fields);
        let values = vary.values(&request, &policy);
        group.bench_function(format!("hit, {name}"), |b| {
            b.iter(|| {
                let request = black_box(&request);
                let asked = Asked::read(request, &policy);
                let reuse = reuse(&kept.terms, Duration::from_secs(9), &asked, false);
                (reuse, part(&Method::GET, request, &stored, NOW))
            });
        });
        group.bench_function(format!("variant, {name}"), |b| {
            b.iter(|| Vary::matches(vary.names(), &values, black_box(&request), None, &policy));
        });
    }
    group.bench_function("keep", |b| {
        b.iter(|| {
            let said = Said::read(black_box(&answer), &policy);
            keep(&exchange(&answer, &nothing, &said), &policy)
        });
    });
    group.finish();
}

criterion_group!(benches, rules);
criterion_main!(benches);
