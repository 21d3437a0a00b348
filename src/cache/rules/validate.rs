//! Asking the origin whether what is kept still holds, and which answer it speaks of (RFC 9111 section 4.3).

use http::{
    HeaderMap, HeaderValue,
    header::{
        CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
    },
};

use super::{etag, lists::trim};

/// Makes a request ask whether a kept answer still holds (section 4.3.1). What the client asks for the same
/// purpose goes: its conditions are judged against what comes back. Says whether there is something to ask by.
pub fn conditions(
    request: &mut HeaderMap,
    etag: Option<&HeaderValue>,
    last_modified: Option<&HeaderValue>,
) -> bool {
    for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        request.remove(name);
    }
    let etag = etag.filter(|etag| !etag.is_empty());
    let fields = [(IF_NONE_MATCH, etag), (IF_MODIFIED_SINCE, last_modified)];
    for (name, value) in fields {
        if let Some(value) = value {
            request.insert(name, value.clone());
        }
    }
    etag.or(last_modified).is_some()
}

/// Whether a 304 is about this kept answer (section 4.3.4). `only_one` is whether it is the only one that was
/// asked for.
///
/// Twice this is less strict than the RFC, and for that one only, of which there can be no doubt: where a 304
/// has no validator at all, and where its tag is ours but for the sign of weakness, which whoever encodes an
/// answer on its way adds to it, and not to the 304.
pub fn is_about(
    answer: &HeaderMap,
    etag: Option<&HeaderValue>,
    last_modified: Option<&HeaderValue>,
    only_one: bool,
) -> bool {
    let etag = etag.map(bytes);
    match (answer.get(ETAG).map(bytes), answer.get(LAST_MODIFIED)) {
        (Some(theirs), _) if etag::is_strong(theirs) && !only_one => {
            etag.is_some_and(|ours| etag::is(ours, theirs))
        }
        (Some(theirs), _) => etag.is_some_and(|ours| {
            let weakened = !etag::is_strong(ours) || !etag::is_strong(theirs);
            etag::is(ours, theirs) || (weakened && etag::means(ours, theirs))
        }),
        (None, Some(theirs)) => last_modified.is_some_and(|ours| bytes(ours) == bytes(theirs)),
        (None, None) => only_one,
    }
}

/// Whether a 200 to a HEAD is about this kept answer (section 4.3.5): then it freshens it; if not, that is
/// stale.
pub fn is_of_head(
    head: &HeaderMap,
    etag: Option<&HeaderValue>,
    last_modified: Option<&HeaderValue>,
    length: u64,
) -> bool {
    let same = |name, ours: Option<&HeaderValue>| {
        head.get(name).is_none_or(|theirs| ours.map(bytes) == Some(bytes(theirs)))
    };
    let as_long = head.get(CONTENT_LENGTH).is_none_or(|theirs| {
        std::str::from_utf8(bytes(theirs)).is_ok_and(|text| text.parse() == Ok(length))
    });
    same(ETAG, etag) && same(LAST_MODIFIED, last_modified) && as_long
}

fn bytes(value: &HeaderValue) -> &[u8] {
    trim(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::headers, *};

    #[test]
    fn a_validation_asks_for_what_is_kept_and_nothing_else() {
        let mut request = headers(
            "accept: x\nif-none-match: \"c\"\nif-modified-since: y\nif-range: z\nrange: bytes=0-1",
        );
        let (etag, modified) = (HeaderValue::from_static("W/\"a\""), HeaderValue::from_static("m"));
        assert!(conditions(&mut request, Some(&etag), Some(&modified)));
        assert_eq!(request, headers("accept: x\nif-none-match: W/\"a\"\nif-modified-since: m"));
        assert!(!conditions(&mut request, None, None));
        assert_eq!(request, headers("accept: x"));
        assert!(conditions(&mut request, Some(&HeaderValue::from_static("")), Some(&modified)));
        assert_eq!(request, headers("accept: x\nif-modified-since: m"));
    }

    #[test]
    fn which_kept_answer_a_304_is_about() {
        // (ours, the 304, whether ours alone was asked for, whether it is about ours)
        let cases = [
            // 4.3.4: strong
            ("etag: \"a\"", "etag: \"a\"", false, true),
            ("etag: \"a\"", "etag: \"b\"", false, false),
            ("etag: \"a\"", "etag: \"b\"", true, false),
            ("etag: \"a\"\nlast-modified: m", "etag: \"b\"\nlast-modified: m", true, false),
            ("", "etag: \"a\"", true, false),
            ("last-modified: m", "etag: \"a\"\nlast-modified: m", true, false),
            ("etag: W/\"a\"", "etag: \"a\"", false, false),
            ("etag: W/\"a\"", "etag: \"a\"", true, true),
            ("etag: W/\"b\"", "etag: \"a\"", true, false),
            // weak
            ("etag: W/\"a\"", "etag: W/\"a\"", false, true),
            ("etag: \"a\"", "etag: W/\"a\"", false, true),
            ("etag: W/\"a\"", "etag: W/\"b\"", true, false),
            ("etag: a", "etag: a", true, true),
            ("last-modified: m", "last-modified: m", false, true),
            ("etag: \"a\"\nlast-modified: m", "last-modified: m", false, true),
            ("last-modified: m", "last-modified: n", true, false),
            ("etag: \"a\"", "last-modified: n", true, false),
            // none
            ("", "", true, true),
            ("", "", false, false),
            ("etag: \"a\"", "", true, true),
            ("etag: \"a\"", "", false, false),
        ];
        for (ours, theirs, only_one, expected) in cases {
            let stored = headers(ours);
            let (etag, modified) = (stored.get(ETAG), stored.get(LAST_MODIFIED));
            let found = is_about(&headers(theirs), etag, modified, only_one);
            assert_eq!(found, expected, "{ours:?}, {theirs:?}, alone: {only_one}");
        }
    }

    #[test]
    fn which_kept_answer_a_head_is_about() {
        // 4.3.5, of an answer of ten bytes.
        let cases = [
            ("etag: \"a\"", "etag: \"a\"", true),
            ("etag: \"a\"", "etag: \"b\"", false),
            ("etag: \"a\"", "etag: W/\"a\"", false),
            ("etag: \"a\"", "", true),
            ("", "etag: \"a\"", false),
            ("last-modified: m", "last-modified: n", false),
            ("", "content-length: 10", true),
            ("", "content-length: 11", false),
            ("", "content-length: x", false),
        ];
        for (ours, theirs, expected) in cases {
            let stored = headers(ours);
            let (etag, modified) = (stored.get(ETAG), stored.get(LAST_MODIFIED));
            let found = is_of_head(&headers(theirs), etag, modified, 10);
            assert_eq!(found, expected, "{ours:?}, {theirs:?}");
        }
    }
}
