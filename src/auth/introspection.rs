//! The method `introspection`: tokens that an authorization server is asked about (RFC 7662).
//!
//! In: a head. Out: the principal that the server says its token is about. An answer is remembered for a
//! time, by a keyed digest of the token, so that most requests wait for nobody; many that bring a token
//! that is new wait for one question. Without an answer nobody comes in whose token is not remembered.

use std::{borrow::Cow, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Ask, Found, Refusal,
    jwt::{claims::Rules, token::parse_object},
    lock_out::{Culprit, LockOut},
    memory::{Memory, Tag},
    place::Place,
    principal::{Introduction, Principal},
    provider::Given,
    questions::Questions,
};
use crate::{
    config::{self, ClientAuth, Path, Problem, Problems},
    dial::{Destination, FetchError, Fetcher},
    metrics::AuthMetrics,
    reject::Reject,
};

/// After so long it is worth trying again when the server cannot be asked.
const UNANSWERED: Duration = Duration::from_secs(1);
/// The most that clocks may differ.
const MOST_LEEWAY: Duration = Duration::from_secs(600);
/// Connections that are kept for the next question.
const MAX_IDLE: usize = 16;

/// What stands for itself in a form (`application/x-www-form-urlencoded`).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

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
    at: Location,
    credentials: Credentials,
    fetcher: Fetcher,
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

/// Where the server is asked.
#[derive(Debug)]
enum Location {
    Url(Arc<Destination>),
    /// Where the issuer's discovery document says, until that fails.
    Discovery(Destination, ArcSwapOption<Destination>),
}

/// What proves who asks.
#[derive(Debug)]
enum Credentials {
    Basic(HeaderValue),
    /// The end of the body.
    Post(Secret),
}

