//! Host patterns, and the one form in which hosts are compared.
//!
//! In: `api.example.com`, `*.example.com`, `[::1]` from a file, or the `Host` of a request. Out: a
//! [`Host`] that sorts the most specific first, or the normal form of a request's host. What makes a
//! `Host` field valid is decided before; here an odd one merely matches nothing.

use std::{borrow::Cow, cmp::Reverse, fmt, net::Ipv6Addr};

use crate::message::without_port;

/// Longest host name that DNS can carry.
const MAX_LENGTH: usize = 253;

/// Which hosts a route is for; the most specific sorts first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Host {
    /// This one.
    Exact(Box<str>),
    /// Any below this one, at any depth, without itself; more labels are more specific.
    Below(Reverse<usize>, Box<str>),
    /// Any, and none.
    Any,
}

impl Host {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, (String, Option<String>)> {
        let fault = |what: &str, help: &str| Err((format!("`{text}` {what}"), Some(help.into())));
        if text.is_empty() || text == "*" {
            return fault("is not a host", "leave `host` out to take any host");
        }
        if text.contains("://") || text.contains('/') {
            return fault("is not a host", "write the name alone, without scheme and path");
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return fault("is an address without brackets", &format!("write \"[{text}]\""));
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let normal = normalise(name);
        if without_port(name).len() != name.len() {
            return fault(
                "has a port",
                "ports are the listeners'; use `listener` to tell them apart",
            );
        }
        if normal.contains('*') {
            return fault(
                "has a `*` in the middle",
                "only a whole first label can be `*`: \"*.example.com\"",
            );
        }
        if !normal.is_ascii() {
            return fault("is not ASCII", "write it in its `xn--` form, as clients send it");
        }
        if !is_name(&normal) && (below || bracketed(&normal).is_none()) {
            return fault(
                "is not a host name",
                "write it like \"api.example.com\", \"*.example.com\" or \"[::1]\"",
            );
        }
        let name = normal.into_owned().into_boxed_str();
        Ok(if below {
            Self::Below(Reverse(name.split('.').count()), name)
        } else {
            Self::Exact(name)
        })
    }

    /// Whether some host is one of both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let is_below = |name: &str, above: &str| {
            name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
        };
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Exact(name), Self::Below(_, above))
            | (Self::Below(_, above), Self::Exact(name)) => is_below(name, above),
            (Self::Below(_, a), Self::Below(_, b)) => a == b || is_below(a, b) || is_below(b, a),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(_, name) => write!(f, "*.{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// The normal form of a request's host; one that is not text is none that a pattern is for.
pub(super) fn normal(host: &[u8]) -> Cow<'_, str> {
    normalise(std::str::from_utf8(host).unwrap_or_default())
}

/// A request's host as patterns are compared with it: without its port and the dot of the root, in
/// lower case, an IPv6 address in its shortest form. Nearly always borrowed.
fn normalise(host: &str) -> Cow<'_, str> {
    let name = without_port(host);
    if let Some(address) = bracketed(name) {
        let shortest = format!("[{address}]");
        return if shortest == name { Cow::Borrowed(name) } else { Cow::Owned(shortest) };
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= MAX_LENGTH && name.split('.').all(label)
}

/// Reads `[::1]`.
fn bracketed(name: &str) -> Option<Ipv6Addr> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_is_compared_without_case_port_and_root() {
        for (host, normal) in [
            ("example.com", "example.com"),
            ("Example.COM:8443", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("example.com:", "example.com"),
            ("127.0.0.1:8080", "127.0.0.1"),
            ("[::1]:8080", "[::1]"),
            ("[0:0:0:0:0:0:0:1]", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("::1", ":"),
            ("", ""),
        ] {
            assert_eq!(normalise(host), normal, "{host}");
        }
        assert!(matches!(normalise("example.com:8080"), Cow::Borrowed(_)));
        assert!(matches!(normalise("[::1]:80"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_bad_pattern_says_what_to_write() {
        for (text, says) in [
            ("", "leave `host` out"),
            ("*", "leave `host` out"),
            ("https://a.example", "without scheme"),
            ("a.example/x", "without scheme"),
            ("a.example:8080", "use `listener`"),
            ("[::1]:8080", "use `listener`"),
            ("a.*.example", "first label"),
            ("api*.example", "first label"),
            ("m\u{fc}nchen.example", "`xn--`"),
            ("a..example", "write it like"),
            ("a b", "write it like"),
            ("*.[::1]", "write it like"),
            ("[::zz]", "write it like"),
            ("::1", "write \"[::1]\""),
        ] {
            let (_, help) = Host::parse(text).expect_err(text);
            assert!(help.as_deref().is_some_and(|help| help.contains(says)), "{text}: {help:?}");
        }
    }

    #[test]
    fn the_most_specific_pattern_sorts_first() {
        let parse = |text| Host::parse(text).expect(text);
        let sorted =
            [parse("z.example.com"), parse("*.b.example.com"), parse("*.example.com"), Host::Any];
        assert!(sorted.is_sorted());
        assert_eq!(parse("API.Example.com."), Host::Exact("api.example.com".into()));
        assert_eq!(parse("*.Example.com").to_string(), "*.example.com");
    }

    proptest! {
        #[test]
        fn no_host_panics(host in "\\PC*|[\\[\\]:.a-fA-F0-9*]*") {
            let _ = Host::parse(&host);
            let once = normalise(&host).into_owned();
            prop_assert!(!once.bytes().any(|byte| byte.is_ascii_uppercase()));
        }
    }
}
