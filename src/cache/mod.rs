//! Stage 9, lookup, and its part of stage 11: answers kept, by RFC 9111.
//!
//! In: a request ready for the origin, and the origin's answer. Out: what was kept of an earlier one, if it
//! may be given ([`Cache::lookup`]); else a place among those who wait for the same ([`Flights`]). What may be
//! kept, how long, for whom and as what is said by `rules`, which are pure; `object` is how it is kept, `shelf`
//! where, and `ban` makes it void; `disk` is what outlives the process. Nothing here asks an origin: that is `chain`'s.

pub mod ban;
mod checks;
mod compile;
mod disk;
mod flight;
mod held;
mod memory;
pub mod names;
pub mod object;
mod partition;
mod policy;
mod purge;
pub mod rules;
mod shared;
pub mod shelf;
mod spans;
pub mod stamps;
mod tags;
mod times;
mod unkept;
mod url;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, StatusCode, header::AUTHORIZATION};
use tokio::time::Instant;

pub use self::{
    compile::{Caches, Place},
    disk::Disk,
    flight::{Asker, End, Flight, Flights, Landing, Pilot, Reader, Room, Turn},
    memory::Memory,
    object::{Head, Object, Open, Pieces},
    partition::{Asking, Partition},
    policy::Policy,
    purge::{Purge, canonical},
    shared::Shared,
    shelf::{Key, Seek, Shelf},
    spans::Spans,
    stamps::Verdict,
    tags::Tags,
    url::{Query, Url},
};
use self::{
    held::Held,
    rules::{Asked, Reuse},
};
use crate::metrics::CacheMetrics;

/// What a route keeps.
#[derive(Debug)]
pub struct Cache {
    /// What may be kept, and how long.
    pub policy: Arc<Policy>,
    /// What of a query tells answers apart.
    pub query: Query,
    /// What beside the URL does.
    pub partition: Partition,
    /// How long requests wait for another one's answer.
    pub wait: Duration,
    /// Whether answers say what became of them here.
    pub tells: Tells,
    /// Where it is kept.
    pub memory: Arc<Memory>,
    /// What happened.
    pub metrics: Arc<CacheMetrics>,
}

/// What answers say of what became of them here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tells {
    /// Nothing.
    Nothing,
    /// What became of them.
    Status,
    /// That, and under which URL they are kept.
    Key,
}

/// What was kept for a request, and what may be done with it.
#[derive(Debug)]
pub struct Found {
    /// What was kept.
    pub object: Arc<Object>,
    /// What may be done with it now.
    pub reuse: Reuse,
}

impl Cache {
    /// What there is room and time for while an answer is on its way.
    pub fn room(&self) -> Room {
        let (object, filling) = self.memory.bounds();
        Room { object, filling, all: self.memory.most(), wait: self.wait }
    }

    /// What was kept for a request that says this, and varies by these fields.
    #[inline]
    pub fn lookup(
        &self,
        seek: &Seek<'_>,
        request: &HeaderMap,
        asked: &Asked,
        now: Instant,
    ) -> Option<Found> {
        let resource = self.memory.shelf.get(seek)?;
        let suits = |object: &&Arc<Object>| self.suits(object, request);
        let object = resource.variants().iter().find(suits)?;
        let found = self.judge(seek, object, asked, now);
        if found.is_none() {
            self.memory.shelf.remove_object(seek, object);
        }
        found
    }

    /// What may be done with what is kept; none if it is void.
    #[inline]
    fn judge(
        &self,
        seek: &Seek<'_>,
        object: &Arc<Object>,
        asked: &Asked,
        now: Instant,
    ) -> Option<Found> {
        let purged = self.is_purged(seek, object)?;
        let reuse = rules::reuse(&object.terms, object.resident(now), asked, purged);
        Some(Found { object: object.clone(), reuse })
    }

