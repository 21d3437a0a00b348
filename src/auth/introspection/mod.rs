//! The method `introspection`: tokens that an authorization server is asked about (RFC 7662).
//!
//! In: a head. Out: the principal that the server says its token is about. An answer is remembered for a
//! time, by a keyed digest of the token, so that most requests wait for nobody; many that bring a token
//! that is new wait for one question. Without an answer nobody comes in whose token is not remembered.

mod endpoint;

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::time::Instant;

use self::endpoint::Endpoint;
use super::{
    Ask, Found, Refusal,
    jwt::claims::Rules,
    lock_out::{Culprit, LockOut},
    memory::{Memory, Tag},
    place::Place,
    principal::{Introduction, Principal},
    provider::Given,
    questions::Questions,
};
use crate::{
    config::{self, Path, Problems},
    metrics::AuthMetrics,
    reject::Reject,
};

/// After so long it is worth trying again when the server cannot be asked.
const UNANSWERED: Duration = Duration::from_secs(1);
/// What does not hold, by the words for it here.
const WORDS: [(Reject, Reject); 4] = [
    (Reject::AuthJwtIssuer, Reject::AuthIntrospectionIssuer),
    (Reject::AuthJwtAudience, Reject::AuthIntrospectionAudience),
    (Reject::AuthJwtExpired, Reject::AuthIntrospectionExpired),
    (Reject::AuthJwtNotYet, Reject::AuthIntrospectionNotYet),
];

/// Tokens that an authorization server is asked about.
#[derive(Debug)]
pub(super) struct Introspection {
    places: Box<[Place]>,
    introduction: Introduction,
    server: Arc<Server>,
    questions: Arc<Questions<Option<Answer>>>,
}

/// The authorization server, and what it said.
#[derive(Debug)]
struct Server {
    name: Arc<str>,
    section: config::Introspection,
    endpoint: Endpoint,
    rules: Rules,
    memory: Arc<Memory<Answer>>,
    metrics: Arc<AuthMetrics>,
}

/// What the server says of a token.
#[derive(Clone, Debug)]
enum Answer {
    /// Whom it is about, and its end, in milliseconds since 1970.
    Active(Arc<Principal>, u64),
    /// Why it does not hold.
    Wrong(Reject),
}

impl Introspection {
    /// Compiles the section at `at`; `who` is what all of its principals have in common.
    pub(super) fn compile(
        section: &config::Introspection,
        (who, introduction): (&Principal, &Introduction),
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let rules = as_jwt(section);
        Rules::check_section(&rules, "server", at, problems);
        let config::Introspection { header, query, cookie, .. } = section;
        let places = problems.keep(Place::list([header, query, cookie], "authorization", at));
        let endpoint = Endpoint::compile(section, at, problems);
        // What was made of answers under other rules is of no use.
        let same = |before: &&Self| {
            before.server.section == *section && before.introduction == *introduction
        };
        let before = before.filter(same).map(|before| &before.server.memory);
        let memory = Memory::after(before, &given.metrics, at);
        let server = Server {
            name: who.auth.clone(),
            section: section.clone(),
            endpoint: endpoint?,
            rules: Rules::new(&rules, who, introduction),
            memory: problems.keep(memory)?,
            metrics: given.metrics.clone(),
        };
        Some(Self {
            places: places?,
            introduction: introduction.clone(),
            server: Arc::new(server),
            questions: Questions::new(section.max_waiting, given.metrics.clone()),
        })
    }

    /// Where clients put their token.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Who it is, as far as that can be said at once.
    pub(super) fn look(&self, ask: &Ask<'_>) -> Found {
        match self.token(ask) {
            Err(reject) => Found::Wrong(reject.into()),
            Ok(None) => Found::Absent,
            Ok(Some(token)) => self.recall(&self.server.tag(&token), ask, ask.now),
        }
    }

    /// Who it is, by an answer that others may wait for too.
    pub(super) async fn ask(&self, ask: &Ask<'_>, lock_out: &LockOut) -> Found {
        let token = match self.token(ask) {
            Err(reject) => return Found::Wrong(reject.into()),
            Ok(None) => return Found::Absent,
            Ok(Some(token)) => token,
        };
        let (tag, wall) = (self.server.tag(&token), ask.wall);
        // Meanwhile another request may have had the answer.
        let known = self.recall(&tag, ask, Instant::now());
        if !matches!(known, Found::Unsure) {
            return known;
        }
        let address = ask.client.map(Culprit::Address);
        if let Some(wait) = address.and_then(|address| lock_out.wait(address, ask.now)) {
            return Found::Wrong(Refusal::locked_out(wait));
        }
        let question = || {
            let (server, token) = (self.server.clone(), token.into_owned());
            async move { server.ask(&token, tag, wall).await }
        };
        match self.questions.ask(tag, question).await {
            Some(Some(Answer::Active(who, _))) => Found::Known(who),
            Some(Some(Answer::Wrong(reject))) => {
                // That it does not hold is remembered: who brings it again is not counted again.
                if let Some(address) =
                    address.filter(|_| reject == Reject::AuthIntrospectionInactive)
                {
                    lock_out.failed(address, ask.now);
                }
                Found::Wrong(reject.into())
            }
            Some(None) => Found::Wrong(unanswered(Reject::AuthIntrospectionUnavailable)),
            None => Found::Wrong(unanswered(Reject::AuthBusy)),
        }
    }

