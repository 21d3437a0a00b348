//! [`Health`]: how the disk is, and what became of what was asked of it.
//!
//! An error costs one answer. Many in a row cost a while without the disk, so that what is broken or hangs is
//! not asked for each request. The log says so once a minute at most.

use std::{
    fmt::Display,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Errors in a row until the disk is left alone.
const MANY: u32 = 8;
/// For so long.
const WHILE: Duration = Duration::from_secs(30);
/// How often the log says so.
const SAY: Duration = Duration::from_secs(60);

/// How the disk is.
#[derive(Debug, Default)]
pub(super) struct Health {
    in_a_row: AtomicU32,
    off: AtomicBool,
    times: Mutex<Times>,
    pub(super) counts: Counts,
}

#[derive(Debug, Default)]
struct Times {
    off_until: Option<Instant>,
    said: Option<Instant>,
}

/// What became of what was asked of it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Answers that were found.
    pub(super) hits: AtomicU64,
    /// Answers that were written.
    pub(super) writes: AtomicU64,
    /// Answers that were not, since others waited, or there was no room.
    pub(super) dropped: AtomicU64,
    /// Errors, damaged files among them.
    pub(super) errors: AtomicU64,
    /// Answers that made room for others.
    pub(super) evictions: AtomicU64,
}

impl Health {
    /// Something went wrong with a file.
    pub(super) fn failed(&self, path: &Path, error: &dyn Display) {
        self.counts.errors.fetch_add(1, Relaxed);
        let many = self.in_a_row.fetch_add(1, Relaxed) + 1 >= MANY;
        let now = Instant::now();
        self.say(path, error, now);
        let mut times = self.times.lock();
        if many && times.off_until.is_none() {
            times.off_until = Some(now + WHILE);
            self.off.store(true, Relaxed);
            let (path, seconds) = (path.display(), WHILE.as_secs());
            tracing::warn!(%path, "the cache does without its disk for {seconds} s: {error}");
        }
    }

    /// A file is not what was written: one answer less, and no sign that the disk does not answer.
    pub(super) fn damaged(&self, path: &Path, why: &str) {
        self.counts.errors.fetch_add(1, Relaxed);
        self.say(path, &why, Instant::now());
    }

    fn say(&self, path: &Path, error: &dyn Display, now: Instant) {
        let mut times = self.times.lock();
        if times.said.is_none_or(|said| now.duration_since(said) >= SAY) {
            times.said = Some(now);
            tracing::warn!(path = %path.display(), "the cache's disk: {error}");
        }
    }

    /// Something went well.
    pub(super) fn worked(&self) {
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
    }

    /// Whether the disk is left alone.
    pub(super) fn is_off(&self) -> bool {
        if !self.off.load(Relaxed) {
            return false;
        }
        let mut times = self.times.lock();
        match times.off_until {
            Some(until) if Instant::now() < until => true,
            Some(_) => {
                times.off_until = None;
                // The first that fails again is one too many.
                self.in_a_row.store(MANY - 1, Relaxed);
                self.off.store(false, Relaxed);
                false
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_errors_in_a_row_are_too_many() {
        let (health, path) = (Health::default(), Path::new("x"));
        for _ in 0..3 * MANY {
            health.failed(path, &"it hurts");
            health.worked();
        }
        assert!(!health.is_off());
        for _ in 0..MANY {
            assert!(!health.is_off());
            health.failed(path, &"it hurts");
        }
        assert!(health.is_off());
        health.times.lock().off_until = Some(Instant::now());
        assert!(!health.is_off(), "it is tried again");
        health.failed(path, &"it hurts");
        assert!(health.is_off(), "one is enough then");
        assert_eq!(health.counts.errors.load(Relaxed), u64::from(4 * MANY + 1));
    }
}
