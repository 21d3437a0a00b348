//! What the guard of a GraphQL service costs: `cargo bench --bench graphql`.
//!
//! The number to watch: `a query of 1 KiB`, one that was read before, with its variables held to the schema and
//! its cost counted anew. `for the first time` is what a text costs that nobody sent before, and `that is known`
//! what it costs where clients only name it.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use janua::{
    config::{self, File, Path, Problems},
    graphql::{Given, Guard, Types},
};
use serde_json::json;

/// About 1 KiB, as a page of an application asks it.
fn query() -> String {
    let mut query = String::from(
        "query Page($id: ID!, $first: Int = 10, $friends: Int) {\n  user(id: $id) { ...Person friends(first: $friends) { ...Person } }\n",
    );
    for number in 0..8 {
        query.push_str(&format!(
            "  part{number}: users(first: $first) {{ ...Person friends(first: 3) {{ id name role }} }}\n"
        ));
    }
    query.push_str("  version\n}\nfragment Person on User {\n  id\n  name\n  role\n}\n# ");
    while query.len() < 1_024 {
        query.push('-');
    }
    query
}

fn guard(section: &config::Api) -> Guard {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = File(root.join("tests/it/graphql/shop.graphql"));
    let (at, mut problems) = (Path::root(), Problems::new());
    let types = Types::load(&file, &section.guard, &at, &mut problems);
    let made = Guard::compile("shop", section, types.map(Arc::new), &at, &mut problems);
    made.unwrap_or_else(|| unreachable!("{problems:?}"))
}

fn asked(c: &mut Criterion) {
    let query = query();
    let remembers = guard(&config::Api::default());
    let mut section = config::Api::default();
    section.guard.remember = config::ByteSize(0);
    let forgets = guard(&section);
    let variables = json!({ "id": "7", "first": 5, "friends": 2 });
    let body =
        json!({ "query": query, "operationName": "Page", "variables": variables }).to_string();
    let check = |guard: &Guard, body: &str| {
        let given = Given { method: &Method::POST, query: None, body: body.as_bytes() };
        guard.check(given).unwrap_or_else(|refused| unreachable!("{refused:?}"))
    };
    c.bench_function("a query of 1 KiB", |b| b.iter(|| check(&remembers, black_box(&body))));
    c.bench_function("a query of 1 KiB, for the first time", |b| {
        b.iter(|| check(&forgets, black_box(&body)));
    });
    let small = json!({ "query": "{ version }" }).to_string();
    c.bench_function("a small query", |b| b.iter(|| check(&remembers, black_box(&small))));
    let Ok(home) = tempfile::tempdir() else { return };
    let file = home.path().join("operations.json");
    if std::fs::write(&file, json!({ "page": query }).to_string()).is_err() {
        return;
    }
    let known = config::Api {
        persisted: Some(config::Persisted { file: File(file), only: true }),
        ..config::Api::default()
    };
    let known = guard(&known);
    let named = json!({ "documentId": "page", "variables": variables }).to_string();
    c.bench_function("a query of 1 KiB that is known", |b| {
        b.iter(|| check(&known, black_box(&named)));
    });
}

criterion_group!(benches, asked);
criterion_main!(benches);
