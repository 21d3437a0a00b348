//! The endpoints of an upstream at a moment, and whose turn it is.

use std::sync::Arc;

use tokio::time::Instant;

use super::{aim::Aim, endpoint::Endpoint, pool::Pool, sharing::Sharing};
use crate::{
    balance::{self, Balancer, Candidate, Digest, Entry, Loads, Shares, State, Turn},
    health::Standing,
    metrics::UpstreamMetrics,
    worker::Worker,
};

/// The endpoints of an upstream.
#[derive(Debug)]
pub struct Members {
    /// All of them.
    pub list: Vec<Member>,
    /// Whether too few are up, so that all are used.
    pub panics: bool,
    balancer: Balancer,
    /// Whom cookies name, sorted; without a cookie, nobody.
    names: Box<[(u64, u16)]>,
    metrics: Arc<UpstreamMetrics>,
}

/// An endpoint among others.
#[derive(Debug)]
pub struct Member {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// What it is as it was written.
    pub place: Place,
    /// Its weight beside the others, as it was written or as the operator says; 0 takes no requests.
    pub weight: u16,
    /// Whether it gets requests, by itself.
    pub standing: Standing,
    /// Tenths of its weight that it has, after it came up.
    pub tenths: u32,
    /// What comes of all that, beside the others' of this set; 0 gets no requests.
    pub share: u32,
}

/// What an endpoint is among others, as it was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its weight.
    pub weight: u16,
    /// Lower ones are better.
    pub priority: u16,
    /// Whether it is in the gateway's zone.
    pub near: bool,
    /// Requests that it may have at a time, if that is said of it alone.
    pub max_requests: Option<u32>,
}

/// A request that looks for an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comer<'a> {
    pub(super) worker: &'a Worker,
    pub(super) aim: Aim,
}

/// Endpoints there are at most.
const MOST: usize = 65_000;

/// As often a request that failed chooses anew, before the next of the list has to do.
const CHOICES: u32 = 8;

impl Member {
    /// An endpoint as it is now.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        place: Place,
        sharing: &Sharing,
        now: Instant,
    ) -> Self {
        let origin = &endpoint.origin;
        let (standing, weight) = (origin.health.standing(now), origin.share.weight(place.weight));
        let tenths = origin.share.tenths(sharing.slow_start, now);
        Self { endpoint, place, weight, standing, tenths, share: 0 }
    }

    /// Whether it is the same endpoint.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.endpoint, &other.endpoint)
    }

    /// Whether it is as another one was.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.weight, it.standing, it.tenths);
        of(self) == of(other)
    }

    fn candidate(&self) -> Candidate {
        Candidate {
            weight: u32::from(self.weight) * self.tenths,
            priority: self.place.priority,
            near: self.place.near,
            state: match self.standing {
                Standing::Up => State::Up,
                Standing::Drained => State::Out,
                Standing::Down | Standing::Unchecked | Standing::Ejected => State::Down,
            },
        }
    }
}

impl Members {
    /// These endpoints.
    pub(super) fn new(
        mut list: Vec<Member>,
        sharing: &Sharing,
        metrics: &Arc<UpstreamMetrics>,
    ) -> Self {
        // Their numbers have 16 bits.
        list.truncate(MOST);
        let candidates: Vec<_> = list.iter().map(Member::candidate).collect();
        let Shares { weights, panics } = balance::shares(&candidates, sharing.rules);
        let mut entries = Vec::with_capacity(list.len());
        for (member, weight) in list.iter_mut().zip(weights) {
            member.share = weight;
            let id = Digest::of(member.endpoint.origin.name.as_bytes());
            entries.push(Entry { id, weight });
        }
        let balancer = Balancer::new(sharing.algorithm, &entries, sharing.workers);
        let name = |sticky: &super::sticky::Sticky| {
            let id = |member: &Member| sticky.id(&member.endpoint.origin.name);
            let mut names: Vec<_> = list.iter().map(id).zip(0_u16..).collect();
            names.sort_unstable();
            names
        };
        let names = sharing.sticky.as_ref().map(name).unwrap_or_default();
        Self { list, panics, balancer, names: names.into(), metrics: metrics.clone() }
    }

