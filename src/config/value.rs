//! Values that parse themselves: durations, sizes, rates, secrets, one-or-many.
//!
//! In: a TOML scalar as the operator wrote it. Out: a number in one unit. Units live in the string
//! (`"2s"`, `"64MiB"`), never in a key's name, and there is one grammar for each. A newtype here
//! states its grammar in its JSON Schema `format`, and [`check_format`] is how the loader finds every
//! bad value in a file at once instead of the first.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr, time::Duration as StdDuration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A length of time: `"250ms"`, `"2s"`, `"5m"`, `"1h30m"`, `"30d"`.
///
/// Units: `ms`, `s`, `m`, `h`, `d`, added up from left to right. `"0s"` is zero.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Duration(pub StdDuration);

impl Duration {
    /// A duration of whole seconds, for defaults.
    pub const fn secs(seconds: u64) -> Self {
        Self(StdDuration::from_secs(seconds))
    }
}

impl From<StdDuration> for Duration {
    fn from(duration: StdDuration) -> Self {
        Self(duration)
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is not a duration; write it like \"250ms\", \"2s\", \"5m\" or \"1h30m\""
            )
        };
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, tail) = rest.split_at(digits);
            let unit =
                tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let (unit, tail) = tail.split_at(unit);
            let millis = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(bad()),
            };
            let number: u64 = number.parse().map_err(|_| bad())?;
            total = number
                .checked_mul(millis)
                .and_then(|n| total.checked_add(n))
                .filter(|n| *n <= 100 * 365 * 86_400_000)
                .ok_or_else(|| format!("`{text}` is longer than 100 years"))?;
            rest = tail;
        }
        if text.is_empty() { Err(bad()) } else { Ok(Self(StdDuration::from_millis(total))) }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in
            [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
        {
            if millis >= size {
                write!(f, "{}{unit}", millis / size)?;
                millis %= size;
            }
        }
        Ok(())
    }
}

/// A number of bytes: `"512B"`, `"16KiB"`, `"64MiB"`, `"1GB"`.
///
/// Units: `B`, `KiB`/`MiB`/`GiB`/`TiB` (1024) and `kB`/`KB`/`MB`/`GB`/`TB` (1000).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// So many times 1,024 bytes, for defaults.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// The size as a buffer length; what is larger than the address space is its end.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// The units of [`ByteSize`], the ones to print first: largest first, binary before decimal.
const SIZES: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let scale = SIZES.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale);
        match (number.parse::<u64>(), scale) {
            (Ok(number), Some(scale)) => number
                .checked_mul(scale)
                .filter(|n| *n <= 1 << 50)
                .map(Self)
                .ok_or_else(|| format!("`{text}` is larger than 1024TiB")),
            _ => Err(format!(
                "`{text}` is not a size; write it like \"512B\", \"16KiB\" or \"64MiB\""
            )),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, scale): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*scale);
        let (unit, scale) = SIZES.iter().find(fits).unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / scale)
    }
}

/// Bytes in a second: `"256B/s"`, `"1MiB/s"`.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct ByteRate(pub u64);

impl FromStr for ByteRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_suffix("/s")
            .and_then(|size| size.parse::<ByteSize>().ok())
            .map(|size| Self(size.0))
            .ok_or_else(|| {
                format!("`{text}` is not a rate; write it like \"256B/s\" or \"1MiB/s\"")
            })
    }
}

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", ByteSize(self.0))
    }
}

/// Serde and schema for a newtype whose text form is its `FromStr` and `Display`.
macro_rules! text_value {
    ($type:ident, $format:literal, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "examples": [$example] })
            }
        }
    };
}

pub(super) use text_value;

text_value!(Duration, "duration", "2s");
text_value!(ByteSize, "byte-size", "64MiB");
text_value!(ByteRate, "byte-rate", "256B/s");

/// What is wrong with a string that has to be of a named format, if anything is.
///
/// The names are those of the `format` keyword in our schema; an unknown name finds nothing wrong.
pub fn check_format(format: &str, text: &str) -> Result<(), String> {
    match format {
        "duration" => text.parse::<Duration>().map(drop),
        "byte-size" => text.parse::<ByteSize>().map(drop),
        "byte-rate" => text.parse::<ByteRate>().map(drop),
        "percent" => text.parse::<super::Percent>().map(drop),
        "rate" => text.parse::<super::Rate>().map(drop),
        "quota" => text.parse::<super::Quota>().map(drop),
        _ => Ok(()),
    }
}

/// A file that is read at each load; with `server.watch` its changes are looked out for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct File(pub std::path::PathBuf);

/// The `format` of a [`File`] in our schema.
pub(super) const FILE: &str = "file";

impl std::ops::Deref for File {
    type Target = std::path::Path;

