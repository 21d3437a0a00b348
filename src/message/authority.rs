//! `host` and `host:port`, as `Host` and a target's authority have them (RFC 9110 section 4.2.3).

use std::borrow::Cow;

use http::{HeaderValue, uri::Authority};

/// Whether this is `host` or `host:port`, without a user. Empty is what HTTP/1.0 may have.
pub fn is_authority(text: &[u8]) -> bool {
    // A name or an IPv4 address, with a port or without, is nearly every one.
    let name = text.iter().take_while(|byte| is_plain(byte)).count();
    let plain = match &text[name..] {
        [] => true,
        [b':', port @ ..] => name > 0 && is_port(port),
        _ => false,
    };
    plain || is_odd_authority(text)
}

fn is_port(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
        && (text.len() < 5 || text.len() == 5 && *text <= b"65535"[..])
}

/// Whether nearly every host is made of such bytes.
const fn is_plain(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-')
}

fn is_odd_authority(text: &[u8]) -> bool {
    let port = text.iter().rposition(|&byte| byte == b':').filter(|_| !text.ends_with(b"]"));
    !text.starts_with(b":")
        && !text.contains(&b'@')
        // How two `Host` fields look when somebody joined them.
        && !text.contains(&b',')
        && Authority::try_from(text).is_ok()
        && port.is_none_or(|colon| is_port(&text[colon + 1..]))
}

/// A host without its port.
pub fn without_port(host: &str) -> &str {
    let bytes = host.as_bytes();
    match bytes.iter().rposition(|&byte| byte == b':') {
        // The last colon of `[::1]` is part of the address.
        Some(colon) if bytes[colon + 1..].iter().all(u8::is_ascii_digit) => {
            let name = &host[..colon];
            if name.starts_with('[') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

/// Whether two authorities are one: without case, a final dot, and the port that the scheme has anyway.
pub fn are_one_authority(a: &str, b: &str, https: bool) -> bool {
    let ((host, port), (other, other_port)) = (parts(a, https), parts(b, https));
    host.eq_ignore_ascii_case(other) && port == other_port
}

/// An authority in the one spelling of all that are one with it: in small letters, without a final dot, and without the
/// port that the scheme has anyway. Nearly every one is in it, and is borrowed.
#[inline]
pub fn canonical_authority(text: &str, https: bool) -> Cow<'_, str> {
    let (host, port) = parts(text, https);
    let colon = usize::from(!port.is_empty());
    let is_it = host.len() + colon + port.len() == text.len()
        && !host.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_it { text.into() } else { respelled(host, port).into() }
}

#[cold]
fn respelled(host: &str, port: &str) -> String {
    let colon = if port.is_empty() { "" } else { ":" };
    [&host.to_ascii_lowercase(), colon, port].concat()
}

/// Host without dots at its end, and port without zeros in front; none that the scheme has anyway.
#[inline]
fn parts(text: &str, https: bool) -> (&str, &str) {
    let host = without_port(text);
    let port = text[host.len()..].trim_start_matches([':', '0']);
    let own = if https { "443" } else { "80" };
    (host.trim_end_matches('.'), if port == own { "" } else { port })
}

/// The text of a field whose bytes are known to be text.
pub fn text(value: &HeaderValue) -> &str {
    std::str::from_utf8(value.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_authority_has_many_spellings() {
        for (a, b, https, same) in [
            ("a", "A", false, true),
            ("a:80", "a", false, true),
            ("a:", "a:80", false, true),
            ("a:080", "a:80", false, true),
            ("a.", "a", false, true),
            ("a.:80", "A", false, true),
            ("a:443", "a", true, true),
            ("[::1]:80", "[::1]", false, true),
            ("a:443", "a", false, false),
            ("a:80", "a", true, false),
            ("a:8080", "a", false, false),
            ("a", "b", false, false),
            ("", "a", false, false),
            ("a..", "a", false, true),
        ] {
            assert_eq!(are_one_authority(a, b, https), same, "{a} {b}");
            assert_eq!(are_one_authority(b, a, https), same, "{b} {a}");
        }
    }

    #[test]
    fn hosts_that_mean_the_same_are_the_same() {
        for (scheme, host, expected) in [
            ("http", "Example.COM", "example.com"),
            ("http", "example.com:80", "example.com"),
            ("https", "example.com:443", "example.com"),
            ("https", "example.com:80", "example.com:80"),
            ("http", "example.com:8080", "example.com:8080"),
            ("http", "[::1]:80", "[::1]"),
            ("http", "[::1]", "[::1]"),
            ("http", "a.example.", "a.example"),
            ("http", "a.example.:80", "a.example"),
            ("http", "a.example..", "a.example"),
            ("http", "a.example:", "a.example"),
            ("http", "a.example:0080", "a.example"),
            ("http", "a.example:08080", "a.example:8080"),
            ("", "A", "a"),
            ("http", "", ""),
        ] {
            assert_eq!(canonical_authority(host, scheme == "https"), expected, "{scheme} {host}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, valid) in [
            ("", true),
            ("a.example", true),
            ("a.example:80", true),
            ("a.example:65535", true),
            ("a.example:", true),
            ("127.0.0.1:8080", true),
            ("[::1]", true),
            ("[::1]:443", true),
            ("::1", false),
            (":80", false),
            ("user@a.example", false),
            ("a b", false),
            ("a/b", false),
        ] {
            assert_eq!(is_authority(text.as_bytes()), valid, "{text}");
        }
    }

    #[test]
    fn what_is_plain_is_what_the_parser_takes() {
        for text in ["a", "a-b.c", "1.2.3.4:1", "a.example:9999", "a:", "A.B:0"] {
            assert!(text.parse::<Authority>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_port_is_taken_off() {
        for (host, name) in [
            ("a.example:80", "a.example"),
            ("a.example", "a.example"),
            ("a.example:", "a.example"),
            ("[::1]:443", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
