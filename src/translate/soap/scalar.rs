//! Text of a simple type as JSON, and JSON as such text.
//!
//! Numbers keep their digits: what a service says of an amount is what a client reads, digit by digit.

use std::{borrow::Cow, fmt::Write as _};

use serde_json::{Number, Value};

use super::schema::{Form, Hold, Simple};

impl Simple {
    /// Reads text, and adds it as JSON.
    ///
    /// # Errors
    /// The text is not of this type; what it should be is said.
    pub(super) fn read(
        &self,
        text: &str,
        json: &mut String,
        hold: Hold,
    ) -> Result<(), &'static str> {
        self.read_form(text, json, hold)?;
        self.check(text, hold)
    }

    fn read_form(&self, text: &str, json: &mut String, hold: Hold) -> Result<(), &'static str> {
        match &self.form {
            Form::Text => quote(&self.space().of(text), json),
            Form::Boolean => json.push_str(match text.trim() {
                "true" | "1" => "true",
                "false" | "0" => "false",
                _ => return Err("must be a boolean"),
            }),
            Form::Integer => number(text.trim(), false, json).ok_or("must be an integer")?,
            Form::Decimal => number(text.trim(), true, json).ok_or("must be a number")?,
            Form::Float => float(text.trim(), json).ok_or("must be a number")?,
            Form::List(item) => {
                json.push('[');
                for (index, text) in text.split_ascii_whitespace().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    item.read(text, json, hold)?;
                }
                json.push(']');
            }
        }
        Ok(())
    }

    /// JSON as text of this type.
    ///
    /// # Errors
    /// It is not of this type; what it should be is said.
    pub(super) fn write<'v>(
        &self,
        json: &'v Value,
        hold: Hold,
    ) -> Result<Cow<'v, str>, &'static str> {
        let text = self.write_form(json, hold)?;
        self.check(&text, hold)?;
        Ok(text)
    }

    fn check(&self, text: &str, hold: Hold) -> Result<(), &'static str> {
        match hold {
            Hold::Form => Ok(()),
            hold => self.facets.check(&self.form, &self.space().of(text), hold),
        }
    }

    fn write_form<'v>(&self, json: &'v Value, hold: Hold) -> Result<Cow<'v, str>, &'static str> {
        match (&self.form, json) {
            (Form::Text, Value::String(text)) => Ok(Cow::Borrowed(text)),
            (Form::Text, _) => Err("must be a string"),
            (Form::Boolean, Value::Bool(true)) => Ok(Cow::Borrowed("true")),
            (Form::Boolean, Value::Bool(false)) => Ok(Cow::Borrowed("false")),
            (Form::Boolean, _) => Err("must be a boolean"),
            (Form::Integer, Value::Number(number)) => integer(number).ok_or("must be an integer"),
            (Form::Integer, _) => Err("must be an integer"),
            (Form::Decimal, Value::Number(number)) => Ok(Cow::Owned(plain(number))),
            (Form::Float, Value::Number(number)) => Ok(Cow::Owned(number.to_string())),
            (Form::Float, Value::String(text)) if is_no_number(text) => Ok(Cow::Borrowed(text)),
            (Form::Decimal | Form::Float, _) => Err("must be a number"),
            (Form::List(item), Value::Array(list)) => {
                let mut texts = String::new();
                for json in list {
                    let text = item.write(json, hold)?;
                    if text.is_empty() || text.contains([' ', '\t', '\n', '\r']) {
                        return Err("must be a list of values without space in them");
                    }
                    let space = if texts.is_empty() { "" } else { " " };
                    let _ = write!(texts, "{space}{text}");
                }
                Ok(Cow::Owned(texts))
            }
            (Form::List(_), _) => Err("must be a list"),
        }
    }
}

/// Adds a string of JSON.
pub(super) fn quote(text: &str, json: &mut String) {
    let _ = write!(json, "{}", Value::from(text));
}

fn is_no_number(text: &str) -> bool {
    matches!(text, "INF" | "-INF" | "NaN")
}

