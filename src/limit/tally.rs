//! [`Tally`]: what several gateways used of a quota together, in a store that they share.
//!
//! In: what each key used at this gateway. Out: what it used at all of them, for [`Used`] to take in. No request
//! waits for it: a task beside them tells the store what is new, as often as a lease lasts, and at once where
//! little is left, and hears the sum. So a quota is exceeded by what other gateways let through meanwhile, and
//! nothing is lost while the store is away, as long as this process lives: what was not told is told later.
//!
//! What is told is the sum since a key came to be counted here, not the difference to what was told before: to
//! say it once more does no harm, and it is not known of an answer that did not come whether it was heard. A
//! key has a field of its own for each gateway, and a new one when it was forgotten meanwhile.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, LazyLock, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_lc_rs::rand;
use futures_util::{StreamExt, stream};
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    book::Name,
    quota::Window,
    shared::Sharing,
    used::{Seed, Used},
};
use crate::{
    config::{Calendar, OnFailure},
    metrics::LimitMetrics,
    store::{Script, Store, Unavailable},
};

/// What tells the store, and hears the sum.
static TELL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("tell.lua")));

/// Keys that are told at the same time.
const AT_ONCE: usize = 64;

/// When the store is asked again that could not be.
const LATER: Duration = Duration::from_millis(200);

/// So long after its end a day or month is forgotten, in milliseconds: clocks differ.
const DAY: u64 = 86_400_000;

/// So many times what was not told is more than what is left: then it is told at once.
const URGENT: u64 = 8;

const SHARDS: u64 = 16;

/// What is to be told to a store, and how.
#[derive(Debug)]
pub(super) struct Tally {
    limit: Name,
    store: Arc<Store>,
    metrics: Arc<LimitMetrics>,
    terms: RwLock<Sharing>,
    /// Sets this process apart from others.
    gateway: u64,
    /// Sets apart what one key was counted under.
    number: AtomicU64,
    shards: Box<[Mutex<HashMap<u64, Own>>]>,
    /// Keys of a shard.
    most: usize,
    news: Arc<News>,
    /// Whether the store could not be asked lately.
    alone: AtomicBool,
    keeper: OnceLock<AbortOnDropHandle<()>>,
}

/// That something is to be told.
#[derive(Debug, Default)]
struct News {
    some: Notify,
    urgent: Notify,
}

/// What a key used here.
#[derive(Clone, Copy, Debug)]
struct Own {
    window: Window,
    number: u64,
    taken: u64,
    back: u64,
    /// What the store knows of both.
    told: (u64, u64),
}

impl Own {
    const fn is_told(&self) -> bool {
        self.taken == self.told.0 && self.back == self.told.1
    }
}

impl Tally {
    pub(super) fn new(
        limit: &Name,
        keys: u32,
        (store, terms): (Arc<Store>, Sharing),
        metrics: Arc<LimitMetrics>,
    ) -> Self {
        let mut gateway = [0; 8];
        // Without random numbers two gateways may be taken for one, and the system has greater worries.
        let _ = rand::fill(&mut gateway);
        Self {
            limit: limit.clone(),
            store,
            metrics,
            terms: RwLock::new(terms),
            gateway: u64::from_be_bytes(gateway),
            number: AtomicU64::new(0),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most: usize::try_from(u64::from(keys).div_ceil(SHARDS)).unwrap_or(usize::MAX),
            news: Arc::default(),
            alone: AtomicBool::new(false),
            keeper: OnceLock::new(),
        }
    }

    /// The key of digests in this store: the same at every gateway, and nobody's who does not know its password.
    pub(super) fn seed(store: &Store) -> Seed {
        Seed::of(store.secret("quota"))
    }

    /// Whether it is in this store.
    pub(super) fn is_in(&self, store: &Arc<Store>) -> bool {
        Arc::ptr_eq(&self.store, store)
    }

    /// From now on it is told like this.
    pub(super) fn change(&self, terms: Sharing) {
        *self.terms.write() = terms;
    }

    /// The store's name.
    pub(super) fn store(&self) -> &str {
        &self.store.name
    }

    /// What holds while the store is away, if it is.
    pub(super) fn fallback(&self) -> Option<OnFailure> {
        let alone = self.alone.load(Relaxed) || !self.store.is_up();
        alone.then(|| {
            self.metrics.fallbacks.inc();
            self.terms.read().on_failure
        })
    }

