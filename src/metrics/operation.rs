//! [`OperationMetrics`]: what became of an operation of GraphQL.
//!
//! In: operations that were asked, by names of the configuration; all others are one. Out: counts, for the
//! encoder.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Counter, Named,
    exposition::{Kind, Page},
};
use crate::worker::PerWorker;

/// What became of an operation.
#[derive(Debug)]
pub struct OperationMetrics(PerWorker<Shard>);

#[derive(Debug, Default)]
struct Shard {
    passed: Counter,
    refused: Counter,
    cost: Counter,
}

/// Operations by their APIs.
pub(super) type Operations = BTreeMap<Box<str>, Named<OperationMetrics>>;

impl OperationMetrics {
    /// Counts for an operation.
    pub fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }

    /// Counts one that went on, and what it costs.
    pub fn pass(&self, worker: usize, cost: u64) {
        let shard = self.0.at(worker);
        shard.passed.inc();
        shard.cost.add(cost);
    }

    /// Counts one that did not.
    pub fn refuse(&self, worker: usize) {
        self.0.at(worker).refused.inc();
    }

    fn sum(&self, read: fn(&Shard) -> u64) -> u64 {
        self.0.sum(read)
    }
}

/// The page's families of operations: those that were asked at all.
pub(super) fn operations(page: &mut Page, all: &Operations) {
    let asked = || {
        let each =
            all.iter().flat_map(|(api, named)| named.iter().map(move |(id, it)| (api, id, it)));
        each.filter(|(_, _, it)| it.sum(|shard| shard.passed.get() + shard.refused.get()) > 0)
    };
    let mut family = page.family(
        "janua_graphql_operations_total",
        Kind::Counter,
        "Operations of GraphQL that were asked, by outcome.",
    );
    type Read = fn(&Shard) -> u64;
    let outcomes: [(&str, Read); 2] =
        [("passed", |shard| shard.passed.get()), ("refused", |shard| shard.refused.get())];
    for (api, id, it) in asked() {
        for (outcome, read) in outcomes {
            let labels = [("api", &**api), ("operation", &**id), ("outcome", outcome)];
            family.sample(&labels, it.sum(read));
        }
    }
    let mut family = page.family(
        "janua_graphql_cost_total",
        Kind::Counter,
        "What operations of GraphQL cost that went on, by their schema.",
    );
    for (api, id, it) in asked() {
        family.sample(&[("api", api), ("operation", id)], it.sum(|shard| shard.cost.get()));
    }
}

/// The counts of an operation: those before, if there were any.
pub(super) fn keep(
    new: &mut Operations,
    old: Option<&Operations>,
    (api, id): (&str, &str),
    make: impl FnOnce() -> OperationMetrics,
) -> Arc<OperationMetrics> {
    let old = old.and_then(|old| old.get(api));
    super::registry::keep(new.entry(api.into()).or_default(), old, id, make)
}
