//! The origins behind a name: choose one, send the request, bring back the answer.
//!
//! In: a request in origin form, ready to go. Out: an answer whose body still streams, or a
//! [`Failure`] with its reason. Connections are each worker's own. A request is only ever sent twice
//! if nobody saw the first try: a connection found dead, an endpoint that cannot be reached, a stream
//! of HTTP/2 that the origin turned away. Or if that does no harm, by its method and as the operator
//! says: `retry` decides that.

mod aim;
mod body;
mod breaker;
mod call;
mod circuit;
mod compile;
mod connect;
mod connections;
mod dialogue;
mod discovered;
mod endpoint;
mod expiry;
mod failure;
mod forward;
mod given_up;
mod guards;
mod heard;
mod hedge;
mod http2;
mod interim;
mod keeper;
mod load;
mod members;
mod page;
mod pool;
mod retry;
mod roster;
mod seats;
mod send;
mod share;
mod sharing;
mod sticky;
mod tls;

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Request, header::HOST};

pub use self::{
    aim::{Aim, Choice},
    body::{AnswerBody, AnswerError},
    call::Call,
    compile::Given,
    endpoint::{Endpoint, Origin},
    failure::Failure,
    forward::Answer,
    given_up::GivenUp,
    interim::{Before, Interim, Interims, Onward},
    load::Load,
    members::{Member, Members, Place},
    page::Shown,
    pool::Pool,
    sticky::{StickyKey, sticky_key},
};
use self::{discovered::Discovered, guards::Guards, retry::Retry, roster::Roster, seats::Seats};
use crate::{
    config::{self, OneOrMany},
    discovery::Running,
    metrics::UpstreamMetrics,
    overload::Gate,
    worker::Worker,
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
    guards: Guards,
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

impl Upstream {
    /// Names the host that the endpoint is to see.
    pub fn set_host<B>(&self, request: &mut Request<B>, origin: &Origin) {
        let host = match &self.host {
            Host::Pass if request.headers().contains_key(HOST) => return,
            Host::Pass | Host::Endpoint => origin.settings.address.authority.clone(),
            Host::Name(name) => name.clone(),
        };
        request.headers_mut().insert(HOST, host);
    }

    /// Bytes of a request's body that may be kept to send it once more.
    pub fn keeps(&self) -> u64 {
        self.retry.settings.body.0
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
        let members = self.members();
        members.bound();
        if let Some(most) = self.guards.most_connections {
            members.list.iter().for_each(|member| member.endpoint.origin.shrink(most.get()));
        }
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
        let breaker = self.guards.breaker.as_ref().map_or(0, |breaker| breaker.state().0);
        self.metrics.breaker.set(breaker.into());
        self.metrics.queue.set(self.guards.seats.as_ref().map_or(0, Seats::waiting).into());
        match &self.gate {
            Some(gate) => gate.measure(),
            None => {
                self.metrics.max_in_flight.set(0);
                self.metrics.baseline.set(0);
            }
        }
    }
}
