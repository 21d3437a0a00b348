//! [`Digest`]: what a key comes to, the same in every gateway and after every restart.
//!
//! FNV-1a, with its bits mixed at the end, since a table looks at the upper ones. It keeps no secret: whoever
//! wants to meet one endpoint may try keys until one does, whatever the digest is.

use std::hash::Hasher;

use super::mixed;

/// A hasher without a seed.
#[derive(Clone, Debug)]
pub struct Digest(u64);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> u64 {
        let mut digest = Self::default();
        digest.write(bytes);
        digest.finish()
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Digest {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    // Not as the machine has them.
    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_be_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_be_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write(&(number as u64).to_be_bytes());
    }

    #[inline]
    fn finish(&self) -> u64 {
        mixed(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gateways of other versions have to agree: who changes this sends every client elsewhere.
    #[test]
    fn a_digest_is_the_same_for_ever() {
        assert_eq!(Digest::of(b""), mixed(0xcbf2_9ce4_8422_2325));
        // As the authors of FNV have it.
        let mut digest = Digest::default();
        digest.write(b"foobar");
        assert_eq!(digest.0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn keys_that_differ_little_are_far_apart() {
        let digests: Vec<_> = (0..1_000_u32).map(|n| Digest::of(&n.to_be_bytes()) >> 54).collect();
        let mut seen = vec![0; 1 << 10];
        digests.iter().for_each(|digest| seen[usize::try_from(*digest).unwrap()] += 1);
        let hit = seen.iter().filter(|count| **count > 0).count();
        // By chance, 1 - 1/e of them.
        assert!((550..700).contains(&hit), "{hit} of 1,024 buckets");
    }
}
