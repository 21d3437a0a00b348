//! Stage 9 and 11 where an answer is not the whole, or was not asked for as such: parts of a whole that are kept,
//! put together and completed (RFC 9110 section 14, RFC 9111 section 3.3, 3.4), and what a POST brings for
//! later GETs (RFC 9110 section 9.3.3).
//!
//! In: what is kept of a whole, and answers to requests that went by. Out: a [`Gap`] to ask the origin for, and
//! bodies that are collected while the client gets them. Only parts of the same strong validator are joined.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE},
    request::Parts,
    uri::PathAndQuery,
};

use super::{
    bring::Bring,
    cached::Passing,
    cut::{Shared, range},
    exchange::Exchange,
    fetch::announced,
    kept::{self, Facts, Made},
    overload::Room,
    source::Source,
    status::Fwd,
};
use crate::{
    cache::{
        Asker, Asking, Cache, Object, Pieces, Query, Seek, Spans, Url,
        rules::{self, Asked, Part, Piece, Span, Unkept},
    },
    worker::wall,
};

/// More parts of one whole are not kept apart from each other.
const MOST: usize = 16;

/// What is missing of a whole.
#[derive(Clone, Debug)]
pub(super) struct Gap {
    /// The whole has so many bytes.
    pub(super) total: u64,
    /// What is brought.
    pub(super) wanted: Span,
    /// What of it the origin sends.
    pub(super) missing: Span,
    /// What the rest of it is there in.
    pub(super) there: Option<Arc<Object>>,
    /// The number of what was made void last, when that was looked for.
    pub(super) stamp: u64,
}

impl Gap {
    /// Whether the whole is brought.
    pub(super) const fn is_whole(&self) -> bool {
        self.wanted.first == 0 && self.wanted.last + 1 == self.total
    }

    /// Makes a request ask for what is missing, if the rest is still right. Any condition of the client's is
    /// off it.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        let Span { first, last } = self.missing;
        let last = if last + 1 == self.total { String::new() } else { last.to_string() };
        let there = self.there.as_ref().map(|there| there.open().headers());
        let condition =
            there.as_ref().and_then(|there| there.get(ETAG).or_else(|| there.get(LAST_MODIFIED)));
        if let (Ok(range), Some(condition)) =
            (HeaderValue::try_from(format!("bytes={first}-{last}")), condition)
        {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, condition.clone());
        }
    }

    /// What is brought before that which is missing, and what after it.
    pub(super) fn around(&self) -> (Option<Pieces>, Option<Pieces>) {
        let there = self.there.as_ref().and_then(|there| Some((there, Spans::of(there)?)));
        let Some((there, spans)) = there else { return (None, None) };
        let part = |first: u64, end: u64| {
            let span = (first < end).then(|| Span { first, last: end - 1 })?;
            let at = spans.place(span)?;
            Some(there.open().part(at, at + span.length()))
        };
        let before = part(self.wanted.first, self.missing.first);
        (before, part(self.missing.last + 1, self.wanted.last + 1))
    }

    /// What is kept and for whom, if it is filled with what comes with this head: that, and the head of what is
    /// brought.
    ///
    /// # Errors
    /// It does not belong there, or is not kept for another reason.
    pub(super) fn filled(
        &self,
        cache: &Cache,
        facts: &Facts<'_>,
        by: &HeaderMap,
    ) -> Result<(Made, HeaderMap), Unkept> {
        let there = self.there.as_ref().ok_or(Unkept::Partial)?;
        let missing = Piece { span: self.missing, total: Some(self.total) };
        let length = self.missing.length();
        let fits = Piece::read(by) == Some(missing)
            && announced(by).is_none_or(|said| said == length)
            && is_of(there, by, facts);
        if !fits {
            return Err(Unkept::Partial);
        }
        let mut headers = kept::joined(cache, facts, there, by)?;
        headers.remove(CONTENT_RANGE);
        headers.insert(CONTENT_LENGTH, self.wanted.length().into());
        let made = Made::of(cache, facts, StatusCode::OK, headers.clone())?;
        headers.extend(kept::of_one(cache, facts, there, by));
        if !self.is_whole() {
            headers.insert(CONTENT_RANGE, range(self.wanted, self.total));
        }
        Ok((made, headers))
    }

    /// What was brought, together with what is there of the same whole: the bytes to keep. `made` is told
    /// which they are.
    pub(super) fn join(
        &self,
        cache: &Cache,
        (seek, request): (&Seek<'_>, &HeaderMap),
        made: &mut Made,
        brought: &[Bytes],
    ) -> Vec<Bytes> {
        let mut pieces = rules::Pieces::default();
        add(&mut pieces, self.wanted.first, brought.iter().cloned());
        let now = wall() / 1_000;
        let same = |there: &Arc<Object>| {
            let spans = Spans::all(there).filter(|spans| spans.total == self.total)?;
            let one = rules::are_of_one(&there.open().headers(), made.headers(), now);
            one.then_some(spans)
        };
        let there = cache.kept_of(seek, request);
        if let Some((there, spans)) = there.as_ref().and_then(|there| Some((there, same(there)?))) {
            let mut at = 0;
            for run in spans.runs {
                add(&mut pieces, run.first, there.open().part(at, at + run.length()));
                at += run.length();
            }
        }
        let mut runs = pieces.runs();
        let bytes = runs.iter().map(|run| run.length()).sum::<u64>();
        if bytes > cache.memory.bounds().0 || runs.len() > MOST {
            runs = vec![self.wanted];
        }
        let bytes = runs.iter().filter_map(|run| pieces.bytes(*run)).flatten().collect();
        made.place(&Spans { total: self.total, runs });
        bytes
    }
}

