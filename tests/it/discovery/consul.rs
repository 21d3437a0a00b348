//! A stand-in for Consul's agent, by what its documentation says of blocking queries, and what Janua makes
//! of what it says.

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{answer, found, named, upstream, well, wrong};
use crate::support::{Janua, Origin, certs::Authority, until};

/// An agent that knows one service.
pub(super) struct Consul {
    pub(super) origin: Origin,
    said: watch::Sender<Said>,
}

/// What it says now.
#[derive(Clone)]
struct Said {
    index: u64,
    manner: Manner,
    instances: Value,
}

#[derive(Clone)]
enum Manner {
    /// As it should.
    Well,
    /// With these bytes, whatever is asked.
    Bytes(String),
    /// Not at all.
    Silent,
}

impl Consul {
    /// One that knows these origins, at index 10.
    pub(super) async fn of(origins: &[&Origin]) -> Self {
        let instances = instances(origins);
        let (said, told) = watch::channel(Said { index: 10, manner: Manner::Well, instances });
        let origin = Origin::script(move |mut peer| {
            let mut told = told.clone();
            async move {
                while let Some(request) = peer.request().await {
                    let answer = answered(&mut told, request.target()).await;
                    peer.send(answer).await;
                }
            }
        });
        Self { origin: origin.await, said }
    }

    /// It knows these from now on.
    pub(super) fn knows(&self, origins: &[&Origin]) {
        self.says(instances(origins));
    }

    fn says(&self, instances: Value) {
        self.said.send_modify(|said| {
            said.index += 1;
            said.instances = instances;
            said.manner = Manner::Well;
        });
    }

    fn index(&self, index: u64) {
        self.said.send_modify(|said| said.index = index);
    }

    pub(super) fn answers(&self, bytes: &str) {
        self.said.send_modify(|said| {
            said.index += 1;
            said.manner = Manner::Bytes(bytes.into());
        });
    }

    /// It says nothing from now on.
    pub(super) fn is_silent(&self) {
        self.said.send_modify(|said| {
            said.index += 1;
            said.manner = Manner::Silent;
        });
    }

    /// The paths and queries that it was asked.
    pub(super) fn asked(&self) -> Vec<String> {
        self.origin.requests().iter().map(|request| request.target().to_owned()).collect()
    }

    pub(super) fn keys(&self) -> String {
        self.with("orders", "")
    }

    /// An upstream's keys, with these of its discovery.
    pub(super) fn with(&self, service: &str, keys: &str) -> String {
        format!(
            "endpoints = \"consul://{service}\"\ndiscovery.server = \"{}\"\n{keys}",
            self.origin.url
        )
    }
}

