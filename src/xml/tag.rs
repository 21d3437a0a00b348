//! The inside of a start tag: its name and its attributes, as they are written.
//!
//! The library below finds where a tag ends; what is in it is held to the grammar here.

use std::borrow::Cow;

use super::chars::{is_char, is_space};

/// What is wrong, and at which byte of the tag.
pub(super) type Wrong = (usize, &'static str);

/// An attribute as it is written: the bytes where it is, its name, its value between the quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'a> {
    pub(super) at: usize,
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// What a tag's attributes are read from.
#[derive(Debug)]
pub(super) struct Tag<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tag<'a> {
    /// Splits off the name; what is given is without angle brackets.
    pub(super) fn new(text: &'a str) -> (&'a str, Self) {
        let end = text.bytes().position(is_space).unwrap_or(text.len());
        (&text[..end], Self { text, at: end })
    }

    /// The next attribute.
    pub(super) fn next(&mut self) -> Option<Result<Written<'a>, Wrong>> {
        let before = self.at;
        self.space();
        if self.at == self.text.len() {
            return None;
        }
        if self.at == before {
            return Some(Err((self.at, "there is no space before an attribute")));
        }
        Some(self.attribute())
    }

    fn attribute(&mut self) -> Result<Written<'a>, Wrong> {
        let at = self.at;
        let rest = &self.text[at..];
        let end = rest.bytes().position(|byte| byte == b'=' || is_space(byte));
        let name = &rest[..end.unwrap_or(rest.len())];
        self.at += name.len();
        self.space();
        if self.text.as_bytes().get(self.at) != Some(&b'=') {
            return Err((at, "an attribute has no value"));
        }
        self.at += 1;
        self.space();
        let quote = match self.text.as_bytes().get(self.at) {
            Some(quote @ (b'"' | b'\'')) => char::from(*quote),
            _ => return Err((at, "an attribute's value is not quoted")),
        };
        let rest = &self.text[self.at + 1..];
        let end = rest.find(quote).ok_or((at, "an attribute's value does not end"))?;
        let value = &rest[..end];
        if value.contains('<') {
            return Err((at, "an attribute's value has a `<` in it"));
        }
        self.at += end + 2;
        Ok(Written { at, name, value })
    }

    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
    }
}

/// An attribute's value as it is meant: references resolved, space as XML 1.0 section 3.3.3 says.
pub(super) fn value(written: &str) -> Result<Cow<'_, str>, &'static str> {
    if !written.bytes().any(|byte| matches!(byte, b'&' | b'\t' | b'\n' | b'\r')) {
        return Ok(Cow::Borrowed(written));
    }
    let mut meant = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find(['&', '\t', '\n', '\r']) {
        meant.push_str(&rest[..at]);
        let sign = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        match sign {
            b'&' => {
                let end = rest.find(';').ok_or(DANGLING)?;
                meant.push(reference(&rest[..end])?);
                rest = &rest[end + 1..];
            }
            // A line end of two bytes is one.
            b'\r' if rest.starts_with('\n') => {}
            _ => meant.push(' '),
        }
    }
    meant.push_str(rest);
    Ok(Cow::Owned(meant))
}

/// An ampersand that begins no reference.
pub(super) const DANGLING: &str = "an `&` begins no reference";

/// The character that a reference means; what is given is between `&` and `;`.
pub(super) fn reference(name: &str) -> Result<char, &'static str> {
    let number = match name {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "apos" => return Ok('\''),
        "quot" => return Ok('"'),
        name => name.strip_prefix('#').ok_or("an entity is not one of the five of XML")?,
    };
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
    let code = match digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => u32::from_str_radix(digits, radix).ok(),
        false => None,
    };
    let sign = code.and_then(char::from_u32).filter(|sign| is_char(*sign));
    sign.ok_or("a character reference means no character of XML")
}
