//! A store that gateways share: Valkey or Redis, as Debian has them. It comes, goes, and stands still under
//! requests. Which of them is asked of the environment ([`StoreServer`]); `tests/run` tries both.

mod cluster;
mod keys;
mod limits;
mod purges;
mod quotas;
mod sentinel;
mod server;
mod sessions;

pub(super) use server::StoreServer;

use crate::support::Janua;

/// A number of the metrics' page.
fn metric(janua: &Janua, name: &str) -> u64 {
    let page = janua.world().metrics.encode(&janua::metrics::Outside::default());
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}
