//! Stage 10: where the request goes.
//!
//! To an upstream, whose answer comes back with its body still streaming; or nowhere, and Janua
//! answers by itself.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONTENT_TYPE, LOCATION},
    request::Parts,
    uri::PathAndQuery,
};
use tokio::time::Instant;

use super::{
    echo,
    exchange::Exchange,
    prepare::Scope,
    source::Source,
    tunnel::{self, Upgrade},
    validate::answers_101,
};
use crate::{
    message::{RequestBody, strip_response, text, without_port, write_proxy_header},
    reject::Reject,
    rewrite::{FieldValue, Template},
    route::Params,
    snapshot::{Bind, Route, Target, Way},
    upstream::{Aim, Answer, Call, Failure, Upstream},
};

/// The answer to a request that goes nowhere.
pub(super) fn answer(
    exchange: &Exchange,
    route: &Route,
    params: &Params<'_, '_>,
    upgrades: bool,
    head: &Parts,
) -> Result<Response<Source>, Reject> {
    // Any success would tell the client that its tunnel is open (RFC 8441 section 5).
    let connect = upgrades && !answers_101(head.version);
    let scope = Scope { exchange, route, params };
    let answer = match &route.target {
        Target::Redirect { location, status } => redirect(&scope, &head.headers, location, *status),
        Target::Respond { status, body, content_type } => {
            respond(&scope, &head.headers, *status, body, content_type.as_ref())
        }
        Target::Echo => echo::echo(exchange, head),
        Target::Mock => mock(route, &head.headers)?,
        Target::Page(page) => page.answer(&head.headers).map(Source::from),
        // They were taken before.
        Target::Door(_) | Target::Upstream(_) | Target::Fork(_) => return Err(Reject::Internal),
    };
    match connect && answer.status().is_success() {
        true => Err(Reject::MethodRefused),
        false => Ok(answer),
    }
}

/// The answer of an operation that has no origin.
pub(super) fn mock(route: &Route, headers: &HeaderMap) -> Result<Response<Source>, Reject> {
    let operation = route.contract.as_ref().ok_or(Reject::Internal)?;
    let mocked = operation.mock(headers);
    let mut response = Response::new(Source::from(mocked.body));
    *response.status_mut() = mocked.status;
    if let Some(kind) = mocked.kind {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    Ok(response)
}

/// Gives a call to its upstream what the exchange knows of it.
#[inline]
pub(super) fn equip<'a>(
    call: &mut Call<'a>,
    exchange: &'a Exchange,
    way: &Way,
    upgrade: Option<&Upgrade>,
) -> Result<(), Reject> {
    call.upgrade = upgrade.map(|upgrade| upgrade.protocol.clone());
    call.given_up = Some(&exchange.given_up);
    if way.upstream.proxy_protocol {
        call.introduction = Some(introduction(exchange).into());
    }
    way.upstream.expire(call, exchange.started)
}

/// The PROXY header that names the client: its address, as trusted peers tell it, and where it came
/// in. Of one that others told of, the port is not known.
#[cold]
pub(super) fn introduction(exchange: &Exchange) -> Vec<u8> {
    let peer = exchange.client.peer;
    let port =
        peer.filter(|peer| Some(peer.ip()) == exchange.client_ip).map_or(0, |peer| peer.port());
    let client = exchange.client_ip.map(|ip| SocketAddr::new(ip, port));
    let came_in = match exchange.listener.bind {
        Bind::Tcp(address) => Some(address),
        Bind::Unix(_) | Bind::Systemd(_) => {
            client.map(|client| SocketAddr::new(unspecified(client.ip()), 0))
        }
    };
    write_proxy_header(client, came_in)
}

