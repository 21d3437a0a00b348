//! Who goes when there is no room: chosen among all shards, each of which is locked alone.
//!
//! What is new waits in a window of a sixteenth of the bytes, first in, first out. Who leaves it and was asked for
//! again gets into the main queue; everybody else goes, so a scan never gets past the window. In the main queue
//! who was not asked for since its last turn goes. That is S3-FIFO (Yang and others, SOSP 2023) but for small
//! things: once is enough to leave the window, and fewer are remembered. Between two locks others may change what
//! was looked at; then somebody else has the turn.

use std::sync::atomic::Ordering::Relaxed;

use super::{Place, Resource, Shelf};

/// The window's part of the bytes.
const WINDOW: u64 = 16;
/// After so many turns in vain, about a millisecond, somebody has to go: it is a request that waits. Fewer
/// would let what is popular go for one large object.
const TURNS: usize = 10_000;

impl Shelf {
    /// Sets so many bytes aside, and evicts until there are as many; whether there are.
    pub(super) fn make_room(&self, room: u64) -> bool {
        loop {
            let (capacity, bytes) = (self.capacity.load(Relaxed), self.bytes.load(Relaxed));
            if room > capacity {
                return false;
            }
            if bytes.saturating_add(room) > capacity {
                if !self.evict() {
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

    /// Lets somebody go; false if nobody is there.
    pub(super) fn evict(&self) -> bool {
        let window = self.capacity.load(Relaxed) / WINDOW;
        for turn in 0..=TURNS {
            let is_full = self.in_window.load(Relaxed) > window;
            let (new, main) = (self.oldest(Place::Window), self.oldest(Place::Main));
            let order = self.next_order();
            let gone = match (new, main) {
                (None, None) => return false,
                (Some(new), main) if is_full || main.is_none() => {
                    self.change(new, 0, |shard| shard.leave_window(order))
                }
                (_, Some(main)) => {
                    self.change(main, 0, |shard| shard.turn_main(order, turn == TURNS))
                }
                (Some(_), None) => None,
            };
            if self.evicted(gone) {
                return true;
            }
        }
        true
    }

    /// Counts who went, if somebody did.
    fn evicted(&self, gone: Option<Resource>) -> bool {
        let objects = gone.as_ref().map_or(0, |gone| gone.variants().len());
        self.evicted.fetch_add(objects as u64, Relaxed);
        gone.is_some()
    }
}
