//! Who is well and who is not: what counts as an answer, as a failure, and over a reload.

use super::{nobody, refused, upstream};
use crate::support::{Janua, Origin, certs::Authority, daemon::Daemon, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn are(janua: &Janua, state: &str, count: u64) {
    let series = format!("janua_upstream_endpoints{{upstream=\"u\",state=\"{state}\"}}");
    until(&series, || janua.counted(&series) == count).await;
}

async fn asked(janua: &Janua, outcome: &str, times: u64) {
    let series =
        format!("janua_upstream_health_checks_total{{upstream=\"u\",outcome=\"{outcome}\"}}");
    until(&series, || janua.counted(&series) >= times).await;
}

#[tokio::test]
async fn what_is_well_is_said_by_status_and_body() {
    for (keys, answer, state) in [
        ("", OK, "up"),
        ("", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "down"),
        ("status = \"200-399\"", "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "up"),
        ("status = [\"204\", \"3xx\"]", "HTTP/1.1 204 No Content\r\n\r\n", "up"),
        ("status = [\"204\", \"3xx\"]", OK, "down"),
        ("body = \"k\"", OK, "up"),
        ("body = \"OK\"", OK, "down"),
        ("", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "down"),
        ("", "SSH-2.0-OpenSSH\r\n", "down"),
        (
            "body = \"k\"",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nok",
            "down",
        ),
    ] {
        let origin = Origin::answering(answer).await;
        let endpoints = format!("endpoints = \"{}\"", origin.url);
        let more = "every = \"20ms\"\ntimeout = \"200ms\"\nstart = \"checked\"";
        let health = format!("[upstream.u.health]\npath = \"/up?x=1\"\n{more}\n{keys}\n");
        let janua = upstream(&format!("{endpoints}\n{health}")).start().await;
        are(&janua, state, 1).await;
        let question = origin.requests().first().cloned().unwrap();
        assert_eq!(question.line, "GET /up?x=1 HTTP/1.1", "{keys} {answer}");
        assert_eq!(question.field("host"), Some(origin.address.to_string()));
        assert_eq!(question.field("user-agent").as_deref(), Some("janua-health"));
    }
}

#[tokio::test]
async fn a_question_has_the_host_and_the_tls_that_requests_have() {
    let (home, authority) = (tempfile::tempdir().unwrap(), Authority::new("A"));
    let identity = authority.issue(1, &["localhost"]);
    let origin = Origin::tls(identity.server(), |mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(OK).await;
        }
    });
    let origin = origin.await;
    let ca = authority.save(&home.path().join("ca.pem"));
    let endpoints = format!("endpoints = \"{}\"\ntls.ca = \"{ca}\"", origin.url);
    let health =
        "health = { path = \"/\", host = \"api.test\", every = \"20ms\", start = \"down\" }";
    let janua = upstream(&format!("{endpoints}\n{health}")).start().await;
    are(&janua, "up", 1).await;
    assert_eq!(origin.last().field("host").as_deref(), Some("api.test"));
    // Nobody vouches for it.
    let endpoints = format!("endpoints = \"{}\"", origin.url);
    let janua = upstream(&format!("{endpoints}\nhealth = {{ every = \"20ms\" }}")).start().await;
    are(&janua, "down", 1).await;
}

