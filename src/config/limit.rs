//! `[limit.NAME]`: how much, and what happens to those who want more.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    enforce::Enforce,
    quota::Quota,
    rate::Rate,
    value::{ByteRate, ByteSize, Duration, OneOrMany},
};

/// How much: a rate, a quota, how many at a time, how fast answers go, or several of these; for `limit` of routes. The counts of a limit go on over a reload as long as its `per`, and what is in its store as long as the name, `url` and `database` of that, are the same. Whoever waits when a reload changes or removes the limit goes on waiting by the rules they came under; at shutdown they keep their turn, as long as `server.drain` lets requests run.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limit {
    /// How fast: `"10/s"`, `"600/m"`, `"1000/h"`, `"5000/d"`, evenly: after `burst` requests at once, one each 100 ms with `"10/s"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// As many at once, after a pause; by default the number of the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 20)]
    pub burst: Option<u32>,
    /// As much in each day or month of the calendar, in UTC: `"10000/day"`, `"1000000/month"`. What was used survives a restart, in `server.state`, also while the limit is taken out, or, with a `store`, there; whoever used all of it is refused until the day or month ends, and does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What a request costs: a number, `{ header = "x-cost" }` (a number from a header field), or by method: `{ POST = 5, OPTIONS = 0 }`.
    pub cost: Cost,
    /// What has an allowance of its own: `"ip"`, `"identity"`, `"claim:NAME"`, `"header:NAME"`, `"cookie:NAME"`, `"path:PARAMETER"`, `"route"`, `"global"`; or a list, for each combination. A request without it is counted by its address; those by a Unix socket have none, and count as one. A header field or cookie that comes several times counts as all its values in their order; of a long one only a keyed digest is held.
    pub per: OneOrMany<String>,
    /// Addresses of IPv6 count as one if so many of their first bits are the same.
    pub ipv6_prefix: u8,
    /// Other rates and quotas for some: `{ gold = "100/s", "scope:bulk" = { quota = "50000/day" }, "owner:acme" = { rate = "1000/s", burst = 5000 } }`. A name alone is a role's, `default` is `rate`; of several that fit, the fastest counts, and of those as fast the one with the greatest quota. Each counts its rate by itself: whoever shares a key with slower ones, an address say, does not wait for them. What was used of a quota is the key's, and `concurrent` of the limit is for all tiers together; one that a tier says is its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("gold", "100/s"), ("default", "10/s")]))]
    pub tiers: BTreeMap<String, Tier>,
    /// So many at a time, from the request to the end of its answer; a tunnel is one as long as it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 20)]
    pub concurrent: Option<u32>,
    /// What happens to a request over the limit: `"reject"` (429), or `{ delay = "2s" }`: it waits for its turn that long, if that is enough, and is refused at once if not.
    pub over: Over,
    /// Requests that may wait at a time. A client, and a key, has at most as many as are left for others; of a key that several clients share, each has at most as many as are left there.
    pub max_waiting: u32,
    /// Clients that kept within their limits go before those that did not. Each request over a limit costs its client (the identity, else the address) a second of good standing, up to a minute, that comes back with time. While both wait, one turn in ten is for those that did not.
    pub priority: bool,
    /// Keys whose allowance is known at a time, 64 bytes each, and 43 for a quota. When there are more, new keys share what is left: none is let go who is limited, and a flood of keys competes with itself. Keys with a quota that come in the same day or month should be fewer: of more, those that used least are counted too high. With a `store`, some 200 bytes more for each key that was in use in the last second or owes something; when there are more, of new ones this gateway counts its part by itself, as with `on-failure = "local"`, whatever that says; and so it does with keys for which there is no room among those that wait for the store (its `max-waiting`). The same for each key with a quota in a store that was in use since midnight, or is not told yet; when there are more, of those that are not told, what they use counts at this gateway only.
    pub max_keys: u32,
    /// A store in which `rate` and `quota` are counted, for all gateways that share it: `NAME` of `[store.NAME]` (Redis from version 5, or Valkey). `concurrent` counts on each gateway by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"shared")]
    pub store: Option<String>,
    /// How long a gateway may spend what the store gave it beyond what was asked for at once: as much as the key spent lately, up to a quarter of the burst. Gateways together are over the rate for a moment by no more than they hold, which is what the rate gives in this time, once for each of them. `"0s"`: nothing is given ahead, and requests wait for the store's answer. For a quota, which no request waits for: how often the store is told what was used, and says what others did, unless little is left; gateways together are over a quota by no more than they let through in this time and that of an answer.
    pub lease: Duration,
    /// How many gateways share the store: while it cannot be asked, each gives so many-th part of the rate and the burst, and of what was left of a quota.
    pub gateways: u32,
    /// What happens while the store cannot be asked: `"local"`: each gateway counts its part by itself; `"reject"`: 503; `"allow"`: the limit lets everything through.
    pub on_failure: OnFailure,
    /// Keys that the admin door and `janua limits` list, those that the limit was asked for most in the last minutes, about 200 bytes each; 0 for none. Of values of header fields and cookies only the beginning of a digest is shown.
    pub busiest: u16,
    /// When answers say what is left, in `RateLimit` and `RateLimit-Policy`: only those with a refusal (`"refusals"`), `"always"`, or `"never"`. They show the limit's name. An origin's own fields of these names go where the gateway tells its own. While the store of a limit decides nothing, its refusals tell nothing.
    pub headers: LimitHeaders,
    /// `"report"` lets every request pass, and counts and logs which this limit would refuse or delay.
    pub enforce: Enforce,
    /// How fast each answer's body goes to its client at most, evenly, whatever runs beside it: `"1MiB/s"`. Of several limits the slowest counts. Tunnels are not slowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1MiB/s")]
    pub bandwidth: Option<ByteRate>,
    /// So much of each answer goes as fast as it can before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"512KiB")]
    pub bandwidth_after: Option<ByteSize>,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            rate: None,
            burst: None,
            quota: None,
            cost: Cost::default(),
            per: OneOrMany(vec!["ip".into()]),
            ipv6_prefix: 64,
            tiers: BTreeMap::new(),
            concurrent: None,
            over: Over::default(),
            max_waiting: 1_000,
            priority: true,
            max_keys: 100_000,
            busiest: 100,
            store: None,
            lease: Duration(std::time::Duration::from_millis(100)),
            gateways: 1,
            on_failure: OnFailure::default(),
            headers: LimitHeaders::default(),
            enforce: Enforce::default(),
            bandwidth: None,
            bandwidth_after: None,
        }
    }
}

