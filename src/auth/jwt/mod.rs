//! The method `jwt`: tokens that somebody else signs (RFC 7519).
//!
//! In: a head. Out: the principal that its token is about. A token that was verified lately is known by a
//! keyed digest, of which the keys that hold are a part: other keys, and it is verified again. Verifying
//! costs some 50 to 150 µs, which is less than to hand it to another thread and back would add under
//! load, so the worker does it. Only if the keys are missing or do not know the token's does a request
//! wait, for a fetch that others wait for too.
//!
//! Tokens are made out with aws-lc's own verification, which TLS has brought along; of what libraries for
//! tokens add, most is choice, and the choices here are few.

pub(super) mod claims;
pub(super) mod key_set;
pub(super) mod keys;
pub(super) mod token;

use std::{borrow::Cow, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::Instant};

use self::{
    claims::Rules,
    key_set::KeySet,
    keys::{Keys, Place as KeyPlace, Source},
    token::Token,
};
use super::{
    Ask, Found, Refusal, discovery,
    lock_out::{Culprit, LockOut},
    memory::Memory,
    place::Place,
    principal::{Introduction, Principal},
    provider::Given,
};
use crate::{
    config::{self, Algorithm, Path, Problem, Problems},
    dial::{Destination, Fetcher},
    reject::Reject,
};

/// The shortest secret: that of HS256.
const SHORTEST_SECRET: usize = 32;
/// After so long it is worth trying again when there are no keys.
const NO_KEYS: Duration = Duration::from_secs(5);

/// The tokens of a section.
#[derive(Debug)]
pub(super) struct Jwt {
    section: config::Jwt,
    introduction: Introduction,
    places: Box<[Place]>,
    rules: Rules,
    keys: Keys,
    memory: Arc<Memory<Known>>,
    waiting: Semaphore,
}

/// Whom a token is about, and its end, in milliseconds since 1970.
#[derive(Clone, Debug)]
struct Known {
    who: Arc<Principal>,
    end: u64,
}

impl Jwt {
    /// Compiles the section at `at`; `who` is what all of its principals have in common.
    pub(super) fn compile(
        section: &config::Jwt,
        (who, introduction): (&Principal, &Introduction),
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        check(section, at, problems);
        let config::Jwt { header, query, cookie, .. } = section;
        let places = Place::list([header, query, cookie], "authorization", at);
        let (name, counts) = (who.auth.clone(), given.metrics.clone());
        let keys = match (&section.secret, &section.jwks_file) {
            (Some(secret), None) => {
                let set = problems.keep(secret_keys(secret, section, at));
                set.map(|set| Keys::fixed(set, name, counts))
            }
            (None, Some(file)) => {
                let set = problems.keep(keys_of_file(file, section, at));
                set.map(|set| Keys::fixed(set, name, counts))
            }
            _ => source(section, at, problems).map(|source| {
                Keys::fetched(source, before.map(|before| &before.keys), name, counts)
            }),
        };
        // What was made of tokens under other rules is of no use.
        let same =
            |before: &&Self| before.section == *section && before.introduction == *introduction;
        let before = before.filter(same).map(|before| &before.memory);
        let memory = Memory::after(before, &given.metrics, at);
        Some(Self {
            section: section.clone(),
            introduction: introduction.clone(),
            places: problems.keep(places)?,
            rules: Rules::new(section, who, introduction),
            keys: keys?,
            memory: problems.keep(memory)?,
            waiting: Semaphore::new(section.max_waiting.into()),
        })
    }

    /// Begins to fetch keys, if they are fetched.
    pub(super) fn start(&self) {
        self.keys.start();
    }

    /// Where clients put their token.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Who it is, as far as that can be said at once.
    pub(super) fn look(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        match self.token(ask) {
            Err(reject) => Found::Wrong(reject.into()),
            Ok(None) => Found::Absent,
            Ok(Some(token)) => match self.judge(&token, ask, ask.now, lock_out) {
                Ok(who) => Found::Known(who),
                Err(wrong) if other_keys_help(wrong.reject) && self.keys.may_change(ask.now) => {
                    Found::Unsure
                }
                Err(wrong) => Found::Wrong(wrong),
            },
        }
    }

