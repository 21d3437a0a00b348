//! Those who wait, and how many run at a time: clients that go away, tunnels, reloads, the end.

use std::time::{Duration, Instant};

use crate::support::{Client, Janua, Origin, Setup, soon, until};

const WAITING: [&str; 2] = [
    "janua_limit_waiting{limit=\"l\",standing=\"good\"}",
    "janua_limit_waiting{limit=\"l\",standing=\"bad\"}",
];

fn waiting(janua: &Janua) -> u64 {
    WAITING.iter().map(|series| janua.counted(series)).sum()
}

fn limited(keys: &str, url: &str) -> Setup {
    Setup::new(format!(
        "[limit.l]\n{keys}\n[[route]]\nname = \"r\"\nlimit = \"l\"\nto = \"{url}\"\n"
    ))
}

/// A client that has sent a request.
async fn sent(janua: &Janua) -> Client {
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client
}

#[tokio::test]
async fn over_the_rate_a_request_waits_and_then_it_is_as_any_other() {
    let origin = Origin::ok().await;
    let keys = "rate = \"5/s\"\nburst = 1\nover = { delay = \"5s\" }";
    let janua = limited(keys, &origin.url).start().await;
    let (mut client, start) = (janua.client().await, Instant::now());
    for _ in 0..4 {
        assert_eq!(client.get("/").await.status(), 200);
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(600), "three waits of a fifth of a second: {took:?}");
    let waited = |line: &serde_json::Value| line["waited_us"].as_u64().unwrap_or(0) > 50_000;
    janua.logged("a wait in the log", waited).await;
    until("it is counted", || {
        janua.counted("janua_limit_delay_seconds_count{limit=\"l\"}") == 3
            && janua.counted("janua_limit_allowed_total{limit=\"l\"}") == 4
            && waiting(&janua) == 0
    })
    .await;
}

#[tokio::test]
async fn as_many_run_as_may_until_their_answers_have_ended() {
    let (origin, may) = Origin::held().await;
    let janua =
        limited("concurrent = 1\nper = \"global\"\nover = { delay = \"60s\" }", &origin.url);
    let janua = janua.start().await;
    let mut first = sent(&janua).await;
    until("the origin has it", || origin.requests().len() == 1).await;
    let mut second = sent(&janua).await;
    until("the second waits", || waiting(&janua) == 1).await;
    assert_eq!(origin.requests().len(), 1);
    may.add_permits(1);
    assert_eq!(first.answer().await.status(), 200);
    until("the second goes", || origin.requests().len() == 2).await;
    may.add_permits(1);
    assert_eq!(second.answer().await.status(), 200);
}

