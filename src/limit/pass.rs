//! [`Pass`]: what a request got from the limits of its route: what runs until it ends, and what its
//! answer says is left.

use std::sync::{Arc, Weak};

use http::HeaderMap;
use parking_lot::Mutex;

use super::{
    Limiter,
    bandwidth::Bandwidth,
    compile::MOST,
    hall::Permit,
    rule::Limit,
    state::{Claim, Taken},
    used::Left,
    waiting::Given,
};
use crate::{config::LimitHeaders, key::Ask};

/// Rates and quotas whose rest an answer tells without a call for memory, and of the most limits that a route has
/// those beyond that.
const TOLD: usize = 4;
const MORE: usize = 2 * MOST - TOLD;

/// What a request got from the limits of its route.
#[derive(Debug, Default)]
pub struct Pass {
    told: [Told; TOLD],
    /// What does not fit there.
    more: Option<Box<[Told; MORE]>>,
    count: u8,
    /// The number of the limit that slows the answer most.
    slowest: u8,
    /// Which limits of the route it took from since it waited, as bits.
    pub(super) taken: u32,
    /// What it took before that.
    pub(super) given: Given,
    /// At which limits it runs, as bits, and at which it did before it waited.
    inside: u32,
    pub(super) outside: u32,
    /// How often it waited for a place that it had.
    again: u8,
    permit: Option<Permit>,
    /// Those of more limits than one.
    permits: Vec<Permit>,
    /// What has them if the client leaves before the end.
    heir: Weak<Heir>,
    /// How fast that lets it go.
    paced: Option<Bandwidth>,
}

/// What goes on for a request whose client has left: what let that run lets this run, as long as it is kept.
#[derive(Debug, Default)]
pub struct Heir(Mutex<Vec<Permit>>);

/// What is left of a limit.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    limit: u8,
    /// Of a quota, how many days its month has; 0 for a rate.
    days: u8,
    tier: u16,
    left: u64,
    /// Seconds.
    reset: u32,
}

impl Pass {
    /// Notes what was taken from the limit with this number.
    #[inline]
    pub(super) fn take(
        &mut self,
        number: usize,
        limit: &Limit,
        tier: usize,
        taken: Taken,
        now: u64,
    ) {
        self.taken |= 1 << number;
        if limit.headers == LimitHeaders::Always {
            self.tell(number, limit, tier, taken.tat, now);
            self.tell_quota(number, tier, taken.left);
        }
        if let Some(bandwidth) = limit.tier(tier).bandwidth {
            self.pace(number, limit, bandwidth);
        }
        if let Some(permit) = taken.permit {
            self.run(number, permit);
        }
    }

    /// It runs at the limit with this number.
    #[inline]
    fn run(&mut self, number: usize, permit: Permit) {
        self.inside |= 1 << number;
        match self.permit {
            None => self.permit = Some(permit),
            Some(_) => self.permits.push(permit),
        }
    }

    /// It runs again where it did before it waited.
    pub(super) fn come_in(&mut self, number: usize, permit: Option<Permit>) {
        self.outside &= !(1 << number);
        if let Some(permit) = permit {
            self.run(number, permit);
        }
    }

    /// It runs nowhere while it waits.
    pub fn step_out(&mut self) {
        self.outside |= std::mem::take(&mut self.inside);
        self.permit = None;
        self.permits.clear();
    }

    /// What was given before it waited is the request's: it goes.
    pub fn keep(&mut self) {
        self.given.keep();
    }

    /// Whether it may wait for a place that it had, once more of so many times.
    pub(super) fn waits_again(&mut self, most: u8) -> bool {
        self.again += 1;
        self.again <= most
    }

    /// Notes a bandwidth, unless another is slower.
    fn pace(&mut self, number: usize, limit: &Limit, bandwidth: Bandwidth) {
        let slower = self.paced.is_none_or(|slowest| bandwidth.is_slower(slowest));
        if slower && !limit.only_reports {
            self.slowest = u8::try_from(number).unwrap_or(u8::MAX);
            self.paced = Some(bandwidth);
        }
    }

    /// The limit that slows the answer most, and how fast it lets it go.
    pub(super) fn paced(&self) -> Option<(usize, Bandwidth)> {
        self.paced.map(|bandwidth| (usize::from(self.slowest), bandwidth))
    }

