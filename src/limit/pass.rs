//! [`Pass`]: what a request got from the limits of its route: what runs until it ends, and what its
//! answer says is left.

use http::HeaderMap;

use super::{
    Limiter, bandwidth::Bandwidth, hall::Permit, rule::Limit, state::Taken, used::Left,
    waiting::Given,
};
use crate::config::LimitHeaders;

/// Limits whose rest an answer tells.
const TOLD: usize = 4;

/// What a request got from the limits of its route.
#[derive(Debug, Default)]
pub struct Pass {
    told: [Told; TOLD],
    count: u8,
    /// Which limits of the route it took from since it waited, as bits.
    pub(super) taken: u32,
    /// What it took before that.
    pub(super) given: Given,
    permit: Option<Permit>,
    /// Those of more limits than one.
    permits: Vec<Permit>,
    /// The limit that slows the answer most, and how fast it lets it go.
    pub(super) paced: Option<(usize, Bandwidth)>,
}

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
            match self.permit {
                None => self.permit = Some(permit),
                Some(_) => self.permits.push(permit),
            }
        }
    }

    /// Notes a bandwidth, unless another is slower.
    fn pace(&mut self, number: usize, limit: &Limit, bandwidth: Bandwidth) {
        let slower = self.paced.is_none_or(|(_, slowest)| bandwidth.is_slower(slowest));
        if slower && !limit.only_reports {
            self.paced = Some((number, bandwidth));
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
        let Some(place) = self.told.get_mut(usize::from(self.count)) else { return };
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
        (self.taken, self.count, self.permit, self.paced) = (0, 0, None, None);
        self.permits.clear();
    }

    /// Tells the client what is left.
    #[inline]
    pub(super) fn write(&self, limiter: &Limiter, headers: &mut HeaderMap) {
        for told in &self.told[..usize::from(self.count)] {
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
