//! Facets: what a type asks of a value beyond its form.
//!
//! In: text as XML has it. Out: whether it keeps to what all steps of its type say. JSON Schema says much of it
//! to clients, and has no words for the rest: octets, digits, values beside their digits.

use std::{borrow::Cow, cmp::Ordering};

use regex::Regex;

use super::{Form, Simple};

/// How far a text is held to its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::translate::soap) enum Hold {
    /// To its form alone.
    Form,
    /// To its facets too, but for the pattern of a number: we write it, and the client says its value only.
    Value,
    /// To all that is asked of it.
    Text,
}

/// What is asked of a value.
#[derive(Clone, Debug, Default)]
pub(in crate::translate::soap) struct Facets {
    pub(super) space: Space,
    /// What its length counts, if these are octets.
    pub(super) octets: Option<Octets>,
    /// One for each step that has patterns; all have to match.
    pub(super) patterns: Vec<Regex>,
    /// It is one of these, if there are any.
    pub(super) values: Vec<Box<str>>,
    pub(super) shortest: Option<usize>,
    pub(super) longest: Option<usize>,
    pub(super) low: Option<Bound>,
    pub(super) high: Option<Bound>,
    /// It is of one of these types, if there are any.
    pub(super) types: Vec<Simple>,
    /// Digits in all.
    pub(super) digits: Option<usize>,
    /// Digits behind the point.
    pub(super) fraction: Option<usize>,
}

/// How octets are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Octets {
    Hex,
    Base64,
}

/// A bound for numbers.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) value: Box<str>,
    /// It is not one of the values itself.
    pub(super) out: bool,
}

/// What becomes of white space.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::translate::soap) enum Space {
    #[default]
    Preserve,
    Replace,
    Collapse,
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

impl Space {
    /// A text as its type means it.
    pub(in crate::translate::soap) fn of(self, text: &str) -> Cow<'_, str> {
        let other = |letter: char| SPACE[1..].contains(&letter);
        match self {
            Self::Replace if text.contains(other) => Cow::Owned(text.replace(other, " ")),
            Self::Collapse
                if text.contains(other)
                    || text.contains("  ")
                    || text.starts_with(' ')
                    || text.ends_with(' ') =>
            {
                let words: Vec<&str> = text.split(SPACE).filter(|word| !word.is_empty()).collect();
                Cow::Owned(words.join(" "))
            }
            Self::Preserve | Self::Replace | Self::Collapse => Cow::Borrowed(text),
        }
    }
}

impl Facets {
    /// Whether a text of this form, with white space as its type means it, keeps to them.
    ///
    /// # Errors
    /// It does not; what it should be is said.
    pub(in crate::translate::soap) fn check(
        &self,
        form: &Form,
        text: &str,
        hold: Hold,
    ) -> Result<(), &'static str> {
        let is_ours = hold == Hold::Value && !matches!(form, Form::Text);
        if !is_ours && !self.patterns.iter().all(|pattern| pattern.is_match(text)) {
            return Err("does not match its pattern");
        }
        if !self.values.is_empty() && !self.values.iter().any(|value| same(form, value, text)) {
            return Err("is none of its values");
        }
        // Text is what we write of it, whatever a number in it is worth.
        let is_of = |of: &Simple| of.read(text, &mut String::new(), Hold::Text).is_ok();
        if !self.types.is_empty() && !self.types.iter().any(is_of) {
            return Err("is of none of its types");
        }
        self.check_size(form, text)?;
        let beyond = |bound: &Bound, way: Ordering| match order(form, text, &bound.value) {
            Some(Ordering::Equal) => bound.out,
            found => found != Some(way),
        };
        if self.low.as_ref().is_some_and(|low| beyond(low, Ordering::Greater)) {
            return Err("is too small");
        }
        if self.high.as_ref().is_some_and(|high| beyond(high, Ordering::Less)) {
            return Err("is too large");
        }
        let (digits, fraction) = (self.digits, self.fraction);
        if digits.is_some() || fraction.is_some() {
            let Decimal { whole, fraction: behind, .. } = Decimal::of(text);
            let all = whole.len() + behind.len();
            if digits.is_some_and(|most| all > most) || fraction.is_some_and(|m| behind.len() > m) {
                return Err("has too many digits");
            }
        }
        Ok(())
    }

    fn check_size(&self, form: &Form, text: &str) -> Result<(), &'static str> {
        if self.shortest.is_none() && self.longest.is_none() && self.octets.is_none() {
            return Ok(());
        }
        let size = match (form, self.octets) {
            (Form::List(_), _) => text.split(' ').filter(|item| !item.is_empty()).count(),
            (_, Some(Octets::Hex)) => text.len() / 2,
            (_, Some(Octets::Base64)) => octets(text).ok_or("must be base64")?,
            (_, None) => text.chars().count(),
        };
        if self.shortest.is_some_and(|shortest| size < shortest) {
            return Err("is too short");
        }
        if self.longest.is_some_and(|longest| size > longest) {
            return Err("is too long");
        }
        Ok(())
    }
}

