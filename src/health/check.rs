//! One question to an endpoint: is it well?
//!
//! In: a connection that was just made, as requests of clients would have it. Out: yes, or what is wrong.
//! Each question has a connection of its own: whether one can be had is part of it.

use http::{
    HeaderValue, Request, Response, Uri, Version,
    header::{HOST, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    config::{self, Path, Problem, Problems, Statuses},
    stream::Stream,
};

/// Bytes of an answer's body that are looked at.
const MOST: usize = 64 << 10;

/// Who asks.
const NAME: HeaderValue = HeaderValue::from_static("janua-health");

/// What an endpoint is asked.
#[derive(Clone, Debug)]
pub struct Check {
    /// What the operator wrote.
    pub settings: config::Health,
    statuses: Vec<Statuses>,
    question: Option<Question>,
}

#[derive(Clone, Debug)]
struct Question {
    target: PathAndQuery,
    host: Option<HeaderValue>,
}

/// What is wrong with an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum NotWell {
    /// Its answer has another status.
    #[error("it answers {0}")]
    Status(u16),
    /// Its answer is not what it should be.
    #[error("its answer does not hold {0:?}")]
    Body(String),
    /// It does not speak HTTP, or breaks off.
    #[error("no answer: {0}")]
    Protocol(#[from] hyper::Error),
    /// Its answer breaks off.
    #[error("its answer breaks off")]
    Broken,
}

impl Check {
    /// Compiles `[upstream.NAME.health]` at `at`.
    pub fn compile(settings: &config::Health, at: &Path, problems: &mut Problems) -> Option<Self> {
        let before = problems.iter().len();
        check_numbers(settings, at, problems);
        let question = question(settings, at, problems);
        let statuses = settings.status.iter().enumerate().filter_map(|(index, text)| {
            let at = at.key("status").index(index);
            problems.keep(text.parse().map_err(|message: String| Problem::error(at, message)))
        });
        let statuses = statuses.collect();
        let fine = problems.iter().len() == before;
        fine.then(|| Self { settings: settings.clone(), statuses, question })
    }

    /// Asks on this connection, whose endpoint is called so.
    ///
    /// # Errors
    /// What is wrong with the endpoint.
    pub async fn ask(
        &self,
        stream: Stream,
        is_http2: bool,
        authority: &HeaderValue,
    ) -> Result<(), NotWell> {
        let Some(question) = &self.question else { return Ok(()) };
        let host = question.host.as_ref().unwrap_or(authority);
        let mut request = Request::new(Empty::<Bytes>::new());
        request.headers_mut().insert(USER_AGENT, NAME);
        let io = TokioIo::new(stream);
        let (answer, _connection) = if is_http2 {
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = absolute(host, &question.target);
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            let connection = tokio::spawn(async { drop(connection.await) });
            (sender.send_request(request).await?, AbortOnDropHandle::new(connection))
        } else {
            *request.uri_mut() = question.target.clone().into();
            request.headers_mut().insert(HOST, host.clone());
            let (mut sender, connection) = http1::handshake(io).await?;
            let connection = tokio::spawn(async { drop(connection.await) });
            (sender.send_request(request).await?, AbortOnDropHandle::new(connection))
        };
        judge(&self.statuses, self.settings.body.as_deref(), answer).await
    }
}

fn check_numbers(settings: &config::Health, at: &Path, problems: &mut Problems) {
    for (key, time) in [("every", settings.every), ("timeout", settings.timeout)] {
        if time.0.is_zero() {
            let problem = Problem::error(at.key(key), "there is no time for an answer");
            problems.push(problem.help("write it like \"5s\""));
        }
    }
    for (key, count) in [("rise", settings.rise), ("fall", settings.fall)] {
        if count == 0 {
            let problem = Problem::error(at.key(key), "no answer at all would change it");
            problems.push(problem.help("1 is one answer"));
        }
    }
}

/// The question, if there is a path to ask for.
fn question(settings: &config::Health, at: &Path, problems: &mut Problems) -> Option<Question> {
    let Some(path) = &settings.path else {
        let idle = "without `path` nothing is asked that this could be about";
        for (key, value) in [("body", &settings.body), ("host", &settings.host)] {
            if value.is_some() {
                problems.push(Problem::error(at.key(key), idle).help("path = \"/healthz\""));
            }
        }
        return None;
    };
    let wrong =
        |key, text: &str, what| Problem::error(at.key(key), format!("`{text}` is not a {what}"));
    let target = path.parse::<PathAndQuery>().ok().filter(|_| path.starts_with('/'));
    let target = target.ok_or_else(|| wrong("path", path, "path").help("path = \"/healthz\""));
    let host = settings
        .host
        .as_deref()
        .map(|host| HeaderValue::from_str(host).map_err(|_| wrong("host", host, "host")));
    let (target, host) = (problems.keep(target), problems.keep(host.transpose()));
    Some(Question { target: target?, host: host? })
}

/// The absolute form of a target, as HTTP/2 needs it.
fn absolute(host: &HeaderValue, target: &PathAndQuery) -> Uri {
    let uri =
        Uri::builder().scheme("http").authority(host.as_bytes()).path_and_query(target.clone());
    uri.build().unwrap_or_else(|_| target.clone().into())
}

async fn judge(
    statuses: &[Statuses],
    text: Option<&str>,
    answer: Response<Incoming>,
) -> Result<(), NotWell> {
    let status = answer.status().as_u16();
    if !statuses.iter().any(|statuses| statuses.holds(status)) {
        return Err(NotWell::Status(status));
    }
    let Some(text) = text else { return Ok(()) };
    let mut body = Limited::new(answer.into_body(), MOST);
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => seen.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Err(error) if error.is::<LengthLimitError>() => break,
            Err(_) => return Err(NotWell::Broken),
        }
    }
    let text_bytes = text.as_bytes();
    let found =
        text.is_empty() || seen.windows(text_bytes.len()).any(|window| window == text_bytes);
    if found { Ok(()) } else { Err(NotWell::Body(text.to_owned())) }
}
