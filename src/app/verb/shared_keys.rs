//! [`Shared`]: API keys in a store, for `janua key`: the configuration says where the store is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::key::table;
use crate::{
    app::cli::KeyStore,
    auth::{store_key, stored_keys},
    config::{Config, Key, Path, Problems},
    metrics::StoreMetrics,
    store::Store,
};

/// How long a store may take to answer: nobody waits but whoever typed this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keys in a store.
pub(super) struct Shared {
    store: Store,
    prefix: String,
    runtime: tokio::runtime::Runtime,
}

impl Shared {
    /// Finds the store that is meant, and connects.
    pub(super) fn find(wanted: &KeyStore) -> Result<Self, String> {
        let loaded = wanted.config.source().load().map_err(|report| report.text(false))?;
        let name = wanted.store.as_deref().unwrap_or_default();
        let prefix = prefix(&loaded.config, name, wanted.prefix.as_deref())?;
        let section = loaded.config.store.get(name);
        let mut section =
            section.ok_or_else(|| format!("the configuration has no `[store.{name}]`"))?.clone();
        section.timeout = PATIENCE.max(section.timeout.0).into();
        let (at, mut problems) = (Path::root().key("store").key(name.to_owned()), Problems::new());
        let metrics = Arc::<StoreMetrics>::default();
        let store = Store::compile(name, &section, metrics, &at, &mut problems);
        let store = store.ok_or_else(|| loaded.report(problems).text(false))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime
            .block_on(async {
                store.start();
                store.connected(PATIENCE).await
            })
            .map_err(|error| format!("the store `{name}`: {error}"))?;
        Ok(Self { store, prefix, runtime })
    }

    /// Adds a key.
    pub(super) fn add(&self, key: &Key) -> Result<(), String> {
        self.runtime.block_on(store_key(&self.store, &self.prefix, key))
    }

    /// The keys, for people.
    pub(super) fn list(&self) -> Result<String, String> {
        self.runtime.block_on(stored_keys(&self.store, &self.prefix)).map(table)
    }

    /// Revokes a key.
    pub(super) fn revoke(&self, id: &str) -> Result<String, String> {
        let keys = self.runtime.block_on(stored_keys(&self.store, &self.prefix))?;
        let mut found = false;
        for mut key in keys.into_iter().filter(|key| key.id == id) {
            (found, key.revoked) = (true, true);
            self.add(&key)?;
        }
        match found {
            true => Ok(String::new()),
            false => Err(format!("there is no key `{id}` in the store `{}`", self.store.name)),
        }
    }
}

/// What keys' names begin with: as asked for, or as the sections say that use the store.
fn prefix(config: &Config, store: &str, wanted: Option<&str>) -> Result<String, String> {
    if let Some(wanted) = wanted {
        return Ok(wanted.to_owned());
    }
    let sections = config.auth.values().filter_map(|auth| auth.api_key.as_ref());
    let uses = sections.filter(|keys| keys.store.as_deref() == Some(store));
    let prefixes: BTreeSet<_> = uses.map(|keys| &keys.prefix).collect();
    match prefixes.into_iter().collect::<Vec<_>>()[..] {
        [] => Err(format!("no `[auth.NAME]` has its keys in `[store.{store}]`; say `--prefix`")),
        [one] => Ok(one.clone()),
        _ => Err(format!("several sections share `[store.{store}]`; say `--prefix`")),
    }
}
