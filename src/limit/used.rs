//! [`Used`]: what each key used of its quota, in this day or month. It outlives a reload, and a restart.
//!
//! In: a key, what it costs, its quota and the time. Out: that it was taken and what is left, or for how long
//! it cannot be. What is kept of it is the [`Ledger`](super::ledger::Ledger)'s; here nothing waits for a disk.

use std::{
    hash::BuildHasher,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use super::{
    known::{Heard, LeftOf},
    owed::Owed,
    quota::{self, Quota, Spent, Window},
    state::Blocked,
    table::{Shown, Table},
    tally::Tally,
};
use crate::{
    config::{Calendar, OnFailure},
    key::{Ask, Recipe},
};

/// What each key used.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) shape: Shape,
    seed: Seed,
    counts: Owed,
    /// Whether something changed that is not kept yet.
    changed: AtomicBool,
    /// Where other gateways count too, if they do.
    pub(super) tally: Option<Arc<Tally>>,
    /// What counts in its place since a reload: those who came before take from there too.
    successor: OnceLock<Arc<Self>>,
}

/// What counts depend on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Shape {
    pub(super) recipe: Recipe,
    /// How many keys are known.
    pub(super) keys: u32,
    pub(super) calendar: Calendar,
}

impl Shape {
    /// Whether counts of the one are those of the other, however many keys are known.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.recipe, self.calendar) == (&other.recipe, other.calendar)
    }
}

/// The key of digests that are kept.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Seed(pub(super) [u64; 2]);

/// Whose quota it is, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    key: u64,
    /// Milliseconds since 1970.
    wall: u64,
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Left {
    pub(super) units: u64,
    /// For so many milliseconds.
    pub(super) until: u64,
    /// How many days the day or month has.
    pub(super) days: u64,
}

#[expect(
    deprecated,
    reason = "unlike `DefaultHasher` it is specified: the next build's is the same"
)]
impl BuildHasher for Seed {
    type Hasher = std::hash::SipHasher;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        std::hash::SipHasher::new_with_keys(self.0[0], self.0[1])
    }
}

