//! Stage 8: the request as the origin will see it.
//!
//! In: a valid request and its route. Out: the same request with the route's path and header fields, and
//! then, if it goes to an origin, what Janua says of the client. Our own fields come last, so that nothing a client or a rule
//! put there survives.

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, Version,
    header::{CONNECTION, TE, VIA},
    request::Parts,
};

use super::exchange::Exchange;
use crate::{
    message::{Kept, REQUEST_ID, set_forwarded},
    reject::Reject,
    rewrite::{Changes, Variables},
    route::Params,
    snapshot::Route,
};

/// Makes a request ready to go; gives back what is to be done to the answer.
pub(super) fn prepare<'r>(
    exchange: &Exchange,
    route: &'r Route,
    params: &Params<'_, '_>,
    head: &mut Parts,
) -> Result<Changes<'r>, Reject> {
    let scope = Scope { exchange, route, params };
    let uri = &head.uri;
    let (rewritten, changes, answer) = scope.with(&head.headers, |variables| {
        let mut target = route.rewrite.apply(variables);
        if !route.request_query.is_empty() {
            target = target.and_then(|made| match made.as_ref().or_else(|| uri.path_and_query()) {
                Some(from) if from.path().starts_with('/') => {
                    route.request_query.apply(from, variables).map(Some)
                }
                _ => Ok(made),
            });
        }
        (target, route.request_headers.render(variables), route.response_headers.render(variables))
    });
    if let Some(target) = rewritten? {
        head.uri = Uri::from(target);
    }
    let headers = &mut head.headers;
    changes.apply(headers);
    exchange.introduce(headers);
    Ok(answer)
}

/// Tells the origin where the request came from, and by which way; what is answered from what is kept is
/// told to nobody. `version` is the client's.
pub(super) fn announce(
    exchange: &Exchange,
    kept: &Kept,
    version: Version,
    headers: &mut HeaderMap,
) {
    headers.insert(REQUEST_ID, exchange.id.clone());
    set_forwarded(headers, &exchange.client, exchange.host.as_ref());
    let via = match version {
        Version::HTTP_10 => 0,
        Version::HTTP_11 => 1,
        _ => 2,
    };
    append_via(headers, &exchange.world.via[via]);
    if kept.trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        // RFC 9110 section 10.1.4: it is about this hop. Whoever sends it by HTTP/2 takes this off.
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// Whether a field that [`announce`] writes is another with each request or client, so that an answer that varies
/// by it is for nobody else. What it says of scheme and host is part of every key.
pub(super) fn is_of_one_request(name: &HeaderName) -> bool {
    matches!(name.as_str(), "x-forwarded-for" | "forwarded" | "via" | "x-request-id")
}

/// The size that the request's body may have on its route; `least` is what is known to come.
pub(super) fn body_size(exchange: &Exchange, route: &Route, least: u64) -> Result<u64, Reject> {
    let most = route.max_body_size.unwrap_or(exchange.listener.body.size);
    if least > most { Err(Reject::BodyTooLarge) } else { Ok(most) }
}

/// RFC 9110 section 7.6.3.
fn append_via(headers: &mut HeaderMap, via: &HeaderValue) {
    headers.append(VIA, via.clone());
}

/// What templates of a route may look at.
pub(super) struct Scope<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) route: &'a Route,
    pub(super) params: &'a Params<'a, 'a>,
}

impl Scope<'_> {
    /// Calls `render` with the variables of this request.
    pub(super) fn with<T>(
        &self,
        headers: &HeaderMap,
        render: impl FnOnce(&Variables<'_>) -> T,
    ) -> T {
        let Self { exchange, route, params } = self;
        render(&Variables {
            method: &exchange.method,
            scheme: exchange.scheme.as_str(),
            host: exchange.host.as_ref(),
            path: exchange.resource().path(),
            query: exchange.resource().query(),
            id: &exchange.id,
            headers,
            client: exchange.client_ip,
            claim: &|name| exchange.who.principal()?.claim_text(name),
            route: &route.name,
            params: &|name| params.get(name),
        })
    }
}
