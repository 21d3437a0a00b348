//! What the operator wrote: plain data, as the TOML says it, with every default in sight.
//!
//! In: files. Out: [`Config`], and where in the files each value stands. Nothing here is compiled,
//! opened or resolved; that is `snapshot`'s part. Each field's comment is the one-line description
//! that the JSON Schema and `config/reference.toml` carry, so write it for the operator.

mod access;
mod api;
mod api_key;
mod auth;
mod balance;
mod breaker;
mod cache;
mod check;
mod cors;
mod discovery;
mod docs;
mod enforce;
mod file;
mod finding;
mod forward;
mod graphql;
mod health;
mod include;
mod introspection;
mod jwt;
mod limit;
mod listener;
mod load;
mod names;
mod nearest;
mod oidc;
mod overload;
mod path;
mod percent;
mod problem;
mod quota;
mod rate;
mod reference;
mod report;
mod rest;
mod route;
mod schema;
mod show;
mod soap;
mod source;
mod split;
mod store;
mod syntax;
mod transform;
mod translate;
mod tree;
mod upstream;
mod userinfo;
mod validate;
mod value;
mod vars;

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    access::{Access, AddressFile, Addresses, GeoIp},
    api::{Answers, Api, ApiJson, JsonEnums, JsonNames, Operation, Unknown},
    api_key::{ApiKey, Key},
    auth::{
        Allow, Auth, Basic, CertificateName, ClaimValue, Conditions, IdentityToken, LockOut, Mtls,
        MtlsClient, PasswordHash, Policy, PolicyTable, Require, Rule, User, UserTable,
    },
    balance::{Balance, BalanceWord, Hash, SameSite, Sticky, StickyTable},
    breaker::{Breaker, Hedge, Queue},
    cache::{
        Cache, CacheDisk, CacheIgnore, CacheMethod, CacheQuery, CacheRules, CacheStatus,
        CacheStatusMore, CacheTtl, CacheUse,
    },
    cors::Cors,
    discovery::{Discovery, Family, Scheme},
    docs::{Audience, Docs},
    enforce::Enforce,
    file::{read_file, read_file_up_to, read_text_file, read_text_file_up_to},
    forward::Forward,
    graphql::{Graphql, Guard, Introspect, IntrospectWord, Persisted, StoredAnswer},
    health::{Ejection, Health, Retry, Start, Statuses},
    include::fits,
    introspection::{ClientAuth, Introspection},
    jwt::{Algorithm, Fetch, Jwt},
    limit::{
        Cost, CostTable, Delay, Limit, LimitHeaders, LimitUse, OnFailure, Over, OverWord,
        PerAddress, Tier, TierTable,
    },
    listener::{
        AddressField, Alpn, Certificate, ClientCertificates, Http2, Listener, ListenerTimeout,
        Protocol, ProxyProtocol, Tls, TlsFiles, TlsVersion, TlsWord,
    },
    load::{Loaded, admin_alone},
    nearest::nearest,
    oidc::Oidc,
    overload::{Adaptive, AdaptiveWord, Controller, MaxInFlight, Priority},
    path::Path,
    percent::Percent,
    problem::{Problem, Problems, Severity},
    quota::{Calendar, Quota},
    rate::Rate,
    reference::reference,
    report::Report,
    rest::Rest,
    route::{
        Condition, Expect, HeaderRules, QueryRules, Redirect, RegexCondition, Respond, Route,
        RouteTimeout, Test, To, Who,
    },
    schema::{KeyInfo, keys, schema},
    show::{is_credential, show},
    soap::{Soap, SoapUser},
    split::{Mirror, MirrorTable, SplitSticky, StickyCookie, Way},
    store::Store,
    transform::{Filter, FilterFile, Other, Transform},
    translate::{Format, GrpcWeb, Translate, TranslateRules, XmlNamespaces, XmlNil, XmlNumbers},
    upstream::{
        Endpoint, EndpointTable, HostHeader, KeepAlive, Upstream, UpstreamProtocol,
        UpstreamTimeout, UpstreamTls,
    },
    validate::{BodySchema, InlineSchema, QuerySchema, Validate},
    value::{ByteRate, ByteSize, Duration, File, OneOrMany, Secret, SecretSource, check_format},
    vars::{Env, environment},
};

/// A whole configuration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// More files to read, relative to this one: `["conf.d/*.toml"]`, in the order of their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["conf.d/*.toml"])]
    pub include: Vec<String>,
    /// The process.
    pub server: Server,
    /// The daemon's own log and the access log.
    pub log: Log,
    /// The operator's door: health, metrics, reload.
    pub admin: Admin,
    /// Addresses where clients come in; by default one, `0.0.0.0:8080`.
    pub listener: Vec<Listener>,
    /// Ways to say who one is, by name.
    pub auth: BTreeMap<String, Auth>,
    /// Stores that several gateways share, by name: Valkey or Redis.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub store: BTreeMap<String, Store>,
    /// Origins by name.
    pub upstream: BTreeMap<String, Upstream>,
    /// Who may come in: lists for `access` of routes and listeners. Addresses, countries, systems, header fields: each that a list names has to let the request in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub access: BTreeMap<String, Access>,
    /// How much: for `limit` of routes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limit: BTreeMap<String, Limit>,
    /// Where answers are kept, for `cache` of routes.
    pub cache: Cache,
    /// APIs and their contracts, for `api` of routes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub api: BTreeMap<String, Api>,
    /// The portal that shows APIs.
    pub docs: Docs,
    /// Where addresses are, for access lists by country or autonomous system.
    pub geoip: GeoIp,
    /// Which requests go where.
    pub route: Vec<Route>,
    /// Requests and what must come of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<Test>,
}

