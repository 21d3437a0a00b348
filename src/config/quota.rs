//! A quota: how many in each day or month of the calendar.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::value::text_value;

/// How many in each day or month: `"10000/day"`, `"1000000/month"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// How many.
    pub count: u64,
    /// In each of which.
    pub calendar: Calendar,
}

/// What a quota is for. Both begin at midnight UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Calendar {
    /// Each day.
    Day,
    /// Each month.
    Month,
}

/// As much as can be counted.
const MOST: u64 = 1_000_000_000_000;

impl Calendar {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("`{text}` is not a quota; write it like \"10000/day\" or \"1000000/month\"");
        let (count, word) = text.split_once('/').ok_or_else(bad)?;
        let all = [Calendar::Day, Calendar::Month];
        let calendar = all.into_iter().find(|known| known.word() == word).ok_or_else(bad)?;
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        match count.parse() {
            Ok(0) => Err(format!("`{text}` would let nothing through")),
            Ok(count @ 1..=MOST) => Ok(Self { count, calendar }),
            Ok(_) | Err(_) => Err(format!("`{text}` is more than {MOST}, which is unlimited")),
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.calendar.word())
    }
}

text_value!(Quota, "quota", "10000/day");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_come_back() {
        for (text, count, calendar) in [
            ("1/day", 1, Calendar::Day),
            ("1000000/month", 1_000_000, Calendar::Month),
            ("1000000000000/month", MOST, Calendar::Month),
        ] {
            assert_eq!(text.parse(), Ok(Quota { count, calendar }));
            assert_eq!(Quota { count, calendar }.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_quota_is_refused() {
        for text in [
            "",
            "10",
            "10/",
            "/day",
            "-1/day",
            "+1/day",
            "1.5/day",
            "10/d",
            "10 /day",
            "10/Day",
            "0/day",
            "1000000000001/day",
            "99999999999999999999/day",
            "1/day/day",
            "10/week",
        ] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }
}
