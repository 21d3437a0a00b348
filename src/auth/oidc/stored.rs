//! [`Stored`]: sessions in a store that several gateways share.
//!
//! In: a session's cookie. Out: the session, that there is none, or that nobody can say. What the store
//! said holds for a short time, so that it is not asked for every request; so long a session lives on here
//! that was ended at another gateway. A record is stored under the digest of its cookie and sealed
//! ([`Vault`]); it lives for as long as the session may be idle, which every look-up begins anew. For each
//! user, and each session of the provider's, there is a list of digests, so that the provider can end them.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    memory::Memory,
    sessions::{Id, Limits, Moment, Record, Session, Shown, Turn, Whose},
    vault::Vault,
};
use crate::{
    auth::{jwt::claims::Rules, principal::Principal, questions::Questions},
    message::hex,
    metrics::AuthMetrics,
    reject::Reject,
    store::{Store, Unavailable},
};

/// Sessions of one user at a time.
const MOST_OF_ONE: isize = 1_000;

/// What the store is asked about a session comes to this.
type Answer = Result<Option<Arc<Session>>, Reject>;

/// Sessions in a store.
#[derive(Debug)]
pub(super) struct Stored {
    shelf: Arc<Shelf>,
    questions: Arc<Questions<Answer>>,
}

/// What a section has in its store.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) auth: Arc<str>,
    pub(super) store: Arc<Store>,
    /// What its keys begin with.
    pub(super) prefix: String,
    pub(super) vault: Vault,
    pub(super) memory: Memory,
    /// How long an answer holds.
    pub(super) remember: Duration,
    pub(super) rules: Arc<Rules>,
    pub(super) metrics: Arc<AuthMetrics>,
}

impl Stored {
    /// Sessions of this section; so many requests may wait for the store.
    pub(super) fn new(shelf: Shelf, max_waiting: u16) -> Self {
        let questions = Questions::new(max_waiting, shelf.metrics.clone());
        Self { shelf: Arc::new(shelf), questions }
    }

    /// Whether both are the same sessions, protected by the same secret.
    pub(super) fn is_at(&self, store: &Arc<Store>, vault: &Vault) -> bool {
        Arc::ptr_eq(&self.shelf.store, store) && self.shelf.vault.is_same(vault)
    }

    #[inline]
    pub(super) fn memory(&self) -> &Memory {
        &self.shelf.memory
    }

    /// The session, as the store has it now; all who ask at the same time share the answer.
    pub(super) async fn find(&self, shown: &Shown, limits: &Limits, at: Moment) -> Answer {
        let (shelf, asked, limits) = (self.shelf.clone(), shown.clone(), *limits);
        let ask = || async move { shelf.look_up(&asked, &limits, at.wall).await };
        self.questions.ask(shown.id, ask).await.unwrap_or(Err(Reject::AuthBusy))
    }

    pub(super) async fn create(
        &self,
        shown: &Shown,
        record: Record,
        who: Arc<Principal>,
        (limits, wall): (&Limits, u64),
    ) -> Result<(), Reject> {
        let shelf = &*self.shelf;
        let name = hex(&shown.id);
        for list in shelf.lists(record.text("sid"), record.text("sub")) {
            let lifetime = Duration::from_millis(limits.lifetime);
            let (times, most) = ((record.end, wall), MOST_OF_ONE);
            let over = shelf.store.enlist(&list, &name, times, most, lifetime).await;
            shelf.end(&shelf.said(over)?).await?;
        }
        let (sealed, left) = shelf.sealed(shown, &record, (limits, wall))?;
        let now = Instant::now();
        shelf.said(shelf.store.set(&shelf.session(&shown.id), &sealed, Some(left)).await)?;
        shelf.keep(shown, Session::new(record, who, wall), now, (limits, wall));
        Ok(())
    }

    /// Whose turn it is to renew a session. Whoever takes it looks once more: a token to renew it by may
    /// be used once, and another gateway may just have done so.
    pub(super) async fn take(
        &self,
        shown: &Shown,
        session: &Arc<Session>,
        longest: Duration,
        (limits, wall): (&Limits, u64),
    ) -> Result<Turn, Reject> {
        let shelf = &*self.shelf;
        if !shelf.said(shelf.store.claim(&shelf.turn(&shown.id), longest).await)? {
            return Ok(Turn::Others(session.who.clone()));
        }
        let turn = match shelf.look_up(shown, limits, wall).await {
            Ok(Some(session)) if session.is_due(wall) => return Ok(Turn::Ours(session)),
            Ok(Some(session)) => Ok(Turn::Others(session.who.clone())),
            Ok(None) => Err(Reject::AuthOidcSession),
            Err(reject) => Err(reject),
        };
        self.give_back(shown).await;
        turn
    }

    pub(super) async fn give_back(&self, shown: &Shown) {
        // If it stays, nobody renews the session until its time is over.
        let _ = self.shelf.said(self.shelf.store.delete(&self.shelf.turn(&shown.id)).await);
    }

    pub(super) async fn renew(
        &self,
        shown: &Shown,
        record: Record,
        who: Arc<Principal>,
        (limits, wall): (&Limits, u64),
    ) -> Result<(), Reject> {
        let shelf = &*self.shelf;
        let (sealed, left) = shelf.sealed(shown, &record, (limits, wall))?;
        let (key, now) = (shelf.session(&shown.id), Instant::now());
        if shelf.said(shelf.store.replace(&key, &sealed, left).await)? {
            shelf.keep(shown, Session::new(record, who, wall), now, (limits, wall));
        } else {
            // Who was logged out meanwhile stays so.
            shelf.memory.remove(&shown.id);
        }
        Ok(())
    }

