//! [`Tally`]: what several gateways used of a quota together, in a store that they share.
//!
//! In: what each key used at this gateway. Out: what it used at all of them, for [`Used`] to take in. No request
//! waits for it: a task beside them tells the store what is new, as often as a lease lasts, and at once where
//! little is left, and hears the sum. So a quota is exceeded by what other gateways let through meanwhile, and
//! nothing is lost while the store is away, as long as this process lives: what was not told is told later.
//!
//! What others gave back makes what is known of a key less, and nothing else does: of what others took and of what
//! they gave back the most is remembered that was heard, so an answer that comes late, or of a store that forgot,
//! frees nobody. Who is refused for what others took has the store asked again, once in a while: they may have given
//! it back since.
//!
//! What is told is the sum since a key came to be counted here, not the difference to what was told before: to
//! say it once more does no harm, and it is not known of an answer that did not come whether it was heard. A
//! key has a field for each gateway, which holds a sum of its own for each time that it came to be counted, and one
//! for all that have ended.
//!
//! Keys may be what clients choose, and each is a key of the store's until its day or month is over. So of a
//! gateway as many come there as may be known (`max-keys`), and up to twice as many of those that used much: the
//! more there are, the more a further one has to have used of its quota before it is told, and at twice as many
//! that is all of it. What it used until then the others do not hear of.

use std::{
    sync::{
        Arc, LazyLock, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::Guard;
use aws_lc_rs::rand;
use futures_util::{StreamExt, stream};
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    book::Name,
    known::{Heard, LeftOf, Own, Said, Shard},
    quota::Window,
    shared::Sharing,
    used::{Seed, Used},
};
use crate::{
    config::{Calendar, OnFailure},
    key::shard,
    metrics::LimitMetrics,
    store::{Current, Script, Store, Unavailable},
};

/// What tells the store, and hears the sum.
static TELL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("tell.lua")));

/// What takes note that a gateway ends.
static FOLD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("fold.lua")));

/// Keys that are told at the same time.
const AT_ONCE: usize = 64;

/// How long a store is told something at the end.
const LAST: Duration = Duration::from_secs(1);

/// When the store is asked again that could not be.
const LATER: Duration = Duration::from_millis(200);

/// For so many seconds it is believed of a key that is used up.
const BELIEVED: u32 = 1;

/// So long after its end a day or month is forgotten, in milliseconds: clocks differ.
const DAY: u64 = 86_400_000;

/// So many times what was not told is more than what is left: then it is told at once.
const URGENT: u64 = 8;

const SHARDS: usize = 16;

/// What is to be told to a store, and how.
#[derive(Debug)]
pub(super) struct Tally {
    limit: Name,
    /// A reload may have made another way to the same.
    store: Current,
    metrics: Arc<LimitMetrics>,
    terms: RwLock<Sharing>,
    /// Sets this process apart from others.
    gateway: u64,
    /// Sets apart the times that a key came to be counted; the later has the larger.
    number: AtomicU64,
    shards: Box<[Mutex<Shard>]>,
    /// Keys of a shard.
    most: AtomicUsize,
    /// What is used here, for what is heard.
    used: Mutex<Weak<Used>>,
    news: Arc<News>,
    /// Whether the store could not be asked lately.
    alone: AtomicBool,
    began: Instant,
    keeper: OnceLock<AbortOnDropHandle<()>>,
}

