//! What a request that changes something makes void (RFC 9111 section 4.4).
//!
//! In: an exchange. Out: whether what is kept of its URI holds no longer, and of which others of the same
//! origin: no origin can make void what is another's.

use http::{
    HeaderMap, Method, StatusCode,
    header::{CONTENT_LOCATION, LOCATION},
};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::message::{are_one_authority, path};

/// What is in no query of a request.
const ODD: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');

/// Whether an exchange makes void what is kept of its URI: the method is not known to be safe, and the answer
/// is no error.
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    let is_safe = matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY" | "PROPFIND" | "REPORT" | "SEARCH"
    );
    !is_safe && (status.is_success() || status.is_redirection())
}

/// The URIs of the same origin that such an answer names beside its own, as path and query.
pub fn also_invalid<'a>(
    answer: &'a HeaderMap,
    scheme: &'a str,
    host: &'a str,
    target: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let named = [LOCATION, CONTENT_LOCATION].into_iter().filter_map(|name| answer.get(name));
    let resolve = move |reference: &http::HeaderValue| {
        resolve(std::str::from_utf8(reference.as_bytes()).ok()?, scheme, host, target)
    };
    named.filter_map(resolve).filter(move |other| *other != target).map(|other| written(&other))
}

/// A target as a client would have to write it: browsers take a reference with spaces, or with letters of any
/// language, and escape those.
fn written(target: &str) -> String {
    let (path, query) = split(target);
    format!("{}{}", path::normalise(path), utf8_percent_encode(query, ODD))
}

/// Whether `Content-Location` names the very URI that was asked for (RFC 9110 section 9.3.3).
pub fn is_located(answer: &HeaderMap, scheme: &str, host: &str, target: &str) -> bool {
    let text =
        answer.get(CONTENT_LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    text.and_then(|text| resolve(text, scheme, host, target)).is_some_and(|named| named == target)
}

/// The path and query that a reference means (RFC 3986 section 5.2); none if it is of another origin.
fn resolve(reference: &str, scheme: &str, host: &str, target: &str) -> Option<String> {
    let reference = reference.trim_matches([' ', '\t']);
    let reference = reference.split('#').next().unwrap_or_default();
    let reference = match own_scheme(reference) {
        Some((other, _)) if !other.eq_ignore_ascii_case(scheme) => return None,
        Some((_, rest)) if !rest.starts_with("//") => return None,
        Some((_, rest)) => rest,
        None => reference,
    };
    let reference = match reference.strip_prefix("//") {
        None => reference,
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at(end);
            if !are_one_authority(authority, host, scheme == "https") {
                return None;
            }
            if rest.starts_with('/') { rest } else { return Some(format!("/{rest}")) }
        }
    };
    let (path, _) = split(target);
    if reference.is_empty() {
        return Some(target.to_owned());
    }
    let (other, other_query) = split(reference);
    let folder = || &path[..path.rfind('/').map_or(0, |at| at + 1)];
    let merged = match other {
        "" => return Some(format!("{path}{other_query}")),
        other if other.starts_with('/') => other.to_owned(),
        other => format!("{}{other}", folder()),
    };
    Some(path::without_dot_segments(&(merged + other_query)).into_owned())
}

/// Path, and query with its sign.
fn split(target: &str) -> (&str, &str) {
    target.split_at(target.find('?').unwrap_or(target.len()))
}

