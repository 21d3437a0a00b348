//! [`Limit`]: a `[limit.NAME]`, or a limit of a route's own: what holds for whom, over what is counted.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Method};

use super::{
    Refusal, Visit,
    bandwidth::Bandwidth,
    busiest::Busiest,
    fields::Policy,
    queue::{Comer, Seat},
    quota::{Quota, Window},
    shared::{Shared, Sharing},
    standing::Standing,
    state::{Blocked, Claim, Rates, State, Taken, Terms},
    turn::NoTurn,
    used::{Account, Left, Used},
};
use crate::{
    config::LimitHeaders,
    key::{self, Ask, Part, Who},
    metrics::LimitMetrics,
    reject::Reject,
    store::Store,
};

/// How much, and what happens to those who want more.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    pub(super) name: Box<str>,
    pub(super) metrics: Arc<LimitMetrics>,
    /// Which keys it is asked for most, if that is looked for.
    pub(super) busiest: Option<Arc<Busiest>>,
    pub(super) state: Arc<State>,
    /// What was used of a quota, if anybody has one.
    pub(super) used: Option<Arc<Used>>,
    pub(super) standing: Arc<Standing>,
    /// Who has which terms, the fastest first.
    pub(super) tiers: Box<[Tier]>,
    /// The terms of everybody else.
    pub(super) others: Tier,
    /// The rates of all.
    pub(super) rates: Rates,
    pub(super) cost: Cost,
    /// How long a request may wait; none if it is refused at once.
    pub(super) delay: Option<Duration>,
    pub(super) max_waiting: usize,
    pub(super) priority: bool,
    pub(super) headers: LimitHeaders,
    pub(super) only_reports: bool,
    /// The store that it is counted in, and how, if several gateways share it.
    pub(super) sharing: Option<(Arc<Store>, Sharing)>,
}

/// Terms, and whom they are for.
#[derive(Clone, Debug)]
pub(super) struct Tier {
    pub(super) name: Box<str>,
    pub(super) whose: Whose,
    pub(super) terms: Terms,
    /// What makes its keys others than everybody's; 0 if it has the rate that they have, and runs with them.
    pub(super) tint: u64,
    /// Whether it says itself how many run, so that they are not counted with everybody's.
    pub(super) runs_apart: bool,
    pub(super) policy: Option<Policy>,
    pub(super) quota_policy: Option<Policy>,
    pub(super) bandwidth: Option<Bandwidth>,
}

/// Whom a tier is for.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    Everybody,
    Role(Box<str>),
    Scope(Box<str>),
    Owner(Box<str>),
}

/// What a request costs.
#[derive(Clone, Debug)]
pub(super) enum Cost {
    Number(u64),
    Table { header: Option<HeaderName>, methods: Box<[(Method, u64)]> },
}

impl Limit {
    /// What a request would take, and by which tier: its number, the last is everybody's.
    #[inline]
    pub(super) fn claim(&self, ask: &Ask<'_>) -> (Claim, usize) {
        let tier = self.tiers.iter().position(|tier| tier.whose.is(ask));
        let tier = tier.unwrap_or(self.tiers.len());
        let Tier { terms, tint, runs_apart, .. } = *self.tier(tier);
        let base = self.state.base(&self.standing.seed, ask);
        let account = self.used.as_ref().map(|used| used.account(ask));
        (Claim::new(base, (tint, runs_apart), self.cost.of(ask), terms, account), tier)
    }

    /// In how long a request could take what it asks for.
    pub(super) fn due_in(&self, ask: &Ask<'_>) -> Option<Duration> {
        if self.only_reports {
            return None;
        }
        let claim = self.claim(ask).0;
        let Claim { key, cost, terms, .. } = claim;
        let now = self.state.time(ask.now);
        let rate = terms.rate.filter(|rate| cost <= rate.units());
        let due = rate.map(|rate| rate.conforms(self.state.owes(key, rate, now), 0, cost));
        let due = due.map(|due| Duration::from_nanos(due.saturating_sub(now)));
        let used_up = self.left(claim).filter(|left| left.units < cost);
        due.max(used_up.map(|left| Duration::from_millis(left.until)))
    }

    /// Notes for the operator, of some requests, whose they are and whether they may go.
    #[inline]
    pub(super) fn note(&self, claim: Claim, worker: usize, allowed: bool, ask: &Ask<'_>) {
        if let Some(busiest) = &self.busiest
            && busiest.looks(worker)
        {
            let name = || self.state.shape.0.describe(ask, true).into();
            busiest.look(worker, claim.key, allowed, ask.now, name);
        }
    }

    /// Whether answers tell of a rate and a quota of the same tier.
    pub(super) fn tells_both(&self) -> bool {
        let mut all = self.tiers.iter().chain([&self.others]);
        all.any(|tier| tier.policy.is_some() && tier.quota_policy.is_some())
    }

