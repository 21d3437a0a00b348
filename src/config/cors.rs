//! `cors` of a route: which pages of other origins may use it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Duration, OneOrMany};

/// Which pages of other origins may use a route. A browser asks before most requests, without credentials: that is answered here, before anybody is asked who they are.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("required" = ["origins"]))]
pub struct Cors {
    /// Where the pages are from: `"https://app.example"`, `"https://*.example.com"` for all names below, or `"*"` for any.
    #[schemars(example = ["https://app.example", "https://*.example.com"])]
    pub origins: OneOrMany<String>,
    /// Methods that pages may use; by default all that the route takes.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["GET", "PUT"])]
    pub methods: OneOrMany<String>,
    /// Header fields that pages may send; by default all that they ask for.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["content-type", "authorization"])]
    pub headers: OneOrMany<String>,
    /// Header fields of answers that pages may read, beside those that they may anyway.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["x-request-id"])]
    pub expose: OneOrMany<String>,
    /// Whether the browser sends cookies, passwords and certificates along, and pages may read what comes of it. Not for pages of any origin.
    pub credentials: bool,
    /// How long a browser may remember what it was told.
    pub max_age: Duration,
}

impl Default for Cors {
    fn default() -> Self {
        Self {
            origins: OneOrMany::default(),
            methods: OneOrMany::default(),
            headers: OneOrMany::default(),
            expose: OneOrMany::default(),
            credentials: false,
            max_age: Duration::secs(600),
        }
    }
}
