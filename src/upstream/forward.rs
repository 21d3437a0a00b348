//! The way of a request to an endpoint, and to the next one if that fails it.
//!
//! What nobody has seen goes on by itself; of the rest `retry` says what goes on and how often.

use std::{sync::Arc, time::Duration};

use http::Response;
use tokio::time::Instant;

use super::{
    Aim, Call, Failure, Upstream,
    body::AnswerBody,
    breaker::Breaker,
    given_up::AtEndpoint,
    members::Comer,
    pool::Pool,
    retry::{Retrying, asks_for_patience},
    roster::is_its_fault,
};
use crate::{
    reject::Reject,
    worker::{Deadline, Worker},
};

/// When it may be worth to come again to who is busy: others have done soon, or not; who knows.
const SOON: Duration = Duration::from_secs(1);

/// What came of a try.
pub(super) type Sent = Result<Response<Box<AnswerBody>>, Failure>;

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response<Box<AnswerBody>>,
    /// Who gave it.
    pub endpoint: Arc<Pool>,
}

impl Answer {
    /// Looks at what came with the answer's head.
    ///
    /// # Errors
    /// That what came of its body is broken, so that it is no answer.
    fn begin(&mut self) -> Result<(), Failure> {
        self.response.body_mut().begin().map_err(|error| {
            let endpoint = Some(self.endpoint.clone());
            Failure { endpoint, ..Failure::caused(error.reject(), error) }
        })
    }
}

impl Upstream {
    /// Has a request answered by one of the endpoints.
    ///
    /// # Errors
    /// Why there is no answer, from the endpoint that was tried last.
    pub async fn forward(&self, call: &mut Call<'_>) -> Result<Answer, Failure> {
        let permit = match &self.guards.breaker {
            None => None,
            Some(breaker) => match breaker.enter() {
                Ok(permit) => Some(permit),
                Err(()) => return Err(Failure::new(Reject::BreakerOpen)),
            },
        };
        let mut answer = self.send(call).await;
        call.arrived |= call.lost;
        match &mut answer {
            Ok(begun) => {
                if let Err(broken) = begun.begin() {
                    answer = Err(Failure { arrived: true, ..broken });
                }
            }
            Err(failure) => failure.arrived = call.arrived,
        }
        if let Some(permit) = permit {
            permit.tell(self.verdict(call, &answer), call.worker.index);
        }
        answer
    }

    async fn send(&self, call: &mut Call<'_>) -> Result<Answer, Failure> {
        self.retry.begin(call);
        if let Some(most) = self.guards.most_connections {
            call.most_connections = most.get();
        }
        let mut pool = match self.first_endpoint(call) {
            Some(pool) => pool,
            None => {
                let pool = Box::pin(self.wait(call)).await?;
                // What it waited for is not the endpoint's time.
                call.aim.now = call.aim.now.map(|_| Instant::now());
                pool
            }
        };
        // When it was sent, where it is asked how long that takes.
        let mut since = call.aim.now;
        let upload = since.and_then(|_| call.upload.clone()).inspect(|upload| upload.time());
        let mut tried = Vec::new();
        let mut _retrying = None;
        loop {
            self.address(call, &pool);
            call.tries += 1;
            call.seen = false;
            // Boxed, as is all that is rare: every request's state would have room for it.
            let mut sent = match self.may_hedge(call) {
                None => {
                    let at_endpoint = AtEndpoint::new(call, &pool);
                    let sent = pool.send(call).await;
                    at_endpoint.end();
                    sent
                }
                Some(after) => {
                    let alone = tried.len();
                    let sent = Box::pin(self.send_hedged(after, call, &mut pool, &mut tried)).await;
                    // Of two at a time it is not known when which was asked.
                    since = since.filter(|_| tried.len() == alone);
                    sent
                }
            };
            if let Some(since) = since {
                let answer = sent.as_ref().map(|response| response.status().as_u16());
                self.roster.took(&pool, since, upload.as_deref(), answer);
            }
            self.note(&pool, &sent);
            if self.is_good(&sent) {
                return come_to(sent, Some(pool));
            }
            let acted = sent.is_ok() || call.seen || call.lost;
            // Who has all its connections was not asked.
            let passed = sent.as_ref().is_err_and(|it| it.reject == Reject::UpstreamBusy);
            call.tries -= u32::from(passed);
            tried.push(pool);
            let next = Box::pin(self.next(call, &mut sent, &tried)).await;
            let Some((next, retrying)) = next else {
                // What came of it says itself what that endpoint did.
                call.arrived |= acted && sent.is_err();
                return come_to(sent, tried.pop());
            };
            call.arrived |= acted;
            if !passed {
                self.metrics.at(call.worker.index).retries.inc();
            }
            (pool, _retrying) = (next, retrying);
            // Only here a clock is read for it.
            since = since.map(|_| Instant::now());
        }
    }

