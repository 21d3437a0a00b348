//! Stages 5 and 6 of operations of GraphQL: who may ask one, and how often.
//!
//! In: what a request asks. Out: nothing, or the refusal. It is decided here, since nobody knows the operation before
//! the body was read: the route's own limits have counted by then.

use std::sync::Arc;

use http::request::Parts;
use tokio::time::Instant;

use super::exchange::Exchange;
use crate::{
    auth::Auth,
    config::Enforce,
    graphql::Asked,
    key::Ask,
    limit::{Limiter, Pass, Verdict, Visit},
    reject::Reject,
    route::Params,
    snapshot::{Governed, Guarded, Introspection, Route},
};

/// Whose limits: those of the operation with this number, or the route's.
type At = Option<usize>;

/// What a request says to its limits, beside who makes it.
#[derive(Clone, Copy)]
struct Scene<'a> {
    route: &'a Route,
    params: &'a Params<'a, 'a>,
    head: &'a Parts,
}

impl Exchange {
    /// Who may ask operations, and how often. Who may not ask one of them pays for none.
    pub(super) async fn ask_all(
        &mut self,
        guarded: &Guarded,
        all: &[Asked],
        route: &Route,
        params: &Params<'_, '_>,
        head: &Parts,
    ) -> Result<(), Reject> {
        let worker = self.client.worker.index;
        let counts = |asked: &Asked| guarded.counts(asked.name.as_deref());
        let mut governing = Vec::new();
        for one in all {
            let may = self.may_ask(guarded, one, params, head);
            let governed = may.inspect_err(|_| counts(one).refuse(worker))?;
            let limited = governed.filter(|governed| !governed.limit.is_empty());
            governing.extend(limited.map(|governed| (one, governed)));
        }
        let limits = governing.iter().map(|(_, governed)| &governed.limit);
        let limits: Vec<_> = match governing.is_empty() {
            true => Vec::new(),
            false => std::iter::once(&route.limit).chain(limits).collect(),
        };
        let scene = Scene { route, params, head };
        for (one, governed) in &governing {
            if let Err((refused, reject)) = self.limit_one(governed, &limits, scene).await {
                counts(one).refuse(worker);
                self.refund_all(refused, scene);
                return Err(reject);
            }
        }
        self.passes().for_each(Pass::keep);
        for one in all {
            counts(one).pass(worker, one.cost.unwrap_or(0));
        }
        Ok(())
    }

