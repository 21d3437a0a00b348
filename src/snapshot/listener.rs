//! A listener, ready for connections.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path as FilePath, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::HeaderValue;

use crate::{
    access::{Access, Lists},
    config::{self, ListenerTimeout, Path, Problem, Problems},
    limit::{Limits, PerAddress},
    message::{BodyLimits, Networks},
    metrics::{self, ListenerMetrics},
    tls::{ServerTls, Tickets},
};

/// Where a listener listens.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Bind {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
    /// A socket that the service manager passes, by its name there.
    Systemd(String),
}

/// An address where clients come in, ready for connections.
#[derive(Debug)]
pub struct Listener {
    /// Its number: the same over reloads while its name is the same, never used again.
    pub id: usize,
    /// Its name.
    pub name: Arc<str>,
    /// Where it listens.
    pub bind: Bind,
    /// Who may connect to its Unix socket, as the bits of a file's mode.
    pub mode: Option<u32>,
    /// Its TLS, if it is not in clear.
    pub tls: Option<ServerTls>,
    /// Whether HTTP/2 may begin without TLS.
    pub h2c: bool,
    /// Requests are redirected to `https` on this port.
    pub redirect_to_https: Option<u16>,
    /// The value of `Strict-Transport-Security`.
    pub hsts: Option<HeaderValue>,
    /// Whose word about others counts.
    pub trusted: Networks,
    /// Whether the word of whoever comes by a Unix socket counts.
    trusts_sockets: bool,
    /// In which field.
    pub client_address: config::AddressField,
    /// Who speaks for clients, if somebody has to.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Who may connect.
    pub access: Access,
    /// What an address may do.
    pub per_address: PerAddress,
    /// How large a request's head may be.
    pub head: HeadLimits,
    /// What a request's body may be.
    pub body: BodyLimits,
    /// How long a client may take for each step.
    pub timeout: ListenerTimeout,
    /// Limits of HTTP/2.
    pub http2: config::Http2,
    /// Connections that may be open at a time.
    pub max_connections: u32,
    /// What happened here.
    pub metrics: Arc<ListenerMetrics>,
}

/// Who speaks for clients, by the PROXY protocol.
#[derive(Debug)]
pub struct ProxyProtocol {
    /// How long a header may take.
    pub timeout: Duration,
    from: Networks,
    unix: bool,
}

impl ProxyProtocol {
    fn compile(proxy: &config::ProxyProtocol, at: &Path) -> Result<Self, Problem> {
        let at = at.key("from");
        if proxy.from.is_empty() {
            let problem = Problem::error(at, "no connection could come in");
            return Err(problem.help("name the proxies in front: from = [\"10.0.0.1\"]"));
        }
        let is_word = |word: &&String| *word == "unix";
        let unix = proxy.from.iter().any(|word| is_word(&word));
        // Places in the list stay as they are written.
        let nobody = "::".to_owned();
        let from: Vec<_> =
            proxy.from.iter().map(|word| if is_word(&word) { &nobody } else { word }).collect();
        Ok(Self { timeout: proxy.timeout.0, from: networks(&from, &at)?, unix })
    }

    /// Whether all may speak for clients who may by the other.
    fn names_all_of(&self, other: &Self) -> bool {
        self.unix >= other.unix && self.from.cover(&other.from)
    }

    /// Whether this peer speaks for clients.
    pub fn is_named(&self, peer: Option<SocketAddr>) -> bool {
        peer.map_or(self.unix, |peer| self.from.contains(peer.ip()))
    }
}

/// How large a request's head may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeadLimits {
    /// Bytes of the head, from the method to the end of the empty line; of the trailers alike.
    pub max_header_size: usize,
    /// Fields of the head; of the trailers alike.
    pub max_headers: u16,
    /// Bytes of the request line without its line end; never more than 65,534.
    pub max_request_line: usize,
}

/// What listeners are compiled with.
pub(super) struct Given<'a> {
    /// The access lists.
    pub(super) lists: &'a Lists,
    /// Where a self-signed certificate is kept, if it may be.
    pub(super) state: Option<&'a FilePath>,
    /// What session tickets are made with.
    pub(super) tickets: &'a mut Tickets,
    pub(super) limits: &'a Limits,
}

