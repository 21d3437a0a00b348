//! JSON from strangers: no deeper than a bound, and no name twice in one object.
//!
//! Of two values by one name one reader takes the first and the next takes the last, so what was
//! checked is not what is used (RFC 8259 section 4). Size is bounded where bytes are read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, error::Category};

/// How deep a document may be nested if nothing else is said; below `serde_json`'s own bound.
pub const DEPTH: u8 = 64;

/// Why bytes are not JSON, or none that is taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}, in line {line}, column {column}")]
pub struct JsonError {
    /// What is wrong; it names nothing that the document says.
    pub what: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// Reads a document, nested no deeper than `depth`.
///
/// # Errors
/// It is no JSON, is nested deeper, or has a name twice in an object.
pub fn parse_json(bytes: &[u8], depth: u8) -> Result<Value, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth }.deserialize(&mut reader).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    value.map_err(|error| {
        let said = error.to_string();
        let what = match error.classify() {
            _ if said.starts_with(TWICE) => TWICE,
            _ if said.starts_with(DEEP) || said.starts_with("recursion limit") => DEEP,
            Category::Eof => "it ends too early",
            Category::Syntax | Category::Data | Category::Io => "it is not well-formed JSON",
        };
        JsonError { what, line: error.line(), column: error.column() }
    })
}

const TWICE: &str = "an object has a name twice";
const DEEP: &str = "it is nested too deeply";

/// A value in which no object has a name twice.
#[derive(Clone, Copy)]
struct Strict {
    depth: u8,
}

impl Strict {
    fn within<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(DEEP))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.within()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.within()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

/// Lists and objects of such values, for tests.
#[cfg(test)]
pub(crate) fn nested(
    leaf: impl proptest::strategy::Strategy<Value = Value> + 'static,
) -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_refused_says_why_and_where() {
        for (text, what, line, column) in [
            ("", "it ends too early", 1, 0),
            ("{\"a\":1", "it ends too early", 1, 6),
            ("{\"a\":1,\n\"a\":2}", TWICE, 2, 6),
            ("[{\"a\":{\"b\":1,\"b\":1}}]", TWICE, 1, 19),
            ("[[[[1]]]]", DEEP, 1, 4),
            ("1 2", "it is not well-formed JSON", 1, 3),
            ("{a:1}", "it is not well-formed JSON", 1, 2),
            ("\"\\ud800\"", "it is not well-formed JSON", 1, 8),
            ("1e999", "it is not well-formed JSON", 1, 5),
            ("\"\u{1}\"", "it is not well-formed JSON", 1, 2),
        ] {
            let wrong = parse_json(text.as_bytes(), 3).unwrap_err();
            assert_eq!(wrong, JsonError { what, line, column }, "{text}");
        }
        assert!(parse_json(b"\"\xff\"", 3).is_err());
        assert!(parse_json("[".repeat(100_000).as_bytes(), 255).is_err());
        assert!(parse_json(b"[[[1]]]", 3).is_ok());
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        nested(leaf)
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(value in document()) {
            let text = value.to_string();
            prop_assert_eq!(parse_json(text.as_bytes(), DEPTH).unwrap(), value);
        }
    }
}
