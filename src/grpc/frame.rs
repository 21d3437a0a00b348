//! gRPC's frames: a flag, four bytes of length, a message.
//!
//! In: pieces of a body as they come. Out: whole messages, none larger than the bound, or what is wrong. A
//! length is not believed further than the bound, and nothing is kept but the message that is not whole yet.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::reject::Reject;

/// Bytes before a message.
pub(super) const HEAD: usize = 5;

/// What is wrong with frames that an origin sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// A message is compressed, which nobody asked for.
    #[error("a message is compressed, and no compression was offered")]
    Compressed,
    /// A flag that is none.
    #[error("a frame's first byte is neither 0 nor 1")]
    Flag,
    /// A message is larger than the bound.
    #[error("a message is larger than the bound")]
    TooLarge,
    /// The body ended within a frame.
    #[error("the body ends within a frame")]
    Truncated,
}

impl FrameError {
    /// How the request ends for it.
    pub const fn reject(self) -> Reject {
        match self {
            Self::TooLarge => Reject::TranslateTooLarge,
            Self::Compressed | Self::Flag | Self::Truncated => Reject::TranslateAnswer,
        }
    }
}

/// Finds messages in a body.
#[derive(Debug)]
pub(super) struct Frames {
    held: BytesMut,
    most: usize,
}

impl Frames {
    pub(super) fn new(most: usize) -> Self {
        Self { held: BytesMut::new(), most }
    }

    /// Takes in the next piece of the body.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.held.put_slice(piece);
    }

    /// The next message, if it is whole.
    ///
    /// # Errors
    /// The frame is none, or its message is larger than the bound: that is known by its head.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = head(&self.held, self.most)? else { return Ok(None) };
        if self.held.len() < HEAD + length {
            return Ok(None);
        }
        self.held.advance(HEAD);
        Ok(Some(self.held.split_to(length).freeze()))
    }

    /// Whether the body may end here.
    pub(super) fn end(&self) -> Result<(), FrameError> {
        if self.held.is_empty() { Ok(()) } else { Err(FrameError::Truncated) }
    }
}

/// The length of the message behind this head, once the head is whole.
fn head(held: &[u8], most: usize) -> Result<Option<usize>, FrameError> {
    let Some((flag, rest)) = held.split_first() else { return Ok(None) };
    match flag {
        0 => {}
        1 => return Err(FrameError::Compressed),
        _ => return Err(FrameError::Flag),
    }
    let Some(length) = rest.first_chunk() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > most { Err(FrameError::TooLarge) } else { Ok(Some(length)) }
}

/// A body that is one message, without a copy.
///
/// # Errors
/// It is none, is more than one, or is larger than the bound.
pub(super) fn only(body: &[u8], most: usize) -> Result<&[u8], FrameError> {
    let length = head(body, most)?.ok_or(FrameError::Truncated)?;
    let message = &body[HEAD..];
    match message.len() == length {
        true => Ok(message),
        false => Err(FrameError::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]], most: usize) -> Result<Vec<Bytes>, FrameError> {
        let (mut frames, mut found) = (Frames::new(most), Vec::new());
        for piece in pieces {
            frames.push(piece);
            while let Some(message) = frames.next()? {
                found.push(message);
            }
        }
        frames.end().map(|()| found)
    }

    #[test]
    fn bodies_that_lie_are_found_out() {
        for (body, expected) in [
            (&b""[..], Ok(0)),
            (b"\0\0\0\0\0", Ok(1)),
            (b"\0\0\0\0\x02ab", Ok(1)),
            (b"\0\0\0\0\x02ab\0\0\0\0\0", Ok(2)),
            (b"\0\0\0\0", Err(FrameError::Truncated)),
            (b"\0\0\0\0\x02a", Err(FrameError::Truncated)),
            (b"\0\0\0\0\x01ab", Err(FrameError::Flag)),
            (b"\x01\0\0\0\x01a", Err(FrameError::Compressed)),
            (b"\x01", Err(FrameError::Compressed)),
            (b"\x80\0\0\0\x01a", Err(FrameError::Flag)),
            (b"<html>", Err(FrameError::Flag)),
            (b"\0\0\0\0\x09", Err(FrameError::TooLarge)),
            (b"\0\xff\xff\xff\xff", Err(FrameError::TooLarge)),
        ] {
            assert_eq!(all(&[body], 8).map(|found| found.len()), expected, "{body:?}");
        }
        assert_eq!(only(b"\0\0\0\0\x02ab", 8), Ok(&b"ab"[..]));
        assert_eq!(only(b"\0\0\0\0\x02ab\0\0\0\0\0", 8), Err(FrameError::Truncated));
        assert_eq!(only(b"", 8), Err(FrameError::Truncated));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            size in 1_usize..30,
        ) {
            let mut body = Vec::new();
            for message in &messages {
                body.push(0);
                body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
                body.extend(message);
            }
            let pieces: Vec<&[u8]> = body.chunks(size).collect();
            prop_assert_eq!(all(&pieces, 40).unwrap(), messages);
        }
    }
}
