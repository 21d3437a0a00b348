//! [`Shared`]: a rate that is counted in a store, for several gateways.
//!
//! In: claims, as any limit has them. Out: that they may go, by what this gateway holds of the key, or when
//! they could; or that the store has to be asked, which a [`Question`] waits for. One question at a time is
//! under way for a key; whoever comes meanwhile asks together with the others by the next one. While the store
//! cannot be asked the limit goes on as it was told to.
//!
//! `pot` is the arithmetic of what is held, `slots` where it is kept, `question` who asks, `take.lua` what the
//! store does. Nothing that a client sent goes to the store, but a digest of it.

mod pot;
mod question;
mod slots;
#[cfg(test)]
mod tests;

use std::{
    hash::Hasher,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::Guard;
use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::RwLock;

use self::{question::Fetch, slots::Slots};
pub(super) use self::{question::Question, slots::Name};
use super::{
    gcra::Gcra,
    state::{Blocked, Claim, State, Taken},
};
use crate::{
    config::OnFailure,
    key::{Ask, Recipe},
    metrics::LimitMetrics,
    store::{Current, Script, Store, Unavailable},
};

/// What takes from an allowance in the store.
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// When somebody in the queue looks again whom the store's answer did not move on, in nanoseconds.
const LATER: u64 = 200_000_000;

/// So long after a failure the store counts as unsteady, in nanoseconds.
const UNSTEADY: u64 = 1_000_000_000;

/// So long after a failure that nobody asked after the store counts as there if it has a connection, in nanoseconds.
const QUIET: u64 = 10_000_000_000;

/// A rate that is counted in a store.
#[derive(Debug)]
pub(super) struct Shared {
    limit: Box<str>,
    /// A reload may have made another way to the same.
    store: Current,
    slots: Slots,
    terms: RwLock<Sharing>,
    metrics: Arc<LimitMetrics>,
    /// Whether the store could not be asked lately, and when that was last.
    alone: AtomicBool,
    failed: AtomicU64,
}

/// How a rate is shared. A reload may change it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sharing {
    /// How long a lease lasts, in nanoseconds.
    pub(super) lease: u64,
    /// What happens while the store cannot be asked.
    pub(super) on_failure: OnFailure,
    /// How many gateways there are.
    pub(super) gateways: u32,
}

impl Shared {
    pub(super) fn new(
        limit: &str,
        store: Arc<Store>,
        keys: u32,
        terms: Sharing,
        metrics: Arc<LimitMetrics>,
    ) -> Self {
        Self {
            limit: limit.into(),
            slots: Slots::new(keys, store.max_waiting()),
            store: Current::new(store),
            terms: RwLock::new(terms),
            metrics,
            alone: AtomicBool::new(false),
            failed: AtomicU64::new(0),
        }
    }

    /// Whether it is counted where this store is.
    pub(super) fn is_in(&self, store: &Store) -> bool {
        self.store.load().is_same_place(store)
    }

    /// The store.
    pub(super) fn store(&self) -> Guard<Arc<Store>> {
        self.store.load()
    }

    /// From now on it is shared like this, by this way to the store.
    pub(super) fn change(&self, (store, terms): (Arc<Store>, Sharing)) {
        self.slots.let_wait(store.max_waiting());
        self.store.change(&store);
        *self.terms.write() = terms;
    }

    /// The same for another number of keys, of which nothing is known yet.
    pub(super) fn resized(self, before: &Self) -> Self {
        self.failed.store(before.failed.load(Relaxed), Relaxed);
        self.alone.store(before.is_alone(), Relaxed);
        self
    }

    /// What a key owes, as far as that is known here, and whether it goes on without the store. Of those in a
    /// cluster some may, and others not.
    pub(super) fn owed(&self, key: u64, now: u64) -> (Option<u64>, bool) {
        let mut shard = self.slots.of(key);
        let slot = shard.get(key);
        slot.map_or_else(|| (None, self.is_alone()), |slot| (Some(slot.pot.owed(now)), slot.alone))
    }

    /// A key goes on without the store; what it is known to owe.
    fn alone(&self, key: u64, now: u64) -> u64 {
        let mut shard = self.slots.of(key);
        shard.get(key).map_or(0, |slot| {
            slot.alone = true;
            slot.pot.owed(now)
        })
    }

    /// What stands in the way of a request for which there is no place. Nothing is taken for it, nor is the store
    /// asked: other gateways could not have that.
    #[cold]
    fn blocked_too(&self, rate: Gcra, claim: Claim, now: u64) -> Blocked {
        let pot = self.slots.of(claim.key).get(claim.key).map(|slot| slot.pot);
        match pot.map(|mut pot| pot.draw(rate, claim.cost, now)) {
            Some(Err(blocked @ Blocked::Until(_))) => blocked,
            _ => Blocked::Running,
        }
    }

    /// How many keys are in use.
    pub(super) fn keys(&self) -> usize {
        self.slots.len()
    }

    /// Whether it goes on without the store. Where nobody asks any more that is over when nothing was amiss for a
    /// while.
    pub(super) fn is_down(&self, now: u64) -> bool {
        if now > self.failed.load(Relaxed) + QUIET && self.store().is_up() {
            self.found(now);
        }
        self.is_alone()
    }

    /// Whether the store could not be asked lately.
    pub(super) fn is_alone(&self) -> bool {
        self.alone.load(Relaxed)
    }

    /// The key of a request, as the store has it.
    pub(super) fn name(recipe: &Recipe, tint: u64, ask: &Ask<'_>) -> Name {
        let mut digest = Digest(Context::new(&SHA256));
        recipe.feed(ask, &mut digest);
        if tint != 0 {
            digest.write(&tint.to_le_bytes());
        }
        let mut name = Name::default();
        for (byte, digit) in name.iter_mut().zip(digest.0.finish().as_ref()) {
            *byte = *digit;
        }
        name
    }

