//! What a unary call costs by JSON: `cargo bench --bench grpc`.
//!
//! The number to watch: the two translations of `a unary call`, the request's 300 bytes of JSON to a message
//! and the answer's message to JSON, take at most 15 µs together.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, StatusCode};
use janua::{
    config::{File, Path, Problems},
    grpc::{Operation, Options, Services, Sources},
};

const BODY: &[u8] = br#"{"name":"Ada Lovelace","big":"9007199254740993","raw":"AAECAwQFBgcICQoLDA0ODw==","moods":["HAPPY","SAD","HAPPY"],"at":"2030-01-31T12:00:00.123Z","counts":{"apples":1,"pears":20,"plums":300,"cherries":4000}}"#;

fn operations() -> Vec<Arc<Operation>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = [File(root.join("tests/peers/greeter.proto"))];
    let sources = Sources { proto: &proto, ..Sources::default() };
    let mut problems = Problems::new();
    let made =
        Services::compile(&sources, &Options::default(), |_| false, &Path::root(), &mut problems);
    made.unwrap_or_else(|| unreachable!("{problems:?}")).operations
}

fn call(c: &mut Criterion) {
    let operations = operations();
    let by = |what: &str| {
        let is = |it: &&Arc<Operation>| format!("{} {}", it.method, it.pattern) == what;
        operations.iter().find(is).unwrap_or_else(|| unreachable!("{what}"))
    };
    let (post, get) = (by("POST /v1/hello"), by("GET /v1/hello/{name}"));
    let made = |operation: &Operation, query: Option<&str>, body: &[u8]| {
        let param = |_: &str| Some("Ada%20Lovelace");
        operation.request(param, query, body).unwrap_or_else(|wrong| unreachable!("{wrong:?}"))
    };
    // HelloReply { text: "hello", request: what was sent }
    let sent = made(post, None, BODY)[5..].to_vec();
    let length = u8::try_from(sent.len()).unwrap_or_else(|_| unreachable!("a length of two bytes"));
    let varint = if length < 128 { vec![length] } else { vec![length, 1] };
    let message = [&b"\x0a\x05hello\x12"[..], &varint, &sent].concat();
    let size = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    let answer = [&[0], &size[..], &message].concat();
    let ok: HeaderMap =
        [(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]
            .into_iter()
            .collect();
    let head = HeaderMap::new();
    let replied = || {
        let reply = post.answer(StatusCode::OK, &head, &answer, Some(&ok));
        reply.unwrap_or_else(|reject| unreachable!("{reject:?}"))
    };
    c.bench_function("a unary call: its request", |b| {
        b.iter(|| made(post, None, black_box(BODY)));
    });
    c.bench_function("a unary call: its answer", |b| b.iter(|| black_box(replied())));
    c.bench_function("a call by GET: its request", |b| {
        b.iter(|| made(get, Some(black_box("big=1&moods=HAPPY&at=2030-01-31T12:00:00Z")), b""));
    });
}

criterion_group!(benches, call);
criterion_main!(benches);
