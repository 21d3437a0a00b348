//! `[api.NAME]`: an API and its contract. A route with `api = "NAME"` stands for all of its operations.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    auth::Allow,
    cache::CacheUse,
    docs::Audience,
    enforce::Enforce,
    graphql::{Graphql, Guard, Persisted, StoredAnswer},
    limit::LimitUse,
    soap::Soap,
    value::{ByteSize, File, OneOrMany},
};

/// An API and its contract. Each operation becomes a route, and requests are held to what the document says before an origin sees them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Api {
    /// A document of OpenAPI 3.0 or 3.1, as YAML or JSON, in one file; nothing is fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/shop.yaml")]
    pub openapi: Option<File>,
    /// `.proto` files whose services the origin speaks, in place of a document: requests of JSON become calls by gRPC, as `google.api.http` says, else by POST to `/package.Service/Method`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["/etc/janua/greeter.proto"])]
    pub proto: OneOrMany<File>,
    /// Folders where what they import is looked for, before their own. The well-known types, `google/api/annotations.proto`, `google/api/field_behavior.proto`, `google/rpc/status.proto` and `google/rpc/error_details.proto` are built in.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["/etc/janua/proto"])]
    pub proto_path: OneOrMany<PathBuf>,
    /// The same as a set of descriptors: what `protoc --include_imports --descriptor_set_out=FILE` writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/greeter.pb")]
    pub descriptors: Option<File>,
    /// The services to serve, by their full names; by default all of the files that are named.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["greeter.v1.Greeter"])]
    pub services: OneOrMany<String>,
    /// How messages of gRPC are read and written as JSON.
    #[serde(skip_serializing_if = "is_default")]
    pub json: ApiJson,
    /// In place of a document the description of a SOAP service, WSDL 1.1 with what it imports, as files; nothing is fetched. Each of its operations is called with JSON: `POST /NAME`, if `operations` does not say otherwise. A document is made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/bank.wsdl")]
    pub wsdl: Option<File>,
    /// How the service of a `wsdl` is spoken to.
    #[serde(skip_serializing_if = "Soap::is_default")]
    pub soap: Soap,
    /// In place of a document the schema of a GraphQL service, in its own language; or `true`, if it is not known. A route with a `path` is where clients ask it, and `guard` is what they may ask; each of `operations` with a `query` is a route of its own that answers with JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/shop.graphql")]
    pub graphql: Option<Graphql>,
    /// Where the origin takes the `query` of `operations`.
    pub graphql_path: String,
    /// What an operation of GraphQL may be.
    #[serde(skip_serializing_if = "Guard::is_default")]
    pub guard: Guard,
    /// Documents of GraphQL that are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persisted: Option<Persisted>,
    /// The status of an error of GraphQL that an operation with a `query` has, by its `extensions.code`: `{ OUT_OF_STOCK = 409 }`, beside `UNAUTHENTICATED` 401, `FORBIDDEN` 403, `NOT_FOUND` 404, `BAD_USER_INPUT` 400 and others that many use. Any other is 502.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("OUT_OF_STOCK", 409)]))]
    pub errors: BTreeMap<String, u16>,
    /// What stands before the paths of the document: `"/v1"`; by default the path of its first server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/v1")]
    pub base_path: Option<String>,
    /// The `[auth.NAME]` for each security scheme of the document, by the scheme's name. An operation whose scheme has none is an error.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = BTreeMap::from([("oauth", "corp")]))]
    pub security: BTreeMap<String, String>,
    /// `"report"`: a request that does not keep to the contract passes; log and metrics tell of it.
    pub enforce: Enforce,
    /// Whether answers are held to the contract, those of JSON that are no larger than `max-body`: `"off"`; `"report"`: what is not as promised is counted, `janua drift` and the admin door tell where; `"enforce"`: the client gets 502 in its place.
    pub answers: Answers,
    /// Query parameters that the document does not know: `"allow"` or `"refuse"`.
    pub unknown_query: Unknown,
    /// Bytes of a body that is checked, which is held in memory meanwhile; a larger one is refused with 413.
    pub max_body: ByteSize,
    /// How deep a body of JSON may be nested.
    pub max_depth: u8,
    /// Who may see its documentation, in place of what `[docs]` says. The portal's first page shows only APIs without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// What is different for an operation, by its `operationId`, or by `"GET /orders/{id}"` where it has none. What stands here counts before the document's `x-janua-auth`, `x-janua-limit` and `x-janua-cache`, and these before the route's own keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<String, Operation>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            openapi: None,
            proto: OneOrMany::default(),
            proto_path: OneOrMany::default(),
            descriptors: None,
            services: OneOrMany::default(),
            json: ApiJson::default(),
            wsdl: None,
            soap: Soap::default(),
            graphql: None,
            graphql_path: "/graphql".into(),
            guard: Guard::default(),
            persisted: None,
            errors: BTreeMap::new(),
            base_path: None,
            security: BTreeMap::new(),
            enforce: Enforce::default(),
            answers: Answers::default(),
            unknown_query: Unknown::default(),
            max_body: ByteSize(1 << 20),
            max_depth: 64,
            audience: None,
            operations: BTreeMap::new(),
        }
    }
}

