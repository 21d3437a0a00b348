//! The endpoint of a key: Maglev's table (Eisenbud et al., 2016), with weights and bounded loads.
//!
//! A table of a prime number of places is shared out among the endpoints, each of which takes places in an order
//! of its own. The place of a key is a multiplication away. When an endpoint leaves, its places go to the others
//! and nearly all other places stay; and each has its share to one place, where a ring of hashes would need
//! hundreds of points for each endpoint, and a search among them for each request, to come within a tenth. The
//! table depends on ids and weights alone: every gateway has the same.
//!
//! With a bound (Mirrokni et al., 2017) an endpoint that has more than so much of the mean is passed over, and
//! the key goes on to its next place, an order that is the key's own.

use super::{Entry, Loads, Turn, high, mixed};

/// Sizes of tables: about a hundred places for each endpoint or more, up to 2 MiB. The next one is far away: to
/// go from one to another moves nearly all keys.
const SIZES: [usize; 5] = [4_099, 16_411, 65_537, 262_147, 1_048_583];

/// Places for each endpoint.
const PLACES: usize = 100;

/// So many places of a key are looked at before the best of them has to do.
const LOOKS: u32 = 32;

/// A table of places.
#[derive(Debug)]
pub(super) struct Maglev {
    /// Empty if nobody has weight.
    places: Box<[u16]>,
    bound: Option<Bound>,
}

/// What each may have of the requests.
#[derive(Debug)]
struct Bound {
    /// Per cent of the mean.
    share: u64,
    weights: Box<[u32]>,
    sum: u64,
}

/// An endpoint that takes places.
struct Taker {
    index: u16,
    weight: u64,
    /// The place it wants next, and how far the one after that is.
    next: usize,
    step: usize,
    /// Sum of the weights that it needs for its next turn.
    due: u64,
}

impl Maglev {
    /// The table of these endpoints, and what each of them may have, in per cent of the mean.
    pub(super) fn new(entries: &[Entry], bound: Option<u16>) -> Self {
        let size = SIZES.iter().find(|size| **size >= entries.len() * PLACES);
        let size = *size.unwrap_or(&SIZES[SIZES.len() - 1]);
        let bound = bound.map(|share| Bound {
            share: share.into(),
            weights: entries.iter().map(|entry| entry.weight).collect(),
            sum: entries.iter().map(|entry| u64::from(entry.weight)).sum(),
        });
        Self { places: fill(entries, size), bound }
    }

    /// The endpoint of a key, or the one after it if it has enough.
    #[inline]
    pub(super) fn choose(&self, turn: Turn, loads: &impl Loads) -> Option<usize> {
        let first = self.at(turn.key, turn.attempt)?;
        let Some(bound) = &self.bound else { return Some(first) };
        let all = u64::from(loads.all_in_flight()) + 1;
        let room = |index: usize| bound.room(index, all, loads);
        if room(first) > 0 {
            return Some(first);
        }
        let mut best = (first, room(first));
        for attempt in turn.attempt + 1..turn.attempt + LOOKS {
            let other = self.at(turn.key, attempt)?;
            let room = room(other);
            if room > 0 {
                return Some(other);
            }
            if room > best.1 {
                best = (other, room);
            }
        }
        Some(best.0)
    }

    /// The endpoint at a key's place of this number.
    #[inline]
    fn at(&self, key: u64, number: u32) -> Option<usize> {
        let key = if number == 0 { key } else { mixed(key ^ mixed(number.into())) };
        let place = high(u64::from(high(key)) * self.places.len() as u64);
        self.places.get(place as usize).map(|index| usize::from(*index))
    }
}

impl Bound {
    /// How many requests more one may have.
    #[inline]
    fn room(&self, index: usize, all: u64, loads: &impl Loads) -> i64 {
        let most = (self.share * all * u64::from(self.weights[index])).div_ceil(100 * self.sum);
        most.cast_signed() - i64::from(loads.in_flight(index))
    }
}

