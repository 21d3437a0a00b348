//! A store that gateways share: Redis, as Debian has it. It comes, goes, and stands still under requests.

mod cluster;
mod keys;
mod limits;
mod purges;
mod quotas;
mod redis;
mod sentinel;
mod sessions;

pub(super) use redis::Redis;

use crate::support::Janua;

/// A number of the metrics' page.
fn metric(janua: &Janua, name: &str) -> u64 {
    let page = janua.world().metrics.encode(&janua::metrics::Outside::default());
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}
