//! By which rule an endpoint is chosen, and what a client notices of it.

use std::collections::HashMap;

use super::{nobody, refused, upstream};
use crate::support::{Client, Janua, Origin, Setup, until};

async fn three() -> [Origin; 3] {
    [Origin::named("a").await, Origin::named("b").await, Origin::named("c").await]
}

fn urls(origins: &[&Origin]) -> String {
    let urls: Vec<_> = origins.iter().map(|origin| format!("\"{}\"", origin.url)).collect();
    format!("endpoints = [{}]", urls.join(", "))
}

/// Who answers a request with these fields.
async fn who(client: &mut Client, fields: &str) -> String {
    let answer = client.request("GET /", fields).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.text()
}

/// Who answers each of so many users.
async fn homes(janua: &Janua, users: usize) -> HashMap<usize, String> {
    let mut client = janua.client().await;
    let mut homes = HashMap::new();
    for user in 0..users {
        homes.insert(user, who(&mut client, &format!("x-user: {user}\r\n")).await);
    }
    homes
}

/// How many of them are somewhere else.
fn moved(before: &HashMap<usize, String>, after: &HashMap<usize, String>, gone: &str) -> usize {
    let stay = before.iter().filter(|(_, home)| **home != gone);
    stay.filter(|(user, home)| after[user] != **home).count()
}

