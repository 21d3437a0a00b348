//! What a 304, or a HEAD, changes of a kept answer (RFC 9111 section 3.2).
//!
//! In: the kept head, and the new one, without its fields about one hop. Out: the head to keep from now on.
//! Whether it may still be kept, and how, is for `keep` to say of that.

use http::{
    HeaderMap, HeaderName,
    header::{
        AGE, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use super::{etag, lists::trim};

/// Fields that are about the bytes we have, or about one hop: they stay as they were.
const KEPT: [HeaderName; 8] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes in what is new. `Age` and `Date` are never the old ones: who says nothing of the kind speaks of now.
pub fn freshen(stored: &mut HeaderMap, by: &HeaderMap) {
    let weak = stored.get(ETAG).filter(|tag| !etag::is_strong(trim(tag.as_bytes())));
    let same = |tag: &http::HeaderValue| {
        by.get(ETAG).is_some_and(|by| etag::means(trim(by.as_bytes()), trim(tag.as_bytes())))
    };
    // Our bytes are no better than they were, even if a tag says so of others.
    let stays_weak = weak.is_some_and(same);
    stored.remove(AGE);
    stored.remove(DATE);
    for name in by.keys() {
        if KEPT.contains(name) || (*name == ETAG && stays_weak) {
            continue;
        }
        let mut values = by.get_all(name).iter();
        if let Some(first) = values.next() {
            stored.insert(name, first.clone());
        }
        for value in values {
            stored.append(name, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::headers, *};

    #[test]
    fn what_a_304_changes() {
        let cases = [
            // (kept, 304, what is kept from then on)
            ("a: 1\nb: 2", "a: 3", "a: 3\nb: 2"),
            ("a: 1\na: 2", "a: 3", "a: 3"),
            ("a: 1", "a: 2\na: 3", "a: 2\na: 3"),
            ("a: 1", "c: 2", "a: 1\nc: 2"),
            ("cache-control: max-age=1", "cache-control: max-age=9", "cache-control: max-age=9"),
            (
                "content-type: a/b\nset-cookie: a=1",
                "content-type: a/c\nset-cookie: a=2",
                "content-type: a/c\nset-cookie: a=2",
            ),
            (
                "content-location: /a\ncontent-md5: x",
                "content-location: /b\ncontent-md5: y",
                "content-location: /b\ncontent-md5: y",
            ),
            // 3.2: what our bytes depend on
            ("content-length: 5", "content-length: 10", "content-length: 5"),
            ("content-encoding: gzip", "content-encoding: br", "content-encoding: gzip"),
            (
                "a: 1",
                "content-range: bytes 0-1/2\ntransfer-encoding: chunked\nconnection: a",
                "a: 1",
            ),
            ("date: x\nage: 5\na: 1", "date: y", "date: y\na: 1"),
            ("date: x\nage: 5\na: 1", "age: 2", "age: 2\na: 1"),
            ("etag: \"a\"", "etag: \"a\"", "etag: \"a\""),
            ("etag: W/\"a\"", "etag: \"a\"", "etag: W/\"a\""),
            ("etag: W/\"a\"", "etag: \"b\"", "etag: \"b\""),
        ];
        for (kept, by, expected) in cases {
            let mut stored = headers(kept);
            freshen(&mut stored, &headers(by));
            assert_eq!(stored, headers(expected), "{kept:?}, {by:?}");
        }
    }
}