/// What is answered when that is due: at once, or if the index is known, when it is another.
async fn answered(told: &mut watch::Receiver<Said>, target: &str) -> String {
    let known = target.split(['?', '&']).find_map(|pair| pair.strip_prefix("index="));
    let known: u64 = known.map_or(0, |index| index.parse().unwrap());
    loop {
        let Said { index, manner, instances } = told.borrow_and_update().clone();
        match manner {
            Manner::Bytes(bytes) => return bytes,
            Manner::Well if known != index => {
                let body = instances.to_string();
                return format!(
                    "HTTP/1.1 200 OK\r\nX-Consul-Index: {index}\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
            Manner::Well | Manner::Silent => {
                if told.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

fn instances(origins: &[&Origin]) -> Value {
    origins.iter().map(|origin| instance(origin, 1)).collect()
}

fn instance(origin: &Origin, weight: u16) -> Value {
    json!({
        "Node": { "Node": "n", "Address": "192.0.2.1", "Datacenter": "dc1" },
        "Service": {
            "ID": "orders", "Service": "orders", "Tags": ["v1"],
            "Address": origin.address.ip().to_string(), "Port": origin.address.port(),
            "Weights": { "Passing": weight, "Warning": 1 },
        },
        "Checks": [],
    })
}

#[tokio::test]
async fn instances_come_and_go_as_consul_tells() {
    let origins = named(&["a", "b", "c"]).await;
    let [a, b, c] = &origins[..] else { panic!() };
    let consul = Consul::of(&[a, b]).await;
    let keys = consul.with("orders?tag=v1&dc=eu", "discovery.token = \"secret\"");
    let janua = upstream(&keys).start().await;
    found(&janua, &[&a.url, &b.url]).await;
    assert_eq!(answer(&janua, 4).await, ["a", "b"]);
    consul.knows(&[b, c]);
    found(&janua, &[&b.url, &c.url]).await;
    assert_eq!(answer(&janua, 4).await, ["b", "c"]);
    let waits = "/v1/health/service/orders?passing=1&tag=v1&dc=eu&index=11&wait=60000ms";
    until("it waits for more", || consul.asked().len() == 3).await;
    assert_eq!(consul.asked()[0], "/v1/health/service/orders?passing=1&tag=v1&dc=eu");
    assert_eq!(consul.asked()[2], waits);
    for request in consul.origin.requests() {
        assert_eq!(request.field("x-consul-token").as_deref(), Some("secret"));
    }
}

#[tokio::test]
async fn an_instance_has_its_weight_and_its_nodes_address_if_it_has_none() {
    let origins = named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let consul = Consul::of(&[]).await;
    let mut nameless = instance(b, 1);
    nameless["Node"]["Address"] = json!("localhost");
    nameless["Service"]["Address"] = json!("");
    let mut portless = instance(b, 1);
    portless["Service"]["Port"] = json!(0);
    consul.says(json!([instance(a, 3), nameless, portless]));
    let janua = upstream(&consul.keys()).start().await;
    let by_name = format!("http://localhost:{}", b.address.port());
    found(&janua, &[&a.url, &by_name]).await;
    let mut client = janua.client().await;
    let mut names = String::new();
    for _ in 0..8 {
        names += &client.get("/").await.text();
    }
    assert_eq!(names.matches('a').count(), 6, "{names}");
}

#[tokio::test]
async fn an_index_that_goes_backwards_is_begun_anew() {
    let origins = named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let consul = Consul::of(&[a]).await;
    let janua = upstream(&consul.keys()).start().await;
    found(&janua, &[&a.url]).await;
    // A cluster that was restored counts from somewhere else.
    consul.index(3);
    until("asked anew", || {
        consul.asked().iter().filter(|target| !target.contains("index=")).count() >= 2
    })
    .await;
    until("and waits", || consul.asked().iter().any(|target| target.contains("&index=3&"))).await;
    consul.knows(&[b]);
    found(&janua, &[&b.url]).await;
}

#[tokio::test]
async fn whatever_consul_says_the_last_good_answer_holds() {
    let origins = named(&["a", "b"]).await;
    let [a, b] = &origins[..] else { panic!() };
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n");
    let body = |body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nX-Consul-Index: 99\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    for (said, words) in [
        (status("500 No"), "Consul answers 500"),
        (status("403 Forbidden"), "Consul answers 403"),
        (status("302 Found\r\nLocation: http://127.0.0.1:9/"), "Consul answers 302"),
        (body("{}"), "is not understood"),
        (body("[{}]"), "is not understood"),
        (body("[{\"Node\":"), "is not understood"),
        ("SSH-2.0-OpenSSH\r\n\r\n".into(), "not a whole answer"),
        (body(&" ".repeat((8 << 20) + 1)), "more than 8388608 bytes"),
    ] {
        let consul = Consul::of(&[a]).await;
        let janua = upstream(&consul.keys()).start().await;
        found(&janua, &[&a.url]).await;
        consul.answers(&said);
        wrong(&janua, words).await;
        assert_eq!(answer(&janua, 2).await, ["a"], "{words}");
        consul.knows(&[b]);
        found(&janua, &[&b.url]).await;
        well(&janua).await;
    }
}

#[tokio::test]
async fn an_agent_that_does_not_answer_at_first_is_not_waited_for_without_end() {
    let origins = named(&["a"]).await;
    let consul = Consul::of(&[&origins[0]]).await;
    consul.is_silent();
    let janua = upstream(&consul.with("orders", "discovery.timeout = \"50ms\"")).start().await;
    wrong(&janua, "does not answer within 50ms").await;
    consul.knows(&[&origins[0]]);
    found(&janua, &[&origins[0].url]).await;
    well(&janua).await;
}

#[tokio::test]
async fn consul_may_be_behind_tls_with_authorities_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new("A");
    let a = Origin::named("a").await;
    let body = instances(&[&a]).to_string();
    let consul = Origin::tls(authority.issue(1, &["localhost"]).server(), move |mut peer| {
        let body = body.clone();
        async move {
            while let Some(request) = peer.request().await {
                if request.target().contains("index=") {
                    std::future::pending::<()>().await;
                }
                let head = "HTTP/1.1 200 OK\r\nX-Consul-Index: 1\r\nContent-Length";
                peer.send(format!("{head}: {}\r\n\r\n{body}", body.len())).await;
            }
        }
    });
    let consul = consul.await;
    let keys = format!("endpoints = \"consul://orders\"\ndiscovery.server = \"{}\"", consul.url);
    let janua: Janua = upstream(&keys).start().await;
    wrong(&janua, "TLS").await;
    let ca = authority.save(&home.path().join("ca.pem"));
    janua.reload(&upstream(&format!("{keys}\ndiscovery.ca = \"{ca}\""))).await.ok().unwrap();
    found(&janua, &[&a.url]).await;
}
