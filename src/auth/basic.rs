//! The method `basic` (RFC 7617): users with passwords.
//!
//! In: a head. Out: the principal of its user. A password that was right lately is known by a keyed
//! digest; any other is hashed on the blocking pool, of which only so many may be at it and so many
//! wait. A user whom nobody knows costs a hash too, of the kind that others have.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use tokio::{sync::Semaphore, time::Instant};
use zeroize::Zeroizing;

use super::{
    Ask, Found, Refusal,
    lines::{Wrong, take_lines},
    lock_out::{Culprit, LockOut, neighbourhood},
    memory::{Memory, Tag},
    password::{self, Hash},
    place::Place,
    principal::{Introduction, Principal},
    provider::Given,
};
use crate::{
    config::{self, Path, Problem, Problems},
    metrics::AuthMetrics,
    reject::Reject,
};

/// Bytes of a user and a password, as they are sent. What is longer is no password, and hashing it
/// would be work for nothing.
const MAX_CREDENTIAL: usize = 4096;

/// After so long it is worth trying again when all that may wait do.
const BUSY: Duration = Duration::from_secs(1);

/// Where the user and the password are.
pub(super) const PLACE: [Place; 1] = [Place::Authorization("Basic")];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The users of a section.
#[derive(Debug)]
pub(super) struct Basic {
    realm: Box<str>,
    users: Users,
    /// Chooses whose hash an unknown user costs: always the same for the same name.
    stand_in: RandomState,
    remember: Duration,
    max_remembered: u32,
    /// From where the password was right.
    memory: Arc<Memory<Option<IpAddr>>>,
    pool: Arc<Pool>,
    metrics: Arc<AuthMetrics>,
}

#[derive(Debug, Default)]
struct Users {
    all: Vec<User>,
    by_name: HashMap<Box<str>, usize>,
}

#[derive(Debug)]
struct User {
    who: Arc<Principal>,
    hash: Hash,
}

/// Who may hash, and who may wait for it.
#[derive(Debug)]
struct Pool {
    hashing: Arc<Semaphore>,
    all: Semaphore,
    sizes: (u16, u16),
}

/// A user and a password, as they were sent.
struct Credential {
    text: Zeroizing<String>,
    colon: usize,
}

impl Credential {
    fn parse(sent: &[u8]) -> Result<Self, Reject> {
        if sent.len() > MAX_CREDENTIAL {
            return Err(Reject::AuthBasicMalformed);
        }
        let bytes = BASE64.decode(sent).map_err(|_| Reject::AuthBasicMalformed)?;
        let text = String::from_utf8(bytes).map_err(|_| Reject::AuthBasicMalformed)?;
        let text = Zeroizing::new(text);
        // RFC 7617: the first colon ends the user; neither part has control characters.
        let colon = text.find(':').ok_or(Reject::AuthBasicMalformed)?;
        if text.chars().any(char::is_control) {
            return Err(Reject::AuthBasicMalformed);
        }
        Ok(Self { text, colon })
    }

    fn user(&self) -> &str {
        &self.text[..self.colon]
    }

    fn password(&self) -> &[u8] {
        &self.text.as_bytes()[self.colon + 1..]
    }
}

impl Basic {
    /// Compiles the section at `at`; `who` is what all of its principals have in common.
    pub(super) fn compile(
        section: &config::Basic,
        (who, introduction): (&Principal, &Introduction),
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let users = users(section, who, introduction, at, problems)?;
        let memory = Memory::after(before.map(|before| &before.memory), &given.metrics, at);
        let memory = problems.keep(memory)?;
        let sizes = (section.max_hashing.max(1), section.max_waiting);
        let same = before.filter(|before| before.pool.sizes == sizes);
        let pool = same.map(|before| before.pool.clone()).unwrap_or_else(|| {
            let all = usize::from(sizes.0) + usize::from(sizes.1);
            let hashing = Arc::new(Semaphore::new(sizes.0.into()));
            Arc::new(Pool { hashing, all: Semaphore::new(all), sizes })
        });
        Some(Self {
            realm: section.realm.as_deref().unwrap_or(&who.auth).into(),
            users,
            stand_in: RandomState::new(),
            remember: section.remember.0,
            max_remembered: section.max_remembered,
            memory,
            pool,
            metrics: given.metrics.clone(),
        })
    }

    /// What a client that says nothing of itself is told.
    pub(super) fn challenge(&self) -> String {
        format!("Basic realm={}, charset=\"UTF-8\"", super::quoted(&self.realm))
    }

