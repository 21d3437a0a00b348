//! What of an exchange says which endpoint it is to have, where its upstream asks for that.
//!
//! In: a request as the client sent it, before anything is taken off. Out: the upstream's
//! [`Aim`](crate::upstream::Aim); and after the answer, the cookie that names who gave it.

use std::time::Duration;

use http::request::Parts;

use super::exchange::Exchange;
use crate::{
    key::{Ask, Who},
    message::Scheme,
    route::Params,
    snapshot::{Route, Way},
    upstream::{Aim, Choice, Pool, Upstream},
};

impl Exchange {
    /// What of the request says which endpoint it is to have; that alone is taken off it.
    #[inline]
    pub(super) fn aim(&self, route: &Route, head: &mut Parts, params: &Params<'_, '_>) -> Aim {
        match route.target.way(self.way) {
            Some(Way { upstream, .. }) if upstream.aims() => {
                let tls = self.scheme == Scheme::Https;
                let aim = self.asked(route, head, params, |ask| upstream.aim(ask, tls));
                upstream.clear_aim(&mut head.headers);
                aim
            }
            _ => Aim::default(),
        }
    }

    /// Which endpoint it would have, and why.
    pub(super) fn explain_aim(
        &self,
        upstream: &Upstream,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
    ) -> Choice {
        self.asked(route, head, params, |ask| upstream.choice(upstream.aim(ask, false), ask))
    }

    /// Has the client told who answered it, if that is to be known next time.
    #[inline]
    pub(super) fn remember(&mut self, upstream: &Upstream, aim: Aim, endpoint: &Pool) {
        self.cookies.extend(upstream.cookie(aim, endpoint));
    }

    /// What the request says of whose it is.
    pub(super) fn asked<T>(
        &self,
        route: &Route,
        head: &Parts,
        params: &Params<'_, '_>,
        act: impl FnOnce(&Ask<'_>) -> T,
    ) -> T {
        // No clock is read for it: what came before was timed.
        let before = self.identify.unwrap_or(0) + self.waited.unwrap_or(0);
        act(&Ask {
            now: self.started + Duration::from_micros(before),
            wall: &|| self.client.worker.clock.wall(self.started),
            client: self.client_ip,
            method: &head.method,
            headers: &head.headers,
            route: &route.name,
            param: &|name| params.get(name),
            who: self.who.principal().map(|who| who as &dyn Who),
        })
    }
}
