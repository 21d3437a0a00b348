//! One fetch for many: who gets what while an answer is on its way, and who does not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use http::Request;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{ask, kept, landed, sent};
use crate::support::{Janua, Origin, PATIENCE, Setup, soon, until};

/// An origin that says the head, half of a body and the rest of it when it is allowed to.
struct Staged {
    origin: Origin,
    heads: Arc<Semaphore>,
    rests: Arc<Semaphore>,
}

/// Both halves of a body.
const HALF: usize = 50_000;

impl Staged {
    /// With these fields in its answers.
    async fn new(fields: &str) -> Self {
        Self::sized(fields, HALF).await
    }

    /// With halves of this size.
    async fn sized(fields: &str, size: usize) -> Self {
        let (heads, rests) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let count = Arc::new(AtomicUsize::new(0));
        let fields = fields.to_owned();
        let gates = (heads.clone(), rests.clone());
        let origin = Origin::script(move |mut peer| {
            let (gates, count, fields) = (gates.clone(), count.clone(), fields.clone());
            async move {
                while peer.request().await.is_some() {
                    let sign = char::from(b'a' + (count.fetch_add(1, Relaxed) % 26) as u8);
                    let half = sign.to_string().repeat(size);
                    gates.0.acquire().await.unwrap().forget();
                    let length = 2 * size;
                    peer.send(format!(
                        "HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{half}"
                    ))
                    .await;
                    gates.1.acquire().await.unwrap().forget();
                    peer.send(half).await;
                }
            }
        });
        Self { origin: origin.await, heads, rests }
    }

    async fn asked(&self, times: usize) {
        until("the origin is asked", || self.origin.requests().len() == times).await;
    }
}

fn body(sign: char) -> String {
    sign.to_string().repeat(2 * HALF)
}

const KEPT: &str = "Cache-Control: max-age=600\r\n";

/// Waits until so many requests wait for answers.
async fn inside(janua: &Janua, count: usize) {
    let world = janua.world();
    let flights = &world.caches.memory().flights;
    until("requests wait", || flights.readers() == count).await;
}

#[tokio::test]
async fn who_began_a_fetch_may_leave_before_its_head() {
    let staged = Staged::new(KEPT).await;
    let janua = kept(&staged.origin.url, "").start().await;
    let first = sent(&janua, "/", "").await;
    staged.asked(1).await;
    let mut others = vec![sent(&janua, "/", "").await, sent(&janua, "/", "").await];
    inside(&janua, 3).await;
    drop(first);
    inside(&janua, 2).await;
    staged.heads.add_permits(1);
    staged.rests.add_permits(1);
    for other in &mut others {
        let answer = other.answer().await;
        assert!(answer.complete && answer.text() == body('a'), "{answer:?}");
    }
    assert!(ask(&janua, "GET /", "").await.text() == body('a'));
    assert_eq!(staged.origin.requests().len(), 1);
}

/// Its origin closes for what one request says, and nobody else is refused for that.
#[tokio::test]
async fn who_waits_for_a_request_that_its_origin_drops_is_answered_all_the_same() {
    let may = Arc::new(Semaphore::new(0));
    let held = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = held.clone();
        async move {
            while let Some(request) = peer.request().await {
                may.acquire().await.unwrap().forget();
                if request.field("x-evil").is_some() {
                    return;
                }
                peer.send(format!("HTTP/1.1 200 OK\r\n{KEPT}Content-Length: 2\r\n\r\nok")).await;
            }
        }
    })
    .await;
    let janua = kept(&origin.url, "").start().await;
    let mut evil = sent(&janua, "/", "X-Evil: 1\r\n").await;
    until("the origin is asked", || origin.requests().len() == 1).await;
    let mut others = vec![sent(&janua, "/", "").await, sent(&janua, "/", "").await];
    inside(&janua, 3).await;
    may.add_permits(100);
    assert_eq!(evil.answer().await.status(), 502);
    for other in &mut others {
        assert_eq!(other.answer().await.text(), "ok");
    }
    let plain = origin.requests().iter().filter(|it| it.field("x-evil").is_none()).count();
    assert_eq!(plain, 1, "they still share one fetch");
}

