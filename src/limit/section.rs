//! One table of keys, a `[limit.NAME]` or a route's own, and what it means.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Method};

use super::{
    bandwidth::Bandwidth,
    compile::Limits,
    fields::Policy,
    gcra::Gcra,
    key::{Part, Recipe},
    rule::{Cost, Limit, Tier, Whose},
    state::Terms,
};
use crate::{
    config::{self, Enforce, Over, Path, Problem, Problems},
    metrics::LimitMetrics,
};

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
        let tiers = self.tiers(told);
        let delay = self.delay();
        Bandwidth::check(self.limit, self.at, self.problems);
        let config::Limit { max_waiting, max_keys, headers, .. } = *self.limit;
        if max_keys == 0 {
            self.wrong("max-keys", "no key could be known", "a number, as 100000");
        }
        let (recipe, terms, cost, tiers) = (recipe?, terms?, cost?, tiers?);
        self.check_cost(&cost, terms, &tiers);
        let policy = terms.rate.and_then(|rate| Policy::new(told, rate));
        Some(Limit {
            name: name.0.into(),
            state: limits.state(name, (recipe, max_keys), &metrics),
            metrics,
            standing: limits.standing().clone(),
            tiers,
            others: Tier {
                name: Box::default(),
                whose: Whose::Everybody,
                terms,
                policy,
                bandwidth: Bandwidth::of(self.limit, None),
            },
            cost,
            delay: delay?,
            max_waiting: usize::try_from(max_waiting).unwrap_or(usize::MAX),
            priority: self.limit.priority,
            headers,
            only_reports: self.limit.enforce == Enforce::Report,
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
        let mut parts = Vec::new();
        for (index, word) in per.iter().enumerate() {
            let at = self.at.key("per");
            let at = if per.len() == 1 { at } else { at.index(index) };
            let problem = match Part::parse(word) {
                Ok(part) if parts.contains(&part) => {
                    Problem::error(at, format!("`{word}` is here twice"))
                }
                Ok(part) => {
                    parts.push(part);
                    continue;
                }
                Err(_) if word == "global" => {
                    Problem::error(at, "`global` is for all, whatever else is named")
                        .help("leave it out, or alone")
                }
                Err((message, help)) => Problem::error(at, message).help(help),
            };
            self.problems.push(problem);
        }
        (parts.len() == per.len()).then(|| Recipe { parts: parts.into(), prefix })
    }

    /// The terms of everybody.
    fn terms(&mut self) -> Option<Terms> {
        let config::Limit { burst, concurrent, tiers, .. } = self.limit;
        let mut written = self.limit.rate;
        if let Some(config::Tier::Rate(rate)) = tiers.get("default") {
            if written.is_some() {
                self.wrong("tiers", "`default` is `rate`, and both are written", "leave one out");
            }
            written = Some(*rate);
        }
        if written.is_none() && concurrent.is_none() && self.limit.bandwidth.is_none() {
            let message = "this limit lets everything through";
            let problem = Problem::error(self.at.clone(), message);
            let help = "rate = \"10/s\", concurrent = 20, or bandwidth = \"1MiB/s\"";
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
        Some(Terms { rate, concurrent: *concurrent })
    }

    fn tiers(&mut self, told: &str) -> Option<Box<[Tier]>> {
        let mut tiers = Vec::new();
        let mut whole = true;
        let everybody = match self.limit.tiers.get("default") {
            Some(config::Tier::Rate(rate)) => Some(*rate),
            Some(config::Tier::Table(_)) | None => self.limit.rate,
        };
        for (name, tier) in &self.limit.tiers {
            let at = self.at.key("tiers").key(name.clone());
            let (written, burst, concurrent, bandwidth) = match tier {
                config::Tier::Rate(_) if name == "default" => continue,
                config::Tier::Rate(rate) => (Some(*rate), None, None, None),
                config::Tier::Table(table) => {
                    (table.rate, table.burst, table.concurrent, table.bandwidth)
                }
            };
            if name == "default" {
                let problem = Problem::error(at, "`default` is a rate alone");
                let help = "`rate`, `burst` and `concurrent` of the limit are everybody's";
                self.problems.push(problem.help(help));
                continue;
            }
            if concurrent == Some(0) {
                let message = "no request could come in";
                self.problems.push(Problem::error(at.key("concurrent"), message));
            }
            // Without a rate of its own it has that of all.
            let (written, burst) = match written {
                Some(_) => (written, burst),
                None => (everybody, burst.or(self.limit.burst)),
            };
            let rate = written.map(|rate| gcra(rate, burst, &at, self.problems));
            if rate == Some(None) {
                whole = false;
                continue;
            }
            let rate = rate.flatten();
            let concurrent = concurrent.or(self.limit.concurrent);
            let terms = Terms { rate, concurrent };
            let speed = |rate: config::Rate| f64::from(rate.count) / rate.period().as_secs_f64();
            let policy = rate.and_then(|rate| Policy::new(told, rate));
            let bandwidth = Bandwidth::of(self.limit, bandwidth);
            let (name, whose) = (name.as_str().into(), whose(name));
            let tier = Tier { name, whose, terms, policy, bandwidth };
            tiers.push((written.map_or(0.0, speed), tier));
        }
        tiers.sort_by(|(one, first), (other, second)| {
            other.total_cmp(one).then_with(|| Bandwidth::faster(first.bandwidth, second.bandwidth))
        });
        whole.then(|| tiers.into_iter().map(|(_, tier)| tier).collect())
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

    /// What costs more than any burst could never come in.
    fn check_cost(&mut self, cost: &Cost, terms: Terms, tiers: &[Tier]) {
        let dearest = match cost {
            Cost::Number(cost) => Some(*cost),
            Cost::Table { methods, .. } => methods.iter().map(|(_, cost)| *cost).max(),
        };
        let all = tiers.iter().map(|tier| tier.terms).chain([terms]);
        let least = all.filter_map(|terms| terms.rate.map(Gcra::units)).min();
        if let (Some(dearest), Some(least)) = (dearest, least)
            && dearest > least
        {
            let message = format!("a request that costs {dearest} never fits a burst of {least}");
            self.wrong("cost", &message, "a larger `burst`, or a smaller cost");
        }
        if matches!(cost, Cost::Number(0)) {
            self.wrong("cost", "this limit lets everything through", "1 or more");
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

/// Whom a tier with this name is for.
fn whose(name: &str) -> Whose {
    match name.split_once(':') {
        None | Some(("role", _)) => Whose::Role(name.strip_prefix("role:").unwrap_or(name).into()),
        Some(("scope", scope)) => Whose::Scope(scope.into()),
        Some(("owner", owner)) => Whose::Owner(owner.into()),
        // Scopes and roles may have colons of their own.
        Some(_) => Whose::Role(name.into()),
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