    /// Has the bounds hold that endpoints have of their own: these are those that are used.
    pub(super) fn bound(&self) {
        let bound = |it: &Member| it.endpoint.origin.may_have(it.place.max_requests);
        self.list.iter().for_each(bound);
    }

    /// The endpoint to ask, as this worker's connections to it.
    #[inline]
    pub(super) fn first(&self, comer: &Comer<'_>) -> Option<&Arc<Pool>> {
        let Comer { worker, aim } = comer;
        let index = match self.named(*aim) {
            Some(index) => index,
            None => self.choose(*aim, worker.index, 0)?,
        };
        Some(self.list[index].endpoint.pool(worker))
    }

    /// The endpoint to ask after those that were asked in vain: another by the same rule, or any other that gets
    /// requests, or the best of those that would if these were not there.
    pub(super) fn next(&self, comer: &Comer<'_>, tried: &[Arc<Pool>]) -> Option<&Arc<Pool>> {
        let Comer { worker, aim } = comer;
        let is_new = |member: &&Member| !tried.iter().any(|tried| tried.is_of(&member.endpoint));
        let choices = if self.balancer.may_choose_again() { CHOICES } else { 0 };
        let chosen = (1..=choices).filter_map(|attempt| self.choose(*aim, worker.index, attempt));
        let again = chosen.map(|index| &self.list[index]).find(is_new);
        let first = tried.first().and_then(|first| self.place(first)).unwrap_or(0);
        let (before, from) = self.list.split_at(first);
        let others = || from.iter().chain(before).filter(is_new);
        let any = || others().find(|member| self.uses(member));
        let is_up = |member: &&Member| member.weight > 0 && member.standing == Standing::Up;
        let spare = || others().filter(is_up).min_by_key(|member| member.place.priority);
        again.or_else(any).or_else(spare).map(|member| member.endpoint.pool(worker))
    }

    /// The one that the algorithm chooses.
    #[inline]
    pub(super) fn choose(&self, aim: Aim, worker: usize, attempt: u32) -> Option<usize> {
        let loads = Busy { members: self, now: aim.now.map_or(0, balance::micros) };
        let random = if self.balancer.algorithm().draws() { fastrand::u64(..) } else { 0 };
        let turn = Turn { worker, key: aim.key, random, attempt };
        self.balancer.choose(turn, &loads)
    }

    /// The one that a cookie names, if that is up.
    #[inline]
    pub(super) fn named(&self, aim: Aim) -> Option<usize> {
        if aim.named == 0 {
            return None;
        }
        let at = self.names.binary_search_by_key(&aim.named, |(id, _)| *id).ok()?;
        let index = usize::from(self.names[at].1);
        let member = &self.list[index];
        let is_up = member.weight > 0 && member.standing == Standing::Up;
        (is_up || self.uses(member)).then_some(index)
    }

    /// Whether an endpoint gets requests, by itself or because too few others do.
    pub fn uses(&self, member: &Member) -> bool {
        member.share > 0
    }

    /// The share of requests that an endpoint has, but for what it is asked for by name.
    pub fn share(&self, member: &Member) -> f64 {
        let sum: f64 = self.list.iter().map(|member| f64::from(member.share)).sum();
        f64::from(member.share) / sum.max(1.0)
    }

    fn place(&self, pool: &Pool) -> Option<usize> {
        self.list.iter().position(|member| pool.is_of(&member.endpoint))
    }
}

/// How busy the members are.
struct Busy<'a> {
    members: &'a Members,
    now: u64,
}

impl Loads for Busy<'_> {
    #[inline]
    fn in_flight(&self, index: usize) -> u32 {
        self.members.list[index].endpoint.origin.load.in_flight()
    }

    #[inline]
    fn all_in_flight(&self) -> u32 {
        self.members.metrics.in_flight()
    }

    #[inline]
    fn latency(&self, index: usize) -> Option<f32> {
        self.members.list[index].endpoint.origin.load.latency.at(self.now)
    }
}
