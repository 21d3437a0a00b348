//! The metrics as a scraper sees them after traffic that is known: each is wired to what it counts.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rcgen::SanType;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::upstreams::nobody;
use crate::support::{
    Client, Janua, Origin, PATIENCE, Setup,
    certs::Authority,
    origin::{Served, reply},
    until,
};

const NAME: &str = "a.example";

/// Waits until these series have these values, which has to be soon.
async fn shows(janua: &Janua, when: &str, series: &[(&str, u64)]) {
    let wrong = || {
        let line = |(name, value): &(&str, u64)| {
            let found = janua.counted(name);
            (found != *value).then(|| format!("{name} is {found}, not {value}"))
        };
        series.iter().filter_map(line).collect::<Vec<_>>()
    };
    let end = Instant::now() + PATIENCE;
    while !wrong().is_empty() && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(wrong(), [] as [String; 0], "{when}");
}

/// A gateway over TLS, before an origin that answers when it may, and one that is not there.
struct Site {
    authority: Authority,
    /// When the certificate ends.
    ends: u64,
    origin: Origin,
    may: Arc<Semaphore>,
    setup: Setup,
    _home: TempDir,
    _taken: TcpListener,
}

impl Site {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let ends = SystemTime::now() + Duration::from_secs(1_000_000);
        let (authority, name) = (Authority::new("A"), SanType::DnsName(NAME.try_into().unwrap()));
        let pair = authority.issue_to(NAME, vec![name], Some(ends)).save(home.path(), "site");
        let (origin, may) = Origin::held().await;
        let (taken, gone) = nobody();
        let sections = format!(
            "[upstream.u]\nendpoints = \"{}\"\n[upstream.gone]\nendpoints = \"{gone}\"\n\
             [[route]]\nname = \"up\"\npath = \"/up\"\nto = \"u\"\n\
             [[route]]\nname = \"fixed\"\npath = \"/fixed\"\n\
             to = {{ status = 302, body = \"there\" }}\n\
             [[route]]\nname = \"gone\"\npath = \"/gone\"\nto = \"gone\"\n",
            origin.url
        );
        let setup = Setup::new(sections);
        let setup = setup.listener(&format!("tls = {{ certificates = [{{ {pair} }}] }}"));
        let ends = ends.duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self { authority, ends, origin, may, setup, _home: home, _taken: taken }
    }

    async fn start(&self) -> Janua {
        self.setup.clone().start().await
    }

    async fn client(&self, janua: &Janua) -> Client {
        Client::tls(janua.address, NAME, self.authority.client()).await
    }
}

const POST: &str = "POST /up HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn requests_are_counted_at_their_route() {
    let site = Site::new().await;
    let janua = site.start().await;
    let mut client = site.client(&janua).await;
    client.send(POST).await;
    until("the origin has it", || !site.origin.requests().is_empty()).await;
    shows(&janua, "at work", &[("janua_requests_total{route=\"up\",status=\"2xx\"}", 0)]).await;
    // What the histogram has to show at least.
    let held = Duration::from_millis(300);
    tokio::time::sleep(held).await;
    site.may.add_permits(2);
    assert_eq!(client.answer().await.status(), 200);
    for (path, status) in [("/up", 200), ("/fixed", 302), ("/gone", 502), ("/nothing", 404)] {
        assert_eq!(client.get(path).await.status(), status, "{path}");
    }
    let refused = "janua_rejects_total{route=\"gone\",reason=\"upstream.connect_refused\"}";
    let expected = [
        ("janua_requests_total{route=\"up\",status=\"2xx\"}", 2),
        ("janua_requests_total{route=\"fixed\",status=\"3xx\"}", 1),
        ("janua_requests_total{route=\"gone\",status=\"5xx\"}", 1),
        ("janua_requests_total{route=\"-\",status=\"4xx\"}", 1),
        ("janua_rejects_total{route=\"-\",reason=\"no_route\"}", 1),
        (refused, 1),
        ("janua_request_duration_seconds_count{route=\"up\"}", 2),
        ("janua_request_duration_seconds_count{route=\"fixed\"}", 1),
        ("janua_request_duration_seconds_bucket{route=\"up\",le=\"+Inf\"}", 2),
        ("janua_request_bytes_total{route=\"up\"}", 5),
        ("janua_response_bytes_total{route=\"up\"}", 4),
        ("janua_request_bytes_total{route=\"fixed\"}", 0),
        ("janua_response_bytes_total{route=\"fixed\"}", 5),
        ("janua_listener_requests_total{listener=\"public\",protocol=\"HTTP/1.1\"}", 5),
    ];
    shows(&janua, "after the traffic", &expected).await;
    let sum = seconds(&janua, "janua_request_duration_seconds_sum{route=\"up\"} ");
    assert!((held.as_secs_f64()..PATIENCE.as_secs_f64()).contains(&sum), "{sum} seconds");
}

