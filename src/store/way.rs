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
    way: Mutex<Option<Arc<Store>>>,
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
        if self.before.some.load(Relaxed)
            && let Some(before) = self.before.way.lock().clone()
        {
            return Guard::from_inner(before);
        }
        self.now.load()
    }

    /// From now on it is asked by this way, once it is known whether there is one, on the runtime that this is called
    /// on.
    pub fn change(&self, store: &Arc<Store>) {
        let before = self.now.swap(store.clone());
        if Arc::ptr_eq(&before, store) || !before.is_up() {
            return;
        }
        *self.before.way.lock() = Some(before);
        self.before.some.store(true, Relaxed);
        let (before, store) = (self.before.clone(), store.clone());
        tokio::spawn(async move {
            let _ = store.connected(LONGEST).await;
            before.some.store(false, Relaxed);
            before.way.lock().take();
        });
    }
}
