//! API keys in a store: made and revoked there, for every gateway at once; and what holds without it.

use std::time::Instant;

use super::{StoreServer, metric};
use crate::{
    auth::{key, send, sha256},
    support::{
        Janua, Message, PATIENCE, Setup,
        certs::Authority,
        daemon::{self, JANUA},
        until,
    },
};

/// A gateway with its keys in this store.
fn setup(store: &str, keys: &str) -> Setup {
    Setup::new(format!(
        "[store.shared]\ntimeout = \"2s\"\n{store}\n\
         [auth.keys]\nlock-out.attempts = 0\napi-key = {{ store = \"shared\", {keys} }}\n\
         [[route]]\nname = \"r\"\nto = {{ status = 200, body = \"in\" }}\nauth = \"keys\"\n"
    ))
}

fn at(server: &StoreServer) -> String {
    format!("url = \"{}\"", server.url())
}

async fn ask(janua: &Janua, key: &str) -> Message {
    send(janua, "GET /", &format!("X-Api-Key: {key}\r\n")).await
}

/// Stores a key by hand, as JSON with these members more.
fn store(server: &StoreServer, name: &str, more: &str) {
    let sha = sha256(name);
    let json = format!("{{\"id\": \"{name}\", \"sha256\": \"{sha}\"{more}}}");
    server.command(&["SET", &format!("janua:key:{sha}"), &json]);
}

