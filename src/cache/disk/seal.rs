//! [`Seal`]: what nobody without the folder's secret can make: digests that names are made of, and the seals
//! that say of a file that it is whole, unchanged and of this folder.
//!
//! HMAC-SHA-256, cut. A plain checksum would do against a torn write; this also tells a file that was put there.

use aws_lc_rs::hmac;

/// Bytes of a seal.
pub(super) const LENGTH: usize = 16;

/// A folder's secret.
pub(super) struct Seal(hmac::Key);

/// A seal in the making, for what comes in pieces.
pub(super) struct Sealing(hmac::Context);

impl Seal {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Begins a seal for this use; one for another use never fits.
    pub(super) fn begin(&self, purpose: &str) -> Sealing {
        let mut sealing = Sealing(hmac::Context::with_key(&self.0));
        sealing.part(purpose.as_bytes());
        sealing
    }

    /// A digest of these parts, which cannot be mistaken for others that have the same bytes in a row.
    pub(super) fn digest(&self, purpose: &str, parts: &[&[u8]]) -> u64 {
        let mut sealing = self.begin(purpose);
        parts.iter().for_each(|part| sealing.part(part));
        let whole = u128::from_le_bytes(sealing.end());
        u64::try_from(whole & u128::from(u64::MAX)).unwrap_or_default()
    }
}

impl Sealing {
    /// A part of known length.
    fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn end(self) -> [u8; LENGTH] {
        let tag = self.0.sign();
        std::array::from_fn(|at| tag.as_ref().get(at).copied().unwrap_or_default())
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}
