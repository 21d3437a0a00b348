//! How many ways lead through a schema: whoever tells all that is wrong with a value goes each of them.
//!
//! A schema that chooses between several that lead back to it (`oneOf`, and each of them has a `next`) has two
//! ways at each level of a value, so 60 levels would be told of 2^60 times. In: schemas, once at load. Out: a
//! bound, to be asked before anything is told.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The ways through a schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ways {
    /// References that may lead back to themselves: at each level of a value one of them is taken.
    again: u32,
    /// Whether it has alternatives: all that is wrong with a value by each of them is put together.
    chooses: bool,
}

/// How much of what is wrong with a value may be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Telling {
    All,
    First,
    Nothing,
}

/// What schemas refer to.
#[derive(Debug)]
pub(super) struct References<'v> {
    /// By reference, what stands there.
    all: HashMap<&'v str, Node<'v>>,
}

#[derive(Debug, Default)]
struct Node<'v> {
    /// What it refers to.
    to: Vec<&'v str>,
    chooses: bool,
    /// Whether nothing in it leads back to itself, however far it is followed.
    ends: bool,
}

impl Ways {
    /// How much may be told of a value: about so many steps may be taken.
    pub(super) fn telling(self, value: &Value, steps: usize) -> Telling {
        let mut left = steps;
        let taken = match depth(value, &mut left) {
            // What has no ways back is gone through once.
            Some(depth) if self.again > 1 => {
                let ways = u64::from(self.again).checked_pow(depth);
                ways.and_then(|ways| ways.checked_mul((steps - left) as u64))
            }
            Some(_) => Some(0),
            None => None,
        };
        match taken {
            Some(taken) if taken <= steps as u64 => Telling::All,
            _ if self.again > 1 || self.chooses => Telling::Nothing,
            _ => Telling::First,
        }
    }
}

impl<'v> References<'v> {
    /// All that these schemas refer to, and what that refers to; `at` says what stands at a reference.
    pub(super) fn of(
        schemas: impl IntoIterator<Item = &'v Value>,
        at: impl Fn(&str) -> Option<&'v Value>,
    ) -> Self {
        let mut all: HashMap<&str, Node<'_>> = HashMap::new();
        let mut next = Vec::new();
        for schema in schemas {
            next.extend(Node::of(schema).to);
        }
        while let Some(reference) = next.pop() {
            if all.contains_key(reference) {
                continue;
            }
            let node = match at(reference) {
                Some(schema) => Node::of(schema),
                // Nobody here knows where it leads: it may be back.
                None => Node { to: vec![reference, reference], chooses: true, ends: false },
            };
            next.extend(&node.to);
            all.insert(reference, node);
        }
        let mut made = Self { all };
        made.find_ends();
        made
    }

    /// Those that end are found from their ends.
    fn find_ends(&mut self) {
        let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut open: HashMap<&str, usize> = HashMap::new();
        for (name, node) in &self.all {
            open.insert(*name, node.to.len());
            node.to.iter().for_each(|to| users.entry(to).or_default().push(*name));
        }
        let mut ended: Vec<_> =
            open.iter().filter(|(_, to)| **to == 0).map(|(it, _)| *it).collect();
        while let Some(name) = ended.pop() {
            if let Some(node) = self.all.get_mut(name) {
                node.ends = true;
            }
            for user in users.get(name).into_iter().flatten() {
                let Some(to) = open.get_mut(user) else { continue };
                *to -= 1;
                if *to == 0 {
                    ended.push(*user);
                }
            }
        }
    }

    /// The ways through one of the schemas.
    pub(super) fn ways(&self, schema: &'v Value) -> Ways {
        let own = Node::of(schema);
        let mut seen = HashSet::new();
        let (mut again, mut chooses) = (0, own.chooses);
        let mut next = own.to;
        while let Some(reference) = next.pop() {
            let Some(node) = self.all.get(reference).filter(|_| seen.insert(reference)) else {
                continue;
            };
            let leads_on = |to: &&&str| self.all.get(**to).is_some_and(|to| !to.ends);
            again += node.to.iter().filter(leads_on).count();
            chooses |= node.chooses;
            next.extend(&node.to);
        }
        Ways { again: u32::try_from(again).unwrap_or(u32::MAX), chooses }
    }
}

impl<'v> Node<'v> {
    fn of(schema: &'v Value) -> Self {
        let mut node = Self::default();
        node.look(schema);
        node
    }

    fn look(&mut self, value: &'v Value) {
        match value {
            Value::Object(object) => {
                for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
                    self.to.extend(object.get(key).and_then(Value::as_str));
                }
                self.chooses |= ["anyOf", "oneOf"].iter().any(|key| object.contains_key(*key));
                object.values().for_each(|value| self.look(value));
            }
            Value::Array(items) => items.iter().for_each(|value| self.look(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// How deep a value is; none if there are more values in it than are left.
fn depth(value: &Value, left: &mut usize) -> Option<u32> {
    *left = left.checked_sub(1)?;
    let mut deepest = 0;
    let mut look = |value: &Value| depth(value, left).map(|depth| deepest = deepest.max(depth + 1));
    match value {
        Value::Array(items) => items.iter().try_for_each(&mut look)?,
        Value::Object(members) => members.values().try_for_each(&mut look)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Some(deepest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::document::at;

    fn ways(schema: &Value) -> Ways {
        References::of([schema], |reference| at(schema, reference)).ways(schema)
    }

    #[test]
    fn ways_back_are_counted() {
        let node = |next: Value| json!({ "$ref": "#/$defs/n", "$defs": { "n": next, "end": {} } });
        let back = json!({ "$ref": "#/$defs/n" });
        for (schema, again, chooses) in [
            (json!({ "type": "object" }), 0, false),
            (json!({ "anyOf": [{}, {}] }), 0, true),
            (node(json!({ "items": { "$ref": "#/$defs/end" } })), 0, false),
            (node(json!({ "properties": { "next": back } })), 1, false),
            (node(json!({ "properties": { "l": back, "r": back } })), 2, false),
            (node(json!({ "oneOf": [{ "items": back }, { "items": back }, {}] })), 2, true),
            (json!({ "$dynamicRef": "#node" }), 2, true),
            (json!({ "properties": { "next": { "$ref": "#" } } }), 1, false),
        ] {
            assert_eq!(ways(&schema), Ways { again, chooses }, "{schema}");
        }
    }

    #[test]
    fn no_more_is_told_than_can_be_put_together() {
        let deep = |levels: usize| (0..levels).fold(json!(0), |value, _| json!([value]));
        let wide = json!(vec![0; 2_000]);
        for (again, chooses, value, telling) in [
            (0, true, deep(64), Telling::All),
            (1, true, deep(64), Telling::All),
            (2, true, deep(6), Telling::All),
            (2, true, deep(7), Telling::Nothing),
            (2, false, deep(64), Telling::Nothing),
            (u32::MAX, false, deep(64), Telling::Nothing),
            (1, false, wide.clone(), Telling::First),
            (0, true, wide, Telling::Nothing),
        ] {
            let ways = Ways { again, chooses };
            assert_eq!(ways.telling(&value, 1_000), telling, "{ways:?}");
        }
    }
}
