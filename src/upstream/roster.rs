//! Who of an upstream's endpoints gets requests.
//!
//! In: the endpoints, and what is known of each. Out: one for a request ([`Roster::first`]), or the next when
//! that one failed it. Requests see a set that does not change ([`Members`]); whenever something becomes
//! known that matters, the control side makes a new one.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{
    Aim, Call, Failure, Timeouts,
    discovered::{Changes, Discovered},
    keeper::Kept,
    members::{Comer, Member, Members},
    pool::Pool,
    sharing::Sharing,
};
use crate::{
    balance::micros,
    health::{Check, Policy, Standing},
    message::Upload,
    metrics::UpstreamMetrics,
    reject::Reject,
    worker::{Deadline, Worker},
};

/// Who of an upstream's endpoints gets requests.
#[derive(Debug)]
pub(super) struct Roster {
    /// The upstream's name.
    pub(super) name: Arc<str>,
    pub(super) metrics: Arc<UpstreamMetrics>,
    /// What endpoints are asked, if they are.
    pub(super) check: Option<Check>,
    /// Who else knows of endpoints, if somebody does.
    pub(super) discovered: Option<Discovered>,
    policy: Policy,
    sharing: Sharing,
    members: ArcSwap<Members>,
    /// Held while a new set is made: when it is next looked at how many requests fail.
    making: Mutex<Option<Instant>>,
    /// Something became known.
    pub(super) news: Notify,
    keeper: Mutex<Option<Kept>>,
}

/// What a roster is made of.
pub(super) struct Given {
    pub(super) name: Arc<str>,
    pub(super) metrics: Arc<UpstreamMetrics>,
    pub(super) check: Option<Check>,
    pub(super) discovered: Option<Discovered>,
    pub(super) policy: Policy,
    pub(super) sharing: Sharing,
    /// When it was to be looked next at how many requests fail, before a reload.
    pub(super) judges: Option<Instant>,
}

impl Roster {
    pub(super) fn new(given: Given, list: Vec<Member>) -> Arc<Self> {
        let Given { name, metrics, check, discovered, policy, sharing, judges } = given;
        let members = Members::new(list, &sharing, &metrics);
        Arc::new(Self {
            name,
            metrics,
            check,
            discovered,
            policy,
            sharing,
            members: ArcSwap::from_pointee(members),
            making: Mutex::new(judges),
            news: Notify::new(),
            keeper: Mutex::default(),
        })
    }

    /// The endpoint to ask, as this worker's connections to it.
    #[inline]
    pub(super) fn first(&self, comer: &Comer<'_>) -> Option<Arc<Pool>> {
        self.members.load().first(comer).cloned()
    }

    /// The endpoint to ask after those that were asked in vain.
    pub(super) fn next(&self, comer: &Comer<'_>, tried: &[Arc<Pool>]) -> Option<Arc<Pool>> {
        self.members.load().next(comer, tried).cloned()
    }