/// That something is to be told.
#[derive(Debug, Default)]
struct News {
    some: Notify,
    urgent: Notify,
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
            store: Current::new(store),
            metrics,
            terms: RwLock::new(terms),
            gateway: u64::from_be_bytes(gateway),
            number: AtomicU64::new(0),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most: of_shard(keys).into(),
            used: Mutex::default(),
            news: Arc::default(),
            alone: AtomicBool::new(false),
            began: Instant::now(),
            keeper: OnceLock::new(),
        }
    }

    /// The key of digests in this store: the same at every gateway, and nobody's who does not know its password.
    pub(super) fn seed(store: &Store) -> Seed {
        Seed::of(store.secret("quota"))
    }

    /// Whether it is where this store is.
    pub(super) fn is_in(&self, store: &Store) -> bool {
        self.store().is_same_place(store)
    }

    /// From now on so many keys may be known, and it is told like this, by this way to the store.
    pub(super) fn change(&self, keys: u32, (store, terms): (Arc<Store>, Sharing)) {
        self.most.store(of_shard(keys), Relaxed);
        self.store.change(&store);
        *self.terms.write() = terms;
    }

    /// The store.
    pub(super) fn store(&self) -> Guard<Arc<Store>> {
        self.store.load()
    }

    /// Whether the store could not be asked lately.
    pub(super) fn is_alone(&self) -> bool {
        self.alone.load(Relaxed)
    }

    /// What holds for a key while the store is away, if it is; of a cluster, the server that has the key.
    pub(super) fn fallback(&self, key: u64) -> Option<OnFailure> {
        let store = self.store();
        let alone = match store.is_up() {
            false => true,
            true if store.is_cluster() && self.alone.load(Relaxed) => {
                self.shard(key).lock().keys.get(&key).is_some_and(|own| own.alone)
            }
            true => self.alone.load(Relaxed),
        };
        alone.then(|| self.terms.read().on_failure)
    }

    /// How much of what a key used in this day or month the store does not know.
    pub(super) fn unheard(&self, key: u64, window: Window) -> u64 {
        let shard = self.shard(key).lock();
        shard
            .keys
            .get(&key)
            .filter(|own| own.window == window)
            .map_or(0, |own| (own.taken - own.told.0).saturating_sub(own.back - own.told.1))
    }

    /// How many gateways there are.
    pub(super) fn gateways(&self) -> u64 {
        self.terms.read().gateways.max(1).into()
    }

    /// Counts that it went on without the store.
    pub(super) fn count_fallback(&self) {
        self.metrics.fallbacks.inc();
    }

    /// Takes note of what a key used here in this day or month; so much is left of its quota, to anybody's knowledge.
    pub(super) fn note(&self, key: u64, window: Window, taken: u64, of: LeftOf) {
        if taken == 0 {
            return;
        }
        let mut shard = self.shard(key).lock();
        if !shard.takes_in(key, window, of, self.most.load(Relaxed)) {
            self.metrics.store_lost.inc();
            return;
        }
        let new = || Own::new(window, self.number.fetch_add(1, Relaxed));
        let own = shard.keys.entry(key).or_insert_with(new);
        if own.window < window {
            *own = new();
        }
        let news = own.is_told();
        own.taken = own.taken.saturating_add(taken);
        let urgent = (own.taken - own.told.0).saturating_mul(URGENT) > of.left;
        drop(shard);
        if news {
            self.news.some.notify_one();
        }
        if urgent {
            self.news.urgent.notify_one();
        }
    }

    /// Takes note of what was given back of that. What there was no room to note is not given back to the others
    /// either.
    pub(super) fn note_back(&self, key: u64, window: Window, back: u64) {
        let mut shard = self.shard(key).lock();
        let Some(own) = shard.keys.get_mut(&key).filter(|own| own.window == window) else { return };
        let news = own.is_told();
        own.back = own.back.saturating_add(back).min(own.taken);
        if news && !own.is_told() {
            self.news.some.notify_one();
        }
    }

    /// Has the store asked again about a key that is used up, if others took of it and that was not heard just now.
    #[cold]
    pub(super) fn ask_again(&self, key: u64, window: Window) {
        let now = self.seconds();
        let mut shard = self.shard(key).lock();
        let Some(own) = shard.keys.get_mut(&key).filter(|own| own.window == window) else { return };
        let taken = own.others.is_some_and(|(taken, back)| taken > back);
        if taken && !own.asks && now >= own.heard.saturating_add(BELIEVED) {
            own.asks = true;
            self.news.some.notify_one();
        }
    }

    /// How long it has been counting.
    fn seconds(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Tells the store from now on what is used here, on the runtime that this is called on.
    pub(super) fn start(self: &Arc<Self>, used: &Arc<Used>) {
        *self.used.lock() = Arc::downgrade(used);
        self.keeper.get_or_init(|| {
            let (tally, news) = (Arc::downgrade(self), self.news.clone());
            AbortOnDropHandle::new(tokio::spawn(keep(tally, news)))
        });
    }

    fn shard(&self, key: u64) -> &Mutex<Shard> {
        &self.shards[shard(key, SHARDS)]
    }

    /// What the store was not told, or is to be asked about.
    fn untold(&self) -> Vec<(u64, Own)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let untold = shard.keys.iter().filter(|(_, own)| own.asks || !own.is_told());
            all.extend(untold.map(|(key, own)| (*key, *own)));
        }
        all
    }

    /// The name of a key in the store.
    fn name(&self, key: u64, window: Window, calendar: Calendar) -> String {
        let (limit, route) = &self.limit;
        let place = if route.is_empty() { String::new() } else { format!("{route}:") };
        let (period, number) = (calendar.word(), window.number());
        format!("janua:quota:{limit}:{place}{period}:{number}:{key:016x}")
    }

    /// Tells the store that nothing more is told from here of what was told in this day or month.
    async fn end(&self, calendar: Calendar) {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            let Shard { keys, window, .. } = &mut *shard;
            // What is counted after this is another beginning.
            let told = keys.extract_if(|_, own| own.is_told() && own.window >= *window);
            all.extend(told.map(|(key, own)| self.name(key, own.window, calendar)));
        }
        let store = Guard::into_inner(self.store());
        let end = |name: String| {
            let store = store.clone();
            async move { store.run_in_turn::<u64>(&FOLD, &name, &[self.gateway]).await.is_ok() }
        };
        let mut ending = stream::iter(all).map(end).buffer_unordered(self.at_once());
        while ending.next().await.unwrap_or(false) {}
    }

    /// How many keys are told at the same time.
    fn at_once(&self) -> usize {
        AT_ONCE.min(self.store().max_waiting())
    }

    /// Tells the store about a key; what it says.
    async fn tell(&self, key: u64, own: Own, calendar: Calendar) -> Result<Said, Unavailable> {
        let name = self.name(key, own.window, calendar);
        let expiry = own.window.end(calendar).saturating_add(DAY);
        let arguments = [self.gateway, own.number, own.taken, own.back, expiry];
        self.metrics.fetches.inc();
        Guard::into_inner(self.store()).run_in_turn(&TELL, &name, &arguments).await
    }

    /// Takes in what the store said of a key when it was told this; what it means, if the key is still counted.
    fn hear(&self, key: u64, own: &Own, said: Said) -> Option<Heard> {
        let now = self.seconds();
        let mut shard = self.shard(key).lock();
        let Shard { keys, told, .. } = &mut *shard;
        let known = keys.get_mut(&key).filter(|known| known.number == own.number)?;
        let heard = known.hear(own, said);
        (known.heard, known.asks) = (now, false);
        match known.is_told() {
            true => *told += 1,
            false => self.news.some.notify_one(),
        }
        Some(heard)
    }

    fn lost(&self, error: &Unavailable) {
        if !self.alone.swap(true, Relaxed) {
            self.metrics.store_down.set(1);
            let (limit, store) = (&self.limit.0, &self.store().name);
            tracing::warn!(%limit, %store, %error, "the quota goes on without its store");
        }
    }

    fn found(&self) {
        if self.alone.swap(false, Relaxed) {
            self.metrics.store_down.set(0);
            tracing::info!(limit = %self.limit.0, store = %self.store().name, "the quota counts in its store again");
        }
    }
}

