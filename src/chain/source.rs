//! Where an answer's body comes from, and why it broke off.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame};

use super::{calls::Translated, cut::Shared, gather::Begun, watch::Watched};
use crate::{
    cache::Pieces,
    reject::Reject,
    upstream::{AnswerBody, AnswerError},
};

/// Where an answer's body comes from. It is moved with its answer from stage to stage, so what is in it is boxed.
#[derive(Debug)]
pub(super) enum Source {
    /// There is none.
    Empty,
    /// Janua made it.
    Made(Box<Bytes>),
    /// The origin.
    Origin(Box<AnswerBody>),
    /// What is kept.
    Kept(Box<Pieces>),
    /// The origin, for several.
    Shared(Box<Shared>),
    /// One that was read in part already.
    Begun(Box<Begun>),
    /// One that is looked at as it goes by.
    Watched(Box<Watched>),
    /// One that is translated as it goes by.
    Translated(Box<Translated>),
    /// One that has broken off.
    Broken(Box<BrokenOff>),
}

impl Source {
    /// Whether nothing comes of it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Origin(body) => body.is_end_stream(),
            Self::Kept(pieces) => pieces.length() == 0,
            Self::Made(_)
            | Self::Shared(_)
            | Self::Begun(_)
            | Self::Watched(_)
            | Self::Translated(_)
            | Self::Broken(_) => false,
        }
    }
}

impl Source {
    /// The next piece of one that has another within.
    pub(super) fn poll_within(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self {
            Self::Begun(begun) => begun.poll(cx),
            Self::Watched(watched) => watched.poll(cx),
            Self::Translated(translated) => translated.poll(cx),
            Self::Empty
            | Self::Made(_)
            | Self::Origin(_)
            | Self::Kept(_)
            | Self::Shared(_)
            | Self::Broken(_) => Poll::Ready(None),
        }
    }
}

impl From<Bytes> for Source {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Made(Box::new(bytes)) }
    }
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff {
    pub(super) reject: Reject,
    pub(super) source: Option<AnswerError>,
}

impl BrokenOff {
    /// One that breaks off for something that was found out here.
    pub(super) fn by(reject: Reject) -> Self {
        Self { reject, source: None }
    }

    /// How the request ends for it.
    pub fn reject(&self) -> Reject {
        self.reject
    }
}
