//! Stages 4 and 5 at one exchange: who it is, whether they may, and what the origin is told of it.
//!
//! In: an exchange and its route's [`Auth`](crate::auth::Auth). Out: the identity, noted in the exchange
//! for the log, or the refusal. What proved the identity is taken off the request here, and out of what
//! the log and templates see of it.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, header::SET_COOKIE, request::Parts, uri::PathAndQuery,
};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::{answer::prefers_html, exchange::Exchange, source::Source};
use crate::{
    auth::{Ask, Deed, Door, Page, Refusal, Verdict, cookie_name},
    message::{RequestBody, client_origin},
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
        match who {
            Ok(who) => self.who = who,
            Err(refusal) if route.auth.logs_in() && self.wants_page(head) => {
                return Err(Box::pin(self.log_in(route, head, refusal)).await);
            }
            Err(refusal) => return Err(self.turn_away(refusal)),
        }
        Ok(())
    }

    /// Whether a browser asks for a page, which a person would see.
    fn wants_page(&self, head: &Parts) -> bool {
        let navigates = head.headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
        let reads = matches!(head.method, Method::GET | Method::HEAD);
        reads && navigates && prefers_html(self.accept.as_ref())
    }

    /// Sends a browser to log in, if that would help it; why it is refused.
    #[cold]
    async fn log_in(&mut self, route: &Route, head: &Parts, refusal: Refusal) -> Reject {
        let Some(origin) = self.origin(&head.headers) else { return self.turn_away(refusal) };
        let target = self.target.path_and_query().map_or("/", PathAndQuery::as_str);
        let page = Page { ask: self.ask(head), method: &head.method, target, origin: &origin };
        match route.auth.login(refusal.reject, &page).await {
            Ok(login) => {
                self.login = login.map(Box::new);
                self.turn_away(refusal)
            }
            Err(refusal) => self.turn_away(refusal),
        }
    }

    /// Scheme and host by which the client came, as trusted peers tell it.
    pub(super) fn origin(&self, headers: &HeaderMap) -> Option<String> {
        client_origin(headers, &self.client, self.host.as_ref())
    }

    /// Goes through a door of Janua's own.
    #[cold]
    pub(super) async fn enter(
        &mut self,
        door: &Door,
        head: &Parts,
        body: &mut RequestBody,
    ) -> Result<Response<Source>, Reject> {
        let form = match door.reads() {
            None => Bytes::new(),
            Some(most) => {
                body.bound(most);
                body.collect().await.map_err(|error| error.reject())?.to_bytes()
            }
        };
        let origin = self.origin(&head.headers).ok_or(Reject::RequestHost)?;
        match door.open(self.ask(head), &origin, form).await {
            Ok(answer) => Ok(answer.map(Source::from)),
            Err(closed) => {
                self.cookies.extend(closed.cookie);
                Err(self.turn_away(closed.refusal))
            }
        }
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
            host: self.host.as_ref(),
            param: &|name| params.get(name),
            client: self.client_ip,
            wall: &|| self.client.worker.clock.wall(self.started),
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
        self.world.cookies.clear(&mut head.headers);
        if route.auth.is_asked() {
            let query = head.uri.query().map(str::len);
            route.auth.strip(&mut head.headers, &mut head.uri);
            if head.uri.query().map(str::len) != query {
                let targets = [Some(&mut self.target), self.resolved.as_deref_mut()];
                for target in targets.into_iter().flatten() {
                    route.auth.strip(&mut HeaderMap::new(), target);
                }
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
        if let Some((name, value)) = who.token(|| self.client.worker.clock.wall(self.started)) {
            headers.insert(name, value);
        }
    }

    /// Gives the client the cookies that whoever knows it has for it, and those of a door.
    #[inline]
    pub(super) fn set_cookies(&mut self, headers: &mut HeaderMap) {
        if self.who.principal().is_some_and(|who| !who.cookies.is_empty()) {
            self.set_theirs(headers);
        }
        for cookie in self.cookies.drain(..) {
            headers.append(SET_COOKIE, cookie);
        }
    }

    /// They take the place of the origin's of the same names.
    #[cold]
    fn set_theirs(&self, headers: &mut HeaderMap) {
        let Some(who) = self.who.principal() else { return };
        let same = |cookie: &HeaderValue| {
            who.cookies.iter().any(|theirs| cookie_name(theirs) == cookie_name(cookie))
        };
        let own = headers.get_all(SET_COOKIE).iter().filter(|cookie| !same(cookie));
        let all: Vec<_> = own.chain(&who.cookies).cloned().collect();
        headers.remove(SET_COOKIE);
        headers.extend(all.into_iter().map(|cookie| (SET_COOKIE, cookie)));
    }

    /// Notes when to come again, and what whoever refused it has to say.
    pub(super) fn turn_away(&mut self, refusal: Refusal) -> Reject {
        self.retry_after = refusal.retry_after;
        self.denial = refusal.denial;
        refusal.reject
    }
}
