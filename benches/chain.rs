//! What the chain costs without sockets: a request that Janua answers by itself, from its parsed head to
//! its answer counted, and beside it a refusal.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{Request, request::Parts};
use janua::{
    chain,
    config::Config,
    message::Client,
    snapshot::{Purpose, Snapshot, View},
    worker::{Clock, Worker},
};

/// A gateway with so many routes, one of them asked for.
fn world(routes: usize) -> Arc<View> {
    let mut text = String::from("log.access = \"off\"\n");
    for route in 0..routes {
        text.push_str(&format!(
            "[[route]]\nhost = \"h{}.example\"\npath = \"/api/v{route}/items/{{id}}\"\n\
             to = {{ status = 200, body = \"ok\" }}\n",
            route % 50
        ));
    }
    let config: Config = toml::from_str(&text).unwrap_or_else(|error| unreachable!("{error}"));
    let compiled = Snapshot::compile(config, Purpose::Look, None);
    let (snapshot, _) = compiled.unwrap_or_else(|problems| unreachable!("{problems:?}"));
    View::new(snapshot.into())
}

fn head(target: &str) -> Parts {
    let request = Request::get(target)
        .header("host", "h7.example")
        .header("user-agent", "bench/1.0")
        .header("accept", "application/json")
        .header("accept-encoding", "gzip, br")
        .header("authorization", "Bearer 0123456789abcdef")
        .body(());
    request.unwrap_or_else(|error| unreachable!("{error}")).into_parts().0
}

fn chain(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    for (name, routes, target) in [
        ("answer, 100 routes", 100, "/api/v57/items/1?x=y"),
        ("answer, 1,000 routes", 1_000, "/api/v57/items/1?x=y"),
        ("answer, 10,000 routes", 10_000, "/api/v57/items/1?x=y"),
        ("no route among 1,000", 1_000, "/nowhere"),
    ] {
        let world = world(routes);
        let Some(listener) = world.listeners.first().cloned() else { unreachable!() };
        let peer = "127.0.0.1:4000".parse().ok();
        let worker = Worker { index: 0, clock: Clock::new() };
        let client = Arc::new(Client::new(peer, None, listener.id, false, worker));
        let head = head(target);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (world, listener) = (world.clone(), listener.clone());
                let answer = chain::serve(world, listener, client.begin(), head.clone(), None);
                black_box(answer.now_or_never())
            });
        });
        group.bench_function(format!("{name}, the copy of its head"), |bencher| {
            bencher.iter(|| black_box(head.clone()));
        });
    }
    group.finish();
}

criterion_group!(benches, chain);
criterion_main!(benches);
