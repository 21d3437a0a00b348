//! What the limits of a route make of a request, for people. Nothing is taken.

use std::time::Duration;

use super::{
    Limiter,
    gcra::{Gcra, Over},
    rule::Limit,
    state::Terms,
    used::Left,
};
use crate::key::Ask;

impl Limiter {
    /// Each limit, its key for this request and what would be left.
    pub fn explain(&self, ask: &Ask<'_>) -> String {
        if self.limits.is_empty() {
            return "nothing configured".into();
        }
        let said: Vec<_> = self.limits.iter().map(|limit| limit.explain(ask)).collect();
        said.join("; ")
    }
}

impl Limit {
    fn explain(&self, ask: &Ask<'_>) -> String {
        let now = self.state.time(ask.now);
        let (claim, number) = self.claim(ask);
        let (tier, key) = (self.tier(number), self.state.shape.0.describe(ask, false));
        let Terms { rate, concurrent, quota } = claim.terms;
        let mut words = vec![format!("`{}` for {key}", self.name)];
        if !tier.name.is_empty() {
            words.push(format!("tier `{}`", tier.name));
        }
        if let Some(rate) = rate {
            words.push(cost(rate, claim.cost, self.state.owes(claim.key, rate, now), now));
        }
        if let (Some(shared), Some(_)) = (&self.state.shared, rate) {
            words.push(format!(
                "counted in store `{}`, as far as it is known here",
                shared.store().name
            ));
        }
        if let (Some(quota), Some(Left { units, until, .. })) = (quota, self.left(claim)) {
            words.push(format!(
                "{} of {} used this {}, {units} left for {}",
                quota.units - units,
                quota.units,
                quota.calendar.word(),
                coarse(until / 1_000)
            ));
            if let Some(tally) = self.used.as_ref().and_then(|used| used.tally.as_ref()) {
                words.push(format!("told to store `{}`", tally.store().name));
            }
        }
        if let Some(most) = concurrent {
            words.push(format!("{} of {most} at work", self.state.hall.running(claim.hall)));
        }
        if let Some(bandwidth) = tier.bandwidth {
            words.push(bandwidth.describe());
        }
        if let Some(delay) = self.delay {
            let (waiting, own) = self.state.hall.queue.len(claim.key);
            words.push(format!(
                "{waiting} of {} wait, {own} under this key, up to {}",
                self.max_waiting,
                seconds(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX))
            ));
        }
        if self.priority {
            words.push(match self.standing.owed(self.client(ask), ask.now) {
                0 => "in good standing".into(),
                owed => format!("in good standing again in {}", seconds(owed)),
            });
        }
        if self.only_reports {
            words.push("only reports".into());
        }
        words.join(", ")
    }
}

/// What a request costs, and leaves of a rate that owes `tat`.
fn cost(rate: Gcra, cost: u64, tat: u64, now: u64) -> String {
    match rate.take(tat, now, cost) {
        Ok(after) => {
            format!("costs {cost}, leaves {} of {}", rate.left(after, now), rate.units())
        }
        Err(Over::Never) => format!("costs {cost}, more than {} ever", rate.units()),
        Err(Over::Until(time)) => {
            format!("costs {cost}, there is enough in {}", seconds(time.saturating_sub(now)))
        }
    }
}

/// Seconds as days and hours, hours and minutes, or less.
fn coarse(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

fn seconds(nanos: u64) -> String {
    format!("{:.1} s", Duration::from_nanos(nanos).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_day_or_month_is_told_as_exactly_as_anybody_needs() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d 0 h"),
            (2_678_399, "30 d 23 h"),
        ] {
            assert_eq!(coarse(seconds), said);
        }
    }
}