/// Shares the places out: in each round everybody takes one, whose weight allows for it.
fn fill(entries: &[Entry], size: usize) -> Box<[u16]> {
    let mut sorted: Vec<_> = (0_u16..).zip(entries).filter(|(_, entry)| entry.weight > 0).collect();
    // Not in the order in which they were written.
    sorted.sort_by_key(|(_, entry)| entry.id);
    let heaviest = sorted.iter().map(|(_, entry)| u64::from(entry.weight)).max();
    let Some(heaviest) = heaviest else { return Box::default() };
    let taker = |(index, entry): &(u16, &Entry)| Taker {
        index: *index,
        weight: entry.weight.into(),
        next: remainder(mixed(entry.id), size),
        step: 1 + remainder(mixed(mixed(entry.id)), size - 1),
        due: 0,
    };
    let mut takers: Vec<_> = sorted.iter().map(taker).collect();
    let mut places: Vec<Option<u16>> = vec![None; size];
    let (mut left, mut round) = (size, 0);
    while left > 0 {
        round += 1;
        for taker in &mut takers {
            if left == 0 || round * taker.weight < taker.due {
                continue;
            }
            taker.due += heaviest;
            while places[taker.next].is_some() {
                taker.next = (taker.next + taker.step) % size;
            }
            places[taker.next] = Some(taker.index);
            left -= 1;
        }
    }
    places.into_iter().flatten().collect()
}

