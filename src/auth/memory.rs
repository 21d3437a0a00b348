//! [`Memory`]: right passwords, remembered for a short time, so that not every request hashes one.
//!
//! In: what was proved, as bytes. Out: whether it was proved lately, and by which address. Kept is only
//! a digest under a key that this process made up, which is of no use to anybody else; what was wrong
//! is never kept. The stored hash is part of what was proved: one that changes is a stranger here.

use std::{collections::HashMap, fmt, net::IpAddr, time::Duration};

use aws_lc_rs::{hmac, rand};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Parts, each with a lock of its own.
const SHARDS: usize = 16;

/// Right passwords, remembered.
pub(super) struct Memory {
    key: hmac::Key,
    shards: [Mutex<HashMap<Tag, Entry>>; SHARDS],
}

/// What was proved, as a keyed digest.
pub(super) type Tag = [u8; 32];

#[derive(Clone, Copy, Debug)]
struct Entry {
    until: Instant,
    from: Option<IpAddr>,
}

impl Memory {
    /// An empty one.
    pub(super) fn new() -> Result<Self, String> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| "the system has no random numbers")?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Self { key, shards: Default::default() })
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

    /// Whether it was proved lately, and from where.
    pub(super) fn recall(&self, tag: &Tag, now: Instant) -> Option<Option<IpAddr>> {
        let entry = *self.shard(tag).lock().get(tag)?;
        (entry.until > now).then_some(entry.from)
    }

    /// Remembers for so long what was proved from an address; at most `most` such things.
    pub(super) fn remember(
        &self,
        tag: Tag,
        from: Option<IpAddr>,
        now: Instant,
        keep: Duration,
        most: usize,
    ) {
        if keep.is_zero() || most == 0 {
            return;
        }
        let mut shard = self.shard(&tag).lock();
        let most = most.div_ceil(SHARDS);
        if shard.len() >= most && !shard.contains_key(&tag) {
            shard.retain(|_, entry| entry.until > now);
            let oldest = shard.iter().min_by_key(|(_, entry)| entry.until).map(|(tag, _)| *tag);
            if let Some(oldest) = oldest.filter(|_| shard.len() >= most) {
                shard.remove(&oldest);
            }
        }
        shard.insert(tag, Entry { until: now + keep, from });
    }

    /// How much is remembered.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, tag: &Tag) -> &Mutex<HashMap<Tag, Entry>> {
        &self.shards[usize::from(tag[0]) % SHARDS]
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proved_is_known_for_a_while_and_nothing_else_is() {
        let (memory, now) = (Memory::new().unwrap(), Instant::now());
        let (keep, tag) = (Duration::from_secs(60), memory.tag([b"h", b"alice", b"pw"]));
        memory.remember(tag, None, now, keep, 100);
        assert_eq!(memory.recall(&tag, now + keep - Duration::from_millis(1)), Some(None));
        assert_eq!(memory.recall(&tag, now + keep), None);
        for other in
            [[&b"h"[..], b"alic", b"epw"], [b"h2", b"alice", b"pw"], [b"h", b"alice", b"pW"]]
        {
            assert_eq!(memory.recall(&memory.tag(other), now), None);
        }
        let elsewhere = Memory::new().unwrap().tag([b"h", b"alice", b"pw"]);
        assert_ne!(elsewhere, tag, "the key is a process's own");
        memory.remember(elsewhere, None, now, Duration::ZERO, 100);
        assert_eq!(memory.recall(&elsewhere, now), None, "never is never");
    }

    #[test]
    fn the_memory_keeps_its_bound() {
        let (memory, now) = (Memory::new().unwrap(), Instant::now());
        for number in 0..2_000_u32 {
            let tag = memory.tag([b"", b"", &number.to_be_bytes()]);
            memory.remember(tag, None, now, Duration::from_secs(60), 64);
        }
        assert_eq!(memory.len(), 64);
    }
}
