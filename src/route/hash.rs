//! A fast hash for tables whose keys are all known at load.
//!
//! Not for tables that a client can put keys into: it has no secret, so collisions can be made. In
//! the route table only the operator puts keys in, and a client's string is merely looked up, which
//! costs one comparison for each of the operator's keys that happens to collide.

use std::hash::{BuildHasherDefault, Hasher};

/// A map with this hash.
pub(super) type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Fold>>;

/// An odd number without pattern: the fraction of the golden ratio.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Takes eight bytes at a time and folds the product, as wyhash does. With the standard library's
/// keyed hash a whole search took about a fifth longer.
#[derive(Default)]
pub(super) struct Fold(u64);

impl Fold {
    #[inline]
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ SEED) * u128::from(SEED.rotate_left(32) | 1);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Fold {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let chunks = bytes.chunks_exact(8);
        let tail = chunks.remainder();
        for chunk in chunks {
            self.fold(word_of(chunk));
        }
        // The length keeps "a" and "a\0" apart.
        self.fold(word_of(tail) ^ (bytes.len() as u64) << 56);
    }

    /// `str` ends its hash with one byte; the length in [`Fold::write`] already does that work.
    #[inline]
    fn write_u8(&mut self, _: u8) {}

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Up to eight bytes as a number.
#[inline]
fn word_of(bytes: &[u8]) -> u64 {
    match bytes.try_into() {
        Ok(word) => u64::from_le_bytes(word),
        Err(_) => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::Hash};

    use super::*;

    #[test]
    fn near_keys_hash_far_apart() {
        let hash = |key: &str| {
            let mut hasher = Fold::default();
            key.hash(&mut hasher);
            hasher.finish()
        };
        let keys: Vec<String> = (0..100_000)
            .map(|n| format!("route-{n}"))
            .chain((0..60).map(|n| "\0".repeat(n)))
            .collect();
        let hashes: HashSet<u64> = keys.iter().map(|key| hash(key)).collect();
        assert_eq!(hashes.len(), keys.len());
        // The map takes its bucket from the low bits and its tag from the high ones.
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0x3ff).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!((low.len(), high.len()), (1024, 128));
    }
}
