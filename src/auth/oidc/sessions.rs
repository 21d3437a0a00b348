//! [`Sessions`]: who is logged in, by the digest of the cookie that says so.
//!
//! In: a cookie, and what a login came to. Out: the session, with its principal made once. A session ends
//! when nobody used it for a while, after its time in any case, and when there are too many. They are in
//! this process's [`Memory`], or in a store that several gateways share ([`Stored`]); what cannot be said
//! at once is asked by the functions that may wait.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{super::principal::Principal, memory::Memory, stored::Stored};
use crate::{auth::Ask, reject::Reject};

/// The SHA-256 of a session's cookie.
pub(super) type Id = [u8; 32];

/// The session of a cookie.
pub(super) fn id(cookie: &[u8]) -> Id {
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, cookie).as_ref());
    id
}

/// A session's cookie, as a browser shows it.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) id: Id,
    pub(super) value: Zeroizing<Vec<u8>>,
}

impl Shown {
    pub(super) fn new(cookie: &[u8]) -> Self {
        Self { id: id(cookie), value: cookie.to_vec().into() }
    }
}

/// When something is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Instant,
    /// In milliseconds since 1970.
    pub(super) wall: u64,
}

impl From<&Ask<'_>> for Moment {
    fn from(ask: &Ask<'_>) -> Self {
        Self { now: ask.now, wall: ask.wall }
    }
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
    /// When the session ends in any case.
    pub(super) end: u64,
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
    pub(super) used: AtomicU64,
    pub(super) due: AtomicU64,
    /// Until then it holds without asking anybody; always, if nobody else knows of it.
    pub(super) fresh: Option<Instant>,
}

impl Session {
    pub(super) fn new(record: Record, who: Arc<Principal>, used: u64) -> Self {
        let due = AtomicU64::new(record.due.unwrap_or(u64::MAX));
        Self { record, who, used: AtomicU64::new(used), due, fresh: None }
    }

    /// Whether its claims are to be renewed.
    #[inline]
    pub(super) fn is_due(&self, wall: u64) -> bool {
        wall >= self.due.load(Relaxed)
    }

    /// Takes it on oneself to renew them; nobody else of this process does before `again`.
    pub(super) fn claim(&self, wall: u64, again: u64) -> bool {
        let due = self.due.load(Relaxed);
        wall >= due && self.due.compare_exchange(due, again, Relaxed, Relaxed).is_ok()
    }

    /// Whether somebody has to be asked whether it still holds.
    #[inline]
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.fresh.is_some_and(|fresh| now >= fresh)
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
    /// How long a session lives at most from now on; not at all if its time is over.
    #[inline]
    pub(super) fn left(&self, record: &Record, wall: u64) -> u64 {
        let end = record.begun.saturating_add(self.lifetime).min(record.end);
        end.saturating_sub(wall)
    }

    #[inline]
    pub(super) fn is_over(&self, session: &Session, wall: u64) -> bool {
        self.left(&session.record, wall) == 0
            || wall >= session.used.load(Relaxed).saturating_add(self.idle)
    }
}

/// Which sessions a provider ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) sid: Option<&'a str>,
    pub(super) subject: Option<&'a str>,
}

impl Whose<'_> {
    pub(super) fn is(&self, record: &Record) -> bool {
        let fits = |wanted: Option<&str>, claim| wanted.is_none() || record.text(claim) == wanted;
        fits(self.sid, "sid") && fits(self.subject, "sub")
    }
}

/// Whose turn it is to renew a session.
#[derive(Debug)]
pub(super) enum Turn {
    /// One's own, until it is [given back](Sessions::give_back); the session as it is now.
    Ours(Arc<Session>),
    /// Somebody else's; so long it goes on as it is.
    Others(Arc<Principal>),
}

/// Who is logged in.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a section has one")]
pub(super) enum Sessions {
    /// In this process's memory.
    Memory(Memory),
    /// In a store.
    Stored(Stored),
}

