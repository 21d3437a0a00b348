//! One attempt to have a request answered at an endpoint, by a worker's connections to it.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use http::{
    HeaderValue, Method, Request, Response, StatusCode, Version, header::TRANSFER_ENCODING,
};
use http_body::Body as _;
use hyper::{body::Incoming, client::conn::TrySendError};
use tokio::time::Instant;

use super::{
    Call,
    body::{AnswerBody, Lease},
    connect::{Connection, connect},
    failure::{Failure, find},
    forward::Sent,
    http2::{self, Unseen},
    interim::{Before, Interims},
    pool::{Http1, Http2, InFlight, Pool, StreamLease, Streams},
};
use crate::{
    config::UpstreamProtocol as Protocol,
    message::{BodyError, RequestBody},
    reject::Reject,
    worker::{Clock, Deadline},
};

/// What a request is sent on.
enum Way {
    Http1(Http1),
    Http2(Http2, StreamLease),
}

/// Why an answer does not come.
enum Lost {
    /// It takes too long.
    Late(Reject),
    Broken(Box<TrySendError<Request<RequestBody>>>),
}

impl Pool {
    /// Has the call's request answered here: on a connection that waits, or on a new one.
    ///
    /// The request is in origin form, with `Host`. If it fails and the request is still in the call,
    /// it may be sent again.
    pub(super) async fn send(self: &Arc<Self>, call: &mut Call<'_>) -> Sent {
        let clock = &call.worker.clock;
        if self.origin.settings.protocol != Protocol::Http2 {
            while let Some(kept) = self.take(clock.now()) {
                match self.send_http1(kept, true, call).await {
                    Err(failure) if call.seen => return Err(failure),
                    // Others that were kept may end the same way.
                    Err(_) if call.request.is_some() && call.lost => break,
                    // Closed by the origin while it waited, and nothing was sent: the next one.
                    Err(_) if call.request.is_some() => {}
                    sent => return sent,
                }
            }
        }
        while call.upgrade.is_none()
            && let Some((sender, stream)) = self.share(clock.now(), call.refused.as_ref())
        {
            // Boxed: the state of requests by HTTP/1.1, which are most, would have room for it.
            match Box::pin(self.send_http2(sender, stream, call)).await {
                Err(_) if call.may_begin_again() => {}
                sent => return sent,
            }
        }
        // Boxed, since it is rare and large: every request's state would have room for it.
        Box::pin(self.send_on_new(call)).await
    }

    async fn send_on_new(self: &Arc<Self>, call: &mut Call<'_>) -> Sent {
        loop {
            let refused = call.refused.clone();
            let protocol = match call.upgrade {
                Some(_) => Protocol::Http1,
                None => self.origin.settings.protocol,
            };
            let introduction = call.introduction.clone();
            let introduction = introduction.as_ref().map(|header| header.as_slice());
            let connecting = self.connection(
                call.most_connections,
                (&call.worker.clock, protocol),
                introduction,
                refused.as_ref(),
            );
            let begun = Instant::now();
            let waits = self.origin.load.hold();
            let way = in_time(call, connecting).await;
            drop(waits);
            call.connect = Some(begun.elapsed());
            let way = way.inspect_err(|failure| {
                self.connect_failed(failure.reject);
            })?;
            let sent = match way {
                Way::Http1(fresh) => {
                    // A new connection that takes nothing turns the request away as well.
                    call.turned_away.once_more(self.answers());
                    self.send_http1(fresh, false, call).await
                }
                Way::Http2(sender, stream) => self.send_http2(sender, stream, call).await,
            };
            match sent {
                Err(_) if call.may_begin_again() => {}
                sent => return sent,
            }
        }
    }

    /// A new connection, or one of HTTP/2 that another request has made meanwhile.
    async fn connection(
        self: &Arc<Self>,
        most: u32,
        (clock, protocol): (&Clock, Protocol),
        introduction: Option<&[u8]>,
        refused: Option<&Arc<Streams>>,
    ) -> Result<Way, Failure> {
        // Only HTTP/2 gains from waiting for another's connection.
        let turn = match protocol {
            Protocol::Http2 => {
                let turn = self.connecting.lock().await;
                if let Some((sender, stream)) = self.share(clock.now(), refused) {
                    return Ok(Way::Http2(sender, stream));
                }
                Some(turn)
            }
            Protocol::Auto | Protocol::Http1 => None,
        };
        let (room, _turn) = match self.origin.room(most) {
            Some(room) => (room, turn),
            None => {
                // Whoever waits for others must not be waited for.
                drop(turn);
                if let Some(way) = self.share_others(clock, protocol, refused).await {
                    return Ok(way);
                }
                let room = self.origin.inherit(most).await;
                (room.ok_or_else(|| Failure::new(Reject::UpstreamBusy))?, None)
            }
        };
        Ok(match connect(protocol, introduction, self, room).await? {
            Connection::Http1(fresh) => Way::Http1(fresh),
            Connection::Http2(sender, streams) => {
                let stream = self.add(sender.clone(), streams, clock.now());
                Way::Http2(sender, stream)
            }
        })
    }

