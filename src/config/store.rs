//! `[store.NAME]`: a store that several gateways share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Duration, File, Secret};

/// A store that several gateways share: Valkey or Redis. While it is down, whoever needs it says what happens; no request waits for it, and it is taken up again by itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["url"]))]
pub struct Store {
    /// Where it is: `redis://HOST[:PORT]`, with TLS `rediss://HOST[:PORT]`, or `unix:/PATH`: one server, or an address that leads to the one that takes writes, also after a failover. Or whom Sentinels call the primary of this name: `redis+sentinel://HOST[:PORT],HOST[:PORT]/NAME`, with TLS to them and to it `rediss+sentinel://`. Or a cluster, of which some servers are named, and up to 128 with slots are found: `redis+cluster://HOST[:PORT],HOST[:PORT]`, with TLS `rediss+cluster://`.
    #[schemars(example = &"redis://127.0.0.1:6379")]
    pub url: String,
    /// The user, where the store has several (ACL).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"janua")]
    pub username: Option<String>,
    /// The password. Quotas that are counted here have their keys under it: with another password all of them begin anew, and gateways with the old one and the new one count apart, so give all of them the new one at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The password of the Sentinels, if they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_password: Option<Secret>,
    /// The number of the database.
    pub database: u16,
    /// The authorities (PEM) to trust for `rediss://`; by default the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/tls/store-ca.pem")]
    pub ca: Option<File>,
    /// How long a request waits for an answer of the store.
    pub timeout: Duration,
    /// How long a connection may take to be made, the name, TLS and the password included. Nobody waits for it.
    pub connect_timeout: Duration,
    /// So many commands without an answer in a row, and the connection is given up for another; meanwhile nobody waits.
    pub max_failures: u32,
    /// Commands that may wait for an answer at a time, and requests that may wait for what is said of one key of a limit; with more the store counts as down.
    pub max_waiting: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: String::new(),
            username: None,
            password: None,
            sentinel_password: None,
            database: 0,
            ca: None,
            timeout: Duration(std::time::Duration::from_millis(50)),
            connect_timeout: Duration::secs(2),
            max_failures: 5,
            max_waiting: 1_000,
        }
    }
}
