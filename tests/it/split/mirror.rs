//! Copies of requests: what the shadow gets, and that clients notice nothing of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use tokio::sync::Semaphore;

use crate::{
    support::{
        Client, Janua, Message, Origin, Setup,
        origin::{Served, collect, reply},
        soon, until,
    },
    upstreams::nobody,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\norigin";

const NONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A route to one origin, with these keys, whose requests are copied to another.
fn setup(origin: &Origin, shadow: &str, mirror: &str) -> Setup {
    Setup::new(format!(
        "[upstream.u]\nendpoints = \"{}\"\n[upstream.shadow]\nendpoints = \"{shadow}\"\n\
         [[route]]\nname = \"r\"\nto = \"u\"\nmirror = {{ upstream = \"shadow\"{mirror} }}\n",
        origin.url
    ))
}

fn sent(janua: &Janua, outcome: &str) -> u64 {
    janua.counted(&format!("janua_mirror_requests_total{{route=\"r\",outcome=\"{outcome}\"}}"))
}

fn dropped(janua: &Janua, reason: &str) -> u64 {
    janua.counted(&format!("janua_mirror_dropped_total{{route=\"r\",reason=\"{reason}\"}}"))
}

fn in_flight(janua: &Janua) -> u64 {
    janua.counted("janua_mirror_in_flight{route=\"r\"}")
}

async fn served(client: &mut Client) {
    let answer = client.answer().await;
    assert_eq!((answer.status(), &*answer.text()), (200, "origin"), "{answer:?}");
}

/// The fields that a message has, but for some.
fn fields(message: &Message, but: &[&str]) -> Vec<(String, String)> {
    let kept = |(name, _): &&(String, String)| !but.contains(&&**name);
    let mut fields: Vec<_> = message.fields.iter().filter(kept).cloned().collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn the_shadow_gets_what_the_origin_gets_and_a_mark() {
    let (origin, shadow) = (Origin::answering(OK).await, Origin::answering(NONE).await);
    let more = "strip-prefix = \"/a\"\nrequest-headers.set = { x-set = \"{request.host}\" }\n";
    let text = format!(
        "[upstream.u]\nendpoints = \"{}\"\n[upstream.shadow]\nendpoints = \"{}\"\n\
         [[route]]\nname = \"r\"\nto = \"u\"\nmirror = \"shadow\"\n{more}",
        origin.url, shadow.url
    );
    let janua = Setup::new(text).start().await;
    let chunked = "Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 7\r\n\r\n";
    for (count, (method, rest, body)) in [
        ("GET", "\r\n", ""),
        ("HEAD", "\r\n", ""),
        ("DELETE", "X-Janua-Mirrored: no\r\nX_Janua_Mirrored: no\r\n\r\n", ""),
        ("POST", "Content-Length: 5\r\n\r\nhello", "hello"),
        ("POST", "Content-Length: 0\r\n\r\n", ""),
        ("PUT", chunked, "hello!"),
        ("GET", chunked, "hello!"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = janua.client().await;
        client
            .send(format!("{method} /a/b?c=d HTTP/1.1\r\nHost: site\r\nX-A: 1\r\nX-A: 2\r\n{rest}"))
            .await;
        match method {
            "HEAD" => assert_eq!(client.answer_to_head().await.status(), 200),
            _ => served(&mut client).await,
        }
        until("the copy", || shadow.requests().len() == count + 1).await;
        let (own, copy) = (origin.last(), shadow.last());
        assert_eq!(copy.line, format!("{method} /b?c=d HTTP/1.1"), "{rest}");
        assert_eq!(copy.line, own.line);
        assert_eq!((&*copy.text(), &*own.text()), (body, body), "{method} {rest}");
        assert_eq!(copy.field("x-janua-mirrored").as_deref(), Some("1"), "{copy:?}");
        assert_eq!(own.field("x-janua-mirrored"), None, "only copies are marked: {own:?}");
        assert_eq!(copy.field("host").as_deref(), Some("site"));
        assert_eq!(copy.field("x-set").as_deref(), Some("site"));
        // A copy has a length where the request came in pieces, and no trailers.
        let framing = ["content-length", "transfer-encoding", "trailer", "x-janua-mirrored"];
        assert_eq!(fields(&copy, &framing), fields(&own, &framing), "{method} {rest}");
        assert!(copy.trailers.is_empty());
    }
    until("all have ended", || sent(&janua, "answered") == 7 && in_flight(&janua) == 0).await;
    assert_eq!(shadow.connections(), 1, "answers are read, so that connections can be used again");
}

/// Whatever the shadow does, the client has its answer from the origin. Those that hang let go only after all
/// clients have been answered.
#[tokio::test]
async fn clients_notice_nothing_of_a_shadow_that_fails() {
    for (shadow, outcome) in [
        ("refuses", "failed"),
        ("closes", "failed"),
        ("garbage", "failed"),
        ("half a body", "failed"),
        ("hangs", "failed"),
        ("hangs in the body", "failed"),
        ("500 No", "error"),
        ("404 None", "answered"),
        ("101 Switching Protocols", "failed"),
    ] {
        let origin = Origin::answering(OK).await;
        let (_taken, dead) = nobody();
        let scripted = Origin::script(move |mut peer| async move {
            while peer.request().await.is_some() {
                match shadow {
                    "closes" => return,
                    "garbage" => return peer.send("SSH-2.0-OpenSSH\r\n\r\n").await,
                    "half a body" => {
                        return peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").await;
                    }
                    "hangs" => peer.ended().await,
                    "hangs in the body" => {
                        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").await;
                        peer.ended().await;
                    }
                    status => {
                        peer.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).await;
                    }
                }
            }
        })
        .await;
        let url = if shadow == "refuses" { &dead } else { &scripted.url };
        let total = if shadow.starts_with("hangs") { "300ms" } else { "10s" };
        let text = format!(
            "[upstream.u]\nendpoints = \"{}\"\n\
             [upstream.shadow]\nendpoints = \"{url}\"\ntimeout.total = \"{total}\"\n\
             retry.on = []\nejection.failures = 0\n\
             [[route]]\nname = \"r\"\nto = \"u\"\nmirror = \"shadow\"\n",
            origin.url
        );
        let janua = Setup::new(text).start().await;
        let mut client = janua.client().await;
        for _ in 0..5 {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
            served(&mut client).await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            served(&mut client).await;
        }
        until(&format!("{shadow}: all have ended"), || in_flight(&janua) == 0).await;
        assert_eq!(sent(&janua, outcome), 10, "{shadow}\n{}", janua.metrics());
        let failed = janua.log().iter().filter(|line| line["status"] != 200).count();
        assert_eq!(failed, 0, "{shadow}: the log knows nothing of it");
    }
}

/// By the order of events: the shadow answers nobody before the test says so, and that is after the client
/// has had all of its answers, on one connection.
#[tokio::test]
async fn no_client_waits_for_its_copy() {
    let origin = Origin::answering(OK).await;
    let (may, answered) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
    let (gate, told) = (may.clone(), answered.clone());
    let shadow = Origin::script(move |mut peer| {
        let (gate, told) = (gate.clone(), told.clone());
        async move {
            while peer.request().await.is_some() {
                gate.acquire().await.unwrap().forget();
                told.store(true, Relaxed);
                peer.send(OK).await;
            }
        }
    })
    .await;
    let janua = setup(&origin, &shadow.url, "").start().await;
    let mut client = janua.client().await;
    for _ in 0..10 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        served(&mut client).await;
    }
    until("all copies are there", || shadow.requests().len() == 10).await;
    assert!(!answered.load(Relaxed), "the client has its answers, and the shadow has given none");
    assert_eq!((in_flight(&janua), sent(&janua, "answered")), (10, 0));
    may.add_permits(10);
    until("all have ended", || sent(&janua, "answered") == 10 && in_flight(&janua) == 0).await;
}

#[tokio::test]
async fn what_is_beyond_the_bounds_is_not_copied() {
    let origin = Origin::answering(OK).await;
    let may = Arc::new(Semaphore::new(0));
    let gate = may.clone();
    let shadow = Origin::script(move |mut peer| {
        let gate = gate.clone();
        async move {
            while peer.request().await.is_some() {
                gate.acquire().await.unwrap().forget();
                peer.send(OK).await;
            }
        }
    })
    .await;
    let janua = setup(&origin, &shadow.url, ", max-in-flight = 2, max-body = \"8B\"").start().await;
    let mut client = janua.client().await;
    let mut post = async |body: String, chunked: bool| {
        let framed = match chunked {
            false => format!("Content-Length: {}\r\n\r\n{body}", body.len()),
            true => format!(
                "Transfer-Encoding: chunked\r\n\r\n4\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                &body[..4],
                body.len() - 4,
                &body[4..]
            ),
        };
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framed}")).await;
        served(&mut client).await;
    };
    for (body, chunked, copied, too_large) in [
        ("123456789", false, 0, 1),
        ("123456789", true, 0, 2),
        ("12345678", false, 1, 2),
        ("12345678", true, 2, 2),
    ] {
        post(body.into(), chunked).await;
        until(body, || shadow.requests().len() == copied && dropped(&janua, "body") == too_large)
            .await;
    }
    assert_eq!((in_flight(&janua), dropped(&janua, "in_flight")), (2, 0));
    for _ in 0..3 {
        post("1234".into(), false).await;
    }
    assert_eq!((in_flight(&janua), dropped(&janua, "in_flight")), (2, 3), "there is no place");
    may.add_permits(2);
    until("their places are free", || in_flight(&janua) == 0).await;
    may.add_permits(9);
    post("1234".into(), true).await;
    until("the next is copied", || shadow.requests().len() == 3).await;
    assert!(shadow.requests().iter().all(|copy| copy.complete && copy.body.len() <= 8));
    assert_eq!(origin.requests().len(), 8, "the origin has them all");
}