/// A whole number of JSON, which may be written `7.0`.
fn integer(number: &Number) -> Option<Cow<'static, str>> {
    /// From here on not every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_f64() {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT)?;
        return Some(Cow::Owned(format!("{float:.0}")));
    }
    Some(Cow::Owned(number.to_string()))
}

/// A number without an exponent, which decimals have none of.
fn plain(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

/// Adds a number as JSON writes it: no sign `+`, no zeros before it, no bare point.
fn number(text: &str, with_fraction: bool, json: &mut String) -> Option<()> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some(parts) if with_fraction => parts,
        Some(_) => return None,
        None => (digits, ""),
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    json.push_str(sign);
    let whole = whole.trim_start_matches('0');
    json.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        json.push('.');
        json.push_str(fraction);
    }
    Some(())
}

fn float(text: &str, json: &mut String) -> Option<()> {
    if is_no_number(text) {
        quote(text, json);
        return Some(());
    }
    // What Rust takes beyond XML Schema are words.
    let is_number =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let float = text.parse().ok().filter(|_| is_number).and_then(Number::from_f64)?;
    let _ = write!(json, "{float}");
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Hold;
    use crate::translate::soap::schema::builtin::builtin;

    #[test]
    fn text_of_a_type_is_json_of_that_type() {
        for (name, text, expected) in [
            ("string", " a\"b\u{1F600}\n", Some("\" a\\\"b😀\\n\"")),
            ("boolean", " 1 ", Some("true")),
            ("boolean", "0", Some("false")),
            ("boolean", "yes", None),
            ("int", "+007", Some("7")),
            ("int", "-0", Some("-0")),
            ("int", "1.0", None),
            ("int", "", None),
            ("int", "-", None),
            ("int", "1e3", None),
            ("integer", "123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("decimal", "012.50", Some("12.50")),
            ("decimal", ".5", Some("0.5")),
            ("decimal", "5.", Some("5")),
            ("decimal", ".", None),
            ("decimal", "1,5", None),
            ("decimal", "0.12345678901234567890", Some("0.12345678901234567890")),
            ("double", "1E3", Some("1000.0")),
            ("double", "-INF", Some("\"-INF\"")),
            ("double", "NaN", Some("\"NaN\"")),
            ("double", "infinity", None),
            ("double", "1e999", None),
            ("NMTOKENS", " a  b ", Some("[\"a\",\"b\"]")),
            ("date", "2026-11-29Z", Some("\"2026-11-29Z\"")),
            ("token", " a \n  b ", Some("\"a b\"")),
            ("normalizedString", " a\n b", Some("\" a  b\"")),
        ] {
            let mut json = String::new();
            let read =
                builtin(name).unwrap().read(text, &mut json, Hold::Form).ok().map(|()| &*json);
            assert_eq!(read, expected, "{name} {text}");
        }
    }

    #[test]
    fn json_of_a_type_is_text_of_that_type() {
        for (name, json, expected) in [
            ("string", json!("a"), Some("a")),
            ("string", json!(1), None),
            ("boolean", json!(false), Some("false")),
            ("boolean", json!("false"), None),
            ("int", json!(-7), Some("-7")),
            ("int", json!(7.0), Some("7")),
            ("int", json!(7.5), None),
            ("int", json!(1e300), None),
            ("int", json!("7"), None),
            ("unsignedLong", json!(u64::MAX), Some("18446744073709551615")),
            ("decimal", json!(1e21), Some("1000000000000000000000")),
            ("decimal", json!(12.5), Some("12.5")),
            ("decimal", json!(0.000_000_1), Some("0.0000001")),
            ("double", json!(1e300), Some("1e+300")),
            ("double", json!("INF"), Some("INF")),
            ("double", json!("1"), None),
            ("NMTOKENS", json!(["a", "b"]), Some("a b")),
            ("NMTOKENS", json!(["a b"]), None),
            ("NMTOKENS", json!("a"), None),
        ] {
            let written = builtin(name).unwrap().write(&json, Hold::Form).ok();
            assert_eq!(written.as_deref(), expected, "{name} {json}");
        }
    }
}
