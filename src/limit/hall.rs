//! [`Hall`]: who runs under a limit, and who waits for a turn.
//!
//! In: keys, and how many may run under each. Out: a [`Permit`] for as long as somebody runs. It is apart from
//! what else a limit counts: permits are counted by all workers, and what those only read is not to go from one
//! to the other with it.

use std::{
    collections::hash_map::Entry,
    sync::{
        Arc,
        atomic::{
            AtomicU32,
            Ordering::{Acquire, Relaxed, SeqCst},
            fence,
        },
    },
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::queue::Queue;
use crate::key::{ByKey, shard};

/// Who runs, and who waits.
#[derive(Debug)]
pub(super) struct Hall {
    running: Running,
    pub(super) queue: Queue,
    epoch: Instant,
}

/// How many run, by key. Whoever does not run is not in it.
#[derive(Debug)]
enum Running {
    One(AtomicU32),
    Many(Box<[Mutex<ByKey<u32>>; SHARDS]>),
}

const SHARDS: usize = 16;

/// Somebody who runs; no more, when this is dropped.
#[derive(Debug)]
pub struct Permit {
    hall: Arc<Hall>,
    key: u64,
}

impl Hall {
    /// For a single key, or for many; times are since this moment.
    pub(super) fn new(single: bool, epoch: Instant) -> Self {
        let running = match single {
            true => Running::One(AtomicU32::new(0)),
            false => Running::Many(Box::default()),
        };
        Self { running, queue: Queue::default(), epoch }
    }

    /// Lets somebody run, if not too many do.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>, key: u64, most: u32) -> Option<Permit> {
        self.running.enter(key, most).then(|| Permit { hall: self.clone(), key })
    }

    /// How many run under a key.
    pub(super) fn running(&self, key: u64) -> u32 {
        match &self.running {
            Running::One(count) => count.load(Relaxed),
            Running::Many(shards) => {
                shards[shard(key, SHARDS)].lock().get(&key).copied().unwrap_or_default()
            }
        }
    }

    /// Under how many keys somebody runs.
    pub(super) fn keys(&self) -> usize {
        match &self.running {
            Running::One(count) => usize::from(count.load(Relaxed) > 0),
            Running::Many(shards) => shards.iter().map(|shard| shard.lock().len()).sum(),
        }
    }
}

impl Running {
    fn enter(&self, key: u64, most: u32) -> bool {
        match self {
            Self::One(count) => {
                let more = |count: u32| Some(count + 1).filter(|count| *count <= most);
                count.fetch_update(Acquire, Relaxed, more).is_ok()
            }
            Self::Many(shards) => {
                let mut shard = shards[shard(key, SHARDS)].lock();
                let count = shard.entry(key).or_default();
                if *count < most {
                    *count += 1;
                    return true;
                }
                if *count == 0 {
                    shard.remove(&key);
                }
                false
            }
        }
    }

    fn leave(&self, key: u64) {
        match self {
            Self::One(count) => drop(count.fetch_sub(1, SeqCst)),
            Self::Many(shards) => {
                if let Entry::Occupied(mut count) = shards[shard(key, SHARDS)].lock().entry(key) {
                    match *count.get() {
                        0 | 1 => drop(count.remove()),
                        _ => *count.get_mut() -= 1,
                    }
                }
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Hall { running, queue, epoch } = &*self.hall;
        running.leave(self.key);
        // Whoever begins to wait says so before it looks whether it has to: one of both sees the other.
        fence(SeqCst);
        if queue.waits(self.key) {
            let now = Instant::now().saturating_duration_since(*epoch).as_nanos();
            queue.pump(self.key, u64::try_from(now).unwrap_or(u64::MAX / 4));
        }
    }
}
