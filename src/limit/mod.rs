//! Stage 6, limit: how much, and when.
//!
//! In: what a request says, as an [`Ask`]. Out: that it may go; or a [`Turn`](Verdict::Wait) to wait for;
//! or the reason why not, and when to come again. A [`Limiter`] is what a route names: each of its limits
//! has to agree, and when a later one refuses, what earlier ones took is given back.
//!
//! `gcra` is the arithmetic, `table` where a number for each key is kept, `state` what a limit counts, `rule`
//! what holds for whom, `bandwidth` how fast answers go, `queue` and `lane` who waits and in which order, `standing` who kept within limits.
//!
//! For a request that may go nothing here allocates, waits or reads a clock: it has its time already. Who
//! is over a limit takes the way round, which the chain keeps in a box.

mod bandwidth;
mod compile;
mod explain;
mod fields;
mod gcra;
mod key;
mod lane;
mod pass;
mod per_address;
mod queue;
mod rule;
mod section;
mod standing;
mod state;
mod table;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use tokio::time::Instant;

pub use self::{
    bandwidth::Pace,
    compile::{Limits, Place},
    key::{Ask, Who},
    pass::Pass,
    per_address::PerAddress,
    standing::Standing,
    state::Permit,
};
use self::{queue::Seat, rule::Limit, state::Claim};
use crate::{config::LimitHeaders, reject::Reject};

/// The limits of a route.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    limits: Box<[Arc<Limit>]>,
}

/// Why a request may not go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The reason.
    pub reject: Reject,
    /// When it may be worth to come again.
    pub retry_after: Option<Duration>,
}

/// What the limits say.
#[derive(Debug)]
pub enum Verdict {
    /// It may go.
    Go,
    /// It has to wait.
    Wait(Box<Waiting>),
    /// It may not.
    Refuse(Refusal),
}

/// A request that waits for its turn at one of the limits.
#[derive(Debug)]
pub struct Waiting {
    seat: Seat,
    limit: Arc<Limit>,
    number: usize,
    tier: usize,
    worker: usize,
}

/// How a request asks.
#[derive(Debug)]
pub struct Visit<'p> {
    /// What it got.
    pub pass: &'p mut Pass,
    /// The worker that counts it.
    pub worker: usize,
    /// What a limit on trial would have refused it for.
    pub reported: &'p mut Option<Reject>,
}

impl Limiter {
    /// Whether there are no limits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// Takes from each allowance.
    #[inline]
    pub fn take(&self, ask: &Ask<'_>, visit: Visit<'_>) -> Verdict {
        self.take_from(0, ask, visit)
    }

    /// As [`Limiter::take`], after a wait: goes on behind the limit that had it wait.
    pub fn go_on(&self, turn: Served, ask: &Ask<'_>, visit: Visit<'_>) -> Verdict {
        let Served { turn, limit, number, tier, worker } = turn;
        let now = limit.state.time(ask.now);
        if let Some(taken) = turn.accept() {
            limit.metrics.allow(worker);
            visit.pass.take(number, &limit, tier, taken, now);
        }
        self.take_from(number + 1, ask, visit)
    }

    #[inline]
    fn take_from(&self, first: usize, ask: &Ask<'_>, visit: Visit<'_>) -> Verdict {
        for (number, limit) in self.limits.iter().enumerate().skip(first) {
            let now = limit.state.time(ask.now);
            let (claim, tier) = limit.claim(ask);
            match limit.take(claim, now) {
                Ok(taken) => {
                    limit.metrics.allow(visit.worker);
                    visit.pass.take(number, limit, tier, taken, now);
                }
                Err(blocked) if limit.only_reports => {
                    let reject = rule::reason(blocked);
                    limit.metrics.report(visit.worker, reject as usize);
                    visit.reported.get_or_insert(reject);
                }
                Err(blocked) => {
                    return self.over((number, tier), (claim, blocked), ask, visit);
                }
            }
        }
        Verdict::Go
    }

