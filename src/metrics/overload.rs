//! The families about overload: what is in flight, may be, waits, and was refused for that.
//!
//! In: cells of the process and of upstreams. Out: their part of the page.

use std::fmt::{self, Display};

use super::{
    Named, ProcessMetrics, UpstreamMetrics,
    encode::{by_word, simple},
    exposition::{Kind, Page},
};

/// What the gateway has in flight.
pub(super) fn load(page: &mut Page, process: &ProcessMetrics) {
    let families = [
        ("janua_requests_in_flight", "Requests in flight."),
        ("janua_max_in_flight", "Requests that may be in flight."),
        ("janua_bytes_in_flight", "Memory that bodies in flight may take."),
        ("janua_max_in_flight_bytes", "Memory that they may take in all."),
    ];
    for ((name, help), gauge) in families.into_iter().zip(&process.load) {
        page.family(name, Kind::Gauge, help).sample(&[], gauge.get());
    }
    let mut shed = page.family(
        "janua_shed_total",
        Kind::Counter,
        "Requests refused because the gateway has too much in flight, by reason and priority.",
    );
    for (reason, counts) in
        [("overload.requests", &process.shed_requests), ("overload.memory", &process.shed_memory)]
    {
        for (priority, count) in counts.counted() {
            shed.sample(&[("reason", reason), ("priority", priority)], count);
        }
    }
}

/// What is in flight to upstreams.
pub(super) fn gates(page: &mut Page, all: &Named<UpstreamMetrics>) {
    let shed = (
        "janua_upstream_shed_total",
        "Requests refused because too many are in flight to the upstream, by priority.",
    );
    by_word(page, shed, ("upstream", "priority"), all, UpstreamMetrics::sheds);
    let mut most = page.family(
        "janua_upstream_max_in_flight",
        Kind::Gauge,
        "Requests that may be in flight to the upstream, where that is bounded.",
    );
    for (name, upstream) in all {
        match upstream.max_in_flight.get() {
            0 => {}
            limit => most.sample(&[("upstream", name)], limit),
        }
    }
    let mut baseline = page.family(
        "janua_upstream_baseline_seconds",
        Kind::Gauge,
        "What answers take without load, as an adaptive limit knows it.",
    );
    for (name, upstream) in all {
        match upstream.baseline.get() {
            0 => {}
            micros => baseline.sample(&[("upstream", name)], Seconds(micros)),
        }
    }
}

/// What holds requests back from upstreams, or hurries them.
pub(super) fn guards(page: &mut Page, all: &Named<UpstreamMetrics>) {
    let mut one = |name, kind, help, read: fn(&UpstreamMetrics) -> i128| {
        simple(page, (name, kind, help), "upstream", all, read);
    };
    one(
        "janua_upstream_hedges_total",
        Kind::Counter,
        "Requests sent to a second endpoint beside the first.",
        |upstream| upstream.sum(|shard| shard.hedges.get()).into(),
    );
    one(
        "janua_upstream_breaker",
        Kind::Gauge,
        "What the breaker is: 0 closed, 1 half-open, 2 open.",
        |upstream| upstream.breaker.get().into(),
    );
    one(
        "janua_upstream_queue_length",
        Kind::Gauge,
        "Requests that wait for an endpoint to have room.",
        |upstream| upstream.queue.get().into(),
    );
    let mut waits = page.family(
        "janua_upstream_queue_seconds",
        Kind::Histogram,
        "How long requests waited for an endpoint to have room.",
    );
    for (name, upstream) in all {
        let waited = upstream.queue_waits();
        if waited.buckets.iter().any(|count| *count > 0) {
            waits.histogram(&[("upstream", name)], &waited);
        }
    }
}

/// Microseconds, in seconds.
struct Seconds(i64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
