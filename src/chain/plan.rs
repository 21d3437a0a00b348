//! A dry run: what the chain would do with a request, found by the chain's own stages.
//!
//! In: a snapshot, a listener, a client's address and a head, from no connection, and a body if somebody says
//! what is in it: then stages that read bodies read it. Out: a [`Plan`]: what
//! each stage would do, and what comes of the request. Nothing is sent, counted, logged or waited for:
//! where a stage of [`super::run`] has an effect, here it only says which. Whoever adds a stage there
//! adds it here; the tests in `tests/it/explain.rs` hold both against each other.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response,
    header::{CONTENT_LENGTH, HOST},
    request::Parts,
};

use super::{
    Stage, echo,
    exchange::Exchange,
    forward,
    planned::{Planned, made},
    prepare::{self, Scope},
    rehearse::bytes,
    source::Source,
    tunnel, validate,
};
use crate::{
    auth::{Door, Identity, Pretended},
    message::{Client, Kept, REQUEST_ID, RequestBody, TlsFacts, Violations},
    reject::Reject,
    rewrite::{Changes, FieldChange},
    route::{Candidate, Found, Params, Query},
    snapshot::{Bind, Listener, Mirror, Route, Snapshot, Target, View, Way},
    split::Shares,
    upstream::{Choice, Upstream},
    worker::{Clock, Worker},
};

/// The name of every request that is only planned.
pub const SAMPLE_ID: HeaderValue = HeaderValue::from_static("00000000-0000-7000-8000-000000000000");

/// An answer that Janua gives by itself.
pub type Answer = Response<Bytes>;

/// What the chain would do with a request.
#[derive(Debug)]
pub struct Plan {
    /// What each stage would do, in order, up to the last one that would have something to do.
    pub steps: Vec<Step>,
    /// The request as the first stage leaves it, unless it refuses it.
    pub valid: Option<Request<()>>,
    /// The route that takes the request, by its index.
    pub rule: Option<usize>,
    /// The request as an origin would see it, if it goes to one or is echoed; its body, if that is known.
    pub sent: Option<Request<Option<Bytes>>>,
    /// The operation of an API that it is.
    pub operation: Option<String>,
    /// What is wrong with it, also where that is on trial.
    pub violations: Violations,
    /// What comes of it.
    pub outcome: Outcome,
    listener: usize,
}

/// What a stage would do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// What it would do.
    pub does: String,
}

/// What comes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// A stage refuses it.
    Refused {
        /// Which stage; the steps end with it.
        stage: Stage,
        /// Why.
        reject: Reject,
        /// What the client is told.
        answer: Answer,
    },
    /// Janua answers by itself.
    Answered(Answer),
    /// It comes to a door of Janua's own, whose answer depends on who comes.
    Door(Door),
    /// It goes to an upstream.
    Forwarded {
        /// Which; where that is a matter of chance, the most likely one.
        upstream: Arc<Upstream>,
        /// Which others there are, if there are any.
        split: Option<Box<Shares>>,
        /// Who gets a copy of it, or of a share of those like it.
        mirror: Option<Arc<Mirror>>,
        /// Which of its endpoints would have it.
        choice: Choice,
        /// What becomes of the answer's header fields.
        changes: Vec<(HeaderName, FieldChange)>,
    },
}

impl Plan {
    /// The route that takes the request.
    pub fn route<'w>(&self, world: &'w Snapshot) -> Option<&'w Route> {
        self.rule.map(|rule| &world.routes.targets()[rule])
    }

    /// Every route with what it makes of the request; none if it is refused before that is asked.
    pub fn candidates<'w>(&self, world: &'w Snapshot) -> Vec<Candidate<'w>> {
        let Some(valid) = &self.valid else { return Vec::new() };
        let host = valid.headers().get(HOST);
        world.routes.explain(&Query {
            listener: self.listener,
            host: host.map(HeaderValue::as_bytes),
            path: valid.uri().path(),
            query: valid.uri().query(),
            method: valid.method(),
            headers: valid.headers(),
        })
    }
}

