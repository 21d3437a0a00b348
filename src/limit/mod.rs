//! Stage 6, limit: how much, and when.
//!
//! In: what a request says, as an [`Ask`]. Out: that it may go; or a [`Turn`](Verdict::Wait) to wait for;
//! or the reason why not, and when to come again. A [`Limiter`] is what a route names: each of its limits
//! has to agree, and when a later one refuses, what earlier ones took is given back.
//!
//! `gcra` and `quota` are the arithmetic, `table` where a number for each key is kept, `state` and `used` what
//! a limit counts (`owed` by key), `rule` what holds for whom, `bandwidth` how fast answers go, `hall` who runs,
//! `queue` who waits for a `turn` (`again` also at a limit that it had passed), `lane` in which order, and `turns`
//! where there are several lanes, `standing` who kept within limits, `ledger` and `book` how what was used survives
//! a restart, `shared` (rates), `tally` and `known` (quotas) what several gateways count together, `busiest` and
//! `sketch` which keys are asked for most.
//!
//! For a request that may go nothing here allocates, waits or reads a clock: it has its time already. Who
//! is over a limit, or has to be counted in a store first, takes the way round, which the chain keeps in a box.

mod again;
mod bandwidth;
mod book;
mod busiest;
mod compile;
mod counted;
mod explain;
mod fields;
mod gcra;
mod hall;
mod known;
mod lane;
mod ledger;
mod owed;
mod page;
mod pass;
mod per_address;
mod queue;
mod quota;
mod rule;
mod section;
mod shared;
mod sketch;
mod standing;
mod state;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod tiers;
mod turn;
mod turns;
mod used;
mod waiting;

use std::{sync::Arc, time::Duration};

use http::HeaderMap;

