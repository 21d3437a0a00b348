//! Stage 9 at one exchange, and its part of stage 11: an answer out of what is kept, or one that is fetched so
//! that it can be.
//!
//! In: a request as its origin would get it. Out: an answer; or that it goes its own way, after which
//! [`Exchange::went_by`] looks at what the origin said. A hit waits for nothing; all that waits is boxed.

use std::{borrow::Cow, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{HOST, IF_MATCH, IF_UNMODIFIED_SINCE, RANGE},
    request::Parts,
};
use http_body::Body as _;
use tokio::time::Instant;

use super::{
    exchange::Exchange,
    gone_by::Instead,
    parts::Gap,
    source::Source,
    status::{self, CACHE_STATUS, Fwd, Told},
};
use crate::{
    cache::{
        Asking, Cache, Object, Query, Seek, Tells, Url,
        rules::{self, Asked, Reuse},
    },
    message::{Kept, RequestBody, Scheme, beyond_host, canonical_authority, text},
    metrics::Cached,
    reject::Reject,
    rewrite::Changes,
    route::Params,
    snapshot::Route,
    upstream::Aim,
};

/// What becomes of a request at the cache.
pub(super) enum Looked {
    /// It is answered by what was kept.
    Kept(Response<Source>),
    /// It is fetched.
    Fetch(Box<Wanted>),
    /// It goes by.
    Passed,
}

/// A request whose answer has to be fetched.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) asking: Asking,
    pub(super) asked: Asked,
    /// What was kept and has to be validated.
    pub(super) stale: Option<Arc<Object>>,
    /// What is missing of what was kept.
    pub(super) gap: Option<Box<Gap>>,
    pub(super) fwd: Fwd,
    /// Whether the disk may have it.
    pub(super) recalls: bool,
    /// Whether it goes by if the disk has not.
    pub(super) alone: bool,
}

impl Wanted {
    /// Of a request that nothing that is kept is for.
    fn anew(asking: Asking, asked: Asked, fwd: Fwd) -> Self {
        let (stale, gap, recalls, alone) = (None, None, false, true);
        Self { asking, asked, stale, gap, fwd, recalls, alone }
    }

    /// Whether what has just come for another may be given, also to who wants to be sure: that is a preference
    /// (RFC 9111 section 5.2.1.4), what came was not there when this one asked, and a flood of them is one fetch.
    pub(super) fn takes(&self, object: &Object) -> bool {
        let max_age = self.asked.max_age.filter(|seconds| *seconds > 0);
        let asked = Asked { no_cache: false, max_age, ..self.asked };
        let resident = object.resident(Instant::now());
        rules::reuse(&object.terms, resident, &asked, false) != Reuse::Validate
    }
}

/// A request that nothing answers, as far as it was looked for.
struct Missing {
    asking: Asking,
    asked: Asked,
    stale: Option<Arc<Object>>,
    fwd: Fwd,
    /// Of what it looked for.
    digest: u64,
    /// Whether there is something, for others.
    known: bool,
}

/// What is known of a request that goes by, until its answer comes.
#[derive(Debug)]
pub(super) struct Passing {
    pub(super) asking: Asking,
    pub(super) fwd: Fwd,
    /// Its fields, as its origin gets them, if something of its answer may be kept.
    pub(super) request: Option<Box<HeaderMap>>,
    /// The number of what was made void last before it went, and when that was, in seconds since 1970.
    pub(super) stamp: u64,
    pub(super) sent: u64,
    /// Whether an endpoint may have acted on it whose answer is not what came of it.
    pub(super) arrived: bool,
    /// It is only because answers to such requests were not kept lately, and whether it has cookies.
    pub(super) unkept: Option<(u64, Asked, bool)>,
    /// What is given if its origin fails.
    pub(super) instead: Option<Box<Instead>>,
}

