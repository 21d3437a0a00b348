//! What routing and rewriting cost a request: `cargo bench --bench route`.
//!
//! The numbers to watch: `find/*` must not grow with the number of routes beyond what the caches of
//! the processor make of it, and header rules without variables must cost no more than the map does.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method};
use janua::{
    config::{self, OneOrMany},
    rewrite::{HeaderRules, PathRewrite, Variables},
    route::{Found, Listeners, Query, RouteTable, Rule, parameters},
};

/// A route from one line of TOML.
fn route(text: &str) -> config::Route {
    toml::from_str(text).unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

fn table(routes: &[config::Route]) -> RouteTable<usize> {
    let rules = routes.iter().enumerate().map(|(target, route)| Rule {
        name: "bench",
        listeners: Listeners::All,
        route,
        guards: Box::default(),
        target,
    });
    RouteTable::compile(rules.collect())
        .unwrap_or_else(|problems| unreachable!("{:?}", problems.first()))
}

fn query<'q>(host: &'q str, path: &'q str, headers: &'q HeaderMap) -> Query<'q, 'q> {
    let host = Some(host.as_bytes());
    Query { listener: 0, host, path, query: None, method: &Method::GET, headers }
}

/// Puts all queries, one after the other, so that a large table does not sit in the caches whole.
fn all(table: &RouteTable<usize>, queries: &[Query<'_, '_>], next: &mut usize) -> usize {
    *next = (*next + 1) % queries.len();
    match table.find(black_box(&queries[*next])) {
        Found::Route { rule, .. } => rule,
        Found::MethodNotAllowed { .. } | Found::Doubtful | Found::None => usize::MAX,
    }
}

/// Ten hosts with an API of their own each; paths with a literal, a parameter and a tail.
fn many(count: usize) -> Vec<config::Route> {
    let one = |n: usize| config::Route {
        host: OneOrMany(vec![format!("api{}.example.com", n % 10)]),
        path: OneOrMany(vec![format!("/service-{}/orders/{{id}}/items", n / 10)]),
        ..config::Route::default()
    };
    (0..count).map(one).collect()
}

fn find(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("find");
    let headers = HeaderMap::new();
    for count in [10, 100, 10_000] {
        let table = table(&many(count));
        let hosts: Vec<_> = (0..count).map(|n| format!("api{}.example.com", n % 10)).collect();
        let paths: Vec<_> =
            (0..count).map(|n| format!("/service-{}/orders/4711/items", n / 10)).collect();
        let queries: Vec<_> =
            hosts.iter().zip(&paths).map(|(host, path)| query(host, path, &headers)).collect();
        let mut next = 0;
        group.bench_with_input(BenchmarkId::new("hit", count), &count, |bencher, _| {
            bencher.iter(|| all(&table, &queries, &mut next));
        });
        group.bench_with_input(BenchmarkId::new("one", count), &count, |bencher, _| {
            bencher.iter(|| all(&table, &queries[..1], &mut next));
        });
        let missing = [query("api1.example.com", "/service-x/orders/4711/items", &headers)];
        group.bench_with_input(BenchmarkId::new("miss", count), &count, |bencher, _| {
            bencher.iter(|| all(&table, &missing, &mut next));
        });
    }
    group.finish();
}

fn shapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("shape");
    let mut headers = HeaderMap::new();
    headers.insert("x-version", HeaderValue::from_static("2"));
    let table = table(&[
        route(""),
        route(r#"host = "*.example.com""#),
        route("path = \"/orders\"\nmethods = [\"GET\", \"POST\"]"),
        route("path = \"/orders\"\nmethods = [\"GET\"]\nheaders = { x-version = \"1\" }"),
        route("path = \"/orders\"\nmethods = [\"GET\"]\nheaders = { x-version = \"2\" }"),
        route("path = \"/debug\"\nquery = { trace = { regex = \"^[0-9a-f]+$\" } }"),
    ]);
    for (name, host, path, parameters) in [
        ("catch-all", "example.org", "/a/b/c", None),
        ("wildcard host", "a.b.c.example.com:8080", "/a", None),
        ("header condition", "example.org", "/orders", None),
        ("query regex", "example.org", "/debug", Some("a=1&b=2&trace=c0ffee")),
        ("spelled oddly", "EXAMPLE.org", "/%6frders", None),
    ] {
        let queries = [Query { query: parameters, ..query(host, path, &headers) }];
        group.bench_function(name, |bencher| bencher.iter(|| all(&table, &queries, &mut 0)));
    }
    group.finish();
}

fn rewrite(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rewrite");
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", "example.org"), ("user-agent", "bench"), ("accept", "*/*")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let host = HeaderValue::from_static("example.org");
    let id = HeaderValue::from_static("0af76519-16cd-43dd-8448-eb211c80319c");
    let variables = Variables {
        method: &Method::GET,
        scheme: "https",
        host: Some(&host),
        path: "/api/orders/4711",
        query: Some("a=1"),
        id: &id,
        headers: &headers,
        client: Some([192, 0, 2, 1].into()),
        claim: &|_| None,
        route: "orders",
        params: &|name| (name == "id").then_some("4711"),
    };
    for (name, rules) in [
        (
            "headers, fixed",
            "remove = \"x-a\"\nset = { x-b = \"1\", x-c = \"2\" }\nadd = { x-d = \"3\" }",
        ),
        ("headers, variables", "set = { x-b = \"{client.ip}\", x-c = \"{request.host}\" }"),
    ] {
        let rules: config::HeaderRules =
            toml::from_str(rules).unwrap_or_else(|error| unreachable!("{error}"));
        let rules = HeaderRules::compile(&rules, &["id"])
            .unwrap_or_else(|problems| unreachable!("{problems:?}"));
        group.bench_function(name, |bencher| {
            // A map of its own for each round, because `add` makes it longer.
            bencher.iter_batched_ref(
                || headers.clone(),
                |map| rules.render(black_box(&variables)).apply(map),
                BatchSize::SmallInput,
            );
        });
    }
    for (name, text) in [
        ("strip-prefix", "strip-prefix = \"/api\""),
        (
            "whole path",
            "path = \"/api/orders/{id}\"\nrewrite = \"/items/{path.id}?from={request.host}\"",
        ),
    ] {
        let route = route(text);
        let rewrite = PathRewrite::compile(&route, &parameters(&route))
            .unwrap_or_else(|problems| unreachable!("{problems:?}"));
        group.bench_function(name, |bencher| bencher.iter(|| rewrite.apply(black_box(&variables))));
    }
    group.finish();
}

criterion_group!(benches, find, shapes, rewrite);
criterion_main!(benches);