/// A request that somebody asks about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// With its body, if that is to be looked at: [`super::MOST_REHEARSED`] bytes at most.
    pub request: Request<Option<Bytes>>,
    /// Where it comes from.
    pub from: IpAddr,
    /// Who makes it, in place of credentials.
    pub who: Option<Pretended>,
    /// What refuses its head before the chain hears of it: form, framing, sizes.
    pub malformed: Option<Reject>,
}

/// Plans what to do with a request that a client sends to a listener.
pub fn plan(world: &Arc<Snapshot>, listener: &Arc<Listener>, asked: &Asked) -> Plan {
    let client = Arc::new(client(listener, asked.from)).begin();
    let (head, body) = asked.request.clone().into_parts();
    let given = head.headers.get(REQUEST_ID).cloned();
    let view = View::new(world.clone());
    let mut exchange = Exchange::begin(view, listener.clone(), client, &head);
    exchange.rehearsed = true;
    // It is the client's own name for the request, if that counts.
    if given.as_ref() != Some(&exchange.id) {
        exchange.id = SAMPLE_ID;
    }
    let body = body.map_or(RequestBody::Empty, RequestBody::from);
    let mut planned = Planned { who: asked.who.as_ref(), body, ..Planned::default() };
    let outcome = match asked.malformed {
        Some(reject) => Err(reject),
        None => run(world, &mut exchange, head, &mut planned),
    };
    let outcome = outcome.unwrap_or_else(|reject| {
        let answer = exchange.problem(reject);
        planned.refused(&exchange, reject, answer)
    });
    let Planned { steps, valid, sent, operation, violations, .. } = planned;
    let rule = exchange.rule;
    Plan { steps, valid, rule, sent, operation, violations, outcome, listener: listener.id }
}

/// A client that is not there.
fn client(listener: &Listener, from: IpAddr) -> Client {
    let peer = match listener.bind {
        Bind::Unix(_) => None,
        Bind::Tcp(_) | Bind::Systemd(_) => Some(SocketAddr::new(from, 0)),
    };
    let tls = listener.tls.as_ref().map(|_| TlsFacts::default());
    let trusted = peer.is_some_and(|peer| listener.trusted.contains(peer.ip()));
    Client::new(peer, tls, listener.id, trusted, Worker { index: 0, clock: Clock::new() })
}

/// The stages, as [`super::run`] has them.
fn run(
    world: &Snapshot,
    exchange: &mut Exchange,
    mut head: Parts,
    planned: &mut Planned<'_>,
) -> Result<Outcome, Reject> {
    let kept = validate::validate(exchange, &mut head)?;
    planned.valid = Some(Request::from_parts(head.clone(), ()));
    if let Some(port) = exchange.sent_to_https() {
        planned.note(format!("is well-formed; the listener redirects to https, port {port}"));
        let answer = forward::to_https(exchange, port)?;
        return Ok(Outcome::Answered(made(exchange, answer)));
    }
    planned.note("is well-formed");
    let target = head.uri.clone();
    let found = exchange.find(world, &head, &target);
    if let Found::Route { target: route, .. } = &found {
        let page = exchange.explain_page(&head.headers);
        planned.note(format!("the route `{}`{page}", route.name));
    } else if matches!(found, Found::Doubtful) {
        planned.note("more than one, by how the path is read; that is refused at `match`");
    } else {
        planned.note("no route; that is said at `match`");
    }
    planned.asked = exchange.explain_access(&head.headers);
    exchange.admit(&head.headers)?;
    planned.note_asked();
    if let Some(answer) = exchange.answer_ahead(&head.headers) {
        let mut answer = answer?;
        exchange.sign_for_page(answer.headers_mut());
        return Ok(Outcome::Answered(made(exchange, answer)));
    }
    if let Found::Route { target: route, params, .. } = &found {
        identify(exchange, route, params, &head, planned)?;
        planned.note(exchange.explain_limit(route, &head, params));
    } else {
        (0..3).for_each(|_| planned.note("nothing to ask without a route"));
    }
    let (route, params) = match found {
        Found::Route { target, params, .. } => (target, params),
        nothing => {
            let answer = exchange.nowhere(&nothing)?;
            return Ok(planned.refused(exchange, Reject::MethodNotAllowed, answer));
        }
    };
    if let Target::Door(door) = &route.target {
        planned.note(format!("a door of Janua's own: {}", door.does()));
        return Ok(Outcome::Door(door.clone()));
    }
    planned.note("the route takes it");
    finish(exchange, route, &params, kept, head, planned)
}