    /// Who it is, as far as that can be said at once.
    pub(super) fn look(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        match credential(ask) {
            Ok(None) => Found::Absent,
            Ok(Some(credential)) => self.recall(&credential, ask, ask.now, lock_out),
            Err(reject) => Found::Wrong(reject.into()),
        }
    }

    /// Those who are locked out wait, all but one: an account that others try to guess stays open for
    /// the address from where it was let in lately.
    fn recall(
        &self,
        credential: &Credential,
        ask: &Ask<'_>,
        now: Instant,
        lock_out: &LockOut,
    ) -> Found {
        let address = ask.client.map(Culprit::Address);
        if let Some(wait) = address.and_then(|address| lock_out.wait(address, now)) {
            return Found::Wrong(Refusal::locked_out(wait));
        }
        let account = Culprit::Account(credential.user().as_bytes());
        let locked = lock_out.wait(account, now);
        let (user, hash) = self.hash_for(credential.user());
        let proved = self.memory.recall(&self.tag(hash, credential), now).zip(user);
        let proved = proved
            .map(|(from, user)| (user, from.is_some() && from == ask.client.map(neighbourhood)));
        match (proved, locked) {
            (Some((user, _)), None) | (Some((user, true)), Some(_)) => {
                Found::Known(user.who.clone())
            }
            (_, Some(wait)) => Found::Wrong(Refusal::locked_out(wait)),
            (None, None) => Found::Unsure,
        }
    }

    /// Who it is, by a hash that others may have to finish first.
    pub(super) async fn ask(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        let credential = match credential(ask) {
            Ok(Some(credential)) => credential,
            Ok(None) => return Found::Absent,
            Err(reject) => return Found::Wrong(reject.into()),
        };
        let Ok(_place) = self.pool.all.try_acquire() else { return Found::Wrong(busy()) };
        let waiting = self.metrics.waiting.hold();
        let Ok(permit) = self.pool.hashing.clone().acquire_owned().await else {
            return Found::Wrong(busy());
        };
        drop(waiting);
        // Meanwhile another request may have proved the same, or failed once too often.
        let known = self.recall(&credential, ask, Instant::now(), lock_out);
        if !matches!(known, Found::Unsure) {
            return known;
        }
        let (user, hash) = self.hash_for(credential.user());
        let (hash, tag) = (hash.cloned(), self.tag(hash, &credential));
        let account = credential.user().to_owned();
        self.metrics.hashes.inc();
        let right = tokio::task::spawn_blocking(move || {
            // It works on even if the client has gone, so the permit is its own.
            let _permit = permit;
            hash.is_some_and(|hash| hash.verify(credential.password()))
        });
        let Ok(right) = right.await else { return Found::Wrong(Reject::Internal.into()) };
        let now = Instant::now();
        match user {
            Some(user) if right => {
                lock_out.succeeded(Culprit::Account(account.as_bytes()));
                let from = ask.client.map(neighbourhood);
                self.memory.remember(tag, from, now, self.remember, self.max_remembered);
                Found::Known(user.who.clone())
            }
            _ => {
                lock_out.failed(Culprit::Account(account.as_bytes()), now);
                if let Some(address) = ask.client {
                    lock_out.failed(Culprit::Address(address), now);
                }
                Found::Wrong(Reject::AuthBasicWrong.into())
            }
        }
    }

    /// Who it is, by a hash here and now: for a dry run.
    pub(super) fn rehearse(&self, ask: &Ask<'_>) -> Found {
        match credential(ask) {
            Ok(None) => Found::Absent,
            Err(reject) => Found::Wrong(reject.into()),
            Ok(Some(credential)) => match self.user(credential.user()) {
                Some(user) if user.hash.verify(credential.password()) => {
                    Found::Known(user.who.clone())
                }
                _ => Found::Wrong(Reject::AuthBasicWrong.into()),
            },
        }
    }

    /// The user with this name, and what to hash against: for nobody, somebody's.
    fn hash_for(&self, name: &str) -> (Option<&User>, Option<&Hash>) {
        if let Some(user) = self.user(name) {
            return (Some(user), Some(&user.hash));
        }
        let any = self.stand_in.hash_one(name) % (self.users.all.len().max(1) as u64);
        // It is below the number of users.
        (None, self.users.all.get(any as usize).map(|user| &user.hash))
    }

    fn user(&self, name: &str) -> Option<&User> {
        self.users.by_name.get(name).map(|at| &self.users.all[*at])
    }