    /// The tier with this number.
    #[inline]
    pub(super) fn tier(&self, number: usize) -> &Tier {
        self.tiers.get(number).unwrap_or(&self.others)
    }

    /// Takes at once what a request asks for, if that does not overtake others.
    #[inline]
    pub(super) fn take(&self, claim: Claim, now: u64) -> Result<Taken, Blocked> {
        let queue = &self.state.hall.queue;
        // What costs nothing overtakes nobody.
        if self.delay.is_some()
            && claim.cost > 0
            && queue.waits(claim.key)
            && queue.len(claim.key).1 > 0
        {
            return Err(self.behind_others(claim));
        }
        if self.used.as_ref().is_some_and(|used| used.is_told()) {
            return self.take_told(claim, now);
        }
        let left = self.spend(claim)?;
        match self.state.take(claim, now) {
            Ok(taken) => Ok(Taken { left, ..taken }),
            Err(blocked) => {
                self.refund(claim);
                Err(blocked)
            }
        }
    }

    /// What stands in the way of a request when others wait: the quota, if it is used up, as no turn helps then.
    #[cold]
    fn behind_others(&self, claim: Claim) -> Blocked {
        let quota = self.quota(claim);
        let may = quota.map(|(used, account, quota)| used.may_take(account, quota, claim.cost));
        may.and_then(Result::err).unwrap_or(Blocked::Queue)
    }

    /// The same where what is used of a quota is told to others: what is taken for a moment only they would hear of,
    /// and nobody forgets what they have heard.
    #[inline(never)]
    fn take_told(&self, claim: Claim, now: u64) -> Result<Taken, Blocked> {
        if let Some((used, account, quota)) = self.quota(claim) {
            used.may_take(account, quota, claim.cost)?;
        }
        let taken = self.state.take(claim, now)?;
        match self.spend(claim) {
            Ok(left) => Ok(Taken { left, ..taken }),
            Err(blocked) => {
                self.state.give_back(claim, now);
                Err(blocked)
            }
        }
    }

    /// The quota of a request, if there is one: what was used, whose it is, and how much that may be. A reload may
    /// have put something else in the place of what counted when the request came.
    #[inline]
    fn quota(&self, claim: Claim) -> Option<(&Used, Account, Quota)> {
        Some((self.used.as_ref()?.latest(), claim.account?, claim.terms.quota?))
    }

    /// Takes from the quota, if there is one; what is left.
    #[inline]
    pub(super) fn spend(&self, claim: Claim) -> Result<Option<Left>, Blocked> {
        match self.quota(claim) {
            Some((used, account, quota)) => used.take(account, quota, claim.cost).map(Some),
            None => Ok(None),
        }
    }

    /// Gives back what was taken from the quota.
    fn refund(&self, claim: Claim) {
        if let Some((used, account, _)) = self.quota(claim) {
            used.give_back(account, claim.cost, None);
        }
    }

    /// The day or month that a request counts in which was let through just now.
    pub(super) fn window(&self, claim: Claim) -> Option<Window> {
        self.quota(claim).map(|(used, account, _)| used.window(account))
    }

    /// As [`Limit::give_back`], of what a request took that waited since then: its key owed so much, and it
    /// counted in this day or month.
    pub(super) fn give_back_late(
        &self,
        claim: Claim,
        (tat, window): (u64, Option<Window>),
        now: u64,
    ) {
        self.state.give_back_late(claim, tat, now);
        if let (Some(used), Some(account), Some(_)) = (&self.used, claim.account, window) {
            used.give_back(account, claim.cost, window);
        }
    }

    /// Gives back all that a request took that was not let through after all.
    pub(super) fn give_back(&self, claim: Claim, now: u64) {
        self.state.give_back(claim, now);
        self.refund(claim);
    }

    /// What is left of the quota, if there is one.
    pub(super) fn left(&self, claim: Claim) -> Option<Left> {
        self.quota(claim).map(|(used, account, quota)| used.left(account, quota))
    }

    /// Takes a place in the queue, or says why there is none.
    pub(super) fn sit(&self, claim: Claim, ask: &Ask<'_>) -> Result<Seat, Refusal> {
        let Some(patience) = self.delay else { return Err(self.refusal(Blocked::Queue, None)) };
        let client = self.client(ask);
        let class = if self.priority { self.standing.class(client, ask.now) } else { 0 };
        let shared = self.state.shape.0.is_personal() && !self.is_own(ask);
        let (most, now) = (self.max_waiting, ask.now);
        let comer = Comer { claim, client, class, shared, patience, most, now };
        let name = || Shared::name(&self.state.shape.0, claim.tint, ask);
        self.state.hall.queue.sit(&self.state, comer, name).map_err(|none| self.no_turn(none))
    }

