//! Whether there is room for an exchange: in the gateway, once its route is known, and at its upstream.
//!
//! In: an exchange as it comes, is answered and ends. Out: nothing; or the refusal. What it takes is given
//! back when it ends. Who makes it is only looked at where there is not room for all: a client that broke a
//! limit lately counts as one priority lower, by its address before it is known, by its identity after.

use std::{sync::Arc, time::Duration};

use http::{Response, StatusCode, Version};
use hyper::body::Body as _;
use tokio::time::Instant;

use super::exchange::Exchange;
use crate::{
    config::Priority,
    key::Who,
    message::RequestBody,
    overload::{AHEAD, Gate, Outcome, SMALL, Slot},
    reject::Reject,
    snapshot::Route,
    upstream::{Answer, Failure, Upstream},
};

/// When it may be worth to come again: others have done soon, or not; who knows.
const SOON: Duration = Duration::from_secs(1);

/// Bytes of an upload that hyper's buffers hold by HTTP/1, and what is kept of one to be sent again if its
/// upstream does not say more.
const BUFFER: u64 = 64 << 10;
const KEPT: u64 = 64 << 10;

impl Exchange {
    /// Takes a place in the gateway, and memory for the body that comes.
    #[inline]
    pub(super) fn come_in(&mut self, body: &RequestBody) -> Result<(), Reject> {
        if !self.world.overload.enter(self.client.worker.index) {
            let priority = self.priority(self.route());
            let entered = self.world.overload.enter_by(self.client.worker.index, priority);
            entered.map_err(|reject| self.shed(reject, priority))?;
        }
        self.entered = true;
        if self.upload.is_some() { self.expect_upload(body) } else { Ok(()) }
    }

    /// Takes the memory that a body may take.
    fn expect_upload(&mut self, body: &RequestBody) -> Result<(), Reject> {
        let buffer = match self.version {
            Version::HTTP_2 => self.listener.http2.window.0,
            _ => BUFFER,
        };
        // Which way it goes is not known yet.
        let ways = self.route().map(|route| route.target.ways()).unwrap_or_default();
        let kept = ways.iter().map(|way| way.upstream.keeps()).fold(KEPT, u64::max);
        let buffers = buffer.saturating_add(kept);
        let size = body.size_hint().exact().unwrap_or(u64::MAX);
        let bytes = buffers.min(size).saturating_sub(SMALL);
        if bytes == 0 {
            return Ok(());
        }
        self.hold(bytes)
    }

    /// Takes memory for a piece of a body that is held.
    pub(super) fn hold(&mut self, bytes: u64) -> Result<(), Reject> {
        if self.rehearsed {
            return Ok(());
        }
        let (overload, worker) = (&self.world.overload, self.client.worker.index);
        let expected = overload.expect(worker, bytes, || self.priority(self.route()));
        expected.map_err(|priority| self.shed(Reject::OverloadMemory, priority))?;
        self.held += bytes;
        Ok(())
    }

    /// Notes that an answer has come as far as it has, from `before`.
    #[inline]
    pub(super) fn carry(&mut self, before: u64) {
        let bytes = self.sent.clamp(SMALL, AHEAD) - before.clamp(SMALL, AHEAD);
        if bytes > 0 {
            self.world.overload.carry(self.client.worker.index, bytes);
            self.held += bytes;
        }
    }

    /// Takes a place at the route's upstream, if those are counted.
    #[inline]
    pub(super) fn enter_upstream(&mut self, route: &Route) -> Result<(), Reject> {
        let Some(way) = route.target.way(self.way) else { return Ok(()) };
        let Some(gate) = &way.upstream.gate else { return Ok(()) };
        // No clock is read for it: what came before was timed.
        let before = self.identify.unwrap_or(0) + self.waited.unwrap_or(0);
        let now = self.started + Duration::from_micros(before);
        let worker = self.client.worker.index;
        match gate.enter(now, worker, || self.priority(Some(route))) {
            Ok(slot) => self.slot = Some(slot),
            Err(_) => {
                self.retry_after = Some(SOON);
                return Err(Reject::OverloadUpstream);
            }
        }
        if gate.is_adaptive()
            && let Some(upload) = &self.upload
        {
            upload.time();
        }
        Ok(())
    }

    /// Tells the gate what a request came to.
    pub(super) fn tell(&mut self, gate: &Gate, answer: &Result<Answer, Failure>, now: Instant) {
        let Some(slot) = &mut self.slot else { return };
        let ended = self.upload.as_ref().map(|upload| upload.ended());
        let outcome = match answer {
            Ok(answer) => outcome(&answer.response, ended == Some(None)),
            Err(failure) => failure.outcome(),
        };
        gate.tell(slot, outcome, ended.flatten(), now, self.client.worker.index);
    }

