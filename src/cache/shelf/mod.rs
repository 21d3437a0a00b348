//! Where answers are kept: memory that all workers share.
//!
//! In: [`Key`]s and [`Object`]s. Out: what is kept for a [`Seek`], as a `Resource`. Never more bytes than the
//! capacity: room is made before anything is put. Every part has a lock of its own, and never two are held;
//! who goes is chosen among all parts (`evict`), so that the largest object needs no more than the shelf.
//!
//! Nothing here knows what is fresh, or waits.

mod entries;
mod evict;
mod key;
mod queue;
mod resource;
mod shard;
mod strangers;
mod sweep;
mod weight;

use std::{
    iter,
    sync::{
        Arc,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use parking_lot::RwLock;

pub use self::key::{Key, Seek};
pub(super) use self::resource::Resource;
use self::shard::{Place, Shard, entry_weight};
pub(super) use self::{
    key::{URL_BITS, Url},
    weight::allocated,
};
use super::{
    object::Object,
    stamps::{Stamps, Verdict},
};

/// How large a shelf is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in all.
    pub bytes: u64,
    /// Answers under one key.
    pub variants: usize,
    /// Bans that not everything was compared with yet.
    pub bans: usize,
}

/// What became of an object that was to be put.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Put {
    /// It is kept.
    Kept,
    /// It was made void while it was fetched.
    Void,
    /// It is larger than the shelf, or the room is being given to others.
    NoRoom,
    /// What it was to replace is not there any more.
    Gone,
}

/// Where answers are kept.
#[derive(Debug)]
pub struct Shelf {
    stamps: Stamps,
    shards: Box<[Apart]>,
    /// The order of each shard's first in the window and in the main queue.
    firsts: [Box<[AtomicU64]>; 2],
    /// Who gets into a queue gets a number.
    order: AtomicU32,
    capacity: AtomicU64,
    /// Bytes that are kept, or for which there is room already.
    bytes: AtomicU64,
    in_window: AtomicU64,
    objects: AtomicU64,
    evicted: AtomicU64,
    variants: usize,
}

/// A lock with nobody else's in its cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart(RwLock<Shard>);

/// Parts with locks of their own.
const SHARDS: usize = 64;
/// No order: a queue is empty.
const NONE: u64 = u64::MAX;

impl Shelf {
    /// An empty shelf.
    pub fn new(limits: Limits) -> Self {
        let firsts = || iter::repeat_with(|| AtomicU64::new(NONE)).take(SHARDS).collect();
        Self {
            stamps: Stamps::new(limits.bans, limits.bytes),
            shards: iter::repeat_with(Apart::default).take(SHARDS).collect(),
            firsts: [firsts(), firsts()],
            order: AtomicU32::new(0),
            capacity: AtomicU64::new(limits.bytes),
            bytes: AtomicU64::new(0),
            in_window: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            variants: limits.variants.max(1),
        }
    }

    /// When things were asked for, and what was made void.
    #[inline]
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// What is kept for a request. It is the caller's to ask for each variant's verdict.
    #[inline]
    pub fn get(&self, seek: &Seek<'_>) -> Option<Resource> {
        self.shards[shard_of(seek.hash())].0.read().get(seek)
    }

    /// Puts an object, in place of the one that was for the same requests.
    pub fn put(&self, key: Key, object: impl Into<Arc<Object>>) -> Put {
        let object = object.into();
        if self.stamps.verdict(&object, &key.seek()) == Verdict::Void {
            return Put::Void;
        }
        let room = object.weight() + entry_weight(&key) + resource::most_more(self.variants);
        if !self.make_room(room) {
            return Put::NoRoom;
        }
        let (order, shard) = (self.next_order(), shard_of(key.hash()));
        let _before =
            self.change(shard, room, |shard| shard.put(key, object, self.variants, order));
        Put::Kept
    }

