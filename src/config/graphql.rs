//! `graphql` of `[api.NAME]`: what clients may ask of a GraphQL service, and which questions are known.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    auth::Allow,
    value::{ByteSize, File, OneOrMany},
};

/// The types of a GraphQL service.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Graphql {
    /// `true`: they are not known, and operations are held to their shape only.
    Shape(bool),
    /// A schema, in a file.
    Schema(File),
}

impl Graphql {
    /// The file with the schema, if there is one.
    pub fn schema(&self) -> Option<&File> {
        match self {
            Self::Shape(_) => None,
            Self::Schema(file) => Some(file),
        }
    }
}

/// What an operation of GraphQL may be; one that is more is refused before the service sees it. Those of `persisted` are held to `max-cost` only.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guard {
    /// How deep fields may be nested, those of fragments too.
    pub max_depth: u16,
    /// Names, numbers, texts and signs in a document, and what is between them: spaces and comments.
    pub max_tokens: u32,
    /// Fields of an operation, with those of a fragment as often as it is used.
    pub max_fields: u32,
    /// Fields with another name than their own, counted in the same way.
    pub max_aliases: u32,
    /// Directives, counted in the same way.
    pub max_directives: u32,
    /// Fields at the top of an operation, counted in the same way: each is work of its own.
    pub max_root_fields: u32,
    /// Operations that one request may have, as a list; 0: a list is refused.
    pub max_batch: u16,
    /// What the operations of a request may cost together, by the schema: each object in the answer costs 1, and fields and arguments nothing beside that, if `weights` or `@cost` do not say otherwise; what is in a list counts as often as that is long, which its arguments say, or `@listSize`, or `list-size`. Introspection costs nothing.
    pub max_cost: u32,
    /// How long a list is taken to be where nothing says so.
    pub list_size: u32,
    /// Arguments by which clients say how long a list is, where `@listSize` does not name others.
    #[schemars(example = ["first", "last", "limit"])]
    pub slicing: OneOrMany<String>,
    /// What something costs, before what `@cost` says: a type, a field or an argument: `{ Report = 10, "Query.search" = 5, "Query.search(text)" = 2 }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("Query.search", 5)]))]
    pub weights: BTreeMap<String, f64>,
    /// Who may ask for the schema itself, by `__schema` and `__type`: `"allow"`: everybody; `"deny"`: nobody; `"identified"`: whom the route's `auth` knows; or a table as `allow` of a route: `{ role = "developer" }`.
    pub introspection: Introspect,
    /// Whether WebSockets pass, by which subscriptions come. Nobody looks at the operations in them. A subscription by server-sent events is held to the same as a query, and its answer passes as it comes.
    pub websocket: bool,
    /// Memory for documents that were read already, so that each is read once, about; what is not used makes room. `"0B"`: none.
    pub remember: ByteSize,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            max_depth: 15,
            max_tokens: 4_000,
            max_fields: 1_000,
            max_aliases: 30,
            max_directives: 50,
            max_root_fields: 20,
            max_batch: 0,
            max_cost: 5_000,
            list_size: 10,
            slicing: OneOrMany(["first", "last", "limit"].map(String::from).into()),
            weights: BTreeMap::new(),
            introspection: Introspect::default(),
            websocket: false,
            remember: ByteSize::kib(16 << 10),
        }
    }
}

impl Guard {
    /// Whether nothing is said.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Who may ask for the schema.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Introspect {
    /// One of these.
    Word(IntrospectWord),
    /// Whoever is this.
    Allow(Box<Allow>),
}

impl Default for Introspect {
    fn default() -> Self {
        Self::Word(IntrospectWord::Identified)
    }
}

/// Who may ask for the schema, in a word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntrospectWord {
    /// Everybody.
    Allow,
    /// Nobody.
    Deny,
    /// Whoever is known.
    Identified,
}

/// Documents of GraphQL that are known.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Persisted {
    /// A folder with a document in each `.graphql` file, which is known by its SHA-256 and by the file's name; or a file of JSON: `{ "ID": "DOCUMENT" }`, or a manifest of Apollo's with `operations` of `id` and `body`.
    #[schemars(example = &"/etc/janua/operations.json")]
    pub file: File,
    /// Whether no others are taken. Clients name one by `documentId`, `id` or `extensions.persistedQuery.sha256Hash`, or send its very text.
    #[serde(default = "yes")]
    pub only: bool,
}

fn yes() -> bool {
    true
}

/// What an answer of JSON is made of.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredAnswer {
    /// The one field at the top of the operation, without its name; of several, all.
    #[default]
    Field,
    /// All of `data`.
    Data,
}
