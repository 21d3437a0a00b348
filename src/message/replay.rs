//! A request's body that can be sent again, as long as little of it was taken.
//!
//! An origin may turn a stream away unseen when some of its body is on the way already, and that is
//! no reason to fail. Or it fails a request that does no harm twice. What was taken is kept, up to
//! [`LEAST`] bytes or as many as are asked for (the pieces themselves, not copies); beyond that the body
//! is as any other.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;

use super::body::{BodyError, RequestBody};

/// Bytes that are kept if no more are asked for.
const LEAST: usize = 64 << 10;

/// One sending of a body that may be sent again.
pub struct Replay {
    kept: Arc<Mutex<Kept>>,
    /// Which sending this is; only the last one takes anything.
    turn: u32,
    /// The pieces that it has given out of those kept.
    given: usize,
}

struct Kept {
    body: RequestBody,
    pieces: Vec<Bytes>,
    size: usize,
    /// Bytes that are kept.
    most: usize,
    /// More was taken than is kept.
    lost: bool,
    turn: u32,
}

impl Replay {
    /// The first sending of a body, of which so many bytes are wanted again.
    pub(super) fn new(body: RequestBody, most: usize) -> Self {
        let (pieces, most) = (Vec::new(), most.max(LEAST));
        let kept = Kept { body, pieces, size: 0, most, lost: false, turn: 0 };
        Self { kept: Arc::new(Mutex::new(kept)), turn: 0, given: 0 }
    }

    /// Another sending from the start, unless too much was taken. The one before gives nothing more.
    pub(super) fn again(&self) -> Option<Self> {
        let mut kept = self.kept.lock();
        if kept.lost {
            return None;
        }
        kept.turn += 1;
        Some(Self { kept: self.kept.clone(), turn: kept.turn, given: 0 })
    }

    /// Whether all that was taken is kept, and is no more than this.
    pub(super) fn is_within(&self, most: usize) -> bool {
        let kept = self.kept.lock();
        !kept.lost && kept.size <= most
    }

    pub(super) fn bound(&self, size: u64) {
        self.kept.lock().body.bound(size);
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut kept = self.kept.lock();
        if kept.turn != self.turn {
            // Its stream is over; nobody may take from the one after it.
            return Poll::Pending;
        }
        if let Some(piece) = kept.pieces.get(self.given) {
            self.given += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        let frame = Pin::new(&mut kept.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            kept.keep(frame);
            self.given = kept.pieces.len();
        }
        frame
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let kept = self.kept.lock();
        self.given == kept.pieces.len() && kept.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let kept = self.kept.lock();
        let left: usize = kept.pieces.iter().skip(self.given).map(Bytes::len).sum();
        match kept.body.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(rest + left as u64),
            None => SizeHint::new(),
        }
    }
}

impl Kept {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        match frame.data_ref() {
            Some(piece) if !self.lost && self.size + piece.len() <= self.most => {
                self.size += piece.len();
                self.pieces.push(piece.clone());
            }
            _ => {
                self.lost = true;
                self.pieces = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn next(replay: &mut Replay) -> Option<Bytes> {
        match replay.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
            _ => None,
        }
    }

    #[test]
    fn what_was_taken_is_given_again() {
        let mut first = Replay::new(Bytes::from("abc").into(), 0);
        assert_eq!(next(&mut first).unwrap(), "abc");
        let mut second = first.again().unwrap();
        assert_eq!(second.size_hint().exact(), Some(3));
        assert!(!second.is_end_stream());
        assert_eq!(next(&mut first), None, "only the last one takes anything");
        assert_eq!(next(&mut second).unwrap(), "abc");
        assert!(second.is_end_stream());
        assert!(second.is_within(3) && !second.is_within(2));
    }

    #[test]
    fn what_is_too_much_is_sent_once() {
        for (asked, most) in [(0, LEAST), (LEAST - 1, LEAST), (LEAST + 9, LEAST + 9)] {
            for (size, again) in [(most, true), (most + 1, false)] {
                let mut first = Replay::new(Bytes::from(vec![0; size]).into(), asked);
                assert_eq!(next(&mut first).unwrap().len(), size);
                assert!(first.is_end_stream());
                assert_eq!(first.is_within(usize::MAX), again, "{size}");
                assert_eq!(first.again().is_some(), again, "{size}");
            }
        }
    }
}