fn add(pieces: &mut rules::Pieces, first: u64, bytes: impl Iterator<Item = Bytes>) {
    let mut at = first;
    for piece in bytes {
        pieces.add(at, &piece);
        at += piece.len() as u64;
    }
}

/// Whether what is kept is of the same bytes as what comes.
fn is_of(there: &Arc<Object>, by: &HeaderMap, facts: &Facts<'_>) -> bool {
    rules::are_of_one(&there.open().headers(), by, facts.got)
}

/// Where a part belongs that was not asked for by us, and what is kept of it.
fn part(
    cache: &Cache,
    seek: &Seek<'_>,
    facts: &Facts<'_>,
    by: &HeaderMap,
) -> Result<(Made, Option<Box<Gap>>), Unkept> {
    // One of unknown length is of what still grows.
    let Some(Piece { span, total: Some(total) }) = Piece::read(by) else {
        return Err(Unkept::Partial);
    };
    let length = span.length();
    // One that is not as long as it says is of nobody knows which bytes.
    if announced(by).is_some_and(|said| said != length) {
        return Err(Unkept::Partial);
    }
    if length > cache.memory.bounds().0 {
        return Err(Unkept::TooLarge);
    }
    let there = cache.kept_of(seek, facts.request).filter(|there| {
        matches!(there.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT)
            && is_of(there, by, facts)
    });
    let mut headers = match there {
        None => by.clone(),
        Some(there) => kept::joined(cache, facts, &there, by)?,
    };
    headers.remove(CONTENT_RANGE);
    headers.remove(CONTENT_LENGTH);
    let made = Made::of(cache, facts, StatusCode::OK, headers)?;
    let gap = Gap { total, wanted: span, missing: span, there: None, stamp: facts.stamp };
    Ok((made, Some(Box::new(gap))))
}

impl Exchange {
    /// Where parts of the whole are kept, and not all that is wanted: what is missing, if the origin can be asked
    /// for it alone.
    #[cold]
    pub(super) fn gap(
        &self,
        cache: &Cache,
        asking: &Asking,
        head: &Parts,
        fwd: Fwd,
    ) -> (Fwd, Option<Box<Gap>>) {
        let stamp = cache.memory.shelf.stamps().begin();
        let there = self.seek(cache, asking, |seek| cache.kept_of(seek, &head.headers));
        let parts = there.and_then(|there| Some((Spans::of(&there)?, there)));
        let Some((spans, there)) = parts else { return (fwd, None) };
        let wanted = match spans.part(&there, &head.headers) {
            _ if head.method != Method::GET => None,
            Part::Whole => Some(spans.whole()),
            Part::Range(span) => Some(span),
            _ => None,
        };
        let missing = wanted.and_then(|wanted| Some((wanted, spans.missing(wanted)?)));
        let Some((wanted, missing)) = missing else { return (Fwd::Partial, None) };
        let headers = there.open().headers();
        let strong = rules::are_of_one(&headers, &headers, wall() / 1_000);
        let fits = wanted.length() <= cache.memory.bounds().0;
        let gap = Gap { total: spans.total, wanted, missing, there: Some(there), stamp };
        (Fwd::Partial, (strong && fits).then(|| Box::new(gap)))
    }

