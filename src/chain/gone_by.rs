//! Stage 11 for a request that went by the cache: what the origin's answer says of what is kept.
//!
//! In: an exchange and its answer. Out: what it makes void is void (RFC 9111 section 4.4), what it says of what is
//! kept is taken in (section 4.3.5), and what others may have of it is kept.

use http::{HeaderMap, Method, Response, StatusCode, request::Parts, uri::Uri};

use super::{
    cached::{Passing, Wanted},
    exchange::Exchange,
    fetch::{announced, is_failure},
    kept::{self, Facts},
    source::Source,
    status::Told,
};
use crate::{
    cache::{
        Cache, Query, Spans, Url,
        rules::{self, Asked, Failed, Said},
    },
    metrics::Cached,
    reject::Reject,
    worker::wall,
};

/// What is given to a request that goes by if its origin fails.
#[derive(Debug)]
pub(super) struct Instead {
    /// What is stale, and what is asked of it.
    pub(super) wanted: Wanted,
    /// The request.
    pub(super) head: Parts,
}

impl Exchange {
    /// Takes in what the origin said to a request, if it went by; if it failed, what was kept may be given.
    #[inline]
    pub(super) fn went_by(&mut self, outcome: &mut Result<Response<Source>, Reject>) {
        if self.passing.is_some() {
            self.look_at(outcome);
        }
    }

    #[cold]
    fn look_at(&mut self, outcome: &mut Result<Response<Source>, Reject>) {
        let failed = match outcome {
            Err(_) => Some(Failed::Silent),
            Ok(response) => is_failure(response.status()).then_some(Failed::Said),
        };
        if let Some(answer) = failed.and_then(|failed| self.instead(failed)) {
            *outcome = Ok(answer);
            return;
        }
        match outcome {
            Ok(response) => {
                if let Some(passing) = self.not_instead() {
                    self.take_in(passing, response);
                }
            }
            // It may have done what it was asked to before it fell silent.
            Err(reject) if self.may_have_arrived(*reject) => self.went_unheard(),
            Err(_) => drop(self.not_instead()),
        }
    }

    /// Whether an endpoint may have acted on a request that ended so, be it by the last try or by one before.
    fn may_have_arrived(&self, reject: Reject) -> bool {
        may_have_arrived(reject) || self.passing.as_ref().is_some_and(|passing| passing.arrived)
    }

    /// What is known of a request that went by, which what is stale is not given to.
    fn not_instead(&mut self) -> Option<Box<Passing>> {
        let mut passing = self.passing.take()?;
        // Not before it is known which of the two it is.
        if passing.instead.take().is_some()
            && let Some(rule) = self.rule
            && let Some(cache) = self.world.clone().routes.targets()[rule].cache.as_deref()
        {
            self.count(cache, Cached::Passed);
        }
        Some(passing)
    }

    /// What was kept, if it may be given to a request that goes by although its origin failed.
    #[cold]
    pub(super) fn instead(&mut self, failed: Failed) -> Option<Response<Source>> {
        let Instead { wanted, head } = *self.passing.as_mut()?.instead.take()?;
        let world = self.world.clone();
        let cache = world.routes.targets()[self.rule?].cache.as_deref()?;
        let answer = self.or_stale(cache, &wanted, (wanted.stale.clone(), failed), &head);
        match answer {
            Some(_) => self.passing = None,
            None => self.count(cache, Cached::Passed),
        }
        answer
    }

    /// Nobody hears what came of a request that went by: its client is gone, or its origin silent. It may have changed
    /// something, so it is taken to have, unless its client did not send it whole.
    #[cold]
    pub(super) fn went_unheard(&mut self) {
        let whole = self.upload.as_ref().is_none_or(|upload| upload.is_whole());
        if let Some(passing) = self.not_instead()
            && whole
            && rules::invalidates(&self.method, StatusCode::OK)
        {
            self.make_void(&passing, &HeaderMap::new());
        }
    }

    /// Takes in what the origin said to a request that went by: what it makes void, and what it says of
    /// what is kept.
    #[cold]
    fn take_in(&mut self, mut passing: Box<Passing>, response: &mut Response<Source>) {
        let world = self.world.clone();
        let cache_of = |rule: usize| world.routes.targets()[rule].cache.as_deref();
        let status = response.status();
        let mut stamp = Some(passing.stamp);
        // One that was sent again may have been done the first time, whatever the second one is told.
        let done_before = passing.arrived && rules::invalidates(&self.method, StatusCode::OK);
        if done_before || rules::invalidates(&self.method, status) {
            stamp = self.make_void(&passing, response.headers());
        }
        let Some(cache) = self.rule.and_then(cache_of) else { return };
        if let Some((digest, asked, cookies)) = &passing.unkept
            && self.may_be_kept(&passing, (asked, *cookies), cache, response)
        {
            // The next one is.
            cache.memory.unkept.forget(*digest);
        }
        if self.method == Method::HEAD && status == StatusCode::OK {
            self.compare(cache, &passing, response.headers());
        }
        let told = match self.collect(cache, &mut passing, stamp, response) {
            Some(Ok(())) => Told::stored(passing.fwd, status),
            Some(Err(why)) => Told::unkept(passing.fwd, status, why),
            None => Told::passed(passing.fwd, status),
        };
        self.tell_of_cache(cache, response.headers_mut(), &told);
    }

