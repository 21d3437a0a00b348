//! gRPC-Web: gRPC as browsers can speak it.
//!
//! In: a request's fields, its body, and the origin's answer. Out: the same in gRPC, and back. Messages pass
//! as they are; in the text form base64 is taken off and put on, piece by piece. Trailers, which browsers
//! do not see, become the last frame of the body. Nothing is held but a group of base64 that is not whole.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TE, TRAILER},
};
use http_body::{Body, Frame};

use crate::{message::Change, reject::Reject};

const WEB: &str = "application/grpc-web";
const TEXT: &str = "-text";
const GRPC: &str = "application/grpc";
const X_GRPC_WEB: HeaderName = HeaderName::from_static("x-grpc-web");

/// The flag of the frame that carries trailers.
const TRAILERS: u8 = 0x80;

/// How messages are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// As they are.
    Bytes,
    /// As base64.
    Text,
}

/// What a request in gRPC-Web is like, and what its answer is to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Web {
    /// The form of the request.
    pub request: Form,
    /// The form of the answer.
    pub answer: Form,
}

impl Web {
    /// Makes the fields of a request in gRPC-Web those of one in gRPC, which it may be already: then there
    /// is nothing to do.
    ///
    /// # Errors
    /// It is neither.
    pub fn enter(headers: &mut HeaderMap) -> Result<Option<Self>, Reject> {
        if super::is_grpc(headers) {
            return Ok(None);
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let (request, suffix) = kind.and_then(form).ok_or(Reject::BodyType)?;
        let kind =
            HeaderValue::try_from(format!("{GRPC}{suffix}")).map_err(|_| Reject::BodyType)?;
        let accepts = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
        let answer =
            accepts.flat_map(|accept| accept.split(',')).find_map(|range| form(range.trim()));
        let answer = answer.map_or(request, |(form, _)| form);
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        for name in [ACCEPT, ACCEPT_ENCODING, X_GRPC_WEB] {
            headers.remove(name);
        }
        if request == Form::Text {
            headers.remove(CONTENT_LENGTH);
        }
        Ok(Some(Self { request, answer }))
    }

    /// Makes the fields of an answer in gRPC those of one in gRPC-Web; says whether it is one.
    pub fn leave(self, headers: &mut HeaderMap) -> bool {
        if !super::is_grpc(headers) {
            return false;
        }
        let kind =
            headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let text = if self.answer == Form::Text { TEXT } else { "" };
        let kind = format!("{WEB}{text}{}", &kind[GRPC.len()..]);
        if let Ok(kind) = HeaderValue::try_from(kind) {
            headers.insert(CONTENT_TYPE, kind);
        }
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRAILER);
        true
    }
}

/// The form that a type names, and what stands behind it: `+proto`.
fn form(kind: &str) -> Option<(Form, &str)> {
    let start = kind.get(..WEB.len())?;
    let rest = &kind[WEB.len()..];
    let (form, rest) = match rest.get(..TEXT.len()) {
        Some(text) if text.eq_ignore_ascii_case(TEXT) => (Form::Text, &rest[TEXT.len()..]),
        _ => (Form::Bytes, rest),
    };
    let ends = matches!(rest.as_bytes().first(), None | Some(b'+' | b';' | b' '));
    (start.eq_ignore_ascii_case(WEB) && ends).then_some((form, rest))
}

/// Takes base64 off a body as it comes. It may be padded wherever a piece ended at the client.
#[derive(Debug, Default)]
pub struct Unwrapped {
    /// What is not a whole group of four yet.
    left: Vec<u8>,
    malformed: Arc<AtomicBool>,
}

impl Unwrapped {
    /// Becomes true if it is no base64: of a body that breaks off, HTTP/2 does not tell why.
    pub fn malformed(&self) -> Arc<AtomicBool> {
        self.malformed.clone()
    }

    /// What this comes to, once it is whole.
    fn decode(&mut self, piece: &[u8]) -> Option<Bytes> {
        self.left.extend_from_slice(piece);
        let whole = self.left.len() - self.left.len() % 4;
        let mut out = Vec::with_capacity(whole / 4 * 3);
        // Up to where padding ends what was written at once; behind it begins another.
        let mut rest = &self.left[..whole];
        while !rest.is_empty() {
            let padded = rest.chunks_exact(4).position(|group| group[3] == b'=');
            let end = padded.map_or(rest.len(), |group| (group + 1) * 4);
            STANDARD.decode_vec(&rest[..end], &mut out).ok()?;
            rest = &rest[end..];
        }
        self.left.drain(..whole);
        Some(out.into())
    }
}

impl Change for Unwrapped {
    fn piece(&mut self, piece: &[u8]) -> Option<Bytes> {
        let decoded = self.decode(piece);
        if decoded.is_none() {
            self.malformed.store(true, Relaxed);
        }
        decoded
    }

    fn may_end(&self) -> bool {
        let whole = self.left.is_empty();
        if !whole {
            self.malformed.store(true, Relaxed);
        }
        whole
    }
}

/// An answer's body in gRPC-Web.
#[derive(Debug)]
pub struct Wrapped<B> {
    body: B,
    form: Form,
    over: bool,
}

