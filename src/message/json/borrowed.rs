//! [`Json`]: a document that borrows from its text, for what is read once from front to back.
//!
//! A `Value` has a hash table for each object and a string for each name; to make them takes four times as long
//! as everything else that is done with most documents.

use std::{borrow::Cow, collections::HashSet};

use serde_json::{Number, Value};

use super::{JsonError, Tree, parse};

/// Members of an object are looked for one after the other as long as there are no more than these.
const FEW: usize = 16;

/// A JSON value; strings without escapes are the text's own.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "JSON's own words")]
pub enum Json<'b> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'b, str>),
    Array(Vec<Self>),
    Object(Members<'b>),
}

/// The members of an object, in the order of the text; no name is there twice.
#[derive(Clone, Debug, Default)]
pub struct Members<'b> {
    list: Vec<(Cow<'b, str>, Json<'b>)>,
    /// All names, where there are more than a few.
    #[expect(
        clippy::box_collection,
        reason = "few objects have that many members, and all have room for this"
    )]
    names: Option<Box<HashSet<Cow<'b, str>>>>,
}

impl<'b> Json<'b> {
    /// Reads a document, nested no deeper than `depth`.
    ///
    /// # Errors
    /// As [`super::parse_json`].
    pub fn parse(bytes: &'b [u8], depth: u8) -> Result<Self, JsonError> {
        parse(bytes, depth)
    }

    /// The members, if it is an object.
    pub const fn as_object(&self) -> Option<&Members<'b>> {
        match self {
            Self::Object(members) => Some(members),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

impl<'b> Members<'b> {
    /// The value by a name.
    pub fn get(&self, name: &str) -> Option<&Json<'b>> {
        if self.names.as_ref().is_some_and(|names| !names.contains(name)) {
            return None;
        }
        self.iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json<'b>)> {
        self.list.iter().map(|(name, value)| (&**name, value))
    }
}

impl<'b> Tree<'b> for Json<'b> {
    type Members = Members<'b>;

    const NULL: Self = Self::Null;

    fn add(object: &mut Members<'b>, name: Cow<'b, str>, value: Self) -> bool {
        let Members { list, names } = object;
        let is_new = match names {
            Some(names) => names.insert(name.clone()),
            None => !list.iter().any(|(other, _)| *other == name),
        };
        list.push((name, value));
        if names.is_none() && list.len() > FEW {
            *names = Some(Box::new(list.iter().map(|(name, _)| name.clone()).collect()));
        }
        is_new
    }
}

impl PartialEq for Members<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl From<bool> for Json<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Number> for Json<'_> {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

impl<'b> From<Cow<'b, str>> for Json<'b> {
    fn from(value: Cow<'b, str>) -> Self {
        Self::String(value)
    }
}

impl From<Vec<Self>> for Json<'_> {
    fn from(value: Vec<Self>) -> Self {
        Self::Array(value)
    }
}

impl<'b> From<Members<'b>> for Json<'b> {
    fn from(value: Members<'b>) -> Self {
        Self::Object(value)
    }
}

impl<'v> From<&'v Value> for Json<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => Self::Number(value.clone()),
            Value::String(value) => Self::String(value.into()),
            Value::Array(list) => Self::Array(list.iter().map(Self::from).collect()),
            Value::Object(members) => {
                let mut object = Members::default();
                for (name, value) in members {
                    Self::add(&mut object, name.into(), value.into());
                }
                Self::Object(object)
            }
        }
    }
}
