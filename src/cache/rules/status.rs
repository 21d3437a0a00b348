//! What a status means for keeping an answer (RFC 9110 section 15, RFC 9111 section 3, RFC 6585).

use http::StatusCode;

/// Whether an answer of this status may be kept though nobody says so (RFC 9110 section 15.1, but for 206,
/// which is not kept as itself).
pub const fn is_kept_unasked(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether an answer of this status is never kept as itself, whatever it says. It is not final (1xx), is a
/// part of another or about one kept already (206, 304), depends on conditions that are in no key (412,
/// 416), is about the way to the origin (407), may not be stored (RFC 6585: 428, 429, 431, 511), or is no
/// status.
pub const fn is_never_kept(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        ..200 | 206 | 304 | 407 | 412 | 416 | 428 | 429 | 431 | 511 | 600..
    )
}

/// Whether we know what this status asks of caches: `must-understand` keeps no other (section 5.2.2.3).
pub(super) const fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=406 | 408..=411 | 413..=415 | 417 | 421
            | 422 | 426 | 500..=505
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_unasked_is_understood_and_may_be_kept() {
        for status in (100..1000).map(|status| StatusCode::from_u16(status).unwrap()) {
            assert!(!is_kept_unasked(status) || is_understood(status), "{status}");
            assert!(!is_understood(status) || !is_never_kept(status), "{status}");
        }
    }
}
