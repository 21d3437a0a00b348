//! Stage 9 at one exchange, where its answer has to be fetched: by itself or by who fetches it already.
//!
//! In: a request as its origin would get it, and what is wanted. Out: an answer, by a task of its own that goes on
//! if its client leaves; or that the request goes by itself.

use std::sync::Arc;

use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{IF_RANGE, RANGE},
    request::Parts,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    cached::Wanted,
    cut::Came,
    exchange::Exchange,
    fetch::{Fetch, Fetched, Outcome, is_failure},
    forward,
    overload::Room,
    prepare,
    recall::Early,
    source::Source,
    status::{Fwd, Told},
};
use crate::{
    cache::{
        Asker, Asking, Cache, Flight, Landing, Object, Pilot, Turn,
        rules::{self, Asked, Failed, Reuse},
    },
    message::{Kept, RequestBody},
    metrics::Cached,
    reject::Reject,
    rewrite::Changes,
    snapshot::{Route, Way},
    upstream::{Aim, Interims},
};

/// So often a request waits for others before it goes by itself.
const WAITS: usize = 3;

impl Exchange {
    /// Waits for who fetches the same, or fetches it; none if it is to go by itself.
    pub(super) async fn fetch(
        &mut self,
        wanted: &Wanted,
        route: &Route,
        aim: Aim,
        head: &Parts,
        (kept, changes): (&Kept, &Changes<'_>),
    ) -> Result<Option<Response<Source>>, Reject> {
        let (Some(cache), Some(way)) = (&route.cache, route.target.way(self.way)) else {
            return Ok(None);
        };
        let what = (wanted.asking, wanted.asked);
        if wanted.alone || wanted.asked.only_if_cached {
            return self.go_alone(cache, wanted, head, kept).await;
        }
        let mut stale = wanted.stale.clone();
        let until = Instant::now() + cache.wait;
        let (mut own, mut failed, mut other) = (false, false, None);
        for _ in 0..WAITS {
            let mut early = match self.join(cache, wanted, head, (own, other.as_ref())) {
                Turn::Wait(flight) => {
                    match self.follow(cache, wanted, &flight, head, until).await? {
                        Followed::Answer(response) => return Ok(Some(response)),
                        Followed::Alone => break,
                        Followed::Own => own = true,
                        Followed::Failed(why) if failed => return Err(why),
                        Followed::Failed(_) => failed = true,
                        Followed::Again(came) => match self.joined(cache, wanted, head) {
                            Some(response) => return Ok(Some(response)),
                            None => other = came.or(other),
                        },
                    }
                    continue;
                }
                // Until its origin is asked.
                Turn::Lead(pilot) => Early::new(pilot),
            };
            // It may have come since this was looked for.
            if let Some(response) = self.joined(cache, wanted, head) {
                return Ok(Some(response));
            }
            if wanted.recalls
                && let Some(found) = self.recall(cache, wanted, head).await
            {
                if found.reuse != Reuse::Validate {
                    drop(early);
                    return Ok(self.give(cache, what, found, head, kept).ok());
                }
                stale = Some(found.object);
            }
            let wanted = Wanted { stale, ..wanted.clone() };
            let Some(pilot) = early.take() else { return Err(Reject::Internal) };
            let asked = (head, self.request_of(&wanted, head, kept), changes);
            return self.lead((cache, way, route), &wanted, pilot, aim, asked).await;
        }
        self.pass(cache, wanted.clone(), head);
        Ok(None)
    }

    /// What has come since it was looked for.
    fn come(&self, cache: &Cache, wanted: &Wanted, head: &Parts) -> Option<Arc<Object>> {
        let now = Instant::now();
        let found = self.seek(cache, &wanted.asking, |seek| {
            cache.lookup(seek, &head.headers, &wanted.asked, now)
        })?;
        (found.reuse == Reuse::Fresh).then_some(found.object)
    }

    /// An answer of what has come since it was looked for.
    fn joined(&mut self, cache: &Cache, wanted: &Wanted, head: &Parts) -> Option<Response<Source>> {
        let object = self.come(cache, wanted, head)?;
        Some(self.serve(cache, &object, head, (Cached::Joined, Told::joined(wanted.fwd))))
    }

    /// Waits for who fetches the same, unless that is void by now, or may not be given any longer; or begins a
    /// fetch, as it does in any case if it is to be its `own`. Once an `other`'s answer is known to vary, it waits only
    /// for who asks as it does itself.
    fn join(
        &self,
        cache: &Cache,
        wanted: &Wanted,
        head: &Parts,
        (own, other): (bool, Option<&Arc<Object>>),
    ) -> Turn {
        let (stamps, now) = (cache.memory.shelf.stamps(), Instant::now());
        let room = cache.room();
        let asker = || Asker {
            request: head.headers.clone(),
            authorized: wanted.asking.authorized,
            stamp: stamps.begin(),
        };
        self.seek(cache, &wanted.asking, |seek| {
            if wanted.gap.as_ref().is_some_and(|gap| !gap.is_whole()) {
                // Others want other parts.
                return Turn::Lead(cache.memory.flights.apart(seek.to_key(), asker(), room));
            }
            let asks_the_same = |asked: &HeaderMap| {
                other.is_none_or(|other| Cache::are_one(other, asked, &head.headers))
            };
            // What is said to somebody with credentials is not what others may have, or seldom.
            let is_open = |other: &Asker| {
                let ignored = cache.policy.ignore.authorization;
                ignored || wanted.asking.authorized || !other.authorized
            };
            let suits = |other: &Asker, object: Option<&Arc<Object>>| match object {
                _ if own => false,
                None => {
                    is_open(other)
                        && stamps.holds(other.stamp, seek)
                        && asks_the_same(&other.request)
                }
                Some(object) => {
                    let reuse =
                        rules::reuse(&object.terms, object.resident(now), &wanted.asked, false);
                    reuse != Reuse::Validate
                        && cache.suits(object, &head.headers)
                        && cache.is_purged(seek, object) == Some(false)
                }
            };
            cache.memory.flights.join(seek, asker, room, suits)
        })
    }

    /// Waits for an answer that somebody else fetches.
    async fn follow(
        &mut self,
        cache: &Cache,
        wanted: &Wanted,
        flight: &Arc<Flight>,
        head: &Parts,
        until: Instant,
    ) -> Result<Followed, Reject> {
        let Some(reader) = flight.reader() else { return Ok(Followed::Again(None)) };
        let Ok(landed) = timeout_at(until, flight.landed()).await else {
            return Ok(Followed::Alone);
        };
        Ok(match landed {
            Some(Landing::ForOne)
                if !(wanted.asking.authorized || cache.partition.has_cookies(&head.headers)) =>
            {
                Followed::Again(None)
            }
            None | Some(Landing::Alone | Landing::ForOne) => Followed::Alone,
            Some(Landing::Comes(object) | Landing::Holds(object))
                if !cache.suits(&object, &head.headers) =>
            {
                Followed::Again(Some(object))
            }
            Some(Landing::Again) => Followed::Again(None),
            // Section 4: it may be given to others as far as it could be if it had been kept already.
            Some(Landing::Comes(object) | Landing::Holds(object)) if !wanted.takes(&object) => {
                Followed::Own
            }
            Some(Landing::Comes(object)) => {
                let headers = object.open().headers();
                let came = Came { status: object.status, headers, kept: Some(&object) };
                let told = Told::joined(wanted.fwd);
                Followed::Answer(self.stream(cache, came, reader, head, (Cached::Joined, told)))
            }
            Some(Landing::Holds(object)) => {
                let told = Told::joined(wanted.fwd);
                Followed::Answer(self.serve(cache, &object, head, (Cached::Joined, told)))
            }
            Some(Landing::Failed { reject, stale }) => {
                let failed = reject.map_or(Failed::Said, |_| Failed::Silent);
                let stale = stale.filter(|object| cache.suits(object, &head.headers));
                match (self.or_stale(cache, wanted, (stale, failed), head), reject) {
                    (Some(response), _) => Followed::Answer(response),
                    // It may be for what that one request said, so another asks, once.
                    (None, Some(why @ (Reject::UpstreamReset | Reject::UpstreamProtocol))) => {
                        Followed::Failed(why)
                    }
                    // An origin that does not answer is not asked again by everybody who waited.
                    (None, Some(reject)) => return Err(reject),
                    (None, None) => Followed::Alone,
                }
            }
        })
    }

    /// Fetches it for all.
    async fn lead(
        &mut self,
        (cache, way, route): (&Cache, &Way, &Route),
        wanted: &Wanted,
        pilot: Pilot,
        aim: Aim,
        (head, request, changes): (&Parts, Request<RequestBody>, &Changes<'_>),
    ) -> Result<Option<Response<Source>>, Reject> {
        if let Err(reject) = self.enter_upstream(route) {
            let stale = wanted.stale.clone();
            let answer = self.or_stale(cache, wanted, (stale, Failed::Said), head);
            return answer.map(Some).ok_or(reject);
        }
        let (parts, mut body) = request.into_parts();
        self.mirror(route, false, &parts, &mut body);
        let request = Request::from_parts(parts, body);
        let reader = pilot.flight().reader();
        let room = Room::of(self, &way.upstream);
        let fetch = self.fetch_of(wanted, pilot, room, aim, request);
        let Some((fetch, rule)) = fetch.zip(self.rule) else { return Err(Reject::Internal) };
        let (back, came) = oneshot::channel();
        let relay = self.ahead(changes).map(|_| Arc::<Interims>::default());
        let heirs = self.heirs();
        tokio::spawn(Fetch { rule, relay: relay.clone(), heirs, ..fetch }.run(Some(back)));
        let came = self.hear(relay, changes, came).await;
        let Some((fetched, room)) = came else { return Err(Reject::Internal) };
        if let Some(room) = room {
            room.give(self);
        }
        self.learn(way, &fetched);
        Ok(Some(match fetched.outcome {
            Outcome::Shared(status, headers, said) => {
                let reader = reader.ok_or(Reject::Internal)?;
                let came = Came { status, headers, kept: None };
                let told = Told::stored(wanted.fwd, said);
                self.stream(cache, came, reader, head, (Cached::Miss, told))
            }
            Outcome::Holds(object, own, kept) => {
                let told = Told::validated(wanted.fwd, kept);
                let mut answer = self.serve(cache, &object, head, (Cached::Validated, told));
                answer.headers_mut().extend(own);
                answer
            }
            Outcome::Unfit => {
                self.pass(cache, wanted.clone(), head);
                return Ok(None);
            }
            Outcome::Alone(response, why) => {
                let stale = wanted.stale.clone().filter(|_| is_failure(response.status()));
                if let Some(answer) = self.or_stale(cache, wanted, (stale, Failed::Said), head) {
                    return Ok(Some(answer));
                }
                self.count(cache, Cached::Miss);
                let told = Told::unkept(wanted.fwd, response.status(), why);
                let mut response = self.as_asked(response.map(Source::Origin), head);
                self.tell_of_cache(cache, response.headers_mut(), &told);
                response
            }
            Outcome::Failed(failure) => {
                let stale = (wanted.stale.clone(), Failed::Silent);
                match self.or_stale(cache, wanted, stale, head) {
                    Some(answer) => answer,
                    None => return Err(forward::explain(self, &way.upstream, failure)),
                }
            }
        }))
    }

    /// Has an answer validated that was just given.
    #[cold]
    pub(super) fn revalidate(
        &self,
        cache: &Cache,
        asking: Asking,
        asked: Asked,
        object: Arc<Object>,
        head: &Parts,
        kept: &Kept,
    ) {
        // What is not to be kept is of no use to others: one of them has it validated.
        if asked.no_store {
            return;
        }
        let stale = Some(object);
        let (gap, recalls, alone) = (None, false, false);
        let wanted = Wanted { asking, asked, stale, gap, fwd: Fwd::Stale, recalls, alone };
        let Some(way) = self.route().and_then(|route| route.target.way(self.way)) else { return };
        let Some(room) = Room::enter(&way.upstream, self.client.worker.index) else { return };
        let Turn::Lead(pilot) = self.join(cache, &wanted, head, (false, None)) else { return };
        if self.come(cache, &wanted, head).is_some() {
            return;
        }
        let request = self.request_of(&wanted, head, kept);
        if let Some(fetch) = self.fetch_of(&wanted, pilot, room, Aim::any(), request) {
            tokio::spawn(fetch.run(None));
        }
    }

    /// The request that asks the origin for the whole, or whether what was kept holds.
    fn request_of(&self, wanted: &Wanted, head: &Parts, kept: &Kept) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = head.uri.clone();
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers.clone();
        let headers = request.headers_mut();
        prepare::announce(self, kept, head.version, headers);
        let stale = wanted.stale.as_ref();
        let (etag, modified) = stale.map(|stale| stale.open().validators()).unwrap_or_default();
        rules::conditions(headers, etag.as_ref(), modified.as_ref());
        match (&wanted.gap, &wanted.stale) {
            (Some(gap), _) => gap.ask(headers),
            // If what is kept does not hold, a part is wanted as before.
            (None, Some(stale)) if stale.status == StatusCode::PARTIAL_CONTENT => {
                for name in [RANGE, IF_RANGE] {
                    if let Some(value) = head.headers.get(&name) {
                        headers.insert(name, value.clone());
                    }
                }
            }
            _ => {}
        }
        request
    }

    /// The task that fetches.
    fn fetch_of(
        &self,
        wanted: &Wanted,
        pilot: Pilot,
        room: Room,
        aim: Aim,
        request: Request<RequestBody>,
    ) -> Option<Fetch> {
        let way = self.route()?.target.way(self.way)?;
        let proxied = way.upstream.proxy_protocol;
        Some(Fetch {
            world: self.world.clone(),
            rule: self.rule?,
            way: self.way,
            worker: self.client.worker.clone(),
            request,
            aim,
            introduction: proxied.then(|| forward::introduction(self).into()),
            relay: None,
            stamp: match &wanted.gap {
                Some(gap) => gap.stamp,
                None => pilot.flight().asker.stamp,
            },
            pilot,
            asked: wanted.asked,
            authorized: wanted.asking.authorized,
            stale: wanted.stale.clone(),
            gap: wanted.gap.clone(),
            room,
            heirs: Vec::new(),
        })
    }

    /// Takes in what is known of the exchange with the origin.
    fn learn(&mut self, way: &Way, fetched: &Fetched) {
        self.tries = fetched.tries;
        self.connect = fetched.connect.and_then(|took| u64::try_from(took.as_micros()).ok());
        if self.world.access_log.is_on() {
            self.first_byte = u64::try_from(self.started.elapsed().as_micros()).ok();
        }
        if let Some(endpoint) = &fetched.endpoint {
            self.remember(&way.upstream, fetched.aim, endpoint);
            self.endpoint = Some(endpoint.clone());
        }
    }

    /// What was kept, if it may be given although the origin failed.
    pub(super) fn or_stale(
        &mut self,
        cache: &Cache,
        wanted: &Wanted,
        (stale, failed): (Option<Arc<Object>>, Failed),
        head: &Parts,
    ) -> Option<Response<Source>> {
        let object = stale?;
        let purged = self.seek(cache, &wanted.asking, |seek| cache.is_purged(seek, &object))?;
        let resident = object.resident(Instant::now());
        let may = rules::on_error(&object.terms, resident, &wanted.asked, failed, purged);
        let told = Told::stale(Some(wanted.fwd));
        may.then(|| self.serve(cache, &object, head, (Cached::Stale, told)))
    }
}

/// What comes of waiting for another's answer.
enum Followed {
    Answer(Response<Source>),
    /// There may be another one to wait for; what came, if it is for others.
    Again(Option<Arc<Object>>),
    /// Its origin broke off.
    Failed(Reject),
    /// It is no use to wait: what comes may not be given without asking.
    Own,
    Alone,
}
