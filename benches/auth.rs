//! What it costs to find out who makes a request and whether they may, through the chain and alone.

use std::{hint::black_box, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::{Request, request::Parts};
use janua::{
    auth::{Ask, Deed, Verdict, Wish, key_line, make_key},
    chain,
    config::Config,
    message::Client,
    snapshot::{Purpose, Snapshot, View},
    worker::{Clock, Worker},
};

/// `secret`, by bcrypt at the least cost there is: it is hashed once.
const HASH: &str = "$2y$04$E9GNriPAbQvF.Am3F1sJ0OmgAgq7f0CHp7.EHKWC.CkVSjY/SbMjW";

/// Three policies.
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policies.cedar");

/// A gateway with 1,000 keys, and one that is sent.
fn world() -> (Arc<View>, String) {
    let mut lines = Vec::new();
    let mut sent = String::new();
    for _ in 0..1_000 {
        let wish = Wish {
            owner: "acme".into(),
            roles: vec!["buyer".into(), "user".into()],
            ..Wish::default()
        };
        let (key, stored) = make_key(wish).unwrap_or_else(|error| unreachable!("{error}"));
        lines.push(key_line(&stored).unwrap_or_else(|error| unreachable!("{error}")));
        sent = key;
    }
    let text = format!(
        "log.access = \"off\"\n\
         [auth.keys]\napi-key = {{ keys = [{}] }}\nidentity-headers = {{ x-user = \"sub\" }}\n\
         [auth.staff]\nbasic = {{ remember = \"1d\", users = {{ alice = \"{HASH}\" }} }}\n\
         [[route]]\npath = \"/open\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\npath = \"/keys\"\nauth = \"keys\"\nallow.role = \"buyer\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\npath = \"/staff\"\nauth = \"staff\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\nname = \"articles\"\npath = \"/articles/{{id}}\"\nauth = \"keys\"\npolicy = \"{POLICIES}\"\nto = {{ status = 200, body = \"ok\" }}\n",
        lines.join(", ")
    );
    let config: Config = toml::from_str(&text).unwrap_or_else(|error| unreachable!("{error}"));
    let compiled = Snapshot::compile(config, Purpose::Look, None);
    let (snapshot, _) = compiled.unwrap_or_else(|problems| unreachable!("{problems:?}"));
    (View::new(snapshot.into()), sent)
}

fn head(target: &str, name: &str, value: &str) -> Parts {
    let request = Request::get(target)
        .header("host", "h7.example")
        .header("user-agent", "bench/1.0")
        .header("accept", "application/json")
        .header(name, value)
        .body(());
    request.unwrap_or_else(|error| unreachable!("{error}")).into_parts().0
}

fn auth(criterion: &mut Criterion) {
    let (world, key) = world();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| unreachable!("{error}"));
    let Some(listener) = world.listeners.first().cloned() else { unreachable!() };
    let peer = "127.0.0.1:4000".parse().ok();
    let worker = Worker { index: 0, clock: Clock::new() };
    let client = Arc::new(Client::new(peer, None, listener.id, false, worker));
    let password = format!("Basic {}", STANDARD.encode("alice:secret"));
    let serve = |head: &Parts| {
        chain::serve(world.clone(), listener.clone(), client.begin(), head.clone(), None)
    };
    let mut group = criterion.benchmark_group("auth");
    for (name, head) in [
        ("chain, nobody asked", head("/open", "x-api-key", &key)),
        ("chain, API key among 1,000 and a role", head("/keys", "x-api-key", &key)),
        ("chain, API key and policies of Cedar", head("/articles/7", "x-api-key", &key)),
        ("chain, password remembered", head("/staff", "authorization", &password)),
    ] {
        let first = runtime.block_on(serve(&head));
        assert_eq!(first.status(), 200, "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(serve(&head).now_or_never()));
        });
    }
    let now = tokio::time::Instant::now();
    let client_ip = "203.0.113.7".parse().ok();
    for (name, route, target) in [
        ("identify and authorize alone, API key", 1, "/keys"),
        ("identify and authorize alone, API key and policies of Cedar", 3, "/articles/7"),
    ] {
        let head = head(target, "x-api-key", &key);
        let route = &world.routes.targets()[route];
        let ask = Ask {
            headers: &head.headers,
            query: None,
            client: client_ip,
            certificate: None,
            now,
            wall: 0,
        };
        let deed = Deed {
            method: &head.method,
            headers: &head.headers,
            host: "h7.example",
            param: &|_| Some("7"),
            client: client_ip,
            wall: 0,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Verdict::Now(Ok(who)) = route.auth.identify(ask) else { unreachable!() };
                assert_eq!(route.auth.authorize(&who, &deed), Ok(None));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, auth);
criterion_main!(benches);
