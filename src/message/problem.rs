//! Problems (RFC 9457) that tell of what somebody else said.

use http::StatusCode;
use serde_json::{Map, Value};

/// The members that every problem has, by its status.
pub fn problem(status: StatusCode) -> Map<String, Value> {
    let title = status.canonical_reason().unwrap_or("Error");
    let members = [
        ("type", Value::from("about:blank")),
        ("title", title.into()),
        ("status", status.as_u16().into()),
    ];
    members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}
