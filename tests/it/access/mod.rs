//! Who may come in, and who somebody is: access lists, countries, PROXY headers, forwarded fields.
//! Whoever is not let in has a status and a reason, or a connection that ends, and never an answer from
//! the origin.

mod forged;
mod geo;
mod lists;
mod problems;
mod proxy;

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpSocket;

use crate::support::{Client, Janua, Message, soon};

/// A connection to this address from that one of the loopback's.
async fn from(source: &str, address: SocketAddr) -> Client {
    let source: IpAddr = source.parse().unwrap();
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    socket.bind(SocketAddr::new(source, 0)).unwrap();
    let stream = soon("connect", socket.connect(address)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Client::over(stream)
}

/// The answer to a request from there.
async fn get(source: &str, janua: &Janua, fields: &str) -> Message {
    from(source, janua.address).await.request("GET /", fields).await
}

/// Status, and the reason of a refusal.
fn verdict(answer: &Message) -> (u16, String) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status(), body["reason"].as_str().unwrap_or_default().to_owned())
}

/// How many connections were closed at once for this reason.
fn closed(janua: &Janua, reason: &str) -> u64 {
    let name = "janua_listener_connections_refused_total";
    janua.counted(&format!("{name}{{listener=\"public\",reason=\"{reason}\"}}"))
}
