//! [`Vault`]: what protects that which several gateways share.
//!
//! In: the secret that they have in common. Out: the key of logins on their way, names that tell nothing,
//! and sealed records. A record's key is made of the secret *and* of the cookie that names the session:
//! whoever has the store has neither, whoever has a cookie can make nothing of the store, and nobody
//! without the secret can put a session there that a gateway would take.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    constant_time::verify_slices_are_equal,
    hmac,
};

use super::{
    flow::Key,
    sessions::{Record, Shown},
};
use crate::message::hex;

const NONCE: usize = 12;

/// What protects that which several gateways share.
pub(super) struct Vault(hmac::Key);

impl Vault {
    /// By this secret; what is another section's, provider's or client's is of no use.
    pub(super) fn new(secret: &str, owner: [&str; 3]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Self(hmac::Key::new(hmac::HMAC_SHA256, &derive(&secret, owner.map(str::as_bytes))))
    }

    /// Whether both are by the same secret.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let tag = |vault: &Self| derive(&vault.0, [b"same", b"", b""]);
        verify_slices_are_equal(&tag(self), &tag(other)).is_ok()
    }

    /// The key of logins on their way.
    pub(super) fn flows(&self) -> Result<Key, String> {
        Key::of(&derive(&self.0, [b"flow", b"", b""]))
    }

    /// A name for something of this kind that does not tell what it is.
    pub(super) fn name(&self, kind: &str, of: &[u8]) -> String {
        hex(&derive(&self.0, [b"name", kind.as_bytes(), of]))
    }

    /// Seals the record of the session that this cookie names.
    pub(super) fn seal(&self, shown: &Shown, record: &Record) -> Option<Vec<u8>> {
        let mut text = serde_json::to_vec(record).ok()?;
        let key = self.key(shown)?;
        let nonce = key.seal_in_place_append_tag(Aad::from(shown.id), &mut text).ok()?;
        Some([&nonce.as_ref()[..], &text].concat())
    }

    /// Opens it again.
    pub(super) fn open(&self, shown: &Shown, mut sealed: Vec<u8>) -> Option<Record> {
        let (nonce, text) = sealed.split_at_mut_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.key(shown)?.open_in_place(nonce, Aad::from(shown.id), text).ok()?;
        serde_json::from_slice(text).ok()
    }

    fn key(&self, shown: &Shown) -> Option<RandomizedNonceKey> {
        let key = derive(&self.0, [b"record", b"", &shown.value]);
        RandomizedNonceKey::new(&AES_256_GCM, &key).ok()
    }
}

/// 32 bytes of a key's, for these; the parts cannot run into each other.
fn derive(key: &hmac::Key, parts: [&[u8]; 3]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut made = [0; 32];
    made.copy_from_slice(context.sign().as_ref());
    made
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OWNER: [&str; 3] = ["corp", "https://idp.example", "janua"];

    fn record() -> Record {
        Record {
            claims: serde_json::Map::from_iter([("sub".to_owned(), "alice".into())]),
            id_token: "an ID token".into(),
            refresh_token: Some("a refresh token".into()),
            due: Some(7),
            begun: 1,
            end: 9,
        }
    }

    #[test]
    fn a_record_opens_with_its_cookie_and_secret_only() {
        let (vault, shown) = (Vault::new(SECRET, OWNER), Shown::new(b"cookie"));
        let sealed = vault.seal(&shown, &record()).unwrap();
        assert_eq!(vault.open(&shown, sealed.clone()), Some(record()));
        let same = Vault::new(SECRET, OWNER);
        assert!(same.is_same(&vault));
        assert_eq!(same.open(&shown, sealed.clone()), Some(record()), "at another gateway");
        for word in ["alice", "token"] {
            assert!(!sealed.windows(word.len()).any(|text| text == word.as_bytes()), "{word}");
        }
        assert_eq!(vault.open(&Shown::new(b"other"), sealed.clone()), None, "another cookie");
        let renamed = Shown { id: [0; 32], ..shown.clone() };
        assert_eq!(vault.open(&renamed, sealed.clone()), None, "moved to another name");
        for (secret, owner) in [
            ("another secret, as long as that one", OWNER),
            (SECRET, ["staff", "https://idp.example", "janua"]),
            (SECRET, ["corp", "https://other.example", "janua"]),
            (SECRET, ["corp", "https://idp.example", "other"]),
        ] {
            let other = Vault::new(secret, owner);
            assert!(!other.is_same(&vault));
            assert_eq!(other.open(&shown, sealed.clone()), None, "{owner:?}");
            assert_ne!(other.name("sub", b"alice"), vault.name("sub", b"alice"));
        }
        for at in [0, NONCE, sealed.len() - 1] {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert_eq!(vault.open(&shown, forged), None, "changed at {at}");
        }
        for garbage in [&b""[..], b"x", &[0; 60]] {
            assert_eq!(vault.open(&shown, garbage.to_vec()), None);
        }
    }

    #[test]
    fn names_tell_kinds_apart_and_nothing_else() {
        let vault = Vault::new(SECRET, OWNER);
        assert_eq!(vault.name("sub", b"a"), vault.name("sub", b"a"));
        assert_ne!(vault.name("sub", b"a"), vault.name("sid", b"a"));
        assert_ne!(vault.name("sub", b"a"), vault.name("sub", b"b"));
    }
}
