//! [`Budget`]: an amount that all workers take from, without meeting for each request.
//!
//! In: a worker, an amount and how much may be taken in all. Out: that it was taken, or not. Each worker
//! has a share in hand that it took from the common amount, and takes or gives back more at a time than a
//! request needs. So there is never more taken than may be, and what lies idle in the workers' hands is a
//! sixteenth of it at most: by so much a refusal may come early. Of a small amount nothing lies idle.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

use crate::worker::PerWorker;

/// An amount that all workers take from.
#[derive(Debug)]
pub struct Budget {
    /// What the workers have in hand, used or not.
    taken: AtomicU64,
    hands: PerWorker<Hand>,
}

/// What a worker has.
#[derive(Debug, Default)]
struct Hand {
    /// Taken from the common amount.
    held: AtomicU64,
    /// What of that is in use.
    used: AtomicU64,
}

impl Budget {
    /// Nothing is taken.
    pub fn new(workers: usize) -> Self {
        Self { taken: AtomicU64::new(0), hands: PerWorker::new(workers) }
    }

    /// What a worker keeps in hand beyond what it uses, at most twice: a thirty-second of all for all of
    /// them, twice.
    fn spare(&self, most: u64) -> u64 {
        most / 32 / self.hands.workers().max(1) as u64
    }

    /// Whether this much or less is taken, so that nobody needs to be asked for a priority.
    #[inline]
    pub fn is_within(&self, part: u64) -> bool {
        self.taken.load(Relaxed) <= part
    }

    /// Takes an amount from what the worker has in hand. If that is not enough, nothing is taken.
    #[inline]
    pub fn take_in_hand(&self, worker: usize, amount: u64) -> bool {
        let hand = self.hands.at(worker);
        if hand.used.fetch_add(amount, AcqRel) + amount <= hand.held.load(Relaxed) {
            return true;
        }
        hand.used.fetch_sub(amount, AcqRel);
        false
    }

    /// Takes an amount as long as no more than `part` of `most` is taken by all.
    #[cold]
    pub fn take(&self, worker: usize, amount: u64, part: u64, most: u64) -> bool {
        let hand = self.hands.at(worker);
        let used = hand.used.fetch_add(amount, AcqRel) + amount;
        let held = hand.held.load(Relaxed);
        let missing = used.saturating_sub(held);
        let more =
            |more: u64| move |taken: u64| taken.checked_add(more).filter(|taken| *taken <= part);
        for wanted in [missing + self.spare(most), missing] {
            if self.taken.fetch_update(AcqRel, Relaxed, more(wanted)).is_ok() {
                hand.held.fetch_add(wanted, AcqRel);
                return true;
            }
        }
        hand.used.fetch_sub(amount, AcqRel);
        false
    }

    /// Takes an amount, whatever is taken: it is there already.
    pub fn add(&self, worker: usize, amount: u64, most: u64) {
        if !self.take_in_hand(worker, amount) && !self.take(worker, amount, u64::MAX, most) {
            // It does not fit a count of 64 bits.
            self.hands.at(worker).used.fetch_add(amount, AcqRel);
        }
    }

    /// Gives an amount back.
    #[inline]
    pub fn give(&self, worker: usize, amount: u64, most: u64) {
        let hand = self.hands.at(worker);
        let used = hand.used.fetch_sub(amount, AcqRel) - amount;
        let held = hand.held.load(Relaxed);
        if held.saturating_sub(used) > 2 * self.spare(most) {
            self.put_back(hand, held, used + self.spare(most));
        }
    }

    /// Puts back what a worker has in hand beyond `keep`, unless somebody else changes that just now.
    #[cold]
    fn put_back(&self, hand: &Hand, held: u64, keep: u64) {
        if hand.held.compare_exchange(held, keep, AcqRel, Relaxed).is_ok() {
            self.taken.fetch_sub(held - keep, AcqRel);
        }
    }

    /// How much is in use.
    pub fn used(&self) -> u64 {
        self.hands.sum(|hand| hand.used.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use proptest::prelude::*;

    use super::*;

    fn take(budget: &Budget, worker: usize, amount: u64, most: u64) -> bool {
        (budget.is_within(most) && budget.take_in_hand(worker, amount))
            || budget.take(worker, amount, most, most)
    }

    #[test]
    fn of_a_small_amount_every_piece_is_used_whoever_takes_it() {
        let budget = Budget::new(8);
        assert!((0..10).all(|worker| take(&budget, worker, 1, 10)));
        assert!(!take(&budget, 0, 1, 10));
        budget.give(3, 1, 10);
        assert!(take(&budget, 7, 1, 10));
        assert_eq!(budget.used(), 10);
    }

    #[test]
    fn what_is_there_already_is_taken_and_given_back_like_the_rest() {
        let budget = Budget::new(2);
        budget.add(0, 1_000, 100);
        assert!(!take(&budget, 1, 1, 100));
        budget.give(0, 1_000, 100);
        assert!(take(&budget, 1, 94, 100), "all but a sixteenth");
        assert!(!budget.is_within(93) && budget.is_within(100));
    }

    #[test]
    fn many_workers_never_take_more_than_there_is_and_leave_little() {
        const MOST: u64 = 1_000;
        let (budget, most_seen) = (Budget::new(4), AtomicU64::new(0));
        let (running, refused) = (AtomicU64::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (budget, running, most_seen, refused) =
                    (&budget, &running, &most_seen, &refused);
                scope.spawn(move || {
                    let mut own = Vec::new();
                    for turn in 0..20_000_u64 {
                        let amount = 1 + turn * 7 % 5;
                        if take(budget, worker, amount, MOST) {
                            most_seen
                                .fetch_max(running.fetch_add(amount, AcqRel) + amount, Relaxed);
                            own.push(amount);
                        } else {
                            refused.fetch_add(1, Relaxed);
                        }
                        if own.len() > 100 || turn % 3 == 0 {
                            for amount in own.drain(..own.len() / 2) {
                                running.fetch_sub(amount, AcqRel);
                                budget.give(worker, amount, MOST);
                            }
                        }
                    }
                    for amount in own {
                        running.fetch_sub(amount, AcqRel);
                        budget.give(worker, amount, MOST);
                    }
                });
            }
        });
        assert!(most_seen.load(Relaxed) <= MOST);
        assert_eq!(budget.used(), 0);
        assert!(budget.taken.load(Relaxed) <= MOST / 16, "{budget:?}");
    }

    proptest! {
        #[test]
        fn there_is_never_more_taken_than_may_be_nor_refused_what_there_is(
            most in 1_u64..5_000,
            turns in prop::collection::vec((0_usize..4, 1_u64..200, any::<bool>()), 1..300),
        ) {
            let budget = Budget::new(4);
            let mut taken: Vec<(usize, u64)> = Vec::new();
            for (worker, amount, gives) in turns {
                let used: u64 = taken.iter().map(|(_, amount)| amount).sum();
                if gives && !taken.is_empty() {
                    let (worker, amount) = taken.swap_remove(amount as usize % taken.len());
                    budget.give(worker, amount, most);
                } else if take(&budget, worker, amount, most) {
                    prop_assert!(used + amount <= most);
                    taken.push((worker, amount));
                } else {
                    prop_assert!(used + amount + most / 16 > most, "{used} and {amount} of {most}");
                }
            }
            let used: u64 = taken.iter().map(|(_, amount)| amount).sum();
            prop_assert_eq!(budget.used(), used);
        }
    }
}
