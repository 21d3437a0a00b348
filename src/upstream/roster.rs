//! Who of an upstream's endpoints gets requests.
//!
//! In: the endpoints, and what is known of each. Out: one for a request ([`Roster::first`]), or the next when
//! that one failed it. Requests see a set that does not change ([`Members`]); whenever something becomes
//! known that matters, the control side makes a new one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Failure,
    members::{Member, Members},
    pool::Pool,
};
use crate::{
    health::{Check, Policy, Standing},
    metrics::UpstreamMetrics,
    reject::Reject,
    worker::Worker,
};

/// Who of an upstream's endpoints gets requests.
#[derive(Debug)]
pub(super) struct Roster {
    /// The upstream's name.
    pub(super) name: Arc<str>,
    pub(super) metrics: Arc<UpstreamMetrics>,
    /// What endpoints are asked, if they are.
    pub(super) check: Option<Check>,
    policy: Policy,
    /// Per cent of endpoints that have to be up, or all are used.
    panic: u8,
    workers: usize,
    members: ArcSwap<Members>,
    /// Held while a new set is made: when it is next looked at how many requests fail.
    making: Mutex<Option<Instant>>,
    /// Something became known.
    pub(super) news: Notify,
    keeper: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// What a roster is made of.
pub(super) struct Given {
    pub(super) name: Arc<str>,
    pub(super) metrics: Arc<UpstreamMetrics>,
    pub(super) check: Option<Check>,
    pub(super) policy: Policy,
    pub(super) panic: u8,
    pub(super) workers: usize,
}

impl Roster {
    pub(super) fn new(given: Given, list: Vec<Member>) -> Arc<Self> {
        let Given { name, metrics, check, policy, panic, workers } = given;
        let members = Members::new(list, panic, workers);
        Arc::new(Self {
            name,
            metrics,
            check,
            policy,
            panic,
            workers,
            members: ArcSwap::from_pointee(members),
            making: Mutex::default(),
            news: Notify::new(),
            keeper: Mutex::default(),
        })
    }

    /// The endpoint to ask, as this worker's connections to it.
    pub(super) fn first(&self, worker: &Worker) -> Option<Arc<Pool>> {
        self.members.load().first(worker).cloned()
    }

    /// The endpoint to ask after those that were asked in vain.
    pub(super) fn next(&self, worker: &Worker, tried: &[Arc<Pool>]) -> Option<Arc<Pool>> {
        self.members.load().next(worker, tried).cloned()
    }