#[tokio::test]
async fn connections_are_counted_on_both_sides() {
    let site = Site::new().await;
    let janua = site.start().await;
    let (active, open, idle, in_flight) = (
        "janua_listener_connections_active{listener=\"public\"}",
        "janua_upstream_connections{upstream=\"u\"}",
        "janua_upstream_connections_idle{upstream=\"u\"}",
        "janua_upstream_requests_in_flight{upstream=\"u\"}",
    );
    shows(&janua, "at the start", &[(active, 0), (open, 0), (idle, 0), (in_flight, 0)]).await;
    let mut client = site.client(&janua).await;
    client.send(POST).await;
    let busy = [(active, 1), (open, 1), (idle, 0), (in_flight, 1)];
    shows(&janua, "while the origin thinks", &busy).await;
    site.may.add_permits(2);
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(client.get("/up").await.status(), 200);
    assert_eq!(client.get("/gone").await.status(), 502);
    let failures = "janua_upstream_connect_failures_total{upstream=\"gone\",\
        reason=\"upstream.connect_refused\"}";
    let expected = [
        (active, 1),
        (open, 1),
        (idle, 1),
        ("janua_upstream_connects_total{upstream=\"u\"}", 1),
        (in_flight, 0),
        ("janua_upstream_connections{upstream=\"gone\"}", 0),
        (failures, 1),
        ("janua_listener_connections_accepted_total{listener=\"public\"}", 1),
        ("janua_listener_handshakes_total{listener=\"public\",outcome=\"ok\"}", 1),
    ];
    shows(&janua, "after the traffic", &expected).await;
    drop((client, Client::connect(janua.address).await));
    let expected = [
        (active, 0),
        ("janua_listener_connections_accepted_total{listener=\"public\"}", 2),
        ("janua_listener_handshakes_total{listener=\"public\",outcome=\"failed\"}", 1),
    ];
    shows(&janua, "when the clients have gone", &expected).await;
    drop(site.origin);
    shows(&janua, "when the origin has gone", &[(open, 0), (idle, 0)]).await;
}

