//! Asks a running gateway at its admin door: one request, one answer.
//!
//! In: the address and token, from the options or the configuration. Out: status and text. A gateway
//! that is not there, or says nothing, is an error in the operator's words.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::answer::Answer;
use crate::{
    admin::MARK,
    app::cli::AdminDoor,
    config::{self, Admin, Loaded, Report, Secret},
    snapshot::Bind,
    stream::Socket,
};

/// How long the gateway may take to let us in.
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const MAX_ANSWER: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The configuration does not say where to ask.
    #[error("{0}")]
    Config(Report),
    /// The gateway has no door, or it could not be reached, or somebody else is there.
    #[error("{0}")]
    Gateway(String),
}

/// A question for a gateway.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) accept: &'static str,
    /// How long the gateway may take.
    pub(super) patience: Duration,
}

/// A text as a parameter of a question has it.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Asks.
pub(super) fn ask(door: &AdminDoor, question: &Question) -> Answer {
    let (Admin { address, token }, wrong) = admin(door);
    if address == "off" {
        return Err(Unanswered::Gateway("the configuration has no admin door".into()));
    }
    let failed = |why: &dyn std::fmt::Display| {
        Unanswered::Gateway(format!("cannot ask the gateway at `{address}`: {why}"))
    };
    let not_there = |error: &io::Error| {
        let help = "if the file has moved the door, the gateway hears of it by SIGHUP, \
            or is asked where its door still is (`--admin`)";
        failed(&format!("{error}\n  = help: {help}"))
    };
    let bind: Bind = address.parse().map_err(|error: String| failed(&error))?;
    let token = token.as_ref().map(Secret::reveal).transpose().map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let token = token.as_ref().map(|token| token.as_str());
    let answer = runtime.block_on(exchange(&bind, token, question));
    // Where nobody is, what is wrong with the file may be why.
    answer.map_err(|error| wrong.map_or_else(|| not_there(&error), Unanswered::Config))
}

/// Where to ask: as the options say, else the configuration; and what is wrong with that, if it is to say.
///
/// The gateway runs on what the file said before, and has to be reached while it is being edited.
fn admin(door: &AdminDoor) -> (Admin, Option<Report>) {
    let path = &door.file.config;
    let (written, wrong) = match Loaded::read(path, &config::environment) {
        Ok(loaded) => (loaded.config.admin, None),
        Err(report) => (config::admin_alone(path, &config::environment), Some(report)),
    };
    match &door.admin {
        Some(address) => (Admin { address: address.clone(), ..written }, None),
        None => (written, wrong),
    }
}

async fn exchange(
    bind: &Bind,
    token: Option<&str>,
    question: &Question,
) -> io::Result<(StatusCode, String)> {
    let stream = timeout(CONNECT, connect(bind)).await.map_err(io::Error::from)??;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(&question.method)
        .uri(&question.path)
        .header(header::HOST, "localhost")
        .header(header::ACCEPT, question.accept);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
    let answer = timeout(question.patience, async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        if !head.headers.contains_key(MARK) {
            let who = format!("what answers there ({}) is no gateway's admin door", head.status);
            return Err(io::Error::other(who));
        }
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(io::Error::other)?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok((head.status, text))
    });
    answer.await.map_err(io::Error::from)?
}

async fn connect(bind: &Bind) -> io::Result<Socket> {
    match bind {
        Bind::Tcp(address) => TcpStream::connect(address).await.map(Socket::Tcp),
        Bind::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        Bind::Systemd(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
