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
struct Running {
    /// Under the key that all have but those of some tiers, if there is one: it is 0.
    all: Option<AtomicU32>,
    keys: Box<[Mutex<ByKey<u32>>; SHARDS]>,
}

const SHARDS: usize = 16;

/// Somebody who runs; no more, when this is dropped.
#[derive(Debug)]
pub struct Permit {
    hall: Arc<Hall>,
    key: u64,
    /// Those who wait for it are under this key, or under what tiers make of it.
    base: u64,
}

impl Hall {
    /// For a single key, or for many; times are since this moment.
    pub(super) fn new(single: bool, epoch: Instant) -> Self {
        let running = Running { all: single.then(AtomicU32::default), keys: Box::default() };
        Self { running, queue: Queue::default(), epoch }
    }

    /// Lets somebody run under a key, if not too many do. Others wait under `base`, or what tiers make of it.
    #[inline]
    pub(super) fn enter(self: &Arc<Self>, (key, base): (u64, u64), most: u32) -> Option<Permit> {
        self.running.enter(key, most).then(|| Permit { hall: self.clone(), key, base })
    }

    /// How many run under a key.
    pub(super) fn running(&self, key: u64) -> u32 {
        match self.running.of(key) {
            Place::All(count) => count.load(Relaxed),
            Place::Shard(shard) => shard.lock().get(&key).copied().unwrap_or_default(),
        }
    }

    /// Under how many keys somebody runs.
    pub(super) fn keys(&self) -> usize {
        let Running { all, keys } = &self.running;
        let all = all.as_ref().map_or(0, |count| usize::from(count.load(Relaxed) > 0));
        all + keys.iter().map(|shard| shard.lock().len()).sum::<usize>()
    }
}

/// Where it is counted how many run under a key.
enum Place<'a> {
    All(&'a AtomicU32),
    Shard(&'a Mutex<ByKey<u32>>),
}

impl Running {
    #[inline]
    fn of(&self, key: u64) -> Place<'_> {
        match &self.all {
            Some(count) if key == 0 => Place::All(count),
            _ => Place::Shard(&self.keys[shard(key, SHARDS)]),
        }
    }

    fn enter(&self, key: u64, most: u32) -> bool {
        match self.of(key) {
            Place::All(count) => {
                let more = |count: u32| Some(count + 1).filter(|count| *count <= most);
                count.fetch_update(Acquire, Relaxed, more).is_ok()
            }
            Place::Shard(shard) => {
                let mut shard = shard.lock();
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
        match self.of(key) {
            Place::All(count) => drop(count.fetch_sub(1, SeqCst)),
            Place::Shard(shard) => {
                if let Entry::Occupied(mut count) = shard.lock().entry(key) {
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
        if queue.waits(self.base) {
            let now = Instant::now().saturating_duration_since(*epoch).as_nanos();
            queue.release(self.base, u64::try_from(now).unwrap_or(u64::MAX / 4));
        }
    }
}
