//! The demo's origins: small HTTP servers that say who they are and what they got.
//!
//! In: a name. Out: an [`Origin`] that serves at a port of 127.0.0.1 until it is dropped. It speaks
//! HTTP/1.1 in clear and is nobody's model of a web server.

use std::{
    convert::Infallible,
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use super::websocket;

/// The longest delay that is waited out.
const LONGEST: Duration = Duration::from_secs(60);

/// Events of `/sse`, and what lies between two of them.
const EVENTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);

/// The tag of what never changes.
const ARCHIVE: &str = "\"1848\"";

type Body = BoxBody<Bytes, hyper::Error>;

/// An origin that serves until it is killed or dropped.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    serving: Mutex<Option<AbortOnDropHandle<()>>>,
    /// Bound, and not listening: nobody else gets the port while the origin is dead.
    _place: Socket,
}

impl Origin {
    /// Starts an origin.
    pub(super) fn start(name: &'static str) -> io::Result<Self> {
        let place = socket(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = place.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let origin = Self { name, address, serving: Mutex::default(), _place: place };
        origin.start_again()?;
        Ok(origin)
    }

    /// Ends it at once, connections and all.
    pub(super) fn kill(&self) {
        *self.serving.lock() = None;
    }

    /// Starts it where it was, if it is dead.
    pub(super) fn start_again(&self) -> io::Result<()> {
        let mut serving = self.serving.lock();
        if serving.is_none() {
            let socket = socket(self.address)?;
            socket.listen(1_024)?;
            let listener = TcpListener::from_std(socket.into())?;
            *serving = Some(AbortOnDropHandle::new(tokio::spawn(serve(self.name, listener))));
        }
        Ok(())
    }
}

/// A socket at this address.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Accepts for ever; connections end with it.
async fn serve(name: &'static str, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(connection(name, stream))),
                // No descriptors left, say: that passes.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(name: &'static str, stream: TcpStream) {
    let service =
        service_fn(|request| async move { Ok::<_, Infallible>(answer(name, request).await) });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A gateway that closes a connection does what it may.
    let _ = connection.with_upgrades().await;
}

/// What an origin answers.
async fn answer(name: &'static str, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let mut response = match (first, rest) {
        ("who", "") => text(format!("{name}\n")),
        ("delay", millis) => delayed(name, millis).await,
        ("status", code) => with_status(name, code),
        ("echo", "") => echoed(request),
        ("news", subject) => news(name, subject, &request),
        ("sse", "") => events(name),
        ("graphql", "") => graphql(),
        ("ws", "") => websocket::accept(request).map(|()| whole("")),
        _ => text(report(name, &request)),
    };
    response.headers_mut().insert("x-origin", HeaderValue::from_static(name));
    response
}

/// Who it is, and what it got.
fn report(name: &str, request: &Request<Incoming>) -> String {
    let (method, target) = (request.method(), request.uri());
    let mut report = format!("This is {name}. It got {method} {target} with\n");
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = writeln!(report, "  {name}: {value}");
    }
    report
}

async fn delayed(name: &str, millis: &str) -> Response<Body> {
    let Ok(millis) = millis.parse() else { return wrong("a delay is in milliseconds\n") };
    let delay = Duration::from_millis(millis).min(LONGEST);
    tokio::time::sleep(delay).await;
    text(format!("{name} waited {} ms\n", delay.as_millis()))
}

fn with_status(name: &str, code: &str) -> Response<Body> {
    let status = code.parse().ok().filter(|code| (200..600).contains(code));
    let Some(status) = status.and_then(|code| StatusCode::from_u16(code).ok()) else {
        return wrong("a status is 200 to 599\n");
    };
    let mut response = text(format!("{name} answers {status}\n"));
    *response.status_mut() = status;
    response
}

/// What may be kept for two seconds, and given for ten more while it is fetched anew; of an `archive` only if
/// this origin says each time that it holds.
fn news(name: &str, subject: &str, request: &Request<Incoming>) -> Response<Body> {
    static EDITION: AtomicU32 = AtomicU32::new(1);
    let archive = subject == "archive";
    let holds = archive && request.headers().get(IF_NONE_MATCH).is_some_and(|tag| tag == ARCHIVE);
    let mut response = if holds {
        let mut response = Response::new(whole(""));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let edition = EDITION.fetch_add(1, Relaxed);
        text(format!("edition {edition} on {subject}, by {name}\n"))
    };
    let headers = response.headers_mut();
    let control = if archive { "no-cache" } else { "max-age=2, stale-while-revalidate=10" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
    headers.insert("cache-tag", HeaderValue::from_static("news"));
    if archive {
        headers.insert(ETAG, HeaderValue::from_static(ARCHIVE));
    }
    response
}

/// Streams the request's body back while it comes.
fn echoed(request: Request<Incoming>) -> Response<Body> {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let mut response = Response::new(request.into_body().boxed());
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

/// Server-sent events, each when its time has come.
fn events(name: &'static str) -> Response<Body> {
    let events = stream::unfold(1, move |number| async move {
        if number > EVENTS {
            return None;
        }
        if number > 1 {
            tokio::time::sleep(PAUSE).await;
        }
        let event = format!("id: {number}\ndata: event {number} of {EVENTS} from {name}\n\n");
        Some((Ok(Frame::data(Bytes::from(event))), number + 1))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(events)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a service of GraphQL would say to one question; it is said to any.
fn graphql() -> Response<Body> {
    let user = r#"{"id":"7","name":"Ada","friends":[{"name":"Ben"}]}"#;
    let note = "one answer for all: this origin runs no query";
    let told = format!(r#"{{"data":{{"user":{user}}},"extensions":{{"note":"{note}"}}}}"#);
    let mut response = Response::new(whole(told));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn text(text: String) -> Response<Body> {
    let mut response = Response::new(whole(text));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn wrong(message: &'static str) -> Response<Body> {
    let mut response = text(message.into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}
