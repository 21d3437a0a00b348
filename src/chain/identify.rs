//! Stages 4 and 5 at one exchange: who it is, whether they may, and what the origin is told of it.
//!
//! In: an exchange and its route's [`Auth`](crate::auth::Auth). Out: the identity, noted in the exchange
//! for the log, or the refusal. What proved the identity is taken off the request here, and out of what
//! the log and templates see of it.

use http::{HeaderMap, request::Parts};
use tokio::time::Instant;

use super::exchange::Exchange;
use crate::{
    auth::{Ask, Deed, Refusal, Verdict},
    message::text,
    reject::Reject,
    route::Params,
    snapshot::Route,
};

impl Exchange {
    /// What the request says, and when.
    pub(super) fn ask<'a>(&'a self, head: &'a Parts) -> Ask<'a> {
        Ask {
            method: &head.method,
            target: &head.uri,
            host: self.host.as_ref(),
            connection: Some(&self.client),
            headers: &head.headers,
            query: head.uri.query(),
            client: self.client_ip,
            certificate: self.client.certificate(),
            now: self.started,
            wall: self.client.worker.clock.wall(self.started),
        }
    }

    /// Finds out who makes the request.
    #[inline]
    pub(super) async fn identify(&mut self, route: &Route, head: &Parts) -> Result<(), Reject> {
        if !route.auth.is_asked() {
            return Ok(());
        }
        let (who, took) = match route.auth.identify(self.ask(head)) {
            Verdict::Now(who) => (who, None),
            Verdict::Later(who) => {
                let asked = Instant::now();
                (who.await, Some(asked.elapsed()))
            }
        };
        self.identify = took.and_then(|took| u64::try_from(took.as_micros()).ok());
        self.who = who.map_err(|refusal| self.turn_away(refusal))?;
        Ok(())
    }

    /// What the request would do, to somebody who asks.
    pub(super) fn doing<T>(
        &self,
        head: &Parts,
        params: &Params<'_, '_>,
        ask: impl FnOnce(&Deed<'_>) -> T,
    ) -> T {
        ask(&Deed {
            method: &head.method,
            headers: &head.headers,
            host: self.host.as_ref().map(text).unwrap_or_default(),
            param: &|name| params.get(name),
            client: self.client_ip,
            wall: self.client.worker.clock.wall(self.started),
        })
    }

    /// Whether whoever makes the request may.
    #[inline]
    pub(super) fn authorize(
        &mut self,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> Result<(), Reject> {
        if !route.auth.is_asked() {
            return Ok(());
        }
        let told = self.doing(head, params, |deed| route.auth.authorize(&self.who, deed))?;
        if let Some(reject) = told {
            self.reported.get_or_insert(reject);
            if !self.rehearsed {
                route.metrics.report(self.client.worker.index, reject as usize);
            }
        }
        Ok(())
    }

    /// Takes off the request what proved who makes it.
    #[inline]
    pub(super) fn strip_credentials(&mut self, route: &Route, head: &mut Parts) {
        if route.auth.is_asked() {
            let query = head.uri.query().map(str::len);
            route.auth.strip(&mut head.headers, &mut head.uri);
            if head.uri.query().map(str::len) != query {
                route.auth.strip(&mut HeaderMap::new(), &mut self.target);
            }
        }
    }

    /// Tells the origin who makes the request.
    #[inline]
    pub(super) fn introduce(&self, headers: &mut HeaderMap) {
        let Some(who) = self.who.principal() else { return };
        for (name, value) in &who.headers {
            headers.insert(name, value.clone());
        }
        if let Some((name, value)) = who.token(self.client.worker.clock.wall(self.started)) {
            headers.insert(name, value);
        }
    }

    /// Notes when to come again, and what whoever refused it has to say.
    pub(super) fn turn_away(&mut self, refusal: Refusal) -> Reject {
        self.retry_after = refusal.retry_after;
        self.denial = refusal.denial;
        refusal.reject
    }
}
