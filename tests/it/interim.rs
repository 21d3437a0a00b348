//! Interim answers (RFC 9110 section 15.2): what an origin says by HTTP/1.1 before its answer goes to the client
//! before the answer, whole and in its place; and is of no use to anybody else.

use std::{sync::Arc, time::Duration};

use http::Request;
use tokio::sync::Semaphore;

use crate::support::{Janua, Message, Origin, Setup, until};

const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-A: 1\r\n\r\n";
const OK: &str =
    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nok";

/// An origin that says this to each request, and the rest when it may.
async fn says(first: &str, rest: &str) -> (Origin, Arc<Semaphore>) {
    let may = Arc::new(Semaphore::new(0));
    let (known, first, rest) = (may.clone(), first.to_owned(), rest.to_owned());
    let origin = Origin::script(move |mut peer| {
        let (may, first, rest) = (known.clone(), first.clone(), rest.clone());
        async move {
            while peer.request().await.is_some() {
                peer.send(&first).await;
                may.acquire().await.unwrap().forget();
                peer.send(&rest).await;
            }
        }
    });
    (origin.await, may)
}

fn to(origin: &Origin, keys: &str) -> Setup {
    Setup::new(format!("[[route]]\nname = \"r\"\nto = \"{}\"\n{keys}\n", origin.url))
}

fn is_early(head: &Message) -> bool {
    head.status() == 103
        && head.field("link").as_deref() == Some("</a.css>; rel=preload")
        && head.field("x-a").as_deref() == Some("1")
}

/// What a client gets until the answer is there: the statuses, and the answer.
async fn all(janua: &Janua, line: &str, fields: &str) -> (Vec<u16>, Message) {
    let mut client = janua.client().await;
    client.send(format!("{line} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")).await;
    let mut before = Vec::new();
    loop {
        let head = client.head().await;
        if head.status() >= 200 {
            return (before, client.body(head).await);
        }
        assert!(
            head.field("content-length").is_none() && head.field("transfer-encoding").is_none()
        );
        before.push(head.status());
    }
}

