//! [`Fetcher`]: questions that Janua itself has: a provider's keys, say.
//!
//! In: a request whose body is at hand. Out: the whole answer, whatever its status, or why there is none.
//! Each has a connection of its own, since such questions are rare; where they are not, some connections
//! are kept for the next one ([`Fetcher::keeping`]). Nothing is waited for longer than the time
//! that was set, nothing is read beyond the size that was set, and nobody is followed elsewhere.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{HOST, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{Address, Server, Unreachable, client_tls};
use crate::config::{self, Path, Problems};

/// Bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;

/// Who asks.
const NAME: HeaderValue = HeaderValue::from_static("janua");

/// Connections that wait for the next question longer than this are closed: who is there may have
/// given them up.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// Somebody to be asked: a URL, understood.
#[derive(Debug)]
pub struct Destination {
    server: Server,
    target: PathAndQuery,
    /// Connections that wait for the next question, if they are kept.
    idle: Mutex<Vec<Idle>>,
}

impl Destination {
    /// Reads `http://HOST[:PORT][/PATH][?QUERY]` or the same with `https`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
        let server = Server::new(Address::of(&uri)?)?;
        let target = uri.path_and_query().cloned();
        let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { server, target, idle: Mutex::default() })
    }

    /// The same, which over TLS has to be whoever this name says.
    ///
    /// # Errors
    /// What is wrong with the name, in a sentence.
    pub fn verified_as(mut self, name: &str) -> Result<Self, String> {
        self.server = self.server.verified_as(name)?;
        Ok(self)
    }

    /// Whether nobody on the way can change what is said.
    pub fn is_protected(&self) -> bool {
        self.server.is_protected()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// There is no way there.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The answer is not HTTP, or it broke off.
    #[error("not a whole answer: {0}")]
    Protocol(#[source] hyper::Error),
    /// The answer's body is larger than the limit.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// A connection that waits for the next question.
#[derive(Debug)]
struct Idle {
    sender: SendRequest<Full<Bytes>>,
    since: Instant,
    connection: AbortOnDropHandle<hyper::Result<()>>,
}

/// Asks.
#[derive(Clone, Debug)]
pub struct Fetcher {
    tls: Arc<ClientConfig>,
    timeout: Duration,
    max_size: usize,
    max_idle: usize,
}

impl Fetcher {
    /// Compiles the section at `at`.
    pub fn compile(section: &config::Fetch, at: &Path, problems: &mut Problems) -> Option<Self> {
        let tls = client_tls(section.ca.as_deref(), at, problems)?;
        Some(Self::new(tls, section.timeout.0, section.max_size.as_usize()))
    }

    /// One that speaks TLS in this way, and waits for and reads no more than this.
    pub fn new(mut tls: ClientConfig, timeout: Duration, max_size: usize) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { tls: Arc::new(tls), timeout, max_size, max_idle: 0 }
    }

    /// The same, with so many connections at most kept for the next question: where there are many.
    #[must_use]
    pub fn keeping(mut self, max_idle: usize) -> Self {
        self.max_idle = max_idle;
        self
    }

    /// How long it waits.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks, and brings the whole answer. The request's target and host are the destination's. One that
    /// goes out on a connection that was kept may go out twice: it must be one that may.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn fetch(
        &self,
        to: &Destination,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        self.ask(to, &to.target, request).await
    }

    /// The same for another path and query of the destination.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(
        &self,
        to: &Destination,
        target: &PathAndQuery,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = tokio::time::timeout(self.timeout, self.exchange(to, target, request)).await;
        exchange.unwrap_or(Err(FetchError::Timeout(self.timeout)))
    }

    /// The same, but only the answer's head is waited for: its body comes as it comes.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn open(
        &self,
        to: &Destination,
        target: &PathAndQuery,
        request: Request<Bytes>,
    ) -> Result<Response<Flow>, FetchError> {
        let request = addressed(to, target, request);
        let opening = async {
            let mut idle = self.connect(to).await?;
            let answer = idle.sender.send_request(request).await.map_err(FetchError::Protocol)?;
            Ok(answer.map(|body| Flow { body, _connection: idle }))
        };
        let opened = tokio::time::timeout(self.timeout, opening).await;
        opened.unwrap_or(Err(FetchError::Timeout(self.timeout)))
    }

    async fn exchange(
        &self,
        to: &Destination,
        target: &PathAndQuery,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        let request = addressed(to, target, request);
        while let Some(mut idle) = to.take() {
            // Who is there may have closed it meanwhile; that is no answer.
            if idle.sender.ready().await.is_ok()
                && let Ok(answer) = idle.sender.send_request(request.clone()).await
            {
                return self.finish(to, idle, answer).await;
            }
        }
        let mut fresh = self.connect(to).await?;
        let answer = fresh.sender.send_request(request).await.map_err(FetchError::Protocol)?;
        self.finish(to, fresh, answer).await
    }

    async fn connect(&self, to: &Destination) -> Result<Idle, FetchError> {
        let stream = to.server.connect(&self.tls).await?;
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_HEAD);
        let (sender, connection) =
            http.handshake(TokioIo::new(stream)).await.map_err(FetchError::Protocol)?;
        // It ends with the question, unless it is kept.
        let connection = AbortOnDropHandle::new(tokio::spawn(connection));
        Ok(Idle { sender, since: Instant::now(), connection })
    }

    /// Reads an answer to its end, and keeps its connection, if that is wanted.
    async fn finish(
        &self,
        to: &Destination,
        mut idle: Idle,
        answer: Response<Incoming>,
    ) -> Result<Response<Bytes>, FetchError> {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.max_size).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => FetchError::Protocol(*error),
            Err(error) => {
                debug_assert!(error.is::<LengthLimitError>(), "{error}");
                FetchError::TooLarge(self.max_size)
            }
        })?;
        idle.since = Instant::now();
        if !idle.connection.is_finished() {
            to.keep(idle, self.max_idle);
        }
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// The request, as the destination is to see it.
fn addressed(
    to: &Destination,
    target: &PathAndQuery,
    mut request: Request<Bytes>,
) -> Request<Full<Bytes>> {
    *request.uri_mut() = target.clone().into();
    request.headers_mut().insert(HOST, to.server.address.authority.clone());
    request.headers_mut().insert(USER_AGENT, NAME);
    request.map(Full::new)
}

