//! Origins that break off, lie about lengths, send too much or are gone: nothing torn is kept or given as if it
//! were whole, and memory stays within its bounds.

use std::time::Duration;

use super::{ask, kept, landed, sent, shelved};
use crate::support::{Client, Janua, Origin, Setup, alone, until};

const HEAD: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";

/// How an answer ends before it should, and what of it was said.
const TORN: &[(&str, &str, bool)] = &[
    ("fewer bytes than announced", "Content-Length: 10\r\n\r\nhello", false),
    ("fewer bytes, and a reset", "Content-Length: 10\r\n\r\nhello", true),
    ("within a chunk", "Transfer-Encoding: chunked\r\n\r\n9\r\nhello", false),
    ("before the last chunk", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
    ("a chunk that is none", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n", false),
    ("until a reset", "Connection: close\r\n\r\nhello", true),
];

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_all_and_is_not_kept() {
    for (name, rest, resets) in TORN {
        let origin = Origin::script(move |mut peer| async move {
            peer.request().await;
            peer.send(format!("{HEAD}{rest}")).await;
            if *resets {
                // What was sent is not to be lost by the reset.
                tokio::time::sleep(Duration::from_millis(50)).await;
                peer.reset();
            }
        })
        .await;
        let janua = kept(&origin.url, "").start().await;
        for asked in 1..=2 {
            let mut clients = [sent(&janua, "/", "").await, sent(&janua, "/", "").await];
            for client in &mut clients {
                let head = client.head().await;
                assert_eq!(head.status(), 200, "{name}");
                let answer = client.body(head).await;
                assert!(!answer.complete, "{name}: {answer:?}");
            }
            landed(&janua).await;
            assert!(origin.requests().len() >= asked, "{name}: it was kept");
        }
        assert_eq!(janua.counted("janua_cache_stored_total{route=\"r\"}"), 0, "{name}");
        let refused = "janua_cache_not_stored_total{route=\"r\",reason=\"incomplete\"}";
        assert!(janua.counted(refused) >= 2, "{name}: {}", janua.metrics());
    }
}

#[tokio::test]
async fn bytes_behind_the_end_are_of_no_answer() {
    let origin = Origin::script(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(format!("{HEAD}Content-Length: 2\r\n\r\nhello, world")).await;
        }
    })
    .await;
    let janua = kept(&origin.url, "").start().await;
    for path in ["/", "/", "/b", "/b"] {
        assert_eq!(ask(&janua, &format!("GET {path}"), "").await.text(), "he", "{path}");
    }
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_of_unknown_length_is_kept_whole() {
    for rest in [
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Connection: close\r\n\r\nhello",
    ] {
        let origin = Origin::script(move |mut peer| async move {
            peer.request().await;
            peer.send(format!("{HEAD}{rest}")).await;
        })
        .await;
        let janua = kept(&origin.url, "").start().await;
        for _ in 0..2 {
            assert_eq!(ask(&janua, "GET /", "").await.text(), "hello", "{rest}");
        }
        let answer = ask(&janua, "GET /", "Range: bytes=1-2\r\n").await;
        assert_eq!((answer.status(), &*answer.text()), (206, "el"), "{rest}");
        assert_eq!(origin.requests().len(), 1, "{rest}");
    }
}

/// One that is too large, or for which there is no room.
async fn streams_by(cache: &str, reason: &str) {
    const LENGTH: usize = 2 << 20;
    for framing in [format!("Content-Length: {LENGTH}\r\n"), "Connection: close\r\n".into()] {
        let head = format!("{HEAD}{framing}\r\n");
        let origin = Origin::script(move |mut peer| {
            let head = head.clone();
            async move {
                peer.request().await;
                peer.send(head).await;
                for _ in 0..LENGTH >> 14 {
                    peer.send([b'x'; 1 << 14]).await;
                }
            }
        })
        .await;
        let rules = format!(
            "[cache]\n{cache}\n[[route]]\nname = \"r\"\nto = \"{}\"\ncache = true\n",
            origin.url
        );
        let janua = Setup::new(rules).start().await;
        for asked in 1..=2 {
            let mut clients = [sent(&janua, "/", "").await, sent(&janua, "/", "").await];
            let [one, other] = &mut clients;
            let (one, other) = tokio::join!(one.answer(), other.answer());
            for answer in [one, other] {
                assert!(answer.complete && answer.body.len() == LENGTH, "{cache} {framing}");
                assert!(answer.body.iter().all(|byte| *byte == b'x'));
            }
            landed(&janua).await;
            assert!(origin.requests().len() >= asked, "{cache} {framing}: it was kept");
        }
        assert_eq!(janua.counted("janua_cache_stored_total{route=\"r\"}"), 0, "{framing}");
        let refused = format!("janua_cache_not_stored_total{{route=\"r\",reason=\"{reason}\"}}");
        assert!(janua.counted(&refused) >= 1, "{cache} {framing}: {}", janua.metrics());
        assert_eq!(shelved(&janua).filling, 0);
    }
}

#[tokio::test]
async fn an_answer_that_grows_too_large_streams_to_all_and_is_not_kept() {
    streams_by("size = \"8MiB\"\nmax-object = \"256KiB\"", "too_large").await;
}

#[tokio::test]
async fn an_answer_for_which_there_is_no_room_on_its_way_streams_by() {
    streams_by("max-filling = \"64KiB\"", "too_large").await;
}

/// Bytes that this process has in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

#[test]
fn an_answer_in_tiny_chunks_takes_no_more_memory_than_it_has_bytes() {
    alone(an_answer_in_tiny_chunks_takes_no_more_memory_than_it_has_bytes, async {
        const LENGTH: usize = 300_000;
        let origin = Origin::script(|mut peer| async move {
            peer.request().await;
            peer.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n")).await;
            peer.send("1\r\nx\r\n".repeat(LENGTH)).await;
            // Not its end: all of it is on its way.
            peer.request().await;
        })
        .await;
        let janua = kept(&origin.url, "").start().await;
        let mut client = sent(&janua, "/", "").await;
        assert_eq!(client.head().await.status(), 200);
        let before = resident();
        until("it is on its way", || shelved(&janua).filling >= LENGTH as u64).await;
        let (taken, counted) = (resident().saturating_sub(before), shelved(&janua).filling);
        assert!(counted < 2 * LENGTH as u64, "{counted}");
        assert!(taken < 12 << 20, "{taken} bytes for {LENGTH}");
    });
}

/// Bytes of an answer that is read slowly.
const LARGE: usize = 8 << 20;

/// An origin, a gateway that keeps its answer, and readers of it who have read the head of theirs; fails the test if
/// what they hold grows with them.
async fn slowly_read(fields: &str, status: u16) -> (Origin, Janua, Vec<Client>) {
    const READERS: usize = 30;
    let head = format!("{HEAD}Content-Length: {LARGE}\r\n\r\n");
    let (origin, _) = Origin::floods(head, b'x', LARGE).await;
    let janua = kept(&origin.url, "").start().await;
    assert_eq!(ask(&janua, "GET /", "").await.body.len(), LARGE);
    landed(&janua).await;
    let before = resident();
    let mut readers: Vec<Client> = Vec::new();
    for _ in 0..READERS {
        let mut reader = sent(&janua, "/", fields).await;
        assert_eq!(reader.head().await.status(), status);
        readers.push(reader);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < READERS * LARGE / 3, "{grown} bytes for {READERS} readers");
    (origin, janua, readers)
}

#[test]
fn slow_readers_hold_what_is_kept_and_no_more() {
    alone(slow_readers_hold_what_is_kept_and_no_more, async {
        let (origin, janua, mut readers) = slowly_read("", 200).await;
        assert_eq!(shelved(&janua).filling, 0);
        let held = shelved(&janua).bytes;
        assert!((LARGE..LARGE + (1 << 20)).contains(&usize::try_from(held).unwrap()), "{held}");
        // What is purged is whole for those who read it.
        super::purge::purge(&janua, "all=true");
        until("it is gone", || shelved(&janua).bytes < 1 << 20).await;
        let mut reader = readers.pop().unwrap();
        drop(readers);
        let rest = reader.exactly(LARGE).await;
        assert!(rest.iter().all(|byte| *byte == b'x'));
        assert_eq!(origin.requests().len(), 1);
    });
}

/// Several parts are put together of what is kept, not copied for each reader.
#[test]
fn slow_readers_of_several_parts_hold_what_is_kept_and_no_more() {
    alone(slow_readers_of_several_parts_hold_what_is_kept_and_no_more, async {
        let (_origin, _janua, mut readers) = slowly_read("Range: bytes=0-0,2-\r\n", 206).await;
        let mut reader = readers.pop().unwrap();
        drop(readers);
        let parts = String::from_utf8(reader.expect("--\r\n").await).unwrap();
        let rest = "x".repeat(LARGE - 2);
        let last = LARGE - 1;
        let part = format!("content-range: bytes 2-{last}/{LARGE}\r\n\r\n{rest}\r\n--");
        assert!(parts.contains(&part));
    });
}

/// Each of them holds another one, which is evicted for the next.
#[test]
fn slow_readers_of_many_answers_hold_no_more_than_there_is_room_for() {
    alone(slow_readers_of_many_answers_hold_no_more_than_there_is_room_for, async {
        /// More than sockets take in by themselves.
        const LENGTH: usize = 8 << 20;
        const ROOM: u64 = 64 + 16;
        let origin = Origin::script(|mut peer| async move {
            while peer.request().await.is_some() {
                peer.send(format!("{HEAD}Content-Length: {LENGTH}\r\n\r\n")).await;
                peer.send(vec![b'x'; LENGTH]).await;
            }
        });
        let origin = origin.await;
        let janua = Setup::new(format!(
            "[cache]\nsize = \"64MiB\"\nmax-object = \"8MiB\"\nmax-filling = \"16MiB\"\n\
             [[route]]\nname = \"r\"\nto = \"{}\"\ncache = true\n",
            origin.url
        ));
        let janua = janua.start().await;
        let mut readers: Vec<Client> = Vec::new();
        let held = || shelved(&janua).large >> 20;
        for number in 0..14 {
            let is_kept = held() + 16 <= ROOM;
            // One who has it fetched, and one who gets what is kept, if it is.
            for _ in 0..2 {
                let mut reader = sent(&janua, &format!("/{number}"), "").await;
                assert_eq!(reader.head().await.status(), 200);
                readers.push(reader);
                let stored = || janua.counted("janua_cache_stored_total{route=\"r\"}");
                until("it is kept", || !is_kept || stored() > number).await;
            }
            assert!(held() <= ROOM, "{} MiB for {number} readers", held());
        }
        assert!(held() >= ROOM - 16, "{} MiB", held());
        for mut reader in readers {
            let body = reader.exactly(LENGTH).await;
            assert!(body.iter().all(|byte| *byte == b'x'));
        }
        until("room again", || held() <= 64).await;
    });
}

/// An origin that is gone, or says nothing.
#[tokio::test]
async fn what_is_stale_is_given_while_the_origin_is_away() {
    for (allowed, silent) in [(true, false), (true, true), (false, false), (false, true)] {
        let stale = if allowed { "stale-if-error=600" } else { "must-revalidate" };
        let fields = format!("Cache-Control: max-age=60, {stale}\r\nAge: 70\r\nETag: \"a\"\r\n");
        let origin = Origin::script(move |mut peer| {
            let fields = fields.clone();
            async move {
                peer.request().await;
                if peer.number == 0 {
                    peer.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"))
                        .await;
                }
                if silent {
                    peer.ended().await;
                }
            }
        })
        .await;
        let setup = Setup::new(format!(
            "[upstream.u]\nendpoints = \"{}\"\ntimeout.first-byte = \"200ms\"\n\
             [[route]]\nname = \"r\"\nto = \"u\"\ncache = {{ cache-status = true }}\n",
            origin.url
        ));
        let janua = setup.start().await;
        assert_eq!(ask(&janua, "GET /", "").await.text(), "ok");
        landed(&janua).await;
        if !silent {
            drop(origin);
        }
        for _ in 0..2 {
            let answer = ask(&janua, "GET /", "").await;
            let is = (answer.status(), answer.field("cache-status").unwrap_or_default());
            if allowed {
                assert_eq!((is.0, &*answer.text()), (200, "ok"), "{silent}");
                assert!(is.1.contains("detail=stale"), "{answer:?}");
            } else {
                assert!(matches!(is.0, 502 | 504), "{silent}: {answer:?}");
            }
        }
    }
}

/// Nothing is sent while the circuit is open.
#[tokio::test]
async fn what_is_stale_is_given_while_the_breaker_is_open() {
    for (rule, given) in [("stale-if-error=600", Some("ok")), ("must-revalidate", None)] {
        let origin = Origin::script(move |mut peer| async move {
            while let Some(request) = peer.request().await {
                let answer = match request.target() {
                    "/" => format!(
                        "200 OK\r\nCache-Control: max-age=60, {rule}\r\nAge: 70\r\nETag: \"a\""
                    ),
                    _ => "503 Busy\r\nCache-Control: no-store".into(),
                };
                peer.send(format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nok")).await;
            }
        })
        .await;
        let setup = Setup::new(format!(
            "[upstream.u]\nendpoints = \"{}\"\nbreaker = {{ min-requests = 4, time = \"60s\" }}\n\
             [[route]]\nname = \"r\"\nto = \"u\"\ncache = true\n",
            origin.url
        ));
        let janua = setup.start().await;
        assert_eq!(ask(&janua, "GET /", "").await.text(), "ok");
        landed(&janua).await;
        let state = "janua_upstream_breaker{upstream=\"u\"}";
        while janua.counted(state) == 0 {
            assert_eq!(ask(&janua, "GET /fails", "").await.status(), 503);
            assert!(origin.requests().len() < 20, "it never opens");
        }
        let asked = origin.requests().len();
        let answer = ask(&janua, "GET /", "").await;
        match given {
            Some(text) => assert_eq!((answer.status(), &*answer.text()), (200, text)),
            None => answer.assert_refused(503, "upstream.breaker_open", rule),
        }
        assert_eq!(origin.requests().len(), asked, "{rule}");
    }
}

/// There is no room at the upstream for who would ask it.
#[tokio::test]
async fn what_is_stale_is_given_while_the_origin_is_busy() {
    let fields = "Cache-Control: max-age=60, stale-if-error=600\r\nAge: 70\r\nETag: \"a\"\r\n";
    let origin = Origin::script(move |mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.target() == "/held" {
                peer.ended().await;
                return;
            }
            peer.send(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok")).await;
        }
    })
    .await;
    let setup = Setup::new(format!(
        "[upstream.u]\nendpoints = \"{}\"\nmax-in-flight = 1\n[[route]]\nname = \"r\"\nto = \"u\"\ncache = true\n",
        origin.url
    ));
    let janua = setup.start().await;
    assert_eq!(ask(&janua, "GET /", "").await.text(), "ok");
    landed(&janua).await;
    let _held = sent(&janua, "/held", "Cache-Control: no-store\r\n").await;
    until("the origin is busy", || origin.requests().len() == 2).await;
    let answer = ask(&janua, "GET /", "").await;
    assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{answer:?}");
    let answer = ask(&janua, "GET /other", "").await;
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert_eq!(origin.requests().len(), 2);
}