/// What tells an operator that an origin hangs.
#[tokio::test]
async fn a_request_is_in_flight_from_when_it_is_sent_until_its_answer_has_ended() {
    let (origin, may) = Origin::held().await;
    let (may_h2, known) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (let_go, seen) = (may_h2.clone(), known.clone());
    let h2 = Served::h2c(move |_| {
        let (let_go, seen) = (let_go.clone(), seen.clone());
        async move {
            seen.fetch_add(1, Relaxed);
            let_go.acquire().await.unwrap().forget();
            reply("ok")
        }
    })
    .await;
    let half = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").await;
    let janua = Setup::new(format!(
        "[upstream.one]\nendpoints = \"{}\"\n[[route]]\npath = \"/one\"\nto = \"one\"\n\
         [upstream.two]\nendpoints = \"{}\"\nprotocol = \"h2\"\n\
         [[route]]\npath = \"/two\"\nto = \"two\"\n\
         [upstream.half]\nendpoints = \"{}\"\n[[route]]\npath = \"/half\"\nto = \"half\"\n\
         [[route]]\npath = \"/late\"\nto = \"one\"\ntimeout.first-byte = \"50ms\"\n",
        origin.url, h2.url, half.url
    ))
    .start()
    .await;
    let of = |name: &str| format!("janua_upstream_requests_in_flight{{upstream=\"{name}\"}}");
    let came: [&dyn Fn() -> usize; 2] = [&|| origin.requests().len(), &|| known.load(Relaxed)];
    for (name, may, came) in [("one", &may, came[0]), ("two", &may_h2, came[1])] {
        let (in_flight, request) =
            (of(name), format!("GET /{name} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let (mut stays, mut goes) = (janua.client().await, janua.client().await);
        stays.send(&request).await;
        shows(&janua, "while the origin thinks", &[(&in_flight, 1)]).await;
        goes.send(&request).await;
        shows(&janua, "one more", &[(&in_flight, 2)]).await;
        until("the origin has both", || came() == 2).await;
        drop(goes);
        shows(&janua, "its client has gone", &[(&in_flight, 1)]).await;
        may.add_permits(2);
        assert_eq!(stays.answer().await.status(), 200);
        shows(&janua, "answered", &[(&in_flight, 0)]).await;
    }
    assert_eq!(janua.get("/late").await.status(), 504);
    shows(&janua, "too late", &[(&of("one"), 0)]).await;
    let mut client = janua.client().await;
    client.send("GET /half HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert_eq!(client.head().await.status(), 200);
    shows(&janua, "half of the answer is here", &[(&of("half"), 1)]).await;
    drop(client);
    shows(&janua, "nobody waits for the rest", &[(&of("half"), 0)]).await;
}

#[tokio::test]
async fn reloads_and_the_ends_of_certificates_are_shown() {
    let site = Site::new().await;
    let janua = site.start().await;
    let (ok, failed, last) = (
        "janua_config_reloads_total{outcome=\"ok\"}",
        "janua_config_reloads_total{outcome=\"failed\"}",
        "janua_config_last_reload_successful",
    );
    let end = ("janua_certificate_expiry_timestamp_seconds{certificate=\"a.example\"}", site.ends);
    shows(&janua, "at the start", &[(ok, 0), (failed, 0), (last, 1), end]).await;
    janua.reload(&site.setup).await.unwrap();
    shows(&janua, "after a reload", &[(ok, 1), (failed, 0), (last, 1), end]).await;
    janua.reload(&Setup::new("[[route]]\nto = \"nobody\"\n")).await.unwrap_err();
    shows(&janua, "after a refused one", &[(ok, 1), (failed, 1), (last, 0), end]).await;
}

fn seconds(janua: &Janua, series: &str) -> f64 {
    let page = janua.metrics();
    page.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse().unwrap()
}

/// The series, without their values.
fn series(janua: &Janua) -> BTreeSet<String> {
    let page = janua.metrics();
    let series = page.lines().filter(|line| !line.starts_with('#'));
    series.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// Whatever clients make up, they fill nobody's memory with it.
#[tokio::test]
async fn nothing_that_a_client_says_becomes_a_label() {
    let janua = Setup::new(
        "[[route]]\nname = \"a\"\nhost = \"*.a.example\"\npath = \"/{rest*}\"\nto = \"echo\"\n",
    )
    .start()
    .await;
    let ask = async |turn: usize| {
        for (line, host) in [
            (format!("M{turn} /p{turn}?q{turn}=v{turn}"), format!("h{turn}.a.example")),
            (format!("M{turn} /p{turn}"), format!("h{turn}.b.example")),
            (format!("GET http://x{turn}.a.example/p{turn}"), format!("x{turn}.a.example")),
        ] {
            let mut client = janua.client().await;
            let field = format!("X-F{turn}: f{turn}\r\nUser-Agent: u{turn}");
            client
                .send(format!(
                    "{line} HTTP/1.1\r\nHost: {host}\r\n{field}\r\nConnection: close\r\n\r\n"
                ))
                .await;
            client.ended().await;
        }
    };
    let answered = || {
        janua.counted("janua_requests_total{route=\"a\",status=\"2xx\"}")
            + janua.counted("janua_requests_total{route=\"-\",status=\"4xx\"}")
    };
    ask(0).await;
    until("the first are counted", || answered() == 3).await;
    let before = series(&janua);
    for turn in 1..=20 {
        ask(turn).await;
    }
    until("all are counted", || answered() == 63).await;
    assert_eq!(series(&janua), before);
}
