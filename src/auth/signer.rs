//! [`Signer`]: the gateway's own keys, by which it tells origins who somebody is.
//!
//! In: what a token says. Out: the token, by ES256; and the public keys as a JWKS (RFC 7517), for the
//! admin door. Keys are kept in the state directory, so that a restart changes none. After 30 days a new
//! one signs; the one before stays among the public ones as long as tokens may be about that it signed.

use std::{
    fmt, fs,
    path::{Path as FilePath, PathBuf},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsDer as _,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::state;

/// How long a key signs, in milliseconds.
const ROTATE: u64 = 30 * 86_400_000;

/// How long a key that signs no more is shown. No token lives longer.
pub(super) const LONGEST: u64 = 86_400_000;

/// The file of the state directory.
const FILE: &str = "identity-keys.json";

/// The gateway's own keys.
pub struct Signer {
    file: Option<PathBuf>,
    /// The newest first: it signs.
    keys: Mutex<Vec<Key>>,
}

struct Key {
    /// In milliseconds since 1970.
    made: u64,
    id: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    /// The keys of the state directory, made if there are none; without a directory, some for the moment.
    ///
    /// # Errors
    /// They cannot be read or written.
    pub fn load(state: Option<&FilePath>, now: u64) -> Result<Self, String> {
        let file = state.map(|state| state.join(FILE));
        let keys = match &file {
            Some(file) if file.exists() => read(file)?,
            _ => Vec::new(),
        };
        let signer = Self { file, keys: Mutex::new(keys) };
        signer.rotate(now)?;
        Ok(signer)
    }

    /// The public keys.
    pub fn jwks(&self) -> Value {
        let keys = self.keys.lock();
        let keys: Vec<_> = keys.iter().map(|key| key.public().0).collect();
        json!({ "keys": keys })
    }

    /// A token that says this, at this time in milliseconds since 1970.
    ///
    /// # Errors
    /// No key can be made.
    pub fn sign(&self, claims: &Value, now: u64) -> Result<String, String> {
        self.rotate(now)?;
        let keys = self.keys.lock();
        let key = keys.first().ok_or("no key signs")?;
        let head = json!({ "alg": "ES256", "typ": "JWT", "kid": key.id });
        let text = format!("{}.{}", encoded(&head), encoded(claims));
        let signature = key.pair.sign(&SystemRandom::new(), text.as_bytes());
        let signature = signature.map_err(|_| "the key does not sign")?;
        Ok(format!("{text}.{}", BASE64URL.encode(signature.as_ref())))
    }

    /// Makes a new key if the newest has signed for long enough.
    fn rotate(&self, now: u64) -> Result<(), String> {
        let mut keys = self.keys.lock();
        if keys.first().is_some_and(|newest| now < newest.made.saturating_add(ROTATE)) {
            return Ok(());
        }
        keys.retain(|key| now < key.made.saturating_add(ROTATE + 2 * LONGEST));
        keys.insert(0, Key::make(now)?);
        match &self.file {
            Some(file) => write(file, &keys),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Key {
    fn make(now: u64) -> Result<Self, String> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Ok(Self::of(pair.map_err(|_| "no key can be made")?, now))
    }

    fn of(pair: EcdsaKeyPair, made: u64) -> Self {
        let mut key = Self { made, id: String::new(), pair };
        key.id = key.public().1;
        key
    }

    /// As a JWK, and its thumbprint (RFC 7638).
    fn public(&self) -> (Value, String) {
        // An uncompressed point: a byte that says so, and 32 bytes for each coordinate.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        let (x, y) = (BASE64URL.encode(x), BASE64URL.encode(y));
        let bare = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = BASE64URL.encode(digest(&SHA256, bare.as_bytes()));
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "alg": "ES256", "use": "sig",
        });
        (jwk, id)
    }
}

fn encoded(value: &Value) -> String {
    BASE64URL.encode(value.to_string())
}

fn read(file: &FilePath) -> Result<Vec<Key>, String> {
    let wrong =
        |what: &str| format!("`{}`: {what}; without the file new keys are made", file.display());
    let text = fs::read(file).map_err(|error| wrong(&error.to_string()))?;
    let list: Vec<(u64, String)> =
        serde_json::from_slice(&text).map_err(|error| wrong(&error.to_string()))?;
    let key = |(made, key): (u64, String)| {
        let der = BASE64URL.decode(key).ok()?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        Some(Key::of(pair.ok()?, made))
    };
    list.into_iter().map(key).collect::<Option<_>>().ok_or_else(|| wrong("not a key of ours"))
}

fn write(file: &FilePath, keys: &[Key]) -> Result<(), String> {
    let der = |key: &Key| {
        let der = key.pair.private_key().as_der();
        der.map(|der| (key.made, BASE64URL.encode(der.as_ref())))
    };
    let list: Result<Vec<_>, _> = keys.iter().map(der).collect();
    let list = serde_json::to_string(&list.map_err(|_| "a key cannot be written")?);
    state::write(file, &list.map_err(|error| error.to_string())?, 0o600)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    const DAY: u64 = 86_400_000;

    fn ids(signer: &Signer) -> Vec<String> {
        let jwks = signer.jwks();
        let keys = jwks["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    fn signed_by(token: &str) -> String {
        let head = BASE64URL.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&head).unwrap()["kid"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_key_signs_for_a_month_and_is_shown_until_its_tokens_are_gone() {
        let home = tempfile::tempdir().unwrap();
        let signer = Signer::load(Some(home.path()), 0).unwrap();
        let first = ids(&signer);
        assert_eq!(first.len(), 1);
        assert_eq!(signed_by(&signer.sign(&json!({}), 29 * DAY).unwrap()), first[0]);
        let late = signer.sign(&json!({}), 30 * DAY).unwrap();
        let both = ids(&signer);
        assert_eq!((both.len(), &both[1], &signed_by(&late)), (2, &first[0], &both[0]));
        // A restart knows both, and one long after neither.
        let again = Signer::load(Some(home.path()), 31 * DAY).unwrap();
        assert_eq!(ids(&again), both);
        assert_eq!(ids(&Signer::load(Some(home.path()), 100 * DAY).unwrap()).len(), 1);
    }

    #[test]
    fn what_is_signed_holds_under_the_key_that_is_shown() {
        let signer = Signer::load(None, 0).unwrap();
        let token = signer.sign(&json!({ "sub": "ann" }), 0).unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let jwk = &signer.jwks()["keys"][0];
        let part = |name: &str| BASE64URL.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], part("x"), part("y")].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let signature = BASE64URL.decode(signature).unwrap();
        assert!(key.verify(text.as_bytes(), &signature).is_ok());
        assert!(key.verify(b"another", &signature).is_err());
    }

    #[test]
    fn keys_that_cannot_be_read_are_not_silently_replaced() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "{}", "[[1,\"AAAA\"]]"] {
            fs::write(home.path().join(FILE), text).unwrap();
            let error = Signer::load(Some(home.path()), 0).err().unwrap();
            assert!(error.contains(FILE), "{error}");
        }
    }
}
