//! The one form in which paths are compared, so that no spelling of a path dodges its route.
//!
//! In: a path as the client wrote it, or a piece of a pattern. Out: the same path with each
//! character spelled in one way. It is for matching only: what goes to the origin is the path as it
//! came, without dot segments: those are taken out before anything is compared, and no rewrite makes any.

use std::borrow::Cow;

/// Bytes that stand for themselves in a path: RFC 3986's `pchar`, and the `/` between segments. Without `;`, which
/// does so too, but at which some origins cut a segment.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@/";
    let mut at = 0;
    while at < plain.len() {
        table[plain[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether a byte stands for itself in the form in which paths are compared.
#[inline]
pub fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)] || byte == b';'
}

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
    read(path).0
}

/// The same, and whether the path has anything that an origin might take for the end of a segment: an escaped
/// slash, a backslash or a `;`.
pub fn read(path: &str) -> (Cow<'_, str>, bool) {
    let bytes = path.as_bytes();
    let (mut at, mut hides) = (0, false);
    while at < bytes.len() {
        match spelling(&bytes[at..]) {
            (Spelling::Kept, length) => at += length,
            (Spelling::Hiding, length) => {
                hides = true;
                at += length;
            }
            (Spelling::Plain(_) | Spelling::Escaped(_), _) => {
                let path = respelled(path, at);
                let hides = hides_separator(&path);
                return (Cow::Owned(path), hides);
            }
        }
    }
    (Cow::Borrowed(path), hides)
}

/// Whether a path in normal form, or a piece of one, has what an origin might take for the end of a segment.
pub fn hides_separator(normal: &str) -> bool {
    normal.contains([';', '%'])
        && (normal.contains(';') || normal.contains("%2F") || normal.contains("%5C"))
}

/// A path in normal form as the most careless origin would read it: with escaped slashes and backslashes for `/`,
/// and nothing of a segment from its `;` on.
fn read_carelessly(normal: &str) -> String {
    Ends { slash: true, backslash: true, parameter: true }.applied(normal)
}

/// A path as origins read it that end segments where Janua does not, each in its own way. In: the path as it came. One
/// that hides no separator has no such readings, and some may come more than once.
///
/// Origins differ in what they take for `/` (an escaped slash, backslashes, of which WHATWG's URLs have only those
/// that are not escaped), and in whether they drop parameters, which is a `;` and what is behind it in its segment. It
/// matters when they do so: Tomcat drops them before it decodes, so that `/;%2Fx/admin` is `/admin` there, and others
/// afterwards, who read `/x/admin`.
pub fn readings(path: &str) -> impl Iterator<Item = String> {
    const BOTH: [bool; 2] = [false, true];
    let mut first: Vec<Cow<'_, str>> = vec![Cow::Borrowed(path)];
    if path.contains('\\') {
        first.push(Cow::Owned(path.replace('\\', "/")));
    }
    if path.contains(';') {
        let cut: Vec<_> = first.iter().map(|path| Cow::Owned(without_parameters(path))).collect();
        first.extend(cut);
    }
    first.into_iter().enumerate().flat_map(|(at, path)| {
        let normal = normalise(&path).into_owned();
        let may = |hides: &str, one: bool| !one || normal.contains(hides);
        let ends = BOTH.into_iter().flat_map(|slash| {
            BOTH.into_iter().flat_map(move |backslash| {
                BOTH.into_iter().map(move |parameter| Ends { slash, backslash, parameter })
            })
        });
        let ends = ends.filter(|ends| {
            (at > 0 || ends.slash || ends.backslash || ends.parameter)
                && may("%2F", ends.slash)
                && may("%5C", ends.backslash)
                && may(";", ends.parameter)
        });
        ends.map(|ends| ends.applied(&normal)).collect::<Vec<_>>()
    })
}

/// Where an origin ends segments besides at each `/`.
#[derive(Clone, Copy)]
struct Ends {
    /// At an escaped slash.
    slash: bool,
    /// At a backslash, which is escaped in the normal form.
    backslash: bool,
    /// At a `;`, and what is left of the segment counts for nothing.
    parameter: bool,
}

