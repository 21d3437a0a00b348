//! [`Registry`]: the series of one snapshot, by name.
//!
//! In: the names of a new configuration and the registry of the old one. Out: for each name an `Arc`
//! that the data plane keeps beside the thing it counts. A name that stays keeps its `Arc`, so its
//! counts go on; a name that goes takes its series along, and no other series moves. Requests that
//! still run on a retired snapshot count on in the same place as long as the name is there.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    AuthMetrics, CacheMetrics, Counters, Gauge, Labels, LimitMetrics, ListenerMetrics,
    MirrorMetrics, OperationMetrics, ProcessMetrics, QuotaMetrics, RouteMetrics, StoreMetrics,
    UpstreamMetrics,
    operation::{self, Operations},
};

/// The name under which requests count that no route takes.
pub const NO_ROUTE: &str = "-";

/// Things by name. Since a name is there once, so is its series.
pub type Named<T> = BTreeMap<Box<str>, Arc<T>>;

/// The series of one snapshot.
#[derive(Debug)]
pub struct Registry {
    pub(super) process: Arc<ProcessMetrics>,
    pub(super) listeners: Named<ListenerMetrics>,
    pub(super) routes: Named<RouteMetrics>,
    /// By the names of their routes.
    pub(super) mirrors: Named<MirrorMetrics>,
    /// By the names of their routes.
    pub(super) caches: Named<CacheMetrics>,
    pub(super) upstreams: Named<UpstreamMetrics>,
    /// What access lists only reported, by reason.
    pub(super) access: Named<Counters>,
    pub(super) auths: Named<AuthMetrics>,
    pub(super) stores: Named<StoreMetrics>,
    pub(super) limits: Named<LimitMetrics>,
    /// Operations of GraphQL.
    pub(super) operations: Operations,
    /// Clients that did not keep within their limits.
    pub(super) bad_standing: Arc<Gauge>,
    pub(super) quotas: Arc<QuotaMetrics>,
    /// When each certificate ends, in seconds since 1970.
    pub(super) certificates: BTreeMap<Box<str>, i64>,
}

impl Registry {
    /// What counts for the whole process.
    pub fn process(&self) -> &ProcessMetrics {
        &self.process
    }

    /// Says how many keys of a limit owe something, and how many used something of a quota.
    pub fn limit_keys(&self, limit: &str, owing: usize, used: usize) {
        if let Some(limit) = self.limits.get(limit) {
            limit.keys.set(i64::try_from(owing).unwrap_or(i64::MAX));
            limit.quota_keys.set(i64::try_from(used).unwrap_or(i64::MAX));
        }
    }

    /// Says how many clients did not keep within their limits lately.
    pub fn limit_clients(&self, clients: usize) {
        self.bad_standing.set(i64::try_from(clients).unwrap_or(i64::MAX));
    }
}

/// A registry while its snapshot is compiled. If that fails it is dropped, and nothing has changed.
#[derive(Debug)]
pub struct Loading<'a> {
    previous: Option<&'a Registry>,
    workers: usize,
    reasons: Labels,
    next: Registry,
}

impl<'a> Loading<'a> {
    /// The first registry of a process that started at `started`, in seconds since 1970.
    pub fn first(workers: usize, reasons: Labels, started: i64) -> Self {
        Self::new(None, workers, reasons, Arc::new(ProcessMetrics::new(started)))
    }

    /// The one after `previous`. `workers` may differ: what is kept counts right with any number.
    pub fn after(previous: &'a Registry, workers: usize, reasons: Labels) -> Self {
        Self::new(Some(previous), workers, reasons, Arc::clone(&previous.process))
    }

    fn new(
        previous: Option<&'a Registry>,
        workers: usize,
        reasons: Labels,
        process: Arc<ProcessMetrics>,
    ) -> Self {
        let next = Registry {
            process,
            listeners: Named::new(),
            routes: Named::new(),
            mirrors: Named::new(),
            caches: Named::new(),
            upstreams: Named::new(),
            access: Named::new(),
            auths: Named::new(),
            stores: Named::new(),
            limits: Named::new(),
            operations: Operations::new(),
            bad_standing: previous
                .map(|previous| previous.bad_standing.clone())
                .unwrap_or_default(),
            quotas: previous.map(|previous| previous.quotas.clone()).unwrap_or_default(),
            certificates: BTreeMap::new(),
        };
        let mut loading = Self { previous, workers, reasons, next };
        loading.route(NO_ROUTE);
        loading
    }

    /// The counts of the listener with this name.
    pub fn listener(&mut self, name: &str) -> Arc<ListenerMetrics> {
        let old = self.previous.map(|previous| &previous.listeners);
        keep(&mut self.next.listeners, old, name, || {
            ListenerMetrics::new(self.workers, self.reasons)
        })
    }

