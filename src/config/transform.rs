//! `transform` of a route: filters that change bodies of JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{ByteSize, File};

/// Filters in the language of jq, for bodies of JSON.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Transform {
    /// What becomes of a request's body: `".items | map({id, name})"`, or `{ file = "order.jq" }`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &".items | map({id, name})")]
    pub request: Option<Filter>,
    /// What becomes of an answer's body. Of a stream (`application/x-ndjson`, `application/jsonl`, `text/event-stream`), of each of its lines or events, for which it may give any number of values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"{data: ., page: ($query.page // 1)}")]
    pub response: Option<Filter>,
    /// The status of an answer, from its body as it came: `"if .error then 422 else $status end"`; `null` leaves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"if .error then 422 else $status end")]
    pub status: Option<Filter>,
    /// Whether answers with a status from 400 on are changed too; else they pass as they are.
    pub errors: bool,
    /// What becomes of bodies that are no JSON, or are in a coding: `"refuse"`: 415 for a request, 502 for an answer. `"pass"`: they go on as they are.
    pub other: Other,
    /// The largest body that is changed, and that comes of it; it is held in memory meanwhile. A larger one is refused.
    pub max_body: ByteSize,
    /// How much a filter may do for one body. A step is what the interpreter does at a time, or 16 bytes that it makes, copies or compares. What takes more than some thousands of them is done beside the workers.
    #[schemars(range(min = 1_000, max = 10_000_000))]
    pub max_steps: u32,
}

impl Default for Transform {
    fn default() -> Self {
        Self {
            request: None,
            response: None,
            status: None,
            errors: false,
            other: Other::Refuse,
            max_body: ByteSize::kib(1 << 10),
            max_steps: 1_000_000,
        }
    }
}

/// A filter in the language of jq.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Filter {
    /// The filter itself.
    Text(String),
    /// A file that holds it.
    File(FilterFile),
}

/// A file with a filter.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FilterFile {
    /// The file, read again at each reload.
    #[schemars(example = &"/etc/janua/order.jq")]
    pub file: File,
}

/// What becomes of bodies that are no JSON.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Other {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass as they are.
    Pass,
}