impl Given<'_> {
    fn tls(&mut self, tls: &config::Tls, at: &Path, problems: &mut Problems) -> Option<ServerTls> {
        ServerTls::compile(tls, self.state, self.tickets, at, problems)
    }
}

impl Listener {
    /// Compiles a `[[listener]]` at `at`; `previous` is the one of the same name before.
    pub(super) fn compile(
        listener: &config::Listener,
        given: &mut Given<'_>,
        previous: Option<&Self>,
        metrics: &mut metrics::Loading<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let name: Arc<str> = listener.name.as_deref().unwrap_or(&listener.address).into();
        let bind = listener.address.parse();
        let bind = bind.map_err(|message| Problem::error(at.key("address"), message));
        let trusted = trusted(&listener.trusted_proxies, &at.key("trusted-proxies"));
        let tls = listener.tls.as_ref();
        let tls = tls.map(|tls| given.tls(tls, &at.key("tls"), problems));
        let access = given.lists.named(&listener.access, &at.key("access"), problems);
        let proxy = listener.proxy_protocol.as_ref();
        let proxy = proxy.map(|proxy| ProxyProtocol::compile(proxy, &at.key("proxy-protocol")));
        let proxy = problems.keep(proxy.transpose());
        check_words(listener, at, problems);
        let mode = problems.keep(mode(listener, &at.key("mode")));
        let before = previous.map(|previous| &previous.per_address);
        let (standing, table) = (given.limits.standing(), listener.per_address.as_ref());
        let standing = (standing, listener.tls.is_some());
        let per_address =
            PerAddress::compile(table, before, standing, &at.key("per-address"), problems);
        let (bind, trusted) = (problems.keep(bind), problems.keep(trusted));
        let tls = match tls {
            Some(None) => return None,
            tls => tls.flatten(),
        };
        for expiry in tls.iter().flat_map(|tls| &tls.expiries) {
            metrics.certificate(&expiry.name, expiry.not_after);
        }
        Some(Self {
            id: previous.map_or_else(next_id, |previous| previous.id),
            bind: bind?,
            mode: mode?,
            tls,
            h2c: listener.h2c,
            redirect_to_https: listener.redirect_to_https,
            hsts: listener.hsts.and_then(|age| hsts(age, listener.hsts_subdomains)),
            trusted: trusted?,
            trusts_sockets: trusts_sockets(listener),
            client_address: listener.client_address,
            proxy_protocol: proxy?,
            access: access?,
            per_address,
            head: HeadLimits {
                max_header_size: listener.max_header_size.as_usize(),
                max_headers: listener.max_headers,
                max_request_line: listener.max_request_line.as_usize(),
            },
            body: BodyLimits {
                size: listener.max_body_size.map_or(u64::MAX, |size| size.0),
                rate: listener.min_body_rate.0,
                window: listener.timeout.body.0,
            },
            timeout: listener.timeout.clone(),
            http2: listener.http2.clone(),
            max_connections: listener.max_connections,
            metrics: metrics.listener(&name),
            name,
        })
    }

    /// Whether who was let in there would have been here: in clear or not, with or without certificates of whom, by
    /// itself or by a proxy that speaks for it.
    pub fn lets_in_like(&self, other: &Self) -> bool {
        let demand = |listener: &Self| listener.tls.as_ref().map(|tls| tls.demand);
        let proxies = match (&self.proxy_protocol, &other.proxy_protocol) {
            (None, None) => true,
            (Some(own), Some(others)) => own.names_all_of(others),
            (Some(_), None) | (None, Some(_)) => false,
        };
        proxies && demand(self) == demand(other)
    }

    /// Whether the word counts of who comes from this address, or by a Unix socket.
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.map_or(self.trusts_sockets, |ip| self.trusted.contains(ip))
    }
}

/// The networks of a list at `at`.
fn networks<S: AsRef<str>>(list: &[S], at: &Path) -> Result<Networks, Problem> {
    Networks::parse(list).map_err(|(index, wrong)| wrong.problem(at.index(index)))
}

/// The word for whoever comes by a Unix socket.
const SOCKETS: &str = "unix";