#[tokio::test]
async fn a_request_that_breaks_off_is_not_copied() {
    let origin = Origin::answering(OK).await;
    let shadow = Origin::answering(OK).await;
    let janua = setup(&origin, &shadow.url, "").start().await;
    let mut client = janua.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello").await;
    until("it is being collected", || in_flight(&janua) == 1).await;
    drop(client);
    until("it is given up", || in_flight(&janua) == 0).await;
    assert_eq!((dropped(&janua, "incomplete"), shadow.connections()), (1, 0));
}

#[tokio::test]
async fn the_share_is_respected() {
    for (share, bounds) in [("0%", 0..=0), ("25%", 60..=140), ("100%", 400..=400)] {
        let (origin, shadow) = (Origin::answering(OK).await, Origin::answering(OK).await);
        let keys = format!(", share = \"{share}\", max-in-flight = 1000");
        let janua = setup(&origin, &shadow.url, &keys).start().await;
        let mut client = janua.client().await;
        for _ in 0..400 {
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            served(&mut client).await;
        }
        until("all have ended", || in_flight(&janua) == 0).await;
        assert!(bounds.contains(&sent(&janua, "answered")), "{share}: {}", shadow.requests().len());
    }
}

#[tokio::test]
async fn a_shadow_may_be_a_url_and_has_times_of_its_own() {
    let (origin, shadow) = (Origin::answering(OK).await, Origin::answering(NONE).await);
    let janua = Setup::new(format!(
        "[[route]]\nname = \"r\"\nto = [{{ upstream = \"{}\" }}]\nmirror = \"{}\"\n\
         timeout = {{ total = \"7s\", first-byte = \"6s\" }}\n",
        origin.url, shadow.url
    ));
    let janua = janua.start().await;
    let mut client = janua.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    served(&mut client).await;
    until("the copy", || shadow.requests().len() == 1 && sent(&janua, "answered") == 1).await;
    let world = janua.world();
    let mirror = world.routes.targets()[0].mirror.as_ref().unwrap();
    let usual = mirror.way.upstream.timeout;
    assert_eq!(mirror.way.timeout, usual, "nobody waits for it: the route's times are not its own");
}

