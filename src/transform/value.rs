//! Values as filters see them: JSON, shared rather than copied, and counted as they grow.
//!
//! Numbers are integers of 64 bits or floating; objects keep the order of their members. None is nested
//! deeper than [`DEEPEST`], so that whatever goes through one by recursion is bounded.

use std::{cmp::Ordering, fmt, io, rc::Rc};

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::bound::{spend, spend_bytes, stop};

/// How deep a value may be nested: twice what a body may be.
const DEEPEST: u8 = 128;

/// A value.
#[derive(Clone, Debug, Default)]
pub(super) enum Val {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<String>),
    List(Rc<List>),
    Object(Rc<Object>),
}

/// Members by name.
pub(super) type Members = IndexMap<Rc<String>, Val>;

#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) items: Vec<Val>,
    depth: u8,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub(super) members: Members,
    depth: u8,
}

impl List {
    /// Puts a value at the end.
    pub(super) fn push(&mut self, value: Val) {
        spend(1);
        self.depth = self.depth.max(above(&value));
        self.items.push(value);
    }

    /// Puts a value in the place of another.
    pub(super) fn set(&mut self, at: usize, value: Val) {
        self.depth = self.depth.max(above(&value));
        if let Some(place) = self.items.get_mut(at) {
            *place = value;
        }
    }
}

impl Object {
    /// Puts a member in, in the place of one of the same name.
    pub(super) fn set(&mut self, name: Rc<String>, value: Val) {
        spend_bytes(name.len());
        self.depth = self.depth.max(above(&value));
        self.members.insert(name, value);
    }
}

/// The depth of what holds a value.
fn above(value: &Val) -> u8 {
    let mut depth = value.depth();
    if depth >= DEEPEST {
        // What was deep in it may have gone since.
        depth = measured(value);
        if depth >= DEEPEST {
            stop();
        }
    }
    depth + 1
}

/// How deep a value is, which may be less than it says.
fn measured(value: &Val) -> u8 {
    spend(1);
    let mut inner = 0;
    let mut look = |value: &Val| {
        if value.depth() > inner {
            inner = inner.max(measured(value));
        }
    };
    match value {
        Val::List(list) => list.items.iter().for_each(&mut look),
        Val::Object(object) => object.members.values().for_each(&mut look),
        Val::Null | Val::Bool(_) | Val::Int(_) | Val::Float(_) | Val::Text(_) => return 0,
    }
    inner + 1
}

impl Val {
    /// How deep it is nested, or was.
    fn depth(&self) -> u8 {
        match self {
            Self::List(list) => list.depth,
            Self::Object(object) => object.depth,
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Text(_) => 0,
        }
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        spend_bytes(text.len());
        Self::Text(Rc::new(text))
    }

    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let mut list = List { items: Vec::new(), depth: 1 };
        items.into_iter().for_each(|item| list.push(item));
        Self::List(Rc::new(list))
    }

    pub(super) fn object(members: impl IntoIterator<Item = (Rc<String>, Self)>) -> Self {
        let mut object = Object { members: Members::new(), depth: 1 };
        members.into_iter().for_each(|(name, value)| object.set(name, value));
        Self::Object(Rc::new(object))
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> String {
        let mut out = Out { bytes: Vec::new(), most: usize::MAX };
        // It has no bound but the steps.
        let _ = serde_json::to_writer(&mut out, self);
        String::from_utf8(out.bytes).unwrap_or_default()
    }

    /// As JSON of no more than so many bytes.
    pub(super) fn write(&self, most: usize) -> Option<Vec<u8>> {
        let mut out = Out { bytes: Vec::with_capacity(most.min(1 << 10)), most };
        serde_json::to_writer(&mut out, self).ok()?;
        Some(out.bytes)
    }

    /// The text to change; a copy, if others have it too.
    pub(super) fn own(text: &mut Rc<String>) -> &mut String {
        if Rc::strong_count(text) > 1 {
            spend_bytes(text.len());
        }
        Rc::make_mut(text)
    }

    /// The list to change; a copy, if others have it too.
    pub(super) fn own_list(list: &mut Rc<List>) -> &mut List {
        if Rc::strong_count(list) > 1 {
            spend(list.items.len());
        }
        Rc::make_mut(list)
    }

    /// The object to change; a copy, if others have it too.
    pub(super) fn own_object(object: &mut Rc<Object>) -> &mut Object {
        if Rc::strong_count(object) > 1 {
            spend(2 * object.members.len());
        }
        Rc::make_mut(object)
    }
}

impl From<Value> for Val {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(is) => Self::Bool(is),
            Value::Number(number) => match number.as_i64() {
                Some(int) => Self::Int(int),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::text(text),
            Value::Array(items) => Self::list(items.into_iter().map(Self::from)),
            Value::Object(members) => Self::object(
                members.into_iter().map(|(name, value)| (Rc::new(name), Self::from(value))),
            ),
        }
    }
}

impl Serialize for Val {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(is) => serializer.serialize_bool(*is),
            Self::Int(int) => serializer.serialize_i64(*int),
            // What is no number of JSON becomes `null`.
            Self::Float(float) => serializer.serialize_f64(*float),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(&list.items),
            Self::Object(object) => {
                let members = object.members.iter();
                serializer.collect_map(members.map(|(name, value)| (&**name, value)))
            }
        }
    }
}

