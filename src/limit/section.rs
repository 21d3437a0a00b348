//! One table of keys, a `[limit.NAME]` or a route's own, and what it means.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Method};

use super::{
    bandwidth::Bandwidth,
    compile::Limits,
    gcra::Gcra,
    quota::Quota,
    rule::{Cost, Limit, Tier, Whose},
    shared::Sharing,
    state::{Rates, Terms},
    tiers::tier_of,
    used::Shape,
};
use crate::{
    config::{self, Enforce, Over, Path, Problem, Problems},
    key::Recipe,
    metrics::LimitMetrics,
    store::Store,
};

/// The longest lease: so long may what a gateway holds be out of others' reach.
const LONGEST_LEASE: Duration = Duration::from_secs(10);

/// The most keys that a limit may know: a table of so many takes 3 GiB when it is full.
pub(super) const MOST_KEYS: u32 = 50_000_000;

/// More gateways than anybody has.
const MOST_GATEWAYS: u32 = 1_000;

/// A section, or a route's own table.
pub(super) struct Section<'a> {
    pub(super) limit: &'a config::Limit,
    pub(super) at: &'a Path,
    pub(super) problems: &'a mut Problems,
}

impl Section<'_> {
    pub(super) fn limit(
        &mut self,
        limits: &Limits,
        name: (&str, &str),
        told: &str,
        metrics: Arc<LimitMetrics>,
    ) -> Option<Limit> {
        let recipe = self.recipe();
        let terms = self.terms();
        let cost = self.cost();
        let tiers = self.tiers(told, terms);
        let delay = self.delay();
        let store = self.store(limits);
        Bandwidth::check(self.limit, self.at, self.problems);
        let config::Limit { max_waiting, max_keys, headers, .. } = *self.limit;
        if max_keys == 0 {
            self.wrong("max-keys", "no key could be known", "a number, as 100000");
        }
        if max_keys > MOST_KEYS {
            let message = format!("a limit knows at most {MOST_KEYS} keys");
            self.wrong("max-keys", &message, "1000000 take 66 MiB");
        }
        let (recipe, terms, cost, tiers, store) = (recipe?, terms?, cost?, tiers?, store?);
        self.check_cost(&cost, terms, &tiers);
        let all = tiers.iter().map(|tier| tier.terms).chain([terms]);
        let rates: Rates = all.filter_map(|terms| terms.rate).collect();
        let sharing = store.map(|store| (store, self.sharing()));
        let shape = |calendar| Shape { recipe: recipe.clone(), keys: max_keys, calendar };
        let used = self
            .calendar()
            .map(|calendar| limits.used(name, shape(calendar), sharing.clone(), &metrics));
        Some(Limit {
            name: name.0.into(),
            busiest: limits.busiest(name.0, self.limit.busiest.into(), &metrics),
            state: limits.state(name, (recipe, max_keys), &rates, sharing.clone(), &metrics),
            metrics,
            standing: limits.standing().clone(),
            tiers,
            used,
            others: tier_of("", Whose::Everybody, told, terms, Bandwidth::of(self.limit, None)),
            rates,
            cost,
            delay: delay?,
            max_waiting: usize::try_from(max_waiting).unwrap_or(usize::MAX),
            priority: self.limit.priority,
            headers,
            only_reports: self.limit.enforce == Enforce::Report,
            sharing,
        })
    }

    fn wrong(&mut self, key: &'static str, message: &str, help: &str) {
        self.problems.push(Problem::error(self.at.key(key), message).help(help));
    }

    fn recipe(&mut self) -> Option<Recipe> {
        let per = &self.limit.per;
        let prefix = self.limit.ipv6_prefix;
        if prefix > 128 {
            self.wrong("ipv6-prefix", "an address has 128 bits", "64, or 56");
            return None;
        }
        if per.is_empty() {
            self.wrong("per", "nothing has an allowance", "`per = \"ip\"`, or `\"global\"`");
            return None;
        }
        if **per == ["global"] {
            return Some(Recipe { parts: Box::default(), prefix });
        }
        Recipe::compile(per, prefix, &self.at.key("per"), self.problems)
    }

    /// The terms of everybody.
    fn terms(&mut self) -> Option<Terms> {
        let config::Limit { burst, concurrent, quota, tiers, .. } = self.limit;
        let mut written = self.limit.rate;
        if let Some(config::Tier::Rate(rate)) = tiers.get("default") {
            if written.is_some() {
                self.wrong("tiers", "`default` is `rate`, and both are written", "leave one out");
            }
            written = Some(*rate);
        }
        let paces = self.limit.bandwidth.is_some();
        if written.is_none() && concurrent.is_none() && quota.is_none() && !paces {
            let message = "this limit lets everything through";
            let problem = Problem::error(self.at.clone(), message);
            let help = "rate = \"10/s\", concurrent = 20, quota = \"10000/day\", or bandwidth = \"1MiB/s\"";
            self.problems.push(problem.help(help));
            return None;
        }
        if written.is_none() && burst.is_some() {
            self.wrong("burst", "a burst is a rate's", "rate = \"10/s\"");
        }
        if *concurrent == Some(0) {
            self.wrong("concurrent", "no request could come in", "a number, as 20");
        }
        let rate = match written {
            None => None,
            Some(rate) => Some(gcra(rate, *burst, self.at, self.problems)?),
        };
        Some(Terms { rate, concurrent: *concurrent, quota: quota.map(Quota::new) })
    }

    fn cost(&mut self) -> Option<Cost> {
        let table = match &self.limit.cost {
            config::Cost::Number(cost) => return Some(Cost::Number((*cost).into())),
            config::Cost::Table(table) => table,
        };
        let at = self.at.key("cost");
        let mut wrong = |at: Path, message: String, help: &str| {
            self.problems.push(Problem::error(at, message).help(help));
        };
        if table.header.is_none() && table.methods.is_empty() {
            wrong(at, "nothing is said of the cost".into(), "cost = 5, or { POST = 5 }");
            return None;
        }
        let header = match table.header.as_ref().map(HeaderName::try_from) {
            Some(Err(_)) => {
                wrong(at.key("header"), "this is not a field name".into(), "as in \"x-cost\"");
                return None;
            }
            header => header.and_then(Result::ok),
        };
        let mut methods = Vec::new();
        for (name, cost) in &table.methods {
            let upper = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            match Method::from_bytes(name.as_bytes()) {
                Ok(method) if upper => methods.push((method, u64::from(*cost))),
                _ => {
                    let message = format!("unknown key `{name}`");
                    wrong(at.key(name.clone()), message, "`header`, or a method in upper case");
                    return None;
                }
            }
        }
        Some(Cost::Table { header, methods: methods.into() })
    }

    /// What costs more than any burst could never come in; what is nobody's terms says nothing.
    fn check_cost(&mut self, cost: &Cost, terms: Terms, tiers: &[Tier]) {
        let dearest = match cost {
            Cost::Number(cost) => Some(*cost),
            Cost::Table { methods, .. } => methods.iter().map(|(_, cost)| *cost).max(),
        };
        let all = || tiers.iter().map(|tier| tier.terms).chain([terms]);
        if !matches!(cost, Cost::Number(0 | 1))
            && all().all(|terms| terms.rate.is_none() && terms.quota.is_none())
        {
            self.wrong("cost", "what requests cost counts in rates and quotas", "rate = \"10/s\"");
        }
        if matches!(self.limit.over, Over::Delay(_))
            && all().all(|terms| terms.rate.is_none() && terms.concurrent.is_none())
        {
            let message = "a request waits for a rate or for its turn, and not for another day";
            self.wrong("over", message, "over = \"reject\", or rate = \"10/s\"");
        }
        self.check_delay(all());
        let burst = all().filter_map(|terms| terms.rate.map(Gcra::units)).min();
        let quota = all().filter_map(|terms| terms.quota.map(|quota| quota.units)).min();
        for (word, least) in [("burst", burst), ("quota", quota)] {
            if let (Some(dearest), Some(least)) = (dearest, least)
                && dearest > least
            {
                let message =
                    format!("a request that costs {dearest} never fits a {word} of {least}");
                self.wrong("cost", &message, &format!("a larger `{word}`, or a smaller cost"));
            }
        }
        if matches!(cost, Cost::Number(0)) && self.limit.concurrent.is_none() {
            self.wrong("cost", "this limit lets everything through", "1 or more");
        }
    }

    /// Where the next unit comes much later than anybody waits, hardly anybody does.
    fn check_delay(&mut self, mut all: impl Iterator<Item = Terms>) {
        const MUCH: u64 = 10;
        let Over::Delay(config::Delay { delay }) = self.limit.over else { return };
        let delay_nanos = u64::try_from(delay.0.as_nanos()).unwrap_or(u64::MAX);
        let slow = |rate: Gcra| rate.interval() / MUCH > delay_nanos;
        if all.all(|terms| terms.concurrent.is_none() && terms.rate.is_some_and(slow)) {
            let message = "by this rate hardly anybody over it has a turn in that time";
            let problem = Problem::finding(self.at.key("over"), message);
            self.problems.push(problem.help("over = \"reject\", or a longer delay"));
        }
    }

    /// The store that the rate is counted in, if that is one.
    fn store(&mut self, limits: &Limits) -> Option<Option<Arc<Store>>> {
        let config::Limit { store, rate, tiers, lease, gateways, on_failure, .. } = self.limit;
        let Some(name) = store else {
            let config::Limit { lease: usual, gateways: one, .. } = config::Limit::default();
            let keys = [
                ("lease", *lease != usual),
                ("gateways", *gateways != one),
                ("on-failure", *on_failure != config::OnFailure::default()),
            ];
            for (key, _) in keys.into_iter().filter(|(_, written)| *written) {
                self.wrong(key, "this limit is counted in no store", "store = \"NAME\"");
            }
            return Some(None);
        };
        if lease.0 > LONGEST_LEASE {
            self.wrong("lease", "a lease lasts at most 10s", "\"0s\" asks the store each time");
        }
        if !(1..=MOST_GATEWAYS).contains(gateways) {
            let message = format!("there are 1 to {MOST_GATEWAYS} gateways");
            self.wrong("gateways", &message, "the number of those that share the store");
        }
        let at = self.at.key("store");
        if self.calendar().is_none() && rate.is_none() && tiers.is_empty() {
            let message = "a store counts rates and quotas: how many run at a time each gateway counts by itself";
            self.problems.push(Problem::error(at.clone(), message).help("rate = \"10/s\""));
        }
        Store::named(&limits.stores, name, &at, self.problems).map(Some)
    }

    /// How the rate is shared.
    fn sharing(&self) -> Sharing {
        let config::Limit { lease, gateways, on_failure, .. } = *self.limit;
        Sharing {
            lease: u64::try_from(lease.0.as_nanos()).unwrap_or(u64::MAX),
            on_failure,
            gateways,
        }
    }

    /// How long requests may wait, if they do.
    fn delay(&mut self) -> Option<Option<Duration>> {
        const LONGEST: Duration = Duration::from_secs(300);
        let Over::Delay(config::Delay { delay }) = &self.limit.over else { return Some(None) };
        if delay.0.is_zero() || delay.0 > LONGEST {
            let help = "`\"reject\"` is for not waiting at all";
            self.wrong("over", "a request waits at least 1ms and at most 5m", help);
            return None;
        }
        if self.limit.max_waiting == 0 {
            self.wrong("max-waiting", "nobody could wait", "over = \"reject\", or a number");
            return None;
        }
        Some(Some(delay.0))
    }
}

/// A rate as arithmetic; `at` is the table that it stands in.
pub(super) fn gcra(
    written: config::Rate,
    burst: Option<u32>,
    at: &Path,
    problems: &mut Problems,
) -> Option<Gcra> {
    let period = u64::try_from(written.period().as_nanos()).unwrap_or(u64::MAX);
    let made = Gcra::new(written.count.into(), period, burst.unwrap_or(written.count).into());
    if made.is_none() {
        let problem = match burst {
            Some(0) => Problem::error(at.key("burst"), "no request could come in"),
            Some(burst) => {
                let message = format!("at {written} a burst of {burst} takes more than a year");
                Problem::error(at.key("burst"), message)
            }
            None => Problem::error(at.clone(), format!("{written} is too slow")),
        };
        problems.push(problem);
    }
    made
}