/// Who it is, and whether they may.
fn identify(
    exchange: &mut Exchange,
    route: &Route,
    params: &Params<'_, '_>,
    head: &Parts,
    planned: &mut Planned<'_>,
) -> Result<(), Reject> {
    let (asked, who) = match planned.who.and_then(|who| route.auth.pretend(who)) {
        Some(who) => (format!("is taken to be {}", who.describe()), Ok(Identity::Known(who))),
        None => route.auth.rehearse(exchange.ask(head)),
    };
    planned.asked = asked;
    exchange.who = who.map_err(|refusal| exchange.turn_away(refusal))?;
    planned.note_asked();
    planned.asked = exchange.doing(head, params, |deed| route.auth.explain(&exchange.who, deed));
    exchange.authorize(route, head, params)?;
    planned.note_asked();
    Ok(())
}

/// The stages after the route has taken the request.
fn finish(
    exchange: &mut Exchange,
    route: &Route,
    params: &Params<'_, '_>,
    kept: Kept,
    mut head: Parts,
    planned: &mut Planned<'_>,
) -> Result<Outcome, Reject> {
    let came = head.uri.clone();
    prepare::body_size(exchange, route, announced(&head))?;
    if let Some(answer) = understood(exchange, route, (params, &kept), &mut head, planned)? {
        let outcome = made(exchange, answer);
        planned.note("answers by itself");
        return Ok(Outcome::Answered(outcome));
    }
    let split = exchange.explain_way(route, &mut head);
    let way = route.target.way(exchange.way);
    let choice = way.map(|way| exchange.explain_aim(&way.upstream, route, &head, params));
    exchange.aim(route, &mut head, params);
    let mut asking = exchange.asking(route, &mut head, params);
    exchange.strip_credentials(route, &mut head);
    let changes = prepare::prepare(exchange, route, params, &mut head)?;
    exchange.settle(route, &head, &mut asking);
    if let Some(calling) = &route.calling {
        let body = &mut planned.body;
        planned.asked += &exchange.explain_calling(calling, params, &mut head, body)?;
    }
    planned.note_target(&came, &head.uri);
    planned.note(match (&route.cache, asking) {
        (Some(cache), Some(asking)) => {
            exchange.explain_cache(cache, asking, &kept, (&head, &planned.body))
        }
        _ => exchange.explain_change(&head),
    });
    if let Some(answer) = exchange.end_of_way(&mut head)? {
        planned.note("goes no further: `Max-Forwards` is 0");
        return Ok(Outcome::Answered(made(exchange, answer)));
    }
    prepare::announce(exchange, &kept, head.version, &mut head.headers);
    let scope = Scope { exchange, route, params };
    if let (Some(Way { upstream, .. }), Some(choice)) = (route.target.way(exchange.way), choice) {
        let mirror = route.mirror.clone().filter(|_| kept.upgrade.is_none());
        let does = forwards(exchange, route, upstream, split.as_ref(), mirror.as_deref());
        planned.note(does);
        let body = bytes(&planned.body);
        planned.sent = Some(addressed(upstream, choice.index, kept, head).map(|()| body));
        planned.note("the answer goes to the client");
        let changes = list(exchange, changes);
        let (upstream, split) = (upstream.clone(), split.map(Box::new));
        return Ok(Outcome::Forwarded { upstream, split, mirror, choice, changes });
    }
    let mut answer = own(&scope, head, planned)?;
    planned.note("goes to the client");
    changes.apply(answer.headers_mut());
    Ok(Outcome::Answered(made(exchange, answer)))
}

