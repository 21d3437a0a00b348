//! One of the threads that carry traffic: its number, its coarse clock, its deadlines.
//!
//! A worker runs a current-thread runtime and shares nothing on the hot path. What is kept for each
//! worker is found by [`Worker::index`]. Time on the hot path comes from [`Clock`], which costs a
//! load; only what is shown to people (latencies) reads the system's clock.

mod clock;

pub use self::clock::{Clock, Deadline, TICK};

/// A worker, as its own tasks know it.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its number, from 0; also the number of its share of every sharded counter.
    pub index: usize,
    /// Its clock.
    pub clock: Clock,
}

/// A value for each worker, apart in memory, so that no worker's writes disturb another's.
#[derive(Debug)]
pub struct PerWorker<T>(Box<[Padded<T>]>);

/// Two cache lines: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> PerWorker<T> {
    /// A value for each of so many workers; at least one.
    pub fn new(workers: usize, make: impl Fn(usize) -> T) -> Self {
        Self((0..workers.max(1)).map(|index| Padded(make(index))).collect())
    }

    /// A worker's own. When there are more workers than values, some share one.
    pub fn of(&self, worker: usize) -> &T {
        &self.0[worker % self.0.len()].0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}