impl Seed {
    /// A seed of random bytes.
    pub(super) fn of(bytes: [u8; 16]) -> Self {
        let random = u128::from_le_bytes(bytes);
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        Self([half(random), half(random >> 64)])
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Used {
    pub(super) fn new(shape: Shape, seed: Seed) -> Self {
        let keys = usize::try_from(shape.keys).unwrap_or(usize::MAX);
        let counts = match shape.recipe.is_single() {
            true => Owed::One(AtomicU64::new(0)),
            false => Owed::Many(Table::counting(keys)),
        };
        let changed = AtomicBool::new(false);
        Self { shape, seed, counts, changed, tally: None, successor: OnceLock::new() }
    }

    /// Counts together with other gateways.
    pub(super) fn shared(shape: Shape, seed: Seed, tally: Tally) -> Self {
        Self { tally: Some(Arc::new(tally)), ..Self::new(shape, seed) }
    }

    /// Whether its keys are digests under this seed.
    pub(super) fn is_under(&self, seed: Seed) -> bool {
        self.seed == seed
    }

    /// The same for another number of keys. What is taken here from now on it has once this
    /// [hands over](Self::hand_over).
    pub(super) fn resized(&self, keys: u32) -> Self {
        let shape = Shape { keys, ..self.shape.clone() };
        let other = Self { tally: self.tally.clone(), ..Self::new(shape, self.seed) };
        other.take_over(self);
        other
    }

    fn take_over(&self, before: &Self) {
        // Also of days that are over: they are in nobody's way.
        before.each(0, |shown| self.take_in(shown, before.sets(), 0, u64::max));
        self.change();
    }

    /// From now on another counts, if it was made of this one: it takes in what was taken meanwhile, and who waits
    /// here takes there.
    pub(super) fn hand_over(&self, next: &Arc<Self>) {
        let same = match (&self.tally, &next.tally) {
            (None, None) => true,
            (Some(own), Some(next)) => Arc::ptr_eq(own, next),
            (None, Some(_)) | (Some(_), None) => false,
        };
        let same = same && self.seed == next.seed && self.shape.is_like(&next.shape);
        if same && self.successor.set(next.clone()).is_ok() {
            next.take_over(self);
        }
    }

    /// What counts now.
    #[inline]
    pub(super) fn latest(&self) -> &Self {
        let mut latest = self;
        while let Some(next) = latest.successor.get() {
            latest = next;
        }
        latest
    }

    /// Whose quota a request takes from.
    #[inline]
    pub(super) fn account(&self, ask: &Ask<'_>) -> Account {
        Account { key: self.shape.recipe.key(&self.seed, ask), wall: (ask.wall)() }
    }

    /// Takes what a request costs.
    #[inline]
    pub(super) fn take(&self, account: Account, quota: Quota, cost: u64) -> Result<Left, Blocked> {
        match &self.tally {
            None => self.take_here(account, quota, cost),
            Some(tally) => self.take_for_all(tally, account, quota, cost),
        }
    }

    /// The same, where other gateways count too.
    #[inline(never)]
    fn take_for_all(
        &self,
        tally: &Tally,
        account: Account,
        quota: Quota,
        cost: u64,
    ) -> Result<Left, Blocked> {
        let fallback = tally.fallback(account.key);
        self.may_go_on(fallback, tally, account, quota, cost)?;
        match self.take_here(account, quota, cost) {
            Ok(left) => {
                let now = Window::at(quota.calendar, account.wall);
                let of = LeftOf { left: left.units, units: quota.units };
                tally.note(account.key, now, cost, of);
                Ok(left)
            }
            Err(Blocked::Quota(_)) if fallback == Some(OnFailure::Allow) => {
                Ok(self.left(account, quota))
            }
            Err(blocked) => Err(self.doubt(tally, account, blocked)),
        }
    }

    /// Who is refused for what others used has the store asked whether that is still so.
    fn doubt(&self, tally: &Tally, account: Account, blocked: Blocked) -> Blocked {
        if matches!(blocked, Blocked::Quota(_)) {
            tally.ask_again(account.key, self.window(account));
        }
        blocked
    }

    /// Whether it goes on while the store cannot be asked; what is known here is not looked at yet.
    fn may_go_on(
        &self,
        fallback: Option<OnFailure>,
        tally: &Tally,
        account: Account,
        quota: Quota,
        cost: u64,
    ) -> Result<(), Blocked> {
        match fallback {
            Some(OnFailure::Reject) => Err(Blocked::Unavailable),
            Some(OnFailure::Local) => self.may_take_alone(tally, account, quota, cost),
            Some(OnFailure::Allow) | None => Ok(()),
        }
    }

    /// Whether this gateway may take by itself, as others do the same: its part of what was left when the store was
    /// last told something. What fits all of that once, fits.
    fn may_take_alone(
        &self,
        tally: &Tally,
        account: Account,
        quota: Quota,
        cost: u64,
    ) -> Result<(), Blocked> {
        let left = self.left(account, quota);
        let alone = tally.unheard(account.key, self.window(account));
        let then = left.units.saturating_add(alone);
        let part = then.div_ceil(tally.gateways()).max(cost.min(then));
        // What is more than there is at all, or than is left, is refused for that.
        if cost <= left.units && alone.saturating_add(cost) > part {
            return Err(Blocked::Quota(left.until));
        }
        Ok(())
    }

    /// Whether what is used is told to others.
    #[inline]
    pub(super) const fn is_told(&self) -> bool {
        self.tally.is_some()
    }

    /// Whether a request could take what it costs.
    pub(super) fn may_take(
        &self,
        account: Account,
        quota: Quota,
        cost: u64,
    ) -> Result<(), Blocked> {
        let fallback = self.tally.as_deref().and_then(|tally| {
            // Nobody takes who did not ask first.
            tally.fallback(account.key).inspect(|_| tally.count_fallback())
        });
        if let Some(tally) = &self.tally {
            self.may_go_on(fallback, tally, account, quota, cost)?;
        }
        let now = Window::at(quota.calendar, account.wall);
        let mut count = self.counts.peek(account.key, now.floor());
        match quota.take(&mut count, now, cost) {
            Err(Spent::Until(_)) if fallback == Some(OnFailure::Allow) => Ok(()),
            may => may.map_err(|spent| {
                let blocked = blocked(spent, quota, account);
                self.tally.as_ref().map_or(blocked, |tally| self.doubt(tally, account, blocked))
            }),
        }
    }

    #[inline]
    fn take_here(&self, account: Account, quota: Quota, cost: u64) -> Result<Left, Blocked> {
        let now = Window::at(quota.calendar, account.wall);
        let count = self
            .counts
            .with(account.key, now.floor(), |count| quota.take(count, now, cost).map(|()| *count));
        let count = count.map_err(|spent| blocked(spent, quota, account))?;
        self.change();
        Ok(Left::new(quota, count, now, account.wall))
    }

    /// The day or month that a key counts in.
    pub(super) fn window(&self, account: Account) -> Window {
        let now = Window::at(self.shape.calendar, account.wall);
        quota::open(self.counts.peek(account.key, now.floor()), now).0
    }

    /// Gives back what a request took that was not let through after all: in this day or month, if it is
    /// another by now.
    pub(super) fn give_back(&self, account: Account, cost: u64, window: Option<Window>) {
        if let Some(next) = self.successor.get() {
            return next.give_back(account, cost, window);
        }
        let now = Window::at(self.shape.calendar, account.wall);
        let gives = self.counts.with(account.key, now.floor(), |count| {
            let same = window.is_none_or(|window| quota::open(*count, now).0 == window);
            if same {
                *count = quota::give_back(*count, now, cost);
            }
            same
        });
        if !gives {
            return;
        }
        if let Some(tally) = &self.tally {
            tally.note_back(account.key, now, cost);
        }
        self.change();
    }

    /// Takes in what was heard of a key, for a day or month.
    pub(super) fn learn(&self, key: u64, window: Window, heard: Heard) {
        self.latest().counts.with(key, window.floor(), |own| match heard {
            Heard::All(used) => *own = quota::pack(window, used).max(*own),
            Heard::Since(more, less) => {
                let (of, used) = quota::open(*own, window);
                if of == window {
                    *own = quota::pack(window, used.saturating_add(more).saturating_sub(less));
                }
            }
        });
    }

    /// What is left.
    pub(super) fn left(&self, account: Account, quota: Quota) -> Left {
        let now = Window::at(quota.calendar, account.wall);
        Left::new(quota, self.counts.peek(account.key, now.floor()), now, account.wall)
    }

    /// About how many keys used something.
    pub(super) fn keys(&self, wall: u64) -> usize {
        self.counts.keys(Window::at(self.shape.calendar, wall).floor())
    }

    /// All that is worth to be kept.
    pub(super) fn each(&self, wall: u64, mut show: impl FnMut(Shown)) {
        let floor = Window::at(self.shape.calendar, wall).floor();
        match &self.counts {
            Owed::Many(table) => table.each(floor, show),
            Owed::One(count) => {
                let count = count.load(Relaxed);
                if count > floor {
                    show(Shown::Key(0, count));
                }
            }
        }
    }

    /// Takes in what was shown, of a table of so many sets; `join` makes one number of its own and that.
    pub(super) fn take_in(
        &self,
        shown: Shown,
        sets: usize,
        wall: u64,
        join: impl Fn(u64, u64) -> u64,
    ) {
        let floor = Window::at(self.shape.calendar, wall).floor();
        match (shown, &self.counts) {
            (Shown::Key(key, count), counts) => {
                counts.with(key, floor, |own| *own = join(*own, count));
            }
            (Shown::Others(first, count), Owed::Many(table)) => table.raise(first, sets, count),
            (Shown::Others(..), Owed::One(_)) => {}
        }
    }

    /// How many sets its table has.
    pub(super) fn sets(&self) -> usize {
        match &self.counts {
            Owed::Many(table) => table.sets(),
            Owed::One(_) => 1,
        }
    }

    /// Whether something changed since this was asked the last time.
    pub(super) fn has_changed(&self) -> bool {
        self.changed.swap(false, SeqCst)
    }

    /// Notes that something has to be kept. Workers look before they write: it is one line for all of them.
    #[inline]
    pub(super) fn change(&self) {
        if !self.changed.load(Relaxed) {
            self.changed.store(true, SeqCst);
        }
    }
}

/// What a quota that is spent means for a request.
fn blocked(spent: Spent, quota: Quota, account: Account) -> Blocked {
    match spent {
        Spent::Until(window) => {
            Blocked::Quota(window.end(quota.calendar).saturating_sub(account.wall))
        }
        Spent::Never => Blocked::Never,
    }
}

impl Left {
    #[inline]
    fn new(quota: Quota, count: u64, now: Window, wall: u64) -> Self {
        let (window, _) = quota::open(count, now);
        let calendar = quota.calendar;
        let until = window.end(calendar).saturating_sub(wall);
        Self { units: quota.left(count, now), until, days: window.days(calendar) }
    }
}