    /// Makes void what is kept of the URL of a request that has changed something, and of those that its answer
    /// names, by whichever route (RFC 9111 section 4.4). What the answer itself brings is good from the number
    /// that is given.
    fn make_void(&self, passing: &Passing, answer: &HeaderMap) -> Option<u64> {
        let memory = self.world.caches.memory();
        let Url { scheme, host, target } = self.url(&passing.asking, &Query::default());
        for target in rules::also_invalid(answer, scheme, &host, &target) {
            if let Ok(target) = Uri::try_from(target) {
                self.void(passing, (scheme, &host), &target, None);
            }
        }
        let cache = self.rule.and_then(|rule| self.world.routes.targets()[rule].cache.as_deref());
        let whole = Query::default();
        let own = self.url(&passing.asking, cache.map_or(&whole, |cache| &cache.query));
        self.void(passing, (scheme, &host), self.resource(), Some(&own.target));
        // The last, so that its number is the newest.
        memory.invalidate_target(&memory.seek(&own, &passing.asking), passing.stamp)
    }

    /// Makes a URL void in each form in which any route may have kept it, but for one.
    fn void(
        &self,
        passing: &Passing,
        (scheme, host): (&str, &str),
        target: &Uri,
        but: Option<&str>,
    ) {
        let memory = self.world.caches.memory();
        let mut done: Vec<Url<'_>> = Vec::new();
        for query in &self.world.queries {
            let url = Url::new(scheme, host, target, query);
            if but == Some(&*url.target) || done.contains(&url) {
                continue;
            }
            memory.invalidate_target(&memory.seek(&url, &passing.asking), passing.stamp);
            done.push(url);
        }
    }

    /// Whether an answer that went by might have been kept.
    fn may_be_kept(
        &self,
        passing: &Passing,
        (asked, cookies): (&Asked, bool),
        cache: &Cache,
        response: &Response<Source>,
    ) -> bool {
        let answer = response.headers();
        let (said, now) = (Said::read(answer, &cache.policy), wall() / 1_000);
        let exchange = rules::Exchange {
            method: &self.method,
            authorized: passing.asking.authorized,
            cookies,
            located: false,
            status: response.status(),
            answer,
            asked,
            said: &said,
            sent: now,
            got: now,
        };
        let (most, _) = cache.memory.bounds();
        announced(answer).is_none_or(|length| length <= most)
            && rules::keep(&exchange, &cache.policy).is_ok()
    }

    /// Compares what is kept with what the origin says to a HEAD, which is that it goes well: it holds as that says,
    /// or is kept no longer (RFC 9111 section 4.3.5).
    fn compare(&self, cache: &Cache, passing: &Passing, said: &HeaderMap) {
        let Some(request) = &passing.request else { return };
        let now = wall() / 1_000;
        self.seek(cache, &passing.asking, |seek| {
            let Some(object) = cache.kept_of(seek, request) else { return };
            let (etag, modified) = object.open().validators();
            let spans = Spans::of(&object);
            let length = spans.map_or_else(|| object.length(), |spans| spans.total);
            let is_of_success =
                matches!(object.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
            if !is_of_success || !rules::is_of_head(said, etag.as_ref(), modified.as_ref(), length)
            {
                // What is said to somebody with credentials or cookies may be about them, and what to who has fields
                // that pass for others about those.
                let odd = request.keys().any(|name| name.as_str().contains('_'));
                let cookies = cache.partition.has_cookies(request);
                if !(odd || cookies || passing.asking.authorized) {
                    cache.memory.forget(seek, &object);
                }
                return;
            }
            // Section 5.2.1.5: nothing of this exchange is to be kept.
            let asked = Asked::read(request, &cache.policy);
            if asked.no_store {
                return;
            }
            let facts = Facts {
                request,
                asked: &asked,
                authorized: passing.asking.authorized,
                posted: false,
                stamp: passing.stamp,
                // It may be another exchange's clock that was read, or none's.
                sent: if passing.sent > 0 { passing.sent } else { now },
                got: now,
            };
            // Whether it is kept on is all there is to it.
            let _ = kept::freshen(cache, &facts, seek, &object, said);
        });
    }
}

/// Whether a request whose last try ended so may have come to an origin.
const fn may_have_arrived(reject: Reject) -> bool {
    !matches!(
        reject,
        Reject::BreakerOpen
            | Reject::ConnectFailed
            | Reject::ConnectRefused
            | Reject::ConnectTimeout
            | Reject::NoEndpoint
            | Reject::OverloadSystem
            | Reject::OverloadUpstream
            | Reject::QueueFull
            | Reject::QueueTimeout
            | Reject::Resolve
            | Reject::UpstreamBusy
            | Reject::UpstreamTls
    )
}
