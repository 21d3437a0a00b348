//! One connection, from the accepted socket to its end: TLS, the protocol, deadlines, drain.
//!
//! One code for every kind of stream; ALPN, or the first bytes where h2c is allowed, decide the
//! protocol. The driver polls hyper's connection and, beside it, one deadline that it moves along
//! lazily: a request sets no timer.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response, Version};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt, sync::OwnedSemaphorePermit};
use tokio_rustls::TlsAcceptor;

use super::{
    enter::enter,
    fate::fate,
    guard::{Guard, Limits, Phase, Preface, h2_preface},
    streams::Streams,
    watched::{Http1, Standing, Watched},
};
use crate::{
    chain,
    config::{self, ListenerTimeout},
    message::{Client, ClientCertificate, Seat, Signal, TlsFacts},
    metrics::Protocol,
    reject::Reject,
    snapshot::{Lens, Listener},
    stream::{Socket, Stream},
    worker::{Deadline, Worker},
};

/// Bytes that TLS takes at once to make records of them, before the client has taken what it has: a piece of
/// a body as large as origins' are, 64 KiB, with its head. With less its end would take a system call of its own.
const AT_ONCE: usize = 80 << 10;

/// How long a refused client may take to read its answer.
const LINGER: Duration = Duration::from_secs(2);

/// How long after it began a connection is looked at first, and how often while requests run. No
/// deadline is met later than this after its time.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// What a connection needs of where it came in.
pub(super) struct Site {
    pub(super) lens: Lens,
    pub(super) listener: Arc<Listener>,
    pub(super) worker: Worker,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    site: Site,
    socket: Socket,
    peer: Option<SocketAddr>,
    seat: Seat,
    permit: OwnedSemaphorePermit,
) {
    // Its deadlines count from here, also when nobody was there before.
    site.worker.clock.catch_up();
    let Ok((peer, held)) = enter(&site, &socket, peer).await else { return };
    let Some((stream, tls, http2)) = handshake(&site, socket).await else { return };
    let trusted = site.listener.trusts(peer.map(|peer| peer.ip()));
    let mut client = Client::new(peer, tls, site.listener.id, trusted, site.worker.clone());
    if let Some(held) = held {
        client.hold(held);
    }
    let client = seat.take(client);
    let world = site.lens.look();
    if world.listener(site.listener.id).is_none_or(|now| !Arc::ptr_eq(now, &site.listener)) {
        // It came too late to be told.
        match fate(&site.listener, &world) {
            Ok(listener) => client.move_to(listener),
            Err(signal) => client.state.tell(signal),
        }
    }
    let mut stream = stream;
    let mut held = Vec::new();
    let http2 = match site.listener.h2c && !http2 {
        true => sniff(&site, &client, &mut stream, &mut held).await,
        false => Some(http2),
    };
    let Some(http2) = http2 else { return };
    let metrics = site.listener.metrics.clone();
    let shard = metrics.at(site.worker.index);
    let _active = shard.active.hold();
    if http2 {
        // Boxed: its state is larger, and HTTP/1 connections would have room for it too.
        Box::pin(serve_http2(&site, stream, held, client)).await;
    } else {
        serve_http1(&site, stream, held, client).await;
    }
    drop(permit);
}

