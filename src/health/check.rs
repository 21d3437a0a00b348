//! One question to an endpoint: is it well?
//!
//! In: a connection that was just made, as requests of clients would have it. Out: yes, or what is wrong.
//! Each question has a connection of its own: whether one can be had is part of it.

use std::convert::Infallible;

use http::{
    HeaderValue, Request, Response, Uri, Version,
    header::{HOST, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    body::{Body, Bytes, Incoming},
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_util::task::AbortOnDropHandle;

use super::grpc;
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
    what: What,
    host: Option<HeaderValue>,
}

#[derive(Clone, Debug)]
enum What {
    Path(PathAndQuery),
    /// How a service is, by gRPC.
    Service(String),
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
    /// Its answer breaks off, or is none.
    #[error("its answer breaks off")]
    Broken,
    /// It says by gRPC that it is not.
    #[error("it says {0}")]
    Grpc(String),
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
        let target = match &question.what {
            What::Path(target) => target,
            What::Service(service) => {
                let request = grpc::question(service, |method| absolute(host, method));
                let (answer, _connection) = exchange_http2(stream, request).await?;
                return grpc::judge(answer).await;
            }
        };
        let mut request = Request::new(Empty::<Bytes>::new());
        let (answer, _connection) = if is_http2 {
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = absolute(host, target);
            exchange_http2(stream, request).await?
        } else {
            *request.uri_mut() = target.clone().into();
            request.headers_mut().insert(HOST, host.clone());
            request.headers_mut().insert(USER_AGENT, NAME);
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let connection = tokio::spawn(async { drop(connection.await) });
            (sender.send_request(request).await?, AbortOnDropHandle::new(connection))
        };
        judge(&self.statuses, self.settings.body.as_deref(), answer).await
    }

    /// Whether it is a question that only HTTP/2 has words for.
    pub fn needs_http2(&self) -> bool {
        self.settings.grpc.is_some()
    }
}

/// The answer to a request, and what keeps its connection open.
async fn exchange_http2<B>(
    stream: Stream,
    mut request: Request<B>,
) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), hyper::Error>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    request.headers_mut().insert(USER_AGENT, NAME);
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
    Ok((sender.send_request(request).await?, connection))
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

/// The question, if there is a path or a service to ask for.
fn question(settings: &config::Health, at: &Path, problems: &mut Problems) -> Option<Question> {
    if settings.path.is_none() {
        // A service has a name of its own, and a connection says nothing.
        let idle = "without `path` nothing is asked that this could be about";
        let host = settings.host.as_ref().filter(|_| settings.grpc.is_none());
        for (key, value) in [("body", settings.body.as_ref()), ("host", host)] {
            if value.is_some() {
                problems.push(Problem::error(at.key(key), idle).help("path = \"/healthz\""));
            }
        }
    }
    let wrong =
        |key, text: &str, what| Problem::error(at.key(key), format!("`{text}` is not a {what}"));
    let what = match (&settings.path, &settings.grpc) {
        (None, None) => return None,
        (None, Some(service)) => Some(What::Service(service.clone())),
        (Some(_), Some(_)) => {
            let problem = Problem::error(at.key("grpc"), "an endpoint is asked one thing");
            problems.push(problem.help("leave out `path`, or `grpc`"));
            None
        }
        (Some(path), None) => {
            let target = path.parse::<PathAndQuery>().ok().filter(|_| path.starts_with('/'));
            let target =
                target.ok_or_else(|| wrong("path", path, "path").help("path = \"/healthz\""));
            problems.keep(target).map(What::Path)
        }
    };
    let host = settings
        .host
        .as_deref()
        .map(|host| HeaderValue::from_str(host).map_err(|_| wrong("host", host, "host")));
    let host = problems.keep(host.transpose());
    Some(Question { what: what?, host: host? })
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
