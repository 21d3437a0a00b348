//! The cookies of a request (RFC 6265 section 5.4), read and taken off.

use http::{HeaderMap, HeaderValue, header::COOKIE};

/// Names and values of cookies.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let fields = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    fields.flat_map(|field| field.split(|byte| *byte == b';')).map(|cookie| {
        let cookie = cookie.trim_ascii();
        let end = cookie.iter().position(|byte| *byte == b'=').unwrap_or(cookie.len());
        (cookie[..end].trim_ascii(), cookie.get(end + 1..).unwrap_or_default().trim_ascii())
    })
}

/// Takes off the cookies whose name is one of these.
pub fn clear_cookies(headers: &mut HeaderMap, is_one: impl Fn(&[u8]) -> bool) {
    if !cookies(headers).any(|(name, _)| is_one(name)) {
        return;
    }
    let join = |(name, value): (&[u8], &[u8])| [name, b"=", value].concat();
    let rest: Vec<_> =
        cookies(headers).filter(|(name, _)| !is_one(name) && !name.is_empty()).map(join).collect();
    match HeaderValue::from_bytes(&rest.join(&b"; "[..])) {
        Ok(rest) if !rest.is_empty() => drop(headers.insert(COOKIE, rest)),
        _ => drop(headers.remove(COOKIE)),
    }
}
