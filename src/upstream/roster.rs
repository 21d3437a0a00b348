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
    Call, Failure, Timeouts,
    discovered::{Changes, Discovered},
    keeper::Kept,
    members::{Member, Members},
    pool::Pool,
};
use crate::{
    config::Ejection,
    health::{Check, Standing},
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
    ejection: Ejection,
    /// Per cent of endpoints that have to be up, or all are used.
    panic: u8,
    workers: usize,
    members: ArcSwap<Members>,
    /// Held while a new set is made.
    making: Mutex<()>,
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
    pub(super) ejection: Ejection,
    pub(super) panic: u8,
    pub(super) workers: usize,
}

impl Roster {
    pub(super) fn new(given: Given, list: Vec<Member>) -> Arc<Self> {
        let Given { name, metrics, check, discovered, ejection, panic, workers } = given;
        let members = Members::new(list, panic, workers);
        Arc::new(Self {
            name,
            metrics,
            check,
            discovered,
            ejection,
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

    /// Takes note of how an endpoint answered a client.
    pub(super) fn answered(&self, pool: &Pool, status: u16) {
        match status {
            502..=504 => self.failed(pool),
            _ => pool.origin.health.went_well(),
        }
    }

    /// Takes note of a request that an endpoint did not answer.
    pub(super) fn not_answered(&self, pool: &Pool, failure: &Failure) {
        if is_its_fault(failure.reject) {
            self.failed(pool);
        }
    }

    #[cold]
    fn failed(&self, pool: &Pool) {
        let failures = pool.origin.health.failed();
        if self.ejection.failures != 0 && failures >= self.ejection.failures {
            self.news.notify_one();
        }
    }

    /// Leaves out who failed too often, and makes a new set if the standing of any has changed.
    pub(super) fn refresh(&self, now: Instant) {
        let _making = self.making.lock();
        let members = self.members.load();
        for member in &members.list {
            let origin = &member.endpoint.origin;
            if let Some(time) = origin.health.eject(&self.ejection, now) {
                self.metrics.ejections.inc();
                tracing::warn!(
                    upstream = &*self.name,
                    endpoint = &*origin.name,
                    failures = self.ejection.failures,
                    ?time,
                    "an endpoint failed so many requests in a row: it is left out"
                );
            }
        }
        let same = |member: &Member| member.standing == member.endpoint.origin.health.standing(now);
        if members.list.iter().all(same) {
            return;
        }
        let list = members.list.iter().map(|member| {
            let made = member.again(now);
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

    /// Takes in what sources found: the one place where endpoints come and go.
    pub(super) fn renew(&self, now: Instant) {
        let Some(discovered) = &self.discovered else { return };
        self.replace(discovered, now);
        discovered.settle();
    }

    fn replace(&self, discovered: &Discovered, now: Instant) {
        let _making = self.making.lock();
        let before = self.members.load_full();
        let list = discovered.members(&self.name, &before, now);
        let Some(changes) = Changes::between(&before.list, &list) else { return };
        let endpoints = list.len();
        tracing::info!(upstream = &*self.name, endpoints, "endpoints were found: {changes}");
        self.metrics.discovery.changes.inc();
        let made = Arc::new(Members::new(list, self.panic, self.workers));
        self.members.store(made.clone());
        let stays = |member: &Member| made.list.iter().any(|other| other.is_same(member));
        let gone = before.list.iter().filter(|member| !stays(member));
        gone.for_each(|member| member.endpoint.close());
        // Who came is asked, and who went is not.
        self.news.notify_one();
    }

    /// The endpoint to ask, once everybody was asked who knows of endpoints; nobody if that is so already, or
    /// takes as long as a connection may.
    pub(super) async fn first_found(&self, call: &Call<'_>) -> Option<Arc<Pool>> {
        let mut settled = self.discovered.as_ref()?.unsettled()?;
        let mut settling = pin!(settled.wait_for(|settled| *settled));
        let Timeouts { connect, total, .. } = call.timeout;
        let patience = total.map_or(connect, |total| total.min(connect));
        let mut deadline = Deadline::new(&call.worker.clock, patience);
        poll_fn(|cx| match settling.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => deadline.poll(cx),
        })
        .await;
        self.first(call.worker)
    }

    /// When an endpoint that is left out is to be tried again.
    pub(super) fn next_return(&self, now: Instant) -> Option<Instant> {
        let members = self.members.load();
        let until = |member: &Member| member.endpoint.origin.health.ejected_until(now);
        members.list.iter().filter_map(until).min()
    }

    /// Whether somebody has to look after it.
    pub(super) fn is_kept(&self) -> bool {
        self.check.is_some() || self.ejection.failures != 0 || self.discovered.is_some()
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
fn is_its_fault(reject: Reject) -> bool {
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
