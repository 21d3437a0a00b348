//! What is kept of an answer, in few bytes.
//!
//! In: a [`Head`] and a body. Out: an [`Object`]: one block with the header fields, what the answer varies
//! by, its tags and a small body; a large body is kept in the pieces that it came in. An answer to a client
//! is made of slices of the block ([`Open`]), and nothing is copied.
//!
//! It does not know what is fresh, and decides nothing.

use std::{
    iter,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{AGE, DATE, EXPIRES},
};
use tokio::time::Instant;

use super::{
    held::Held,
    names::{self, Code},
    rules::Terms,
    shelf::allocated,
    tags::Tags,
};

/// A body up to this size is in one block with the head.
pub(super) const SMALL: usize = 64 * 1_024;

/// What a stored answer is made of, beside its body.
#[derive(Debug)]
pub struct Head<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields, of those that are kept.
    pub headers: &'a HeaderMap,
    /// How it may be used.
    pub terms: Terms,
    /// When it came.
    pub at: Instant,
    /// The number that was the newest when it was asked for.
    pub stamp: u64,
    /// The names of request fields that it varies by, and the values they had; both empty if by none.
    pub vary: (&'a [u8], &'a [u8]),
    /// What it can be purged by.
    pub tags: Tags,
}

/// A stored answer.
#[derive(Debug)]
pub struct Object {
    /// Fields, Vary, tags, the body if it is small.
    block: Box<[u8]>,
    /// A body that is not small. In a box, since most have none and it then needs one word.
    large: Option<Box<Large>>,
    /// How it may be used.
    pub terms: Terms,
    /// When it came, in nanoseconds since [`START`].
    at: i64,
    /// Twice the number up to which nothing makes it void, and one more if it is to be validated.
    stamp: AtomicU64,
    /// Where the block's parts begin.
    vary: u32,
    tags: u32,
    body: u32,
    /// Its status.
    pub status: StatusCode,
    fields: u16,
}

