//! Who is at the other end of a client's connection, and how that connection stands.
//!
//! [`Client`] is made once for a connection and shared by its requests: what every request needs of
//! it (the address as a header value, the scheme) is ready made. It lives as long as anything goes on
//! with that client, tunnels included, so [`Clients`](super::Clients) can say who is there and tell them to go.

use std::{
    any::Any,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
};

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ClientCertificate, Seat};
use crate::{
    reject::Reject,
    worker::{Rouser, Worker},
};

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
#[derive(Debug, Default)]
pub struct TlsFacts {
    /// `"TLSv1.3"` or `"TLSv1.2"`.
    pub version: &'static str,
    /// The cipher suite's name.
    pub cipher: &'static str,
    /// The name that the client asked for.
    pub server_name: Option<Box<str>>,
    /// The client's certificate, if it showed one.
    pub certificate: Option<Box<ClientCertificate>>,
}

/// A client's connection: the facts that do not change, and how it stands.
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
    /// The listener it belongs to.
    listener: AtomicUsize,
    /// Whether the peer is one whose word about others counts.
    trusted: AtomicBool,
    /// The worker that carries it.
    pub worker: Worker,
    /// How it stands.
    pub state: ClientState,
    /// What wakes the task of its connection.
    pub rouser: Arc<Rouser>,
    pub(super) seat: Option<Seat>,
    /// What ends with it.
    held: Option<Box<dyn Any + Send + Sync>>,
}

impl Client {
    /// Whether the peer is one whose word about others counts.
    #[inline]
    pub fn is_trusted(&self) -> bool {
        self.trusted.load(Relaxed)
    }

    /// Whether it counts from now on.
    pub fn trust(&self, trusted: bool) {
        self.trusted.store(trusted, Relaxed);
    }

    /// The listener it belongs to: the one it came in at, or what is in its place by now.
    #[inline]
    pub fn listener(&self) -> usize {
        self.listener.load(Relaxed)
    }

    /// Belongs to another listener from now on.
    pub fn move_to(&self, listener: usize) {
        self.listener.store(listener, Relaxed);
    }

    /// A client at this address, in clear or with these facts.
    pub fn new(
        peer: Option<SocketAddr>,
        tls: Option<TlsFacts>,
        listener: usize,
        trusted: bool,
        worker: Worker,
    ) -> Self {
        // An IPv4 address that came over an IPv6 socket is an IPv4 address.
        let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        let peer_text = peer
            .and_then(|peer| HeaderValue::try_from(peer.ip().to_string()).ok())
            .unwrap_or(HeaderValue::from_static("unknown"));
        let scheme = if tls.is_some() { Scheme::Https } else { Scheme::Http };
        let state = ClientState::default();
        Self {
            peer,
            peer_text,
            scheme,
            tls,
            listener: AtomicUsize::new(listener),
            trusted: AtomicBool::new(trusted),
            worker,
            state,
            rouser: Arc::default(),
            seat: None,
            held: None,
        }
    }

    /// Keeps something as long as the client is there, also when its connection has become a tunnel.
    pub fn hold(&mut self, what: impl Any + Send + Sync) {
        self.held = Some(Box::new(what));
    }

    /// Counts a request that begins, until what this gives back is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.state.in_flight.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    /// The certificate that it showed, if any.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.tls.as_ref()?.certificate.as_deref()
    }

    /// The peer's IP address, none for a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }
}

/// A client with a request in flight.
#[derive(Debug)]
pub struct InFlight(Arc<Client>);

impl std::ops::Deref for InFlight {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let state = &self.0.state;
        if state.in_flight.fetch_sub(1, Relaxed) == 1 && state.awaited.load(Relaxed) {
            state.awaited.store(false, Relaxed);
            state.wake();
        }
    }
}

/// What a connection is told to do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Signal {
    /// Nothing: go on.
    GoOn,
    /// Go on, and end where the client sees it coming: by GOAWAY, or after the next answer, which
    /// says so. It is welcome elsewhere.
    Leave,
    /// Finish what was begun, take nothing new; the first request of all may be on its way, and counts as begun.
    Drain,
    /// Finish what was begun, take nothing new at all: it would not be let in as it was.
    Expel,
    /// End now.
    Cut,
}

/// A request waits that is nothing to anybody if its client goes away.
const WAITS: u8 = 1;
/// A request runs, and it is time to look.
const LOOK: u8 = 2;

/// For whom an answer waits, as its body saw it when it was polled last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It was not polled.
    Unknown,
    /// For more from the origin.
    Origin,
    /// For the client to take what it gave; so many bytes were given before that.
    Client(u64),
}

impl Signal {
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            0 => Self::GoOn,
            1 => Self::Leave,
            2 => Self::Drain,
            3 => Self::Expel,
            _ => Self::Cut,
        }
    }
}

/// How a connection stands; written by its reader and its requests, read by whoever watches it.
#[derive(Debug, Default)]
pub struct ClientState {
    /// Requests begun whose answers have not ended.
    in_flight: AtomicU32,
    /// Whether the driver is to be woken when none is in flight any more.
    awaited: AtomicBool,
    /// One more than the number of the `Reject` that ends the connection; 0 for none.
    refusal: AtomicU8,
    signal: AtomicU8,
    /// The `Turn` of the stream that is polled now: 0, 1, or 2 more than the bytes.
    turn: AtomicU64,
    /// Whether a stream is being cut whose client takes nothing.
    cutting: AtomicBool,
    /// Whether the last request asked for an upgrade and has it.
    switched: AtomicBool,
    /// Why it has to be known whether the client is there: `WAITS`, `LOOK`.
    waits: AtomicU8,
    /// What goes before the answer in hand, and whether there is something.
    before: Mutex<Vec<u8>>,
    has_before: AtomicBool,
    /// The task that drives the connection.
    driver: Mutex<Option<Waker>>,
    cut: Notify,
}

