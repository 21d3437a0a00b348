//! The facts of one request and its answer, from the first byte to the last.
//!
//! Made when the head was read, it goes with the request through the stages and then with the
//! answer's body to its end, where it counts and logs. Stages add what they find out and read what
//! others did; nothing here decides anything.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version,
    header::{
        ACCEPT, ALLOW, CONNECTION, REFERER, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, USER_AGENT,
    },
    request::Parts,
};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    answer::{self, Body},
    cached::Passing,
    calls::Speech,
    graphql::Questions,
    pages::Page,
    source::Source,
    tunnel::Tunnel,
};
use crate::{
    auth::{Denial, Identity, Login},
    cors::Preflight,
    limit::Pass,
    message::{
        BodyLimits, InFlight, REQUEST_ID, RequestBody, Scheme, Signal, Upload, Violations,
        client_address, client_scheme, request_id,
    },
    metrics::{Cached, Finished},
    overload::Slot,
    reject::Reject,
    route::{Found, Query},
    snapshot::{Listener, Route, Snapshot, View},
    transform::Known,
    translate::Spoken,
    upstream::{GivenUp, Pool, Upstream},
};

/// The facts of one request and its answer.
pub struct Exchange {
    /// The world it lives in, from start to end.
    pub world: Arc<View>,
    /// Where it came in.
    pub listener: Arc<Listener>,
    /// Whose it is.
    pub client: InFlight,
    /// The client's address, as trusted peers tell it.
    pub client_ip: Option<IpAddr>,
    /// What the client asked for.
    pub host: Option<HeaderValue>,
    pub(super) started: Instant,
    pub(super) method: Method,
    pub(super) target: Uri,
    /// The same as its origin gets it, if that is something else: without dot segments.
    pub(super) resolved: Option<Box<Uri>>,
    pub(super) version: Version,
    /// How the client came, as trusted peers tell it.
    pub(super) scheme: Scheme,
    pub(super) id: HeaderValue,
    pub(super) accept: Option<HeaderValue>,
    pub(super) agent: Option<HeaderValue>,
    pub(super) referer: Option<HeaderValue>,
    /// The number of the rule that takes it.
    pub(super) rule: Option<usize>,
    /// The number of the way that it goes, where its route has several.
    pub(super) way: usize,
    /// The endpoint that answered or was tried last.
    pub(super) endpoint: Option<Arc<Pool>>,
    /// The one that had it when its client left.
    pub(super) given_up: GivenUp,
    pub(super) tries: u32,
    /// Microseconds that others took to say who makes the request, if they were asked.
    pub(super) identify: Option<u64>,
    /// Microseconds that it waited for its turn at limits, if it did.
    pub(super) waited: Option<u64>,
    /// Microseconds that connecting to the endpoint took, if a connection was made.
    pub(super) connect: Option<u64>,
    /// Microseconds from the request's first byte to the head of the origin's answer.
    pub(super) first_byte: Option<u64>,
    /// How far the request's body has come, if it has one.
    pub(super) upload: Option<Arc<Upload>>,
    pub(super) sent: u64,
    pub(super) status: Option<StatusCode>,
    pub(super) reject: Option<Reject>,
    /// What the system or library said of a failure upstream.
    pub(super) cause: Option<Box<str>>,
    /// What rules in trial would have refused it for.
    pub(super) reported: Option<Reject>,
    /// Who makes the request.
    pub(super) who: Identity,
    /// What it got from the limits of its route, some of it until it ends.
    pub(super) pass: Pass,
    /// Where a browser goes to log in rather than being refused.
    pub(super) login: Option<Box<Login>>,
    /// Cookies that the client is told whatever comes of the request.
    pub(super) cookies: Vec<HeaderValue>,
    /// When it may be worth to come again after a refusal.
    pub(super) retry_after: Option<Duration>,
    /// The answer of whoever refused it.
    pub(super) denial: Option<Arc<Denial>>,
    /// What its contract says is wrong with it.
    pub(super) violations: Option<Box<Violations>>,
    /// What it asks of a service of GraphQL.
    pub(super) asked: Option<Box<Questions>>,
    /// What its answer is to become for the client.
    pub(super) speech: Option<Box<Speech>>,
    /// What its client speaks, where the origin may speak something else.
    pub(super) spoken: Option<Spoken>,
    /// What the filters of its answer are to know, where there are any.
    pub(super) filtered: Option<Box<Known>>,
    /// Whether its answer is held to a contract.
    pub(super) promised: bool,
    /// Whether it goes on unread because it is to become a tunnel, so that no other success answers it.
    pub(super) unread: bool,
    /// The page that it is of, on a route that says what pages may.
    pub(super) page: Option<Box<Page>>,
    /// Whether it has a place in the gateway, and the bytes that it may hold there.
    pub(super) entered: bool,
    pub(super) held: u64,
    /// Its place at its upstream, where those are counted.
    pub(super) slot: Option<Slot>,
    /// What became of it at the cache of its route, and what is known of it there until its answer comes.
    pub(super) cached: Option<Cached>,
    pub(super) passing: Option<Box<Passing>>,
    /// What its answer is kept under, if it is to say so.
    pub(super) cache_key: Option<Box<str>>,
    /// The tunnel that opens when the answer is sent.
    pub(super) tunnel: Option<Box<Tunnel>>,
    /// Whether this is a dry run, which nobody counts and logs.
    pub(super) rehearsed: bool,
}

