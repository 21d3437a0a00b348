//! Routes whose origin speaks gRPC: to clients that speak JSON, and to browsers that speak gRPC-Web.

mod answers;
mod problems;
mod web;

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use parking_lot::Mutex;

use crate::support::{
    Janua, Message, Setup,
    origin::{Reply, Served, collect},
};

/// The files of the service, as TOML.
fn proto() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/greeter.proto");
    format!("{:?}", file.display().to_string())
}

/// The service before this URL, with these keys of the API and of its route.
fn setup(to: &str, keys: &str, route: &str) -> Setup {
    let upstream = format!("[upstream.greeter]\nendpoints = \"{to}\"\nprotocol = \"h2\"\n");
    let api = format!("[api.greeter]\nproto = {}\n{keys}\n", proto());
    Setup::new(format!("{upstream}{api}[[route]]\napi = \"greeter\"\nto = \"greeter\"\n{route}\n"))
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// An answer in gRPC: its pieces and its trailers.
fn grpc(pieces: &[&[u8]], trailers: &[(&'static str, &str)]) -> Reply {
    let mut frames: Vec<Result<Frame<Bytes>, std::convert::Infallible>> =
        pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    if !trailers.is_empty() {
        frames.push(Ok(Frame::trailers(fields(trailers))));
    }
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let mut reply = http::Response::new(body.boxed());
    reply.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    reply
}

/// What an origin saw.
type Seen = std::sync::Arc<Mutex<Vec<(http::request::Parts, Bytes)>>>;

/// An origin that answers every call so, and what it saw.
async fn origin(answer: impl Fn() -> Reply + Clone + Send + Sync + 'static) -> (Served, Seen) {
    let seen = Seen::default();
    let notes = seen.clone();
    let origin = Served::h2c(move |request: Request<Incoming>| {
        let (notes, answer) = (notes.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = collect(body).await;
            notes.lock().push((head, body));
            answer()
        }
    });
    (origin.await, seen)
}

/// An origin whose answer to one call comes as it is told.
async fn told() -> (tokio::sync::mpsc::Sender<Bytes>, Served) {
    let (say, said) = tokio::sync::mpsc::channel::<Bytes>(4);
    let said = std::sync::Arc::new(Mutex::new(Some(said)));
    let answer = move || {
        let mut said = said.lock().take().unwrap();
        let pieces = futures_util::stream::poll_fn(move |cx| {
            let frame = |piece| Ok::<_, std::convert::Infallible>(Frame::data(piece));
            said.poll_recv(cx).map(|piece| piece.map(frame))
        });
        let mut reply = http::Response::new(BodyExt::boxed(StreamBody::new(pieces)));
        reply.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        reply
    };
    let (origin, _) = origin(answer).await;
    (say, origin)
}

async fn send(janua: &Janua, line: &str, fields: &str, body: &[u8]) -> Message {
    janua.client().await.request_with(line, fields, body).await
}
