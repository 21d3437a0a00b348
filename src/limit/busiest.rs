//! [`Busiest`]: which keys a limit was asked for most in the last minutes, for the operator.
//!
//! In: requests, of which most cost a load and a store in a line of their worker's own: of many only some
//! are looked at, each in place of as many. Out: keys with names for people, most asked for first. The first
//! of each worker and each five minutes are all looked at, so that few are counted exactly.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::sketch::{Row, Sketch};
use crate::worker::PerWorker;

/// Requests of a worker that are all looked at.
const EXACT: u32 = 256;

/// Of those after them one in so many is, on average.
const ONE_IN: u32 = 64;

/// How long is counted before it begins anew; what was counted before is shown for as long again.
const PERIOD: Duration = Duration::from_mins(5);

/// Which keys were asked for most.
#[derive(Debug)]
pub(super) struct Busiest {
    /// How many are shown.
    pub(super) most: usize,
    workers: PerWorker<Gap>,
    lately: Mutex<Lately>,
}

/// How many requests of a worker pass before one is looked at. Only its worker writes here; where two share a
/// number, one of them may count for another.
#[derive(Debug, Default)]
struct Gap {
    left: AtomicU32,
    /// What the next counts for.
    weight: AtomicU32,
    /// How many were looked at in this period.
    seen: AtomicU32,
    period: AtomicU32,
}

#[derive(Debug)]
struct Lately {
    number: u32,
    since: Instant,
    now: Sketch,
    before: Option<Sketch>,
}

impl Busiest {
    pub(super) fn new(most: usize, workers: usize) -> Self {
        let (now, before) = (Sketch::new(most), None);
        let lately = Lately { number: 0, since: Instant::now(), now, before };
        Self { most, workers: PerWorker::new(workers), lately: Mutex::new(lately) }
    }

    /// Whether a request is to be looked at.
    #[inline]
    pub(super) fn looks(&self, worker: usize) -> bool {
        let gap = self.workers.at(worker);
        match gap.left.load(Relaxed) {
            0 => true,
            left => {
                gap.left.store(left - 1, Relaxed);
                false
            }
        }
    }

    /// Looks at one: its key, whether it was allowed, and its key's name.
    #[cold]
    pub(super) fn look(
        &self,
        worker: usize,
        key: u64,
        allowed: bool,
        now: Instant,
        name: impl FnOnce() -> Box<str>,
    ) {
        let gap = self.workers.at(worker);
        let mut lately = self.lately.lock();
        lately.turn(now, self.most);
        let weight = gap.weight.load(Relaxed).max(1);
        lately.now.add(key, weight.into(), allowed, name);
        if gap.period.swap(lately.number, Relaxed) != lately.number {
            gap.seen.store(0, Relaxed);
        }
        drop(lately);
        let seen = gap.seen.load(Relaxed) + 1;
        gap.seen.store(seen, Relaxed);
        // By chance: clients that come in turns would always be looked at, or never.
        let exact = seen < EXACT;
        gap.weight.store(if exact { 1 } else { ONE_IN }, Relaxed);
        gap.left.store(if exact { 0 } else { fastrand::u32(0..2 * ONE_IN - 1) }, Relaxed);
    }

    /// The keys, most asked for first, and for how long they were counted.
    pub(super) fn read(&self, now: Instant) -> (Vec<Row>, Duration) {
        let mut lately = self.lately.lock();
        lately.turn(now, self.most);
        let mut rows: HashMap<u64, Row> = HashMap::new();
        for (key, row) in lately.before.iter().chain([&lately.now]).flat_map(Sketch::rows) {
            let known = rows.entry(key).or_insert_with(|| Row {
                name: row.name.clone(),
                allowed: 0,
                refused: 0,
                missed: 0,
            });
            known.allowed += row.allowed;
            known.refused += row.refused;
            known.missed += row.missed;
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort_by(|one, other| {
            let seen = |row: &Row| row.allowed + row.refused;
            seen(other).cmp(&seen(one)).then_with(|| one.name.cmp(&other.name))
        });
        rows.truncate(self.most);
        let before = lately.before.is_some();
        let since = now.saturating_duration_since(lately.since);
        (rows, since + if before { PERIOD } else { Duration::ZERO })
    }
}

impl Lately {
    /// Begins anew when it is time.
    fn turn(&mut self, now: Instant, most: usize) {
        let passed = now.saturating_duration_since(self.since);
        if passed < PERIOD {
            return;
        }
        let last = std::mem::replace(&mut self.now, Sketch::new(most));
        self.before = (passed < 2 * PERIOD).then_some(last);
        self.since = if self.before.is_some() { self.since + PERIOD } else { now };
        self.number = self.number.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(busiest: &Busiest, key: u64, allowed: bool, now: Instant) {
        if busiest.looks(0) {
            busiest.look(0, key, allowed, now, || key.to_string().into());
        }
    }

    #[test]
    fn few_are_counted_exactly() {
        let (busiest, now) = (Busiest::new(10, 1), Instant::now());
        for turn in 0..200_u64 {
            see(&busiest, turn % 4, turn % 4 != 3, now);
        }
        let (rows, _) = busiest.read(now);
        let found: Vec<_> = rows.iter().map(|row| (&*row.name, row.allowed, row.refused)).collect();
        assert_eq!(found, [("0", 50, 0), ("1", 50, 0), ("2", 50, 0), ("3", 0, 50)]);
    }

    #[test]
    fn of_many_the_counts_are_about_right_and_the_busiest_are_found() {
        let (busiest, now) = (Busiest::new(20, 1), Instant::now());
        fastrand::seed(7);
        // Half of all are one key's, a tenth another's, the rest of 10,000 others.
        for turn in 0..1_000_000_u64 {
            let key = match turn % 10 {
                0..5 => 1,
                5 => 2,
                _ => 100 + fastrand::u64(0..10_000),
            };
            see(&busiest, key, true, now);
        }
        let (rows, _) = busiest.read(now);
        let about = |row: &Row, expected: u64| row.allowed.abs_diff(expected) < expected / 10;
        assert!(&*rows[0].name == "1" && about(&rows[0], 500_000), "{:?}", rows[0]);
        assert!(&*rows[1].name == "2" && about(&rows[1], 100_000), "{:?}", rows[1]);
        assert_eq!(rows.len(), 20);
    }

    #[test]
    fn what_was_minutes_ago_is_forgotten() {
        let (busiest, start) = (Busiest::new(10, 1), Instant::now());
        let at = |minutes| start + Duration::from_mins(minutes);
        let names = |now| {
            let (rows, counted) = busiest.read(now);
            let names: Vec<_> = rows.iter().map(|row| row.name.to_string()).collect();
            (names.concat(), counted.as_secs() / 60)
        };
        see(&busiest, 1, true, at(1));
        see(&busiest, 2, true, at(6));
        assert_eq!(names(at(7)), ("12".into(), 7));
        see(&busiest, 3, true, at(11));
        assert_eq!(names(at(12)), ("23".into(), 7));
        assert_eq!(names(at(16)), ("3".into(), 6));
        assert_eq!(names(at(60)), (String::new(), 0));
    }
}