impl Sessions {
    /// The session, if that can be said without waiting.
    #[inline]
    pub(super) fn at_hand(&self, id: &Id, limits: &Limits, at: Moment) -> Option<Arc<Session>> {
        self.memory().find(id, limits, at)
    }

    /// Those at hand.
    #[inline]
    fn memory(&self) -> &Memory {
        match self {
            Self::Memory(memory) => memory,
            Self::Stored(stored) => stored.memory(),
        }
    }

    /// Whether the session of this cookie may be elsewhere, if it is not at hand.
    pub(super) fn may_know(&self, cookie: &[u8]) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Stored(_) => cookie.len() == super::flow::RANDOM,
        }
    }

    /// The session.
    pub(super) async fn find(
        &self,
        shown: &Shown,
        limits: &Limits,
        at: Moment,
    ) -> Result<Option<Arc<Session>>, Reject> {
        match self {
            Self::Memory(memory) => Ok(memory.find(&shown.id, limits, at)),
            Self::Stored(stored) => stored.find(shown, limits, at).await,
        }
    }

    /// Begins a session.
    pub(super) async fn create(
        &self,
        shown: &Shown,
        record: Record,
        who: Arc<Principal>,
        (limits, wall): (&Limits, u64),
    ) -> Result<(), Reject> {
        match self {
            Self::Memory(memory) => {
                memory.put(shown.id, Session::new(record, who, wall), limits, wall);
                Ok(())
            }
            Self::Stored(stored) => stored.create(shown, record, who, (limits, wall)).await,
        }
    }

    /// Takes it on oneself to renew a session, for so long at most, if nobody else does.
    pub(super) async fn take(
        &self,
        shown: &Shown,
        session: Arc<Session>,
        longest: std::time::Duration,
        (limits, wall): (&Limits, u64),
    ) -> Result<Turn, Reject> {
        match self {
            // Who claimed it has it.
            Self::Memory(_) => Ok(Turn::Ours(session)),
            Self::Stored(stored) => stored.take(shown, &session, longest, (limits, wall)).await,
        }
    }

    /// Lets others renew it again.
    pub(super) async fn give_back(&self, shown: &Shown) {
        match self {
            Self::Memory(_) => {}
            Self::Stored(stored) => stored.give_back(shown).await,
        }
    }

    /// Puts what was renewed in place of what was there, if it still is.
    pub(super) async fn renew(
        &self,
        shown: &Shown,
        record: Record,
        who: Arc<Principal>,
        (limits, wall): (&Limits, u64),
    ) -> Result<(), Reject> {
        match self {
            Self::Memory(memory) => {
                memory.renew(&shown.id, record, who, None);
                Ok(())
            }
            Self::Stored(stored) => stored.renew(shown, record, who, (limits, wall)).await,
        }
    }

    /// Ends a session; what it was, if it was there.
    pub(super) async fn remove(&self, shown: &Shown) -> Result<Option<Record>, Reject> {
        match self {
            Self::Memory(memory) => {
                Ok(memory.remove(&shown.id).map(|session| session.record.clone()))
            }
            Self::Stored(stored) => stored.remove(shown).await,
        }
    }

    /// Ends all sessions of somebody; how many that were.
    pub(super) async fn remove_of(&self, whose: Whose<'_>) -> Result<usize, Reject> {
        match self {
            Self::Memory(memory) => Ok(memory.retain(|session| !whose.is(&session.record))),
            Self::Stored(stored) => stored.remove_of(whose).await,
        }
    }

    /// Forgets what is over.
    pub(super) fn sweep(&self, limits: &Limits, at: Moment) {
        self.memory().retain(|it| !it.is_stale(at.now) && !limits.is_over(it, at.wall));
    }

    /// How many are at hand.
    pub(super) fn len(&self) -> usize {
        self.memory().len()
    }
}