/// The TLS handshake, if there is to be one: the stream, its facts, and whether HTTP/2 was agreed.
async fn handshake(site: &Site, socket: Socket) -> Option<(Stream, Option<TlsFacts>, bool)> {
    let Some(tls) = &site.listener.tls else { return Some((Stream::Clear(socket), None, false)) };
    let shard = site.listener.metrics.at(site.worker.index);
    let patience = site.listener.timeout.handshake.0;
    let mut deadline = Deadline::new(&site.worker.clock, patience);
    let at_once = |connection: &mut rustls::ServerConnection| {
        connection.set_buffer_limit(Some(AT_ONCE));
    };
    let mut accept = TlsAcceptor::from(tls.config.clone()).accept_with(socket, at_once);
    let accepted = poll_fn(|cx| match Pin::new(&mut accept).poll(cx) {
        Poll::Ready(accepted) => Poll::Ready(accepted),
        Poll::Pending => deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
    });
    match accepted.await {
        Ok(stream) => {
            shard.handshakes.inc();
            let (_, connection) = stream.get_ref();
            let facts = facts(connection);
            let http2 = connection.alpn_protocol() == Some(b"h2");
            Some((Stream::Tls(Box::new(stream.into())), Some(facts), http2))
        }
        Err(error) => {
            shard.handshakes_failed.inc();
            tracing::debug!(listener = &*site.listener.name, %error, "no TLS handshake");
            None
        }
    }
}

fn facts(connection: &rustls::ServerConnection) -> TlsFacts {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "",
    };
    let suite = connection.negotiated_cipher_suite();
    let cipher = suite.and_then(|suite| suite.suite().as_str()).unwrap_or_default();
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    TlsFacts {
        version,
        cipher,
        server_name: connection.server_name().map(Into::into),
        certificate: certificate.map(|der| Box::new(ClientCertificate::new(der))),
    }
}

/// Whether a connection in clear begins with HTTP/2; what was read to find out is in `held`. None for
/// one on which nothing came while it was welcome.
async fn sniff(
    site: &Site,
    client: &Client,
    stream: &mut Stream,
    held: &mut Vec<u8>,
) -> Option<bool> {
    let timeout = &site.listener.timeout;
    let mut deadline = Deadline::new(&site.worker.clock, timeout.keep_alive.0);
    loop {
        match h2_preface(held) {
            Preface::Yes => return Some(true),
            Preface::No => return Some(false),
            Preface::Maybe => {}
        }
        let idle = held.is_empty();
        let mut read = pin!(stream.read_buf(held));
        let read = poll_fn(|cx| {
            client.state.driven_by(cx.waker());
            match read.as_mut().poll(cx) {
                Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
                Poll::Pending if idle && client.state.signal() >= Signal::Drain => Poll::Ready(0),
                Poll::Pending => deadline.poll(cx).map(|()| 0),
            }
        });
        if read.await == 0 {
            return (!held.is_empty()).then_some(false);
        }
        if idle {
            deadline = Deadline::new(&site.worker.clock, timeout.header.0);
        }
    }
}

/// Answers one request: in the world that holds now, by the rules that its listener has in it.
///
/// Boxed: the library would keep room for the future as long as an HTTP/1 connection is idle, 2 KiB, and
/// moves an HTTP/2 stream's about on its way into its task.
fn answer(
    lens: &Lens,
    listener: &Arc<Listener>,
    client: &Arc<Client>,
    request: Request<Incoming>,
) -> Pin<Box<impl Future<Output = Result<Response<chain::Body>, Infallible>> + use<>>> {
    let client = client.begin();
    let world = lens.look();
    let now = world.listener(client.listener()).unwrap_or(listener);
    if !Arc::ptr_eq(now, listener) {
        // A reload may have changed whose word counts.
        client.trust(now.trusts(client.ip()));
    }
    let listener = now.clone();
    let protocol = match request.version() {
        Version::HTTP_10 => Protocol::Http10,
        Version::HTTP_2 => Protocol::Http2,
        _ => Protocol::Http11,
    };
    listener.metrics.at(client.worker.index).request(protocol);
    let (head, body) = request.into_parts();
    Box::into_pin(Box::write(
        Box::new_uninit(),
        chain::serve(world, listener, client, head, Some(body)),
    ))
}

