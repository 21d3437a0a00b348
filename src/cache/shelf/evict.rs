//! Who goes when there is no room: chosen among all shards, each of which is locked alone.
//!
//! What is new waits in a window of a tenth of the bytes, first in, first out. Who leaves it and was asked for
//! again, or is remembered from before, gets into the main queue in place of somebody colder; everybody else
//! goes. So a scan never gets past the window. While a shard is not locked others may change it; then a turn
//! may be for nothing, never wrong.

use std::sync::atomic::Ordering::Relaxed;

use super::{Place, Resource, Shelf};

/// The window's part of the bytes.
const WINDOW: u64 = 10;
/// Warmer than anything.
const ANYBODY: u8 = u8::MAX;

impl Shelf {
    /// Sets so many bytes aside, and evicts until there are as many; whether there are.
    pub(super) fn make_room(&self, room: u64) -> bool {
        loop {
            let (capacity, bytes) = (self.capacity.load(Relaxed), self.bytes.load(Relaxed));
            if room > capacity {
                return false;
            }
            if bytes.saturating_add(room) > capacity {
                if !self.evict(room) {
                    return false;
                }
                continue;
            }
            let swap = self.bytes.compare_exchange_weak(bytes, bytes + room, Relaxed, Relaxed);
            if swap.is_ok() {
                return true;
            }
        }
    }

    /// Lets somebody go, or into the main queue; false if nobody is there.
    pub(super) fn evict(&self, room: u64) -> bool {
        let window = self.capacity.load(Relaxed) / WINDOW;
        let is_full = self.in_window.load(Relaxed) + room > window;
        let waiting = self.oldest(Place::Window);
        match (waiting, self.oldest(Place::Main)) {
            (None, None) => false,
            (Some(shard), main) if is_full || main.is_none() => {
                self.leave_window(shard, main, window);
                true
            }
            (_, Some(main)) => {
                self.evict_colder(main, ANYBODY);
                true
            }
            (Some(_), None) => false,
        }
    }

    /// The first of the window goes, or somebody colder does and makes room for it.
    fn leave_window(&self, index: usize, main: Option<usize>, window: u64) {
        let first = self.shards[index].0.read().first(Place::Window);
        let Some(first) = first else { return };
        let (bytes, in_window) = (self.bytes.load(Relaxed), self.in_window.load(Relaxed));
        let has_room = bytes.saturating_sub(in_window) + first.weight
            <= self.capacity.load(Relaxed).saturating_sub(window);
        let stays = has_room
            || match (first.warm(), main) {
                (Some(heat), Some(main)) => self.evict_colder(main, heat),
                _ => false,
            };
        if stays {
            let order = self.next_order();
            self.change(index, 0, |shard| shard.promote(&first, order));
        } else {
            self.evicted(self.change(index, 0, |shard| shard.evict_first(&first)));
        }
    }

    fn evict_colder(&self, index: usize, than: u8) -> bool {
        let order = || self.next_order();
        self.evicted(self.change(index, 0, |shard| shard.evict_colder(than, order)))
    }

    /// Counts who went, if somebody did.
    fn evicted(&self, gone: Option<Resource>) -> bool {
        let objects = gone.as_ref().map_or(0, |gone| gone.variants().len());
        self.evicted.fetch_add(objects as u64, Relaxed);
        gone.is_some()
    }
}
