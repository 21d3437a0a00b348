//! Clients of a gateway that ends, and of listeners that a reload moves or changes: what was on its way is answered,
//! nobody stays where it would not be let in, and who may stay never notices.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Request;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{
    Client, Janua, Origin, Setup,
    certs::Authority,
    frames::{END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Outcome, block, frame, with},
    http2::Http2,
    soon, until,
};

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello!";

const NAME: &str = "a.example";

const NO_CONTENT: &str = "[[route]]\nto = { status = 204 }\n";

/// Waits until so many connections were taken from the kernel.
async fn came_in(janua: &Janua, count: u64) {
    let series = "janua_listener_connections_accepted_total{listener=\"public\"}";
    until("the connections", || janua.counted(series) == count).await;
}

/// Drains; once that has begun something else happens. Says how long it took, if nothing had to be cut.
async fn drain(janua: &Janua, then: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    let begun = async {
        until("the beginning", || !janua.gateway.is_ready()).await;
        // Nobody listens any more: the clients were told.
        until("no more connections", || std::net::TcpStream::connect(janua.address).is_err()).await;
        then.await;
    };
    let both = async { tokio::join!(janua.gateway.drain(), begun) };
    let (clean, ()) = soon("drain", both).await;
    assert!(clean, "nothing had to be cut");
    start.elapsed()
}

async fn assert_last_answer(client: &mut Client, status: u16) {
    let answer = client.answer().await;
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.field("connection").as_deref(), Some("close"), "{answer:?}");
    assert_eq!(client.ended().await, "");
}

// --- The end of the gateway ---

/// It may have been sent already, and a POST is sent once.
#[tokio::test]
async fn a_first_request_that_is_on_its_way_when_the_end_begins_is_answered() {
    let origin = Origin::ok().await;
    for listener in ["", "h2c = true"] {
        let janua = Setup::to(&origin.url).listener(listener).start().await;
        let mut fresh = janua.client().await;
        let mut begun = janua.client().await;
        begun.send(&POST[..20]).await;
        came_in(&janua, 2).await;
        drain(&janua, async {
            fresh.send(POST).await;
            assert_last_answer(&mut fresh, 200).await;
            begun.send(&POST[20..]).await;
            assert_last_answer(&mut begun, 200).await;
        })
        .await;
    }
}

#[tokio::test]
async fn the_rest_of_a_next_request_is_waited_for_when_the_end_begins() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).start().await;
    let mut client = janua.client().await;
    client.send(POST).await;
    assert_eq!(client.answer().await.status(), 200);
    client.send(&POST[..20]).await;
    // The gateway has read it once it has answered one that came later.
    assert_eq!(janua.get("/").await.status(), 200);
    drain(&janua, async {
        client.send(&POST[20..]).await;
        assert_last_answer(&mut client, 200).await;
    })
    .await;
}

#[tokio::test]
async fn a_handshake_that_is_on_its_way_when_the_end_begins_is_answered() {
    let (authority, home) = (Authority::new("A"), tempfile::tempdir().unwrap());
    let certificate = authority.issue(1, &[NAME]).save(home.path(), "site");
    let tls = format!("tls = {{ certificates = [{{ {certificate} }}] }}");
    let janua = Setup::new(NO_CONTENT).listener(&tls).start().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(TcpStream::connect(janua.address).await.unwrap());
    }
    came_in(&janua, 2).await;
    drain(&janua, async {
        for (stream, http2) in streams.into_iter().zip([false, true]) {
            let mut client = authority.client();
            if http2 {
                client.alpn_protocols = vec![b"h2".to_vec()];
            }
            let name = ServerName::try_from(NAME).unwrap();
            let connect = TlsConnector::from(Arc::new(client)).connect(name, stream);
            let stream = soon("handshake", connect).await.unwrap();
            if http2 {
                let mut client = Http2::over(stream).await;
                assert_eq!(client.get("https://a.example/").await.0.status(), 204);
            } else {
                let mut client = Client::over(stream);
                client.send(POST).await;
                assert_last_answer(&mut client, 204).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_first_stream_that_is_on_its_way_when_the_end_begins_is_answered() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let mut frames = Frames::silent(janua.address).await;
    came_in(&janua, 1).await;
    drain(&janua, async {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&with(&[])));
        let settings = frame(crate::support::frames::SETTINGS, 0, 0, b"");
        frames.send(&[crate::support::frames::PREFACE, &settings, &head].concat()).await;
        let goaway = frames.next_of(GOAWAY).await.expect("a GOAWAY before the answer");
        assert_eq!(goaway.payload[4..8], [0; 4], "NO_ERROR");
        assert_eq!(frames.outcome().await, Outcome::Answer(b"ok".to_vec()));
        drop(frames);
    })
    .await;
}

/// Browsers open connections for later; nobody can tell them from those whose request is on its way.
#[tokio::test]
async fn who_never_says_anything_holds_the_end_for_two_seconds() {
    for listener in ["", "h2c = true"] {
        let setup = Setup::new(NO_CONTENT).listener(listener);
        let janua = setup.server("drain = { timeout = \"14s\" }").start().await;
        let mut silent = janua.client().await;
        came_in(&janua, 1).await;
        let took = drain(&janua, async {
            assert_eq!(silent.ended().await, "");
            assert_eq!(silent.broken, None, "its end is no error");
        })
        .await;
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(8), "{took:?}");
    }
}

