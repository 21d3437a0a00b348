//! A small server for a part that the demo plays beside its gateway.
//!
//! In: what it answers. Out: a [`Host`] that serves at a port of 127.0.0.1 until it is dropped.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

/// What is waited for a descriptor.
const PAUSE: Duration = Duration::from_millis(300);

/// What it speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Speaks {
    Http1,
    Http2,
}

/// A server that serves until it is dropped.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

impl Host {
    /// A place for one.
    pub(super) async fn place() -> io::Result<TcpListener> {
        TcpListener::bind("127.0.0.1:0").await
    }

    /// Starts one there.
    pub(super) fn start<F, B>(
        speaks: Speaks,
        listener: TcpListener,
        answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(speaks, listener, answer)));
        Ok(Self { address, _serving: serving })
    }
}

/// Accepts for ever; connections end with it.
async fn serve<F, B>(
    speaks: Speaks,
    listener: TcpListener,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let answer = answer.clone();
                    let service = service_fn(move |request| {
                        let answer = answer(request);
                        async move { Ok::<_, Infallible>(answer.await) }
                    });
                    let stream = TokioIo::new(stream);
                    // A gateway that closes a connection does what it may.
                    connections.spawn(async move {
                        let _ = match speaks {
                            Speaks::Http1 => {
                                http1::Builder::new().serve_connection(stream, service).await
                            }
                            Speaks::Http2 => {
                                let http2 = http2::Builder::new(TokioExecutor::new());
                                http2.serve_connection(stream, service).await
                            }
                        };
                    });
                }
                // No descriptors left, say: that passes.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
