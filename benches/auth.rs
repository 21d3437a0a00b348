//! What it costs to find out who makes a request and whether they may, through the chain and alone.
//!
//! What is held to a figure is a difference, and on a machine that others work on too, two figures
//! taken after one another differ by more than that. So those are taken by turns, in batches of a
//! few hundred microseconds, and the middle of all differences is printed.

use std::{hint::black_box, sync::Arc, time::Instant};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        ParsedPublicKey,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use futures_util::FutureExt as _;
use http::{Request, request::Parts};
/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// A token by ES256, its key as a JWK and as it is verified with, what is signed, and the signature.
struct Signed {
    token: String,
    jwk: String,
    key: ParsedPublicKey,
    text: String,
    signature: Vec<u8>,
}

fn signed() -> Signed {
    let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let pair = made.unwrap_or_else(|error| unreachable!("{error}"));
    let point = pair.public_key().as_ref();
    let part = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let jwk = format!(
        r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{}","y":"{}"}}"#,
        part(&point[1..33]),
        part(&point[33..])
    );
    let claims = r#"{"iss":"https://idp.example/realms/main","aud":["orders","billing"],"sub":"248289761001","azp":"web","exp":4102444800,"iat":1700000000,"nbf":1700000000,"jti":"3b1f2c7e-0d7e-4f3a-9f7e-6d1f3c1b8a55","email":"alice@example.com","name":"Alice Example","scope":"openid profile orders:read","realm_access":{"roles":["admin","staff","offline_access"]}}"#;
    let header = r#"{"alg":"ES256","typ":"JWT","kid":"a"}"#;
    let text = format!("{}.{}", part(header.as_bytes()), part(claims.as_bytes()));
    let signature = pair.sign(&SystemRandom::new(), text.as_bytes());
    let signature = signature.unwrap_or_else(|error| unreachable!("{error}")).as_ref().to_vec();
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    let key = key.unwrap_or_else(|error| unreachable!("{error}"));
    Signed { token: format!("{text}.{}", part(&signature)), jwk, key, text, signature }
}

/// A time at which the token holds, in milliseconds since 1970.
const WALL: u64 = 1_800_000_000_000;

