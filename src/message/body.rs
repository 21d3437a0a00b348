//! A request's body on its way to the origin: counted, bounded, and never waited for too long.
//!
//! It streams; nothing here holds more than the piece in hand. How slow a client may be is a rate
//! over a window of *waiting for it*: time in which the origin took nothing does not count.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    change::{Change, Changed},
    headers::{Reserved, strip_trailers},
    replay::Replay,
    tap::{Tap, Tapped},
    upload::{Phase, Upload},
};
use crate::{
    reject::Reject,
    worker::{Clock, Deadline, Rouser},
};

/// What a request's body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes in all.
    pub size: u64,
    /// Bytes a second, over `window`.
    pub rate: u64,
    /// The time over which the rate is measured.
    pub window: Duration,
}

/// Why a request's body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than the limit.
    #[error("the request body is larger than the limit")]
    TooLarge,
    /// It comes slower than the limit.
    #[error("the request body arrives too slowly")]
    TooSlow,
    /// It is not what its type says.
    #[error("the request body is malformed")]
    Malformed,
    /// The client's connection broke, or what came on it was malformed.
    #[error("the client's connection broke")]
    Client(#[source] hyper::Error),
    /// The client ended it before its length.
    #[error("the client ended the request body before its length")]
    Short,
}

impl BodyError {
    /// How the request ends for it.
    pub const fn reject(&self) -> Reject {
        match self {
            Self::TooLarge => Reject::BodyTooLarge,
            Self::TooSlow => Reject::BodyTimeout,
            Self::Malformed => Reject::BodySyntax,
            Self::Client(_) | Self::Short => Reject::RequestIncomplete,
        }
    }
}

/// A request's body on its way to the origin. It is moved with its request, often, so what is in it is boxed.
#[derive(Default)]
pub enum RequestBody {
    /// None.
    #[default]
    Empty,
    /// One that Janua made.
    Full(Box<Bytes>),
    /// The client's.
    Client(Box<ClientBody>),
    /// One that may be sent again.
    Replay(Box<Replay>),
    /// One that is changed on its way.
    Changed(Box<Changed>),
}

/// A body that a client sends.
pub struct ClientBody {
    incoming: Incoming,
    /// Wakes the task that it comes by, if that task reads for it alone: by HTTP/1.
    rouser: Option<Arc<Rouser>>,
    limits: BodyLimits,
    upload: Arc<Upload>,
    patience: Patience,
    reserved: Option<Arc<Reserved>>,
    /// What copies it, if somebody wants a copy.
    tap: Option<Tap>,
}

impl RequestBody {
    /// The body of a client's request, within limits; its trailers say nothing that is reserved. By HTTP/1 the task
    /// that it comes by reads for it alone, and sleeps on when the last of it is taken.
    pub fn from_client(
        incoming: Incoming,
        limits: BodyLimits,
        clock: &Clock,
        reserved: &Arc<Reserved>,
        rouser: Option<&Arc<Rouser>>,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let patience = Patience::new(clock, limits);
        let reserved = (!reserved.is_empty()).then(|| reserved.clone());
        let upload = Arc::default();
        let rouser = rouser.cloned();
        let body = ClientBody { incoming, rouser, limits, upload, patience, reserved, tap: None };
        Self::Client(Box::new(body))
    }

    /// How far it has come, if it comes from a client.
    pub fn upload(&self) -> Option<&Arc<Upload>> {
        match self {
            Self::Empty | Self::Full(_) | Self::Replay(_) | Self::Changed(_) => None,
            Self::Client(body) => Some(&body.upload),
        }
    }