/// The scheme that a reference begins with, and what follows its colon.
fn own_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let mut signs = scheme.bytes();
    let begins = signs.next().is_some_and(|sign| sign.is_ascii_alphabetic());
    let goes_on = signs.all(|sign| sign.is_ascii_alphanumeric() || b"+-.".contains(&sign));
    (begins && goes_on).then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::{super::tests::headers, *};

    #[test]
    fn what_makes_void() {
        let cases = [
            ("POST", 200, true),
            ("PUT", 204, true),
            ("DELETE", 303, true),
            ("PATCH", 200, true),
            // Methods that are not known are not known to be safe.
            ("M-SEARCH", 200, true),
            ("post", 200, true),
            ("POST", 400, false),
            ("POST", 500, false),
            ("GET", 200, false),
            ("HEAD", 200, false),
            ("OPTIONS", 200, false),
            ("TRACE", 200, false),
        ];
        for (method, status, expected) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let found = invalidates(&method.parse().unwrap(), status);
            assert_eq!(found, expected, "{method} {status}");
        }
    }

    #[test]
    fn references_mean_what_rfc_3986_says() {
        // Section 5.4, and beyond. The base is http://a/b/c/d;p?q
        let cases = [
            ("http:g", None),
            ("g", Some("/b/c/g")),
            ("./g", Some("/b/c/g")),
            ("g/", Some("/b/c/g/")),
            ("/g", Some("/g")),
            ("//g", None),
            ("?y", Some("/b/c/d;p?y")),
            ("g?y", Some("/b/c/g?y")),
            ("#s", Some("/b/c/d;p?q")),
            ("g#s", Some("/b/c/g")),
            (";x", Some("/b/c/;x")),
            ("g;x?y#s", Some("/b/c/g;x?y")),
            ("", Some("/b/c/d;p?q")),
            (".", Some("/b/c/")),
            ("./", Some("/b/c/")),
            ("..", Some("/b/")),
            ("../", Some("/b/")),
            ("../g", Some("/b/g")),
            ("../..", Some("/")),
            ("../../g", Some("/g")),
            ("../../../g", Some("/g")),
            ("/./g", Some("/g")),
            ("/../g", Some("/g")),
            ("g.", Some("/b/c/g.")),
            ("..g", Some("/b/c/..g")),
            ("./../g", Some("/b/g")),
            ("./g/.", Some("/b/c/g/")),
            ("g/./h", Some("/b/c/g/h")),
            ("g/../h", Some("/b/c/h")),
            ("g?y/./x", Some("/b/c/g?y/./x")),
            ("g?y/../x", Some("/b/c/g?y/../x")),
            ("http://a/g", Some("/g")),
            ("HTTP://A:80/g?x", Some("/g?x")),
            ("http://a", Some("/")),
            ("http://a?x", Some("/?x")),
            ("//a/g", Some("/g")),
            ("https://a/g", None),
            ("http://a:81/g", None),
            ("http://b/g", None),
            ("http://u@a/g", None),
            ("mailto:x", None),
        ];
        for (reference, expected) in cases {
            let found = resolve(reference, "http", "a", "/b/c/d;p?q");
            assert_eq!(found.as_deref(), expected, "{reference}");
        }
        assert_eq!(resolve("//a:443/x", "https", "a", "/").as_deref(), Some("/x"));
        assert_eq!(resolve("//a:8443/x", "https", "A:8443", "/").as_deref(), Some("/x"));
    }

    #[test]
    fn what_else_becomes_void() {
        let also = |text| also_invalid(&headers(text), "http", "a", "/b?c").collect::<Vec<_>>();
        assert_eq!(also("location: /x\ncontent-location: y?z"), ["/x", "/y?z"]);
        assert_eq!(also("location: http://other/x\ncontent-location: /b?c"), [""; 0]);
        assert_eq!(also("location: /x/%2e%2e/l\ncontent-location: /%6c"), ["/l", "/l"]);
        let value = HeaderValue::from_bytes("/a b/é?c d é".as_bytes()).unwrap();
        let odd = HeaderMap::from_iter([(LOCATION, value)]);
        let also: Vec<_> = also_invalid(&odd, "http", "a", "/").collect();
        assert_eq!(also, ["/a%20b/%C3%A9?c%20d%20%C3%A9"]);
        assert!(is_located(&headers("content-location: "), "http", "a", "/b?c"));
        assert!(is_located(&headers("content-location: http://a/b?c"), "http", "a", "/b?c"));
        assert!(!is_located(&headers("content-location: /b"), "http", "a", "/b?c"));
        assert!(!is_located(&headers(""), "http", "a", "/b?c"));
    }

    proptest! {
        #[test]
        fn any_reference_is_resolved_without_panic(reference in "\\PC{0,20}", target in "/\\PC{0,20}") {
            let found = resolve(&reference, "http", "a", &target);
            prop_assert!(found.is_none_or(|found| found.starts_with('/')));
        }
    }
}