    /// Who is to be asked next, when it is time to; nobody if what came of the last try is what comes of the
    /// request.
    async fn next(
        &self,
        call: &mut Call<'_>,
        sent: &mut Sent,
        tried: &[Arc<Pool>],
    ) -> Option<(Arc<Pool>, Option<Retrying<'_>>)> {
        call.seat = None;
        if call.tries >= self.retry.settings.tries {
            return None;
        }
        let unseen = match &*sent {
            Ok(response) if asks_for_patience(response.headers()) => return None,
            Ok(_) => false,
            Err(failure) if call.seen && !self.retry.is_for(failure.reject) => return None,
            Err(_) => !call.seen,
        };
        let possible = if unseen { call.is_at_hand() } else { call.may_be_repeated() };
        if !possible {
            return None;
        }
        let next = self.next_endpoint(call, tried)?;
        let mut retrying = None;
        if !unseen {
            retrying = self.retry.spend(call.worker.index);
            if retrying.is_none() {
                self.metrics.at(call.worker.index).retries_refused.inc();
                call.seat = None;
                return None;
            }
        }
        // The try before takes no more of the body from now on, and its times are those of the next.
        call.rewind();
        if let Ok(response) = sent {
            response.body_mut().swap(call);
        }
        if unseen || self.retry.wait(call).await {
            return Some((next, retrying));
        }
        if let Ok(response) = sent {
            response.body_mut().swap(call);
        }
        None
    }

    /// Makes the request one for this endpoint.
    pub(super) fn address(&self, call: &mut Call<'_>, pool: &Pool) {
        let Some(request) = &mut call.request else { return };
        self.set_host(request, &pool.origin);
        if let Some(expiry) = &call.expiry {
            expiry.write(request.headers_mut(), Instant::now());
        }
    }

    /// Takes note of what came of a try.
    #[inline]
    pub(super) fn note(&self, pool: &Pool, sent: &Sent) {
        match sent {
            Ok(response) => self.roster.answered(pool, response.status().as_u16()),
            Err(failure) => self.roster.not_answered(pool, failure),
        }
    }

    /// Whether this is what comes of the request, whatever another endpoint would say.
    #[inline]
    pub(super) fn is_good(&self, sent: &Sent) -> bool {
        let status = |response: &Response<_>| response.status().as_u16();
        sent.as_ref().is_ok_and(|response| !self.retry.is_for_status(status(response)))
    }

    /// Whether a request went well or was failed by the upstream, if it says either.
    fn verdict(&self, call: &Call<'_>, answer: &Result<Answer, Failure>) -> Option<bool> {
        let reject = match answer {
            Ok(answer) => {
                return Some(!self.roster.is_failure(answer.response.status().as_u16()));
            }
            Err(failure) => failure.reject,
        };
        let failed = match reject {
            Reject::IdleTimeout => true,
            // Not if a client wanted it so, or may itself have been slow: no breaker is opened by that.
            Reject::TotalTimeout => call.expiry.is_none() && call.upload.is_none(),
            _ => is_its_fault(reject),
        };
        failed.then_some(false)
    }

    /// The endpoint to ask, as this worker's connections to it.
    #[inline]
    pub fn choose(&self, worker: &Worker, aim: Aim) -> Option<Arc<Pool>> {
        self.roster.first(&Comer { worker, aim })
    }