impl Ends {
    /// What a path in normal form is then.
    fn applied(self, normal: &str) -> String {
        let mut path = String::with_capacity(normal.len());
        let (mut left, mut dropped) = (normal.chars(), false);
        while let Some(next) = left.next() {
            let escaped = match left.as_str().as_bytes() {
                [b'2', b'F', ..] => self.slash,
                [b'5', b'C', ..] => self.backslash,
                _ => false,
            };
            let next = if next == '%' && escaped {
                left = left.as_str()[2..].chars();
                '/'
            } else {
                next
            };
            dropped = next != '/' && (dropped || self.parameter && next == ';');
            if !dropped {
                path.push(next);
            }
        }
        path
    }
}

/// A path, in any spelling, without what is behind a `;` in each segment.
fn without_parameters(path: &str) -> String {
    Ends { slash: false, backslash: false, parameter: true }.applied(path)
}

/// Which dot segments a path has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dots {
    /// None.
    None,
    /// `.` or `..`, in any spelling: an origin would resolve it and serve another path than the one that was
    /// matched, so it is resolved before.
    Plain,
    /// One that is there for some origins only: `..%2F`, `..\\`, `..;x`. Nobody can say which path it means.
    Hidden,
}

/// Whether segments of a path are `.` or `..`.
pub fn dots(path: &str) -> Dots {
    let mut before = b'/';
    let may_have = path.bytes().any(|byte| {
        let may = matches!(byte, b'%' | b'\\') || byte == b'.' && before == b'/';
        before = byte;
        may
    });
    // Nearly no path has a segment that begins like one.
    if !may_have {
        return Dots::None;
    }
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    let mut found = Dots::None;
    for segment in path.split('/').map(normalise) {
        if is_dots(&segment) {
            found = Dots::Plain;
        } else if hides_separator(&segment) && read_carelessly(&segment).split('/').any(is_dots) {
            return Dots::Hidden;
        }
    }
    found
}

/// A path, with a query or without, without such segments (RFC 3986 section 5.2.4): an origin would resolve them,
/// so the route has to be found for what the origin will serve. One that has none is borrowed.
pub fn without_dot_segments(target: &str) -> Cow<'_, str> {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    match dots(path) {
        Dots::None => Cow::Borrowed(target),
        Dots::Plain | Dots::Hidden => Cow::Owned(resolved(path) + query),
    }
}

