//! The rules in tables: the RFC's section, the exchange, what is to be expected.

mod keep;
pub(super) mod naive;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields as they are written, one a line.
pub(super) fn headers(text: &str) -> HeaderMap {
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        let value = value.trim_matches([' ', '\t']);
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in text.lines().map(field) {
        headers.append(name, value);
    }
    headers
}
