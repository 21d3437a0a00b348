//! Who is at the other end of a client's connection, and how that connection stands.
//!
//! [`Client`] is made once for a connection and shared by its requests: what every request needs of
//! it (the address as a header value, the scheme) is ready made.

use std::{
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed},
};

use http::HeaderValue;

use crate::{reject::Reject, worker::Worker};

/// `http` or `https`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// The scheme's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What the TLS handshake came to.
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// `"TLSv1.3"` or `"TLSv1.2"`.
    pub version: &'static str,
    /// The cipher suite's name.
    pub cipher: &'static str,
    /// The name that the client asked for.
    pub server_name: Option<Box<str>>,
    /// The client's certificate (DER), verified, if it showed one.
    pub certificate: Option<Box<[u8]>>,
}

/// A client's connection: the facts that do not change.
#[derive(Debug)]
pub struct Client {
    /// The address that the socket shows; none for a Unix socket.
    pub peer: Option<SocketAddr>,
    /// The peer's address as header fields show it; `unknown` for a Unix socket.
    pub peer_text: HeaderValue,
    /// By which scheme the client came.
    pub scheme: Scheme,
    /// The facts of its TLS, if any.
    pub tls: Option<TlsFacts>,
    /// Whether the peer is one whose word about others counts.
    pub trusted: bool,
    /// The worker that carries it.
    pub worker: Worker,
    /// How it stands.
    pub state: ClientState,
}

impl Client {
    /// A client at this address, in clear or with these facts.
    pub fn new(
        peer: Option<SocketAddr>,
        tls: Option<TlsFacts>,
        trusted: bool,
        worker: Worker,
    ) -> Self {
        // An IPv4 address that came over an IPv6 socket is an IPv4 address.
        let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        let peer_text = peer
            .and_then(|peer| HeaderValue::try_from(peer.ip().to_string()).ok())
            .unwrap_or(HeaderValue::from_static("unknown"));
        let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
        Self { peer, peer_text, scheme, tls, trusted, worker, state: ClientState::default() }
    }

    /// The peer's IP address, none for a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }
}

/// How a connection stands; written by its reader and its requests, read by whoever watches it.
#[derive(Debug, Default)]
pub struct ClientState {
    /// Requests begun whose answers have not ended.
    in_flight: AtomicU32,
    /// One more than the number of the `Reject` that ends the connection; 0 for none.
    refusal: AtomicU8,
}

impl ClientState {
    /// Counts a request that begins.
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// Counts an answer that ended.
    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Requests begun whose answers have not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Notes why the connection ends; the first reason stays.
    pub fn refuse(&self, reject: Reject) {
        let _ = self.refusal.compare_exchange(0, reject as u8 + 1, Relaxed, Relaxed);
    }

    /// Why the connection ends, if it does so for a fault of the client's.
    pub fn refusal(&self) -> Option<Reject> {
        let number = self.refusal.load(Relaxed);
        number.checked_sub(1).map(|index| Reject::ALL[usize::from(index)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Clock;

    #[test]
    fn an_ipv4_client_on_an_ipv6_socket_is_shown_as_ipv4() {
        let worker = Worker { index: 0, clock: Clock::new() };
        let peer = "[::ffff:192.0.2.7]:4000".parse().unwrap();
        let client = Client::new(Some(peer), None, false, worker.clone());
        assert_eq!(client.peer_text, "192.0.2.7");
        assert_eq!(Client::new(None, None, false, worker).peer_text, "unknown");
    }

    #[test]
    fn the_first_refusal_stays() {
        let state = ClientState::default();
        assert_eq!(state.refusal(), None);
        state.refuse(Reject::RequestLine);
        state.refuse(Reject::RequestTimeout);
        assert_eq!(state.refusal(), Some(Reject::RequestLine));
    }
}
