//! `[cache]`: the memory that answers are kept in. `[cache.NAME]`: which are kept, and for how long.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{ByteSize, Duration, OneOrMany};

/// Where answers are kept, for all routes with a `cache`: in memory, and if asked for on a disk.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Cache {
    /// Memory for them, everything counted; what is used least makes room for what is new.
    pub size: ByteSize,
    /// Larger ones go by and are not kept; at most an eighth of `size`.
    pub max_object: ByteSize,
    /// Memory for answers that are on their way and may be kept, and for large ones that are kept no longer but are still read; while it is taken, others go by.
    pub max_filling: ByteSize,
    /// So many answers of one URL that differ by `Vary`; of more, the oldest goes.
    pub max_variants: u16,
    /// A store through which gateways tell each other what is purged: `NAME` of `[store.NAME]` (Redis from version 6.2, or Valkey). What each keeps is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"shared")]
    pub store: Option<String>,
    /// A disk for what memory has no room for and for what is to survive a restart. By default there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<CacheDisk>,
    /// What is kept for routes that name it: `cache = "NAME"`. `cache = true` is `default`'s, if there is one.
    #[serde(flatten)]
    pub rules: BTreeMap<String, CacheRules>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            size: ByteSize::kib(256 << 10),
            max_object: ByteSize::kib(16 << 10),
            max_filling: ByteSize::kib(64 << 10),
            max_variants: 32,
            store: None,
            disk: None,
            rules: BTreeMap::new(),
        }
    }
}

/// A disk for answers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CacheDisk {
    /// A directory of its own; it is made if there is none.
    #[schemars(example = &"/var/cache/janua")]
    pub path: PathBuf,
    /// Room on it; what was used longest ago makes room for what is new.
    #[serde(default = "disk_size")]
    pub size: ByteSize,
    /// How long a request waits for the disk before it asks the origin.
    #[serde(default = "disk_wait")]
    pub wait: Duration,
    /// Memory for answers that wait to be written; of more, those that come are not.
    #[serde(default = "disk_queue")]
    pub queue: ByteSize,
}

fn disk_size() -> ByteSize {
    ByteSize::kib(1 << 20)
}

fn disk_wait() -> Duration {
    Duration(std::time::Duration::from_millis(250))
}

fn disk_queue() -> ByteSize {
    ByteSize::kib(64 << 10)
}

/// Which answers are kept, and for how long: what the origin says, by RFC 9111, but for what is said here.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheRules {
    /// How long an answer is fresh of which the origin does not say it: a time for 200, 203, 204, 300, 301, 308, 404, 405, 410, 414 and 501, or times by status: `{ 200 = "1m", 404 = "5s" }`. A range (`"4xx"`) means those of them that are in it; others (`401`, `403`, `500`) have to be named one by one, and a 401 is never given to a request with `Authorization`. Who sends `X-HTTP-Method-Override` may get a 405 from an origin that listens to it, for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"30s")]
    pub ttl: Option<CacheTtl>,
    /// Every answer that is kept is fresh for this long, whatever the origin says of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5m")]
    pub override_ttl: Option<Duration>,
    /// Where nobody says how long, a tenth of the time since `Last-Modified`, and no longer than this; `"0s"`: no guesses.
    pub heuristic: Duration,
    /// So long a stale answer is given at once while a fresh one is fetched, where the origin does not say it.
    pub stale_while_revalidate: Duration,
    /// So long a stale answer is given while the origin says 500, 502, 503 or 504, where it does not say itself how long. While it does not answer at all, a stale one is given for a day, unless that is forbidden.
    pub stale_if_error: Duration,
    /// Words that are not listened to. Of the origin: `"no-store"`, `"private"`, `"no-cache"`, `"must-revalidate"`, `"vary"`, `"set-cookie"` (the answer is kept without its cookies); that a request has credentials (`"authorization"`); all that requests say to caches (`"request"`).
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["request"])]
    pub ignore: OneOrMany<CacheIgnore>,
    /// Only answers with these statuses are kept; by default all that may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = [200, 301])]
    pub status: Option<OneOrMany<u16>>,
    /// The methods that are answered from what is kept.
    pub methods: OneOrMany<CacheMethod>,
    /// What beside the URL tells answers apart, as in `per` of a limit: `"header:NAME"`, `"cookie:NAME"`, `"claim:NAME"`, `"identity"`, `"path:PARAMETER"`, `"ip"`, or several; `"global"`: nothing. By default nothing, and on a route with `auth` the identity: nobody is given what was made for another.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"header:x-tenant")]
    pub key: OneOrMany<String>,
    /// What of a query tells answers apart.
    #[serde(skip_serializing_if = "CacheQuery::is_default")]
    pub query: CacheQuery,
    /// Field names that say to this cache what `Cache-Control` says to all, by RFC 9213: the first that an answer has counts, and then no other.
    pub targeted: OneOrMany<String>,
    /// `Accept-Encoding` and `Accept-Language` are compared by what they mean, where an answer varies by them.
    pub normalise: bool,
    /// A request for a part fetches the whole, which is kept.
    pub whole: bool,
    /// Requests for the same wait for the one that fetches it, and after this long go by themselves; `"0s"`: nobody waits. Of what is too large to be kept, whoever takes next to nothing for this long while others wait for more is cut.
    pub wait: Duration,
    /// Answers say what became of them here, in `Cache-Status` (RFC 9211); `"key"`: with the URL under which they are kept, or would be.
    pub cache_status: CacheStatus,
}