    /// Puts an object in place of this very one, which it was freshened from.
    pub fn replace(&self, seek: &Seek<'_>, old: &Arc<Object>, new: impl Into<Arc<Object>>) -> Put {
        let new = new.into();
        if self.stamps.verdict(&new, seek) == Verdict::Void {
            return Put::Void;
        }
        let room = new.weight() + resource::most_more(self.variants);
        if !self.make_room(room) {
            return Put::NoRoom;
        }
        let shard = shard_of(seek.hash());
        match self.change(shard, room, |shard| shard.replace(seek, old, new, self.variants)) {
            Some(_) => Put::Kept,
            None => Put::Gone,
        }
    }

    /// Takes off what is kept for a request; whether there was anything.
    pub fn remove(&self, seek: &Seek<'_>) -> bool {
        self.change(shard_of(seek.hash()), 0, |shard| shard.remove(seek, |_| true)).is_some()
    }

    /// Takes one object off, if it is still there.
    pub fn remove_object(&self, seek: &Seek<'_>, gone: &Arc<Object>) -> bool {
        let gone = |object: &Arc<Object>| Arc::ptr_eq(object, gone);
        self.change(shard_of(seek.hash()), 0, |shard| shard.remove(seek, gone)).is_some()
    }

    /// Takes off what is for the same requests as an object, be it this one or the same read from a disk.
    pub fn remove_variant(&self, seek: &Seek<'_>, gone: &Arc<Object>) -> bool {
        let gone = |object: &Arc<Object>| object.vary() == gone.vary();
        self.change(shard_of(seek.hash()), 0, |shard| shard.remove(seek, gone)).is_some()
    }

    /// Bytes that are kept, all counted but what a shelf takes when it is empty: some 300 KiB, and of its size a
    /// part in 128, from 512 KiB to 8 MiB.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Bytes that may be kept.
    pub fn capacity(&self) -> u64 {
        self.capacity.load(Relaxed)
    }

    /// Objects that are kept.
    pub fn len(&self) -> u64 {
        self.objects.load(Relaxed)
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Objects that had to go for others since the start.
    pub fn evictions(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Gives the shelf another size; who has no place in it goes now.
    pub fn set_capacity(&self, bytes: u64) {
        self.capacity.store(bytes, Relaxed);
        while self.bytes.load(Relaxed) > bytes && self.evict() {}
    }

    fn next_order(&self) -> u32 {
        self.order.fetch_add(1, Relaxed)
    }

    /// Changes a shard, for which there is so much room, and takes note of what became of it. Room that was
    /// not needed is given back.
    fn change<T>(&self, index: usize, room: u64, change: impl FnOnce(&mut Shard) -> T) -> T {
        let mut shard = self.shards[index].0.write();
        let before = (shard.bytes, shard.in_window, shard.objects as u64);
        let result = change(&mut shard);
        let after = (shard.bytes, shard.in_window, shard.objects as u64);
        for (place, firsts) in [Place::Window, Place::Main].into_iter().zip(&self.firsts) {
            let first = shard.first_order(place).map_or(NONE, u64::from);
            firsts[index].store(first, Release);
        }
        // Differences, which are right whichever way they go.
        let moved = |counter: &AtomicU64, before: u64, after: u64| {
            counter.fetch_add(after.wrapping_sub(before), Relaxed)
        };
        moved(&self.bytes, before.0.wrapping_add(room), after.0);
        moved(&self.in_window, before.1, after.1);
        moved(&self.objects, before.2, after.2);
        result
    }

    /// The shard whose first in a queue has waited longest.
    fn oldest(&self, place: Place) -> Option<usize> {
        let now = self.order.load(Relaxed);
        let firsts = self.firsts[place as usize].iter().enumerate();
        let firsts = firsts.map(|(index, first)| (index, first.load(Acquire)));
        let waiting = firsts.filter(|(_, first)| *first != NONE);
        let oldest = waiting.max_by_key(|(_, first)| now.wrapping_sub(*first as u32));
        oldest.map(|(index, _)| index)
    }
}

/// The bits are neither the table's nor the URL's.
#[inline]
fn shard_of(hash: u64) -> usize {
    (hash >> 38) as usize % SHARDS
}

#[cfg(test)]
mod tests;