#[tokio::test]
async fn who_began_a_fetch_may_leave_in_the_middle_of_its_body() {
    let staged = Staged::new(KEPT).await;
    let janua = kept(&staged.origin.url, "").start().await;
    let mut first = sent(&janua, "/", "").await;
    staged.asked(1).await;
    let mut other = sent(&janua, "/", "").await;
    inside(&janua, 2).await;
    staged.heads.add_permits(1);
    first.expect("a".repeat(HALF)).await;
    // Who comes late gets it from its beginning.
    let mut late = sent(&janua, "/", "").await;
    for client in [&mut other, &mut late] {
        client.expect("a".repeat(HALF)).await;
    }
    drop(first);
    inside(&janua, 2).await;
    staged.rests.add_permits(1);
    for client in [&mut other, &mut late] {
        assert_eq!(client.exactly(HALF).await, "a".repeat(HALF).as_bytes());
    }
    assert!(ask(&janua, "GET /", "").await.text() == body('a'));
    assert_eq!(staged.origin.requests().len(), 1);
}

#[tokio::test]
async fn what_nobody_waits_for_any_longer_is_kept_all_the_same() {
    let staged = Staged::new(KEPT).await;
    let janua = kept(&staged.origin.url, "").start().await;
    let first = sent(&janua, "/", "").await;
    staged.asked(1).await;
    drop(first);
    inside(&janua, 0).await;
    staged.heads.add_permits(1);
    staged.rests.add_permits(1);
    landed(&janua).await;
    assert!(ask(&janua, "GET /", "").await.text() == body('a'));
    assert_eq!(staged.origin.requests().len(), 1);
}

/// Of an answer that is too large to be kept, which nobody knew before it came.
#[tokio::test]
async fn who_takes_next_to_nothing_holds_nobody_up_for_long() {
    const LENGTH: usize = 40 << 20;
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let origin = Origin::script(move |mut peer| {
        let gate = gate.clone();
        async move {
            peer.request().await;
            let _permit = gate.acquire().await;
            peer.send(format!("HTTP/1.1 200 OK\r\n{KEPT}Connection: close\r\n\r\n")).await;
            for _ in 0..LENGTH >> 16 {
                peer.send([b'x'; 1 << 16]).await;
            }
        }
    })
    .await;
    let setup = Setup::new(format!(
        "[cache]\nmax-object = \"256KiB\"\n[[route]]\nto = \"{}\"\ncache = {{ wait = \"1s\" }}\n",
        origin.url
    ));
    let janua = setup.start().await;
    let mut slow = sent(&janua, "/", "Connection: close\r\n").await;
    let mut steady = sent(&janua, "/", "Connection: close\r\n").await;
    let mut fast = sent(&janua, "/", "").await;
    inside(&janua, 3).await;
    opened.add_permits(1);
    slow.head().await;
    slow.exactly(100).await;
    let head = steady.head().await;
    let steady = tokio::spawn(async move {
        let mut taken = 0;
        while steady.try_exactly(1 << 20).await.is_some() {
            taken += 1 << 20;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        taken + steady.ended().await.len()
    });
    assert_eq!(head.status(), 200);
    let answer = fast.answer().await;
    assert!(answer.complete && answer.body.len() == LENGTH, "{} bytes", answer.body.len());
    assert!(steady.await.unwrap() > LENGTH, "whoever is slower, but not slow, gets all");
    let rest = slow.ended().await.len();
    assert!(rest + 100 < LENGTH, "it was not cut");
    let is_told = |line: &Value| line["reason"] == "timeout.write";
    until("the log says why", || janua.log().iter().filter(|line| is_told(line)).count() == 1)
        .await;
    assert_eq!(origin.requests().len(), 1);
}

/// 80 connections with 125 streams each.
#[tokio::test]
async fn ten_thousand_misses_of_one_key_make_one_fetch() {
    const EACH: usize = 125;
    let staged = Staged::sized(KEPT, 100).await;
    let setup =
        kept(&staged.origin.url, "wait = \"60s\"").listener("h2c = true").server("workers = 2");
    let janua = setup.start().await;
    let began = Instant::now();
    let mut calls = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..10_000 / EACH {
        let mut http2 = janua.http2().await;
        for _ in 0..EACH {
            let request = Request::get("http://a.example/").body(()).unwrap();
            calls.push(http2.begin(request, true).await);
        }
        connections.push(http2);
    }
    staged.asked(1).await;
    let world = janua.world();
    let flights = &world.caches.memory().flights;
    while flights.readers() < 10_000 && began.elapsed() < 3 * PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(flights.readers(), 10_000);
    let waiting = began.elapsed();
    staged.heads.add_permits(1);
    staged.rests.add_permits(1);
    // All at once: a client that lets many small pieces lie about is cut off.
    let answers: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.answer())).collect();
    for answer in answers {
        let (answer, got) = answer.await.unwrap();
        assert!(answer.status() == 200 && got.len() == 200 && got.iter().all(|byte| *byte == b'a'));
    }
    println!("10,000 misses: all wait after {waiting:?}, all have it after {:?}", began.elapsed());
    assert_eq!(staged.origin.requests().len(), 1);
}

