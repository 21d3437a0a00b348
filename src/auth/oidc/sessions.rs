//! [`Sessions`]: who is logged in, by the digest of the cookie that says so.
//!
//! In: a digest, and what a login came to. Out: the session, with its principal made once. A session ends
//! when nobody used it for a while, after its time in any case, and when there are too many. What cannot
//! be answered from this process's memory is asked by the functions that may wait; all of it goes through
//! [`Sessions`], so that a shared store is a variant beside [`Memory`]: [`Record`] is what it would keep.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::principal::Principal;
use crate::reject::Reject;

/// The SHA-256 of a session's cookie.
pub(super) type Id = [u8; 32];

/// Parts, each with a lock of its own.
const SHARDS: usize = 16;

/// A use is noted if the last one noted is so long ago, in milliseconds: not every request of a session
/// writes what the others read.
const NOTE: u64 = 1_000;

/// The session of a cookie.
pub(super) fn id(cookie: &[u8]) -> Id {
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, cookie).as_ref());
    id
}

/// What a login came to, and what is needed to go on with it. Times are milliseconds since 1970.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Record {
    /// What the provider says of the user.
    pub(super) claims: Map<String, Value>,
    /// The ID token, for the provider's logout.
    pub(super) id_token: String,
    /// What renews the claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    /// When they are to be renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<u64>,
    /// When the login was.
    pub(super) begun: u64,
}

impl Record {
    /// The value of a claim that is a text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }
}

/// Somebody who is logged in.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) record: Record,
    pub(super) who: Arc<Principal>,
    /// When it was used last.
    used: AtomicU64,
    due: AtomicU64,
}

impl Session {
    fn new(record: Record, who: Arc<Principal>, used: u64) -> Self {
        let due = AtomicU64::new(record.due.unwrap_or(u64::MAX));
        Self { record, who, used: AtomicU64::new(used), due }
    }

    /// Whether its claims are to be renewed.
    #[inline]
    pub(super) fn is_due(&self, now: u64) -> bool {
        now >= self.due.load(Relaxed)
    }

    /// Takes it on oneself to renew them; nobody else does before `again`.
    pub(super) fn claim(&self, now: u64, again: u64) -> bool {
        let due = self.due.load(Relaxed);
        now >= due && self.due.compare_exchange(due, again, Relaxed, Relaxed).is_ok()
    }
}

/// How long sessions live, in milliseconds, and how many there are at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) idle: u64,
    pub(super) lifetime: u64,
    pub(super) most: usize,
}

impl Limits {
    #[inline]
    fn is_over(&self, session: &Session, now: u64) -> bool {
        now >= session.record.begun.saturating_add(self.lifetime)
            || now >= session.used.load(Relaxed).saturating_add(self.idle)
    }
}

/// Which sessions a provider ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) sid: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
}

impl Whose<'_> {
    fn is(&self, record: &Record) -> bool {
        let fits = |wanted: Option<&str>, claim| wanted.is_none() || record.text(claim) == wanted;
        fits(self.sid, "sid") && fits(self.subject, "sub")
    }
}

/// Who is logged in.
#[derive(Debug)]
pub(super) enum Sessions {
    /// In this process's memory.
    Memory(Memory),
}

impl Sessions {
    /// The session, if that can be said without waiting; none if it is over.
    #[inline]
    pub(super) fn at_hand(&self, id: &Id, limits: &Limits, now: u64) -> Option<Arc<Session>> {
        match self {
            Self::Memory(memory) => memory.find(id, limits, now),
        }
    }

    /// Whether a session that is not at hand may be elsewhere.
    pub(super) fn are_shared(&self) -> bool {
        match self {
            Self::Memory(_) => false,
        }
    }

    /// The session.
    pub(super) async fn find(
        &self,
        id: &Id,
        limits: &Limits,
        now: u64,
    ) -> Result<Option<Arc<Session>>, Reject> {
        match self {
            Self::Memory(memory) => Ok(memory.find(id, limits, now)),
        }
    }

    /// Begins a session.
    pub(super) async fn create(
        &self,
        id: Id,
        record: Record,
        who: Arc<Principal>,
        (limits, now): (&Limits, u64),
    ) -> Result<(), Reject> {
        match self {
            Self::Memory(memory) => memory.put(id, Session::new(record, who, now), limits, now),
        }
        Ok(())
    }

    /// Puts what was renewed in place of what was there, if it still is.
    pub(super) async fn renew(
        &self,
        id: &Id,
        record: Record,
        who: Arc<Principal>,
    ) -> Result<(), Reject> {
        match self {
            Self::Memory(memory) => memory.renew(id, record, who),
        }
        Ok(())
    }

    /// Ends a session; it is given back if it was there.
    pub(super) async fn remove(&self, id: &Id) -> Result<Option<Arc<Session>>, Reject> {
        match self {
            Self::Memory(memory) => Ok(memory.shard(id).lock().remove(id)),
        }
    }

    /// Ends all sessions of somebody; how many that were.
    pub(super) async fn remove_of(&self, whose: Whose<'_>) -> Result<usize, Reject> {
        match self {
            Self::Memory(memory) => Ok(memory.retain(|session| !whose.is(&session.record))),
        }
    }

