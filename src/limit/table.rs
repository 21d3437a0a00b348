//! [`Table`]: a number for each key, in memory that is bounded, for all workers.
//!
//! The number is a time: until then something is owed. One that is past says the same as none, so nothing
//! has to be swept, and a place whose time is past is taken by the next key without freeing anybody.
//!
//! A key is a keyed digest of 64 bits, which picks a *set*: fifteen places behind a small lock, in four
//! cache lines. There are enough sets that at the table's bound each has four keys on average; that one of
//! them has more than fifteen then happens once in 200,000 sets. One set rather than the better of two:
//! that takes a second lock to look for a key that is not in the first, and at this size saves nothing.
//!
//! When all places of a set are owed, new keys share one more, the set's *overflow*. So a flood of new keys
//! competes with itself: no place is taken from anybody who is limited. A key that gets a place of its own
//! afterwards begins with what the overflow owes, as it may have been part of that.
//!
//! That is right for what is paid back in seconds. What counts for a day would have to be shared for a day,
//! so a table that *counts* has no overflow: a new key takes the place of the one with the least, and begins
//! with as much, as in a Space-Saving sketch (Metwally, Agrawal, El Abbadi 2005). Whoever used much keeps a
//! place and an exact count; of the others nobody is counted too low, and too high by a fifteenth of what
//! came without a place. As that is no calamity, such a table has six keys a set.
//!
//! Memory comes with the keys, a page at a time.

use std::sync::OnceLock;

use parking_lot::Mutex;

/// Places of a set.
const WAYS: usize = 15;

/// Keys of a set on average, when the table is full; and of one that counts.
const KEYS: usize = 4;
const COUNTED: usize = 6;

/// Sets whose memory comes together.
const PAGE: usize = 16;

/// A number for each key.
#[derive(Debug)]
pub(super) struct Table {
    full: Full,
    sets: usize,
    pages: Box<[OnceLock<Box<[Set]>>]>,
}

/// What becomes of a new key when all places of its set are taken.
#[derive(Clone, Copy, Debug)]
enum Full {
    /// It shares the overflow.
    Share,
    /// It takes over the place with the least. What `overflow` holds then is the most that was in a place
    /// that was taken over: whoever had it may come back.
    TakeOver,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Set(Mutex<Places>);

#[derive(Clone, Copy, Debug, Default)]
struct Places {
    overflow: u64,
    tags: [u64; WAYS],
    times: [u64; WAYS],
}

impl Table {
    /// A table for so many keys.
    pub(super) fn new(keys: usize) -> Self {
        Self::of(keys.div_ceil(KEYS).max(1), Full::Share)
    }

    /// A table that counts, for so many keys.
    pub(super) fn counting(keys: usize) -> Self {
        Self::of(keys.div_ceil(COUNTED).max(1), Full::TakeOver)
    }

    fn of(sets: usize, full: Full) -> Self {
        let pages = (0..sets.div_ceil(PAGE)).map(|_| OnceLock::new()).collect();
        Self { full, sets, pages }
    }

    /// Has `act` look at a key's number, and change it.
    #[inline]
    pub(super) fn with<T>(&self, key: u64, now: u64, act: impl FnOnce(&mut u64) -> T) -> T {
        let (page, set) = self.place(key);
        self.page(page)[set].0.lock().with(key, now, self.full, act)
    }

    /// Has the number of a key with a place be no more than this; whether it was. What those without one share
    /// is not one key's.
    pub(super) fn lower(&self, key: u64, most: u64) -> bool {
        let (page, set) = self.place(key);
        let Some(page) = self.pages[page].get() else { return false };
        let mut places = page[set].0.lock();
        let Some(at) = places.find(key) else { return false };
        let was = places.times[at];
        places.times[at] = was.min(most);
        was > most
    }