    /// The first endpoint to ask, if it can be said at once.
    #[inline]
    fn first_endpoint(&self, call: &mut Call<'_>) -> Option<Arc<Pool>> {
        let Some(seats) = &self.guards.seats else { return self.choose(call.worker, call.aim) };
        let (pool, seat) = seats.first(&self.roster, &call.comer())?;
        call.seat = Some(seat);
        Some(pool)
    }

    /// Who is to be asked after those that were tried.
    pub(super) fn next_endpoint(
        &self,
        call: &mut Call<'_>,
        tried: &[Arc<Pool>],
    ) -> Option<Arc<Pool>> {
        let comer = call.comer();
        let Some(seats) = &self.guards.seats else { return self.roster.next(&comer, tried) };
        let (pool, seat) = seats.after(&self.roster, &comer, tried)?;
        call.seat = Some(seat);
        Some(pool)
    }

    /// The endpoint that is found, or that has room, first.
    async fn wait(&self, call: &mut Call<'_>) -> Result<Arc<Pool>, Failure> {
        if self.roster.settled(call).await
            && let Some(pool) = self.first_endpoint(call)
        {
            return Ok(pool);
        }
        let Some(seats) = &self.guards.seats else { return Err(Failure::new(Reject::NoEndpoint)) };
        let (pool, seat) = seats.wait(&self.roster, call).await.map_err(Failure::new)?;
        call.seat = Some(seat);
        Ok(pool)
    }

    /// Takes in when the client gives the request up, of which the first byte came `started`.
    ///
    /// # Errors
    /// That is over.
    #[inline]
    pub fn expire(&self, call: &mut Call<'_>, started: Instant) -> Result<(), Reject> {
        if self.guards.expiries.is_on() { self.find_expiry(call, started) } else { Ok(()) }
    }

    #[cold]
    fn find_expiry(&self, call: &mut Call<'_>, started: Instant) -> Result<(), Reject> {
        let Some(request) = &call.request else { return Ok(()) };
        let (now, total) = (Instant::now(), call.timeout.total);
        let found = self.guards.expiries.find(request.headers(), started, total, now);
        let Some(expiry) = found else { return Ok(()) };
        let left = expiry.at.saturating_duration_since(now);
        if left.is_zero() {
            return Err(Reject::TotalTimeout);
        }
        call.total = Some(Box::new(Deadline::new(&call.worker.clock, left)));
        call.expiry = Some(Box::new(expiry));
        Ok(())
    }

    /// When it may be worth to come again after this refusal, if anything is known of it.
    pub fn retry_after(&self, reject: Reject) -> Option<Duration> {
        match reject {
            Reject::BreakerOpen => {
                let left = self.guards.breaker.as_ref().map(Breaker::left).unwrap_or_default();
                Some(left.max(SOON))
            }
            Reject::UpstreamBusy
            | Reject::QueueFull
            | Reject::QueueTimeout
            | Reject::OverloadSystem => Some(SOON),
            _ => None,
        }
    }
}

/// What comes of a request of which this endpoint had the last try.
#[inline]
fn come_to(sent: Sent, endpoint: Option<Arc<Pool>>) -> Result<Answer, Failure> {
    match (sent, endpoint) {
        (Ok(response), Some(endpoint)) => Ok(Answer { response, endpoint }),
        (Ok(_), None) => Err(Failure::new(Reject::Internal)),
        (Err(failure), endpoint) => Err(Failure { endpoint, ..failure }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each request in flight has one of these: what is rare is boxed, so that it stays small.
    #[test]
    fn the_way_of_a_request_stays_small() {
        fn size<F>(_: fn(&'static Upstream, &'static mut Call<'static>) -> F) -> usize {
            size_of::<F>()
        }
        let (way, call) = (size(|upstream, call| upstream.forward(call)), size_of::<Call<'_>>());
        println!("the way of a request: {way} bytes, the call: {call} bytes");
        assert!(way <= 1_100 && call <= 520, "{way} {call}");
    }
}
