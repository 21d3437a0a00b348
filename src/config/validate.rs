//! `validate` of a route: what requests have to be, without a document of OpenAPI.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    api::Unknown,
    enforce::Enforce,
    value::{ByteSize, File, OneOrMany},
};

/// What requests have to be, by JSON Schema.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Validate {
    /// The body: a file with a schema, or the schema itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/order.schema.json")]
    pub body: Option<BodySchema>,
    /// The types that a body may have, of those that are JSON.
    pub types: OneOrMany<String>,
    /// Whether there has to be a body, if it has a schema.
    pub required: bool,
    /// The query: for each parameter a schema (`{ page = { type = "integer" } }`), with `required = true` if it has to be there; or a file with the schema of an object of all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/query.schema.json")]
    pub query: Option<QuerySchema>,
    /// Query parameters that `query` does not know: `"allow"` or `"refuse"`.
    pub unknown_query: Unknown,
    /// Header fields: for each a schema, with `required = true` if it has to be there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("x-tenant", BTreeMap::from([("pattern", "^[a-z]+$")]))]))]
    pub headers: BTreeMap<String, InlineSchema>,
    /// Parameters of the route's path: for each a schema.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("id", BTreeMap::from([("type", "integer")]))]))]
    pub path: BTreeMap<String, InlineSchema>,
    /// `"report"`: a request that is not like that passes; log and metrics tell of it.
    pub enforce: Enforce,
    /// Bytes of a body that is looked at, which is held in memory meanwhile; a larger one is refused with 413.
    pub max_body: ByteSize,
    /// How deep a body may be nested.
    pub max_depth: u8,
}

impl Default for Validate {
    fn default() -> Self {
        Self {
            body: None,
            types: OneOrMany(vec!["application/json".into()]),
            required: true,
            query: None,
            unknown_query: Unknown::Allow,
            headers: BTreeMap::new(),
            path: BTreeMap::new(),
            enforce: Enforce::default(),
            max_body: ByteSize::kib(1 << 10),
            max_depth: 64,
        }
    }
}

/// The schema of a body.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BodySchema {
    /// A file of JSON that holds it.
    File(File),
    /// The schema itself.
    Inline(InlineSchema),
}

/// The schema of a query.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum QuerySchema {
    /// A file of JSON with the schema of an object of all parameters.
    File(File),
    /// A schema for each parameter.
    Each(BTreeMap<String, InlineSchema>),
}

/// A schema, written as a table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct InlineSchema(pub Map<String, Value>);

impl JsonSchema for InlineSchema {
    fn schema_name() -> Cow<'static, str> {
        "InlineSchema".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}