fn resolved(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match &*short(segment) {
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

fn short(segment: &str) -> Cow<'_, str> {
    if segment.len() <= 6 { normalise(segment) } else { Cow::Borrowed(segment) }
}

/// How the first character of some bytes is spelled in the normal form.
enum Spelling {
    /// As it is.
    Kept,
    /// The same, and an origin might end a segment there.
    Hiding,
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
        [b';', ..] => (Spelling::Hiding, 1),
        [b'%', high, low, ..] => match (digit(high), digit(low)) {
            (Some(high_value), Some(low_value)) => {
                let byte = high_value << 4 | low_value;
                if (PLAIN[usize::from(byte)] || byte == b';') && byte != b'/' {
                    (Spelling::Plain(byte), 3)
                } else if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
                    (Spelling::Escaped(byte), 3)
                } else if matches!(byte, b'/' | b'\\') {
                    (Spelling::Hiding, 3)
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
            Spelling::Kept | Spelling::Hiding => {
                out.extend(bytes[at..at + length].iter().map(|b| char::from(*b)));
            }
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
        for (path, found) in [
            ("/..", Dots::Plain),
            ("/a/../b", Dots::Plain),
            ("/./", Dots::Plain),
            ("/%2e%2e/x", Dots::Plain),
            ("/a/.%2E", Dots::Plain),
            ("/%2E", Dots::Plain),
            ("/a;b/../c", Dots::Plain),
            ("/", Dots::None),
            ("/...", Dots::None),
            ("/a..b", Dots::None),
            ("/.well-known/x", Dots::None),
            ("/%252e", Dots::None),
            ("/a%2Fb", Dots::None),
            ("/a;..", Dots::None),
            ("/...;x", Dots::None),
            ("/..%2F", Dots::Hidden),
            ("/q/..%2fadmin", Dots::Hidden),
            ("/q%2f..", Dots::Hidden),
            ("/q%2F%2e%2e%5Cx", Dots::Hidden),
            ("/q/..\\admin", Dots::Hidden),
            ("/..;/x", Dots::Hidden),
            ("/q/.%2E%3bx/y", Dots::Hidden),
            ("/.;", Dots::Hidden),
            ("/../a/..;x", Dots::Hidden),
        ] {
            assert_eq!(dots(path), found, "{path}");
        }
    }

    #[test]
    fn what_may_end_a_segment_is_seen() {
        for (path, hides, careless) in [
            ("/a/b", false, "/a/b"),
            ("/a%20b", false, "/a%20b"),
            ("/a%252Fb", false, "/a%252Fb"),
            ("/a%2Fb", true, "/a/b"),
            ("/a%2fb", true, "/a/b"),
            ("/a\\b%5cc", true, "/a/b/c"),
            ("/a;b/c;d=e", true, "/a/c"),
            ("/a%3bb/c", true, "/a/c"),
            ("/;x/a", true, "//a"),
        ] {
            let (normal, found) = read(path);
            assert_eq!((found, hides_separator(&normal)), (hides, hides), "{path}");
            assert_eq!(read_carelessly(&normal), careless, "{path}");
        }
    }

    #[test]
    fn each_kind_of_origin_has_its_reading() {
        let all = |path| {
            let mut all: Vec<String> = readings(path).collect();
            all.sort();
            all.dedup();
            all
        };
        assert!(all("/a/b").is_empty() && all("/a%20b").is_empty());
        assert_eq!(all("/a%2fb"), ["/a/b"]);
        assert_eq!(all("/a%2Fb%5Cc"), ["/a%2Fb/c", "/a/b%5Cc", "/a/b/c"]);
        // What is escaped may be none of the separators, even where the other is.
        assert_eq!(all("/a\\b%5Cc"), ["/a/b%5Cc", "/a/b/c"]);
        assert_eq!(all("/a;b/c"), ["/a/c"]);
        assert_eq!(all("/;%2Fx/a"), ["//a", "//x/a", "/;/x/a"]);
        // Only who decodes it first sees a `;`.
        assert_eq!(all("/%3Bx/a"), ["//a"]);
    }

    proptest! {
        #[test]
        fn normal_form_is_stable_and_keeps_the_separators(path in "\\PC*|[/%a-f0-9.]*") {
            let once = normalise(&path).into_owned();
            prop_assert_eq!(normalise(&once), once.as_str());
            prop_assert_eq!(once.matches('/').count(), path.matches('/').count());
            prop_assert!(once.is_ascii());
        }

        /// What the most careless origin makes of a path: it decodes all of it, takes a backslash for a slash, and
        /// cuts segments at a `;`.
        #[test]
        fn no_dot_segment_is_missed_that_any_origin_sees(
            path in "(/|%2[fF]|%5[cC]|\\\\|;|%3[bB]|[.]|%2[eE]|%25|%|a|2e){0,12}",
        ) {
            let decoded: Vec<u8> = percent_encoding::percent_decode_str(&path).collect();
            let is_dots = |piece: &[u8]| {
                let piece = piece.split(|byte| *byte == b';').next();
                matches!(piece, Some(b"." | b".."))
            };
            let seen = decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots);
            prop_assert_eq!(dots(&path) != Dots::None, seen, "{:?}", dots(&path));
            // Nor by one that drops parameters before it decodes.
            for reading in readings(&path) {
                let sees = reading.split('/').any(|segment| is_dots(segment.as_bytes()));
                prop_assert!(seen || !sees, "{}", reading);
            }
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
