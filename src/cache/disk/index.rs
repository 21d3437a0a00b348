//! [`Index`]: what is on the disk, in memory: names, sizes, and who was used last.
//!
//! Pure data, some 150 bytes for an answer; files are others'.

use std::collections::BTreeMap;

use super::name::{Filed, Name};

/// What is on the disk.
#[derive(Debug)]
pub(super) struct Index {
    all: BTreeMap<Name, Entry>,
    /// The one that was used longest ago comes first.
    order: BTreeMap<u64, Name>,
    next: u64,
    bytes: u64,
}

/// An answer on the disk.
#[derive(Clone, Copy, Debug)]
struct Entry {
    bytes: u64,
    /// The file's.
    filed: Filed,
    /// The last purge that it was compared with.
    number: u64,
    order: u64,
    /// Its order when it came, which no other has: whatever is under its name later is another.
    made: u64,
}

/// An answer that may be the one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) filed: Filed,
    /// The last purge that it was compared with.
    pub(super) number: u64,
    /// Which one it is of those that had this name.
    made: u64,
}

/// Orders below are for what was there before the start.
const FIRST: u64 = 1 << 40;

/// What a file takes of the disk.
pub(super) fn taken(length: u64) -> u64 {
    length.next_multiple_of(4_096)
}

impl Default for Index {
    fn default() -> Self {
        Self { all: BTreeMap::new(), order: BTreeMap::new(), next: FIRST, bytes: 0 }
    }
}

impl Index {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, name: &Name) -> Option<Filed> {
        self.all.get(name).map(|entry| entry.filed)
    }

    /// What is there under a name.
    pub(super) fn candidate(&self, name: &Name) -> Option<Candidate> {
        self.all.get(name).map(Entry::candidate)
    }

    /// Whether it is still there, and no other in its place.
    pub(super) fn has(&self, candidate: &Candidate) -> bool {
        self.all.get(&candidate.filed.name).is_some_and(|entry| entry.made == candidate.made)
    }

    /// Takes in a file that is used now; the one that was there under its name before.
    pub(super) fn insert(&mut self, filed: Filed, bytes: u64) -> Option<Filed> {
        self.next += 1;
        self.insert_at(filed, bytes, self.next)
    }

    /// Takes in one of those that were there before the start, in their order.
    pub(super) fn insert_old(&mut self, filed: Filed, bytes: u64, at: u64) {
        self.insert_at(filed, bytes, at.min(FIRST));
    }

    fn insert_at(&mut self, filed: Filed, bytes: u64, order: u64) -> Option<Filed> {
        let before = self.remove(&filed.name);
        self.bytes += bytes;
        self.order.insert(order, filed.name);
        let entry = Entry { bytes, filed, number: filed.number, order, made: order };
        self.all.insert(filed.name, entry);
        before
    }

    /// Whether it was not there before the start.
    pub(super) fn is_new(&self, name: &Name) -> bool {
        self.all.get(name).is_some_and(|entry| entry.order > FIRST)
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<Filed> {
        let entry = self.all.remove(name)?;
        self.order.remove(&entry.order);
        self.bytes -= entry.bytes;
        Some(entry.filed)
    }

    /// Takes off this very file.
    pub(super) fn remove_file(&mut self, filed: &Filed) -> bool {
        let same = self.get(&filed.name).is_some_and(|found| found == *filed);
        same && self.remove(&filed.name).is_some()
    }

    /// Takes off all that is kept of a URL.
    pub(super) fn remove_url(&mut self, url: u64) -> Vec<Filed> {
        let names: Vec<_> = self.all.range(all_of_url(url)).map(|(name, _)| *name).collect();
        names.iter().filter_map(|name| self.remove(name)).collect()
    }

    /// All of it.
    pub(super) fn into_files(self) -> impl Iterator<Item = Filed> {
        self.all.into_values().map(|entry| entry.filed)
    }

    pub(super) fn has_key(&self, (url, key): (u64, u64)) -> bool {
        self.all.range(all_of_key(url, key)).next().is_some()
    }

    /// The answers of a key, who was used last first; at most so many.
    pub(super) fn of_key(&self, (url, key): (u64, u64), most: usize) -> Vec<Candidate> {
        let mut found: Vec<_> =
            self.all.range(all_of_key(url, key)).map(|(_, entry)| *entry).collect();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.order));
        found.truncate(most);
        found.iter().map(Entry::candidate).collect()
    }

    /// Of a key with more answers than this the one that was used longest ago.
    pub(super) fn one_too_many(&self, (url, key): (u64, u64), most: usize) -> Option<Name> {
        let all = || self.all.range(all_of_key(url, key));
        let oldest = || all().min_by_key(|(_, entry)| entry.order).map(|(name, _)| *name);
        (all().count() > most).then(oldest).flatten()
    }

    /// Takes note that one was used.
    pub(super) fn touch(&mut self, name: &Name) {
        self.next += 1;
        if let Some(entry) = self.all.get_mut(name) {
            self.order.remove(&entry.order);
            entry.order = self.next;
            self.order.insert(entry.order, *name);
        }
    }

    /// Who was used longest ago.
    pub(super) fn oldest(&self) -> Option<Name> {
        self.order.first_key_value().map(|(_, name)| *name)
    }

    /// Those after this one, in the order of names.
    pub(super) fn after(&self, name: Option<Name>, most: usize) -> Vec<Candidate> {
        let from = name.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let after = self.all.range((from, std::ops::Bound::Unbounded)).take(most);
        after.map(|(_, entry)| entry.candidate()).collect()
    }

    /// Takes note that a file was compared with all purges up to this one, and is called otherwise now.
    pub(super) fn compared(&mut self, before: &Filed, now: Filed, number: u64) -> bool {
        let Some(entry) = self.all.get_mut(&before.name) else { return false };
        if entry.filed != *before {
            return false;
        }
        (entry.filed, entry.number) = (now, entry.number.max(number));
        true
    }
}