    /// The same body for a connection that may fail it, keeping so many bytes of what is taken; or none if
    /// it cannot be sent from its start any more. Of several only the last one gives anything.
    pub fn again(&mut self, keep: usize) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Client(_) | Self::Changed(_) => {
                let body = std::mem::replace(self, Self::Empty);
                *self = Self::Replay(Box::new(Replay::new(body, keep)));
                self.again(keep)
            }
            Self::Replay(replay) => replay.again().map(|again| Self::Replay(Box::new(again))),
        }
    }

    /// Has its pieces changed as they go by.
    pub fn change(&mut self, change: Box<dyn Change>) {
        if !matches!(self, Self::Empty) {
            let body = std::mem::replace(self, Self::Empty);
            *self = Self::Changed(Box::new(Changed::new(body, change)));
        }
    }

    /// Has a client's body copied as it goes by, if it is no larger than this.
    pub fn tap(&mut self, most: usize) -> Option<Tapped> {
        let Self::Client(body) = self else { return None };
        let known = usize::try_from(body.incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if known > most {
            return None;
        }
        let (tap, tapped) = Tap::new(most, known);
        body.tap = Some(tap);
        Some(tapped)
    }

    /// Puts what was sent of it back to its start; says whether that is possible.
    pub fn rewind(&mut self) -> bool {
        let Self::Replay(replay) = self else { return true };
        let again = replay.again();
        let possible = again.is_some();
        if let Some(again) = again {
            **replay = again;
        }
        possible
    }

    /// Whether all of it is there, or will be.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Empty | Self::Full(_) | Self::Client(_) | Self::Changed(_) => true,
            Self::Replay(replay) => replay.is_within(usize::MAX),
        }
    }

    /// Whether it may be there once more after it was sent, keeping no more than so many bytes.
    pub fn may_come_again(&self, keep: usize) -> bool {
        match self {
            Self::Empty | Self::Full(_) => true,
            Self::Client(body) => {
                let size = body.incoming.size_hint().exact();
                keep > 0 && size.is_none_or(|size| size <= keep as u64)
            }
            Self::Replay(replay) => replay.is_within(keep),
            // How large it will be is not known.
            Self::Changed(_) => keep > 0,
        }
    }

    /// Holds a client's body to so many bytes.
    pub fn bound(&mut self, size: u64) {
        match self {
            Self::Empty | Self::Full(_) => {}
            Self::Client(body) => body.limits.size = size,
            Self::Replay(replay) => replay.bound(size),
            Self::Changed(changed) => changed.bound(size),
        }
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Full(Box::new(bytes))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(_) => match std::mem::replace(&mut *self, Self::Empty) {
                Self::Full(bytes) if !bytes.is_empty() => {
                    Poll::Ready(Some(Ok(Frame::data(*bytes))))
                }
                _ => Poll::Ready(None),
            },
            Self::Client(body) => body.poll_frame(cx),
            Self::Replay(replay) => replay.poll_frame(cx),
            Self::Changed(changed) => changed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Client(body) => body.incoming.is_end_stream(),
            Self::Replay(replay) => replay.is_end_stream(),
            Self::Changed(changed) => changed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Client(body) => body.incoming.size_hint(),
            Self::Replay(replay) => replay.size_hint(),
            Self::Changed(_) => SizeHint::default(),
        }
    }
}

impl ClientBody {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = take_piece(&mut self.incoming, self.rouser.as_deref(), cx) else {
            self.upload.enter(Phase::Sending, &self.patience.clock);
            return self.patience.poll(cx).map(|()| Some(Err(BodyError::TooSlow)));
        };
        let done = frame.is_none() || self.incoming.is_end_stream();
        let phase = if done { Phase::Done } else { Phase::Taking };
        self.upload.enter(phase, &self.patience.clock);
        let frame = match frame {
            None if self.is_short() => return Poll::Ready(Some(Err(BodyError::Short))),
            None => {
                self.copy(None, true);
                return Poll::Ready(None);
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::Client(error)))),
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    strip_trailers(trailers, self.reserved.as_deref());
                }
                frame
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.patience.received(length);
        if self.upload.count(length) + length > self.limits.size {
            return Poll::Ready(Some(Err(BodyError::TooLarge)));
        }
        self.copy(frame.data_ref(), done || frame.is_trailers());
        Poll::Ready(Some(Ok(frame)))
    }

    /// Whether there should be more, now that it has ended. By HTTP/2 the library takes RST_STREAM with NO_ERROR for
    /// its end, whatever came of it.
    fn is_short(&self) -> bool {
        match self.incoming.size_hint().exact() {
            Some(left) => left > 0,
            // By HTTP/1 it says of a body in chunks alone that it is broken.
            None => self.rouser.is_none() && !self.incoming.is_end_stream(),
        }
    }

    /// Copies a piece, if somebody wants that.
    #[inline]
    fn copy(&mut self, piece: Option<&Bytes>, done: bool) {
        let Some(tap) = self.tap.take() else { return };
        let tap = match piece {
            Some(piece) => tap.take(piece),
            None => Some(tap),
        };
        match tap {
            Some(tap) if done => tap.end(),
            tap => self.tap = tap,
        }
    }
}

