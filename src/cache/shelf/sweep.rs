//! Going through all that is kept, a little at a time.

use super::{Key, Resource, SHARDS, Shelf};
use crate::cache::stamps::Verdict;

/// How far a sweep has got.
#[derive(Debug)]
pub struct Sweep {
    shard: usize,
    slice: usize,
    upto: u64,
}

impl Shelf {
    /// Begins to compare all that is kept with what was purged until now.
    pub fn begin_sweep(&self) -> Sweep {
        Sweep { shard: 0, slice: 0, upto: self.stamps.begin() }
    }

    /// Compares a few dozen, and takes off what is void; whether there is more. In the end the bans until the
    /// beginning are forgotten. A step is some microseconds' work.
    pub fn sweep(&self, at: &mut Sweep) -> bool {
        if at.shard == SHARDS {
            return false;
        }
        let keep =
            |key: &Key, object: &_| self.stamps.verdict(object, &key.seek()) != Verdict::Void;
        if self.change(at.shard, 0, |shard| shard.retain(at.slice, &keep)).is_some() {
            at.slice += 1;
        } else {
            (at.shard, at.slice) = (at.shard + 1, 0);
        }
        if at.shard == SHARDS {
            self.stamps.forget(at.upto);
        }
        at.shard < SHARDS
    }

    /// Shows all that is kept. No lock is held while one is looked at; what comes and goes meanwhile may be
    /// seen or not.
    pub fn each(&self, mut look: impl FnMut(&Key, &Resource)) {
        for shard in &self.shards {
            let slices = (0..).map_while(|slice| shard.0.read().slice(slice));
            for (key, resource) in slices.flatten() {
                look(&key, &resource);
            }
        }
    }
}