#[tokio::test]
async fn every_rule_goes_by_weight() {
    let (heavy, light) = (Origin::named("a").await, Origin::named("b").await);
    for rule in
        ["\"round-robin\"", "\"least-requests\"", "\"random\"", "{ hash = \"header:x-user\" }"]
    {
        let endpoints =
            format!("endpoints = [{{ url = \"{}\", weight = 3 }}, \"{}\"]", heavy.url, light.url);
        let janua = upstream(&format!("{endpoints}\nbalance = {rule}")).start().await;
        let homes = homes(&janua, 400).await;
        let heavy = homes.values().filter(|home| **home == "a").count();
        // Chance is off by 9 in two of three; this is five times as much.
        assert!((255..=345).contains(&heavy), "{rule}: {heavy} of 400");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_busy_gets_less() {
    let (held, may) = Origin::held().await;
    let free = Origin::named("b").await;
    let keys = format!("{}\nbalance = \"least-requests\"", urls(&[&held, &free]));
    let janua = upstream(&keys).start().await;
    let mut waiting = Vec::new();
    while held.requests().is_empty() {
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let sent = || held.requests().len() + free.requests().len();
        until("the request is there", || sent() > waiting.len()).await;
        waiting.push(client);
    }
    let mut client = janua.client().await;
    for _ in 0..20 {
        assert_eq!(who(&mut client, "").await, "b");
    }
    may.add_permits(1);
}

#[tokio::test]
async fn an_endpoint_that_takes_no_connection_is_busy() {
    // It never says a word of TLS.
    let silent = Origin::script(|mut peer| async move { peer.ended().await }).await;
    let free = Origin::named("b").await;
    let silent_url = silent.url.replace("http:", "https:");
    let endpoints = format!("endpoints = [\"{silent_url}\", \"{}\"]", free.url);
    let janua = upstream(&format!("{endpoints}\nbalance = \"least-requests\"")).start().await;
    let mut waiting = Vec::new();
    while silent.connections() == 0 {
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let sent = || silent.connections() + free.requests().len();
        until("the request is there", || sent() > waiting.len()).await;
        waiting.push(client);
    }
    let mut client = janua.client().await;
    for _ in 0..20 {
        assert_eq!(who(&mut client, "").await, "b");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_slow_or_fails_gets_less() {
    let slow = Origin::script(|mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na").await;
        }
    });
    let fails = Origin::answering("HTTP/1.1 500 No\r\nContent-Length: 1\r\n\r\na");
    let fast = Origin::named("b").await;
    for bad in [slow.await, fails.await] {
        let keys = format!("{}\nbalance = \"peak-ewma\"", urls(&[&bad, &fast]));
        let janua = upstream(&keys).start().await;
        let mut client = janua.client().await;
        let before = fast.requests().len();
        for _ in 0..60 {
            client.get("/").await;
        }
        let (bad, good) = (bad.requests().len(), fast.requests().len() - before);
        assert!(bad <= 3 && bad + good == 60, "{bad} and {good}");
    }
}

#[tokio::test]
async fn a_client_stays_where_it_was_when_another_endpoint_leaves() {
    let origins = three().await;
    let [a, b, c] = [&origins[0], &origins[1], &origins[2]];
    let setup = |origins: &[&Origin]| {
        upstream(&format!("{}\nbalance = {{ hash = \"header:x-user\" }}", urls(origins)))
    };
    let janua = setup(&[a, b, c]).start().await;
    let before = homes(&janua, 90).await;
    for name in ["a", "b", "c"] {
        let count = before.values().filter(|home| **home == name).count();
        assert!((12..=50).contains(&count), "{name}: {count} of 90");
    }
    assert_eq!(homes(&janua, 90).await, before, "the same again");
    let another = setup(&[c, a, b]).start().await;
    assert_eq!(homes(&another, 90).await, before, "another gateway, another order");
    janua.reload(&setup(&[a, b])).await.ok().unwrap();
    let without = homes(&janua, 90).await;
    // 0.3 % of keys as a rule, 9 for one set of addresses in a thousand; by a remainder half of them would move.
    assert!(moved(&before, &without, "c") <= 12, "{before:?} {without:?}");
    assert!(without.values().all(|home| *home != "c"));
    janua.reload(&setup(&[a, b, c])).await.ok().unwrap();
    assert_eq!(homes(&janua, 90).await, before, "it came back, and so did its clients");
    // The same by a drain.
    assert!(janua.world().upstream("u").unwrap().drain(&c.url, true));
    assert_eq!(homes(&janua, 90).await, without);
}

#[tokio::test]
async fn a_key_whose_endpoint_is_dead_goes_to_one_and_the_same_other() {
    let (_taken, dead) = nobody();
    let origins = three().await;
    let endpoints: Vec<_> = origins.iter().map(|origin| &*origin.url).chain([&*dead]).collect();
    let keys = format!("endpoints = {endpoints:?}\nejection.failures = 0");
    let janua = upstream(&format!("{keys}\nbalance.hash = \"header:x-user\"")).start().await;
    let first = homes(&janua, 60).await;
    assert_eq!(homes(&janua, 60).await, first);
    let again = janua.log().iter().filter(|line| line["tries"] != 1).count();
    assert!((10..=60).contains(&again), "{again} of 120 had the dead one first");
}

#[tokio::test]
async fn a_key_is_what_the_request_says_and_the_address_where_it_says_nothing() {
    let origins = three().await;
    for (word, field) in [
        ("ip", "x-forwarded-for: 192.0.2.{}"),
        ("header:x-user", "x-user: {}"),
        ("cookie:user", "cookie: a=b; user={}"),
        ("path:user", ""),
    ] {
        let endpoints = urls(&[&origins[0], &origins[1], &origins[2]]);
        let setup = Setup::new(format!(
            "[upstream.u]\n{endpoints}\nbalance.hash = \"{word}\"\n\
             [[route]]\npath = \"/{{user}}\"\nto = \"u\"\n"
        ));
        let janua = setup.listener("trusted-proxies = [\"127.0.0.0/8\"]").start().await;
        let mut client = janua.client().await;
        let mut names = Vec::new();
        for user in 0..30 {
            let fields = format!("{field}\r\n").replace("{}", &user.to_string());
            let fields = if field.is_empty() { String::new() } else { fields };
            for _ in 0..2 {
                names.push(client.request(&format!("GET /{user}"), &fields).await.text());
            }
        }
        assert!(names.chunks(2).all(|pair| pair[0] == pair[1]), "{word}: {names:?}");
        assert!(["a", "b", "c"].iter().all(|name| names.contains(&(*name).into())), "{word}");
        if !field.is_empty() {
            let mut names = Vec::new();
            for user in 0..9 {
                names.push(client.request(&format!("GET /{user}"), "").await.text());
            }
            assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "{word}: {names:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_everybody_asks_for_is_shared_if_loads_are_bounded() {
    for (bound, most) in [("", 12), (", bounded-load = 125", 5)] {
        let (a, _a) = Origin::held().await;
        let (b, _b) = Origin::held().await;
        let (c, _c) = Origin::held().await;
        let endpoints = urls(&[&a, &b, &c]);
        let keys = format!("{endpoints}\nbalance = {{ hash = \"header:x-user\"{bound} }}");
        let janua = upstream(&keys).start().await;
        let mut clients = Vec::new();
        let counts = || [&a, &b, &c].map(|origin| origin.requests().len());
        for sent in 1..=12 {
            let mut client = janua.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\nx-user: all\r\n\r\n").await;
            clients.push(client);
            until("it is there", || counts().iter().sum::<usize>() == sent).await;
        }
        assert_eq!(counts().into_iter().max(), Some(most), "{bound}: {:?}", counts());
    }
}

#[tokio::test]
async fn a_balance_that_cannot_be_meant_is_refused_at_load() {
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "short").unwrap();
    let short = format!("sticky = {{ cookie = \"a\", secret = {{ file = {short:?} }} }}");
    refused([
        (&*short, "sticky.secret", "shorter than 16", ""),
        ("balance = \"least-conn\"", "balance", "`least-conn` is not known here", "least-requests"),
        ("balance = { hash = \"ipv4\" }", "balance.hash", "`ipv4` is no key", "`ip`"),
        ("balance = { hash = \"header:\" }", "balance.hash", "names nothing", "`header:NAME`"),
        ("balance = { hash = \"header:a b\" }", "balance.hash", "not a field name", ""),
        ("balance = { hash = \"route\" }", "balance.hash", "all to one endpoint", "\"ip\""),
        ("balance = { hash = \"global\" }", "balance.hash", "all to one endpoint", "\"ip\""),
        ("balance = { hash = [] }", "balance.hash", "all to one endpoint", "\"ip\""),
        ("balance = { hash = [\"ip\", \"ip\"] }", "balance.hash[1]", "is here twice", ""),
        ("balance = { hash = [\"ip\", \"global\"] }", "balance.hash[1]", "is for all", ""),
        (
            "balance = { hash = \"ip\", bounded-load = 100 }",
            "balance.bounded-load",
            "no room",
            "125",
        ),
        ("balance = { hash = \"ip\", ring = 3 }", "balance.ring", "unknown key", ""),
        ("sticky = \"\"", "sticky", "`` is not a cookie's name", "janua-endpoint"),
        ("sticky = \"a b\"", "sticky", "`a b` is not a cookie's name", ""),
        ("sticky = { cookie = \"a;b\" }", "sticky.cookie", "not a cookie's name", ""),
        (
            "sticky = { cookie = \"a\", path = \"x\" }",
            "sticky.path",
            "not a cookie's path",
            "\"/\"",
        ),
        ("sticky = { cookie = \"a\", path = \"/;x\" }", "sticky.path", "not a cookie's path", ""),
        ("sticky = { cookie = \"a\", ttl = \"0s\" }", "sticky.ttl", "for a second", "\"1h\""),
        (
            "sticky = { cookie = \"a\", same-site = \"none\", secure = false }",
            "sticky.same-site",
            "not `secure`",
            "",
        ),
        (
            "sticky = { cookie = \"a\", secret = { env = \"NOT_THERE\" } }",
            "sticky.secret",
            "`NOT_THERE` is not set",
            "",
        ),
        ("sticky = { path = \"/\" }", "sticky.cookie", "", ""),
        ("zone-threshold = 101", "zone-threshold", "more than all", "per cent"),
        ("slow-start = \"soon\"", "slow-start", "`soon` is not a duration", ""),
    ])
    .await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_meant_is_refused_at_load() {
    for (keys, key, message, help) in [
        ("backup = true, priority = 2", "backup", "`priority` says the same", "leave one"),
        ("zone = \"\"", "zone", "this is no zone", ""),
        ("max-requests = 0", "max-requests", "no request could be sent", "leave it out"),
        ("priority = -1", "priority", "-1 is out of range", ""),
        ("backup = 1", "backup", "", ""),
    ] {
        let endpoint = format!("{{ url = \"http://127.0.0.1:9\", {keys} }}");
        let setup = upstream(&format!("endpoints = [\"http://127.0.0.1:8\", {endpoint}]"));
        setup.fails_at(&format!("upstream.u.endpoints[1].{key}"), message, help).await;
    }
}