    /// The counts of the route with this name; those of no route are under [`NO_ROUTE`].
    pub fn route(&mut self, name: &str) -> Arc<RouteMetrics> {
        let old = self.previous.map(|previous| &previous.routes);
        let make = || RouteMetrics::new(self.workers, self.reasons);
        keep(&mut self.next.routes, old, name, make)
    }

    /// The counts of the copies of the requests of the route with this name.
    pub fn mirror(&mut self, route: &str) -> Arc<MirrorMetrics> {
        let old = self.previous.map(|previous| &previous.mirrors);
        keep(&mut self.next.mirrors, old, route, || MirrorMetrics::new(self.workers))
    }

    /// The counts of what is kept for the route with this name; `reasons` are those for which answers are not.
    pub fn cache(&mut self, route: &str, reasons: Labels) -> Arc<CacheMetrics> {
        let old = self.previous.map(|previous| &previous.caches);
        keep(&mut self.next.caches, old, route, || CacheMetrics::new(self.workers, reasons))
    }

    /// The counts of the upstream with this name.
    pub fn upstream(&mut self, name: &str) -> Arc<UpstreamMetrics> {
        let old = self.previous.map(|previous| &previous.upstreams);
        let make = || UpstreamMetrics::new(self.workers, self.reasons);
        keep(&mut self.next.upstreams, old, name, make)
    }

    /// The counts of what the access list with this name only reported.
    pub fn access(&mut self, name: &str) -> Arc<Counters> {
        let old = self.previous.map(|previous| &previous.access);
        keep(&mut self.next.access, old, name, || Counters::new(self.reasons, self.workers))
    }

    /// The counts of the way to identify with this name.
    pub fn auth(&mut self, name: &str) -> Arc<AuthMetrics> {
        let old = self.previous.map(|previous| &previous.auths);
        keep(&mut self.next.auths, old, name, AuthMetrics::default)
    }

    /// The counts of the store with this name.
    pub fn store(&mut self, name: &str) -> Arc<StoreMetrics> {
        let old = self.previous.map(|previous| &previous.stores);
        keep(&mut self.next.stores, old, name, StoreMetrics::default)
    }

    /// The counts of the limit with this name.
    pub fn limit(&mut self, name: &str) -> Arc<LimitMetrics> {
        let old = self.previous.map(|previous| &previous.limits);
        let make = || LimitMetrics::new(self.workers, self.reasons);
        keep(&mut self.next.limits, old, name, make)
    }

    /// The counts of an operation of an API that speaks GraphQL.
    pub fn operation(&mut self, api: &str, id: &str) -> Arc<OperationMetrics> {
        let old = self.previous.map(|previous| &previous.operations);
        let make = || OperationMetrics::new(self.workers);
        operation::keep(&mut self.next.operations, old, (api, id), make)
    }

    /// The counts of what is done to keep what quotas count.
    pub fn quotas(&self) -> Arc<QuotaMetrics> {
        self.next.quotas.clone()
    }

    /// Says when a certificate with this name ends, in seconds since 1970. Of several that ends first which is told.
    pub fn certificate(&mut self, name: &str, expiry: i64) {
        let first = self.next.certificates.entry(name.into()).or_insert(expiry);
        *first = expiry.min(*first);
    }

    /// The registry, complete.
    pub fn finish(self) -> Registry {
        self.next
    }
}

/// The one with this name: already in `new`, else from `old`, else made.
pub(super) fn keep<T>(
    new: &mut Named<T>,
    old: Option<&Named<T>>,
    name: &str,
    make: impl FnOnce() -> T,
) -> Arc<T> {
    let kept = || old.and_then(|old| old.get(name)).map(Arc::clone);
    let entry = new.entry(name.into());
    Arc::clone(entry.or_insert_with(|| kept().unwrap_or_else(|| Arc::new(make()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stays_keeps_its_counts_and_one_that_goes_takes_them_along() {
        let mut loading = Loading::first(2, &[], 0);
        let (stays, goes) = (loading.route("stays"), loading.route("goes"));
        let first = loading.finish();

        let mut loading = Loading::after(&first, 8, &[]);
        assert!(Arc::ptr_eq(&loading.route("stays"), &stays));
        assert!(Arc::ptr_eq(&loading.route("stays"), &stays), "asked twice, there once");
        let fresh = loading.route("fresh");
        let second = loading.finish();
        assert_eq!(
            second.routes.keys().map(|name| &**name).collect::<Vec<_>>(),
            [NO_ROUTE, "fresh", "stays"]
        );

        let mut loading = Loading::after(&second, 8, &[]);
        assert!(!Arc::ptr_eq(&loading.route("goes"), &goes), "it starts from nothing");
        assert!(Arc::ptr_eq(&loading.route("fresh"), &fresh));
        assert!(Arc::ptr_eq(&loading.finish().process, &first.process));
    }
}
