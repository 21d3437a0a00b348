//! From `[upstream.NAME]` to an [`Upstream`], keeping what did not change.
//!
//! An endpoint whose URL, protocol, TLS and pool settings are as before is the same endpoint: its
//! connections go on over a reload. Nothing is resolved or connected here.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use tokio::time::Instant;

use super::{
    Host, Timeouts, Upstream,
    connect::Tls,
    endpoint::{Endpoint, Origin},
    guards::Guards,
    load::Load,
    members::{Member, Members, Place},
    retry::Retry,
    roster::{self, Roster},
    share::Share,
    sharing::Sharing,
    tls::TlsToOrigin,
};
use crate::{
    config::{
        self, HostHeader, Path, Problem, Problems, RouteTimeout, Start, UpstreamProtocol,
        UpstreamTimeout,
    },
    dial::{Address, Resolved},
    health::{Check, Health, Policy},
    metrics::UpstreamMetrics,
    overload::{Gate, Shares},
};

/// What an endpoint's connections depend on: while it is equal, they may live on.
#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) address: Address,
    pub(super) protocol: UpstreamProtocol,
    pub(super) keep_alive: config::KeepAlive,
    /// Whether connections begin with a PROXY header.
    proxy_protocol: bool,
    /// What an answer's head may be: bytes, fields.
    pub(super) max_header_size: usize,
    pub(super) max_headers: u16,
    tls: config::UpstreamTls,
    /// What the files of `tls` held.
    tls_digest: u64,
}

/// What an upstream is compiled with.
#[derive(Debug)]
pub struct Given<'a> {
    /// Threads that carry traffic.
    pub workers: usize,
    /// What happened there.
    pub metrics: Arc<UpstreamMetrics>,
    /// How much of what may be in flight each priority may use.
    pub shares: Shares,
    /// Where the gateway is.
    pub zone: Option<&'a str>,
    /// What names of endpoints are made with that clients see.
    pub sticky_key: Option<&'a [u8]>,
}

impl Upstream {
    /// Compiles `[upstream.NAME]` at `at`; endpoints that did not change are taken from `previous`.
    ///
    /// Adds to `problems` and returns nothing when something is wrong.
    pub fn compile(
        name: &str,
        upstream: &config::Upstream,
        previous: Option<&Self>,
        given: Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let workers = given.workers;
        let list = at.key("endpoints");
        if upstream.endpoints.is_empty() {
            let problem = Problem::error(list, "an upstream needs at least one endpoint");
            problems.push(problem.help("endpoints = [\"http://127.0.0.1:3000\"]"));
            return None;
        }
        // A URL that stands for a whole upstream is at fault itself.
        let list = if upstream.endpoints.0 == [config::Endpoint::Url(name.into())] {
            at.clone()
        } else {
            list
        };
        let host = host(&upstream.host, &at.key("host"), problems);
        let name: Arc<str> = name.into();
        let addresses = addresses(upstream, &list, problems);
        let https = addresses.iter().flatten().any(|address| address.tls);
        let tls = TlsToOrigin::compile(upstream, https, &at.key("tls"), problems);
        let answerable = check_head(upstream, at, problems);
        let protocol = protocol(upstream, &at.key("protocol"), problems);
        let gate = gate(upstream, previous, &given, &at.key("max-in-flight"), problems);
        let check = check(upstream, at, problems);
        let policy = Policy::compile(&upstream.ejection, &at.key("ejection"), problems);
        let retry = Retry::compile(&upstream.retry, workers, &at.key("retry"), problems);
        let sharing = Sharing::compile(upstream, &given, at, problems);
        let known = previous.map(|previous| &previous.guards);
        let guards = Guards::compile(upstream, (&name, https), known, &given, at, problems);
        let (host, tls, addresses, (), protocol) =
            (host?, tls?, addresses?, answerable?, protocol?);
        let (gate, check, policy, retry) = (gate?, check?, policy?, retry?);
        let (sharing, guards) = (sharing?, guards?);
        let make = Make {
            upstream,
            protocol,
            tls: &tls,
            sharing: &sharing,
            start: check.as_ref().map(|check| check.settings.start),
            given: &given,
        };
        let known = previous.map(Self::members);
        let members = make.members(addresses, known.as_deref(), &list, problems)?;
        let roster = roster::Given {
            name: name.clone(),
            metrics: given.metrics.clone(),
            check,
            policy,
            sharing,
        };
        Some(Self {
            name,
            roster: Roster::new(roster, members),
            retry,
            guards,
            timeout: Timeouts::new(&upstream.timeout),
            host,
            metrics: given.metrics.clone(),
            gate,
            written: upstream.endpoints.clone(),
            proxy_protocol: upstream.proxy_protocol,
        })
    }
}

