//! What a body is, by its header fields; and what they say when it has become another.

use http::{
    HeaderMap, HeaderValue,
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        IF_UNMODIFIED_SINCE, RANGE,
    },
};

/// Whether a body is as it is, in no coding (RFC 9110 section 8.4).
pub fn is_plain(headers: &HeaderMap) -> bool {
    let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.get_all(CONTENT_ENCODING).iter().all(identity)
}

/// The type that a `Content-Type` names, without parameters, in small letters.
pub fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The charsets that a `Content-Type` names; it should be one.
pub fn charsets(content_type: &str) -> impl Iterator<Item = &str> {
    content_type.split(';').skip(1).filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// Whether text in this charset is UTF-8.
pub fn is_utf8(charset: &str) -> bool {
    ["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

/// Whether a body is JSON as it is: by its one type, in UTF-8 and in no coding.
pub fn is_json(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (said.next(), said.next()) else { return false };
    let Ok(kind) = kind.to_str() else { return false };
    let name = essence(kind);
    (name == "application/json" || name.starts_with("application/") && name.ends_with("+json"))
        && charsets(kind).all(is_utf8)
        && is_plain(headers)
}

/// Makes a request's header ask for an answer as it is, and whole.
pub fn ask_whole(headers: &mut HeaderMap) {
    for name in [ACCEPT_ENCODING, RANGE, IF_RANGE] {
        headers.remove(name);
    }
}

/// Takes off a request's header what the client says of a body and asks of an answer that are to be others: codings,
/// ranges, conditions.
pub fn ask_anew(headers: &mut HeaderMap) {
    ask_whole(headers);
    for name in [CONTENT_ENCODING, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE]
    {
        headers.remove(name);
    }
}

/// Takes off a header what it says of a body that has become another.
pub fn remade(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_RANGE, ACCEPT_RANGES] {
        headers.remove(name);
    }
    for name in ["content-md5", "digest", "content-digest", "repr-digest"] {
        headers.remove(name);
    }
    // Byte by byte it is another than the one that this names.
    if let Some(tag) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) {
        let weak = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat());
        if let Ok(weak) = weak {
            headers.insert(ETAG, weak);
        }
    }
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
