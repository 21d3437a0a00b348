//! Stage 9 where memory has nothing: what the disk has.
//!
//! In: a request that is to be fetched. Out: an answer, something to be validated, or nothing; within a bound of
//! time. Whoever wants the same waits for the first one, as for an origin, and then looks again.

use std::sync::Arc;

use http::{Response, request::Parts};

use super::{cached::Wanted, exchange::Exchange, source::Source, status::Told};
use crate::{
    cache::{
        Asking, Cache, Found, Landing, Object, Pilot,
        rules::{Asked, Reuse},
    },
    message::Kept,
    metrics::Cached,
    reject::Reject,
};

/// A pilot whose origin is not asked yet: if it goes away, those who wait look again.
pub(super) struct Early(Option<Pilot>);

impl Early {
    pub(super) const fn new(pilot: Pilot) -> Self {
        Self(Some(pilot))
    }

    /// The pilot, who asks now.
    pub(super) fn take(&mut self) -> Option<Pilot> {
        self.0.take()
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        if let Some(pilot) = &self.0 {
            pilot.land(Landing::Again);
        }
    }
}

impl Exchange {
    /// Whether the disk may have it.
    #[cold]
    pub(super) fn may_recall(&self, cache: &Cache, asking: &Asking) -> bool {
        let Some(disk) = cache.memory.disk() else { return false };
        self.seek(cache, asking, |seek| disk.may_have(&seek.to_key()))
    }

    /// What the disk has.
    pub(super) async fn recall(
        &mut self,
        cache: &Cache,
        wanted: &Wanted,
        head: &Parts,
    ) -> Option<Found> {
        let key = self.seek(cache, &wanted.asking, |&seek| seek.to_key());
        cache.recall(&key, &head.headers, &wanted.asked).await
    }

    /// Looks on the disk, and waits for nobody; none if it is to go by itself.
    pub(super) async fn go_alone(
        &mut self,
        cache: &Cache,
        wanted: &Wanted,
        head: &Parts,
        kept: &Kept,
    ) -> Result<Option<Response<Source>>, Reject> {
        let mut stale = wanted.stale.clone();
        if wanted.recalls
            && let Some(found) = self.recall(cache, wanted, head).await
        {
            match self.give(cache, (wanted.asking, wanted.asked), found, head, kept) {
                Ok(answer) => return Ok(Some(answer)),
                Err(object) => stale = Some(object),
            }
        }
        if wanted.asked.only_if_cached {
            return Err(Reject::OnlyIfCached);
        }
        self.pass(cache, Wanted { stale, ..wanted.clone() }, head);
        Ok(None)
    }

    /// An answer of what was found; or that, if its origin has to be asked first.
    pub(super) fn give(
        &mut self,
        cache: &Cache,
        (asking, asked): (Asking, Asked),
        found: Found,
        head: &Parts,
        kept: &Kept,
    ) -> Result<Response<Source>, Arc<Object>> {
        let Found { object, reuse } = found;
        let how = match reuse {
            Reuse::Fresh => (Cached::Hit, Told::hit()),
            Reuse::StaleAllowed | Reuse::WhileRevalidate => (Cached::Stale, Told::stale(None)),
            Reuse::Validate => return Err(object),
        };
        let answer = self.serve(cache, &object, head, how);
        if reuse == Reuse::WhileRevalidate {
            self.revalidate(cache, asking, asked, object, head, kept);
        }
        Ok(answer)
    }
}
