//! [`Question`]: a request that waits for what the store says of its key; and the [`Asker`] who asks.
//!
//! An asker is a task beside requests, so that what the store gave is noted also if whoever wanted it went
//! away. It asks as long as somebody waits, for all who do, and ends. When it cannot ask, those who wait go on
//! without the store.

use std::{sync::Arc, time::Duration};

use arc_swap::Guard;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    Shared, TAKE,
    pot::Order,
    slots::{Name, Waiter},
};
use crate::{
    key::Ask,
    limit::{
        gcra::Gcra,
        state::{Blocked, Claim, State},
        turn::Turn,
    },
    store::Unavailable,
};

/// A request that waits for the store.
#[derive(Debug)]
pub(in crate::limit) struct Question {
    state: Arc<State>,
    claim: Claim,
    answer: oneshot::Receiver<Result<Turn, Blocked>>,
    longest: Duration,
    /// Whether there was no room to ask it.
    unasked: bool,
}

impl Question {
    /// Waits for the answer; without one in time, what holds then.
    pub(in crate::limit) async fn wait(self) -> Result<Turn, Blocked> {
        let Self { state, claim, answer, longest, mut unasked } = self;
        if !unasked && let Ok(Ok(answer)) = timeout(longest, answer).await {
            match answer {
                Err(Blocked::Ask) => unasked = true,
                answer => return answer,
            }
        }
        let now = state.time(Instant::now());
        let Some(rate) = claim.terms.rate else { return Err(Blocked::Unavailable) };
        let tat = match unasked {
            true => state.unasked(rate, claim, now)?,
            false => state.do_without(rate, claim, now)?,
        };
        state.admit(claim, tat, now).map(|taken| Turn::new(taken, state, claim))
    }
}

/// What becomes of somebody in the queue for whom the store is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fetch {
    /// It waits for the answer.
    Waits,
    /// There was none to the last question: it does not wait for this one's.
    Unanswered,
    /// There is no room to ask for it, or there was none just now.
    NoRoom,
}

/// Who asks the store about a key. When it is dropped, nobody who waits is left waiting.
struct Asker {
    state: Arc<State>,
    key: u64,
    order: Option<Order>,
    done: bool,
}

impl State {
    /// Has a request wait for the store.
    pub(in crate::limit) fn question(
        self: &Arc<Self>,
        shared: &Shared,
        claim: Claim,
        ask: &Ask<'_>,
    ) -> Question {
        let (sender, answer) = oneshot::channel();
        let waiter = Waiter { claim, answer: sender };
        let name = || Shared::name(&self.shape.0, claim.tint, ask);
        let asks = shared.slots.wait(waiter, name, self.time(ask.now));
        if asks == Some(true) {
            self.send(claim.key, None);
        }
        // Its own question may come after one that is under way.
        let longest = shared.store().timeout() * 3;
        Question { state: self.clone(), claim, answer, longest, unasked: asks.is_none() }
    }

    /// Has the store asked so that somebody in the queue can go. Its key may be in use no more, or not yet: since a
    /// reload the limit is another, or many came by meanwhile.
    pub(super) fn fetch(
        self: &Arc<Self>,
        shared: &Shared,
        rate: Gcra,
        (claim, name): (Claim, &Name),
        now: u64,
    ) -> Fetch {
        let mut shard = shared.slots.of(claim.key);
        let Some(slot) = shared.slots.open(&mut shard, claim.key, || *name, now) else {
            return Fetch::NoRoom;
        };
        slot.wanted = rate.price(claim.cost).map(|price| (rate, price));
        let fetch = match slot.lost {
            Some(Fetch::Unanswered) if !shared.is_unsteady(now) => Fetch::Waits,
            lost => lost.unwrap_or(Fetch::Waits),
        };
        let asks = !std::mem::replace(&mut slot.busy, true);
        drop(shard);
        if asks {
            self.send(claim.key, None);
        }
        fetch
    }