/// A body that is not small: its pieces, which are counted.
#[derive(Debug)]
struct Large {
    pieces: Box<[Bytes]>,
    held: Held,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Object {
    /// Puts an answer together. Memory of the pieces of a large body is to be exactly as long as they are.
    pub fn new(head: Head<'_>, body: Vec<Bytes>) -> Self {
        let length: usize = body.iter().map(Bytes::len).sum();
        let mut block = Vec::new();
        for (name, value) in head.headers {
            write_field(&mut block, name, value);
        }
        let vary = place(&block);
        if head.vary != (&[], &[]) {
            write_length(&mut block, head.vary.0.len());
            block.extend_from_slice(head.vary.0);
            block.extend_from_slice(head.vary.1);
        }
        let tags = place(&block);
        block.extend_from_slice(head.tags.as_bytes());
        let start = place(&block);
        let large = if length <= SMALL {
            block.reserve_exact(length);
            body.iter().for_each(|piece| block.extend_from_slice(piece));
            None
        } else {
            let held = Held::new(length as u64);
            Some(Box::new(Large { pieces: body.into_boxed_slice(), held }))
        };
        let at = match head.at.checked_duration_since(*START) {
            Some(since) => nanoseconds(since),
            None => -nanoseconds(START.saturating_duration_since(head.at)),
        };
        Self {
            block: block.into_boxed_slice(),
            large,
            terms: head.terms,
            at,
            stamp: AtomicU64::new(head.stamp << 1),
            vary,
            tags,
            body: start,
            status: head.status,
            fields: u16::try_from(head.headers.len()).unwrap_or(u16::MAX),
        }
    }

    /// How long it has been here.
    pub fn resident(&self, now: Instant) -> Duration {
        let now = match now.checked_duration_since(*START) {
            Some(since) => nanoseconds(since),
            None => -nanoseconds(START.saturating_duration_since(now)),
        };
        Duration::from_nanos(u64::try_from(now.saturating_sub(self.at)).unwrap_or(0))
    }

    /// When its origin made it, as far as that is known, in nanoseconds since [`START`].
    pub(super) fn made_at(&self) -> i64 {
        self.at.saturating_sub(i64::from(self.terms.age).saturating_mul(1_000_000_000))
    }

    /// The number up to which nothing makes it void, and whether it is to be validated.
    #[inline]
    pub(super) fn stamp(&self) -> (u64, bool) {
        let stamp = self.stamp.load(Relaxed);
        (stamp >> 1, stamp & 1 == 1)
    }

    /// Takes note that it was compared with everything up to this number.
    pub(super) fn raise(&self, to: u64, soft: bool) {
        let raised = |stamp: u64| (to.max(stamp >> 1) << 1) | (stamp & 1) | u64::from(soft);
        let _ = self.stamp.fetch_update(Relaxed, Relaxed, |stamp| Some(raised(stamp)));
    }

    /// What it varies by: names and values as they were given.
    pub fn vary(&self) -> (&[u8], &[u8]) {
        let mut part = &self.block[self.vary as usize..self.tags as usize];
        let names = read_length(&mut part);
        part.split_at(names.min(part.len()))
    }

    /// Whether it has this tag.
    pub fn has_tag(&self, tag: &str) -> bool {
        super::tags::have(self.tags(), tag)
    }

    /// What it can be purged by, as it is kept.
    pub(super) fn tags(&self) -> &[u8] {
        &self.block[self.tags as usize..self.body as usize]
    }

    /// Bytes of its body.
    pub fn length(&self) -> u64 {
        match &self.large {
            Some(large) => large.held.bytes(),
            None => (self.block.len() - self.body as usize) as u64,
        }
    }

    /// Its fields in the order of the answer.
    fn fields(&self) -> impl Iterator<Item = Field> {
        let mut at = 0;
        let end = self.vary as usize;
        iter::from_fn(move || read_field(&self.block[..end], &mut at))
    }

    /// The first value of a field, without making anything.
    pub fn field(&self, code: Code) -> Option<&[u8]> {
        let field = self.fields().find(|field| field.code == code.byte())?;
        Some(&self.block[field.value.0..field.value.1])
    }

    /// Whether it says what another said, for as long or longer.
    pub(super) fn only_extends(self: &Arc<Self>, old: &Arc<Self>) -> bool {
        let until = |object: &Self| {
            let left = object.terms.left(Duration::ZERO);
            object.at.saturating_add(left.saturating_mul(1_000_000_000))
        };
        let rules = |terms: &Terms| {
            let ([_, _, while_revalidate, if_error], flags) = terms.parts();
            (while_revalidate, if_error, flags)
        };
        let fields = |object: &Arc<Self>| {
            let mut headers = object.open().headers();
            for name in [AGE, DATE, EXPIRES] {
                headers.remove(name);
            }
            headers
        };
        rules(&self.terms) == rules(&old.terms)
            && until(self) >= until(old)
            && self.vary() == old.vary()
            && self.tags() == old.tags()
            && fields(self) == fields(old)
    }

    /// Begins an answer.
    #[inline]
    pub fn open(self: &Arc<Self>) -> Open<'_> {
        Open { object: self, block: Bytes::from_owner(Block(self.clone())) }
    }

    /// Bytes of memory that it takes.
    pub fn weight(&self) -> u64 {
        let own = allocated(2 * size_of::<usize>() + size_of::<Self>());
        let pieces = self.large.iter().flat_map(|large| large.pieces.iter());
        // A piece that is shared has a counter beside it.
        let pieces = pieces.map(|piece| allocated(piece.len()) + SHARED);
        own + allocated(self.block.len()) + pieces.sum::<u64>()
    }
}

/// What the memory of a piece takes beside its bytes: its handle, and its counter.
const SHARED: u64 = 64;

/// Keeps the block while something is made of slices of it. Slices count in memory of the answer's own, so
/// workers that send the same object do not meet at each field.
struct Block(Arc<Object>);

impl AsRef<[u8]> for Block {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0.block
    }
}

/// A stored answer while one is made of it.
#[derive(Debug)]
pub struct Open<'a> {
    object: &'a Arc<Object>,
    block: Bytes,
}

