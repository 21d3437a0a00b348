//! [`Sketch`]: the most frequent of many keys, in memory that is bounded.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi 2005): a key without a row takes over that of the least
//! frequent, and what was counted there is noted as what it may have been before, at most. So a key that
//! makes up more than one in as many as there are rows is in it for sure, and no count is too high. Pure:
//! no time, no names but those it is given.

use serde::Serialize;

/// The most frequent keys.
#[derive(Debug, Default)]
pub(super) struct Sketch {
    /// As many rows at most.
    most: usize,
    /// The keys of the rows, which are looked through for each.
    keys: Vec<u64>,
    rows: Vec<Row>,
}

/// A key, and how often it was seen.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Row {
    /// What people call it.
    #[serde(rename = "key")]
    pub(super) name: Box<str>,
    pub(super) allowed: u64,
    pub(super) refused: u64,
    /// It may have been seen so often before, and not more.
    pub(super) missed: u64,
}

impl Row {
    /// How often it may have been seen.
    pub(super) const fn all(&self) -> u64 {
        self.allowed + self.refused + self.missed
    }
}

impl Sketch {
    pub(super) fn new(most: usize) -> Self {
        Self { most, keys: Vec::new(), rows: Vec::new() }
    }

    /// Counts a key so often. A name is made for one that gets a row.
    pub(super) fn add(
        &mut self,
        key: u64,
        times: u64,
        allowed: bool,
        name: impl FnOnce() -> Box<str>,
    ) {
        let Some(row) = self.row(key, name) else { return };
        let count = if allowed { &mut row.allowed } else { &mut row.refused };
        *count += times;
    }

    fn row(&mut self, key: u64, name: impl FnOnce() -> Box<str>) -> Option<&mut Row> {
        if let Some(at) = self.keys.iter().position(|known| *known == key) {
            return self.rows.get_mut(at);
        }
        let fresh = |missed| Row { name: name(), allowed: 0, refused: 0, missed };
        if self.rows.len() < self.most {
            self.keys.push(key);
            self.rows.push(fresh(0));
            return self.rows.last_mut();
        }
        let (at, row) = self.rows.iter_mut().enumerate().min_by_key(|(_, row)| row.all())?;
        self.keys[at] = key;
        *row = fresh(row.all());
        Some(row)
    }

    /// The keys and their rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u64, &Row)> {
        self.keys.iter().copied().zip(&self.rows)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Beside a map without bounds.
        #[test]
        fn who_is_frequent_is_in_it_and_nobody_is_counted_too_high_or_far_too_low(
            most in 1_usize..12,
            seen in proptest::collection::vec((0_u64..40, 1_u64..4, any::<bool>()), 1..400),
        ) {
            let (mut sketch, mut map) = (Sketch::new(most), HashMap::<u64, [u64; 2]>::new());
            for (key, times, allowed) in seen {
                sketch.add(key, times, allowed, || key.to_string().into());
                map.entry(key).or_default()[usize::from(allowed)] += times;
            }
            let all: u64 = map.values().flatten().sum();
            prop_assert!(sketch.rows().count() <= most);
            for (key, row) in sketch.rows() {
                let [refused, allowed] = map[&key];
                prop_assert_eq!(&*row.name, &*key.to_string());
                prop_assert!(row.allowed <= allowed && row.refused <= refused);
                prop_assert!(row.all() >= allowed + refused, "{:?}", row);
                prop_assert!(row.missed <= all / most as u64, "{:?} of {}", row, all);
            }
            for (key, counts) in map {
                let frequent = counts.iter().sum::<u64>() > all / most as u64;
                prop_assert!(!frequent || sketch.rows().any(|(known, _)| known == key));
            }
        }
    }

    #[test]
    fn one_without_rows_holds_nothing() {
        let mut sketch = Sketch::new(0);
        sketch.add(1, 1, true, || "one".into());
        assert_eq!(sketch.rows().count(), 0);
    }
}