    fn tag(&self, hash: Option<&Hash>, credential: &Credential) -> Tag {
        let hash = hash.map(Hash::as_str).unwrap_or_default().as_bytes();
        self.memory.tag([hash, credential.user().as_bytes(), credential.password()])
    }
}

fn busy() -> Refusal {
    Refusal::later(Reject::AuthBusy, BUSY)
}

fn credential(ask: &Ask<'_>) -> Result<Option<Credential>, Reject> {
    let [place] = &PLACE;
    place.find(ask)?.map(|sent: Cow<'_, [u8]>| Credential::parse(&sent)).transpose()
}

/// The users of the section and of its file.
fn users(
    section: &config::Basic,
    who: &Principal,
    introduction: &Introduction,
    at: &Path,
    problems: &mut Problems,
) -> Option<Users> {
    let mut users = Users::default();
    let mut take = |name: &str, hash: &str, roles: &[String], scopes: &[String]| {
        let hash = Hash::parse(hash);
        let hash = hash.map_err(|message| Wrong { message, help: Some(password::HELP) })?;
        if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
            let message = "a user's name has no colon and no control characters, and is not empty";
            return Err(message.to_owned().into());
        }
        let words = |words: &[String]| words.iter().map(|word| word.as_str().into()).collect();
        let (subject, roles, scopes) = (name.into(), words(roles), words(scopes));
        let who = Arc::new(introduction.of(Principal { subject, roles, scopes, ..who.clone() }));
        users.all.push(User { who, hash });
        match users.by_name.insert(Box::from(name), users.all.len() - 1) {
            None => Ok(()),
            Some(_) => {
                Err(format!("a user called `{}` is there already", name.escape_debug()).into())
            }
        }
    };
    for (name, user) in &section.users {
        let at = at.key("users").key(name.clone());
        let taken = match user {
            config::User::Hash(hash) => take(name, &hash.0, &[], &[]),
            config::User::Table(table) => take(name, &table.hash.0, &table.roles, &table.scopes),
        };
        problems.keep(taken.map_err(|wrong: Wrong| wrong.problem(at)));
    }
    if let Some(file) = &section.file {
        let help = "`htpasswd -cB FILE USER` makes one";
        take_lines(file, help, &at.key("file"), problems, |line| {
            let line = line.trim();
            match line.split_once(':') {
                _ if line.is_empty() || line.starts_with('#') => Ok(()),
                Some((name, hash)) => take(name, hash, &section.roles, &[]),
                None => Err("this is not `USER:HASH`".to_owned().into()),
            }
        })?;
    } else if section.users.is_empty() {
        let problem = Problem::error(at.clone(), "there is no user, so nobody could come in");
        problems
            .push(problem.help("users = { NAME = \"HASH\" }, with a hash from `janua password`"));
    }
    Some(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Option<(String, Vec<u8>)> {
        let sent = base64::engine::general_purpose::STANDARD.encode(text);
        let credential = Credential::parse(sent.as_bytes()).ok()?;
        Some((credential.user().to_owned(), credential.password().to_vec()))
    }

    #[test]
    fn the_first_colon_ends_the_user_and_all_is_utf_8() {
        for (text, user, password) in [
            ("alice:pw", "alice", "pw"),
            ("alice:p:w:", "alice", "p:w:"),
            (":", "", ""),
            ("ä:€ ", "ä", "€ "),
        ] {
            let expected = Some((user.to_owned(), password.as_bytes().to_vec()));
            assert_eq!(parsed(text.as_bytes()), expected, "{text}");
        }
        for text in
            [&b"alice"[..], b"", b"a\0:b", b"a:b\n", b"a:\x7f", b"a:\xff", "a:\u{85}".as_bytes()]
        {
            assert_eq!(parsed(text), None, "{text:?}");
        }
    }

    #[test]
    fn base64_is_taken_with_and_without_padding_and_nothing_else_is() {
        for (sent, taken) in [
            ("YTpiYg==", true),
            ("YTpiYg", true),
            ("YTpiYg=", true),
            ("YTpi Yg==", false),
            ("YTpiYh==", false),
            ("a:b", false),
            ("%%%", false),
            ("", false),
        ] {
            assert_eq!(Credential::parse(sent.as_bytes()).is_ok(), taken, "{sent}");
        }
        assert!(Credential::parse("YTpi".repeat(1024).as_bytes()).is_ok());
        assert!(Credential::parse("YTpi".repeat(1025).as_bytes()).is_err());
    }
}
