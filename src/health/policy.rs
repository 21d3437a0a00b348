//! [`Policy`]: which endpoints are left out for how they answer clients.
//!
//! In: what each did ([`Tally`]). Out: who fails so many, or so many more than the others, that it is better
//! to do without. Arithmetic only: who is left out and for how long is kept elsewhere.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::config::{self, Path, Problem, Problems, Statuses};

/// Which endpoints are left out for how they answer clients.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What the operator wrote.
    pub settings: config::Ejection,
    statuses: Vec<Statuses>,
}

/// What came of the requests at an endpoint.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU32,
    failures: AtomicU32,
}

impl Tally {
    /// A request was answered, or failed by the endpoint's fault.
    #[inline]
    pub fn count(&self, failed: bool) {
        self.requests.fetch_add(1, Relaxed);
        if failed {
            self.failures.fetch_add(1, Relaxed);
        }
    }

    /// An answer broke off that was counted as one that went well.
    pub fn broke_off(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// What was counted since this was asked last: requests, and those that failed.
    pub fn take(&self) -> (u64, u64) {
        // Whoever counts does so in this order: no more failures than requests come out.
        let failures = self.failures.swap(0, Relaxed);
        (self.requests.swap(0, Relaxed).max(failures).into(), failures.into())
    }
}

impl Policy {
    /// Compiles `[upstream.NAME.ejection]` at `at`.
    pub fn compile(
        settings: &config::Ejection,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.iter().len();
        let mut statuses = Vec::new();
        for (index, text) in settings.statuses.iter().enumerate() {
            let at = at.key("statuses").index(index);
            match text.parse::<Statuses>() {
                Ok(range) if range.from >= 400 => statuses.push(range),
                Ok(_) => {
                    let message = format!("`{text}` is no failure");
                    problems.push(Problem::error(at, message).help("statuses from 400 on"));
                }
                Err(message) => problems.push(Problem::error(at, message)),
            }
        }
        check_numbers(settings, at, problems);
        let fine = problems.iter().len() == before;
        fine.then(|| Self { settings: settings.clone(), statuses })
    }

    /// Whether an answer of this status is a failure of the endpoint.
    #[inline]
    pub fn is_failure(&self, status: u16) -> bool {
        status >= 400 && self.statuses.iter().any(|range| range.holds(status))
    }

    /// Whether it has to be known how many requests fail.
    #[inline]
    pub fn counts(&self) -> bool {
        self.settings.success_rate.is_some() || self.settings.failure_percent.is_some()
    }

    /// Whether anybody may be left out.
    pub fn is_on(&self) -> bool {
        self.settings.failures != 0 || self.counts()
    }

    /// Whether one more may be left out, of so many, so many of whom are.
    pub fn may_eject(&self, ejected: usize, all: usize) -> bool {
        // Of few a share may be less than one.
        ejected == 0 || (ejected + 1) * 100 <= all * usize::from(self.settings.max_ejected)
    }

