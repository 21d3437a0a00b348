//! The endpoints of an upstream and how they are, for the operator; and the operator's word on them.

use serde::Serialize;
use tokio::time::Instant;

use super::{
    Upstream,
    members::{Member, Members},
    seats::Seats,
};

/// An upstream, as the page shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shown {
    name: String,
    /// Whether too few endpoints are up, so that all are used.
    panic: bool,
    /// What the breaker is, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    /// Requests that each endpoint may have, and those that wait for one to have room.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_requests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u32>,
    endpoints: Vec<ShownEndpoint>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ShownEndpoint {
    url: String,
    weight: u16,
    state: &'static str,
    /// Whether it gets requests.
    used: bool,
    /// Requests that it has not answered to the end: one that is drained may go when there are none.
    in_flight: u32,
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
            let (most, waiting) = (seats.most(), seats.waiting());
            text += &format!(", {most} at each endpoint at a time, {waiting} waiting");
        }
        text
    }

    /// How its endpoints are.
    pub fn shown(&self) -> Shown {
        let (members, now) = (self.members(), Instant::now());
        let endpoints = members.list.iter().map(|member| shown(&members, member, now)).collect();
        Shown {
            name: self.name.to_string(),
            panic: members.panics,
            breaker: self.guards.breaker.as_ref().map(|breaker| breaker.state().1),
            max_requests: self.guards.seats.as_ref().map(Seats::most),
            waiting: self.guards.seats.as_ref().map(Seats::waiting),
            endpoints,
        }
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
        state: member.standing.word(),
        used: members.uses(member),
        in_flight: origin.load.in_flight(),
        wrong: origin.health.wrong(),
        ejected_for: until.map(|until| until.duration_since(now).as_secs() + 1),
    }
}
