//! An origin of the demo: a small HTTP/1.1 server that shows what reached it.
//!
//! | path             | answer                                              |
//! |------------------|-----------------------------------------------------|
//! | `/delay/{ms}`    | as any other, so many milliseconds later            |
//! | `/echo`          | the request's body, streamed                        |
//! | `/sse`, `/sse/3` | an event a second, for ever or so many              |
//! | `/status/{code}` | that status                                         |
//! | `/ws`            | a WebSocket that says back what it is told          |
//! | any other        | who answers, and the request's head, as JSON        |

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
    },
};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Map, json};
use tokio::{net::TcpListener, time::sleep};

use super::websocket;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Longer nobody waits for `/delay`.
const LONGEST_DELAY: u64 = 60_000;

/// Starts an origin; it ends with the runtime.
pub(super) async fn start(name: &'static str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let service = service_fn(move |request| answer(name, request));
                    let io = TokioIo::new(stream);
                    let connection =
                        http1::Builder::new().serve_connection(io, service).with_upgrades();
                    // A client that goes away is no news.
                    tokio::spawn(async { drop(connection.await) });
                }
                // No file descriptors left, most likely; some will come back.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(address)
}

async fn answer(
    name: &'static str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let (what, argument) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let mut response = match what {
        "delay" => {
            let millis = argument.parse().unwrap_or(0_u64).min(LONGEST_DELAY);
            sleep(Duration::from_millis(millis)).await;
            head(name, &request)
        }
        "echo" => echo(request),
        "sse" => events(argument.parse().ok()),
        "status" => status(argument),
        "ws" => open(request),
        _ => head(name, &request),
    };
    response.headers_mut().insert("x-origin", HeaderValue::from_static(name));
    Ok(response)
}

/// Who answers, and the request's head.
fn head(name: &str, request: &Request<Incoming>) -> Response<Body> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields: Map<_, _> = request
        .headers()
        .iter()
        .map(|(field, value)| (field.to_string(), text(value).into()))
        .collect();
    let answer = json!({
        "origin": name,
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "headers": fields,
    });
    of_type("application/json", full(format!("{answer:#}\n")))
}

fn echo(request: Request<Incoming>) -> Response<Body> {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let mut response = Response::new(request.into_body().boxed_unsync());
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

/// An event at once and one every second, so many in all.
fn events(count: Option<u64>) -> Response<Body> {
    let count = count.unwrap_or(u64::MAX);
    let next = move |number: u64| async move {
        if number > count {
            return None;
        }
        if number > 1 {
            sleep(Duration::from_secs(1)).await;
        }
        let event = Bytes::from(format!("data: {number}\n\n"));
        Some((Ok(Frame::data(event)), number + 1))
    };
    let body = StreamBody::new(stream::unfold(1, next));
    let mut response = of_type("text/event-stream", body.boxed_unsync());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn status(code: &str) -> Response<Body> {
    let status = code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.filter(|status| status.as_u16() >= 200).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = of_type("text/plain", full(format!("{status}\n")));
    *response.status_mut() = status;
    response
}

/// Opens a WebSocket, if that is what is asked for.
fn open(mut request: Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        let mut response = of_type("text/plain", full("a WebSocket is spoken here\n".into()));
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return response;
    };
    let accept = websocket::accept(key.as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async {
        if let Ok(stream) = upgraded.await {
            // A client that goes away is no news.
            let _ = websocket::echo(TokioIo::new(stream)).await;
        }
    });
    let mut response = Response::new(full(String::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn full(text: String) -> Body {
    Full::from(text).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn of_type(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
