//! Stage 6 at one exchange: how much of it, and when.
//!
//! In: an exchange and its route's [`Limiter`](crate::limit::Limiter). Out: nothing at once, or after a wait;
//! or the refusal. What runs until the request ends is kept in the exchange, and what its answer says is
//! left. A request that may go takes no time of its own: the moment that it came, and what it took to say
//! who makes it.

use std::{borrow::Cow, future::poll_fn, pin::pin, sync::Arc, time::Duration};

use http::{HeaderMap, Version, request::Parts};
use serde_json::Value;
use tokio::time::{Instant, interval};

use super::{exchange::Exchange, pace::Paced};
use crate::{
    auth::Principal,
    key::{Ask, Who},
    limit::{Heir, Limiter, Pass, Refusal, Verdict, Visit, Waiting, forget_told},
    reject::Reject,
    route::Params,
    snapshot::Route,
    worker::wall,
};

/// So often it is looked for whether the client of a request that waits is there.
const LOOK: Duration = Duration::from_millis(250);

impl Who for Principal {
    fn name(&self) -> (&str, &str) {
        (&self.auth, &self.subject)
    }

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn has_role(&self, role: &str) -> bool {
        Self::has_role(self, role)
    }

    fn has_scope(&self, scope: &str) -> bool {
        Self::has_scope(self, scope)
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, Value>> {
        Self::claim(self, name)
    }

    fn has_name(&self) -> bool {
        !self.nameless
    }

    fn is_somebody(&self) -> bool {
        !self.nameless && !self.also_nameless
    }

    fn told(&self, each: &mut dyn FnMut(&[u8])) {
        Self::told(self, each);
    }
}

impl Exchange {
    /// Tells the client what is left, and takes out what the origin told of its own limits if there is something.
    #[inline]
    pub(super) fn tell_limits(&self, headers: &mut HeaderMap) {
        if self.pass.tells() || self.asked.as_ref().is_some_and(|asked| asked.tells()) {
            forget_told(headers);
        }
        if let Some(route) = self.route() {
            route.limit.tell(&self.pass, headers);
        }
        if let Some(asked) = &self.asked {
            asked.tell(headers);
        }
    }

