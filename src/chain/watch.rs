//! An answer that is looked at as it goes by: nothing waits for it, and it is told of at its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use super::{
    answer::Body,
    beside::{LARGE, beside_at_once},
    source::{BrokenOff, Source},
};
use crate::contract::Operation;

/// An answer on its way that is looked at.
pub(super) struct Watched {
    body: Body,
    /// What came so far; none if it is not looked at, or the end was seen.
    copy: Option<BytesMut>,
    operation: Arc<Operation>,
    head: (StatusCode, HeaderMap),
}

impl Watched {
    /// Watches an answer of this head.
    pub(super) fn new(
        source: Source,
        operation: Arc<Operation>,
        head: (StatusCode, HeaderMap),
    ) -> Self {
        Self { body: Body::new(source, None, None), copy: Some(BytesMut::new()), operation, head }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(piece) = frame.data_ref() {
                    self.take(piece);
                }
                if self.body.is_end_stream() {
                    self.end();
                }
            }
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Err(_))) => self.copy = None,
            Poll::Pending => {}
        }
        frame
    }

    fn take(&mut self, piece: &Bytes) {
        let Some(copy) = &mut self.copy else { return };
        if (copy.len() + piece.len()) as u64 > self.operation.max_body {
            self.copy = None;
            self.operation.drift.skip();
        } else {
            copy.extend_from_slice(piece);
        }
    }

    /// Looks at all of it: of a large one beside the workers, if there is room at once. Nobody waits for that, and
    /// no answers pile up for it.
    fn end(&mut self) {
        let Some(copy) = self.copy.take() else { return };
        let (operation, (status, headers)) = (self.operation.clone(), self.head.clone());
        if copy.len() < LARGE {
            operation.check_answer(status, &headers, Some(&copy));
            return;
        }
        let drift = operation.drift.clone();
        let look = move || drop(operation.check_answer(status, &headers, Some(&copy)));
        if !beside_at_once(look) {
            drift.skip();
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}
