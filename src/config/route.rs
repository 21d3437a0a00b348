//! `[[route]]`: which requests, and where they go. `[[test]]`: what must come of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    auth::{Allow, ClaimValue, Policy, Require},
    cache::CacheUse,
    cors::Cors,
    limit::LimitUse,
    overload::Priority,
    path::Path,
    split::{Mirror, SplitSticky, Way},
    transform::Transform,
    translate::Translate,
    validate::Validate,
    value::{ByteSize, Duration, OneOrMany},
};

/// Which requests, and where they go. The most specific route wins, wherever it stands in the file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["to"]))]
pub struct Route {
    /// The name that logs, metrics and tests use; by default host and path.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders")]
    pub name: Option<String>,
    /// Only on these listeners; by default on all.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"public")]
    pub listener: OneOrMany<String>,
    /// `"api.example.com"`, `"*.example.com"` (any depth); one or several; by default any host.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"api.example.com")]
    pub host: OneOrMany<String>,
    /// `"/exact"`, `"/orders/{id}"` (one segment), `"/files/{rest*}"` (the rest); by default any path. Many slashes in a row count as one.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"/orders/{id}")]
    pub path: OneOrMany<String>,
    /// `["GET", "POST"]`; by default any method. `GET` brings `HEAD` along.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["GET", "POST"])]
    pub methods: OneOrMany<String>,
    /// Header fields that must be there: `{ x-version = "2" }`, `["2", "3"]` (one of), `true` (any), `{ regex = "^b" }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-version", "2")]))]
    pub headers: BTreeMap<String, Condition>,
    /// Query parameters that must be there, as `headers`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("debug", true)]))]
    pub query: BTreeMap<String, Condition>,
    /// Who may come in: the name of an `[access.NAME]`, or several, each of which has to let the client in.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"NAME")]
    pub access: OneOrMany<String>,
    /// Who it has to be: a name of `[auth.NAME]`, or several, of which any is enough.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"corp")]
    pub auth: OneOrMany<String>,
    /// Whether `"any"` of several `auth` is enough, or `"all"` of them are asked for.
    pub require: Require,
    /// What one has to be: `{ role = "admin" }`, `{ scope = "orders:read" }`; by default anybody whom `auth` knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// Policies in the language Cedar (cedarpolicy.com) that decide, after `allow`: a file, or a table. What no policy permits is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/policies.cedar")]
    pub policy: Option<Policy>,
    /// How much: the name of a `[limit.NAME]`, a rate for each address (`"10/s"`), a table with the keys of a `[limit.NAME]`, or several of these, all of which have to agree. When a later one refuses, what the earlier ones took is given back.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"10/s")]
    pub limit: OneOrMany<LimitUse>,
    /// Answers that are kept: `true`: as the origin says (RFC 9111); the name of a `[cache.NAME]`, or a table with its keys: `{ ttl = "30s" }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub cache: Option<CacheUse>,
    /// The API that it stands for: a name of `[api.NAME]`. Each of its operations becomes a route of its own, with this route's keys; `path` and `methods` are the document's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"shop")]
    pub api: Option<String>,
    /// What requests have to be, where no `api` says it, by JSON Schema: 2020-12, or the version that `$schema` of a file names. Nothing is fetched: a `$ref` leads to a place in the same file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate: Option<Validate>,
    /// Filters in the language of jq, for bodies of JSON. A filter sees the body and the variables `$headers` (of the message that it changes, without credentials and cookies), `$query`, `$params` (of the path), `$method`, `$path`, `$identity` (`sub`, `owner`, `roles`, `scopes`, `auth`, `claims`; `null` for a stranger) and, of an answer, `$status`; no clock, environment, file or module. It has to give one value. A request is changed after it was held to `api` or `validate`, and before it is translated for its origin; an answer after it was translated back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
    /// What the origin speaks, where clients may speak the other of JSON and XML: `"xml"`, `"json"`, or a table that says how one becomes the other; or `"grpc-web"`: clients are browsers, the origin speaks gRPC, and what comes in gRPC passes as it is. What a client speaks, say its `Content-Type` and `Accept`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"xml")]
    pub translate: Option<Translate>,
    /// An upstream's name, a URL, `"echo"`, `"mock"` (an API's answers from the examples of its document), `{ redirect = .. }` or `{ status = .. }`; or several upstreams, each with a share: `[{ upstream = "v2", weight = 5 }, { upstream = "v1", weight = 95 }]`.
    #[schemars(example = &"http://127.0.0.1:3000")]
    pub to: To,
    /// Where `to` names several upstreams: a client that went one way goes it again. `"cookie"`: by a cookie of Janua's; or by a hash of `"ip"`, `"identity"`, `"header:NAME"` or `"cookie:NAME"` (one of the site's own), and where a request has none, of its address. When weights change, only those clients change sides that have to, if the first way grows or shrinks for another's sake.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"cookie")]
    pub sticky: Option<SplitSticky>,
    /// Who gets a copy of the requests that go to an upstream: an upstream's name, a URL, or a table with a share and bounds. Its answers are thrown away, and clients never wait for it. A copy is what the origin sees, but for trailers, with `x-janua-mirrored: 1`; requests for an upgrade are not copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://127.0.0.1:3001")]
    pub mirror: Option<Mirror>,
    /// Take this off the front of the path before it goes on: `"/api"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/api")]
    pub strip_prefix: Option<String>,
    /// Put this in front of the path, after `strip-prefix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/v1")]
    pub add_prefix: Option<String>,
    /// The path and query that go on, from variables: `"/items/{path.id}?from={request.host}"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/items/{path.id}?from={request.host}")]
    pub rewrite: Option<String>,
    /// Changes to the query that goes on.
    #[serde(skip_serializing_if = "QueryRules::is_empty")]
    pub request_query: QueryRules,
    /// Changes to the request's header fields.
    #[serde(skip_serializing_if = "HeaderRules::is_empty")]
    pub request_headers: HeaderRules,
    /// Changes to the answer's header fields.
    #[serde(skip_serializing_if = "HeaderRules::is_empty")]
    pub response_headers: HeaderRules,
    /// Size of a request's body on this route, instead of the listener's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1MiB")]
    pub max_body_size: Option<ByteSize>,
    /// Which pages of other origins may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = BTreeMap::from([("origins", "https://app.example")]))]
    pub cors: Option<Cors>,
    /// Times on this route, instead of the upstream's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<RouteTimeout>,
    /// Who goes first when there is no room for all (`max-in-flight` of `server` and upstreams): `"low"` uses three fifths of it; `"normal"` all, but for a tenth where a route with `"high"` shares it; `"high"` all. A client that broke a limit lately counts as one lower.
    pub priority: Priority,
    /// `false` leaves this route's requests out of the access log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = false)]
    pub log: Option<bool>,
}

