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
    reject::Reject,
    route::Params,
    snapshot::{Governed, Guarded, Introspection, Route},
};

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
            governing.push(may.inspect_err(|_| counts(one).refuse(worker))?);
        }
        for (one, governed) in all.iter().zip(governing) {
            let Some(governed) = governed.filter(|governed| !governed.limit.is_empty()) else {
                continue;
            };
            if let Err(reject) = self.limit_one(&governed, route, params, head).await {
                counts(one).refuse(worker);
                self.refund_all(route, params, head);
                return Err(reject);
            }
        }
        for one in all {
            counts(one).pass(worker, one.cost.unwrap_or(0));
        }
        Ok(())
    }

    /// How often an operation may be asked.
    async fn limit_one(
        &mut self,
        governed: &Arc<Governed>,
        route: &Route,
        params: &Params<'_, '_>,
        head: &Parts,
    ) -> Result<(), Reject> {
        // What the route's limits gave is kept apart: it is told by the route's limits.
        let first = std::mem::take(&mut self.pass);
        let limit = &governed.limit;
        // Its body may have taken its time, and so may others' turns.
        let done = match self.limit_by(limit, route, head, params, Instant::now()) {
            Ok(Some(waiting)) => Box::pin(self.wait(waiting, limit, route, head, params)).await,
            done => done.map(drop),
        };
        let pass = std::mem::replace(&mut self.pass, first);
        if let Some(asked) = &mut self.asked {
            asked.passes.push((governed.clone(), pass));
        }
        done
    }

    /// Gives back what limits gave to operations before the one that was refused, of which alone is told what is left.
    fn refund_all(&mut self, route: &Route, params: &Params<'_, '_>, head: &Parts) {
        let Some(asked) = &mut self.asked else { return };
        let refused = asked.passes.pop();
        let passes = std::mem::replace(&mut asked.passes, refused.into_iter().collect());
        for (governed, pass) in passes {
            self.refund(&governed.limit, pass, route, head, params);
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
