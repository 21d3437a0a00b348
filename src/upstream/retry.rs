//! Which requests are sent once more, and how many of them.
//!
//! A request that no origin has seen goes on to the next endpoint without asking. One that an origin may have
//! seen goes there only if that does no harm (RFC 9110 section 9.2.2) and the operator wants it, and only so
//! often: retries are what turns a slow hour into an outage. So each request earns a fifth of one
//! ([`Budget`], after Finagle's), and when nothing is left the failure is the answer.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
};

use http::{HeaderMap, Method, Request, header::RETRY_AFTER};

use super::Call;
use crate::{
    config::{self, Path, Problem, Problems, Statuses},
    reject::Reject,
    worker::{Deadline, PerWorker},
};

/// When requests are sent once more.
#[derive(Debug)]
pub(super) struct Retry {
    /// What the operator wrote.
    pub(super) settings: config::Retry,
    reset: bool,
    timeout: bool,
    statuses: Vec<Statuses>,
    /// Those that do no harm twice.
    methods: Vec<Method>,
    known: Arc<Known>,
}

/// What outlives a reload.
#[derive(Debug)]
struct Known {
    budget: Budget,
    /// Requests that are sent once more at this moment.
    running: AtomicU32,
}

/// A request that is sent once more, until that is over.
#[derive(Debug)]
pub(super) struct Retrying<'a>(&'a AtomicU32);

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Retry {
    /// Compiles `[upstream.NAME.retry]` at `at`; goes on with what is known, as long as the budget is the same.
    pub(super) fn compile(
        settings: &config::Retry,
        workers: usize,
        previous: Option<&Self>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.iter().len();
        let (mut reset, mut timeout, mut statuses) = (false, false, Vec::new());
        for (index, word) in settings.on.iter().enumerate() {
            match (&**word, word.parse::<Statuses>()) {
                ("reset", _) => reset = true,
                ("timeout", _) => timeout = true,
                (_, Ok(range)) if is_failure(range) => statuses.push(range),
                (_, range) => {
                    let message = match range {
                        Ok(_) => format!("`{word}` is no failure of an endpoint"),
                        Err(_) => format!("`{word}` is nothing that a request fails by"),
                    };
                    let problem = Problem::error(at.key("on").index(index), message);
                    problems.push(problem.help(
                        "\"reset\", \"timeout\", \"429\", or statuses from 500 on, like \"503\"",
                    ));
                }
            }
        }
        let methods = methods(settings, at, problems);
        if settings.tries == 0 {
            let problem = Problem::error(at.key("tries"), "no request could be sent at all");
            problems.push(problem.help("the first one counts: 1 sends nothing once more"));
        }
        if settings.budget > 100 {
            let problem = Problem::error(at.key("budget"), "more retries than requests");
            problems.push(problem.help("it is in per cent of the requests: 20 is a fifth"));
        }
        if settings.max_in_flight == Some(0) {
            let problem = Problem::error(at.key("max-in-flight"), "no request could be sent again");
            problems.push(problem.help("to have none, write `retry.tries = 1`"));
        }
        if settings.try_timeout.is_some_and(|time| time.0.is_zero()) {
            let at = at.key("try-timeout");
            problems.push(Problem::error(at, "no endpoint could answer in that"));
        }
        let known = previous.map(|previous| &previous.known);
        let known = known.filter(|known| known.budget.serves(settings.budget, workers));
        let known = known.cloned().unwrap_or_else(|| Known::new(settings.budget, workers));
        let settings = settings.clone();
        let fine = problems.iter().len() == before;
        fine.then_some(Self { settings, reset, timeout, statuses, methods, known })
    }

    /// A request comes.
    #[inline]
    pub(super) fn begin(&self, call: &mut Call<'_>) {
        self.known.budget.earn(call.worker.index);
        if let Some(time) = self.settings.try_timeout {
            call.timeout.first_byte = call.timeout.first_byte.min(time.0);
        }
        let by_method = |request: &Request<_>| self.methods.contains(request.method());
        call.harmless = call.upgrade.is_none() && call.request.as_ref().is_some_and(by_method);
        call.keep = u32::try_from(self.settings.body.0).unwrap_or(u32::MAX);
    }

    /// Sends one more, if something is left for that and not too many are.
    pub(super) fn spend(&self, worker: usize) -> Option<Retrying<'_>> {
        let most = self.settings.max_in_flight.unwrap_or(u32::MAX);
        let one_more = |running: u32| (running < most).then_some(running + 1);
        self.known.running.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        let retrying = Retrying(&self.known.running);
        self.known.budget.spend(worker).then_some(retrying)
    }

    /// Whether an answer of this status is worth another try.
    #[inline]
    pub(super) fn is_for_status(&self, status: u16) -> bool {
        self.statuses.iter().any(|range| range.holds(status))
    }

    /// Waits before the next try: all try again at once otherwise, whom one moment has failed. Says whether
    /// there is time left for it.
    pub(super) async fn wait(&self, call: &mut Call<'_>) -> bool {
        let doubled = self.settings.backoff.0.saturating_mul(1 << call.tries.min(10) >> 1);
        let time = doubled.mul_f64(2.0 * fastrand::f64());
        let mut deadline = Deadline::new(&call.worker.clock, time);
        poll_fn(|cx| {
            if let Some(total) = &mut call.total
                && total.poll(cx).is_ready()
            {
                return Poll::Ready(false);
            }
            deadline.poll(cx).map(|()| true)
        })
        .await
    }

    /// Whether a failure is, of a request that the origin may have seen.
    pub(super) fn is_for(&self, reject: Reject) -> bool {
        match reject {
            Reject::FirstByteTimeout => self.timeout,
            Reject::UpstreamReset => self.reset,
            _ => false,
        }
    }
}