impl Entry {
    fn candidate(&self) -> Candidate {
        Candidate { filed: self.filed, number: self.number, made: self.made }
    }
}

pub(super) fn all_of_url(url: u64) -> std::ops::RangeInclusive<Name> {
    Name { url, key: 0, variant: 0 }..=Name { url, key: u64::MAX, variant: u64::MAX }
}

fn all_of_key(url: u64, key: u64) -> std::ops::RangeInclusive<Name> {
    Name { url, key, variant: 0 }..=Name { url, key, variant: u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filed(url: u64, key: u64, variant: u64) -> Filed {
        Filed { name: Name { url, key, variant }, number: 0, soft: false }
    }

    #[test]
    fn who_was_used_longest_ago_goes_first() {
        let mut index = Index::default();
        index.insert(filed(1, 1, 1), 10);
        index.insert(filed(2, 1, 1), 20);
        // They were found later, and were there before.
        index.insert_old(filed(3, 1, 1), 40, 1);
        index.insert_old(filed(4, 1, 1), 80, 0);
        index.touch(&filed(1, 1, 1).name);
        assert_eq!((index.bytes(), index.len()), (150, 4));
        let mut gone = Vec::new();
        while let Some(name) = index.oldest() {
            gone.push(name.url);
            assert!(index.remove(&name).is_some());
        }
        assert_eq!(gone, [4, 3, 2, 1]);
        assert_eq!((index.bytes(), index.len()), (0, 0));
    }

    #[test]
    fn a_url_and_a_key_are_found_among_their_neighbours() {
        let mut index = Index::default();
        for (url, key, variant) in [(1, u64::MAX, 1), (2, 0, 0), (2, 0, 5), (2, 3, 1), (3, 0, 0)] {
            assert_eq!(index.insert(filed(url, key, variant), 1), None);
        }
        assert!(index.has_key((2, 0)) && index.has_key((2, 3)) && !index.has_key((2, 1)));
        let variants = |index: &Index, most| -> Vec<u64> {
            index.of_key((2, 0), most).iter().map(|found| found.filed.name.variant).collect()
        };
        assert_eq!(variants(&index, 9), [5, 0]);
        index.touch(&filed(2, 0, 0).name);
        assert_eq!((variants(&index, 9), variants(&index, 1)), (vec![0, 5], vec![0]));
        assert_eq!(index.one_too_many((2, 0), 2), None);
        assert_eq!(index.one_too_many((2, 0), 1), Some(filed(2, 0, 5).name));
        assert_eq!(index.remove_url(2).len(), 3);
        assert_eq!(index.len(), 2);
        assert_eq!(index.into_files().count(), 2);
    }

    #[test]
    fn what_was_replaced_meanwhile_is_not_touched() {
        let mut index = Index::default();
        let (old, new) = (filed(1, 1, 1), Filed { number: 7, ..filed(1, 1, 1) });
        index.insert(old, 10);
        assert_eq!(index.insert(new, 20), Some(old));
        assert!(!index.remove_file(&old) && !index.compared(&old, old, 9));
        assert!(index.compared(&new, Filed { soft: true, ..new }, 9));
        let found = index.after(None, 5);
        assert_eq!((found.len(), found[0].number, found[0].filed.soft), (1, 9, true));
        assert!(index.after(Some(old.name), 5).is_empty());
        assert_eq!(index.bytes(), 20);
    }
}