impl Limit {
    /// A limit of this rate, with every default.
    pub fn of(rate: Rate) -> Self {
        Self { rate: Some(rate), ..Self::default() }
    }
}

/// What a request costs.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cost {
    /// Every request the same.
    Number(u32),
    /// By a header field or the method.
    Table(CostTable),
}

impl Default for Cost {
    fn default() -> Self {
        Self::Number(1)
    }
}

/// What a request costs by a header field or, where there is none, by its method; others cost 1.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct CostTable {
    /// The field with the number; of several, in one field or in many, the largest. What is no number, or zero, is as if it were not there; more than a burst is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"x-cost")]
    pub header: Option<String>,
    /// Costs by method.
    #[serde(flatten)]
    pub methods: BTreeMap<String, u32>,
}

/// A rate for some.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Tier {
    /// The rate alone.
    Rate(Rate),
    /// The rate and more.
    Table(TierTable),
}

/// A rate or a quota for some, and what else is different for them. What is not said is the limit's own.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TierTable {
    /// How fast, instead of the limit's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"100/s")]
    pub rate: Option<Rate>,
    /// As many at once; by default the number of the rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 500)]
    pub burst: Option<u32>,
    /// As much in each day or month, as the limit's own quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"100000/day")]
    pub quota: Option<Quota>,
    /// So many at a time, counted by themselves instead of with everybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 50)]
    pub concurrent: Option<u32>,
    /// How fast an answer's body goes, instead of the limit's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10MiB/s")]
    pub bandwidth: Option<ByteRate>,
}

/// What happens to a request over the limit.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Over {
    /// `"reject"`: it is refused.
    Word(OverWord),
    /// It waits.
    Delay(Delay),
}

impl Default for Over {
    fn default() -> Self {
        Self::Word(OverWord::Reject)
    }
}

/// The words for what happens to a request over the limit.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverWord {
    /// It is refused: 429.
    Reject,
}

/// Requests over the limit wait for their turn.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Delay {
    /// How long at most.
    #[schemars(example = &"2s")]
    pub delay: Duration,
}

/// What a limit does while its store cannot be asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It counts by itself.
    #[default]
    Local,
    /// It refuses: 503.
    Reject,
    /// It lets everything through.
    Allow,
}

/// When answers say what is left.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitHeaders {
    /// All of them.
    Always,
    /// Those that refuse a request for a limit.
    #[default]
    Refusals,
    /// None.
    Never,
}

/// What a route's `limit` names: a `[limit.NAME]`, a rate, or a limit of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LimitUse {
    /// A name, or a rate (`"10/s"`) for each address.
    Word(String),
    /// A limit of the route's own, with the keys of a `[limit.NAME]`.
    Table(Box<Limit>),
}

/// What an address may do at a listener before anybody is asked who it is. Proxies in `trusted-proxies` speak for many: their connections and handshakes are not counted, and requests count for whom they speak for.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PerAddress {
    /// Connections at a time; more are closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 100)]
    pub connections: Option<u32>,
    /// How fast TLS handshakes may begin; more are closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10/s")]
    pub handshakes: Option<Rate>,
    /// How fast requests may come; more are 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"100/s")]
    pub requests: Option<Rate>,
    /// Addresses of IPv6 count as one if so many of their first bits are the same.
    pub ipv6_prefix: u8,
    /// Addresses that are known at a time, as `limit.NAME.max-keys`.
    pub max_keys: u32,
}

impl Default for PerAddress {
    fn default() -> Self {
        Self {
            connections: None,
            handshakes: None,
            requests: None,
            ipv6_prefix: 64,
            max_keys: 100_000,
        }
    }
}
