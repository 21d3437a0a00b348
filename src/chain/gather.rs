//! Bodies that have to be whole before anything can be made of them: requests that are held to a contract,
//! answers that are looked at.
//!
//! In: a body and a bound. Out: its bytes, counted among those in flight. Of an answer that is larger
//! nothing is lost: it goes on as it came.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::{
    answer::Body,
    exchange::Exchange,
    source::{BrokenOff, Source},
};
use crate::{
    message::{RequestBody, Turn},
    reject::Reject,
};

/// What became of an answer that was to be whole.
pub(super) enum Gathered {
    /// It is; and its trailers.
    Whole(Bytes, Option<HeaderMap>),
    /// It is larger than the bound: what came of it, and the rest.
    Larger(Source),
    /// It broke off.
    Broken(Reject),
}

/// The beginning of an answer that was read already, and the rest.
pub(super) struct Begun {
    first: Option<Bytes>,
    rest: Body,
}

impl Exchange {
    /// Reads a request's body whole, and leaves it so that it can be sent.
    ///
    /// # Errors
    /// It is larger than `most`, broke off, or there is no memory for it.
    pub(super) async fn gather_request(
        &mut self,
        body: &mut RequestBody,
        most: u64,
    ) -> Result<Bytes, Reject> {
        if let RequestBody::Full(bytes) = body {
            return Ok(Bytes::clone(bytes));
        }
        if body.size_hint().lower() > most {
            return Err(Reject::BodyTooLarge);
        }
        let mut pieces = Pieces::default();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| error.reject())?;
            // Trailers of a request that is read whole go no further.
            let Ok(piece) = frame.into_data() else { continue };
            if pieces.length + piece.len() as u64 > most {
                return Err(Reject::BodyTooLarge);
            }
            self.hold(piece.len() as u64)?;
            pieces.add(piece);
        }
        let bytes = pieces.join();
        *body = bytes.clone().into();
        Ok(bytes)
    }

    /// Reads an answer's body whole, if it is no larger than `most`.
    pub(super) async fn gather_answer(&mut self, source: Source, most: u64) -> Gathered {
        let mut body = Body::new(source, None, None);
        if body.size_hint().lower() > most {
            return Gathered::Larger(Source::Begun(Box::new(Begun { first: None, rest: body })));
        }
        let (mut pieces, mut trailers) = (Pieces::default(), None);
        self.client.state.set_turn(Turn::Origin);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Gathered::Broken(error.reject()),
            };
            let piece = match frame.into_data() {
                Ok(piece) => piece,
                Err(frame) => {
                    trailers = frame.into_trailers().ok();
                    continue;
                }
            };
            if self.hold(piece.len() as u64).is_err() {
                return Gathered::Broken(Reject::OverloadMemory);
            }
            pieces.add(piece);
            if pieces.length > most {
                let first = Some(pieces.join());
                return Gathered::Larger(Source::Begun(Box::new(Begun { first, rest: body })));
            }
        }
        Gathered::Whole(pieces.join(), trailers)
    }
}

/// Pieces of a body; one alone is not copied.
#[derive(Default)]
struct Pieces {
    first: Bytes,
    more: BytesMut,
    length: u64,
}

impl Pieces {
    fn add(&mut self, piece: Bytes) {
        self.length += piece.len() as u64;
        if self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(&piece);
    }

    fn join(self) -> Bytes {
        if self.more.is_empty() { self.first } else { self.more.freeze() }
    }
}

impl Begun {
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.first.take() {
            Some(first) if !first.is_empty() => Poll::Ready(Some(Ok(Frame::data(first)))),
            _ => Poll::Ready(ready!(Pin::new(&mut self.rest).poll_frame(cx))),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        match self.rest.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(first + rest),
            None => SizeHint::default(),
        }
    }
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").finish_non_exhaustive()
    }
}
