//! A stand-in for the API server of Kubernetes, by what its documentation says of EndpointSlices, lists and
//! watches, and what Janua makes of what it says.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{answer, counted, endpoints, found, named, shown, upstream, well, wrong};
use crate::support::{Origin, certs::Authority, origin::Peer, until};

/// An API server that knows one service.
struct Api {
    origin: Origin,
    list: Arc<Mutex<String>>,
    watches: broadcast::Sender<Said>,
}

/// What is said to those who watch.
#[derive(Clone)]
enum Said {
    /// These bytes, as a chunk.
    Bytes(String),
    /// The end of the answer.
    End,
    /// The connection ends in the middle.
    Break,
}

impl Api {
    async fn of(version: u64, slices: &[Value]) -> Self {
        let list = Arc::new(Mutex::new(listed(version, slices)));
        let (watches, _) = broadcast::channel(64);
        let (known, sender) = (list.clone(), watches.clone());
        let origin = Origin::script(move |peer| serve(peer, known.clone(), sender.clone())).await;
        Self { origin, list, watches }
    }

    /// What is listed from now on: a version and these slices.
    fn lists(&self, version: u64, slices: &[Value]) {
        *self.list.lock() = listed(version, slices);
    }

    /// What is answered to lists from now on, whole.
    fn answers(&self, bytes: &str) {
        *self.list.lock() = bytes.to_owned();
    }

    /// Says something to those who watch, once somebody does.
    async fn say(&self, said: Said) {
        until("somebody watches", || self.watches.receiver_count() > 0).await;
        let _ = self.watches.send(said);
    }

    async fn event(&self, kind: &str, object: Value) {
        let line = json!({ "type": kind, "object": object });
        self.say(Said::Bytes(format!("{line}\n"))).await;
    }

    /// The queries of those who asked, without what all have in common.
    fn asked(&self) -> Vec<String> {
        let common = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices\
            ?labelSelector=kubernetes.io%2Fservice-name%3Dorders";
        let requests = self.origin.requests();
        requests.iter().map(|it| it.target().strip_prefix(common).unwrap().to_owned()).collect()
    }

    fn times(&self, watch: bool) -> usize {
        self.asked().iter().filter(|query| query.contains("watch=1") == watch).count()
    }

    fn keys(&self) -> String {
        format!(
            "endpoints = \"kubernetes://shop/orders:http\"\ndiscovery.server = \"{}\"",
            self.origin.url
        )
    }
}

async fn serve(mut peer: Peer, list: Arc<Mutex<String>>, watches: broadcast::Sender<Said>) {
    while let Some(request) = peer.request().await {
        if !request.target().contains("watch=1") {
            let list = list.lock().clone();
            peer.send(list).await;
            continue;
        }
        let mut said = watches.subscribe();
        if request.target().contains("resourceVersion=13&") {
            peer.send("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").await;
            continue;
        }
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        loop {
            match said.recv().await {
                Ok(Said::Bytes(bytes)) => {
                    peer.send(format!("{:x}\r\n{bytes}\r\n", bytes.len())).await;
                }
                Ok(Said::End) => break,
                Ok(Said::Break) | Err(_) => return,
            }
        }
        peer.send("0\r\n\r\n").await;
    }
}

pub(super) fn listed(version: u64, slices: &[Value]) -> String {
    let list = json!({
        "kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
        "metadata": { "resourceVersion": version.to_string() }, "items": slices,
    });
    let body = list.to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A slice with one origin, as of a version.
fn slice(name: &str, version: u64, origin: &Origin, conditions: &Value) -> Value {
    json!({
        "metadata": { "name": name, "resourceVersion": version.to_string() },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [origin.address.ip().to_string()], "conditions": conditions }],
        "ports": [{ "name": "http", "port": origin.address.port(), "protocol": "TCP" }],
    })
}

pub(super) fn ready(name: &str, version: u64, origin: &Origin) -> Value {
    slice(name, version, origin, &json!({ "ready": true }))
}