#[tokio::test]
async fn clients_that_had_their_answers_hold_no_end() {
    let janua = Setup::new(NO_CONTENT).listener("h2c = true").start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.status(), 204);
    let mut http2 = janua.http2().await;
    assert_eq!(http2.get("http://a.example/").await.0.status(), 204);
    let took = drain(&janua, async {
        assert_eq!(client.ended().await, "");
        assert!(http2.ended().await.is_ok());
    })
    .await;
    assert!(took < Duration::from_millis(1_500), "{took:?}");
}

/// At a listener that has all its connections, one waits accepted, and others in the kernel's queue.
async fn crowd(at: SocketAddr, origin: &Origin) -> Vec<Client> {
    let mut crowd = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(at).await;
        client.send(POST).await;
        until("the first request", || origin.received().contains("hello!")).await;
        crowd.push(client);
    }
    crowd
}

#[tokio::test]
async fn who_waits_for_a_place_when_the_end_begins_is_answered() {
    let (origin, may) = Origin::held().await;
    let (small, other) = (free(), free());
    let small_one = format!("{}max-connections = 1\n", listener("small", small));
    let route = format!("[[route]]\nto = \"{}\"\n", origin.url);
    let both = format!("{small_one}{}{route}", listener("other", other));
    let janua = Setup::new(both).start().await;
    let mut crowd = crowd(small, &origin).await;
    let mut idle = Client::connect(other).await;
    assert_eq!(idle.request("OPTIONS /", "Max-Forwards: 0\r\n").await.status(), 204);
    let draining = async {
        assert_eq!(idle.ended().await, "", "the end has begun");
        may.add_permits(crowd.len());
        for client in &mut crowd {
            assert_last_answer(client, 200).await;
        }
    };
    let both = async { tokio::join!(janua.gateway.drain(), draining) };
    let (clean, ()) = soon("drain", both).await;
    assert!(clean, "nothing had to be cut");
}

// --- Reloads that change listeners ---

/// A free address; another than that of all tests, so that nobody has it meanwhile.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.3:0").unwrap().local_addr().unwrap()
}

fn listener(name: &str, address: SocketAddr) -> String {
    format!("[[listener]]\nname = \"{name}\"\naddress = \"{address}\"\nh2c = true\n")
}

#[tokio::test]
async fn who_waits_for_a_place_when_a_reload_takes_the_listener_is_answered() {
    let (origin, may) = Origin::held().await;
    let (small, other) = (free(), listener("other", free()));
    let route = format!("[[route]]\nto = \"{}\"\n", origin.url);
    let small_one = format!("{}max-connections = 1\n", listener("small", small));
    let janua = Setup::new(format!("{other}{small_one}{route}")).start().await;
    let mut crowd = crowd(small, &origin).await;
    janua.reload(&Setup::new(format!("{other}{route}"))).await.unwrap();
    until("nobody listens there", || std::net::TcpStream::connect(small).is_err()).await;
    may.add_permits(crowd.len());
    for client in &mut crowd {
        assert_last_answer(client, 200).await;
    }
}

#[tokio::test]
async fn a_listener_gets_another_name_and_its_clients_never_notice() {
    let at = free();
    let named = |name: &str| {
        let route = format!("[[route]]\npath = \"/x\"\nlistener = \"{name}\"\n");
        Setup::new(format!("{}{route}to = {{ status = 202 }}\n{NO_CONTENT}", listener(name, at)))
    };
    let janua = named("before").start().await;
    let mut fresh = Client::connect(at).await;
    let mut kept = Client::connect(at).await;
    assert_eq!(kept.get("/x").await.status(), 202);
    let mut http2 = Http2::connect(at).await;
    assert_eq!(http2.get("http://a.example/x").await.0.status(), 202);
    janua.reload(&named("after")).await.unwrap();
    for client in [&mut fresh, &mut kept] {
        for _ in 0..2 {
            client.send(POST).await;
            let answer = client.answer().await;
            assert_eq!((answer.status(), answer.field("connection")), (204, None), "{answer:?}");
        }
        let answer = client.get("/x").await;
        assert_eq!(answer.status(), 202, "it belongs to the listener of the new name");
    }
    assert_eq!(http2.get("http://a.example/x").await.0.status(), 202);
}

