//! The cookies of a request: to look at, and to take away before an origin sees them.

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

/// Takes cookies away, by their names.
pub fn clear_cookies(headers: &mut HeaderMap, is_one: impl Fn(&[u8]) -> bool) {
    if !cookies(headers).any(|(key, _)| is_one(key)) {
        return;
    }
    let join = |(key, value): (&[u8], &[u8])| [key, b"=", value].concat();
    let rest: Vec<_> =
        cookies(headers).filter(|(key, _)| !is_one(key) && !key.is_empty()).map(join).collect();
    match HeaderValue::from_bytes(&rest.join(&b"; "[..])) {
        Ok(rest) if !rest.is_empty() => drop(headers.insert(COOKIE, rest)),
        _ => drop(headers.remove(COOKIE)),
    }
}
