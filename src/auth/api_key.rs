//! The method `api-key`: whoever brings a key that is known.
//!
//! In: a head. Out: the principal of its key, made at load: it costs a digest, a look-up and a reference.
//! A key that is not known here may be in a store; that has to be asked, unless it was lately.
//! What is compared is the digest of what was sent, which nobody can steer, so the time that it takes
//! tells nothing of any key.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use super::{
    Ask, Found, Refusal,
    key::{self, Digest},
    lines::take_lines,
    lock_out::{Culprit, LockOut},
    place::Place,
    principal::{Introduction, Principal},
    provider::Given,
    stored_keys::{Stored, StoredKeys},
};
use crate::{
    config::{self, Path, Problem, Problems},
    reject::Reject,
};

/// The keys of a section.
#[derive(Debug)]
pub(super) struct ApiKey {
    places: Box<[Place]>,
    /// Those that several gateways share.
    stored: Option<Box<StoredKeys>>,
    keys: HashMap<Digest, Known, BuildHasherDefault<FirstBytes>>,
}

/// A key that is known.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) who: Arc<Principal>,
    /// In milliseconds since 1970.
    pub(super) expires: Option<u64>,
    pub(super) revoked: bool,
}

impl Known {
    /// A key as it is stored, and its digest.
    pub(super) fn new(
        key: &config::Key,
        who: &Principal,
        introduction: &Introduction,
    ) -> Result<(Digest, Self), String> {
        let (digest, expires) = key::check(key)?;
        let who = Arc::new(introduction.of(principal(key, who)));
        Ok((digest, Self { who, expires, revoked: key.revoked }))
    }

    /// Who brings it, if it holds.
    pub(super) fn check(&self, wall: u64) -> Result<&Arc<Principal>, Reject> {
        if self.revoked {
            return Err(Reject::AuthKeyRevoked);
        }
        match self.expires {
            Some(end) if wall >= end => Err(Reject::AuthKeyExpired),
            _ => Ok(&self.who),
        }
    }
}

/// Digests are as good as random: their first bytes are their hash.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// The length of a digest, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}

impl ApiKey {
    /// Compiles the section at `at`; `who` is what all of its principals have in common.
    pub(super) fn compile(
        section: &config::ApiKey,
        (who, introduction): (&Principal, &Introduction),
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let config::ApiKey { header, query, cookie, .. } = section;
        let places = problems.keep(Place::list([header, query, cookie], "x-api-key", at))?;
        let mut ids = BTreeSet::new();
        let mut keys = HashMap::default();
        let mut take = |key: &config::Key| -> Result<(), String> {
            let (digest, known) = Known::new(key, who, introduction)?;
            if !ids.insert(key.id.clone()) {
                return Err(format!("a key called `{}` is there already", key.id));
            }
            match keys.insert(digest, known) {
                Some(same) => Err(format!("it is the same key as `{}`", same.who.subject)),
                None => Ok(()),
            }
        };
        for (index, key) in section.keys.iter().enumerate() {
            let at = at.key("keys").index(index);
            problems.keep(take(key).map_err(|message| Problem::error(at, message)));
        }
        if let Some(file) = &section.file {
            let help = "`janua key new --file FILE` makes one";
            take_lines(file, help, &at.key("file"), problems, |line| {
                let key = key::parse_key_line(line)?;
                Ok(key.as_ref().map_or(Ok(()), &mut take)?)
            })?;
        } else if section.keys.is_empty() && section.store.is_none() {
            let problem = Problem::error(at.clone(), "there is no key, so nobody could come in");
            problems.push(problem.help("`janua key new --owner NAME` makes one"));
        }
        let stored = match &section.store {
            None => None,
            Some(_) => {
                let before = before.and_then(|before| before.stored.as_deref());
                let share = (who, introduction);
                let made = StoredKeys::compile(section, share, before, given, at, problems);
                Some(Box::new(made?))
            }
        };
        Some(Self { places, stored, keys })
    }

    /// Where clients put their key.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// What a client that brings no key is told.
    pub(super) fn challenge(&self, name: &str) -> String {
        let realm = super::quoted(name);
        match self.places.first() {
            Some(Place::Authorization(scheme)) => format!("{scheme} realm={realm}"),
            Some(Place::Query(name)) => {
                format!("ApiKey realm={realm}, query={}", super::quoted(name))
            }
            Some(Place::Cookie(name)) => {
                format!("ApiKey realm={realm}, cookie={}", super::quoted(name))
            }
            Some(Place::Header(name)) => {
                format!("ApiKey realm={realm}, header={}", super::quoted(name.as_str()))
            }
            Some(Place::Cookies(_)) | None => format!("ApiKey realm={realm}"),
        }
    }

    /// Who it is, as far as that can be said at once. The first place with a key in it counts.
    pub(super) fn look(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        self.judge(ask, lock_out, |stored, digest| stored.recall(digest, ask.now))
    }

    /// Who it is; the store may have to be asked.
    pub(super) async fn ask(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        let (Some(stored), Ok(Some(key))) = (&self.stored, self.key(ask)) else {
            return self.look(ask, lock_out);
        };
        let digest = key::digest(&key);
        let answer = stored.ask(&digest, ask.now).await;
        self.judge(ask, lock_out, |_, _| answer)
    }

    /// Who it is, for a dry run.
    pub(super) fn rehearse(&self, ask: &Ask<'_>) -> Found {
        self.look(ask, &LockOut::never())
    }

    /// The key.
    fn key<'a>(&self, ask: &Ask<'a>) -> Result<Option<Cow<'a, [u8]>>, Reject> {
        Place::first(&self.places, ask)
    }

    fn judge(
        &self,
        ask: &Ask<'_>,
        lock_out: &LockOut,
        stored: impl FnOnce(&StoredKeys, &Digest) -> Stored,
    ) -> Found {
        let key = match self.key(ask) {
            Ok(Some(key)) => key,
            Ok(None) => return Found::Absent,
            Err(reject) => return Found::Wrong(reject.into()),
        };
        let address = ask.client.map(Culprit::Address);
        if let Some(wait) = address.and_then(|address| lock_out.wait(address, ask.now)) {
            return Found::Wrong(Refusal::locked_out(wait));
        }
        let digest = key::digest(&key);
        let checked = match (self.keys.get(&digest), &self.stored) {
            (Some(known), _) => known.check(ask.wall).cloned(),
            (None, None) => Err(Reject::AuthKeyUnknown),
            (None, Some(keys)) => match stored(keys, &digest) {
                Stored::Known(known) => known.check(ask.wall).cloned(),
                Stored::Unknown => Err(Reject::AuthKeyUnknown),
                Stored::Unsure => return Found::Unsure,
                Stored::Unavailable(refusal) => return Found::Wrong(refusal),
            },
        };
        match checked {
            Ok(who) => Found::Known(who),
            Err(reject) => {
                if let Some(address) = address {
                    lock_out.failed(address, ask.now);
                }
                Found::Wrong(reject.into())
            }
        }
    }
}

fn principal(key: &config::Key, who: &Principal) -> Principal {
    let words = |words: &[String]| words.iter().map(|word| word.as_str().into()).collect();
    Principal {
        subject: key.id.as_str().into(),
        owner: key.owner.as_deref().map(Into::into),
        roles: words(&key.roles),
        scopes: words(&key.scopes),
        ..who.clone()
    }
}
