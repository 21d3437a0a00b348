//! PROXY headers, in and out: who may speak for whom, and what becomes of those who should not.

use std::sync::Arc;

use super::{closed, from, verdict};
use crate::support::{
    Client, Origin, Setup, certs::Authority, client::handshake, http2::Http2, soon, until,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

/// Addresses of version 2: 203.0.113.7:4711 to 127.0.0.1:80.
const FOUR: [u8; 12] = [203, 0, 113, 7, 127, 0, 0, 1, 0x12, 0x67, 0, 80];

fn behind_a_proxy(url: &str) -> Setup {
    Setup::to(url).listener("proxy-protocol = { from = [\"127.0.0.1\", \"127.9.0.0/16\"] }")
}

#[tokio::test]
async fn a_named_proxy_says_who_the_client_is() {
    let origin = Origin::ok().await;
    let janua = behind_a_proxy(&origin.url).start().await;
    let mut six = [0; 36];
    six[..16].copy_from_slice(&"2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    for (source, header, client) in [
        ("127.0.0.1", b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n".to_vec(), "203.0.113.7"),
        ("127.9.1.1", b"PROXY TCP4 203.0.113.8 127.0.0.1 4711 80\r\n".to_vec(), "203.0.113.8"),
        ("127.0.0.1", b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(), "2001:db8::7"),
        ("127.0.0.1", b"PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n".to_vec(), "203.0.113.7"),
        ("127.0.0.1", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ("127.9.1.1", b"PROXY UNKNOWN 203.0.113.7 127.0.0.1 1 2\r\n".to_vec(), "127.9.1.1"),
        ("127.0.0.1", v2(0x21, 0x11, &FOUR), "203.0.113.7"),
        ("127.0.0.1", v2(0x21, 0x21, &six), "2001:db8::7"),
        ("127.0.0.1", v2(0x21, 0x11, &[&FOUR[..], &[7; 4084]].concat()), "203.0.113.7"),
        ("127.0.0.1", v2(0x20, 0x11, &FOUR), "127.0.0.1"),
        ("127.0.0.1", v2(0x20, 0, &[]), "127.0.0.1"),
        ("127.0.0.1", v2(0x21, 0x31, &[0; 216]), "127.0.0.1"),
    ] {
        let shown = String::from_utf8_lossy(&header).into_owned();
        let mut connection = from(source, janua.address).await;
        // With the request right behind it, and once more on the same connection.
        let request = b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
        connection.send([&header[..], request].concat()).await;
        assert_eq!(connection.answer().await.status(), 200, "{shown:?}");
        for _ in 0..2 {
            assert_eq!(
                origin.last().field("x-forwarded-for").as_deref(),
                Some(client),
                "{shown:?}"
            );
            assert_eq!(connection.get("/").await.status(), 200, "{shown:?}");
        }
        janua.logged(client, |line| line["client"] == client && line["peer"].is_null()).await;
        // In pieces, as the network may have it.
        let mut connection = from(source, janua.address).await;
        let (head, tail) = header.split_at(header.len() - 3);
        for piece in [&head[..5], &head[5..], &tail[..1], &tail[1..]] {
            connection.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(connection.get("/").await.status(), 200, "{shown:?} in pieces");
        assert_eq!(origin.last().field("x-forwarded-for").as_deref(), Some(client), "{shown:?}");
    }
}

#[tokio::test]
async fn nobody_stays_who_would_not_be_let_in_by_the_proxies_of_now() {
    let origin = Origin::ok().await;
    let plain = || Setup::to(&origin.url);
    let by = |from: &str| plain().listener(&format!("proxy-protocol = {{ from = {from} }}"));
    let header = "PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n";
    for (name, before, first, after, stays) in [
        ("a header is asked for", plain(), "", by("\"127.0.0.1\""), false),
        ("and no longer", by("\"127.0.0.1\""), header, plain(), false),
        ("of others", by("\"127.0.0.1\""), header, by("\"10.0.0.1\""), false),
        ("of more", by("\"127.0.0.1\""), header, by("[\"127.0.0.0/8\", \"unix\"]"), true),
    ] {
        let janua = before.start().await;
        let mut client = janua.client().await;
        client.send(format!("{first}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(client.answer().await.status(), 200, "{name}");
        janua.reload(&after).await.unwrap();
        match stays {
            true => assert_eq!(client.get("/").await.status(), 200, "{name}"),
            false => assert_eq!(client.ended().await, "", "{name}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_header_of_a_named_peer_is_closed() {
    let origin = Origin::ok().await;
    let janua = behind_a_proxy(&origin.url).start().await;
    let good = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n".to_vec();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut bad_signature = v2(0x21, 0x11, &FOUR);
    bad_signature[10] = b'X';
    for (source, bytes, reason) in [
        ("127.0.0.2", good.clone(), "proxy.stranger"),
        ("127.0.0.2", get.into(), "proxy.stranger"),
        ("127.10.0.1", v2(0x21, 0x11, &FOUR), "proxy.stranger"),
        ("127.0.0.1", get.into(), "proxy.header"),
        ("127.0.0.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"proxy TCP4 203.0.113.7 127.0.0.1 1 2\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.7 127.0.0.1 1\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2 3\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.007 127.0.0.1 1 2\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.7 127.0.0.1 1 65536\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.7 127.0.0.1 -1 2\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 localhost 127.0.0.1 1 2\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP6 fe80::1%lo ::1 1 2\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY UDP4 203.0.113.7 127.0.0.1 1 2\r\n".to_vec(), "proxy.header"),
        ("127.0.0.1", b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\nGET /".to_vec(), "proxy.header"),
        ("127.0.0.1", [b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat(), "proxy.header"),
        ("127.0.0.1", bad_signature, "proxy.header"),
        ("127.0.0.1", v2(0x11, 0x11, &FOUR), "proxy.header"),
        ("127.0.0.1", v2(0x2f, 0x11, &FOUR), "proxy.header"),
        ("127.0.0.1", v2(0x21, 0xf1, &FOUR), "proxy.header"),
        ("127.0.0.1", v2(0x21, 0x11, &FOUR[..8]), "proxy.header"),
        ("127.0.0.1", v2(0x21, 0x21, &FOUR), "proxy.header"),
        ("127.0.0.1", v2(0x21, 0x11, &[0; 4097]), "proxy.header"),
    ] {
        let before = closed(&janua, reason);
        let mut connection = from(source, janua.address).await;
        connection.send(&bytes).await;
        let said = connection.ended().await;
        assert_eq!(said, "", "{source} {:?}", String::from_utf8_lossy(&bytes));
        until("it is counted", || closed(&janua, reason) == before + 1).await;
    }
    assert_eq!(origin.connections(), 0);
    assert!(janua.log().is_empty(), "{:?}", janua.log());
}

#[tokio::test]
async fn a_header_that_ends_or_stands_still_before_its_end_is_closed() {
    let janua = Setup::to("echo")
        .listener("proxy-protocol = { from = \"127.0.0.1\", timeout = \"200ms\" }")
        .start()
        .await;
    let whole = b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n".to_vec();
    let parts = [&b""[..], b"P", &whole[..20], &whole[..whole.len() - 1]];
    let second = v2(0x21, 0x11, &FOUR);
    for part in parts.into_iter().chain([&second[..12], &second[..15], &second[..20]]) {
        let shown = String::from_utf8_lossy(part).into_owned();
        let (ended, late) =
            (closed(&janua, "proxy.header"), closed(&janua, "timeout.proxy_header"));
        let mut truncated = from("127.0.0.1", janua.address).await;
        truncated.send(part).await;
        truncated.half_close().await;
        assert_eq!(truncated.ended().await, "", "{shown:?}");
        until("it is counted", || closed(&janua, "proxy.header") == ended + 1).await;

        let mut slow = from("127.0.0.1", janua.address).await;
        slow.send(part).await;
        assert_eq!(slow.ended().await, "", "{shown:?}");
        until("it is counted", || closed(&janua, "timeout.proxy_header") == late + 1).await;
    }
}

#[tokio::test]
async fn a_header_comes_before_tls_and_before_http2() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let authority = Authority::new("A");
    let site = authority.issue(1, &["a.example"]).save(home.path(), "site");
    let origin = Origin::ok().await;
    let janua = behind_a_proxy(&origin.url)
        .listener(&format!(
            "h2c = true\n[[listener]]\nname = \"tls\"\naddress = \"127.0.0.2:0\"\n\
             proxy-protocol = {{ from = \"127.0.0.1\" }}\n\
             tls = {{ certificates = [{{ {site} }}] }}"
        ))
        .start_in(home)
        .await;
    let connect = async |address, client: &str| {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let header = format!("PROXY TCP4 {client} 127.0.0.1 4711 443\r\n");
        stream.write_all(header.as_bytes()).await.unwrap();
        stream
    };
    let stream = connect(janua.address_of("tls").await, "203.0.113.1").await;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(authority.client()));
    let name = "a.example".try_into().unwrap();
    let stream = soon("handshake", connector.connect(name, stream)).await.unwrap();
    assert_eq!(Client::over(stream).get("/").await.status(), 200);
    assert_eq!(origin.last().field("x-forwarded-for").as_deref(), Some("203.0.113.1"));
    // Inside TLS it is too late for one.
    let stream = handshake(janua.address_of("tls").await, "a.example", authority.client().into());
    assert!(stream.await.is_err(), "a handshake without a header");
    let _ = Http2::over(connect(janua.address, "203.0.113.2").await).await;
}

#[tokio::test]
async fn lists_are_about_the_client_that_the_proxy_names() {
    let setup = |proxies: &str| {
        Setup::new(
            "[access.office]\nallow = \"203.0.113.0/24\"\n[access.one]\nallow = \"203.0.113.7\"\n\
             [[route]]\naccess = \"one\"\nto = { status = 204 }\n",
        )
        .listener(&format!(
            "access = \"office\"\nproxy-protocol = {{ from = \"127.0.0.1\" }}\n\
             trusted-proxies = [{proxies}]"
        ))
    };
    let janua = setup("").start().await;
    let ask = async |client: &str, fields: &str| {
        let mut connection = janua.client().await;
        connection.send(format!("PROXY TCP4 {client} 127.0.0.1 1 2\r\n")).await;
        connection.request("GET /", fields).await
    };
    assert_eq!(ask("203.0.113.7", "").await.status(), 204);
    assert_eq!(verdict(&ask("203.0.113.8", "").await), (403, "access.ip".into()));
    let forged = "X-Forwarded-For: 203.0.113.7\r\n";
    assert_eq!(ask("203.0.113.8", forged).await.status(), 403);
    let mut outside = janua.client().await;
    outside.send("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n").await;
    assert_eq!(outside.ended().await, "");
    assert_eq!(closed(&janua, "access.ip"), 1);
    // Whose word counts is said of whom the header names, too.
    janua.reload(&setup("\"203.0.113.8\"")).await.unwrap();
    assert_eq!(ask("203.0.113.8", forged).await.status(), 204);
}

#[tokio::test]
async fn at_a_unix_socket_whoever_may_open_it_can_be_named() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let path = |name: &str| home.path().join(name);
    let listener = |name: &str, from: &str| {
        let path = path(name);
        format!(
            "[[listener]]\nname = \"{name}\"\naddress = \"unix:{}\"\n\
             proxy-protocol = {{ from = \"{from}\" }}\n",
            path.display()
        )
    };
    let origin = Origin::ok().await;
    let (named, unnamed) = (path("named"), path("unnamed"));
    let _janua = Setup::to(&origin.url)
        .listener(&(listener("named", "unix") + &listener("unnamed", "0.0.0.0/0")))
        .start_in(home)
        .await;
    let header = v2(0x21, 0x11, &FOUR);
    let mut client = Client::unix(&named).await;
    client.send(&header).await;
    assert_eq!(client.get("/").await.status(), 200);
    assert_eq!(origin.last().field("x-forwarded-for").as_deref(), Some("203.0.113.7"));
    let mut client = Client::unix(&unnamed).await;
    client.send(&header).await;
    assert_eq!(client.ended().await, "");
}

#[tokio::test]
async fn an_origin_is_told_whose_each_connection_is() {
    let origin = Origin::script(|mut peer| async move {
        let told = peer.expect(SIGNATURE).await;
        while told && peer.request().await.is_some() {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let janua = Setup::new(format!(
        "[upstream.o]\nendpoints = \"{}\"\nproxy-protocol = true\n[[route]]\nto = \"o\"\n",
        origin.url
    ))
    .listener("trusted-proxies = [\"127.0.0.3\"]")
    .start()
    .await;
    for (count, (source, fields, expected)) in [
        ("127.0.0.1", "", [127, 0, 0, 1]),
        ("127.0.0.1", "", [127, 0, 0, 1]),
        ("127.0.0.2", "X-Forwarded-For: 6.6.6.6\r\n", [127, 0, 0, 2]),
        ("127.0.0.3", "X-Forwarded-For: 203.0.113.7\r\n", [203, 0, 113, 7]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = from(source, janua.address).await;
        assert_eq!(client.request("GET /", fields).await.status(), 200, "{source}");
        assert_eq!(origin.connections(), count + 1, "each has a connection of its own");
        let said = origin.raw(count);
        assert_eq!(said[12..16], [0x21, 0x11, 0, 12], "{said:?}");
        assert_eq!(said[16..20], expected, "{source}");
        assert_eq!(said[20..24], [127, 0, 0, 1], "where it came in");
    }
    until("none is kept", || origin.open() == 0).await;
}

#[tokio::test]
async fn a_body_and_a_tunnel_go_behind_the_header() {
    let origin = Origin::script(|mut peer| async move {
        assert!(peer.expect(SIGNATURE).await);
        let Some(request) = peer.request().await else { return };
        match request.field("upgrade") {
            None => {
                let length = request.body.len();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
                peer.send(&request.body).await;
            }
            Some(_) => {
                let switch = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
                peer.send(switch).await;
                peer.expect("ping").await;
                peer.send("pong").await;
            }
        }
    })
    .await;
    let janua = Setup::new(format!(
        "[upstream.o]\nendpoints = \"{}\"\nproxy-protocol = true\n[[route]]\nto = \"o\"\n",
        origin.url
    ))
    .start()
    .await;
    let mut client = janua.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(client.answer().await.text(), "hello");
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 101);
    client.send("ping").await;
    client.expect("pong").await;
}
