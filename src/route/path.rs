//! The one form in which paths are compared, so that no spelling of a path dodges its route.
//!
//! In: a path as the client wrote it, or a piece of a pattern. Out: the same path with each
//! character spelled in one way. It is for matching only: what goes to the origin is the path as it
//! came, without dot segments: those are taken out before anything is compared.

use std::borrow::Cow;

/// Bytes that stand for themselves in a path: RFC 3986's `pchar`, and the `/` between segments.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/";
    let mut at = 0;
    while at < plain.len() {
        table[plain[at] as usize] = true;
        at += 1;
    }
    table
};

/// A path with every character spelled in the one way that routes are compared by.
///
/// - What may stand in a path as it is, does: `/%61dmin` and `/%40me` become `/admin` and `/@me`.
///   RFC 3986 calls only the unreserved ones of them equivalent, but origins decode them all, so a
///   route on `/@me` that `/%40me` could dodge would be a hole.
/// - What may not, is percent-encoded with upper-case digits: ` `, `"`, `\`, `é`, and a `%` that
///   begins no escape. An escaped `/` stays `%2F` and never becomes a separator.
/// - One pass only: `%2561` stays `%2561`, because an origin decodes once.
///
/// A path that is in this form already, which is nearly every one, is borrowed.
pub fn normalise(path: &str) -> Cow<'_, str> {
    let bytes = path.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match spelling(&bytes[at..]) {
            (Spelling::Kept, length) => at += length,
            (Spelling::Plain(_) | Spelling::Escaped(_), _) => {
                return Cow::Owned(respelled(path, at));
            }
        }
    }
    Cow::Borrowed(path)
}

/// Whether a segment of the path is `.` or `..`, in any spelling.
///
/// An origin would resolve such a segment and serve another path than the one that was matched.
pub fn has_dot_segment(path: &str) -> bool {
    let begins_so = |byte: Option<&u8>| matches!(byte, Some(b'.' | b'%'));
    let bytes = path.as_bytes();
    // Nearly no path has a segment that begins like one.
    if !begins_so(bytes.first())
        && !bytes.windows(2).any(|pair| pair[0] == b'/' && begins_so(pair.get(1)))
    {
        return false;
    }
    path.split('/').any(|segment| matches!(&*normalise(segment), "." | ".."))
}

/// A path, with a query or without, without such segments (RFC 3986 section 5.2.4): an origin would resolve them,
/// so the route has to be found for what the origin will serve. One that has none is borrowed.
pub fn without_dot_segments(target: &str) -> Cow<'_, str> {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    match has_dot_segment(path) {
        true => Cow::Owned(resolved(path) + query),
        false => Cow::Borrowed(target),
    }
}

fn resolved(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match &*dots(segment) {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn dots(segment: &str) -> Cow<'_, str> {
    if segment.len() <= 6 { normalise(segment) } else { Cow::Borrowed(segment) }
}

/// How the first character of some bytes is spelled in the normal form.
enum Spelling {
    /// As it is.
    Kept,
    /// As the byte itself.
    Plain(u8),
    /// As an escape of the byte.
    Escaped(u8),
}

/// The spelling of the first character, and how many bytes it has now. `bytes` is not empty.
#[inline]
fn spelling(bytes: &[u8]) -> (Spelling, usize) {
    match *bytes {
        [byte, ..] if PLAIN[usize::from(byte)] => (Spelling::Kept, 1),
        [b'%', high, low, ..] => match (digit(high), digit(low)) {
            (Some(high_value), Some(low_value)) => {
                let byte = high_value << 4 | low_value;
                if PLAIN[usize::from(byte)] && byte != b'/' {
                    (Spelling::Plain(byte), 3)
                } else if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
                    (Spelling::Escaped(byte), 3)
                } else {
                    (Spelling::Kept, 3)
                }
            }
            _ => (Spelling::Escaped(b'%'), 1),
        },
        [byte, ..] => (Spelling::Escaped(byte), 1),
        [] => (Spelling::Kept, 0),
    }
}

/// The path in normal form, where the first `kept` bytes are so already.
#[cold]
fn respelled(path: &str, kept: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(path.len() + 16);
    out.push_str(&path[..kept]);
    let bytes = path.as_bytes();
    let mut at = kept;
    while at < bytes.len() {
        let (spelling, length) = spelling(&bytes[at..]);
        match spelling {
            // Only ASCII is ever kept, so these are whole characters.
            Spelling::Kept => out.extend(bytes[at..at + length].iter().map(|b| char::from(*b))),
            Spelling::Plain(byte) => out.push(char::from(byte)),
            Spelling::Escaped(byte) => {
                let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
                out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
        at += length;
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_character_has_one_spelling() {
        for (path, normal) in [
            ("/", "/"),
            ("*", "*"),
            ("", ""),
            ("/%61dmin", "/admin"),
            ("/%41%5a%7E", "/AZ~"),
            ("/%40me:%3a;%3B", "/@me::;;"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2Fb", "/a%2Fb"),
            ("/%2561dmin", "/%2561dmin"),
            ("/%2e%2E/x", "/../x"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a b\\c", "/a%20b%5Cc"),
            ("/100%", "/100%25"),
            ("/%zz%4", "/%25zz%254"),
            ("/%%61", "/%25a"),
            ("/%00", "/%00"),
        ] {
            assert_eq!(normalise(path), normal, "{path}");
        }
    }

    #[test]
    fn a_path_in_normal_form_is_not_copied() {
        for path in ["/orders/7", "/a%20b/%2F", "/@me/it's,fine;v=1/(x)"] {
            assert!(matches!(normalise(path), Cow::Borrowed(_)), "{path}");
        }
    }

    #[test]
    fn dot_segments_are_found_in_any_spelling() {
        for path in ["/..", "/a/../b", "/./", "/%2e%2e/x", "/a/.%2E", "/%2E"] {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in ["/", "/...", "/a..b", "/.well-known/x", "/%252e", "/..%2F"] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn normal_form_is_stable_and_keeps_the_separators(path in "\\PC*|[/%a-f0-9.]*") {
            let once = normalise(&path).into_owned();
            prop_assert_eq!(normalise(&once), once.as_str());
            prop_assert_eq!(once.matches('/').count(), path.matches('/').count());
            prop_assert!(once.is_ascii());
        }

        #[test]
        fn escaping_any_byte_but_the_slash_changes_nothing(path in "/[a-zA-Z0-9@:!,;=.~/-]*", pick: u64) {
            let spelled: String = path
                .bytes()
                .enumerate()
                .map(|(at, byte)| if byte != b'/' && pick >> (at % 64) & 1 == 1 {
                    format!("%{byte:02x}")
                } else {
                    char::from(byte).to_string()
                })
                .collect();
            prop_assert_eq!(normalise(&spelled), path.as_str());
        }
    }
}