#[tokio::test]
async fn without_a_queue_one_too_many_is_429() {
    let (origin, may) = Origin::held().await;
    let janua = limited("concurrent = 1", &origin.url).start().await;
    let mut first = sent(&janua).await;
    until("the origin has it", || origin.requests().len() == 1).await;
    let answer = janua.get("/").await;
    answer.assert_refused(429, "limit.concurrent", "one at a time");
    assert_eq!(answer.field("retry-after").as_deref(), Some("1"));
    may.add_permits(2);
    assert_eq!(first.answer().await.status(), 200);
    assert_eq!(janua.get("/").await.status(), 200);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_queue_and_what_it_ran() {
    let (origin, may) = Origin::held().await;
    let keys = "concurrent = 1\nover = { delay = \"60s\" }";
    let janua = limited(keys, &origin.url).start().await;
    let first = sent(&janua).await;
    until("the origin has it", || origin.requests().len() == 1).await;
    let second = sent(&janua).await;
    until("the second waits", || waiting(&janua) == 1).await;
    drop(second);
    until("the second has left", || waiting(&janua) == 0).await;
    janua.logged_reason("client.gone").await;
    let mut third = sent(&janua).await;
    until("the third waits", || waiting(&janua) == 1).await;
    drop(first);
    until("the third goes", || origin.requests().len() == 2).await;
    may.add_permits(2);
    assert_eq!(third.answer().await.status(), 200);
}

/// Of its request something was not read: a body, or the next one.
#[tokio::test]
async fn a_client_that_goes_away_leaves_the_queue_also_if_nobody_reads() {
    let (origin, may) = Origin::held().await;
    let keys = "concurrent = 1\nover = { delay = \"60s\" }";
    let janua = limited(keys, &origin.url).start().await;
    let mut first = sent(&janua).await;
    until("the origin has it", || origin.requests().len() == 1).await;
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = janua.client().await;
        client.send(request).await;
        until("it waits", || waiting(&janua) == 1).await;
        drop(client);
        until("it has left", || waiting(&janua) == 0).await;
    }
    // Who is there stays, and is answered.
    let mut client = janua.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    until("it waits", || waiting(&janua) == 1).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(waiting(&janua), 1);
    may.add_permits(2);
    assert_eq!(first.answer().await.status(), 200);
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn a_tunnel_is_one_at_a_time_as_long_as_it_is_open() {
    let origin = Origin::tunnels().await;
    let janua = limited("concurrent = 1", &origin.url).start().await;
    let asks = "Connection: upgrade\r\nUpgrade: x/1\r\n";
    let mut tunnel = janua.client().await;
    assert_eq!(tunnel.request("GET /", asks).await.status(), 101);
    assert_eq!(janua.get("/").await.status(), 429);
    drop(tunnel);
    let again = async {
        while janua.client().await.request("GET /", asks).await.status() == 429 {
            tokio::task::yield_now().await;
        }
    };
    soon("there is room again", again).await;
}

#[tokio::test]
async fn who_waits_goes_on_waiting_while_the_limit_is_changed_or_taken_away() {
    let (origin, may) = Origin::held().await;
    let setup = limited("concurrent = 1\nover = { delay = \"60s\" }", &origin.url);
    let changed = limited("concurrent = 2\nover = { delay = \"60s\" }", &origin.url);
    let janua = setup.start().await;
    let mut first = sent(&janua).await;
    until("the origin has it", || origin.requests().len() == 1).await;
    let mut second = sent(&janua).await;
    until("the second waits", || waiting(&janua) == 1).await;
    janua.reload(&changed).await.unwrap();
    assert_eq!(waiting(&janua), 1);
    janua.reload(&Setup::to(&origin.url)).await.unwrap();
    let mut third = sent(&janua).await;
    until("nothing holds the third", || origin.requests().len() == 2).await;
    may.add_permits(2);
    assert_eq!(first.answer().await.status(), 200);
    assert_eq!(third.answer().await.status(), 200);
    until("the second goes", || origin.requests().len() == 3).await;
    may.add_permits(1);
    assert_eq!(second.answer().await.status(), 200);
}

#[tokio::test]
async fn a_reload_forgives_nobody() {
    let origin = Origin::ok().await;
    let setup = limited("rate = \"1/h\"", &origin.url);
    let janua = setup.clone().start().await;
    assert_eq!(janua.get("/").await.status(), 200);
    janua.reload(&setup).await.unwrap();
    assert_eq!(janua.get("/").await.status(), 429);
    let diff = janua.reload(&limited("rate = \"1/h\"\nburst = 2", &origin.url)).await.unwrap();
    assert!(diff.to_string().contains("limit l"), "{diff}");
    assert_eq!(janua.get("/").await.status(), 200, "the larger burst holds at once");
    assert_eq!(janua.get("/").await.status(), 429);
}

/// Nobody owes more than a burst of what holds now.
#[tokio::test]
async fn a_rate_that_was_raised_holds_at_once_for_those_who_had_used_up_the_old_one() {
    let origin = Origin::ok().await;
    let janua = limited("rate = \"5/h\"", &origin.url).start().await;
    for status in [200, 200, 200, 200, 200, 429] {
        assert_eq!(janua.get("/").await.status(), status);
    }
    janua.reload(&limited("rate = \"50/s\"\nburst = 1", &origin.url)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(janua.get("/").await.status(), 200, "it waits for the old rate");
}

#[tokio::test]
async fn what_costs_nothing_waits_for_nobody() {
    let origin = Origin::ok().await;
    let keys = "rate = \"1/m\"\nburst = 1\nmax-waiting = 1\nover = { delay = \"5m\" }\ncost = { OPTIONS = 0 }";
    let janua = limited(keys, &origin.url).start().await;
    assert_eq!(janua.get("/").await.status(), 200);
    let _client = sent(&janua).await;
    until("it waits", || waiting(&janua) == 1).await;
    let answer = janua.client().await.request("OPTIONS /", "").await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn at_shutdown_who_waits_keeps_the_turn_or_is_cut_like_any_request() {
    let origin = Origin::ok().await;
    let keys = "rate = \"2/s\"\nburst = 1\nover = { delay = \"60s\" }";
    let setup = limited(keys, &origin.url).server("drain = { timeout = \"10s\" }");
    let janua = setup.start().await;
    assert_eq!(janua.get("/").await.status(), 200);
    let mut client = sent(&janua).await;
    until("it waits", || waiting(&janua) == 1).await;
    let (clean, answer) = soon("drain", async {
        tokio::join!(janua.gateway.drain(), async { client.answer().await })
    })
    .await;
    assert!(clean);
    assert_eq!(answer.status(), 200);

    let keys = "rate = \"1/m\"\nburst = 1\nover = { delay = \"5m\" }";
    let setup = limited(keys, &origin.url).server("drain = { timeout = \"200ms\" }");
    let janua = setup.start().await;
    assert_eq!(janua.get("/").await.status(), 200);
    let mut client = sent(&janua).await;
    until("it waits", || waiting(&janua) == 1).await;
    assert!(!soon("drain", janua.gateway.drain()).await, "it did not end by itself");
    let (log, home) = (janua.path("access.log"), janua.home.clone());
    janua.stop().await;
    assert_eq!(client.ended().await, "");
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("\"reason\":\"server.draining\""), "{text}");
    drop(home);
}

/// Where answers are kept an origin is asked to the end, whoever leaves.
#[tokio::test]
async fn what_is_fetched_for_a_cache_runs_on_when_its_client_has_left() {
    let (origin, may) = Origin::held().await;
    for keys in ["concurrent = 1", "concurrent = 1\nover = { delay = \"60s\" }"] {
        let setup = format!(
            "[limit.l]\n{keys}\n[[route]]\nlimit = \"l\"\ncache = {{ ttl = \"1m\" }}\nto = \"{}\"\n",
            origin.url
        );
        let janua = Setup::new(setup).start().await;
        let asked = origin.requests().len();
        let first = sent(&janua).await;
        until("the origin has it", || origin.requests().len() == asked + 1).await;
        drop(first);
        janua.logged_reason("client.gone").await;
        let mut second = janua.client().await;
        second.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if keys.contains("delay") {
            until("it waits", || waiting(&janua) == 1).await;
        } else {
            second.answer().await.assert_refused(429, "limit.concurrent", "the fetch goes on");
        }
        assert_eq!(origin.requests().len(), asked + 1);
        may.add_permits(1);
        if keys.contains("delay") {
            until("it goes", || origin.requests().len() == asked + 2).await;
            may.add_permits(1);
            assert_eq!(second.answer().await.status(), 200);
        }
        // What was fetched for nobody is there, and who has an answer may send the next request.
        while sent(&janua).await.answer().await.status() == 429 {}
        assert_eq!(origin.requests().len(), asked + 1 + usize::from(keys.contains("delay")));
        let mut last = janua.client().await;
        for path in ["/a", "/b", "/c"] {
            may.add_permits(1);
            assert_eq!(last.get(path).await.status(), 200, "{path}");
        }
    }
}
