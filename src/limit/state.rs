//! [`State`]: what a limit counts. It outlives a reload.
//!
//! In: a key, what it costs and the terms that hold for it. Out: that it was taken, or what stands in the
//! way. Terms are the caller's: a reload changes them, and what is owed goes on.

use std::{
    hash::RandomState,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::Instant;

use super::{
    gcra::{Gcra, Over},
    hall::{Hall, Permit},
    owed::Owed,
    quota::Quota,
    shared::{Name, Shared},
    table::Table,
    used::{Account, Left},
};
use crate::{
    key::{Ask, Recipe},
    metrics::LimitMetrics,
    store::Store,
};

/// What a limit counts.
#[derive(Debug)]
pub(super) struct State {
    /// What its keys are made of, and how many it knows.
    pub(super) shape: (Recipe, u32),
    pub(super) metrics: Arc<LimitMetrics>,
    /// Who runs, and who waits.
    pub(super) hall: Arc<Hall>,
    /// Where its rate is counted, if several gateways share it; what is `owed` then holds while the store
    /// cannot be asked.
    pub(super) shared: Option<Box<Shared>>,
    epoch: Instant,
    owed: Owed,
    /// The same of tiers that count by themselves where all others have one key.
    of_tiers: OnceLock<Owed>,
    /// The rates of the terms that hold.
    rates: RwLock<Rates>,
    /// What counts in its place since a reload: those who came before pay there too.
    successor: OnceLock<Arc<Self>>,
}

/// The rates of a limit: everybody's, and those of tiers.
pub(super) type Rates = Arc<[Gcra]>;

/// What holds for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Terms {
    pub(super) rate: Option<Gcra>,
    pub(super) concurrent: Option<u32>,
    pub(super) quota: Option<Quota>,
}

/// What a request would take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) key: u64,
    /// What its tier has put into the key.
    pub(super) tint: u64,
    /// The key that it runs under: a tier with a rate of its own runs with everybody, unless it says how many run.
    pub(super) hall: u64,
    pub(super) cost: u64,
    pub(super) terms: Terms,
    /// Whose quota it is, if there is one.
    pub(super) account: Option<Account>,
}

/// What a tint leaves of a key as it is: whose timers and permits move whom is looked up by these bits.
const UNTINTED: u64 = 31 << 59;

impl Claim {
    /// What a request would take by a tier that puts this into its key, and runs `apart` from others or not.
    #[inline]
    pub(super) const fn new(
        base: u64,
        (tint, apart): (u64, bool),
        cost: u64,
        terms: Terms,
        account: Option<Account>,
    ) -> Self {
        let key = base ^ (tint & !UNTINTED);
        Self { key, tint, hall: if apart { key } else { base }, cost, terms, account }
    }

    /// The key without what its tier put into it.
    #[inline]
    pub(super) const fn base(self) -> u64 {
        self.key ^ (self.tint & !UNTINTED)
    }
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Blocked {
    /// The rate, until then.
    Until(u64),
    /// Those who run.
    Running,
    /// Those who wait already.
    Queue,
    /// The quota, for so many milliseconds.
    Quota(u64),
    /// It is more than there ever is.
    Never,
    /// The store has to be asked.
    Ask,
    /// The store cannot be asked.
    Unavailable,
}

impl Blocked {
    /// In how long it may go, if that is known.
    pub(super) fn after(self, now: u64) -> Option<Duration> {
        match self {
            Self::Until(time) => Some(Duration::from_nanos(time.saturating_sub(now))),
            Self::Quota(millis) => Some(Duration::from_millis(millis)),
            Self::Running | Self::Queue | Self::Never | Self::Ask | Self::Unavailable => None,
        }
    }
}

impl From<Over> for Blocked {
    fn from(over: Over) -> Self {
        match over {
            Over::Until(time) => Self::Until(time),
            Over::Never => Self::Never,
        }
    }
}

/// What was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// What the key owes now; none without a rate.
    pub(super) tat: u64,
    pub(super) permit: Option<Permit>,
    /// What is left of the quota.
    pub(super) left: Option<Left>,
}

/// The longest that a burst of one of them takes to come back.
fn longest(rates: &[Gcra]) -> u64 {
    rates.iter().map(|rate| rate.window()).max().unwrap_or(0)
}

/// How late a timer may be, in nanoseconds, without anybody losing by it.
const LATE: u64 = 5_000_000;

impl State {
    pub(super) fn new(
        shape: (Recipe, u32),
        rates: Rates,
        shared: Option<Shared>,
        metrics: Arc<LimitMetrics>,
    ) -> Self {
        let (single, epoch) = (shape.0.is_single(), Instant::now());
        let keys = usize::try_from(shape.1).unwrap_or(usize::MAX);
        Self {
            shape,
            metrics,
            hall: Arc::new(Hall::new(single, epoch)),
            shared: shared.map(Box::new),
            epoch,
            owed: match single {
                true => Owed::One(AtomicU64::new(0)),
                false => Owed::Many(Table::new(keys)),
            },
            of_tiers: OnceLock::new(),
            rates: RwLock::new(rates),
            successor: OnceLock::new(),
        }
    }

