//! What holds requests back from an upstream: that it is broken, or that all its endpoints are busy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::Duration;

/// Send an upstream nothing for a while once too many of its requests fail (503 `upstream.breaker_open`), then a few to see whether it is well again. By default never.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Breaker {
    /// Per cent of requests that have to fail: as `ejection` counts failures, after the last try.
    pub failure_percent: u8,
    /// The time in which they are counted.
    pub window: Duration,
    /// With fewer requests in that time it does not open.
    pub min_requests: u32,
    /// How long nothing is sent.
    pub time: Duration,
    /// So many requests are let through then; if all go well it closes, if one fails it opens again.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failure_percent: 50,
            window: Duration::secs(10),
            min_requests: 20,
            time: Duration::secs(10),
            probes: 3,
        }
    }
}

/// Where requests wait while each endpoint has `max-requests`, or by HTTP/1.1 `max-connections`: first come, first served.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Queue {
    /// So many at most; more are 503 `upstream.queue_full`.
    pub size: u32,
    /// Each waits so long at most, and is 503 `upstream.queue_timeout` then.
    pub time: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { size: 100, time: Duration::secs(1) }
    }
}

/// Ask a second endpoint when the first takes long, and take the answer that comes first: for requests without a body, by methods that `retry` may send twice and within its budget. By default never.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hedge {
    /// When no answer has begun after this time; take what 95 in 100 answers are faster than.
    #[schemars(example = &"50ms")]
    pub after: Duration,
}
