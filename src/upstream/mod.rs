//! The origins behind a name: choose one, send the request, bring back the answer.
//!
//! In: a request in origin form, ready to go. Out: an answer whose body still streams, or a
//! [`Failure`] with its reason. Connections are each worker's own. A request is only ever sent twice
//! if no byte of the first try left the house: a connection found dead, an endpoint that cannot be
//! reached. What else may be retried is policy, and not decided here.

mod address;
mod body;
mod compile;
mod connect;
mod endpoint;
mod failure;
mod pool;
mod resolve;
mod round_robin;
mod tls;

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header::HOST};

pub use self::{
    address::{Address, Place},
    body::{AnswerBody, AnswerError},
    endpoint::Endpoint,
    failure::Failure,
};
use self::{endpoint::Attempt, round_robin::RoundRobin};
use crate::{
    message::RequestBody,
    metrics::UpstreamMetrics,
    reject::Reject,
    worker::{Deadline, Worker},
};

/// The origins behind a name.
#[derive(Debug)]
pub struct Upstream {
    /// The name.
    pub name: Arc<str>,
    /// The origins.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// How long they may take.
    pub timeout: Timeouts,
    /// What happened here.
    pub metrics: Arc<UpstreamMetrics>,
    host: Host,
    balance: RoundRobin,
}

/// How long an origin may take for each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// To take a connection, TLS included.
    pub connect: Duration,
    /// From the request sent to the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
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
    /// The worker that carries it.
    pub worker: &'a Worker,
    /// How long each step may take.
    pub timeout: Timeouts,
    /// The protocol to upgrade to; such a request goes by HTTP/1.1.
    pub upgrade: Option<HeaderValue>,
    /// The end of the whole exchange.
    pub total: Option<Deadline>,
    /// Endpoints that were tried.
    pub tries: u32,
}

impl<'a> Call<'a> {
    /// A way with these times.
    pub fn new(worker: &'a Worker, timeout: Timeouts, upgrade: Option<HeaderValue>) -> Self {
        let total = timeout.total.map(|total| Deadline::new(&worker.clock, total));
        Self { worker, timeout, upgrade, total, tries: 0 }
    }
}

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response<AnswerBody>,
    /// Who gave it: the endpoint's place in its upstream.
    pub endpoint: usize,
}

impl Upstream {
    /// Has a request answered by one of the endpoints.
    ///
    /// # Errors
    /// Why there is no answer, from the endpoint that was tried last.
    pub async fn forward(
        &self,
        mut request: Request<RequestBody>,
        call: &mut Call<'_>,
    ) -> Result<Answer, Failure> {
        let Some(first) = self.balance.next(call.worker.index) else {
            return Err(Failure::new(Reject::NoEndpoint));
        };
        let count = self.endpoints.len();
        let mut last = None;
        for offset in 0..count {
            let index = (first + offset) % count;
            let endpoint = &self.endpoints[index];
            if offset > 0 {
                self.metrics.at(call.worker.index).retries.inc();
            }
            self.set_host(&mut request, endpoint);
            call.tries += 1;
            match endpoint.send(request, call).await {
                Ok(response) => return Ok(Answer { response, endpoint: index }),
                Err(Attempt { failure, request: Some(unsent) }) => {
                    request = unsent;
                    last = Some(Failure { endpoint: Some(index), ..failure });
                }
                Err(Attempt { failure, request: None }) => {
                    return Err(Failure { endpoint: Some(index), ..failure });
                }
            }
        }
        Err(last.unwrap_or(Failure::new(Reject::NoEndpoint)))
    }

    /// Names the host that the endpoint is to see.
    pub fn set_host<B>(&self, request: &mut Request<B>, endpoint: &Endpoint) {
        let host = match &self.host {
            Host::Pass if request.headers().contains_key(HOST) => return,
            Host::Pass | Host::Endpoint => endpoint.settings.address.authority.clone(),
            Host::Name(name) => name.clone(),
        };
        request.headers_mut().insert(HOST, host);
    }

    /// Closes a worker's connections that were idle for too long.
    pub fn reap(&self, worker: &Worker) {
        self.endpoints.iter().for_each(|endpoint| endpoint.reap(worker));
    }
}