impl Used {
    /// Tells the store all that is new, and takes in what it says. Whether it could be told.
    async fn tell(&self, tally: &Tally) -> bool {
        let calendar = self.shape.calendar;
        let tell = |(key, own): (u64, Own)| async move {
            let told = tally.tell(key, own, calendar).await;
            if let Some(own) = tally.shard(key).lock().keys.get_mut(&key) {
                own.alone = told.is_err();
            }
            if let Ok(said) = &told
                && let Some(heard) = tally.hear(key, &own, *said)
            {
                self.learn(key, own.window, heard);
            }
            told
        };
        let untold = stream::iter(tally.untold());
        let mut telling = untold.map(tell).buffer_unordered(tally.at_once());
        let (mut some, mut lost) = (false, None);
        while let Some(told) = telling.next().await {
            some = true;
            lost = lost.or_else(|| told.err());
            // In a cluster others may be told all the same.
            let of_cluster = || {
                let store = tally.store();
                store.is_cluster() && store.down().is_none()
            };
            if lost.is_some() && !of_cluster() {
                break;
            }
        }
        match &lost {
            Some(error) => tally.lost(error),
            None if some => tally.found(),
            None => {}
        }
        lost.is_none()
    }

    /// Tells the store for the last time what is new, if it answers.
    pub(super) async fn settle(&self) {
        if let Some(tally) = &self.tally {
            // What was said before is heard before.
            tally.keeper.get().inspect(|keeper| keeper.abort());
            let last = async {
                if self.tell(tally).await {
                    tally.end(self.shape.calendar).await;
                }
            };
            // What the store does not take in time was used all the same, and nobody will know.
            let _ = timeout(LAST, last).await;
        }
    }
}

