//! One of the threads that carry traffic: its number, its coarse clock, its deadlines.
//!
//! A worker runs a current-thread runtime and shares nothing on the hot path. What is kept for each
//! worker is found by [`Worker::index`]. Time on the hot path comes from [`Clock`], which costs a
//! load; only what is shown to people (latencies) reads the system's clock.

mod clock;
mod per_worker;
mod rouser;

pub use self::{
    clock::{Clock, Deadline, TICK, wall},
    per_worker::PerWorker,
    rouser::Rouser,
};

/// A worker, as its own tasks know it.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its number, from 0; also the number of its share of every sharded counter.
    pub index: usize,
    /// Its clock.
    pub clock: Clock,
}