/// How many octets a text of base64 stands for.
fn octets(text: &str) -> Option<usize> {
    let (mut letters, mut padding) = (0_usize, 0_usize);
    for byte in text.bytes().filter(|byte| *byte != b' ') {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => letters += 1,
            _ => return None,
        }
    }
    let is_whole = (letters + padding).is_multiple_of(4) && padding <= 2;
    (is_whole && (padding == 0 || letters > 0)).then_some(letters * 3 / 4)
}

/// Whether two texts of a form mean the same.
fn same(form: &Form, a: &str, b: &str) -> bool {
    let is_true = |text: &str| matches!(text, "true" | "1");
    match form {
        Form::Text | Form::List(_) => a == b,
        Form::Boolean => is_true(a) == is_true(b),
        Form::Integer | Form::Decimal | Form::Float => order(form, a, b) == Some(Ordering::Equal),
    }
}

/// Which of two numbers is larger.
fn order(form: &Form, a: &str, b: &str) -> Option<Ordering> {
    match form {
        Form::Integer | Form::Decimal => Some(Decimal::of(a).cmp(&Decimal::of(b))),
        Form::Float => a.parse::<f64>().ok()?.partial_cmp(&b.parse().ok()?),
        Form::Text | Form::Boolean | Form::List(_) => None,
    }
}

/// A decimal as it is written, however long, without zeros that say nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Decimal<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
}

impl<'t> Decimal<'t> {
    fn of(text: &'t str) -> Self {
        let digits = text.trim_start_matches(['-', '+']);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = whole.is_empty() && fraction.is_empty();
        Self { negative: text.starts_with('-') && !is_zero, whole, fraction }
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |of: &Self| (of.whole.len(), of.whole, of.fraction);
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
            (negative, other) => other.cmp(&negative),
        }
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_compared_digit_by_digit() {
        for (a, b, expected) in [
            ("1", "1.0", Ordering::Equal),
            ("-0", "0.00", Ordering::Equal),
            ("+7", "007", Ordering::Equal),
            ("0.5", "0.45", Ordering::Greater),
            ("0.5", "0.51", Ordering::Less),
            ("-2", "-10", Ordering::Greater),
            ("-1", "0", Ordering::Less),
            ("18446744073709551616", "18446744073709551615", Ordering::Greater),
            ("99999999999999999999.1", "99999999999999999999.10", Ordering::Equal),
        ] {
            assert_eq!(Decimal::of(a).cmp(&Decimal::of(b)), expected, "{a} {b}");
            assert_eq!(Decimal::of(b).cmp(&Decimal::of(a)), expected.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn octets_of_base64_are_counted_and_other_text_is_none() {
        for (text, expected) in [
            ("", Some(0)),
            ("AA==", Some(1)),
            ("AAA=", Some(2)),
            ("AAAA", Some(3)),
            ("AA AA AAA=", Some(5)),
            ("A", None),
            ("AA=A", None),
            ("====", None),
            ("AA-_", None),
        ] {
            assert_eq!(octets(text), expected, "{text}");
        }
    }
}