#[tokio::test]
async fn slices_are_listed_once_and_watched_from_there() {
    let origins = named(&["a", "b", "c"]).await;
    let [a, b, c] = &origins[..] else { panic!() };
    let api = Api::of(7, &[ready("one", 5, a)]).await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "first\n").unwrap();
    let keys =
        format!("{}\ndiscovery.token = {{ file = \"{}\" }}", api.keys(), token.path().display());
    let janua = upstream(&keys).start().await;
    found(&janua, &[&a.url]).await;
    api.event("ADDED", ready("two", 8, b)).await;
    found(&janua, &[&a.url, &b.url]).await;
    api.event("MODIFIED", ready("one", 9, c)).await;
    found(&janua, &[&b.url, &c.url]).await;
    api.event("DELETED", ready("two", 10, b)).await;
    found(&janua, &[&c.url]).await;
    assert_eq!(answer(&janua, 2).await, ["c"]);
    // A watch that ends goes on where it was: at the last bookmark.
    api.event("BOOKMARK", json!({ "metadata": { "resourceVersion": "12" } })).await;
    std::fs::write(token.path(), "second").unwrap();
    api.say(Said::End).await;
    until("watched anew", || api.times(true) == 2).await;
    assert_eq!(api.times(false), 1, "listed anew");
    let watch = "&watch=1&allowWatchBookmarks=true&resourceVersion";
    assert_eq!(
        api.asked(),
        ["", &format!("{watch}=7&timeoutSeconds=60"), &format!("{watch}=12&timeoutSeconds=60")]
    );
    let tokens = |request: &crate::support::Message| request.field("authorization").unwrap();
    let tokens: Vec<_> = api.origin.requests().iter().map(tokens).collect();
    assert_eq!(tokens, ["Bearer first", "Bearer first", "Bearer second"]);
    assert_eq!(counted(&janua, "failures_total"), 0);
}

#[tokio::test]
async fn when_the_server_has_forgotten_where_a_watch_was_all_is_listed_anew() {
    let origins = named(&["a", "b", "c"]).await;
    let [a, b, c] = &origins[..] else { panic!() };
    let api = Api::of(7, &[ready("one", 5, a)]).await;
    let janua = upstream(&api.keys()).start().await;
    found(&janua, &[&a.url]).await;
    // In the watch; the next one is refused at once (13); and from then on it goes on.
    until("watched", || api.times(true) == 1).await;
    api.lists(13, &[ready("one", 9, b)]);
    api.event("ERROR", json!({ "kind": "Status", "code": 410, "reason": "Expired" })).await;
    found(&janua, &[&b.url]).await;
    until("refused", || api.times(true) >= 2).await;
    api.lists(14, &[ready("one", 14, c)]);
    found(&janua, &[&c.url]).await;
    until("and watched", || api.asked().iter().any(|it| it.contains("resourceVersion=14&"))).await;
    assert_eq!(counted(&janua, "failures_total"), 0, "to forget is no failure");
}

