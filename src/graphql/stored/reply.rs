//! What a service of GraphQL answers, as JSON for a client that knows nothing of it.
//!
//! In: a status, and a body. Out: what the operation is about; or a problem (RFC 9457), with a status by the
//! first error's `extensions.code`.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::Stored;
use crate::message;

/// What a client is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The type of the body.
    pub kind: HeaderValue,
    /// JSON.
    pub body: Bytes,
}

/// Errors that are told.
const MOST: usize = 64;

/// What codes are that many services use; any other is the service's own failure.
const CODES: [(&str, u16); 16] = [
    ("UNAUTHENTICATED", 401),
    ("UNAUTHORIZED", 401),
    ("FORBIDDEN", 403),
    ("NOT_FOUND", 404),
    ("BAD_USER_INPUT", 400),
    ("BAD_REQUEST", 400),
    ("INVALID_ARGUMENT", 400),
    ("CONFLICT", 409),
    ("ALREADY_EXISTS", 409),
    ("UNPROCESSABLE_ENTITY", 422),
    ("TOO_MANY_REQUESTS", 429),
    ("RATE_LIMITED", 429),
    ("SERVICE_UNAVAILABLE", 503),
    ("UNAVAILABLE", 503),
    ("TIMEOUT", 504),
    ("DEADLINE_EXCEEDED", 504),
];

impl Stored {
    /// Makes of what the service answers what the client understands.
    ///
    /// # Errors
    /// It is no answer of GraphQL, or not to this operation.
    pub fn answer(&self, status: StatusCode, body: &[u8]) -> Result<Answered, String> {
        let mut json: Map<String, Value> = match serde_json::from_slice(body) {
            Ok(json) => json,
            Err(_) if passes(status) => return Ok(problem(status, &Value::Null, "")),
            Err(_) => return Err("it is no JSON".into()),
        };
        if let Some(errors) =
            json.get("errors").filter(|it| it.as_array().is_some_and(|it| !it.is_empty()))
        {
            let code = errors[0].pointer("/extensions/code").and_then(Value::as_str);
            let status = self.status(status, code.unwrap_or_default());
            return Ok(problem(status, errors, code.unwrap_or_default()));
        }
        let Some(Value::Object(mut data)) = json.remove("data") else {
            return match passes(status) {
                true => Ok(problem(status, &Value::Null, "")),
                false => Err("it has neither data nor errors".into()),
            };
        };
        let value = match &self.field {
            None => Value::Object(data),
            Some(field) => {
                data.remove(&**field).ok_or("it has not the field that was asked for")?
            }
        };
        if let (Value::Null, Some(status)) = (&value, self.null) {
            if status.is_success() {
                let kind = HeaderValue::from_static("application/json");
                return Ok(Answered { status, kind, body: Bytes::new() });
            }
            return Ok(problem(status, &Value::Null, ""));
        }
        let kind = HeaderValue::from_static("application/json");
        Ok(Answered { status: StatusCode::OK, kind, body: value.to_string().into() })
    }

    /// The status of a failure, by its code.
    fn status(&self, status: StatusCode, code: &str) -> StatusCode {
        let known = CODES.iter().find(|(known, _)| *known == code).map(|(_, status)| *status);
        let said = self.statuses.get(code).copied().or(known);
        let said = said.and_then(|status| StatusCode::from_u16(status).ok());
        let default = if passes(status) { status } else { StatusCode::BAD_GATEWAY };
        said.unwrap_or(default)
    }
}

/// Whether a status is about the client or about the time, so that the client should see it.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 403 | 429 | 500 | 502..=504)
}

fn problem(status: StatusCode, errors: &Value, code: &str) -> Answered {
    let mut problem = message::problem(status);
    let text = |error: &Value, key: &str| error.get(key).and_then(Value::as_str).map(String::from);
    let errors = errors.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(message) = errors.first().and_then(|first| text(first, "message")) {
        problem.insert("detail".into(), message.into());
    }
    if !errors.is_empty() {
        problem.insert("reason".into(), "graphql.error".into());
    }
    if !code.is_empty() {
        problem.insert("code".into(), code.into());
    }
    let told = errors.iter().take(MOST).map(|error| {
        let mut told = json!({ "message": text(error, "message").unwrap_or_default() });
        for (key, value) in
            [("path", error.get("path")), ("code", error.pointer("/extensions/code"))]
        {
            if let Some(value) = value {
                told[key] = value.clone();
            }
        }
        told
    });
    let told: Vec<Value> = told.collect();
    if !told.is_empty() {
        problem.insert("errors".into(), told.into());
    }
    let kind = HeaderValue::from_static("application/problem+json");
    Answered { status, kind, body: Value::Object(problem).to_string().into() }
}
