//! The chain: what every request goes through, in this order, and nothing else.
//!
//! In: a request as the server read it. Out: an answer; there always is one. `run` is the list of
//! stages. A stage either hands on what the next ones need, as a value, or ends the request with a
//! [`Reject`], which becomes an answer in one place, `answer`. The route is *found* early, since it
//! says which policy applies; that there is none is *said* only where its turn is, so that a stranger
//! learns nothing of routes behind authentication.
//!
//! [`plan`] goes through the same stages without sending anything, for `explain` and tests.
//!
//! Stages of one request run on one worker, one after the other; nothing here blocks.

mod admit;
mod aim;
mod answer;
mod beside;
mod bring;
mod cached;
mod calls;
mod contract;
mod cut;
mod echo;
mod exchange;
mod fetch;
mod fetched;
mod foretell;
mod forward;
mod gather;
mod gone_by;
mod graphql;
mod hops;
mod identify;
mod interim;
mod kept;
mod limit;
mod mirror;
mod operations;
mod overload;
mod pace;
mod pages;
mod parts;
mod plan;
mod planned;
mod prepare;
mod recall;
mod record;
mod rehearse;
mod soap_door;
mod source;
mod stage;
mod status;
mod transform;
mod translate;
mod tunnel;
mod unread;
mod validate;
mod watch;
mod ways;

use std::{convert::Infallible, sync::Arc};

use http::{HeaderValue, Response, request::Parts};
use hyper::body::{Body as _, Incoming};

pub use self::{
    answer::Body,
    exchange::Exchange,
    plan::{Answer, Asked, Outcome, Plan, SAMPLE_ID, Step, plan},
    rehearse::MOST as MOST_REHEARSED,
    source::BrokenOff,
    stage::Stage,
    unread::refuse_unread,
};
use crate::{
    cache::rules::Failed,
    message::{InFlight, Kept, RequestBody},
    reject::Reject,
    rewrite::Changes,
    route::{Found, Params},
    snapshot::{Listener, Route, Snapshot, Target, View, Way},
    upstream::{Aim, Call, Onward},
};

/// Answers a request; an error there never is, only a place for one, which the server's library asks for.
///
/// What is given is put where it stays before the future begins: futures are moved about, so this one
/// is kept small.
#[inline]
pub fn serve(
    world: Arc<View>,
    listener: Arc<Listener>,
    client: InFlight,
    mut head: Parts,
    body: Option<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
    let mut exchange = Exchange::begin(world, listener, client, &head);
    let mut body = exchange.receive(body);
    async move {
        let mut outcome = run(&mut exchange, &mut head, &mut body).await;
        if let Some(spoken) = exchange.spoken {
            outcome = Box::pin(exchange.translate_outcome(outcome, spoken)).await;
        }
        if exchange.filtered.is_some() {
            outcome = Box::pin(exchange.transform_outcome(outcome)).await;
        }
        if exchange.promised {
            outcome = Box::pin(exchange.hold_outcome(outcome)).await;
        }
        Ok(match outcome {
            Ok(response) => exchange.answer(response),
            Err(reject) => exchange.refuse(reject, &head),
        })
    }
}

/// Where the first stages have led a request.
enum Led<'w> {
    /// It is answered: by a stage, by what is kept, or by Janua itself.
    Answered(Response<source::Source>),
    /// It goes to an upstream.
    Upstream(Outbound<'w>),
}

/// A request that goes to an upstream.
struct Outbound<'w> {
    way: &'w Way,
    /// What it is to become, if it is to become a tunnel.
    upgrade: Option<HeaderValue>,
    aim: Aim,
    /// What is done to its answer.
    changes: Changes<'w>,
}

/// The stages.
///
/// What the first ones found out is given up before the wait for the origin: a request that waits holds
/// what it needs, and no more. So they are functions of their own, whose states lie in one place.
async fn run(
    exchange: &mut Exchange,
    head: &mut Parts,
    body: &mut RequestBody,
) -> Result<Response<source::Source>, Reject> {
    let world = exchange.world.clone();
    let outbound = match lead(exchange, &world, head, body).await? {
        Led::Answered(response) => return Ok(response),
        Led::Upstream(outbound) => outbound,
    };
    let mut outcome = send(exchange, &outbound, head, body).await;
    exchange.went_by(&mut outcome);
    let mut response = outcome?;
    // 11 answer: header fields for the client; the body streams on, counted
    outbound.changes.apply(response.headers_mut());
    Ok(response)
}