/// Where JSON is written to: so many bytes, each counted.
struct Out {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for Out {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        spend_bytes(piece.len());
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl Val {
    /// The order of kinds: `null`, booleans, numbers, texts, lists, objects.
    const fn kind(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Float(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Object(_) => 5,
        }
    }

    /// The order of two values, in which floating numbers are compared by `floats`.
    fn order(&self, other: &Self, floats: fn(f64, f64) -> Ordering) -> Ordering {
        spend(1);
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => floats(*a, *b),
            (Self::Int(a), Self::Float(b)) => mixed(*a, *b),
            (Self::Float(a), Self::Int(b)) => mixed(*b, *a).reverse(),
            (Self::Text(a), Self::Text(b)) => {
                spend_bytes(a.len().min(b.len()));
                a.cmp(b)
            }
            (Self::List(a), Self::List(b)) => all(a.items.iter().zip(&b.items), floats)
                .then_with(|| a.items.len().cmp(&b.items.len())),
            (Self::Object(a), Self::Object(b)) => {
                let (a, b) = (sorted(&a.members), sorted(&b.members));
                let names = a.iter().map(|(name, _)| name).cmp(b.iter().map(|(name, _)| name));
                let pairs = || a.iter().zip(&b).map(|((_, a), (_, b))| (*a, *b));
                names.then_with(|| all(pairs(), floats))
            }
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

/// The order of the first two that are not equal.
fn all<'a>(
    mut pairs: impl Iterator<Item = (&'a Val, &'a Val)>,
    floats: fn(f64, f64) -> Ordering,
) -> Ordering {
    let other = pairs.find_map(|(a, b)| Some(a.order(b, floats)).filter(|order| order.is_ne()));
    other.unwrap_or(Ordering::Equal)
}

/// The members in the order of their names.
fn sorted(members: &Members) -> Vec<(&Rc<String>, &Val)> {
    spend(2 * members.len());
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    sorted
}

/// What is no number is less than any.
fn floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// An integer and a floating number, exactly.
fn mixed(int: i64, float: f64) -> Ordering {
    const END: f64 = 9_223_372_036_854_775_808.0;
    match float {
        float if float.is_nan() || float < -END => Ordering::Greater,
        float if float >= END => Ordering::Less,
        // It is within the range of integers.
        float => int.cmp(&(float.trunc() as i64)).then_with(|| floats(0.0, float.fract())),
    }
}

impl Ord for Val {
    /// The order to sort by, in which everything is equal to itself.
    fn cmp(&self, other: &Self) -> Ordering {
        self.order(other, floats)
    }
}

#[expect(clippy::non_canonical_partial_ord_impl, reason = "to sort by, `nan` is equal to itself")]
impl PartialOrd for Val {
    /// What filters see: what is no number is less than any, itself too.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let floats = |a: f64, b: f64| if a.is_nan() { Ordering::Less } else { floats(a, b) };
        Some(self.order(other, floats))
    }
}

impl PartialEq for Val {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl Eq for Val {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_in_the_order_of_jq() {
        let ordered = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1.5),
            json!(0),
            json!(0.5),
            json!(9_007_199_254_740_992_i64),
            json!(9_007_199_254_740_993_i64),
            json!(1e19),
            json!(""),
            json!("a"),
            json!("b"),
            json!([]),
            json!([1]),
            json!([1, 0]),
            json!({}),
            json!({ "a": 2 }),
            json!({ "a": 1, "b": 1 }),
            json!({ "b": 1 }),
        ];
        let values: Vec<_> = ordered.into_iter().map(Val::from).collect();
        for (at, a) in values.iter().enumerate() {
            for (beside, b) in values.iter().enumerate() {
                assert_eq!(a.cmp(b), at.cmp(&beside), "{a} {b}");
            }
        }
        assert_eq!(Val::Int(1), Val::Float(1.0));
        assert_eq!(Val::Float(f64::NAN).cmp(&Val::Float(f64::NAN)), Ordering::Equal);
        assert_ne!(Val::Float(f64::NAN), Val::Float(f64::NAN));
        assert!(Val::Float(f64::NAN) < Val::Int(i64::MIN));
        assert!(Val::Int(i64::MAX) < Val::Float(9_223_372_036_854_775_808.0));
    }

    #[test]
    fn no_more_is_written_than_may_be() {
        let value = Val::from(json!({ "a": [1, "x"], "b": null }));
        let text = "{\"a\":[1,\"x\"],\"b\":null}";
        assert_eq!(value.write(text.len()).as_deref(), Some(text.as_bytes()));
        assert_eq!(value.write(text.len() - 1), None);
        assert_eq!(Val::Float(f64::INFINITY).to_json(), "null");
    }

    proptest! {
        #[test]
        fn numbers_are_in_one_order(a in any::<i64>(), b in any::<f64>(), c in any::<i64>()) {
            let mut sorted = [Val::Int(a), Val::Float(b), Val::Int(c), Val::Float(a as f64)];
            sorted.sort();
            for pair in sorted.windows(2) {
                prop_assert!(pair[0] <= pair[1]);
            }
            prop_assert!(sorted[0] <= sorted[3] && sorted[0] <= sorted[2] && sorted[1] <= sorted[3]);
        }
    }
}