    /// How often an operation may be asked, beside all else that these limits hold of the same request.
    async fn limit_one(
        &mut self,
        governed: &Arc<Governed>,
        limits: &[&Limiter],
        scene: Scene<'_>,
    ) -> Result<(), (At, Reject)> {
        let Some(asked) = &mut self.asked else { return Ok(()) };
        let at = Some(asked.passes.len());
        asked.passes.push((governed.clone(), Pass::default()));
        let take = |limiter: &Limiter, ask: &Ask<'_>, visit: Visit<'_>| {
            limiter.take_beside(limits, ask, visit)
        };
        let mut waited = self.decide(at, scene, take).await.map_err(|reject| (at, reject))?;
        // Whoever waited left its places everywhere else.
        'anew: while waited {
            for number in 0..limits.len() {
                let at = number.checked_sub(1);
                let back = self.decide(at, scene, Limiter::come_in).await;
                if back.map_err(|reject| (at, reject))? {
                    continue 'anew;
                }
            }
            waited = false;
        }
        Ok(())
    }

    /// Has limits decide, who begin with `act`, and waits for turns there; whether it did, in a queue.
    async fn decide(
        &mut self,
        at: At,
        scene: Scene<'_>,
        act: impl FnOnce(&Limiter, &Ask<'_>, Visit<'_>) -> Verdict,
    ) -> Result<bool, Reject> {
        let Scene { route, params, head } = scene;
        let Some(governed) = self.governed(at) else { return Ok(false) };
        let limiter = governed.as_ref().map_or(&route.limit, |governed| &governed.limit);
        self.swap(at);
        // Its body may have taken its time, and so may others' turns.
        let now = Instant::now();
        let verdict = self.visit(route, head, params, now, |ask, visit| act(limiter, ask, visit));
        let (mut next, mut waited) = (self.heed(verdict), false);
        while let Ok(Some(waiting)) = next {
            if waiting.queues() {
                waited = true;
                self.swap(at);
                self.step_aside(at, scene);
                self.swap(at);
            }
            next = Box::pin(self.wait_once(waiting, limiter, route, head, params)).await;
        }
        self.swap(at);
        next.map(|_| waited)
    }

    /// The operation there, if it is one; none if there is nothing.
    fn governed(&self, at: At) -> Option<Option<Arc<Governed>>> {
        let Some(at) = at else { return Some(None) };
        self.asked.as_ref()?.passes.get(at).map(|(governed, _)| Some(governed.clone()))
    }

    /// Has what these limits gave where what the route's gave is, and that there; or both where they were.
    fn swap(&mut self, at: At) {
        if let (Some(at), Some(asked)) = (at, &mut self.asked)
            && let Some((_, pass)) = asked.passes.get_mut(at)
        {
            std::mem::swap(&mut self.pass, pass);
        }
    }

    /// Who waits at some limits runs nowhere else, and of what other operations took it is noted what that is now: time
    /// pays for it. What the route's limits took is not given back.
    fn step_aside(&mut self, waits: At, scene: Scene<'_>) {
        let Scene { route, params, head } = scene;
        if waits.is_some() {
            self.pass.step_out();
        }
        let count = self.asked.as_ref().map_or(0, |asked| asked.passes.len());
        for at in (0..count).map(Some).filter(|at| *at != waits) {
            let Some(Some(governed)) = self.governed(at) else { continue };
            self.swap(at);
            self.visit(route, head, params, Instant::now(), |ask, visit| {
                governed.limit.step_aside(ask, visit.pass);
                Verdict::Go
            });
            self.swap(at);
        }
    }

    /// Gives back what limits gave to other operations than the one that was refused, of which alone is told what is
    /// left.
    fn refund_all(&mut self, refused: At, scene: Scene<'_>) {
        let Scene { route, params, head } = scene;
        self.pass.keep();
        let Some(asked) = &mut self.asked else { return };
        let mut told = Vec::new();
        for (at, (governed, pass)) in std::mem::take(&mut asked.passes).into_iter().enumerate() {
            match refused == Some(at) {
                true => told.push((governed, pass)),
                false => self.refund(&governed.limit, pass, route, head, params),
            }
        }
        if let Some(asked) = &mut self.asked {
            asked.passes = told;
        }
    }

    /// Whether whoever is there may ask an operation; and what else is different for it.
    pub(super) fn may_ask(
        &mut self,
        guarded: &Guarded,
        asked: &Asked,
        params: &Params<'_, '_>,
        head: &Parts,
    ) -> Result<Option<Arc<Governed>>, Reject> {
        let governed = asked.name.as_ref().and_then(|name| guarded.operations.get(&**name));
        let governed = governed.cloned();
        if asked.introspects && !self.may_introspect(&guarded.introspection, params, head) {
            if guarded.guard.enforce == Enforce::Refuse {
                return Err(Reject::GraphqlIntrospection);
            }
            self.reported.get_or_insert(Reject::GraphqlIntrospection);
        }
        if let Some(auth) = governed.as_ref().and_then(|governed| governed.auth.as_ref()) {
            self.may(auth, params, head)?;
        }
        Ok(governed)
    }

    fn may_introspect(
        &mut self,
        who: &Introspection,
        params: &Params<'_, '_>,
        head: &Parts,
    ) -> bool {
        match who {
            Introspection::Open => true,
            Introspection::Closed => false,
            Introspection::Identified => self.who.principal().is_some(),
            Introspection::Allowed(auth) => self.may(auth, params, head).is_ok(),
        }
    }

    fn may(&mut self, auth: &Auth, params: &Params<'_, '_>, head: &Parts) -> Result<(), Reject> {
        let told = self.doing(head, params, |deed| auth.authorize(&self.who, deed))?;
        if let Some(reject) = told {
            self.reported.get_or_insert(reject);
        }
        Ok(())
    }
}
