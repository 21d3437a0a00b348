//! What an issuer says of itself (OpenID Connect Discovery 1.0, RFC 8414).
//!
//! In: its name, and the answer at [`url`]. Out: where it is asked, or why that is not known.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::jwt::token::parse_object;
use crate::dial::{Destination, FetchError};

/// Why an issuer says nothing of use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Content(String),
}

/// Where an issuer's document is.
pub(super) fn url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// An answer, if it is a good one.
pub(super) fn well(answer: Response<Bytes>) -> Result<Response<Bytes>, Fault> {
    match answer.status() {
        StatusCode::OK => Ok(answer),
        other => Err(Fault::Status(other)),
    }
}

/// The JSON object of a good answer.
pub(super) fn object(answer: Response<Bytes>) -> Result<Map<String, Value>, Fault> {
    parse_object(well(answer)?.body()).map_err(Fault::Content)
}

/// Whether a URL of this issuer's leaves https.
pub(super) fn leaves_https(issuer: &str, url: &str) -> bool {
    issuer.starts_with("https:") && !url.starts_with("https:")
}

/// Where this issuer's document says that something of this name is.
pub(super) fn endpoint(
    issuer: &str,
    document: &Map<String, Value>,
    name: &str,
) -> Result<Destination, Fault> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let found = || match text("issuer") {
        Some(same) if same == issuer => {
            let url = text(name).ok_or_else(|| format!("it does not say `{name}`"))?;
            let at = Destination::parse(url).map_err(|message| format!("`{name}`: {message}"))?;
            match leaves_https(issuer, url) {
                true => Err(format!("`{name}` leaves https")),
                false => Ok(at),
            }
        }
        other => Err(format!("it is the document of `{}`", other.unwrap_or_default())),
    };
    found().map_err(Fault::Content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_document_is_its_issuers_and_stays_with_https() {
        let found = |issuer: &str, document: &str| {
            let document = object(Response::new(Bytes::copy_from_slice(document.as_bytes())));
            let at = document.and_then(|document| endpoint(issuer, &document, "jwks_uri"));
            at.err().map(|fault| fault.to_string())
        };
        let good = r#"{"issuer":"https://i","jwks_uri":"https://k/x"}"#;
        assert_eq!(found("https://i", good), None);
        for (issuer, document, message) in [
            ("https://i/", good, "the document of `https://i`"),
            ("https://i", r#"{"issuer":"https://i"}"#, "jwks_uri"),
            ("https://i", r#"{"issuer":"https://i","jwks_uri":"http://k"}"#, "leaves https"),
            ("https://i", r#"{"issuer":"https://i","jwks_uri":"file:///k"}"#, "jwks_uri"),
            ("https://i", r#"{"issuer":"https://i","issuer":"https://i"}"#, "twice"),
            ("https://i", "<html>", "not JSON"),
        ] {
            let fault = found(issuer, document).unwrap();
            assert!(fault.contains(message), "{fault}");
        }
    }
}
