//! How an upstream's requests are shared out among its endpoints: what `balance`, `sticky`, `slow-start`, zones and
//! the panic threshold come to.

use std::time::Duration;

use super::{Given, sticky::Sticky};
use crate::{
    balance::{Algorithm, Rules},
    config::{self, Balance, BalanceWord, Endpoint, Path, Problem, Problems},
    key::{Part, Recipe},
};

/// Bits of an address of IPv6: who has one has all others behind them, and changes them.
const PREFIX: u8 = 64;

/// How requests are shared out.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) algorithm: Algorithm,
    pub(super) rules: Rules,
    /// How long one that came up takes to have all of its weight.
    pub(super) slow_start: Duration,
    /// What a request's key is, if one is asked for.
    pub(super) recipe: Option<Recipe>,
    /// The cookie that names endpoints.
    pub(super) sticky: Option<Sticky>,
    pub(super) workers: usize,
}

impl Sharing {
    /// Compiles what `[upstream.NAME]` at `at` says of it.
    pub(super) fn compile(
        upstream: &config::Upstream,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.iter().len();
        let (algorithm, recipe) = match &upstream.balance {
            Balance::Word(BalanceWord::RoundRobin) => (Algorithm::RoundRobin, None),
            Balance::Word(BalanceWord::LeastRequests) => (Algorithm::LeastRequests, None),
            Balance::Word(BalanceWord::PeakEwma) => (Algorithm::PeakEwma, None),
            Balance::Word(BalanceWord::Random) => (Algorithm::Random, None),
            Balance::Hash(hash) => {
                let recipe = recipe(hash, &at.key("balance"), problems);
                (Algorithm::Hash { bound: hash.bounded_load }, recipe)
            }
        };
        for (key, share) in [
            ("panic-threshold", upstream.panic_threshold),
            ("zone-threshold", upstream.zone_threshold),
        ] {
            if share > 100 {
                let problem = Problem::error(at.key(key), "more than all of them");
                problems.push(problem.help("it is in per cent: 25 is a quarter of the endpoints"));
            }
        }
        check_endpoints(upstream, given, &at.key("endpoints"), problems);
        let sticky = upstream
            .sticky
            .as_ref()
            .map(|sticky| Sticky::compile(sticky, given.sticky_key, &at.key("sticky"), problems));
        if problems.iter().len() > before {
            return None;
        }
        Some(Self {
            algorithm,
            rules: Rules { panic: upstream.panic_threshold, zone: upstream.zone_threshold },
            slow_start: upstream.slow_start.0,
            recipe,
            sticky: sticky.flatten(),
            workers: given.workers,
        })
    }
}

fn recipe(hash: &config::Hash, at: &Path, problems: &mut Problems) -> Option<Recipe> {
    if hash.bounded_load.is_some_and(|share| share <= 100) {
        let problem = Problem::error(at.key("bounded-load"), "the mean alone leaves no room");
        problems.push(problem.help("per cent of the mean: 125, or 150"));
    }
    let at = at.key("hash");
    let one_for_all = ["route", "global"].iter().find(|word| *hash.hash == [**word]);
    if let Some(word) = one_for_all {
        let message = format!("`{word}` would send all to one endpoint");
        problems.push(Problem::error(at, message).help("as in \"ip\", or \"header:x-user\""));
        return None;
    }
    if hash.hash.is_empty() {
        let problem = Problem::error(at, "this would send all to one endpoint");
        problems.push(problem.help("as in \"ip\", or \"header:x-user\""));
        return None;
    }
    Recipe::compile(&hash.hash, PREFIX, &at, problems)
}

/// What endpoints say of themselves.
fn check_endpoints(
    upstream: &config::Upstream,
    given: &Given<'_>,
    at: &Path,
    problems: &mut Problems,
) {
    let mut said = given.zone.is_some();
    for (index, endpoint) in upstream.endpoints.iter().enumerate() {
        let Endpoint::Table(table) = endpoint else { continue };
        let at = at.index(index);
        if table.backup && table.priority.is_some() {
            let problem = Problem::error(at.key("backup"), "`priority` says the same, in numbers");
            problems.push(problem.help("leave one of them out"));
        }
        if table.zone.as_deref() == Some("") {
            let problem = Problem::error(at.key("zone"), "this is no zone");
            problems.push(problem.help("leave it out if it is none"));
        }
        if table.zone.is_some() && !said {
            let message = "it is not known where the gateway is, so zones mean nothing";
            let help = "`[server] zone = \"..\"`, which may be `\"${ZONE:-}\"`";
            problems.push(Problem::finding(at.key("zone"), message).help(help));
            said = true;
        }
    }
}

/// What a route has to have, so that the key of its requests can be told.
impl Sharing {
    /// Says what of a key no request of this route has.
    pub(super) fn check_route(
        &self,
        route: &str,
        params: &[Box<str>],
        asks: bool,
    ) -> Option<(String, String)> {
        self.recipe.iter().flat_map(|recipe| &recipe.parts).find_map(|part| match part {
            Part::Path(name) if !params.contains(name) => Some((
                format!(
                    "`{route}` has no path parameter `{name}`: its requests go by their address"
                ),
                format!("path = \"/…/{{{name}}}\", or another upstream"),
            )),
            Part::Identity | Part::Claim(_) if !asks => Some((
                format!("`{route}` asks nobody who they are: its requests go by their address"),
                "add `auth` to the route, or another upstream".into(),
            )),
            _ => None,
        })
    }
}