    /// A key's number, as it would find it.
    pub(super) fn peek(&self, key: u64, now: u64) -> u64 {
        let (page, set) = self.place(key);
        let Some(page) = self.pages[page].get() else { return 0 };
        let places = page[set].0.lock();
        match places.find(key) {
            Some(at) => places.times[at],
            None => places.fresh(now, self.full).1,
        }
    }

    /// Shows all keys whose number is above `now`, and for each set that is or was full the least number
    /// that keys of it may have which have no place. A set is locked for as long as it takes to copy it.
    pub(super) fn each(&self, now: u64, mut show: impl FnMut(Shown)) {
        for (at, set) in self.pages.iter().enumerate().flat_map(|(at, page)| {
            let sets = page.get().into_iter().flatten();
            sets.enumerate().map(move |(set, places)| (at * PAGE + set, places))
        }) {
            let places = *set.0.lock();
            if places.overflow > now {
                show(Shown::Others(self.first(at), places.overflow));
            }
            let all = places.tags.into_iter().zip(places.times);
            all.filter(|(_, time)| *time > now).for_each(|(key, time)| show(Shown::Key(key, time)));
        }
    }

    /// Has keys without a place begin with this number at least, as those of a set of another table did: of
    /// one with so many sets, and with this first key.
    pub(super) fn raise(&self, first: u64, sets: usize, time: u64) {
        let last = first.saturating_add(u64::MAX / sets.max(1) as u64 - 1);
        for set in self.set(first)..=self.set(last) {
            let mut places = self.page(set / PAGE)[set % PAGE].0.lock();
            places.overflow = places.overflow.max(time);
        }
    }

    /// How many sets there are.
    pub(super) const fn sets(&self) -> usize {
        self.sets
    }

    /// How many keys owe something: exact up to some thousands; of more, some pages are looked at. A set
    /// is locked for as long as it takes to count to fifteen.
    pub(super) fn keys(&self, now: u64) -> usize {
        const LOOKED_AT: usize = 256;
        let there: Vec<_> = self.pages.iter().filter_map(OnceLock::get).collect();
        let step = there.len().div_ceil(LOOKED_AT).max(1);
        let owing = |set: &Set| set.0.lock().times.iter().filter(|time| **time > now).count();
        let (mut found, mut pages) = (0, 0);
        for page in there.iter().step_by(step) {
            found += page.iter().map(owing).sum::<usize>();
            pages += 1;
        }
        found * there.len() / pages.max(1)
    }

    /// The most memory that it can take, in bytes.
    #[cfg(test)]
    fn most_memory(&self) -> usize {
        let page = size_of::<OnceLock<Box<[Set]>>>() + PAGE * size_of::<Set>();
        self.pages.len() * page
    }

    /// The page of a key, and the set in it.
    #[inline]
    fn place(&self, key: u64) -> (usize, usize) {
        let set = self.set(key);
        (set / PAGE, set % PAGE)
    }

    #[inline]
    fn set(&self, key: u64) -> usize {
        // The product's upper half is below the count: no division.
        ((u128::from(key) * self.sets as u128) >> 64) as usize
    }

    /// The first key of a set.
    fn first(&self, set: usize) -> u64 {
        let first = ((set as u128) << 64).div_ceil(self.sets as u128);
        u64::try_from(first).unwrap_or(u64::MAX)
    }

    #[inline]
    fn page(&self, page: usize) -> &[Set] {
        self.pages[page].get_or_init(|| (0..PAGE).map(|_| Set::default()).collect())
    }
}

/// What a table shows of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shown {
    /// A key and its number.
    Key(u64, u64),
    /// The first key of a set, and the number that keys of it begin with which have no place.
    Others(u64, u64),
}

impl Places {
    #[inline]
    fn find(&self, key: u64) -> Option<usize> {
        self.tags.iter().position(|tag| *tag == key)
    }

    /// What the overflow owes.
    #[inline]
    fn shared(&self, now: u64) -> u64 {
        if self.overflow > now { self.overflow } else { 0 }
    }

