//! `[[listener]]`: an address where clients come in, and what a connection may cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    limit::PerAddress,
    value::{ByteRate, ByteSize, Duration, File, OneOrMany},
};

/// An address where clients come in.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listener {
    /// The name that logs, metrics and routes use; by default the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"public")]
    pub name: Option<String>,
    /// `"IP:PORT"`, `"[::]:PORT"` (IPv6 and IPv4), `"unix:/PATH"`, or `"systemd:NAME"` for a passed socket.
    pub address: String,
    /// Of a Unix socket: who may connect, as `chmod` has it in octal; `"0666"` is everybody. By default what the umask leaves, most often the user that Janua runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0660")]
    pub mode: Option<String>,
    /// TLS on this listener: `"self-signed"`, or a table with certificates; clear text without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"self-signed")]
    pub tls: Option<Tls>,
    /// HTTP/2 without TLS by prior knowledge (h2c), on a clear listener.
    pub h2c: bool,
    /// Answer every request with a redirect to `https://` on this port of the same host, but for those that came to one of `trusted-proxies` by https, as its `X-Forwarded-Proto` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 443)]
    pub redirect_to_https: Option<u16>,
    /// Send `Strict-Transport-Security` with this age on every answer over TLS, also where one of `trusted-proxies` has the TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"365d")]
    pub hsts: Option<Duration>,
    /// Whether that holds for all subdomains of the hosts, too, also for those that are not served here.
    pub hsts_subdomains: bool,
    /// Addresses (CIDR) whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed; `"unix"` is whoever comes by a Unix socket.
    pub trusted_proxies: Vec<String>,
    /// The field in which trusted proxies name the client; what they say in the other one decides nothing.
    pub client_address: AddressField,
    /// Connections begin with a PROXY header (version 1 or 2), which says who the client is: `{ from = ["10.0.0.1"] }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Who may connect: the name of an `[access.NAME]`, or several. They are asked about the peer, not whom it speaks for; connections of others are closed before the TLS handshake.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"NAME")]
    pub access: OneOrMany<String>,
    /// Connections at a time; more wait in the kernel's queue.
    pub max_connections: u32,
    /// What an address may do before anybody is asked who it is: connections at a time, handshakes, requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_address: Option<PerAddress>,
    /// Size of a request's head (request line and header fields).
    pub max_header_size: ByteSize,
    /// Number of header fields in a request.
    pub max_headers: u16,
    /// Length of the request line; a longer one is 414.
    pub max_request_line: ByteSize,
    /// Size of a request's body; a larger one is 413. Without it, as large as the origin takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"64MiB")]
    pub max_body_size: Option<ByteSize>,
    /// A body that arrives slower than this, over the time of `timeout.body`, is cut with 408.
    pub min_body_rate: ByteRate,
    /// How long a client may take for each step.
    pub timeout: ListenerTimeout,
    /// Limits of HTTP/2.
    pub http2: Http2,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            name: None,
            address: "0.0.0.0:8080".into(),
            mode: None,
            tls: None,
            h2c: false,
            redirect_to_https: None,
            hsts: None,
            hsts_subdomains: false,
            trusted_proxies: Vec::new(),
            client_address: AddressField::default(),
            proxy_protocol: None,
            access: OneOrMany::default(),
            max_connections: 65_536,
            per_address: None,
            max_header_size: ByteSize::kib(32),
            max_headers: 100,
            max_request_line: ByteSize::kib(8),
            max_body_size: None,
            min_body_rate: ByteRate(240),
            timeout: ListenerTimeout::default(),
            http2: Http2::default(),
        }
    }
}

/// How long a client may take for each step.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListenerTimeout {
    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From a request's first byte to the end of its head.
    pub header: Duration,
    /// The time over which a request body's rate is measured.
    pub body: Duration,
    /// An answer of which the client takes nothing for so long is cut; by HTTP/2, `min-body-rate` says how fast it takes what is buffered.
    pub write: Duration,
    /// A connection without a request is closed after this time.
    pub keep_alive: Duration,
}