/// No address, of the same family.
const fn unspecified(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The request of this head and body, which are left empty.
#[inline]
pub(super) fn take(head: &mut Parts, body: &mut RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(std::mem::take(body));
    *request.version_mut() = head.version;
    std::mem::swap(request.method_mut(), &mut head.method);
    std::mem::swap(request.uri_mut(), &mut head.uri);
    std::mem::swap(request.headers_mut(), &mut head.headers);
    std::mem::swap(request.extensions_mut(), &mut head.extensions);
    request
}

/// Takes in what an upstream answered, after so many tries, the last of which took so long to connect; and
/// which endpoint it was to have.
pub(super) fn end(
    exchange: &mut Exchange,
    upstream: &Upstream,
    upgrade: Option<Box<Upgrade>>,
    answer: Result<Answer, Failure>,
    (tries, connect, aim): (u32, Option<Duration>, Aim),
) -> Result<Response<Source>, Reject> {
    exchange.tries = tries;
    exchange.connect = connect.and_then(|took| u64::try_from(took.as_micros()).ok());
    let adaptive = upstream.gate.as_ref().filter(|gate| gate.is_adaptive());
    let now = (exchange.world.access_log.is_on() || adaptive.is_some()).then(Instant::now);
    if let (Some(gate), Some(now)) = (adaptive, now) {
        exchange.tell(gate, &answer, now);
    }
    let Answer { mut response, endpoint } =
        answer.map_err(|failure| explain(exchange, upstream, failure))?;
    exchange.first_byte =
        now.and_then(|now| u64::try_from(now.duration_since(exchange.started).as_micros()).ok());
    exchange.remember(upstream, aim, &endpoint);
    exchange.endpoint = Some(endpoint);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        // An answer that switches to what nobody asked for is no answer.
        let upgrade = upgrade.filter(|upgrade| upgrade.is_met_by(response.headers()));
        let upgrade = upgrade.ok_or(Reject::UpstreamProtocol)?;
        if adaptive.is_some() {
            // However long it stays open, it says nothing of how busy the upstream is.
            exchange.leave_upstream();
        }
        return Ok(tunnel::open(exchange, *upgrade, response));
    }
    let tunnel = upgrade.is_some_and(|upgrade| exchange.unread || upgrade.is_connect());
    if tunnel && response.status().is_success() {
        return Err(Reject::UpstreamProtocol);
    }
    if !strip_response(response.headers_mut()) {
        return Err(Reject::UpstreamProtocol);
    }
    // The answer is ours, whatever version the origin spoke (RFC 9110 section 2.5).
    *response.version_mut() = Version::HTTP_11;
    Ok(response.map(Source::Origin))
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
pub(super) fn to_https(exchange: &Exchange, port: u16) -> Result<Response<Source>, Reject> {
    let host = without_port(exchange.host.as_ref().map(text).unwrap_or_default());
    if host.is_empty() {
        // HTTP/1.0 may do without: there is nowhere to send it.
        return Err(Reject::RequestHost);
    }
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let target = exchange.resource().path_and_query().map_or("/", PathAndQuery::as_str);
    let target = if target == "*" { "/" } else { target };
    let location = format!("https://{host}{port}{target}");
    let mut response = Response::new(Source::Empty);
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Notes for the logs what the client is not told: the endpoint, and what the system or library said.
pub(super) fn explain(exchange: &mut Exchange, upstream: &Upstream, failure: Failure) -> Reject {
    // What the guard saw in the body says more than that the body broke off. Of a request that
    // failed otherwise it says nothing: the fault is in one behind it in the pipeline.
    let reject = match (failure.reject, exchange.client.state.refusal()) {
        (Reject::RequestIncomplete, Some(seen)) => seen,
        (reject, _) => reject,
    };
    exchange.cause = failure.cause();
    if let Some(passing) = &mut exchange.passing {
        passing.arrived = failure.arrived;
    }
    exchange.endpoint = failure.endpoint;
    if let Some(after) = upstream.retry_after(reject) {
        exchange.retry_after = Some(after);
    }
    tracing::debug!(
        reason = reject.reason(),
        upstream = &*upstream.name,
        endpoint = exchange.endpoint.as_ref().map(|endpoint| &*endpoint.origin.name),
        cause = exchange.cause.as_deref(),
        "no answer from the upstream"
    );
    reject
}
