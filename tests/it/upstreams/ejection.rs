//! Endpoints that are left out for how they answer clients: too many failures, or more than the others.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use super::{refused, upstream};
use crate::support::{Janua, Origin, until};

/// An origin that fails so many of a hundred requests, evenly.
async fn failing(percent: usize) -> Origin {
    let count = Arc::new(AtomicUsize::new(0));
    Origin::script(move |mut peer| {
        let count = count.clone();
        async move {
            while peer.request().await.is_some() {
                let turn = count.fetch_add(1, Relaxed);
                let fails = (turn + 1) * percent / 100 > turn * percent / 100;
                let status = if fails { 503 } else { 200 };
                peer.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")).await;
            }
        }
    })
    .await
}

async fn before(origins: &[Origin], ejection: &str) -> Janua {
    let urls: Vec<_> = origins.iter().map(|origin| format!("\"{}\"", origin.url)).collect();
    let endpoints = format!("endpoints = [{}]", urls.join(", "));
    upstream(&format!("{endpoints}\nejection = {{ {ejection} }}")).start().await
}

fn count(janua: &Janua, state: &str) -> u64 {
    janua.counted(&format!("janua_upstream_endpoints{{upstream=\"u\",state=\"{state}\"}}"))
}

/// Asks for as long as it takes that so many are left out.
async fn until_left_out(janua: &Janua, expected: u64) {
    let mut client = janua.client().await;
    for _ in 0..5_000 {
        client.get("/").await;
        if count(janua, "ejected") == expected {
            return;
        }
    }
    panic!("{} are left out, not {expected}", count(janua, "ejected"));
}

/// Asks for some intervals; nobody is left out.
async fn nobody_is_left_out(janua: &Janua, why: &str) {
    let mut client = janua.client().await;
    let begun = std::time::Instant::now();
    while begun.elapsed().as_millis() < 700 {
        client.get("/").await;
        assert_eq!(count(janua, "ejected"), 0, "{why}");
    }
}

/// Long enough that a busy machine has ten requests for each of six endpoints in an interval.
const SOON: &str = "failures = 0, interval = \"200ms\", min-requests = 10";

#[tokio::test]
async fn who_fails_more_than_the_others_is_left_out() {
    let mut origins = Vec::new();
    for percent in [5, 0, 5, 0, 5, 60] {
        origins.push(failing(percent).await);
    }
    let janua = before(&origins, &format!("{SOON}, success-rate = 1.9")).await;
    until_left_out(&janua, 1).await;
    let asked = origins[5].requests().len();
    let mut client = janua.client().await;
    for _ in 0..20 {
        client.get("/").await;
    }
    assert_eq!(origins[5].requests().len(), asked, "it is the one that fails most");
    // Four of six are too few to compare, if five have to be there.
    let janua = before(&origins[2..], &format!("{SOON}, success-rate = 1.1")).await;
    nobody_is_left_out(&janua, "there are too few to compare").await;
    let more = "success-rate = 1.1, min-endpoints = 3";
    let janua = before(&origins[2..], &format!("{SOON}, {more}")).await;
    until_left_out(&janua, 1).await;
}

#[tokio::test]
async fn who_fails_so_many_per_cent_is_left_out_alone_or_not() {
    for (percent, ejected) in [(40, false), (60, true)] {
        let origins = [failing(percent).await, failing(0).await];
        let janua = before(&origins, &format!("{SOON}, failure-percent = 50")).await;
        match ejected {
            true => until_left_out(&janua, 1).await,
            false => nobody_is_left_out(&janua, "it fails 40 %").await,
        }
    }
    let origins = [failing(100).await, failing(0).await];
    let more = SOON.replace("= 10", "= 1000000");
    let janua = before(&origins, &format!("{more}, failure-percent = 50")).await;
    nobody_is_left_out(&janua, "there were too few requests").await;
}

