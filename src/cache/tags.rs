//! What an origin calls its answers, so that they can be purged by it.
//!
//! In: `Surrogate-Key` and `Cache-Tag`. Out: one text, the tags with a space between them, which is kept in
//! the stored answer.

use http::{HeaderMap, HeaderName};

/// Tags of an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tags(Vec<u8>);

/// Tags that an answer may have.
const MOST: usize = 1_000;
/// Bytes that they may have together.
const LONGEST: usize = 16 * 1_024;
/// In place of tags that are too many: not to be purged would be worse than to be purged too often.
const ANY: &[u8] = b"*";

impl Tags {
    /// The tags of an answer: words between spaces or commas.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut text = Vec::new();
        let mut count = 0;
        for name in ["surrogate-key", "cache-tag"] {
            for value in headers.get_all(HeaderName::from_static(name)) {
                for word in words(value.as_bytes()) {
                    count += 1;
                    if count > MOST || text.len() + word.len() > LONGEST {
                        return Self(ANY.to_vec());
                    }
                    if !text.is_empty() {
                        text.push(b' ');
                    }
                    text.extend_from_slice(word);
                }
            }
        }
        text.shrink_to_fit();
        Self(text)
    }

    /// Tags as they were kept.
    pub(super) fn kept(text: &[u8]) -> Self {
        Self(text.to_vec())
    }

    /// As they are kept.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether one of the tags that were kept is this one.
pub(super) fn have(kept: &[u8], tag: &str) -> bool {
    kept == ANY || words(kept).any(|word| word == tag.as_bytes())
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b',' | b'\t')).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn tags(fields: &[(&'static str, &str)]) -> Tags {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Tags::read(&headers)
    }

    #[test]
    fn tags_are_words_between_spaces_or_commas() {
        let tags = tags(&[
            ("surrogate-key", "shop  shop/1"),
            ("cache-tag", "a,b, c ,"),
            ("cache-tag", "d"),
        ]);
        for tag in ["shop", "shop/1", "a", "b", "c", "d"] {
            assert!(have(tags.as_bytes(), tag), "{tag}");
        }
        for tag in ["", "sho", "shop/", "1", "A", "*"] {
            assert!(!have(tags.as_bytes(), tag), "{tag}");
        }
    }

    #[test]
    fn with_too_many_tags_any_will_do() {
        let many = vec!["t"; MOST + 1].join(" ");
        assert!(have(tags(&[("surrogate-key", &many)]).as_bytes(), "other"));
        let long = "t".repeat(LONGEST + 1);
        assert!(have(tags(&[("cache-tag", &long)]).as_bytes(), "other"));
        assert!(!have(tags(&[("cache-tag", &long[..LONGEST])]).as_bytes(), "other"));
        assert_eq!(tags(&[]), Tags::default());
    }
}
