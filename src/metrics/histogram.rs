//! [`Histogram`]: how long things took, in fixed buckets.
//!
//! In: whole microseconds. Out: a [`Distribution`] of bucket counts and their sum. No floats, no lock:
//! a record is a search over sixteen integers and two relaxed additions. There is no separate count
//! to keep; it is the sum of the buckets, so `+Inf` and `_count` cannot disagree.

use super::Counter;
use crate::worker::PerWorker;

/// The upper ends of the buckets: microseconds, and the same in seconds as the page says it. Steps of
/// 1, 2.5 and 5 rather than powers of two, because service levels are promised in round numbers.
pub(super) const BOUNDS: [(u64, &str); 16] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (60_000_000, "60"),
];

const BUCKETS: usize = BOUNDS.len() + 1;

/// How long things took; the last bucket has no upper end.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    micros: Counter,
}

impl Histogram {
    /// Counts one thing that took this many microseconds.
    pub fn record(&self, micros: u64) {
        // A bucket holds its upper end: `le` means less or equal.
        let bucket = BOUNDS.partition_point(|(bound, _)| *bound < micros);
        self.buckets[bucket].inc();
        self.micros.add(micros);
    }
}

/// What a histogram held when it was read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Distribution {
    /// Things in each bucket alone, not cumulative.
    pub(super) buckets: [u64; BUCKETS],
    /// Microseconds of all of them.
    pub(super) micros: u64,
}

impl Distribution {
    /// The sum over all workers' histograms.
    pub(super) fn read<T>(shards: &PerWorker<T>, pick: impl Fn(&T) -> &Histogram) -> Self {
        let mut whole = Self::default();
        for shard in shards.iter() {
            let histogram = pick(shard);
            for (sum, cell) in whole.buckets.iter_mut().zip(&histogram.buckets) {
                *sum += cell.get();
            }
            whole.micros += histogram.micros.get();
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_bounds_are_their_seconds() {
        for (micros, seconds) in BOUNDS {
            let parsed: f64 = seconds.parse().unwrap();
            assert_eq!(micros as f64 / 1e6, parsed);
        }
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_value_falls_in_the_first_bucket_that_holds_it() {
        for (micros, bucket) in [
            (0, 0),
            (500, 0),
            (501, 1),
            (1_000, 1),
            (1_001, 2),
            (60_000_000, 15),
            (60_000_001, 16),
            (u64::MAX >> 8, 16),
        ] {
            let shards = PerWorker::<Histogram>::new(1);
            shards.at(0).record(micros);
            let whole = Distribution::read(&shards, |histogram| histogram);
            let expected: [u64; BUCKETS] = std::array::from_fn(|at| u64::from(at == bucket));
            assert_eq!(whole, Distribution { buckets: expected, micros });
        }
    }
}
