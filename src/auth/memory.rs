//! [`Memory`]: what was proved, remembered for a time, so that not every request hashes a password or
//! verifies a token.
//!
//! In: what was proved, as bytes. Out: what was noted when it was proved, if that was lately. Kept is only
//! a digest under a key that this process made up, which is of no use to anybody else; what was wrong
//! is never kept. The stored hash, or the keys, are part of what was proved: with others it is a stranger.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use aws_lc_rs::{hmac, rand};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    config::{Path, Problem},
    metrics::AuthMetrics,
};

/// Parts, each with a lock of its own.
const SHARDS: usize = 16;

/// What was proved, remembered with what was noted of it.
pub(super) struct Memory<T> {
    key: hmac::Key,
    shards: [Shard<T>; SHARDS],
    metrics: Arc<AuthMetrics>,
}

type Shard<T> = Mutex<HashMap<Tag, Entry<T>>>;

/// What was proved, as a keyed digest.
pub(super) type Tag = [u8; 32];

struct Entry<T> {
    until: Instant,
    noted: T,
}

impl<T: Clone> Memory<T> {
    /// What the section at `at` remembered `before`, or an empty one.
    pub(super) fn after(
        before: Option<&Arc<Self>>,
        metrics: &Arc<AuthMetrics>,
        at: &Path,
    ) -> Result<Arc<Self>, Problem> {
        match before {
            Some(before) => Ok(before.clone()),
            None => Self::new(metrics.clone())
                .map(Arc::new)
                .map_err(|message| Problem::error(at.clone(), message)),
        }
    }

    fn new(metrics: Arc<AuthMetrics>) -> Result<Self, String> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| "the system has no random numbers")?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { key, shards: Default::default(), metrics })
    }

    /// The digest of what is to be proved; the parts cannot run into each other.
    pub(super) fn tag(&self, parts: [&[u8]; 3]) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    /// What was noted, if it was proved lately.
    pub(super) fn recall(&self, tag: &Tag, now: Instant) -> Option<T> {
        let shard = self.shard(tag).lock();
        let entry = shard.get(tag)?;
        (entry.until > now).then(|| entry.noted.clone())
    }

    /// Remembers for so long what was proved, and this of it; at most `most` such things.
    pub(super) fn remember(&self, tag: Tag, noted: T, now: Instant, keep: Duration, most: u32) {
        if keep.is_zero() || most == 0 {
            return;
        }
        let mut shard = self.shard(&tag).lock();
        let most = usize::try_from(most).unwrap_or(usize::MAX).div_ceil(SHARDS);
        if shard.len() >= most && !shard.contains_key(&tag) {
            shard.retain(|_, entry| entry.until > now);
            let oldest = shard.iter().min_by_key(|(_, entry)| entry.until).map(|(tag, _)| *tag);
            if let Some(oldest) = oldest.filter(|_| shard.len() >= most) {
                shard.remove(&oldest);
            }
        }
        shard.insert(tag, Entry { until: now + keep, noted });
        drop(shard);
        self.metrics.remembered.set(i64::try_from(self.len()).unwrap_or(i64::MAX));
    }

    /// How much is remembered.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, tag: &Tag) -> &Shard<T> {
        &self.shards[usize::from(tag[0]) % SHARDS]
    }
}

impl<T: Clone> fmt::Debug for Memory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty<T: Clone>() -> Memory<T> {
        Memory::new(Arc::default()).unwrap()
    }

    #[test]
    fn what_was_proved_is_known_for_a_while_and_nothing_else_is() {
        let (memory, now) = (empty::<u8>(), Instant::now());
        let (keep, tag) = (Duration::from_secs(60), memory.tag([b"h", b"alice", b"pw"]));
        memory.remember(tag, 7, now, keep, 100);
        assert_eq!(memory.recall(&tag, now + keep - Duration::from_millis(1)), Some(7));
        assert_eq!(memory.recall(&tag, now + keep), None);
        for other in
            [[&b"h"[..], b"alic", b"epw"], [b"h2", b"alice", b"pw"], [b"h", b"alice", b"pW"]]
        {
            assert_eq!(memory.recall(&memory.tag(other), now), None);
        }
        let elsewhere = empty::<u8>().tag([b"h", b"alice", b"pw"]);
        assert_ne!(elsewhere, tag, "the key is a process's own");
        memory.remember(elsewhere, 7, now, Duration::ZERO, 100);
        assert_eq!(memory.recall(&elsewhere, now), None, "never is never");
    }

    #[test]
    fn the_memory_keeps_its_bound() {
        let (memory, now) = (empty::<()>(), Instant::now());
        for number in 0..2_000_u32 {
            let tag = memory.tag([b"", b"", &number.to_be_bytes()]);
            memory.remember(tag, (), now, Duration::from_secs(60), 64);
        }
        assert_eq!(memory.len(), 64);
        assert_eq!(memory.metrics.remembered.get(), 64);
    }
}