#[tokio::test]
async fn a_watch_that_breaks_takes_nothing_away() {
    let origins = named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let event = |kind: &str, object: Value| {
        Said::Bytes(format!("{}\n", json!({ "type": kind, "object": object })))
    };
    for (said, words) in [
        (Said::Break, "a watch broke off"),
        (Said::Bytes("{\"type\":\"ADDED\",\"object\":{}}\n{\"typ".into()), ""),
        (Said::Bytes("no JSON\n".into()), "is not understood"),
        (Said::Bytes("7\n".into()), "is not understood"),
        (event("PATCHED", json!({})), "of no known type"),
        (event("ERROR", json!({ "code": 500, "message": "etcd is ill" })), "etcd is ill"),
        (Said::Bytes("x".repeat((4 << 20) + 2)), "a line has more than 4194304 bytes"),
    ] {
        let api = Api::of(7, &[ready("one", 5, a)]).await;
        let janua = upstream(&api.keys()).start().await;
        found(&janua, &[&a.url]).await;
        until("watched", || api.times(true) == 1).await;
        // The way back is barred for a while, so that it can be seen.
        api.answers("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
        api.say(said).await;
        if words.is_empty() {
            api.say(Said::Break).await;
        }
        let said = || {
            let shown = shown(&janua);
            shown["discovery"][0]["wrong"].is_string()
        };
        until(words, said).await;
        assert_eq!(answer(&janua, 2).await, ["a"], "{words}");
        wrong(&janua, "Kubernetes answers 500").await;
        api.lists(9, &[ready("one", 9, b)]);
        found(&janua, &[&b.url]).await;
        well(&janua).await;
    }
}

#[tokio::test]
async fn who_is_not_ready_is_left_out_and_who_comes_to_an_end_is_used_when_there_is_nobody_else() {
    let origins = named(&["a", "b", "c"]).await;
    let [a, b, c] = &origins[..] else { panic!() };
    let ending = json!({ "ready": false, "serving": true, "terminating": true });
    let unready = slice("three", 5, c, &json!({ "ready": false, "serving": false }));
    let slices = [ready("one", 5, a), slice("two", 5, b, &ending), unready];
    let api = Api::of(7, &slices).await;
    let janua = upstream(&api.keys()).start().await;
    found(&janua, &[&a.url, &b.url]).await;
    assert_eq!(answer(&janua, 4).await, ["a"]);
    api.event("DELETED", ready("one", 8, a)).await;
    found(&janua, &[&b.url]).await;
    assert_eq!(answer(&janua, 4).await, ["b"]);
}

#[tokio::test]
async fn a_port_that_a_service_does_not_have_is_said_with_those_that_it_has() {
    let a = Origin::named("a").await;
    let api = Api::of(7, &[ready("one", 5, &a)]).await;
    let port = a.address.port();
    for (wanted, words) in [
        ("orders:https", format!("the service has other ports: {port} (http)")),
        ("orders:80", format!("the service has other ports: {port} (http)")),
        ("orders", String::new()),
        (&*format!("orders:{port}"), String::new()),
    ] {
        let janua = upstream(&api.keys().replace("orders:http", wanted)).start().await;
        match words.is_empty() {
            true => found(&janua, &[&a.url]).await,
            false => wrong(&janua, &words).await,
        }
    }
}

#[tokio::test]
async fn a_cluster_is_known_by_its_authority_and_may_refuse_the_token() {
    let (home, authority) = (tempfile::tempdir().unwrap(), Authority::new("A"));
    let a = Origin::named("a").await;
    let list = listed(7, &[ready("one", 5, &a)]);
    let api = Origin::tls(authority.issue(1, &["localhost"]).server(), move |mut peer| {
        let list = list.clone();
        async move {
            while let Some(request) = peer.request().await {
                if request.field("authorization").as_deref() != Some("Bearer right") {
                    peer.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
                } else if request.target().contains("watch=1") {
                    std::future::pending::<()>().await;
                } else {
                    peer.send(&list).await;
                }
            }
        }
    });
    let api = api.await;
    let keys = format!(
        "endpoints = \"kubernetes://shop/orders:http\"\ndiscovery.server = \"{}\"\n\
         discovery.ca = \"{}\"\ndiscovery.timeout = \"100ms\"",
        api.url,
        authority.save(&home.path().join("ca.pem"))
    );
    let janua = upstream(&format!("{keys}\ndiscovery.token = \"wrong\"")).start().await;
    wrong(&janua, "Kubernetes answers 401").await;
    janua.reload(&upstream(&format!("{keys}\ndiscovery.token = \"right\""))).await.ok().unwrap();
    found(&janua, &[&a.url]).await;
    // Here watches are never answered: what was listed holds.
    wrong(&janua, "no answer within 100ms").await;
    assert_eq!(endpoints(&janua).len(), 1);
}

/// A slice says in which zone each endpoint is; the gateway says in which it is itself.
#[tokio::test]
async fn endpoints_in_the_gateways_zone_go_first() {
    let origins = named(&["near", "far"]).await;
    let [near, far] = &origins[..] else { panic!() };
    let zoned = |name: &str, version: u64, origin: &Origin, zone: &str, ready: bool| {
        let mut slice = slice(name, version, origin, &json!({ "ready": ready }));
        slice["endpoints"][0]["zone"] = json!(zone);
        slice
    };
    let slices = [zoned("one", 5, near, "eu-1a", true), zoned("two", 5, far, "eu-1b", true)];
    let api = Api::of(7, &slices).await;
    for (zone, expected) in
        [("eu-1a", &["near"][..]), ("eu-1b", &["far"]), ("us-1", &["far", "near"])]
    {
        let setup = upstream(&api.keys()).server(&format!("zone = \"{zone}\""));
        let janua = setup.start().await;
        found(&janua, &[&near.url, &far.url]).await;
        assert_eq!(answer(&janua, 4).await, expected, "{zone}");
        let shown = shown(&janua);
        let endpoints = shown["endpoints"].as_array().unwrap();
        let nearby = endpoints.iter().filter(|endpoint| endpoint["near"] == true).count();
        assert_eq!(nearby, usize::from(zone != "us-1"), "{zone}: {shown}");
    }
    // One that nobody else watches.
    let api = Api::of(7, &slices).await;
    let janua = upstream(&api.keys()).server("zone = \"eu-1a\"").start().await;
    found(&janua, &[&near.url, &far.url]).await;
    // No near one is left: the others have all; and it comes back.
    api.event("MODIFIED", zoned("one", 8, near, "eu-1a", false)).await;
    found(&janua, &[&far.url]).await;
    assert_eq!(answer(&janua, 4).await, ["far"]);
    api.event("MODIFIED", zoned("one", 9, near, "eu-1a", true)).await;
    found(&janua, &[&near.url, &far.url]).await;
    assert_eq!(answer(&janua, 4).await, ["near"]);
}
