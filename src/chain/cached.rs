//! Stage 9 at one exchange, and its part of stage 11: an answer out of what is kept, or one that is fetched so
//! that it can be.
//!
//! In: a request as its origin would get it. Out: an answer; or that it goes its own way, after which
//! [`Exchange::went_by`] looks at what the origin said. A hit waits for nothing; all that waits is boxed.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE,
        ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
        RANGE,
    },
    request::Parts,
    uri::PathAndQuery,
};
use http_body::Body as _;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    answer::Source,
    exchange::Exchange,
    fetch::{Fetch, Fetched, Outcome, announced, is_failure},
    forward,
    kept::{self, Facts},
    overload::Room,
    recall::Early,
    status::{CACHE_STATUS, Fwd, Told},
};
use crate::{
    cache::{
        Asking, Cache, End, Flight, Found, Landing, Object, Pilot, Reader, Seek, Turn, Url,
        canonical_host, names,
        rules::{self, Asked, Failed, Part, Reuse, Span},
    },
    message::{self, RequestBody, client_scheme, text},
    metrics::Cached,
    reject::Reject,
    route::Params,
    snapshot::{Route, Way},
    upstream::Aim,
    worker::wall,
};

/// So often a request waits for others before it goes by itself.
const WAITS: usize = 3;

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
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) asking: Asking,
    pub(super) asked: Asked,
    /// What was kept and has to be validated.
    pub(super) stale: Option<Arc<Object>>,
    pub(super) fwd: Fwd,
    /// Whether the disk may have it.
    pub(super) recalls: bool,
    /// Whether it goes by if the disk has not.
    pub(super) alone: bool,
}

/// What is known of a request that goes by, until its answer comes.
#[derive(Debug)]
pub(super) struct Passing {
    asking: Asking,
    fwd: Fwd,
    /// A HEAD's fields, as its origin gets them, and the number of what was made void last before it went.
    request: Option<Box<HeaderMap>>,
    stamp: u64,
}