    /// Forgets what is over.
    pub(super) fn sweep(&self, limits: &Limits, now: u64) {
        match self {
            Self::Memory(memory) => drop(memory.retain(|session| !limits.is_over(session, now))),
        }
    }

    /// How many are at hand.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Memory(memory) => memory.shards.iter().map(|shard| shard.lock().len()).sum(),
        }
    }
}

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
    fn find(&self, id: &Id, limits: &Limits, now: u64) -> Option<Arc<Session>> {
        let mut shard = self.shard(id).lock();
        let session = shard.get(id)?;
        if limits.is_over(session, now) {
            shard.remove(id);
            return None;
        }
        if now >= session.used.load(Relaxed).saturating_add(NOTE) {
            session.used.store(now, Relaxed);
        }
        Some(session.clone())
    }

    fn put(&self, id: Id, session: Session, limits: &Limits, now: u64) {
        let mut shard = self.shard(&id).lock();
        let most = limits.most.div_ceil(SHARDS);
        if shard.len() >= most {
            shard.retain(|_, session| !limits.is_over(session, now));
            let idle = shard.iter().min_by_key(|(_, it)| it.used.load(Relaxed)).map(|(id, _)| *id);
            if let Some(idle) = idle.filter(|_| shard.len() >= most) {
                shard.remove(&idle);
            }
        }
        shard.insert(id, Arc::new(session));
    }

    fn renew(&self, id: &Id, record: Record, who: Arc<Principal>) {
        if let Some(known) = self.shard(id).lock().get_mut(id) {
            let used = known.used.load(Relaxed);
            *known = Arc::new(Session::new(record, who, used));
        }
    }

    fn retain(&self, keep: impl Fn(&Session) -> bool) -> usize {
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
    use serde_json::json;

    use super::*;

    const LIMITS: Limits = Limits { idle: 10_000, lifetime: 60_000, most: 64 };

    fn record(sub: &str, sid: &str) -> Record {
        let Value::Object(claims) = json!({ "sub": sub, "sid": sid }) else { unreachable!() };
        Record { claims, id_token: "t".into(), refresh_token: None, due: None, begun: 0 }
    }

    async fn with(sessions: &Sessions, cookie: &str, record: Record, now: u64) -> Id {
        let id = id(cookie.as_bytes());
        sessions.create(id, record, Arc::default(), (&LIMITS, now)).await.unwrap();
        id
    }

    #[tokio::test]
    async fn a_session_ends_when_it_is_idle_and_in_any_case() {
        let sessions = Sessions::Memory(Memory::default());
        let session = with(&sessions, "a", record("u", "1"), 0).await;
        let mut now = 0;
        while now + 9_000 < LIMITS.lifetime {
            now += 9_000;
            assert!(sessions.at_hand(&session, &LIMITS, now).is_some(), "{now}");
        }
        assert!(sessions.at_hand(&session, &LIMITS, 60_000).is_none(), "its time is over");
        assert_eq!(sessions.len(), 0);
        let session = with(&sessions, "b", record("u", "1"), 0).await;
        assert!(sessions.at_hand(&session, &LIMITS, 10_000).is_none(), "it was idle");
        with(&sessions, "c", record("u", "1"), 0).await;
        sessions.sweep(&LIMITS, 10_000);
        assert_eq!(sessions.len(), 0);
    }

    #[tokio::test]
    async fn when_there_are_too_many_those_idle_for_longest_end() {
        let sessions = Sessions::Memory(Memory::default());
        for number in 0..1_000 {
            with(&sessions, &number.to_string(), record("u", "1"), number).await;
        }
        assert_eq!(sessions.len(), LIMITS.most);
        assert!(sessions.at_hand(&id(b"999"), &LIMITS, 1_000).is_some());
        assert!(sessions.at_hand(&id(b"0"), &LIMITS, 1_000).is_none());
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
        assert!(sessions.at_hand(&id(b"b"), &LIMITS, 1).is_some());
    }

    #[tokio::test]
    async fn one_renews_and_the_others_go_on() {
        let sessions = Sessions::Memory(Memory::default());
        let due = Record { due: Some(5_000), ..record("u", "1") };
        let session = with(&sessions, "a", due.clone(), 0).await;
        let held = sessions.at_hand(&session, &LIMITS, 5_000).unwrap();
        assert!(held.is_due(5_000) && !held.is_due(4_999));
        assert!(held.claim(5_000, 8_000) && !held.claim(5_000, 8_000));
        assert!(!held.is_due(7_999) && held.claim(8_000, 9_000), "if nothing came of it");
        let next = Record { due: Some(20_000), ..due };
        sessions.renew(&session, next.clone(), Arc::default()).await.unwrap();
        assert_eq!(sessions.at_hand(&session, &LIMITS, 8_000).unwrap().record, next);
        sessions.remove(&session).await.unwrap();
        sessions.renew(&session, next, Arc::default()).await.unwrap();
        assert_eq!(sessions.len(), 0, "who was logged out meanwhile stays so");
    }

    #[test]
    fn a_record_is_the_same_after_a_store() {
        let record = Record { refresh_token: Some("r".into()), due: Some(7), ..record("u", "1") };
        let bytes = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&bytes).unwrap(), record);
    }
}
