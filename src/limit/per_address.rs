//! [`PerAddress`]: what an address may do at a listener before anybody is asked who it is.

use std::{
    hash::{BuildHasher as _, Hasher as _},
    net::IpAddr,
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    Refusal, Standing,
    hall::Permit,
    section::{MOST_KEYS, gcra},
    state::{Claim, State, Terms},
};
use crate::{
    config::{self, Path, Problem, Problems},
    key::{Part, Recipe, address},
    metrics::LimitMetrics,
    reject::Reject,
};

/// What an address may do at a listener.
#[derive(Debug)]
pub struct PerAddress {
    standing: Arc<Standing>,
    prefix: u8,
    connections: Option<Allowance>,
    handshakes: Option<Allowance>,
    requests: Option<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    terms: Terms,
    state: Arc<State>,
    reject: Reject,
}

/// What of a table cannot be meant, or is in vain at a listener without TLS.
fn check(
    table: &config::PerAddress,
    (is_written, tls): (bool, bool),
    at: &Path,
    problems: &mut Problems,
) {
    if table.ipv6_prefix > 128 {
        problems.push(
            Problem::error(at.key("ipv6-prefix"), "an address has 128 bits").help("64, or 56"),
        );
    }
    if table.max_keys == 0 {
        problems.push(Problem::error(at.key("max-keys"), "no address could be known"));
    }
    if table.max_keys > MOST_KEYS {
        let message = format!("at most {MOST_KEYS} addresses are known");
        problems.push(Problem::error(at.key("max-keys"), message).help("1000000 take 66 MiB"));
    }
    if table.connections == Some(0) {
        problems.push(Problem::error(at.key("connections"), "nobody could connect"));
    }
    if table.handshakes.is_some() && !tls {
        let message = "without TLS there are no handshakes";
        let problem = Problem::finding(at.key("handshakes"), message);
        problems.push(problem.help("`connections`, or `tls`"));
    }
    let bounds =
        table.connections.is_some() || table.handshakes.is_some() || table.requests.is_some();
    if is_written
        && !bounds
        && table.ipv6_prefix <= 128
        && (1..=MOST_KEYS).contains(&table.max_keys)
    {
        let problem = Problem::finding(at.clone(), "this bounds nothing of an address");
        problems.push(problem.help("`connections`, `handshakes` or `requests`"));
    }
}

impl PerAddress {
    /// Compiles the table at `at`, with what was counted `before`; the listener has TLS or not.
    pub fn compile(
        table: Option<&config::PerAddress>,
        before: Option<&Self>,
        (standing, tls): (&Arc<Standing>, bool),
        at: &Path,
        problems: &mut Problems,
    ) -> Self {
        let is_written = table.is_some();
        let table = table.cloned().unwrap_or_default();
        let prefix = table.ipv6_prefix;
        let shape = Recipe { parts: [Part::Ip].into(), prefix };
        check(&table, (is_written, tls), at, problems);
        let allowance = |terms: Option<Terms>, before: Option<&Allowance>, reject| {
            let terms = terms?;
            let (shape, keys) = (shape.clone(), table.max_keys);
            let state = match before.map(|known| &known.state) {
                Some(known) if known.shape == (shape.clone(), keys) => known.clone(),
                Some(known) if known.shape.0 == shape => Arc::new(known.resized(keys, None)),
                _ => {
                    let metrics = Arc::new(LimitMetrics::new(0, &[]));
                    let rates = terms.rate.into_iter().collect();
                    Arc::new(State::new((shape, keys), rates, None, metrics))
                }
            };
            Some(Allowance { terms, state, reject })
        };
        let mut terms = |written: Option<config::Rate>, key: &'static str| {
            let rate = gcra(written?, None, &at.key(key), problems)?;
            Some(Terms { rate: Some(rate), concurrent: None, quota: None })
        };
        let (handshakes, requests) =
            (terms(table.handshakes, "handshakes"), terms(table.requests, "requests"));
        let connections =
            table.connections.map(|most| Terms { rate: None, concurrent: Some(most), quota: None });
        let before = |pick: fn(&Self) -> &Option<Allowance>| before.and_then(|b| pick(b).as_ref());
        Self {
            standing: standing.clone(),
            prefix: table.ipv6_prefix,
            connections: allowance(
                connections,
                before(|b| &b.connections),
                Reject::LimitConnections,
            ),
            handshakes: allowance(handshakes, before(|b| &b.handshakes), Reject::LimitHandshakes),
            requests: allowance(requests, before(|b| &b.requests), Reject::LimitRequests),
        }
    }

    /// From now on the rates hold that were written.
    pub fn start(&self) {
        for Allowance { terms, state, .. } in self.handshakes.iter().chain(&self.requests) {
            state.hold_to(terms.rate.into_iter().collect());
        }
    }

    /// Lets a connection come in, which is one until the permit is dropped.
    ///
    /// # Errors
    /// The address has all that it may have.
    pub fn connect(&self, peer: Option<IpAddr>, tls: bool) -> Result<Option<Permit>, Reject> {
        let permit = match &self.connections {
            None => None,
            Some(allowance) => self.take(allowance, peer, 1).map_err(|refusal| refusal.reject)?,
        };
        if let Some(allowance) = self.handshakes.as_ref().filter(|_| tls) {
            let now = allowance.state.time(Instant::now());
            self.take(allowance, peer, now).map_err(|refusal| refusal.reject)?;
        }
        Ok(permit)
    }

    /// Lets a request come in.
    ///
    /// # Errors
    /// There were too many.
    #[inline]
    pub fn request(&self, client: Option<IpAddr>, now: Instant) -> Result<(), Refusal> {
        match &self.requests {
            None => Ok(()),
            Some(allowance) => self.take(allowance, client, allowance.state.time(now)).map(|_| ()),
        }
    }

    /// What would become of a request, for people; none if nothing is said of requests.
    pub fn explain(&self, client: Option<IpAddr>, now: Instant) -> Option<String> {
        let allowance = self.requests.as_ref()?;
        let (rate, time) = (allowance.terms.rate?, allowance.state.time(now));
        let tat = allowance.state.owes(self.key(client), rate, time);
        Some(format!(
            "{} of {} requests are left to this address",
            rate.left(tat, time),
            rate.units()
        ))
    }

    fn key(&self, ip: Option<IpAddr>) -> u64 {
        let mut hasher = self.standing.seed.build_hasher();
        address(ip, self.prefix, &mut hasher);
        hasher.finish()
    }

    fn take(
        &self,
        allowance: &Allowance,
        ip: Option<IpAddr>,
        now: u64,
    ) -> Result<Option<Permit>, Refusal> {
        // Whoever comes by a Unix socket has no address, and is let in by who may open it.
        if ip.is_none() {
            return Ok(None);
        }
        let claim = Claim::new(self.key(ip), (0, false), 1, allowance.terms, None);
        match allowance.state.take(claim, now) {
            Ok(taken) => Ok(taken.permit),
            Err(blocked) => {
                Err(Refusal { reject: allowance.reject, retry_after: blocked.after(now) })
            }
        }
    }
}
