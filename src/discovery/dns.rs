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
use tokio::time::{Instant, sleep};

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
    memory: Memory,
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
        let (host, memory) = (trimmed(host).into(), Memory::default());
        Ok(Some(Self { host, name, port, tls, asking, memory }))
    }

    pub(super) async fn listen(&self, source: &Source) -> Result<Infallible, String> {
        let resolver = self.asking.resolver()?;
        loop {
            let Answer { addresses, ttl, answered, wrong } =
                self.asking.addresses(&resolver, &self.name, &self.memory).await;
            if let (Some(wrong), false) = (&wrong, answered) {
                return Err(wrong.clone());
            }
            let found = addresses.into_iter().filter_map(|ip| {
                let place = Place::Ip(ip, self.port);
                Address::found(place, self.tls, Some(&self.host)).ok().map(Found::at)
            });
            source.deliver_partly(found.collect(), wrong);
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
    /// How long what was known goes on being used.
    keep: Option<Duration>,
}

/// What DNS says of a name.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    /// How long that is so; nothing if there is none, or if it is only what was known before.
    pub(super) ttl: Option<Duration>,
    /// Whether any of it was answered now.
    pub(super) answered: bool,
    /// Why some of it is only what was known before, or nothing.
    pub(super) wrong: Option<String>,
}

/// What was known of names before: for the time that one of several questions fails.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<(Name, RecordType), Heard>>);

/// The addresses of a kind, and when they were heard.
type Heard = (Vec<IpAddr>, Instant);

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
            keep: section.keep_failed.map(|keep| keep.0),
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

    /// The addresses of a name, of the kinds that are wanted: one that is not answered takes nothing from what is
    /// known of it.
    pub(super) async fn addresses(
        &self,
        resolver: &TokioResolver,
        name: &Name,
        memory: &Memory,
    ) -> Answer {
        let kinds = match self.family {
            Family::Any => &[RecordType::A, RecordType::AAAA][..],
            Family::Ipv4 => &[RecordType::A],
            Family::Ipv6 => &[RecordType::AAAA],
        };
        let asked = kinds.iter().map(|kind| self.records(resolver, name, *kind));
        let answers = futures_util::future::join_all(asked).await;
        let (mut all, mut unknown) = (Answer::default(), None);
        let (mut memory, now) = (memory.0.lock(), Instant::now());
        let holds = |heard: Instant| self.keep.is_none_or(|keep| now < heard + keep);
        for (kind, answer) in kinds.iter().zip(answers) {
            let known = (name.clone(), *kind);
            match answer {
                Ok(records) => {
                    all.answered = true;
                    let ttl = shortest(&records);
                    all.ttl = all.ttl.into_iter().chain(ttl).min();
                    let addresses: Vec<_> = records.iter().filter_map(address).collect();
                    all.addresses.extend(&addresses);
                    memory.insert(known, (addresses, now));
                }
                Err(error) => match memory.get(&known) {
                    Some((addresses, heard)) if !addresses.is_empty() && holds(*heard) => {
                        all.addresses.extend(addresses);
                        all.wrong = Some(error);
                    }
                    Some(_) | None => unknown = Some(error),
                },
            }
        }
        if !all.answered {
            all.wrong = all.wrong.or(unknown);
        }
        if all.wrong.is_some() {
            all.ttl = None;
        }
        all
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    };

    use tokio::net::UdpSocket;

    use super::*;

    /// A server that knows an address of each kind, and fails the kinds that it is told to (1: A, 2: AAAA).
    async fn server() -> (SocketAddr, Arc<AtomicU8>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, fails) = (socket.local_addr().unwrap(), Arc::new(AtomicU8::new(0)));
        let told = fails.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let name = buffer[12..length].iter().position(|byte| *byte == 0).unwrap();
                let question = &buffer[12..12 + name + 5];
                let is_a = question[name + 2] == 1;
                let failed = told.load(Relaxed) & if is_a { 1 } else { 2 } != 0;
                let (code, count) = if failed { (2, 0) } else { (0, 1) };
                let head = [0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
                let mut answer = [&buffer[..2], &head, question].concat();
                if !failed {
                    let kind = question[name + 2];
                    answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0]);
                    answer.extend(if is_a { &[4, 127, 0, 0, 2][..] } else { &[16] });
                    answer.extend(if is_a { &[][..] } else { &[0; 15] });
                    answer.extend(if is_a { &[][..] } else { &[1] });
                }
                let _ = socket.send_to(&answer, from).await;
            }
        });
        (address, fails)
    }

    #[tokio::test]
    async fn one_kind_that_fails_takes_nothing_away_for_as_long_as_was_said() {
        let (address, fails) = server().await;
        let asking = |keep| Asking {
            server: Some(address),
            family: Family::Any,
            timeout: Duration::from_secs(5),
            min: Duration::from_secs(1),
            max: Duration::from_secs(60),
            keep,
        };
        let (patient, strict) = (asking(None), asking(Some(Duration::ZERO)));
        let (resolver, memory) = (patient.resolver().unwrap(), Memory::default());
        let name = name("orders.internal").unwrap();
        // How many addresses, whether any of it was answered, and which question was not.
        for (failing, asking, expected) in [
            (2, &patient, (1, true, None)),
            (0, &patient, (2, true, None)),
            (2, &patient, (2, true, Some("AAAA"))),
            (1, &patient, (2, true, Some("A of"))),
            (3, &patient, (2, false, Some("DNS"))),
            (3, &strict, (0, false, Some("DNS"))),
            (2, &strict, (1, true, None)),
            (0, &strict, (2, true, None)),
        ] {
            fails.store(failing, Relaxed);
            let answer = asking.addresses(&resolver, &name, &memory).await;
            let Answer { addresses, ttl, answered, wrong } = answer;
            let (count, expected_answered, word) = expected;
            assert_eq!((addresses.len(), answered), (count, expected_answered), "{failing}");
            let says = wrong.as_deref().zip(word).is_none_or(|(wrong, word)| wrong.contains(word));
            assert!(says && wrong.is_some() == word.is_some(), "{failing}: {wrong:?}");
            let known = if wrong.is_none() { Some(Duration::from_secs(60)) } else { None };
            assert_eq!(ttl, known, "{failing}: it is asked again soon");
        }
    }
}
