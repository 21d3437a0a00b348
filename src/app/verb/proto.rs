//! `janua proto pull`: the types of a server, by server reflection, pinned to a file.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_TYPE, TE},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio_util::task::AbortOnDropHandle;

use super::{Exit, fail, print};
use crate::{
    app::cli::{Proto, ProtoPull},
    config::{Path, Problems},
    dial::{Address, Server, client_tls},
    grpc::{Pulled, Question, REFLECTION, Reflection, Said},
};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an answer.
const MOST: usize = 4 << 20;

/// Does what was asked for.
pub(super) fn proto(verb: &Proto) -> Exit {
    let Proto::Pull(arguments) = verb;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let pulled = runtime.block_on(async {
        let late = Err(format!("`{}` took longer than {PATIENCE:?}", arguments.from));
        tokio::time::timeout(PATIENCE, pull(arguments)).await.unwrap_or(late)
    });
    let written = pulled.and_then(|(services, set)| {
        let at = arguments.out.display();
        let written = std::fs::write(&arguments.out, set);
        written.map(|()| services).map_err(|error| format!("cannot write `{at}`: {error}"))
    });
    match written {
        Ok(services) => print(&format!("{}\n", services.join("\n"))),
        Err(message) => fail(&message),
    }
}

/// The services, and their types.
async fn pull(arguments: &ProtoPull) -> Result<(Vec<String>, Vec<u8>), String> {
    let url = match arguments.from.contains("://") {
        true => arguments.from.clone(),
        false => format!("http://{}", arguments.from),
    };
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
    let server = Server::new(Address::of(&uri)?)?;
    let mut problems = Problems::new();
    let tls = client_tls(arguments.ca.as_deref(), &Path::root(), &mut problems);
    let first = || problems.iter().map(|problem| problem.message.clone()).next();
    let mut tls: ClientConfig = tls.ok_or_else(|| first().unwrap_or_default())?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let stream = server.connect(&Arc::new(tls)).await.map_err(|error| error.to_string())?;
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.map_err(|error| error.to_string())?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
    let mut peer = Peer { reflection: Reflection::new()?, sender, uri, version: 0 };
    let services = match &arguments.service[..] {
        [] => peer.services().await?,
        named => named.to_vec(),
    };
    let mut pulled = Pulled::default();
    for service in &services {
        peer.take(Question::Symbol(service.clone()), &mut pulled).await?;
    }
    pulled.find_imports(&peer.reflection)?;
    while let Some(name) = pulled.missing() {
        let asked = peer.take(Question::File(name.clone()), &mut pulled).await;
        // A file that came under another name would be missing for ever.
        if pulled.missing().as_ref() == Some(&name)
            && !pulled.take_well_known(&peer.reflection, &name)
        {
            asked?;
            return Err(format!("the server does not give `{name}`"));
        }
    }
    Ok((services, pulled.set()?))
}

/// A server that is asked.
struct Peer {
    reflection: Reflection,
    sender: SendRequest<Full<Bytes>>,
    uri: Uri,
    /// Which of the versions it speaks.
    version: usize,
}

impl Peer {
    /// Its services, but for reflection itself.
    async fn services(&mut self) -> Result<Vec<String>, String> {
        match self.ask(&Question::Services).await? {
            Said::Services(mut names) => {
                names.retain(|name| !name.starts_with("grpc.reflection."));
                names.sort();
                Ok(names)
            }
            Said::Files(_) => Err("the answer is to another question".into()),
        }
    }

    async fn take(&mut self, question: Question, pulled: &mut Pulled) -> Result<(), String> {
        match self.ask(&question).await? {
            Said::Files(files) => {
                files.into_iter().try_for_each(|file| pulled.take(&self.reflection, file))
            }
            Said::Services(_) => Err("the answer is to another question".into()),
        }
    }

    async fn ask(&mut self, question: &Question) -> Result<Said, String> {
        while let Some(path) = REFLECTION.get(self.version) {
            if let Some(said) = self.try_ask(path, question).await? {
                return Ok(said);
            }
            self.version += 1;
        }
        Err("the server has no reflection".into())
    }

    async fn try_ask(
        &mut self,
        path: &PathAndQuery,
        question: &Question,
    ) -> Result<Option<Said>, String> {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path.clone());
        let mut request = Request::new(Full::new(self.reflection.question(question)));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| error.to_string())?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(|error| error.to_string())?;
        let trailers = body.trailers().cloned();
        self.reflection.answer(&head.headers, &body.to_bytes(), trailers.as_ref())
    }
}