    pub(super) async fn remove(&self, shown: &Shown) -> Result<Option<Record>, Reject> {
        let shelf = &*self.shelf;
        let key = shelf.session(&shown.id);
        shelf.memory.remove(&shown.id);
        let sealed = shelf.said(shelf.store.get(&key).await)?;
        let was = shelf.said(shelf.store.delete(&key).await)?;
        Ok(sealed.filter(|_| was).and_then(|sealed| shelf.vault.open(shown, sealed)))
    }

    pub(super) async fn remove_of(&self, whose: Whose<'_>) -> Result<usize, Reject> {
        let shelf = &*self.shelf;
        shelf.memory.retain(|session| !whose.is(&session.record));
        let mut names: Option<Vec<String>> = None;
        for list in shelf.lists(whose.sid, whose.subject) {
            let listed = shelf.said(shelf.store.listed(&list, MOST_OF_ONE).await)?;
            names = Some(match names {
                None => listed,
                Some(names) => names.into_iter().filter(|name| listed.contains(name)).collect(),
            });
        }
        shelf.end(&names.unwrap_or_default()).await
    }

    /// Whether this is used for the first time; from now on, no more.
    pub(super) async fn first(&self, what: &[u8], keep: u64) -> Result<bool, Reject> {
        let key = self.shelf.used(what);
        self.shelf.said(self.shelf.store.claim(&key, Duration::from_millis(keep)).await)
    }

    /// Nothing came of it: it may be used again.
    pub(super) async fn forget(&self, what: &[u8]) {
        let _ = self.shelf.said(self.shelf.store.delete(&self.shelf.used(what)).await);
    }
}

impl Shelf {
    /// The session, as the store has it now. So it begins to be idle anew.
    async fn look_up(&self, shown: &Shown, limits: &Limits, wall: u64) -> Answer {
        let (key, now) = (self.session(&shown.id), Instant::now());
        self.metrics.questions.inc();
        let sealed = self.said(self.store.get(&key).await);
        let found = sealed?.and_then(|sealed| self.read(shown, sealed));
        let Some((record, who)) = found else {
            self.memory.remove(&shown.id);
            return Ok(None);
        };
        let left = limits.left(&record, wall).min(limits.idle);
        // Its time is over, or it was ended just now.
        let expiry = Duration::from_millis(left);
        if left == 0 || !self.said(self.store.expire(&key, expiry).await)? {
            self.memory.remove(&shown.id);
            return Ok(None);
        }
        Ok(Some(self.keep(shown, Session::new(record, who, wall), now, (limits, wall))))
    }

    /// A record as it is stored. What is none, or another's, is not known.
    fn read(&self, shown: &Shown, sealed: Vec<u8>) -> Option<(Record, Arc<Principal>)> {
        let record = self.vault.open(shown, sealed);
        let made = record.and_then(|record| {
            let who = self.rules.principal(record.claims.clone()).ok()?;
            Some((record, Arc::new(who)))
        });
        if made.is_none() {
            let why = "it is not sealed by this gateway's `store-secret`, or lacks its subject";
            tracing::warn!(auth = %self.auth, store = %self.store.name, why, "no session");
        }
        made
    }

    /// Notes what the store said when it was asked at this moment.
    fn keep(
        &self,
        shown: &Shown,
        session: Session,
        asked: Instant,
        (limits, wall): (&Limits, u64),
    ) -> Arc<Session> {
        let session = Arc::new(Session { fresh: Some(asked + self.remember), ..session });
        self.memory.put(shown.id, session.clone(), limits, wall);
        session
    }

    /// What is stored of a session, and for how long.
    fn sealed(
        &self,
        shown: &Shown,
        record: &Record,
        (limits, wall): (&Limits, u64),
    ) -> Result<(Vec<u8>, Duration), Reject> {
        let sealed = self.vault.seal(shown, record).ok_or(Reject::Internal)?;
        Ok((sealed, Duration::from_millis(limits.left(record, wall).min(limits.idle))))
    }

    /// Ends the sessions with these digests; how many there were.
    async fn end(&self, names: &[String]) -> Result<usize, Reject> {
        let keys: Vec<_> =
            names.iter().map(|name| format!("{}session:{name}", self.prefix)).collect();
        self.said(self.store.delete_all(&keys).await)
    }

    /// What the store says, counted if it says nothing.
    fn said<T>(&self, answer: Result<T, Unavailable>) -> Result<T, Reject> {
        answer.map_err(|error| {
            self.metrics.question_failures.inc();
            tracing::debug!(auth = %self.auth, store = %self.store.name, %error, "no word of a session");
            Reject::AuthOidcStoreUnavailable
        })
    }

    fn session(&self, id: &Id) -> String {
        format!("{}session:{}", self.prefix, hex(id))
    }

    /// The key of whoever renews a session.
    fn turn(&self, id: &Id) -> String {
        format!("{}turn:{}", self.prefix, hex(id))
    }

    fn used(&self, what: &[u8]) -> String {
        format!("{}used:{}", self.prefix, self.vault.name("used", what))
    }

    /// The lists of a session of the provider's, and of a user.
    fn lists(&self, sid: Option<&str>, subject: Option<&str>) -> impl Iterator<Item = String> {
        let list = |kind: &str, of: Option<&str>| {
            Some(format!("{}{kind}:{}", self.prefix, self.vault.name(kind, of?.as_bytes())))
        };
        [list("sid", sid), list("sub", subject)].into_iter().flatten()
    }
}