    /// Notes a request over the limit, if that is its client's fault: at an allowance of its own, or at one that
    /// others share if so many requests of it wait there. Where nobody waits, all who share a key of theirs answer
    /// for it.
    pub(super) fn offend(&self, claim: Claim, waiting: usize, ask: &Ask<'_>) {
        if !self.priority {
            return;
        }
        let client = self.client(ask);
        let own = match self.delay {
            Some(_) => self.is_own(ask),
            None => self.state.shape.0.is_personal(),
        };
        if own || self.state.hall.queue.of(claim.key, client) >= waiting {
            self.metrics.offences.inc();
            self.standing.offend(client, ask.now);
        }
    }

    /// Whether nobody else has the key of a request: it is an identity's, or the address's of somebody without one.
    fn is_own(&self, ask: &Ask<'_>) -> bool {
        let named = ask.who.is_some_and(Who::has_name);
        let own = |part: &Part| *part == Part::Identity || *part == Part::Ip && !named;
        self.state.shape.0.parts.iter().any(own)
    }

    /// Counts a request that may go, and notes what it got: from the limit of this number, by this tier.
    #[inline]
    pub(super) fn let_in(
        &self,
        (number, tier): (usize, usize),
        (claim, taken): (Claim, Taken),
        now: u64,
        ask: &Ask<'_>,
        visit: &mut Visit<'_>,
    ) {
        self.metrics.allow(visit.worker);
        self.note(claim, visit.worker, true, ask);
        visit.pass.take(number, self, tier, taken, now);
    }

    /// Counts what would have become of a request at the limit of this number, by this tier.
    pub(super) fn report(
        &self,
        at: (usize, usize),
        (claim, blocked): (Claim, Blocked),
        ask: &Ask<'_>,
        visit: &mut Visit<'_>,
    ) {
        let reject = reason(blocked);
        if self.headers == LimitHeaders::Always && reject != Reject::LimitStoreUnavailable {
            visit.pass.tell_blocked(at, self, claim, self.state.time(ask.now));
        }
        self.metrics.report(visit.worker, reject as usize);
        self.note(claim, visit.worker, false, ask);
        visit.reported.get_or_insert(reject);
    }

    /// Who makes the request, whatever the limit counts by.
    pub(super) fn client(&self, ask: &Ask<'_>) -> u64 {
        key::client(&self.standing.seed, (ask.client, ask.who), self.state.shape.0.prefix)
    }

    /// The refusal of a request that waits no longer.
    pub(super) fn no_turn(&self, none: NoTurn) -> Refusal {
        self.refusal(none.blocked, none.after)
    }

    /// The refusal for what stands in the way, at this moment.
    pub(super) fn refuse(&self, blocked: Blocked, now: u64) -> Refusal {
        self.refusal(blocked, blocked.after(now))
    }

    fn refusal(&self, blocked: Blocked, after: Option<Duration>) -> Refusal {
        let reject = reason(blocked);
        // When others have done is nobody's to say; soon is a fair guess.
        let soon = (blocked != Blocked::Never).then_some(Duration::from_secs(1));
        Refusal { reject, retry_after: after.or(soon) }
    }
}

/// Why a request is refused that this stands in the way of.
const fn reason(blocked: Blocked) -> Reject {
    match blocked {
        Blocked::Until(_) | Blocked::Queue => Reject::LimitRate,
        Blocked::Running => Reject::LimitConcurrent,
        Blocked::Quota(_) => Reject::LimitQuota,
        Blocked::Never => Reject::LimitCost,
        Blocked::Ask | Blocked::Unavailable => Reject::LimitStoreUnavailable,
    }
}

impl Whose {
    fn is(&self, ask: &Ask<'_>) -> bool {
        ask.who.is_some_and(|who| match self {
            Self::Everybody => true,
            Self::Role(role) => who.has_role(role),
            Self::Scope(scope) => who.has_scope(scope),
            Self::Owner(owner) => who.owner() == Some(owner),
        })
    }
}

/// A whole number; one that is too large for 64 bits is as large as any.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

impl Cost {
    #[inline]
    fn of(&self, ask: &Ask<'_>) -> u64 {
        match self {
            Self::Number(cost) => *cost,
            Self::Table { header, methods } => {
                // Whoever adds to what a client wrote, as a proxy does, is not to be told less by it.
                let all = header.iter().flat_map(|name| ask.headers.get_all(name));
                let all = all.filter_map(|value| value.to_str().ok());
                let said =
                    all.flat_map(|value| value.split(',')).filter_map(|it| number(it.trim()));
                let said = said.max();
                let of = |method: &Method| {
                    methods.iter().find(|(known, _)| known == method).map(|(_, cost)| *cost)
                };
                let by_method = || match of(ask.method) {
                    None if *ask.method == Method::HEAD => of(&Method::GET),
                    cost => cost,
                };
                // Nothing is free for the asking.
                said.filter(|cost| *cost > 0).or_else(by_method).unwrap_or(1)
            }
        }
    }
}
