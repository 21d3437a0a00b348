//! What HTTP/2 asks of whoever speaks it to an origin: to know how many streams it takes before the
//! first is begun, and to begin again what it turned away unseen.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Poll,
};

use futures_util::task::AtomicWaker;
use http::{
    HeaderValue, Request, Uri, Version,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{
    compile::Settings,
    connections::Room,
    failure::{Failure, find},
    heard::Heard,
    pool::{Http2, Open, Streams},
};
use crate::{message::RequestBody, reject::Reject, stream::Stream};

/// What the library says of the peer's streams before the peer has said it: no number that a peer
/// could say, and not the library's word for "without a limit" either.
const UNKNOWN: usize = usize::MAX - 1;

/// Begins to speak, and waits until the peer has said how many streams it takes.
///
/// A stream that is begun before that may be one too many. The wait is at most a round trip for each
/// connection, and an endpoint that does not speak HTTP/2 is found out before it is sent anything.
pub(super) async fn speak(
    (stream, room): (Stream, Room),
    settings: &Settings,
    open: Open,
) -> Result<(Http2, Arc<Streams>), Failure> {
    let heard = Arc::new(AtomicWaker::new());
    let io = Heard { stream, ear: heard.clone(), lost: None, _room: room };
    // The library says nothing when SETTINGS come.
    let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
        .initial_max_send_streams(UNKNOWN)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_header_list_size(u32::try_from(settings.max_header_size).unwrap_or(u32::MAX))
        .handshake(TokioIo::new(io))
        .await
        .map_err(Failure::from_exchange)?;
    poll_fn(|cx| {
        heard.register(cx.waker());
        if connection.current_max_send_streams() != UNKNOWN {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut connection).poll(cx).map(|ended| match ended {
            Ok(()) => Err(Failure::new(Reject::UpstreamReset)),
            Err(error) => Err(Failure::from_exchange(error)),
        })
    })
    .await?;
    let streams = Streams::new(connection.current_max_send_streams());
    let known = streams.clone();
    // How a connection ends is told by the exchanges on it.
    tokio::spawn(poll_fn(move |cx| {
        let _ = &open;
        let ended = Pin::new(&mut connection).poll(cx).map(drop);
        known.most.store(connection.current_max_send_streams(), Relaxed);
        ended
    }));
    Ok((sender, streams))
}

/// A request in origin form as HTTP/2 has it.
pub(super) fn translate(
    mut request: Request<RequestBody>,
    tls: bool,
) -> Result<Request<RequestBody>, Failure> {
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(TRANSFER_ENCODING);
    // Of a request with `TE`, which stays.
    request.headers_mut().remove(CONNECTION);
    let host = request.headers_mut().remove(HOST);
    let target = request.uri().path_and_query().cloned();
    let uri = absolute(tls, host.as_ref(), target);
    *request.uri_mut() = uri.map_err(|error| Failure::caused(Reject::RequestTarget, error))?;
    Ok(request)
}

/// The absolute form of a target, as HTTP/2 needs it.
fn absolute(
    tls: bool,
    host: Option<&HeaderValue>,
    target: Option<PathAndQuery>,
) -> Result<Uri, http::Error> {
    let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
    let host = host.map(HeaderValue::as_bytes).unwrap_or_default();
    Uri::builder()
        .scheme(scheme)
        .authority(Authority::try_from(host)?)
        .path_and_query(target.unwrap_or_else(|| PathAndQuery::from_static("/")))
        .build()
}

/// Why a stream was not looked at, so that it may be begun again (RFC 9113 section 8.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unseen {
    /// The peer has no room for it.
    Refused,
    /// The connection takes no more streams.
    GoneAway,
}

/// Whether a stream that failed was not looked at.
pub(super) fn unseen(error: &hyper::Error) -> Option<Unseen> {
    let error = find::<h2::Error>(error).filter(|error| error.is_remote())?;
    // The library gives a GOAWAY to those streams only that it says nothing was done for.
    match error.is_go_away() {
        true => Some(Unseen::GoneAway),
        false => (error.reason() == Some(h2::Reason::REFUSED_STREAM)).then_some(Unseen::Refused),
    }
}