    fn recall(&self, tag: &Tag, ask: &Ask<'_>, now: Instant) -> Found {
        match self.server.memory.recall(tag, now) {
            Some(Answer::Active(who, end)) if ask.wall < end => Found::Known(who),
            Some(Answer::Wrong(reject)) => Found::Wrong(reject.into()),
            Some(Answer::Active(..)) | None => Found::Unsure,
        }
    }

    /// The token; the first place with one in it counts.
    fn token<'a>(&self, ask: &Ask<'a>) -> Result<Option<Cow<'a, [u8]>>, Reject> {
        let token = Place::first(&self.places, ask)?;
        let sizes = 1..=self.server.section.max_token_size.as_usize();
        let fits = token.as_ref().is_none_or(|token| sizes.contains(&token.len()));
        if fits { Ok(token) } else { Err(Reject::AuthIntrospectionMalformed) }
    }
}

fn unanswered(reject: Reject) -> Refusal {
    Refusal::later(reject, UNANSWERED)
}

impl Server {
    fn tag(&self, token: &[u8]) -> Tag {
        self.memory.tag([token, b"", b""])
    }

    /// Asks, and remembers the answer, if there is one.
    async fn ask(&self, token: &[u8], tag: Tag, wall: u64) -> Option<Answer> {
        self.metrics.questions.inc();
        let claims = match self.endpoint.ask(token).await {
            Ok(claims) => claims,
            Err(error) => {
                self.metrics.question_failures.inc();
                tracing::warn!(auth = %self.name, %error, "no word of a token");
                return None;
            }
        };
        let answer = self.judge(claims, wall);
        let keep = match &answer {
            Answer::Active(_, end) => {
                Duration::from_millis(end.saturating_sub(wall)).min(self.section.remember.0)
            }
            Answer::Wrong(_) => self.section.remember_inactive.0,
        };
        let most = self.section.max_remembered;
        self.memory.remember(tag, answer.clone(), Instant::now(), keep, most);
        Some(answer)
    }

    /// What comes of the server's claims.
    fn judge(&self, mut claims: Map<String, Value>, wall: u64) -> Answer {
        if claims.get("active") != Some(&Value::Bool(true)) || is_for_renewal(&claims) {
            return Answer::Wrong(Reject::AuthIntrospectionInactive);
        }
        // The issuer's own word of a token that it does not say is another's.
        if let Some(issuer) = &self.section.issuer {
            claims.entry("iss").or_insert_with(|| issuer.as_str().into());
        }
        let judged = self.rules.check(&claims, wall);
        let judged = judged.and_then(|end| Ok((Arc::new(self.rules.principal(claims)?), end)));
        match judged {
            Ok((who, end)) => Answer::Active(who, end),
            Err(reject) => {
                let ours = WORDS.iter().find(|(theirs, _)| *theirs == reject);
                Answer::Wrong(ours.map_or(Reject::AuthIntrospectionClaims, |(_, ours)| *ours))
            }
        }
    }
}

/// Whether it is a refresh token, which servers say to be active too.
fn is_for_renewal(claims: &Map<String, Value>) -> bool {
    let says = |name: &str, words: &[&str]| {
        let said = claims.get(name).and_then(Value::as_str);
        said.is_some_and(|said| words.iter().any(|word| said.eq_ignore_ascii_case(word)))
    };
    ["token_use", "token_type", "typ"]
        .iter()
        .any(|name| says(name, &["refresh", "refresh_token", "offline"]))
}

/// The same rules as for tokens that are signed; their end is the server's to know.
fn as_jwt(section: &config::Introspection) -> config::Jwt {
    config::Jwt {
        issuer: section.issuer.clone(),
        audience: section.audience.clone(),
        leeway: section.leeway,
        expires: false,
        subject: section.subject.clone(),
        roles: section.roles.clone(),
        scopes: section.scopes.clone(),
        ..config::Jwt::default()
    }
}