    /// The key of a request, before its tier puts something into it. Where all have one, it is 0.
    #[inline]
    pub(super) fn base(&self, seed: &RandomState, ask: &Ask<'_>) -> u64 {
        match self.owed {
            Owed::One(_) => 0,
            Owed::Many(_) => self.shape.0.key(seed, ask),
        }
    }

    /// What keys owe, this one among them.
    #[inline]
    fn owed(&self, key: u64) -> &Owed {
        match &self.owed {
            Owed::One(_) if key != 0 => self.of_tiers.get_or_init(|| {
                Owed::Many(Table::new(usize::try_from(self.shape.1).unwrap_or(usize::MAX)))
            }),
            owed => owed,
        }
    }

    /// The most that a key of this rate may owe, to the store: what a burst takes to come back. By terms that hold
    /// no more, of somebody who came before, it is the most of all.
    pub(super) fn bound(&self, rate: Gcra) -> u64 {
        let rates = self.rates.read();
        if rates.contains(&rate) { rate.window() } else { longest(&rates) }
    }

    /// Terms of these rates hold from now on: nobody owes more than the longest that a burst takes to come back.
    pub(super) fn hold_to(&self, rates: Rates) {
        let now = longest(&rates);
        let before = std::mem::replace(&mut *self.rates.write(), rates);
        if now < longest(&before) {
            let most = self.time(Instant::now()) + now;
            self.owed.cap(most);
            self.of_tiers.get().inspect(|owed| owed.cap(most));
        }
    }

    /// Has a key owe no more than a burst of its rate, if that is one that holds; whether it owed more. That is what
    /// it took by a slower rate, before a reload. Whose request it is may have come some time ago, so it is the
    /// clock that says what is more.
    #[cold]
    fn forgive(&self, rate: Gcra, key: u64) -> bool {
        let most = self.time(Instant::now()) + rate.window();
        self.rates.read().contains(&rate) && self.owed(key).lower(key, most)
    }

    /// The same for another number of keys, or in another store: what is owed here and who runs or waits goes on.
    /// What is taken here from now on it has once this [hands over](Self::hand_over).
    pub(super) fn resized(&self, keys: u32, shared: Option<Shared>) -> Self {
        let shape = (self.shape.0.clone(), keys);
        let rates = self.rates.read().clone();
        let shared = shared.map(|shared| match &self.shared {
            Some(before) if before.is_in(&shared.store()) => shared.resized(before),
            _ => shared,
        });
        let resized = Self::new(shape, rates, shared, self.metrics.clone());
        let resized = Self { hall: self.hall.clone(), epoch: self.epoch, ..resized };
        resized.take_in(self);
        resized
    }

    fn take_in(&self, before: &Self) {
        let now = self.time(Instant::now());
        self.owed.take_in(&before.owed, now);
        if let Some(of_tiers) = before.of_tiers.get() {
            self.owed(u64::MAX).take_in(of_tiers, now);
        }
    }

    /// From now on another counts, which was made of this one: it takes in what was taken meanwhile, and who waits
    /// here pays there.
    pub(super) fn hand_over(&self, next: &Arc<Self>) {
        if Arc::ptr_eq(&self.hall, &next.hall) && self.successor.set(next.clone()).is_ok() {
            next.take_in(self);
        }
    }

    /// What counts now.
    pub(super) fn latest(self: &Arc<Self>) -> &Arc<Self> {
        let mut latest = self;
        while let Some(next) = latest.successor.get() {
            latest = next;
        }
        latest
    }

