//! The demo's stage hand: kills the demo's origins and starts them again, for those who want to see what a
//! gateway makes of that.
//!
//! In: `/_demo/kill/2`, `/_demo/start/2`; the first origin is 1. Out: a line that says what happened.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::origin::Origin;

/// A stage hand that works until it is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

type Origins = Arc<[Origin; 2]>;

impl Stage {
    /// Starts one for these origins.
    pub(super) async fn start(origins: Origins) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, origins)));
        Ok(Self { address, _serving: serving })
    }
}

async fn serve(listener: TcpListener, origins: Origins) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let origins = origins.clone();
        connections.spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&origins, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A gateway that closes a connection does what it may.
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

fn answer(origins: &Origins, request: &Request<Incoming>) -> Response<String> {
    let path = request.uri().path().trim_start_matches("/_demo/");
    let (act, number) = path.split_once('/').unwrap_or((path, ""));
    let origin = match number {
        "1" => &origins[0],
        "2" => &origins[1],
        _ => return say(StatusCode::NOT_FOUND, "/_demo/kill/2, or /_demo/start/2".into()),
    };
    let name = origin.name;
    match act {
        "kill" => {
            origin.kill();
            say(StatusCode::OK, format!("{name} is dead"))
        }
        "start" => match origin.start_again() {
            Ok(()) => say(StatusCode::OK, format!("{name} lives")),
            Err(error) => say(StatusCode::INTERNAL_SERVER_ERROR, format!("{name}: {error}")),
        },
        _ => say(StatusCode::NOT_FOUND, "kill, or start".into()),
    }
}

fn say(status: StatusCode, text: String) -> Response<String> {
    let mut response = Response::new(text + "\n");
    *response.status_mut() = status;
    response
}