impl Default for CacheRules {
    fn default() -> Self {
        Self {
            ttl: None,
            override_ttl: None,
            heuristic: Duration::secs(86_400),
            stale_while_revalidate: Duration::secs(0),
            stale_if_error: Duration::secs(0),
            ignore: OneOrMany::default(),
            status: None,
            methods: OneOrMany(vec![CacheMethod::Get, CacheMethod::Head]),
            key: OneOrMany::default(),
            query: CacheQuery::default(),
            targeted: OneOrMany(vec!["cdn-cache-control".into()]),
            normalise: true,
            whole: false,
            wait: Duration::secs(5),
            cache_status: CacheStatus::Switch(false),
        }
    }
}

/// How long answers are fresh.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CacheTtl {
    /// Those of all usual statuses.
    All(Duration),
    /// By status.
    Table(BTreeMap<String, Duration>),
}

/// Whether answers say what became of them at the cache.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CacheStatus {
    /// They do, or not.
    Switch(bool),
    /// They do, and more than that.
    More(CacheStatusMore),
}

/// What more answers say of the cache.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheStatusMore {
    /// Under which URL they are kept.
    Key,
}

/// A word that is not listened to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheIgnore {
    /// The origin's `no-store`.
    NoStore,
    /// The origin's `private`.
    Private,
    /// The origin's `no-cache`.
    NoCache,
    /// The origin's `must-revalidate` and `proxy-revalidate`.
    MustRevalidate,
    /// The origin's `Vary`.
    Vary,
    /// The origin's `Set-Cookie`.
    SetCookie,
    /// That a request has credentials.
    Authorization,
    /// What requests say to caches.
    Request,
}

/// A method that is answered from what is kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CacheMethod {
    /// GET
    Get,
    /// HEAD
    Head,
}

/// What of a query tells answers apart.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheQuery {
    /// Only these parameters: names, or beginnings of names with `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = ["page", "q"])]
    pub only: Option<Vec<String>>,
    /// All but these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["utm_*"])]
    pub except: Vec<String>,
    /// Whatever their order.
    pub sort: bool,
}

impl CacheQuery {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is kept of a route's answers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CacheUse {
    /// Whether anything is, as the origin says or as `[cache.default]` does.
    Switch(bool),
    /// The name of a `[cache.NAME]`.
    Name(String),
    /// Rules of the route's own, with the keys of a `[cache.NAME]`.
    Rules(Box<CacheRules>),
}
