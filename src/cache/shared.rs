//! [`Shared`]: purges that several gateways carry out, through a store.
//!
//! In: what is purged here, and the list in the store. Out: the same at every gateway, within a moment. It is a
//! list and not a channel, so that whoever was cut off hears of what it missed; if that is more than the list
//! holds, or is not known, nothing that was kept before is given any more.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::task::AbortOnDropHandle;

use super::{Memory, ban::Reach, purge::Purge};
use crate::store::{Store, Unavailable};

const LIST: &str = "janua:cache:purges";

/// Purges that the list holds, about.
const MOST: usize = 10_000;

/// So many are read at a time.
const STEP: usize = 500;

/// How often the list is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Purges that several gateways carry out.
#[derive(Debug)]
pub struct Shared {
    store: Arc<Store>,
    /// By which a gateway knows its own words.
    by: String,
    follower: OnceLock<AbortOnDropHandle<()>>,
}

impl Shared {
    /// Purges that go through this store.
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, by: format!("{:016x}", fastrand::u64(..)), follower: OnceLock::new() }
    }

    /// Whether they go through this store.
    pub(super) fn is_through(&self, store: &Arc<Store>) -> bool {
        Arc::ptr_eq(&self.store, store)
    }

    /// Begins to listen, on the runtime that this is called on, for as long as this lives.
    pub(super) fn start(&self, memory: &Arc<Memory>) {
        self.follower.get_or_init(|| {
            let follower = follow(self.store.clone(), self.by.clone(), memory.clone());
            AbortOnDropHandle::new(tokio::spawn(follower))
        });
    }

    /// Tells the others.
    ///
    /// # Errors
    /// They may or may not hear of it.
    pub async fn tell(&self, purge: &Purge) -> Result<(), Unavailable> {
        let [what, soft] = purge.words();
        self.store.append(LIST, &[("by", &self.by), what, soft], MOST).await
    }
}

/// What an entry of the list says, and by whom; nothing if it is not one of these.
fn read(entry: &[(String, String)]) -> Option<(&str, Purge)> {
    let value = |name: &str| entry.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    Some((value("by")?, Purge::read(|name| value(name).map(Cow::Borrowed))?))
}

async fn follow(store: Arc<Store>, by: String, memory: Arc<Memory>) {
    let purge = async |purge: Purge| {
        let memory = memory.clone();
        // It may have to wait for a disk.
        let purged = tokio::task::spawn_blocking(move || {
            // If there is no room for one more, for one that says less.
            memory.purge(purge).or_else(|_| memory.purge(all()))
        });
        let _ = purged.await;
    };
    let mut at = None;
    let mut missed = false;
    loop {
        let Some(last) = &at else {
            // What was purged before this gateway kept anything does not concern it.
            match store.last(LIST).await {
                Ok(last) => {
                    // It does what is on a disk from before.
                    let last = last.filter(|_| memory.disk().is_none());
                    at = Some(last.unwrap_or_else(|| "0".into()));
                    if missed {
                        purge(all()).await;
                    }
                }
                Err(_) => missed = true,
            }
            tokio::time::sleep(EVERY).await;
            continue;
        };
        let read_on = store.after(LIST, last, STEP).await;
        let Ok(entries) = read_on else {
            tokio::time::sleep(EVERY).await;
            continue;
        };
        if !entries.is_empty() {
            match store.first(LIST).await {
                // The list has lost what lies between.
                Ok(Some(first)) if last != "0" && is_later(&first, last) => purge(all()).await,
                Ok(_) => {}
                Err(_) => continue,
            }
        }
        let full = entries.len() == STEP;
        for (id, entry) in entries {
            if let Some((whose, said)) = read(&entry)
                && whose != by
            {
                purge(said).await;
            }
            at = Some(id);
        }
        if !full {
            tokio::time::sleep(EVERY).await;
        }
    }
}

const fn all() -> Purge {
    Purge { reach: Reach::All, soft: false }
}

/// Whether an entry came after another one: `MILLISECONDS-NUMBER`.
fn is_later(one: &str, other: &str) -> bool {
    let parts = |id: &str| {
        let (time, number) = id.split_once('-').unwrap_or((id, "0"));
        (time.parse::<u64>().unwrap_or(0), number.parse::<u64>().unwrap_or(0))
    };
    parts(one) > parts(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_heard() {
        for reach in [
            Reach::Url("http://a/x?y".into()),
            Reach::Prefix("http://a/".into()),
            Reach::Host("a".into()),
            Reach::Tag("news".into()),
            Reach::All,
        ] {
            for soft in [false, true] {
                let purge = Purge { reach: reach.clone(), soft };
                let [what, soft] = purge.words();
                let entry = [("by", "me"), what, soft];
                let entry = entry.map(|(key, value)| (key.to_owned(), value.to_owned()));
                assert_eq!(read(&entry), Some(("me", purge)));
            }
        }
        assert_eq!(read(&[("by".into(), "me".into())]), None);
    }

    #[test]
    fn entries_are_in_the_order_of_time_and_number() {
        for (one, other, later) in [
            ("2-0", "1-9", true),
            ("1-10", "1-9", true),
            ("1-9", "1-9", false),
            ("10-0", "9-0", true),
            ("0", "1-0", false),
        ] {
            assert_eq!(is_later(one, other), later, "{one} {other}");
        }
    }
}
