//! The origins behind a name: choose one, send the request, bring back the answer.
//!
//! In: a request in origin form, ready to go. Out: an answer whose body still streams, or a
//! [`Failure`] with its reason. Connections are each worker's own. A request is only ever sent twice
//! if nobody saw the first try: a connection found dead, an endpoint that cannot be reached, a stream
//! of HTTP/2 that the origin turned away. Or if that does no harm: an idempotent one that a kept
//! connection took, and ended without a word. What else may be retried is policy, and not decided here.

mod body;
mod compile;
mod connect;
mod dialogue;
mod discovered;
mod endpoint;
mod failure;
mod heard;
mod http2;
mod keeper;
mod load;
mod members;
mod page;
mod pool;
mod retry;
mod roster;
mod round_robin;
mod send;
mod tls;

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header::HOST};

pub use self::{
    body::{AnswerBody, AnswerError},
    compile::Given,
    endpoint::{Endpoint, Origin},
    failure::Failure,
    load::Load,
    members::{Member, Members},
    page::Shown,
    pool::Pool,
};
use self::{
    discovered::Discovered,
    pool::Streams,
    retry::{Retry, asks_for_patience},
    roster::Roster,
};
use crate::{
    config::{self, OneOrMany},
    discovery::Running,
    message::{Phase, RequestBody, Upload},
    metrics::UpstreamMetrics,
    overload::Gate,
    reject::Reject,
    worker::{Deadline, Worker},
};

/// The origins behind a name.
#[derive(Debug)]
pub struct Upstream {
    /// The name.
    pub name: Arc<str>,
    /// How long they may take.
    pub timeout: Timeouts,
    /// What happened here.
    pub metrics: Arc<UpstreamMetrics>,
    /// Whether a call has to say whose it is.
    pub proxy_protocol: bool,
    /// How many requests may be in flight, if that is bounded.
    pub gate: Option<Gate>,
    /// The endpoints as they were written.
    written: OneOrMany<config::Endpoint>,
    host: Host,
    roster: Arc<Roster>,
    retry: Retry,
}

/// How long an origin may take for each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// To take a connection, TLS included.
    pub connect: Duration,
    /// From the request sent, all of it, to the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of the answer, or of the request's body that it takes.
    pub idle: Duration,
    /// From the first try to the end of the answer.
    pub total: Option<Duration>,
}

/// The `Host` that an origin sees.
#[derive(Clone, Debug, PartialEq)]
enum Host {
    Pass,
    Endpoint,
    Name(HeaderValue),
}

/// One request's way through an upstream.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request, until it is sent.
    pub request: Option<Request<RequestBody>>,
    /// The worker that carries it.
    pub worker: &'a Worker,
    /// How long each step may take.
    pub timeout: Timeouts,
    /// The protocol to upgrade to; such a request goes by HTTP/1.1.
    pub upgrade: Option<HeaderValue>,
    /// The end of the whole exchange.
    pub total: Option<Box<Deadline>>,
    /// What a connection begins with that is made for it: a PROXY header.
    pub introduction: Option<Arc<Vec<u8>>>,
    /// How far the client's body has come.
    upload: Option<Arc<Upload>>,
    /// Endpoints that were tried.
    pub tries: u32,
    /// How long it took to connect, if a connection was made for it; of several, the last.
    pub connect: Option<Duration>,
    /// The connection that refused its stream last.
    refused: Option<Arc<Streams>>,
    turned_away: TurnedAway,
    /// Whether a kept connection that took it ended without an answer.
    lost: bool,
    /// Whether the endpoint that failed it may have acted on it.
    seen: bool,
}

/// How often a request was turned away unseen, so that it may be begun again.
#[derive(Clone, Copy, Debug, Default)]
struct TurnedAway {
    /// By an endpoint.
    times: u8,
    /// The same since the endpoint answered somebody else.
    in_vain: u8,
    /// By a kept connection that had ended.
    unsent: u8,
    /// What the endpoint had answered when it happened last.
    answers: u16,
}

impl TurnedAway {
    /// Begun again so often, a request fails. An endpoint that retires its connections often, under load,
    /// turns away whoever comes at that moment: bad luck, which does not last.
    const MOST: u8 = 100;

    /// The same if nobody is answered meanwhile: it is no luck then.
    const MOST_IN_VAIN: u8 = 2;

    /// The same for connections that had ended: as many as a pool may have of them.
    const MOST_UNSENT: u8 = 20;

