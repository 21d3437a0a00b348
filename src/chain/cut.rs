//! Stage 11 where something is kept, or comes for several: what of it a client is sent.
//!
//! In: what is kept, or the head of what comes; a request. Out: the whole, a part or several (RFC 9110 section 14),
//! or that it has not changed (section 13).

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION,
        CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES, IF_NONE_MATCH, LAST_MODIFIED, SET_COOKIE,
    },
    request::Parts,
};
use tokio::time::Instant;

use super::{exchange::Exchange, fetch::announced, source::Source, status::Told};
use crate::{
    cache::{
        Cache, End, Object, Open, Pieces, Reader, Spans, Tells,
        rules::{self, Part, Span},
    },
    metrics::Cached,
};

/// The head of an answer that comes, and as what it is kept, if who asks is not who fetched it.
pub(super) struct Came<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) kept: Option<&'a Object>,
}

/// Where a body comes from.
enum Origin<'a> {
    Kept(Open<'a>, Option<Spans>),
    Shared(Reader),
}

impl Exchange {
    /// An answer of what is kept.
    pub(super) fn serve(
        &mut self,
        cache: &Cache,
        object: &Arc<Object>,
        head: &Parts,
        (how, told): (Cached, Told),
    ) -> Response<Source> {
        self.count(cache, how);
        let open = object.open();
        let mut headers = open.headers();
        let age = object.terms.age_after(object.resident(self.started));
        headers.insert(AGE, age.into());
        if cache.tells != Tells::Nothing {
            let left = object.terms.left(object.resident(self.started));
            self.tell_of_cache(cache, &mut headers, &told.left(left));
        }
        let Some(spans) = Spans::of(object) else {
            let length = object.length();
            if !headers.contains_key(CONTENT_LENGTH) && object.status != StatusCode::NO_CONTENT {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            let part = self.part(head, object.status, &headers, Some(length));
            return cut((object.status, headers), part, head, Origin::Kept(open, None), length);
        };
        headers.remove(CONTENT_RANGE);
        let mut part = self.part(head, StatusCode::OK, &headers, Some(spans.total));
        if let (false, Some(first)) = (spans.has(&part), spans.runs.first()) {
            // It was there when this was found. What is not is not sent, and nothing is sent as what it is not.
            part = Part::Range(*first);
        }
        let (total, origin) = (spans.total, Origin::Kept(open, Some(spans)));
        cut((StatusCode::OK, headers), part, head, origin, total)
    }

    /// An answer that comes.
    pub(super) fn stream(
        &mut self,
        cache: &Cache,
        came: Came<'_>,
        reader: Reader,
        head: &Parts,
        (how, told): (Cached, Told),
    ) -> Response<Source> {
        self.count(cache, how);
        let Came { status, mut headers, kept } = came;
        if let Some(object) = kept {
            headers.insert(AGE, object.terms.age_after(object.resident(Instant::now())).into());
        }
        self.tell_of_cache(cache, &mut headers, &told);
        let length = announced(&headers);
        let part = self.part(head, status, &headers, length);
        cut((status, headers), part, head, Origin::Shared(reader), length.unwrap_or(0))
    }

    /// An answer that is for who asked alone. The conditions that they have were taken off what the origin was
    /// asked, so they are judged here.
    pub(super) fn as_asked(
        &self,
        mut response: Response<Source>,
        head: &Parts,
    ) -> Response<Source> {
        let headers = response.headers();
        // RFC 9110 section 13.1.3: what has no date of its change is sent. That it has not changed since it came is
        // for what is kept to say.
        let undated =
            !headers.contains_key(LAST_MODIFIED) && !head.headers.contains_key(IF_NONE_MATCH);
        let part = match undated {
            true => Part::Whole,
            false => self.part(head, response.status(), headers, None),
        };
        if part == Part::NotModified {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            without_content(response.headers_mut());
            *response.body_mut() = Source::Empty;
        }
        response
    }

    /// What of an answer is sent.
    fn part(
        &self,
        head: &Parts,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
    ) -> Part {
        if rules::is_plain(&head.headers) {
            return Part::Whole;
        }
        let now = self.client.worker.clock.wall(self.started) / 1_000;
        let stored = rules::Stored {
            status,
            etag: headers.get(ETAG),
            last_modified: headers.get(LAST_MODIFIED),
            date: headers.get(DATE),
            came: now,
            length,
        };
        rules::part(&head.method, &head.headers, &stored, now)
    }
}

/// An answer, or what is wanted of it.
fn cut(
    (status, mut headers): (StatusCode, HeaderMap),
    part: Part,
    head: &Parts,
    origin: Origin<'_>,
    length: u64,
) -> Response<Source> {
    let (mut status, mut source) = (status, Source::Empty);
    match part {
        Part::Whole | Part::Origin if head.method == Method::HEAD => {}
        Part::Whole | Part::Origin => source = origin.part(0, u64::MAX),
        Part::NotModified => {
            status = StatusCode::NOT_MODIFIED;
            without_content(&mut headers);
        }
        Part::Range(span) => {
            status = StatusCode::PARTIAL_CONTENT;
            headers.insert(CONTENT_RANGE, range(span, length));
            headers.insert(CONTENT_LENGTH, span.length().into());
            source = origin.part(span.first, span.last + 1);
        }
        Part::Ranges(spans) => match origin {
            // Together they are no longer than the whole.
            Origin::Kept(open, there) => {
                status = StatusCode::PARTIAL_CONTENT;
                source = several(&spans, &mut headers, &open, (there.as_ref(), length));
            }
            Origin::Shared(_) => source = origin.part(0, u64::MAX),
        },
        Part::Unsatisfiable => {
            status = StatusCode::RANGE_NOT_SATISFIABLE;
            without_content(&mut headers);
            // It is Janua's own, and about this request: nothing of it is what was said of the whole.
            OF_THE_WHOLE.iter().for_each(|name| drop(headers.remove(name)));
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{length}")) {
                headers.insert(CONTENT_RANGE, value);
            }
        }
    }
    let mut response = Response::new(source);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

impl Origin<'_> {
    /// A part of the body, from one byte to before another.
    fn part(self, from: u64, to: u64) -> Source {
        match self {
            Self::Kept(open, there) => {
                let (from, to) = place(there.as_ref(), from, to);
                let mut pieces = open.part(from, to);
                match (pieces.next(), pieces.clone().next()) {
                    (None, _) => Source::Empty,
                    (Some(only), None) => Source::from(only),
                    (Some(_), Some(_)) => Source::Kept(Box::new(open.part(from, to))),
                }
            }
            Self::Shared(reader) => {
                let left = to.saturating_sub(from);
                Source::Shared(Box::new(Shared { reader, skip: from, left }))
            }
        }
    }
}

