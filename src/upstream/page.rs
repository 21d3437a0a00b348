//! The endpoints of an upstream and how they are, for the operator; and the operator's word on them.

use serde::Serialize;
use tokio::time::Instant;

use super::{
    Upstream,
    discovered::{Discovered, ShownSource},
    members::{Member, Members},
};

/// An upstream, as the page shows it.
#[derive(Debug, Serialize)]
pub struct Shown {
    name: String,
    /// Whether too few endpoints are up, so that all are used.
    panic: bool,
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
    /// Used when there is none of a lower number that is up.
    #[serde(skip_serializing_if = "is_first")]
    priority: u16,
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
    /// How its endpoints are.
    pub fn shown(&self) -> Shown {
        let (members, now) = (self.members(), Instant::now());
        let endpoints = members.list.iter().map(|member| shown(&members, member, now)).collect();
        let discovery = self.roster.discovered.as_ref().map(Discovered::shown);
        let discovery = discovery.unwrap_or_default();
        Shown { name: self.name.to_string(), panic: members.panics, discovery, endpoints }
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
        priority: member.priority,
        state: member.standing.word(),
        used: members.uses(member),
        in_flight: origin.load.in_flight(),
        wrong: origin.health.wrong(),
        ejected_for: until.map(|until| until.duration_since(now).as_secs() + 1),
    }
}

/// Whether there is nothing to say of a priority.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(priority: &u16) -> bool {
    *priority == 0
}