    /// How requests are shared out.
    pub(super) fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    /// Whether a request's cookie names this endpoint, which answered it.
    pub(super) fn is_named(&self, aim: Aim, pool: &Pool) -> bool {
        let members = self.members.load();
        let named = members.named(aim).map(|index| &members.list[index]);
        named.is_some_and(|member| pool.is_of(&member.endpoint))
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
            false => {
                pool.origin.health.went_well();
                // Whoever breaks answers off is found out with the next one: who reads them knows of no policy.
                if pool.origin.health.breaks_off(self.policy.settings.failures) {
                    self.news.notify_one();
                }
            }
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

    /// Takes note of how long an endpoint took, to which a request was sent at this moment.
    pub(super) fn took(
        &self,
        pool: &Pool,
        since: Instant,
        upload: Option<&Upload>,
        answer: Result<u16, &Failure>,
    ) {
        let now = Instant::now();
        // What a client takes to send its request is not the endpoint's time.
        let since = match upload.map(Upload::ended) {
            None => since,
            Some(Some(ended)) => since.max(ended),
            Some(None) if answer.is_ok() => return,
            Some(None) => now,
        };
        let (took, at) = (now.saturating_duration_since(since), micros(now));
        match answer {
            Ok(..500) => pool.origin.load.latency.answered(took, at),
            Ok(_) => pool.origin.load.latency.failed(took, at),
            Err(failure) if is_its_fault(failure.reject) => {
                pool.origin.load.latency.failed(took, at);
            }
            Err(_) => {}
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
        self.welcome(&members, now);
        let list = members.list.iter().map(|member| {
            member.endpoint.origin.share.settle(member.place.weight);
            Member::new(member.endpoint.clone(), member.place, &self.sharing, now)
        });
        let list: Vec<_> = list.collect();
        if !list.iter().zip(&members.list).all(|(made, before)| made.is_like(before)) {
            self.publish(&members, list);
        }
    }

    /// Takes note of who is up now and was not.
    fn welcome(&self, before: &Members, now: Instant) {
        for member in before.list.iter().filter(|member| member.standing != Standing::Up) {
            let origin = &member.endpoint.origin;
            if origin.health.standing(now) != Standing::Up {
                continue;
            }
            origin.share.comes(now);
            if member.standing == Standing::Ejected {
                let (upstream, endpoint) = (&*self.name, &*origin.name);
                tracing::info!(upstream, endpoint, "an endpoint is tried again");
            }
        }
    }

    /// Has requests see another set, and says what that means for all of them.
    fn publish(&self, before: &Members, list: Vec<Member>) -> Arc<Members> {
        let made = Arc::new(Members::new(list, &self.sharing, &self.metrics));
        made.bound();
        match (before.panics, made.panics) {
            (false, true) => tracing::warn!(
                upstream = &*self.name,
                threshold = self.sharing.rules.panic,
                "too few endpoints are up: all are used"
            ),
            (true, false) => tracing::info!(
                upstream = &*self.name,
                "enough endpoints are up: the others are left out again"
            ),
            _ => {}
        }
        self.members.store(made.clone());
        made
    }

    /// Takes in what sources found: the one place where endpoints come and go.
    pub(super) fn renew(&self, now: Instant) {
        let Some(discovered) = &self.discovered else { return };
        self.replace(discovered, now);
        discovered.settle();
    }

    fn replace(&self, discovered: &Discovered, now: Instant) {
        let _making = self.making.lock();
        let before = self.members.load_full();
        let list = discovered.members(&self.name, &before.list, &self.sharing, now);
        let Some(changes) = Changes::between(&before.list, &list) else { return };
        let endpoints = list.len();
        tracing::info!(upstream = &*self.name, endpoints, "endpoints were found: {changes}");
        self.metrics.discovery.changes.inc();
        self.welcome(&before, now);
        let again = |it: Member| Member::new(it.endpoint, it.place, &self.sharing, now);
        let made = self.publish(&before, list.into_iter().map(again).collect());
        let stays = |member: &Member| made.list.iter().any(|other| other.is_same(member));
        let gone = before.list.iter().filter(|member| !stays(member));
        gone.for_each(|member| member.endpoint.close());
        // Who came is asked, and who went is not.
        self.news.notify_one();
    }

    /// Waits until everybody was asked who knows of endpoints, at most as long as a connection may take. Whether
    /// there was somebody to wait for.
    pub(super) async fn settled(&self, call: &Call<'_>) -> bool {
        let Some(mut settled) = self.discovered.as_ref().and_then(Discovered::unsettled) else {
            return false;
        };
        let mut settling = pin!(settled.wait_for(|settled| *settled));
        let Timeouts { connect, total, .. } = call.timeout;
        let patience = total.map_or(connect, |total| total.min(connect));
        let mut deadline = Deadline::new(&call.worker.clock, patience);
        poll_fn(|cx| match settling.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => deadline.poll(cx),
        })
        .await;
        true
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

    /// When it is to be looked at next: an endpoint that is left out is to be tried again, one that came up is
    /// to have more, or all are to be judged.
    pub(super) fn next_return(&self, now: Instant) -> Option<Instant> {
        let (members, judged) = (self.members.load(), self.judges());
        let over = self.sharing.slow_start;
        let until = |member: &Member| {
            let origin = &member.endpoint.origin;
            let dates = [origin.health.ejected_until(now), origin.share.next_tenth(over, now)];
            dates.into_iter().flatten().min()
        };
        members.list.iter().filter_map(until).chain(judged).min()
    }

    /// When it is next looked at how many requests fail, if they are counted.
    pub(super) fn judges(&self) -> Option<Instant> {
        self.making.lock().filter(|_| self.policy.counts())
    }

    /// Whether somebody has to look after it.
    pub(super) fn is_kept(&self) -> bool {
        let starts_slowly = !self.sharing.slow_start.is_zero();
        self.check.is_some() || self.policy.is_on() || starts_slowly || self.discovered.is_some()
    }

    /// Who looks after it from now on, instead of whoever did.
    pub(super) fn keep(&self, keeper: Option<Kept>) {
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
        match &self.discovered {
            Some(discovered) => discovered.measure(&self.metrics.discovery),
            None => self.metrics.discovery.sources.set(0),
        }
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