/// What endpoints are made with.
struct Make<'a> {
    upstream: &'a config::Upstream,
    protocol: UpstreamProtocol,
    tls: &'a TlsToOrigin,
    sharing: &'a Sharing,
    /// What a new one is taken for, if it is asked.
    start: Option<Start>,
    given: &'a Given<'a>,
}

impl Make<'_> {
    /// The endpoints at these addresses; those that did not change are taken from the known ones.
    fn members(
        &self,
        addresses: Vec<Address>,
        known: Option<&Members>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Vec<Member>> {
        let now = Instant::now();
        let places = self.upstream.endpoints.iter().map(|endpoint| self.place(endpoint));
        let made =
            addresses.into_iter().zip(places).enumerate().map(|(index, (address, place))| {
                let endpoint = self.endpoint(address, known);
                let endpoint = endpoint.map_err(|message| Problem::error(at.index(index), message));
                let endpoint = problems.keep(endpoint)?;
                if known.is_some_and(|known| !known.has(&endpoint)) {
                    endpoint.origin.share.comes(now);
                }
                Some(Member::new(endpoint, place, self.sharing, now))
            });
        // All of them, so that every problem is seen.
        made.collect::<Vec<_>>().into_iter().collect()
    }

    /// What an endpoint is among the others.
    fn place(&self, endpoint: &config::Endpoint) -> Place {
        let zone = self.given.zone.filter(|zone| !zone.is_empty());
        let near = zone.is_some() && zone == endpoint.zone();
        Place { weight: endpoint.weight(), priority: endpoint.priority(), near }
    }

    fn endpoint(&self, address: Address, known: Option<&Members>) -> Result<Arc<Endpoint>, String> {
        let Self { upstream, protocol, tls, start, given, .. } = self;
        let settings = Settings {
            address,
            protocol: *protocol,
            proxy_protocol: upstream.proxy_protocol,
            keep_alive: upstream.keep_alive.clone(),
            max_header_size: upstream.max_header_size.as_usize(),
            max_headers: upstream.max_headers,
            tls: upstream.tls.clone(),
            tls_digest: tls.digest,
        };
        let mut known = known.iter().flat_map(|known| &known.list);
        if let Some(known) = known.find(|known| known.endpoint.serves(&settings, given.workers)) {
            return Ok(known.endpoint.clone());
        }
        let origin = Origin::new(settings, tls, *start)?;
        Ok(Endpoint::new(origin, given.workers, &given.metrics).into())
    }
}

fn addresses(
    upstream: &config::Upstream,
    at: &Path,
    problems: &mut Problems,
) -> Option<Vec<Address>> {
    let parse = |(index, endpoint): (usize, &config::Endpoint)| {
        let address = Address::parse(endpoint.url());
        problems.keep(address.map_err(|message| Problem::error(at.index(index), message)))
    };
    let addresses: Vec<_> = upstream.endpoints.iter().enumerate().map(parse).collect();
    let addresses: Vec<Address> = addresses.into_iter().collect::<Option<_>>()?;
    for (index, address) in addresses.iter().enumerate() {
        if let Some(first) = addresses[..index].iter().position(|other| other == address) {
            let problem = Problem::error(at.index(index), format!("`{address}` is named twice"));
            problems.push(
                problem
                    .also(at.index(first), "first here")
                    .help("give it a weight instead: { url = \"..\", weight = 2 }"),
            );
        }
    }
    Some(addresses)
}

/// What endpoints are asked, if they are; nothing if that is wrong.
fn check(upstream: &config::Upstream, at: &Path, problems: &mut Problems) -> Option<Option<Check>> {
    match &upstream.health {
        None => Some(None),
        Some(health) => Check::compile(health, &at.key("health"), problems).map(Some),
    }
}