async fn serve_http1(site: &Site, stream: Stream, held: Vec<u8>, client: Arc<Client>) {
    let Site { lens, listener, .. } = site;
    let standing = Arc::new(Standing::default());
    let refused = (lens.clone(), listener.clone(), client.clone());
    let refuse = move |reject| {
        let (lens, listener, client) = &refused;
        chain::refuse_unread(&lens.look(), listener, client, reject)
    };
    let limits = Limits::from(&listener.head);
    let http1 = Http1 { guard: Guard::new(), limits, refuse: Box::new(refuse) };
    let io = Watched::new(stream, client.clone(), standing.clone(), held, Some(http1));
    let (lens, own) = (lens.clone(), listener.clone());
    let caller = client.clone();
    let service = service_fn(move |request| answer(&lens, &own, &caller, request));
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None);
    // hyper's own bounds lie above the guard's, so that it is always the guard who refuses. Up to
    // 100 fields it needs no memory of its own for them.
    builder.max_buf_size((limits.max_header_size + 8192).max(64 << 10));
    if limits.max_headers > 100 {
        builder.max_headers(usize::from(limits.max_headers));
    }
    let connection = builder.serve_connection(TokioIo::new(io), service).with_upgrades();
    let driver = Driver::new(&site.listener, client, standing, false);
    driver.drive(connection, http1::UpgradeableConnection::graceful_shutdown).await;
}

async fn serve_http2(site: &Site, stream: Stream, held: Vec<u8>, client: Arc<Client>) {
    let Site { lens, listener, .. } = site;
    let standing = Arc::new(Standing::default());
    let io = Watched::new(stream, client.clone(), standing.clone(), held, None);
    let (lens, own) = (lens.clone(), listener.clone());
    let caller = client.clone();
    let service = service_fn(move |request| answer(&lens, &own, &caller, request));
    let limits = &listener.http2;
    let window = u32::try_from(limits.window.0).unwrap_or(u32::MAX).clamp(65_535, (1 << 31) - 1);
    let mut builder = http2::Builder::new(Streams::new(client.clone(), listener));
    builder
        .max_concurrent_streams(limits.max_streams)
        .max_pending_accept_reset_streams(limits.max_pending_resets as usize)
        .max_local_error_reset_streams(limits.max_resets as usize)
        .max_header_list_size(u32::try_from(listener.head.size).unwrap_or(u32::MAX))
        .initial_stream_window_size(window)
        .initial_connection_window_size(window.saturating_mul(4).min((1 << 31) - 1))
        .enable_connect_protocol();
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let driver = Driver::new(&site.listener, client, standing, true);
    driver.drive(connection, http2::Connection::graceful_shutdown).await;
}

/// Drives a connection of either protocol.
struct Driver {
    timeout: ListenerTimeout,
    client: Arc<Client>,
    standing: Arc<Standing>,
    http2: bool,
    deadline: Deadline,
    /// When the last request ended; none while one runs.
    quiet_since: Option<u64>,
    draining: bool,
    /// Whether the next look is as far off as that of a quiet connection.
    far: bool,
    /// Whether it was asked to finish for having been quiet too long.
    finishing: bool,
}

/// What becomes of a connection when its deadline has come.
enum Patience {
    /// It is looked at again after this time.
    Left(Duration),
    /// It had its time without a request: it is closed, after what may have begun just now.
    Finish,
    /// Its client is too slow, and told so.
    Refuse(Reject),
    /// It ends.
    Over,
}

impl Driver {
    fn new(listener: &Listener, client: Arc<Client>, standing: Arc<Standing>, http2: bool) -> Self {
        let clock = &client.worker.clock;
        let (deadline, quiet_since) = (Deadline::new(clock, FIRST_LOOK), Some(clock.now()));
        let timeout = listener.timeout.clone();
        let (draining, far, finishing) = (false, false, false);
        Self { timeout, client, standing, http2, deadline, quiet_since, draining, far, finishing }
    }

