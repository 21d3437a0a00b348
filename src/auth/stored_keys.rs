//! [`StoredKeys`]: API keys in a store that several gateways share.
//!
//! In: a key's digest. Out: the key, that there is none, or that nobody can say. What the store said is
//! remembered for a short time, so that it is not asked for every request; what was revoked there goes on
//! for no longer. While the store is of no use, what was remembered goes on for a longer time. A key is
//! stored under its digest, as JSON of what a line in a file of keys says.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Refusal,
    api_key::Known,
    key::Digest,
    memory::{Memory, Tag},
    principal::{Introduction, Principal},
    provider::Given,
};
use crate::{
    config::{self, Key, Path, Problems},
    message::hex,
    metrics::AuthMetrics,
    reject::Reject,
    store::{Store, Unavailable},
};

/// After so long it is worth trying again when the store is of no use.
const STORE_DOWN: Duration = Duration::from_secs(1);

/// Keys in a store.
#[derive(Debug)]
pub(super) struct StoredKeys {
    section: config::ApiKey,
    store: Arc<Store>,
    who: Principal,
    introduction: Introduction,
    memory: Arc<Memory<Noted>>,
    metrics: Arc<AuthMetrics>,
}

/// What the store said of a key.
#[derive(Clone, Debug)]
struct Noted {
    /// None for a key that it does not know.
    known: Option<Known>,
    /// Until then the store need not be asked again.
    fresh: Instant,
}

/// What is to be said of a key.
#[derive(Debug)]
pub(super) enum Stored {
    Known(Known),
    Unknown,
    /// The store has to be asked.
    Unsure,
    /// The store cannot be asked.
    Unavailable(Refusal),
}

impl From<Option<Known>> for Stored {
    fn from(known: Option<Known>) -> Self {
        known.map_or(Self::Unknown, Self::Known)
    }
}

impl StoredKeys {
    /// Compiles what the section at `at` says of its store.
    pub(super) fn compile(
        section: &config::ApiKey,
        (who, introduction): (&Principal, &Introduction),
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let name = section.store.as_deref().unwrap_or_default();
        let store = Store::named(given.stores, name, &at.key("store"), problems)?;
        // What was made of keys under other rules is of no use.
        let same = |before: &&Self| {
            before.section == *section
                && before.introduction == *introduction
                && Arc::ptr_eq(&before.store, &store)
        };
        let before = before.filter(same).map(|before| &before.memory);
        let memory = Memory::after(before, &given.metrics, at);
        Some(Self {
            section: section.clone(),
            store,
            who: who.clone(),
            introduction: introduction.clone(),
            memory: problems.keep(memory)?,
            metrics: given.metrics.clone(),
        })
    }

    /// What the store said of a key, if it did lately.
    pub(super) fn recall(&self, digest: &Digest, now: Instant) -> Stored {
        match self.memory.recall(&self.tag(digest), now) {
            Some(noted) if now < noted.fresh => noted.known.into(),
            _ => Stored::Unsure,
        }
    }

    /// What the store says of a key.
    pub(super) async fn ask(&self, digest: &Digest, now: Instant) -> Stored {
        self.metrics.questions.inc();
        let name = self.section.prefix.clone() + &hex(digest);
        match self.store.get(&name).await {
            Ok(found) => {
                let known = found.and_then(|text| self.read(digest, &text));
                self.remember(digest, known.clone());
                known.into()
            }
            Err(error) => {
                self.metrics.question_failures.inc();
                self.without(digest, now, &error)
            }
        }
    }

    /// What goes on to hold without the store.
    fn without(&self, digest: &Digest, now: Instant, error: &Unavailable) -> Stored {
        tracing::debug!(auth = %self.who.auth, store = %self.store.name, %error, "no word of a key");
        match self.memory.recall(&self.tag(digest), now).and_then(|noted| noted.known) {
            Some(known) => Stored::Known(known),
            None => {
                let reject = Reject::AuthKeyStoreUnavailable;
                Stored::Unavailable(Refusal::later(reject, STORE_DOWN))
            }
        }
    }

    fn remember(&self, digest: &Digest, known: Option<Known>) {
        let now = Instant::now();
        let config::ApiKey { remember, remember_unknown, stale, max_remembered, .. } =
            &self.section;
        let (fresh, keep) = match known {
            Some(_) => (remember.0, remember.0 + stale.0),
            None => (remember_unknown.0, remember_unknown.0),
        };
        let noted = Noted { known, fresh: now + fresh };
        self.memory.remember(self.tag(digest), noted, now, keep, *max_remembered);
    }

    /// A key as it is stored. What is none, or another's, is not known.
    fn read(&self, digest: &Digest, text: &[u8]) -> Option<Known> {
        let key = read_key(text);
        let known = key.and_then(|key| Known::new(&key, &self.who, &self.introduction));
        let known = known.and_then(|(found, known)| match found == *digest {
            true => Ok(known),
            false => Err("it is stored under another's digest".into()),
        });
        known
            .inspect_err(|error| {
                let (auth, name) = (&self.who.auth, hex(digest));
                tracing::warn!(%auth, store = %self.store.name, key = name, error, "no key");
            })
            .ok()
    }

    fn tag(&self, digest: &Digest) -> Tag {
        self.memory.tag([digest, b"", b""])
    }
}

/// A key as it is stored.
fn read_key(text: &[u8]) -> Result<Key, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// Stores a key, under its digest behind `prefix`.
///
/// # Errors
/// It may or may not be stored.
pub async fn store_key(store: &Store, prefix: &str, key: &Key) -> Result<(), String> {
    let text = serde_json::to_vec(key).map_err(|error| error.to_string())?;
    let name = prefix.to_owned() + &key.sha256;
    store.set(&name, &text, None).await.map_err(|error| error.to_string())
}

/// The keys that are stored behind `prefix`.
///
/// # Errors
/// Not all of them are known.
pub async fn stored_keys(store: &Store, prefix: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for name in store.keys(prefix).await.map_err(|error| error.to_string())? {
        let text = store.get(&name).await.map_err(|error| error.to_string())?;
        let Some(text) = text else { continue };
        keys.push(read_key(&text).map_err(|error| format!("`{name}`: {error}"))?);
    }
    keys.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(keys)
}