impl Exchange {
    /// A request whose head was read.
    pub(super) fn begin(
        world: Arc<View>,
        listener: Arc<Listener>,
        client: InFlight,
        head: &Parts,
    ) -> Box<Self> {
        let started = Instant::now();
        let (headers, trusted) = (&head.headers, &listener.trusted);
        let client_ip = client_address(&client, headers, trusted, listener.client_address);
        // Made where it stays.
        Box::write(
            Box::new_uninit(),
            Self {
                scheme: client_scheme(headers, &client),
                id: request_id(&client, headers, started),
                client_ip,
                world,
                listener,
                client,
                host: None,
                started,
                method: head.method.clone(),
                target: head.uri.clone(),
                version: head.version,
                accept: None,
                agent: None,
                referer: None,
                rule: None,
                way: 0,
                endpoint: None,
                given_up: GivenUp::default(),
                tries: 0,
                identify: None,
                waited: None,
                connect: None,
                first_byte: None,
                upload: None,
                sent: 0,
                status: None,
                reject: None,
                cause: None,
                reported: None,
                who: Identity::Stranger,
                pass: Pass::default(),
                login: None,
                cookies: Vec::new(),
                retry_after: None,
                denial: None,
                violations: None,
                asked: None,
                speech: None,
                spoken: None,
                filtered: None,
                promised: false,
                unread: false,
                page: None,
                entered: false,
                held: 0,
                slot: None,
                cached: None,
                passing: None,
                cache_key: None,
                resolved: None,
                tunnel: None,
                rehearsed: false,
            },
        )
    }

    /// Notes what a valid request asks for.
    pub(super) fn name(
        &mut self,
        host: Option<HeaderValue>,
        accept: Option<HeaderValue>,
        head: &Parts,
    ) {
        self.host = host;
        self.accept = accept;
        if self.world.access_log.is_on() {
            self.agent = head.headers.get(USER_AGENT).cloned();
            self.referer = head.headers.get(REFERER).cloned();
        }
    }

    /// Takes in the request's body, counted and watched. The bound on its size is the route's, which
    /// is not known yet.
    pub(super) fn receive(&mut self, body: Option<Incoming>) -> RequestBody {
        let Some(body) = body else { return RequestBody::Empty };
        let limits = BodyLimits { size: u64::MAX, ..self.listener.body };
        let rouser = (self.version < Version::HTTP_2).then_some(&self.client.rouser);
        let (clock, reserved) = (&self.client.worker.clock, &self.world.reserved);
        let body = RequestBody::from_client(body, limits, clock, reserved, rouser);
        self.upload = body.upload().cloned();
        body
    }

    /// The port of https that the client is sent to, if it came in clear where that is not taken.
    pub(super) fn sent_to_https(&self) -> Option<u16> {
        self.listener.redirect_to_https.filter(|_| self.scheme == Scheme::Http)
    }

    /// What the client asked for, in one form.
    pub(super) fn resource(&self) -> &Uri {
        self.resolved.as_deref().unwrap_or(&self.target)
    }

    /// What the route table is asked.
    pub(super) fn query<'q, 'p>(
        &'q self,
        target: &'p Uri,
        method: &'q Method,
        headers: &'q HeaderMap,
    ) -> Query<'q, 'p>
    where
        'p: 'q,
    {
        Query {
            listener: self.listener.id,
            host: self.host.as_ref().map(HeaderValue::as_bytes),
            path: target.path(),
            query: target.query(),
            method,
            headers,
        }
    }

    /// The route that takes the request, which is noted.
    #[inline]
    pub(super) fn find<'w, 'p>(
        &mut self,
        world: &'w Snapshot,
        head: &Parts,
        target: &'p Uri,
    ) -> Found<'w, 'p, Route> {
        if head.method == Method::OPTIONS
            && let Some((asked, found)) = self.ahead_of(world, head, target)
        {
            self.is_taken(&found, head, Some(asked));
            return found;
        }
        let found = world.routes.find(&self.query(target, &head.method, &head.headers));
        self.is_taken(&found, head, None);
        found
    }

    /// Notes the route that takes the request; and what a page asks ahead, if this is only that.
    #[inline]
    fn is_taken(&mut self, found: &Found<'_, '_, Route>, head: &Parts, asked: Option<Preflight>) {
        if let Found::Route { target: route, rule, .. } = found {
            self.rule = Some(*rule);
            if route.cors.is_some() {
                self.note_page(&head.headers, asked);
            }
        }
    }

    /// The route that takes the request, once it is known.
    pub(super) fn route(&self) -> Option<&Route> {
        self.rule.map(|rule| &self.world.routes.targets()[rule])
    }

    /// The upstream that it goes to, if it goes to one.
    pub(super) fn upstream(&self) -> Option<&Upstream> {
        Some(&self.route()?.target.way(self.way)?.upstream)
    }

