//! Lists of directives, as `Cache-Control` has them (RFC 9111 section 5.2, RFC 9110 section 5.6.1).
//!
//! In: field values, whatever they hold. Out: [`Directive`]s. Strict about what a directive means, since a
//! lifetime that was not meant is worse than none; tolerant of what stands around it; and where a member
//! is no directive, the words in it that forbid something are heard all the same ([`words`]).

/// Most seconds that there are (RFC 9111 section 1.2.2).
pub(super) const FOREVER: u32 = 1 << 31;

/// A member of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Directive<'a> {
    pub(super) name: &'a [u8],
    pub(super) argument: Argument<'a>,
}

/// What a directive says beside its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Argument<'a> {
    None,
    Token(&'a [u8]),
    /// What is between the quotes.
    Quoted(&'a [u8]),
    /// Not an argument by the grammar.
    Broken,
}

impl<'a> Directive<'a> {
    /// Reads a member.
    pub(super) fn read(member: &'a [u8]) -> Self {
        let end = member.iter().position(|byte| !is_token(*byte)).unwrap_or(member.len());
        let (name, rest) = member.split_at(end);
        let argument = match rest {
            [] => Argument::None,
            _ if name.is_empty() => Argument::Broken,
            [b'=', b'"', quoted @ ..] => match closing(quoted) {
                Some(end) if end + 1 == quoted.len() => Argument::Quoted(&quoted[..end]),
                _ => Argument::Broken,
            },
            [b'=', token @ ..] if !token.is_empty() && token.iter().copied().all(is_token) => {
                Argument::Token(token)
            }
            _ => Argument::Broken,
        };
        Self { name, argument }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The argument as seconds; quotes do no harm (section 5.2: recipients accept both forms).
    pub(super) fn seconds(&self) -> Option<u32> {
        match self.argument {
            Argument::Token(digits) | Argument::Quoted(digits) => seconds(digits),
            Argument::None | Argument::Broken => None,
        }
    }
}

/// `delta-seconds`: digits only, and no more than there are (RFC 9111 section 1.2.2).
pub(super) fn seconds(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit).min(FOREVER))
    })
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Where the quote is that ends a quoted string.
fn closing(quoted: &[u8]) -> Option<usize> {
    let mut escaped = false;
    quoted.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

/// What is between the commas of a list that are in no quotes, spaces around it taken off. Empty members are
/// left out.
#[derive(Clone, Debug)]
pub(super) struct Members<'a> {
    rest: Option<&'a [u8]>,
    /// Whether a backslash in quotes escapes, as everywhere but in entity tags.
    escapes: bool,
}

/// The members of a list.
pub(super) fn members(list: &[u8]) -> Members<'_> {
    Members { rest: Some(list), escapes: true }
}

/// The members of a list of entity tags (RFC 9110 section 8.8.3).
pub(super) fn tags(list: &[u8]) -> Members<'_> {
    Members { rest: Some(list), escapes: false }
}

impl<'a> Members<'a> {
    /// The next member, if it is empty, too.
    pub(super) fn next_even_empty(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (mut quoted, mut escaped) = (false, false);
        let comma = rest.iter().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'"' => quoted = !quoted,
                b'\\' => escaped = quoted && self.escapes,
                _ => {}
            }
            *byte == b',' && !quoted
        });
        let member = rest.get(..comma.unwrap_or(rest.len())).unwrap_or_default();
        self.rest = comma.and_then(|at| rest.get(at + 1..));
        Some(trim(member))
    }

    /// All that is left, in one.
    pub(super) fn take_rest(&mut self) -> Option<&'a [u8]> {
        self.rest.take()
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let member = self.next_even_empty()?;
            if !member.is_empty() {
                return Some(member);
            }
        }
    }
}

/// Without the spaces and tabs around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(begin, |at| at + 1);
    text.get(begin..end).unwrap_or_default()
}

/// The words in a member that is no directive: `no-store no-cache` without the comma forbids both.
pub(super) fn words(member: &[u8]) -> impl Iterator<Item = &[u8]> {
    member.split(|byte| !is_token(*byte)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn directives_are_told_from_what_only_looks_like_them() {
        use Argument::{Broken, None, Quoted, Token};
        let cases: &[(&str, &[(&str, Argument<'_>)])] = &[
            ("no-store", &[("no-store", None)]),
            ("max-age=5", &[("max-age", Token(b"5"))]),
            ("max-age=\"5\"", &[("max-age", Quoted(b"5"))]),
            (" , a ,,\tb ,", &[("a", None), ("b", None)]),
            ("x=\"a, max-age=5\", b", &[("x", Quoted(b"a, max-age=5")), ("b", None)]),
            ("x=\"a\\\", b\", c", &[("x", Quoted(b"a\\\", b")), ("c", None)]),
            ("max-age =5", &[("max-age", Broken)]),
            ("max-age= 5", &[("max-age", Broken)]),
            ("max-age=", &[("max-age", Broken)]),
            ("max-age=\"5\"x", &[("max-age", Broken)]),
            ("max-age='5'", &[("max-age", Token(b"'5'"))]),
            ("x=\"a, b", &[("x", Broken)]),
            ("=5", &[("", Broken)]),
            ("", &[]),
        ];
        for (list, expected) in cases {
            let found: Vec<_> = members(list.as_bytes()).map(Directive::read).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, argument)| Directive { name: name.as_bytes(), argument: *argument })
                .collect();
            assert_eq!(found, expected, "{list}");
        }
    }

    #[test]
    fn seconds_are_digits_and_no_more_than_there_are() {
        let cases = [
            ("0", Some(0)),
            ("003600", Some(3600)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", Some(FOREVER)),
            ("2147483649", Some(FOREVER)),
            ("99999999999999999999999999", Some(FOREVER)),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("1a", None),
            ("a1", None),
            ("", None),
        ];
        for (digits, expected) in cases {
            assert_eq!(seconds(digits.as_bytes()), expected, "{digits}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(list: Vec<u8>) {
            for member in members(&list).chain(tags(&list)) {
                prop_assert!(!member.is_empty());
                Directive::read(member).seconds();
                words(member).count();
            }
        }
    }
}
