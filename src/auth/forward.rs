//! The method `forward`: a service of the operator's own decides (forward-auth, `auth_request`).
//!
//! In: a head. Out: the principal whom the service's answer names, or that answer itself, for the client:
//! 401, 403 and redirects are the service's to word. It is asked for every request, on connections that
//! are kept, unless it is said what its decision depends on: then that it let somebody in is remembered
//! for a time. Whatever else comes of it, or nothing in time, lets nobody in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Ask, Found, Refusal,
    memory::{Memory, Tag},
    principal::{Introduction, Principal},
    provider::{Given, identity_header},
    questions::Questions,
};
use crate::{
    config::{self, Path, Problem, Problems},
    dial::{Destination, FetchError, Fetcher},
    message::set_forwarded,
    metrics::AuthMetrics,
    reject::Reject,
};

/// After so long it is worth trying again when the service cannot be asked.
const UNANSWERED: Duration = Duration::from_secs(1);
/// Connections that are kept for the next question.
const MAX_IDLE: usize = 64;

/// What of a trusted peer's own header fields is carried on.
const FORWARDED: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Cookies of an answer that lets in, and bytes of them all.
const MOST_COOKIES: (usize, usize) = (16, 16 << 10);

/// What of the service's refusal the client is told.
const TOLD: [HeaderName; 8] = [
    header::CACHE_CONTROL,
    header::CONTENT_LANGUAGE,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_TYPE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
];

/// A service that decides.
#[derive(Debug)]
pub(super) struct Forward {
    service: Arc<Service>,
    introduction: Introduction,
    /// What it is sent; none for everything.
    sent: Option<Box<[HeaderName]>>,
    /// What its decision depends on; nothing if it is not remembered.
    by: Box<[Part]>,
    questions: Arc<Questions<Option<Answer>>>,
}

/// The service, and what it said.
#[derive(Debug)]
struct Service {
    section: config::Forward,
    at: Destination,
    fetcher: Fetcher,
    told: Box<[HeaderName]>,
    subject: Option<HeaderName>,
    roles: Box<[HeaderName]>,
    who: Principal,
    introduction: Introduction,
    memory: Arc<Memory<Arc<Principal>>>,
    metrics: Arc<AuthMetrics>,
}

/// A part of a request that a decision depends on.
#[derive(Debug)]
enum Part {
    Method,
    Host,
    Path,
    Field(HeaderName),
}

/// What the service says.
#[derive(Clone, Debug)]
enum Answer {
    Known(Arc<Principal>),
    Refused(Refusal),
}

/// An answer of the service's, for the client.
#[derive(Debug, PartialEq)]
pub struct Denial {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Denial {
    /// The answer.
    pub fn answer(&self) -> Response<Bytes> {
        let mut answer = Response::new(self.body.clone());
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers.clone();
        answer
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("it lets in, and does not say whom (`{0}`)")]
    Subject(HeaderName),
    #[error("it sets more cookies than are passed on")]
    Cookies,
}

impl Forward {
    /// Compiles the section at `at`; `who` is what all of its principals have in common.
    pub(super) fn compile(
        section: &config::Forward,
        (who, introduction): (&Principal, &Introduction),
        before: Option<&Self>,
        given: &Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let fetcher = Fetcher::compile(&section.fetch, &at.key("fetch"), problems);
        let to = Destination::parse(&section.url);
        let to = problems.keep(to.map_err(|message| Problem::error(at.key("url"), message)));
        if to.as_ref().is_some_and(|to| !to.is_protected()) {
            let message = "anybody on the way can say who comes in";
            let problem = Problem::finding(at.key("url"), message);
            problems.push(problem.help("write https://, unless the network is your own"));
        }
        let all = section.headers.iter().any(|name| name == "*");
        let sent = (!all).then(|| fields(&section.headers, &at.key("headers"), problems));
        let told = section.response_headers.iter().filter_map(|name| {
            let name = identity_header(name);
            problems.keep(name.map_err(|m| Problem::error(at.key("response-headers"), m)))
        });
        let told = told.collect();
        let subject = section.subject.iter().cloned().collect::<Vec<_>>();
        let subject = fields(&subject, &at.key("subject"), problems).first().cloned();
        let roles = fields(&section.roles, &at.key("roles"), problems);
        let by = parts(section, at, problems);
        // What was made of answers under other rules is of no use.
        let same = |before: &&Self| {
            before.service.section == *section && before.introduction == *introduction
        };
        let before = before.filter(same).map(|before| &before.service.memory);
        let memory = Memory::after(before, &given.metrics, at);
        let service = Service {
            section: section.clone(),
            at: to?,
            fetcher: fetcher?.keeping(MAX_IDLE),
            told,
            subject,
            roles,
            who: who.clone(),
            introduction: introduction.clone(),
            memory: problems.keep(memory)?,
            metrics: given.metrics.clone(),
        };
        let questions = Questions::new(section.max_waiting, given.metrics.clone());
        let service = Arc::new(service);
        Some(Self { service, introduction: introduction.clone(), sent, by, questions })
    }