    /// The answer where no route takes the request: to a method, with those that are taken.
    pub(super) fn nowhere(
        &mut self,
        found: &Found<'_, '_, Route>,
    ) -> Result<Response<Source>, Reject> {
        let allowed = match found {
            Found::MethodNotAllowed { allowed } => allowed,
            Found::Doubtful => return Err(Reject::RequestTarget),
            Found::Route { .. } | Found::None => return Err(Reject::NoRoute),
        };
        let list: Vec<_> = allowed.iter().map(Method::as_str).collect();
        let mut response = self.problem(Reject::MethodNotAllowed);
        if let Ok(list) = HeaderValue::try_from(list.join(", ")) {
            response.headers_mut().insert(ALLOW, list);
        }
        Ok(response)
    }

    /// The answer that says why a request ends early.
    pub(super) fn problem(&mut self, reject: Reject) -> Response<Source> {
        self.reject = Some(reject);
        if let Some(denial) = self.denial.take() {
            return denial.answer().map(Source::from);
        }
        // What the guard refuses ends the connection.
        let last = self.client.state.refusal() == Some(reject);
        let wrong = self.violations.as_deref();
        let answer = answer::problem(reject, self.accept.as_ref(), &self.id, last, wrong);
        let mut answer = answer.map(Source::from);
        if self.route().is_some_and(Route::is_guarded) {
            self.say_in_graphql(reject, &mut answer);
        }
        if let Some(wait) = self.retry_after {
            // Whoever comes at the very second comes too early.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            answer.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(login) = self.login.take() {
            return answer::login(*login);
        }
        if let Some(route) = self.route() {
            route.auth.challenge(reject, &self.who, &self.method, answer.headers_mut());
        }
        answer
    }

    /// Puts into an answer what every answer has.
    pub(super) fn sign(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.id.clone());
        self.tell_limits(headers);
        // Browsers take it over TLS alone, so what ends that must not send it either (RFC 6797 section 7.2).
        if let Some(hsts) = &self.listener.hsts
            && self.scheme == Scheme::Https
        {
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }

    /// Sends an answer; from here on the exchange goes with its body.
    pub(super) fn answer(mut self: Box<Self>, mut response: Response<Source>) -> Response<Body> {
        self.status = Some(response.status());
        if self.client.state.has_before() && self.version < Version::HTTP_2 {
            // It is too late for it.
            self.client.state.take_before();
        }
        answer::without_body(&mut response, self.method == Method::HEAD);
        self.sign(response.headers_mut());
        self.set_cookies(response.headers_mut());
        if self.page.is_some() {
            self.sign_for_page(response.headers_mut());
        }
        if self.client.state.signal() >= Signal::Leave
            && self.version < Version::HTTP_2
            && self.tunnel.is_none()
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match self.tunnel.take() {
            None => {
                let pace = self.pace();
                response.map(|source| Body::new(source, pace, Some(self)))
            }
            Some(tunnel) => {
                self.client.state.switch();
                tokio::spawn(tunnel.run(self));
                response.map(|source| Body::new(source, None, None))
            }
        }
    }

    /// Sends the answer that says why the request ends early.
    /// `head` is what is left of the request's.
    pub(super) fn refuse(mut self: Box<Self>, reject: Reject, head: &Parts) -> Response<Body> {
        if self.accept.is_none() {
            // It was refused before its fields were gone through.
            self.accept = head.headers.get(ACCEPT).cloned();
        }
        let response = self.problem(reject);
        self.answer(response)
    }

    /// Lets go of the answer, when its body is over or was dropped before.
    pub(super) fn leave(&mut self, over: bool) {
        if !over {
            self.bequeath();
        }
        let state = &self.client.state;
        if !over || state.is_cutting() {
            self.reject.get_or_insert_with(|| state.broke_off());
        }
    }

    fn end(&mut self) {
        let micros = self.started.elapsed().as_micros();
        let finished = Finished {
            status: self.status.map(|status| status.as_u16()),
            micros: u64::try_from(micros).unwrap_or(u64::MAX),
            bytes_in: self.upload.as_ref().map_or(0, |upload| upload.received()),
            bytes_out: self.sent,
        };
        let worker = self.client.worker.index;
        let metrics = self.route().map_or(&self.world.no_route, |route| &route.metrics);
        metrics.finish(worker, &finished);
        if let Some(reject) = self.reject {
            metrics.reject(worker, reject as usize);
        }
        if self.world.access_log.is_on() && self.route().is_none_or(|route| route.log) {
            self.world.access_log.write(worker, &self.record(&finished));
        }
    }
}

impl Drop for Exchange {
    /// However it ends, it ends once: a client that goes away drops its requests.
    fn drop(&mut self) {
        if self.status.is_none() {
            self.leave(false);
            if let Some(at) = self.given_up.take() {
                (self.endpoint, self.tries) = (Some(at.endpoint), at.number);
            }
            if self.passing.is_some() && !self.rehearsed {
                self.went_unheard();
            }
        }
        if !self.rehearsed {
            self.end();
        }
        self.give_back();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("id", &self.id).finish_non_exhaustive()
    }
}
