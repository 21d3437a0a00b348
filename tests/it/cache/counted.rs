//! What the metrics say of the cache.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::Semaphore;

use super::{ask, kept, landed, sent, shelved};
use crate::support::{Janua, Origin, Setup, alone, until};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";

/// The series of a family that are not 0: by their last label.
fn counted(janua: &Janua, family: &str) -> BTreeMap<String, u64> {
    let page = janua.metrics();
    let series = page.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
    let series = series.map(|line| line.rsplit_once("\"} ").unwrap());
    let series = series.map(|(labels, count)| {
        (labels.rsplit_once('"').unwrap().1.to_owned(), count.parse::<u64>().unwrap())
    });
    series.filter(|(_, count)| *count > 0).collect()
}

#[tokio::test]
async fn a_request_is_counted_by_what_became_of_it() {
    let may = Arc::new(Semaphore::new(0));
    let slow = may.clone();
    let origin = Origin::script(move |mut peer| {
        let slow = slow.clone();
        async move {
            while let Some(request) = peer.request().await {
                let fields = match request.target() {
                    "/holds" => "Cache-Control: max-age=60\r\n",
                    "/stale" => {
                        "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 90\r\n"
                    }
                    "/asked" if request.field("if-none-match").is_some() => {
                        peer.send("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n").await;
                        continue;
                    }
                    "/asked" => "Cache-Control: max-age=60\r\nAge: 90\r\nETag: \"a\"\r\n",
                    _ => {
                        slow.acquire().await.unwrap().forget();
                        "Cache-Control: max-age=60\r\n"
                    }
                };
                peer.send(format!("{OK}{fields}\r\nok")).await;
            }
        }
    })
    .await;
    let janua = kept(&origin.url, "").start().await;
    let mut expected = BTreeMap::new();
    for (target, outcomes) in [
        ("/holds", ["miss", "hit", "hit"]),
        ("/stale", ["miss", "stale", "stale"]),
        ("/asked", ["miss", "validated", "hit"]),
    ] {
        for outcome in outcomes {
            assert_eq!(ask(&janua, &format!("GET {target}"), "").await.text(), "ok", "{target}");
            landed(&janua).await;
            *expected.entry(outcome.to_owned()).or_insert(0) += 1;
            assert_eq!(counted(&janua, "janua_cache_requests_total"), expected, "{target}");
        }
    }
    let mut clients = Vec::new();
    for waiting in 1..=3 {
        clients.push(sent(&janua, "/slow", "").await);
        until("it is there", || janua.counted("janua_requests_in_flight") == waiting).await;
    }
    may.add_permits(2);
    for client in &mut clients {
        assert_eq!(client.answer().await.text(), "ok");
    }
    ask(&janua, "POST /slow", "Content-Length: 0\r\n").await;
    for (outcome, times) in [("miss", 1), ("joined", 2), ("passed", 1)] {
        *expected.entry(outcome.to_owned()).or_insert(0) += times;
    }
    assert_eq!(counted(&janua, "janua_cache_requests_total"), expected);
}

#[tokio::test]
async fn an_answer_that_is_not_kept_is_counted_by_its_reason() {
    const HOLDS: &str = "Cache-Control: max-age=60\r\n";
    for (reason, request, answer) in [
        ("status", "", &*format!("HTTP/1.1 404 None\r\nContent-Length: 2\r\n{HOLDS}")),
        ("no_store", "", &format!("{OK}Cache-Control: no-store\r\n")),
        ("private", "", &format!("{OK}Cache-Control: private\r\n")),
        ("authorization", "Authorization: Basic YTpi\r\n", &format!("{OK}{HOLDS}")),
        ("set_cookie", "", &format!("{OK}{HOLDS}Set-Cookie: a=b\r\n")),
        ("cookie", "Cookie: a=b\r\n", &format!("{OK}ETag: \"a\"\r\n")),
        ("vary_star", "", &format!("{OK}{HOLDS}Vary: *\r\n")),
        ("no_lifetime", "", OK),
        ("expired", "", &format!("{OK}Cache-Control: max-age=0\r\n")),
        ("no_cache", "", &format!("{OK}Cache-Control: no-cache\r\n")),
    ] {
        let origin = Origin::answering(format!("{answer}\r\nok")).await;
        let janua = kept(&origin.url, "status = [200]").start().await;
        ask(&janua, "GET /", request).await;
        landed(&janua).await;
        let once = BTreeMap::from([(reason.to_owned(), 1)]);
        assert_eq!(counted(&janua, "janua_cache_not_stored_total"), once, "{reason}");
        assert_eq!(janua.counted("janua_cache_stored_total{route=\"r\"}"), 0, "{reason}");
        assert_eq!(janua.counted("janua_cache_objects"), 0, "{reason}");
    }
}

#[test]
fn the_page_says_what_memory_holds_and_what_made_room() {
    alone(the_page_says_what_memory_holds_and_what_made_room, async {
        const LENGTH: usize = 100 << 10;
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\nCache-Control: max-age=60");
        let origin = Origin::answering(format!("{head}\r\n\r\n{}", "x".repeat(LENGTH))).await;
        let janua = Setup::new(format!(
            "[cache]\nsize = \"2MiB\"\nmax-object = \"256KiB\"\n\
             [[route]]\nname = \"r\"\ncache = true\nto = \"{}\"\n",
            origin.url
        ))
        .start()
        .await;
        let value = |series| janua.counted(series);
        for (count, fits) in [(10, true), (40, false)] {
            for at in 0..count {
                assert_eq!(ask(&janua, &format!("GET /{at}"), "").await.body.len(), LENGTH);
                landed(&janua).await;
            }
            let (objects, evicted) =
                (value("janua_cache_objects"), value("janua_cache_evictions_total"));
            assert_eq!(objects + evicted, value("janua_cache_stored_total{route=\"r\"}"));
            assert_eq!(evicted == 0, fits, "{evicted}");
            let bytes = value("janua_cache_bytes");
            assert!((objects * LENGTH as u64..2 << 20).contains(&bytes), "{objects}: {bytes}");
            // Also what is still read: a moment longer than its client waits for it.
            until("nobody reads", || value("janua_cache_large_bytes") == objects * LENGTH as u64)
                .await;
            assert_eq!(value("janua_cache_capacity_bytes"), 2 << 20);
            assert_eq!(value("janua_cache_filling_bytes"), 0);
            let shelved = shelved(&janua);
            assert_eq!((objects, evicted), (shelved.objects, shelved.evicted));
        }
    });
}
