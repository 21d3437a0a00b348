//! [`LockOut`]: those who fail again and again have to wait, each time longer.
//!
//! In: failures by address and by account, with the time as an argument. Out: how long somebody still
//! has to wait. What is counted has a bound; while nobody has failed, asking costs one load. Accounts
//! are counted whether they exist or not, or counting would tell which do.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config;

/// Parts of the table, each with a lock of its own.
const SHARDS: usize = 16;

/// Who fails and has to wait.
#[derive(Clone, Debug)]
pub(super) struct LockOut {
    attempts: u32,
    window: Duration,
    delay: Duration,
    max_delay: Duration,
    /// Entries of one shard.
    bound: usize,
    table: Arc<Table>,
}

/// What is counted; it outlives a reload.
#[derive(Debug, Default)]
pub(super) struct Table {
    hasher: RandomState,
    count: AtomicUsize,
    shards: [Mutex<HashMap<u64, Entry>>; SHARDS],
}

/// Somebody who failed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    /// Until when they have to wait.
    until: Instant,
    /// When it is forgotten.
    forget: Instant,
}

/// Who fails.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Culprit<'a> {
    /// Whoever is behind an address.
    Address(IpAddr),
    /// Whoever tries to be this account.
    Account(&'a [u8]),
}

/// Those behind an address: in IPv6, where everybody has many, its /64.
pub(super) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

impl LockOut {
    /// With what was counted `before`.
    pub(super) fn compile(settings: &config::LockOut, before: Option<&Self>) -> Self {
        let entries = usize::try_from(settings.max_entries).unwrap_or(usize::MAX);
        Self {
            attempts: settings.attempts,
            window: settings.window.0,
            delay: settings.delay.0,
            max_delay: settings.max_delay.0,
            bound: entries.div_ceil(SHARDS).max(1),
            table: before.map_or_else(Arc::default, |before| before.table.clone()),
        }
    }

    /// One that locks nobody out, and counts nothing.
    pub(super) fn never() -> Self {
        Self::compile(&config::LockOut { attempts: 0, ..config::LockOut::default() }, None)
    }