/// A part of a body that comes.
#[derive(Debug)]
pub(super) struct Shared {
    reader: Reader,
    skip: u64,
    left: u64,
}

impl Shared {
    /// All of it.
    pub(super) const fn whole(reader: Reader) -> Self {
        Self { reader, skip: 0, left: u64::MAX }
    }

    /// The next piece of it, or why there is none.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        loop {
            if self.left == 0 {
                return Poll::Ready(Err(End::Whole(None)));
            }
            let mut piece = ready!(self.reader.poll(cx))?;
            let length = piece.len() as u64;
            let skipped = self.skip.min(length);
            self.skip -= skipped;
            let kept = self.left.min(length - skipped);
            if kept == 0 {
                continue;
            }
            self.left -= kept;
            // Both are no more than the piece has.
            piece.advance(usize::try_from(skipped).unwrap_or(usize::MAX));
            piece.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            return Poll::Ready(Ok(piece));
        }
    }
}

/// Fields that say how the answer that they are of may be kept and found again.
static OF_THE_WHOLE: [HeaderName; 9] = [
    AGE,
    CACHE_CONTROL,
    CONTENT_LOCATION,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    SET_COOKIE,
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("surrogate-control"),
];

/// Takes off what says something of a body that is not sent (RFC 9110 section 15.4.5).
fn without_content(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
        headers.remove(name);
    }
}

pub(super) fn range(span: Span, length: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{length}", span.first, span.last);
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

/// Where in a body that is parts of a whole these bytes of it are; none of them, if they are not there.
fn place(there: Option<&Spans>, from: u64, to: u64) -> (u64, u64) {
    let Some(there) = there else { return (from, to) };
    match there.place(Span { first: from, last: to.saturating_sub(1) }) {
        Some(at) => (at, at + to.saturating_sub(from)),
        None => (0, 0),
    }
}

/// Several parts of a body, as `multipart/byteranges` (RFC 9110 section 14.6); what is kept is not copied, since a
/// client may take its time.
fn several(
    spans: &[Span],
    headers: &mut HeaderMap,
    open: &Open<'_>,
    (there, length): (Option<&Spans>, u64),
) -> Source {
    let boundary = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let kind = headers.get(CONTENT_TYPE).cloned();
    let mut list = Vec::new();
    for span in spans {
        let mut head = BytesMut::new();
        head.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        if let Some(kind) = &kind {
            head.extend_from_slice(b"content-type: ");
            head.extend_from_slice(kind.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        let named = format!("content-range: bytes {}-{}/{length}\r\n\r\n", span.first, span.last);
        head.extend_from_slice(named.as_bytes());
        list.push(head.freeze());
        let (from, to) = place(there, span.first, span.last + 1);
        list.extend(open.part(from, to));
    }
    list.push(format!("\r\n--{boundary}--\r\n").into());
    let kind = format!("multipart/byteranges; boundary={boundary}");
    if let Ok(kind) = HeaderValue::try_from(kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    let pieces = Pieces::of(list);
    headers.insert(CONTENT_LENGTH, pieces.length().into());
    Source::Kept(Box::new(pieces))
}
