//! Answers that go no faster than a limit lets them, whatever their protocol and wherever they come from.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use http::Request;

use super::sent;
use crate::support::{Origin, Setup, soon, until};

/// What a second lets through, and an answer that takes two and a half.
const RATE: usize = 256 << 10;
const SIZE: usize = RATE * 5 / 2;

/// A limit with these keys before an origin.
fn paced(keys: &str, to: &str) -> Setup {
    Setup::new(format!("[limit.l]\n{keys}\n[[route]]\nlimit = \"l\"\nto = {to}\n"))
}

fn whole() -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").into_bytes();
    answer.extend((0..SIZE).map(|at| (at % 251) as u8));
    answer
}

fn chunked() -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n".to_vec();
    for chunk in whole()[whole().len() - SIZE..].chunks(10_000) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\nx-end: yes\r\n\r\n");
    answer
}

fn assert_took(took: Duration, seconds: f64, what: &str) {
    let took = took.as_secs_f64();
    // Late is what this machine may make it; early is a fault.
    assert!((seconds * 0.95..seconds * 1.05 + 0.3).contains(&took), "{what}: {took} s");
}

#[tokio::test]
async fn answers_of_origins_go_at_their_bandwidth() {
    let keys = "bandwidth = \"256KiB/s\"";
    let tasks =
        [("with a length", whole()), ("in chunks", chunked())].map(|(what, answer)| async move {
            let origin = Origin::answering(answer).await;
            let janua = paced(keys, &format!("\"{}\"", origin.url)).start().await;
            let (mut client, start) = (janua.client().await, Instant::now());
            let answer = client.request("GET /", "TE: trailers\r\nConnection: te\r\n").await;
            assert_took(start.elapsed(), 2.5, what);
            assert!(answer.complete && answer.body == whole()[whole().len() - SIZE..], "{what}");
            assert_eq!(answer.trailers.len(), usize::from(what == "in chunks"), "{what}");
            let paced = "janua_limit_paced_total{limit=\"l\"}";
            until("it is counted", || janua.counted(paced) == 1).await;
            assert_eq!(client.request("HEAD /", "").await.status(), 200);
        });
    futures_util::future::join_all(tasks).await;
}

#[tokio::test]
async fn answers_of_januas_own_and_by_http2_do_too() {
    let body = "x".repeat(SIZE);
    let to = format!("{{ status = 200, body = \"{body}\" }}");
    let made = async {
        let janua = paced("bandwidth = \"256KiB/s\"", &to).start().await;
        let start = Instant::now();
        assert_eq!(janua.get("/").await.body.len(), SIZE);
        assert_took(start.elapsed(), 2.5, "made");
    };
    let http2 = async {
        let origin = Origin::answering(whole()).await;
        let setup = paced("bandwidth = \"256KiB/s\"", &format!("\"{}\"", origin.url));
        // A stream that waits is not one whose client takes nothing.
        let janua = setup.listener("h2c = true\ntimeout.write = \"200ms\"").start().await;
        let (mut client, start) = (janua.http2().await, Instant::now());
        let get = || Request::get("http://a.example/").body(()).unwrap();
        let (one, other) = (client.begin(get(), true).await, client.begin(get(), true).await);
        let ((_, one), (_, other)) = tokio::join!(one.answer(), other.answer());
        assert_took(start.elapsed(), 2.5, "each stream by itself");
        assert_eq!((one.len(), other.len()), (SIZE, SIZE));
    };
    tokio::join!(made, http2);
}

#[tokio::test]
async fn it_goes_evenly_and_its_beginning_as_fast_as_it_can() {
    let origin = Origin::answering(whole()).await;
    let keys = "bandwidth = \"128KiB/s\"\nbandwidth-after = \"512KiB\"";
    let janua = paced(keys, &format!("\"{}\"", origin.url)).start().await;
    let mut client = sent(&janua, "/").await;
    client.head().await;
    let start = Instant::now();
    client.exactly(512 << 10).await;
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    for eighth in 1..=8 {
        client.exactly(16 << 10).await;
        let took = start.elapsed().as_secs_f64();
        let due = f64::from(eighth) / 8.0;
        assert!((due - 0.06..due + 0.5).contains(&took), "{eighth}/8 s: {took}");
    }
}

#[tokio::test]
async fn the_slowest_of_several_counts_and_some_have_another() {
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let origin = Origin::answering(whole()).await;
    let janua = Setup::new(format!(
        "[auth.k]\napi-key = {{ header = \"x-api-key\", keys = [\
         {{ id = \"g\", sha256 = \"{hash}\", roles = [\"gold\"] }}] }}\n\
         [limit.trial]\nbandwidth = \"1KiB/s\"\nenforce = \"report\"\n\
         [limit.two]\nbandwidth = \"320KiB/s\"\ntiers = {{ gold = {{ bandwidth = \"1GiB/s\" }} }}\n\
         [[route]]\npath = \"/gold\"\nauth = \"k\"\nlimit = [\"trial\", \"two\"]\nto = \"{0}\"\n\
         [[route]]\npath = \"/\"\nlimit = [{{ bandwidth = \"1GiB/s\" }}, \"two\", \
         {{ bandwidth = \"2GiB/s\" }}]\nto = \"{0}\"\n",
        origin.url
    ))
    .start()
    .await;
    let slow = async {
        let start = Instant::now();
        assert_eq!(janua.get("/").await.body.len(), SIZE);
        assert_took(start.elapsed(), 2.0, "the slowest");
    };
    let fast = async {
        let start = Instant::now();
        let answer = janua.client().await.request("GET /gold", "X-API-Key: test\r\n").await;
        assert_eq!(answer.body.len(), SIZE);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    };
    tokio::join!(slow, fast);
}

#[tokio::test]
async fn the_origin_waits_too_and_is_not_held_to_be_silent() {
    const MUCH: usize = 64 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n");
    let (origin, sent_by_origin) = Origin::floods(head, b'x', MUCH).await;
    let janua = Setup::new(format!(
        "[upstream.u]\nendpoints = \"{}\"\ntimeout.idle = \"100ms\"\n\
         [[route]]\nlimit = {{ bandwidth = \"64KiB/s\" }}\nto = \"u\"\n",
        origin.url
    ))
    .start()
    .await;
    let mut client = sent(&janua, "/").await;
    client.head().await;
    let start = Instant::now();
    client.exactly(96 << 10).await;
    assert!(start.elapsed() > Duration::from_millis(1_300), "{:?}", start.elapsed());
    // What the system's sockets and hyper's buffers take.
    assert!(sent_by_origin.load(Relaxed) < MUCH / 2, "{}", sent_by_origin.load(Relaxed));
    soon("more comes", client.exactly(8 << 10)).await;
}

#[tokio::test]
async fn explain_says_how_fast_answers_go() {
    use janua::app::explain::{Arguments, explain_in};
    let keys = "bandwidth = \"1MiB/s\"\nbandwidth-after = \"64KiB\"";
    let janua = paced(keys, "{ status = 204 }").start().await;
    let arguments =
        Arguments { method: "GET".into(), url: "http://a/".into(), ..Arguments::default() };
    let text = explain_in(janua.world(), &arguments).unwrap().to_string();
    assert!(text.contains("answers at 1MiB/s after 64KiB"), "{text}");
}
