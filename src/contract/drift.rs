//! Drift: what an operation's answers are that its document does not promise, counted and sampled.
//!
//! Of each sample it is told where and what, never a value of the answer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::message::Violations;

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

impl Drift {
    /// Notes an answer that was looked at.
    pub fn note(&self, status: u16, wrong: &Violations) {
        self.checked.fetch_add(1, Relaxed);
        if wrong.is_empty() {
            return;
        }
        self.drifted.fetch_add(1, Relaxed);
        let mut kinds = self.kinds.lock();
        for violation in wrong.iter() {
            let says = general(&violation.to_string());
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

/// The same for each item of a list: `/items/*/price`.
fn general(says: &str) -> String {
    let (place, what) = says.split_once(": ").unwrap_or((says, ""));
    let part = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty()
    {
        true => "*".to_owned(),
        false => part.to_owned(),
    };
    let place: Vec<_> = place.split('/').map(part).collect();
    format!("{}: {what}", place.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Violation;

    #[test]
    fn the_same_drift_is_one_kind() {
        let drift = Drift::default();
        drift.note(200, &Violations::default());
        for index in 0..3 {
            let place = format!("/items/{index}/price");
            drift.note(200, &Violation::body(place, "it is not a number").into());
        }
        drift.note(200, &Violation::body("/id", "it is not a number").into());
        assert_eq!(drift.counts(), (5, 4));
        let samples = drift.samples();
        let own = |says: &str, count| Sample { status: 200, says: says.to_owned(), count };
        let price = own("body /items/*/price: it is not a number", 3);
        assert_eq!(samples, [price, own("body /id: it is not a number", 1)]);
    }

    #[test]
    fn only_so_many_kinds_are_kept() {
        let drift = Drift::default();
        for index in 0..100 {
            drift.note(200, &Violation::body(format!("/a{index}"), "is missing").into());
        }
        assert_eq!((drift.samples().len(), drift.counts().1), (MOST + 1, 100));
        let all: u64 = drift.samples().iter().map(|kind| kind.count).sum();
        assert_eq!((all, &*drift.samples()[0].says), (100, OTHERS));
    }
}