/// An answer's body that comes as it comes.
#[derive(Debug)]
pub struct Flow {
    body: Incoming,
    _connection: Idle,
}

impl Flow {
    /// The next piece; nothing when it has ended.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(FetchError::Protocol(error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

impl Destination {
    /// The connection that was kept last, if it did not wait for too long.
    fn take(&self) -> Option<Idle> {
        let mut idle = self.idle.lock();
        let last = idle.pop()?;
        if last.since.elapsed() < MAX_IDLE_TIME {
            return Some(last);
        }
        // Those below wait for longer.
        idle.clear();
        None
    }

    fn keep(&self, one: Idle, max_idle: usize) {
        let mut idle = self.idle.lock();
        if idle.len() < max_idle {
            idle.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_asked() {
        for (url, protected) in [
            ("https://idp.example/a?b=c", true),
            ("https://idp.example", true),
            ("http://127.0.0.1:8080/keys", true),
            ("http://[::1]/keys", true),
            ("http://localhost/keys", true),
            ("http://idp.example/keys", false),
        ] {
            let to = Destination::parse(url).unwrap();
            assert_eq!(to.is_protected(), protected, "{url}");
        }
        for url in ["", "idp.example", "/keys", "ftp://idp", "https://u:p@idp/", "https://a:x/"] {
            assert!(Destination::parse(url).is_err(), "{url}");
        }
    }
}