    async fn drive<C>(mut self, connection: C, finish: impl Fn(Pin<&mut C>))
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        let (rouser, mut known) = (Waker::from(self.client.rouser.clone()), false);
        poll_fn(|cx| {
            if !known {
                known = true;
                self.client.state.driven_by(cx.waker());
                self.client.rouser.wakes(cx.waker());
            }
            match self.client.state.signal() {
                Signal::GoOn => {}
                // By HTTP/1 the next answer says that it is the last.
                Signal::Leave if !self.http2 => {}
                Signal::Leave | Signal::Drain | Signal::Expel if self.draining => {}
                Signal::Leave | Signal::Drain | Signal::Expel => {
                    self.draining = true;
                    finish(connection.as_mut());
                }
                Signal::Cut => return Poll::Ready(()),
            }
            // By HTTP/2 the task reads for more than one.
            let ended = match self.http2 {
                true => connection.as_mut().poll(cx),
                false => connection.as_mut().poll(&mut Context::from_waker(&rouser)),
            };
            if ended.is_ready() {
                return Poll::Ready(());
            }
            self.note_quiet();
            if self.far && self.is_pressed() {
                self.far = false;
                self.deadline.reset(FIRST_LOOK);
            }
            while self.deadline.poll(cx).is_ready() {
                match self.patience() {
                    Patience::Left(time) => {
                        self.far = !self.is_pressed();
                        self.deadline.reset(time);
                    }
                    // HTTP/2 finishes when the client plays along; one that is silent does not.
                    Patience::Finish if self.finishing => return Poll::Ready(()),
                    Patience::Finish => {
                        self.finishing = true;
                        self.deadline.reset(LINGER);
                        finish(connection.as_mut());
                        cx.waker().wake_by_ref();
                    }
                    Patience::Refuse(reject) => {
                        self.client.state.refuse(reject);
                        self.standing.refuse(self.client.worker.clock.now());
                        self.deadline.reset(LINGER);
                        cx.waker().wake_by_ref();
                    }
                    Patience::Over => return Poll::Ready(()),
                }
            }
            Poll::Pending
        })
        .await;
    }

    fn note_quiet(&mut self) {
        if self.client.state.in_flight() > 0 {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(self.client.worker.clock.now());
        }
    }

    /// Whether the client has less time than a quiet one. A request that comes whole, and whose
    /// answer is taken, presses nobody: it moves no deadline.
    fn is_pressed(&self) -> bool {
        matches!(self.standing.phase().0, Phase::Head | Phase::Refused)
            || self.standing.stuck().is_some()
    }

    /// Looks at how the connection stands.
    fn patience(&self) -> Patience {
        let now = self.client.worker.clock.now();
        let left = |since: u64, allowed: config::Duration| {
            allowed.0.checked_sub(Duration::from_millis(now.saturating_sub(since)))
        };
        if let Some(since) = self.standing.stuck() {
            return match left(since, self.timeout.write) {
                Some(time) => Patience::Left(time),
                None => {
                    self.client.state.refuse(Reject::WriteTimeout);
                    Patience::Over
                }
            };
        }
        let (phase, since) = self.standing.phase();
        // A request runs: its own deadlines hold, and what came behind it has its time afterwards.
        let Some(quiet) = self.quiet_since else {
            if !self.http2 {
                // What comes behind it is not read before it is answered, and so not the client's end either.
                self.client.state.look();
                self.client.state.wake();
            }
            return Patience::Left(FIRST_LOOK);
        };
        let since = since.max(quiet);
        match phase {
            Phase::Refused => left(since, LINGER.into()).map_or(Patience::Over, Patience::Left),
            // By HTTP/2 there is no stream yet on which it could be told.
            Phase::Head if self.http2 => {
                left(since, self.timeout.header).map_or(Patience::Finish, Patience::Left)
            }
            Phase::Head => left(since, self.timeout.header)
                .map_or(Patience::Refuse(Reject::RequestTimeout), Patience::Left),
            Phase::Idle | Phase::Body | Phase::Upgrade | Phase::Tunnel => {
                left(quiet, self.timeout.keep_alive).map_or(Patience::Finish, Patience::Left)
            }
        }
    }
}