    /// Whether the answer to a request that goes by may be kept: to a POST, if its URL is its origin's too, and to
    /// a request for a part.
    pub(super) fn may_collect(&self, cache: &Cache, head: &Parts) -> bool {
        let target = |target: Option<&PathAndQuery>| target.map(PathAndQuery::to_string);
        match head.method {
            Method::GET => head.headers.contains_key(RANGE),
            Method::POST => {
                cache.policy.methods.post
                    && target(head.uri.path_and_query()) == target(self.resource().path_and_query())
            }
            _ => false,
        }
    }

    /// Has the answer to a request that went by kept while the client gets it, or says why not; none if nobody
    /// would expect that. `stamp` is the number from which on it is good.
    #[cold]
    pub(super) fn collect(
        &mut self,
        cache: &Cache,
        passing: &mut Passing,
        stamp: Option<u64>,
        response: &mut Response<Source>,
    ) -> Option<Result<(), Unkept>> {
        let posted = self.method == Method::POST;
        let (status, headers) = (response.status(), response.headers());
        let expected = match self.method {
            Method::GET => matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT),
            Method::POST => status == StatusCode::OK && self.is_located(&passing.asking, headers),
            _ => false,
        };
        let request = passing.request.take_if(|_| expected)?;
        let stamp = stamp?;
        let facts = Facts {
            request: &request,
            asked: &Asked::read(&request, &cache.policy),
            authorized: passing.asking.authorized,
            posted,
            stamp,
            sent: passing.sent,
            got: wall() / 1_000,
        };
        let most = cache.memory.bounds().0;
        let (key, made) = self.seek(cache, &passing.asking, |seek| {
            let made = match status {
                StatusCode::PARTIAL_CONTENT => part(cache, seek, &facts, headers),
                _ if announced(headers).is_some_and(|length| length > most) => {
                    Err(Unkept::TooLarge)
                }
                _ => Made::of(cache, &facts, status, headers.clone()).map(|made| (made, None)),
            };
            (seek.to_key(), made)
        });
        let (made, gap) = match made {
            Ok(made) => made,
            Err(why) => {
                cache.metrics.refuse(self.client.worker.index, why as usize);
                return Some(Err(why));
            }
        };
        let (rule, upstream) = (self.rule?, self.route()?.target.way(self.way)?.upstream.clone());
        let authorized = passing.asking.authorized;
        let asker = Asker { request: *request, authorized, stamp };
        let pilot = cache.memory.flights.apart(key, asker, cache.room());
        let shared = Shared::whole(pilot.flight().reader()?);
        let body = match std::mem::replace(response.body_mut(), Source::Empty) {
            Source::Origin(body) => body,
            other => {
                *response.body_mut() = other;
                return None;
            }
        };
        *response.body_mut() = Source::Shared(Box::new(shared));
        let (world, worker) = (self.world.clone(), self.client.worker.clone());
        let room = Room::of(self, &upstream);
        let made = Box::new(made);
        let heirs = self.heirs();
        let bring = Bring { world, rule, worker, pilot, made, gap, _room: room, heirs };
        tokio::spawn(bring.run(body));
        Some(Ok(()))
    }

    /// Whether an answer says that it is what a GET of the same URL would bring.
    fn is_located(&self, asking: &Asking, answer: &HeaderMap) -> bool {
        let Url { scheme, host, target } = self.url(asking, &Query::default());
        rules::is_located(answer, scheme, &host, &target)
    }
}
