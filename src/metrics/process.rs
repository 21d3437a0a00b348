//! [`ProcessMetrics`]: the process as a whole: its start and its reloads. Also [`open_files`].
//!
//! In: rare events of the control plane; the time is an argument, seconds since 1970. Out: cells, for
//! the encoder. One object for the life of the process; every registry shares it.

use std::fs;

use super::{Counter, Counters, Gauge, upstream::PRIORITIES};

/// The process as a whole: its start and its reloads.
#[derive(Debug)]
pub struct ProcessMetrics {
    pub(super) started: i64,
    pub(super) reloads: Counter,
    pub(super) reloads_failed: Counter,
    pub(super) last_reload_ok: Gauge,
    pub(super) last_success: Gauge,
    /// Requests in flight, how many may be, and the same of bytes.
    pub(super) load: [Gauge; 4],
    /// Requests that there was no room for, by priority.
    pub(super) shed_requests: Counters,
    /// The same for the memory of bodies.
    pub(super) shed_memory: Counters,
}

impl ProcessMetrics {
    /// A process that loaded its configuration at `started`. That was no reload, but it did succeed.
    pub fn new(started: i64) -> Self {
        let process = Self {
            started,
            reloads: Counter::default(),
            reloads_failed: Counter::default(),
            last_reload_ok: Gauge::default(),
            last_success: Gauge::default(),
            load: Default::default(),
            shed_requests: Counters::new(PRIORITIES, 0),
            shed_memory: Counters::new(PRIORITIES, 0),
        };
        process.last_reload_ok.set(1);
        process.last_success.set(started);
        process
    }

    /// A reload took effect at `at`.
    pub fn reloaded(&self, at: i64) {
        self.reloads.inc();
        self.last_reload_ok.set(1);
        self.last_success.set(at);
    }

    /// Says what is in flight: requests, how many may be, and the same of bytes.
    pub fn load(&self, now: [i64; 4]) {
        self.load.iter().zip(now).for_each(|(gauge, number)| gauge.set(number));
    }

    /// Counts a request that there was no room for, or no memory, by the number of its priority.
    pub fn shed(&self, worker: usize, priority: usize, memory: bool) {
        let counters = if memory { &self.shed_memory } else { &self.shed_requests };
        counters.inc(worker, priority);
    }

    /// A reload was refused; the old configuration goes on.
    pub fn reload_failed(&self) {
        self.reloads_failed.inc();
        self.last_reload_ok.set(0);
    }
}

/// How many file descriptors the process has open; `None` where the system does not say.
pub fn open_files() -> Option<u64> {
    const TABLE: &str = "/proc/self/fd";
    // Since Linux 6.2 the directory's size is the answer. Before that it is 0, and all are listed,
    // which with ten thousand connections takes a few milliseconds; the listing itself is one more.
    match fs::metadata(TABLE).ok()?.len() {
        0 => Some((fs::read_dir(TABLE).ok()?.count() as u64).saturating_sub(1)),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_reload_leaves_the_last_success_alone() {
        let process = ProcessMetrics::new(100);
        process.reloaded(200);
        process.reload_failed();
        assert_eq!(process.last_reload_ok.get(), 0);
        assert_eq!(process.last_success.get(), 200);
        assert_eq!((process.reloads.get(), process.reloads_failed.get()), (1, 1));
    }

    #[test]
    fn an_opened_file_is_counted() {
        let Some(before) = open_files() else { return };
        let held: Vec<_> = (0..40).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        // Other tests of this process open and close files as well, hence the room.
        assert!(open_files().unwrap() >= before + 20);
        drop(held);
    }
}
