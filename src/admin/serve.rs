//! The door's connections: few, short, one request each.
//!
//! In: a socket. Out: requests for [`answer`]. Everything has a bound: how many there are, how long a
//! request and its answer may take, how large it may be. Who comes when all places are taken waits in
//! the kernel's queue.

use std::{convert::Infallible, future::poll_fn, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use super::{
    House, MARK,
    answer::answer,
    guard::{Names, Token},
    refusal::Refusal,
};
use crate::stream::{Listener, Listening, Socket};

/// Connections at a time.
const CONNECTIONS: usize = 64;
/// Bytes of a request's head, and of its body.
const HEAD: usize = 16 << 10;
const BODY: usize = 16 << 10;
/// How long a request may take to come in.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may last: a reload may wait for another one.
const LIFE: Duration = Duration::from_mins(5);
/// How long accepting pauses when the system has nothing left.
const PAUSE: Duration = Duration::from_millis(100);

/// What every request of a door needs.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) house: Arc<House>,
    pub(super) token: Arc<ArcSwapOption<Token>>,
    pub(super) names: Names,
}

/// Accepts for ever.
pub(super) async fn accept(socket: Listening, room: Arc<Room>) {
    let listener = match Listener::new(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the admin door cannot accept"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Nobody closes the semaphore.
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match poll_fn(|cx| listener.poll_accept(cx)).await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, room.clone(), place));
            }
            // No descriptors, or a client that gave up: the first passes, the second does not matter.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn connection(stream: Socket, room: Arc<Room>, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        let room = room.clone();
        async move { Ok::<_, Infallible>(request_in(&room, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // What goes wrong with a connection here is the client's own trouble.
    let _ = timeout(LIFE, connection).await;
}

async fn request_in(room: &Room, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = timeout(PATIENCE, Limited::new(body, BODY).collect());
    let mut answer = match body.await {
        Ok(Ok(_)) => answer(room, &head).await.unwrap_or_else(Refusal::answer),
        Ok(Err(_)) | Err(_) => Refusal::Body.answer(),
    };
    answer.headers_mut().insert(MARK, HeaderValue::from_static("1"));
    answer
}