/// Tells the store what is new as long as somebody counts.
async fn keep(tally: Weak<Tally>, news: Arc<News>) {
    loop {
        news.some.notified().await;
        loop {
            let Some(tally) = tally.upgrade() else { return };
            // A reload may have put another in its place.
            let used = tally.used.lock().upgrade();
            let Some(used) = used else { return };
            let (told, lease) = (used.tell(&tally).await, tally.terms.read().lease);
            drop((used, tally));
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

/// How many keys a shard has if so many may be known.
fn of_shard(keys: u32) -> usize {
    usize::try_from(u64::from(keys).div_ceil(SHARDS as u64)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn today() -> Window {
        Window::at(Calendar::Day, 86_400_000)
    }

    fn tomorrow() -> Window {
        Window::at(Calendar::Day, 2 * 86_400_000)
    }

    /// Of a key that nothing is left of.
    const SPENT: LeftOf = LeftOf { left: 0, units: 100 };

    fn tally(keys: u32) -> Tally {
        let (section, path) = (
            config::Store { url: "unix:/nowhere".into(), ..config::Store::default() },
            config::Path::root(),
        );
        let store =
            Store::compile("s", &section, Arc::default(), &path, &mut config::Problems::new());
        let sharing = Sharing { lease: 0, on_failure: OnFailure::Local, gateways: 1 };
        let metrics = Arc::new(LimitMetrics::new(0, &[]));
        Tally::new(&("l".into(), "".into()), keys, (Arc::new(store.unwrap()), sharing), metrics)
    }

    #[test]
    fn what_there_was_no_room_to_note_is_not_given_back() {
        let tally = tally(16);
        let of = |left| LeftOf { left, units: 100 };
        // All are of one shard, which has room for one, and for one more of those that used much.
        for key in 0..3 {
            tally.note(key, today(), 5, of(95));
        }
        assert!(!tally.shards[0].lock().keys.contains_key(&2), "there is no room");
        tally.note_back(2, today(), 5);
        assert!(!tally.shards[0].lock().keys.contains_key(&2), "the others heard of nothing");
        tally.note_back(1, tomorrow(), 5);
        tally.note_back(0, today(), 3);
        tally.note_back(0, today(), 3);
        let shard = tally.shards[0].lock();
        assert_eq!((shard.keys[&1].back, shard.keys[&0].back), (0, 5), "never more than it took");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_used_up_is_asked_about_again_if_others_took_of_it() {
        let tally = tally(100);
        tally.note(1, today(), 5, SPENT);
        tally.ask_again(1, today());
        let asks = || tally.untold().iter().filter(|(_, own)| own.asks).count();
        assert_eq!(asks(), 0, "it was not told yet");
        for (others, asked) in [(0, 0), (3, 1)] {
            for (key, own) in tally.untold() {
                tally.hear(key, &own, (others, 0, 5));
            }
            tally.ask_again(1, today());
            assert_eq!(asks(), 0, "it was heard just now");
            tokio::time::advance(Duration::from_secs(2)).await;
            tally.ask_again(1, tomorrow());
            tally.ask_again(2, today());
            assert_eq!(asks(), 0);
            tally.ask_again(1, today());
            assert_eq!(asks(), asked, "{others}");
            tally.note(1, today(), 1, SPENT);
        }
    }
}
