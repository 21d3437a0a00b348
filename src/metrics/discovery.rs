//! [`DiscoveryMetrics`]: what the sources of an upstream's endpoints say, and how long ago.
//!
//! In: events of the control side, which are rare, and a look at the sources for each scrape. Out: cells,
//! for the encoder.

use super::{
    Counter, Gauge, Named, UpstreamMetrics,
    encode::simple,
    exposition::{Kind, Page},
};

/// What the sources of an upstream's endpoints say.
#[derive(Debug, Default)]
pub struct DiscoveryMetrics {
    /// Sources there are; 0 if all endpoints are written down.
    pub sources: Gauge,
    /// Sources that fail, or say that there are no endpoints.
    pub failing: Gauge,
    /// Endpoints that they found, as of their last good answers.
    pub found: Gauge,
    /// When the one that was silent for longest said something, in seconds since 1970; 0 if one never did.
    pub heard: Gauge,
    /// Times that a source failed.
    pub failures: Counter,
    /// Times that the endpoints changed.
    pub changes: Counter,
}

/// The families of it: those of upstreams that have sources.
pub(super) fn discovery(page: &mut Page, all: &Named<UpstreamMetrics>) {
    let found = all.iter().filter(|(_, upstream)| upstream.discovery.sources.get() > 0);
    let found: Named<UpstreamMetrics> =
        found.map(|(name, upstream)| (name.clone(), upstream.clone())).collect();
    let mut one = |name, kind, help, read: fn(&DiscoveryMetrics) -> i128| {
        simple(page, (name, kind, help), "upstream", &found, |upstream| read(&upstream.discovery));
    };
    one(
        "janua_upstream_discovery_endpoints",
        Kind::Gauge,
        "Endpoints that sources found, as of their last good answers.",
        |discovery| discovery.found.get().into(),
    );
    one(
        "janua_upstream_discovery_failing",
        Kind::Gauge,
        "Sources of endpoints that fail, or say that there are none.",
        |discovery| discovery.failing.get().into(),
    );
    one(
        "janua_upstream_discovery_last_answer_timestamp_seconds",
        Kind::Gauge,
        "When the source that was silent for longest said something; 0 if it never did.",
        |discovery| discovery.heard.get().into(),
    );
    one(
        "janua_upstream_discovery_failures_total",
        Kind::Counter,
        "Times that a source of endpoints failed.",
        |discovery| discovery.failures.get().into(),
    );
    one(
        "janua_upstream_discovery_changes_total",
        Kind::Counter,
        "Times that the endpoints found changed.",
        |discovery| discovery.changes.get().into(),
    );
}
