//! [`Redaction`]: which query parameters keep their values out of the log.
//!
//! In: names at load, a query or URL of a request. Out: the same, with `***` for what is hidden. A name
//! is compared as the origin will read it: percent-decoded, `+` for a space, and in any case. Where
//! origins disagree on what separates parameters, the reading that hides more wins.

use percent_encoding::percent_decode;

use super::escape::{Style, escape};

const HIDDEN: &[u8] = b"***";

/// Which query parameters keep their values out of the log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Redaction {
    all: bool,
    /// Folded.
    names: Box<[Box<[u8]>]>,
}

impl Redaction {
    /// Hides the values of these parameters; `*` among them hides all.
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<Box<[u8]>> =
            names.into_iter().map(|name| name.as_ref().bytes().map(folded).collect()).collect();
        let all = names.iter().any(|name| &**name == b"*");
        names.sort();
        names.dedup();
        Self { all, names: names.into() }
    }

    /// Writes a query without its question mark.
    pub(super) fn query<S: Style>(&self, query: &[u8], out: &mut Vec<u8>) {
        for (at, piece) in query.split(|byte| *byte == b'&').enumerate() {
            if at > 0 {
                out.push(b'&');
            }
            self.piece::<S>(piece, out);
        }
    }

    /// Writes a URL: its user's part is cut off, and all behind a `?` or `#` is read as a query.
    pub(super) fn url<S: Style>(&self, url: &[u8], out: &mut Vec<u8>) {
        // Only the first of these may begin the authority: a `//` further on is part of a value.
        let mark = url.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'@'));
        let start = mark.filter(|at| url[*at..].starts_with(b"//")).map_or(0, |at| at + 2);
        let (scheme, rest) = url.split_at(start);
        // Up to the first slash, whatever stands in between: a password may hold a raw `?`.
        let authority = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let user = rest[..authority].iter().rposition(|byte| *byte == b'@');
        let rest = user.map_or(rest, |at| &rest[at..]);
        escape::<S>(scheme, out);
        if user.is_some() {
            out.extend_from_slice(HIDDEN);
        }
        let query = rest.iter().position(|byte| matches!(byte, b'?' | b'#'));
        let (path, query) = rest.split_at(query.map_or(rest.len(), |at| at + 1));
        escape::<S>(path, out);
        self.query::<S>(query, out);
    }

    /// Writes what stands between two `&`. Some origins separate by `;` as well, so each part is
    /// looked at, but a value may hold one, so what is hidden is hidden to the end.
    fn piece<S: Style>(&self, piece: &[u8], out: &mut Vec<u8>) {
        let mut start = 0;
        for part in piece.split(|byte| matches!(byte, b';' | b'?' | b'#')) {
            let name = part.iter().position(|byte| *byte == b'=');
            if self.hides(&part[..name.unwrap_or(part.len())], name.is_some()) {
                escape::<S>(&piece[..name.map_or(start, |at| start + at + 1)], out);
                out.extend_from_slice(HIDDEN);
                return;
            }
            start += part.len() + 1;
        }
        escape::<S>(piece, out);
    }

    /// Whether the value with this name is hidden. Without a value the name may be the secret itself,
    /// but only `*` can tell.
    fn hides(&self, name: &[u8], has_value: bool) -> bool {
        if self.all {
            return has_value || !name.is_empty();
        }
        if !has_value {
            return false;
        }
        if name.iter().any(|byte| matches!(byte, b'%' | b'[')) {
            // `token[]=` and `token[a]=` are lists and maps of the same name.
            let decoded = || percent_decode(name).map(folded);
            let same = |hidden: &[u8]| {
                let plain = decoded().take_while(|byte| *byte != b'[');
                decoded().eq(hidden.iter().copied()) || plain.eq(hidden.iter().copied())
            };
            return self.names.iter().any(|hidden| same(hidden));
        }
        let same = |hidden: &[u8]| name.iter().zip(hidden).all(|(raw, byte)| folded(*raw) == *byte);
        self.names.iter().any(|hidden| name.len() == hidden.len() && same(hidden))
    }
}

/// In lower case, and a space for a `+`. A `+` that was encoded is no space, but a name worth hiding
/// has neither.
fn folded(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte.to_ascii_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::line::escape::Word;

    #[test]
    fn queries_lose_what_is_hidden() {
        let some = Redaction::new(["token", "API_key", "a b"]);
        let all = Redaction::new(["token", "*"]);
        for (query, with_some, with_all) in [
            ("", "", ""),
            ("x=1&y=2", "x=1&y=2", "x=***&y=***"),
            ("token=abc", "token=***", "token=***"),
            ("x=1&TOKEN=abc&y=2", "x=1&TOKEN=***&y=2", "x=***&TOKEN=***&y=***"),
            ("%74oke%6E=abc", "%74oke%6E=***", "%74oke%6E=***"),
            ("api%5Fkey=abc=def", "api%5Fkey=***", "api%5Fkey=***"),
            ("a+b=1&a%20b=2", "a+b=***&a%20b=***", "a+b=***&a%20b=***"),
            (
                "token[]=1&token%5Bx%5d=2&b[token]=3",
                "token[]=***&token%5Bx%5d=***&b[token]=3",
                "token[]=***&token%5Bx%5d=***&b[token]=***",
            ),
            ("tokens=1&xtoken=2&token", "tokens=1&xtoken=2&token", "tokens=***&xtoken=***&***"),
            ("x=1;token=a;b", "x=1;token=***", "x=***"),
            ("token=a;b&x=1", "token=***&x=1", "token=***&x=***"),
            ("?token=a", "?token=***", "?token=***"),
            ("&&=&token=", "&&=&token=***", "&&=***&token=***"),
            ("%zz%7=1", "%zz%7=1", "%zz%7=***"),
        ] {
            for (redaction, expected) in [(&some, with_some), (&all, with_all)] {
                let mut out = Vec::new();
                redaction.query::<Word>(query.as_bytes(), &mut out);
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{query}");
            }
        }
    }

    #[test]
    fn urls_lose_users_and_what_is_hidden() {
        let redaction = Redaction::new(["token"]);
        for (url, expected) in [
            ("", ""),
            ("https://a.example/x", "https://a.example/x"),
            ("https://a.example/x?token=1&y=2#z", "https://a.example/x?token=***&y=2#z"),
            ("https://a.example/x#token=1", "https://a.example/x#token=***"),
            ("https://me:pw@a.example/@x", "https://***@a.example/@x"),
            ("https://me:p?w#d@a.example", "https://***@a.example"),
            ("//me@a", "//***@a"),
            ("/x@y?token=1", "/x@y?token=***"),
            ("/x?token=1//2", "/x?token=***"),
            ("me:pw@a.example//x", "***@a.example//x"),
            ("https://a.example?token=1//me@b", "https://a.example?token=***"),
        ] {
            let mut out = Vec::new();
            redaction.url::<Word>(url.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