impl Api {
    /// Whether its origin speaks GraphQL.
    pub fn is_graphql(&self) -> bool {
        self.graphql.is_some()
    }

    /// Whether its origin speaks gRPC.
    pub fn is_grpc(&self) -> bool {
        !self.proto.is_empty() || self.descriptors.is_some()
    }
}

fn is_default(json: &ApiJson) -> bool {
    *json == ApiJson::default()
}

/// How messages of gRPC are read and written as JSON.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApiJson {
    /// Names in a request's body that no field has: `"refuse"`, or `"allow"`: they are passed over.
    pub unknown: Unknown,
    /// Whether answers tell of fields that have their default.
    pub defaults: bool,
    /// Names of fields in answers: `"json"` (`pageSize`) or `"proto"` (`page_size`). Requests may use either.
    pub names: JsonNames,
    /// Enumerations in answers: `"names"` or `"numbers"`. Requests may use either.
    pub enums: JsonEnums,
}

impl Default for ApiJson {
    fn default() -> Self {
        let (names, enums) = (JsonNames::default(), JsonEnums::default());
        Self { unknown: Unknown::Refuse, defaults: false, names, enums }
    }
}

/// Names of fields in answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonNames {
    /// As JSON has them.
    #[default]
    Json,
    /// As the file has them.
    Proto,
}

/// Enumerations in answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonEnums {
    /// By name.
    #[default]
    Names,
    /// By number.
    Numbers,
}

/// What is different for one operation.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Operation {
    /// Who it has to be, in place of what the document asks for; `[]` is anybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"corp")]
    pub auth: Option<OneOrMany<String>>,
    /// What one has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// How much.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10/s")]
    pub limit: Option<OneOrMany<LimitUse>>,
    /// Answers that are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub cache: Option<CacheUse>,
    /// Where it goes: an upstream's name, a URL, `"echo"` or `"mock"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"mock")]
    pub to: Option<String>,
    /// Of a `graphql`: the document that this operation stands for, with one operation in it. Without one, the keys here are about clients' own operations of this name: their `limit` counts when the body was read, after the route's, and `allow` is asked then, of whom the route's `auth` knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"query($id: ID!) { user(id: $id) { name } }")]
    pub query: Option<String>,
    /// The same, as a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/janua/user.graphql")]
    pub query_file: Option<File>,
    /// Of a `query`: `"field"`: clients get its one field; of several, or with `"data"`: all of `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"data")]
    pub answer: Option<StoredAnswer>,
    /// Of a `query`: the status where its one field is `null` and nothing is wrong; by default that is 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 404)]
    pub null: Option<u16>,
    /// Of a `wsdl` or a `query`: the method that it is called by. By `GET` and `DELETE`, what it takes is in path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"GET")]
    pub method: Option<String>,
    /// Of a `wsdl` or a `query`: the path where it is called; names in braces are members of what it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/accounts/{account}")]
    pub path: Option<String>,
    /// `false`: it is no route, and is not in the documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = false)]
    pub enabled: Option<bool>,
}

impl Operation {
    /// Whether it is a document of GraphQL that it stands for.
    pub fn is_stored(&self) -> bool {
        self.query.is_some() || self.query_file.is_some()
    }
}

/// Whether answers are held to the contract.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// Nobody looks.
    #[default]
    Off,
    /// What is not as promised is counted and told.
    Report,
    /// The client gets 502 in its place.
    Enforce,
}

/// What becomes of something that the document does not know.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// It passes.
    #[default]
    Allow,
    /// It is refused.
    Refuse,
}