impl Known {
    fn new(budget: u8, workers: usize) -> Arc<Self> {
        Arc::new(Self { budget: Budget::new(budget, workers), running: AtomicU32::new(0) })
    }
}

/// The methods of requests that may be sent twice.
fn methods(settings: &config::Retry, at: &Path, problems: &mut Problems) -> Vec<Method> {
    let mut methods = Vec::new();
    for (index, name) in settings.methods.iter().enumerate() {
        let message = match Method::from_bytes(name.as_bytes()) {
            Ok(Method::CONNECT) => "a tunnel cannot be begun once more".to_owned(),
            Ok(method) if !name.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                methods.push(method);
                continue;
            }
            _ => format!("`{name}` is not a method"),
        };
        let problem = Problem::error(at.key("methods").index(index), message);
        problems.push(problem.help("write it in capitals, like \"PUT\""));
    }
    methods
}

fn is_failure(range: Statuses) -> bool {
    range.from >= 500 || (range.from, range.to) == (429, 429)
}

/// Whether an origin wants the client to come back later: then it is not for us to come at once.
pub(super) fn asks_for_patience(headers: &HeaderMap) -> bool {
    headers.contains_key(RETRY_AFTER)
}

/// Retries that are left, by worker: requests earn them, in hundredths.
#[derive(Debug)]
struct Budget {
    share: u32,
    purses: PerWorker<Purse>,
}

/// What a worker has. Only that worker writes here.
#[derive(Debug)]
struct Purse {
    left: AtomicU32,
    /// What it began with and has not earned yet.
    owed: AtomicU32,
}

/// What a worker begins with: an advance on what its first requests earn.
const FIRST: u32 = 10 * ONE;

/// What it may have saved: an endpoint that dies fails all at once that are on their way to it. All of it was
/// earned, so in the long run no more is sent.
const MOST: u32 = 100 * ONE;

const ONE: u32 = 100;

impl Budget {
    fn new(share: u8, workers: usize) -> Self {
        let first = if share == 0 { 0 } else { FIRST };
        let purse = |_| Purse { left: AtomicU32::new(first), owed: AtomicU32::new(first) };
        Self { share: share.into(), purses: PerWorker::with(workers, purse) }
    }

    /// Whether it is this share, for so many workers.
    fn serves(&self, share: u8, workers: usize) -> bool {
        self.share == u32::from(share) && self.purses.workers() >= workers
    }

    fn earn(&self, worker: usize) {
        let Purse { left, owed } = self.purses.at(worker);
        let saved = left.load(Relaxed);
        if saved >= MOST || self.share == 0 {
            return;
        }
        match owed.load(Relaxed) {
            0 => left.store((saved + self.share).min(MOST), Relaxed),
            debt => owed.store(debt.saturating_sub(self.share), Relaxed),
        }
    }

    fn spend(&self, worker: usize) -> bool {
        let left = &self.purses.at(worker).left;
        let saved = left.load(Relaxed);
        if saved < ONE {
            return false;
        }
        left.store(saved - ONE, Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tries for each request in an outage: each is tried as often as it may be, and fails.
    fn amplification(share: u8, requests: u32, tries: u32) -> f64 {
        let budget = Budget::new(share, 1);
        let mut sent = 0;
        for _ in 0..requests {
            budget.earn(0);
            sent += 1;
            for _ in 1..tries {
                sent += u32::from(budget.spend(0));
            }
        }
        f64::from(sent) / f64::from(requests)
    }

    #[test]
    fn an_outage_is_not_made_worse() {
        let amplified = amplification(20, 10_000, 3);
        println!("10,000 requests, 3 tries each, all fail: {amplified} tries for a request");
        assert!((1.19..=1.2).contains(&amplified), "{amplified}");
        // What a worker begins with is earned by its first fifty.
        assert!((50..2_000).all(|requests| amplification(20, requests, 3) <= 1.2));
        assert!(amplification(20, 10, 2) > 1.9, "few requests are not left without");
        assert!((amplification(0, 10_000, 3) - 1.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn the_budget_is_never_exceeded(
            share in 0_u8..=100,
            turns in proptest::collection::vec((any::<bool>(), 0_u32..4), 1..500),
        ) {
            let budget = Budget::new(share, 1);
            let (mut requests, mut retries) = (0_u32, 0_u32);
            for (comes, wishes) in turns {
                if comes {
                    requests += 1;
                    budget.earn(0);
                }
                retries += (0..wishes).map(|_| u32::from(budget.spend(0))).sum::<u32>();
                let advance = if share == 0 { 0 } else { FIRST };
                prop_assert!(retries * 100 <= (requests * u32::from(share)).max(advance));
            }
        }
    }
}
