//! `dns://NAME:PORT`: the addresses that a name has (A, AAAA), asked again when their time is over.
//!
//! In: a name; the system's servers, or one that was named. Out: its addresses. What is no answer (a server
//! that is gone, SERVFAIL) is told from an answer that says none (NXDOMAIN, no record).

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData, Record, RecordType},
};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{Found, settings::dns_server, source::Source};
use crate::{
    config::{Discovery, Family, Path, Problems, Scheme},
    dial::{Address, Place},
};

/// A name whose addresses are endpoints.
#[derive(Debug)]
pub(super) struct Dns {
    host: Box<str>,
    name: Name,
    port: u16,
    tls: bool,
    asking: Asking,
}

/// What is wrong with a URL, and what to do.
pub(super) type Wrong = (String, &'static str);

const HELP: &str = "dns://orders.internal:8080";

impl Dns {
    pub(super) fn compile(
        rest: &str,
        (section, at): (&Discovery, &Path),
        problems: &mut Problems,
    ) -> Result<Option<Self>, Wrong> {
        let wrong = |message: &str| (message.to_owned(), HELP);
        let tls = section.scheme == Scheme::Https;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let is_ip = |host: &str| host.parse::<IpAddr>().is_ok();
        if rest.starts_with('[') || rest.split(':').next().is_some_and(is_ip) {
            return Err((format!("`{rest}` is an address, and no name"), "http://10.0.0.5:8080"));
        }
        let (host, port) = match rest.split_once(':') {
            None => (rest, Some(if tls { 443 } else { 80 })),
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)),
        };
        let port = port.ok_or_else(|| wrong("it has no valid port"))?;
        let name = name(host).ok_or_else(|| wrong("it has no valid name"))?;
        let found = Address::found(Place::Name(host.into(), port), tls, Some(trimmed(host)));
        found.map_err(|_| wrong("it has no valid name"))?;
        let Some(asking) = Asking::compile(section, at, problems) else { return Ok(None) };
        Ok(Some(Self { host: trimmed(host).into(), name, port, tls, asking }))
    }

    pub(super) async fn listen(&self, source: &Source) -> Result<Infallible, String> {
        let resolver = self.asking.resolver()?;
        let memory = Memory::default();
        loop {
            let Answer { addresses, ttl } =
                self.asking.addresses(&resolver, &self.name, &memory).await?;
            let found = addresses.into_iter().filter_map(|ip| {
                let place = Place::Ip(ip, self.port);
                Address::found(place, self.tls, Some(&self.host)).ok().map(Found::at)
            });
            source.deliver(found.collect());
            sleep(self.asking.pause(ttl)).await;
        }
    }
}

/// A name in DNS; none if that is not one.
pub(super) fn name(text: &str) -> Option<Name> {
    if text.is_empty() || text.contains(['/', '?', '#', '@']) {
        return None;
    }
    Name::from_str_relaxed(text).ok().filter(|name| !name.is_root())
}

/// A name without the dot at its end, which TLS and `Host` do not have.
pub(super) fn trimmed(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// How DNS is asked.
#[derive(Debug)]
pub(super) struct Asking {
    server: Option<SocketAddr>,
    family: Family,
    timeout: Duration,
    min: Duration,
    max: Duration,
}

/// What DNS says of a name.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    /// How long that is so; nothing if there is none.
    pub(super) ttl: Option<Duration>,
}

/// What was known of names before, for the time that one of two questions fails.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<(Name, RecordType), Vec<IpAddr>>>);

impl Memory {
    /// Forgets all names for which this does not hold.
    pub(super) fn keep(&self, still: impl Fn(&Name) -> bool) {
        self.0.lock().retain(|(name, _), _| still(name));
    }
}

impl Asking {
    pub(super) fn compile(section: &Discovery, at: &Path, problems: &mut Problems) -> Option<Self> {
        Some(Self {
            server: dns_server(section, at, problems)?,
            family: section.family,
            timeout: section.timeout.0,
            min: section.min_refresh.0,
            max: section.max_refresh.0,
        })
    }

    /// Made anew after each failure: what the system says of its servers may have changed.
    pub(super) fn resolver(&self) -> Result<TokioResolver, String> {
        let told = |error: NetError| format!("the system has no DNS servers: {error}");
        let mut builder = match self.server {
            None => TokioResolver::builder_tokio().map_err(told)?,
            Some(server) => {
                let mut one = NameServerConfig::udp_and_tcp(server.ip());
                one.connections.iter_mut().for_each(|way| way.port = server.port());
                let config = ResolverConfig::from_name_servers(vec![one]);
                let provider = TokioRuntimeProvider::default();
                let mut builder = TokioResolver::builder_with_config(config, provider);
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
        };
        self.set(builder.options_mut());
        builder.build().map_err(told)
    }

    fn set(&self, options: &mut ResolverOpts) {
        // When to ask again is decided here, and what is asked is asked.
        options.cache_size = 0;
        // The first try and another, within the time.
        (options.attempts, options.timeout) = (1, self.timeout / 2);
    }

    /// How long to wait before the next question.
    pub(super) fn pause(&self, ttl: Option<Duration>) -> Duration {
        ttl.unwrap_or_default().clamp(self.min, self.max)
    }

    /// The addresses of a name, of the kinds that are wanted.
    pub(super) async fn addresses(
        &self,
        resolver: &TokioResolver,
        name: &Name,
        memory: &Memory,
    ) -> Result<Answer, String> {
        let kinds = match self.family {
            Family::Any => &[RecordType::A, RecordType::AAAA][..],
            Family::Ipv4 => &[RecordType::A],
            Family::Ipv6 => &[RecordType::AAAA],
        };
        let asked = kinds.iter().map(|kind| self.records(resolver, name, *kind));
        let answers = futures_util::future::join_all(asked).await;
        let mut all = Answer { addresses: Vec::new(), ttl: None };
        let (mut wrong, mut memory) = (None, memory.0.lock());
        for (kind, answer) in kinds.iter().zip(answers) {
            let known = (name.clone(), *kind);
            match answer {
                Ok(records) => {
                    let ttl = shortest(&records);
                    all.ttl = all.ttl.into_iter().chain(ttl).min();
                    let addresses: Vec<_> = records.iter().filter_map(address).collect();
                    all.addresses.extend(&addresses);
                    memory.insert(known, addresses);
                }
                // One kind that fails takes nothing from what is known of it.
                Err(error) => match memory.get(&known) {
                    Some(addresses) if !addresses.is_empty() => all.addresses.extend(addresses),
                    Some(_) | None => wrong = Some(error),
                },
            }
        }
        match wrong {
            Some(wrong) if all.addresses.is_empty() => Err(wrong),
            Some(_) | None => Ok(all),
        }
    }

    /// The records of a name; none if DNS says that there are none.
    pub(super) async fn records(
        &self,
        resolver: &TokioResolver,
        name: &Name,
        kind: RecordType,
    ) -> Result<Vec<Record>, String> {
        // What the library makes of its own time-outs is not relied on.
        let asked = tokio::time::timeout(2 * self.timeout, resolver.lookup(name.clone(), kind));
        match asked.await {
            Ok(Ok(lookup)) => Ok(lookup.answers().to_vec()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => Err(format!("DNS, asked for {kind} of `{name}`: {error}")),
            Err(_) => Err(format!("DNS, asked for {kind} of `{name}`: no answer")),
        }
    }
}

/// How long all of these hold.
pub(super) fn shortest(records: &[Record]) -> Option<Duration> {
    records.iter().map(|record| Duration::from_secs(record.ttl.into())).min()
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}