    /// Who it is, by keys that are fetched for it.
    pub(super) async fn ask(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        let token = match self.token(ask) {
            Err(reject) => return Found::Wrong(reject.into()),
            Ok(None) => return Found::Absent,
            Ok(Some(token)) => token,
        };
        let Ok(_place) = self.waiting.try_acquire() else {
            return Found::Wrong(Refusal::later(Reject::AuthBusy, NO_KEYS));
        };
        // Before the keys are looked at again: no end goes by unseen in between.
        let ends = self.keys.ends();
        let judged = match self.judge(&token, ask, Instant::now(), lock_out) {
            Err(wrong) if other_keys_help(wrong.reject) => {
                self.keys.renew(ends).await;
                self.judge(&token, ask, Instant::now(), lock_out)
            }
            judged => judged,
        };
        judged.map_or_else(Found::Wrong, Found::Known)
    }

    /// Who it is, for a dry run.
    pub(super) fn rehearse(&self, ask: &Ask<'_>) -> Found {
        match self.token(ask) {
            Err(reject) => Found::Wrong(reject.into()),
            Ok(None) => Found::Absent,
            Ok(Some(token)) => {
                let held = self.keys.held();
                let set = held.as_ref().and_then(|held| held.at(ask.now));
                match set.ok_or(Reject::AuthJwtKeysUnavailable) {
                    Ok(set) => match self.verify(&token, set, ask.wall) {
                        Ok(known) => Found::Known(known.who),
                        Err(reject) if self.may_ask(reject) => Found::Unsure,
                        Err(reject) => Found::Wrong(reject.into()),
                    },
                    Err(_) => Found::Unsure,
                }
            }
        }
    }

    fn may_ask(&self, reject: Reject) -> bool {
        self.keys.are_fetched() && other_keys_help(reject)
    }

    /// The token; the first place with one in it counts.
    fn token<'a>(&self, ask: &Ask<'a>) -> Result<Option<Cow<'a, [u8]>>, Reject> {
        let token = Place::first(&self.places, ask)?;
        let most = self.section.max_token_size.as_usize();
        let fits = token.as_ref().is_none_or(|token| token.len() <= most);
        if fits { Ok(token) } else { Err(Reject::AuthJwtMalformed) }
    }

    fn judge(
        &self,
        token: &[u8],
        ask: &Ask<'_>,
        now: Instant,
        lock_out: &LockOut,
    ) -> Result<Arc<Principal>, Refusal> {
        let held = self.keys.held();
        let Some(set) = held.as_ref().and_then(|held| held.at(now)) else {
            return Err(Refusal::later(Reject::AuthJwtKeysUnavailable, NO_KEYS));
        };
        let remembers = !self.section.remember.0.is_zero();
        let tag = remembers.then(|| self.memory.tag([&set.digest, token, b""]));
        if let Some(known) = tag.as_ref().and_then(|tag| self.memory.recall(tag, now))
            && ask.wall < known.end
        {
            return Ok(known.who);
        }
        let address = ask.client.map(Culprit::Address);
        if let Some(wait) = address.and_then(|address| lock_out.wait(address, now)) {
            return Err(Refusal::locked_out(wait));
        }
        match self.verify(token, set, ask.wall) {
            Ok(known) => {
                let who = known.who.clone();
                if let Some(tag) = tag {
                    let left = Duration::from_millis(known.end.saturating_sub(ask.wall));
                    let keep = left.min(self.section.remember.0);
                    self.memory.remember(tag, known, now, keep, self.section.max_remembered);
                }
                Ok(who)
            }
            Err(reject) => {
                // No honest client makes up signatures; one whose token has run out is no attacker.
                if let Some(address) = address.filter(|_| reject == Reject::AuthJwtSignature) {
                    lock_out.failed(address, now);
                }
                Err(reject.into())
            }
        }
    }

    fn verify(&self, token: &[u8], set: &KeySet, wall: u64) -> Result<Known, Reject> {
        let token = Token::parse(token)?;
        self.rules.check_issuer(&token.claims)?;
        set.verify(&token)?;
        let end = self.rules.check(&token.claims, wall)?;
        let who = Arc::new(self.rules.principal(token.claims)?);
        Ok(Known { who, end })
    }
}

/// Whether it may be otherwise with other keys.
fn other_keys_help(wrong: Reject) -> bool {
    [Reject::AuthJwtKeyUnknown, Reject::AuthJwtKeysUnavailable].contains(&wrong)
}