    /// The place that a new key would get, and the number that it begins with.
    #[inline]
    fn fresh(&self, now: u64, full: Full) -> (Option<usize>, u64) {
        let free = self.times.iter().position(|time| *time <= now);
        match full {
            Full::Share => (free, self.shared(now)),
            Full::TakeOver if free.is_some() => (free, self.shared(now)),
            Full::TakeOver => {
                let least = (0..WAYS).min_by_key(|at| self.times[*at]).unwrap_or(0);
                (Some(least), self.times[least].max(self.shared(now)))
            }
        }
    }

    #[inline]
    fn with<T>(&mut self, key: u64, now: u64, full: Full, act: impl FnOnce(&mut u64) -> T) -> T {
        if let Some(at) = self.find(key) {
            return act(&mut self.times[at]);
        }
        let (Some(place), first) = self.fresh(now, full) else {
            return act(&mut self.overflow);
        };
        let mut time = first;
        let acted = act(&mut time);
        if time > now {
            match full {
                Full::Share => {}
                // It took nothing, so nobody has to go for it.
                Full::TakeOver if time <= first => return acted,
                Full::TakeOver if self.times[place] > now => self.overflow = first,
                Full::TakeOver => {}
            }
            (self.tags[place], self.times[place]) = (key, time);
        }
        acted
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        hash::{BuildHasher as _, RandomState},
        sync::atomic::{AtomicU64, Ordering::Relaxed},
    };

    use proptest::prelude::*;

    use super::{super::gcra::Gcra, *};

    /// As [`Gcra::take`], on a table.
    fn take(table: &Table, gcra: Gcra, key: u64, now: u64) -> bool {
        table.with(key, now, |tat| match gcra.take(*tat, now, 1) {
            Ok(after) => {
                *tat = after;
                true
            }
            Err(_) => false,
        })
    }

    fn rate(units: u64, burst: u64) -> Gcra {
        Gcra::new(units, 1_000_000_000, burst).unwrap()
    }

    proptest! {
        #[test]
        fn while_there_is_room_it_is_a_map(
            requests in proptest::collection::vec((0_u64..12, 0_u64..3_000), 1..300),
        ) {
            let (table, gcra) = (Table::new(4_000), rate(1_000_000, 4));
            let (hasher, mut map, mut now) = (RandomState::new(), HashMap::new(), 1);
            for (key, pause) in requests {
                now += pause;
                let tat: &mut u64 = map.entry(key).or_default();
                let expected = gcra.take(*tat, now, 1);
                *tat = expected.unwrap_or(*tat);
                prop_assert_eq!(take(&table, gcra, hasher.hash_one(key), now), expected.is_ok());
            }
            let owing = map.values().filter(|tat| **tat > now).count();
            prop_assert_eq!(table.keys(now), owing);
        }

        /// One set, far more keys than places: whoever has a place keeps it, and all others together
        /// have one allowance, not one each.
        #[test]
        fn a_flood_of_keys_frees_nobody_and_has_one_allowance(
            keys in proptest::collection::vec(1_u64..400, 1..600),
        ) {
            let (table, gcra, now) = (Table::new(1), rate(1, 3), 1_000);
            let mut taken: HashMap<u64, u64> = HashMap::new();
            for key in keys {
                let count = taken.entry(key).or_default();
                *count += u64::from(take(&table, gcra, key, now));
            }
            let all: u64 = taken.values().sum();
            prop_assert!(all <= 3 * (WAYS as u64 + 1), "{all}");
            prop_assert!(taken.values().all(|count| *count <= 3));
        }
    }