/// The answer of a route that leads to no upstream.
fn own(
    scope: &Scope<'_>,
    head: Parts,
    planned: &mut Planned<'_>,
) -> Result<Response<Source>, Reject> {
    let Scope { exchange, route, .. } = scope;
    Ok(match &route.target {
        Target::Redirect { location, status } => {
            planned.note(format!("nowhere: redirects, {status}"));
            forward::redirect(scope, &head.headers, location, *status)
        }
        Target::Respond { status, body, content_type } => {
            planned.note(format!("nowhere: answers, {status}"));
            forward::respond(scope, &head.headers, *status, body, content_type.as_ref())
        }
        Target::Mock => {
            let answer = forward::mock(route, &head.headers)?;
            planned.note(format!("nowhere: answers with an example, {}", answer.status()));
            answer
        }
        Target::Page(page) => {
            planned.note("nowhere: answers with a page of the portal");
            page.answer(&head.headers).map(Source::from)
        }
        // They were said before.
        Target::Door(_) | Target::Upstream(_) | Target::Fork(_) => return Err(Reject::Internal),
        Target::Echo => {
            planned.note("nowhere: answers with the request");
            let answer = echo::echo(exchange, &head);
            planned.sent = Some(Request::from_parts(head, bytes(&planned.body)));
            answer
        }
    })
}

/// What the route's contract says of the request.
fn understood(
    exchange: &mut Exchange,
    route: &Route,
    (params, kept): (&Params<'_, '_>, &Kept),
    head: &mut Parts,
    planned: &mut Planned<'_>,
) -> Result<Option<Response<Source>>, Reject> {
    planned.operation = route.operation().map(String::from);
    let body = &mut planned.body;
    if let Some(operation) = &route.contract {
        let (said, outcome) = exchange.explain_contract(operation, params, head, body);
        planned.asked.clone_from(&said);
        planned.violations = outcome?;
        planned.asked = format!("{said}; ");
    }
    if let Some(by) = &route.transform {
        planned.asked += &exchange.explain_transform(by, (route, params), head, body)?;
    }
    if let Some(translation) = &route.translation {
        let (said, answer) = exchange.explain_translation(translation, params, head, body)?;
        planned.asked += &said;
        if answer.is_some() {
            return Ok(answer);
        }
    }
    if let Some(asked) = &route.graphql {
        let asking = (asked, route, kept.upgrade.as_ref());
        planned.asked += &exchange.explain_graphql(asking, params, head, body)?;
    }
    Ok(None)
}

/// What is done to a request that goes on.
fn forwards(
    exchange: &Exchange,
    route: &Route,
    upstream: &Upstream,
    split: Option<&Shares>,
    mirror: Option<&Mirror>,
) -> String {
    let to = match split.map(Shares::possible) {
        Some(ways) if ways.len() > 1 => format!("one of {} upstreams, by chance", ways.len()),
        _ => format!("the upstream `{}`", upstream.name),
    };
    let room = upstream.gate.as_ref();
    let room = room.map(|gate| format!(", {}", exchange.explain_room(gate, route)));
    let copied = mirror.map(|mirror| format!("; a copy to `{}`", mirror.way.upstream.name));
    let (room, held) = (room.unwrap_or_default(), upstream.explain());
    format!("to {to}{room}{held}{}", copied.unwrap_or_default())
}

/// The size of the body that a head announces.
pub(super) fn announced(head: &Parts) -> u64 {
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// The request as the endpoint of this number would see it; where that is not known, as the first one would.
fn addressed(
    upstream: &Upstream,
    index: Option<usize>,
    kept: Kept,
    mut head: Parts,
) -> Request<()> {
    if let Some(protocol) = kept.upgrade {
        tunnel::ask(&mut head, &mut RequestBody::Empty, protocol);
    }
    let mut request = Request::from_parts(head, ());
    if let Some(first) = upstream.members().list.get(index.unwrap_or(0)) {
        upstream.set_host(&mut request, &first.endpoint.origin);
    }
    request
}

/// What becomes of an origin's header fields: what the route says, and what every answer has.
fn list(exchange: &Exchange, changes: Changes<'_>) -> Vec<(HeaderName, FieldChange)> {
    let mut list = Vec::new();
    changes.each(|name, change| list.push((name.clone(), change)));
    let mut own = HeaderMap::new();
    exchange.sign(&mut own);
    list.extend(own.iter().map(|(name, value)| (name.clone(), FieldChange::Set(value.clone()))));
    list
}