/// A gateway with 1,000 keys, and one that is sent; it takes tokens by the key in this file.
fn world(jwks: &std::path::Path) -> (Arc<View>, String) {
    let mut lines = Vec::new();
    let mut sent = String::new();
    for number in 0..1_000 {
        let wish = Wish {
            // Of one owner two might be called the same.
            owner: format!("acme{number}"),
            roles: vec!["buyer".into(), "user".into()],
            ..Wish::default()
        };
        let (key, stored) = make_key(wish).unwrap_or_else(|error| unreachable!("{error}"));
        lines.push(key_line(&stored).unwrap_or_else(|error| unreachable!("{error}")));
        sent = key;
    }
    let jwt = format!(
        "issuer = \"https://idp.example/realms/main\", audience = \"orders\", roles = \"realm_access.roles\", jwks-file = \"{}\"",
        jwks.display()
    );
    let text = format!(
        "log.access = \"off\"\n\
         [auth.keys]\napi-key = {{ keys = [{}] }}\nidentity-headers = {{ x-user = \"sub\" }}\n\
         [auth.staff]\nbasic = {{ remember = \"1d\", users = {{ alice = \"{HASH}\" }} }}\n\
         [auth.corp]\nidentity-headers = {{ x-user = \"sub\" }}\njwt = {{ {jwt} }}\n\
         [auth.fresh]\nidentity-headers = {{ x-user = \"sub\" }}\njwt = {{ {jwt}, remember = \"0s\" }}\n\
         [auth.plain]\napi-key = {{ keys = [{0}] }}\n\
         [access.office]\nallow = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n\
         [[route]]\npath = \"/open\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\npath = \"/keys\"\nauth = \"keys\"\nallow.role = \"buyer\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\npath = \"/corp\"\nauth = \"corp\"\nallow.role = \"admin\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\npath = \"/fresh\"\nauth = \"fresh\"\nallow.role = \"admin\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\npath = \"/staff\"\nauth = \"staff\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\nname = \"articles\"\npath = \"/articles/{{id}}\"\nauth = \"keys\"\npolicy = \"{POLICIES}\"\nto = {{ status = 200, body = \"ok\" }}\n\
         [[route]]\npath = \"/office\"\naccess = \"office\"\nauth = \"plain\"\nto = {{ status = 200, body = \"ok\" }}\n",
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
    let signed = signed();
    let jwks = tempfile::NamedTempFile::new().unwrap_or_else(|error| unreachable!("{error}"));
    let written = std::fs::write(jwks.path(), format!(r#"{{"keys":[{}]}}"#, signed.jwk));
    assert!(written.is_ok());
    let (world, key) = world(jwks.path());
    let bearer = format!("Bearer {}", signed.token);
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
        ("chain, address list and API key", head("/office", "x-api-key", &key)),
        ("chain, API key and policies of Cedar", head("/articles/7", "x-api-key", &key)),
        ("chain, password remembered", head("/staff", "authorization", &password)),
        ("chain, JWT remembered", head("/corp", "authorization", &bearer)),
        ("chain, fresh JWT by ES256", head("/fresh", "authorization", &bearer)),
    ] {
        let first = runtime.block_on(serve(&head));
        assert!(first.is_ok_and(|answer| answer.status() == 200), "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(serve(&head).now_or_never()));
        });
    }
    alone(&mut group, &world, &key);
    tokens(&mut group, &world, &signed);
    group.finish();

    let open = head("/open", "x-api-key", &key);
    let office = head("/office", "x-api-key", &key);
    by_turns(
        "a request, without and with address list and API key",
        200,
        || drop(black_box(serve(&open).now_or_never())),
        || drop(black_box(serve(&office).now_or_never())),
    );
    let fresh = head("/fresh", "authorization", &bearer);
    let (route, ask) = (&world.routes.targets()[3], ask(&fresh, WALL));
    by_turns(
        "a token by ES256, its signature alone and all of it",
        4,
        || {
            let right = signed.key.verify_sig(signed.text.as_bytes(), &signed.signature);
            assert!(black_box(right).is_ok());
        },
        || {
            let Verdict::Now(Ok(who)) = route.auth.identify(ask) else { unreachable!() };
            drop(black_box(who));
        },
    );
}

#[expect(clippy::print_stdout, reason = "a program for people")]
/// Takes two things by turns, so many of each at a time, and prints the middle of each, of their
/// differences and of their ratios.
fn by_turns(name: &str, batch: u32, mut one: impl FnMut(), mut other: impl FnMut()) {
    let mut rounds: Vec<[f64; 4]> = Vec::new();
    let time = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..batch {
            work();
        }
        start.elapsed().as_secs_f64() * 1e6 / f64::from(batch)
    };
    for round in 0..4_000 {
        let (a, b) = if round % 2 == 0 {
            let a = time(&mut one);
            (a, time(&mut other))
        } else {
            let b = time(&mut other);
            (time(&mut one), b)
        };
        rounds.push([a, b, b - a, b / a]);
    }
    let middle = |column: usize| {
        let mut all: Vec<f64> = rounds.iter().map(|round| round[column]).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!(
        "{name}: {:.3} and {:.3} us, difference {:.3} us, ratio {:.3}",
        middle(0),
        middle(1),
        middle(2),
        middle(3)
    );
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// What a request is asked, without the rest of the chain.
fn ask<'a>(head: &'a Parts, wall: u64) -> Ask<'a> {
    Ask {
        method: &head.method,
        target: &head.uri,
        host: head.headers.get("host"),
        connection: None,
        headers: &head.headers,
        query: None,
        client: "203.0.113.7".parse().ok(),
        certificate: None,
        now: tokio::time::Instant::now(),
        wall,
    }
}

fn alone(group: &mut Group<'_>, world: &View, key: &str) {
    for (name, route, target) in [
        ("identify and authorize alone, API key", 1, "/keys"),
        ("identify and authorize alone, API key and policies of Cedar", 5, "/articles/7"),
    ] {
        let head = head(target, "x-api-key", key);
        let route = &world.routes.targets()[route];
        let ask = ask(&head, 0);
        let deed = Deed {
            method: &head.method,
            headers: &head.headers,
            host: None,
            param: &|_| Some("7"),
            client: ask.client,
            wall: &|| 0,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Verdict::Now(Ok(who)) = route.auth.identify(ask) else { unreachable!() };
                assert_eq!(route.auth.authorize(&who, &deed), Ok(None));
            });
        });
    }
}

fn tokens(group: &mut Group<'_>, world: &View, signed: &Signed) {
    let head = head("/corp", "authorization", &format!("Bearer {}", signed.token));
    let ask = ask(&head, WALL);
    for (name, index) in [("identify alone, JWT remembered", 2), ("identify alone, fresh JWT", 3)] {
        let route = &world.routes.targets()[index];
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Verdict::Now(Ok(who)) = route.auth.identify(ask) else { unreachable!() };
                black_box(who)
            });
        });
    }
    group.bench_function("signature alone, ES256", |bencher| {
        bencher
            .iter(|| black_box(signed.key.verify_sig(signed.text.as_bytes(), &signed.signature)));
    });
}

criterion_group!(benches, auth);
criterion_main!(benches);