/// The process.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Server {
    /// Threads that carry traffic; by default one for each core. With fewer after a reload, the rest end with their last connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 4)]
    pub workers: Option<u16>,
    /// Where Janua keeps what must survive a restart; by default `/var/lib/janua`.
    pub state: PathBuf,
    /// Reload when a file of the configuration changes, or one that it names: lists, keys, certificates, policies, secrets.
    pub watch: bool,
    /// What happens between SIGTERM and the end.
    pub drain: Drain,
    /// What `Via` and `Server` call this gateway.
    pub name: String,
    /// Where this gateway is: endpoints of the same `zone` go first. It may come from the environment: `"${ZONE:-}"`; an empty one is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"eu-1a")]
    pub zone: Option<String>,
    /// Requests in flight at a time, from their head to the end of their answer or tunnel; more are 503, those of low `priority` first.
    pub max_in_flight: u32,
    /// Memory for bodies in flight; when it is taken, requests that come are 503, those of low `priority` first. Of an upload counts what buffers hold of it (128 KiB by HTTP/1.1, a window and 64 KiB by HTTP/2), or less if it is smaller; of an answer what came so far, up to 512 KiB. What began goes on. By default half of the memory that the system, or its cgroup, gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1GiB")]
    pub max_in_flight_bytes: Option<ByteSize>,
}

impl Config {
    /// Query parameters that carry credentials.
    pub fn query_credentials(&self) -> impl Iterator<Item = &String> {
        self.auth.values().filter_map(Auth::query_credential)
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            workers: None,
            state: "/var/lib/janua".into(),
            watch: false,
            drain: Drain::default(),
            name: "janua".into(),
            zone: None,
            max_in_flight: 100_000,
            max_in_flight_bytes: None,
        }
    }
}

/// What happens between SIGTERM and the end.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drain {
    /// How long `/readyz` says no while new connections are still taken.
    pub announce: Duration,
    /// How long running requests and tunnels may go on after that, before they are cut.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { announce: Duration::secs(0), timeout: Duration::secs(30) }
    }
}

/// The daemon's own log and the access log.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// What the daemon says of itself: `"error"`, `"warn"`, `"info"`, `"debug"`, or a filter by module.
    pub level: String,
    /// The daemon's log on standard error: as text, as JSON, or text on a terminal and JSON elsewhere.
    pub format: LogFormat,
    /// The access log: a line for each request as JSON or text, by where it goes (`"auto"`), or none.
    pub access: AccessLog,
    /// The access log's file; standard output without it. Opened anew on SIGHUP. A named pipe needs a reader at the start; after that no request waits for one: lines that nobody takes within a second are dropped and counted (`janua_access_log_lines_dropped_total`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/log/janua/access.log")]
    pub access_file: Option<PathBuf>,
    /// Query parameters whose values are left out of the log, in any case, and as `NAME[...]`; `["*"]` leaves out all.
    pub redact_query: OneOrMany<String>,
    /// Memory for lines not yet written; when it is full, lines are dropped and counted.
    pub buffer: ByteSize,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Auto,
            access: AccessLog::Auto,
            access_file: None,
            redact_query: OneOrMany(
                [
                    "access_token",
                    "api_key",
                    "apikey",
                    "assertion",
                    "client_secret",
                    "code",
                    "id_token",
                    "jwt",
                    "key",
                    "password",
                    "refresh_token",
                    "secret",
                    "session",
                    "sig",
                    "signature",
                    "subscription-key",
                    "token",
                    "X-Amz-Credential",
                    "X-Amz-Security-Token",
                    "X-Amz-Signature",
                    "X-Goog-Credential",
                    "X-Goog-Signature",
                ]
                .map(String::from)
                .to_vec(),
            ),
            buffer: ByteSize::kib(8192),
        }
    }
}

/// The form of the daemon's log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// A line of text.
    Text,
    /// A JSON object on a line.
    Json,
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessLog {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// A JSON object on a line.
    Json,
    /// A line of text.
    Text,
    /// None.
    Off,
}

/// The operator's door: health, metrics, reload.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Admin {
    /// `"unix:/PATH"`, `"IP:PORT"`, or `"off"`. An address other than loopback needs a `token`.
    pub address: String,
    /// What a request must bring as `Authorization: Bearer TOKEN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: "unix:/run/janua/admin.sock".into(), token: None }
    }
}
