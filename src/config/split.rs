//! `to` in shares: a canary beside what it is to replace. `mirror`: a copy for an upstream whose answers
//! nobody sees.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    percent::Percent,
    route::Condition,
    value::{ByteSize, Duration},
};

/// An upstream with a share of the requests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(example = serde_json::json!({ "upstream": "http://127.0.0.1:3000", "weight": 95 }))]
pub struct Way {
    /// An upstream's name, or a URL.
    #[schemars(example = &"http://127.0.0.1:3000")]
    pub upstream: String,
    /// Its share beside the others; 0 takes what its conditions say and nothing else. By default 1, or 0 with conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = 95)]
    pub weight: Option<u16>,
    /// Requests with these header fields go here, whatever the shares are; written as a route's `headers`. Of several ways whose conditions hold, the first takes the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-canary", "always")]))]
    pub headers: BTreeMap<String, Condition>,
    /// Requests with these cookies do, as `headers`. With both, both have to hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("canary", true)]))]
    pub cookies: BTreeMap<String, Condition>,
}

impl Way {
    /// Whether requests can be made to go here.
    pub fn has_conditions(&self) -> bool {
        !self.headers.is_empty() || !self.cookies.is_empty()
    }

    /// Its share beside the others.
    pub fn weight(&self) -> u16 {
        self.weight.unwrap_or_else(|| u16::from(!self.has_conditions()))
    }
}

/// By what a client is known again.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SplitSticky {
    /// `"cookie"`, `"ip"`, `"identity"`, `"header:NAME"`, `"cookie:NAME"`.
    By(String),
    /// A cookie of Janua's.
    Cookie(StickyCookie),
}

/// A cookie of Janua's that keeps a client on its side. It holds a random number and nothing else, and origins do not see it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StickyCookie {
    /// Its name.
    #[schemars(example = &"janua-split")]
    pub cookie: String,
    /// How long browsers keep it; without it, until they are closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"30d")]
    pub max_age: Option<Duration>,
}

/// Who gets a copy of a route's requests.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Mirror {
    /// An upstream's name, or a URL.
    Name(String),
    /// The same with a share and bounds.
    Table(MirrorTable),
}

impl Mirror {
    /// What it comes to, with every default.
    pub fn table(&self) -> MirrorTable {
        match self {
            Self::Name(name) => MirrorTable { upstream: name.clone(), ..MirrorTable::default() },
            Self::Table(table) => table.clone(),
        }
    }
}

/// A share of the requests, as copies, within bounds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["upstream"]))]
pub struct MirrorTable {
    /// An upstream's name, or a URL.
    #[schemars(example = &"http://127.0.0.1:3001")]
    pub upstream: String,
    /// How many of the requests: `"10%"`, `"0.5%"`.
    pub share: Percent,
    /// Requests with a larger body are not copied.
    pub max_body: ByteSize,
    /// Copies that are collected, or sent and not answered to the end, at a time; what comes beyond them is not copied.
    pub max_in_flight: u32,
}

impl Default for MirrorTable {
    fn default() -> Self {
        Self {
            upstream: String::new(),
            share: Percent::ALL,
            max_body: ByteSize::kib(64),
            max_in_flight: 100,
        }
    }
}
