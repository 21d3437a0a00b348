//! [`Shard`]: what keys used of a quota at this gateway, and what was heard of the others.
//!
//! In: what the store says of a key. Out: what that means for what is known of it, and which keys are to be told.
//! Pure: no store, no clock.

use super::quota::Window;
use crate::key::ByKey;

/// Of the keys of a shard that is full one part of these has to be told before somebody looks for those of a day
/// that is over: that takes as long as there are keys, and a flood of new ones comes by each time.
const SOME: usize = 8;

/// Some of the keys.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) keys: ByKey<Own>,
    /// How often one was told since those that the store knows were let go.
    pub(super) told: usize,
    /// How many came to be counted in the latest day or month.
    pub(super) came: usize,
    pub(super) window: Window,
}

/// What is left of how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeftOf {
    pub(super) left: u64,
    pub(super) units: u64,
}

impl Shard {
    /// Whether a key is to be counted: one that is, or one that there is room for, if need be instead of those of a
    /// day or month that is over, and that used enough to be one more of the store's keys. What the store has of this
    /// one keeps its place: it would be one more each time that it came back.
    pub(super) fn takes_in(&mut self, key: u64, window: Window, of: LeftOf, most: usize) -> bool {
        if self.window < window {
            (self.window, self.came) = (window, 0);
        }
        let known = self.keys.get(&key).map(|own| own.window);
        if known.is_some_and(|known| known >= window) {
            return true;
        }
        if self.came >= most && of.units.saturating_sub(of.left) <= self.enough(of.units, most) {
            return false;
        }
        if known.is_none() && self.keys.len() >= most && self.told.saturating_mul(SOME) >= most {
            let latest = self.window;
            self.keys.retain(|_, own| !own.is_told() || own.window >= latest);
            self.told = 0;
        }
        let room = known.is_some() || self.keys.len() < most.saturating_mul(2);
        self.came += usize::from(room);
        room
    }

    /// What one more key has to have used more than.
    fn enough(&self, units: u64, most: usize) -> u64 {
        let beyond = (self.came - most) as u64;
        units.saturating_mul(beyond) / (most as u64).max(1)
    }
}

/// What a key used here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub(super) window: Window,
    pub(super) number: u64,
    pub(super) taken: u64,
    pub(super) back: u64,
    /// What the store knows of both.
    pub(super) told: (u64, u64),
    /// What others took and gave back, as far as it was heard; none before the first answer.
    pub(super) others: Option<(u64, u64)>,
    /// When it was told last, in seconds since the tally began.
    pub(super) heard: u32,
    /// Whether it is to be asked what the others used, though there is nothing to tell.
    pub(super) asks: bool,
    /// Whether it could not be told, the last time that it was to be.
    pub(super) alone: bool,
}

/// What the store says of a key: what others took and gave back, and what this gateway used.
pub(super) type Said = (u64, u64, u64);

/// What it means for what is known of the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Heard {
    /// All used this much, at least.
    All(u64),
    /// Others took so much more, and gave so much more back.
    Since(u64, u64),
}

impl Own {
    /// A key that comes to be counted.
    pub(super) const fn new(window: Window, number: u64) -> Self {
        let (told, others, heard) = ((0, 0), None, 0);
        Self { window, number, taken: 0, back: 0, told, others, heard, asks: false, alone: false }
    }

    pub(super) const fn is_told(&self) -> bool {
        self.taken == self.told.0 && self.back == self.told.1
    }

