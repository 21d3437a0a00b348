//! [`Current`]: a store to somebody who keeps it over reloads.
//!
//! In: another way to the same store, as a reload makes it. Out: the way to ask by: the one before, as long as it
//! is up and the new one only begins. So what asks all the time does not do without the store for that.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::Store;

/// So long a new way is waited for; to connect takes no longer than its own time for that.
const LONGEST: Duration = Duration::from_secs(60);

/// The way to a store.
#[derive(Debug)]
pub struct Current {
    now: ArcSwap<Store>,
    before: Arc<Before>,
}

/// The way before, as long as it is asked by.
#[derive(Debug, Default)]
struct Before {
    some: AtomicBool,
    /// That way, and the one that is waited for.
    way: Mutex<Option<(Arc<Store>, Arc<Store>)>>,
}

impl Current {
    /// The first way.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { now: ArcSwap::new(store), before: Arc::default() }
    }

    /// The way to ask by.
    #[inline]
    pub fn load(&self) -> Guard<Arc<Store>> {
        // This first: who sees the new one sees that there is one before.
        let now = self.now.load();
        if self.before.some.load(Relaxed)
            && let Some((before, _)) = &*self.before.way.lock()
        {
            return Guard::from_inner(before.clone());
        }
        now
    }

    /// From now on it is asked by this way, once it is known whether there is one, on the runtime that this is called
    /// on.
    pub fn change(&self, store: &Arc<Store>) {
        let known = self.now.load_full();
        if Arc::ptr_eq(&known, store) {
            return;
        }
        let waits = self.before.keep(known, store);
        self.now.store(store.clone());
        if waits {
            let (before, store) = (self.before.clone(), store.clone());
            tokio::spawn(async move {
                let _ = store.connected(LONGEST).await;
                before.let_go(&store);
            });
        }
    }
}

impl Before {
    /// Keeps the one that was known, or, if that has not come up itself, the one before that; says whether one is up.
    fn keep(&self, known: Arc<Store>, next: &Arc<Store>) -> bool {
        let mut way = self.way.lock();
        let earlier = way.take().map(|(before, _)| before);
        let up = if known.is_up() { Some(known) } else { earlier };
        *way = up.map(|before| (before, next.clone()));
        self.some.store(way.is_some(), Relaxed);
        way.is_some()
    }

    /// What is waited for has come, or does not; unless it is another by now.
    fn let_go(&self, came: &Arc<Store>) {
        let mut way = self.way.lock();
        if way.as_ref().is_some_and(|(_, next)| Arc::ptr_eq(next, came)) {
            self.some.store(false, Relaxed);
            *way = None;
        }
    }
}
