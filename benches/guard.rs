//! What the guard costs: per head, per byte, beside hyper's own parser for scale.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use janua::{server::guard::Guard, snapshot::HeadLimits};

const LIMITS: HeadLimits =
    HeadLimits { max_header_size: 65_536, max_headers: 100, max_request_line: 8_192 };

/// About 250 bytes, six fields, as a program sends it.
const PROGRAM: &str = "GET /api/v1/orders/8c1f2a7e?expand=items HTTP/1.1\r\n\
    Host: api.example.com\r\n\
    User-Agent: orders-client/2.14.0 (linux; x86_64)\r\n\
    Accept: application/json\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n\
    Connection: keep-alive\r\n\r\n";

/// About 1 KiB, as a browser sends it.
fn browser() -> String {
    format!(
        "GET /shop/items?page=2&sort=price HTTP/1.1\r\n\
         Host: www.example.com\r\n\
         Connection: keep-alive\r\n\
         sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\n\
         sec-ch-ua-mobile: ?0\r\n\
         sec-ch-ua-platform: \"Linux\"\r\n\
         Upgrade-Insecure-Requests: 1\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/140.0.0.0 Safari/537.36\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
         Sec-Fetch-Site: same-origin\r\n\
         Sec-Fetch-Mode: navigate\r\n\
         Referer: https://www.example.com/shop/items?page=1&sort=price\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
         Cookie: session={}; theme=dark\r\n\r\n",
        "0123456789abcdef".repeat(18)
    )
}

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("guard");
    for (name, head) in [("program", PROGRAM.to_owned()), ("browser", browser())] {
        let id = |what: &str| BenchmarkId::new(format!("{name}/{what}"), head.len());
        group.throughput(Throughput::Bytes(head.len() as u64));
        let mut guard = Guard::new();
        group.bench_function(id("whole"), |bencher| {
            bencher.iter(|| guard.inspect(black_box(head.as_bytes()), &LIMITS));
        });
        group.bench_function(id("byte by byte"), |bencher| {
            bencher.iter(|| {
                for byte in head.as_bytes().chunks(1) {
                    let _ = black_box(guard.inspect(black_box(byte), &LIMITS));
                }
            });
        });
        group.bench_function(id("httparse"), |bencher| {
            bencher.iter(|| {
                let mut fields = [httparse::EMPTY_HEADER; 32];
                let mut request = httparse::Request::new(&mut fields);
                request.parse(black_box(head.as_bytes())).map(|status| status.is_complete())
            });
        });
    }
    group.finish();
}

fn bodies(criterion: &mut Criterion) {
    let length = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n{}",
        "x".repeat(16_384)
    );
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4_096));
    let chunks = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(4)
    );
    let mut group = criterion.benchmark_group("guard");
    for (name, message) in [("16 KiB by length", length), ("16 KiB in 4 chunks", chunks)] {
        let mut guard = Guard::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| guard.inspect(black_box(message.as_bytes()), &LIMITS));
        });
    }
    group.finish();
}

criterion_group!(benches, heads, bodies);
criterion_main!(benches);
