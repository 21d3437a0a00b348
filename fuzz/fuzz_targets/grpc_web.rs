//! gRPC-Web, both ways: bodies and their base64 are the same however they are cut, and malformed or not however they
//! are cut; the frame of trailers says just what the trailers said.
#![no_main]

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::{Body, Frame};
use janua::{
    grpc::{Form, Unwrapped, Web, Wrapped},
    message::Change,
};
use libfuzzer_sys::fuzz_target;

/// An answer's body as it comes from an origin.
struct Pieces(VecDeque<Frame<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

fn unwrapped<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Option<Vec<u8>> {
    let (mut change, mut out) = (Unwrapped::default(), Vec::new());
    for piece in pieces {
        out.extend_from_slice(&change.piece(piece)?);
    }
    change.may_end().then_some(out)
}

/// What a browser gets of an answer with this body, in pieces of this size, and these trailers.
fn wrapped(body: &[u8], size: usize, trailers: Option<&HeaderMap>, form: Form) -> Vec<u8> {
    let pieces = body.chunks(size).map(|piece| Frame::data(Bytes::copy_from_slice(piece)));
    let pieces = pieces.chain(trailers.cloned().map(Frame::trailers)).collect();
    let mut wrapped = Wrapped::new(Pieces(pieces), form);
    let (mut out, mut context) = (Vec::new(), Context::from_waker(Waker::noop()));
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut wrapped).poll_frame(&mut context) {
        out.extend_from_slice(&frame.into_data().expect("browsers see no trailers"));
    }
    assert!(wrapped.is_end_stream());
    out
}

/// The fields of the frame that trailers became, which is all of this.
fn fields(frame: &[u8]) -> HeaderMap {
    let (head, lines) = frame.split_at(5);
    assert_eq!(head[0], 0x80);
    assert_eq!(u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize, lines.len());
    let mut fields = HeaderMap::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line ends");
        let colon = rest.windows(2).position(|pair| pair == b": ").expect("a line is a field");
        let name = HeaderName::from_bytes(&rest[..colon]).unwrap();
        fields.append(name, HeaderValue::from_bytes(&rest[colon + 2..end]).unwrap());
        rest = &rest[end + 2..];
    }
    fields
}

fuzz_target!(|input: &[u8]| {
    let Some((size, rest)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let (Some(kind), Some(ends), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    // The way in.
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let entered = Web::enter(&mut headers);
    assert_eq!(unwrapped([body].into_iter()), unwrapped(body.chunks(size)));
    // The way out.
    let mut trailers = HeaderMap::new();
    for field in ends.split(|byte| *byte == b';') {
        let mut field = field.splitn(2, |byte| *byte == b'=');
        let (name, value) = (field.next().unwrap_or_default(), field.next().unwrap_or_default());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            trailers.append(name, value);
        }
    }
    let trailers = (!trailers.is_empty()).then_some(trailers);
    let bytes = wrapped(body, size, trailers.as_ref(), Form::Bytes);
    assert_eq!(bytes, wrapped(body, body.len().max(1), trailers.as_ref(), Form::Bytes));
    let text = wrapped(body, size, trailers.as_ref(), Form::Text);
    assert_eq!(unwrapped([&*text].into_iter()).as_ref(), Some(&bytes));
    assert_eq!(unwrapped(text.chunks(size)).as_ref(), Some(&bytes));
    let (start, last) = bytes.split_at(body.len());
    assert_eq!(start, body);
    match trailers {
        Some(trailers) => assert_eq!(fields(last), trailers),
        None => assert!(last.is_empty()),
    }
    if let Ok(Some(web)) = entered {
        let mut answer = headers.clone();
        assert!(web.leave(&mut answer), "{headers:?}");
        let mut again = answer.clone();
        assert!(Web::enter(&mut again).is_ok_and(|it| it.is_some()), "{answer:?}");
    }
});
