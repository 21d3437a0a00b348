//! What the next process has, and what it must not have.

use aws_lc_rs::digest::{SHA256, digest};
use rustix::process::Signal;

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::*;
use crate::support::Door;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_is_there_after_the_end_and_after_a_kill() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let daemon = begin(&text);
    for target in ["/small/100", "/large/3000000"] {
        assert_eq!(daemon.public.get(target).0, 200);
    }
    daemon.signal(Signal::TERM);
    let mut daemon = start(daemon.stopped(), &text);
    for _ in 0..2 {
        for target in ["/small/100", "/large/3000000"] {
            let (status, answer) = daemon.public.get(target);
            assert!(status == 200 && answer.ends_with(&format!("\r\n\r\n{}", body(target))));
            assert!(answer.contains("cache-status: janua; hit; ttl=5"), "{answer:.300}");
            assert!(answer.contains("\r\nage: "), "{answer:.300}");
        }
        daemon = again(daemon, &text);
    }
    let (status, answer) = daemon.public.ask("HEAD /small/100", "");
    assert!(status == 200 && answer.contains("content-length: 100"), "{answer}");
    let daemon = again(daemon, &text);
    let (status, answer) = daemon.public.ask("GET /large/3000000", "Range: bytes=7-9\r\n");
    assert!(status == 206 && answer.ends_with("\r\n\r\n300"), "{answer}");
    assert_eq!(origin.requests().len(), 2, "the origin was asked once for each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stale_is_validated() {
    let origin = origin("Cache-Control: max-age=0\r\nETag: \"1\"\r\n").await;
    let text = text(DISK, &origin, "");
    let daemon = begin(&text);
    daemon.public.get("/x/100");
    until_written(&daemon, 1);
    let daemon = again(daemon, &text);
    let (status, answer) = daemon.public.get("/x/100");
    assert!(status == 200 && answer.ends_with(&body("/x/100")), "{answer}");
    assert_eq!(origin.last().field("if-none-match").as_deref(), Some("\"1\""));
}

