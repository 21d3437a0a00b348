//! Upgrades: WebSocket and anything else over HTTP/1.1, RFC 8441 over HTTP/2; what is not upgraded
//! stays HTTP, and what must never pass does not.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    accept_async, client_async,
    tungstenite::{Message, handshake::derive_accept_key},
};

use crate::support::{Client, Janua, Origin, Setup, soon, until};

const ASKS: &str = "Connection: upgrade\r\nUpgrade: shout/1\r\n";
const SWITCHES: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout/1\r\n\r\n";

/// An origin that upgrades to a protocol of its own, in which all is said back in capitals.
async fn shouting() -> Origin {
    Origin::script(|mut peer| async move {
        while let Some(request) = peer.request().await {
            if request.field("upgrade").as_deref() == Some("shout/1") {
                peer.send(SWITCHES).await;
                while let Some(bytes) = peer.some().await {
                    peer.send(bytes.to_ascii_uppercase()).await;
                }
                return;
            }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await
}

async fn before(origin: &Origin) -> Janua {
    Setup::to(&origin.url).listener("h2c = true").start().await
}

async fn upgraded(janua: &Janua) -> Client {
    let mut client = janua.client().await;
    let answer = client.request("GET /", ASKS).await;
    assert_eq!(answer.status(), 101, "{answer:?}");
    client
}

#[tokio::test]
async fn a_websocket_works_through_the_gateway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let origin = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let janua = Setup::to(&url).start().await;
    let stream = TcpStream::connect(janua.address).await.unwrap();
    let opened = soon("handshake", client_async("ws://a.example/chat", stream)).await;
    let (mut socket, answer) = opened.unwrap();
    assert_eq!(answer.status(), 101);
    assert!(answer.headers().contains_key("x-request-id"));
    for message in [
        Message::text("hello"),
        Message::binary(vec![7; 100_000]),
        Message::text("x".repeat(70_000)),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert!(soon("echo", socket.next()).await.unwrap().unwrap() == message);
    }
    socket.close(None).await.unwrap();
    while let Some(message) = soon("close", socket.next()).await {
        assert!(message.unwrap().is_close());
    }
    soon("the origin's end", origin).await.unwrap();
    drop(socket);
    let line = janua.logged("the tunnel", |line| line["path"] == "/chat").await;
    assert_eq!(line["status"], 101);
    assert!(line["bytes_in"].as_u64().unwrap() > 170_000, "{line}");
    assert!(line["reason"].is_null(), "a tunnel that ends is no failure: {line}");
}

#[tokio::test]
async fn any_protocol_passes_once_the_origin_agrees() {
    let origin = shouting().await;
    let janua = before(&origin).await;
    let mut client = upgraded(&janua).await;
    client.send("hello ").await;
    client.expect("HELLO ").await;
    client.send("GET /smuggled HTTP/1.1\r\n\r\n").await;
    client.expect("GET /SMUGGLED HTTP/1.1\r\n\r\n").await;
    client.half_close().await;
    assert_eq!(client.ended().await, "", "an end is passed on");
    until("the origin's end", || origin.open() == 0).await;
    let seen = origin.last();
    assert_eq!(seen.values("connection").join(",").to_ascii_lowercase(), "upgrade");
    assert_eq!(seen.values("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn the_origins_choice_of_protocol_is_what_the_client_is_told() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n")
            .await;
        peer.ended().await;
    })
    .await;
    let janua = before(&origin).await;
    let fields = "Connection: keep-alive, Upgrade\r\nUpgrade: a, b\r\n";
    let answer = janua.client().await.request("GET /", fields).await;
    assert_eq!(answer.field("upgrade").as_deref(), Some("b"), "{answer:?}");
    assert_eq!(answer.field("connection").unwrap().to_ascii_lowercase(), "upgrade");
    assert_eq!(origin.last().field("upgrade").as_deref(), Some("a, b"));
}

/// Clients may not wait for 101, and origins speak at once.
#[tokio::test]
async fn bytes_right_behind_the_upgrade_are_the_tunnels() {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send([SWITCHES.as_bytes(), b"welcome "].concat()).await;
        peer.expect("early").await;
        peer.send("bye").await;
    })
    .await;
    let janua = before(&origin).await;
    let mut client = janua.client().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{ASKS}\r\nearly")).await;
    assert_eq!(client.head().await.status(), 101);
    assert_eq!(client.ended().await, "welcome bye");
}

/// What is right behind a request whose upgrade is refused is the next request, looked at as any.
#[tokio::test]
async fn a_refused_upgrade_leaves_a_connection_of_http() {
    let origin = Origin::ok().await;
    let janua = before(&origin).await;
    let mut client = janua.client().await;
    for _ in 0..2 {
        let answer = client.request("GET /", ASKS).await;
        assert_eq!((answer.status(), &*answer.text()), (200, "ok"));
        assert_eq!(client.get("/next").await.status(), 200);
    }
    client
        .send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{ASKS}\r\nGET /behind HTTP/1.1\r\nHost: a\r\n\r\n\
             GET /bad HTTP/1.1\r\nHost : a\r\n\r\n"
        ))
        .await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(origin.last().target(), "/behind");
    client.answer().await.assert_refused(400, "request.header", "it is still looked at");
}

