//! An answer's body on its way from the origin: it streams, it is not waited for without end, and
//! when it is over it gives its connection back.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    Call,
    failure::of_body,
    pool::{Http1, InFlight, StreamLease},
    seats::Seat,
};
use crate::{
    message::{Upload, strip_answer_trailers, take_piece},
    reject::Reject,
    worker::{Clock, Deadline},
};

/// Why an answer's body broke off.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The origin was silent for too long.
    #[error("the origin was silent for too long")]
    Idle,
    /// The whole exchange took too long.
    #[error("the exchange took too long")]
    Total,
    /// The origin's connection broke, or what came on it was malformed.
    #[error("the origin's connection broke")]
    Origin(#[source] hyper::Error),
    /// The origin ended it before its length.
    #[error("the origin ended its answer before its length")]
    Short,
}

impl AnswerError {
    /// How the request ends for it.
    pub fn reject(&self) -> Reject {
        match self {
            Self::Idle => Reject::IdleTimeout,
            Self::Total => Reject::TotalTimeout,
            Self::Origin(error) => of_body(error),
            Self::Short => Reject::UpstreamReset,
        }
    }
}

/// The connection that an answer comes on.
#[derive(Debug)]
pub(super) enum Lease {
    /// Goes back to its pool when the body is over; is closed when the body is dropped before.
    Http1(Http1),
    /// Counts itself out when it is dropped.
    Http2 {
        /// The stream.
        _stream: StreamLease,
        /// Whether the body has the length that the head says: not after HEAD, and not with 304.
        counts: bool,
    },
}

/// An answer's body. It is moved with its answer from stage to stage, so it is small: what is needed only where the
/// origin is waited for, and what few answers have, is boxed.
pub struct AnswerBody {
    incoming: Incoming,
    lease: Option<Lease>,
    /// How long the origin may be silent.
    idle: Duration,
    silence: Option<Box<Silence>>,
    clock: Clock,
    in_flight: InFlight,
    burden: Option<Box<Burden>>,
    begun: Begun,
}

/// What was taken of an answer's body before anybody asked for it.
enum Begun {
    /// Nothing.
    No,
    /// Its first piece.
    Piece(Frame<Bytes>),
    /// That there is none.
    Over,
}

/// The wait for an origin.
struct Silence {
    end: Deadline,
    /// Whether the origin is being waited for.
    lasts: bool,
}

/// What few answers have to carry with them.
#[derive(Default)]
struct Burden {
    total: Option<Box<Deadline>>,
    /// The request's body, which may still be on its way.
    upload: Option<Arc<Upload>>,
    /// Its place at the endpoint, where those are counted.
    seat: Option<Seat>,
}

impl Burden {
    fn boxed(self) -> Option<Box<Self>> {
        let is_any = self.total.is_some() || self.upload.is_some() || self.seat.is_some();
        is_any.then(|| Box::new(self))
    }
}