#[tokio::test]
async fn upgrades_are_not_copied() {
    let origin = Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            match request.field("upgrade") {
                Some(_) => peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout/1\r\n\r\n").await,
                None => peer.send(OK).await,
            }
        }
    })
    .await;
    let shadow = Origin::answering(OK).await;
    let janua = setup(&origin, &shadow.url, "").start().await;
    let mut tunnel = janua.client().await;
    let fields = "Connection: upgrade\r\nUpgrade: shout/1\r\n";
    assert_eq!(tunnel.request("GET /up", fields).await.status(), 101);
    let mut client = janua.client().await;
    client.send("GET /down HTTP/1.1\r\nHost: a\r\n\r\n").await;
    served(&mut client).await;
    until("the other is copied", || shadow.requests().len() == 1).await;
    assert_eq!(shadow.last().target(), "/down");
}

#[tokio::test]
async fn what_is_refused_is_not_copied() {
    let (origin, shadow) = (Origin::answering(OK).await, Origin::answering(OK).await);
    let janua = setup(&origin, &shadow.url, "").listener("max-body-size = \"4B\"").start().await;
    let mut client = janua.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    client.answer().await.assert_refused(413, "request.body_too_large", "too large");
    assert_eq!((in_flight(&janua), shadow.connections()), (0, 0));
}

/// A copy that hangs holds up neither the drain nor the end, and a reload leaves it alone.
#[tokio::test]
async fn nobody_waits_for_copies_at_the_end() {
    let origin = Origin::answering(OK).await;
    let shadow = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.ended().await;
    })
    .await;
    let setup = setup(&origin, &shadow.url, "");
    let janua = setup.clone().start().await;
    let mut client = janua.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    served(&mut client).await;
    until("the copy hangs", || shadow.requests().len() == 1).await;
    janua.reload(&setup).await.unwrap();
    assert_eq!((in_flight(&janua), shadow.open()), (1, 1));
    drop(client);
    assert!(soon("drain", janua.gateway.drain()).await, "no client was left");
    janua.stop().await;
    until("it is cut", || shadow.open() == 0).await;
}

