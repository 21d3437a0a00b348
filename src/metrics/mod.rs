//! Every number the process counts, and the page that a Prometheus server scrapes.
//!
//! In: from the data plane a worker's index and plain integers, at load the names of the
//! configuration. Out: [`Registry::encode`], text. Names come from the configuration only, so a
//! client cannot make series. On the path of a request nothing here allocates, locks or shares a
//! cache line with another worker: each worker counts in its own block, and a scrape adds them up.
//! Nothing here knows a route, a refusal or the access log; their words arrive as tables and counts.

mod auth;
mod cache;
mod caches;
mod cell;
mod discovery;
mod encode;
mod exposition;
mod histogram;
mod labelled;
mod limit;
mod limits;
mod listener;
mod mirror;
mod operation;
mod overload;
mod process;
mod registry;
mod route;
mod store;
mod upstream;

pub use self::{
    auth::AuthMetrics,
    cache::{CacheMetrics, Cached, OnDisk, Shelved},
    cell::{Counter, Gauge, Held},
    discovery::DiscoveryMetrics,
    encode::{CONTENT_TYPE, Outside},
    histogram::Histogram,
    labelled::Counters,
    limit::{LimitMetrics, QuotaMetrics},
    listener::{ListenerMetrics, ListenerShard, Protocol},
    mirror::{MirrorMetrics, MirrorPlace, Mirrored, Unmirrored},
    operation::OperationMetrics,
    process::{ProcessMetrics, open_files},
    registry::{Loading, NO_ROUTE, Named, Registry},
    route::{Finished, RouteMetrics},
    store::StoreMetrics,
    upstream::{STANDINGS, UpstreamMetrics, UpstreamShard},
};

/// The words of a label, by index: for refusals, the reasons in the order of their list.
pub type Labels = &'static [&'static str];

#[cfg(test)]
mod tests;
