//! An endpoint by chance, by weight: Walker's alias table, as Vose builds it.
//!
//! Whatever the weights are, a draw is one look at one place of a table: half of the number says which, the
//! rest which of the two that share it.

use super::{high, low, mixed};

/// Endpoints in a hat.
#[derive(Debug)]
pub(super) struct Draw {
    slots: Box<[Slot]>,
}

/// One place of the table: each holds as much as every other, and at most two endpoints.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Below this it is `own`, else `other`.
    limit: u32,
    own: u16,
    other: u16,
}

/// How often two draws that are the same are drawn again, before a neighbour does.
const AGAIN: usize = 2;

impl Draw {
    /// Endpoints with these weights; who has weight 0 is not in the hat.
    pub(super) fn new(weights: &[u32]) -> Self {
        let entries = (0_u16..).zip(weights).filter(|(_, weight)| **weight > 0);
        let entries: Vec<(u16, u128)> = entries.map(|(own, w)| (own, u128::from(*w))).collect();
        let sum: u128 = entries.iter().map(|(_, weight)| weight).sum();
        let count = entries.len() as u128;
        // What each has, of places that hold `sum`.
        let mut left: Vec<u128> = entries.iter().map(|(_, weight)| weight * count).collect();
        let mut slots: Vec<Slot> = entries
            .iter()
            .map(|(own, _)| Slot { limit: u32::MAX, own: *own, other: *own })
            .collect();
        let (mut poor, mut rich): (Vec<_>, Vec<_>) =
            (0..entries.len()).partition(|at| left[*at] < sum);
        while let (Some(small), Some(large)) = (poor.pop(), rich.last().copied()) {
            let limit = (left[small] << 32) / sum;
            slots[small].limit = u32::try_from(limit).unwrap_or(u32::MAX);
            slots[small].other = entries[large].0;
            left[large] -= sum - left[small];
            if left[large] < sum {
                rich.pop();
                poor.push(large);
            }
        }
        Self { slots: slots.into() }
    }

    /// One of them.
    #[inline]
    pub(super) fn one(&self, random: u32) -> Option<usize> {
        let (place, rest) = self.place(random)?;
        let slot = self.slots[place];
        Some(usize::from(if rest < slot.limit { slot.own } else { slot.other }))
    }

    /// Two of them, different unless there is one alone.
    #[inline]
    pub(super) fn two(&self, random: u64) -> Option<(usize, usize)> {
        let (one, mut other) = (self.one(low(random))?, self.one(high(random))?);
        if one != other {
            return Some((one, other));
        }
        let mut random = random;
        for _ in 0..AGAIN {
            random = mixed(random);
            other = self.one(low(random))?;
            if one != other {
                return Some((one, other));
            }
        }
        // One that outweighs the rest: what is left is the others'.
        let (place, _) = self.place(high(random))?;
        let (before, from) = self.slots.split_at(place);
        let mut owners = from.iter().chain(before).map(|slot| usize::from(slot.own));
        Some((one, owners.find(|owner| *owner != one).unwrap_or(one)))
    }

    /// The place that a number means, and what is left of the number.
    #[inline]
    fn place(&self, random: u32) -> Option<(usize, u32)> {
        let scaled = u64::from(random) * self.slots.len() as u64;
        let place = high(scaled) as usize;
        (place < self.slots.len()).then_some((place, low(scaled)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The share of each, to the last of the 2^32 numbers.
    fn chances(weights: &[u32]) -> Vec<f64> {
        let draw = Draw::new(weights);
        let place = 1.0 / draw.slots.len().max(1) as f64;
        let mut chances = vec![0.0; weights.len()];
        for slot in &draw.slots {
            let own = f64::from(slot.limit) / f64::from(u32::MAX);
            chances[usize::from(slot.own)] += place * own;
            chances[usize::from(slot.other)] += place * (1.0 - own);
        }
        chances
    }

    #[test]
    fn nobody_is_drawn_of_none() {
        assert_eq!(Draw::new(&[]).one(7), None);
        assert_eq!(Draw::new(&[0, 0]).two(7), None);
        assert_eq!(Draw::new(&[0, 3]).two(7), Some((1, 1)));
    }

    proptest! {
        #[test]
        fn chances_are_the_weights(weights in prop::collection::vec(0_u32..1 << 20, 1..60)) {
            let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            prop_assume!(sum > 0.0);
            for (weight, chance) in weights.iter().zip(chances(&weights)) {
                prop_assert!((f64::from(*weight) / sum - chance).abs() < 1e-6);
            }
        }

        #[test]
        fn two_are_two(
            weights in prop::collection::vec(1_u32..1 << 20, 2..20),
            random in any::<u64>(),
        ) {
            let (one, other) = Draw::new(&weights).two(random).unwrap();
            prop_assert!(one != other && one < weights.len() && other < weights.len());
        }
    }
}