    #[test]
    fn a_flood_does_not_free_who_is_limited_nor_evict_who_has_a_place() {
        let (table, gcra, now) = (Table::new(100), rate(1, 2), 1_000);
        let hasher = RandomState::new();
        let known: Vec<u64> = (0..50_u64).map(|key| hasher.hash_one(key)).collect();
        for key in &known {
            assert!(take(&table, gcra, *key, now) && take(&table, gcra, *key, now));
        }
        let flood = (1_000..50_000_u64).filter(|key| take(&table, gcra, hasher.hash_one(key), now));
        let most = 25 * (WAYS + 1) * 2;
        let let_in = flood.count();
        assert!(let_in <= most, "{let_in} of 49,000 came through 25 sets");
        for key in &known {
            assert!(!take(&table, gcra, *key, now), "the flood freed a limited key");
        }
        // A second later each of them, also those who share, has one more unit.
        for key in &known {
            assert!(take(&table, gcra, *key, now + 1_000_000_000));
        }
    }

    #[test]
    fn whoever_leaves_the_overflow_for_a_place_takes_its_debt_along() {
        let (table, gcra) = (Table::new(1), rate(1, 1));
        let second = 1_000_000_000;
        for key in 1..=WAYS as u64 {
            assert!(take(&table, gcra, key, 0));
        }
        assert!(take(&table, gcra, 100, second - 1), "the overflow's own allowance");
        assert!(!take(&table, gcra, 100, second - 1));
        // Now there are places, and it was limited until two seconds less one.
        assert!(!take(&table, gcra, 100, second), "a place of its own freed it");
        assert!(take(&table, gcra, 100, 2 * second - 1));
    }

