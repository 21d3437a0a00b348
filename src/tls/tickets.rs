//! Session tickets: keys that all workers share, that outlive reloads, and that change with time.
//!
//! A ticket opens in the period it was given in and in the one after; then its key is gone for good,
//! and with it the secrecy of nobody's past. A period in which nobody came counts as well.

use std::{
    fmt, mem,
    sync::{Arc, Weak},
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use parking_lot::RwLock;
use rustls::server::ProducesTickets;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// What keeps session tickets: keys by their period, for as long as a listener needs them.
#[derive(Clone, Debug, Default)]
pub struct Tickets(Vec<Weak<Keys>>);

impl Tickets {
    /// The keys of this period, which all who ask share.
    ///
    /// # Errors
    /// The system gave no randomness.
    pub fn shared(&mut self, period: Duration) -> Result<Arc<dyn ProducesTickets>, String> {
        self.0.retain(|keys| keys.strong_count() > 0);
        let known = self.0.iter().filter_map(Weak::upgrade).find(|keys| keys.period == period);
        if let Some(known) = known {
            return Ok(known);
        }
        let keys = Keys::new(period)?;
        self.0.push(Arc::downgrade(&keys));
        Ok(keys)
    }

    /// Keys of this period that nobody else has.
    ///
    /// # Errors
    /// The system gave no randomness.
    pub fn own(period: Duration) -> Result<Arc<dyn ProducesTickets>, String> {
        Ok(Keys::new(period)?)
    }
}

/// The key of this period and that of the last one.
struct Keys {
    period: Duration,
    pair: RwLock<Pair>,
}

struct Pair {
    current: RandomizedNonceKey,
    previous: Option<RandomizedNonceKey>,
    /// When the current key came.
    since: Instant,
}

impl Keys {
    fn new(period: Duration) -> Result<Arc<Self>, String> {
        let current = key().ok_or("no ticket keys: the system has no random numbers")?;
        let pair = RwLock::new(Pair { current, previous: None, since: Instant::now() });
        Ok(Arc::new(Self { period, pair }))
    }

    /// What these keys come to, once they are those of now; nothing if the system has no randomness.
    fn with<T>(&self, use_them: impl Fn(&Pair) -> Option<T>) -> Option<T> {
        let now = Instant::now();
        let pair = self.pair.read();
        if now.saturating_duration_since(pair.since) < self.period {
            return use_them(&pair);
        }
        drop(pair);
        let fresh = key()?;
        let mut pair = self.pair.write();
        // Another worker may have been here first.
        let age = now.saturating_duration_since(pair.since);
        if age >= self.period {
            let last = mem::replace(&mut pair.current, fresh);
            // Periods follow one another, whenever somebody comes to find that one is over.
            (pair.previous, pair.since) = match age < self.period * 2 {
                true => (Some(last), pair.since + self.period),
                false => (None, now),
            };
        }
        use_them(&pair)
    }
}

fn key() -> Option<RandomizedNonceKey> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(&mut bytes[..]).ok()?;
    RandomizedNonceKey::new(&AES_256_GCM, &bytes[..]).ok()
}

/// A ticket: a nonce, and what it hides.
fn seal(key: &RandomizedNonceKey, session: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = session.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
    Some([&nonce.as_ref()[..], &sealed].concat())
}

fn open(key: &RandomizedNonceKey, ticket: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = ticket.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut sealed = sealed.to_vec();
    key.open_in_place(nonce, Aad::empty(), &mut sealed).ok().map(|session| session.to_vec())
}

impl ProducesTickets for Keys {
    fn enabled(&self) -> bool {
        true
    }

    /// For how many seconds a client may keep a ticket: there is no use for it after that.
    fn lifetime(&self) -> u32 {
        u32::try_from(self.period.as_secs().saturating_mul(2)).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        self.with(|pair| seal(&pair.current, session))
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.with(|pair| {
            let keys = std::iter::once(&pair.current).chain(&pair.previous);
            keys.filter_map(|key| open(key, ticket)).next()
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("period", &self.period).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(6 * 3600);
    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_ticket_opens_in_its_period_and_the_next_and_no_longer() {
        let keys = Tickets::own(PERIOD).unwrap();
        let early = keys.encrypt(b"early").unwrap();
        advance(PERIOD - MOMENT).await;
        let late = keys.encrypt(b"late").unwrap();
        assert_eq!(keys.decrypt(&early).unwrap(), b"early", "in its period");
        advance(MOMENT).await;
        let next = keys.encrypt(b"next").unwrap();
        assert_eq!(keys.decrypt(&early).unwrap(), b"early", "in the next one");
        assert_eq!(keys.decrypt(&late).unwrap(), b"late");
        advance(PERIOD).await;
        assert_eq!(keys.decrypt(&next).unwrap(), b"next");
        assert_eq!(keys.decrypt(&early), None, "two periods later");
        assert_eq!(keys.decrypt(&late), None);
        assert_eq!(u64::from(keys.lifetime()), 2 * PERIOD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn periods_in_which_nobody_came_count() {
        for (quiet, opens) in [(PERIOD * 2 - MOMENT, true), (PERIOD * 2, false)] {
            let keys = Tickets::own(PERIOD).unwrap();
            let ticket = keys.encrypt(b"a").unwrap();
            advance(quiet).await;
            assert_eq!(keys.decrypt(&ticket).is_some(), opens, "after {quiet:?}");
            advance(MOMENT).await;
            assert_eq!(keys.decrypt(&ticket), None, "after {quiet:?} and a moment");
        }
    }

    #[test]
    fn keys_are_shared_by_period_for_as_long_as_somebody_has_them() {
        let mut tickets = Tickets::default();
        let first = tickets.shared(PERIOD).unwrap();
        let ticket = first.encrypt(b"a").unwrap();
        let mut later = tickets.clone();
        assert!(later.shared(PERIOD).unwrap().decrypt(&ticket).is_some(), "after a reload");
        assert!(tickets.shared(PERIOD / 2).unwrap().decrypt(&ticket).is_none());
        drop(first);
        assert!(later.shared(PERIOD).unwrap().decrypt(&ticket).is_none());
    }

    #[test]
    fn nothing_but_a_ticket_opens() {
        let keys = Tickets::own(PERIOD).unwrap();
        let ticket = keys.encrypt(b"session").unwrap();
        for length in 0..ticket.len() {
            assert_eq!(keys.decrypt(&ticket[..length]), None);
            let mut bent = ticket.clone();
            bent[length] ^= 1;
            assert_eq!(keys.decrypt(&bent), None);
        }
        assert_ne!(keys.encrypt(b"session").unwrap(), ticket, "each has a nonce of its own");
    }
}