/// However many threads there are: one asks, every so often, and not as by a clock.
#[tokio::test]
async fn an_endpoint_is_asked_once_for_all_threads_and_never_quite_as_often() {
    let times = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let known = times.clone();
    let origin = Origin::script(move |mut peer| {
        let times = known.clone();
        async move {
            while peer.request().await.is_some() {
                times.lock().push(std::time::Instant::now());
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let keys =
        format!("endpoints = \"{}\"\nhealth = {{ path = \"/\", every = \"50ms\" }}", origin.url);
    let _janua = upstream(&keys).server("workers = 4").start().await;
    until("a dozen questions", || times.lock().len() >= 13).await;
    let times = times.lock().clone();
    let whole = times[12] - times[0];
    // A tenth less or more each time; a busy machine may be later, but never sooner.
    assert!(whole.as_millis() >= 12 * 45 - 10, "{whole:?}");
    let gaps: std::collections::BTreeSet<_> =
        times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(gaps.len() > 2, "as by a clock: {gaps:?}");
}

#[tokio::test]
async fn what_a_new_endpoint_is_taken_for_can_be_said() {
    let silent = Origin::script(|mut peer| async move {
        while peer.request().await.is_some() {
            std::future::pending::<()>().await;
        }
    });
    let silent = silent.await;
    for (start, state) in [("up", "up"), ("down", "down"), ("checked", "unchecked")] {
        let keys = format!(
            "endpoints = \"{}\"\nhealth = {{ path = \"/\", timeout = \"9s\", start = \"{start}\" }}",
            silent.url
        );
        let janua = upstream(&keys).start().await;
        are(&janua, state, 1).await;
    }
}

#[tokio::test]
async fn what_is_known_of_an_endpoint_outlives_a_reload() {
    let origin = Origin::answering("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
    let with = |more: &str, health: &str| {
        upstream(&format!("endpoints = [\"{}\"{more}]\n{health}", origin.url))
    };
    let health = "health = { path = \"/\", every = \"20ms\", fall = 2 }";
    let janua = with("", health).start().await;
    are(&janua, "down", 1).await;
    let other = Origin::ok().await;
    let rarely = "health = { path = \"/\", every = \"1h\", fall = 2 }";
    janua.reload(&with(&format!(", \"{}\"", other.url), rarely)).await.ok().unwrap();
    are(&janua, "down", 1).await;
    are(&janua, "up", 1).await;
    // Asked no more, it is what it was before it was asked.
    janua.reload(&with("", "")).await.ok().unwrap();
    are(&janua, "up", 1).await;
    let requests = origin.requests().len();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(origin.requests().len(), requests, "it is asked by a configuration of the past");
}

/// What an origin answers, and whether it is left out for it when it did so three times.
#[tokio::test]
async fn an_endpoint_is_left_out_for_its_own_faults_only() {
    let status = |status: &str| format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
    for (answer, ejected) in [
        (OK.to_owned(), false),
        (status("404"), false),
        (status("500"), false),
        (status("502"), true),
        (status("503"), true),
        (status("504"), true),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), true),
        (String::new(), true),
    ] {
        let origin = Origin::answering(&*answer).await;
        let keys = format!(
            "endpoints = \"{}\"\nejection.failures = 3\ntimeout.first-byte = \"30ms\"",
            origin.url
        );
        let janua = upstream(&keys).start().await;
        let mut client = janua.client().await;
        for _ in 0..3 {
            client.get("/").await;
        }
        are(&janua, if ejected { "ejected" } else { "up" }, 1).await;
    }
    let (_taken, dead) = nobody();
    let janua = upstream(&format!("endpoints = \"{dead}\"\nejection.failures = 0")).start().await;
    for _ in 0..9 {
        assert_eq!(janua.get("/").await.status(), 502);
    }
    are(&janua, "up", 1).await;
}

#[tokio::test]
async fn clients_who_go_away_are_no_fault_of_the_endpoint() {
    let (origin, _may) = Origin::held().await;
    let keys = format!("endpoints = \"{}\"\nejection.failures = 1", origin.url);
    let janua = upstream(&keys).start().await;
    for count in 1..4 {
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        until("request", || origin.requests().len() == count).await;
        drop(client);
    }
    let in_flight = "janua_upstream_requests_in_flight{upstream=\"u\"}";
    until("all have gone", || janua.counted(in_flight) == 0).await;
    are(&janua, "up", 1).await;
}

#[tokio::test]
async fn health_that_cannot_be_meant_is_refused_at_load() {
    refused([
        ("health.every = \"0s\"", "health.every", "no time for an answer", "\"5s\""),
        ("health.timeout = \"0s\"", "health.timeout", "no time for an answer", "\"5s\""),
        ("health.rise = 0", "health.rise", "no answer at all", "1 is one"),
        ("health.fall = 0", "health.fall", "no answer at all", "1 is one"),
        ("health.path = \"healthz\"", "health.path", "`healthz` is not a path", "\"/healthz\""),
        ("health.body = \"ok\"", "health.body", "without `path`", "path = \"/healthz\""),
        ("health.host = \"a\"", "health.host", "without `path`", "path = \"/healthz\""),
        ("health = { path = \"/\", grpc = \"a\" }", "health.grpc", "asked one thing", "leave out"),
        (
            "health = { grpc = \"a\", body = \"k\" }",
            "health.body",
            "without `path`",
            "\"/healthz\"",
        ),
        ("health.status = \"2x\"", "health.status[0]", "`2x` is not a range of statuses", ""),
        ("health.start = \"maybe\"", "health.start", "`maybe` is not known here", "`checked`"),
        ("ejection.time = \"0s\"", "ejection.time", "come back at once", "failures = 0"),
        ("ejection.time = \"1h\"", "ejection.max-time", "less than `time`", ""),
        ("panic-threshold = 101", "panic-threshold", "more than all", "per cent"),
    ])
    .await;
    let (_taken, dead) = nobody();
    let keys = format!("endpoints = \"{dead}\"\nhealth = {{ every = \"20ms\" }}");
    let janua = upstream(&keys).start().await;
    asked(&janua, "failed", 3).await;
}

/// Whoever makes it so: here it is not a check, but who is there.
#[test]
fn the_log_says_when_too_few_are_left_because_others_have_gone() {
    let (_taken, dead) = nobody();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("endpoints.toml");
    let knows = |urls: &str| std::fs::write(&file, format!("endpoints = [{urls}]\n")).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let well = format!("http://{}", listener.local_addr().unwrap());
    knows(&format!("\"{dead}\", \"{well}\""));
    let mut daemon = Daemon::start(&format!(
        "[[listener]]\naddress = \"127.0.0.1:0\"\n\
         [upstream.u]\nendpoints = \"file://{}\"\nhealth = {{ every = \"20ms\", fall = 1 }}\n\
         [[route]]\nto = \"u\"\n",
        file.display()
    ));
    daemon.until("an endpoint is down");
    assert!(!daemon.said("too few endpoints are up"), "one of two is enough");
    knows(&format!("\"{dead}\""));
    daemon.until("too few endpoints are up");
    knows(&format!("\"{dead}\", \"{well}\""));
    daemon.until("enough endpoints are up");
}