    fn deref(&self) -> &std::path::Path {
        &self.0
    }
}

impl AsRef<std::path::Path> for File {
    fn as_ref(&self) -> &std::path::Path {
        self
    }
}

impl JsonSchema for File {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "File".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": FILE })
    }
}

/// One value, or a list of them: `host = "a"` and `host = ["a", "b"]` are both fine.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(from = "Read<T>", into = "Many<T>", bound(serialize = "T: Serialize + Clone"))]
#[schemars(with = "Many<T>", inline)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> OneOrMany<T> {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> std::ops::Deref for OneOrMany<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[schemars(inline)]
enum Many<T> {
    One(T),
    Many(Vec<T>),
}

/// The same, to be read: a list is one first of all, because serde takes it for a table's values too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Read<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> From<Read<T>> for OneOrMany<T> {
    fn from(value: Read<T>) -> Self {
        match value {
            Read::One(one) => Self(vec![one]),
            Read::Many(many) => Self(many),
        }
    }
}

impl<T> From<OneOrMany<T>> for Many<T> {
    fn from(mut value: OneOrMany<T>) -> Self {
        match value.0.pop() {
            Some(last) if value.0.is_empty() => Self::One(last),
            Some(last) => {
                value.0.push(last);
                Self::Many(value.0)
            }
            None => Self::Many(Vec::new()),
        }
    }
}

/// Something that must not be seen: `{ env = "NAME" }`, `{ file = "/run/secrets/x" }`, or the text itself.
///
/// It never prints: `Debug` and serialisation show where it comes from, or stars. A literal one is a
/// finding of `janua check`.
#[derive(Clone, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(untagged)]
pub enum Secret {
    /// The text itself.
    #[schemars(extend("writeOnly" = true))]
    Literal(String),
    /// From an environment variable or a file.
    From(SecretSource),
}

/// Where a secret comes from; one of the two.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum SecretSource {
    /// An environment variable.
    #[schemars(example = BTreeMap::from([("env", "JANUA_SECRET")]))]
    Env(String),
    /// A file; a newline at its end is taken off.
    #[schemars(example = BTreeMap::from([("file", "/run/secrets/janua")]))]
    File(File),
}

impl Secret {
    /// The secret's value, read now.
    ///
    /// # Errors
    /// Says which variable or file is missing or unreadable; never what is in it.
    pub fn reveal(&self) -> Result<zeroize::Zeroizing<String>, String> {
        let text = match self {
            Self::Literal(text) => text.clone(),
            Self::From(SecretSource::Env(name)) => std::env::var(name)
                .map_err(|_| format!("the environment variable `{name}` is not set"))?,
            Self::From(SecretSource::File(path)) => {
                let mut text = std::fs::read_to_string(path).map_err(|error| {
                    format!("cannot read the secret in `{}`: {error}", path.display())
                })?;
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
                text
            }
        };
        Ok(zeroize::Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("***"),
            Self::From(source) => source.fmt(f),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Literal(_) => serializer.serialize_str("***"),
            Self::From(source) => source.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_add_up() {
        for (text, millis) in [
            ("0s", 0),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("1m1m", 120_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(text.parse::<Duration>().unwrap().0.as_millis(), millis, "{text}");
        }
        for (text, bytes) in [("0B", 0), ("16KiB", 16_384), ("1kB", 1_000), ("2GB", 2_000_000_000)]
        {
            assert_eq!(text.parse::<ByteSize>().unwrap().0, bytes, "{text}");
        }
        assert_eq!("1MiB/s".parse::<ByteRate>().unwrap().0, 1 << 20);
    }

    #[test]
    fn what_has_no_unit_or_a_wrong_one_is_refused() {
        for text in
            ["", "5", "s", "5 s", "-5s", "5.5s", "5S", "5w", "1h30", "99999999999999999999s"]
        {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        for text in ["", "5", "B", "5 B", "-5B", "5.5MiB", "5mb", "5M", "2000TiB", "1MiB/s"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_print_in_the_largest_unit_that_fits() {
        for (bytes, text) in
            [(0, "0B"), (1, "1B"), (1 << 20, "1MiB"), (1_000, "1kB"), (1_536, "1536B")]
        {
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn durations_come_back(millis in 0_u64..=3_153_600_000_000) {
            let duration = Duration(StdDuration::from_millis(millis));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn sizes_and_rates_come_back(bytes in 0_u64..=1 << 50, shift in 0_u32..50) {
            let size = ByteSize(bytes >> shift << shift);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            let rate = ByteRate(size.0);
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn no_text_panics(text in "[0-9]{0,22}[a-zA-Zµ ]{0,3}[0-9]{0,3}.{0,4}") {
            for format in ["duration", "byte-size", "byte-rate", "unknown"] {
                let _ = check_format(format, &text);
            }
        }
    }
}
