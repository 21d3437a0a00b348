//! `[upstream.NAME]`: the origins behind a name, and how Janua talks to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    balance::{Balance, Sticky},
    breaker::{Breaker, Hedge, Queue},
    discovery::Discovery,
    health::{Ejection, Health, Retry},
    overload::MaxInFlight,
    value::{ByteSize, Duration, File, OneOrMany},
};

/// The origins behind a name, and how Janua talks to them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["endpoints"]))]
pub struct Upstream {
    /// `"http://HOST:PORT"`, `"https://HOST"`, `"unix:/PATH"`, or a table with `url` and more; one or several. Or where they are found, as they come and go: `"dns://NAME:PORT"` (A, AAAA), `"srv://_SERVICE._tcp.NAME"`, `"consul://SERVICE?tag=TAG"`, `"kubernetes://NAMESPACE/SERVICE:PORT"` (the port's name, or its number at the endpoints), `"file:///PATH"` (TOML with `endpoints = [..]`).
    #[schemars(example = ["http://127.0.0.1:3000"])]
    pub endpoints: OneOrMany<Endpoint>,
    /// How endpoints are found that come and go.
    pub discovery: Discovery,
    /// How an endpoint is chosen: `"round-robin"` (the default: each in turn), `"least-requests"` (of two by chance the one with fewer requests), `"peak-ewma"` (of two by chance the one that is likely to answer first), `"random"`, or `{ hash = "ip" }` (each client, or what else is named, at an endpoint of its own). All go by weight.
    pub balance: Balance,
    /// A cookie of Janua's own that names the endpoint which a client had: it has the same again while that is up. Its name, or a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"janua-endpoint")]
    pub sticky: Option<Sticky>,
    /// An endpoint that came up just now (new in a list, or back after it was not) begins with a tenth of its weight, which grows to the whole in this time. `"0s"`: it has all of it at once.
    pub slow_start: Duration,
    /// Per cent: the endpoints in the zone of the gateway (`server.zone`) have all requests while so many of them are up, by weight. When fewer are, those in other zones have their part. 0: never, while one is up.
    pub zone_threshold: u8,
    /// The protocol spoken to the endpoints.
    pub protocol: UpstreamProtocol,
    /// The `Host` that endpoints see: `"pass"` (what the client asked for), `"endpoint"`, or a name.
    pub host: HostHeader,
    /// Begin connections with a PROXY header (version 2) that names the client. Such a connection is one client's: each request has its own, by HTTP/1.1, and none is kept.
    pub proxy_protocol: bool,
    /// Size of an answer's head (status line and header fields); a larger one is 502.
    pub max_header_size: ByteSize,
    /// Number of header fields in an answer; more are 502. Up to 100 cost no memory of their own.
    pub max_headers: u16,
    /// TLS to `https` endpoints.
    pub tls: UpstreamTls,
    /// How long an endpoint may take for each step.
    pub timeout: UpstreamTimeout,
    /// Connections kept open for the next request.
    pub keep_alive: KeepAlive,
    /// Ask endpoints whether they are well, beside the requests of clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Leave endpoints out for a while that fail the requests of clients.
    pub ejection: Ejection,
    /// Send requests once more, to another endpoint. One that no endpoint has seen goes on to the next by itself; this is about those that one may have seen.
    pub retry: Retry,
    /// Ask a second endpoint when the first takes long, and take the answer that comes first: for requests without a body, by methods that `retry` may send twice and within its budget. By default never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<Hedge>,
    /// Send nothing for a while once too many requests fail (503 `upstream.breaker_open`), then a few to see whether the upstream is well again. By default never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Requests at each endpoint at a time, from when it is chosen to the end of the answer, or of the tunnel that it opens. One that has so many is passed over; when all have, requests wait in the `queue`, or are 503 `upstream.busy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 100)]
    pub max_requests: Option<u32>,
    /// Connections to each endpoint, of all threads together. When so many are open, an idle one is closed to make room for another thread's; when all are busy, requests go to the next endpoint, wait in the `queue` (by HTTP/1.1, where a connection is one request's alone), or are 503 `upstream.busy`. Those that ask for its `health` do not count. By default as many as come.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 200)]
    pub max_connections: Option<u32>,
    /// Where requests wait while each endpoint has `max-requests`, or by HTTP/1.1 `max-connections`: first come, first served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// A header field by which clients say how many milliseconds they wait, as `"x-envoy-expected-rq-timeout-ms"`. It bounds `timeout.total`, and endpoints get it with what is left. `grpc-timeout` is treated like that wherever HTTP/2 is spoken to endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"x-envoy-expected-rq-timeout-ms")]
    pub deadline_header: Option<String>,
    /// Per cent: if fewer endpoints are up than this, all are used, up or not. 0: never those that are not.
    pub panic_threshold: u8,
    /// Requests in flight at a time, at all endpoints together, from when they are sent to the end of their answers; more are 503, those of low `priority` first. A number, `"adaptive"` (as many as it answers without a queue growing in it), or a table with bounds for that. Without it, as many as come. A tunnel is one while it is open; for an adaptive limit, until it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 200)]
    pub max_in_flight: Option<MaxInFlight>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            endpoints: OneOrMany::default(),
            discovery: Discovery::default(),
            balance: Balance::default(),
            sticky: None,
            slow_start: Duration::secs(0),
            zone_threshold: 70,
            protocol: UpstreamProtocol::default(),
            host: HostHeader::default(),
            proxy_protocol: false,
            max_header_size: ByteSize::kib(128),
            max_headers: 100,
            tls: UpstreamTls::default(),
            timeout: UpstreamTimeout::default(),
            keep_alive: KeepAlive::default(),
            health: None,
            ejection: Ejection::default(),
            retry: Retry::default(),
            hedge: None,
            breaker: None,
            max_requests: None,
            max_connections: None,
            queue: None,
            deadline_header: None,
            panic_threshold: 25,
            max_in_flight: None,
        }
    }
}

