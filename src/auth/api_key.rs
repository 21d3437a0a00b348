//! The method `api-key`: whoever brings a key that is known.
//!
//! In: a head. Out: the principal of its key, made at load: it costs a digest, a look-up and a reference.
//! What is compared is the digest of what was sent, which nobody can steer, so the time that it takes
//! tells nothing of any key.

use std::{
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
};
use crate::{
    config::{self, Path, Problem, Problems},
    reject::Reject,
};

/// The keys of a section.
#[derive(Debug)]
pub(super) struct ApiKeys {
    places: Box<[Place]>,
    keys: HashMap<Digest, Known, BuildHasherDefault<FirstBytes>>,
}

/// A key that is known.
#[derive(Debug)]
struct Known {
    who: Arc<Principal>,
    /// In milliseconds since 1970.
    expires: Option<u64>,
    revoked: bool,
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

impl ApiKeys {
    /// Compiles the section at `at`; `who` is what all of its principals have in common.
    pub(super) fn compile(
        section: &config::ApiKey,
        who: &Principal,
        introduction: &Introduction,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let config::ApiKey { header, query, cookie, .. } = section;
        let places = problems.keep(Place::list([header, query, cookie], "x-api-key", at))?;
        let mut ids = BTreeSet::new();
        let mut keys = HashMap::default();
        let mut take = |key: &config::Key| -> Result<(), String> {
            let (digest, expires) = key::check(key)?;
            if !ids.insert(key.id.clone()) {
                return Err(format!("a key called `{}` is there already", key.id));
            }
            let who = Arc::new(introduction.of(principal(key, who)));
            match keys.insert(digest, Known { who, expires, revoked: key.revoked }) {
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
        } else if section.keys.is_empty() {
            let problem = Problem::error(at.clone(), "there is no key, so nobody could come in");
            problems.push(problem.help("`janua key new --owner NAME` makes one"));
        }
        Some(Self { places, keys })
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
            None => format!("ApiKey realm={realm}"),
        }
    }

    /// Who it is. The first place with a key in it counts.
    pub(super) fn look(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        for place in &self.places {
            let key = match place.find(ask) {
                Ok(Some(key)) => key,
                Ok(None) => continue,
                Err(reject) => return Found::Wrong(reject.into()),
            };
            let address = ask.client.map(Culprit::Address);
            if let Some(wait) = address.and_then(|address| lock_out.wait(address, ask.now)) {
                return Found::Wrong(Refusal::locked_out(wait));
            }
            return match self.find(&key, ask) {
                Ok(known) => Found::Known(known.clone()),
                Err(reject) => {
                    if let Some(address) = address {
                        lock_out.failed(address, ask.now);
                    }
                    Found::Wrong(reject.into())
                }
            };
        }
        Found::Absent
    }

    fn find(&self, key: &[u8], ask: &Ask<'_>) -> Result<&Arc<Principal>, Reject> {
        let known = self.keys.get(&key::digest(key)).ok_or(Reject::AuthKeyUnknown)?;
        if known.revoked {
            return Err(Reject::AuthKeyRevoked);
        }
        match known.expires {
            Some(end) if ask.wall >= end => Err(Reject::AuthKeyExpired),
            _ => Ok(&known.who),
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
