//! Refusals as clients of GraphQL read them.
//!
//! In: a reason, what is wrong, and what the client takes. Out: `{"errors":[..]}`, each with a message, its places
//! in the document and `extensions.code`, in a type by GraphQL over HTTP. As for any refusal, nothing of the
//! inside is told.

use http::HeaderValue;
use serde_json::{Value, json};

use crate::{
    message::{Violations, takes},
    reject::Reject,
};

/// The type of an answer to a client of GraphQL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// What the specification has for it.
    Response,
    /// JSON, as older clients take it.
    Json,
}

impl Form {
    /// The one that a client takes; none for one that asks for a problem (RFC 9457).
    pub fn pick(accept: Option<&HeaderValue>) -> Option<Self> {
        match takes(accept, "application/graphql-response+json") {
            true => Some(Self::Response),
            false if takes(accept, "application/problem+json") => None,
            false => Some(Self::Json),
        }
    }

    /// Its name.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// The body of a refusal; `id` is the request's.
pub fn errors(reject: Reject, id: &str, violations: Option<&Violations>) -> String {
    let (code, reason) = (code(reject), reject.reason());
    let error = |message: &str, at: Option<(u32, u32)>, pointer: &str| {
        let extensions = json!({ "code": code, "reason": reason, "request_id": id });
        let mut error = json!({ "message": message, "extensions": extensions });
        if let Some((line, column)) = at {
            error["locations"] = json!([{ "line": line, "column": column }]);
        }
        if !pointer.is_empty() && pointer != "/query" {
            error["extensions"]["pointer"] = pointer.into();
        }
        error
    };
    let told = violations.iter().flat_map(|violations| violations.iter());
    let told =
        told.map(|it| error(&format!("{} {}", reject.detail(), sentence(it)), it.at, &it.pointer));
    let mut errors: Vec<Value> = told.collect();
    if errors.is_empty() {
        errors.push(error(reject.detail(), None, ""));
    }
    format!("{}\n", json!({ "errors": errors }))
}

/// What is wrong, as a sentence.
fn sentence(violation: &crate::message::Violation) -> String {
    let name = match (violation.pointer.rsplit('/').next(), &*violation.name) {
        (_, name) if !name.is_empty() => format!("`{name}` "),
        (Some(member), _) if violation.pointer.contains("variables/") => format!("`${member}` "),
        _ => String::new(),
    };
    let says = &violation.says;
    let mut letters = says.chars();
    match (name.is_empty(), letters.next()) {
        (true, Some(first)) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        _ => format!("{name}{says}."),
    }
}

/// The code of a refusal, one that clients know where there is one.
fn code(reject: Reject) -> &'static str {
    match reject {
        Reject::GraphqlSyntax => "GRAPHQL_PARSE_FAILED",
        Reject::GraphqlValidation | Reject::GraphqlFragments => "GRAPHQL_VALIDATION_FAILED",
        Reject::GraphqlVariables => "BAD_USER_INPUT",
        Reject::GraphqlUnknown => "PERSISTED_QUERY_NOT_FOUND",
        Reject::GraphqlOperation => "OPERATION_RESOLUTION_FAILURE",
        other => match other.code() {
            401 => "UNAUTHENTICATED",
            403 => "FORBIDDEN",
            429 => "TOO_MANY_REQUESTS",
            500.. => "INTERNAL_SERVER_ERROR",
            _ => "BAD_REQUEST",
        },
    }
}
