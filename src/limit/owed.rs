//! [`Owed`]: a number by key, for a limit with one key or with many.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::table::{Shown, Table};

/// A number by key: when all is paid for that was taken, or what was used.
#[derive(Debug)]
pub(super) enum Owed {
    One(AtomicU64),
    Many(Table),
}

impl Owed {
    pub(super) fn peek(&self, key: u64, now: u64) -> u64 {
        match self {
            Self::One(owed) => owed.load(Relaxed),
            Self::Many(table) => table.peek(key, now),
        }
    }

    /// Takes in what another owes.
    pub(super) fn take_in(&self, other: &Self, now: u64) {
        match (self, other) {
            (Self::One(own), Self::One(other)) => drop(own.fetch_max(other.load(Relaxed), Relaxed)),
            (Self::Many(own), Self::Many(other)) => other.each(now, |shown| match shown {
                Shown::Key(key, time) => own.with(key, now, |owed| *owed = time.max(*owed)),
                Shown::Others(first, time) => own.raise(first, other.sets(), time),
            }),
            (Self::One(_), Self::Many(_)) | (Self::Many(_), Self::One(_)) => {}
        }
    }

    /// Has no key owe anything beyond this time.
    pub(super) fn cap(&self, most: u64) {
        match self {
            Self::One(owed) => {
                owed.fetch_min(most, Relaxed);
            }
            Self::Many(table) => table.each(most, |shown| {
                if let Shown::Key(key, _) = shown {
                    table.lower(key, most);
                }
            }),
        }
    }

    /// Has a key owe nothing beyond this time; whether it did.
    pub(super) fn lower(&self, key: u64, most: u64) -> bool {
        match self {
            Self::One(owed) => owed.fetch_min(most, Relaxed) > most,
            Self::Many(table) => table.lower(key, most),
        }
    }

    /// About how many keys have a number above `now`.
    pub(super) fn keys(&self, now: u64) -> usize {
        match self {
            Self::One(owed) => usize::from(owed.load(Relaxed) > now),
            Self::Many(table) => table.keys(now),
        }
    }

    #[inline]
    pub(super) fn with<T>(&self, key: u64, now: u64, act: impl Fn(&mut u64) -> T) -> T {
        let owed = match self {
            Self::Many(table) => return table.with(key, now, act),
            Self::One(owed) => owed,
        };
        let mut before = owed.load(Relaxed);
        loop {
            let mut after = before;
            let acted = act(&mut after);
            if after == before {
                return acted;
            }
            match owed.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return acted,
                Err(found) => before = found,
            }
        }
    }
}
