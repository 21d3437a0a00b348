//! The better of two that chance names, by weight: Mitzenmacher's power of two choices.
//!
//! To ask all for the least loaded would cost a look at each, and send everybody to the same one until it is
//! known to be busy. Of two, the longest queue is shorter by an order than by chance alone.

use super::{Loads, draw::Draw};

/// Endpoints, and the two of them to compare.
#[derive(Debug)]
pub(super) struct TwoChoices {
    draw: Draw,
    weights: Box<[u32]>,
    heaviest: f32,
}

/// What an answer is taken to take of an endpoint that nobody knows, in microseconds: it gets one request, and
/// no second before that is answered, if others are there.
const UNKNOWN: f32 = 1e6;

impl TwoChoices {
    /// Endpoints with these weights.
    pub(super) fn new(weights: Vec<u32>) -> Self {
        let heaviest = weights.iter().max().map_or(1.0, |weight| *weight as f32);
        Self { draw: Draw::new(&weights), weights: weights.into(), heaviest }
    }

    /// The one with fewer requests for its weight.
    #[inline]
    pub(super) fn least(&self, random: u64, loads: &impl Loads) -> Option<usize> {
        let (one, other) = self.draw.two(random)?;
        let load = loads.in_flight(one);
        // Without load it is the weights alone that decide: a heavy one would win each time.
        if load == 0 {
            return Some(one);
        }
        let cost = |load: u32, than: usize| (u64::from(load) + 1) * u64::from(self.weights[than]);
        let better = cost(loads.in_flight(other), one) < cost(load, other);
        Some(if better { other } else { one })
    }

    /// The one where a request is likely to be answered first.
    #[inline]
    pub(super) fn fastest(&self, random: u64, loads: &impl Loads) -> Option<usize> {
        let (one, other) = self.draw.two(random)?;
        let better = self.wait(other, loads) < self.wait(one, loads);
        Some(if better { other } else { one })
    }

    #[inline]
    fn wait(&self, index: usize, loads: &impl Loads) -> f32 {
        let load = loads.in_flight(index);
        let took = match loads.latency(index) {
            Some(took) => took,
            None if load == 0 => 0.0,
            None => UNKNOWN,
        };
        // A request more, beside those that are there: those weigh more at one that is good for less.
        took * (1.0 + load as f32 * self.heaviest / self.weights[index] as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known(&'static [(u32, Option<f32>)]);

    impl Loads for Known {
        fn in_flight(&self, index: usize) -> u32 {
            self.0[index].0
        }

        fn all_in_flight(&self) -> u32 {
            0
        }

        fn latency(&self, index: usize) -> Option<f32> {
            self.0[index].1
        }
    }

    /// Two endpoints, so that both are always compared; the first of them drawn first.
    fn chosen(weights: [u32; 2], known: &'static [(u32, Option<f32>)], fastest: bool) -> usize {
        let (two, known) = (TwoChoices::new(weights.into()), Known(known));
        let drawn = (0..u64::MAX).find(|random| two.draw.two(*random).unwrap().0 == 0).unwrap();
        if fastest { two.fastest(drawn, &known) } else { two.least(drawn, &known) }.unwrap()
    }

    #[test]
    fn fewer_requests_for_the_weight_are_better() {
        for (weights, loads, expected) in [
            ([1, 1], &[(0, None), (0, None)][..], 0),
            ([1, 1], &[(1, None), (1, None)], 0),
            ([1, 1], &[(2, None), (1, None)], 1),
            ([3, 1], &[(1, None), (0, None)], 0),
            ([3, 1], &[(3, None), (0, None)], 1),
            ([1, 3], &[(1, None), (3, None)], 1),
            ([1, 3], &[(0, None), (0, None)], 0),
        ] {
            assert_eq!(chosen(weights, loads, false), expected, "{weights:?} {loads:?}");
        }
    }

    #[test]
    fn who_answers_first_is_better() {
        for (weights, loads, expected) in [
            ([1, 1], &[(0, Some(100.0)), (0, Some(90.0))][..], 1),
            ([1, 1], &[(0, Some(100.0)), (1, Some(90.0))], 0),
            ([1, 2], &[(1, Some(100.0)), (2, Some(90.0))], 1),
            ([1, 9], &[(0, Some(100.0)), (0, Some(100.0))], 0),
            // Nobody knows it: one request, and then it has to answer.
            ([1, 1], &[(0, Some(100.0)), (0, None)], 1),
            ([1, 1], &[(5, Some(100.0)), (1, None)], 0),
        ] {
            assert_eq!(chosen(weights, loads, true), expected, "{weights:?} {loads:?}");
        }
    }
}