    /// What of this process is in memory, in KiB; none where the system does not say.
    fn resident() -> Option<usize> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    }

    #[test]
    fn a_million_keys_take_at_most_128_mib_and_nearly_all_have_a_place() {
        let before = resident();
        let (table, gcra, now) = (Table::new(1_000_000), rate(1, 1), 1_000);
        let hasher = RandomState::new();
        let keys = 1_000_000_u64;
        let let_in = (0..keys).filter(|key| take(&table, gcra, hasher.hash_one(key), now)).count();
        let memory = table.most_memory();
        assert!(memory <= 128 << 20, "{memory} bytes");
        if let (Some(before), Some(after)) = (before, resident()) {
            let grown = after.saturating_sub(before);
            assert!(grown <= 128 << 10, "{grown} KiB more are in memory");
        }
        assert!(let_in > 999_900, "only {let_in} had an allowance of their own");
        let counted = table.keys(now);
        assert!((970_000..=1_030_000).contains(&counted), "{counted} counted");
        assert_eq!(table.keys(now + 1_000_000_000), 0, "nobody owes anything any more");
    }

    #[test]
    fn when_all_keys_end_at_once_nobody_waits_for_it() {
        let (table, gcra) = (Table::new(100_000), rate(1, 1));
        let hasher = RandomState::new();
        let slowest = |now: u64| {
            (0..100_000).for_each(|key| {
                take(&table, gcra, hasher.hash_one((now, key)), now);
            });
            let later = now + 2_000_000_000;
            let ask = |key: u64| {
                let begun = std::time::Instant::now();
                assert!(take(&table, gcra, hasher.hash_one((later, key)), later));
                begun.elapsed()
            };
            (0..1_000).map(ask).max()
        };
        // The machine may have something else to do once, and not each time.
        let slowest = (1..=5).map(|turn| slowest(turn * 10_000_000_000)).min().flatten();
        assert!(slowest < Some(std::time::Duration::from_millis(1)), "{slowest:?}");
    }

    fn count(table: &Table, key: u64, cost: u64, most: u64) -> bool {
        table.with(key, 0, |count| {
            let fits = *count + cost <= most;
            *count += if fits { cost } else { 0 };
            fits
        })
    }

    proptest! {
        /// One set, far more keys than places.
        #[test]
        fn a_table_that_counts_never_counts_too_low_and_exactly_while_there_is_room(
            requests in proptest::collection::vec((1_u64..40, 0_u64..4), 1..600), few: bool,
        ) {
            let (table, mut map) = (Table::counting(1), HashMap::<u64, u64>::new());
            let mut all = 0;
            for (key, cost) in requests {
                let key = if few { key % WAYS as u64 + 1 } else { key };
                let known = map.entry(key).or_default();
                if count(&table, key, cost, 60) {
                    *known += cost;
                    all += cost;
                }
                prop_assert!(*known <= 60);
                let shown = table.peek(key, 0);
                prop_assert!(shown >= *known, "{} is counted as {}", known, shown);
                prop_assert!(!few || shown == *known);
                prop_assert!(shown <= *known + all / WAYS as u64 + 3, "{} for {}", shown, known);
            }
        }

        /// As over a restart, with another `max-keys`.
        #[test]
        fn what_a_table_shows_makes_another_that_frees_nobody(
            requests in proptest::collection::vec((0_u64..400, 1_u64..4), 1..900),
            keys in 1_usize..60, others in 1_usize..60,
        ) {
            let hasher = RandomState::new();
            let (table, other) = (Table::counting(keys), Table::counting(others));
            let mut map = HashMap::<u64, u64>::new();
            for (key, cost) in requests {
                if count(&table, hasher.hash_one(key), cost, 50) {
                    *map.entry(key).or_default() += cost;
                }
            }
            table.each(0, |shown| match shown {
                Shown::Key(key, time) => other.with(key, 0, |own| *own = (*own).max(time)),
                Shown::Others(first, time) => other.raise(first, table.sets(), time),
            });
            for (key, known) in map {
                let (before, after) =
                    (table.peek(hasher.hash_one(key), 0), other.peek(hasher.hash_one(key), 0));
                prop_assert!(after >= known, "{} for {}", after, known);
                prop_assert!(keys != others || after == before, "{} for {}", after, before);
            }
        }
    }

    #[test]
    fn a_flood_neither_frees_nor_locks_out_who_used_much() {
        let (table, hasher) = (Table::counting(100), RandomState::new());
        let known: Vec<u64> = (0..20_u64).map(|key| hasher.hash_one(key)).collect();
        for key in &known {
            assert!(count(&table, *key, 5_000, 10_000));
        }
        let flood =
            (1_000..50_000_u64).filter(|key| count(&table, hasher.hash_one(key), 1, 10_000));
        assert_eq!(flood.count(), 49_000);
        for key in &known {
            assert_eq!(table.peek(*key, 0), 5_000);
        }
    }

    #[test]
    fn a_million_counted_keys_leave_room_for_as_many_that_owe() {
        let (table, hasher) = (Table::counting(1_000_000), RandomState::new());
        let exact = (0..1_000_000_u64).filter(|key| {
            let key = hasher.hash_one(key);
            count(&table, key, 1, 9);
            table.peek(key, 0) == 1
        });
        let exact = exact.count();
        assert!(exact > 999_000, "{exact}");
        let memory = table.most_memory() + Table::new(1_000_000).most_memory();
        assert!(memory <= 128 << 20, "{memory} bytes");
    }

    #[test]
    fn many_threads_never_take_more_than_there_is() {
        let (table, gcra) = (Table::new(64), rate(1_000, 50));
        let (hasher, clock) = (RandomState::new(), AtomicU64::new(1));
        let taken: Vec<AtomicU64> = (0..40).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (table, hasher, taken, clock) = (&table, &hasher, &taken, &clock);
                scope.spawn(move || {
                    for turn in 0..20_000 {
                        let key = (turn * 7 + thread) % 40;
                        let now = clock.fetch_add(1_000, Relaxed);
                        if take(table, gcra, hasher.hash_one(key), now) {
                            taken[key as usize].fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        let end = clock.load(Relaxed);
        for count in &taken {
            let count = count.load(Relaxed);
            assert!(count <= 50 + end / 1_000_000, "{count} until {end}");
            assert!(count >= 50);
        }
    }
}
