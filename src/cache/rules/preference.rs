//! Fields that list what a client takes and how gladly (RFC 9110 section 12.4.2, 12.5.3, 12.5.4).
//!
//! In: the lines of `Accept-Encoding` or `Accept-Language`. Out: what they mean, in one form: the most wanted
//! first, those wanted alike by name, in lower case. The order in which a client writes those that it wants
//! alike means nothing (section 12.5.4). Nothing is allocated.

use http::HeaderValue;

use super::lists::{is_token, members, trim};
use crate::message::{GLADLY, weight};

/// More members than that are not put in order.
const MOST: usize = 16;

/// A member: how gladly, in thousandths, and what.
type Wish<'a> = (u16, &'a [u8]);

/// What a client takes.
#[derive(Debug)]
pub(super) struct Wishes<'a> {
    list: [Wish<'a>; MOST],
    len: usize,
}

impl<'a> Wishes<'a> {
    /// Reads them; none if the lines break the grammar, or there are too many.
    pub(super) fn read(lines: impl Iterator<Item = &'a HeaderValue>) -> Option<Self> {
        let mut wishes = Self { list: [(0, b""); MOST], len: 0 };
        for member in lines.flat_map(|line| members(line.as_bytes())) {
            wishes.add(wish(member)?)?;
        }
        Some(wishes)
    }

    /// Puts it where it belongs; one that is there already is not wanted more.
    fn add(&mut self, wish: Wish<'a>) -> Option<()> {
        let before = |other: &Wish<'_>| {
            let names = || {
                let (a, b) = (other.1.iter(), wish.1.iter());
                a.map(u8::to_ascii_lowercase).cmp(b.map(u8::to_ascii_lowercase))
            };
            wish.0.cmp(&other.0).then_with(names)
        };
        let Err(at) = self.list.get(..self.len)?.binary_search_by(before) else { return Some(()) };
        if self.len == MOST {
            return None;
        }
        self.list.get_mut(at..=self.len)?.rotate_right(1);
        *self.list.get_mut(at)? = wish;
        self.len += 1;
        Some(())
    }

    /// The most wanted first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Wish<'a>> + '_ {
        self.list.iter().take(self.len).copied()
    }

    /// What is wanted more than all else.
    pub(super) fn favourite(&self) -> Option<&'a [u8]> {
        let mut wishes = self.iter();
        let (how, what) = wishes.next()?;
        let alone = wishes.next().is_none_or(|(other, _)| other < how);
        (alone && how > 0 && what != b"*").then_some(what)
    }
}

/// `name`, or `name;q=0.5`
fn wish(member: &[u8]) -> Option<Wish<'_>> {
    let semicolon = member.iter().position(|byte| *byte == b';');
    let name = trim(member.get(..semicolon.unwrap_or(member.len()))?);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return None;
    }
    let Some(semicolon) = semicolon else { return Some((GLADLY, name)) };
    let said = trim(member.get(semicolon + 1..)?);
    let said = said.strip_prefix(b"q=").or_else(|| said.strip_prefix(b"Q="))?;
    Some((weight(said)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_most_comes_first() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("b, a;q=0.5, c", Some(&["b", "c", "a"])),
            ("a, a, a", Some(&["a"])),
            ("", Some(&[])),
            ("a;q=2", None),
            ("a;b=1", None),
            ("a b", None),
            ("a;q=0.5;x=1", None),
            ("a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q", None),
        ];
        for (text, expected) in cases {
            let line = HeaderValue::from_static(text);
            let wishes = Wishes::read([&line].into_iter());
            let found: Option<Vec<Vec<u8>>> =
                wishes.map(|wishes| wishes.iter().map(|(_, name)| name.to_vec()).collect());
            let expected =
                expected.map(|list| list.iter().map(|name| name.as_bytes().to_vec()).collect());
            assert_eq!(found, expected, "{text}");
        }
    }
}
