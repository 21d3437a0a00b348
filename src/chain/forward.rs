//! Stage 10: where the request goes.
//!
//! To an upstream, whose answer comes back with its body still streaming; or nowhere, and Janua
//! answers by itself.

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONTENT_TYPE, LOCATION},
};
use tokio::time::Instant;

use super::{
    answer::Source,
    echo,
    exchange::Exchange,
    prepare::{Scope, without_port},
    tunnel,
};
use crate::{
    message::{Kept, RequestBody, strip_response},
    reject::Reject,
    rewrite::{FieldValue, Template},
    route::Params,
    snapshot::{Route, Target},
    upstream::{Call, Failure, Timeouts, Upstream},
};

/// Sends a request where its route says.
pub(super) async fn forward(
    exchange: &mut Exchange,
    route: &Route,
    params: &Params<'_, '_>,
    kept: Kept,
    request: Request<RequestBody>,
) -> Result<Response<Source>, Reject> {
    let scope = Scope { exchange, route, params };
    match &route.target {
        Target::Upstream { upstream, timeout } => {
            to_upstream(exchange, upstream, *timeout, kept, request).await
        }
        Target::Redirect { location, status } => {
            Ok(redirect(&scope, request.headers(), location, *status))
        }
        Target::Respond { status, body, content_type } => {
            Ok(respond(&scope, request.headers(), *status, body, content_type.as_ref()))
        }
        Target::Echo => Ok(echo::echo(exchange, &request)),
    }
}

/// The answer of `to = { redirect = .. }`.
pub(super) fn redirect(
    scope: &Scope<'_>,
    headers: &HeaderMap,
    location: &FieldValue,
    status: StatusCode,
) -> Response<Source> {
    let location = scope.with(headers, |variables| location.render(variables));
    let mut response = Response::new(Source::Empty);
    *response.status_mut() = status;
    response.headers_mut().insert(LOCATION, location);
    response
}

/// The answer of `to = { status = .. }`.
pub(super) fn respond(
    scope: &Scope<'_>,
    headers: &HeaderMap,
    status: StatusCode,
    body: &Template,
    content_type: Option<&HeaderValue>,
) -> Response<Source> {
    let body = scope.with(headers, |variables| body.render(variables));
    let mut response = Response::new(Source::from(body));
    *response.status_mut() = status;
    if let Some(kind) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    response
}

/// The redirect of a listener in clear to the one with TLS.
pub(super) fn to_https(exchange: &Exchange, port: u16) -> Response<Source> {
    let host = exchange.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = without_port(host);
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let location = format!("https://{host}{port}{}", exchange.target);
    let mut response = Response::new(Source::Empty);
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

async fn to_upstream(
    exchange: &mut Exchange,
    upstream: &Upstream,
    timeout: Timeouts,
    kept: Kept,
    mut request: Request<RequestBody>,
) -> Result<Response<Source>, Reject> {
    let worker = exchange.client.worker.clone();
    let upgrade = kept.upgrade.map(|protocol| tunnel::ask(&mut request, protocol));
    let protocol = upgrade.as_ref().map(|upgrade| upgrade.protocol.clone());
    let mut call = Call::new(&worker, timeout, protocol);
    let answer = upstream.forward(request, &mut call).await;
    exchange.tries = call.tries;
    let answer = answer.map_err(|failure| explain(exchange, upstream, failure))?;
    if exchange.world.access_log.is_on() {
        let micros = Instant::now().duration_since(exchange.started).as_micros();
        exchange.first_byte = u64::try_from(micros).ok();
    }
    exchange.endpoint = Some(answer.endpoint);
    let mut response = answer.response;
    match upgrade {
        Some(upgrade) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            return Ok(tunnel::open(exchange, upgrade, response, timeout.idle));
        }
        // An answer that switches to what nobody asked for is no answer.
        None if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            return Err(Reject::UpstreamProtocol);
        }
        _ => {}
    }
    strip_response(response.headers_mut());
    // The answer is ours, whatever version the origin spoke (RFC 9110 section 2.5).
    *response.version_mut() = Version::HTTP_11;
    Ok(response.map(Source::Origin))
}

/// Says in the daemon's log what the client is not told, and notes the endpoint for the access log.
fn explain(exchange: &mut Exchange, upstream: &Upstream, failure: Failure) -> Reject {
    // What the guard saw in the body says more than that the body broke off.
    let reject = exchange.client.state.refusal().unwrap_or(failure.reject);
    exchange.endpoint = failure.endpoint;
    tracing::debug!(
        reason = reject.reason(),
        upstream = &*upstream.name,
        endpoint = failure.endpoint.map(|index| &*upstream.endpoints[index].name),
        error = failure.source.as_deref().map(|error| error as &dyn std::error::Error),
        "no answer from the upstream"
    );
    reject
}