#[tokio::test]
async fn an_upgrade_with_a_body_opens_behind_the_body() {
    let origin = shouting().await;
    let janua = before(&origin).await;
    let mut client = janua.client().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{ASKS}Content-Length: 4\r\n\r\n");
    client.send(format!("{head}bodyearly")).await;
    assert_eq!(client.head().await.status(), 101);
    client.expect("EARLY").await;
    assert_eq!(origin.last().text(), "body");
}

/// With HTTP/2 behind our back, nobody would look at what is asked there.
#[tokio::test]
async fn h2c_and_its_like_never_pass() {
    let origin = Origin::ok().await;
    let janua = before(&origin).await;
    for fields in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: H2C\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: h2\r\n",
        "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
        "Upgrade: websocket\r\n",
        "Connection: close\r\nUpgrade: websocket\r\n",
    ] {
        let answer = janua.client().await.request("GET /", fields).await;
        assert_eq!(answer.status(), 200, "{fields}: {answer:?}");
        let seen = origin.last();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(seen.field(name), None, "{fields}");
        }
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_is_not_upgraded() {
    let origin = shouting().await;
    let janua = before(&origin).await;
    let mut client = janua.client().await;
    client.send(format!("GET / HTTP/1.0\r\nHost: a\r\n{ASKS}\r\n")).await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn an_origin_that_switches_unasked_gives_no_answer() {
    let origin = Origin::answering(SWITCHES).await;
    let janua = before(&origin).await;
    let mut client = janua.client().await;
    client.get("/").await.assert_refused(502, "upstream.protocol", "101");
    client.get("/").await.assert_refused(502, "upstream.protocol", "the connection goes on");
}

/// What an origin opens is carried without another look: it is to be what was asked for.
#[tokio::test]
async fn an_origin_that_switches_to_something_else_gives_no_answer() {
    for said in ["Upgrade: h2c\r\n", "Upgrade: shout/1, tls\r\n", "Upgrade: whisper\r\n", ""] {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n";
        let origin = Origin::answering(format!("{head}{said}\r\n")).await;
        let janua = before(&origin).await;
        let answer = janua.client().await.request("GET /", ASKS).await;
        answer.assert_refused(502, "upstream.protocol", said);
    }
}

#[tokio::test]
async fn a_tunnel_without_traffic_ends_after_its_time() {
    let origin = shouting().await;
    let setup = Setup::new(format!(
        "[[route]]\nto = \"{}\"\ntimeout = {{ idle = \"300ms\" }}\n",
        origin.url
    ));
    let janua = setup.start().await;
    let mut client = upgraded(&janua).await;
    client.send("hello").await;
    client.expect("HELLO").await;
    assert_eq!(client.ended().await, "");
    let line = janua.logged_reason("timeout.idle").await;
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&5.into(), &5.into()));
}

#[tokio::test]
async fn a_side_that_ends_a_tunnel_ends_it_for_the_other() {
    let origin = shouting().await;
    let janua = before(&origin).await;
    let client = upgraded(&janua).await;
    until("the tunnel", || origin.open() == 1).await;
    drop(client);
    until("the origin's end", || origin.open() == 0).await;

    let hangs_up = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send(SWITCHES).await;
        peer.expect("go").await;
        peer.reset();
    })
    .await;
    let janua = before(&hangs_up).await;
    let mut client = upgraded(&janua).await;
    client.send("go").await;
    client.ended().await;
}

/// RFC 8441: an upgrade by HTTP/2 goes on to the origin as one by HTTP/1.1.
fn connect(protocol: &'static str) -> Request<()> {
    let mut request = Request::builder().method(Method::CONNECT).uri("http://a.example/chat?x");
    request = request.header("x-own", "1");
    let mut request = request.body(()).unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static(protocol));
    request
}

