//! `balance` and `sticky` of `[upstream.NAME]`: which of its endpoints gets a request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Duration, OneOrMany, Secret};

/// How an endpoint is chosen.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Balance {
    /// By what endpoints are.
    Word(BalanceWord),
    /// By what the request is.
    Hash(Hash),
}

impl Default for Balance {
    fn default() -> Self {
        Self::Word(BalanceWord::default())
    }
}

/// The words for how an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BalanceWord {
    /// Each in turn, by weight.
    #[default]
    RoundRobin,
    /// Of two by chance the one with fewer requests for its weight.
    LeastRequests,
    /// Of two by chance the one that is likely to answer first.
    PeakEwma,
    /// By chance, by weight.
    Random,
}

/// Requests of the same key go to the same endpoint.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hash {
    /// What the key is: `"ip"`, `"identity"`, `"claim:NAME"`, `"header:NAME"`, `"cookie:NAME"`, `"path:PARAMETER"`, or a list, for each combination. A request without it goes by its address, of which IPv6 counts the first 64 bits.
    #[schemars(example = &"ip")]
    pub hash: OneOrMany<String>,
    /// Per cent of the mean: an endpoint that has more requests than that is passed over, and the key goes on to its next one, as long as this is so. From 101 on; 125 and more leave most keys where they are. Without it, a key that everybody asks for is one endpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 150)]
    pub bounded_load: Option<u16>,
}

/// A cookie that names the endpoint which a client had.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Sticky {
    /// Its name; everything else as it is by default.
    Name(String),
    /// Its name and more.
    Table(StickyTable),
}

impl Sticky {
    /// The table that is meant.
    pub fn table(&self) -> StickyTable {
        match self {
            Self::Name(cookie) => StickyTable {
                cookie: cookie.clone(),
                ttl: None,
                path: root(),
                secure: None,
                same_site: SameSite::default(),
                secret: None,
            },
            Self::Table(table) => table.clone(),
        }
    }
}

/// A cookie that names the endpoint which a client had.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StickyTable {
    /// Its name.
    #[schemars(example = &"janua-endpoint")]
    pub cookie: String,
    /// How long browsers keep it; without it, until they are closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1h")]
    pub ttl: Option<Duration>,
    /// Below which path it is sent.
    #[serde(default = "root")]
    pub path: String,
    /// Whether it is sent over TLS only; by default, if it was set over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub secure: Option<bool>,
    /// With which requests from other sites it is sent: `"lax"` (links), `"strict"` (none), `"none"` (all; browsers want `secure` for it).
    #[serde(default)]
    pub same_site: SameSite,
    /// What names of endpoints are made with; gateways with the same one know each other's cookies. By default a key of this gateway's own, kept in `server.state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

fn root() -> String {
    "/".into()
}

/// With which requests from other sites a cookie is sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SameSite {
    /// With those that go to another page.
    #[default]
    Lax,
    /// With none.
    Strict,
    /// With all.
    None,
}