impl Exchange {
    /// What a request says of itself that tells its answers apart, before anything is taken off it.
    #[inline]
    pub(super) fn asking(
        &mut self,
        route: &Route,
        head: &mut Parts,
        params: &Params<'_, '_>,
    ) -> Option<Asking> {
        let Some(cache) = &route.cache else {
            if !self.world.queries.is_empty() && !head.method.is_safe() {
                self.note_change();
            }
            return None;
        };
        self.spell_host(head);
        let scheme = self.scheme.as_str();
        let is_foreign = || route.auth.is_foreign(self.who.principal(), &head.headers);
        Some(self.asked(route, head, params, |ask| {
            cache.partition.asking(&cache.memory, ask, (self.way, scheme), is_foreign)
        }))
    }

    /// Spells the host as keys do: its origin may make links of how it is spelled, and those who share the answer have
    /// spelled it otherwise.
    #[inline]
    fn spell_host(&mut self, head: &mut Parts) {
        let Some(host) = self.host.as_ref().map(text) else { return };
        if let Cow::Owned(spelled) = canonical_authority(host, self.scheme == Scheme::Https)
            && let Ok(spelled) = HeaderValue::try_from(spelled)
        {
            head.headers.insert(HOST, spelled.clone());
            self.host = Some(spelled);
        }
    }

    /// Tells apart also by what the route's rules have made of a request, where that is more than its URL says.
    #[inline]
    pub(super) fn settle(&mut self, route: &Route, head: &Parts, asking: &mut Option<Asking>) {
        let (Some(cache), Some(asking)) = (&route.cache, asking) else { return };
        // What a trusted peer says of the URL beside its host; an origin that makes links of it need not vary by it.
        let told = self.client.is_trusted().then(|| self.beyond_host(head)).flatten();
        if let Some(told) = told {
            let said = asking.partition;
            asking.partition = cache.memory.digest(|hasher| {
                hasher.write_u128(said);
                hasher.write(&told);
            });
        }
        if !route.beyond.is_nothing() {
            let said = asking.partition;
            asking.partition = cache.memory.digest(|hasher| {
                hasher.write_u128(said);
                route.beyond.feed(&head.uri, &head.headers, hasher);
            });
        }
        if cache.tells == Tells::Key {
            self.cache_key = status::quoted(&self.seek(cache, asking, |&seek| seek.to_key()));
        }
    }

    /// What a trusted peer says of the URL that is in no other part of the key, if it says anything.
    fn beyond_host(&self, head: &Parts) -> Option<Vec<u8>> {
        let mut told = Vec::new();
        let known = (self.scheme.as_str(), self.host.as_ref());
        beyond_host(&head.headers, &self.client, known, &mut |bytes| {
            told.extend_from_slice(bytes);
            told.extend_from_slice(&bytes.len().to_le_bytes());
        });
        (!told.is_empty()).then_some(told)
    }