    /// Who it is, if the service let them in lately.
    pub(super) fn look(&self, ask: &Ask<'_>) -> Found {
        let known = self.tag(ask).and_then(|tag| self.service.memory.recall(&tag, ask.now));
        known.map_or(Found::Unsure, Found::Known)
    }

    /// Who it is, by the service's answer.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Found {
        let question = self.question(ask);
        let (service, tag) = (self.service.clone(), self.tag(ask));
        let said = match tag {
            None => self.questions.alone(service.ask(question, None)).await,
            Some(tag) => {
                let ask = || async move { service.ask(question, Some(tag)).await };
                self.questions.ask(tag, ask).await
            }
        };
        match said {
            Some(Some(Answer::Known(who))) => Found::Known(who),
            Some(Some(Answer::Refused(refusal))) => Found::Wrong(refusal),
            Some(None) => Found::Wrong(Refusal::later(Reject::AuthForwardUnavailable, UNANSWERED)),
            None => Found::Wrong(Refusal::later(Reject::AuthBusy, UNANSWERED)),
        }
    }

    /// What the decision depends on; none if that is not all there, or if nothing is remembered.
    fn tag(&self, ask: &Ask<'_>) -> Option<Tag> {
        let mut text = Vec::new();
        for part in &self.by {
            let mut add = |bytes: &[u8]| {
                text.extend((bytes.len() as u64).to_be_bytes());
                text.extend(bytes);
            };
            match part {
                Part::Method => add(ask.method.as_str().as_bytes()),
                Part::Host => add(ask.host.map(HeaderValue::as_bytes).unwrap_or_default()),
                Part::Path => add(target(ask).as_bytes()),
                Part::Field(name) => {
                    let mut values = ask.headers.get_all(name).iter().peekable();
                    values.peek()?;
                    values.for_each(|value| add(value.as_bytes()));
                }
            }
            text.push(b'/');
        }
        (!text.is_empty()).then(|| self.service.memory.tag([&text, b"", b""]))
    }

    /// What the service is sent.
    fn question(&self, ask: &Ask<'_>) -> Request<Bytes> {
        let mut question = Request::new(Bytes::new());
        let fields = question.headers_mut();
        match &self.sent {
            None => {
                fields.clone_from(ask.headers);
                for name in [
                    header::CONTENT_LENGTH,
                    header::TRANSFER_ENCODING,
                    header::CONTENT_ENCODING,
                    header::EXPECT,
                    header::RANGE,
                ] {
                    fields.remove(name);
                }
            }
            Some(names) => {
                for name in names {
                    for value in ask.headers.get_all(name) {
                        fields.append(name, value.clone());
                    }
                }
            }
        }
        for name in FORWARDED {
            fields.remove(name);
            for value in ask.headers.get_all(name) {
                fields.append(name, value.clone());
            }
        }
        if let Some(client) = ask.connection {
            set_forwarded(fields, client, ask.host);
        }
        if let Ok(method) = HeaderValue::try_from(ask.method.as_str()) {
            fields.insert(X_FORWARDED_METHOD, method);
        }
        if let Ok(target) = HeaderValue::try_from(target(ask)) {
            fields.insert(X_FORWARDED_URI, target);
        }
        *question.method_mut() = Method::GET;
        question
    }
}

fn target<'a>(ask: &Ask<'a>) -> &'a str {
    ask.target.path_and_query().map_or("/", http::uri::PathAndQuery::as_str)
}

impl Service {
    /// Asks, and remembers whom it lets in.
    async fn ask(self: Arc<Self>, question: Request<Bytes>, tag: Option<Tag>) -> Option<Answer> {
        self.metrics.questions.inc();
        let answer = self.fetcher.fetch(&self.at, question).await.map_err(Fault::from);
        let answer = answer.and_then(|answer| self.judge(answer));
        let answer = answer.inspect_err(|error| {
            self.metrics.question_failures.inc();
            tracing::debug!(auth = %self.who.auth, %error, "nobody decides");
        });
        let answer = answer.ok()?;
        if let (Answer::Known(who), Some(tag)) = (&answer, tag)
            && who.cookies.is_empty()
        {
            let (keep, most) = (self.section.remember.0, self.section.max_remembered);
            self.memory.remember(tag, who.clone(), Instant::now(), keep, most);
        }
        Some(answer)
    }