    /// Whether the operator wants what is kept to be taken as stale; none if it is void.
    #[inline]
    pub fn is_purged(&self, seek: &Seek<'_>, object: &Arc<Object>) -> Option<bool> {
        match self.memory.shelf.stamps().verdict(object, seek) {
            Verdict::Valid => Some(false),
            Verdict::Stale => Some(true),
            Verdict::Void => None,
        }
    }

    /// What was kept of the whole that a GET is about, all of it or parts, fresh or not.
    pub fn kept_of(&self, seek: &Seek<'_>, request: &HeaderMap) -> Option<Arc<Object>> {
        let resource = self.memory.shelf.get(seek)?;
        let object = resource.variants().iter().find(|object| self.is_for(object, request))?;
        self.is_purged(seek, object).map(|_| object.clone())
    }

    /// Whether what was kept answers such a GET. Parts of a whole do if they are all that it wants.
    #[inline]
    pub fn suits(&self, object: &Arc<Object>, request: &HeaderMap) -> bool {
        let whole = object.status != StatusCode::PARTIAL_CONTENT;
        (whole || spans::answers(object, request))
            && !wants_credentials(object, request)
            && self.is_for(object, request)
    }

    /// Whether what was kept was the answer to such a request, as far as it varies.
    #[inline]
    pub fn is_for(&self, object: &Arc<Object>, request: &HeaderMap) -> bool {
        let (names, values) = object.vary();
        names.is_empty() || suits_by(&self.policy, object, (names, values), request)
    }

    /// Whether two requests have the same answer, as far as one varies that was for neither.
    pub fn are_one(object: &Arc<Object>, one: &HeaderMap, other: &HeaderMap) -> bool {
        let names = object.vary().0.split(|byte| *byte == b',').map(HeaderName::from_bytes);
        names.flatten().all(|name| one.get_all(&name).iter().eq(other.get_all(&name).iter()))
    }

    /// What the disk may have for a request: it is kept in memory from now on, unless something newer is.
    pub async fn recall(&self, key: &Key, request: &HeaderMap, asked: &Asked) -> Option<Found> {
        let disk = self.memory.disk()?;
        if Held::all() > self.memory.most() {
            return None;
        }
        let stamp = self.memory.shelf.stamps().begin();
        let (policy, headers) = (self.policy.clone(), request.clone());
        let suits = move |object: &Arc<Object>| {
            let vary = object.vary();
            let suits = vary.0.is_empty() || suits_by(&policy, object, vary, &headers);
            suits && !wants_credentials(object, &headers)
        };
        let (object, recalled) = disk.find(key, stamp, suits).await?;
        let (seek, now) = (key.seek(), Instant::now());
        if let Some(newer) = self.lookup(&seek, request, asked, now) {
            return Some(newer);
        }
        let found = self.judge(&seek, &object, asked, now)?;
        if !recalled.hides {
            self.memory.shelf.put(key.clone(), object.clone());
        }
        // Whoever forgets it from here on finds it in memory; who has done so before is seen at the disk.
        if !disk.holds(&recalled) {
            self.memory.shelf.remove_object(&seek, &object);
            return None;
        }
        Some(found)
    }
}

/// Whether an answer says that credentials are wanted, and this request has some: it is for its origin to say whether
/// they do.
#[inline]
fn wants_credentials(object: &Object, request: &HeaderMap) -> bool {
    object.status == StatusCode::UNAUTHORIZED && request.contains_key(AUTHORIZATION)
}

fn suits_by(
    policy: &Policy,
    object: &Arc<Object>,
    (names, values): (&[u8], &[u8]),
    request: &HeaderMap,
) -> bool {
    let names = names.split(|byte| *byte == b',').map(HeaderName::from_bytes);
    let Ok(names) = names.collect::<Result<Vec<_>, _>>() else { return false };
    let language = object.open().value(names::CONTENT_LANGUAGE);
    rules::Vary::matches(&names, values, request, language.as_ref(), policy)
}