#[tokio::test]
async fn an_upgrade_by_http2_becomes_one_by_http1() {
    let origin = Origin::script(|mut peer| async move {
        let key = peer.request().await.unwrap().field("sec-websocket-key").unwrap_or_default();
        let accept = derive_accept_key(key.as_bytes());
        peer.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\nwelcome"
        ))
        .await;
        while let Some(bytes) = peer.some().await {
            peer.send(bytes.to_ascii_uppercase()).await;
        }
        peer.send("bye").await;
    })
    .await;
    let janua = before(&origin).await;
    let mut client = janua.http2().await;
    client.extended_connect().await;
    let (answer, mut send) = client.begin(connect("websocket"), false).await.head().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    for name in ["sec-websocket-accept", "connection", "upgrade"] {
        assert!(answer.headers().get(name).is_none(), "{name}");
    }
    let seen = origin.last();
    assert_eq!(seen.line, "GET /chat?x HTTP/1.1");
    assert_eq!(seen.field("upgrade").as_deref(), Some("websocket"));
    assert_eq!(seen.field("sec-websocket-version").as_deref(), Some("13"));
    assert_eq!(seen.field("sec-websocket-key").map(|key| key.len()), Some(24));
    assert_eq!((seen.field("x-own"), seen.field("content-length")), (Some("1".into()), None));
    assert_eq!(seen.field("transfer-encoding"), None);

    let mut body = answer.into_body();
    let mut read = Vec::new();
    send.send_data(Bytes::from_static(b" hello"), false).unwrap();
    while !read.ends_with(b"HELLO") {
        read.extend_from_slice(&soon("data", body.data()).await.unwrap().unwrap());
    }
    let (other, _) = client.get("http://a.example/other").await;
    assert_eq!(other.status(), 502, "other streams go on (this origin knows nothing but upgrades)");
    send.send_data(Bytes::new(), true).unwrap();
    while let Some(data) = soon("the rest", body.data()).await {
        read.extend_from_slice(&data.unwrap());
    }
    assert_eq!(read, b"welcome HELLObye", "an end is passed on, and the other half goes on");
    janua
        .logged("the tunnel", |line| line["path"] == "/chat" && line["protocol"] == "HTTP/2")
        .await;
}

/// The key is the gateway's own, so nobody else looks whether the origin understood it.
#[tokio::test]
async fn a_websocket_by_http2_needs_an_origin_that_understood_it() {
    for accept in ["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""] {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n";
        let origin = Origin::answering(format!("{head}Upgrade: websocket\r\n{accept}\r\n")).await;
        let janua = before(&origin).await;
        let mut client = janua.http2().await;
        client.extended_connect().await;
        let call = client.begin(connect("websocket"), false).await;
        let (answer, body) = call.answer().await;
        let reason = crate::support::message::reason(&body);
        assert_eq!((answer.status().as_u16(), &*reason), (502, "upstream.protocol"), "{accept}");
    }
}

#[tokio::test]
async fn an_upgrade_by_http2_that_the_origin_refuses_is_a_plain_answer() {
    let origin = Origin::answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
    let janua = before(&origin).await;
    let mut client = janua.http2().await;
    client.extended_connect().await;
    let (answer, body) = client.begin(connect("websocket"), false).await.answer().await;
    assert_eq!((answer.status().as_u16(), &*body), (403, &b"no"[..]));
    let (answer, _) = client.get("http://a.example/").await;
    assert_eq!(answer.status(), 403, "the connection goes on");
}

/// Of a CONNECT any success means that the tunnel is open: a client would take a page for it.
#[tokio::test]
async fn an_upgrade_by_http2_that_the_origin_ignores_is_no_success() {
    let origin = Origin::ok().await;
    let janua = before(&origin).await;
    let mut client = janua.http2().await;
    client.extended_connect().await;
    let (answer, body) = client.begin(connect("websocket"), false).await.answer().await;
    let reason = crate::support::message::reason(&body);
    assert_eq!((answer.status().as_u16(), &*reason), (502, "upstream.protocol"));
}

#[tokio::test]
async fn an_upgrade_is_a_get_to_routes_however_it_comes() {
    let origin = shouting().await;
    let setup = Setup::new(format!(
        "[[route]]\npath = \"/chat\"\nmethods = \"GET\"\nto = \"{}\"\n\
         [[route]]\nto = {{ status = 200, body = \"hello\" }}\n",
        origin.url
    ));
    let janua = setup.listener("h2c = true").start().await;
    assert_eq!(janua.client().await.request("GET /chat", ASKS).await.status(), 101);
    let mut client = janua.http2().await;
    client.extended_connect().await;
    let (answer, _) = client.begin(connect("shout/1"), false).await.head().await.unwrap();
    assert_eq!(answer.status(), 200);

    // Janua's own answers open no tunnel, and do not seem to.
    let mut request = connect("shout/1");
    *request.uri_mut() = "http://a.example/hello".parse().unwrap();
    let (answer, body) = client.begin(request, false).await.answer().await;
    let reason = crate::support::message::reason(&body);
    assert_eq!((answer.status().as_u16(), &*reason), (405, "request.method"));
}

#[tokio::test]
async fn h2c_never_passes_by_http2_either() {
    let origin = Origin::ok().await;
    let janua = before(&origin).await;
    let mut client = janua.http2().await;
    client.extended_connect().await;
    for protocol in ["h2c", "H2C", "tls", "websocket, h2c", "http/1.1"] {
        let (answer, _) = client.begin(connect(protocol), false).await.answer().await;
        assert!(answer.status().is_client_error(), "{protocol}: {}", answer.status());
    }
    assert!(!origin.received().to_ascii_lowercase().contains("upgrade:"), "{}", origin.received());
}
