//! Drift: what an operation's answers are that its document does not promise, counted and sampled.
//!
//! Of each sample it is told where and what, never a value of the answer: neither by a name that is one, as of
//! an object whose members are called by their keys.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Violation, Violations, descend};

/// Kinds of drift that are kept for an operation.
const MOST: usize = 16;

/// What is counted together, beyond that.
const OTHERS: &str = "something else, of which no more kinds are told apart";

/// What of an operation's answers was not as promised.
#[derive(Debug, Default)]
pub struct Drift {
    checked: AtomicU64,
    drifted: AtomicU64,
    skipped: AtomicU64,
    kinds: Mutex<Vec<Sample>>,
}

/// One kind of drift.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sample {
    /// The status of the answer.
    pub status: u16,
    /// Where and what: `body /items/0/price: it is not of type "number"`.
    pub says: String,
    /// How often.
    pub count: u64,
}

/// The names that a document's schemas have for members, as a JSON pointer has them.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<Box<str>>);

impl Names {
    pub(super) fn of(document: &Value) -> Self {
        let mut names = Self::default();
        names.gather(document);
        names
    }

    fn gather(&mut self, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    self.0.extend(properties.keys().map(|name| segment(name).into()));
                }
                object.values().for_each(|value| self.gather(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.gather(item)),
            _ => {}
        }
    }

    /// Where and what, the same for each item of a list and each member that only the answer names:
    /// `/items/*/price`.
    fn general(&self, violation: &Violation) -> String {
        // The first part stands before the first `/`, and is nothing.
        let parts = violation.pointer.split('/').skip(1);
        let known = |part| if self.0.contains(part) { part } else { "*" };
        let pointer = parts.map(|part| format!("/{}", known(part))).collect();
        Violation { pointer, ..violation.clone() }.to_string()
    }
}

impl Drift {
    /// Notes an answer that was looked at.
    pub(super) fn note(&self, status: u16, wrong: &Violations, names: &Names) {
        self.checked.fetch_add(1, Relaxed);
        if wrong.is_empty() {
            return;
        }
        self.drifted.fetch_add(1, Relaxed);
        let mut kinds = self.kinds.lock();
        for violation in wrong.iter() {
            let says = names.general(violation);
            let known = kinds.iter().position(|kind| kind.status == status && kind.says == says);
            match known {
                Some(place) => kinds[place].count += 1,
                None if kinds.len() < MOST => kinds.push(Sample { status, says, count: 1 }),
                None => match kinds.iter_mut().find(|kind| kind.says == OTHERS) {
                    Some(others) => others.count += 1,
                    None => kinds.push(Sample { status, says: OTHERS.into(), count: 1 }),
                },
            }
        }
    }

    /// Notes an answer that was not looked at.
    pub fn skip(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    /// How many answers were not looked at, for their size or since there was no time for it.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// How many answers were looked at, and how many of them were not as promised.
    pub fn counts(&self) -> (u64, u64) {
        (self.checked.load(Relaxed), self.drifted.load(Relaxed))
    }

    /// What was not as promised, the most frequent first.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = self.kinds.lock().clone();
        samples.sort_by_key(|sample| std::cmp::Reverse(sample.count));
        samples
    }
}

/// A name as one segment of a JSON pointer.
fn segment(name: &str) -> String {
    let mut pointer = String::new();
    descend(&mut pointer, name);
    pointer.split_off(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        Names::of(&json!({ "components": { "schemas": { "Order": { "properties": {
            "id": {},
            "a/b": {},
            "items": { "items": { "properties": { "price": {} } } },
            "users": { "additionalProperties": { "properties": { "age": {} } } },
        } } } } }))
    }

    #[test]
    fn the_same_drift_is_one_kind() {
        let drift = Drift::default();
        let names = names();
        drift.note(200, &Violations::default(), &names);
        for index in 0..3 {
            let place = format!("/items/{index}/price");
            drift.note(200, &Violation::body(place, "it is not a number").into(), &names);
        }
        drift.note(200, &Violation::body("/id", "it is not a number").into(), &names);
        assert_eq!(drift.counts(), (5, 4));
        let samples = drift.samples();
        let own = |says: &str, count| Sample { status: 200, says: says.to_owned(), count };
        let price = own("body /items/*/price: it is not a number", 3);
        assert_eq!(samples, [price, own("body /id: it is not a number", 1)]);
    }

    #[test]
    fn a_name_that_no_schema_has_may_be_a_secret() {
        for (pointer, told) in [
            ("/users/ann@mail.example/age", "body /users/*/age: is missing"),
            ("/a~1b/id", "body /a~1b/id: is missing"),
            ("/token-1", "body /*: is missing"),
            ("", "body: is missing"),
        ] {
            let drift = Drift::default();
            drift.note(200, &Violation::body(pointer, "is missing").into(), &names());
            assert_eq!(drift.samples()[0].says, told);
        }
    }

    #[test]
    fn only_so_many_kinds_are_kept() {
        let drift = Drift::default();
        for index in 0..100 {
            let wrong = Violation::body("", format!("`a{index}` is missing"));
            drift.note(200, &wrong.into(), &Names::default());
        }
        assert_eq!((drift.samples().len(), drift.counts().1), (MOST + 1, 100));
        let all: u64 = drift.samples().iter().map(|kind| kind.count).sum();
        assert_eq!((all, &*drift.samples()[0].says), (100, OTHERS));
    }
}