    /// Gives back the place at the upstream.
    pub(super) fn leave_upstream(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        if let Some(upstream) = self.upstream()
            && let Some(gate) = &upstream.gate
        {
            gate.leave(slot, self.client.worker.index, Instant::now);
        }
    }

    /// Gives back all that it took.
    #[inline]
    pub(super) fn give_back(&mut self) {
        self.leave_upstream();
        if self.entered {
            self.world.overload.leave(self.client.worker.index, self.held);
        }
    }

    /// Who goes first.
    #[cold]
    fn priority(&self, route: Option<&Route>) -> Priority {
        let priority = route.map_or(Priority::Normal, |route| route.priority);
        let who = self.who.principal().map(|who| who as &dyn Who);
        match self.world.limits.standing().is_good(self.client_ip, who, self.started) {
            true => priority,
            false => priority.lower(),
        }
    }

    #[cold]
    fn shed(&mut self, reject: Reject, priority: Priority) -> Reject {
        let memory = reject == Reject::OverloadMemory;
        let process = self.world.metrics.process();
        process.shed(self.client.worker.index, priority as usize, memory);
        self.retry_after = Some(SOON);
        reject
    }

    /// How much room there is at an upstream, for people.
    pub(super) fn explain_room(&self, gate: &Gate, route: &Route) -> String {
        let priority = self.priority(Some(route));
        let (in_flight, limit, part) = gate.now(priority);
        let kind = if gate.is_adaptive() { ", which finds itself" } else { "" };
        let lowered = match priority == route.priority {
            true => "",
            false => ", lowered for a limit that the client broke",
        };
        format!(
            "{in_flight} in flight of {limit}{kind}, {part} for {} priority{lowered}",
            priority.name()
        )
    }
}

/// A place at an upstream that is not an exchange's.
pub(super) struct Room {
    upstream: Arc<Upstream>,
    slot: Option<Slot>,
    worker: usize,
}

impl Room {
    /// A place for what nobody waits for, which goes last; none if there is no room.
    pub(super) fn enter(upstream: &Arc<Upstream>, worker: usize) -> Option<Self> {
        let slot = match &upstream.gate {
            None => None,
            Some(gate) => Some(gate.enter(Instant::now(), worker, || Priority::Low).ok()?),
        };
        Some(Self { upstream: upstream.clone(), slot, worker })
    }

    /// The place of an exchange.
    pub(super) fn of(exchange: &mut Exchange, upstream: &Arc<Upstream>) -> Self {
        let worker = exchange.client.worker.index;
        Self { upstream: upstream.clone(), slot: exchange.slot.take(), worker }
    }

    /// Gives it to an exchange.
    pub(super) fn give(mut self, exchange: &mut Exchange) {
        exchange.slot = self.slot.take();
    }

    /// Tells the gate what a request came to.
    pub(super) fn tell(&mut self, answer: &Result<Answer, Failure>) {
        let (Some(gate), Some(slot)) = (&self.upstream.gate, &mut self.slot) else { return };
        let outcome = match answer {
            Ok(answer) => outcome(&answer.response, false),
            Err(failure) => failure.outcome(),
        };
        gate.tell(slot, outcome, None, Instant::now(), self.worker);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let (Some(gate), Some(slot)) = (&self.upstream.gate, self.slot.take()) {
            gate.leave(slot, self.worker, Instant::now);
        }
    }
}

/// What an answer tells of its upstream; one that did not wait for the whole request tells nothing.
pub(super) fn outcome<B>(response: &Response<B>, early: bool) -> Outcome {
    match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => Outcome::Overloaded,
        StatusCode::TOO_MANY_REQUESTS => Outcome::Nothing,
        status if status.is_server_error() || early => Outcome::Nothing,
        _ => Outcome::Answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_nothing_of_load_is_not_taken_for_a_fast_one() {
        for (status, early, expected) in [
            (200, false, Outcome::Answer),
            (304, false, Outcome::Answer),
            (404, false, Outcome::Answer),
            (200, true, Outcome::Nothing),
            (429, false, Outcome::Nothing),
            (500, false, Outcome::Nothing),
            (502, false, Outcome::Nothing),
            (503, false, Outcome::Overloaded),
            (503, true, Outcome::Overloaded),
            (504, false, Outcome::Nothing),
        ] {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            assert_eq!(outcome(&response, early), expected, "{status} {early}");
        }
    }
}