    /// Answers by what is kept, or by what is fetched so that it can be; none if the request goes by.
    #[inline]
    pub(super) async fn answer_kept(
        &mut self,
        route: &Route,
        (cache, asking, aim): (&Cache, Asking, Aim),
        (kept, changes): (&Kept, &Changes<'_>),
        head: &Parts,
        body: &RequestBody,
    ) -> Result<Option<Response<Source>>, Reject> {
        match self.look_up(cache, asking, kept, head, body) {
            Looked::Kept(response) => Ok(Some(response)),
            Looked::Passed => Ok(None),
            Looked::Fetch(wanted) => {
                Box::pin(self.fetch(&wanted, route, aim, head, (kept, changes))).await
            }
        }
    }

    /// Looks for what is kept.
    fn look_up(
        &mut self,
        cache: &Cache,
        asking: Asking,
        kept: &Kept,
        head: &Parts,
        body: &RequestBody,
    ) -> Looked {
        if !cache.policy.methods.answer(&head.method) {
            let wanted = Wanted::anew(asking, Asked::default(), Fwd::Method);
            return self.pass(cache, wanted, head);
        }
        let plain = rules::is_plain(&head.headers);
        let may_go_by = !plain || kept.upgrade.is_some() || !body.is_end_stream();
        if may_go_by && Self::goes_by(kept, (head, body)).is_some() {
            return self.bypass(cache, asking, head);
        }
        let asked = match plain {
            true => Asked::default(),
            false => Asked::read(&head.headers, &cache.policy),
        };
        let (found, digest, known) = self.seek(cache, &asking, |seek| {
            let found = cache.lookup(seek, &head.headers, &asked, self.started);
            // A HEAD is about the whole.
            let found = found.filter(|found| {
                found.object.status != StatusCode::PARTIAL_CONTENT || head.method == Method::GET
            });
            let known = found.is_none() && cache.memory.shelf.get(seek).is_some();
            (found, seek.hash(), known)
        });
        let given = found.map(|found| self.give(cache, (asking, asked), found, head, kept));
        let (stale, fwd) = match given {
            Some(Ok(response)) => return Looked::Kept(response),
            Some(Err(object)) => {
                let wanted = asked.no_cache || asked.max_age.is_some() || asked.min_fresh.is_some();
                // RFC 9211 section 2.2: what is stale had to be validated anyway.
                let fresh = wanted && self.is_fresh(cache, &asking, &object);
                (Some(object), if fresh { Fwd::Request } else { Fwd::Stale })
            }
            None if known => (None, Fwd::VaryMiss),
            None => (None, Fwd::UriMiss),
        };
        let missing = Missing { asking, asked, stale, fwd, digest, known };
        self.miss(cache, missing, head)
    }

    /// Whether what was kept is fresh, whatever its client wants.
    #[cold]
    fn is_fresh(&self, cache: &Cache, asking: &Asking, object: &Arc<Object>) -> bool {
        let purged = self.seek(cache, asking, |seek| cache.is_purged(seek, object));
        purged == Some(false) && object.terms.left(object.resident(self.started)) > 0
    }

    /// What becomes of a request that is the origin's to answer; unless it is not to be asked.
    #[cold]
    fn bypass(&mut self, cache: &Cache, asking: Asking, head: &Parts) -> Looked {
        let asked = Asked::read(&head.headers, &cache.policy);
        let wanted = Wanted::anew(asking, asked, Fwd::Bypass);
        match asked.only_if_cached {
            true => Looked::Fetch(Box::new(wanted)),
            false => self.pass(cache, wanted, head),
        }
    }

    /// What becomes of a request that nothing answers.
    #[cold]
    fn miss(&mut self, cache: &Cache, missing: Missing, head: &Parts) -> Looked {
        let Missing { asking, asked, stale, fwd, digest, known } = missing;
        let (fwd, gap) = match known {
            true => self.gap(cache, &asking, head, fwd),
            false => (fwd, None),
        };
        let part = || head.headers.contains_key(RANGE) && !cache.policy.whole;
        let nothing = stale.is_none() && gap.is_none();
        let alone = asked.no_store || head.method == Method::HEAD || (nothing && part());
        let noted = match alone {
            false => self.noted_unkept(cache, (digest, asking.authorized, nothing), head),
            true => None,
        };
        let (unkept, gap) = (noted.is_some(), gap.filter(|_| noted.is_none()));
        let recalls = nothing && !asked.no_store && self.may_recall(cache, &asking);
        let goes_by = (alone || unkept) && !asked.only_if_cached && !recalls;
        let alone = alone || unkept;
        let wanted = Wanted { asking, asked, stale, gap, fwd, recalls, alone };
        if !goes_by {
            return Looked::Fetch(Box::new(wanted));
        }
        let looked = self.pass(cache, wanted, head);
        if let Some((passing, noted)) = self.passing.as_mut().zip(noted) {
            passing.unkept = Some((noted, asked, cache.partition.has_cookies(&head.headers)));
        }
        looked
    }

    /// The digest under which it was noted lately that answers to such requests are not kept; where there is something
    /// that could be validated or completed, only for what they bring.
    fn noted_unkept(
        &self,
        cache: &Cache,
        (digest, authorized, nothing): (u64, bool, bool),
        head: &Parts,
    ) -> Option<u64> {
        let unkept = &cache.memory.unkept;
        let brings = authorized || cache.partition.has_cookies(&head.headers);
        let for_one = brings.then(|| unkept.for_one(digest, authorized));
        let mut digests = [nothing.then_some(digest), for_one].into_iter().flatten();
        digests.find(|digest| unkept.has(*digest, self.started))
    }

    /// The URL that the client asked for, as far as it tells answers apart.
    #[inline]
    pub(super) fn url(&self, asking: &Asking, query: &Query) -> Url<'_> {
        let host = self.host.as_ref().map(text).unwrap_or_default();
        Url::new(asking.scheme, host, self.resource(), query)
    }