    /// What becomes of a request over a limit.
    #[cold]
    fn over(
        &self,
        (number, tier): (usize, usize),
        (claim, blocked): (Claim, state::Blocked),
        ask: &Ask<'_>,
        visit: Visit<'_>,
    ) -> Verdict {
        let limit = &self.limits[number];
        let now = limit.state.time(ask.now);
        let never = blocked == state::Blocked::Never
            || claim.terms.rate.is_some_and(|rate| claim.cost > rate.units());
        let refusal = if never {
            limit.refuse(state::Blocked::Never, now)
        } else if limit.delay.is_none() {
            limit.refuse(blocked, now)
        } else {
            match limit.sit(claim, ask) {
                Ok(seat) => {
                    // It has a place of its own now.
                    limit.offend(claim, 2, ask);
                    let (limit, worker) = (limit.clone(), visit.worker);
                    let waiting = Waiting { seat, limit, number, tier, worker };
                    return Verdict::Wait(Box::new(waiting));
                }
                Err(refusal) => refusal,
            }
        };
        limit.offend(claim, 1, ask);
        self.refuse(number, tier, refusal, ask, visit)
    }

    /// Refuses a request that waited in vain.
    pub fn give_up(&self, lost: &Lost, ask: &Ask<'_>, visit: Visit<'_>) -> Refusal {
        match self.refuse(lost.number, lost.tier, lost.refusal, ask, visit) {
            Verdict::Refuse(refusal) => refusal,
            Verdict::Go | Verdict::Wait(_) => lost.refusal,
        }
    }

    /// Counts a refusal, gives back what other limits gave, and notes what is left.
    fn refuse(
        &self,
        number: usize,
        tier: usize,
        refusal: Refusal,
        ask: &Ask<'_>,
        visit: Visit<'_>,
    ) -> Verdict {
        let limit = &self.limits[number];
        limit.metrics.reject(visit.worker, refusal.reject as usize);
        for (at, other) in self.limits.iter().enumerate() {
            if visit.pass.taken & 1 << at != 0 {
                other.state.give_back(other.claim(ask).0, other.state.time(ask.now));
            }
        }
        visit.pass.clear();
        if limit.headers != LimitHeaders::Never {
            let now = limit.state.time(ask.now);
            let tat = limit.state.peek(limit.claim(ask).0.key, now);
            visit.pass.tell(number, limit, tier, tat, now);
        }
        Verdict::Refuse(refusal)
    }

    /// How an answer goes, if a limit that gave something slows it.
    #[inline]
    pub fn pace(&self, pass: &Pass) -> Option<Pace> {
        let (number, tier) = pass.paced?;
        let limit = self.limits.get(usize::from(number))?;
        let bandwidth = limit.tier(tier.into()).bandwidth?;
        Some(Pace::new(bandwidth, limit.metrics.clone()))
    }

    /// Tells the client what is left.
    #[inline]
    pub fn tell(&self, pass: &Pass, headers: &mut HeaderMap) {
        pass.write(self, headers);
    }
}

/// A request whose turn has come.
#[derive(Debug)]
pub struct Served {
    turn: queue::Turn,
    limit: Arc<Limit>,
    number: usize,
    tier: usize,
    worker: usize,
}

/// A request whose turn did not come.
#[derive(Debug)]
pub struct Lost {
    number: usize,
    tier: usize,
    refusal: Refusal,
}

impl Waiting {
    /// Waits for the turn.
    ///
    /// # Errors
    /// It did not come in time.
    pub async fn wait(self) -> Result<Served, Lost> {
        let Self { seat, limit, number, tier, worker } = self;
        let since = Instant::now();
        let turn = seat.wait().await;
        let micros = since.elapsed().as_micros();
        match turn {
            Ok(turn) => {
                limit.metrics.delay(worker, u64::try_from(micros).unwrap_or(u64::MAX));
                Ok(Served { turn, limit, number, tier, worker })
            }
            Err(none) => {
                let refusal = limit.no_turn(none);
                Err(Lost { number, tier, refusal })
            }
        }
    }
}
