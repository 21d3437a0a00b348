//! What limits did and which keys they are asked for most, for the operator.
//!
//! Out: JSON. Who somebody is, is shown; of header fields and cookies, which may be credentials, only the
//! beginning of a digest.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::time::Instant;

use super::{Limits, busiest::Busiest, sketch::Row};
use crate::metrics::LimitMetrics;

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
