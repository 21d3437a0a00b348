//! [`Memory`]: sessions in this process's memory, all that there are or those that were lately looked up.
//!
//! In: a session's digest. Out: the session, if it is there and neither over nor stale.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    super::principal::Principal,
    sessions::{Id, Limits, Moment, Record, Session},
};

/// Parts, each with a lock of its own.
const SHARDS: usize = 16;

/// A use is noted if the last one noted is so long ago, in milliseconds: not every request of a session
/// writes what the others read.
const NOTE: u64 = 1_000;

/// Sessions in this process's memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    shards: [Shard; SHARDS],
}

type Shard = Mutex<HashMap<Id, Arc<Session>>>;

impl Memory {
    /// The sessions of another one, each with the principal that is made of it anew, or without.
    pub(super) fn of(other: &Self, make: impl Fn(&Record) -> Option<Arc<Principal>>) -> Self {
        let memory = Self::default();
        for (from, to) in other.shards.iter().zip(&memory.shards) {
            let known: Vec<_> = from.lock().iter().map(|(id, it)| (*id, it.clone())).collect();
            let remade = known.into_iter().filter_map(|(id, session)| {
                let used = session.used.load(Relaxed);
                let remade = Session::new(session.record.clone(), make(&session.record)?, used);
                remade.due.store(session.due.load(Relaxed), Relaxed);
                Some((id, Arc::new(remade)))
            });
            to.lock().extend(remade);
        }
        memory
    }

    #[inline]
    pub(super) fn find(&self, id: &Id, limits: &Limits, at: Moment) -> Option<Arc<Session>> {
        let mut shard = self.shard(id).lock();
        let session = shard.get(id)?;
        if session.is_stale(at.now) || limits.is_over(session, at.wall) {
            shard.remove(id);
            return None;
        }
        if at.wall >= session.used.load(Relaxed).saturating_add(NOTE) {
            session.used.store(at.wall, Relaxed);
        }
        Some(session.clone())
    }

    pub(super) fn put(&self, id: Id, session: impl Into<Arc<Session>>, limits: &Limits, now: u64) {
        let mut shard = self.shard(&id).lock();
        let most = limits.most.div_ceil(SHARDS);
        if shard.len() >= most {
            shard.retain(|_, session| !limits.is_over(session, now));
            let idle = shard.iter().min_by_key(|(_, it)| it.used.load(Relaxed)).map(|(id, _)| *id);
            if let Some(idle) = idle.filter(|_| shard.len() >= most) {
                shard.remove(&idle);
            }
        }
        shard.insert(id, session.into());
    }

    /// Puts what was renewed in place of what was there, if it still is; it holds so long.
    pub(super) fn renew(
        &self,
        id: &Id,
        record: Record,
        who: Arc<Principal>,
        fresh: Option<Instant>,
    ) {
        if let Some(known) = self.shard(id).lock().get_mut(id) {
            let used = known.used.load(Relaxed);
            *known = Arc::new(Session { fresh, ..Session::new(record, who, used) });
        }
    }