    /// A stream on any worker's connection, where no more may be made.
    async fn share_others(
        &self,
        clock: &Clock,
        protocol: Protocol,
        refused: Option<&Arc<Streams>>,
    ) -> Option<Way> {
        if protocol == Protocol::Http1 {
            return None;
        }
        let pools: Vec<_> = self.origin.connections.pools().collect();
        for pool in pools {
            if protocol == Protocol::Http2 {
                // The last that there may be may be in the making.
                drop(pool.connecting.lock().await);
            }
            if let Some((sender, stream)) = pool.share(clock.now(), refused) {
                return Some(Way::Http2(sender, stream));
            }
        }
        None
    }

    /// Sends the request on a connection that was kept, or that is new.
    async fn send_http1(
        self: &Arc<Self>,
        mut connection: Http1,
        kept: bool,
        call: &mut Call<'_>,
    ) -> Sent {
        let Some(sent) = begin_http1(&mut connection, call) else {
            return Err(sent_already());
        };
        let in_flight = self.begin();
        let sent = pin!(sent);
        let answer = match head(sent, call, Some(&connection.dialogue.interims)).await {
            Ok(answer) => answer,
            Err(lost) => return Err(self.lost_http1(lost, &connection, kept, call)),
        };
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            connection.hold.is_a_tunnels();
        }
        match is_failure(answer.status()) {
            true if call.request.is_none() => call.request = connection.dialogue.kept(),
            true => {}
            false => call.request = None,
        }
        Ok(open(answer, Lease::Http1(connection), in_flight, call))
    }

    /// Why a connection gives no answer. The request is back in the call if it may be sent again: it was
    /// not sent, or it may be sent twice and the origin has not said a word.
    #[cold]
    fn lost_http1(
        &self,
        lost: Lost,
        connection: &Http1,
        kept: bool,
        call: &mut Call<'_>,
    ) -> Failure {
        let mut error = match lost {
            Lost::Late(reject) => {
                call.take_back(&connection.dialogue);
                call.seen = true;
                return Failure::new(reject);
            }
            Lost::Broken(error) => error,
        };
        let unsent = error.take_message();
        let error = error.into_error();
        match unsent {
            // It was a copy.
            Some(_) if call.request.is_some() => call.rewind(),
            Some(unsent) => call.request = Some(unsent),
            None if is_clients(&error) => call.request = None,
            None => {
                call.take_back(&connection.dialogue);
                if call.request.is_some() && !connection.dialogue.has_told() {
                    // Not a byte of it has left: whatever it is, nobody has seen it.
                    return Failure::from_exchange(error);
                }
                // An origin closes what waits for long, at any moment: once, that is no failure of it.
                if kept && !call.lost && call.request.is_some() {
                    call.lost = true;
                    self.counters().retries.inc();
                } else {
                    call.seen = true;
                }
            }
        }
        Failure::from_exchange(error)
    }

    async fn send_http2(
        self: &Arc<Self>,
        mut sender: Http2,
        stream: StreamLease,
        call: &mut Call<'_>,
    ) -> Sent {
        let Some(copy) = call.copy() else { return Err(sent_already()) };
        let is_head = copy.method() == Method::HEAD;
        let copy = http2::translate(copy, self.origin.settings.address.tls)?;
        let in_flight = self.begin();
        let sent = pin!(sender.try_send_request(copy));
        let answer = match head(sent, call, None).await {
            Ok(answer) => answer,
            Err(lost) => return Err(self.lost_http2(lost, &stream, call)),
        };
        if !is_failure(answer.status()) || !call.may_be_repeated() {
            call.request = None;
        }
        self.answered();
        // The library knows no bound for their number.
        if answer.headers().len() > usize::from(self.origin.settings.max_headers) {
            return Err(Failure::new(Reject::UpstreamHeaderTooLarge));
        }
        let counts = !is_head && answer.status() != StatusCode::NOT_MODIFIED;
        Ok(open(answer, Lease::Http2 { _stream: stream, counts }, in_flight, call))
    }

    /// Why a stream has no answer. The request stays in the call if nobody has seen it.
    #[cold]
    fn lost_http2(&self, lost: Lost, stream: &StreamLease, call: &mut Call<'_>) -> Failure {
        let mut error = match lost {
            Lost::Late(reject) => {
                if !call.may_be_repeated() {
                    call.request = None;
                }
                call.seen = true;
                return Failure::new(reject);
            }
            Lost::Broken(error) => error,
        };
        // What the library gives back, it did not send: the connection has ended.
        let unsent = error.take_message().is_some();
        let error = error.into_error();
        let repeatable = call.may_be_repeated() && !is_clients(&error);
        let turned_away = &mut call.turned_away;
        match http2::unseen(&error) {
            _ if unsent => {
                self.forget(&stream.connection());
                turned_away.not_sent();
            }
            Some(Unseen::Refused) => {
                call.refused = Some(stream.connection());
                // An endpoint without room is not asked ever more often, whomever it answers meanwhile.
                turned_away.once_more(turned_away.answers);
            }
            Some(Unseen::GoneAway) => {
                self.forget(&stream.connection());
                turned_away.once_more(self.answers());
            }
            // The library drops the stream that it is about to open when the connection goes away, and
            // does not tell whether it was sent.
            None if error.is_user() && repeatable && !call.lost => {
                self.forget(&stream.connection());
                call.lost = true;
            }
            None if repeatable => call.seen = true,
            None => call.request = None,
        }
        call.rewind();
        if !unsent && call.may_begin_again() {
            self.counters().retries.inc();
        }
        Failure::from_exchange(error)
    }
}

