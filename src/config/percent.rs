//! [`Percent`]: a share of a whole, `"10%"`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::value::text_value;

/// A share of a whole: `"10%"`, `"0.5%"`; as many ten-thousandths of a per cent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Percent(u32);

/// The digits behind the point that count.
const DIGITS: usize = 4;
const ONE: u32 = 10_000;

impl Percent {
    /// The whole.
    pub const ALL: Self = Self(100 * ONE);

    /// The same of another whole.
    pub fn of(self, whole: u64) -> u64 {
        let part = u128::from(whole) * u128::from(self.0) / u128::from(Self::ALL.0);
        // A part is no more than its whole.
        u64::try_from(part).unwrap_or(whole)
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a share; write it like \"10%\" or \"0.5%\"");
        let number = text.strip_suffix('%').ok_or_else(bad)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > DIGITS {
            return Err(bad());
        }
        let part: u32 = format!("{part:0<DIGITS$}").parse().map_err(|_| bad())?;
        let whole = whole.parse::<u32>().ok().and_then(|whole| whole.checked_mul(ONE));
        let all = whole.and_then(|whole| whole.checked_add(part)).map(Self);
        all.filter(|all| *all <= Self::ALL).ok_or_else(|| format!("`{text}` is more than all"))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:0DIGITS$}", self.0 % ONE);
        match part.trim_end_matches('0') {
            "" => write!(f, "{}%", self.0 / ONE),
            part => write!(f, "{}.{part}%", self.0 / ONE),
        }
    }
}

text_value!(Percent, "percent", "10%");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_written_in_per_cent() {
        for (text, of_a_million) in [
            ("0%", 0),
            ("100%", 1_000_000),
            ("10%", 100_000),
            ("0.5%", 5_000),
            ("99.9999%", 999_999),
        ] {
            let share: Percent = text.parse().unwrap();
            assert_eq!(share.of(1_000_000), of_a_million, "{text}");
            assert_eq!(share.to_string(), text);
        }
        assert_eq!("07.50%".parse::<Percent>().unwrap().to_string(), "7.5%");
        assert_eq!(Percent::ALL.of(1 << 32), 1 << 32);
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "10", "%", "10 %", ".5%", "5.%", "-1%", "+1%", "0.00001%", "1e1%"] {
            assert!(text.parse::<Percent>().is_err_and(|says| says.contains("0.5%")), "{text}");
        }
        for text in ["100.0001%", "101%", "4294967296%"] {
            assert!(text.parse::<Percent>().is_err_and(|says| says.contains("more than all")));
        }
    }
}
