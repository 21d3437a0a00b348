//! What a request says to caches (RFC 9111 section 5.2.1, 5.4; RFC 5861 section 4).
//!
//! Read for each request, so it allocates nothing, and two look-ups are all that a request costs which says
//! nothing. A directive that is broken is not heard: the client would only have got less.

use http::{
    HeaderMap, HeaderName,
    header::{CACHE_CONTROL, PRAGMA},
};

use super::{
    super::policy::Policy,
    lists::{Argument, Directive, members},
};

/// What a request says to caches.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Asked {
    /// Nothing of this exchange is to be kept.
    pub no_store: bool,
    /// Nothing kept is to be used unless the origin says that it still holds.
    pub no_cache: bool,
    /// The origin is not to be asked.
    pub only_if_cached: bool,
    /// At most so old, in seconds.
    pub max_age: Option<u32>,
    /// Fresh for so many seconds more.
    pub min_fresh: Option<u32>,
    /// Stale for so many seconds at most; `u32::MAX` is any.
    pub max_stale: Option<u32>,
    /// Stale for so many seconds at most, if the origin fails.
    pub stale_if_error: Option<u32>,
}

impl Asked {
    /// Reads it. `Pragma` counts where there is no `Cache-Control` only.
    #[inline]
    pub fn read(headers: &HeaderMap, policy: &Policy) -> Self {
        let mut asked = Self::default();
        if policy.ignore.request {
            return asked;
        }
        let mut lines = headers.get_all(CACHE_CONTROL).iter().peekable();
        if lines.peek().is_none() {
            asked.no_cache = headers.get(PRAGMA).is_some_and(|_| pragma(headers));
            return asked;
        }
        for line in lines {
            members(line.as_bytes()).for_each(|member| asked.hear(Directive::read(member)));
        }
        asked
    }

    fn hear(&mut self, directive: Directive<'_>) {
        let first = |before: Option<u32>| before.or_else(|| directive.seconds());
        if directive.is("no-cache") {
            self.no_cache = true;
        } else if directive.is("max-age") {
            self.max_age = first(self.max_age);
        } else if directive.is("no-store") {
            self.no_store = true;
        } else if directive.is("only-if-cached") {
            self.only_if_cached = true;
        } else if directive.is("max-stale") {
            let any = (directive.argument == Argument::None).then_some(u32::MAX);
            self.max_stale = first(self.max_stale).or(any);
        } else if directive.is("min-fresh") {
            self.min_fresh = first(self.min_fresh);
        } else if directive.is("stale-if-error") {
            self.stale_if_error = first(self.stale_if_error);
        }
    }
}

/// Whether a request has no field that a cache reads. Most have none, and to look at each name once costs less than
/// to look up all of those.
#[inline]
pub fn is_plain(headers: &HeaderMap) -> bool {
    let is_read = |name: &HeaderName| match name.as_str().as_bytes() {
        name @ [b'c', ..] => name == b"cache-control",
        [b'i', b'f', b'-', ..] => true,
        name @ [b'p', ..] => name == b"pragma",
        name @ [b'r', ..] => name == b"range",
        _ => false,
    };
    !headers.keys().any(is_read)
}

/// Whether `Pragma` says what `Cache-Control: no-cache` would.
#[cold]
fn pragma(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(PRAGMA).iter();
    lines.any(|line| members(line.as_bytes()).any(|member| Directive::read(member).is("no-cache")))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::headers, *};

    fn asked(text: &str) -> Asked {
        Asked::read(&headers(text), &Policy::default())
    }

    #[test]
    fn a_request_is_read_as_it_is_meant() {
        let no = Asked::default;
        let cases = [
            ("", no()),
            ("accept: */*", no()),
            ("cache-control: no-store", Asked { no_store: true, ..no() }),
            ("cache-control: No-Cache", Asked { no_cache: true, ..no() }),
            ("cache-control: only-if-cached", Asked { only_if_cached: true, ..no() }),
            ("cache-control: max-age=0", Asked { max_age: Some(0), ..no() }),
            ("cache-control: max-age=\"5\"", Asked { max_age: Some(5), ..no() }),
            ("cache-control: max-age=5, max-age=9", Asked { max_age: Some(5), ..no() }),
            ("cache-control: max-age=x", no()),
            ("cache-control: max-age =5", no()),
            ("cache-control: max-age", no()),
            ("cache-control: min-fresh=7", Asked { min_fresh: Some(7), ..no() }),
            ("cache-control: max-stale", Asked { max_stale: Some(u32::MAX), ..no() }),
            ("cache-control: max-stale=3", Asked { max_stale: Some(3), ..no() }),
            ("cache-control: max-stale=x", no()),
            ("cache-control: stale-if-error=9", Asked { stale_if_error: Some(9), ..no() }),
            (
                "cache-control: max-age=1\ncache-control: no-cache",
                Asked { max_age: Some(1), no_cache: true, ..no() },
            ),
            // Section 5.4: only where there is no Cache-Control.
            ("pragma: no-cache", Asked { no_cache: true, ..no() }),
            ("pragma: x, NO-CACHE", Asked { no_cache: true, ..no() }),
            ("pragma: x", no()),
            ("pragma: no-cache\ncache-control: max-age=1", Asked { max_age: Some(1), ..no() }),
            ("cache-control: x=\"no-store\"", no()),
        ];
        for (text, expected) in cases {
            assert_eq!(asked(text), expected, "{text}");
        }
    }

    #[test]
    fn a_request_is_plain_if_no_field_of_it_is_for_caches() {
        let none = "host: a\ncontent-type: a/b\ncookie: a=b\nreferer: a\niff: a\nprefer: a\nrange-unit: a\n\
                    x-cache-control: no-cache";
        assert!(is_plain(&headers("")) && is_plain(&headers(none)));
        for read in [
            "cache-control: max-age=0",
            "pragma: no-cache",
            "if-match: *",
            "if-none-match: *",
            "if-modified-since: a",
            "if-unmodified-since: a",
            "if-range: a",
            "range: bytes=0-1",
        ] {
            assert!(!is_plain(&headers(&format!("{none}\n{read}"))), "{read}");
        }
    }

    #[test]
    fn a_route_may_listen_to_no_request() {
        let mut policy = Policy::default();
        policy.ignore.request = true;
        let headers = headers("cache-control: no-cache, no-store, max-age=0");
        assert_eq!(Asked::read(&headers, &policy), Asked::default());
    }
}