#[tokio::test]
async fn clients_of_an_address_that_a_listener_left_are_told_with_the_next_answer() {
    let (before, after) = (free(), free());
    let at = |address| Setup::new(format!("{}{NO_CONTENT}", listener("moves", address)));
    let janua = at(before).start().await;
    let mut kept = Client::connect(before).await;
    assert_eq!(kept.get("/").await.status(), 204);
    let mut fresh = Client::connect(before).await;
    let mut http2 = Http2::connect(before).await;
    assert_eq!(http2.get("http://a.example/").await.0.status(), 204);
    janua.reload(&at(after)).await.unwrap();
    for client in [&mut kept, &mut fresh] {
        client.send(POST).await;
        assert_last_answer(client, 204).await;
    }
    assert!(http2.ended().await.is_ok(), "a GOAWAY, and a graceful end");
    assert_eq!(Client::connect(after).await.get("/").await.status(), 204);
}

/// What a listener asks of its clients' certificates, in turn.
#[tokio::test]
async fn nobody_stays_whose_certificate_would_not_be_asked_for_in_the_same_way() {
    let (site, clients, others) = (Authority::new("A"), Authority::new("C"), Authority::new("D"));
    let home = tempfile::tempdir().unwrap();
    let certificate = site.issue(1, &[NAME]).save(home.path(), "site");
    let crl = home.path().join("clients.crl");
    let crl_key = format!(", crl = \"{}\"", crl.display());
    let ca = clients.save(&home.path().join("clients.pem"));
    let other = others.save(&home.path().join("others.pem"));
    let asks = |more: &str| {
        let tls = format!("tls = {{ certificates = [{{ {certificate} }}]{more} }}");
        Setup::new(NO_CONTENT).listener(&tls)
    };
    let optional = format!(", client = {{ ca = \"{ca}\", optional = true }}");
    let revoked = format!(", client = {{ ca = \"{ca}\", optional = true{crl_key} }}");
    let required = format!(", client = {{ ca = \"{other}\" }}");
    for (name, before, after) in [
        ("one is asked for", "", &required),
        ("another authority", &optional, &required),
        ("some are revoked", &optional, &revoked),
        ("others are revoked", &revoked, &revoked),
    ] {
        std::fs::write(&crl, clients.revoke(&[8])).unwrap();
        let janua = asks(before).start().await;
        let config = |http2: bool| {
            let mut config = site.client();
            config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { Vec::new() };
            config
        };
        let mut kept = Client::tls(janua.address, NAME, config(false)).await;
        assert_eq!(kept.get("/").await.status(), 204, "{name}");
        let mut fresh = Client::tls(janua.address, NAME, config(false)).await;
        let stream = crate::support::client::handshake(janua.address, NAME, config(true).into());
        let mut http2 = Http2::over(stream.await.unwrap()).await;
        assert_eq!(http2.get("https://a.example/").await.0.status(), 204, "{name}");
        janua.reload(&asks(before)).await.unwrap();
        assert_eq!(kept.get("/").await.status(), 204, "{name}: what did not change");
        std::fs::write(&crl, clients.revoke(&[8, 9])).unwrap();
        janua.reload(&asks(after)).await.unwrap();
        for client in [&mut kept, &mut fresh] {
            client.send(POST).await;
            assert_eq!(client.ended().await, "", "{name}");
        }
        let request = Request::get("https://a.example/").body(()).unwrap();
        if let Ok(call) = http2.try_begin(request, true).await
            && let Ok((answer, _)) = call.head().await
        {
            assert_eq!(answer.status(), 421, "{name}");
        }
    }
}

/// One that begins no end of its own, whatever it is told, gets nothing more all the same.
#[tokio::test]
async fn a_client_of_http2_that_does_not_leave_gets_no_more_answers() {
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).listener("h2c = true").start().await;
    let head = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&with(&[])));
    let mut frames = Frames::open(janua.address).await;
    frames.send(&head(1)).await;
    assert_eq!(frames.outcome().await, Outcome::Answer(b"ok".to_vec()));
    janua.reload(&Setup::to(&origin.url).listener("tls = \"self-signed\"")).await.unwrap();
    frames.next_of(GOAWAY).await.expect("a GOAWAY");
    frames.send(&head(3)).await;
    let Outcome::Answer(body) = frames.outcome().await else { return };
    assert_eq!(crate::support::message::reason(&body), "request.misdirected");
}