    /// Who of these fails too many requests, and what that is too many for; each is how many requests there
    /// were, and how many failed.
    pub fn outliers(&self, tallies: &[(u64, u64)]) -> Vec<(usize, &'static str)> {
        let settings = &self.settings;
        let enough = u64::from(settings.min_requests);
        let judged = tallies.iter().enumerate().filter(|(_, (requests, _))| *requests >= enough);
        let judged: Vec<_> = judged.map(|(index, tally)| (index, *tally)).collect();
        let percent = settings.failure_percent.map_or(u64::MAX, u64::from);
        let failing = judged
            .iter()
            .filter(|(_, (requests, failures))| failures * 100 >= requests.saturating_mul(percent))
            .map(|(index, _)| (*index, "too many of its requests failed"));
        let mut found: Vec<_> = failing.collect();
        let Some(factor) = settings.success_rate else { return found };
        if judged.len() < settings.min_endpoints as usize {
            return found;
        }
        let rates: Vec<f64> = judged.iter().map(|(_, tally)| rate(*tally)).collect();
        let least = threshold(&rates, factor);
        let worse = judged.iter().zip(rates).filter(|(_, rate)| *rate < least);
        for ((index, _), _) in worse {
            if !found.iter().any(|(known, _)| known == index) {
                found.push((*index, "more of its requests failed than of the others"));
            }
        }
        found
    }
}

/// The share of requests that did not fail.
fn rate((requests, failures): (u64, u64)) -> f64 {
    1.0 - failures as f64 / requests as f64
}

/// So many standard deviations below the mean: Envoy's success rate.
fn threshold(rates: &[f64], factor: f64) -> f64 {
    let count = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    // Where all are alike, what is lost in rounding makes no difference between them.
    mean - factor * variance.sqrt() - 1e-9
}

fn check_numbers(settings: &config::Ejection, at: &Path, problems: &mut Problems) {
    let mut wrong = |key: &'static str, message: &str, help: &str| {
        let problem = Problem::error(at.key(key), message);
        problems.push(if help.is_empty() { problem } else { problem.help(help) });
    };
    let counts = settings.success_rate.is_some() || settings.failure_percent.is_some();
    if (settings.failures > 0 || counts) && settings.time.0.is_zero() {
        let help = "to leave nobody out, write `ejection.failures = 0`";
        wrong("time", "an endpoint would come back at once", help);
    }
    if settings.max_time.0 < settings.time.0 {
        wrong("max-time", "it is less than `time`, which is the shortest", "");
    }
    if counts && settings.interval.0.is_zero() {
        wrong("interval", "nothing can be counted in that", "write it like \"10s\"");
    }
    if settings.success_rate.is_some_and(|factor| !(0.1..=10.0).contains(&factor)) {
        let help = "1.9 is usual; 1 leaves more out, 3 fewer";
        wrong("success-rate", "it is in standard deviations, from 0.1 to 10", help);
    }
    if settings.failure_percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
        wrong("failure-percent", "it is in per cent of requests, from 1 to 100", "");
    }
    if settings.success_rate.is_some() && settings.min_endpoints < 3 {
        let help = "with fewer than 3 nobody stands out; `failure-percent` looks at each alone";
        wrong("min-endpoints", "too few to compare", help);
    }
    if counts && settings.min_requests == 0 {
        wrong("min-requests", "of no requests nothing can be said", "");
    }
    if settings.max_ejected > 100 {
        wrong("max-ejected", "more than all of them", "it is in per cent of the endpoints");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(settings: config::Ejection) -> Policy {
        let (at, mut problems) = (Path::root(), Problems::new());
        Policy::compile(&settings, &at, &mut problems).unwrap()
    }

    fn by_success(factor: f64) -> Policy {
        policy(config::Ejection { success_rate: Some(factor), ..config::Ejection::default() })
    }

    #[test]
    fn who_fails_more_than_the_others_stands_out() {
        let policy = by_success(1.9);
        let good = [(1_000, 0), (1_000, 5), (1_000, 2), (1_000, 1), (1_000, 3)];
        assert_eq!(policy.outliers(&good), [], "all are about as good");
        let bad = [&good[..], &[(1_000, 100)]].concat();
        let found = policy.outliers(&bad);
        assert_eq!(found, [(5, "more of its requests failed than of the others")]);
        let outage = [(1_000, 900); 6];
        assert_eq!(policy.outliers(&outage), [], "nobody is worse than the others");
        assert_eq!(policy.outliers(&bad[2..]), [], "too few to compare");
        let quiet = [&good[..], &[(99, 99)]].concat();
        assert_eq!(policy.outliers(&quiet), [], "too few requests to tell");
    }

    #[test]
    fn who_fails_too_many_is_found_without_others() {
        let settings = config::Ejection { failure_percent: Some(50), ..Default::default() };
        let policy = policy(settings);
        for (tally, found) in
            [((100, 50), true), ((100, 49), false), ((99, 99), false), ((1_000, 1_000), true)]
        {
            assert_eq!(!policy.outliers(&[tally]).is_empty(), found, "{tally:?}");
        }
    }

    #[test]
    fn a_share_of_endpoints_stays_and_one_may_always_go() {
        let policy = policy(config::Ejection { max_ejected: 50, ..Default::default() });
        for (ejected, all, may) in
            [(0, 1, true), (1, 2, false), (1, 4, true), (2, 4, false), (0, 100, true)]
        {
            assert_eq!(policy.may_eject(ejected, all), may, "{ejected} of {all}");
        }
    }

    #[test]
    fn what_was_counted_is_told_once() {
        let tally = Tally::default();
        [true, false, false].into_iter().for_each(|failed| tally.count(failed));
        tally.broke_off();
        assert_eq!((tally.take(), tally.take()), ((3, 2), (0, 0)));
    }

    proptest! {
        /// Cantelli's inequality: however they fail, so many at most are so far below the mean.
        #[test]
        fn few_stand_out(
            failures in proptest::collection::vec(0_u64..=1_000, 5..60),
            factor in 0.5_f64..4.0,
        ) {
            let tallies: Vec<_> = failures.iter().map(|failures| (1_000, *failures)).collect();
            let found = by_success(factor).outliers(&tallies);
            let most = failures.len() as f64 / (1.0 + factor * factor);
            prop_assert!(found.len() as f64 <= most + 1e-6, "{} of {}", found.len(), failures.len());
            // Who stands out fails more than whoever does not.
            let out = |index: &usize| found.iter().any(|(found, _)| found == index);
            let (outside, inside): (Vec<_>, Vec<_>) = (0..failures.len()).partition(out);
            let least = outside.iter().map(|index| failures[*index]).min();
            let most = inside.iter().map(|index| failures[*index]).max();
            prop_assert!(least.is_none_or(|least| most.is_some_and(|most| least > most)));
        }
    }
}
