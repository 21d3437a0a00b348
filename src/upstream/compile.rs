//! From `[upstream.NAME]` to an [`Upstream`], keeping what did not change.
//!
//! An endpoint whose URL, protocol, TLS and pool settings are as before is the same endpoint: its
//! connections go on over a reload. Nothing is resolved or connected here.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU32},
};

use http::HeaderValue;
use tokio::time::Instant;

use super::{
    Host, Timeouts, Upstream,
    connect::Tls,
    connections::Connections,
    discovered::{Discovered, Listed, sources},
    endpoint::{Endpoint, Origin},
    guards::Guards,
    load::Load,
    members::{Member, Place},
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
    discovery::is_source,
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
        let sources = sources(&name, upstream, previous, &given.metrics, (&list, at), problems);
        let https = addresses.iter().flatten().any(|(_, address)| address.tls)
            || sources.iter().flatten().any(|listed| listed.source.may_speak_tls());
        let tls = TlsToOrigin::compile(upstream, https, &at.key("tls"), problems);
        let answerable = check_head(upstream, at, problems);
        let protocol = protocol(upstream, &at.key("protocol"), problems);
        let gate = gate(upstream, previous, &given, &at.key("max-in-flight"), problems);
        let check = check(upstream, at, problems);
        let policy = Policy::compile(&upstream.ejection, &at.key("ejection"), problems);
        let known = previous.map(|previous| &previous.retry);
        let retry = Retry::compile(&upstream.retry, workers, known, &at.key("retry"), problems);
        let sharing = Sharing::compile(upstream, &given, at, problems);
        let known = previous.map(|previous| &previous.guards);
        let guards = Guards::compile(upstream, (&name, https), known, &given, at, problems);
        let (host, tls, addresses, sources, (), protocol) =
            (host?, tls?, addresses?, sources?, answerable?, protocol?);
        let (gate, check, policy, retry) = (gate?, check?, policy?, retry?);
        let (sharing, guards) = (sharing?, guards?);
        let make = Make::new(upstream, (protocol, tls), check.as_ref(), &given);
        let known = previous.map(Self::members);
        let known = known.as_ref().map_or(&[][..], |known| &known.list);
        let written = make.written(addresses, known, &list, problems)?;
        let (members, discovered) = members(&name, written, sources, make, (known, &sharing));
        let roster = roster::Given {
            name: name.clone(),
            metrics: given.metrics.clone(),
            check,
            discovered,
            policy,
            sharing,
            judges: previous.and_then(|previous| previous.roster.judges()),
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
pub(super) struct Make {
    upstream: config::Upstream,
    protocol: UpstreamProtocol,
    tls: TlsToOrigin,
    /// What a new one is taken for, if it is asked.
    start: Option<Start>,
    workers: usize,
    /// Where the gateway is.
    zone: Option<Box<str>>,
    metrics: Arc<UpstreamMetrics>,
}

impl Make {
    fn new(
        upstream: &config::Upstream,
        (protocol, tls): (UpstreamProtocol, TlsToOrigin),
        check: Option<&Check>,
        given: &Given<'_>,
    ) -> Self {
        Self {
            upstream: upstream.clone(),
            protocol,
            tls,
            start: check.map(|check| check.settings.start),
            workers: given.workers,
            zone: given.zone.filter(|zone| !zone.is_empty()).map(Into::into),
            metrics: given.metrics.clone(),
        }
    }

    /// The endpoints at these addresses, with their weights.
    fn written(
        &self,
        addresses: Vec<(usize, Address)>,
        known: &[Member],
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Vec<(Arc<Endpoint>, Place)>> {
        let now = Instant::now();
        let made = addresses.into_iter().map(|(index, address)| {
            let endpoint = self.endpoint(address, known.iter().map(|known| &known.endpoint));
            let endpoint = endpoint.map_err(|message| Problem::error(at.index(index), message));
            let endpoint = problems.keep(endpoint)?;
            if is_news(&endpoint, known) {
                endpoint.origin.share.comes(now);
            }
            Some((endpoint, self.place(&self.upstream.endpoints[index])))
        });
        // All of them, so that every problem is seen.
        made.collect::<Vec<_>>().into_iter().collect()
    }

    /// What an endpoint is among the others, or those are that a source finds.
    pub(super) fn place(&self, endpoint: &config::Endpoint) -> Place {
        let near = self.is_near(endpoint.zone());
        let max_requests = endpoint.max_requests();
        Place { weight: endpoint.weight(), priority: endpoint.priority(), near, max_requests }
    }

    /// Whether that is where the gateway is.
    pub(super) fn is_near(&self, zone: Option<&str>) -> bool {
        self.zone.is_some() && self.zone.as_deref() == zone
    }

    /// The endpoint at an address: one of those that are known, if it did not change.
    pub(super) fn endpoint<'k>(
        &self,
        address: Address,
        mut known: impl Iterator<Item = &'k Arc<Endpoint>>,
    ) -> Result<Arc<Endpoint>, String> {
        let Self { upstream, protocol, tls, start, workers, metrics, .. } = self;
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
        if let Some(known) = known.find(|known| known.serves(&settings, *workers)) {
            return Ok(known.clone());
        }
        let origin = Origin::new(settings, tls, *start)?;
        Ok(Endpoint::new(origin, *workers, metrics).into())
    }
}

/// All endpoints at first, and who finds others, if somebody does.
fn members(
    name: &str,
    written: Vec<(Arc<Endpoint>, Place)>,
    sources: Vec<Listed>,
    make: Make,
    (known, sharing): (&[Member], &Sharing),
) -> (Vec<Member>, Option<Discovered>) {
    let now = Instant::now();
    if sources.is_empty() {
        let member = |(endpoint, place)| Member::new(endpoint, place, sharing, now);
        return (written.into_iter().map(member).collect(), None);
    }
    let discovered = Discovered::new(sources, written, make);
    (discovered.members(name, known, sharing, now), Some(discovered))
}

/// The endpoints that are written down, each with its place in the list.
fn addresses(
    upstream: &config::Upstream,
    at: &Path,
    problems: &mut Problems,
) -> Option<Vec<(usize, Address)>> {
    let parse = |(index, endpoint): (usize, &config::Endpoint)| {
        let address = Address::parse(endpoint.url());
        let address = address.map_err(|message| Problem::error(at.index(index), message));
        Some((index, problems.keep(address)?))
    };
    let written = upstream.endpoints.iter().enumerate();
    let written = written.filter(|(_, endpoint)| !is_source(endpoint.url()));
    let addresses: Vec<_> = written.map(parse).collect();
    let addresses: Vec<_> = addresses.into_iter().collect::<Option<_>>()?;
    for (place, (index, address)) in addresses.iter().enumerate() {
        if let Some((first, _)) = addresses[..place].iter().find(|(_, other)| other == address) {
            problems.push(twice(&address.to_string(), *index, *first, at));
        }
    }
    Some(addresses)
}

/// An endpoint or source that was named before.
pub(super) fn twice(what: &str, index: usize, first: usize, at: &Path) -> Problem {
    let problem = Problem::error(at.index(index), format!("`{what}` is named twice"));
    problem
        .also(at.index(first), "first here")
        .help("give it a weight instead: { url = \"..\", weight = 2 }")
}

/// Whether an endpoint came while others were there.
pub(super) fn is_news(endpoint: &Arc<Endpoint>, known: &[Member]) -> bool {
    !known.is_empty() && !known.iter().any(|known| Arc::ptr_eq(&known.endpoint, endpoint))
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
            connections: Connections::default(),
            share: Share::default(),
            max_requests: AtomicU32::new(0),
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