/// Waits for the answer's head; what comes before it is passed on by `onward`, if anybody wants it, and has gone when
/// this is done. Not an async function: that would have room for what it is given twice.
fn head<'f>(
    mut sent: Pin<
        &'f mut impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>,
    >,
    call: &'f mut Call<'_>,
    interims: Option<&'f Interims>,
) -> impl Future<Output = Result<Response<Incoming>, Lost>> {
    let mut patience = Deadline::new(&call.worker.clock, call.patience());
    let mut before = Before::new(interims.zip(call.onward.copied()));
    poll_fn(move |cx| {
        if let Poll::Ready(answer) = before.poll(cx, |cx| sent.as_mut().poll(cx)) {
            return Poll::Ready(answer.map_err(|error| Lost::Broken(Box::new(error))));
        }
        if let Some(total) = &mut call.total
            && total.poll(cx).is_ready()
        {
            return Poll::Ready(Err(Lost::Late(Reject::TotalTimeout)));
        }
        while !before.holds() && patience.poll(cx).is_ready() {
            match call.patience_left() {
                Ok(left) => patience.reset(left),
                Err(reject) => return Poll::Ready(Err(Lost::Late(reject))),
            }
        }
        Poll::Pending
    })
}

/// An answer whose head is here.
fn open(
    answer: Response<Incoming>,
    lease: Lease,
    in_flight: InFlight,
    call: &mut Call<'_>,
) -> Response<Box<AnswerBody>> {
    answer.map(|incoming| Box::new(AnswerBody::new(incoming, lease, in_flight, call)))
}

/// Gives the call's request to a connection. Not in the async function that waits for the answer: it
/// would have room for the request twice.
fn begin_http1(
    connection: &mut Http1,
    call: &mut Call<'_>,
) -> Option<
    impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<>,
> {
    // Kept in case that the connection ends without a word. What was said is enough, but for a body.
    let repeatable = call.may_be_repeated();
    let bodiless = matches!(call.request.as_ref()?.body(), RequestBody::Empty);
    connection.dialogue.begin(repeatable && bodiless);
    connection.dialogue.interims.begin(call.onward.is_some());
    if repeatable && !bodiless {
        let mut copy = call.copy()?;
        fit_http1(&mut copy);
        return Some(connection.sender.try_send_request(copy));
    }
    fit_http1(call.request.as_mut()?);
    Some(connection.sender.try_send_request(call.request.take()?))
}

/// Makes a request one of HTTP/1.1.
#[inline]
fn fit_http1(request: &mut Request<RequestBody>) {
    *request.version_mut() = Version::HTTP_11;
    let body = request.body();
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // Without it hyper takes a GET to have no body, and drops what there is.
        let chunked = HeaderValue::from_static("chunked");
        request.headers_mut().insert(TRANSFER_ENCODING, chunked);
    }
}

/// Whether an answer may be worth another try elsewhere.
fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Whether an exchange broke because its client did not send what it began.
fn is_clients(error: &hyper::Error) -> bool {
    find::<BodyError>(error).is_some()
}

/// A call is asked to send what it has sent: a fault of ours, and no reason to panic.
fn sent_already() -> Failure {
    Failure::caused(Reject::Internal, "the request was sent already")
}

/// What connecting comes to within its time.
async fn in_time<T>(
    call: &mut Call<'_>,
    connecting: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut connecting = pin!(connecting);
    let mut deadline = Deadline::new(&call.worker.clock, call.timeout.connect);
    poll_fn(|cx| {
        if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
            return Poll::Ready(connected);
        }
        if let Some(total) = &mut call.total
            && total.poll(cx).is_ready()
        {
            return Poll::Ready(Err(Failure::new(Reject::TotalTimeout)));
        }
        deadline.poll(cx).map(|()| Err(Failure::new(Reject::ConnectTimeout)))
    })
    .await
}
