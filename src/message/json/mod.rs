//! JSON from strangers: no deeper than a bound, and no name twice in one object.
//!
//! Of two values by one name one reader takes the first and the next takes the last, so what was
//! checked is not what is used (RFC 8259 section 4). Size is bounded where bytes are read.
//! Out: a [`Value`], as libraries take it; or a [`Json`], which borrows its strings, for what is walked through
//! once and thrown away.

mod borrowed;

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, error::Category};

pub use self::borrowed::{Json, Members};

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

impl JsonError {
    /// Whether the document is nested deeper than it may be.
    pub fn is_too_deep(&self) -> bool {
        self.what == DEEP
    }
}

/// Reads a document, nested no deeper than `depth`.
///
/// # Errors
/// It is no JSON, is nested deeper, or has a name twice in an object.
pub fn parse_json(bytes: &[u8], depth: u8) -> Result<Value, JsonError> {
    parse(bytes, depth)
}

fn parse<'b, T: Tree<'b>>(bytes: &'b [u8], depth: u8) -> Result<T, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth, tree: PhantomData }.deserialize(&mut reader).and_then(|value| {
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

/// What a document becomes.
trait Tree<'b>:
    From<bool> + From<Number> + From<Cow<'b, str>> + From<Vec<Self>> + From<Self::Members>
{
    type Members: Default;

    const NULL: Self;

    /// Adds a member; whether there was none by that name.
    fn add(object: &mut Self::Members, name: Cow<'b, str>, value: Self) -> bool;
}

impl Tree<'_> for Value {
    type Members = Map<String, Self>;

    const NULL: Self = Self::Null;

    fn add(object: &mut Self::Members, name: Cow<'_, str>, value: Self) -> bool {
        object.insert(name.into_owned(), value).is_none()
    }
}

/// A value in which no object has a name twice.
struct Strict<T> {
    depth: u8,
    tree: PhantomData<fn() -> T>,
}

impl<T> Strict<T> {
    fn within<E: serde::de::Error>(&self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom(DEEP))?;
        Ok(Self { depth, ..*self })
    }
}

impl<T> Clone for Strict<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Strict<T> {}

impl<'de, T: Tree<'de>> DeserializeSeed<'de> for Strict<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Tree<'de>> Visitor<'de> for Strict<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::NULL)
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(Number::from(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(Number::from(value).into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<T, E> {
        Number::from_f64(value).map(T::from).ok_or_else(|| E::custom("no number"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<T, E> {
        Ok(Cow::Borrowed(value).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(Cow::<str>::Owned(value.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
        let inner = self.within()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<T, A::Error> {
        let inner = self.within()?;
        let mut object = T::Members::default();
        while let Some(name) = entries.next_key_seed(Name)? {
            let value = entries.next_value_seed(inner)?;
            if !T::add(&mut object, name, value) {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(object.into())
    }
}

/// The name of a member, borrowed if nothing in it is escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(name.into())
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(name.to_owned().into())
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
            assert_eq!(Json::parse(text.as_bytes(), 3).unwrap_err(), wrong, "{text}");
        }
        assert!(parse_json(b"\"\xff\"", 3).is_err());
        assert!(parse_json("[".repeat(100_000).as_bytes(), 255).is_err());
        assert!(parse_json(b"[[[1]]]", 3).is_ok());
        let names = |last: &str| {
            let names: String = (0..100).map(|at| format!("\"{at}\":0,")).collect();
            Json::parse(format!("{{{names}\"{last}\":0}}").as_bytes(), 3).map(drop)
        };
        assert_eq!(names("100"), Ok(()));
        for twice in ["0", "50", "99", "\\u0035\\u0030"] {
            assert_eq!(names(twice).unwrap_err().what, TWICE, "{twice}");
        }
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
            prop_assert_eq!(Json::parse(text.as_bytes(), DEPTH).unwrap(), Json::from(&value));
            prop_assert_eq!(parse_json(text.as_bytes(), DEPTH).unwrap(), value);
        }
    }
}
