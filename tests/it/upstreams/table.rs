//! One table of what a client sees of an endpoint that fails, by fault and method, beside one that is well.
//!
//! For each: the status (with the reason of a refusal, or what is wrong with the answer), how many endpoints
//! were tried, and whether the one that is well took it. Twice: with what is retried by default, and with all
//! that can be asked for. `cargo test -- --nocapture the_table` prints it.

use std::{fmt::Write as _, time::Duration};

use super::{deadlines::Full, nobody, upstream};
use crate::support::{Origin, certs::Authority, origin::Peer};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An endpoint that fails, for as long as this lives.
struct Faulty {
    url: String,
    _keeps: Box<dyn std::any::Any>,
}

/// What is in its place when this is what happens there.
async fn faulty(fault: &'static str) -> Faulty {
    let keep = |url: &str, keeps: Box<dyn std::any::Any>| Faulty { url: url.into(), _keeps: keeps };
    match fault {
        "refuses" => {
            let (taken, url) = nobody();
            keep(&url, Box::new(taken))
        }
        "black hole" => {
            let full = Full::new();
            keep(&full.url.clone(), Box::new(full))
        }
        "certificate of nobody" => {
            let identity = Authority::new("A").issue(1, &["localhost"]);
            let origin = Origin::tls(identity.server(), |peer| plays(peer, "is well")).await;
            keep(&origin.url.clone(), Box::new(origin))
        }
        "no TLS" => {
            let origin = Origin::ok().await;
            let url = origin.url.replace("http://", "https://");
            keep(&url, Box::new(origin))
        }
        _ => {
            let origin = Origin::script(move |peer| plays(peer, fault)).await;
            keep(&origin.url.clone(), Box::new(origin))
        }
    }
}