    /// How long somebody still has to wait, if at all.
    pub(super) fn wait(&self, who: Culprit<'_>, now: Instant) -> Option<Duration> {
        if self.attempts == 0 || self.table.count.load(Relaxed) == 0 {
            return None;
        }
        let (key, shard) = self.place(who);
        let until = shard.lock().get(&key)?.until;
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// Counts a failure.
    pub(super) fn failed(&self, who: Culprit<'_>, now: Instant) {
        if self.attempts == 0 {
            return;
        }
        let (key, shard) = self.place(who);
        let mut shard = shard.lock();
        let known = shard.get(&key).filter(|known| known.forget > now);
        let failures = known.map_or(0, |known| known.failures).saturating_add(1);
        if !shard.contains_key(&key) {
            self.make_room(&mut shard, now);
            self.table.count.fetch_add(1, Relaxed);
        }
        let until = now + self.delay_after(failures);
        shard.insert(key, Entry { failures, until, forget: until + self.window });
    }

    /// Forgets an account's failures: it was let in.
    pub(super) fn succeeded(&self, who: Culprit<'_>) {
        if self.table.count.load(Relaxed) == 0 {
            return;
        }
        let (key, shard) = self.place(who);
        if shard.lock().remove(&key).is_some() {
            self.table.count.fetch_sub(1, Relaxed);
        }
    }

    /// How many are counted.
    pub(super) fn entries(&self) -> usize {
        self.table.count.load(Relaxed)
    }

    fn delay_after(&self, failures: u32) -> Duration {
        match failures.checked_sub(self.attempts) {
            None => Duration::ZERO,
            Some(beyond) => {
                let times = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
                self.delay.saturating_mul(times).min(self.max_delay)
            }
        }
    }

    fn place(&self, who: Culprit<'_>) -> (u64, &Mutex<HashMap<u64, Entry>>) {
        let who = match who {
            Culprit::Address(address) => Culprit::Address(neighbourhood(address)),
            Culprit::Account(_) => who,
        };
        let key = self.table.hasher.hash_one(who);
        // The remainder is below 16.
        (key, &self.table.shards[(key % SHARDS as u64) as usize])
    }

    /// Forgets who is to be forgotten anyway, or else who would be first.
    fn make_room(&self, shard: &mut HashMap<u64, Entry>, now: Instant) {
        if shard.len() < self.bound {
            return;
        }
        let before = shard.len();
        shard.retain(|_, entry| entry.forget > now);
        if shard.len() >= self.bound
            && let Some(first) = shard.iter().min_by_key(|(_, entry)| entry.forget)
        {
            let first = *first.0;
            shard.remove(&first);
        }
        self.table.count.fetch_sub(before - shard.len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lock_out(attempts: u32, max_entries: u32) -> LockOut {
        let settings = config::LockOut { attempts, max_entries, ..config::LockOut::default() };
        LockOut::compile(&settings, None)
    }

    fn address(text: &str) -> Culprit<'static> {
        Culprit::Address(text.parse().unwrap())
    }

    #[test]
    fn each_lock_out_is_twice_as_long_up_to_a_bound() {
        let (lock_out, who, now) = (lock_out(3, 100), address("192.0.2.1"), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..15 {
            lock_out.failed(who, now);
            waits.push(lock_out.wait(who, now).unwrap_or_default().as_secs());
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(lock_out.wait(who, now + 899 * SECOND), Some(SECOND));
        assert_eq!(lock_out.wait(who, now + 900 * SECOND), None);
        assert_eq!(lock_out.wait(address("192.0.2.2"), now), None, "somebody else");
    }

    #[test]
    fn failures_are_forgotten_after_a_while_without_another() {
        let (lock_out, who, now) = (lock_out(2, 100), address("192.0.2.1"), Instant::now());
        lock_out.failed(who, now);
        lock_out.failed(who, now + 599 * SECOND);
        assert!(lock_out.wait(who, now + 599 * SECOND).is_some());
        lock_out.failed(who, now + 1200 * SECOND);
        assert_eq!(lock_out.wait(who, now + 1200 * SECOND), None, "it begins anew");
    }

    #[test]
    fn an_address_of_ipv6_is_its_64() {
        let (lock_out, now) = (lock_out(1, 100), Instant::now());
        lock_out.failed(address("2001:db8:1:2:3::1"), now);
        assert!(lock_out.wait(address("2001:db8:1:2:ffff::9"), now).is_some());
        assert!(lock_out.wait(address("2001:db8:1:3::1"), now).is_none());
        assert!(lock_out.wait(Culprit::Account(b"2001:db8:1:2::"), now).is_none());
    }

    #[test]
    fn an_account_that_was_let_in_begins_anew() {
        let (lock_out, who, now) = (lock_out(2, 100), Culprit::Account(b"alice"), Instant::now());
        lock_out.failed(who, now);
        lock_out.succeeded(who);
        assert_eq!(lock_out.entries(), 0);
        lock_out.failed(who, now);
        assert_eq!(lock_out.wait(who, now), None);
    }

    #[test]
    fn whatever_fails_the_table_keeps_its_bound_and_the_worst_stay_longest() {
        let (lock_out, now) = (lock_out(1, 160), Instant::now());
        let worst = Culprit::Account(b"worst");
        for _ in 0..8 {
            lock_out.failed(worst, now);
        }
        for number in 0..5_000_u32 {
            lock_out.failed(Culprit::Account(&number.to_be_bytes()), now);
        }
        assert_eq!(lock_out.entries(), 160);
        assert!(lock_out.wait(worst, now).is_some());
        let kept: usize = lock_out.table.shards.iter().map(|shard| shard.lock().len()).sum();
        assert_eq!(kept, 160);
    }

    #[test]
    fn zero_attempts_lock_nobody_out() {
        let (lock_out, who, now) = (lock_out(0, 100), address("192.0.2.1"), Instant::now());
        (0..50).for_each(|_| lock_out.failed(who, now));
        assert_eq!((lock_out.wait(who, now), lock_out.entries()), (None, 0));
    }

    #[test]
    fn a_reload_keeps_what_was_counted() {
        let (before, who, now) = (lock_out(1, 100), address("192.0.2.1"), Instant::now());
        before.failed(who, now);
        let settings = config::LockOut { attempts: 9, ..config::LockOut::default() };
        assert!(LockOut::compile(&settings, Some(&before)).wait(who, now).is_some());
    }
}