#[tokio::test]
async fn it_comes_before_the_answer_and_at_once() {
    for keys in ["", "cache = true"] {
        let (origin, may) = says(EARLY, OK).await;
        let janua = to(&origin, keys).start().await;
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let head = client.head().await;
        assert!(is_early(&head), "{keys}: {head:?}");
        may.add_permits(1);
        let answer = client.answer().await;
        assert_eq!((answer.status(), &*answer.text()), (200, "ok"), "{keys}");
        assert!(
            answer.field("x-a").is_none() && answer.field("link").is_none(),
            "{keys}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn several_come_in_their_order_however_they_are_sent() {
    let odd = "HTTP/1.1 102 Processing\r\nConnection: x-c\r\nX-C: 1\r\nContent-Length: 9\r\n\r\n";
    let text = format!("{odd}HTTP/1.1 100 Continue\r\n\r\n{EARLY}HTTP/1.1 199 \r\n\r\n{OK}");
    for keys in ["", "cache = true"] {
        for size in [1, 7, 64, text.len()] {
            let text = text.clone();
            let origin = Origin::script(move |mut peer| {
                let text = text.clone();
                async move {
                    while peer.request().await.is_some() {
                        for piece in text.as_bytes().chunks(size) {
                            peer.send(piece).await;
                        }
                    }
                }
            })
            .await;
            let janua = to(&origin, keys).start().await;
            let (before, answer) = all(&janua, "GET /", "").await;
            assert_eq!((before, &*answer.text()), (vec![102, 103, 199], "ok"), "{keys} {size}");
        }
    }
}

#[tokio::test]
async fn who_cannot_understand_it_does_not_get_it() {
    let (origin, may) = says(EARLY, OK).await;
    may.add_permits(9);
    for keys in ["", "cache = true"] {
        let janua = to(&origin, keys).listener("h2c = true").start().await;
        let mut old = janua.client().await;
        old.send("GET /old HTTP/1.0\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(old.head().await.status(), 200, "{keys}");
        let mut http2 = janua.http2().await;
        let request = Request::get("http://a.example/new").body(()).unwrap();
        let (answer, body) = http2.begin(request, true).await.answer().await;
        assert_eq!((answer.status().as_u16(), &body[..]), (200, &b"ok"[..]), "{keys}");
    }
}

#[tokio::test]
async fn nobody_else_gets_it_and_nothing_of_it_is_kept() {
    let (origin, may) = says(EARLY, OK).await;
    let janua = to(&origin, "cache = true").start().await;
    let mut clients = vec![janua.client().await, janua.client().await];
    clients[0].send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert!(is_early(&clients[0].head().await));
    clients[1].send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    let world = janua.world();
    let flights = &world.caches.memory().flights;
    until("both wait", || flights.readers() == 2).await;
    may.add_permits(1);
    for client in &mut clients {
        assert_eq!(client.head().await.status(), 200);
    }
    until("it is kept", || flights.is_empty()).await;
    let (before, answer) = all(&janua, "GET /", "").await;
    assert!(before.is_empty() && answer.field("age").is_some());
    assert!(answer.field("x-a").is_none() && answer.field("x-b").is_some(), "{answer:?}");
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn a_route_changes_its_fields_as_those_of_answers() {
    let (origin, may) = says(EARLY, OK).await;
    may.add_permits(9);
    for keys in ["", "cache = true\n"] {
        let keys = format!(
            "{keys}response-headers = {{ remove = [\"x-a\"], set = {{ x-d = \"{{request.method}}\" }} }}"
        );
        let janua = to(&origin, &keys).start().await;
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let head = client.head().await;
        assert_eq!((head.status(), head.field("x-a")), (103, None), "{head:?}");
        assert_eq!(head.field("x-d").as_deref(), Some("GET"));
        assert_eq!(client.answer().await.status(), 200);
    }
}

/// The answer before it may still be on its way to a client that takes its time.
#[tokio::test]
async fn it_comes_after_all_of_the_answer_before() {
    const LENGTH: usize = 8 << 20;
    let origin = Origin::script(move |mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.target() == "/large" {
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n")).await;
                for _ in 0..LENGTH >> 16 {
                    peer.send([b'x'; 1 << 16]).await;
                }
            } else {
                peer.send(EARLY).await;
                peer.send(OK).await;
            }
        }
    })
    .await;
    let janua = to(&origin, "").start().await;
    let mut client = janua.client().await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n");
    client.send([get("/large"), get("/"), get("/large"), get("/")].concat()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..2 {
        let answer = client.answer().await;
        assert!(answer.body.len() == LENGTH && answer.body.iter().all(|byte| *byte == b'x'));
        assert!(is_early(&client.head().await));
        assert_eq!(client.answer().await.text(), "ok");
    }
}

#[tokio::test]
async fn a_client_that_asks_for_100_gets_it_once() {
    let origin = Origin::script(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(format!("HTTP/1.1 100 Continue\r\n\r\n{EARLY}{OK}")).await;
        }
    })
    .await;
    let janua = to(&origin, "").start().await;
    let mut client = janua.client().await;
    let post =
        "POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    client.send(post).await;
    assert_eq!(client.head().await.status(), 100);
    client.send("hi").await;
    assert!(is_early(&client.head().await));
    assert_eq!(client.head().await.status(), 200);
}

#[tokio::test]
async fn what_fails_after_it_is_refused_as_ever() {
    for (rest, expected) in [("", 502), ("HTTP/1.1 2", 502), ("nonsense\r\n\r\n", 502)] {
        let origin = Origin::script(move |mut peer| async move {
            peer.request().await;
            peer.send(format!("{EARLY}{rest}")).await;
        })
        .await;
        for keys in ["", "cache = true"] {
            let janua = to(&origin, keys).start().await;
            let (before, answer) = all(&janua, "POST /", "Content-Length: 0\r\n").await;
            assert_eq!((before, answer.status()), (vec![103], expected), "{keys} {rest}");
            let (before, answer) = all(&janua, "GET /", "").await;
            assert_eq!((before.last(), answer.status()), (Some(&103), expected), "{keys} {rest}");
        }
    }
}

#[tokio::test]
async fn one_that_never_answers_is_refused_in_time() {
    let (origin, _may) = says(EARLY, "").await;
    for keys in ["", "cache = true"] {
        let text = format!(
            "[upstream.u]\nendpoints = \"{}\"\ntimeout.first-byte = \"200ms\"\n[[route]]\nto = \"u\"\n{keys}\n",
            origin.url
        );
        let janua = Setup::new(text).start().await;
        let (before, answer) = all(&janua, "POST /", "Content-Length: 0\r\n").await;
        assert_eq!((before, answer.status()), (vec![103], 504), "{keys}");
        let (before, answer) = all(&janua, "GET /", "").await;
        assert_eq!((before.first(), answer.status()), (Some(&103), 504), "{keys}");
    }
}

/// A client that takes nothing does not make the gateway hold more and more.
#[tokio::test]
async fn a_flood_of_them_is_bounded() {
    let flood = EARLY.repeat(50_000);
    for keys in ["", "cache = true"] {
        let (origin, may) = says(&flood, OK).await;
        may.add_permits(9);
        let janua = to(&origin, keys).start().await;
        let mut client = janua.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        let mut count = 0;
        let last = loop {
            let head = client.head().await;
            if head.status() != 103 {
                break head;
            }
            assert!(is_early(&head), "{head:?}");
            count += 1;
        };
        assert_eq!(last.status(), 200, "{keys}");
        assert!((1..=50_000).contains(&count), "{keys}: {count}");
    }
}

#[tokio::test]
async fn a_tunnel_opens_after_it_without_it() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        let switch = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x/1\r\n\r\n";
        peer.send(format!("{EARLY}{switch}hello")).await;
        peer.ended().await;
    })
    .await;
    let janua = to(&origin, "").start().await;
    let mut client = janua.client().await;
    let fields = "Host: a.example\r\nConnection: upgrade\r\nUpgrade: x/1\r\n";
    client.send(format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
    assert_eq!(client.head().await.status(), 101);
    assert_eq!(client.exactly(5).await, b"hello");
}