    /// Notes what is left of a limit that just now gave nothing: that of this number, by this tier.
    pub(super) fn tell_blocked(
        &mut self,
        (number, tier): (usize, usize),
        limit: &Limit,
        claim: Claim,
        now: u64,
    ) {
        let owes = |rate| limit.state.owes(claim.key, rate, now);
        self.tell(number, limit, tier, claim.terms.rate.map_or(0, owes), now);
        self.tell_quota(number, tier, limit.left(claim));
    }

    /// Notes anew what is left of all limits that were told: while it waited that became another.
    pub(super) fn tell_anew(&mut self, limiter: &Limiter, ask: &Ask<'_>) {
        let more = self.more.iter().flat_map(|more| more.iter());
        let told = self.told.iter().chain(more).take(usize::from(self.count));
        let told = told.fold(0_u32, |told, one| told | 1 << one.limit);
        self.count = 0;
        for (number, limit) in limiter.limits.iter().enumerate() {
            if told & 1 << number != 0 {
                let (claim, tier) = limit.claim(ask);
                self.tell_blocked((number, tier), limit, claim, limit.state.time(ask.now));
            }
        }
    }

    /// Notes what is left of the limit with this number.
    #[inline]
    pub(super) fn tell(&mut self, number: usize, limit: &Limit, tier: usize, tat: u64, now: u64) {
        let Some(rate) = limit.tier(tier).terms.rate else { return };
        let (left, owed) = (rate.left(tat, now), tat.saturating_sub(now));
        let reset = rate.seconds(rate.units() - left.min(rate.units()), owed);
        self.note(number, tier, 0, left, reset);
    }

    /// The same of its quota.
    #[inline]
    pub(super) fn tell_quota(&mut self, number: usize, tier: usize, left: Option<Left>) {
        let Some(Left { units, until, days }) = left else { return };
        self.note(number, tier, u8::try_from(days).unwrap_or(1), units, until.div_ceil(1_000));
    }

    fn note(&mut self, number: usize, tier: usize, days: u8, left: u64, reset: u64) {
        let at = usize::from(self.count);
        let place = match at.checked_sub(TOLD) {
            None => &mut self.told[at],
            Some(at) => match self.more.get_or_insert_default().get_mut(at) {
                Some(place) => place,
                None => return,
            },
        };
        self.count += 1;
        *place = Told {
            limit: u8::try_from(number).unwrap_or(u8::MAX),
            days,
            tier: u16::try_from(tier).unwrap_or(u16::MAX),
            left,
            reset: u32::try_from(reset).unwrap_or(u32::MAX),
        };
    }

    /// Gives back what was taken before it waited, and forgets the rest, which was: there is nothing to tell.
    pub(super) fn clear(&mut self) {
        self.given = Given::default();
        (self.taken, self.count, self.paced) = (0, 0, None);
        self.step_out();
        self.outside = 0;
    }

    /// For what goes on also if the client leaves.
    pub fn heir(&mut self) -> Option<Arc<Heir>> {
        self.permit.as_ref()?;
        let heir = Arc::default();
        self.heir = Arc::downgrade(&heir);
        Some(heir)
    }

    /// The client leaves: what lets its request run is what goes on has from now on, if that goes on.
    pub fn bequeath(&mut self) {
        if let Some(heir) = self.heir.upgrade() {
            heir.0.lock().extend(self.permit.take().into_iter().chain(self.permits.drain(..)));
        }
    }

    /// Whether there is something to tell.
    #[inline]
    pub fn tells(&self) -> bool {
        self.count > 0
    }

    /// Tells the client what is left.
    #[inline]
    pub(super) fn write(&self, limiter: &Limiter, headers: &mut HeaderMap) {
        let more = self.more.iter().flat_map(|more| more.iter());
        for told in self.told.iter().chain(more).take(usize::from(self.count)) {
            let limit = limiter.limits.get(usize::from(told.limit));
            let tier = limit.map(|limit| limit.tier(told.tier.into()));
            let policy = tier.and_then(|tier| match told.days {
                0 => tier.policy.as_ref(),
                _ => tier.quota_policy.as_ref(),
            });
            if let Some(policy) = policy {
                policy.tell(told.left, told.reset, told.days, headers);
            }
        }
    }
}
