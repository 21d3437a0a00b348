//! A rate: how many in which time.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration as StdDuration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::value::text_value;

/// How many in which time: `"10/s"`, `"600/m"`, `"1000/h"`, `"5000/d"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// The letter of the unit of time: `s`, `m`, `h` or `d`.
    unit: char,
}

/// Faster than this the nanosecond is too coarse, and no gateway is that fast.
const FASTEST: u64 = 1_000_000;

/// The units of time, in seconds.
const UNITS: [(char, u32); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];

impl Rate {
    /// In which time.
    pub fn period(self) -> StdDuration {
        let unit = UNITS.iter().find(|(unit, _)| *unit == self.unit);
        StdDuration::from_secs(unit.map_or(1, |(_, seconds)| *seconds).into())
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("`{text}` is not a rate; write it like \"10/s\", \"600/m\" or \"1000/h\"");
        let (count, unit) = text.split_once('/').ok_or_else(bad)?;
        let known = UNITS.iter().find(|(known, _)| unit.strip_prefix(*known) == Some(""));
        let (unit, seconds) = known.copied().ok_or_else(bad)?;
        if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let fast = || format!("`{text}` is faster than {FASTEST} in a second");
        let count: u32 = count.parse().map_err(|_| fast())?;
        if count == 0 {
            return Err(format!("`{text}` would let nothing through"));
        }
        if u64::from(count) > FASTEST * u64::from(seconds) {
            return Err(fast());
        }
        Ok(Self { count, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit)
    }
}

text_value!(Rate, "rate", "10/s");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_come_back() {
        for (text, count, seconds) in
            [("10/s", 10, 1), ("600/m", 600, 60), ("1/d", 1, 86_400), ("1000000/s", 1_000_000, 1)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count, rate.period().as_secs()), (count, seconds), "{text}");
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "10",
            "10/",
            "/s",
            "-1/s",
            "+1/s",
            "1.5/s",
            "10/sec",
            "10 /s",
            "10/S",
            "0/s",
            "1000001/s",
            "99999999999/s",
            "1/s/s",
            "10/w",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
