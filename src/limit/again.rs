//! What a request does that had a place among those who run at one limit, and had to wait at another: who waits does
//! not run, so it leaves its places, and comes in again once all else is its own.
//!
//! In: a request that waited. Out: that it may go; that it waits for a place, this time for that alone; or the
//! refusal. So no place is held by somebody who only waits, whichever limits a route has and in which order.

use super::{
    Limiter, Verdict, Visit,
    state::{Blocked, Claim, Terms},
    waiting::{Place, Waiting},
};
use crate::key::Ask;

/// So often a request waits for places that it had: there are few limits that have some, and others leave, too.
const MOST: u8 = 8;

impl Limiter {
    /// Comes in again where a request left its place while it waited, and lets it go.
    pub fn come_in(&self, ask: &Ask<'_>, visit: Visit<'_>) -> Verdict {
        for (number, limit) in self.limits.iter().enumerate() {
            if visit.pass.outside & 1 << number == 0 {
                continue;
            }
            let (claim, tier) = limit.claim(ask);
            match limit.state.admit(for_a_place(claim), 0, limit.state.time(ask.now)) {
                Ok(taken) => visit.pass.come_in(number, taken.permit),
                Err(_) if limit.only_reports => visit.pass.come_in(number, None),
                Err(blocked) => return self.wait_again((number, tier), blocked, ask, visit),
            }
        }
        Verdict::Go
    }

    /// Has a request wait for a place that it had, or refuses it.
    fn wait_again(
        &self,
        (number, tier): (usize, usize),
        blocked: Blocked,
        ask: &Ask<'_>,
        visit: Visit<'_>,
    ) -> Verdict {
        let limit = &self.limits[number];
        let claim = for_a_place(limit.claim(ask).0);
        let seat = match limit.delay.is_some() && visit.pass.waits_again(MOST) {
            true => limit.sit(claim, ask),
            false => Err(limit.refuse(blocked, limit.state.time(ask.now))),
        };
        match seat {
            Ok(seat) => {
                let given = self.hold(ask, visit.pass);
                visit.pass.step_out();
                let (limit, worker) = (limit.clone(), visit.worker);
                let place = Place::Queue(seat);
                let waiting = Waiting { place, limit, number, tier, worker, given, again: true };
                Verdict::Wait(Box::new(waiting))
            }
            Err(refusal) => self.refuse(number, tier, refusal, ask, visit),
        }
    }
}

/// What is left to take for somebody who has paid.
fn for_a_place(claim: Claim) -> Claim {
    Claim { terms: Terms { rate: None, quota: None, ..claim.terms }, ..claim }
}
