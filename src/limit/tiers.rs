//! The tiers of a limit: what its section says for some, and who they are.

use std::{cmp::Reverse, sync::Arc};

use siphasher::sip::SipHasher13;

use super::{
    bandwidth::Bandwidth,
    fields::Policy,
    gcra::Gcra,
    quota::Quota,
    rule::{Limit, Tier, Whose},
    section::{Section, gcra},
    state::Terms,
};
use crate::config::{self, Calendar, LimitUse, Path, Problem, Problems, TierTable};

impl Section<'_> {
    /// The tiers, the fastest first; what one does not say is as for the `others`.
    pub(super) fn tiers(&mut self, told: &str, others: Option<Terms>) -> Option<Box<[Tier]>> {
        let mut tiers = Vec::new();
        let mut whole = true;
        for (name, tier) in &self.limit.tiers {
            let at = self.at.key("tiers").key(name.clone());
            let table = match tier {
                config::Tier::Rate(_) if name == "default" => continue,
                config::Tier::Rate(rate) => {
                    &TierTable { rate: Some(*rate), ..TierTable::default() }
                }
                config::Tier::Table(table) => table,
            };
            if name == "default" {
                let problem = Problem::error(at, "`default` is a rate alone");
                let help = "`rate`, `burst`, `quota` and `concurrent` of the limit are everybody's";
                self.problems.push(problem.help(help));
                continue;
            }
            let Some(terms) = self.tier(table, others, &at) else {
                whole = false;
                continue;
            };
            let bandwidth = Bandwidth::of(self.limit, table.bandwidth);
            let whose = Whose::read(name);
            let runs_apart = table.concurrent.is_some();
            let tint = tint(name, terms, others.filter(|_| !runs_apart));
            let tier = tier_of(name, whose, told, terms, bandwidth);
            tiers.push(Tier { tint, runs_apart, ..tier });
        }
        tiers.sort_by_key(|Tier { terms, bandwidth, .. }| {
            let pause = terms.rate.map_or(0, Gcra::interval);
            let units = terms.quota.map_or(u64::MAX, |quota| quota.units);
            (pause, Reverse(units), Reverse(Bandwidth::speed(*bandwidth)))
        });
        whole.then(|| tiers.into())
    }

    fn tier(&mut self, table: &TierTable, others: Option<Terms>, at: &Path) -> Option<Terms> {
        let mut wrong = |at: Path, message: &str, help: &str| {
            self.problems.push(Problem::error(at, message).help(help));
        };
        if *table == TierTable::default() {
            wrong(
                at.clone(),
                "this tier is as everybody",
                "`rate`, `quota`, `concurrent` or `bandwidth`",
            );
            return None;
        }
        if table.burst.is_some() && table.rate.is_none() {
            wrong(at.key("burst"), "a burst is a rate's", "rate = \"100/s\"");
            return None;
        }
        if table.concurrent == Some(0) {
            wrong(at.key("concurrent"), "no request could come in", "a number, as 50");
        }
        let rate = match table.rate {
            Some(rate) => Some(gcra(rate, table.burst, at, self.problems)?),
            None => others.and_then(|others| others.rate),
        };
        let quota = table.quota.map(Quota::new);
        if quota.is_some_and(|quota| Some(quota.calendar) != self.calendar()) {
            let message = "all quotas of a limit are by the day, or all by the month";
            let help = "a limit of its own; a route can have several";
            self.problems.push(Problem::error(at.key("quota"), message).help(help));
            return None;
        }
        let concurrent = table.concurrent.or(self.limit.concurrent);
        Some(Terms { rate, concurrent, quota: quota.or_else(|| self.limit.quota.map(Quota::new)) })
    }

    /// What the quotas are by, if there are any: the limit's own says it, else the first of a tier.
    pub(super) fn calendar(&self) -> Option<Calendar> {
        let of_tier = |tier: &config::Tier| match tier {
            config::Tier::Rate(_) => None,
            config::Tier::Table(table) => table.quota,
        };
        let quota = self.limit.quota.or_else(|| self.limit.tiers.values().find_map(of_tier));
        quota.map(|quota| quota.calendar)
    }
}

/// A tier, and how it is told.
pub(super) fn tier_of(
    name: &str,
    whose: Whose,
    told: &str,
    terms: Terms,
    bandwidth: Option<Bandwidth>,
) -> Tier {
    let policy = terms.rate.and_then(|rate| Policy::new(told, rate));
    let own = format!("{told}-quota");
    // Two policies of one answer cannot have one name.
    let told = if policy.is_some() { &own } else { told };
    let quota_policy = terms.quota.and_then(|quota| Policy::of_quota(told, quota));
    let (name, tint, runs_apart) = (name.into(), 0, false);
    Tier { name, whose, terms, tint, runs_apart, policy, quota_policy, bandwidth }
}

/// What clients are told that a route's own limit is called, the one with this number, where the first is `first`: not
/// what the route is, and nothing that another limit of the same answer is called.
pub(super) fn told_as(first: &str, number: usize, uses: &[LimitUse]) -> String {
    let mut numbers = (number..).step_by(uses.len().max(1)).map(|number| match number {
        1 => first.into(),
        _ => format!("{first}-{number}"),
    });
    let is_taken = |told: &String| {
        let same = |word: &str| {
            word.strip_prefix(&**told).is_some_and(|rest| matches!(rest, "" | "-quota"))
        };
        uses.iter().any(|one| matches!(one, LimitUse::Word(word) if same(word)))
    };
    numbers.find(|told| !is_taken(told)).unwrap_or_default()
}

/// Tells of a quota that answers of a route call as they call another of its limits.
pub(super) fn check_told(limits: &[Arc<Limit>], at: &Path, problems: &mut Problems) {
    for limit in limits.iter().filter(|limit| limit.tells_both()) {
        let quota = format!("{}-quota", limit.name);
        if limits.iter().any(|other| *other.name == *quota) {
            let name = &limit.name;
            let message = format!("answers call the quota of `{name}` as the limit `{quota}`");
            problems
                .push(Problem::finding(at.clone(), message).help("another name for one of them"));
        }
    }
}

/// What sets a tier's keys apart, the same in every gateway: what the slow owe is nothing to the fast who come from
/// the same address.
fn tint(name: &str, terms: Terms, others: Option<Terms>) -> u64 {
    let same = |others: Terms| (others.rate, others.concurrent) == (terms.rate, terms.concurrent);
    match others.is_some_and(same) {
        true => 0,
        false => SipHasher13::new().hash(name.as_bytes()),
    }
}

impl Whose {
    /// Whom a tier's name means.
    fn read(name: &str) -> Self {
        match name.split_once(':') {
            None | Some(("role", _)) => {
                Self::Role(name.strip_prefix("role:").unwrap_or(name).into())
            }
            Some(("scope", scope)) => Self::Scope(scope.into()),
            Some(("owner", owner)) => Self::Owner(owner.into()),
            // Scopes and roles may have colons of their own.
            Some(_) => Self::Role(name.into()),
        }
    }
}
