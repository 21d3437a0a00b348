//! The endpoints of an upstream at a moment, and whose turn it is.

use std::sync::Arc;

use tokio::time::Instant;

use super::{endpoint::Endpoint, pool::Pool, round_robin::RoundRobin};
use crate::{health::Standing, worker::Worker};

/// The endpoints of an upstream.
#[derive(Debug)]
pub struct Members {
    /// All of them.
    pub list: Vec<Member>,
    /// Whether too few are up, so that all are used.
    pub panics: bool,
    /// The priority of those that are used.
    pub priority: u16,
    turns: RoundRobin,
}

/// An endpoint among others.
#[derive(Debug)]
pub struct Member {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Its share of requests beside the others; 0 takes none.
    pub weight: u16,
    /// It is used when there is none of a lower number that is up.
    pub priority: u16,
    /// Whether it gets requests, by itself.
    pub standing: Standing,
}

impl Member {
    /// An endpoint as it stands now.
    pub(super) fn new(endpoint: Arc<Endpoint>, weight: u16, priority: u16, now: Instant) -> Self {
        let standing = endpoint.origin.health.standing(now);
        Self { endpoint, weight, priority, standing }
    }

    /// The same endpoint as it stands now.
    pub(super) fn again(&self, now: Instant) -> Self {
        Self::new(self.endpoint.clone(), self.weight, self.priority, now)
    }

    /// Whether it is the same endpoint.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.endpoint, &other.endpoint)
    }

    /// What it gets of requests: its weight and its priority.
    pub(super) fn share(&self) -> (u16, u16) {
        (self.weight, self.priority)
    }
}

impl Members {
    /// These endpoints, for so many workers; all are used if fewer than so many per cent are up.
    pub(super) fn new(list: Vec<Member>, panic: u8, workers: usize) -> Self {
        let shares = || list.iter().map(|member| (member.share(), member.standing));
        let priority = priority(shares());
        let rank = shares().filter(|((_, rank), _)| *rank == priority);
        let panics = panics(rank.map(|((weight, _), standing)| (weight, standing)), panic);
        let weights = list.iter().map(|member| weight(member, (priority, panics)));
        let weights: Vec<u16> = weights.collect();
        let turns = RoundRobin::new(&weights, workers);
        Self { list, panics, priority, turns }
    }

    /// The endpoint to ask, as this worker's connections to it.
    pub(super) fn first(&self, worker: &Worker) -> Option<&Arc<Pool>> {
        let index = self.turns.next(worker.index)?;
        Some(self.list[index].endpoint.pool(worker))
    }

    /// The endpoint to ask after those that were asked in vain: the next of them that gets requests.
    pub(super) fn next(&self, worker: &Worker, tried: &[Arc<Pool>]) -> Option<&Arc<Pool>> {
        let first = tried.first().and_then(|first| self.place(first)).unwrap_or(0);
        let (before, from) = self.list.split_at(first);
        let others = from.iter().chain(before).filter(|member| self.uses(member));
        let mut pools = others.map(|member| member.endpoint.pool(worker));
        pools.find(|pool| !tried.iter().any(|tried| Arc::ptr_eq(tried, pool)))
    }

    /// Whether an endpoint gets requests, by itself or because too few others do.
    pub fn uses(&self, member: &Member) -> bool {
        weight(member, (self.priority, self.panics)) > 0
    }

    fn place(&self, pool: &Pool) -> Option<usize> {
        self.list.iter().position(|member| Arc::ptr_eq(&member.endpoint.origin, &pool.origin))
    }
}

/// The weight that an endpoint has here.
fn weight(member: &Member, (priority, panics): (u16, bool)) -> u16 {
    match member.standing {
        _ if member.priority != priority => 0,
        Standing::Up => member.weight,
        Standing::Drained => 0,
        Standing::Down | Standing::Unchecked | Standing::Ejected if panics => member.weight,
        Standing::Down | Standing::Unchecked | Standing::Ejected => 0,
    }
}

/// The priority that is used: the lowest number of those that are up; if none is, of all. Who has no weight
/// or is drained does not count.
fn priority(members: impl Iterator<Item = ((u16, u16), Standing)> + Clone) -> u16 {
    let counted =
        members.filter(|((weight, _), standing)| *weight > 0 && *standing != Standing::Drained);
    let up = counted.clone().filter(|(_, standing)| *standing == Standing::Up);
    let lowest = |((_, priority), _)| priority;
    up.map(lowest).min().or_else(|| counted.map(lowest).min()).unwrap_or(0)
}

/// Whether fewer than so many per cent of endpoints are up: to use all harms less than to bury those
/// few under what the others leave to them, or to believe a check that finds nobody well. After Envoy's
/// panic threshold. Who has no weight or is drained does not count.
fn panics(members: impl Iterator<Item = (u16, Standing)>, threshold: u8) -> bool {
    let counted =
        members.filter(|(weight, standing)| *weight > 0 && *standing != Standing::Drained);
    let (up, all) = counted.fold((0_usize, 0_usize), |(up, all), (_, standing)| {
        (up + usize::from(standing == Standing::Up), all + 1)
    });
    up * 100 < all * usize::from(threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_used_when_none_of_the_best_priority_is_up() {
        use Standing::{Down, Drained, Ejected, Up};
        for (members, expected) in [
            (&[(1, 0, Up), (1, 1, Up)][..], 0),
            (&[(1, 5, Up), (1, 7, Up)], 5),
            (&[(1, 0, Down), (1, 0, Up), (1, 1, Up)], 0),
            (&[(1, 0, Down), (1, 0, Ejected), (1, 1, Up), (1, 2, Up)], 1),
            (&[(1, 0, Drained), (1, 1, Down), (1, 2, Up)], 2),
            (&[(1, 0, Drained), (1, 1, Down), (1, 2, Down)], 1),
            (&[(0, 0, Up), (1, 1, Up)], 1),
            (&[(1, 3, Down), (1, 4, Down)], 3),
            (&[], 0),
        ] {
            let shares =
                members.iter().map(|(weight, rank, standing)| ((*weight, *rank), *standing));
            assert_eq!(priority(shares), expected, "{members:?}");
        }
    }

    #[test]
    fn when_too_few_are_up_all_are_used() {
        use Standing::{Down, Drained, Ejected, Up};
        for (standings, threshold, expected) in [
            (&[Up, Up, Up][..], 25, false),
            (&[Up, Down, Down, Down], 25, false),
            (&[Up, Down, Down, Down, Ejected], 25, true),
            (&[Down], 25, true),
            (&[Down], 0, false),
            (&[Up, Down], 50, false),
            (&[Up, Down, Down], 50, true),
            (&[Up, Drained, Drained, Drained, Drained], 50, false),
            (&[], 25, false),
        ] {
            let members = standings.iter().map(|standing| (1, *standing));
            assert_eq!(panics(members, threshold), expected, "{standings:?} {threshold}");
        }
        let weightless = [(1, Up), (0, Down), (0, Down)];
        assert!(!panics(weightless.into_iter(), 50), "who has no weight does not count");
    }
}