impl Route {
    /// The upstreams that it names, each with its place; the route stands at `at`.
    pub fn upstreams(&self, at: &Path) -> Vec<(Path, &str)> {
        let to = at.key("to");
        let ways = self.to.ways().unwrap_or_default().iter().enumerate();
        let mut named: Vec<_> =
            ways.map(|(index, way)| (to.index(index).key("upstream"), &*way.upstream)).collect();
        if let To::Name(name) = &self.to {
            named.push((to, name));
        }
        named.extend(self.mirror.as_ref().map(|mirror| match mirror {
            Mirror::Name(name) => (at.key("mirror"), &**name),
            Mirror::Table(table) => (at.key("mirror").key("upstream"), &*table.upstream),
        }));
        named
    }
}

/// Times on one route, instead of the upstream's.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteTimeout {
    /// From the request sent, body and all, to the answer's head.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"5m")]
    pub first_byte: Option<Duration>,
    /// Between two pieces of an answer's body, or of a request's that the endpoint takes; in a tunnel,
    /// without a byte either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1h")]
    pub idle: Option<Duration>,
    /// From the first try to the end of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"30s")]
    pub total: Option<Duration>,
}

/// What a header field or query parameter must be.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Condition {
    /// `true`: there, whatever its value. `false`: not there.
    Present(bool),
    /// Exactly this value.
    Equals(String),
    /// One of these values.
    OneOf(Vec<String>),
    /// One that matches.
    Regex(RegexCondition),
}

/// A condition by regular expression.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegexCondition {
    /// Searched for in the value; anchor it with `^` and `$`.
    #[schemars(example = &"^2[.]")]
    pub regex: String,
}

