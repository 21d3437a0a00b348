//! How much may be in flight, in the gateway and at its upstreams, and for whom something is kept of it.

use super::Snapshot;
use crate::{
    config::{self, Config, Path, Problem, Problems},
    overload::{Overload, Shares, half_of_memory},
};

/// How much the gateway may have in flight.
pub(super) fn overload(
    config: &Config,
    workers: usize,
    previous: Option<&Snapshot>,
    problems: &mut Problems,
) -> Overload {
    let at = Path::root().key("server");
    let requests = config.server.max_in_flight.into();
    let bytes = config.server.max_in_flight_bytes.map_or_else(half_of_memory, |size| size.0);
    for (key, most) in [("max-in-flight", requests), ("max-in-flight-bytes", bytes)] {
        if most == 0 {
            let problem = Problem::error(at.key(key), "no request could come in");
            problems.push(problem.help("leave it out, or write what there is room for"));
        }
    }
    let shares = Shares::new(config.route.iter().any(is_high));
    Overload::new((requests, bytes), shares, workers, previous.map(|before| &before.overload))
}

/// Whether something has to be kept for a route.
fn is_high(route: &config::Route) -> bool {
    route.priority == config::Priority::High
}

/// How much of what may be in flight to an upstream each priority may use.
pub(super) fn shares(config: &Config, upstream: &str) -> Shares {
    let leads = |to: &config::To| match to {
        config::To::Name(name) => name == upstream,
        to => to.ways().unwrap_or_default().iter().any(|way| way.upstream == upstream),
    };
    Shares::new(config.route.iter().any(|route| is_high(route) && leads(&route.to)))
}
