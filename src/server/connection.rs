//! One connection, from the accepted socket to its end: TLS, the protocol, deadlines, drain.
//!
//! One code for every kind of stream; ALPN, or the first bytes where h2c is allowed, decide the
//! protocol. From there on a [`Driver`] has it.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
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
    driver::{Driver, on_its_way},
    enter::enter,
    fate::fate,
    guard::{Guard, Preface, h2_preface},
    streams::Streams,
    watched::{Http1, Standing, Watched},
};
use crate::{
    chain,
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
/// one on which nothing came while it was welcome. Who begins neither is refused already.
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
        let mut told = false;
        let mut read = pin!(stream.read_buf(held));
        let read = poll_fn(|cx| {
            client.state.driven_by(cx.waker());
            if let Poll::Ready(read) = read.as_mut().poll(cx) {
                return Poll::Ready(Some(read.unwrap_or(0)));
            }
            match client.state.signal() {
                Signal::Cut => return Poll::Ready(Some(0)),
                Signal::Expel if idle => return Poll::Ready(Some(0)),
                Signal::Drain if idle && !std::mem::replace(&mut told, true) => {
                    site.worker.clock.catch_up();
                    deadline = Deadline::new(&site.worker.clock, on_its_way(timeout));
                }
                _ => {}
            }
            deadline.poll(cx).map(|()| None)
        });
        match read.await {
            Some(0) | None if held.is_empty() => return None,
            Some(0) => return Some(false),
            None => {
                client.state.refuse(Reject::RequestTimeout);
                return Some(false);
            }
            Some(_) => {}
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
    if client.state.refusal().is_some() {
        standing.refuse(client.worker.clock.now());
    }
    let refused = (lens.clone(), listener.clone(), client.clone());
    let refuse = move |reject| {
        let (lens, listener, client) = &refused;
        chain::refuse_unread(&lens.look(), listener, client, reject)
    };
    let limits = listener.head;
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
        .max_header_list_size(u32::try_from(listener.head.max_header_size).unwrap_or(u32::MAX))
        .initial_stream_window_size(window)
        .initial_connection_window_size(window.saturating_mul(4).min((1 << 31) - 1))
        .enable_connect_protocol();
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let driver = Driver::new(&site.listener, client, standing, true);
    driver.drive(connection, http2::Connection::graceful_shutdown).await;
}
