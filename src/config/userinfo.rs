//! A user and password in a URL: they belong in a secret, and are not to be shown where somebody wrote
//! them all the same.

use std::ops::Range;

/// Where the user and password of a URL stand in a text (RFC 3986 section 3.2.1), the `@` aside.
pub(super) fn userinfo(text: &str) -> Option<Range<usize>> {
    let start = text.find("://")? + 3;
    let rest = &text[start..];
    let end = rest.find(['/', '?', '#', '"', '\'']).unwrap_or(rest.len());
    let at = rest[..end].rfind('@')?;
    (at > 0).then_some(start..start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_at_of_an_authority_is_a_secret() {
        for (text, secret) in [
            ("http://user:secret@host/a", Some("user:secret")),
            ("\"redis://:p@ss@host\"", Some(":p@ss")),
            ("https://host/a@b", None),
            ("https://host?mail=a@b", None),
            ("https://@host", None),
            ("a@b", None),
            ("a://", None),
        ] {
            assert_eq!(userinfo(text).map(|range| &text[range]), secret, "{text}");
        }
    }
}
