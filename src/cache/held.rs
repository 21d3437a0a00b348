//! [`Held`]: bytes of large bodies in this process, counted as long as somebody has them: the shelf, or whoever
//! reads slowly what is not kept any longer.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static BYTES: AtomicU64 = AtomicU64::new(0);

/// Some of them.
#[derive(Debug)]
pub(super) struct Held(u64);

impl Held {
    /// So many more.
    pub(super) fn new(bytes: u64) -> Self {
        BYTES.fetch_add(bytes, Relaxed);
        Self(bytes)
    }

    /// How many these are.
    pub(super) const fn bytes(&self) -> u64 {
        self.0
    }

    /// How many there are in all.
    pub(super) fn all() -> u64 {
        BYTES.load(Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        BYTES.fetch_sub(self.0, Relaxed);
    }
}
