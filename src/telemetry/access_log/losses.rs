//! [`Losses`]: what the access log could not write, for the metrics.
//!
//! In: events of the workers and the writer. Out: two counts that outlive every single log.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the access log could not write.
#[derive(Debug, Default)]
pub struct Losses {
    lines: AtomicU64,
    errors: AtomicU64,
}

impl Losses {
    /// Lines that were taken, or offered to a full buffer, and never written as a whole.
    pub fn lines(&self) -> u64 {
        self.lines.load(Relaxed)
    }

    /// Writes that failed.
    pub fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }

    pub(super) fn lose(&self, lines: u64) {
        self.lines.fetch_add(lines, Relaxed);
    }

    pub(super) fn fail(&self) {
        self.errors.fetch_add(1, Relaxed);
    }
}