impl Upstream {
    /// The upstream that a URL alone stands for: one endpoint, and every default.
    pub fn to_url(url: &str) -> Self {
        Self { endpoints: OneOrMany(vec![Endpoint::Url(url.into())]), ..Self::default() }
    }
}

/// An endpoint: its URL, or a table with its URL and more.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Endpoint {
    /// The URL alone; the weight is 1.
    Url(String),
    /// The URL and more.
    Table(EndpointTable),
}

impl Endpoint {
    /// The URL as it was written.
    pub fn url(&self) -> &str {
        match self {
            Self::Url(url) => url,
            Self::Table(table) => &table.url,
        }
    }

    /// The weight, 1 unless said.
    pub fn weight(&self) -> u16 {
        match self {
            Self::Url(_) => 1,
            Self::Table(table) => table.weight,
        }
    }

    /// Lower ones are better; 0 unless said.
    pub fn priority(&self) -> u16 {
        match self {
            Self::Url(_) => 0,
            Self::Table(table) => table.priority.unwrap_or_else(|| table.backup.into()),
        }
    }

    /// Requests that it may have at a time, if that is said of it alone.
    pub fn max_requests(&self) -> Option<u32> {
        match self {
            Self::Url(_) => None,
            Self::Table(table) => table.max_requests,
        }
    }

    /// The zone, if that is said.
    pub fn zone(&self) -> Option<&str> {
        match self {
            Self::Url(_) => None,
            Self::Table(table) => table.zone.as_deref(),
        }
    }
}

/// An endpoint, and which part it takes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EndpointTable {
    /// `"http://HOST:PORT"`, `"https://HOST"`, `"unix:/PATH"`, or where endpoints are found, whose weights are multiplied by `weight`.
    #[schemars(example = &"http://127.0.0.1:3000")]
    pub url: String,
    /// Its share of requests beside the others; 0 takes none.
    #[serde(default = "one")]
    pub weight: u16,
    /// Where it is: those in the zone of the gateway (`server.zone`) go first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"eu-1a")]
    pub zone: Option<String>,
    /// Lower ones are better: it gets requests only when too few of those that are better are up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1)]
    pub priority: Option<u16>,
    /// The same as `priority = 1`.
    #[serde(default)]
    pub backup: bool,
    /// Requests here at a time, in place of the upstream's `max-requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 20)]
    pub max_requests: Option<u32>,
}

const fn one() -> u16 {
    1
}

/// The protocol spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum UpstreamProtocol {
    /// HTTP/1.1 in clear; over TLS what ALPN says.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1 only.
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2 only; in clear by prior knowledge (h2c).
    #[serde(rename = "h2")]
    Http2,
}

/// The `Host` that an endpoint sees.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum HostHeader {
    /// What the client asked for.
    #[default]
    Pass,
    /// The endpoint's own name and port, from its URL.
    Endpoint,
    /// This name.
    Name(String),
}

impl From<String> for HostHeader {
    fn from(text: String) -> Self {
        match text.as_str() {
            "pass" => Self::Pass,
            "endpoint" => Self::Endpoint,
            _ => Self::Name(text),
        }
    }
}

impl From<HostHeader> for String {
    fn from(value: HostHeader) -> Self {
        match value {
            HostHeader::Pass => "pass".into(),
            HostHeader::Endpoint => "endpoint".into(),
            HostHeader::Name(name) => name,
        }
    }
}

/// TLS to `https` endpoints.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpstreamTls {
    /// The authorities (PEM) to trust; by default the system's. A certificate that signs itself may stand there too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/tls/origin-ca.pem")]
    pub ca: Option<File>,
    /// The name to ask for and to verify; by default the host of the endpoint's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"origin.example.com")]
    pub server_name: Option<String>,
    /// The certificate (PEM) to show to the endpoint, with `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/tls/janua.pem")]
    pub cert: Option<File>,
    /// The key (PEM) of `cert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/tls/janua.key")]
    pub key: Option<File>,
    /// `false` takes any certificate: anybody on the way can read and change everything.
    pub verify: bool,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { ca: None, server_name: None, cert: None, key: None, verify: true }
    }
}

/// How long an endpoint may take for each step.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpstreamTimeout {
    /// To take a connection, TLS included.
    pub connect: Duration,
    /// From the request sent, body and all, to the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of an answer's body, or of a request's that the endpoint takes; in a tunnel,
    /// without a byte either way.
    pub idle: Duration,
    /// From the first try to the end of the answer; without it, as long as bytes flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"2m")]
    pub total: Option<Duration>,
}

impl Default for UpstreamTimeout {
    fn default() -> Self {
        Self {
            connect: Duration::secs(5),
            first_byte: Duration::secs(60),
            idle: Duration::secs(60),
            total: None,
        }
    }
}

/// Connections kept open for the next request.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeepAlive {
    /// Idle connections kept for each endpoint by each worker; 0 keeps none.
    pub max_idle: u32,
    /// An idle connection is closed after this time.
    pub idle: Duration,
}

impl KeepAlive {
    /// `idle` in milliseconds.
    pub fn idle_millis(&self) -> u64 {
        u64::try_from(self.idle.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self { max_idle: 512, idle: Duration::secs(55) }
    }
}