/// Also for requests that go by the cache where it has nothing fresh.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stale_is_given_where_the_origin_fails() {
    let fails = Arc::new(AtomicBool::new(false));
    let known = fails.clone();
    let origin = Origin::script(move |mut peer| {
        let fails = known.clone();
        async move {
            while peer.request().await.is_some() && !fails.load(Relaxed) {
                let fields = "Cache-Control: max-age=0, stale-if-error=600\r\n";
                let length = "Content-Length: 2\r\n";
                peer.send(format!("HTTP/1.1 200 OK\r\n{fields}{length}\r\nok")).await;
            }
        }
    })
    .await;
    let text = text(DISK, &origin, "");
    let daemon = begin(&text);
    daemon.public.get("/x");
    until_written(&daemon, 1);
    let mut daemon = again(daemon, &text);
    fails.store(true, Relaxed);
    for line in ["HEAD /x", "GET /x"] {
        let (status, answer) = daemon.public.ask(line, "");
        assert_eq!(status, 200, "{line}: {answer}");
        // Not what memory has by now.
        daemon = again(daemon, &text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_not_all_the_room_there_is() {
    let origin = origin(FRESH).await;
    let memory = format!("size = \"1MiB\"\nmax-object = \"100KiB\"\nmax-variants = 4\n{DISK}");
    let daemon = begin(&text(&memory, &origin, ""));
    let target = |number: usize| format!("/{number}/90000");
    for number in 0..40 {
        assert_eq!(daemon.public.get(&target(number)).0, 200);
    }
    until_written(&daemon, 40);
    for number in 0..40 {
        assert!(has(&daemon, &target(number), ""), "{number}");
    }
    assert_eq!(origin.requests().len(), 40);
    assert!(metric(&daemon, "hits_total") >= 28 && metric(&daemon, "errors_total") == 0);
    let (_, stats) = daemon.admin().get("/cache");
    assert!(stats.contains("\"disk\":{\"state\":\"ready\",") && stats.contains("\"objects\":40"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_want_the_same_ask_the_disk_once_and_the_origin_never() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let daemon = begin(&text);
    daemon.public.get("/x/500000");
    until_written(&daemon, 1);
    let daemon = again(daemon, &text);
    let door = &daemon.public;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..30).map(|_| scope.spawn(|| door.get("/x/500000"))).collect();
        for one in all {
            let (status, answer) = one.join().unwrap();
            assert!(status == 200 && answer.ends_with(&body("/x/500000")));
        }
    });
    assert_eq!((origin.requests().len(), metric(&daemon, "hits_total")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_given_anothers_by_the_next_process_either() {
    let origin = origin(FRESH).await;
    let keys: Vec<_> = ["alice", "bob"]
        .iter()
        .map(|id| {
            let sum = digest(&SHA256, format!("secret-of-{id}-0123456789").as_bytes());
            let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{{ id = \"{id}\", sha256 = \"{sum}\" }}")
        })
        .collect();
    let auth = format!(
        "auth = \"k\"\n[auth.k]\napi-key = {{ header = \"x-api-key\", keys = [{}] }}\n",
        keys.join(", ")
    );
    let text = text(DISK, &origin, &auth);
    let (alice, bob) =
        ("x-api-key: secret-of-alice-0123456789\r\n", "x-api-key: secret-of-bob-0123456789\r\n");
    let daemon = begin(&text);
    assert_eq!(daemon.public.ask("GET /x/100", alice).0, 200);
    until_written(&daemon, 1);
    let daemon = again(daemon, &text);
    assert!(!has(&daemon, "/x/100", bob));
    assert!(has(&daemon, "/x/100", alice));
    assert_eq!(daemon.public.ask("GET /x/100", "").0, 401);
    // Nor by one whose memory has it by now.
    assert!(!has(&daemon, "/x/100", bob));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_purged_stays_so() {
    let origin = origin("Cache-Control: max-age=600\r\nETag: \"1\"\r\nCache-Tag: shop\r\n").await;
    let text = text(DISK, &origin, "");
    for (purge, soft) in [
        ("POST /purge?url=http://localhost/x/100", false),
        ("POST /purge?url=http://localhost/x/100&soft=true", true),
        ("POST /purge?prefix=http://localhost/x&soft=true", true),
        ("POST /purge?prefix=http://localhost/x", false),
        ("POST /purge?tag=shop", false),
        ("POST /purge?host=localhost", false),
        ("POST /purge?all=true", false),
    ] {
        let daemon = begin(&text);
        daemon.public.get("/x/100");
        until_written(&daemon, 1);
        assert_eq!(daemon.admin().ask(purge, "").0, 200, "{purge}");
        let daemon = again(daemon, &text);
        assert!(!has(&daemon, "/x/100", ""), "{purge}");
        let asked = origin.requests().len();
        assert_eq!(daemon.public.get("/x/100").0, 200);
        assert_eq!(origin.requests().len(), asked + 1, "{purge}");
        assert_eq!(origin.last().field("if-none-match").is_some(), soft, "{purge}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_unsafe_request_made_void_stays_so() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let daemon = begin(&text);
    for target in ["/x/100", "/y/100"] {
        daemon.public.get(target);
    }
    until_written(&daemon, 2);
    assert_eq!(daemon.public.ask("POST /x/100", "Content-Length: 0\r\n").0, 204);
    until("its file is gone", || files(daemon.home.path()).len() == 1);
    let daemon = again(daemon, &text);
    assert!(!has(&daemon, "/x/100", "") && has(&daemon, "/y/100", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_writes_it_gives_nothing_that_is_not_whole() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let target = |number: usize| format!("/{number}/{}", 1 + number * 7_919 % 300_000);
    let (mut home, mut found) = (tempfile::tempdir().unwrap(), 0);
    for round in 0..4 {
        let daemon = start(home, &text);
        // What the kill before left.
        found = (0..150).filter(|number| has(&daemon, &target(*number), "")).count();
        assert_eq!(metric(&daemon, "errors_total"), 0, "{round}");
        let door = &daemon.public;
        std::thread::scope(|scope| {
            for part in 0..3 {
                scope.spawn(move || {
                    for number in (part..150).step_by(3) {
                        let fields = "Cache-Control: no-cache\r\n";
                        // The kill may come first.
                        let line = format!("GET {} HTTP/1.1", target(number));
                        let Door::Tcp(address) = door else { return };
                        let Ok(mut stream) = std::net::TcpStream::connect(address) else { return };
                        let request = format!(
                            "{line}\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n"
                        );
                        let _ = stream.write_all(request.as_bytes());
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                });
            }
            let enough = 10 + 25 * round;
            until("some are written", || metric(&daemon, "writes_total") >= enough);
            daemon.signal(Signal::KILL);
        });
        home = daemon.leave();
    }
    assert!(found > 10, "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_one_has_the_disk_and_then_the_other() {
    let origin = origin(FRESH).await;
    let text = text(DISK, &origin, "");
    let old = begin(&text);
    for target in ["/x/100", "/y/100"] {
        old.public.get(target);
    }
    until_written(&old, 2);
    let folder = old.home.path().join("cache");
    let other = text.replace("HOME/cache", folder.to_str().unwrap());
    let mut new = Daemon::start(&other);
    new.heard("another process, which has to end first");
    assert!(!has(&new, "/x/100", ""));
    assert_eq!(new.public.ask("POST /y/100", "Content-Length: 0\r\n").0, 204);
    old.signal(Signal::TERM);
    let _home = old.stopped();
    new.until("the cache's disk is ready");
    assert!(has(&new, "/x/100", ""));
    assert!(!has(&new, "/y/100", ""), "what the new one made void meanwhile is void");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_turns_it_on_and_off_and_moves_it() {
    let origin = origin(FRESH).await;
    let with = |disk: &str| text(disk, &origin, "");
    let mut daemon = Daemon::start(&with(""));
    daemon.public.get("/early/100");
    let steps = [
        (DISK.to_owned(), true),
        (String::new(), false),
        (DISK.to_owned(), true),
        (DISK.replace("HOME/cache", "HOME/other"), true),
    ];
    for (number, (disk, on)) in steps.iter().enumerate() {
        daemon.write(&with(disk));
        assert_eq!(daemon.admin().ask("POST /reload", "").0, 200);
        if *on {
            daemon.until("the cache's disk is ready");
        }
        assert!(has(&daemon, "/early/100", ""), "memory keeps what it has");
        let target = format!("/{number}/100");
        assert_eq!(daemon.public.get(&target).0, 200);
        until("it is written", || metric(&daemon, "objects") > 0 || !on);
    }
    let daemon = again(daemon, &with(DISK));
    let kept: Vec<_> =
        (0..4).filter(|number| has(&daemon, &format!("/{number}/100"), "")).collect();
    assert_eq!(kept, [2], "what is turned on begins empty");
}

/// The next process has the disk, and no route that would keep anything there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_while_no_route_keeps_anything_does_not_come_back() {
    let origin = origin(FRESH).await;
    let keeps = text(DISK, &origin, "");
    let none = keeps.replace("cache = { cache-status = true }", "");
    let daemon = begin(&keeps);
    for target in ["/x/100", "/y/100"] {
        assert_eq!(daemon.public.get(target).0, 200);
    }
    until_written(&daemon, 2);
    let daemon = again(daemon, &none);
    assert_eq!(daemon.public.ask("POST /x/100", "Content-Length: 0\r\n").0, 204);
    until("its file is gone", || files(daemon.home.path()).len() == 1);
    let daemon = again(daemon, &keeps);
    assert!(!has(&daemon, "/x/100", "") && has(&daemon, "/y/100", ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_void_while_the_disk_was_off_does_not_come_back() {
    let origin = origin(FRESH).await;
    let (on, off) = (text(DISK, &origin, ""), text("", &origin, ""));
    let mut daemon = begin(&on);
    for target in ["/purged/100", "/changed/100"] {
        assert_eq!(daemon.public.get(target).0, 200);
    }
    until("they are written", || metric(&daemon, "objects") == 2);
    daemon.write(&off);
    assert_eq!(daemon.admin().ask("POST /reload", "").0, 200);
    let purged = daemon.admin().ask("POST /purge?prefix=http://localhost/purged", "");
    assert_eq!(purged.0, 200, "{purged:?}");
    assert_eq!(daemon.public.ask("POST /changed/100", "Content-Length: 0\r\n").0, 204);
    daemon.write(&on);
    assert_eq!(daemon.admin().ask("POST /reload", "").0, 200);
    daemon.until("the cache's disk is ready");
    for target in ["/purged/100", "/changed/100"] {
        assert!(!has(&daemon, target, ""), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_304_says_of_it_outlives_the_process() {
    // Kept for long, until the origin says that it has to be asked each time.
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            let told = match request.field("if-none-match").is_some() {
                true => "304 Not Modified\r\nETag: \"a\"\r\nCache-Control: no-cache\r\nX-Is: new\r\n\r\n",
                false => {
                    "200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=600\r\nX-Is: old\r\nContent-Length: 2\r\n\r\nok"
                }
            };
            peer.send(format!("HTTP/1.1 {told}")).await;
        }
    })
    .await;
    let text = text(DISK, &origin, "");
    let daemon = begin(&text);
    assert_eq!(daemon.public.get("/x").0, 200);
    until("it is written", || metric(&daemon, "writes_total") == 1);
    assert_eq!(daemon.public.ask("GET /x", "Cache-Control: no-cache\r\n").0, 200);
    until("it is written anew", || metric(&daemon, "writes_total") == 2);
    let daemon = again(daemon, &text);
    let asked = origin.requests().len();
    assert_eq!(daemon.public.get("/x").0, 200);
    assert_eq!(origin.requests().len(), asked + 1, "the origin was not asked");
    assert!(origin.last().field("if-none-match").is_some(), "it was not there any more");
}
