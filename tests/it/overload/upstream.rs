//! A number of requests that may be in flight to an upstream: who is refused, and when.

use janua::app::explain::{Arguments, explain_in};

use super::{assert_shed, fill, routes, sent};
use crate::support::{Janua, Origin, Setup, until};

/// Routes to one upstream with these keys, a route for each priority, and one that makes offenders.
fn priorities(url: &str, keys: &str, priorities: &[&str]) -> Setup {
    Setup::new(format!(
        "[upstream.u]\nendpoints = \"{url}\"\n{keys}\n\
         [[route]]\npath = \"/offend\"\nlimit = \"1/h\"\nto = {{ status = 204 }}\n{}",
        routes(priorities, "u")
    ))
}

fn shed(janua: &Janua, priority: &str) -> u64 {
    let labels = format!("{{upstream=\"u\",priority=\"{priority}\"}}");
    janua.counted(&format!("janua_upstream_shed_total{labels}"))
}

#[tokio::test]
async fn one_too_many_is_503_at_once_until_an_answer_has_ended() {
    let (origin, may) = Origin::held().await;
    let janua = priorities(&origin.url, "max-in-flight = 2", &["normal"]).start().await;
    let mut first = sent(&janua, "/normal").await;
    let mut second = sent(&janua, "/normal").await;
    until("both are there", || origin.requests().len() == 2).await;
    for _ in 0..3 {
        assert_shed(&janua.get("/normal").await, "overload.upstream", "two at a time");
    }
    assert_eq!((shed(&janua, "normal"), origin.requests().len()), (3, 2));
    assert_eq!(janua.counted("janua_upstream_max_in_flight{upstream=\"u\"}"), 2);
    may.add_permits(3);
    assert_eq!(first.answer().await.status(), 200);
    assert_eq!(second.answer().await.status(), 200);
    assert_eq!(janua.get("/normal").await.status(), 200);
    janua.rejected("normal", "overload.upstream", 3).await;
}

#[tokio::test]
async fn low_priority_goes_first_and_high_has_a_tenth_of_its_own() {
    let (origin, may) = Origin::held().await;
    let routes = ["low", "normal", "high"];
    let janua = priorities(&origin.url, "max-in-flight = 10", &routes).start().await;
    let mut running = fill(&janua, &origin, "overload.upstream", shed).await;
    may.add_permits(100);
    for client in &mut running {
        assert_eq!(client.answer().await.status(), 200);
    }
    for priority in routes {
        assert_eq!(janua.get(&format!("/{priority}")).await.status(), 200, "{priority}");
    }
}

#[tokio::test]
async fn without_a_route_of_high_priority_nothing_is_kept_for_one() {
    let (origin, may) = Origin::held().await;
    let janua = priorities(&origin.url, "max-in-flight = 10", &["normal"]).start().await;
    let mut running = Vec::new();
    for _ in 0..10 {
        running.push(sent(&janua, "/normal").await);
        until("it is there", || origin.requests().len() == running.len()).await;
    }
    may.add_permits(10);
    for client in &mut running {
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn a_client_that_broke_a_limit_counts_as_one_lower() {
    let (origin, may) = Origin::held().await;
    let janua = priorities(&origin.url, "max-in-flight = 5", &["normal"]).start().await;
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(sent(&janua, "/normal").await);
        until("it is there", || origin.requests().len() == running.len()).await;
    }
    assert_eq!(janua.get("/offend").await.status(), 204);
    for _ in 0..60 {
        assert_eq!(janua.get("/offend").await.status(), 429);
    }
    assert_shed(&janua.get("/normal").await, "overload.upstream", "three for low priority");
    assert_eq!((shed(&janua, "low"), shed(&janua, "normal")), (1, 0));
    let arguments = Arguments {
        method: "GET".into(),
        url: "http://a/normal".into(),
        from: Some("127.0.0.1".into()),
        ..Arguments::default()
    };
    let text = explain_in(janua.world(), &arguments).unwrap().to_string();
    let said = "4 in flight of 5, 3 for low priority, lowered for a limit that the client broke";
    assert!(text.contains(said), "{text}");
    may.add_permits(4);
    for client in &mut running {
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn who_goes_away_leaves_a_place_and_a_reload_forgets_nobody() {
    let (origin, may) = Origin::held().await;
    let with = |keys: &str| priorities(&origin.url, keys, &["normal"]);
    let janua = with("max-in-flight = 2").start().await;
    let first = sent(&janua, "/normal").await;
    let mut second = sent(&janua, "/normal").await;
    until("both are there", || origin.requests().len() == 2).await;
    janua.reload(&with("max-in-flight = 2\nkeep-alive.max-idle = 3")).await.unwrap();
    assert_shed(&janua.get("/normal").await, "overload.upstream", "the same number");
    janua.reload(&with("max-in-flight = 1")).await.unwrap();
    drop(first);
    janua.logged_reason("client.gone").await;
    assert_shed(&janua.get("/normal").await, "overload.upstream", "a smaller number");
    janua.reload(&with("max-in-flight = 3")).await.unwrap();
    let mut third = sent(&janua, "/normal").await;
    until("it is there", || origin.requests().len() == 3).await;
    may.add_permits(3);
    assert_eq!(second.answer().await.status(), 200);
    assert_eq!(third.answer().await.status(), 200);
    janua.reload(&with("")).await.unwrap();
    assert!(!janua.metrics().contains("janua_upstream_max_in_flight{"), "nobody counts now");
}

#[tokio::test]
async fn a_tunnel_is_in_flight_while_it_is_open_but_for_an_adaptive_limit() {
    for (keys, status) in [
        ("max-in-flight = 1", 503),
        ("max-in-flight = { adaptive = \"gradient\", min = 1, max = 1 }", 101),
    ] {
        let origin = Origin::tunnels().await;
        let janua = priorities(&origin.url, keys, &["normal"]).start().await;
        let fields = "Connection: Upgrade\r\nUpgrade: x/1\r\n";
        let mut tunnel = janua.client().await;
        tunnel.send(format!("GET /normal HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        assert_eq!(tunnel.head().await.status(), 101);
        let mut other = janua.client().await;
        other.send(format!("GET /normal HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        assert_eq!(other.head().await.status(), status, "{keys}");
    }
}