/// Where a route's requests go.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum To {
    /// An upstream's name, a URL (`"http://127.0.0.1:3000"`), or `"echo"`.
    Name(String),
    /// A redirect.
    Redirect(Redirect),
    /// A fixed answer.
    Respond(Respond),
    /// Several upstreams with their shares.
    Ways(Vec<Way>),
}

impl To {
    /// The upstreams with their shares, if there are several.
    pub fn ways(&self) -> Option<&[Way]> {
        match self {
            Self::Ways(ways) => Some(ways),
            Self::Name(_) | Self::Redirect(_) | Self::Respond(_) => None,
        }
    }
}

impl Default for To {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

/// A redirect.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Redirect {
    /// The `Location`, from variables: `"https://new.example.com{request.uri}"`.
    #[schemars(example = &"https://new.example.com{request.uri}")]
    pub redirect: String,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "permanent")]
    pub status: u16,
}

const fn permanent() -> u16 {
    308
}

/// A fixed answer.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Respond {
    /// The status, 200 to 599.
    #[schemars(example = 503)]
    pub status: u16,
    /// The body, from variables.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(example = &"Back at noon.")]
    pub body: String,
    /// The body's type.
    #[serde(default = "plain", skip_serializing_if = "String::is_empty")]
    pub content_type: String,
}

fn plain() -> String {
    "text/plain; charset=utf-8".into()
}

/// Changes to header fields, in the order `remove`, `set`, `add`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HeaderRules {
    /// Take these away.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["x-powered-by"])]
    pub remove: OneOrMany<String>,
    /// Set these to a value from variables, in place of what was there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-client", "{client.ip}")]))]
    pub set: BTreeMap<String, String>,
    /// Add these beside what is there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("vary", "origin")]))]
    pub add: BTreeMap<String, String>,
}

impl HeaderRules {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// Changes to the query, in the order `remove`, `set`, `add`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct QueryRules {
    /// Take these parameters away.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["debug"])]
    pub remove: OneOrMany<String>,
    /// Set these to a value from variables, in place of what was there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("tenant", "{identity.tenant}")]))]
    pub set: BTreeMap<String, String>,
    /// Add these beside what is there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("via", "janua")]))]
    pub add: BTreeMap<String, String>,
}

impl QueryRules {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }
}

/// A request, and what must come of it; `janua check` and every reload run it, without any origin.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["request"]))]
pub struct Test {
    /// What it shows; by default the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"an order is found")]
    pub name: Option<String>,
    /// `"GET http://api.example.com/orders/7"`.
    #[schemars(example = &"GET http://api.example.com/orders/7")]
    pub request: String,
    /// Header fields of the request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-version", "2")]))]
    pub headers: BTreeMap<String, String>,
    /// Its body, which is looked at and translated as any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"{\"customer\":\"Ada\"}")]
    pub body: Option<String>,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"203.0.113.7")]
    pub from: Option<String>,
    /// The listener that takes it; by default the first that fits the URL's scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"public")]
    pub listener: Option<String>,
    /// Who makes it, in place of credentials, which belong in no file.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(example = BTreeMap::from([("user", "alice")]))]
    pub who: Option<Who>,
    /// What must come of it.
    pub expect: Expect,
}

/// Somebody who makes a test's request: the route's first `auth` is taken to know them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Who {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The roles.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["admin"])]
    pub roles: OneOrMany<String>,
    /// The scopes.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["orders:read"])]
    pub scopes: OneOrMany<String>,
    /// The claims.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("department", "sales")]))]
    pub claims: BTreeMap<String, OneOrMany<ClaimValue>>,
}

/// What must come of a test's request; what is not named is not looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The route that takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"orders")]
    pub route: Option<String>,
    /// The status, where Janua answers by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 200)]
    pub status: Option<u16>,
    /// The reason of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"no_route")]
    pub reason: Option<String>,
    /// The upstream it goes to; of a split that decides by chance, all that it may go to.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"orders")]
    pub upstream: OneOrMany<String>,
    /// The path and query that the origin sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/orders/7")]
    pub path: Option<String>,
    /// Header fields that the origin sees or, where Janua answers by itself, the client.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-client", true)]))]
    pub headers: BTreeMap<String, Condition>,
}