    /// Takes note of one more time; the endpoint has answered so many by now.
    const fn once_more(&mut self, answers: u16) {
        if answers != self.answers {
            self.in_vain = 0;
        }
        self.answers = answers;
        self.times = self.times.saturating_add(1);
        self.in_vain = self.in_vain.saturating_add(1);
    }

    /// Takes note that a connection ended before it took the request. That tells of the connection, not
    /// of the endpoint: of others that were kept the same may be true.
    const fn not_sent(&mut self) {
        self.unsent = self.unsent.saturating_add(1);
    }

    /// Whether the request was turned away so often that it is to fail.
    const fn too_often(self) -> bool {
        self.times > Self::MOST
            || self.in_vain > Self::MOST_IN_VAIN
            || self.unsent > Self::MOST_UNSENT
    }
}

impl<'a> Call<'a> {
    /// A request's way, with these times. The request is in origin form, with `Host`.
    pub fn new(
        request: Request<RequestBody>,
        worker: &'a Worker,
        timeout: Timeouts,
        upgrade: Option<HeaderValue>,
    ) -> Self {
        let total = timeout.total.map(|total| Box::new(Deadline::new(&worker.clock, total)));
        let upload = request.body().upload().cloned();
        let request = Some(request);
        let (tries, refused, turned_away) = (0, None, TurnedAway::default());
        Self {
            request,
            worker,
            timeout,
            upgrade,
            total,
            introduction: None,
            upload,
            tries,
            connect: None,
            refused,
            turned_away,
            lost: false,
            seen: false,
        }
    }

    /// Whether the request may be sent again although an origin may have acted on it (RFC 9110 section
    /// 9.2.2), and all of it is at hand: without a body, and not for a tunnel.
    fn may_be_repeated(&self) -> bool {
        let Some(request) = &self.request else { return false };
        let bodiless = matches!(request.body(), RequestBody::Empty);
        bodiless && request.method().is_idempotent() && self.upgrade.is_none()
    }

    /// Whether the request may be sent on another connection of an endpoint that failed it.
    fn may_begin_again(&self) -> bool {
        self.request.is_some() && !self.seen && !self.turned_away.too_often()
    }

    /// Puts a request's body back to its start, or gives the request up if that is not possible.
    fn rewind(&mut self) {
        let Some(request) = &mut self.request else { return };
        match request.body_mut().again() {
            Some(body) => *request.body_mut() = body,
            None => self.request = None,
        }
    }

    /// How long to wait before it is looked again whether the origin takes too long for the answer's
    /// head. A body that a client sends is part of the request: it has to be gone first.
    fn patience(&self) -> Duration {
        let Timeouts { first_byte, idle, .. } = self.timeout;
        match &self.upload {
            None => first_byte,
            Some(upload) => {
                upload.hand_over(&self.worker.clock);
                first_byte.min(idle)
            }
        }
    }

    /// The same once that is over.
    fn patience_left(&self) -> Result<Duration, Reject> {
        let Timeouts { first_byte, idle, .. } = self.timeout;
        let Some(upload) = &self.upload else { return Err(Reject::FirstByteTimeout) };
        upload.left(&self.worker.clock, idle, first_byte).map_err(|phase| match phase {
            Phase::Done => Reject::FirstByteTimeout,
            Phase::Taking | Phase::Sending => Reject::IdleTimeout,
        })
    }
}

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response<AnswerBody>,
    /// Who gave it.
    pub endpoint: Arc<Pool>,
}

impl Upstream {
    /// Has a request answered by one of the endpoints.
    ///
    /// # Errors
    /// Why there is no answer, from the endpoint that was tried last.
    pub async fn forward(&self, call: &mut Call<'_>) -> Result<Answer, Failure> {
        let first = match self.roster.first(call.worker) {
            // Boxed: it is rare, and every request's state would have room for it.
            None => Box::pin(self.roster.first_found(call)).await,
            first => first,
        };
        let Some(mut pool) = first else { return Err(Failure::new(Reject::NoEndpoint)) };
        let worker = call.worker.index;
        self.retry.earn(worker);
        if let Some(time) = self.retry.settings.try_timeout {
            call.timeout.first_byte = call.timeout.first_byte.min(time.0);
        }
        let mut tried = Vec::new();
        loop {
            if let Some(request) = &mut call.request {
                self.set_host(request, &pool.origin);
            }
            call.tries += 1;
            call.seen = false;
            let sent = pool.send(call).await;
            let good = match &sent {
                Ok(response) => {
                    let status = response.status().as_u16();
                    self.roster.answered(&pool, status);
                    !self.retry.is_for_status(status)
                }
                Err(failure) => {
                    self.roster.not_answered(&pool, failure);
                    false
                }
            };
            tried.push(pool);
            // Boxed: it is rare, and every request's state would have room for it.
            let next = if good { None } else { Box::pin(self.next(call, &sent, &tried)).await };
            let Some(next) = next else {
                let last = tried.pop();
                return match (sent, last) {
                    (Ok(response), Some(endpoint)) => Ok(Answer { response, endpoint }),
                    (Ok(_), None) => Err(Failure::new(Reject::Internal)),
                    (Err(failure), endpoint) => Err(Failure { endpoint, ..failure }),
                };
            };
            self.metrics.at(worker).retries.inc();
            pool = next;
        }
    }