impl Open<'_> {
    /// Its header fields.
    pub fn headers(&self) -> HeaderMap {
        let count = usize::from(self.object.fields);
        // Room for what the chain adds.
        let mut headers = HeaderMap::with_capacity(count + 4);
        for field in self.object.fields() {
            let name = match names::name(field.code) {
                Some(name) => Ok(name.clone()),
                None => HeaderName::from_bytes(&self.object.block[field.name.0..field.name.1]),
            };
            if let (Ok(name), Some(value)) = (name, self.value_at(field.value)) {
                headers.append(name, value);
            }
        }
        headers
    }

    /// The first value of one field.
    pub fn value(&self, code: Code) -> Option<HeaderValue> {
        let field = self.object.fields().find(|field| field.code == code.byte())?;
        self.value_at(field.value)
    }

    /// What its origin tells by whether it has changed: `ETag` and `Last-Modified`.
    pub fn validators(&self) -> (Option<HeaderValue>, Option<HeaderValue>) {
        (self.value(names::ETAG), self.value(names::LAST_MODIFIED))
    }

    #[inline]
    fn value_at(&self, (from, to): (usize, usize)) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.block.slice(from..to)).ok()
    }

    /// Its body.
    pub fn body(&self) -> Pieces {
        self.part(0, u64::MAX)
    }

    /// A part of its body, from one byte to before another.
    pub fn part(&self, from: u64, to: u64) -> Pieces {
        let small = self.block.slice(self.object.body as usize..);
        let source = match self.object.large {
            None => Source::Small(small),
            Some(_) => Source::Large(self.object.clone(), 0),
        };
        Pieces { source, skip: from, left: to.saturating_sub(from) }
    }
}

/// A body, or a part of one, piece by piece; nothing is copied.
#[derive(Clone, Debug)]
pub struct Pieces {
    source: Source,
    skip: u64,
    left: u64,
}

#[derive(Clone, Debug)]
enum Source {
    Small(Bytes),
    Large(Arc<Object>, usize),
    List(Arc<[Bytes]>, usize),
}

impl Pieces {
    /// What these are, one after the other.
    pub fn of(list: Vec<Bytes>) -> Self {
        Self { source: Source::List(list.into(), 0), skip: 0, left: u64::MAX }
    }

    /// Bytes that are left of it.
    pub fn length(&self) -> u64 {
        let there = match &self.source {
            Source::Small(bytes) => bytes.len() as u64,
            Source::Large(object, next) => {
                let pieces = object.large.iter().flat_map(|large| large.pieces.iter().skip(*next));
                pieces.map(|piece| piece.len() as u64).sum()
            }
            Source::List(list, next) => {
                list.iter().skip(*next).map(|piece| piece.len() as u64).sum()
            }
        };
        there.saturating_sub(self.skip).min(self.left)
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while self.left > 0 {
            let piece = match &mut self.source {
                Source::Small(bytes) if bytes.is_empty() => return None,
                Source::Small(bytes) => std::mem::take(bytes),
                Source::Large(object, next) => {
                    *next += 1;
                    object.large.as_ref()?.pieces.get(*next - 1)?.clone()
                }
                Source::List(list, next) => {
                    *next += 1;
                    list.get(*next - 1)?.clone()
                }
            };
            let length = piece.len() as u64;
            if self.skip >= length {
                self.skip -= length;
                continue;
            }
            let end = self.skip + self.left.min(length - self.skip);
            self.left -= end - self.skip;
            let from = usize::try_from(std::mem::take(&mut self.skip)).ok()?;
            return Some(piece.slice(from..usize::try_from(end).ok()?));
        }
        None
    }
}

/// Where a field is in the block.
struct Field {
    code: u8,
    name: (usize, usize),
    value: (usize, usize),
}

fn write_field(block: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    match Code::of(name) {
        Some(code) => block.push(code.byte()),
        None => {
            block.push(0);
            write_length(block, name.as_str().len());
            block.extend_from_slice(name.as_str().as_bytes());
        }
    }
    write_length(block, value.len());
    block.extend_from_slice(value.as_bytes());
}

#[inline]
fn read_field(block: &[u8], at: &mut usize) -> Option<Field> {
    let code = *block.get(*at)?;
    let mut rest = &block[*at + 1..];
    let place = |rest: &[u8]| block.len() - rest.len();
    let mut name = (0, 0);
    if code == 0 {
        let length = read_length(&mut rest);
        name = (place(rest), place(rest) + length);
        rest = rest.get(length..)?;
    }
    let length = read_length(&mut rest);
    let value = (place(rest), place(rest) + length);
    *at = value.1;
    Some(Field { code, name, value })
}

/// Seven bits to a byte, the lowest first; the highest bit says that there are more.
fn write_length(block: &mut Vec<u8>, mut length: usize) {
    while length > 0x7f {
        block.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    block.push((length & 0x7f) as u8);
}

#[inline]
fn read_length(rest: &mut &[u8]) -> usize {
    let (mut length, mut shift) = (0, 0);
    while let Some((byte, after)) = rest.split_first() {
        *rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 || shift > 28 {
            break;
        }
    }
    length
}

fn place(block: &[u8]) -> u32 {
    u32::try_from(block.len()).unwrap_or(u32::MAX)
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