#[tokio::test]
async fn copies_go_by_http2_as_well() {
    let origin = Served::h2c(|request| async move {
        collect(request.into_body()).await;
        reply("origin")
    })
    .await;
    let (copies, mut copied) = tokio::sync::mpsc::channel(4);
    let shadow = Served::h2c(move |request| {
        let copies = copies.clone();
        async move {
            let mark = request.headers()["x-janua-mirrored"].clone();
            let length = request.headers()["content-length"].clone();
            let body = collect(request.into_body()).await;
            copies.send((mark, length, body)).await.unwrap();
            reply("shadow")
        }
    })
    .await;
    let text = format!(
        "[upstream.u]\nendpoints = \"{}\"\nprotocol = \"h2\"\n\
         [upstream.shadow]\nendpoints = \"{}\"\nprotocol = \"h2\"\n\
         [[route]]\nname = \"r\"\nto = \"u\"\nmirror = \"shadow\"\n",
        origin.url, shadow.url
    );
    let janua = Setup::new(text).listener("h2c = true").start().await;
    let mut client = janua.http2().await;
    let request = http::Request::post("http://a.example/x").body(()).unwrap();
    let mut call = client.begin(request, false).await;
    call.body.send_data("hel".into(), false).unwrap();
    call.body.send_data("lo".into(), true).unwrap();
    assert_eq!(call.answer().await.1, "origin");
    let (mark, length, body) = soon("the copy", copied.recv()).await.unwrap();
    assert_eq!((mark.as_bytes(), length.as_bytes(), &*body), (&b"1"[..], &b"5"[..], &b"hello"[..]));
    until("it has ended", || sent(&janua, "answered") == 1 && in_flight(&janua) == 0).await;
}

/// Who counts what is in flight counts copies too, and they go last.
#[tokio::test]
async fn a_shadow_that_is_bounded_gets_no_more_than_it_takes() {
    let origin = Origin::answering(OK).await;
    let shadow = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.ended().await;
    })
    .await;
    let text = format!(
        "[upstream.u]\nendpoints = \"{}\"\n[upstream.shadow]\nendpoints = \"{}\"\nmax-in-flight = 5\n\
         [[route]]\nname = \"r\"\nto = \"u\"\nmirror = \"shadow\"\n",
        origin.url, shadow.url
    );
    let janua = Setup::new(text).start().await;
    let mut client = janua.client().await;
    for _ in 0..5 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        served(&mut client).await;
    }
    until("two found no room", || dropped(&janua, "upstream") == 2).await;
    until("three are there", || shadow.requests().len() == 3).await;
    assert_eq!(in_flight(&janua), 3);
}

/// Where the shadow wants to be told whose a connection is, each copy has one of its own that says so.
#[tokio::test]
async fn a_copy_is_introduced_as_its_clients_where_the_shadow_wants_that() {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    let (origin, shadow) = (Origin::answering(OK).await, {
        Origin::script(|mut peer| async move {
            assert!(peer.expect(SIGNATURE).await);
            peer.request().await;
            peer.send(NONE).await;
            peer.ended().await;
        })
        .await
    });
    let setup = Setup::new(format!(
        "[upstream.u]\nendpoints = \"{}\"\n\
         [upstream.shadow]\nendpoints = \"{}\"\nproxy-protocol = true\n\
         [[route]]\nname = \"r\"\nto = \"u\"\nmirror = \"shadow\"\n",
        origin.url, shadow.url
    ));
    let janua = setup.start().await;
    let mut client = janua.client().await;
    for (count, (head, body)) in [
        ("GET / HTTP/1.1\r\nHost: a", ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2", "hi"),
    ]
    .into_iter()
    .enumerate()
    {
        client.send(format!("{head}\r\n\r\n{body}")).await;
        served(&mut client).await;
        until("the copy", || sent(&janua, "answered") == count as u64 + 1).await;
        assert_eq!(shadow.connections(), count + 1, "no two copies share one");
        let said = shadow.raw(count);
        let addresses = &said[SIGNATURE.len()..SIGNATURE.len() + 10];
        // From where, to where, and the client's port.
        assert_eq!(addresses[..8], [127, 0, 0, 1, 127, 0, 0, 1], "{said:?}");
        assert_ne!(addresses[8..], [0, 0], "{said:?}");
        assert!(said.ends_with(body.as_bytes()), "{said:?}");
    }
    assert!(origin.requests().iter().all(|own| own.field("x-janua-mirrored").is_none()));
}
