//! A second try beside the first, when that takes long: the answer that comes first is the answer.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::Request;

use super::{Call, Upstream, forward::Sent, given_up::AtEndpoint, pool::Pool, retry::Retrying};
use crate::{message::RequestBody, worker::Deadline};

/// Whose answer is taken.
enum First {
    /// The endpoint that was asked first, alone.
    Alone(Sent),
    /// The same, while another was asked; and what that came to, if it is over.
    Itself(Sent, Option<Sent>),
    /// The other.
    Other(Sent, Option<Sent>),
}

impl Upstream {
    /// Whether a second endpoint may be asked while the first has not answered.
    #[inline]
    pub(super) fn may_hedge(&self, call: &Call<'_>) -> Option<Duration> {
        let after = self.guards.hedge?;
        let bodiless = |request: &Request<RequestBody>| {
            matches!(request.body(), RequestBody::Empty | RequestBody::Full(_))
        };
        let may = call.tries == 1 && call.harmless && call.request.as_ref().is_some_and(bodiless);
        may.then_some(after)
    }

    /// Has the request answered by this endpoint, or by another if that is faster; then that one is in the
    /// place of the first, and the first with those that were tried.
    pub(super) async fn send_hedged(
        &self,
        after: Duration,
        call: &mut Call<'_>,
        pool: &mut Arc<Pool>,
        tried: &mut Vec<Arc<Pool>>,
    ) -> Sent {
        let Some(copy) = call.copy() else { return pool.send(call).await };
        let mut twin = call.twin(copy, after);
        let asked = pool.clone();
        let at_endpoint = AtEndpoint::new(call, &asked);
        let mut other = None;
        let first = {
            let mut first = pin!(asked.send(call));
            match tokio::time::timeout(after, first.as_mut()).await {
                Ok(sent) => First::Alone(sent),
                Err(_) => match self.other(&mut twin, &asked) {
                    None => First::Alone(first.await),
                    Some((found, _retrying)) => {
                        let second = other.insert(found).send(&mut twin);
                        self.race(first, pin!(second)).await
                    }
                },
            }
        };
        at_endpoint.end();
        // Both may have acted on it, and one is not heard.
        call.arrived |= other.is_some();
        match (first, other) {
            (First::Itself(sent, lost), Some(other)) => {
                call.tries += 1;
                if let Some(lost) = lost {
                    self.note(&other, &lost);
                }
                tried.push(other);
                sent
            }
            (First::Other(sent, lost), Some(other)) => {
                call.adopt(twin);
                if let Some(lost) = lost {
                    self.note(pool, &lost);
                }
                tried.push(std::mem::replace(pool, other));
                sent
            }
            (First::Alone(sent) | First::Itself(sent, _) | First::Other(sent, _), _) => sent,
        }
    }

    /// Another endpoint to ask, within the budget.
    fn other(&self, twin: &mut Call<'_>, asked: &Arc<Pool>) -> Option<(Arc<Pool>, Retrying<'_>)> {
        let other = self.next_endpoint(twin, std::slice::from_ref(asked))?;
        let worker = twin.worker.index;
        let Some(retrying) = self.retry.spend(worker) else {
            self.metrics.at(worker).retries_refused.inc();
            twin.seat = None;
            return None;
        };
        self.metrics.at(worker).hedges.inc();
        self.address(twin, &other);
        Some((other, retrying))
    }

    /// The first answer that is worth it; if there is none, what the first endpoint came to.
    async fn race(
        &self,
        mut first: Pin<&mut impl Future<Output = Sent>>,
        mut second: Pin<&mut impl Future<Output = Sent>>,
    ) -> First {
        let (mut lost_first, mut lost_second) = (None, None);
        poll_fn(|cx| {
            if lost_first.is_none()
                && let Poll::Ready(sent) = first.as_mut().poll(cx)
            {
                match self.is_good(&sent) {
                    true => return Poll::Ready(First::Itself(sent, lost_second.take())),
                    false => lost_first = Some(sent),
                }
            }
            if lost_second.is_none()
                && let Poll::Ready(sent) = second.as_mut().poll(cx)
            {
                match self.is_good(&sent) {
                    true => return Poll::Ready(First::Other(sent, lost_first.take())),
                    false => lost_second = Some(sent),
                }
            }
            match (lost_first.take(), lost_second.take()) {
                (Some(first), Some(second)) => Poll::Ready(First::Itself(first, Some(second))),
                (first, second) => {
                    (lost_first, lost_second) = (first, second);
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl<'a> Call<'a> {
    /// The same call once more, for a second endpoint that is asked after this time.
    fn twin(&self, request: Request<RequestBody>, after: Duration) -> Self {
        let mut twin = Call::new(request, self.worker, self.timeout);
        let left = self.total.as_ref().map(|total| total.span().saturating_sub(after));
        twin.total = left.map(|left| Box::new(Deadline::new(&self.worker.clock, left)));
        twin.aim = self.aim;
        twin.introduction.clone_from(&self.introduction);
        twin.most_connections = self.most_connections;
        (twin.harmless, twin.keep) = (self.harmless, self.keep);
        twin.expiry.clone_from(&self.expiry);
        twin.tries = self.tries + 1;
        twin
    }

    /// Goes on as the twin did.
    fn adopt(&mut self, twin: Self) {
        (self.request, self.tries, self.connect) = (twin.request, twin.tries, twin.connect);
        (self.total, self.seat, self.seen, self.lost) =
            (twin.total, twin.seat, twin.seen, twin.lost);
        (self.refused, self.turned_away) = (twin.refused, twin.turned_away);
    }
}