    /// Who is to be asked next, when it is time to; nobody if what came of the last try is what comes of the
    /// request.
    async fn next(
        &self,
        call: &mut Call<'_>,
        sent: &Result<Response<AnswerBody>, Failure>,
        tried: &[Arc<Pool>],
    ) -> Option<Arc<Pool>> {
        if call.tries >= self.retry.settings.tries {
            return None;
        }
        let next = self.roster.next(call.worker, tried)?;
        let unseen = match sent {
            Ok(response) if asks_for_patience(response.headers()) => return None,
            Ok(_) => false,
            Err(failure) if call.seen && !self.retry.is_for(failure.reject) => return None,
            Err(_) => !call.seen,
        };
        call.request.as_ref()?;
        if unseen {
            return Some(next);
        }
        if !self.retry.spend(call.worker.index) {
            self.metrics.at(call.worker.index).retries_refused.inc();
            return None;
        }
        self.retry.wait(call).await.then_some(next)
    }

    /// Names the host that the endpoint is to see.
    pub fn set_host<B>(&self, request: &mut Request<B>, origin: &Origin) {
        let host = match &self.host {
            Host::Pass if request.headers().contains_key(HOST) => return,
            Host::Pass | Host::Endpoint => origin.settings.address.authority.clone(),
            Host::Name(name) => name.clone(),
        };
        request.headers_mut().insert(HOST, host);
    }

    /// Closes a worker's connections that were idle for too long.
    pub fn reap(&self, worker: &Worker) {
        self.roster.pools(worker, |pool| pool.reap(worker.clock.now()));
    }

    /// Closes the connections of a worker that ends.
    pub fn close(&self, worker: &Worker) {
        self.roster.pools(worker, Pool::close);
    }

    /// Begins to look after the endpoints, on the runtime that this is called on.
    pub fn start(&self) {
        self.roster.keep(self.roster.is_kept().then(|| keeper::keep(&self.roster)));
    }

    /// Who knows of endpoints beside those that are written down, by URL.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        let listed = self.roster.discovered.iter().flat_map(|discovered| &discovered.sources);
        listed.map(|listed| &*listed.source.url)
    }

    /// Has those asked who know of endpoints, for as long as what this gives is kept.
    pub fn ask_sources(&self) -> Vec<Arc<Running>> {
        self.roster.discovered.as_ref().map(Discovered::run).unwrap_or_default()
    }

    /// Looks after the endpoints no more: another configuration holds.
    pub fn rest(&self) {
        self.roster.keep(None);
    }

    /// The endpoints there are now.
    pub fn members(&self) -> Arc<Members> {
        self.roster.members()
    }

    /// Brings the gauges up to date.
    pub fn measure(&self) {
        self.roster.measure();
        match &self.gate {
            Some(gate) => gate.measure(),
            None => {
                self.metrics.max_in_flight.set(0);
                self.metrics.baseline.set(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a request is begun again at most if this happens each time.
    fn begun_again(mut happens: impl FnMut(&mut TurnedAway)) -> usize {
        let mut turned_away = TurnedAway::default();
        let mut times = 0;
        loop {
            happens(&mut turned_away);
            if turned_away.too_often() {
                return times;
            }
            times += 1;
        }
    }

    #[test]
    fn a_request_is_not_begun_again_without_end() {
        assert_eq!(begun_again(|away| away.once_more(7)), 2);
        assert_eq!(begun_again(|away| away.once_more(away.answers.wrapping_add(1))), 100);
        assert_eq!(begun_again(TurnedAway::not_sent), 20);
        let mut turn = 0_u16;
        let in_turns = |away: &mut TurnedAway| {
            turn += 1;
            away.not_sent();
            away.once_more(turn / 2);
        };
        assert_eq!(begun_again(in_turns), 20);
        let mut away = TurnedAway::default();
        (0..1_000).for_each(|_| away.once_more(0));
        (0..1_000).for_each(|_| away.not_sent());
        assert!(away.too_often(), "endpoints that are asked later do not make it forget");
    }
}
