//! The demo's services that speak something else than JSON: a bank by SOAP, and somebody who greets by gRPC.
//!
//! In: calls of `config/bank.wsdl` and `config/greeter.proto`. Out: answers that show the gateway's part.
//! Nobody's model of a service: what is asked is always the gateway's own writing.

use std::convert::Infallible;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;

use crate::xml::{Bounds, Element, Tree};

/// Bytes of a call.
const LONGEST: usize = 64 << 10;
/// What everybody has.
const BALANCE: f64 = 100.0;

async fn read(body: Incoming) -> Bytes {
    let whole = Limited::new(body, LONGEST).collect().await;
    whole.map(http_body_util::Collected::to_bytes).unwrap_or_default()
}

/// What the bank answers.
pub(super) async fn bank(request: Request<Incoming>) -> Response<String> {
    let body = read(request.into_body()).await;
    let called = Tree::read(&body, Bounds::default()).ok();
    let called = called.as_ref().and_then(|tree| {
        let body = tree.root.elements().find(|part| part.name.local == "Body")?;
        body.elements().next()
    });
    let (status, content) = match called {
        Some(call) if call.name.local == "GetBalance" => {
            (StatusCode::OK, result("GetBalance", &money("balance", BALANCE)))
        }
        Some(call) if call.name.local == "Transfer" => transfer(call),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, fault("Client", "No such operation.", "")),
    };
    let envelope = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{content}</s:Body></s:Envelope>"
    );
    let mut response = Response::new(envelope);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn transfer(call: &Element<'_>) -> (StatusCode, String) {
    let amount = call.elements().find(|part| part.name.local == "amount");
    let amount = amount.and_then(|amount| amount.text().trim().parse::<f64>().ok());
    let missing = amount.unwrap_or_default() - BALANCE;
    if missing > 0.0 {
        let detail = money("missing", missing);
        let detail =
            format!("<InsufficientFunds xmlns=\"urn:example:bank\">{detail}</InsufficientFunds>");
        let fault = fault("Client", "There is not enough money.", &detail);
        return (StatusCode::INTERNAL_SERVER_ERROR, fault);
    }
    (StatusCode::OK, result("Transfer", "<id>7</id>"))
}

fn money(name: &str, amount: f64) -> String {
    format!("<{name} currency=\"EUR\">{amount:.2}</{name}>")
}

fn result(operation: &str, inside: &str) -> String {
    format!("<{operation}Response xmlns=\"urn:example:bank\">{inside}</{operation}Response>")
}

fn fault(code: &str, text: &str, detail: &str) -> String {
    format!(
        "<s:Fault><faultcode>s:{code}</faultcode><faultstring>{text}</faultstring><detail>{detail}</detail></s:Fault>"
    )
}

/// What the one who greets answers.
pub(super) async fn greeter(
    request: Request<Incoming>,
) -> Response<impl Body<Data = Bytes, Error = Infallible> + Send + 'static> {
    let watched = request.uri().path().ends_with("/Watch");
    let (name, times) = asked(read(request.into_body()).await);
    let replies = (1..=if watched { times.clamp(1, 10) } else { 1 }).map(move |time| {
        let text =
            if watched { format!("Hello, {name}: {time}.") } else { format!("Hello, {name}.") };
        Frame::data(reply(&text))
    });
    let mut ended = HeaderMap::new();
    ended.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = replies.chain([Frame::trailers(ended)]).map(Ok);
    let mut response = Response::new(StreamBody::new(stream::iter(frames)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The fields of a `HelloRequest`: `name`, which is 1, and `times`, which is 2 and less than 128 here.
fn asked(mut frame: Bytes) -> (String, u8) {
    let (mut name, mut times) = (Bytes::new(), 1);
    frame.advance(frame.len().min(5));
    while let (Ok(key), Ok(value)) = (frame.try_get_u8(), frame.try_get_u8()) {
        match key {
            0x0a => name = frame.split_to(usize::from(value).min(frame.len())),
            0x10 => times = value,
            _ => break,
        }
    }
    (String::from_utf8_lossy(&name).into_owned(), times)
}

/// A `HelloReply` in its frame; its text is short.
fn reply(text: &str) -> Bytes {
    let text = &text.as_bytes()[..text.len().min(120)];
    let length = text.len().to_le_bytes()[0];
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, 0, 0, 0, length + 2, 0x0a, length]);
    frame.put_slice(text);
    frame.freeze()
}
