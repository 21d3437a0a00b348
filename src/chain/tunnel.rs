//! Upgrades: after 101, bytes both ways, whatever they mean.
//!
//! WebSocket and any other protocol over HTTP/1.1; over HTTP/2 by extended CONNECT (RFC 8441), which
//! goes on to the origin as an HTTP/1.1 upgrade. A tunnel ends when either side ends it, when nothing
//! passed for the route's `timeout.idle`, or when the gateway's drain is over.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TE, UPGRADE,
    },
    request::Parts,
};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{exchange::Exchange, source::Source, validate::answers_101};
use crate::{
    message::{RequestBody, Upload, strip_response, switched_to, websocket_accept},
    reject::Reject,
    upstream::AnswerBody,
    worker::{Clock, Deadline},
};

/// A request for an upgrade that is on its way.
pub(super) struct Upgrade {
    /// The protocols that were asked for.
    pub(super) protocol: HeaderValue,
    /// What the origin has to prove that it understood, where the client asks for a WebSocket without a key.
    key: Option<HeaderValue>,
    client: OnUpgrade,
    version: Version,
}

impl Upgrade {
    /// Whether it was asked for by CONNECT, so that a success opens it.
    pub(super) fn is_connect(&self) -> bool {
        !answers_101(self.version)
    }

    /// Whether an answer switches to what was asked for.
    pub(super) fn is_met_by(&self, headers: &HeaderMap) -> bool {
        let accepted = |key| {
            let accept = headers.get(SEC_WEBSOCKET_ACCEPT);
            accept.is_some_and(|accept| accept == &*websocket_accept(key))
        };
        switched_to(headers, &self.protocol).is_some() && self.key.as_ref().is_none_or(accepted)
    }
}

/// Turns a request into one for an upgrade by HTTP/1.1.
pub(super) fn ask(head: &mut Parts, body: &mut RequestBody, protocol: HeaderValue) -> Upgrade {
    let version = head.version;
    // The library looks for it in a request.
    let mut request = Request::new(());
    *request.extensions_mut() = std::mem::take(&mut head.extensions);
    let client = hyper::upgrade::on(&mut request);
    head.extensions = std::mem::take(request.extensions_mut());
    let headers = &mut head.headers;
    let mut own = None;
    if head.extensions.remove::<Protocol>().is_some() {
        head.method = Method::GET;
        // The stream's data is the tunnel's, not a body.
        *body = RequestBody::Empty;
        let mut nonce = [0; 16];
        fastrand::fill(&mut nonce);
        let key = HeaderValue::try_from(STANDARD.encode(nonce));
        let key = key.unwrap_or(HeaderValue::from_static(""));
        headers.insert(SEC_WEBSOCKET_KEY, key.clone());
        own = protocol.as_bytes().eq_ignore_ascii_case(b"websocket").then_some(key);
        headers.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    }
    let named = if headers.contains_key(TE) { "upgrade, te" } else { "upgrade" };
    headers.insert(CONNECTION, HeaderValue::from_static(named));
    headers.insert(UPGRADE, protocol.clone());
    Upgrade { protocol, key: own, client, version }
}

/// Answers that the upgrade happened, and joins both sides.
///
/// The exchange goes with the tunnel: it is logged, and no longer in flight, when the tunnel ends.
pub(super) fn open(
    exchange: &mut Exchange,
    upgrade: Upgrade,
    mut response: Response<Box<AnswerBody>>,
) -> Response<Source> {
    let idle = response.body().idle();
    let origin = hyper::upgrade::on(&mut response);
    let headers = response.headers_mut();
    // It is there: the answer was found to switch to what was asked for.
    let chosen = headers.get(UPGRADE).cloned();
    strip_response(headers);
    if answers_101(upgrade.version) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.extend(chosen.map(|chosen| (UPGRADE, chosen)));
    } else {
        headers.remove(SEC_WEBSOCKET_ACCEPT);
        *response.status_mut() = StatusCode::OK;
    }
    let (head, held) = response.into_parts();
    let tunnel = Tunnel { client: upgrade.client, origin, idle, _held: held };
    exchange.tunnel = Some(Box::new(tunnel));
    Response::from_parts(head, Source::Empty)
}

/// The two ends of a tunnel that is about to open.
pub(super) struct Tunnel {
    client: OnUpgrade,
    origin: OnUpgrade,
    idle: Duration,
    /// Its endpoint has it in flight, and its place there is taken, while this lives.
    _held: Box<AnswerBody>,
}

impl Tunnel {
    /// Carries bytes until the tunnel ends, counts them, and ends the exchange.
    pub(super) async fn run(self: Box<Self>, mut exchange: Box<Exchange>) {
        let activity = Activity::new(&exchange.client.worker.clock);
        let ended = tokio::select! {
            carried = self.carry(&activity) => carried.err(),
            () = activity.silence(self.idle) => Some(Reject::IdleTimeout),
            () = exchange.client.state.cut() => Some(Reject::Draining),
        };
        exchange.reject = ended;
        exchange.sent = activity.written.load(Relaxed);
        exchange.upload = Some(Arc::new(Upload::of(activity.read.load(Relaxed))));
    }

    async fn carry(&self, activity: &Activity) -> Result<(), Reject> {
        let client = self.client.clone().await.map_err(|_| Reject::ClientGone)?;
        let mut origin = self.origin.clone().await.map_err(|_| Reject::UpstreamReset)?;
        let mut client = Watched { stream: TokioIo::new(client), activity };
        let mut origin = TokioIo::new(&mut origin);
        // Either side may end a tunnel as it likes, also by a reset: that is no fault of the gateway.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut origin).await;
        Ok(())
    }
}

/// What passed through a tunnel, and when last.
struct Activity {
    clock: Clock,
    /// On the worker's clock.
    last: AtomicU64,
    /// Bytes from the client.
    read: AtomicU64,
    /// Bytes to the client.
    written: AtomicU64,
}

impl Activity {
    fn new(clock: &Clock) -> Self {
        let last = AtomicU64::new(clock.now());
        Self { clock: clock.clone(), last, read: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    fn note(&self, counter: &AtomicU64, bytes: usize) {
        counter.fetch_add(bytes as u64, Relaxed);
        self.last.store(self.clock.now(), Relaxed);
    }

    /// Ends when nothing passed for so long.
    async fn silence(&self, idle: Duration) {
        let mut left = idle;
        loop {
            let mut deadline = Deadline::new(&self.clock, left);
            poll_fn(|cx| deadline.poll(cx)).await;
            let silent = self.clock.now().saturating_sub(self.last.load(Relaxed));
            match idle.checked_sub(Duration::from_millis(silent)) {
                Some(rest) if !rest.is_zero() => left = rest,
                _ => return,
            }
        }
    }
}

/// The client's end of a tunnel: every byte of both directions passes through it.
struct Watched<'a, S> {
    stream: S,
    activity: &'a Activity,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.activity.note(&self.activity.read, buf.filled().len() - before);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &written {
            self.activity.note(&self.activity.written, *bytes);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
