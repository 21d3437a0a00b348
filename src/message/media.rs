//! What a body is, by its header fields.

use http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};

/// Whether a body is as it is, in no coding (RFC 9110 section 8.4).
pub fn is_plain(headers: &HeaderMap) -> bool {
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get_all(CONTENT_ENCODING).iter().all(identity)
}

/// The type that a `Content-Type` names, without parameters, in small letters.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn a_type_is_its_name_and_a_coding_is_any_but_identity() {
        assert_eq!(essence(" Text/XML ; charset=utf-8"), "text/xml");
        let coded = |values: &[&'static str]| {
            let name = HeaderName::from_static("content-encoding");
            let fields = values.iter().map(|value| (name.clone(), HeaderValue::from_static(value)));
            is_plain(&fields.collect())
        };
        assert!(coded(&[]) && coded(&["Identity"]) && !coded(&["identity", "gzip"]));
    }
}
