//! Which endpoint is asked, and what name it sees.

use super::{nobody, one, upstream};
use crate::support::{Janua, Origin};

/// Who answered so many requests, by the names of the origins.
async fn answers(janua: &Janua, count: usize) -> String {
    let mut client = janua.client().await;
    let mut names = String::new();
    for _ in 0..count {
        let answer = client.get("/").await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        names += &answer.text();
    }
    names
}

fn counts(names: &str) -> [usize; 3] {
    ["a", "b", "c"].map(|name| names.matches(name).count())
}

#[tokio::test]
async fn everybody_has_their_turn_by_weight() {
    let origins = [Origin::named("a").await, Origin::named("b").await, Origin::named("c").await];
    for (weights, expected) in [
        ([1, 1, 1], [20, 20, 20]),
        ([3, 1, 2], [30, 10, 20]),
        ([5, 0, 1], [50, 0, 10]),
        ([0, 0, 7], [0, 0, 60]),
    ] {
        let endpoints: Vec<_> = origins
            .iter()
            .zip(weights)
            .map(|(origin, weight)| format!("{{ url = \"{}\", weight = {weight} }}", origin.url))
            .collect();
        let janua = upstream(&format!("endpoints = [{}]", endpoints.join(", "))).start().await;
        assert_eq!(counts(&answers(&janua, 60).await), expected, "{weights:?}");
    }
}

#[tokio::test]
async fn heavy_ones_have_no_long_runs() {
    let (heavy, light) = (Origin::named("a").await, Origin::named("b").await);
    let endpoints = format!("[{{ url = \"{}\", weight = 2 }}, \"{}\"]", heavy.url, light.url);
    let janua = upstream(&format!("endpoints = {endpoints}")).start().await;
    let names = answers(&janua, 30).await;
    assert!(!names.contains("aaa") && !names.contains("bb"), "{names}");
}

#[tokio::test]
async fn a_dead_endpoint_is_skipped_unnoticed() {
    let (_taken, dead) = nobody();
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let endpoints = format!("endpoints = [\"{}\", \"{dead}\", \"{}\"]", a.url, b.url);
    let janua = upstream(&endpoints).start().await;
    let names = answers(&janua, 30).await;
    assert_eq!(names.len(), 30);
    assert!(names.contains('a') && names.contains('b'), "{names}");
    let line = janua.logged("a second try", |line| line["tries"] == 2).await;
    assert_eq!(line["status"], 200, "{line}");
    // A body that was not sent is not lost either.
    let mut client = janua.client().await;
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
        assert_eq!(client.answer().await.status(), 200);
    }
    let bodies: Vec<_> = [&a, &b].iter().flat_map(|origin| origin.requests()).collect();
    assert_eq!(bodies.iter().filter(|request| request.body == b"hello").count(), 3);
}

#[tokio::test]
async fn when_all_are_dead_the_answer_says_so() {
    let ((_first, one), (_second, two)) = (nobody(), nobody());
    let janua = upstream(&format!("endpoints = [\"{one}\", \"{two}\"]")).start().await;
    let mut client = janua.client().await;
    for _ in 0..3 {
        client.get("/").await.assert_refused(502, "upstream.connect_refused", "all dead");
    }
    let line = janua.logged_reason("upstream.connect_refused").await;
    assert_eq!(line["tries"], 2, "{line}");
}

#[tokio::test]
async fn an_endpoint_without_weight_is_never_asked() {
    let (_taken, dead) = nobody();
    let spare = Origin::ok().await;
    let weightless = format!("{{ url = \"{}\", weight = 0 }}", spare.url);
    let janua = upstream(&format!("endpoints = [\"{dead}\", {weightless}]")).start().await;
    janua.get("/").await.assert_refused(502, "upstream.connect_refused", "not even then");
    let janua = upstream(&format!("endpoints = [{weightless}]")).start().await;
    janua.get("/").await.assert_refused(503, "upstream.no_endpoint", "nobody has a turn");
    assert_eq!(spare.connections(), 0);
}

/// A label of DNS has at most 63 letters, so no resolver asks anybody for this.
fn unknown_name() -> String {
    format!("http://{}:80", "x".repeat(64))
}

#[tokio::test]
async fn a_name_that_does_not_resolve_stops_no_start() {
    let janua = one(&unknown_name(), "").start().await;
    janua.get("/").await.assert_refused(503, "upstream.resolve", "alone");
    let origin = Origin::named("a").await;
    let both = format!("endpoints = [\"{}\", \"{}\"]", unknown_name(), origin.url);
    janua.reload(&upstream(&both)).await.unwrap();
    assert_eq!(answers(&janua, 4).await, "aaaa", "the other one answers");
}

#[tokio::test]
async fn a_name_is_tried_at_all_of_its_addresses() {
    // `localhost` is `::1` too where there is IPv6; the origin is not there.
    let origin = Origin::named("a").await;
    let url = format!("http://localhost:{}", origin.address.port());
    assert_eq!(answers(&one(&url, "").start().await, 3).await, "aaa");
}

#[tokio::test]
async fn the_origin_sees_the_host_that_it_is_to_see() {
    let origin = Origin::ok().await;
    let own = origin.address.to_string();
    for (key, expected) in [
        ("", "a.example"),
        ("host = \"pass\"", "a.example"),
        ("host = \"endpoint\"", own.as_str()),
        ("host = \"inner.example:81\"", "inner.example:81"),
    ] {
        let janua = one(&origin.url, key).start().await;
        assert_eq!(janua.get("/").await.status(), 200);
        let seen = origin.last();
        assert_eq!(seen.values("host"), [expected], "{key}");
        assert_eq!(seen.field("x-forwarded-host").as_deref(), Some("a.example"), "{key}");
    }
}
