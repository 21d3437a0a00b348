//! [`Pot`]: what a gateway knows of a key that is counted in a store, and what of it is its own to spend.
//!
//! In: requests, and what the store answered. Out: that they may go, or when they could, or that the store
//! has to be asked, and for how much. Pure: time is an argument, in nanoseconds of one clock.
//!
//! A *lease* is what the store gave beyond what was asked for at once: a gateway spends it without asking.
//! It is what the key spent lately, up to what the rate gives in the time that a lease lasts, and up to a
//! quarter of the burst. All of it was paid for in the store before it is spent here, so gateways together
//! never spend faster than the rate; only later, by as much as they hold. What is left of a lease goes
//! back with the next question; without one, time pays for it.

use crate::limit::{gcra::Gcra, state::Blocked};

/// So long what the store said is believed of a key that owes too much: others may give something back.
const BELIEVED: u64 = 1_000_000_000;

/// So long what was given back by a request may be spent here by another.
const KEPT: u64 = 100_000_000;

/// What is known of a key, and held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pot {
    /// When all would be paid for that was taken, at all gateways, what is held here included.
    tat: u64,
    /// What is held, as the time that it moved `tat` on by.
    held: u64,
    /// When the lease of it ends.
    until: u64,
    /// As much was held when the store had answered.
    lease: u64,
    /// What was spent since the store was asked, and when that was.
    spent: u64,
    asked: u64,
    /// When the store answered; zero if it never did.
    answered: u64,
    /// Before this time it is of no use to ask, whatever is wanted.
    rest: u64,
}

/// What the store is asked for. Everything is time that moves `tat` on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Order {
    pub(super) rate: Gcra,
    /// At least this, or nothing.
    pub(super) least: u64,
    /// As much as there is of this.
    pub(super) most: u64,
    /// What is given back before.
    pub(super) back: u64,
    /// How long a key that got less rests.
    rest: u64,
}

impl Pot {
    /// What the key owes, as far as it is known here; what is held here is not owed.
    pub(super) fn owed(&self, now: u64) -> u64 {
        self.tat - self.returnable(now)
    }

    /// What of that which is held could be given back: time has paid for the rest.
    fn returnable(&self, now: u64) -> u64 {
        self.held.min(self.tat.saturating_sub(now))
    }

    /// Takes `cost` units of what is held; what the key owes after that.
    pub(super) fn draw(&mut self, rate: Gcra, cost: u64, now: u64) -> Result<u64, Blocked> {
        let Some(price) = rate.price(cost) else { return Err(Blocked::Never) };
        let usable = if now < self.until { self.held } else { 0 };
        let owed = self.owed(now);
        if price <= usable && rate.take(owed, now, cost).is_ok() {
            self.held -= price;
            self.spent = self.spent.saturating_add(price);
            return Ok(self.owed(now));
        }
        if self.answered > 0 && now < self.answered + BELIEVED {
            let due = rate.conforms(owed, 0, cost).max(self.rest);
            if due > now {
                return Err(Blocked::Until(due));
            }
        }
        Err(Blocked::Ask)
    }

    /// What to ask the store for, for requests that cost `least` and more, `most` together. `lease` is how
    /// long one lasts.
    pub(super) fn order(
        &mut self,
        rate: Gcra,
        (least, most): (u64, u64),
        lease: u64,
        now: u64,
    ) -> Order {
        let back = self.returnable(now);
        (self.tat, self.held) = (self.tat - back, 0);
        self.ask(rate, (least, most), back, lease, now)
    }

    /// Whether a lease is soon spent.
    #[inline]
    pub(super) fn is_low(&self) -> bool {
        self.held < self.lease / 2
    }

    /// What to ask the store for before the lease is spent, if it might give something.
    pub(super) fn renewal(&mut self, rate: Gcra, lease: u64, now: u64) -> Option<Order> {
        let unit = rate.interval();
        if self.lease < 2 * unit || now >= self.until {
            return None;
        }
        let pays = now >= self.rest && rate.conforms(self.tat, 0, 1) <= now;
        pays.then(|| self.ask(rate, (unit, 0), 0, lease, now))
    }

    fn ask(
        &mut self,
        rate: Gcra,
        (least, most): (u64, u64),
        back: u64,
        lease: u64,
        now: u64,
    ) -> Order {
        let unit = rate.interval();
        // In whole units: what comes more slowly than that is asked for each time.
        let longest = lease.min(rate.window() / 4) / unit * unit;
        // As much as was spent in the time since the last question, in the time of a lease; at most twice
        // as much at a time, so that one moment's rush does not count for long.
        let since = now.saturating_sub(self.asked).max(lease / 2).max(1);
        let likely = self.spent.saturating_mul(lease) / since;
        let more = likely.min(longest.saturating_sub(self.held)) / unit * unit;
        (self.spent, self.asked) = (0, now);
        let most = most.saturating_add(more).max(least).min(rate.window());
        Order { rate, least, most, back, rest: longest / 2 }
    }

    /// Notes what the store gave, and what the key owes now.
    pub(super) fn settle(&mut self, order: &Order, granted: u64, owed: u64, lease: u64, now: u64) {
        // It was so some time since the store was asked: nobody is kept out for longer because it answers slowly.
        self.tat = self.asked.saturating_add(owed);
        self.held = self.held.saturating_add(granted);
        self.until = now + lease.max(KEPT);
        self.answered = now;
        self.rest = if granted < order.most { now + order.rest } else { 0 };
    }

    /// As [`Pot::draw`], for somebody who waited for the answer: whom the store refused does not ask again because
    /// time passed meanwhile.
    pub(super) fn draw_answered(&mut self, rate: Gcra, cost: u64) -> Result<u64, Blocked> {
        self.draw(rate, cost, self.asked)
    }

    /// Those who waited for the answer have what they asked for: what is left is a lease.
    pub(super) fn rest_is_lease(&mut self) {
        self.lease = self.held;
    }

    /// Takes back what a request took that was not let through after all.
    pub(super) fn give_back(&mut self, price: u64, now: u64) {
        let owed = self.tat.saturating_sub(now);
        if now >= self.until {
            // The lease has ended: what time has paid for does not come back with it.
            self.held = self.held.min(owed);
        }
        self.held += price.min(owed.saturating_sub(self.held));
        self.spent = self.spent.saturating_sub(price);
        self.until = self.until.max(now + KEPT);
    }

    /// Whether nothing is known that another who knows nothing would not find out.
    pub(super) fn is_forgettable(&self, now: u64) -> bool {
        self.tat <= now && now >= self.answered + BELIEVED && now >= self.until
    }
}
