//! Each in turn, by weight.
//!
//! The order is worked out at load, by nginx's smooth weighted round robin: `5, 1, 1` becomes
//! `a a b a c a a`, not `a a a a a b c`. A choice is then one step on a worker's own counter;
//! workers start at different places, so that few requests do not all meet the same endpoint.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::worker::PerWorker;

/// The order is no longer than this; larger weights are scaled down, which costs exactness below
/// one part in so many.
const LONGEST: u64 = 10_000;

/// Endpoints in turn.
#[derive(Debug)]
pub(super) struct RoundRobin {
    order: Box<[u16]>,
    next: PerWorker<AtomicUsize>,
}

impl RoundRobin {
    /// The order of endpoints with these weights; weight 0 has no turn.
    pub(super) fn new(weights: &[u32], workers: usize) -> Self {
        let order = smooth(&reduce(weights));
        let step = order.len() / workers.max(1);
        let next = PerWorker::with(workers, |worker| AtomicUsize::new(worker * step.max(1)));
        Self { order, next }
    }

    /// The endpoint whose turn it is; none if all have weight 0.
    pub(super) fn next(&self, worker: usize) -> Option<usize> {
        let turn = self.next.at(worker).fetch_add(1, Relaxed);
        match self.order.len() {
            0 => None,
            length => Some(usize::from(self.order[turn % length])),
        }
    }
}

/// The smallest weights in the same proportion, and no more than `LONGEST` in sum.
fn reduce(weights: &[u32]) -> Vec<u64> {
    let divisor = weights.iter().fold(0, |a, b| gcd(a, u64::from(*b))).max(1);
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight) / divisor).sum();
    let scale = |weight: &u32| match u64::from(*weight) / divisor {
        0 => 0,
        reduced if sum <= LONGEST => reduced,
        reduced => (reduced * LONGEST / sum).max(1),
    };
    weights.iter().map(scale).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// In each turn everybody gains their weight; the richest has the turn and pays the sum.
fn smooth(weights: &[u64]) -> Box<[u16]> {
    let sum: i64 = weights.iter().map(|weight| weight.cast_signed()).sum();
    let mut wealth = vec![0_i64; weights.len()];
    let mut turn = |_| {
        for (wealth, weight) in wealth.iter_mut().zip(weights) {
            *wealth += weight.cast_signed();
        }
        let richest = (0..wealth.len()).rev().max_by_key(|index| wealth[*index]).unwrap_or(0);
        wealth[richest] -= sum;
        u16::try_from(richest).unwrap_or(u16::MAX)
    };
    (0..sum).map(&mut turn).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn turns_are_spread_not_bunched() {
        assert_eq!(*smooth(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(*smooth(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(*smooth(&[0, 2]), [1, 1]);
        assert!(smooth(&[]).is_empty());
    }

    #[test]
    fn an_upstream_without_weight_has_no_turn() {
        assert_eq!(RoundRobin::new(&[0, 0], 2).next(0), None);
        assert_eq!(RoundRobin::new(&[], 2).next(0), None);
    }

    #[test]
    fn workers_do_not_all_begin_with_the_same_endpoint() {
        let balance = RoundRobin::new(&[1, 1], 2);
        assert_ne!(balance.next(0), balance.next(1));
    }

    proptest! {
        #[test]
        fn over_a_round_everybody_has_their_share(
            weights in prop::collection::vec(0_u32..20, 1..8),
        ) {
            let balance = RoundRobin::new(&weights, 1);
            let sum: u32 = weights.iter().sum();
            let mut turns = vec![0_u32; weights.len()];
            for _ in 0..sum {
                turns[balance.next(0).unwrap()] += 1;
            }
            prop_assert_eq!(turns, weights);
        }

        #[test]
        fn large_weights_keep_their_proportion_and_the_order_its_bound(
            weights in prop::collection::vec(0..=super::super::shares::MOST, 1..50),
        ) {
            let reduced = reduce(&weights);
            prop_assert!(reduced.iter().sum::<u64>() <= LONGEST + 50);
            let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            let total: u64 = reduced.iter().sum::<u64>().max(1);
            for (weight, reduced) in weights.iter().zip(&reduced) {
                prop_assert_eq!(*weight == 0, *reduced == 0);
                let wanted = f64::from(*weight) / sum.max(1) as f64;
                let got = *reduced as f64 / total as f64;
                prop_assert!((wanted - got).abs() < 0.01, "{} for {}", got, wanted);
            }
        }
    }
}