fn trusts_sockets(listener: &config::Listener) -> bool {
    listener.trusted_proxies.iter().any(|entry| entry == SOCKETS)
}

/// The networks in a list of proxies at `at`.
fn trusted(list: &[String], at: &Path) -> Result<Networks, Problem> {
    let entries: Vec<_> = list.iter().enumerate().filter(|(_, entry)| *entry != SOCKETS).collect();
    let texts: Vec<_> = entries.iter().map(|(_, text)| text).collect();
    Networks::parse(&texts).map_err(|(index, wrong)| wrong.problem(at.index(entries[index].0)))
}

/// The bits of a mode that is written in octal.
fn mode(listener: &config::Listener, at: &Path) -> Result<Option<u32>, Problem> {
    let Some(text) = &listener.mode else { return Ok(None) };
    if !listener.address.starts_with("unix:") {
        return Err(Problem::error(at.clone(), "`mode` is for a listener at `unix:/PATH`"));
    }
    let is_octal = text.len() >= 3 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let bits = is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    let bits = bits.filter(|bits| *bits <= 0o777).map(Some);
    bits.ok_or_else(|| {
        let problem = Problem::error(at.clone(), format!("`{text}` is not a mode"));
        problem.help(
            "three octal digits, as for chmod: \"0660\" for owner and group, \"0666\" for all",
        )
    })
}

/// Keys that say nothing together.
fn check_words(listener: &config::Listener, at: &Path, problems: &mut Problems) {
    let clear = listener.tls.is_none();
    for (key, wrong, message) in [
        (
            "hsts",
            clear && listener.hsts.is_some() && listener.trusted_proxies.is_empty(),
            "`hsts` needs `tls`, here or at a proxy in `trusted-proxies`: browsers ignore it in clear",
        ),
        (
            "hsts-subdomains",
            listener.hsts_subdomains && listener.hsts.is_none(),
            "`hsts-subdomains` needs `hsts`, the age",
        ),
        (
            "trusted-proxies",
            trusts_sockets(listener)
                && !["unix:", "systemd:"].iter().any(|kind| listener.address.starts_with(kind)),
            "`unix` is for a listener at a Unix socket",
        ),
        ("h2c", !clear && listener.h2c, "`h2c` is HTTP/2 without TLS; with `tls`, ALPN decides"),
        (
            "redirect-to-https",
            !clear && listener.redirect_to_https.is_some(),
            "`redirect-to-https` is for a listener in clear",
        ),
        ("max-connections", listener.max_connections == 0, "no connection could come in"),
        ("max-headers", listener.max_headers == 0, "no request could come in: `Host` is a header"),
    ] {
        if wrong {
            problems.push(Problem::error(at.key(key), message));
        }
    }
    let http2 = &listener.http2;
    for (key, wrong) in [("max-streams", http2.max_streams == 0), ("window", http2.window.0 == 0)] {
        if wrong {
            let message = "no request could be answered by HTTP/2";
            problems.push(Problem::error(at.key("http2").key(key), message));
        }
    }
    if listener.max_header_size < listener.max_request_line {
        let message = "the head cannot be smaller than its first line, `max-request-line`";
        problems.push(Problem::error(at.key("max-header-size"), message));
    }
}

fn next_id() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Relaxed)
}

fn hsts(age: config::Duration, subdomains: bool) -> Option<HeaderValue> {
    let more = if subdomains { "; includeSubDomains" } else { "" };
    HeaderValue::try_from(format!("max-age={}{more}", age.0.as_secs())).ok()
}

/// Bytes that the system has for a Unix socket's path.
const LONGEST_PATH: usize = 107;

impl std::str::FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true if path.len() > LONGEST_PATH => {
                    let most = LONGEST_PATH;
                    Err(format!(
                        "a Unix socket's path has {most} bytes at most, this one {}",
                        path.len()
                    ))
                }
                true => Ok(Self::Unix(path.into())),
                false => Err(format!("`{text}` needs an absolute path: unix:/run/janua.sock")),
            };
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            return Ok(Self::Systemd(name.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            format!("`{text}` is not an address; write \"0.0.0.0:8080\", \"[::]:8080\" or \"unix:/PATH\"")
        })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}