/// What an endpoint does with a connection that it took.
async fn plays(mut peer: Peer, fault: &'static str) {
    match fault {
        "resets at once" => return peer.reset(),
        "closes at once" => return,
        _ => {}
    }
    if peer.request().await.is_none() {
        return;
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    match fault {
        "resets unanswered" => peer.reset(),
        "closes unanswered" => {}
        "half-closes unanswered" => {
            peer.half_close().await;
            peer.ended().await;
        }
        "stalls" => peer.ended().await,
        "half a head" => peer.send("HTTP/1.1 200 OK\r\nConte").await,
        "a head drop by drop" => drips(&mut peer, head).await,
        "garbage" => peer.send("\x16\x03\x01 SSH-2.0-OpenSSH\r\n\r\n").await,
        "resets in its body" => {
            peer.send(format!("{head}four")).await;
            peer.reset();
        }
        "less than it said" => peer.send(format!("{head}four")).await,
        "more than it said" => {
            peer.send(format!("{head}nine byte")).await;
            peer.send(" and a bit").await;
            peer.ended().await;
        }
        "stalls in its body" => {
            peer.send(format!("{head}four")).await;
            peer.ended().await;
        }
        "a body drop by drop" => {
            peer.send(head).await;
            drips(&mut peer, "nine byte").await;
        }
        "500" | "503" => {
            peer.send(format!("HTTP/1.1 {fault} X\r\nContent-Length: 0\r\n\r\n")).await;
        }
        "503, come again" => {
            peer.send("HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n").await;
        }
        "429" => peer.send("HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n").await,
        _ => peer.send(OK).await,
    }
}

/// Sends a byte at a time, for longer than an answer may take to begin, but for never as long as it may be
/// silent.
async fn drips(peer: &mut Peer, text: &str) {
    for byte in text.bytes() {
        peer.send([byte]).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// What came of a request.
async fn outcome(fault: &'static str, method: &str, keys: &str) -> String {
    let (faulty, good) = (faulty(fault).await, Origin::named("other").await);
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", faulty.url, good.url);
    let times = "timeout = { connect = \"150ms\", first-byte = \"150ms\", idle = \"200ms\" }";
    let more = "ejection.failures = 0\nretry.backoff = \"1ms\"";
    let setup = upstream(&format!("{endpoints}\n{times}\n{more}\n{keys}"));
    let janua = setup.start().await;
    let mut client = janua.client().await;
    let body = if method == "GET" { "\r\n" } else { "Content-Length: 2\r\n\r\nhi" };
    client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n{body}")).await;
    let head = client.head().await;
    let answer = client.body(head).await;
    let took = match good.requests().len() {
        0 => "",
        1 if answer.text() == "other" => " other",
        _ => " both",
    };
    let said = match (answer.status(), answer.reason()) {
        (status, reason) if !reason.is_empty() => format!("{status} {reason}"),
        (status, _) if !answer.complete => format!("{status} cut off"),
        (status, _) => status.to_string(),
    };
    drop(client);
    let line = janua.logged("the request", |line| line["method"] == method).await;
    format!("{said} ({}{took})", line["tries"])
}

/// Whether the end is seen before anything was sent is a matter of chance.
const AT_ONCE: &str = "502 upstream.reset (1) or 200 (2 other)";

/// The fault; what a client sees of GET, of PUT with a body, of POST; and the same where all is asked for.
#[rustfmt::skip]
const TABLE: &[(&str, [&str; 3], [&str; 3])] = &[
    ("is well", ["200 (1)"; 3], ["200 (1)"; 3]),
    // No request was sent: whatever it is, it goes on.
    ("refuses", ["200 (2 other)"; 3], ["200 (2 other)"; 3]),
    ("black hole", ["200 (2 other)"; 3], ["200 (2 other)"; 3]),
    ("no TLS", ["200 (2 other)"; 3], ["200 (2 other)"; 3]),
    ("certificate of nobody", ["200 (2 other)"; 3], ["200 (2 other)"; 3]),
    // It may have been read.
    ("resets at once", ["200 (2 other)", "200 (2 other)", AT_ONCE], ["200 (2 other)", "200 (2 other)", AT_ONCE]),
    ("closes at once", ["200 (2 other)", "200 (2 other)", AT_ONCE], ["200 (2 other)", "200 (2 other)", AT_ONCE]),
    ("resets unanswered", ["200 (2 other)", "200 (2 other)", "502 upstream.reset (1)"], ["200 (2 other)", "200 (2 other)", "502 upstream.reset (1)"]),
    ("closes unanswered", ["200 (2 other)", "200 (2 other)", "502 upstream.reset (1)"], ["200 (2 other)", "200 (2 other)", "502 upstream.reset (1)"]),
    ("half-closes unanswered", ["200 (2 other)", "200 (2 other)", "502 upstream.reset (1)"], ["200 (2 other)", "200 (2 other)", "502 upstream.reset (1)"]),
    ("stalls", ["504 timeout.first_byte (1)"; 3], ["200 (2 other)", "200 (2 other)", "504 timeout.first_byte (1)"]),
    // It was answered, if only in part.
    ("half a head", ["502 upstream.reset (1)"; 3], ["502 upstream.reset (1)"; 3]),
    ("a head drop by drop", ["504 timeout.first_byte (1)"; 3], ["504 timeout.first_byte (1)"; 3]),
    ("garbage", ["502 upstream.protocol (1)"; 3], ["502 upstream.protocol (1)"; 3]),
    ("resets in its body", ["200 cut off (1)"; 3], ["200 cut off (1)"; 3]),
    ("less than it said", ["200 cut off (1)"; 3], ["200 cut off (1)"; 3]),
    ("more than it said", ["200 (1)"; 3], ["200 (1)"; 3]),
    ("stalls in its body", ["200 cut off (1)"; 3], ["200 cut off (1)"; 3]),
    ("a body drop by drop", ["200 (1)"; 3], ["200 (1)"; 3]),
    ("500", ["500 (1)"; 3], ["200 (2 other)", "200 (2 other)", "500 (1)"]),
    ("503", ["503 (1)"; 3], ["200 (2 other)", "200 (2 other)", "503 (1)"]),
    ("503, come again", ["503 (1)"; 3], ["503 (1)"; 3]),
    ("429", ["429 (1)"; 3], ["200 (2 other)", "200 (2 other)", "429 (1)"]),
];

const METHODS: [&str; 3] = ["GET", "PUT", "POST"];

#[tokio::test]
async fn the_table() {
    let all = "retry.on = [\"reset\", \"timeout\", \"429\", \"5xx\"]";
    let (mut printed, mut wrong) = (String::new(), Vec::new());
    for (name, keys, column) in [("by default", "", 0), ("with all that can be asked for", all, 1)]
    {
        let _ = writeln!(printed, "\n{name:24} | {:26} | {:26} | POST", "GET", "PUT with a body");
        for (fault, by_default, with_all) in TABLE {
            let expected = [by_default, with_all][column];
            let found =
                futures_util::future::join_all(METHODS.map(|method| outcome(fault, method, keys)));
            let found = found.await;
            let _ =
                writeln!(printed, "{fault:24} | {:26} | {:26} | {}", found[0], found[1], found[2]);
            for ((method, expected), found) in METHODS.iter().zip(expected).zip(found) {
                if !expected.split(" or ").any(|expected| expected == found) {
                    wrong.push(format!("{fault}, {method}, {name}: {found}, not {expected}"));
                }
            }
        }
    }
    println!("{printed}");
    assert!(wrong.is_empty(), "{wrong:#?}\n{printed}");
}
