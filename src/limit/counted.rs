//! [`Counted`]: what limits count, from one configuration to the next.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::book::Name;

/// What limits count, by limit and, where each route has its own, by route; and what was counted before.
#[derive(Debug)]
pub(super) struct Counted<T> {
    pub(super) before: BTreeMap<Name, Arc<T>>,
    pub(super) now: Mutex<BTreeMap<Name, Arc<T>>>,
    /// What is not counted now, and goes on if its limit comes back.
    absent: BTreeMap<Name, Arc<T>>,
}

impl<T> Counted<T> {
    pub(super) fn after(before: Option<&Self>) -> Self {
        let before = before.map(|before| {
            let mut all = before.absent.clone();
            all.extend(before.now.lock().clone());
            all
        });
        Self { before: before.unwrap_or_default(), now: Mutex::default(), absent: BTreeMap::new() }
    }

    /// Lets go of what was counted before, but of what is to be kept though there is no such limit now. Gives what
    /// something else counts in the place of now.
    pub(super) fn forget(&mut self, keep: impl Fn(&T) -> bool) -> Vec<(Arc<T>, Arc<T>)> {
        let now = self.now.lock();
        let mut replaced = Vec::new();
        for (name, before) in std::mem::take(&mut self.before) {
            match now.get(&name) {
                Some(now) if !Arc::ptr_eq(now, &before) => replaced.push((before, now.clone())),
                Some(_) => {}
                None if keep(&before) => drop(self.absent.insert(name, before)),
                None => {}
            }
        }
        replaced
    }

    /// What is counted now, and what goes on without a limit.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.now.lock().values().chain(self.absent.values()).cloned().collect()
    }

    /// What this limit counts: what `make` makes of what it counted before.
    pub(super) fn get(
        &self,
        (limit, route): (&str, &str),
        make: impl FnOnce(&Name, Option<&Arc<T>>) -> Arc<T>,
    ) -> Arc<T> {
        let name = (Box::from(limit), Box::from(route));
        let made = make(&name, self.before.get(&name));
        self.now.lock().entry(name).or_insert(made).clone()
    }
}
