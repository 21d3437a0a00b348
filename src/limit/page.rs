//! What limits did and which keys they are asked for most, for the operator.
//!
//! Out: JSON. Who somebody is, is shown; of header fields and cookies, which may be credentials, only the
//! beginning of a digest.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tokio::time::Instant;

use super::{Limits, book::Name, busiest::Busiest, sketch::Row, state::State, tally::Tally};
use crate::{metrics::LimitMetrics, worker::wall};

/// What is counted of a limit, and which keys it is asked for most, if that is looked for.
type Looked = (Arc<LimitMetrics>, Option<Arc<Busiest>>);

/// A limit, as the page shows it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    name: &'a str,
    allowed: u64,
    /// Those of them that waited.
    delayed: u64,
    rejected: BTreeMap<&'static str, u64>,
    reported: BTreeMap<&'static str, u64>,
    waiting: i64,
    keys: usize,
    quota_keys: usize,
    /// For how many seconds the busiest keys were counted.
    counted_for: u64,
    busiest: Vec<Row>,
}

impl Limits {
    /// All limits, as a JSON list.
    pub fn page(&self) -> String {
        let (all, keys) = (self.each(), self.keys());
        let shown = all.iter().map(|(name, (metrics, busiest))| {
            shown(name, metrics, busiest.as_deref(), keys.get(name).copied().unwrap_or_default())
        });
        // Plain data into memory: it cannot fail.
        serde_json::to_string(&shown.collect::<Vec<_>>()).unwrap_or_default() + "\n"
    }

    /// Brings the gauges up to date that cost a look.
    pub fn measure(&self, metrics: &crate::metrics::Registry) {
        for (limit, (owing, used)) in self.keys() {
            metrics.limit_keys(&limit, owing, used);
        }
        self.measure_stores();
        metrics.limit_clients(self.standing.clients());
    }

    /// Which limits go on without their store.
    fn measure_stores(&self) {
        let mut all: BTreeMap<Box<str>, (Arc<LimitMetrics>, bool)> = BTreeMap::new();
        let used = self.used.now.lock();
        for (name, state) in &*self.states.now.lock() {
            let shared = state.shared.as_ref();
            let of_rate = shared.is_some_and(|it| it.is_down(state.time(Instant::now())));
            let tally = used.get(name).and_then(|used| used.tally.as_deref());
            let down = all.entry(name.0.clone()).or_insert_with(|| (state.metrics.clone(), false));
            down.1 |= of_rate || tally.is_some_and(Tally::is_alone);
        }
        for (metrics, down) in all.values() {
            metrics.store_down.set((*down).into());
        }
    }

    /// About how many keys of each limit owe something, and how many used something of a quota.
    fn keys(&self) -> BTreeMap<Box<str>, (usize, usize)> {
        let mut keys: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for ((limit, _), state) in &*self.states.now.lock() {
            keys.entry(limit.clone()).or_default().0 += state.keys();
        }
        for ((limit, _), used) in &*self.used.now.lock() {
            keys.entry(limit.clone()).or_default().1 += used.keys(wall());
        }
        keys
    }

    /// The limits by name, what is counted of them, and which keys they are asked for most.
    fn each(&self) -> BTreeMap<Box<str>, Looked> {
        let busiest = self.busiest.now.lock();
        let states = self.states.now.lock();
        let one = |((limit, _), state): (&Name, &Arc<State>)| {
            let busiest = busiest.get(&(limit.clone(), Box::default())).cloned();
            (limit.clone(), (state.metrics.clone(), busiest))
        };
        states.iter().map(one).collect()
    }
}

fn shown<'a>(
    name: &'a str,
    metrics: &LimitMetrics,
    busiest: Option<&Busiest>,
    (keys, quota_keys): (usize, usize),
) -> Shown<'a> {
    let (rows, counted) = busiest.map(|it| it.read(Instant::now())).unwrap_or_default();
    Shown {
        name,
        allowed: metrics.allowed(),
        delayed: metrics.delays(),
        rejected: metrics.rejected().collect(),
        reported: metrics.reported().collect(),
        waiting: metrics.waiting_good.get() + metrics.waiting_bad.get(),
        keys,
        quota_keys,
        counted_for: counted.as_secs(),
        busiest: rows,
    }
}
