//! [`Slots`]: a [`Pot`] for each key that is in use, and who waits for the store to say something of it.
//!
//! In memory that is bounded: when there are as many keys as may be and none can be forgotten, there is no
//! slot for another. Locks are held for as long as it takes to look at one key.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::{pot::Pot, question::Fetch};
use crate::{
    key::{ByKey, shard},
    limit::{
        gcra::{Gcra, LONGEST},
        state::{Blocked, Claim},
        turn::Turn,
    },
};

/// Keys that are in use.
#[derive(Debug)]
pub(super) struct Slots {
    shards: Box<[Mutex<Shard>]>,
    /// Keys of a shard.
    most: usize,
    /// Requests that may wait under a key.
    most_waiting: AtomicUsize,
}

/// Some of the keys.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// In boxes: half of a map's places are empty.
    slots: ByKey<Box<Slot>>,
    /// When there are as many, those are let go that can be.
    full: usize,
    /// When that was done last.
    looked: u64,
}

/// A key that is in use.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) pot: Pot,
    /// Its name in the store.
    pub(super) name: Name,
    /// What it owed beyond this was forgiven.
    pub(super) bound: u64,
    /// Whether the store is being asked.
    pub(super) busy: bool,
    /// Whether the store could not be asked about it, the last time that it was to be.
    pub(super) alone: bool,
    /// What became of the last question, if there was no answer.
    pub(super) lost: Option<Fetch>,
    /// What the first of the queue needs, at this rate.
    pub(super) wanted: Option<(Gcra, u64)>,
    /// Those who wait for its answer, in the order in which they came.
    pub(super) waiters: Vec<Waiter>,
}

/// A key's digest, the same at every gateway.
pub(in crate::limit) type Name = [u8; 16];

/// Somebody who waits for the store.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) claim: Claim,
    pub(super) answer: oneshot::Sender<Result<Turn, Blocked>>,
}

const SHARDS: usize = 64;

/// Keys of a shard below which nobody looks whether some can be let go.
const FEW: usize = 32;

/// How long a shard that is full stays so, in nanoseconds.
const PAUSE: u64 = 100_000_000;

impl Slots {
    /// Slots for about so many keys, and so many who wait under each.
    pub(super) fn new(keys: u32, most_waiting: usize) -> Self {
        let most = usize::try_from(keys).unwrap_or(usize::MAX).div_ceil(SHARDS);
        let shard = || Mutex::new(Shard { full: FEW.min(most), ..Shard::default() });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            most,
            most_waiting: most_waiting.into(),
        }
    }

    /// So many may wait under a key from now on.
    pub(super) fn let_wait(&self, most: usize) {
        self.most_waiting.store(most, Relaxed);
    }

    /// Where a key is, if it is in use.
    pub(super) fn of(&self, key: u64) -> MutexGuard<'_, Shard> {
        self.shards[shard(key, SHARDS)].lock()
    }

    /// How many keys are in use.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().slots.len()).sum()
    }

    /// Has somebody wait for the store under a key, if there is room; whether the store has to be asked now.
    pub(super) fn wait(
        &self,
        waiter: Waiter,
        name: impl FnOnce() -> Name,
        now: u64,
    ) -> Option<bool> {
        let key = waiter.claim.key;
        let mut shard = self.of(key);
        let slot = self.open(&mut shard, key, name, now)?;
        if slot.waiters.len() >= self.most_waiting.load(Relaxed) {
            return None;
        }
        slot.waiters.push(waiter);
        Some(!std::mem::replace(&mut slot.busy, true))
    }

    /// The slot of a key, which is in use from now on if there is room.
    pub(super) fn open<'s>(
        &self,
        shard: &'s mut Shard,
        key: u64,
        name: impl FnOnce() -> Name,
        now: u64,
    ) -> Option<&'s mut Slot> {
        if !shard.slots.contains_key(&key) && !shard.has_room(self.most, now) {
            return None;
        }
        let slot = shard.slots.entry(key).or_insert_with(|| Box::new(Slot::new(name())));
        Some(&mut **slot)
    }
}

impl Slot {
    fn new(name: Name) -> Self {
        Self {
            pot: Pot::default(),
            name,
            bound: 0,
            busy: false,
            alone: false,
            lost: None,
            wanted: None,
            waiters: Vec::new(),
        }
    }

    /// Its name, and what it is forgiven to owe beyond: what is more than a burst by the terms that hold, it took by
    /// others, before a reload. That is done once: where gateways differ for a while, it took that at another, whose
    /// terms let it.
    pub(super) fn forgives(&mut self, bound: u64) -> (Name, u64) {
        let done = std::mem::replace(&mut self.bound, bound) == bound;
        (self.name, if done { LONGEST } else { bound })
    }
}

impl Shard {
    pub(super) fn get(&mut self, key: u64) -> Option<&mut Slot> {
        self.slots.get_mut(&key).map(|slot| &mut **slot)
    }

    /// Whether there is room for another key, if need be instead of those that can be let go.
    fn has_room(&mut self, most: usize, now: u64) -> bool {
        if self.slots.len() < self.full {
            return true;
        }
        if self.full == most && now < self.looked + PAUSE {
            return false;
        }
        self.slots.retain(|_, slot| slot.busy || !slot.pot.is_forgettable(now));
        self.looked = now;
        self.full = (self.slots.len() * 2).clamp(FEW.min(most), most);
        self.slots.len() < self.full
    }
}