/// What counts the requests in flight, if they are bounded; nothing if that is wrong.
fn gate(
    upstream: &config::Upstream,
    previous: Option<&Upstream>,
    given: &Given<'_>,
    at: &Path,
    problems: &mut Problems,
) -> Option<Option<Gate>> {
    let Some(most) = &upstream.max_in_flight else { return Some(None) };
    // What was found out is about these endpoints.
    let same = previous.filter(|previous| previous.written == upstream.endpoints);
    let known = same.and_then(|previous| previous.gate.as_ref());
    Gate::compile(most, given.shares, given.workers, known, &given.metrics, at, problems).map(Some)
}

/// The protocol spoken. Behind a PROXY header it is one of which a connection carries one request.
fn protocol(
    upstream: &config::Upstream,
    at: &Path,
    problems: &mut Problems,
) -> Option<UpstreamProtocol> {
    match (upstream.proxy_protocol, upstream.protocol) {
        (false, protocol) => Some(protocol),
        (true, UpstreamProtocol::Auto | UpstreamProtocol::Http1) => Some(UpstreamProtocol::Http1),
        (true, UpstreamProtocol::Http2) => {
            let message = "a connection of HTTP/2 would be shared by clients";
            let problem = Problem::error(at.clone(), message);
            problems.push(problem.help("`proxy-protocol` needs HTTP/1.1"));
            None
        }
    }
}

/// Limits that no answer could keep.
fn check_head(upstream: &config::Upstream, at: &Path, problems: &mut Problems) -> Option<()> {
    let (size, fields) = (upstream.max_header_size.as_usize(), upstream.max_headers);
    let key = match () {
        () if size == 0 => "max-header-size",
        () if fields == 0 => "max-headers",
        () => return Some(()),
    };
    problems.push(Problem::error(at.key(key), "no answer could come"));
    None
}

fn host(host: &HostHeader, at: &Path, problems: &mut Problems) -> Option<Host> {
    match host {
        HostHeader::Pass => Some(Host::Pass),
        HostHeader::Endpoint => Some(Host::Endpoint),
        HostHeader::Name(name) => {
            let valid = name.parse::<http::uri::Authority>().is_ok() && !name.contains('@');
            let value = HeaderValue::from_str(name).ok().filter(|_| valid).map(Host::Name);
            let problem = || {
                Problem::error(at.clone(), format!("`{name}` is not a host"))
                    .help("write \"pass\", \"endpoint\" or a name like \"api.internal:8080\"")
            };
            problems.keep(value.ok_or_else(problem))
        }
    }
}

impl Origin {
    fn new(settings: Settings, tls: &TlsToOrigin, start: Option<Start>) -> Result<Self, String> {
        let tls = match settings.address.tls {
            false => None,
            true => Some(Tls {
                config: tls.config.clone(),
                config_http1: tls.config_http1.clone(),
                name: tls.server_name(&settings.address)?,
            }),
        };
        let name = settings.address.to_string().into();
        Ok(Self {
            name,
            tls,
            resolved: Resolved::default(),
            health: Health::new(start),
            load: Load::default(),
            share: Share::default(),
            settings,
        })
    }
}

impl Settings {
    /// How many idle connections each worker keeps.
    pub(super) fn most_kept(&self) -> usize {
        // One that was introduced as a client's is nobody else's.
        if self.proxy_protocol { 0 } else { self.keep_alive.max_idle as usize }
    }
}

impl Timeouts {
    /// An upstream's times.
    pub fn new(timeout: &UpstreamTimeout) -> Self {
        Self {
            connect: timeout.connect.0,
            first_byte: timeout.first_byte.0,
            idle: timeout.idle.0,
            total: timeout.total.map(|total| total.0),
        }
    }

    /// The same, but for what a route says.
    #[must_use]
    pub fn or(self, route: Option<&RouteTimeout>) -> Self {
        let Some(route) = route else { return self };
        Self {
            connect: self.connect,
            first_byte: route.first_byte.map_or(self.first_byte, |time| time.0),
            idle: route.idle.map_or(self.idle, |time| time.0),
            total: route.total.map(|time| time.0).or(self.total),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("address", &self.address).finish_non_exhaustive()
    }
}