    pub(super) fn remove(&self, id: &Id) -> Option<Arc<Session>> {
        self.shard(id).lock().remove(id)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Ends all others; how many those were.
    pub(super) fn retain(&self, keep: impl Fn(&Session) -> bool) -> usize {
        let mut gone = 0;
        for shard in &self.shards {
            let mut shard = shard.lock();
            let before = shard.len();
            shard.retain(|_, session| keep(session));
            gone += before - shard.len();
        }
        gone
    }

    fn shard(&self, id: &Id) -> &Shard {
        &self.shards[usize::from(id[0]) % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::sessions::{Sessions, Shown, Whose, id},
        *,
    };

    const LIMITS: Limits = Limits { idle: 10_000, lifetime: 60_000, most: 64 };

    fn record(sub: &str, sid: &str) -> Record {
        let Value::Object(claims) = json!({ "sub": sub, "sid": sid }) else { unreachable!() };
        let id_token = "t".into();
        Record { claims, id_token, refresh_token: None, due: None, begun: 0, end: 60_000 }
    }

    async fn with(sessions: &Sessions, cookie: &str, record: Record, now: u64) -> Shown {
        let shown = Shown::new(cookie.as_bytes());
        sessions.create(&shown, record, Arc::default(), (&LIMITS, now)).await.unwrap();
        shown
    }

    fn at(wall: u64) -> Moment {
        Moment { now: Instant::now(), wall }
    }

    fn find(sessions: &Sessions, id: &Id, wall: u64) -> Option<Arc<Session>> {
        sessions.at_hand(id, &LIMITS, at(wall))
    }

    #[tokio::test]
    async fn a_session_ends_when_it_is_idle_and_in_any_case() {
        let sessions = Sessions::Memory(Memory::default());
        let session = with(&sessions, "a", record("u", "1"), 0).await;
        let mut now = 0;
        while now + 9_000 < LIMITS.lifetime {
            now += 9_000;
            assert!(find(&sessions, &session.id, now).is_some(), "{now}");
        }
        assert!(find(&sessions, &session.id, 60_000).is_none(), "its time is over");
        assert_eq!(sessions.len(), 0);
        let session = with(&sessions, "b", record("u", "1"), 0).await;
        assert!(find(&sessions, &session.id, 10_000).is_none(), "it was idle");
        with(&sessions, "c", record("u", "1"), 0).await;
        sessions.sweep(&LIMITS, at(10_000));
        assert_eq!(sessions.len(), 0);
    }

    #[tokio::test]
    async fn when_there_are_too_many_those_idle_for_longest_end() {
        let sessions = Sessions::Memory(Memory::default());
        for number in 0..1_000 {
            with(&sessions, &number.to_string(), record("u", "1"), number).await;
        }
        assert_eq!(sessions.len(), LIMITS.most);
        assert!(find(&sessions, &id(b"999"), 1_000).is_some());
        assert!(find(&sessions, &id(b"0"), 1_000).is_none());
    }

    #[tokio::test]
    async fn a_provider_ends_one_session_or_all_of_somebody() {
        let sessions = Sessions::Memory(Memory::default());
        for (cookie, sub, sid) in
            [("a", "u", "1"), ("b", "u", "2"), ("c", "v", "3"), ("d", "v", "4")]
        {
            with(&sessions, cookie, record(sub, sid), 0).await;
        }
        let remove = async |sid, subject| sessions.remove_of(Whose { sid, subject }).await.unwrap();
        assert_eq!(remove(Some("1"), Some("v")).await, 0, "not his");
        assert_eq!(remove(Some("1"), Some("u")).await, 1);
        assert_eq!(remove(Some("3"), None).await, 1);
        assert_eq!(remove(None, Some("v")).await, 1);
        assert_eq!(sessions.len(), 1);
        assert!(find(&sessions, &id(b"b"), 1).is_some());
    }

    #[tokio::test]
    async fn one_renews_and_the_others_go_on() {
        let sessions = Sessions::Memory(Memory::default());
        let due = Record { due: Some(5_000), ..record("u", "1") };
        let session = with(&sessions, "a", due.clone(), 0).await;
        let held = find(&sessions, &session.id, 5_000).unwrap();
        assert!(held.is_due(5_000) && !held.is_due(4_999));
        assert!(held.claim(5_000, 8_000) && !held.claim(5_000, 8_000));
        assert!(!held.is_due(7_999) && held.claim(8_000, 9_000), "if nothing came of it");
        let next = Record { due: Some(20_000), ..due };
        sessions.renew(&session, next.clone(), Arc::default(), (&LIMITS, 8_000)).await.unwrap();
        assert_eq!(find(&sessions, &session.id, 8_000).unwrap().record, next);
        sessions.remove(&session).await.unwrap();
        sessions.renew(&session, next, Arc::default(), (&LIMITS, 8_000)).await.unwrap();
        assert_eq!(sessions.len(), 0, "who was logged out meanwhile stays so");
    }

    #[test]
    fn what_was_looked_up_holds_for_its_time_only() {
        let (memory, now) = (Memory::default(), Instant::now());
        let fresh = Some(now + std::time::Duration::from_secs(5));
        let session = Session { fresh, ..Session::new(record("u", "1"), Arc::default(), 0) };
        memory.put([0; 32], session, &LIMITS, 0);
        let find = |secs| {
            let now = now + std::time::Duration::from_millis(secs);
            memory.find(&[0; 32], &LIMITS, Moment { now, wall: 0 }).is_some()
        };
        assert!(find(4_999) && !find(5_000) && !find(0), "it is forgotten");
    }
}
