//! How busy an endpoint is, as all workers know it.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

/// Requests at an endpoint, of all workers, from when each is sent to the end of its answer. A tunnel is one
/// while it is open.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicU32,
    /// Places that are taken, where those are counted: also by requests that wait for a connection.
    seats: AtomicU32,
}

impl Load {
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
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