    /// Takes from each allowance; what the request has to wait for, if it has to.
    #[inline]
    pub(super) fn limit(
        &mut self,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> Result<Option<Box<Waiting>>, Reject> {
        let now = self.started + Duration::from_micros(self.identify.unwrap_or(0));
        self.limit_by(&route.limit, route, head, params, now)
    }

    /// The same of other limits than the route's, at this time.
    #[inline]
    pub(super) fn limit_by(
        &mut self,
        limiter: &Limiter,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
        now: Instant,
    ) -> Result<Option<Box<Waiting>>, Reject> {
        if limiter.is_empty() {
            return Ok(None);
        }
        let ask = |ask: &Ask<'_>, visit: Visit<'_>| limiter.take(ask, visit);
        let verdict = self.visit(route, head, params, now, ask);
        self.heed(verdict)
    }

    /// Waits for the turn, and for that at the limits behind it.
    #[cold]
    pub(super) async fn wait(
        &mut self,
        mut waiting: Box<Waiting>,
        limiter: &Limiter,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> Result<(), Reject> {
        while let Some(next) = self.wait_once(waiting, limiter, route, head, params).await? {
            waiting = next;
        }
        self.pass.keep();
        Ok(())
    }

    /// Waits for one turn; what it waits for next, if it has to. What was given until now may yet go back.
    pub(super) async fn wait_once(
        &mut self,
        waiting: Box<Waiting>,
        limiter: &Limiter,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> Result<Option<Box<Waiting>>, Reject> {
        let since = Instant::now();
        let turn = while_here(self, waiting.wait()).await;
        let now = Instant::now();
        let waited = u64::try_from(now.duration_since(since).as_micros()).unwrap_or(u64::MAX);
        self.waited = Some(self.waited.unwrap_or(0).saturating_add(waited));
        let verdict = self.visit(route, head, params, now, |ask, visit| match turn {
            Ok(turn) => limiter.go_on(turn, ask, visit),
            Err(lost) => Verdict::Refuse(limiter.give_up(lost, ask, visit)),
        });
        self.heed(verdict)
    }

    /// What the request says to its limits, at this moment.
    pub(super) fn visit(
        &mut self,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
        now: Instant,
        act: impl FnOnce(&Ask<'_>, Visit<'_>) -> Verdict,
    ) -> Verdict {
        let (worker, mut reported) = (self.client.worker.index, None);
        let clock = &self.client.worker.clock;
        let ask = Ask {
            now,
            wall: &|| clock.wall(now),
            client: self.client_ip,
            method: &head.method,
            headers: &head.headers,
            route: &route.name,
            param: &|name| params.get(name),
            who: self.who.principal().map(|who| who as &dyn Who),
        };
        let visit = Visit { pass: &mut self.pass, worker, reported: &mut reported };
        let verdict = act(&ask, visit);
        if let Some(reject) = reported {
            self.reported.get_or_insert(reject);
            route.metrics.report(worker, reject as usize);
        }
        verdict
    }

    /// Gives back what limits gave.
    pub(super) fn refund(
        &mut self,
        limiter: &Limiter,
        pass: Pass,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) {
        let own = std::mem::replace(&mut self.pass, pass);
        self.visit(route, head, params, Instant::now(), |ask, visit| {
            limiter.give_back(ask, visit.pass);
            Verdict::Go
        });
        self.pass = own;
    }

    /// For what goes on also if the client leaves, and is to count as running then.
    pub(super) fn heirs(&mut self) -> Vec<Arc<Heir>> {
        self.passes().filter_map(Pass::heir).collect()
    }

    /// The client leaves before the end: what goes on for it runs on in its place.
    pub(super) fn bequeath(&mut self) {
        self.passes().for_each(Pass::bequeath);
    }

    pub(super) fn passes(&mut self) -> impl Iterator<Item = &mut Pass> {
        let asked = self.asked.iter_mut().flat_map(|asked| &mut asked.passes);
        [&mut self.pass].into_iter().chain(asked.map(|(_, pass)| pass))
    }

    /// How the answer goes to the client, if its limits slow it.
    #[inline]
    pub(super) fn pace(&self) -> Option<Box<Paced>> {
        let pace = self.route()?.limit.pace(&self.pass)?;
        Some(Box::new(Paced::new(pace, &self.client.worker)))
    }

    pub(super) fn heed(&mut self, verdict: Verdict) -> Result<Option<Box<Waiting>>, Reject> {
        match verdict {
            Verdict::Go => Ok(None),
            Verdict::Wait(waiting) => Ok(Some(waiting)),
            Verdict::Refuse(refusal) => Err(self.turned_back(refusal)),
        }
    }

    /// Takes from what the listener gives each address.
    #[inline]
    pub(super) fn count_address(&mut self) -> Result<(), Reject> {
        if self.rehearsed {
            return Ok(());
        }
        let taken = self.listener.per_address.request(self.client_ip, self.started);
        taken.map_err(|refusal| self.turned_back(refusal))
    }

    #[cold]
    fn turned_back(&mut self, refusal: Refusal) -> Reject {
        self.retry_after = refusal.retry_after;
        refusal.reject
    }

    /// What each limit makes of it, for people. Nothing is taken.
    pub(super) fn explain_limit(
        &self,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> String {
        self.explain_limit_by(&route.limit, route, head, params)
    }

    /// The same of other limits than the route's.
    pub(super) fn explain_limit_by(
        &self,
        limiter: &Limiter,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> String {
        limiter.explain(&Ask {
            now: self.started,
            wall: &wall,
            client: self.client_ip,
            method: &head.method,
            headers: &head.headers,
            route: &route.name,
            param: &|name| params.get(name),
            who: self.who.principal().map(|who| who as &dyn Who),
        })
    }
}

/// Waits as long as the client is there. By HTTP/1 that has to be looked for: nothing of a request is read before it
/// is wanted, and so not its end either.
async fn while_here<T>(exchange: &Exchange, waits: impl Future<Output = T>) -> T {
    if exchange.version >= Version::HTTP_2 {
        return waits.await;
    }
    let (mut waits, mut looks) = (pin!(waits), interval(LOOK));
    exchange.client.state.set_waits(true);
    let done = poll_fn(|cx| {
        let done = waits.as_mut().poll(cx);
        // The connection's task looks when this has woken it.
        while done.is_pending() && looks.poll_tick(cx).is_ready() {}
        done
    })
    .await;
    exchange.client.state.set_waits(false);
    done
}