/// What was counted goes on over a reload, and so does the time for which it is.
#[tokio::test]
async fn who_fails_too_many_is_left_out_also_where_reloads_come_more_often() {
    let origins = [failing(100).await, failing(0).await];
    let urls = format!("\"{}\", \"{}\"", origins[0].url, origins[1].url);
    let counts = "failures = 0, interval = \"400ms\", min-requests = 10, failure-percent = 50";
    let keys = format!("endpoints = [{urls}]\nejection = {{ {counts}, time = \"1m\" }}");
    let janua = upstream(&keys).start().await;
    for turn in 1..=40 {
        let mut client = janua.client().await;
        for _ in 0..6 {
            client.get("/").await;
        }
        if count(&janua, "ejected") == 1 {
            return;
        }
        let other = upstream(&format!("{keys}\npanic-threshold = {turn}"));
        janua.reload(&other).await.ok().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    panic!("nobody was left out");
}

#[tokio::test]
async fn never_more_are_left_out_than_may_be() {
    for (share, count, expected) in [(50, 4, 2), (25, 4, 1), (10, 3, 1), (100, 3, 3)] {
        let mut origins = Vec::new();
        for _ in 0..count {
            origins.push(failing(100).await);
        }
        let keys = format!("failures = 2, max-ejected = {share}, time = \"1h\", max-time = \"1h\"");
        let janua = before(&origins, &keys).await;
        until_left_out(&janua, expected).await;
        let mut client = janua.client().await;
        for _ in 0..50 {
            client.get("/").await;
        }
        until("it settles", || self::count(&janua, "ejected") == expected).await;
    }
}

#[tokio::test]
async fn what_counts_as_a_failure_can_be_said() {
    for (statuses, status, ejected) in [
        ("\"502-504\"", 500, false),
        ("\"5xx\"", 500, true),
        ("[\"500\", \"429\"]", 429, true),
        ("[\"500\", \"429\"]", 503, false),
        ("[]", 503, false),
    ] {
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        let origins = [Origin::answering(answer).await];
        let janua = before(&origins, &format!("failures = 3, statuses = {statuses}")).await;
        let mut client = janua.client().await;
        for _ in 0..3 {
            client.get("/").await;
        }
        let state = if ejected { "ejected" } else { "up" };
        until(statuses, || count(&janua, state) == 1).await;
    }
}

#[tokio::test]
async fn an_ejection_that_cannot_be_meant_is_refused_at_load() {
    let rows = [
        ("statuses = \"2xx\"", "statuses[0]", "`2xx` is no failure", "from 400 on"),
        ("statuses = [\"5xx\", \"5x\"]", "statuses[1]", "`5x` is not a range", ""),
        ("success-rate = 0.0", "success-rate", "standard deviations", "1.9 is usual"),
        ("success-rate = 11", "success-rate", "standard deviations", "1.9 is usual"),
        ("success-rate = 2, min-endpoints = 2", "min-endpoints", "too few to", "failure-percent"),
        ("success-rate = 2, min-requests = 0", "min-requests", "of no requests", ""),
        ("failure-percent = 0", "failure-percent", "from 1 to 100", ""),
        ("failure-percent = 101", "failure-percent", "from 1 to 100", ""),
        ("failure-percent = 9, interval = \"0s\"", "interval", "nothing can be counted", "\"10s\""),
        ("failure-percent = 9, failures = 0, time = \"0s\"", "time", "come back at once", ""),
        ("max-ejected = 101", "max-ejected", "more than all", "per cent"),
    ];
    refused(rows.map(|(keys, path, message, help)| {
        (format!("ejection = {{ {keys} }}"), format!("ejection.{path}"), message, help)
    }))
    .await;
}

/// Its head alone does not make an answer.
#[tokio::test]
async fn who_breaks_answers_off_is_left_out_and_who_has_none_to_break_off_is_not() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut";
    for (answer, ends, ejected) in [
        (cut, true, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncut\r\n", true, true),
        (cut, false, true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall", true, false),
        ("HTTP/1.1 200 OK\r\n\r\nall", true, false),
        ("HTTP/1.1 204 None\r\n\r\n", true, false),
    ] {
        let breaks = Origin::script(move |mut peer| async move {
            peer.request().await;
            peer.send(answer).await;
            if !ends {
                peer.ended().await;
            }
        });
        let origins = [breaks.await, Origin::ok().await];
        let urls = format!("\"{}\", \"{}\"", origins[0].url, origins[1].url);
        let keys = "ejection = { failures = 3, time = \"1h\", max-time = \"1h\" }";
        let keys = format!("endpoints = [{urls}]\n{keys}\ntimeout.idle = \"50ms\"");
        let janua = upstream(&keys).start().await;
        for _ in 0..8 {
            let mut client = janua.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let head = client.head().await;
            client.body(head).await;
        }
        match ejected {
            true => until(answer, || count(&janua, "ejected") == 1).await,
            false => assert_eq!(count(&janua, "ejected"), 0, "{answer}"),
        }
    }
}
