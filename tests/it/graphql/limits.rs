//! Limits of operations: who waits at one holds nothing elsewhere, and what is given back is no gift.

use std::time::{Duration, Instant};

use super::*;
use crate::support::until;

fn named(name: &str) -> Value {
    json!({ "query": format!("query {name} {{ version }}"), "operationName": name })
}

/// What a client is told that asks these operations in one request, when it has its answer.
async fn ask(janua: &Janua, names: &[&str]) -> tokio::task::JoinHandle<(u16, String)> {
    let body = match names {
        [one] => named(one),
        names => names.iter().map(|name| named(name)).collect(),
    };
    let mut client = janua.client().await;
    tokio::spawn(async move {
        let got = post(&mut client, "", &body).await;
        let reason = if got.status() == 200 { String::new() } else { first_error(&got).1 };
        (got.status(), reason)
    })
}

/// How many wait at limits whose names begin so.
fn waiting(janua: &Janua, limit: &str) -> u64 {
    let page = janua.metrics();
    let lines = page.lines().filter(|line| line.starts_with("janua_limit_waiting{"));
    let of = lines.filter(|line| line.contains(&format!("limit=\"{limit}")));
    of.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn who_waits_at_an_operation_holds_no_place_of_the_route_nor_of_another_operation() {
    let limits = "[limit.slow]\nrate = \"1/s\"\nburst = 1\nper = \"global\"\nover = { delay = \"20s\" }\n\
        [limit.run]\nconcurrent = 2\nper = \"global\"\n";
    let keys =
        "guard.max-batch = 5\noperations.Slow.limit = \"slow\"\noperations.Run.limit = \"run\"";
    let route = "limit = { concurrent = 3, per = \"global\" }";
    let (_origin, janua) = before(keys, &format!("{route}\n{limits}")).await;
    assert_eq!(ask(&janua, &["Slow"]).await.await.unwrap().0, 200);
    let mut waits = Vec::new();
    for names in [&["Slow"][..], &["Run", "Slow"], &["Run", "Slow"]] {
        waits.push(ask(&janua, names).await);
    }
    until("three wait", || waiting(&janua, "slow") == 3).await;
    for _ in 0..3 {
        for name in ["Other", "Run"] {
            assert_eq!(ask(&janua, &[name]).await.await.unwrap(), (200, String::new()), "{name}");
        }
    }
    assert_eq!(waiting(&janua, "slow"), 3, "it took longer than they wait");
    for waits in waits {
        assert_eq!(waits.await.unwrap(), (200, String::new()));
    }
}

#[tokio::test]
async fn a_batch_that_wants_more_places_than_there_are_is_refused_at_once() {
    let keys = "guard.max-batch = 5\n\
        operations.Run.limit = { concurrent = 2, per = \"global\", over = { delay = \"30s\" } }";
    let (_origin, janua) = before(keys, "").await;
    let start = Instant::now();
    assert_eq!(ask(&janua, &["Run", "Run"]).await.await.unwrap().0, 200, "there are two");
    let refused = ask(&janua, &["Run", "Run", "Run"]).await.await.unwrap();
    assert_eq!(refused, (429, "limit.cost".to_owned()));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(ask(&janua, &["Run", "Run"]).await.await.unwrap().0, 200, "nobody is left there");
}

/// Ten wait in vain for one that runs, and meanwhile time gives the other operation all back that it gave them.
#[tokio::test]
async fn what_operations_give_back_after_a_wait_is_no_gift() {
    let limits = "[limit.paid]\nrate = \"10/s\"\nper = \"global\"\n\
        [limit.run]\nconcurrent = 1\nper = \"global\"\npriority = false\nover = { delay = \"3s\" }\n";
    let keys =
        "guard.max-batch = 5\noperations.Paid.limit = \"paid\"\noperations.Run.limit = \"run\"";
    let (origin, may) = Origin::held().await;
    let route = format!("path = \"/graphql\"\n{limits}");
    let janua = setup(&origin.url, keys, &route).start().await;
    let runs = ask(&janua, &["Run"]).await;
    until("it runs", || origin.requests().len() == 1).await;
    let mut waits = Vec::new();
    for _ in 0..10 {
        waits.push(ask(&janua, &["Paid", "Run"]).await);
    }
    until("they wait", || waiting(&janua, "run") == 10).await;
    // Time has paid for all of that, and what there is others take, just before those give it back.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(waiting(&janua, "run"), 10);
    let allowed = || janua.counted("janua_limit_allowed_total{limit=\"paid\"}");
    let refused =
        || janua.counted("janua_limit_rejected_total{limit=\"paid\",reason=\"limit.rate\"}");
    let (start, before, mut asks) = (Instant::now(), allowed(), Vec::new());
    while refused() == 0 {
        asks.push(ask(&janua, &["Paid"]).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for waits in waits {
        assert_eq!(waits.await.unwrap().0, 429);
    }
    let known = refused();
    while refused() == known {
        asks.push(ask(&janua, &["Paid"]).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (took, more) = (start.elapsed().as_secs_f64(), allowed() - before);
    assert!(more as f64 <= 10.0 + 10.0 * took + 1.0, "{more} in {took} s, of 10 and 10/s");
    drop((runs, may, asks));
}
