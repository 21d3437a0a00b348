//! [`Memory`]: all that is kept and on its way, for all routes; it outlives every configuration.

use std::{
    hash::{BuildHasher as _, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    flight::Flights,
    partition::Asking,
    shelf::{Limits, Seek, Shelf},
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
    seeds: [RandomState; 2],
    max_object: AtomicU64,
    max_filling: AtomicU64,
}

impl Memory {
    /// Nothing yet, in these sizes.
    pub(super) fn new(written: &config::Cache) -> Self {
        let memory = Self {
            shelf: Shelf::new(Limits {
                bytes: written.size.0,
                variants: written.max_variants.into(),
                bans: BANS,
            }),
            flights: Arc::default(),
            unkept: Unkept::new(),
            sweeping: AtomicBool::new(false),
            seeds: [RandomState::new(), RandomState::new()],
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

    /// A keyed digest.
    #[inline]
    pub fn digest(&self, feed: impl Fn(&mut dyn Hasher)) -> u128 {
        let [first, second] = [0, 1].map(|half: usize| {
            let mut hasher = self.seeds[half].build_hasher();
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

    /// What it holds, for the encoder.
    pub fn shelved(&self) -> Shelved {
        Shelved {
            bytes: self.shelf.bytes(),
            capacity: self.shelf.capacity(),
            objects: self.shelf.len(),
            evicted: self.shelf.evictions(),
            filling: self.flights.filling(),
        }
    }
}