impl ClientState {
    /// Requests begun whose answers have not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Whether no request is in flight; if one is, the driver is woken when that has changed.
    pub fn is_quiet(&self) -> bool {
        let quiet = self.in_flight() == 0;
        if !quiet {
            self.awaited.store(true, Relaxed);
        }
        quiet
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

    /// Why an answer breaks off that nothing else was wrong with.
    pub fn broke_off(&self) -> Reject {
        match (self.refusal(), self.signal()) {
            _ if self.is_cutting() => Reject::WriteTimeout,
            (Some(refusal), _) => refusal,
            (None, Signal::Cut) => Reject::Draining,
            (None, _) => Reject::ClientGone,
        }
    }

    /// Notes for whom the stream that is polled now waits. A connection's streams share one worker,
    /// so there is never more than one.
    pub fn set_turn(&self, turn: Turn) {
        let number = match turn {
            Turn::Unknown => 0,
            Turn::Origin => 1,
            Turn::Client(before) => before.saturating_add(2),
        };
        self.turn.store(number, Relaxed);
    }

    /// For whom the stream that was polled last waits.
    pub fn turn(&self) -> Turn {
        match self.turn.load(Relaxed) {
            0 => Turn::Unknown,
            1 => Turn::Origin,
            number => Turn::Client(number - 2),
        }
    }

    /// Whether a stream is being cut whose client takes nothing.
    pub fn is_cutting(&self) -> bool {
        self.cutting.load(Relaxed)
    }

    /// Cuts one stream, for taking nothing: what it drops knows why.
    pub fn cut_stream(&self, drop: impl FnOnce()) {
        self.cutting.store(true, Relaxed);
        drop();
        self.cutting.store(false, Relaxed);
    }

    /// Notes whether a request waits that is nothing to anybody if its client goes away.
    pub fn set_waits(&self, waits: bool) {
        match waits {
            true => self.waits.fetch_or(WAITS, Relaxed),
            false => self.waits.fetch_and(!WAITS, Relaxed),
        };
    }

    /// Has the connection look once whether its client is there.
    pub fn look(&self) {
        self.waits.fetch_or(LOOK, Relaxed);
    }

    /// Whether it has to be looked for the client, now that somebody does.
    #[inline]
    pub fn looks(&self) -> bool {
        self.waits.load(Relaxed) > 0 && {
            self.waits.fetch_and(!LOOK, Relaxed);
            true
        }
    }

    /// Notes that the connection becomes a tunnel.
    pub fn switch(&self) {
        self.switched.store(true, Relaxed);
    }

    /// Whether the connection becomes a tunnel, or is one.
    pub fn switched(&self) -> bool {
        self.switched.load(Relaxed)
    }

    /// Has this written before the answer in hand, as soon as what came before that is; by HTTP/1.1, where there
    /// is one at a time.
    ///
    /// A client that takes nothing does not get all of it: more than 64 KiB do not wait.
    pub fn write_before(&self, bytes: &[u8]) {
        let mut before = self.before.lock();
        if before.len() + bytes.len() <= 64 << 10 {
            before.extend_from_slice(bytes);
            self.has_before.store(true, Relaxed);
        }
        drop(before);
        self.wake();
    }

    /// Whether something has still to be written before the answer in hand.
    pub fn has_before(&self) -> bool {
        self.has_before.load(Relaxed)
    }

    /// Takes what is to be written before the answer in hand. Who waits for that is woken.
    #[cold]
    pub fn take_before(&self) -> Vec<u8> {
        let before = std::mem::take(&mut *self.before.lock());
        self.has_before.store(false, Relaxed);
        self.wake();
        before
    }

    /// What the connection is told to do.
    pub fn signal(&self) -> Signal {
        Signal::from_number(self.signal.load(Relaxed))
    }

    /// Tells the connection what to do; never less than it was told before.
    pub fn tell(&self, signal: Signal) {
        self.signal.fetch_max(signal as u8, Relaxed);
        if signal == Signal::Cut {
            self.cut.notify_waiters();
        }
        self.wake();
    }

    /// Wakes the task that drives the connection.
    pub fn wake(&self) {
        if let Some(waker) = &*self.driver.lock() {
            waker.wake_by_ref();
        }
    }

    /// Says which task drives the connection.
    pub fn driven_by(&self, waker: &Waker) {
        *self.driver.lock() = Some(waker.clone());
    }

    /// Waits until the connection is told to end.
    pub async fn cut(&self) {
        let told = self.cut.notified();
        if self.signal() != Signal::Cut {
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::Clock;

    fn worker() -> Worker {
        Worker { index: 0, clock: Clock::new() }
    }

    #[test]
    fn an_ipv4_client_on_an_ipv6_socket_is_shown_as_ipv4() {
        let peer = "[::ffff:192.0.2.7]:4000".parse().unwrap();
        let client = Client::new(Some(peer), None, 0, false, worker());
        assert_eq!(client.peer_text, "192.0.2.7");
        assert_eq!(Client::new(None, None, 0, false, worker()).peer_text, "unknown");
    }

    #[test]
    fn the_first_refusal_stays() {
        let state = ClientState::default();
        assert_eq!(state.refusal(), None);
        state.refuse(Reject::RequestLine);
        state.refuse(Reject::RequestTimeout);
        assert_eq!(state.refusal(), Some(Reject::RequestLine));
    }

    #[test]
    fn a_connection_is_never_told_less_than_before() {
        let state = ClientState::default();
        assert_eq!(state.signal(), Signal::GoOn);
        state.tell(Signal::Cut);
        state.tell(Signal::Drain);
        assert_eq!(state.signal(), Signal::Cut);
    }
}
