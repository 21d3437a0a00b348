//! What translation costs: JSON of 1 KiB to XML and back, a call of a SOAP service and its answer.

use std::{hint::black_box, path::PathBuf, time::SystemTime};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use janua::{
    config::{Api, File, Format, Path, Problems, TranslateRules},
    message::{DEPTH, Json, parse_json},
    translate::soap::{Asked, Service},
    xml::{Bounds, Event, Mapping, Reader},
};

/// The gateway's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An order of about 1 KiB.
fn order() -> String {
    let item = |number: u32| {
        format!(
            "{{\"@id\":\"{number}\",\"name\":\"A thing with a <name> & more\",\"count\":{number},\
             \"price\":{{\"@currency\":\"EUR\",\"#text\":\"12.50\"}},\"note\":null}}"
        )
    };
    let items: Vec<_> = (0..8).map(item).collect();
    format!("{{\"order\":{{\"customer\":\"C-4711\",\"item\":[{}]}}}}", items.join(","))
}

fn formats(c: &mut Criterion) {
    let json = order();
    let mut problems = Problems::new();
    let mapping = Mapping::compile(&TranslateRules::of(Format::Xml), &Path::root(), &mut problems);
    let write = |json: &str| {
        let value = Json::parse(json.as_bytes(), DEPTH).ok();
        value.and_then(|value| mapping.to_xml(&value).ok()).unwrap_or_default()
    };
    let xml = write(&json);
    assert!(xml.len() > 1024);
    let mut group = c.benchmark_group("formats");
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("parse-json", |b| {
        b.iter(|| parse_json(black_box(json.as_bytes()), DEPTH).is_ok());
    });
    group.bench_function("parse-json-borrowed", |b| {
        b.iter(|| Json::parse(black_box(json.as_bytes()), DEPTH).is_ok());
    });
    group.bench_function("json-to-xml", |b| b.iter(|| write(black_box(&json))));
    group.throughput(Throughput::Bytes(xml.len() as u64));
    group.bench_function("read-xml", |b| {
        b.iter(|| {
            let Ok(mut reader) = Reader::new(black_box(&xml), Bounds::default()) else { return 0 };
            let mut events = 0;
            while !matches!(reader.next(), Ok(Event::Eof) | Err(_)) {
                events += 1;
            }
            events
        });
    });
    group.bench_function("xml-to-json", |b| {
        b.iter(|| mapping.to_json(black_box(&xml)).map(|json| json.to_string()));
    });
    group.finish();
}

fn soap(c: &mut Criterion) {
    let wsdl = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/bank.wsdl"));
    let section = Api { wsdl: Some(File(wsdl)), ..Api::default() };
    let load = || Service::compile(&section, &Path::root(), &mut Problems::new());
    let Some(service) = load() else { return };
    let mut group = c.benchmark_group("soap");
    group.bench_function("load", |b| b.iter(load));
    if let Some(operation) = service.operation("Transfer") {
        let body = "{\"from\":\"CH000001\",\"to\":\"CH000002\",\"amount\":{\"@currency\":\"EUR\",\"#text\":1.5},\"note\":[\"a\",\"b\"]}";
        let asked = Asked { body: body.into(), ..Asked::default() };
        group.bench_function("request", |b| {
            b.iter(|| operation.request(black_box(&asked), SystemTime::UNIX_EPOCH).is_ok());
        });
        let answer = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
                      <TransferResponse xmlns=\"urn:example:bank\"><id>7</id></TransferResponse></s:Body></s:Envelope>";
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/xml"))]);
        group.bench_function("answer", |b| {
            b.iter(|| {
                operation.answer(StatusCode::OK, &headers, black_box(answer.as_bytes())).is_ok()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, formats, soap);
criterion_main!(benches);
