//! `[access.NAME]`: who may come in. `[geoip]`: where addresses are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    enforce::Enforce,
    route::Condition,
    value::{File, OneOrMany},
};

/// Who may come in: a list for `access` of routes and listeners.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Access {
    /// Networks and addresses that may come in; others may not. Where `allow` and `deny` overlap, the longest prefix decides; of the same, `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["10.0.0.0/8", "2001:db8::/32"])]
    pub allow: Option<OneOrMany<Addresses>>,
    /// Networks and addresses that may not come in, also from a file: `{ file = "blocked.txt" }`, with one on a line and `#` comments, read at each load. Without `allow`, all others may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["192.0.2.7"])]
    pub deny: Option<OneOrMany<Addresses>>,
    /// Countries (ISO 3166: `"DE"`) that may come in; others, and addresses of no known country, may not. Needs `geoip.database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["DE", "FR"])]
    pub allow_countries: Option<OneOrMany<String>>,
    /// Countries that may not come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["AQ"])]
    pub deny_countries: Option<OneOrMany<String>>,
    /// Autonomous systems that may come in; others, and addresses of no known one, may not. Needs `geoip.asn-database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = [64496])]
    pub allow_asns: Option<OneOrMany<u32>>,
    /// Autonomous systems that may not come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = [64511])]
    pub deny_asns: Option<OneOrMany<u32>>,
    /// Conditions on header fields, as a route's `headers`; all of them have to hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-tenant", ["blue", "green"])]))]
    pub allow_headers: BTreeMap<String, Condition>,
    /// Conditions on header fields; none of them may hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-debug", true)]))]
    pub deny_headers: BTreeMap<String, Condition>,
    /// `"report"` lets everybody in, and counts and logs whom this list would refuse.
    pub enforce: Enforce,
}

/// Networks: one, or those of a file.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Addresses {
    /// `"10.0.0.0/8"`, `"2001:db8::/32"` or a single address.
    Network(String),
    /// Those of a file.
    File(AddressFile),
}

/// A file of networks.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AddressFile {
    /// A network or address on each line; what is behind a `#` is a comment.
    #[schemars(example = &"/etc/janua/blocked.txt")]
    pub file: File,
}

/// Where addresses are: databases in MaxMind's format (`.mmdb`), read at each load.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GeoIp {
    /// The database of countries, or of cities.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/lib/GeoIP/GeoLite2-Country.mmdb")]
    pub database: Option<File>,
    /// The database of autonomous systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/var/lib/GeoIP/GeoLite2-ASN.mmdb")]
    pub asn_database: Option<File>,
}
