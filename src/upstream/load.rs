//! How busy an endpoint is and how fast, as all workers know it.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

use crate::balance::Latency;

/// Requests at an endpoint, of all workers, from when each is sent to the end of its answer, and while one waits
/// for a connection: an endpoint that takes none is not idle. A tunnel is one while it is open. What is written
/// together is on one line of a processor's cache.
#[derive(Debug, Default)]
#[repr(align(16))]
pub struct Load {
    /// How long its answers take, where that is asked.
    pub latency: Latency,
    in_flight: AtomicU32,
    /// Places that are taken, where those are counted: also by requests that wait for a connection.
    seats: AtomicU32,
}

/// A request that waits for a connection.
pub(super) struct Held<'a>(&'a Load);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Load {
    /// One more.
    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// One less.
    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// One more as long as this is held.
    pub(super) fn hold(&self) -> Held<'_> {
        self.begin();
        Held(self)
    }

    /// How many there are now.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Takes a place, unless so many are taken.
    pub(super) fn sit_down(&self, most: u32) -> bool {
        let one_more = |taken: u32| (taken < most).then_some(taken + 1);
        self.seats.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    /// Gives a place back.
    pub(super) fn stand_up(&self) {
        self.seats.fetch_sub(1, SeqCst);
    }
}
