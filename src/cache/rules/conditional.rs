//! A conditional request, answered out of what is kept (RFC 9110 section 13, RFC 9111 section 4.3.2).
//!
//! In: a request and what a kept answer says of itself. Out: which [`Part`] of it is sent. Asked at each hit:
//! a request without conditions costs five look-ups and no more.

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE},
};

use super::{
    date, etag,
    lists::{tags, trim},
    ranges::{self, Span},
};

/// What a kept answer says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its status.
    pub status: StatusCode,
    /// `ETag`
    pub etag: Option<&'a HeaderValue>,
    /// `Last-Modified`
    pub last_modified: Option<&'a HeaderValue>,
    /// `Date`
    pub date: Option<&'a HeaderValue>,
    /// When it came, in seconds since 1970.
    pub came: u64,
    /// How long its body is; none while that is still coming and nobody has said.
    pub length: Option<u64>,
}

/// What is sent of a kept answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// 304: the client has it.
    NotModified,
    /// 206: some of it.
    Range(Span),
    /// 206, `multipart/byteranges`: several parts that have nothing in common, in the order asked for.
    Ranges(Box<[Span]>),
    /// 416: there is no such part; `Content-Range: bytes */LENGTH`.
    Unsatisfiable,
    /// Nothing: the request has a condition that is the origin's to judge.
    Origin,
}

/// Which part of a kept answer a request wants.
pub fn part(method: &Method, request: &HeaderMap, stored: &Stored<'_>, now: u64) -> Part {
    if *method != Method::GET && *method != Method::HEAD {
        return Part::Whole;
    }
    // RFC 9111 section 4.3.2: not for a cache to evaluate.
    if request.contains_key(IF_MATCH) || request.contains_key(IF_UNMODIFIED_SINCE) {
        return Part::Origin;
    }
    // RFC 9110 section 13.2.1: an answer that is no success has no conditions.
    if !stored.status.is_success() {
        return Part::Whole;
    }
    let not_modified = if request.contains_key(IF_NONE_MATCH) {
        names(request, stored.etag)
    } else {
        request.get(IF_MODIFIED_SINCE).is_some_and(|since| is_older(since, stored, now))
    };
    if not_modified {
        return Part::NotModified;
    }
    let Some(range) = request.get(RANGE) else { return Part::Whole };
    let (whole, known) = (stored.status == StatusCode::OK, stored.length);
    match known {
        Some(length) if whole && *method == Method::GET && still_is(request, stored, now) => {
            let mut lines = request.get_all(RANGE).iter();
            // Two lines are no range that anybody meant.
            let alone = lines.nth(1).is_none();
            if alone { ranges::read(range.as_bytes(), length) } else { Part::Whole }
        }
        _ => Part::Whole,
    }
}

/// `If-None-Match`: whether it names this answer.
fn names(request: &HeaderMap, etag: Option<&HeaderValue>) -> bool {
    let named = request.get_all(IF_NONE_MATCH).iter().flat_map(|line| tags(line.as_bytes()));
    let etag = etag.map(|etag| trim(etag.as_bytes())).filter(|etag| !etag.is_empty());
    let mut named = named.peekable();
    if named.peek() == Some(&&b"*"[..]) {
        return true;
    }
    etag.is_some_and(|etag| named.any(|named| etag::means(named, etag)))
}

/// `If-Modified-Since`: whether the answer is not newer, by the best that is known (RFC 9111 section 4.3.2).
fn is_older(since: &HeaderValue, stored: &Stored<'_>, now: u64) -> bool {
    let read = |field: Option<&HeaderValue>| field.and_then(|date| date::read(date, now));
    let changed =
        || read(stored.last_modified).or_else(|| read(stored.date)).unwrap_or(stored.came);
    date::read(since, now).is_some_and(|since| changed() <= since)
}

/// `If-Range`: whether the client's parts are of this answer (RFC 9110 section 13.1.5).
fn still_is(request: &HeaderMap, stored: &Stored<'_>, now: u64) -> bool {
    let mut lines = request.get_all(IF_RANGE).iter();
    let Some(condition) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    let read = |field: Option<&HeaderValue>| field.and_then(|date| date::read(date, now));
    match date::read(condition, now) {
        Some(date) => {
            let modified = read(stored.last_modified);
            modified == Some(date) && is_strong(modified, read(stored.date))
        }
        None => stored
            .etag
            .is_some_and(|etag| etag::is(trim(condition.as_bytes()), trim(etag.as_bytes()))),
    }
}