fn remainder(number: u64, of: usize) -> usize {
    usize::try_from(number % of as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::balance::Digest;

    fn entries(weights: &[u32]) -> Vec<Entry> {
        let id = |index: usize| Digest::of(format!("http://10.0.0.{index}:8080").as_bytes());
        let entry = |(index, weight): (usize, &u32)| Entry { id: id(index), weight: *weight };
        weights.iter().enumerate().map(entry).collect()
    }

    fn table(weights: &[u32]) -> Maglev {
        Maglev::new(&entries(weights), None)
    }

    /// Places of each.
    fn places(table: &Maglev, of: usize) -> Vec<usize> {
        let mut counts = vec![0; of];
        table.places.iter().for_each(|index| counts[usize::from(*index)] += 1);
        counts
    }

    /// What share of places another table gives to somebody else, but for those of whom it does not know.
    fn moved(before: &Maglev, after: &Maglev, gone: Option<u16>) -> f64 {
        let pairs = before.places.iter().zip(&after.places);
        let moved = pairs.filter(|(before, after)| before != after && Some(**before) != gone);
        moved.count() as f64 / before.places.len() as f64
    }

    struct Busy(Vec<u32>);

    impl Loads for Busy {
        fn in_flight(&self, index: usize) -> u32 {
            self.0[index]
        }

        fn all_in_flight(&self) -> u32 {
            self.0.iter().sum()
        }

        fn latency(&self, _: usize) -> Option<f32> {
            None
        }
    }

    #[test]
    fn sizes_are_primes() {
        for size in SIZES {
            let mut smaller = (2..).take_while(|divisor| divisor * divisor <= size);
            assert!(smaller.all(|divisor| size % divisor != 0), "{size}");
        }
    }

    #[test]
    fn each_has_its_share_of_places() {
        for count in [1, 2, 3, 7, 10, 40, 41, 300] {
            let counts = places(&table(&vec![1; count]), count);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{count}: {least} to {most}");
        }
        let counts = places(&table(&[5, 0, 1, 4]), 4);
        assert_eq!(counts[1], 0);
        for (count, expected) in counts.iter().zip([0.5, 0.0, 0.1, 0.4]) {
            assert!((*count as f64 / 4_099.0 - expected).abs() < 0.001, "{counts:?}");
        }
    }

    #[test]
    fn the_order_in_which_endpoints_are_written_means_nothing() {
        let mut turned = entries(&[1, 2, 3, 4]);
        turned.rotate_left(1);
        let (one, other) = (table(&[1, 2, 3, 4]), Maglev::new(&turned, None));
        for key in (0..1_000).map(mixed) {
            assert_eq!(one.at(key, 0).unwrap(), (other.at(key, 0).unwrap() + 1) % 4);
        }
    }

    /// Those of whoever left have to move; of the rest the paper expects few.
    #[test]
    fn when_one_leaves_few_others_move() {
        for (count, bound) in [(2, 0.0), (3, 0.02), (10, 0.02), (40, 0.03), (300, 0.03)] {
            let all = table(&vec![1; count]);
            let mut worst: f64 = 0.0;
            for gone in (0..count).step_by(count.div_ceil(10)) {
                let mut weights = vec![1; count];
                weights[gone] = 0;
                let gone = u16::try_from(gone).unwrap();
                worst = worst.max(moved(&all, &table(&weights), Some(gone)));
            }
            println!("of {count} one leaves: {:.2} % of the others' keys move", worst * 100.0);
            assert!(worst <= bound, "{count}: {worst}");
        }
    }

    #[test]
    fn another_weight_moves_little_more_than_it_has_to() {
        let (before, after) = (table(&[10; 10]), table(&[10, 10, 10, 10, 10, 5, 10, 10, 10, 10]));
        let needed = 1.0 / 10.0 - 5.0 / 95.0;
        let moved = moved(&before, &after, None);
        println!(
            "half a weight of ten: {:.2} % move, {:.2} have to",
            moved * 100.0,
            needed * 100.0
        );
        assert!(moved < needed + 0.05, "{moved}");
    }

    #[test]
    fn a_key_has_an_order_of_its_own() {
        let table = table(&[1; 5]);
        let mut second = [[0; 5]; 5];
        for key in (0..5_000).map(mixed) {
            let order: Vec<_> = (0..100).map(|number| table.at(key, number).unwrap()).collect();
            let next = order.iter().find(|index| **index != order[0]).unwrap();
            second[order[0]][*next] += 1;
            assert!((0..5).all(|index| order.contains(&index)), "{order:?}");
        }
        for (first, counts) in second.iter().enumerate() {
            let fair = counts.iter().enumerate().filter(|(next, _)| *next != first);
            assert!(fair.clone().all(|(_, count)| (180..330).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn a_key_that_everybody_wants_goes_on_to_the_next() {
        let bounded = Maglev::new(&entries(&[1, 1, 2]), Some(125));
        let mut busy = Busy(vec![0; 3]);
        let key = mixed(7);
        for sent in 1..=400_u32 {
            let turn = Turn { key, ..Turn::default() };
            let to = bounded.choose(turn, &busy).unwrap();
            busy.0[to] += 1;
            for (load, weight) in busy.0.iter().zip([1, 1, 2]) {
                assert!(*load <= (sent * weight * 125).div_ceil(400), "{:?} of {sent}", busy.0);
            }
        }
        let home = bounded.at(key, 0).unwrap();
        assert!(busy.0.iter().all(|load| *load > 0), "{:?}", busy.0);
        let unbounded = table(&[1, 1, 2]);
        assert_eq!(unbounded.choose(Turn { key, ..Turn::default() }, &busy), Some(home));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn shares_are_the_weights(weights in prop::collection::vec(0_u32..100, 1..20)) {
            let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
            prop_assume!(sum > 0.0);
            let table = table(&weights);
            let size = table.places.len() as f64;
            for (count, weight) in places(&table, weights.len()).iter().zip(&weights) {
                let error = *count as f64 / size - f64::from(*weight) / sum;
                prop_assert!(error.abs() < 0.001, "{} of {:?}", count, weights);
            }
        }

        #[test]
        fn whoever_leaves_takes_few_along(seed in any::<u64>(), count in 2_usize..60) {
            let id = |index: usize| mixed(seed ^ index as u64);
            let mut all: Vec<_> = (0..count).map(|n| Entry { id: id(n), weight: 1 }).collect();
            let before = Maglev::new(&all, None);
            all[0].weight = 0;
            let others = moved(&before, &Maglev::new(&all, None), Some(0));
            // Its places are one part of `count`; the paper finds a few in a hundred of the rest. A seed was
            // seen that moves seven.
            prop_assert!(others < 0.1, "{} of the others' keys of {}", others, count);
        }
    }
}
