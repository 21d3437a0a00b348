//! Entity tags (RFC 9110 section 8.8.3).
//!
//! Compared byte for byte: a tag that breaks the grammar (no quotes, `w/`) is equal to itself all the same,
//! weakly, and to nothing else.

/// The tag without the sign of weakness.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether it promises that not a byte differs.
pub(super) fn is_strong(tag: &[u8]) -> bool {
    tag.len() >= 2 && tag.first() == Some(&b'"') && tag.last() == Some(&b'"')
}

/// Weak comparison (section 8.8.3.2).
pub(super) fn means(a: &[u8], b: &[u8]) -> bool {
    opaque(a) == opaque(b)
}

/// Strong comparison (section 8.8.3.2).
pub(super) fn is(a: &[u8], b: &[u8]) -> bool {
    is_strong(a) && a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_and_strong_are_compared_as_the_rfc_shows() {
        // Section 8.8.3.2: (one, other, strongly, weakly)
        let cases = [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
            ("\"1\"", "\"2\"", false, false),
            ("abc", "abc", false, true),
            ("abc", "\"abc\"", false, false),
            ("w/\"1\"", "W/\"1\"", false, false),
        ];
        for (a, b, strongly, weakly) in cases {
            assert_eq!(is(a.as_bytes(), b.as_bytes()), strongly, "{a} {b}");
            assert_eq!(means(a.as_bytes(), b.as_bytes()), weakly, "{a} {b}");
        }
    }
}