/// What is not printed.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("{0}")]
    Content(String),
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
        check(section, at, problems);
        let config::Introspection { header, query, cookie, .. } = section;
        let places = problems.keep(Place::list([header, query, cookie], "authorization", at));
        let fetcher = Fetcher::compile(&section.fetch, &at.key("fetch"), problems);
        let location = location(section, at, problems);
        let credentials = problems.keep(credentials(section, at));
        // What was made of answers under other rules is of no use.
        let same = |before: &&Self| {
            before.server.section == *section && before.introduction == *introduction
        };
        let memory = match before.filter(same) {
            Some(before) => Ok(before.server.memory.clone()),
            None => Memory::new().map(Arc::new).map_err(|m| Problem::error(at.clone(), m)),
        };
        let server = Server {
            name: who.auth.clone(),
            section: section.clone(),
            at: location?,
            credentials: credentials?,
            fetcher: fetcher?.keeping(MAX_IDLE),
            rules: rules(section, who, introduction),
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
        let most = self.server.section.max_token_size.as_usize();
        for place in &self.places {
            match place.find(ask)? {
                None => {}
                Some(token) if token.is_empty() || token.len() > most => {
                    return Err(Reject::AuthIntrospectionMalformed);
                }
                Some(token) => return Ok(Some(token)),
            }
        }
        Ok(None)
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
        let claims = match self.fetch(token).await {
            Ok(claims) => claims,
            Err(error) => {
                self.metrics.question_failures.inc();
                tracing::warn!(auth = %self.name, %error, "no word of a token");
                if let Location::Discovery(_, found) = &self.at {
                    found.store(None);
                }
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
        let most = usize::try_from(self.section.max_remembered).unwrap_or(usize::MAX);
        self.memory.remember(tag, answer.clone(), Instant::now(), keep, most);
        self.metrics.remembered.set(i64::try_from(self.memory.len()).unwrap_or(i64::MAX));
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

    async fn fetch(&self, token: &[u8]) -> Result<Map<String, Value>, Fault> {
        let at = self.locate().await?;
        let mut body = format!("token={}&token_type_hint=access_token", form(token));
        let mut question = Request::new(Bytes::new());
        *question.method_mut() = Method::POST;
        let fields = question.headers_mut();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        fields.insert(header::CONTENT_TYPE, kind);
        fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        match &self.credentials {
            Credentials::Basic(value) => drop(fields.insert(header::AUTHORIZATION, value.clone())),
            Credentials::Post(end) => body.push_str(&end.0),
        }
        *question.body_mut() = body.into();
        let claims = object(&self.fetcher.fetch(&at, question).await?)?;
        match claims.get("active") {
            Some(Value::Bool(_)) => Ok(claims),
            _ => Err(Fault::Content("it does not say whether the token is `active`".into())),
        }
    }

    /// Where the server is asked.
    async fn locate(&self) -> Result<Arc<Destination>, Fault> {
        let (document, found) = match &self.at {
            Location::Url(at) => return Ok(at.clone()),
            Location::Discovery(document, found) => (document, found),
        };
        if let Some(found) = found.load_full() {
            return Ok(found);
        }
        let document = object(&self.fetcher.fetch(document, Request::new(Bytes::new())).await?)?;
        let issuer = self.section.issuer.as_deref().unwrap_or_default();
        let at = Arc::new(endpoint_of(issuer, &document).map_err(Fault::Content)?);
        found.store(Some(at.clone()));
        Ok(at)
    }
}

/// The JSON object of a good answer.
fn object(answer: &Response<Bytes>) -> Result<Map<String, Value>, Fault> {
    match answer.status() {
        StatusCode::OK => parse_object(answer.body()).map_err(Fault::Content),
        other => Err(Fault::Status(other)),
    }
}

/// Where an issuer's discovery document says that tokens are asked about.
fn endpoint_of(issuer: &str, document: &Map<String, Value>) -> Result<Destination, String> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err("the discovery document is another issuer's".into());
    }
    let url = text("introspection_endpoint").ok_or("it has no `introspection_endpoint`")?;
    if issuer.starts_with("https:") && !url.starts_with("https:") {
        return Err("`introspection_endpoint` leaves https".into());
    }
    Destination::parse(url).map_err(|message| format!("`introspection_endpoint`: {message}"))
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

fn form(text: &[u8]) -> impl std::fmt::Display {
    percent_encode(text, FORM).to_string()
}

/// The same rules as for tokens that are signed; their end is the server's to know.
fn rules(section: &config::Introspection, who: &Principal, introduction: &Introduction) -> Rules {
    let rules = config::Jwt {
        issuer: section.issuer.clone(),
        audience: section.audience.clone(),
        leeway: section.leeway,
        expires: false,
        subject: section.subject.clone(),
        roles: section.roles.clone(),
        scopes: section.scopes.clone(),
        ..config::Jwt::default()
    };
    Rules::new(&rules, who, introduction)
}

/// What has to be said.
fn check(section: &config::Introspection, at: &Path, problems: &mut Problems) {
    if section.audience.is_none() {
        let problem = Problem::error(at.clone(), "it does not say for whom the tokens are");
        problems.push(problem.help(
            "`audience = \"NAME\"`, as the server writes it; `audience = []` takes tokens for anybody",
        ));
    }
    if section.leeway.0 > MOST_LEEWAY {
        problems.push(Problem::error(at.key("leeway"), "no clock is so wrong; 10 minutes at most"));
    }
    if section.subject.is_empty() {
        problems.push(Problem::error(at.key("subject"), "a claim has a name"));
    }
}

fn location(
    section: &config::Introspection,
    at: &Path,
    problems: &mut Problems,
) -> Option<Location> {
    let (key, url) = match (&section.url, &section.issuer) {
        (Some(url), _) => ("url", url.clone()),
        (None, Some(issuer)) => {
            let issuer = issuer.trim_end_matches('/');
            ("issuer", format!("{issuer}/.well-known/openid-configuration"))
        }
        (None, None) => {
            let problem = Problem::error(at.clone(), "it does not say whom to ask");
            problems.push(problem.help("`url = \"https://..\"`, or `issuer`"));
            return None;
        }
    };
    let at = at.key(key);
    let to = Destination::parse(&url).map_err(|message| Problem::error(at.clone(), message));
    let to = problems.keep(to)?;
    if !to.is_protected() {
        let message = "anybody on the way can read the tokens, and say that they hold";
        problems.push(Problem::finding(at, message).help("write https://"));
    }
    Some(match key {
        "url" => Location::Url(Arc::new(to)),
        _ => Location::Discovery(to, ArcSwapOption::empty()),
    })
}

fn credentials(section: &config::Introspection, at: &Path) -> Result<Credentials, Problem> {
    if section.client_id.is_empty() {
        return Err(Problem::error(at.key("client-id"), "it does not say who asks"));
    }
    let missing = || Problem::error(at.key("client-secret"), "nothing proves who asks");
    let secret = section.client_secret.as_ref().ok_or_else(missing)?.reveal();
    let secret = secret.map_err(|message| Problem::error(at.key("client-secret"), message))?;
    let (id, secret) = (form(section.client_id.as_bytes()), form(secret.as_bytes()));
    Ok(match section.client_auth {
        ClientAuth::Post => {
            Credentials::Post(Secret(format!("&client_id={id}&client_secret={secret}")))
        }
        ClientAuth::Basic => {
            let text = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
            let value = HeaderValue::try_from(text);
            let mut value = value.map_err(|_| Problem::error(at.clone(), "it is too long"))?;
            value.set_sensitive(true);
            Credentials::Basic(value)
        }
    })
}