fn is_shared(algorithm: Algorithm) -> bool {
    key_set::secret_size(algorithm).is_some()
}

/// What goes together, and what has to be said.
fn check(section: &config::Jwt, at: &Path, problems: &mut Problems) {
    let config::Jwt { issuer, jwks, jwks_file, secret, .. } = section;
    match [jwks.is_some(), jwks_file.is_some(), secret.is_some()].iter().filter(|is| **is).count() {
        0 if issuer.is_none() => {
            let problem = Problem::error(at.clone(), "it does not say where the keys are");
            problems
                .push(problem.help("`issuer = \"https://..\"`, or `jwks`, `jwks-file`, `secret`"));
        }
        0 | 1 => {}
        _ => {
            let problem = Problem::error(at.clone(), "the keys come from more than one place");
            problems.push(problem.help("keep one of `jwks`, `jwks-file` and `secret`"));
        }
    }
    Rules::check_section(section, "issuer", at, problems);
    for (index, algorithm) in section.algorithms.iter().enumerate() {
        if is_shared(*algorithm) != secret.is_some() {
            let at = at.key("algorithms");
            let at = if section.algorithms.len() > 1 { at.index(index) } else { at };
            let message = match secret {
                Some(_) => format!("{algorithm:?} needs a key pair, and there is a secret"),
                None => format!("{algorithm:?} needs a `secret`"),
            };
            problems.push(Problem::error(at, message));
        }
    }
}

fn secret_keys(
    secret: &config::Secret,
    section: &config::Jwt,
    at: &Path,
) -> Result<KeySet, Problem> {
    let problem = |message: String| Problem::error(at.key("secret"), message);
    let secret = secret.reveal().map_err(problem)?;
    let wanted = &section.algorithms[..];
    let all = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
    let fits = |algorithm: &&Algorithm| {
        key_set::secret_size(**algorithm).is_some_and(|size| secret.len() >= size)
    };
    let algorithms = if wanted.is_empty() { &all[..] } else { wanted };
    let fitting: Vec<_> = algorithms.iter().filter(fits).copied().collect();
    let asked = wanted.iter().filter(|algorithm| is_shared(**algorithm)).count();
    if secret.len() < SHORTEST_SECRET || fitting.len() < asked {
        return Err(problem("it is too short: HS256 needs 32 bytes, HS384 48, HS512 64".into())
            .help("`openssl rand -base64 48` makes one"));
    }
    Ok(KeySet::secret(secret.as_bytes(), &fitting))
}

fn keys_of_file(
    file: &std::path::Path,
    section: &config::Jwt,
    at: &Path,
) -> Result<KeySet, Problem> {
    let problem = |message| Problem::error(at.key("jwks-file"), message);
    let text = config::read_file(file).map_err(problem)?;
    KeySet::parse(&text, &section.algorithms, section.max_keys.into())
        .map_err(|message| problem(format!("`{}`: {message}", file.display())))
}

/// Where keys are fetched.
fn source(section: &config::Jwt, at: &Path, problems: &mut Problems) -> Option<Source> {
    let fetcher = Fetcher::compile(&section.fetch, &at.key("fetch"), problems);
    let (key, said) = match (&section.jwks, &section.issuer) {
        (Some(jwks), _) => ("jwks", jwks),
        (None, Some(issuer)) => ("issuer", issuer),
        // That was said already.
        (None, None) => return None,
    };
    let at = at.key(key);
    let url = match key {
        "jwks" => said.clone(),
        _ => discovery::url(said),
    };
    let to = Destination::parse(&url).map_err(|message| Problem::error(at.clone(), message));
    let to = problems.keep(to)?;
    if !to.is_protected() {
        let message = "anybody on the way can put keys of their own there";
        problems.push(Problem::finding(at, message).help("write https://"));
    }
    let place = match key {
        "jwks" => KeyPlace::Set(said.clone(), to),
        _ => KeyPlace::Discovery(said.clone(), to),
    };
    Some(Source {
        place,
        fetcher: fetcher?,
        algorithms: section.algorithms.to_vec(),
        max_keys: section.max_keys.into(),
        refresh: section.refresh.0,
        cool_down: section.cool_down.0,
        max_stale: section.max_stale.0,
    })
}
