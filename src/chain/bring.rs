//! The body of an answer on its way: to all who read it, and to where it is kept, once it is whole.
//!
//! In: a [`Pilot`], the head of what is kept, and a body as the origin sends it, which may be what was missing
//! of a whole. Out: by the pilot its bytes; on the shelf the object. What is not as long as it was said to be
//! is not kept, and never joined to anything.

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body as _, Frame};
use http_body_util::BodyExt as _;

use super::{kept::Made, overload::Room, parts::Gap};
use crate::{
    cache::{Cache, End, Pieces, Pilot, rules::Unkept},
    limit::Heir,
    reject::Reject,
    snapshot::View,
    upstream::AnswerBody,
    worker::Worker,
};

/// Pieces of a large answer are put together up to this size, once it is whole.
const BLOCK: usize = 256 << 10;
/// Smaller frames are put together before they are anybody's: each piece has its price, whatever is in it.
const SMALL: usize = 4 << 10;
/// So much of them, unless their origin makes a pause.
const TOGETHER: usize = 16 << 10;

/// A body to bring.
pub(super) struct Bring {
    pub(super) world: Arc<View>,
    /// The number of the route.
    pub(super) rule: usize,
    pub(super) worker: Worker,
    pub(super) pilot: Pilot,
    pub(super) made: Box<Made>,
    /// Where it belongs, if it is a part.
    pub(super) gap: Option<Box<Gap>>,
    /// Its place at the upstream, as long as it comes.
    pub(super) _room: Room,
    /// What lets it run if who began it has left.
    pub(super) heirs: Vec<Arc<Heir>>,
}

impl Bring {
    /// Takes it in, to its end.
    pub(super) async fn run(mut self, mut body: Box<AnswerBody>) {
        let world = self.world.clone();
        let Some(cache) = &world.routes.targets()[self.rule].cache else { return };
        let (before, after) = self.gap.as_ref().map(|gap| gap.around()).unwrap_or_default();
        if !self.bring_kept(before).await {
            return;
        }
        let mut came = 0;
        let Some(mut end) = self.take_in(&mut body, &mut came).await else {
            // It was too large to be kept, and whoever read it has read enough.
            return cache.metrics.refuse(self.worker.index, Unkept::TooLarge as usize);
        };
        drop(body);
        // Its origin has done; who has it all by its length may send the next request.
        self.heirs.clear();
        let fits = self.gap.as_ref().is_none_or(|gap| gap.missing.length() == came);
        let joins = self.gap.as_ref().is_some_and(|gap| gap.there.is_some());
        if joins && !fits && matches!(end, End::Whole(_)) {
            end = End::Broken(Reject::UpstreamProtocol);
        }
        let whole = matches!(end, End::Whole(_));
        if whole && !self.bring_kept(after).await {
            return;
        }
        // Whoever asks after this finds it there.
        let refused = match self.pilot.whole() {
            _ if !(whole && fits) => Some(Unkept::Incomplete),
            Some(pieces) => {
                self.keep(cache, pieces).await;
                cache.metrics.store(self.worker.index);
                None
            }
            None => Some(Unkept::TooLarge),
        };
        if let Some(why) = refused {
            cache.metrics.refuse(self.worker.index, why as usize);
        }
        self.pilot.end(end);
    }

    /// Takes in what the origin sends; none if nobody is left who wants it.
    async fn take_in(&mut self, body: &mut AnswerBody, came: &mut u64) -> Option<End> {
        // What is put between parts that are there is to be neither more nor less.
        let most = match &self.gap {
            Some(gap) if gap.there.is_some() => gap.missing.length(),
            _ => u64::MAX,
        };
        let mut small = Vec::new();
        loop {
            let frame = match small.is_empty() {
                true => body.frame().await,
                false => match at_once(body).await {
                    Poll::Ready(frame) => frame,
                    // Whoever reads gets what is there.
                    Poll::Pending if self.bring_small(&mut small).await => continue,
                    Poll::Pending => return None,
                },
            };
            let end = match frame {
                None => End::Whole(None),
                Some(Err(error)) => End::Broken(error.reject()),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        *came += data.len() as u64;
                        if *came > most {
                            return Some(End::Broken(Reject::UpstreamProtocol));
                        }
                        if !self.bring_data(&data, &mut small).await {
                            return None;
                        }
                        continue;
                    }
                    Err(frame) => End::Whole(frame.into_trailers().ok()),
                },
            };
            return self.bring_small(&mut small).await.then_some(end);
        }
    }

    /// Brings what a frame has, or puts it to what is `small`; whether anybody is left who wants it.
    async fn bring_data(&mut self, data: &[u8], small: &mut Vec<u8>) -> bool {
        if data.len() < SMALL {
            small.extend_from_slice(data);
            return small.len() < TOGETHER || self.bring_small(small).await;
        }
        // What comes is a part of a larger buffer, which is not to be kept for it.
        self.bring_small(small).await && self.pilot.bring(Bytes::copy_from_slice(data)).await
    }

    /// Brings what was put together, if there is anything.
    async fn bring_small(&mut self, small: &mut Vec<u8>) -> bool {
        if small.is_empty() {
            return true;
        }
        let piece = Bytes::copy_from_slice(small);
        small.clear();
        self.pilot.bring(piece).await
    }

    /// Brings what is there already; whether anybody is left who wants it.
    async fn bring_kept(&mut self, pieces: Option<Pieces>) -> bool {
        for piece in pieces.into_iter().flatten() {
            if !self.pilot.bring(piece).await {
                return false;
            }
        }
        true
    }

    /// Keeps it, with what is there of the same whole.
    async fn keep(&mut self, cache: &Cache, pieces: Vec<Bytes>) {
        let mut pieces = together(pieces, false).await;
        let key = self.pilot.key().clone();
        if let Some(gap) = &self.gap {
            let request = &self.pilot.flight().asker.request;
            pieces = gap.join(cache, (&key.seek(), request), &mut self.made, &pieces);
            // They are slices of what is longer.
            pieces = together(pieces, true).await;
        }
        let object = Arc::new(self.made.object(pieces));
        if object.status != StatusCode::PARTIAL_CONTENT {
            cache.memory.unkept.forget(self.pilot.digest());
        }
        cache.memory.keep(&key, object);
    }
}

/// What comes of a body without a wait.
async fn at_once(
    body: &mut AnswerBody,
) -> Poll<Option<Result<Frame<Bytes>, <AnswerBody as http_body::Body>::Error>>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await
}

/// The same bytes in fewer pieces, or at least in memory of their own if they are `slices`; not all of a large
/// body at once, since others wait for the worker.
async fn together(pieces: Vec<Bytes>, slices: bool) -> Vec<Bytes> {
    let few = pieces.len() < 2 || pieces.iter().all(|piece| piece.len() >= BLOCK / 4);
    if few && !slices {
        return pieces;
    }
    let mut left: usize = pieces.iter().map(Bytes::len).sum();
    let mut blocks = Vec::with_capacity(left.div_ceil(BLOCK));
    let mut block = BytesMut::with_capacity(left.min(BLOCK));
    for mut piece in pieces {
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(BLOCK - block.len()));
            left -= part.len();
            block.extend_from_slice(&part);
            if block.len() == BLOCK {
                let full = std::mem::replace(&mut block, BytesMut::with_capacity(left.min(BLOCK)));
                blocks.push(full.freeze());
                tokio::task::yield_now().await;
            }
        }
    }
    if !block.is_empty() {
        blocks.push(block.freeze());
    }
    blocks
}
