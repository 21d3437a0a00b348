//! How busy an endpoint is, as all workers know it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Requests at an endpoint, of all workers, from when each is sent to the end of its answer. A tunnel is one
/// while it is open.
#[derive(Debug, Default)]
pub struct Load(AtomicU32);

impl Load {
    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn end(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many there are now.
    pub fn in_flight(&self) -> u32 {
        self.0.load(Relaxed)
    }
}