    /// Whether its rate is counted where this store is, or in none.
    pub(super) fn is_in(&self, store: Option<&Arc<Store>>) -> bool {
        match (&self.shared, store) {
            (None, None) => true,
            (Some(shared), Some(store)) => shared.is_in(store),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// A moment, on this limit's clock.
    #[inline]
    pub(super) fn time(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.epoch).as_nanos();
        // 146 years.
        u64::try_from(since).unwrap_or(u64::MAX / 4)
    }

    /// A time on this limit's clock, as a moment.
    pub(super) fn moment(&self, time: u64) -> Instant {
        self.epoch + Duration::from_nanos(time)
    }

    /// Takes what a request asks for.
    #[inline]
    pub(super) fn take(self: &Arc<Self>, claim: Claim, now: u64) -> Result<Taken, Blocked> {
        if let Some(next) = self.successor.get() {
            return next.latest().take(claim, now);
        }
        let tat = match (claim.terms.rate, &self.shared) {
            (None, _) => 0,
            (Some(rate), None) => self.pay(rate, claim, now, 0)?,
            (Some(rate), Some(shared)) => self.draw(shared, rate, claim, now)?,
        };
        self.admit(claim, tat, now)
    }

    /// Lets a request in that has paid, if not too many run.
    #[inline]
    pub(super) fn admit(
        self: &Arc<Self>,
        claim: Claim,
        tat: u64,
        now: u64,
    ) -> Result<Taken, Blocked> {
        let concurrent = claim.terms.concurrent;
        let Some(most) = concurrent else { return Ok(Taken { tat, permit: None, left: None }) };
        if let Some(permit) = self.hall.enter((claim.hall, claim.base()), most) {
            return Ok(Taken { tat, permit: Some(permit), left: None });
        }
        self.give_back(claim, now);
        Err(Blocked::Running)
    }

    /// Whether as many run as may beside this one.
    pub(super) fn is_full(&self, claim: Claim) -> bool {
        claim.terms.concurrent.is_some_and(|most| self.hall.running(claim.hall) >= most)
    }

    /// As [`State::take`], for somebody who waits since `came`: as of the moment that it could be taken, if
    /// that is not long ago. So those who wait get all that the rate gives, also if it is faster than timers. It has
    /// to be the rate that it waited for, by a timer: who waited for others to end could have taken it long ago.
    pub(super) fn take_late(
        self: &Arc<Self>,
        (claim, name): (Claim, &Name),
        (came, timed): (u64, bool),
        now: u64,
    ) -> Result<Taken, Blocked> {
        if let Some(next) = self.successor.get() {
            return next.take_late((claim, name), (came, timed), now);
        }
        if let Some(shared) = &self.shared {
            return self.draw_late(shared, (claim, name), now);
        }
        let rate = claim.terms.rate.filter(|_| timed || claim.terms.concurrent.is_none());
        let Some(rate) = rate else { return self.take(claim, now) };
        let owed = self.peek(claim.key, came);
        if owed > now + rate.window() {
            // More than it can owe by its rate: that is looked at where it is taken.
            return self.take(claim, now);
        }
        let due = rate.conforms(owed, 0, claim.cost);
        let due = due.max(came).max(now.saturating_sub(LATE));
        if due > now { Err(Blocked::Until(due)) } else { self.take(claim, due) }
    }

    /// Takes from a key that owes what it does, or what is `known` if that is more.
    #[inline]
    pub(super) fn pay(&self, rate: Gcra, claim: Claim, now: u64, known: u64) -> Result<u64, Over> {
        let pay = || {
            self.owed(claim.key).with(claim.key, now, |tat| {
                *tat = rate.take((*tat).max(known), now, claim.cost)?;
                Ok(*tat)
            })
        };
        match pay() {
            // Later than all of a burst could make it.
            Err(Over::Until(time))
                if time - now > rate.price(claim.cost).unwrap_or(0)
                    && self.forgive(rate, claim.key) =>
            {
                pay()
            }
            paid => paid,
        }
    }

    /// Gives back what a request took that was not let through after all.
    pub(super) fn give_back(&self, claim: Claim, now: u64) {
        if let Some(next) = self.successor.get() {
            return next.give_back(claim, now);
        }
        let Some(rate) = claim.terms.rate else { return };
        let put = self.shared.as_ref().and_then(|shared| self.put_back(shared, rate, claim, now));
        if put.is_none() {
            let owed = self.owed(claim.key);
            owed.with(claim.key, now, |tat| *tat = rate.give_back(*tat, claim.cost));
        }
    }

    /// As [`State::give_back`], when the key owed so much after it was taken: what time has paid for since then
    /// does not come back.
    pub(super) fn give_back_late(&self, claim: Claim, owed: u64, now: u64) {
        if let Some(next) = self.successor.get() {
            return next.give_back_late(claim, owed, now);
        }
        let Some(rate) = claim.terms.rate else { return };
        let put = self.shared.as_ref().and_then(|shared| self.put_back(shared, rate, claim, now));
        if put.is_none() {
            let price = rate.price(claim.cost).unwrap_or(0).min(owed.saturating_sub(now));
            self.owed(claim.key).with(claim.key, now, |tat| *tat = tat.saturating_sub(price));
        }
    }

    /// What a key owes.
    pub(super) fn peek(&self, key: u64, now: u64) -> u64 {
        if let Some(next) = self.successor.get() {
            return next.peek(key, now);
        }
        let known = match &self.shared {
            None => None,
            Some(shared) => match shared.owed(key, now) {
                (owed, false) => return owed.unwrap_or(0),
                (owed, true) => owed,
            },
        };
        self.owed(key).peek(key, now).max(known.unwrap_or(0))
    }

    /// What a key owes by this rate: no more than a burst of it, whatever it took by another.
    pub(super) fn owes(&self, key: u64, rate: Gcra, now: u64) -> u64 {
        self.peek(key, now).min(now + rate.window())
    }

    /// About how many keys owe something, or run.
    pub(super) fn keys(&self) -> usize {
        let now = self.time(Instant::now());
        let owing = self.owed.keys(now) + self.of_tiers.get().map_or(0, |owed| owed.keys(now));
        let shared = self.shared.as_deref().map_or(0, Shared::keys);
        owing.max(self.hall.keys()).max(shared)
    }
}