impl<B> Wrapped<B> {
    /// Wraps the body of an answer in gRPC.
    pub fn new(body: B, form: Form) -> Self {
        Self { body, form, over: false }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Wrapped<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            end => {
                this.over = true;
                return Poll::Ready(end);
            }
        };
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => {
                this.over = true;
                frame.trailers_ref().map(trailers).unwrap_or_default()
            }
        };
        Poll::Ready(Some(Ok(Frame::data(match this.form {
            Form::Bytes => piece,
            Form::Text => STANDARD.encode(piece).into(),
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}

/// Trailers as a frame: a line for each, as HTTP/1.1 would write it.
fn trailers(fields: &HeaderMap) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(TRAILERS);
    frame.put_u32(0);
    for (name, value) in fields {
        frame.put_slice(name.as_str().as_bytes());
        frame.put_slice(b": ");
        frame.put_slice(value.as_bytes());
        frame.put_slice(b"\r\n");
    }
    let length = u32::try_from(frame.len() - super::frame::HEAD).unwrap_or(u32::MAX);
    frame[1..5].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};
    use proptest::prelude::*;

    use super::*;

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_request_is_grpcs_own_behind_the_door() {
        use Form::{Bytes, Text};
        for (kind, accept, expected) in [
            ("application/grpc-web", None, Ok(Some((Bytes, Bytes, "application/grpc")))),
            (
                "application/grpc-web+proto",
                None,
                Ok(Some((Bytes, Bytes, "application/grpc+proto"))),
            ),
            ("application/grpc-web-text", None, Ok(Some((Text, Text, "application/grpc")))),
            (
                "Application/gRPC-Web-Text+proto",
                None,
                Ok(Some((Text, Text, "application/grpc+proto"))),
            ),
            (
                "application/grpc-web+proto",
                Some("*/*"),
                Ok(Some((Bytes, Bytes, "application/grpc+proto"))),
            ),
            (
                "application/grpc-web+proto",
                Some("application/grpc-web-text"),
                Ok(Some((Bytes, Text, "application/grpc+proto"))),
            ),
            (
                "application/grpc-web-text",
                Some("text/html, application/grpc-web"),
                Ok(Some((Text, Bytes, "application/grpc"))),
            ),
            ("application/grpc", None, Ok(None)),
            ("application/grpc+proto", None, Ok(None)),
            ("application/grpc-webs", None, Err(Reject::BodyType)),
            ("application/grpc-web-texts", None, Err(Reject::BodyType)),
            ("application/json", None, Err(Reject::BodyType)),
        ] {
            let mut headers =
                fields(&[("content-type", kind), ("content-length", "9"), ("x-grpc-web", "1")]);
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            let entered = Web::enter(&mut headers);
            let Ok(Some((request, answer, kind))) = expected else {
                assert_eq!(entered, expected.map(|_| None), "{kind}");
                continue;
            };
            assert_eq!(entered, Ok(Some(Web { request, answer })), "{kind}");
            let mut left = fields(&[("content-type", kind), ("te", "trailers")]);
            if request == Bytes {
                left.insert(CONTENT_LENGTH, 9.into());
            }
            assert_eq!(headers, left, "{kind}");
        }
        assert_eq!(Web::enter(&mut HeaderMap::new()), Err(Reject::BodyType));
    }

    #[test]
    fn an_answer_is_grpc_webs_before_the_door() {
        let web = |answer| Web { request: Form::Bytes, answer };
        for (web, kind, expected) in [
            (web(Form::Bytes), "application/grpc", Some("application/grpc-web")),
            (web(Form::Bytes), "application/grpc+proto", Some("application/grpc-web+proto")),
            (web(Form::Text), "application/grpc+proto", Some("application/grpc-web-text+proto")),
            (web(Form::Text), "text/html", None),
        ] {
            let mut headers = fields(&[("content-type", kind), ("content-length", "3")]);
            assert_eq!(web.leave(&mut headers), expected.is_some());
            assert_eq!(headers[CONTENT_TYPE], expected.unwrap_or(kind));
            assert_eq!(headers.contains_key(CONTENT_LENGTH), expected.is_none());
        }
    }

    fn unwrapped(pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let (mut change, mut out) = (Unwrapped::default(), Vec::new());
        for piece in pieces {
            out.extend_from_slice(&change.piece(piece)?);
        }
        change.may_end().then_some(out)
    }

    #[test]
    fn base64_comes_off_wherever_it_is_padded_and_nothing_else_does() {
        for (text, expected) in [
            (&b""[..], Some(&b""[..])),
            (b"AAAAAAA=", Some(b"\0\0\0\0\0")),
            (b"YQ==Yg==", Some(b"ab")),
            (b"YWI=YWJjYQ==", Some(b"ababca")),
            (b"YQ", None),
            (b"YQ=", None),
            (b"YQ=a", None),
            (b"Y===", None),
            (b"****", None),
            (b"YWJj\r\n", None),
        ] {
            assert_eq!(unwrapped(&[text]).as_deref(), expected, "{text:?}");
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(unwrapped(&bytes).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn trailers_are_the_last_frame() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let end = fields(&[("grpc-status", "3"), ("grpc-message", "no%21")]);
        let last = [&b"\x80\0\0\0\x25"[..], b"grpc-status: 3\r\ngrpc-message: no%21\r\n"].concat();
        for form in [Form::Bytes, Form::Text] {
            let frames: [Result<_, std::convert::Infallible>; 2] = [
                Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x01a"))),
                Ok(Frame::trailers(end.clone())),
            ];
            let body = StreamBody::new(futures_util::stream::iter(frames));
            let body = runtime.block_on(Wrapped::new(body, form).collect()).unwrap();
            assert_eq!(body.trailers(), None);
            let bytes = body.to_bytes();
            let expected = [&b"\0\0\0\0\x01a"[..], &last].concat();
            match form {
                Form::Bytes => assert_eq!(bytes, expected),
                Form::Text => assert_eq!(unwrapped(&[&bytes]).unwrap(), expected),
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_wrapped_in_pieces_comes_back_however_it_is_cut(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..6),
            size in 1_usize..9,
        ) {
            let text: String = pieces.iter().map(|piece| STANDARD.encode(piece)).collect();
            let cut: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(unwrapped(&cut).unwrap(), pieces.concat());
        }
    }
}