/// The stages up to the cache, and the answers of routes that go nowhere.
async fn lead<'w>(
    exchange: &mut Exchange,
    world: &'w Snapshot,
    head: &mut Parts,
    body: &mut RequestBody,
) -> Result<Led<'w>, Reject> {
    // 1 validate: framing, Host, target, sizes
    let kept = validate::validate(exchange, head)?;
    if let Some(port) = exchange.sent_to_https() {
        exchange.count_address()?;
        return forward::to_https(exchange, port).map(Led::Answered);
    }
    // 2 find the route; no effect yet
    let target = head.uri.clone();
    let found = exchange.find(world, head, &target);
    // Is there room for it in the gateway?
    exchange.come_in(body)?;
    // 3 access: how often an address may come, address and header lists, of the listener and the route
    exchange.count_address()?;
    exchange.admit(&head.headers)?;
    if let Some(answer) = exchange.answer_ahead(&head.headers) {
        return answer.map(Led::Answered);
    }
    if let Found::Route { target: route, params, .. } = &found {
        // 4 identify: who is it
        exchange.identify(route, head).await?;
        // 5 authorize: may they
        exchange.authorize(route, head, params)?;
        // 6 limit: rate, concurrency, quota; it may wait
        if let Some(waiting) = exchange.limit(route, head, params)? {
            Box::pin(exchange.wait(waiting, &route.limit, route, head, params)).await?;
        }
    }
    // 7 match: that there is no route is said only now
    let Found::Route { target: route, params, .. } = &found else {
        return exchange.nowhere(&found).map(Led::Answered);
    };
    if let Target::Door(door) = &route.target {
        return Box::pin(exchange.enter(door, head, body)).await.map(Led::Answered);
    }
    // Of several ways one, by what the client sent.
    exchange.choose(route, head);
    // 8 prepare: sizes of this route, rewriting, header fields for the origin
    body.bound(prepare::body_size(exchange, route, body.size_hint().lower())?);
    if let Some(answer) = exchange.understand(route, (params, &kept), head, body).await? {
        return Ok(Led::Answered(*answer));
    }
    let aim = exchange.aim(route, head, params);
    let mut asking = exchange.asking(route, head, params);
    exchange.strip_credentials(route, head);
    let changes = prepare::prepare(exchange, route, params, head)?;
    exchange.settle(route, head, &mut asking);
    if let Some(calling) = &route.calling {
        Box::pin(exchange.call_by_grpc(calling, params, head, body)).await?;
    }
    // 9 lookup: the cache
    if let (Some(cache), Some(asking)) = (&route.cache, asking) {
        let asks = (&**cache, asking, aim);
        if let Some(kept) = exchange.answer_kept(route, asks, (&kept, &changes), head, body).await?
        {
            return Ok(changed(kept, changes));
        }
    }
    set_out(exchange, (route, params), (kept, aim, changes), head, body)
}

/// The last steps of a request before it leaves for an upstream, or is answered by Janua itself.
fn set_out<'w>(
    exchange: &mut Exchange,
    (route, params): (&'w Route, &Params<'_, '_>),
    (kept, aim, changes): (Kept, Aim, Changes<'w>),
    head: &mut Parts,
    body: &mut RequestBody,
) -> Result<Led<'w>, Reject> {
    if let Some(answer) = exchange.end_of_way(head)? {
        return Ok(changed(answer, changes));
    }
    prepare::announce(exchange, &kept, head.version, &mut head.headers);
    // 10 forward: is there room? pick an endpoint, send, try again where that is safe
    if let Err(reject) = exchange.enter_upstream(route) {
        return exchange.instead(Failed::Said).map(|kept| changed(kept, changes)).ok_or(reject);
    }
    exchange.mirror(route, kept.upgrade.is_some(), head, body);
    let Some(way) = route.target.way(exchange.way) else {
        let upgrades = kept.upgrade.is_some();
        let response = forward::answer(exchange, route, params, upgrades, head)?;
        return Ok(changed(response, changes));
    };
    Ok(Led::Upstream(Outbound { way, upgrade: kept.upgrade, aim, changes }))
}

/// An answer of these stages, with the header fields of the route.
fn changed<'w>(mut answer: Response<source::Source>, changes: Changes<'w>) -> Led<'w> {
    changes.apply(answer.headers_mut());
    Led::Answered(answer)
}

/// Stage 10 of a request that goes to an upstream: its answer, as the client understands it.
async fn send(
    exchange: &mut Exchange,
    outbound: &Outbound<'_>,
    head: &mut Parts,
    body: &mut RequestBody,
) -> Result<Response<source::Source>, Reject> {
    let Outbound { way, upgrade, aim, changes } = outbound;
    let upstream = &*way.upstream;
    let upgrade = upgrade.clone().map(|protocol| Box::new(tunnel::ask(head, body, protocol)));
    let ahead = exchange.ahead(changes).filter(|_| upgrade.is_none());
    let request = forward::take(head, body);
    let mut call = Call::new(request, &exchange.client.worker, way.timeout);
    call.aim = *aim;
    forward::equip(&mut call, exchange, way, upgrade.as_deref())?;
    let ahead = ahead.as_ref().map(|ahead| ahead as &dyn Onward);
    call.onward = ahead.as_ref();
    let answer = upstream.forward(&mut call).await;
    let (tried, arrived) = ((call.tries, call.connect, call.aim), call.arrived);
    if let Some(passing) = &mut exchange.passing {
        passing.arrived = arrived;
    }
    let ended = forward::end(exchange, upstream, upgrade, answer, tried);
    let mut response = ended.map_err(|reject| exchange.blame(reject))?;
    if exchange.speech.is_some() {
        response = Box::pin(exchange.answer_call(response)).await?;
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each request in flight has one of the first two, and answers are moved from stage to stage: up to 128
    /// bytes without a call.
    #[test]
    fn what_a_request_is_made_of_stays_small() {
        fn size<A, B, C, D, E, F>(_: fn(A, B, C, D, E) -> F) -> usize {
            size_of::<F>()
        }
        let (way, exchange) = (size(serve), size_of::<Exchange>());
        let (answer, body) = (size_of::<Response<source::Source>>(), size_of::<Body>());
        println!(
            "its way: {way} bytes, the exchange: {exchange}, the answer: {answer}, its body: {body}"
        );
        assert!(way <= 1_960 && exchange <= 920, "{way} {exchange}");
        assert!(answer <= 128 && body <= 32, "{answer} {body}");
    }
}
