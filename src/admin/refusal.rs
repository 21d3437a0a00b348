//! [`Refusal`]: every way the door says no, as `application/problem+json`.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use serde_json::{Value, json};

/// A way the door says no.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// The name asked for is not ours: a page of the web may have made it point here.
    Host,
    /// A page of the web asks, not the operator.
    Origin,
    /// No token, or not the right one.
    Token,
    /// There is nothing of this name.
    NotFound,
    /// There is no such upstream, or it has no such endpoint.
    Endpoint,
    /// What an endpoint is to weigh is no number.
    Weight,
    /// It is not said what is to be purged.
    Purge,
    /// As many purges as there may be are not carried out yet.
    Purges,
    /// It is purged here, and the other gateways were not told.
    Untold,
    /// It is there for this method only.
    Method(&'static str),
    /// More of a body than anything here needs, or too slowly.
    Body,
    /// The process is about to end.
    Draining,
}

impl Refusal {
    /// Status, reason and what to tell the operator.
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Host => (
                StatusCode::FORBIDDEN,
                "admin.host",
                "ask by the address that `admin.address` names, or by localhost",
            ),
            Self::Origin => {
                (StatusCode::FORBIDDEN, "admin.origin", "pages of other sites may not ask here")
            }
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "admin.token",
                "send `Authorization: Bearer` with the token of `admin.token`",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "not_found",
                "there are /livez, /readyz, /metrics, /config, /routes, /explain, /limits, /upstreams, /drain, \
                 /undrain, /weight, /cache, /purge, /jwks and /reload",
            ),
            Self::Purge => (
                StatusCode::BAD_REQUEST,
                "admin.purge",
                "write one of ?url=URL, ?prefix=URL (both with their scheme), ?host=HOST, ?tag=TAG and ?all=true; with \
                 &soft=true it may be given again once its origin says that it holds",
            ),
            Self::Purges => (
                StatusCode::SERVICE_UNAVAILABLE,
                "admin.purges",
                "too many purges are still being carried out; try again in some seconds, or purge all",
            ),
            Self::Untold => (
                StatusCode::SERVICE_UNAVAILABLE,
                "admin.untold",
                "it is purged here; the other gateways were not told, since the store of `[cache]` \
                 cannot be asked: try again",
            ),
            Self::Endpoint => (
                StatusCode::NOT_FOUND,
                "admin.endpoint",
                "write ?upstream=NAME&endpoint=URL, both as /upstreams shows them",
            ),
            Self::Weight => (
                StatusCode::BAD_REQUEST,
                "admin.weight",
                "a weight is a number up to 65535; without one it is what is written",
            ),
            Self::Method(_) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the method is in `Allow`")
            }
            Self::Body => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "no request here needs a body of this size",
            ),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining", "the gateway ends"),
        }
    }

    const fn header(self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Token => Some((WWW_AUTHENTICATE, "Bearer realm=\"janua admin\"")),
            Self::Method(allowed) => Some((ALLOW, allowed)),
            Self::Host
            | Self::Origin
            | Self::NotFound
            | Self::Endpoint
            | Self::Weight
            | Self::Purge
            | Self::Purges
            | Self::Untold
            | Self::Body
            | Self::Draining => None,
        }
    }

    /// The answer.
    pub(super) fn answer(self) -> Response<Full<Bytes>> {
        let (status, reason, detail) = self.facts();
        let mut response = problem(status, reason, detail, None);
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// An answer that says what is wrong; `problems` are the faults of a configuration.
pub(super) fn problem(
    status: StatusCode,
    reason: &str,
    detail: &str,
    problems: Option<Value>,
) -> Response<Full<Bytes>> {
    let mut body = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "reason": reason,
    });
    if let Some(problems) = problems {
        body["problems"] = problems;
    }
    let mut response = Response::new(Full::from(format!("{body}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