/// Whether a date tells two versions from each other: it could have changed twice in a second only just before
/// the answer was made, whatever the clocks say (RFC 9110 section 8.8.2.2).
pub(super) fn is_strong(modified: Option<u64>, date: Option<u64>) -> bool {
    const APART: u64 = 60;
    modified.zip(date).is_some_and(|(modified, date)| date >= modified.saturating_add(APART))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::headers, *};

    /// Sun, 09 Sep 2001 01:46:40 GMT
    const NOW: u64 = 1_000_000_000;

    /// A kept answer of ten bytes with these fields, and what a request with those gets of it.
    fn of(status: u16, stored: &str, method: Method, request: &str) -> Part {
        let stored = headers(stored);
        let stored = Stored {
            status: StatusCode::from_u16(status).unwrap(),
            etag: stored.get("etag"),
            last_modified: stored.get("last-modified"),
            date: stored.get("date"),
            came: NOW,
            length: Some(10),
        };
        part(&method, &headers(request), &stored, NOW + 100)
    }

    const BOTH: &str = "etag: \"a\"\nlast-modified: Sun, 09 Sep 2001 00:46:40 GMT\ndate: Sun, 09 Sep 2001 01:46:40 GMT";

    #[test]
    fn if_none_match() {
        use Part::{NotModified, Whole};
        let cases = [
            ("etag: \"a\"", "if-none-match: \"a\"", NotModified),
            ("etag: \"a\"", "if-none-match: \"b\"", Whole),
            ("etag: \"a\"", "if-none-match: \"a\", \"b\", \"c\"", NotModified),
            ("etag: \"a\"", "if-none-match: \"b\", \"a\", \"c\"", NotModified),
            ("etag: \"a\"", "if-none-match: \"b\",\"c\" , \"a\"", NotModified),
            ("etag: \"a\"", "if-none-match: \"b\"\nif-none-match: \"a\"", NotModified),
            // RFC 9110 section 13.1.2: compared weakly.
            ("etag: W/\"a\"", "if-none-match: W/\"a\"", NotModified),
            ("etag: \"a\"", "if-none-match: W/\"a\"", NotModified),
            ("etag: W/\"a\"", "if-none-match: \"a\"", NotModified),
            ("etag: \"a,b\"", "if-none-match: \"a,b\"", NotModified),
            ("etag: \"a\\\"", "if-none-match: \"b\", \"a\\\"", NotModified),
            ("etag: \"a\\\"", "if-none-match: \"a\\\", \"b\"", NotModified),
            // `*`: there is an answer.
            ("etag: \"a\"", "if-none-match: *", NotModified),
            ("", "if-none-match: *", NotModified),
            ("etag: \"a\"", "if-none-match: \"*\"", Whole),
            ("", "if-none-match: \"a\"", Whole),
            ("etag: ", "if-none-match: ", Whole),
            ("etag: \"\"", "if-none-match: \"\"", NotModified),
            // What is not by the grammar means itself.
            ("etag: a", "if-none-match: a", NotModified),
            ("etag: \"a\"", "if-none-match: a", Whole),
            ("etag: a", "if-none-match: \"a\"", Whole),
        ];
        for (stored, request, expected) in cases {
            assert_eq!(of(200, stored, Method::GET, request), expected, "{stored}, {request}");
            assert_eq!(of(200, stored, Method::HEAD, request), expected, "{stored}, {request}");
        }
        // RFC 9110 section 13.2.1
        assert_eq!(of(404, "etag: \"a\"", Method::GET, "if-none-match: \"a\""), Whole);
        assert_eq!(of(203, "etag: \"a\"", Method::GET, "if-none-match: \"a\""), NotModified);
    }

    #[test]
    fn if_modified_since() {
        use Part::{NotModified, Whole};
        let cases = [
            (BOTH, "if-modified-since: Sun, 09 Sep 2001 00:46:40 GMT", NotModified),
            (BOTH, "if-modified-since: Sun, 09 Sep 2001 00:46:41 GMT", NotModified),
            (BOTH, "if-modified-since: Sun, 09 Sep 2001 00:46:39 GMT", Whole),
            (BOTH, "if-modified-since: Sunday, 09-Sep-01 00:46:40 GMT", NotModified),
            (BOTH, "if-modified-since: Sun Sep  9 00:46:40 2001", NotModified),
            // RFC 9110 section 13.1.3: what is no date is not there.
            (BOTH, "if-modified-since: 1000000000", Whole),
            (BOTH, "if-modified-since: tomorrow", Whole),
            // If-None-Match is looked at alone, whatever it says.
            (BOTH, "if-none-match: \"b\"\nif-modified-since: Sun, 09 Sep 2001 00:46:40 GMT", Whole),
            (
                BOTH,
                "if-none-match: \"a\"\nif-modified-since: Sun, 09 Sep 2001 00:00:00 GMT",
                NotModified,
            ),
            // RFC 9111 section 4.3.2: no Last-Modified, then Date, then when it came.
            (
                "date: Sun, 09 Sep 2001 00:46:40 GMT",
                "if-modified-since: Sun, 09 Sep 2001 00:46:40 GMT",
                NotModified,
            ),
            (
                "date: Sun, 09 Sep 2001 00:46:40 GMT",
                "if-modified-since: Sun, 09 Sep 2001 00:46:39 GMT",
                Whole,
            ),
            ("", "if-modified-since: Sun, 09 Sep 2001 01:46:40 GMT", NotModified),
            ("", "if-modified-since: Sun, 09 Sep 2001 01:46:39 GMT", Whole),
        ];
        for (stored, request, expected) in cases {
            assert_eq!(of(200, stored, Method::GET, request), expected, "{stored}, {request}");
        }
    }

    #[test]
    fn what_is_for_the_origin_goes_there() {
        for request in
            ["if-match: \"a\"", "if-match: *", "if-unmodified-since: Sun, 09 Sep 2001 01:46:40 GMT"]
        {
            assert_eq!(of(200, BOTH, Method::GET, request), Part::Origin, "{request}");
        }
    }

    #[test]
    fn ranges_and_if_range() {
        use Part::{NotModified, Unsatisfiable, Whole};
        let some = Part::Range(Span { first: 2, last: 4 });
        const RECENT: &str =
            "last-modified: Sun, 09 Sep 2001 01:46:30 GMT\ndate: Sun, 09 Sep 2001 01:46:40 GMT";
        let cases = [
            (BOTH, "range: bytes=2-4", some.clone()),
            (BOTH, "range: bytes=10-", Unsatisfiable),
            (BOTH, "range: bytes=2-4\nrange: bytes=5-6", Whole),
            // RFC 9110 section 13.2.2: conditions come first.
            (BOTH, "range: bytes=2-4\nif-none-match: \"a\"", NotModified),
            (BOTH, "range: bytes=2-4\nif-none-match: \"b\"", some.clone()),
            // Section 13.1.5
            (BOTH, "range: bytes=2-4\nif-range: \"a\"", some.clone()),
            (BOTH, "range: bytes=2-4\nif-range: \"b\"", Whole),
            (BOTH, "range: bytes=2-4\nif-range: W/\"a\"", Whole),
            ("etag: W/\"a\"", "range: bytes=2-4\nif-range: W/\"a\"", Whole),
            ("etag: a", "range: bytes=2-4\nif-range: a", Whole),
            (BOTH, "range: bytes=10-\nif-range: \"b\"", Whole),
            (BOTH, "range: bytes=2-4\nif-range: \"a\"\nif-range: \"a\"", Whole),
            (BOTH, "if-range: \"a\"", Whole),
            (BOTH, "range: bytes=2-4\nif-range: Sun, 09 Sep 2001 00:46:40 GMT", some),
            (BOTH, "range: bytes=2-4\nif-range: Sun, 09 Sep 2001 00:46:41 GMT", Whole),
            (RECENT, "range: bytes=2-4\nif-range: Sun, 09 Sep 2001 01:46:30 GMT", Whole),
            ("", "range: bytes=2-4\nif-range: Sun, 09 Sep 2001 01:46:30 GMT", Whole),
        ];
        for (stored, request, expected) in cases {
            assert_eq!(of(200, stored, Method::GET, request), expected, "{stored}, {request}");
        }
        // Section 14.2: for GET only; and only a 200 is a whole.
        assert_eq!(of(200, BOTH, Method::HEAD, "range: bytes=2-4"), Whole);
        assert_eq!(of(200, BOTH, Method::POST, "range: bytes=2-4"), Whole);
        assert_eq!(of(404, BOTH, Method::GET, "range: bytes=2-4"), Whole);
        assert_eq!(of(203, BOTH, Method::GET, "range: bytes=2-4"), Whole);
    }
}
