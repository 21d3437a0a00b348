//! `translate` of a route: its clients speak something else than its origin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a route's clients speak, where its origin speaks something else.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Translate {
    /// gRPC-Web, as browsers do, in bytes or base64; the origin speaks gRPC.
    GrpcWeb,
}