    /// The endpoints there are now.
    pub(super) fn members(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// Does something with each of a worker's pools.
    pub(super) fn pools(&self, worker: &Worker, each: impl Fn(&Pool)) {
        self.members.load().list.iter().for_each(|member| each(member.endpoint.pool(worker)));
    }

    /// Whether an answer of this status is a failure.
    pub(super) fn is_failure(&self, status: u16) -> bool {
        self.policy.is_failure(status)
    }

    /// Takes note of how an endpoint answered a client.
    pub(super) fn answered(&self, pool: &Pool, status: u16) {
        let failed = self.policy.is_failure(status);
        match failed {
            true => self.failed(pool),
            false => pool.origin.health.went_well(),
        }
        if self.policy.counts() {
            pool.tally.count(failed);
        }
    }

    /// Takes note of a request that an endpoint did not answer.
    pub(super) fn not_answered(&self, pool: &Pool, failure: &Failure) {
        if is_its_fault(failure.reject) {
            self.failed(pool);
            pool.tally.count(true);
        }
    }

    #[cold]
    fn failed(&self, pool: &Pool) {
        let (failures, enough) = (pool.origin.health.failed(), self.policy.settings.failures);
        if enough != 0 && failures >= enough {
            self.news.notify_one();
        }
    }

    /// Leaves out who failed too often, and makes a new set if the standing of any has changed.
    pub(super) fn refresh(&self, now: Instant) {
        let mut making = self.making.lock();
        let members = self.members.load();
        for (index, why) in self.failing(&members, &mut making, now) {
            self.eject(&members, index, why, now);
        }
        let same = |member: &Member| member.standing == member.endpoint.origin.health.standing(now);
        if members.list.iter().all(same) {
            return;
        }
        let list = members.list.iter().map(|member| {
            let (endpoint, weight) = (member.endpoint.clone(), member.weight);
            let made = Member::new(endpoint, weight, now);
            if (member.standing, made.standing) == (Standing::Ejected, Standing::Up) {
                let endpoint = &*made.endpoint.origin.name;
                tracing::info!(upstream = &*self.name, endpoint, "an endpoint is tried again");
            }
            made
        });
        let made = Members::new(list.collect(), self.panic, self.workers);
        match (members.panics, made.panics) {
            (false, true) => tracing::warn!(
                upstream = &*self.name,
                threshold = self.panic,
                "too few endpoints are up: all are used"
            ),
            (true, false) => tracing::info!(
                upstream = &*self.name,
                "enough endpoints are up: the others are left out again"
            ),
            _ => {}
        }
        self.members.store(Arc::new(made));
    }

    /// Who failed too many requests, and what that is too many for.
    fn failing(
        &self,
        members: &Members,
        due: &mut Option<Instant>,
        now: Instant,
    ) -> Vec<(usize, &'static str)> {
        let enough = self.policy.settings.failures;
        let in_a_row = |member: &Member| member.endpoint.origin.health.failed_in_a_row(enough);
        let failing = members.list.iter().enumerate().filter(|(_, member)| in_a_row(member));
        let mut failing: Vec<_> =
            failing.map(|(index, _)| (index, "so many requests in a row failed")).collect();
        if self.policy.counts() && due.is_none_or(|due| due <= now) {
            let first = due.replace(now + self.policy.settings.interval.0).is_none();
            let tallies = members.list.iter().map(|member| member.endpoint.tally());
            let tallies: Vec<_> = tallies.collect();
            // What was counted before is of no known time.
            let outliers = if first { Vec::new() } else { self.policy.outliers(&tallies) };
            let known = |index| failing.iter().any(|(known, _)| *known == index);
            let outliers = outliers.into_iter().filter(|(index, _)| !known(*index));
            failing.extend(outliers.collect::<Vec<_>>());
        }
        failing
    }

    /// Leaves an endpoint out, unless too many are.
    fn eject(&self, members: &Members, index: usize, why: &str, now: Instant) {
        let out = |member: &Member| member.endpoint.origin.health.ejected_until(now).is_some();
        let origin = &members.list[index].endpoint.origin;
        let ejected = members.list.iter().filter(|member| out(member)).count();
        let again = out(&members.list[index]);
        let (upstream, endpoint) = (&*self.name, &*origin.name);
        if !again && !self.policy.may_eject(ejected, members.list.len()) {
            tracing::debug!(upstream, endpoint, why, "too many are left out to leave out this one");
            return;
        }
        let time = origin.health.eject(&self.policy.settings, now);
        self.metrics.ejections.inc();
        tracing::warn!(upstream, endpoint, why, ?time, "an endpoint is left out");
    }

    /// When it is to be looked at next: an endpoint that is left out is to be tried again, or to be judged.
    pub(super) fn next_return(&self, now: Instant) -> Option<Instant> {
        let (members, judged) = (self.members.load(), *self.making.lock());
        let until = |member: &Member| member.endpoint.origin.health.ejected_until(now);
        let judged = judged.filter(|_| self.policy.counts());
        members.list.iter().filter_map(until).chain(judged).min()
    }

    /// Whether somebody has to look after it.
    pub(super) fn is_kept(&self) -> bool {
        self.check.is_some() || self.policy.is_on()
    }

    /// Who looks after it from now on, instead of whoever did.
    pub(super) fn keep(&self, keeper: Option<AbortOnDropHandle<()>>) {
        *self.keeper.lock() = keeper;
    }

    /// Brings the gauges up to date.
    pub(super) fn measure(&self) {
        let members = self.members.load();
        for (gauge, standing) in self.metrics.endpoints.iter().zip(Standing::ALL) {
            let count = members.list.iter().filter(|member| member.standing == standing).count();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.metrics.panics.set(i64::from(members.panics));
    }
}

/// Whether a request failed by the endpoint's fault, so far as that can be told.
pub(super) fn is_its_fault(reject: Reject) -> bool {
    use Reject::{
        ConnectFailed, ConnectRefused, ConnectTimeout, FirstByteTimeout, Resolve, UpstreamProtocol,
        UpstreamReset, UpstreamTls,
    };
    let faults = [
        ConnectFailed,
        ConnectRefused,
        ConnectTimeout,
        FirstByteTimeout,
        Resolve,
        UpstreamProtocol,
        UpstreamReset,
        UpstreamTls,
    ];
    faults.contains(&reject)
}