/// An origin whose first answer waits until it may come, and all others until there are so many of them; each
/// says its number.
async fn gathers(fields: &str, others: usize) -> (Origin, Arc<Semaphore>) {
    let may = Arc::new(Semaphore::new(0));
    let (count, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (fields, first) = (fields.to_owned(), may.clone());
    let origin = Origin::script(move |mut peer| {
        let (fields, first, count, all) =
            (fields.clone(), first.clone(), count.clone(), all.clone());
        async move {
            while peer.request().await.is_some() {
                let number = count.fetch_add(1, Relaxed);
                match number {
                    0 => first.acquire().await.unwrap().forget(),
                    _ => {
                        if number == others {
                            all.add_permits(others);
                        }
                        all.acquire().await.unwrap().forget();
                    }
                }
                let body = format!("{number:04}");
                peer.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\n{body}"))
                    .await;
            }
        }
    });
    (origin.await, may)
}

/// Answers that nobody but who asked may have.
const FOR_ONE: &[&str] = &[
    "Cache-Control: private, max-age=60\r\n",
    "Cache-Control: no-store\r\n",
    "Cache-Control: max-age=60\r\nSet-Cookie: a=1\r\n",
    "Cache-Control: max-age=60\r\nVary: *\r\n",
    "Content-Type: text/plain\r\n",
    // Kept, and not to be used without asking: not by those who waited either.
    "Cache-Control: no-cache\r\nETag: \"a\"\r\n",
    "Cache-Control: max-age=0\r\nETag: \"a\"\r\n",
    "Cache-Control: max-age=60\r\nAge: 60\r\nETag: \"a\"\r\n",
    "Cache-Control: max-age=600, s-maxage=0\r\nETag: \"a\"\r\n",
];

#[tokio::test]
async fn whoever_waited_for_what_is_for_one_goes_alone_and_at_once() {
    const OTHERS: usize = 9;
    for fields in FOR_ONE {
        let (origin, may) = gathers(fields, OTHERS).await;
        let janua = kept(&origin.url, "wait = \"60s\"").start().await;
        let mut clients = vec![sent(&janua, "/", "").await];
        until("the origin is asked", || origin.requests().len() == 1).await;
        for _ in 0..OTHERS {
            clients.push(sent(&janua, "/", "").await);
        }
        inside(&janua, 1 + OTHERS).await;
        assert_eq!(origin.requests().len(), 1, "{fields}");
        may.add_permits(1);
        let mut bodies = Vec::new();
        for client in &mut clients {
            bodies.push(client.answer().await.text());
        }
        bodies.sort_unstable();
        bodies.dedup();
        assert_eq!(bodies.len(), 1 + OTHERS, "{fields}: somebody has another's: {bodies:?}");
    }
}

/// What an origin says to credentials or cookies is nobody else's; that holds nobody else up, and those still get one
/// answer.
#[tokio::test]
async fn who_brings_nothing_waits_for_nobody_who_does_in_vain() {
    const OTHERS: usize = 9;
    for (answer, brings) in [
        ("Cache-Control: max-age=60\r\n", "Authorization: Bearer x\r\n"),
        ("ETag: \"a\"\r\nLast-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\n", "Cookie: a=1\r\n"),
    ] {
        let (origin, may) = gathers(answer, 1).await;
        let janua = kept(&origin.url, "wait = \"60s\"").start().await;
        let mut first = sent(&janua, "/", brings).await;
        until("the origin is asked", || origin.requests().len() == 1).await;
        let mut clients = Vec::new();
        for _ in 0..OTHERS {
            clients.push(sent(&janua, "/", "").await);
        }
        let world = janua.world();
        let flights = &world.caches.memory().flights;
        until("they wait, or need not", || {
            flights.readers() == 1 + OTHERS || origin.requests().len() == 2
        })
        .await;
        may.add_permits(1);
        assert_eq!(first.answer().await.text(), "0000", "{brings}");
        for client in &mut clients {
            assert_eq!(client.answer().await.text(), "0001", "{brings}");
        }
        landed(&janua).await;
        // Nor is it noted that it is no use to keep it.
        assert_eq!(ask(&janua, "GET /", "").await.text(), "0001", "{brings}");
        assert_eq!(origin.requests().len(), 2, "{brings}");
    }
}

#[tokio::test]
async fn what_varies_is_for_those_who_ask_the_same() {
    let (origin, may) = gathers("Cache-Control: max-age=60\r\nVary: X-A\r\n", 1).await;
    let janua = kept(&origin.url, "").start().await;
    let mut clients = vec![sent(&janua, "/", "X-A: 1\r\n").await];
    until("the origin is asked", || origin.requests().len() == 1).await;
    for fields in ["X-A: 1\r\n", "X-A: 2\r\n", "X-A: 1\r\n", "X-A: 2\r\n"] {
        clients.push(sent(&janua, "/", fields).await);
    }
    inside(&janua, 5).await;
    may.add_permits(1);
    let mut bodies = Vec::new();
    for client in &mut clients {
        bodies.push(client.answer().await.text());
    }
    assert_eq!(bodies, ["0000", "0000", "0001", "0000", "0001"]);
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn those_who_ask_for_other_variants_do_not_wait_for_each_other() {
    // It answers the others when all four have come.
    let (origin, may) = gathers("Cache-Control: max-age=60\r\nVary: X-A\r\n", 4).await;
    let janua = kept(&origin.url, "").start().await;
    let mut clients = vec![sent(&janua, "/", "X-A: 0\r\n").await];
    until("the origin is asked", || origin.requests().len() == 1).await;
    for variant in [1, 2, 3, 4, 1, 2, 3, 4] {
        clients.push(sent(&janua, "/", &format!("X-A: {variant}\r\n")).await);
    }
    inside(&janua, 9).await;
    may.add_permits(1);
    for client in &mut clients {
        assert_eq!(client.answer().await.status(), 200);
    }
    assert_eq!(origin.requests().len(), 5, "and each once");
}

#[tokio::test]
async fn who_comes_late_does_not_get_what_is_stale_by_then() {
    let staged = Staged::new("Cache-Control: max-age=60\r\nAge: 60\r\nETag: \"a\"\r\n").await;
    let janua = kept(&staged.origin.url, "").start().await;
    let mut first = sent(&janua, "/", "").await;
    staged.heads.add_permits(1);
    first.expect("a".repeat(HALF)).await;
    let mut late = sent(&janua, "/", "").await;
    staged.asked(2).await;
    staged.heads.add_permits(1);
    late.expect("b".repeat(HALF)).await;
}

#[tokio::test]
async fn a_reload_does_not_get_what_is_on_its_way_already() {
    let staged = Staged::new(KEPT).await;
    let janua = kept(&staged.origin.url, "").start().await;
    let mut first = sent(&janua, "/", "").await;
    staged.heads.add_permits(1);
    first.expect("a".repeat(HALF)).await;
    let mut reload = sent(&janua, "/", "Cache-Control: no-cache\r\n").await;
    staged.asked(2).await;
    staged.heads.add_permits(1);
    reload.expect("b".repeat(HALF)).await;
}

/// RFC 9111, section 4.4: who has changed something sees it.
#[tokio::test]
async fn what_was_asked_for_before_a_change_is_not_given_after_it() {
    let staged = Staged::new(KEPT).await;
    let janua = kept(&staged.origin.url, "").start().await;
    let mut before = sent(&janua, "/", "").await;
    staged.asked(1).await;
    let mut change = janua.client().await;
    change.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n").await;
    staged.asked(2).await;
    // The first of the two that wait is the first that may.
    staged.heads.add_permits(1);
    before.expect("a".repeat(HALF)).await;
    staged.heads.add_permits(1);
    change.expect("b".repeat(HALF)).await;
    let mut after = sent(&janua, "/", "").await;
    staged.asked(3).await;
    staged.heads.add_permits(1);
    after.expect("c".repeat(HALF)).await;
    staged.rests.add_permits(3);
    for client in [&mut before, &mut change, &mut after] {
        client.exactly(HALF).await;
    }
    landed(&janua).await;
    assert!(ask(&janua, "GET /", "").await.text() == body('c'), "what is kept is of before");
    assert_eq!(staged.origin.requests().len(), 3);
}

#[tokio::test]
async fn what_was_asked_for_before_a_purge_is_not_given_after_it() {
    for all in ["all=true", "url=http://a.example/", "host=a.example"] {
        let staged = Staged::new(KEPT).await;
        let janua = kept(&staged.origin.url, "").start().await;
        let mut before = sent(&janua, "/", "").await;
        staged.asked(1).await;
        super::purge::purge(&janua, all);
        let mut after = sent(&janua, "/", "").await;
        staged.asked(2).await;
        staged.heads.add_permits(2);
        staged.rests.add_permits(2);
        assert!(before.answer().await.text() == body('a'), "{all}");
        assert!(after.answer().await.text() == body('b'), "{all}");
        landed(&janua).await;
        assert!(ask(&janua, "GET /", "").await.text() == body('b'), "{all}");
    }
}

#[tokio::test]
async fn nobody_waits_where_nobody_is_to() {
    let (origin, may) = Origin::held().await;
    let janua = kept(&origin.url, "ttl = \"1m\", wait = \"0s\"").start().await;
    let mut clients = Vec::new();
    for count in 1..=3 {
        clients.push(sent(&janua, "/", "").await);
        until("the origin is asked", || origin.requests().len() == count).await;
    }
    may.add_permits(3);
    for client in &mut clients {
        assert_eq!(client.answer().await.text(), "ok");
    }
}

#[tokio::test]
async fn who_has_waited_long_enough_goes_alone() {
    let (origin, may) = Origin::held().await;
    let janua = kept(&origin.url, "ttl = \"1m\", wait = \"50ms\"").start().await;
    let mut first = sent(&janua, "/", "").await;
    until("the origin is asked", || origin.requests().len() == 1).await;
    let began = Instant::now();
    let mut second = sent(&janua, "/", "").await;
    until("the origin is asked again", || origin.requests().len() == 2).await;
    assert!(began.elapsed() >= Duration::from_millis(50), "{:?}", began.elapsed());
    may.add_permits(2);
    for client in [&mut first, &mut second] {
        assert_eq!(client.answer().await.text(), "ok");
    }
}

#[tokio::test]
async fn who_goes_alone_gets_what_is_stale_where_the_origin_fails() {
    let count = Arc::new(AtomicUsize::new(0));
    let origin = Origin::script(move |mut peer| {
        let count = count.clone();
        async move {
            while peer.request().await.is_some() {
                match count.fetch_add(1, Relaxed) {
                    0 => {
                        let fields = "Cache-Control: max-age=60, stale-if-error=600\r\nAge: 90\r\n";
                        let length = "Content-Length: 2\r\n";
                        peer.send(format!("HTTP/1.1 200 OK\r\n{fields}{length}\r\nok")).await;
                    }
                    1 => std::future::pending().await,
                    _ => return,
                }
            }
        }
    })
    .await;
    let janua = kept(&origin.url, "wait = \"50ms\"").start().await;
    ask(&janua, "GET /", "").await;
    landed(&janua).await;
    let _waits = sent(&janua, "/", "").await;
    until("the origin is asked", || origin.requests().len() == 2).await;
    let answer = ask(&janua, "GET /", "").await;
    assert_eq!((answer.status(), &*answer.text()), (200, "ok"));
    assert!(origin.requests().len() > 2, "it went alone");
    let counted = |how| {
        janua.counted(&format!("janua_cache_requests_total{{route=\"r\",outcome=\"{how}\"}}"))
    };
    assert_eq!((counted("stale"), counted("passed")), (1, 0), "{}", janua.metrics());
}

#[tokio::test]
async fn many_stale_hits_are_validated_once() {
    let may = Arc::new(Semaphore::new(1));
    let known = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = known.clone();
        async move {
            while peer.request().await.is_some() {
                may.acquire().await.unwrap().forget();
                let fields = "Cache-Control: max-age=60, stale-while-revalidate=600\r\nAge: 90\r\n";
                peer.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok")).await;
            }
        }
    })
    .await;
    let janua = kept(&origin.url, "").server("workers = 2").start().await;
    ask(&janua, "GET /", "").await;
    landed(&janua).await;
    for _ in 0..50 {
        assert_eq!(ask(&janua, "GET /", "").await.text(), "ok");
    }
    until("the origin is asked behind them", || origin.requests().len() >= 2).await;
    assert_eq!(origin.requests().len(), 2);
    may.add_permits(1);
    landed(&janua).await;
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn an_origin_that_fails_is_asked_once_more_and_not_by_all_who_waited() {
    let may = Arc::new(Semaphore::new(0));
    let known = may.clone();
    let origin = Origin::script(move |mut peer| {
        let may = known.clone();
        async move {
            peer.request().await;
            may.acquire().await.unwrap().forget();
        }
    })
    .await;
    let janua = kept(&origin.url, "wait = \"60s\"").start().await;
    let mut clients = vec![sent(&janua, "/", "").await];
    until("the origin is asked", || origin.requests().len() == 1).await;
    for _ in 0..9 {
        clients.push(sent(&janua, "/", "").await);
    }
    inside(&janua, 10).await;
    may.add_permits(100);
    for client in &mut clients {
        soon("502", client.answer()).await.assert_refused(502, "upstream.reset", "all of them");
    }
    assert_eq!(origin.requests().len(), 2, "once it may have been for what that one said");
}