    /// The store did not answer.
    fn lost(&self, error: &Unavailable, now: u64) {
        self.failed.store(now, Relaxed);
        if !self.alone.swap(true, Relaxed) {
            self.metrics.store_down.set(1);
            let (limit, store) = (&self.limit, &self.store().name);
            tracing::warn!(%limit, %store, %error, "the limit goes on without its store");
        }
    }

    /// Whether the store did not answer a moment ago.
    fn is_unsteady(&self, now: u64) -> bool {
        now <= self.failed.load(Relaxed) + UNSTEADY
    }

    /// The store answered.
    fn found(&self, now: u64) {
        if self.is_alone() && !self.is_unsteady(now) && self.alone.swap(false, Relaxed) {
            self.metrics.store_down.set(0);
            tracing::info!(limit = %self.limit, store = %self.store().name, "the limit counts in its store again");
        }
    }
}

impl State {
    /// Takes from what this gateway holds of a key.
    #[inline(never)]
    pub(super) fn draw(
        self: &Arc<Self>,
        shared: &Shared,
        rate: Gcra,
        claim: Claim,
        now: u64,
    ) -> Result<u64, Blocked> {
        if rate.price(claim.cost).is_none() {
            return Err(Blocked::Never);
        }
        if self.is_full(claim) {
            return Err(shared.blocked_too(rate, claim, now));
        }
        let (drawn, renewal) = match shared.slots.of(claim.key).get(claim.key) {
            None => (Err(Blocked::Ask), None),
            Some(slot) => {
                let drawn = slot.pot.draw(rate, claim.cost, now);
                let low = drawn.is_ok() && !slot.busy && slot.pot.is_low();
                let order = || slot.pot.renewal(rate, shared.terms.read().lease, now);
                let renewal = low.then(order).flatten();
                slot.busy |= renewal.is_some();
                (drawn, renewal)
            }
        };
        if renewal.is_some() {
            self.send(claim.key, renewal);
        }
        match drawn {
            Err(Blocked::Ask) if claim.cost == 0 => Ok(self.peek(claim.key, now)),
            Err(Blocked::Ask) if shared.store().down().is_some() => {
                self.do_without(rate, claim, now)
            }
            drawn => drawn,
        }
    }

    /// As [`State::take`], for somebody who waits in the queue. While the store is asked for that, its answer
    /// moves the queue on, or that there is none. Then nobody waits for the next answer, until there is one again.
    pub(super) fn draw_late(
        self: &Arc<Self>,
        shared: &Shared,
        (claim, name): (Claim, &Name),
        now: u64,
    ) -> Result<Taken, Blocked> {
        let later = || Err(Blocked::Until(now + LATER));
        match (self.take(claim, now), claim.terms.rate) {
            (Err(Blocked::Ask), Some(rate)) => {
                let tat = match self.fetch(shared, rate, (claim, name), now) {
                    Fetch::Waits => return later(),
                    Fetch::Unanswered => self.do_without(rate, claim, now)?,
                    Fetch::NoRoom => self.unasked(rate, claim, now)?,
                };
                self.admit(claim, tat, now)
            }
            (Err(Blocked::Ask), None) => later(),
            (taken, _) => taken,
        }
    }

    /// Takes without the store, as the limit was told to.
    #[cold]
    fn do_without(&self, rate: Gcra, claim: Claim, now: u64) -> Result<u64, Blocked> {
        let Some(shared) = &self.shared else { return Err(Blocked::Unavailable) };
        if let Some(down) = shared.store().down() {
            shared.lost(&down, now);
        }
        shared.metrics.fallbacks.inc();
        let Sharing { on_failure, gateways, .. } = *shared.terms.read();
        match on_failure {
            OnFailure::Allow => Ok(now),
            OnFailure::Reject => Err(Blocked::Unavailable),
            OnFailure::Local => self.count_here(shared, (rate, gateways), claim, now),
        }
    }

    /// Takes for a key that the store is not asked about: because it does not answer, or, while it does, because this
    /// gateway has no room to ask about one more key. That is no failure of the store's: its part is counted here.
    #[cold]
    pub(super) fn unasked(&self, rate: Gcra, claim: Claim, now: u64) -> Result<u64, Blocked> {
        match &self.shared {
            Some(shared) if shared.store().down().is_none() => {
                shared.metrics.fallbacks.inc();
                let gateways = shared.terms.read().gateways;
                self.count_here(shared, (rate, gateways), claim, now)
            }
            _ => self.do_without(rate, claim, now),
        }
    }

    /// Takes from this gateway's part of what all have.
    fn count_here(
        &self,
        shared: &Shared,
        (rate, gateways): (Gcra, u32),
        claim: Claim,
        now: u64,
    ) -> Result<u64, Blocked> {
        let part = rate.part(gateways, claim.cost);
        let known = shared.alone(claim.key, now);
        Ok(self.pay(part, claim, now, known)?)
    }

    /// Gives back what was taken from what this gateway holds; none if it was not.
    pub(super) fn put_back(
        &self,
        shared: &Shared,
        rate: Gcra,
        claim: Claim,
        now: u64,
    ) -> Option<()> {
        let price = rate.price(claim.cost)?;
        let mut shard = shared.slots.of(claim.key);
        let slot = shard.get(claim.key).filter(|slot| !slot.alone)?;
        slot.pot.give_back(price, now);
        Some(())
    }
}

/// A digest that is the same at every gateway: numbers have one order of bytes.
struct Digest(Context);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_be_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_be_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write(&(number as u64).to_be_bytes());
    }

    /// Nobody asks for 64 bits of it.
    fn finish(&self) -> u64 {
        0
    }
}
