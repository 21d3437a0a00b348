//! What an address may do at a listener before anybody is asked who it is.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpSocket;

use crate::support::{Client, Janua, Origin, Setup, certs::Authority, client::handshake, until};

fn open(keys: &str) -> Setup {
    let key = "0".repeat(64);
    let known = format!("keys = [{{ id = \"a\", sha256 = \"{key}\" }}]");
    let auth = format!("[auth.k]\napi-key = {{ header = \"x-api-key\", {known} }}\n");
    Setup::new(format!("{auth}[[route]]\nauth = \"k\"\nto = \"echo\"\n"))
        .listener(&format!("per-address = {{ {keys} }}"))
}

async fn from(source: &str, address: SocketAddr) -> Client {
    let source: IpAddr = source.parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source, 0)).unwrap();
    Client::over(socket.connect(address).await.unwrap())
}

fn refused(janua: &Janua, reason: &str) -> u64 {
    let name = "janua_listener_connections_refused_total";
    janua.counted(&format!("{name}{{listener=\"public\",reason=\"{reason}\"}}"))
}

#[tokio::test]
async fn an_address_has_so_many_connections_at_a_time() {
    let janua = open("connections = 2").start().await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = janua.client().await;
        assert_eq!(client.get("/").await.status(), 401);
        kept.push(client);
    }
    let mut third = janua.client().await;
    assert_eq!(third.ended().await, "", "closed without a word");
    until("it is counted", || refused(&janua, "limit.connections") == 1).await;
    assert_eq!(from("127.0.0.2", janua.address).await.get("/").await.status(), 401, "another");
    drop(kept.pop());
    // The server sees the end a moment later.
    let mut tries = 0;
    until("its place is free", || {
        tries += 1;
        janua.counted("janua_listener_connections_active{listener=\"public\"}") <= 1
    })
    .await;
    assert_eq!(janua.get("/").await.status(), 401);
}

#[tokio::test]
async fn a_tunnel_is_a_connection_as_long_as_it_is_open() {
    let origin = Origin::tunnels().await;
    let setup = Setup::to(&origin.url).listener("per-address = { connections = 1 }");
    let janua = setup.start().await;
    let mut tunnel = janua.client().await;
    let answer = tunnel.request("GET /", "Connection: upgrade\r\nUpgrade: x/1\r\n").await;
    assert_eq!(answer.status(), 101);
    janua.client().await.ended().await;
    until("it is counted", || refused(&janua, "limit.connections") == 1).await;
    drop(tunnel);
}

#[tokio::test]
async fn an_address_begins_so_many_handshakes() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new("A");
    let pair = authority.issue(1, &["a.example"]).save(home.path(), "site");
    let setup = open("handshakes = \"2/h\"");
    let setup = setup.listener(&format!("tls = {{ certificates = [{{ {pair} }}] }}"));
    let janua = setup.start().await;
    for expected in [true, true, false] {
        let config = std::sync::Arc::new(authority.client());
        let done = handshake(janua.address, "a.example", config).await;
        assert_eq!(done.is_ok(), expected);
    }
    until("it is counted", || refused(&janua, "limit.handshakes") == 1).await;
}

#[tokio::test]
async fn an_address_sends_so_many_requests_before_anybody_asks_who_it_is() {
    let janua = open("requests = \"2/h\"").start().await;
    let mut client = janua.client().await;
    assert_eq!(client.get("/").await.status(), 401);
    assert_eq!(client.get("/nowhere").await.status(), 401);
    let answer = client.get("/").await;
    answer.assert_refused(429, "limit.requests", "two an hour");
    let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!((1_700..=1_800).contains(&wait), "{wait}");
    assert_eq!(from("127.0.0.2", janua.address).await.get("/").await.status(), 401, "another");
    janua.logged_reason("limit.requests").await;
}

#[tokio::test]
async fn proxies_that_are_trusted_speak_for_many() {
    let setup = open("connections = 1, requests = \"1/h\"");
    let janua = setup.listener("trusted-proxies = [\"127.0.0.1\"]").start().await;
    let mut kept = Vec::new();
    for (client, status) in [("192.0.2.1", 401), ("192.0.2.2", 401), ("192.0.2.1", 429)] {
        let mut proxy = janua.client().await;
        let fields = format!("X-Forwarded-For: {client}\r\n");
        assert_eq!(proxy.request("GET /", &fields).await.status(), status, "{client}");
        kept.push(proxy);
    }
}

/// Whoever has an address of IPv6 has a whole network of them.
#[tokio::test]
async fn addresses_of_one_network_of_ipv6_are_one() {
    let (one, near) = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1");
    let (next, far) = ("2001:db8:1:3::1", "2001:db8:2::1");
    for (prefix, expected) in [
        (None, [true, false, true, true]),
        (Some(48), [true, false, false, true]),
        (Some(128), [true, true, true, true]),
    ] {
        let prefix = prefix.map_or_else(String::new, |bits: u8| format!(", ipv6-prefix = {bits}"));
        let of_listener = open(&format!("requests = \"1/h\"{prefix}"));
        let of_route = Setup::new(format!(
            "[[route]]\nlimit = {{ rate = \"1/h\"{prefix} }}\nto = {{ status = 401 }}\n"
        ));
        for setup in [of_listener, of_route] {
            let janua = setup.listener("trusted-proxies = [\"127.0.0.1\"]").start().await;
            for (client, passes) in [one, near, next, far].into_iter().zip(expected) {
                let fields = format!("X-Forwarded-For: {client}\r\n");
                let answer = janua.client().await.request("GET /", &fields).await;
                let status = if passes { 401 } else { 429 };
                assert_eq!(answer.status(), status, "{client} {prefix}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_reload_forgives_no_address() {
    let setup = open("requests = \"1/h\"");
    let janua = setup.clone().start().await;
    assert_eq!(janua.get("/").await.status(), 401);
    janua.reload(&setup).await.unwrap();
    assert_eq!(janua.get("/").await.status(), 429);
}

#[tokio::test]
async fn a_rate_of_addresses_that_was_raised_holds_at_once() {
    let janua = open("requests = \"3/h\"").start().await;
    for status in [401, 401, 401, 429] {
        assert_eq!(janua.get("/").await.status(), status);
    }
    janua.reload(&open("requests = \"100/s\"")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(janua.get("/").await.status(), 401);
}

#[tokio::test]
async fn requests_of_an_address_count_where_all_are_sent_to_https_too() {
    let keys = "redirect-to-https = 443\nper-address = { requests = \"2/h\" }";
    let origin = Origin::ok().await;
    let janua = Setup::to(&origin.url).listener(keys).start().await;
    for status in [308, 308, 429] {
        assert_eq!(janua.get("/").await.status(), status);
    }
}
