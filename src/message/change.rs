//! A request's body whose bytes are others when they go on.
//!
//! In: a body and what changes its pieces. Out: the changed pieces, one for one as they come; nothing is
//! held but what a piece lacks to be whole.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as _, Frame};

use super::body::{BodyError, RequestBody};

/// Changes the pieces of a body.
pub trait Change: Send + Sync + 'static {
    /// What becomes of the next piece; none if it is malformed.
    fn piece(&mut self, piece: &[u8]) -> Option<Bytes>;

    /// Whether the body may end here.
    fn may_end(&self) -> bool;
}

/// A body and what changes it.
pub struct Changed {
    body: RequestBody,
    change: Box<dyn Change>,
    over: bool,
}

impl Changed {
    pub(super) fn new(body: RequestBody, change: Box<dyn Change>) -> Self {
        Self { body, change, over: false }
    }

    pub(super) fn bound(&mut self, size: u64) {
        self.body.bound(size);
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        while !self.over {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            let Some(Ok(frame)) = frame else {
                self.over = true;
                let whole = frame.is_some() || self.change.may_end();
                let broken = (!whole).then_some(Err(BodyError::Malformed));
                return Poll::Ready(frame.or(broken));
            };
            let Some(piece) = frame.data_ref() else {
                self.over = true;
                let whole = self.change.may_end();
                return Poll::Ready(Some(if whole {
                    Ok(frame)
                } else {
                    Err(BodyError::Malformed)
                }));
            };
            match self.change.piece(piece) {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                None => {
                    self.over = true;
                    return Poll::Ready(Some(Err(BodyError::Malformed)));
                }
            }
        }
        Poll::Ready(None)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.over
    }
}