#[tokio::test]
async fn a_key_is_made_and_revoked_in_the_store_for_every_gateway() {
    let server = StoreServer::start();
    let setup = setup(&at(&server), "remember = \"300ms\", remember-unknown = \"100ms\"");
    let (one, other) = (setup.clone().start().await, setup.start().await);
    let config = one.path("janua.toml");
    let verb = |words: &[&str]| {
        let more = ["--store", "shared", "-c", config.to_str().unwrap()];
        let output = daemon::janua(&[&["key"], words, &more].concat());
        assert!(output.status.success(), "{JANUA} {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let new = || verb(&["new", "--owner", "acme", "--roles", "buyer", "--expires", "90d"]);
    let (old, next) = (new(), new());
    for janua in [&one, &other] {
        for key in [&old, &next] {
            assert_eq!(ask(janua, key).await.status(), 200, "both hold while clients change over");
        }
        ask(janua, "made-up").await.assert_refused(401, "auth.key.unknown", "made up");
    }
    assert!(!server.command(&["KEYS", "*"]).contains(&old), "the key itself is stored");
    let id = old.split('_').nth(1).unwrap();
    let list = verb(&["list"]);
    assert!(list.lines().any(|line| line.starts_with(id) && line.contains("buyer")), "{list}");
    assert_eq!(list.lines().count(), 3, "{list}");

    verb(&["revoke", id]);
    for janua in [&one, &other] {
        let began = Instant::now();
        let refused = loop {
            let answer = ask(janua, &old).await;
            if answer.status() != 200 {
                break answer;
            }
            assert!(began.elapsed() < PATIENCE, "it goes on for ever");
        };
        refused.assert_refused(401, "auth.key.revoked", "revoked");
        assert_eq!(ask(janua, &next).await.status(), 200);
    }
    let list = verb(&["list"]);
    assert!(list.lines().any(|line| line.starts_with(id) && line.contains("revoked")), "{list}");
    let output = daemon::janua(&[
        "key",
        "revoke",
        "no",
        "--store",
        "shared",
        "-c",
        config.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no key `no`"), "{output:?}");
}

#[tokio::test]
async fn what_is_in_the_store_lets_nobody_in_that_it_should_not() {
    let server = StoreServer::start();
    let janua = setup(&at(&server), &format!("keys = [{}]", key("toml", "toml", ""))).start().await;
    let name = |key: &str| format!("janua:key:{}", sha256(key));
    store(&server, "good", ", \"roles\": [\"a\"], \"scopes\": \"b\"");
    store(&server, "old", ", \"expires\": \"2020-01-01\"");
    store(&server, "gone", ", \"revoked\": true");
    store(&server, "extra", ", \"admin\": true");
    let stolen = format!("{{\"id\": \"x\", \"sha256\": \"{}\"}}", sha256("good"));
    server.command(&["SET", &name("stolen"), &stolen]);
    server.command(&["SET", &name("text"), "yes"]);
    server.command(&["SET", &name("empty"), ""]);
    server.command(&["HSET", &name("hash"), "id", "x"]);
    server.command(&["SETRANGE", &name("huge"), "1100000", "x"]);
    server.command(&["SET", &format!("other:{}", sha256("elsewhere")), "{}"]);
    for (key, status, reason) in [
        ("toml", 200, ""),
        ("good", 200, ""),
        ("old", 401, "auth.key.expired"),
        ("gone", 401, "auth.key.revoked"),
        ("extra", 401, "auth.key.unknown"),
        ("stolen", 401, "auth.key.unknown"),
        ("text", 401, "auth.key.unknown"),
        ("empty", 401, "auth.key.unknown"),
        ("elsewhere", 401, "auth.key.unknown"),
        ("", 401, "auth.key.unknown"),
        ("*", 401, "auth.key.unknown"),
        ("hash", 503, "auth.key.store_unavailable"),
        ("huge", 503, "auth.key.store_unavailable"),
    ] {
        let answer = ask(&janua, key).await;
        assert_eq!(answer.status(), status, "{key}: {answer:?}");
        if status != 200 {
            answer.assert_refused(status, reason, key);
        }
    }
    assert_eq!(ask(&janua, "good").await.status(), 200, "it answers on after all that");
}

#[tokio::test]
async fn a_store_that_dies_takes_nobody_along_whom_it_knew() {
    let mut server = StoreServer::start();
    let janua = setup(&at(&server), "remember = \"1ms\"").start().await;
    store(&server, "good", "");
    store(&server, "later", "");
    assert_eq!(ask(&janua, "good").await.status(), 200);
    server.kill();
    until("the store is down", || metric(&janua, "janua_store_up{store=\"shared\"}") == 0).await;
    let answer = ask(&janua, "later").await;
    answer.assert_refused(503, "auth.key.store_unavailable", "nobody can say");
    assert_eq!(answer.field("retry-after").as_deref(), Some("1"));
    assert_eq!(ask(&janua, "good").await.status(), 200, "that one is known");
    server.start_again();
    until("the store is up", || metric(&janua, "janua_store_up{store=\"shared\"}") == 1).await;
    assert_eq!(ask(&janua, "later").await.status(), 200);
}

#[tokio::test]
async fn what_the_store_said_long_ago_does_not_hold_for_ever_without_it() {
    let mut server = StoreServer::start();
    let janua = setup(&at(&server), "remember = \"1ms\", stale = \"200ms\"").start().await;
    store(&server, "good", "");
    assert_eq!(ask(&janua, "good").await.status(), 200);
    server.kill();
    let began = Instant::now();
    let refused = loop {
        let answer = ask(&janua, "good").await;
        if answer.status() != 200 {
            break answer;
        }
        assert!(began.elapsed() < PATIENCE, "it goes on for ever");
    };
    refused.assert_refused(503, "auth.key.store_unavailable", "too long ago");
}

#[tokio::test]
async fn a_store_that_stands_still_is_soon_not_waited_for() {
    let server = StoreServer::start();
    let store_keys = format!("{}\nconnect-timeout = \"300ms\"", at(&server));
    let store_keys = store_keys.replace("url", "max-failures = 3\nurl");
    let setup = setup(&store_keys, "remember = \"1ms\"");
    let janua = setup.start().await;
    store(&server, "good", "");
    assert_eq!(ask(&janua, "good").await.status(), 200);
    server.pause();
    for _ in 0..3 {
        let answer = ask(&janua, "late").await;
        answer.assert_refused(503, "auth.key.store_unavailable", "no answer in time");
    }
    let sent = metric(&janua, "janua_store_commands_total{store=\"shared\"}");
    for _ in 0..50 {
        let answer = ask(&janua, "late").await;
        answer.assert_refused(503, "auth.key.store_unavailable", "nobody waits");
        assert_eq!(ask(&janua, "good").await.status(), 200, "that one is known");
    }
    assert_eq!(metric(&janua, "janua_store_commands_total{store=\"shared\"}"), sent);
    assert_eq!(
        metric(&janua, "janua_store_failures_total{store=\"shared\",reason=\"timeout\"}"),
        3
    );
    server.go_on();
    until("the store is up", || metric(&janua, "janua_store_up{store=\"shared\"}") == 1).await;
    ask(&janua, "late").await.assert_refused(401, "auth.key.unknown", "it can be said again");
}

#[tokio::test]
async fn a_gateway_starts_and_reloads_without_its_store() {
    let mut server = StoreServer::down("");
    let setup = setup(&at(&server), "");
    let janua = setup.clone().start().await;
    ask(&janua, "good").await.assert_refused(503, "auth.key.store_unavailable", "down");
    janua.reload(&setup.clone().listener("# changed")).await.unwrap();
    server.start_again();
    store(&server, "good", "");
    until("the store is up", || metric(&janua, "janua_store_up{store=\"shared\"}") == 1).await;
    assert_eq!(ask(&janua, "good").await.status(), 200);
    let connects = || metric(&janua, "janua_store_connects_total{store=\"shared\"}");
    assert_eq!(connects(), 1);
    janua.reload(&setup).await.unwrap();
    assert_eq!(ask(&janua, "good").await.status(), 200);
    assert_eq!(connects(), 1, "a store that did not change keeps its connection");
}

#[tokio::test]
async fn a_store_is_spoken_to_by_tls_with_a_password_and_by_a_unix_socket() {
    let (ours, strange) = (Authority::new("ours"), Authority::new("strange"));
    let mut server = StoreServer::down(
        "port 0\ntls-port PORT\ntls-cert-file HOME/site.pem\ntls-key-file HOME/site.key\n\
         tls-auth-clients no\nrequirepass hunter2hunter2",
    );
    ours.issue(1, &["localhost", "127.0.0.1"]).save(server.home.path(), "site");
    let ca = ours.save(&server.path("ca.pem"));
    let other = strange.save(&server.path("strange.pem"));
    server.start_again();
    let sha = sha256("good");
    let json = format!("{{\"id\": \"good\", \"sha256\": \"{sha}\"}}");
    server.command(&["SET", &format!("janua:key:{sha}"), &json]);
    let tls = format!("url = \"rediss://localhost:{}\"", server.address.port());
    let unix = format!("url = \"unix:{}\"", server.path("store.sock").display());
    let password = "password = \"hunter2hunter2\"";
    for (store, status) in [
        (format!("{tls}\n{password}\nca = \"{ca}\""), 200),
        (format!("{unix}\n{password}"), 200),
        (format!("{unix}\n{password}\ndatabase = 1"), 401),
        (format!("{tls}\n{password}\nca = \"{other}\""), 503),
        (format!("{tls}\n{password}"), 503),
        (format!("{tls}\npassword = \"wrong\"\nca = \"{ca}\""), 503),
        (format!("{tls}\nca = \"{ca}\""), 503),
        (format!("{}\n{password}", tls.replace("rediss", "redis")), 503),
    ] {
        let janua = setup(&store, "").start().await;
        let answer = ask(&janua, "good").await;
        assert_eq!(answer.status(), status, "{store}: {answer:?}");
        let shown = janua::config::show(&janua.world().config);
        assert!(!shown.contains("hunter2") && !format!("{:?}", janua.world()).contains("hunter2"));
    }
}

#[tokio::test]
async fn a_listing_of_keys_walks_through_a_whole_store() {
    let mut server = StoreServer::down("enable-debug-command local");
    server.start_again();
    let janua = setup(&at(&server), "prefix = \"k[1]*:\"").start().await;
    for number in 0..3 {
        server.command(&["DEBUG", "POPULATE", "1500", &format!("noise{number}")]);
    }
    for name in ["b", "a"] {
        let json = format!("{{\"id\": \"{name}\", \"sha256\": \"{}\"}}", sha256(name));
        server.command(&["SET", &format!("k[1]*:{}", sha256(name)), &json]);
    }
    server.command(&["SET", "k1x:y", "{}"]);
    let config = janua.path("janua.toml");
    let output =
        daemon::janua(&["key", "list", "--store", "shared", "-c", config.to_str().unwrap()]);
    let list = String::from_utf8(output.stdout).unwrap();
    let ids: Vec<_> = list.lines().skip(1).map(|line| &line[..1]).collect();
    assert_eq!(ids, ["a", "b"], "{list}");
    assert_eq!(ask(&janua, "a").await.status(), 200);
}
