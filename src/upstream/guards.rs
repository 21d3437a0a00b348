//! What holds requests back from an upstream, or hurries them: each is there only if it was asked for.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use http::HeaderName;

use super::{Given, breaker::Breaker, expiry::Expiries, seats::Seats};
use crate::config::{self, Path, Problem, Problems, UpstreamProtocol};

/// What holds requests back, or hurries them.
#[derive(Debug)]
pub(super) struct Guards {
    /// After what time a second endpoint is asked.
    pub(super) hedge: Option<Duration>,
    pub(super) breaker: Option<Breaker>,
    pub(super) seats: Option<Seats>,
    /// Connections that each endpoint may have, of all workers.
    pub(super) most_connections: Option<NonZeroU32>,
    pub(super) expiries: Expiries,
}

impl Guards {
    /// Compiles those keys of an upstream at `at`, of this name and with endpoints by TLS or not.
    pub(super) fn compile(
        upstream: &config::Upstream,
        (name, https): (&Arc<str>, bool),
        previous: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let hedge = hedge(upstream.hedge.as_ref(), &at.key("hedge"), problems);
        let known = previous.and_then(|previous| previous.breaker.as_ref());
        let breaker = match &upstream.breaker {
            None => Some(None),
            Some(breaker) => {
                let at = at.key("breaker");
                Breaker::compile(breaker, name, given.workers, known, &at, problems).map(Some)
            }
        };
        let known = previous.and_then(|previous| previous.seats.as_ref());
        let alone = match upstream.protocol {
            UpstreamProtocol::Http1 => true,
            UpstreamProtocol::Auto => !https || upstream.proxy_protocol,
            UpstreamProtocol::Http2 => false,
        };
        let seats = Seats::compile(upstream, alone, known, &given.metrics, at, problems);
        let most_connections = most_connections(upstream, &at.key("max-connections"), problems);
        let expiries = expiries(upstream, https, at, problems);
        Some(Self {
            hedge: hedge?,
            breaker: breaker?,
            seats: seats?,
            most_connections: most_connections?,
            expiries: expiries?,
        })
    }
}

/// After what time a second endpoint is asked, if one is; nothing if that is wrong.
fn hedge(
    hedge: Option<&config::Hedge>,
    at: &Path,
    problems: &mut Problems,
) -> Option<Option<Duration>> {
    let after = hedge.map(|hedge| hedge.after.0);
    if after.is_some_and(|after| after.is_zero()) {
        let problem = Problem::error(at.key("after"), "every request would be sent twice");
        problems.push(problem.help("take what 95 in 100 answers are faster than, like \"50ms\""));
        return None;
    }
    Some(after)
}

/// How many connections each endpoint may have, if that is bounded; nothing if that is wrong.
fn most_connections(
    upstream: &config::Upstream,
    at: &Path,
    problems: &mut Problems,
) -> Option<Option<NonZeroU32>> {
    let Some(most) = upstream.max_connections else { return Some(None) };
    let most = NonZeroU32::new(most).ok_or_else(|| {
        let problem = Problem::error(at.clone(), "no connection could be made");
        problem.help("leave it out, or write how many an endpoint takes")
    });
    problems.keep(most).map(Some)
}

/// Where clients say how long they wait; nothing if that is wrong.
fn expiries(
    upstream: &config::Upstream,
    https: bool,
    at: &Path,
    problems: &mut Problems,
) -> Option<Expiries> {
    // Origins that speak HTTP/1.1 alone do not speak gRPC.
    let grpc = match upstream.protocol {
        UpstreamProtocol::Http2 => true,
        UpstreamProtocol::Auto => https && !upstream.proxy_protocol,
        UpstreamProtocol::Http1 => false,
    };
    let Some(name) = &upstream.deadline_header else {
        return Some(Expiries { grpc, header: None });
    };
    let header = name.parse::<HeaderName>().ok().filter(|name| *name != "grpc-timeout");
    let problem = || {
        let problem = Problem::error(at.key("deadline-header"), format!("`{name}` cannot be it"));
        problem.help("a header field with milliseconds, like \"x-envoy-expected-rq-timeout-ms\"")
    };
    let header = Some(problems.keep(header.ok_or_else(problem))?);
    Some(Expiries { grpc, header })
}