impl Exchange {
    /// What a request says of itself that tells its answers apart, before anything is taken off it.
    #[inline]
    pub(super) fn asking(
        &self,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> Option<Asking> {
        let cache = route.cache.as_ref()?;
        let scheme = client_scheme(&head.headers, &self.client);
        Some(self.asked(route, head, params, |ask| {
            cache.partition.asking(&cache.memory, ask, self.way, scheme)
        }))
    }

    /// Looks for what is kept.
    pub(super) fn look_up(
        &mut self,
        cache: &Cache,
        asking: Asking,
        upgrade: bool,
        head: &Parts,
        body: &RequestBody,
    ) -> Looked {
        let methods = cache.policy.methods;
        let answered = match head.method {
            Method::GET => methods.get,
            Method::HEAD => methods.head,
            _ => false,
        };
        if !answered {
            return self.pass(cache, asking, Fwd::Method, head);
        }
        // What is done only if nothing has changed is the origin's to say.
        let if_match = [IF_MATCH, IF_UNMODIFIED_SINCE];
        if upgrade
            || !body.is_end_stream()
            || if_match.iter().any(|name| head.headers.contains_key(name))
        {
            return self.pass(cache, asking, Fwd::Bypass, head);
        }
        let asked = Asked::read(&head.headers, &cache.policy);
        let (found, digest, known) = self.seek(cache, &asking, |seek| {
            let found = cache.lookup(seek, &head.headers, &asked, self.started);
            let known = found.is_none() && cache.memory.shelf.get(seek).is_some();
            (found, seek.hash(), known)
        });
        let (stale, fwd) = match found {
            Some(Found { object, reuse: Reuse::Fresh }) => {
                return Looked::Kept(self.serve(cache, &object, head, Cached::Hit, Fwd::Stale));
            }
            Some(Found { object, reuse: Reuse::StaleAllowed }) => {
                return Looked::Kept(self.serve(cache, &object, head, Cached::Stale, Fwd::Stale));
            }
            Some(Found { object, reuse: Reuse::WhileRevalidate }) => {
                let answer = self.serve(cache, &object, head, Cached::Stale, Fwd::Stale);
                self.revalidate(cache, asking, asked, object, head);
                return Looked::Kept(answer);
            }
            Some(Found { object, reuse: Reuse::Validate }) => {
                let wanted = asked.no_cache || asked.max_age.is_some();
                (Some(object), if wanted { Fwd::Request } else { Fwd::Stale })
            }
            None if known => (None, Fwd::VaryMiss),
            None => (None, Fwd::UriMiss),
        };
        let part = || head.headers.contains_key(RANGE) && !cache.policy.whole;
        let alone = asked.no_store
            || head.method == Method::HEAD
            || (stale.is_none() && (part() || cache.memory.unkept.has(digest, self.started)));
        let recalls = stale.is_none() && !asked.no_store && self.may_recall(cache, &asking);
        match alone && !asked.only_if_cached && !recalls {
            true => self.pass(cache, asking, fwd, head),
            false => Looked::Fetch(Box::new(Wanted { asking, asked, stale, fwd, recalls, alone })),
        }
    }

    /// What a request looks for.
    #[inline]
    pub(super) fn seek<T>(
        &self,
        cache: &Cache,
        asking: &Asking,
        act: impl FnOnce(&Seek<'_>) -> T,
    ) -> T {
        let host = self.host.as_ref().map(text).unwrap_or_default();
        let url = Url::new(asking.scheme, host, &self.target, &cache.query);
        act(&cache.memory.seek(&url, asking))
    }

    /// What would be looked for, for people.
    pub(super) fn explain_cache(
        &self,
        cache: &Cache,
        asking: Asking,
        kept: &message::Kept,
        head: &Parts,
    ) -> String {
        let methods = cache.policy.methods;
        let answered = match head.method {
            Method::GET => methods.get,
            Method::HEAD => methods.head,
            _ => false,
        };
        if kept.upgrade.is_some() {
            return "goes by, as an upgrade".into();
        }
        if !answered && head.method.is_safe() {
            return format!("goes by: {} is not answered from what is kept", head.method);
        }
        let host = self.host.as_ref().map(text).unwrap_or_default();
        let url = Url::new(asking.scheme, host, &self.target, &cache.query);
        let url = format!("`{}://{}{}`", url.scheme, url.host, url.target);
        if !answered {
            return format!("goes by, and makes void what is kept of {url} if it succeeds");
        }
        let apart = cache.partition.describe();
        let apart = apart.map(|apart| format!(", by {apart}")).unwrap_or_default();
        let authorized = match asking.authorized && !cache.policy.ignore.authorization {
            true => {
                "; it has credentials: its answer is kept if it says `public`, `s-maxage` or \
                     `must-revalidate`"
            }
            false => "",
        };
        format!("looks for what is kept of {url}{apart}{authorized}")
    }

    /// Takes note of a request that goes by.
    #[cold]
    fn pass(&mut self, cache: &Cache, asking: Asking, fwd: Fwd, head: &Parts) -> Looked {
        cache.metrics.request(self.client.worker.index, Cached::Passed);
        self.cached = Some(Cached::Passed);
        let stamp = cache.memory.shelf.stamps().begin();
        let request = (head.method == Method::HEAD).then(|| Box::new(head.headers.clone()));
        self.passing = Some(Box::new(Passing { asking, fwd, request, stamp }));
        Looked::Passed
    }

    /// Waits for who fetches the same, or fetches it; none if it is to go by itself.
    pub(super) async fn fetch(
        &mut self,
        wanted: &Wanted,
        route: &Route,
        aim: Aim,
        head: &Parts,
    ) -> Result<Option<Response<Source>>, Reject> {
        let (Some(cache), Some(way)) = (&route.cache, route.target.way(self.way)) else {
            return Ok(None);
        };
        if wanted.recalls && (wanted.alone || wanted.asked.only_if_cached) {
            let recalled = self.recall(cache, wanted, head).await;
            if let Some(answer) = recalled.and_then(|found| self.give(cache, wanted, found, head)) {
                return Ok(Some(answer));
            }
        }
        if wanted.asked.only_if_cached {
            return Err(Reject::OnlyIfCached);
        }
        if wanted.alone {
            self.pass(cache, wanted.asking, wanted.fwd, head);
            return Ok(None);
        }
        let until = Instant::now() + cache.wait;
        for _ in 0..WAITS {
            let mut early = match self.join(cache, wanted, head) {
                Turn::Wait(flight) => {
                    match self.follow(cache, wanted, &flight, head, until).await? {
                        Followed::Answer(response) => return Ok(Some(response)),
                        Followed::Alone => break,
                        Followed::Again => match self.joined(cache, wanted, head) {
                            Some(response) => return Ok(Some(response)),
                            None => continue,
                        },
                    }
                }
                // Until its origin is asked.
                Turn::Lead(pilot) => Early::new(pilot),
            };
            // It may have come since this was looked for.
            if let Some(response) = self.joined(cache, wanted, head) {
                return Ok(Some(response));
            }
            let mut stale = wanted.stale.clone();
            if wanted.recalls
                && let Some(found) = self.recall(cache, wanted, head).await
            {
                if found.reuse != Reuse::Validate {
                    drop(early);
                    return Ok(self.give(cache, wanted, found, head));
                }
                stale = Some(found.object);
            }
            let wanted = Wanted { stale, ..wanted.clone() };
            let Some(pilot) = early.take() else { return Err(Reject::Internal) };
            return self.lead((cache, way, route), &wanted, pilot, aim, head).await.map(Some);
        }
        self.pass(cache, wanted.asking, wanted.fwd, head);
        Ok(None)
    }

    /// What has come since it was looked for.
    fn joined(&mut self, cache: &Cache, wanted: &Wanted, head: &Parts) -> Option<Response<Source>> {
        let now = Instant::now();
        let found = self.seek(cache, &wanted.asking, |seek| {
            cache.lookup(seek, &head.headers, &wanted.asked, now)
        });
        match found? {
            Found { object, reuse: Reuse::Fresh } => {
                Some(self.serve(cache, &object, head, Cached::Joined, wanted.fwd))
            }
            Found { .. } => None,
        }
    }

    fn join(&self, cache: &Cache, wanted: &Wanted, head: &Parts) -> Turn {
        self.seek(cache, &wanted.asking, |seek| {
            let suits = |object: &Arc<Object>| cache.suits(object, &head.headers);
            cache.memory.flights.join(seek, &head.headers, cache.memory.bounds(), suits)
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
        let Some(reader) = flight.reader() else { return Ok(Followed::Again) };
        let Ok(landed) = timeout_at(until, flight.landed()).await else {
            return Ok(Followed::Alone);
        };
        Ok(match landed {
            None | Some(Landing::Alone) => Followed::Alone,
            Some(Landing::Comes(object) | Landing::Holds(object))
                if !cache.suits(&object, &head.headers) =>
            {
                Followed::Again
            }
            Some(Landing::Again) => Followed::Again,
            Some(Landing::Comes(object)) => {
                let headers = object.open().headers();
                let came = Came { status: object.status, headers, kept: Some(&object) };
                let told = Told::joined(wanted.fwd);
                Followed::Answer(self.stream(cache, came, reader, head, (Cached::Joined, told)))
            }
            Some(Landing::Holds(object)) => {
                Followed::Answer(self.serve(cache, &object, head, Cached::Joined, wanted.fwd))
            }
            Some(Landing::Failed { reject, stale }) => {
                let failed = reject.map_or(Failed::Said, |_| Failed::Silent);
                match (self.or_stale(cache, wanted, (stale, failed), head), reject) {
                    (Some(response), _) => Followed::Answer(response),
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
        head: &Parts,
    ) -> Result<Response<Source>, Reject> {
        self.enter_upstream(route)?;
        self.mirror(route, false, head, &mut RequestBody::Empty);
        let reader = pilot.flight().reader();
        let room = Room::of(self, &way.upstream);
        let fetch = self.fetch_of(cache, wanted, pilot, room, aim, head);
        let Some((fetch, rule)) = fetch.zip(self.rule) else { return Err(Reject::Internal) };
        let (back, came) = oneshot::channel();
        tokio::spawn(Fetch { rule, ..fetch }.run(Some(back)));
        let Ok((fetched, room)) = came.await else { return Err(Reject::Internal) };
        if let Some(room) = room {
            room.give(self);
        }
        self.learn(way, &fetched);
        match fetched.outcome {
            Outcome::Shared(status, headers) => {
                let reader = reader.ok_or(Reject::Internal)?;
                let came = Came { status, headers, kept: None };
                let told = Told::stored(wanted.fwd, status);
                Ok(self.stream(cache, came, reader, head, (Cached::Miss, told)))
            }
            Outcome::Holds(object) => {
                Ok(self.serve(cache, &object, head, Cached::Validated, wanted.fwd))
            }
            Outcome::Alone(response, why) => {
                let stale = wanted.stale.clone().filter(|_| is_failure(response.status()));
                if let Some(answer) = self.or_stale(cache, wanted, (stale, Failed::Said), head) {
                    return Ok(answer);
                }
                self.count(cache, Cached::Miss);
                let mut response = response.map(Source::Origin);
                let told = Told::unkept(wanted.fwd, response.status(), why);
                self.tell_of_cache(cache, response.headers_mut(), &told);
                Ok(response)
            }
            Outcome::Failed(failure) => {
                let stale = (wanted.stale.clone(), Failed::Silent);
                match self.or_stale(cache, wanted, stale, head) {
                    Some(answer) => Ok(answer),
                    None => Err(forward::explain(self, &way.upstream, failure)),
                }
            }
        }
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
    ) {
        let stale = Some(object);
        let wanted = Wanted { asking, asked, stale, fwd: Fwd::Stale, recalls: false, alone: false };
        let Some(way) = self.route().and_then(|route| route.target.way(self.way)) else { return };
        let Some(room) = Room::enter(&way.upstream, self.client.worker.index) else { return };
        let Turn::Lead(pilot) = self.join(cache, &wanted, head) else { return };
        if let Some(fetch) = self.fetch_of(cache, &wanted, pilot, room, Aim::any(), head) {
            tokio::spawn(fetch.run(None));
        }
    }

    /// The task that fetches.
    fn fetch_of(
        &self,
        cache: &Cache,
        wanted: &Wanted,
        pilot: Pilot,
        room: Room,
        aim: Aim,
        head: &Parts,
    ) -> Option<Fetch> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = head.uri.clone();
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers.clone();
        let headers = request.headers_mut();
        let stale = wanted.stale.as_ref().map(Object::open);
        let validator = |code| stale.as_ref().and_then(|stale| stale.value(code));
        let (etag, modified) = (validator(names::ETAG), validator(names::LAST_MODIFIED));
        rules::conditions(headers, etag.as_ref(), modified.as_ref());
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
            stamp: cache.memory.shelf.stamps().begin(),
            pilot,
            asked: wanted.asked,
            authorized: wanted.asking.authorized,
            stale: wanted.stale.clone(),
            room,
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
}

/// What comes of waiting for another's answer.
enum Followed {
    Answer(Response<Source>),
    /// There may be another one to wait for.
    Again,
    Alone,
}

/// The head of an answer that comes, and as what it is kept, if who asks is not who fetched it.
struct Came<'a> {
    status: StatusCode,
    headers: HeaderMap,
    kept: Option<&'a Object>,
}

/// Where a body comes from.
enum Origin {
    Kept(Arc<Object>),
    Shared(Reader),
}

impl Exchange {
    /// An answer of what is kept.
    pub(super) fn serve(
        &mut self,
        cache: &Cache,
        object: &Arc<Object>,
        head: &Parts,
        how: Cached,
        fwd: Fwd,
    ) -> Response<Source> {
        self.count(cache, how);
        let mut headers = object.open().headers();
        let age = object.terms.age_after(object.resident(self.started));
        headers.insert(AGE, age.into());
        if cache.tells {
            let left = object.terms.left(object.resident(self.started));
            self.tell_of_cache(cache, &mut headers, &Told::kept(how, fwd, left));
        }
        let length = object.length();
        if !headers.contains_key(CONTENT_LENGTH) && object.status != StatusCode::NO_CONTENT {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        let part = self.part(head, object.status, &headers, Some(length));
        cut((object.status, headers), part, head, Origin::Kept(object.clone()), length)
    }

    /// An answer that comes.
    fn stream(
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

    /// What of an answer is sent.
    fn part(
        &self,
        head: &Parts,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
    ) -> Part {
        let asks = [IF_NONE_MATCH, IF_MODIFIED_SINCE, RANGE];
        if !asks.iter().any(|name| head.headers.contains_key(name)) {
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

    /// What was kept, if it may be given although the origin failed.
    fn or_stale(
        &mut self,
        cache: &Cache,
        wanted: &Wanted,
        (stale, failed): (Option<Arc<Object>>, Failed),
        head: &Parts,
    ) -> Option<Response<Source>> {
        let object = stale?;
        let resident = object.resident(Instant::now());
        let may = rules::on_error(&object.terms, resident, &wanted.asked, failed);
        may.then(|| self.serve(cache, &object, head, Cached::Stale, wanted.fwd))
    }

    /// Counts what became of the request.
    #[inline]
    fn count(&mut self, cache: &Cache, how: Cached) {
        cache.metrics.request(self.client.worker.index, how);
        self.cached = Some(how);
    }

    /// Says in an answer what became of its request, if that is wanted.
    fn tell_of_cache(&self, cache: &Cache, headers: &mut HeaderMap, told: &Told) {
        if cache.tells
            && let Some(value) = told.value(&self.world.config.server.name)
        {
            headers.append(CACHE_STATUS, value);
        }
    }

    /// Takes in what the origin said to a request that went by: what it makes void, and what it says of
    /// what is kept.
    #[cold]
    pub(super) fn went_by(&mut self, passing: &Passing, response: &mut Response<Source>) {
        let world = self.world.clone();
        let Some(cache) = self.rule.and_then(|rule| world.routes.targets()[rule].cache.as_ref())
        else {
            return;
        };
        let status = response.status();
        let asking = &passing.asking;
        if rules::invalidates(&self.method, status) {
            self.seek(cache, asking, |seek| cache.memory.invalidate_target(seek));
            let host = self.host.as_ref().map(text).unwrap_or_default();
            let host = canonical_host(asking.scheme, host);
            let target = self.target.path_and_query().map_or("/", PathAndQuery::as_str);
            for target in rules::also_invalid(response.headers(), asking.scheme, &host, target) {
                cache.memory.invalidate(&format!("{}://{host}{target}", asking.scheme));
            }
        }
        if self.method == Method::HEAD && status == StatusCode::OK {
            self.compare(cache, passing, response.headers());
        }
        let told = Told::passed(passing.fwd, status);
        self.tell_of_cache(cache, response.headers_mut(), &told);
    }
}

impl Exchange {
    /// Compares what is kept with what the origin says to a HEAD: it holds as that says, or is kept no longer
    /// (RFC 9111 section 4.3.5).
    fn compare(&self, cache: &Cache, passing: &Passing, said: &HeaderMap) {
        let Some(request) = &passing.request else { return };
        let now = wall() / 1_000;
        self.seek(cache, &passing.asking, |seek| {
            let Some(resource) = cache.memory.shelf.get(seek) else { return };
            let suits = |object: &&Arc<Object>| cache.suits(object, request);
            let Some(object) = resource.variants().iter().find(suits) else { return };
            let open = object.open();
            let (etag, modified) = (open.value(names::ETAG), open.value(names::LAST_MODIFIED));
            let length = object.length();
            if !rules::is_of_head(said, etag.as_ref(), modified.as_ref(), length) {
                cache.memory.forget(seek, object);
                return;
            }
            let facts = Facts {
                request,
                asked: &Asked::default(),
                authorized: passing.asking.authorized,
                stamp: passing.stamp,
                sent: now,
                got: now,
            };
            // Whether it is kept on is all there is to it.
            let _ = kept::freshen(cache, &facts, seek, object, said);
        });
    }
}

/// An answer, or what is wanted of it.
fn cut(
    (status, mut headers): (StatusCode, HeaderMap),
    part: Part,
    head: &Parts,
    origin: Origin,
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
            Origin::Kept(object) => {
                status = StatusCode::PARTIAL_CONTENT;
                source = several(&spans, &mut headers, &object);
            }
            Origin::Shared(_) => source = origin.part(0, u64::MAX),
        },
        Part::Unsatisfiable => {
            status = StatusCode::RANGE_NOT_SATISFIABLE;
            without_content(&mut headers);
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

impl Origin {
    /// A part of the body, from one byte to before another.
    fn part(self, from: u64, to: u64) -> Source {
        match self {
            Self::Kept(object) => {
                let mut pieces = object.open().part(from, to);
                match (pieces.next(), pieces.clone().next()) {
                    (None, _) => Source::Empty,
                    (Some(only), None) => Source::Made(only),
                    (Some(_), Some(_)) => Source::Kept(object.open().part(from, to)),
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

/// Takes off what says something of a body that is not sent (RFC 9110 section 15.4.5).
fn without_content(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
        headers.remove(name);
    }
}

fn range(span: Span, length: u64) -> HeaderValue {
    let text = format!("bytes {}-{}/{length}", span.first, span.last);
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

/// Several parts of a body, as `multipart/byteranges` (RFC 9110 section 14.6).
fn several(spans: &[Span], headers: &mut HeaderMap, object: &Arc<Object>) -> Source {
    let (length, open) = (object.length(), object.open());
    let boundary = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let kind = headers.get(CONTENT_TYPE).cloned();
    let mut all = BytesMut::new();
    for span in spans {
        all.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
        if let Some(kind) = &kind {
            all.extend_from_slice(b"content-type: ");
            all.extend_from_slice(kind.as_bytes());
            all.extend_from_slice(b"\r\n");
        }
        let place = format!("content-range: bytes {}-{}/{length}\r\n\r\n", span.first, span.last);
        all.extend_from_slice(place.as_bytes());
        open.part(span.first, span.last + 1).for_each(|piece| all.extend_from_slice(&piece));
    }
    all.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/byteranges; boundary={boundary}");
    if let Ok(kind) = HeaderValue::try_from(kind) {
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.insert(CONTENT_LENGTH, all.len().into());
    Source::Made(all.freeze())
}
