//! What a contract costs: `cargo bench --bench contract`.
//!
//! The numbers to watch: `a body of 1 KiB`, held to a schema of 50 properties, and `500 operations`, which is what
//! a load or reload takes for a document of that size.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use janua::{
    config::{self, Path, Problems},
    contract::{Api, Given, Head},
    message::Violations,
};
use serde_json::{Map, Value, json};

const TYPES: [(&str, &str, &str); 5] = [
    ("integer", "int64", "7"),
    ("string", "", "\"a word\""),
    ("string", "date", "\"2026-01-01\""),
    ("boolean", "", "true"),
    ("number", "", "1.25"),
];

/// An object of 50 properties.
fn schema() -> Value {
    let properties = (0..50).map(|number| {
        let (kind, format, _) = TYPES[number % TYPES.len()];
        let mut schema = json!({ "type": kind });
        if !format.is_empty() {
            schema["format"] = format.into();
        }
        (format!("property{number:02}"), schema)
    });
    let properties: Map<_, _> = properties.collect();
    let required: Vec<_> = properties.keys().take(25).cloned().collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

/// About 1 KiB of it.
fn body() -> String {
    let members = (0..50).map(|number| {
        let (_, _, value) = TYPES[number % TYPES.len()];
        format!("\"property{number:02}\":{value}")
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A document of so many operations, each with two parameters, a body and an answer.
fn document(operations: usize) -> Value {
    let content =
        json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Thing" } } });
    let paths = (0..operations).map(|number| {
        let operation = json!({ "post": {
            "operationId": format!("do{number}"),
            "parameters": [
                { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } },
                { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } },
            ],
            "requestBody": { "required": true, "content": content },
            "responses": { "200": { "description": "it", "content": content } },
        } });
        (format!("/things{number}/{{id}}"), operation)
    });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Things", "version": "1" },
        "paths": paths.collect::<Map<_, _>>(),
        "components": { "schemas": { "Thing": schema() } },
    })
}

fn api(document: &Value) -> Api {
    let (at, mut problems) = (Path::root(), Problems::new());
    let given = Given { made: Some(document), ..Given::default() };
    let made = Api::compile("things", &config::Api::default(), given, &at, &mut problems);
    made.unwrap_or_else(|| unreachable!("{problems:?}"))
}

fn held(c: &mut Criterion) {
    let api = api(&document(1));
    let operation = &api.policies[0].operation;
    let headers =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let body = body();
    c.bench_function(&format!("a body of 1 KiB ({} bytes)", body.len()), |b| {
        b.iter(|| {
            let mut wrong = Violations::default();
            let checked = operation.check_body(&headers, black_box(body.as_bytes()), &mut wrong);
            assert!(checked.is_ok() && wrong.is_empty());
        });
    });
    let head = Head { path: &[("id", "7")], query: Some("limit=10"), headers: &headers };
    c.bench_function("two parameters", |b| {
        b.iter(|| {
            let mut wrong = Violations::default();
            operation.check_head(black_box(head), &mut wrong);
            assert!(wrong.is_empty());
        });
    });
    let wrong_body = body.replace(":7", ":\"7\"");
    c.bench_function("the same body, wrong in 10 places", |b| {
        b.iter(|| {
            let mut wrong = Violations::default();
            let _ = operation.check_body(&headers, black_box(wrong_body.as_bytes()), &mut wrong);
            assert_eq!(wrong.iter().count(), 10);
        });
    });
}

fn loaded(c: &mut Criterion) {
    let document = document(500);
    c.bench_function("500 operations", |b| b.iter(|| black_box(api(black_box(&document)))));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = held, loaded
}
criterion_main!(benches);
