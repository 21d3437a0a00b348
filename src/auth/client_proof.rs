//! What proves the gateway where it is a client itself: of an authorization server, of a provider.

use std::fmt::Display;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;

/// The value of `Authorization` for a name and its secret, both as a form writes them (RFC 6749 section
/// 2.3.1); none if they are too long for a header field.
pub(super) fn basic(id: impl Display, secret: impl Display) -> Option<HeaderValue> {
    let proof = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let mut proof = HeaderValue::try_from(proof).ok()?;
    proof.set_sensitive(true);
    Some(proof)
}