    fn judge(&self, answer: Response<Bytes>) -> Result<Answer, Fault> {
        let reject = match answer.status() {
            status if status.is_success() => {
                return self.principal(answer.headers()).map(Answer::Known);
            }
            StatusCode::UNAUTHORIZED => Reject::AuthForwardUnauthorized,
            StatusCode::FORBIDDEN => Reject::AuthForwardDenied,
            StatusCode::FOUND | StatusCode::SEE_OTHER | StatusCode::TEMPORARY_REDIRECT
                if self.section.redirect && answer.headers().contains_key(header::LOCATION) =>
            {
                Reject::AuthForwardUnauthorized
            }
            other => return Err(Fault::Status(other)),
        };
        let (head, body) = answer.into_parts();
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for name in TOLD {
            headers.extend(head.headers.get_all(&name).iter().map(|it| (name.clone(), it.clone())));
        }
        let denial = Arc::new(Denial { status: head.status, headers, body });
        Ok(Answer::Refused(Refusal { denial: Some(denial), ..reject.into() }))
    }

    /// Whom an answer lets in.
    fn principal(&self, answer: &HeaderMap) -> Result<Arc<Principal>, Fault> {
        let said = |name: &HeaderName| {
            let all: Vec<_> = answer.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            (!all.is_empty()).then(|| all.join(&b", "[..]))
        };
        let text = |name: &HeaderName| Some(String::from_utf8_lossy(&said(name)?).into_owned());
        let subject = match &self.subject {
            None => self.who.auth.to_string(),
            Some(name) => {
                let subject = text(name).filter(|subject| !subject.is_empty());
                subject.ok_or_else(|| Fault::Subject(name.clone()))?
            }
        };
        let nameless = self.subject.is_none();
        let mut who = Principal { subject: subject.into(), nameless, ..self.who.clone() };
        let roles: Vec<_> = self.roles.iter().filter_map(text).collect();
        let roles = roles.iter().flat_map(|roles| roles.split(',')).map(str::trim);
        who.roles = roles.filter(|role| !role.is_empty()).map(Into::into).collect();
        let claim = |name: &HeaderName| Some((name.to_string(), Value::from(text(name)?)));
        who.claims = self.told.iter().filter_map(claim).collect::<Map<_, _>>();
        let mut who = self.introduction.of(who);
        let field =
            |name: &HeaderName| Some((name.clone(), HeaderValue::from_bytes(&said(name)?).ok()?));
        let own = self.told.iter().filter_map(field);
        let own = own.filter(|(name, _)| who.headers.iter().all(|(known, _)| known != name));
        who.headers = who.headers.iter().cloned().chain(own).collect();
        who.cookies = self.cookies(answer)?;
        Ok(Arc::new(who))
    }

    /// The cookies of an answer that the client is given.
    fn cookies(&self, answer: &HeaderMap) -> Result<Box<[HeaderValue]>, Fault> {
        let given = |cookie: &&HeaderValue| {
            let name = cookie_name(cookie);
            self.section.response_cookies.iter().any(|it| it == "*" || it.as_bytes() == name)
        };
        let all = answer.get_all(header::SET_COOKIE).iter().filter(given);
        let secret = |cookie: &HeaderValue| {
            let mut cookie = cookie.clone();
            cookie.set_sensitive(true);
            cookie
        };
        let all: Box<[_]> = all.map(secret).collect();
        let (most, size) = MOST_COOKIES;
        let few = all.len() <= most && all.iter().map(HeaderValue::len).sum::<usize>() <= size;
        few.then_some(all).ok_or(Fault::Cookies)
    }
}

/// The name of a cookie that is set (RFC 6265 section 5.2).
pub fn cookie_name(cookie: &HeaderValue) -> &[u8] {
    let pair = cookie.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

/// Names of header fields.
fn fields(names: &[String], at: &Path, problems: &mut Problems) -> Box<[HeaderName]> {
    let field = |name: &String| {
        let message = format!("`{name}` is not a header field's name");
        problems.keep(name.parse().map_err(|_| Problem::error(at.clone(), message)))
    };
    names.iter().filter_map(field).collect()
}

/// What the decision depends on, if it is remembered.
fn parts(section: &config::Forward, at: &Path, problems: &mut Problems) -> Box<[Part]> {
    if section.remember.0.is_zero() {
        return Box::default();
    }
    if section.remember_by.is_empty() {
        let message = "it does not say what the decision depends on";
        let problem = Problem::error(at.key("remember"), message);
        problems.push(problem.help("`remember-by = [\"cookie\", \"host\", \"path\"]`, say"));
    }
    let by_cookie = section.remember_by.iter().any(|name| name.eq_ignore_ascii_case("cookie"));
    if !section.response_cookies.is_empty() && !by_cookie {
        let message = "whoever asks at the same time would be given somebody else's cookies";
        let problem = Problem::error(at.key("response-cookies"), message);
        problems.push(problem.help("add \"cookie\" to `remember-by`"));
    }
    let at = at.key("remember-by");
    let part = |name: &String| match name.as_str() {
        "method" => Some(Part::Method),
        "host" => Some(Part::Host),
        "path" => Some(Part::Path),
        _ => fields(std::slice::from_ref(name), &at, problems).first().cloned().map(Part::Field),
    };
    section.remember_by.iter().filter_map(part).collect()
}
