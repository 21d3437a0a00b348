//! `[upstream.NAME.discovery]`: how endpoints are found that come and go without a reload.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Duration, File, Secret};

/// How endpoints are found that come and go: those that `endpoints` names by `dns://`, `srv://`, `consul://`, `kubernetes://` or `file://`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Discovery {
    /// What is spoken with endpoints that are found; over TLS they have to be who they were found by: the name asked for (`dns://`), the target (`srv://`), else the address, unless `tls.server-name` says another.
    pub scheme: Scheme,
    /// The DNS server for `dns://` and `srv://`; by default those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"127.0.0.1:5353")]
    pub dns: Option<String>,
    /// The kind of addresses taken from DNS.
    pub family: Family,
    /// The URL of Consul's agent, or of the API server of Kubernetes; by default `http://127.0.0.1:8500`, and that of the cluster that Janua runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://10.0.0.1:6443")]
    pub server: Option<String>,
    /// The token shown to `server`; a file is read anew each time. By default none, and in a cluster that of the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// The authorities (PEM) to trust for `server`; by default the system's, and in a cluster its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/tls/consul-ca.pem")]
    pub ca: Option<File>,
    /// A kubeconfig, in place of `server`, `token` and `ca`: which cluster of Kubernetes is asked, and as whom. It and the files that it names are read at load, a `tokenFile` anew each time; no program is run (`exec`) and no password sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/kubeconfig")]
    pub kubeconfig: Option<File>,
    /// The context of `kubeconfig`; by default its `current-context`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"production")]
    pub context: Option<String>,
    /// How long `server`, or DNS, may take to answer.
    pub timeout: Duration,
    /// DNS is not asked again before, whatever the time to live.
    pub min_refresh: Duration,
    /// DNS is asked again after this at the latest; Consul and Kubernetes, which tell of changes at once, are asked anew.
    pub max_refresh: Duration,
    /// How long the last endpoints go on being used when the source says that there are none: an empty answer, NXDOMAIN, nobody healthy.
    pub keep_empty: Duration,
    /// The same when it says nothing or nonsense; without it, for as long as that lasts, since nothing says that they are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"12h")]
    pub keep_failed: Option<Duration>,
    /// Endpoints taken from a source at most.
    pub max_endpoints: u32,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            scheme: Scheme::Http,
            dns: None,
            family: Family::Any,
            server: None,
            token: None,
            ca: None,
            kubeconfig: None,
            context: None,
            timeout: Duration::secs(5),
            min_refresh: Duration::secs(5),
            max_refresh: Duration::secs(60),
            keep_empty: Duration::secs(300),
            keep_failed: None,
            max_endpoints: 1_000,
        }
    }
}

/// What is spoken with endpoints that are found.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// In clear.
    #[default]
    Http,
    /// Over TLS.
    Https,
}

/// A kind of addresses.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// All that there are.
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}
