//! The endpoints of an upstream and how they are, for the operator; and the operator's word on them.

use std::num::NonZeroU32;

use serde::Serialize;
use tokio::time::Instant;

use super::{
    Upstream,
    discovered::{Discovered, ShownSource},
    members::{Member, Members},
    seats::Seats,
};
use crate::balance::micros;

/// An upstream, as the page shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shown {
    name: String,
    /// Whether too few endpoints are up, so that all are used.
    panic: bool,
    /// How an endpoint is chosen.
    balance: &'static str,
    /// What the breaker is, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    /// Requests that each endpoint may have, and those that wait for one to have room.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u32>,
    /// Connections that each endpoint may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_connections: Option<NonZeroU32>,
    /// Where endpoints are found that come and go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discovery: Vec<ShownSource>,
    endpoints: Vec<ShownEndpoint>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ShownEndpoint {
    url: String,
    weight: u16,
    /// What is written, if the operator says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<u16>,
    /// Lower ones are better.
    priority: u16,
    /// Whether it is in the gateway's zone.
    near: bool,
    /// Per cent of its weight that it has, after it came up.
    #[serde(skip_serializing_if = "Option::is_none")]
    starts: Option<u32>,
    /// Per cent of requests that are its, with all that.
    share: f64,
    state: &'static str,
    /// Whether it gets requests.
    used: bool,
    /// Requests that it has not answered to the end: one that is drained may go when there are none.
    in_flight: u32,
    /// Requests that it may have, if that is said of it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests: Option<u32>,
    /// Connections to it, of all workers; not those that ask for its health.
    connections: u32,
    /// Microseconds that its answers take lately, the worst before others, where that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<u64>,
    /// What was wrong when it was asked last.
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<String>,
    /// For how many seconds it is still left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    ejected_for: Option<u64>,
}

impl Upstream {
    /// What may hold a request back here, for people.
    pub fn explain(&self) -> String {
        let breaker = self.guards.breaker.as_ref().map(|breaker| breaker.state().1);
        let mut text = breaker.map(|state| format!(", the breaker {state}")).unwrap_or_default();
        if let Some(seats) = &self.guards.seats {
            if let Some(most) = seats.most() {
                text += &format!(", {most} at each endpoint at a time");
            }
            text += &format!(", {} waiting", seats.waiting());
        }
        if let Some(most) = self.guards.most_connections {
            text += &format!(", at most {most} connections to each endpoint");
        }
        text
    }

    /// How its endpoints are.
    pub fn shown(&self) -> Shown {
        let (members, now) = (self.members(), Instant::now());
        let endpoints = members.list.iter().map(|member| shown(&members, member, now)).collect();
        let discovery = self.roster.discovered.as_ref().map(Discovered::shown);
        Shown {
            name: self.name.to_string(),
            panic: members.panics,
            discovery: discovery.unwrap_or_default(),
            balance: self.balance(),
            breaker: self.guards.breaker.as_ref().map(|breaker| breaker.state().1),
            max_requests: self.guards.seats.as_ref().and_then(Seats::most),
            waiting: self.guards.seats.as_ref().map(Seats::waiting),
            max_connections: self.guards.most_connections,
            endpoints,
        }
    }

    /// Gives the endpoint of this URL another weight, or without one that which is written. Says whether there is
    /// such an endpoint.
    pub fn weigh(&self, url: &str, weight: Option<u16>) -> bool {
        let members = self.members();
        let mut all = members.list.iter();
        let found = all.find(|member| *member.endpoint.origin.name == *url);
        let Some(Member { endpoint, place, .. }) = found else { return false };
        let weight = weight.unwrap_or(place.weight);
        endpoint.origin.share.say(place.weight, weight);
        self.roster.refresh(Instant::now());
        let upstream = &*self.name;
        tracing::info!(upstream, endpoint = url, weight, "an endpoint has another weight");
        true
    }

    /// Gives the endpoint of this URL no more requests, or some again; what runs there goes on. Says
    /// whether there is such an endpoint.
    pub fn drain(&self, url: &str, drained: bool) -> bool {
        let members = self.members();
        let mut origins = members.list.iter().map(|member| &member.endpoint.origin);
        let Some(origin) = origins.find(|origin| *origin.name == *url) else { return false };
        origin.health.drain(drained);
        self.roster.refresh(Instant::now());
        let (upstream, endpoint) = (&*self.name, url);
        match drained {
            true => tracing::info!(upstream, endpoint, "an endpoint is drained"),
            false => tracing::info!(upstream, endpoint, "an endpoint is drained no more"),
        }
        true
    }
}

fn shown(members: &Members, member: &Member, now: Instant) -> ShownEndpoint {
    let origin = &member.endpoint.origin;
    let until = origin.health.ejected_until(now);
    ShownEndpoint {
        url: origin.name.to_string(),
        weight: member.weight,
        written: Some(member.place.weight).filter(|written| *written != member.weight),
        priority: member.place.priority,
        near: member.place.near,
        starts: Some(member.tenths * 10).filter(|share| *share < 100),
        share: (members.share(member) * 1_000.0).round() / 10.0,
        state: member.standing.word(),
        used: members.uses(member),
        in_flight: origin.load.in_flight(),
        max_requests: member.place.max_requests,
        connections: origin.connections.open(),
        latency_us: origin.load.latency.at(micros(now)).map(|latency| latency as u64),
        wrong: origin.health.wrong(),
        ejected_for: until.map(|until| until.duration_since(now).as_secs() + 1),
    }
}