impl AnswerBody {
    pub(super) fn new(
        incoming: Incoming,
        lease: Lease,
        in_flight: InFlight,
        call: &mut Call<'_>,
    ) -> Self {
        let (total, upload, seat) = (call.total.take(), call.upload.take(), call.seat.take());
        let mut body = Self {
            incoming,
            lease: Some(lease),
            idle: call.timeout.idle,
            silence: None,
            clock: call.worker.clock.clone(),
            in_flight,
            burden: Burden { total, upload, seat }.boxed(),
            begun: Begun::No,
        };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    /// Gives a call back what it took of it, if the call goes on without this answer; or takes it again.
    pub(super) fn swap(&mut self, call: &mut Call<'_>) {
        let mut burden = self.burden.take().map(|burden| *burden).unwrap_or_default();
        std::mem::swap(&mut burden.total, &mut call.total);
        std::mem::swap(&mut burden.upload, &mut call.upload);
        self.burden = burden.boxed();
    }

    /// It is whole: lets go of the connection, which may be used again.
    fn give_back(&mut self) {
        self.in_flight.pool().origin.health.was_whole();
        if let Some(Lease::Http1(connection)) = self.lease.take() {
            self.in_flight.pool().put(connection, self.clock.now());
        }
    }

    /// The origin did not bring it to its end.
    #[cold]
    fn breaks_off(&mut self) {
        self.lease = None;
        let pool = self.in_flight.pool();
        pool.origin.health.broke_off();
        pool.tally.broke_off();
    }

    /// Takes what of it came with its head, if anything did: an answer that is broken from its first byte is none,
    /// and the client can still be told so.
    ///
    /// # Errors
    /// How it is broken.
    pub(super) fn begin(&mut self) -> Result<(), AnswerError> {
        if self.incoming.is_end_stream() {
            return Ok(());
        }
        // Nobody waits for more: whoever reads it asks again, and is woken then.
        self.begun = match self.poll_piece(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Begun::No,
            Poll::Ready(None) => Begun::Over,
            Poll::Ready(Some(Ok(piece))) => Begun::Piece(piece),
            Poll::Ready(Some(Err(error))) => return Err(error),
        };
        Ok(())
    }

    /// How long the origin may be silent.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// Ready when the origin was silent for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<AnswerError> {
        let Self { idle, clock, silence, burden, .. } = self;
        let (total, upload) = match burden.as_deref_mut() {
            Some(Burden { total, upload, .. }) => (total.as_mut(), upload.as_ref()),
            None => (None, None),
        };
        if let Some(total) = total
            && total.poll(cx).is_ready()
        {
            return Poll::Ready(AnswerError::Total);
        }
        let silence = silence.get_or_insert_with(|| {
            Box::new(Silence { end: Deadline::new(clock, *idle), lasts: true })
        });
        if !std::mem::replace(&mut silence.lasts, true) {
            silence.end.reset(*idle);
        }
        while silence.end.poll(cx).is_ready() {
            // An answer that began early may wait for the rest of the request.
            match upload.and_then(|upload| upload.left(clock, *idle, *idle).ok()) {
                Some(left) => silence.end.reset(left),
                None => return Poll::Ready(AnswerError::Idle),
            }
        }
        Poll::Pending
    }

    /// The next piece, from the origin, which is not waited for without end.
    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let piece = self.poll_piece(cx);
        if piece.is_ready() {
            return piece;
        }
        self.poll_silence(cx).map(|error| {
            if matches!(error, AnswerError::Idle) {
                self.breaks_off();
            }
            Some(Err(error))
        })
    }

    /// The next piece, from the origin.
    #[inline]
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = self;
        let rouser = match &this.lease {
            Some(Lease::Http1(connection)) => Some(&*connection.rouser),
            _ => None,
        };
        match take_piece(&mut this.incoming, rouser, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    strip_answer_trailers(trailers);
                }
                if let Some(silence) = &mut this.silence {
                    silence.lasts = false;
                }
                // With a known length the last frame is the end, and so are trailers: nobody will ask
                // again.
                if this.incoming.is_end_stream() || frame.is_trailers() {
                    this.give_back();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.breaks_off();
                Poll::Ready(Some(Err(AnswerError::Origin(error))))
            }
            Poll::Ready(None) if this.is_short() => {
                this.breaks_off();
                Poll::Ready(Some(Err(AnswerError::Short)))
            }
            Poll::Ready(None) => {
                this.give_back();
                Poll::Ready(None)
            }
        }
    }

    /// Whether there should be more, now that it has ended. The library takes RST_STREAM with NO_ERROR for the end of
    /// an answer, whatever came of it; by RFC 9113 section 8.1 it may come after END_STREAM alone. Only a length tells
    /// without that whether all has come.
    fn is_short(&self) -> bool {
        let is_whole = || match self.incoming.size_hint().exact() {
            Some(left) => left == 0,
            None => self.incoming.is_end_stream(),
        };
        matches!(self.lease, Some(Lease::Http2 { counts: true, .. })) && !is_whole()
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        match std::mem::replace(&mut self.begun, Begun::No) {
            Begun::No => self.poll_incoming(cx),
            Begun::Piece(piece) => Poll::Ready(Some(Ok(piece))),
            Begun::Over => {
                self.begun = Begun::Over;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.begun, Begun::No) && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.incoming.size_hint();
        let Begun::Piece(piece) = &self.begun else { return left };
        let held = piece.data_ref().map_or(0, Bytes::len) as u64;
        match left.exact() {
            Some(left) => SizeHint::with_exact(left + held),
            None => SizeHint::default(),
        }
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("lease", &self.lease).finish_non_exhaustive()
    }
}
