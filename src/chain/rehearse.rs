//! A dry run of stages that read bodies: they run as they are, on a body that is there.
//!
//! In: a stage and a body of no more than [`MOST`] bytes, which no stage gives to the threads for larger ones.
//! Out: what came of it, at once: a filter has a thread of its own, and nothing else is waited for.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use bytes::Bytes;
use http::request::Parts;

use super::{beside::LARGE, plan::announced};
use crate::message::RequestBody;

/// Bytes of a body that somebody asks about.
pub const MOST: usize = LARGE - 1;

/// Runs a stage to its end.
pub(super) fn now<T>(stage: impl Future<Output = T>) -> T {
    let mut stage = pin!(stage);
    let waker = Waker::from(Arc::new(Here(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match stage.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

/// Whether a head announces a body that is not there.
pub(super) fn is_unknown(head: &Parts, body: &RequestBody) -> bool {
    announced(head) > 0 && bytes(body).is_none()
}

/// The bytes of a body, if they are there.
pub(super) fn bytes(body: &RequestBody) -> Option<Bytes> {
    match body {
        RequestBody::Full(bytes) => Some(Bytes::clone(bytes)),
        RequestBody::Empty
        | RequestBody::Client(_)
        | RequestBody::Replay(_)
        | RequestBody::Changed(_) => None,
    }
}

struct Here(Thread);

impl Wake for Here {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