    /// Takes in what the store said when it was told this.
    pub(super) fn hear(&mut self, told: &Self, (taken, back, own): Said) -> Heard {
        self.told = (self.told.0.max(told.taken), self.told.1.max(told.back));
        let known = self.others;
        let (before, returned) = known.unwrap_or_default();
        let others = (taken.max(before), back.max(returned));
        self.others = Some(others);
        if known.is_some() {
            return Heard::Since(others.0 - before, others.1 - returned);
        }
        let since = (self.taken - told.taken).saturating_sub(self.back - told.back);
        Heard::All((taken.saturating_sub(back)).saturating_add(own).saturating_add(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Calendar;

    fn own(taken: u64, told: u64) -> Own {
        Own { taken, told: (told, 0), ..Own::new(today(), 0) }
    }

    fn today() -> Window {
        Window::at(Calendar::Day, 86_400_000)
    }

    fn tomorrow() -> Window {
        Window::at(Calendar::Day, 2 * 86_400_000)
    }

    /// Of a key that nothing is left of.
    const SPENT: LeftOf = LeftOf { left: 0, units: 100 };

    #[test]
    fn a_shard_that_is_full_is_looked_through_only_when_enough_was_told() {
        let mut shard = Shard::default();
        for key in 0..32 {
            assert!(shard.takes_in(key, today(), SPENT, 16), "{key}");
            shard.keys.insert(key, own(1, u64::from(key < 2)));
        }
        assert!(shard.takes_in(3, today(), SPENT, 16), "it has a place");
        shard.told = 1;
        assert!(!shard.takes_in(100, tomorrow(), SPENT, 16) && shard.keys.len() == 32);
        shard.told = 2;
        assert!(shard.takes_in(100, tomorrow(), SPENT, 16) && shard.keys.len() == 30);
        assert_eq!(shard.told, 0);
        assert!(!shard.keys.contains_key(&0) && shard.keys.contains_key(&31), "only what was told");
        assert_eq!(shard.came, 1);
        assert!(shard.takes_in(31, tomorrow(), SPENT, 16), "the place that it had yesterday");
        assert_eq!(shard.came, 2, "the store has no key of today's for it");
    }

    /// They were counted anew each time, until nothing new was told for the rest of the day.
    #[test]
    fn keys_that_the_store_has_keep_their_place_for_the_day_and_are_counted_once() {
        let mut shard = Shard::default();
        for round in 0..100 {
            for key in 0..10 {
                assert!(shard.takes_in(key, today(), SPENT, 10), "{key}, round {round}");
                let window = today();
                shard.keys.insert(key, Own { window, ..own(round + 1, round + 1) });
                shard.told += 1;
            }
            assert!(!shard.takes_in(1_000 + round, today(), LeftOf { left: 100, units: 100 }, 10));
        }
        assert_eq!(shard.came, 10);
        assert!(shard.takes_in(500, today(), SPENT, 10), "one that used much");
    }

    /// What is known of a key is what was used: of others as far as it was heard, whatever comes late.
    #[test]
    fn what_others_gave_back_makes_it_less_and_nothing_that_comes_late_does() {
        let mut known = own(5, 0);
        let told = known;
        known.taken += 2;
        assert_eq!(known.hear(&told, (7, 1, 5)), Heard::All(7 - 1 + 5 + 2));
        assert!(!known.is_told(), "two more since");
        let told = known;
        assert_eq!(known.hear(&told, (9, 4, 7)), Heard::Since(2, 3));
        assert!(known.is_told());
        for late in [(7, 1, 5), (9, 4, 7), (8, 2, 7)] {
            assert_eq!(known.hear(&told, late), Heard::Since(0, 0), "{late:?}");
        }
        let told = Own { taken: 5, ..told };
        assert_eq!(known.hear(&told, (9, 5, 5)), Heard::Since(0, 1));
        assert!(known.is_told(), "it was told more before");
        // A store that forgot.
        assert_eq!(known.hear(&known.clone(), (0, 0, 7)), Heard::Since(0, 0));
        assert_eq!(known.hear(&known.clone(), (10, 0, 7)), Heard::Since(1, 0));
    }

    /// A flood of keys that a client makes up, all told at once: a store that holds each until its day is over.
    #[test]
    fn of_more_keys_than_may_be_known_those_that_used_much_come_to_the_store() {
        let mut shard = Shard::default();
        let mut come = |key: u64, window: Window, used: u64| {
            let of = LeftOf { left: 100 - used, units: 100 };
            let comes = shard.takes_in(key, window, of, 10);
            if comes {
                shard.keys.insert(key, own(1, 1));
                shard.told += 1;
            }
            comes
        };
        assert!((0..10).all(|key| come(key, today(), 1)), "as many as may be known");
        assert!(come(10, today(), 1), "the first beyond");
        assert!(
            (20..1_000).all(|key| !come(key, today(), 10)),
            "no more of those that used little"
        );
        assert!(come(11, today(), 11), "who used more than a tenth");
        assert!(!come(12, today(), 20) && come(12, today(), 21), "and now than a fifth");
        assert!((13..20).all(|key| come(key, today(), 100)));
        assert!(!come(1_000, today(), 100), "never more than twice as many");
        assert!(come(19, today(), 1), "one that is counted goes on");
        assert!(come(1_001, tomorrow(), 1), "the next day begins anew");
    }
}