    /// Takes note of what a key used here in this day or month, and what was given back; so much is left of its
    /// quota.
    pub(super) fn note(&self, key: u64, window: Window, (taken, back): (u64, u64), left: u64) {
        let mut shard = self.shard(key).lock();
        let full = shard.len() >= self.most && !shard.contains_key(&key);
        if full {
            // What the store knows need not be known here.
            shard.retain(|_, own| !own.is_told());
        }
        let room = shard.len() < self.most;
        let new = || Own {
            window,
            number: self.number.fetch_add(1, Relaxed),
            taken: 0,
            back: 0,
            told: (0, 0),
        };
        let own = match shard.entry(key) {
            Entry::Occupied(own) => own.into_mut(),
            Entry::Vacant(place) if room => place.insert(new()),
            Entry::Vacant(_) => {
                self.metrics.store_lost.inc();
                return;
            }
        };
        if own.window < window {
            *own = new();
        }
        let news = own.is_told();
        own.taken = own.taken.saturating_add(taken);
        own.back = own.back.saturating_add(back);
        let urgent = (own.taken - own.told.0).saturating_mul(URGENT) > left;
        drop(shard);
        if news {
            self.news.some.notify_one();
        }
        if urgent {
            self.news.urgent.notify_one();
        }
    }

    /// Begins to tell the store, on the runtime that this is called on.
    pub(super) fn start(&self, used: &Arc<Used>) {
        self.keeper.get_or_init(|| {
            let (used, news) = (Arc::downgrade(used), self.news.clone());
            AbortOnDropHandle::new(tokio::spawn(keep(used, news)))
        });
    }

    fn shard(&self, key: u64) -> &Mutex<HashMap<u64, Own>> {
        // The remainder is below 16.
        &self.shards[(key % SHARDS) as usize]
    }

    /// What the store was not told.
    fn untold(&self) -> Vec<(u64, Own)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let untold = shard.iter().filter(|(_, own)| !own.is_told());
            all.extend(untold.map(|(key, own)| (*key, *own)));
        }
        all
    }

    /// Tells the store about a key; what all gateways used.
    async fn tell(&self, key: u64, own: Own, calendar: Calendar) -> Result<u64, Unavailable> {
        let (limit, route) = &self.limit;
        let place = if route.is_empty() { String::new() } else { format!("{route}:") };
        let (period, number) = (calendar.word(), own.window.number());
        let name = format!("janua:quota:{limit}:{place}{period}:{number}:{key:016x}");
        let expiry = own.window.end(calendar).saturating_add(DAY);
        let arguments = [self.gateway, own.number, own.taken, own.back, expiry];
        self.metrics.fetches.inc();
        self.store.run(&TELL, &name, &arguments).await
    }

    fn lost(&self, error: &Unavailable) {
        if !self.alone.swap(true, Relaxed) {
            self.metrics.store_down.set(1);
            let (limit, store) = (&self.limit.0, self.store());
            tracing::warn!(%limit, %store, %error, "the quota goes on without its store");
        }
    }

    fn found(&self) {
        if self.alone.swap(false, Relaxed) {
            self.metrics.store_down.set(0);
            tracing::info!(limit = %self.limit.0, store = %self.store(), "the quota counts in its store again");
        }
    }
}

impl Used {
    /// Tells the store all that is new, and takes in what it says. Whether it could be told.
    async fn tell(&self, tally: &Tally) -> bool {
        let calendar = self.shape.calendar;
        let tell = |(key, own): (u64, Own)| async move {
            let told = tally.tell(key, own, calendar).await;
            if let Ok(sum) = &told {
                let mut shard = tally.shard(key).lock();
                let now = shard.get_mut(&key).filter(|now| now.number == own.number);
                let since = now.map_or(0, |now| {
                    now.told = (own.taken, own.back);
                    if !now.is_told() {
                        tally.news.some.notify_one();
                    }
                    (now.taken - own.taken).saturating_sub(now.back - own.back)
                });
                self.learn(key, own.window, sum.saturating_add(since));
            }
            told
        };
        let mut telling = stream::iter(tally.untold()).map(tell).buffer_unordered(AT_ONCE);
        while let Some(told) = telling.next().await {
            match told {
                Ok(_) => tally.found(),
                Err(error) => {
                    tally.lost(&error);
                    return false;
                }
            }
        }
        true
    }
}

/// Tells the store what is new as long as somebody counts.
async fn keep(used: Weak<Used>, news: Arc<News>) {
    loop {
        news.some.notified().await;
        loop {
            let Some(used) = used.upgrade() else { return };
            let Some(tally) = &used.tally else { return };
            let (told, lease) = (used.tell(tally).await, tally.terms.read().lease);
            drop(used);
            match told {
                true => {
                    let lease = Duration::from_nanos(lease);
                    // What is urgent and no news was told meanwhile.
                    let _ = timeout(lease, news.urgent.notified()).await;
                    break;
                }
                false => sleep(LATER).await,
            }
        }
    }
}