    /// What a request looks for.
    #[inline]
    pub(super) fn seek<T>(
        &self,
        cache: &Cache,
        asking: &Asking,
        act: impl FnOnce(&Seek<'_>) -> T,
    ) -> T {
        let url = self.url(asking, &cache.query);
        act(&cache.memory.seek(&url, asking))
    }

    /// Why a request with a method that is answered is the origin's to answer all the same.
    pub(super) fn goes_by(
        kept: &Kept,
        (head, body): (&Parts, &RequestBody),
    ) -> Option<&'static str> {
        if kept.upgrade.is_some() {
            return Some("it asks for an upgrade");
        }
        // What is done only if nothing has changed is the origin's to say.
        let if_match = [IF_MATCH, IF_UNMODIFIED_SINCE];
        if if_match.iter().any(|name| head.headers.contains_key(name)) {
            return Some("what is done only if nothing has changed is its origin's to say");
        }
        (!body.is_end_stream()).then_some("it has a body")
    }

    /// Takes note of a request that goes by. If its origin fails it is given what is stale, as others are.
    #[cold]
    pub(super) fn pass(&mut self, cache: &Cache, wanted: Wanted, head: &Parts) -> Looked {
        let Wanted { asking, fwd, .. } = wanted;
        let stamp = cache.memory.shelf.stamps().begin();
        let looks =
            fwd != Fwd::Bypass && (head.method == Method::HEAD || self.may_collect(cache, head));
        let request = looks.then(|| Box::new(head.headers.clone()));
        let sent = self.client.worker.clock.wall(self.started) / 1_000;
        let instead = wanted.stale.is_some();
        let instead = instead.then(|| Box::new(Instead { wanted, head: head.clone() }));
        if instead.is_none() {
            self.count(cache, Cached::Passed);
        }
        let (arrived, unkept) = (false, None);
        let passing = Passing { asking, fwd, request, stamp, sent, arrived, unkept, instead };
        self.passing = Some(Box::new(passing));
        Looked::Passed
    }

    /// Takes note of a request that may change something, on a route that keeps nothing: what others keep of its URL is
    /// void if it succeeds. Which of them a GET would take is not asked, since that may have other header fields; nor
    /// whether they keep anything now, since what was kept before a reload may be given again after the next.
    fn note_change(&mut self) {
        let scheme = self.scheme.as_str();
        let asking = Asking { partition: 0, scheme, authorized: false };
        let stamp = self.world.caches.memory().shelf.stamps().begin();
        let (fwd, request, unkept, instead) = (Fwd::Method, None, None, None);
        let (sent, arrived) = (0, false);
        let passing = Passing { asking, fwd, request, stamp, sent, arrived, unkept, instead };
        self.passing = Some(Box::new(passing));
    }

    /// Counts what became of the request.
    #[inline]
    pub(super) fn count(&mut self, cache: &Cache, how: Cached) {
        cache.metrics.request(self.client.worker.index, how);
        self.cached = Some(how);
    }

    /// Says in an answer what became of its request, if that is wanted.
    pub(super) fn tell_of_cache(&self, cache: &Cache, headers: &mut HeaderMap, told: &Told) {
        if cache.tells != Tells::Nothing
            && let Some(value) =
                told.value(&self.world.config.server.name, self.cache_key.as_deref())
        {
            headers.append(CACHE_STATUS, value);
        }
    }
}
