//! What the guard says to whole connections, however their bytes are cut.

mod legal;
mod limits;
mod malformed;
mod phases;
mod properties;

use super::{Guard, Phase};
use crate::{reject::Reject, snapshot::HeadLimits};

/// Bounds that no test meets unless it means to.
const WIDE: HeadLimits =
    HeadLimits { max_header_size: 16_384, max_headers: 100, max_request_line: 8_192 };

/// What came of a connection: the same for every way of cutting its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Outcome {
    reject: Option<Reject>,
    phase: Phase,
    heads: u64,
    messages: u64,
}

impl Outcome {
    const fn refused(reject: Reject, heads: u64, messages: u64) -> Self {
        Self { reject: Some(reject), phase: Phase::Refused, heads, messages }
    }

    const fn idle(messages: u64) -> Self {
        Self { reject: None, phase: Phase::Idle, heads: messages, messages }
    }
}

/// Feeds the pieces, and lets no upgrade happen.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &HeadLimits) -> Outcome {
    let mut guard = Guard::new();
    let mut reject = None;
    'pieces: for mut piece in pieces {
        loop {
            match guard.inspect(piece, limits) {
                Ok(accepted) if guard.phase() == Phase::Upgrade && accepted < piece.len() => {
                    assert_eq!(guard.inspect(&piece[accepted..], limits), Ok(0));
                    piece = &piece[accepted..];
                    guard.resume();
                }
                Ok(accepted) => {
                    assert_eq!(accepted, piece.len());
                    break;
                }
                Err(refused) => {
                    assert!(refused.accepted <= piece.len());
                    let again = guard.inspect(piece, limits).unwrap_err();
                    assert_eq!((again.accepted, again.reject), (0, refused.reject));
                    reject = Some(refused.reject);
                    break 'pieces;
                }
            }
        }
    }
    let (phase, heads, messages) = (guard.phase(), guard.heads(), guard.messages());
    Outcome { reject, phase, heads, messages }
}

/// Feeds the bytes whole, one by one, and cut once at every place: always with the same outcome.
fn feed_every_way(name: &str, bytes: &[u8], limits: &HeadLimits) -> Outcome {
    let whole = feed([bytes], limits);
    assert_eq!(feed(bytes.chunks(1), limits), whole, "{name}: byte by byte");
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(feed([first, second], limits), whole, "{name}: cut at {at}");
    }
    whole
}
