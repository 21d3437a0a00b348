//! `[docs]`: the portal that shows APIs to those who are to use them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    auth::{Allow, Require},
    value::OneOrMany,
};

/// The portal that shows APIs to those who are to use them: searchable, with requests to try through the gateway itself. Without `path` there is none.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Docs {
    /// Where it is: `"/docs"`; an API is shown at `/docs/NAME`, its document at `/docs/NAME/openapi.json`; all that have no `audience` at `/docs/all.html`, as one document at `/docs/openapi.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/docs")]
    pub path: Option<String>,
    /// What its first page is called.
    pub title: String,
    /// Which APIs: names of `[api.NAME]`; by default all.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"shop")]
    pub apis: OneOrMany<String>,
    /// Only on these listeners; by default on all.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"public")]
    pub listener: OneOrMany<String>,
    /// On these hosts; by default on any.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"developers.example.com")]
    pub host: OneOrMany<String>,
    /// Whose address may see it: the name of an `[access.NAME]`, or several.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"NAME")]
    pub access: OneOrMany<String>,
    /// Who may see it: a name of `[auth.NAME]`, or several; by default everybody.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"corp")]
    pub auth: OneOrMany<String>,
    /// Whether `"any"` of several `auth` is enough, or `"all"` of them are asked for.
    pub require: Require,
    /// What one has to be to see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
}

impl Default for Docs {
    fn default() -> Self {
        Self {
            path: None,
            title: "APIs".into(),
            apis: OneOrMany::default(),
            listener: OneOrMany::default(),
            host: OneOrMany::default(),
            access: OneOrMany::default(),
            auth: OneOrMany::default(),
            require: Require::default(),
            allow: None,
        }
    }
}

/// Who may see the documentation of an API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Audience {
    /// Whose address may be: the name of an `[access.NAME]`, or several.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"NAME")]
    pub access: OneOrMany<String>,
    /// Who it has to be: a name of `[auth.NAME]`, or several.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = &"corp")]
    pub auth: OneOrMany<String>,
    /// Whether `"any"` of several `auth` is enough, or `"all"` of them are asked for.
    pub require: Require,
    /// What one has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
}