/// Takes what there is of a body. Whoever is woken by `rouser` reads for it alone, and has nothing to do once this was
/// its end.
#[inline]
pub fn take_piece(
    incoming: &mut Incoming,
    rouser: Option<&Rouser>,
    cx: &mut Context<'_>,
) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
    let mut take = || {
        let taken = Pin::new(&mut *incoming).poll_frame(cx);
        (taken, !incoming.is_end_stream())
    };
    match rouser {
        Some(rouser) => rouser.only_if_needed(take),
        None => take().0,
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Full(_) => "Full",
            Self::Client(_) => "Client",
            Self::Replay(_) => "Replay",
            Self::Changed(_) => "Changed",
        })
    }
}

/// Measures a rate over windows of waiting. Costs nothing until something has to be waited for.
struct Patience {
    clock: Clock,
    window: Duration,
    /// Bytes that a window must bring.
    enough: u64,
    deadline: Option<Deadline>,
    /// Bytes in this window.
    bytes: u64,
    /// When the last bytes came, if nothing was waited for since.
    idle_since: Option<u64>,
}

impl Patience {
    fn new(clock: &Clock, limits: BodyLimits) -> Self {
        let millis = u64::try_from(limits.window.as_millis()).unwrap_or(u64::MAX);
        let enough = limits.rate.saturating_mul(millis).div_ceil(1_000);
        let clock = clock.clone();
        Self { clock, window: limits.window, enough, deadline: None, bytes: 0, idle_since: None }
    }

    fn received(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.idle_since = Some(self.clock.now());
    }

    /// Ready when a window of waiting brought too little.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.enough == 0 {
            return Poll::Pending;
        }
        let deadline = self.deadline.get_or_insert_with(|| Deadline::new(&self.clock, self.window));
        if let Some(since) = self.idle_since.take() {
            // From then until now nobody waited for the client.
            deadline.postpone(Duration::from_millis(self.clock.now().saturating_sub(since)));
        }
        while deadline.poll(cx).is_ready() {
            if self.bytes < self.enough {
                return Poll::Ready(());
            }
            self.bytes = 0;
            deadline.reset(self.window);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{Instant, sleep};

    use super::*;

    fn patience(rate: u64) -> Patience {
        let clock = Clock::new();
        tokio::spawn(clock.clone().run());
        let limits = BodyLimits { size: 0, rate, window: Duration::from_secs(10) };
        Patience::new(&clock, limits)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_is_cut_after_one_window() {
        let mut patience = patience(100);
        let start = Instant::now();
        poll_fn(|cx| patience.poll(cx)).await;
        let took = start.elapsed().as_secs_f32();
        assert!((10.0..10.2).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_at_the_rate_goes_on_and_one_below_it_is_cut() {
        for (every_second, cut) in [(101, false), (99, true)] {
            let mut patience = patience(100);
            let mut was_cut = false;
            for _ in 0..60 {
                patience.received(every_second);
                let waited = async {
                    tokio::select! {
                        () = poll_fn(|cx| patience.poll(cx)) => true,
                        () = sleep(Duration::from_secs(1)) => false,
                    }
                };
                was_cut |= waited.await;
            }
            assert_eq!(was_cut, cut, "{every_second} bytes a second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_origin_is_not_held_against_the_client() {
        let mut patience = patience(100);
        // Something has to keep the clock ticking while nobody waits for the body.
        let mut other = Deadline::new(&patience.clock, Duration::from_secs(1_000));
        poll_fn(|cx| {
            assert!(other.poll(cx).is_pending());
            assert!(patience.poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        patience.received(1);
        sleep(Duration::from_secs(300)).await;
        let start = Instant::now();
        poll_fn(|cx| patience.poll(cx)).await;
        assert!(start.elapsed() >= Duration::from_secs(9), "{:?}", start.elapsed());
    }
}
