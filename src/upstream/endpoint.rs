//! One origin: where it is, its connections, and one attempt to have a request answered there.

use std::{
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::{
    HeaderValue, Request, Response, Uri, Version,
    header::{HOST, TRANSFER_ENCODING},
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body::Body as _;
use hyper::{body::Incoming, client::conn::TrySendError};

use super::{
    Call,
    body::{AnswerBody, Lease},
    compile::Settings,
    connect::{Connection, Tls, connect},
    failure::Failure,
    pool::{Http1, Http2, Pool, StreamLease},
    resolve::Resolved,
};
use crate::{
    config::UpstreamProtocol as Protocol,
    message::RequestBody,
    reject::Reject,
    worker::{Clock, Deadline, PerWorker, Worker},
};

/// One origin.
pub struct Endpoint {
    /// Its URL, as logs show it.
    pub name: Arc<str>,
    pub(super) settings: Settings,
    pub(super) tls: Option<Tls>,
    pub(super) resolved: Resolved,
    pub(super) pools: PerWorker<Arc<Pool>>,
}

type Sent = Result<Response<AnswerBody>, Failure>;

impl Endpoint {
    /// Has the call's request answered here: on a connection that waits, or on a new one.
    ///
    /// The request is in origin form, with `Host`. If it fails and the request is still in the call,
    /// no part of it was sent.
    pub(super) async fn send(&self, call: &mut Call<'_>) -> Sent {
        let clock = &call.worker.clock;
        let pool = self.pools.at(call.worker.index);
        if self.settings.protocol != Protocol::Http2 {
            let oldest = millis(self.settings.keep_alive.idle);
            while let Some(sender) = pool.take(clock.now(), oldest) {
                match self.send_http1(sender, call).await {
                    // Closed by the origin while it waited, and nothing was sent: the next one.
                    Err(_) if call.request.is_some() => {}
                    sent => return sent,
                }
            }
        }
        while call.upgrade.is_none()
            && let Some((sender, stream)) = pool.share(clock.now())
        {
            let connection = stream.connection();
            match self.send_http2(sender, stream, call).await {
                Err(_) if call.request.is_some() => pool.forget(&connection),
                sent => return sent,
            }
        }
        // Boxed, since it is rare and large: every request's state would have room for it.
        Box::pin(self.send_on_new(call)).await
    }

    async fn send_on_new(&self, call: &mut Call<'_>) -> Sent {
        let worker = call.worker;
        let pool = self.pools.at(worker.index);
        // Only HTTP/2 gains from waiting for another's connection.
        let turn = match self.settings.protocol {
            Protocol::Http2 => {
                let turn = pool.connecting.lock().await;
                if let Some((sender, stream)) = pool.share(worker.clock.now()) {
                    drop(turn);
                    return self.send_http2(sender, stream, call).await;
                }
                Some(turn)
            }
            Protocol::Auto | Protocol::Http1 => None,
        };
        let protocol = match call.upgrade {
            Some(_) => Protocol::Http1,
            None => self.settings.protocol,
        };
        let connecting = connect(self, protocol, pool);
        let connected = within(&worker.clock, call.timeout.connect, connecting).await;
        let connected = connected.unwrap_or(Err(Failure::new(Reject::ConnectTimeout)));
        let connection = connected.inspect_err(|failure| pool.connect_failed(failure.reject))?;
        match connection {
            Connection::Http1(sender) => self.send_http1(sender, call).await,
            Connection::Http2(sender, streams) => {
                let stream = pool.add(sender.clone(), streams, worker.clock.now());
                drop(turn);
                self.send_http2(sender, stream, call).await
            }
        }
    }

    async fn send_http1(&self, mut sender: Http1, call: &mut Call<'_>) -> Sent {
        let Some(mut request) = call.request.take() else { return Err(sent_already()) };
        *request.version_mut() = Version::HTTP_11;
        let body = request.body();
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            // Without it hyper takes a GET to have no body, and drops what there is.
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(TRANSFER_ENCODING, chunked);
        }
        let sent = pin!(sender.try_send_request(request));
        let answer = self.answer(sent, call).await?;
        let pool = self.pools.at(call.worker.index).clone();
        let lease = Lease::Http1 { sender, pool, clock: call.worker.clock.clone() };
        Ok(self.open(answer, lease, call))
    }

    async fn send_http2(
        &self,
        mut sender: Http2,
        stream: StreamLease,
        call: &mut Call<'_>,
    ) -> Sent {
        let Some(mut request) = call.request.take() else { return Err(sent_already()) };
        request.headers_mut().remove(TRANSFER_ENCODING);
        let host = request.headers_mut().remove(HOST);
        let target = request.uri().path_and_query().cloned();
        let uri = absolute(self.settings.address.tls, host.as_ref(), target);
        *request.uri_mut() = uri.map_err(|error| Failure::caused(Reject::RequestTarget, error))?;
        *request.version_mut() = Version::HTTP_2;
        let sent = pin!(sender.try_send_request(request));
        let answer = self.answer(sent, call).await;
        if let (Some(request), Some(host)) = (&mut call.request, host) {
            // Back in origin form, for another try.
            let target = request.uri().path_and_query().cloned();
            *request.uri_mut() = target.map(Uri::from).unwrap_or_default();
            request.headers_mut().insert(HOST, host);
        }
        let answer = answer?;
        // The library knows no bound for their number.
        if answer.headers().len() > usize::from(self.settings.max_headers) {
            return Err(Failure::new(Reject::UpstreamHeaderTooLarge));
        }
        Ok(self.open(answer, Lease::Http2 { _stream: stream }, call))
    }

    /// Waits for the answer's head. A request that was not sent is put back into the call.
    async fn answer(
        &self,
        mut sent: Pin<
            &mut impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>,
        >,
        call: &mut Call<'_>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut patience = Deadline::new(&call.worker.clock, call.patience());
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = sent.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            if let Some(total) = &mut call.total
                && total.poll(cx).is_ready()
            {
                return Poll::Ready(Err(Reject::TotalTimeout));
            }
            while patience.poll(cx).is_ready() {
                match call.patience_left() {
                    Ok(left) => patience.reset(left),
                    Err(reject) => return Poll::Ready(Err(reject)),
                }
            }
            Poll::Pending
        });
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(mut error)) => {
                call.request = error.take_message();
                Err(Failure::from_exchange(error.into_error()))
            }
            Err(reject) => Err(Failure::new(reject)),
        }
    }

    fn open(
        &self,
        answer: Response<Incoming>,
        lease: Lease,
        call: &mut Call<'_>,
    ) -> Response<AnswerBody> {
        let exchange = self.pools.at(call.worker.index).exchange();
        answer.map(|incoming| AnswerBody::new(incoming, lease, call, exchange))
    }

    /// Closes a worker's connections that were idle for too long.
    pub(super) fn reap(&self, worker: &Worker) {
        let oldest = millis(self.settings.keep_alive.idle);
        self.pools.at(worker.index).reap(worker.clock.now(), oldest);
    }
}

/// A call is asked to send what it has sent: a fault of ours, and no reason to panic.
fn sent_already() -> Failure {
    Failure::caused(Reject::Internal, "the request was sent already")
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

fn millis(duration: crate::config::Duration) -> u64 {
    u64::try_from(duration.0.as_millis()).unwrap_or(u64::MAX)
}

/// What a future comes to, or nothing if that takes too long.
async fn within<F: Future>(clock: &Clock, after: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut deadline = Deadline::new(clock, after);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => deadline.poll(cx).map(|()| None),
    })
    .await
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.name).finish_non_exhaustive()
    }
}