impl Default for ListenerTimeout {
    fn default() -> Self {
        Self {
            handshake: Duration::secs(10),
            header: Duration::secs(10),
            body: Duration::secs(20),
            write: Duration::secs(60),
            keep_alive: Duration::secs(75),
        }
    }
}

/// The field in which trusted proxies name the client.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressField {
    /// `X-Forwarded-For`
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239)
    Forwarded,
}

/// The PROXY protocol on a listener. What a header says is the peer for access lists, logs and `X-Forwarded-For`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProxyProtocol {
    /// Addresses (CIDR) of those who may speak for others, and have to; `"unix"` for whoever comes by a Unix socket. Connections of others are closed.
    #[schemars(example = ["10.0.0.1"])]
    pub from: OneOrMany<String>,
    /// How long the header may take.
    #[serde(default = "soon")]
    pub timeout: Duration,
}

const fn soon() -> Duration {
    Duration::secs(5)
}

/// Limits of HTTP/2 on a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Http2 {
    /// Streams at a time on a connection.
    pub max_streams: u32,
    /// Streams that the peer reset and that were not yet looked at, before the connection is closed.
    pub max_pending_resets: u32,
    /// Streams that we reset for the peer's mistakes, before the connection is closed.
    pub max_resets: u32,
    /// How many bytes of a body a client may send on a stream before it is asked for more.
    pub window: ByteSize,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_streams: 128,
            max_pending_resets: 20,
            max_resets: 128,
            window: ByteSize::kib(256),
        }
    }
}

/// TLS on a listener: the word `"self-signed"`, or a table.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Tls {
    /// `"self-signed"`: a certificate made by Janua and kept in the state directory, for development.
    Word(TlsWord),
    /// Certificates from files.
    Files(TlsFiles),
}

/// The words that stand for a way to have certificates.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsWord {
    /// A certificate made by Janua and kept in the state directory, for development.
    SelfSigned,
}

/// TLS with certificates from files; the name a client asks for (SNI) picks one.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsFiles {
    /// The certificates; the first one is for clients that ask for no name, or an unknown one.
    pub certificates: Vec<Certificate>,
    /// The oldest version spoken: `"1.2"` or `"1.3"`.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN, best first.
    pub alpn: Alpn,
    /// How often the key of session tickets changes, from `"1s"` to `"24h"`: a ticket resumes a session in the period it was given in and in the next.
    pub ticket_rotation: Duration,
    /// Ask clients for a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientCertificates>,
}

impl Default for TlsFiles {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            min_version: TlsVersion::default(),
            alpn: Alpn::default(),
            ticket_rotation: Duration::secs(6 * 3600),
            client: None,
        }
    }
}

/// A certificate chain and its key, PEM.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Certificate {
    /// The certificate and its chain, PEM.
    #[schemars(example = &"/etc/janua/tls/site.pem")]
    pub cert: File,
    /// The private key, PEM (PKCS#8, PKCS#1 or SEC1).
    #[schemars(example = &"/etc/janua/tls/site.key")]
    pub key: File,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum TlsVersion {
    /// TLS 1.2
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3
    #[serde(rename = "1.3")]
    V1_3,
}

/// Protocols offered by ALPN, best first.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Alpn(pub Vec<Protocol>);

impl Default for Alpn {
    fn default() -> Self {
        Self(vec![Protocol::Http2, Protocol::Http1])
    }
}

/// A protocol name of ALPN.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Protocol {
    /// HTTP/2
    #[serde(rename = "h2")]
    Http2,
    /// HTTP/1.1
    #[serde(rename = "http/1.1")]
    Http1,
}

/// Certificates asked of clients (mutual TLS).
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientCertificates {
    /// The authorities (PEM) that may have signed a client's certificate.
    #[schemars(example = &"/etc/janua/tls/clients.pem")]
    pub ca: File,
    /// Revoked certificates (PEM CRLs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/tls/clients.crl")]
    pub crl: Option<File>,
    /// `true` lets clients without a certificate in; one that is shown must be good all the same.
    #[serde(default)]
    pub optional: bool,
}
