//! What stays and what ends when endpoints come and go.

use serde_json::json;

use super::{answer, consul::Consul, counted, endpoints, found, named, shown, upstream};
use crate::support::{Origin, soon, until};

#[tokio::test]
async fn an_endpoint_that_stays_keeps_its_connections() {
    let origins = named(&["a", "b", "c"]).await;
    let [a, b, c] = &origins[..] else { panic!() };
    let consul = Consul::of(&[a, b]).await;
    let janua = upstream(&consul.keys()).start().await;
    found(&janua, &[&a.url, &b.url]).await;
    assert_eq!(answer(&janua, 4).await, ["a", "b"]);
    for others in [vec![b, c], vec![b], vec![c, b, a]] {
        let urls: Vec<_> = others.iter().map(|origin| &*origin.url).collect();
        consul.knows(&others);
        found(&janua, &urls).await;
        answer(&janua, 6).await;
    }
    assert_eq!(b.connections(), 1, "its connection was given up");
    assert_eq!((a.connections(), c.connections()), (2, 2));
    // The first set, and three changes of it.
    assert_eq!(counted(&janua, "changes_total"), 4);
}

#[tokio::test]
async fn an_endpoint_that_goes_finishes_what_runs_and_its_idle_connections_are_closed() {
    let (held, may) = Origin::held().await;
    let other = Origin::named("other").await;
    let consul = Consul::of(&[&held]).await;
    let janua = upstream(&consul.keys()).start().await;
    found(&janua, &[&held.url]).await;
    let (mut one, mut two) = (janua.client().await, janua.client().await);
    for client in [&mut one, &mut two] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    until("both are there", || held.requests().len() == 2).await;
    may.add_permits(1);
    until("one is idle", || janua.counted("janua_upstream_connections_idle{upstream=\"u\"}") == 1)
        .await;
    consul.knows(&[&other]);
    found(&janua, &[&other.url]).await;
    until("the idle one is closed", || held.open() == 1).await;
    assert_eq!(janua.get("/").await.text(), "other");
    may.add_permits(1);
    assert_eq!(soon("one", one.answer()).await.text(), "ok");
    assert_eq!(soon("two", two.answer()).await.text(), "ok");
    until("the other is closed too", || held.open() == 0).await;
    assert_eq!(held.requests().len(), 2, "it got new requests");
}

#[tokio::test]
async fn endpoints_are_asked_how_they_are_for_as_long_as_they_are_there() {
    let origins = named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let sick = Origin::answering("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
    let consul = Consul::of(&[a, &sick]).await;
    let health = "health = { path = \"/up\", every = \"20ms\", start = \"checked\" }";
    let janua = upstream(&consul.with("orders", health)).start().await;
    let are = |state: &str| {
        janua.counted(&format!("janua_upstream_endpoints{{upstream=\"u\",state=\"{state}\"}}"))
    };
    until("one is down", || are("up") == 1 && are("down") == 1).await;
    consul.knows(&[a, b]);
    until("both are up", || are("up") == 2 && are("down") == 0).await;
    let asked = || sick.requests().len();
    let before = asked();
    let others = b.requests().len();
    until("others are asked", || b.requests().len() > others + 5).await;
    assert!(asked() <= before + 1, "one that went is still asked");
}

#[tokio::test]
async fn what_was_found_outlives_a_reload_also_when_nobody_is_left_to_ask() {
    let origins = named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let consul = Consul::of(&[a, b]).await;
    let keys = consul.keys();
    let janua = upstream(&keys).start().await;
    found(&janua, &[&a.url, &b.url]).await;
    answer(&janua, 4).await;
    until("it waits for news", || consul.asked().len() == 2).await;
    // One reload that changes nothing here, one that changes the upstream, but not where endpoints are found.
    for more in ["", "panic-threshold = 50"] {
        janua.reload(&upstream(&format!("{keys}\n{more}"))).await.ok().unwrap();
        assert_eq!(endpoints(&janua).len(), 2, "there was a gap");
        assert_eq!(answer(&janua, 4).await, ["a", "b"]);
    }
    assert_eq!((a.connections(), b.connections()), (1, 1));
    assert_eq!(consul.asked().len(), 2, "it was asked anew");
    let Consul { origin, .. } = consul;
    drop(origin);
    janua.reload(&upstream(&format!("{keys}\npanic-threshold = 25"))).await.ok().unwrap();
    assert_eq!(answer(&janua, 4).await, ["a", "b"]);
    // Also if how it is asked has changed.
    let patient = format!("{keys}\ndiscovery.timeout = \"2s\"");
    janua.reload(&upstream(&patient)).await.ok().unwrap();
    assert_eq!(answer(&janua, 4).await, ["a", "b"]);
    // Another source is another: what the first one found is gone with it.
    let other = keys.replace("consul://orders", "consul://others");
    janua.reload(&upstream(&other)).await.ok().unwrap();
    assert_eq!(endpoints(&janua), [] as [String; 0]);
}

#[tokio::test]
async fn a_source_may_stand_beside_endpoints_and_other_sources() {
    let origins = named(&["a", "b", "c"]).await;
    let [a, b, c] = &origins[..] else { panic!() };
    let (one, two) = (Consul::of(&[b]).await, tempfile::tempdir().unwrap());
    let file = two.path().join("endpoints.toml");
    // One that two know is there once.
    std::fs::write(&file, format!("endpoints = [\"{}\", \"{}\"]\n", c.url, b.url)).unwrap();
    let keys = format!(
        "endpoints = [\"{}\", {{ url = \"consul://orders\", weight = 3 }}, \"file://{}\"]\n\
         discovery.server = \"{}\"",
        a.url,
        file.display(),
        one.origin.url
    );
    let janua = upstream(&keys).start().await;
    found(&janua, &[&a.url, &b.url, &c.url]).await;
    assert_eq!(answer(&janua, 10).await, ["a", "b", "c"]);
    let shown = shown(&janua);
    let endpoints = shown["endpoints"].as_array().unwrap();
    let weight =
        |url: &str| endpoints.iter().find(|it| it["url"] == url).unwrap()["weight"].clone();
    assert_eq!([weight(&a.url), weight(&b.url), weight(&c.url)], [json!(1), json!(3), json!(1)]);
    assert_eq!(shown["discovery"][1]["endpoints"], 2);
}

#[tokio::test]
async fn no_more_endpoints_are_taken_than_was_said() {
    let origins = named(&["a", "b", "c"]).await;
    let all: Vec<_> = origins.iter().collect();
    let consul = Consul::of(&all).await;
    let janua = upstream(&consul.with("orders", "discovery.max-endpoints = 2")).start().await;
    until("two", || endpoints(&janua).len() == 2).await;
    assert_eq!(counted(&janua, "endpoints"), 2);
}
