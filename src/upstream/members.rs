//! The endpoints of an upstream at a moment, and whose turn it is.

use std::sync::Arc;

use super::{endpoint::Endpoint, pool::Pool, round_robin::RoundRobin};
use crate::worker::Worker;

/// The endpoints of an upstream.
#[derive(Debug)]
pub struct Members {
    /// Each with its weight.
    pub list: Vec<Member>,
    turns: RoundRobin,
}

/// An endpoint among others.
#[derive(Debug)]
pub struct Member {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// Its share of requests beside the others; 0 takes none.
    pub weight: u16,
}

impl Members {
    /// These endpoints, for so many workers.
    pub(super) fn new(list: Vec<Member>, workers: usize) -> Self {
        let weights: Vec<u16> = list.iter().map(|member| member.weight).collect();
        Self { list, turns: RoundRobin::new(&weights, workers) }
    }

    /// The endpoint to ask, as this worker's connections to it.
    pub(super) fn first(&self, worker: &Worker) -> Option<&Arc<Pool>> {
        let index = self.turns.next(worker.index)?;
        Some(self.list[index].endpoint.pool(worker))
    }

    /// The endpoint to ask after those that were asked in vain: the next of them that has a weight.
    pub(super) fn next(&self, worker: &Worker, tried: &[Arc<Pool>]) -> Option<&Arc<Pool>> {
        let first = tried.first().and_then(|first| self.place(first)).unwrap_or(0);
        let (before, from) = self.list.split_at(first);
        let others = from.iter().chain(before).filter(|member| member.weight > 0);
        let mut pools = others.map(|member| member.endpoint.pool(worker));
        pools.find(|pool| !tried.iter().any(|tried| Arc::ptr_eq(tried, pool)))
    }

    fn place(&self, pool: &Pool) -> Option<usize> {
        self.list.iter().position(|member| Arc::ptr_eq(&member.endpoint.origin, &pool.origin))
    }
}