    /// Sends an asker out. Not to be called with the key locked: where nothing can run any more, as in the end
    /// of a worker, the asker is dropped on the spot.
    pub(super) fn send(self: &Arc<Self>, key: u64, order: Option<Order>) {
        let asker = Asker { state: self.clone(), key, order, done: false };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(asker.run());
        }
    }

    /// What to ask for next, if somebody waits; if not, nobody asks any more. The queue looks again after each
    /// answer, and says anew what it needs.
    fn next_order(&self, shared: &Shared, key: u64) -> Option<Order> {
        let lease = shared.terms.read().lease;
        let now = self.time(Instant::now());
        let mut shard = shared.slots.of(key);
        let slot = shard.get(key)?;
        let wanted = slot.wanted.take();
        let rate = slot.waiters.first().and_then(|waiter| waiter.claim.terms.rate);
        let Some(rate) = rate else {
            slot.busy = wanted.is_some();
            let (rate, price) = wanted?;
            return Some(slot.pot.order(rate, (price, price), lease, now));
        };
        let same = slot.waiters.iter().filter(|waiter| waiter.claim.terms.rate == Some(rate));
        let prices = same.filter_map(|waiter| rate.price(waiter.claim.cost));
        let most = prices.clone().fold(0, u64::saturating_add);
        let least = prices.clone().next().unwrap_or(0);
        Some(slot.pot.order(rate, (least, most), lease, now))
    }

    /// Notes what the store said, and tells those who wait.
    fn settle(
        self: &Arc<Self>,
        shared: &Shared,
        key: u64,
        order: &Order,
        (granted, owed): (u64, u64),
    ) {
        let lease = shared.terms.read().lease;
        let now = self.time(Instant::now());
        let mut told = Vec::new();
        if let Some(slot) = shared.slots.of(key).get(key) {
            (slot.alone, slot.lost) = (false, None);
            slot.pot.settle(order, granted, owed, lease, now);
            for waiter in std::mem::take(&mut slot.waiters) {
                let Waiter { claim, .. } = waiter;
                let rate = claim.terms.rate.unwrap_or(order.rate);
                match slot.pot.draw_answered(rate, claim.cost) {
                    Err(Blocked::Ask) => slot.waiters.push(waiter),
                    drawn => told.push((waiter, drawn)),
                }
            }
            slot.pot.rest_is_lease();
        }
        for (Waiter { claim, answer }, drawn) in told {
            let taken = drawn.and_then(|tat| self.admit(claim, tat, now));
            let turn = taken.map(|taken| Turn::new(taken, self.clone(), claim));
            // Who is gone gives it back.
            drop(answer.send(turn));
        }
        self.hall.queue.move_on(key, now);
    }
}

impl Asker {
    async fn run(mut self) {
        let state = self.state.clone();
        let Some(shared) = &state.shared else { return };
        loop {
            let order = self.order.take().or_else(|| state.next_order(shared, self.key));
            let Some(order) = order else {
                self.done = true;
                break;
            };
            let Order { rate, least, most, back, .. } = order;
            let bound = state.bound(rate);
            let known = shared.slots.of(self.key).get(self.key).map(|slot| slot.forgives(bound));
            let Some((name, bound)) = known else { break };
            shared.metrics.fetches.inc();
            let arguments = [rate.interval(), rate.window(), least, most, back, bound];
            let store = Guard::into_inner(shared.store());
            match store.run(&TAKE, &shared.key(&name), &arguments).await {
                Ok(answer) => {
                    shared.found(state.time(Instant::now()));
                    state.settle(shared, self.key, &order, answer);
                }
                Err(Unavailable::Busy) => return self.go_unasked(shared),
                Err(error) => {
                    let (now, key) = (state.time(Instant::now()), self.key);
                    shared.lost(&error, now);
                    if let Some(slot) = shared.slots.of(key).get(key) {
                        (slot.lost, slot.bound) = (Some(Fetch::Unanswered), 0);
                    }
                    // Those who wait for this answer go on before the queue does.
                    drop(self);
                    state.hall.queue.move_on(key, now);
                    return;
                }
            }
        }
    }

    /// As many wait for answers as may: that is this gateway's own bound, and no failure of the store's.
    fn go_unasked(mut self, shared: &Shared) {
        self.done = true;
        let mut shard = shared.slots.of(self.key);
        let Some(slot) = shard.get(self.key) else { return };
        (slot.busy, slot.bound) = (false, 0);
        let known = slot.lost.replace(Fetch::NoRoom) == Some(Fetch::NoRoom);
        let unasked = std::mem::take(&mut slot.waiters);
        drop(shard);
        for Waiter { answer, .. } in unasked {
            drop(answer.send(Err(Blocked::Ask)));
        }
        // Once it knows, the queue does not ask because it was not asked.
        if !known {
            self.state.hall.queue.move_on(self.key, self.state.time(Instant::now()));
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        let Some(shared) = self.state.shared.as_ref().filter(|_| !self.done) else { return };
        let mut left = Vec::new();
        if let Some(slot) = shared.slots.of(self.key).get(self.key) {
            slot.busy = false;
            left = std::mem::take(&mut slot.waiters);
        }
        // They hear that there is no answer.
        drop(left);
    }
}

impl Shared {
    /// The name of a key in the store.
    fn key(&self, name: &Name) -> String {
        let mut key = format!("janua:limit:{}:", self.limit);
        for byte in name {
            key.push(char::from_digit((byte >> 4).into(), 16).unwrap_or('0'));
            key.push(char::from_digit((byte & 15).into(), 16).unwrap_or('0'));
        }
        key
    }
}
