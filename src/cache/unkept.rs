//! [`Unkept`]: URLs whose answers were not kept lately, so that nobody waits for another's in vain.
//!
//! In: digests of what answers would have been kept under. Out: whether one was noted in the last seconds. A
//! fixed table; who meets another's place there goes alone for a while, no more.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

/// Places, a power of two.
const PLACES: usize = 1 << 12;

/// So long it is remembered.
const LATELY: Duration = Duration::from_secs(5);

/// URLs whose answers were not kept lately.
#[derive(Debug)]
pub struct Unkept {
    begin: Instant,
    /// The upper half of a digest, and milliseconds since `begin` from 1.
    places: Box<[AtomicU64]>,
}

impl Unkept {
    /// None yet.
    pub fn new() -> Self {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { begin: Instant::now(), places }
    }

    /// The digest under which it is noted where it is only for what requests bring, credentials or else cookies, which
    /// says nothing of others.
    pub const fn for_one(&self, digest: u64, authorized: bool) -> u64 {
        if authorized { !digest } else { digest.swap_bytes() }
    }

    /// Notes one.
    pub fn note(&self, digest: u64, now: Instant) {
        self.place(digest).store(sign(digest) | u64::from(self.millis(now)), Relaxed);
    }

    /// Forgets one.
    pub fn forget(&self, digest: u64) {
        let place = self.place(digest);
        let noted = place.load(Relaxed);
        if noted & SIGN == sign(digest) {
            place.store(0, Relaxed);
        }
    }

    /// Whether it was noted lately.
    pub fn has(&self, digest: u64, now: Instant) -> bool {
        let noted = self.place(digest).load(Relaxed);
        let (then, now) = (u32::try_from(noted & !SIGN).unwrap_or(0), self.millis(now));
        let lately = || u128::from(now.wrapping_sub(then)) < LATELY.as_millis();
        then > 0 && noted & SIGN == sign(digest) && lately()
    }

    fn place(&self, digest: u64) -> &AtomicU64 {
        // The remainder is below PLACES, which is the length.
        &self.places[usize::try_from(digest % PLACES as u64).unwrap_or(0)]
    }

    fn millis(&self, now: Instant) -> u32 {
        let millis = now.saturating_duration_since(self.begin).as_millis() + 1;
        u32::try_from(millis & u128::from(u32::MAX)).unwrap_or(1).max(1)
    }
}

impl Default for Unkept {
    fn default() -> Self {
        Self::new()
    }
}

const SIGN: u64 = 0xffff_ffff << 32;

const fn sign(digest: u64) -> u64 {
    digest & SIGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_kept_is_remembered_for_a_while() {
        let unkept = Unkept::new();
        let now = Instant::now();
        let (one, other) = (7 << 40 | 5, 8 << 40 | 5);
        assert!(!unkept.has(one, now));
        unkept.note(one, now);
        assert!(unkept.has(one, now) && unkept.has(one, now + LATELY / 2));
        assert!(!unkept.has(one, now + LATELY * 2));
        assert!(!unkept.has(other, now), "another one at the same place");
        unkept.forget(other);
        assert!(unkept.has(one, now));
        unkept.forget(one);
        assert!(!unkept.has(one, now));
    }
}