pub use self::{
    bandwidth::Pace,
    compile::{Limits, Place},
    fields::forget as forget_told,
    hall::Permit,
    pass::{Heir, Pass},
    per_address::PerAddress,
    standing::Standing,
    waiting::{Lost, Served, Waiting},
};
use self::{
    rule::Limit,
    state::{Blocked, Claim, Taken},
    turn::Turn,
    waiting::Given,
};
use crate::{config::LimitHeaders, key::Ask, reject::Reject};

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

    /// Whether one of them slows answers.
    pub fn paces(&self) -> bool {
        let tiers = |limit: &Arc<Limit>| {
            limit.tiers.iter().chain([&limit.others]).any(|tier| tier.bandwidth.is_some())
        };
        self.limits.iter().any(tiers)
    }

    /// Takes from each allowance.
    #[inline]
    pub fn take(&self, ask: &Ask<'_>, visit: Visit<'_>) -> Verdict {
        self.take_from(0, ask, visit)
    }

    /// As [`Limiter::take`], of a request that all of these limiters have to agree to: more places than there are at
    /// all it is not given one after the other.
    pub fn take_beside(&self, all: &[&Self], ask: &Ask<'_>, visit: Visit<'_>) -> Verdict {
        for (number, limit) in self.limits.iter().enumerate() {
            let (claim, tier) = limit.claim(ask);
            let Some(most) = claim.terms.concurrent.filter(|_| !limit.only_reports) else {
                continue;
            };
            let places = all.iter().flat_map(|limiter| &limiter.limits).filter(|other| {
                Arc::ptr_eq(&other.state.hall, &limit.state.hall)
                    && other.claim(ask).0.hall == claim.hall
            });
            if places.count() > usize::try_from(most).unwrap_or(usize::MAX) {
                let refusal = limit.refuse(Blocked::Never, limit.state.time(ask.now));
                return self.refuse(number, tier, refusal, ask, visit);
            }
        }
        self.take(ask, visit)
    }

    /// As [`Limiter::take`], after a wait: goes on behind the limit that had it wait.
    pub fn go_on(&self, turn: Served, ask: &Ask<'_>, mut visit: Visit<'_>) -> Verdict {
        let Served { turn, limit, number, tier, given, again } = turn;
        visit.pass.given = given;
        visit.pass.tell_anew(self, ask);
        let now = limit.state.time(ask.now);
        match turn.map(Turn::accept) {
            Ok(Some(taken)) if again => {
                visit.pass.come_in(number, taken.permit);
                return self.come_in(ask, visit);
            }
            Ok(Some(taken)) => {
                let claim = limit.claim(ask).0;
                // It may have been used up by others meanwhile.
                match limit.spend(claim) {
                    Ok(left) => {
                        let taken = Taken { left, ..taken };
                        limit.let_in((number, tier), (claim, taken), now, ask, &mut visit);
                    }
                    Err(blocked) => {
                        // The next one has the turn, at once.
                        limit.state.give_back(claim, now);
                        drop(taken);
                        limit.state.hall.queue.move_on(claim.key, now);
                        if !limit.only_reports {
                            return self.over((number, tier), (claim, blocked), ask, visit);
                        }
                        limit.report((number, tier), (claim, blocked), ask, &mut visit);
                    }
                }
            }
            Ok(None) => {}
            Err(blocked) if limit.only_reports => {
                let (claim, tier) = limit.claim(ask);
                limit.report((number, tier), (claim, blocked), ask, &mut visit);
            }
            Err(blocked) => {
                let (claim, tier) = limit.claim(ask);
                return self.over((number, tier), (claim, blocked), ask, visit);
            }
        }
        let Visit { pass, worker, reported } = visit;
        let next = Visit { pass: &mut *pass, worker, reported: &mut *reported };
        match self.take_from(number + 1, ask, next) {
            Verdict::Go => self.come_in(ask, Visit { pass, worker, reported }),
            verdict => verdict,
        }
    }

    #[inline]
    fn take_from(&self, first: usize, ask: &Ask<'_>, mut visit: Visit<'_>) -> Verdict {
        for (number, limit) in self.limits.iter().enumerate().skip(first) {
            let now = limit.state.time(ask.now);
            let (claim, tier) = limit.claim(ask);
            match limit.take(claim, now) {
                Ok(taken) => limit.let_in((number, tier), (claim, taken), now, ask, &mut visit),
                Err(Blocked::Ask) => return self.ask_store((number, tier), claim, ask, visit),
                Err(blocked) if limit.only_reports => {
                    limit.report((number, tier), (claim, blocked), ask, &mut visit);
                }
                Err(blocked) => {
                    return self.over((number, tier), (claim, blocked), ask, visit);
                }
            }
        }
        Verdict::Go
    }

    /// Has a request wait for what the limit's store says.
    #[cold]
    fn ask_store(
        &self,
        (number, tier): (usize, usize),
        claim: Claim,
        ask: &Ask<'_>,
        visit: Visit<'_>,
    ) -> Verdict {
        let limit = self.limits[number].clone();
        let state = limit.state.latest();
        // A reload has just taken the store away.
        let Some(shared) = &state.shared else { return self.take_from(number, ask, visit) };
        let place = waiting::Place::Store(state.question(shared, claim, ask));
        let (worker, given) = (visit.worker, self.hold(ask, visit.pass));
        Verdict::Wait(Box::new(Waiting { place, limit, number, tier, worker, given, again: false }))
    }

    /// What becomes of a request over a limit.
    #[cold]
    fn over(
        &self,
        (number, tier): (usize, usize),
        (claim, blocked): (Claim, Blocked),
        ask: &Ask<'_>,
        visit: Visit<'_>,
    ) -> Verdict {
        let limit = &self.limits[number];
        let now = limit.state.time(ask.now);
        if blocked == Blocked::Unavailable {
            // That is no client's fault.
            return self.refuse(number, tier, limit.refuse(blocked, now), ask, visit);
        }
        let never = blocked == Blocked::Never
            || claim.terms.rate.is_some_and(|rate| claim.cost > rate.units());
        let refusal = if never {
            limit.refuse(Blocked::Never, now)
        } else if limit.delay.is_none() || matches!(blocked, Blocked::Quota(_)) {
            limit.refuse(blocked, now)
        } else {
            match limit.sit(claim, ask) {
                Ok(seat) => {
                    // It has a place of its own now.
                    limit.offend(claim, 2, ask);
                    let (limit, worker) = (limit.clone(), visit.worker);
                    let (place, given) = (waiting::Place::Queue(seat), self.hold(ask, visit.pass));
                    // Who waits does not run.
                    visit.pass.step_out();
                    let again = false;
                    let waiting = Waiting { place, limit, number, tier, worker, given, again };
                    return Verdict::Wait(Box::new(waiting));
                }
                Err(refusal) => refusal,
            }
        };
        limit.offend(claim, 1, ask);
        self.refuse(number, tier, refusal, ask, visit)
    }

    /// The limits that gave something, and what.
    fn given(&self, ask: &Ask<'_>, pass: &Pass) -> impl Iterator<Item = (&Arc<Limit>, Claim)> {
        let all = self.limits.iter().enumerate();
        let gave = all.filter(|(at, _)| pass.taken & 1 << at != 0);
        gave.map(|(_, limit)| (limit, limit.claim(ask).0))
    }

    /// The same, for somebody who waits.
    fn hold(&self, ask: &Ask<'_>, pass: &mut Pass) -> Given {
        let mut given = std::mem::take(&mut pass.given);
        for (limit, claim) in self.given(ask, pass) {
            given.add(limit, claim, limit.state.time(ask.now));
        }
        pass.taken = 0;
        given
    }

    /// A request that got something waits elsewhere: it runs nowhere meanwhile, and what it took is no more than what
    /// is owed for it now.
    pub fn step_aside(&self, ask: &Ask<'_>, pass: &mut Pass) {
        pass.given = self.hold(ask, pass);
        pass.step_out();
    }

    /// Takes back what a request got that is refused elsewhere.
    pub fn give_back(&self, ask: &Ask<'_>, pass: &mut Pass) {
        drop(self.hold(ask, pass));
    }

    /// Refuses a request that waited in vain.
    pub fn give_up(&self, lost: Lost, ask: &Ask<'_>, visit: Visit<'_>) -> Refusal {
        visit.pass.given = lost.given;
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
        let claim = limit.claim(ask).0;
        limit.metrics.reject(visit.worker, refusal.reject as usize);
        limit.note(claim, visit.worker, false, ask);
        for (other, claim) in self.given(ask, visit.pass) {
            other.give_back(claim, other.state.time(ask.now));
        }
        visit.pass.clear();
        // Without its store nobody knows what is left, and nothing may go.
        let known = refusal.reject != Reject::LimitStoreUnavailable;
        if limit.headers != LimitHeaders::Never && known {
            visit.pass.tell_blocked((number, tier), limit, claim, limit.state.time(ask.now));
        }
        // Whoever comes again is to find that the limits behind this one let it in as well.
        let behind = self.limits[number + 1..].iter().filter_map(|limit| limit.due_in(ask)).max();
        let retry_after = refusal.retry_after.map(|after| after.max(behind.unwrap_or_default()));
        Verdict::Refuse(Refusal { retry_after, ..refusal })
    }

    /// How an answer goes, if a limit that gave something slows it.
    #[inline]
    pub fn pace(&self, pass: &Pass) -> Option<Pace> {
        let (number, bandwidth) = pass.paced()?;
        Some(Pace::new(bandwidth, self.limits.get(number)?.metrics.clone()))
    }

    /// Tells the client what is left, beside what others told already.
    #[inline]
    pub fn tell(&self, pass: &Pass, headers: &mut HeaderMap) {
        pass.write(self, headers);
    }
}
