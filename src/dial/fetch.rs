//! [`Fetcher`]: questions that Janua itself has: a provider's keys, say.
//!
//! In: a request whose body is at hand. Out: the whole answer, whatever its status, or why there is none.
//! Each has a connection of its own: such questions are rare. Nothing is waited for longer than the time
//! that was set, nothing is read beyond the size that was set, and nobody is followed elsewhere.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{HOST, USER_AGENT},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{Address, NoConnection, Place, Resolved, authorities, open, system_roots};
use crate::{
    config::{self, Path, Problem, Problems},
    stream::Stream,
};

/// Bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;

/// Who asks.
const NAME: HeaderValue = HeaderValue::from_static("janua");

/// Somebody to be asked: a URL, understood.
#[derive(Debug)]
pub struct Destination {
    address: Address,
    target: PathAndQuery,
    resolved: Resolved,
    name: Option<ServerName<'static>>,
}

impl Destination {
    /// Reads `http://HOST[:PORT][/PATH][?QUERY]` or the same with `https`.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
        let address = Address::of(&uri)?;
        let name = match address.tls {
            false => None,
            true => {
                let name = ServerName::try_from(address.host());
                Some(name.map_err(|_| format!("TLS cannot verify the name `{}`", address.host()))?)
            }
        };
        let target = uri.path_and_query().cloned();
        let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { address, target, resolved: Resolved::default(), name })
    }

    /// Whether nobody on the way can change what is said.
    pub fn is_protected(&self) -> bool {
        let here = |ip: &IpAddr| ip.is_loopback();
        self.address.tls
            || match &self.address.place {
                Place::Ip(ip, _) => here(ip),
                Place::Name(name, _) => &**name == "localhost",
                Place::Unix(_) => true,
            }
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
    Connection(#[from] NoConnection),
    /// Whoever is there is not who it should be, or does not speak TLS.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// The answer is not HTTP, or it broke off.
    #[error("not a whole answer: {0}")]
    Protocol(#[source] hyper::Error),
    /// The answer's body is larger than the limit.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// Asks.
#[derive(Clone, Debug)]
pub struct Fetcher {
    tls: Arc<ClientConfig>,
    timeout: Duration,
    max_size: usize,
}

impl Fetcher {
    /// Compiles the section at `at`.
    pub fn compile(section: &config::Fetch, at: &Path, problems: &mut Problems) -> Option<Self> {
        let roots = match &section.ca {
            None => Ok(system_roots()),
            Some(file) => std::fs::read(file)
                .map_err(|error| format!("cannot read `{}`: {error}", file.display()))
                .and_then(|text| authorities(file, &text).map(Arc::new)),
        };
        let roots =
            problems.keep(roots.map_err(|message| Problem::error(at.key("ca"), message)))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Problem::error(at.clone(), error.to_string()));
        let mut tls = problems.keep(tls)?.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (timeout, max_size) = (section.timeout.0, section.max_size.as_usize());
        Some(Self { tls: Arc::new(tls), timeout, max_size })
    }

    /// How long it waits.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks, and brings the whole answer. The request's target and host are the destination's.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn fetch(
        &self,
        to: &Destination,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = tokio::time::timeout(self.timeout, self.exchange(to, request)).await;
        exchange.unwrap_or(Err(FetchError::Timeout(self.timeout)))
    }

    async fn exchange(
        &self,
        to: &Destination,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = request.map(Full::new);
        *request.uri_mut() = to.target.clone().into();
        request.headers_mut().insert(HOST, to.address.authority.clone());
        request.headers_mut().insert(USER_AGENT, NAME);
        let socket = open(&to.address, &to.resolved).await?;
        let stream = match &to.name {
            None => Stream::Clear(socket),
            Some(name) => {
                let connector = TlsConnector::from(self.tls.clone());
                let stream = connector.connect(name.clone(), socket).await;
                Stream::Tls(Box::new(stream.map_err(FetchError::Tls)?.into()))
            }
        };
        let mut http = http1::Builder::new();
        http.max_buf_size(MAX_HEAD);
        let (mut sender, connection) =
            http.handshake(TokioIo::new(stream)).await.map_err(FetchError::Protocol)?;
        // It ends with the question.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answer = sender.send_request(request).await.map_err(FetchError::Protocol)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.max_size).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => FetchError::Protocol(*error),
            Err(error) => {
                debug_assert!(error.is::<LengthLimitError>(), "{error}");
                FetchError::TooLarge(self.max_size)
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
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
