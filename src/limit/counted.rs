//! [`Counted`]: what limits count, from one configuration to the next.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::book::Name;

/// What limits count, by limit and, where each route has its own, by route; and what was counted before.
#[derive(Debug)]
pub(super) struct Counted<T> {
    pub(super) before: BTreeMap<Name, Arc<T>>,
    pub(super) now: Mutex<BTreeMap<Name, Arc<T>>>,
}

impl<T> Counted<T> {
    pub(super) fn after(before: Option<&Self>) -> Self {
        let before = before.map(|before| before.now.lock().clone());
        Self { before: before.unwrap_or_default(), now: Mutex::default() }
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
