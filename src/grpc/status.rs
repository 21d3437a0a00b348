//! How a call ended, and what that is in HTTP.
//!
//! In: `grpc-status`, `grpc-message` and `grpc-status-details-bin`, from trailers or, of a call without a
//! message, from the head. Out: a status by `google.rpc.Code`, and a problem (RFC 9457) with the details
//! of those types that are known.

use std::fmt;

use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use serde_json::{Value as Json, json};

use super::read;
use crate::message::problem;

/// Details that are told.
const MOST_DETAILS: usize = 64;

/// The names of codes and what they are in HTTP, by number.
const CODES: [(&str, u16); 17] = [
    ("OK", 200),
    ("CANCELLED", 499),
    ("UNKNOWN", 500),
    ("INVALID_ARGUMENT", 400),
    ("DEADLINE_EXCEEDED", 504),
    ("NOT_FOUND", 404),
    ("ALREADY_EXISTS", 409),
    ("PERMISSION_DENIED", 403),
    ("RESOURCE_EXHAUSTED", 429),
    ("FAILED_PRECONDITION", 400),
    ("ABORTED", 409),
    ("OUT_OF_RANGE", 400),
    ("UNIMPLEMENTED", 501),
    ("INTERNAL", 500),
    ("UNAVAILABLE", 503),
    ("DATA_LOSS", 500),
    ("UNAUTHENTICATED", 401),
];
const UNKNOWN: usize = 2;
const UNIMPLEMENTED: usize = 12;
const UNAVAILABLE: usize = 14;

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    code: usize,
    message: String,
    details: Vec<Json>,
}

impl Status {
    /// What these fields say, if they say anything.
    pub(super) fn read(fields: &HeaderMap, pool: &DescriptorPool) -> Option<Self> {
        let code = fields.get("grpc-status")?.to_str().ok().and_then(|text| text.parse().ok());
        let code = code.filter(|code| *code < CODES.len()).unwrap_or(UNKNOWN);
        let message = fields
            .get("grpc-message")
            .map(|text| percent_decode(text.as_bytes()).decode_utf8_lossy().into_owned());
        let details = fields.get("grpc-status-details-bin");
        let details = details.filter(|_| code != 0).and_then(|value| value.to_str().ok());
        let details = details.and_then(|text| details_of(text, pool)).unwrap_or_default();
        Some(Self { code, message: message.unwrap_or_default(), details })
    }

    /// What an answer is that is none of gRPC's: servers and proxies that have no time say so by HTTP.
    pub(super) fn of_http(status: StatusCode) -> Option<Self> {
        matches!(status.as_u16(), 429 | 502 | 503 | 504).then(|| Self {
            code: UNAVAILABLE,
            message: String::new(),
            details: Vec::new(),
        })
    }

    /// Whether all went well.
    pub(super) const fn is_ok(&self) -> bool {
        self.code == 0
    }

    /// Whether the server has no such method.
    pub(super) const fn is_unimplemented(&self) -> bool {
        self.code == UNIMPLEMENTED
    }

    /// The status of the answer.
    pub(super) fn http(&self) -> StatusCode {
        StatusCode::from_u16(CODES[self.code].1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The failure as a problem.
    pub(super) fn problem(&self) -> Json {
        let mut problem = problem(self.http());
        if !self.message.is_empty() {
            problem.insert("detail".into(), self.message.clone().into());
        }
        problem.insert("code".into(), CODES[self.code].0.into());
        if !self.details.is_empty() {
            problem.insert("details".into(), self.details.clone().into());
        }
        problem.into()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", CODES[self.code].0, self.message)
    }
}

/// The details of a `google.rpc.Status`.
fn details_of(text: &str, pool: &DescriptorPool) -> Option<Vec<Json>> {
    let desc = pool.get_message_by_name("google.rpc.Status")?;
    let status = DynamicMessage::decode(desc, &read::bytes(text)?[..]).ok()?;
    let details = status.get_field_by_name("details")?;
    Some(details.as_list()?.iter().take(MOST_DETAILS).filter_map(detail).collect())
}

/// One detail; of a type that is not known only the type.
fn detail(any: &Value) -> Option<Json> {
    let any = any.as_message()?;
    serde_json::to_value(any).ok().or_else(|| {
        let kind = any.get_field_by_name("type_url")?;
        Some(json!({ "@type": kind.as_str()? }))
    })
}
