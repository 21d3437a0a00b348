//! [`Memory`]: all that is kept and on its way, for all routes; it outlives every configuration.

use std::{
    hash::{BuildHasher as _, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwapOption;
use http::StatusCode;
use siphasher::sip::SipHasher13;

use super::{
    disk::Disk,
    flight::Flights,
    held::Held,
    object::Object,
    partition::Asking,
    shelf::{Key, Limits, Put, Seek, Shelf},
    unkept::Unkept,
    url::Url,
};
use crate::{config, metrics::Shelved};

/// Purges that are not carried out yet.
const BANS: usize = 1_000;

/// All that is kept and on its way.
#[derive(Debug)]
pub struct Memory {
    /// What is kept.
    pub shelf: Shelf,
    /// What is on its way.
    pub flights: Arc<Flights>,
    /// What was not kept lately.
    pub unkept: Unkept,
    /// Whether a task gives back memory of what is void.
    pub(super) sweeping: AtomicBool,
    /// What outlives the process, if anything does.
    pub(super) disk: ArcSwapOption<Disk>,
    /// Two keys of a digest that is specified: what is on a disk is found by the next process.
    seeds: [[u64; 2]; 2],
    max_object: AtomicU64,
    max_filling: AtomicU64,
}

impl Memory {
    /// Nothing yet, in these sizes; partitions are digested with `secret`.
    pub(super) fn new(written: &config::Cache, secret: [u8; 32]) -> Self {
        let memory = Self {
            shelf: Shelf::new(Limits {
                bytes: written.size.0,
                variants: written.max_variants.into(),
                bans: BANS,
            }),
            flights: Arc::default(),
            unkept: Unkept::new(),
            sweeping: AtomicBool::new(false),
            disk: ArcSwapOption::empty(),
            seeds: seeds(secret),
            max_object: AtomicU64::new(0),
            max_filling: AtomicU64::new(0),
        };
        memory.resize(written);
        memory
    }

    /// Makes these sizes hold.
    pub(super) fn resize(&self, written: &config::Cache) {
        self.shelf.set_capacity(written.size.0);
        self.max_object.store(written.max_object.0, Relaxed);
        self.max_filling.store(written.max_filling.0, Relaxed);
    }

    /// Bytes that one answer may have, and all together that are on their way.
    pub fn bounds(&self) -> (u64, u64) {
        (self.max_object.load(Relaxed), self.max_filling.load(Relaxed))
    }

    /// Bytes that all may have together: what is kept, what is on its way, and what is not kept any longer but is
    /// still read.
    pub fn most(&self) -> u64 {
        self.shelf.capacity().saturating_add(self.max_filling.load(Relaxed))
    }

    /// A keyed digest.
    #[inline]
    pub fn digest(&self, feed: impl Fn(&mut dyn Hasher)) -> u128 {
        let [first, second] = self.seeds.map(|[low, high]| {
            let mut hasher = SipHasher13::new_with_keys(low, high);
            feed(&mut hasher);
            u128::from(hasher.finish())
        });
        first << 64 | second
    }

    /// What a request looks for.
    #[inline]
    pub fn seek<'a>(&self, url: &'a Url<'_>, asking: &Asking) -> Seek<'a> {
        self.shelf.stamps().seek(asking.partition, url.scheme, &url.host, &url.target)
    }

    /// What outlives the process, if anything does.
    pub fn disk(&self) -> Option<Arc<Disk>> {
        self.disk.load_full()
    }

    /// What partitions are digested with.
    pub(super) fn secret(&self) -> [u8; 32] {
        let [[a, b], [c, d]] = self.seeds.map(|seed| seed.map(u64::to_le_bytes));
        let words = [a, b, c, d];
        std::array::from_fn(|at| words[at / 8][at % 8])
    }

    /// Keeps an answer.
    pub fn keep(&self, key: &Key, object: Arc<Object>) {
        let put = self.shelf.put(key.clone(), object.clone());
        // Parts are for memory alone.
        if put != Put::Void
            && object.status != StatusCode::PARTIAL_CONTENT
            && let Some(disk) = &*self.disk.load()
        {
            self.keep_there(disk, key, object, put);
        }
    }

    /// Keeps an answer on the disk as well. Between memory and disk it may have been forgotten, or another have taken its
    /// place: then it is not there either.
    fn keep_there(&self, disk: &Disk, key: &Key, object: Arc<Object>, put: Put) {
        disk.keep(key.clone(), object.clone());
        let is_it = |kept: &Arc<Object>| Arc::ptr_eq(kept, &object);
        let is_kept = || {
            let kept = self.shelf.get(&key.seek());
            kept.is_some_and(|kept| kept.variants().iter().any(is_it))
        };
        if put == Put::Kept && !is_kept() {
            disk.forget(key, &object);
        }
    }

    /// Keeps an answer with what its origin says of it now. Where that only holds for longer, the disk has it as it
    /// was: it is validated sooner than it need be.
    pub fn replace(&self, seek: &Seek<'_>, old: &Arc<Object>, fresh: Arc<Object>) {
        let put = self.shelf.replace(seek, old, fresh.clone());
        // What is gone may have been forgotten, and must not come back. If it only had to make room, the disk has it
        // as it was.
        if put == Put::Gone || fresh.status == StatusCode::PARTIAL_CONTENT {
            return;
        }
        if let Some(disk) = &*self.disk.load()
            && !fresh.only_extends(old)
        {
            let key = seek.to_key();
            if fresh.vary() != old.vary() {
                self.forget(seek, old);
            }
            self.keep_there(disk, &key, fresh, put);
        }
    }

    /// Keeps an answer no longer. The disk comes first: who has just read it there puts it in memory before it is
    /// asked whether the disk still has it.
    pub fn forget(&self, seek: &Seek<'_>, object: &Arc<Object>) {
        if let Some(disk) = &*self.disk.load() {
            disk.forget(&seek.to_key(), object);
        }
        self.shelf.remove_variant(seek, object);
    }

    /// Makes all void that is kept of the URL of a request that began at `since`, in every partition (RFC 9111
    /// section 4.4); see [`Stamps::invalidate_target`](super::stamps::Stamps::invalidate_target).
    pub fn invalidate_target(&self, seek: &Seek<'_>, since: u64) -> Option<u64> {
        let stamps = self.shelf.stamps();
        let disk = self.disk.load();
        let Some(disk) = &*disk else { return stamps.invalidate_target(seek, since) };
        let key = seek.to_key();
        // Before, so that nobody finds it there with a number that is newer; and after, since it may just have
        // been written.
        disk.invalidate(key.url());
        let stamp = stamps.invalidate_target(seek, since);
        disk.invalidate(key.url());
        stamp
    }

    /// What it holds, for the encoder.
    pub fn shelved(&self) -> Shelved {
        Shelved {
            bytes: self.shelf.bytes(),
            capacity: self.shelf.capacity(),
            objects: self.shelf.len(),
            evicted: self.shelf.evictions(),
            filling: self.flights.filling(),
            large: Held::all(),
            disk: self.disk.load().as_ref().map(|disk| disk.on_disk()),
        }
    }
}

/// A secret for what is kept nowhere else.
pub(super) fn passing_secret() -> [u8; 32] {
    let words = [(); 4].map(|()| RandomState::new().build_hasher().finish().to_le_bytes());
    std::array::from_fn(|at| words[at / 8][at % 8])
}

fn seeds(secret: [u8; 32]) -> [[u64; 2]; 2] {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| secret[8 * at + byte]));
    [[word(0), word(1)], [word(2), word(3)]]
}
