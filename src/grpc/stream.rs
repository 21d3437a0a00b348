//! A stream of messages as a stream of JSON: a line for each, or an event for each.
//!
//! In: the origin's body as it comes. Out: the same messages as `application/x-ndjson`, or as
//! `text/event-stream` for a client that asks for that. No more is held than the message that is not whole
//! yet. A stream that fails after it began says so in its last line, `{"@error": {..}}`, or by an event called
//! `error`: the status has gone by then, and no field of a message is called so.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame};
use serde_json::json;

use super::{
    frame::{FrameError, Frames},
    operation::{Operation, Reply, failure},
    status::Status,
};
use crate::{
    message::{closeness, liking},
    reject::Reject,
};

/// The form of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lines {
    /// A line of JSON for each message.
    Json,
    /// An event for each message, for `EventSource`.
    Events,
}

impl Lines {
    /// The form that a client would rather have, by its `Accept`; none if it takes neither.
    pub fn pick(accept: Option<&HeaderValue>) -> Option<Self> {
        let Some(accept) = accept else { return Some(Self::Json) };
        let like = |name: &&str| liking([accept], |range| closeness(range, name));
        let like = |names: &[&str]| names.iter().filter_map(like).max().unwrap_or_default();
        let events = like(&[Self::Events.content_type()]);
        let json = like(&[Self::Json.content_type(), "application/jsonl", "application/json"]);
        match events.max(json) {
            (0, _) => None,
            most if most > json => Some(Self::Events),
            _ => Some(Self::Json),
        }
    }

    /// The type of the answer's body.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    /// A message, or the failure that ends the stream.
    fn write(self, failed: bool, json: &[u8], to: &mut Vec<u8>) {
        let (before, after) = match (self, failed) {
            (Self::Json, false) => ("", "\n"),
            (Self::Json, true) => ("{\"@error\":", "}\n"),
            (Self::Events, false) => ("data: ", "\n\n"),
            (Self::Events, true) => ("event: error\ndata: ", "\n\n"),
        };
        to.extend_from_slice(before.as_bytes());
        to.extend_from_slice(json);
        to.extend_from_slice(after.as_bytes());
    }
}

impl Operation {
    /// The answer of a call that is over before it began, by the head of the origin's answer.
    ///
    /// # Errors
    /// The answer is none of gRPC's.
    pub fn ended(&self, status: StatusCode, head: &HeaderMap) -> Result<Option<Reply>, Reject> {
        if let Some(said) = Status::read(head, self.pool()) {
            return Ok((!said.is_ok()).then(|| failure(&said)));
        }
        if status == StatusCode::OK && super::is_grpc(head) {
            return Ok(None);
        }
        let said = Status::of_http(status).ok_or(Reject::TranslateAnswer)?;
        Ok(Some(failure(&said)))
    }
}

/// Why a stream breaks off.
#[derive(Debug)]
pub enum Broken<E> {
    /// The origin's body broke.
    Origin(E),
    /// What it says cannot be translated.
    Fault(Reject),
}

/// A stream of JSON, made of an origin's body.
#[derive(Debug)]
pub struct Streamed<B> {
    body: B,
    messages: Messages,
    over: bool,
}

/// The translation itself.
#[derive(Debug)]
struct Messages {
    operation: Arc<Operation>,
    form: Lines,
    frames: Frames,
    /// Whether the head of the answer said already that all went well.
    ended: bool,
}

impl<B> Streamed<B> {
    /// The stream of an operation, of an answer whose head is good.
    pub fn new(operation: Arc<Operation>, form: Lines, head: &HeaderMap, body: B) -> Self {
        let frames = Frames::new(operation.rpc.options.most);
        let ended = Status::read(head, operation.pool()).is_some();
        Self { body, messages: Messages { operation, form, frames, ended }, over: false }
    }
}

impl Messages {
    /// What the next piece of the body brings.
    fn piece(&mut self, piece: &[u8]) -> Result<Vec<u8>, Reject> {
        self.frames.push(piece);
        let (mut out, mut json) = (Vec::new(), Vec::new());
        while let Some(message) = self.frames.next().map_err(FrameError::reject)? {
            json.clear();
            self.operation.json(&message, &mut json)?;
            self.form.write(false, &json, &mut out);
        }
        Ok(out)
    }

    /// What comes at the end.
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Result<Vec<u8>, Reject> {
        self.frames.end().map_err(FrameError::reject)?;
        let said = trailers.and_then(|fields| Status::read(fields, self.operation.pool()));
        let mut out = Vec::new();
        match said {
            Some(said) if said.is_ok() => {}
            Some(said) => {
                let json = json!(said.problem()).to_string();
                self.form.write(true, json.as_bytes(), &mut out);
            }
            None if self.ended => {}
            // A stream without its end may lack messages.
            None => return Err(Reject::TranslateAnswer),
        }
        Ok(out)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Streamed<B> {
    type Data = Bytes;
    type Error = Broken<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        loop {
            if this.over {
                return Poll::Ready(None);
            }
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => Some(frame),
                Some(Err(error)) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(Broken::Origin(error))));
                }
                None => None,
            };
            let made = match &frame {
                Some(frame) if frame.is_data() => {
                    this.messages.piece(frame.data_ref().map(|data| &**data).unwrap_or_default())
                }
                other => {
                    this.over = true;
                    this.messages.end(other.as_ref().and_then(|frame| frame.trailers_ref()))
                }
            };
            match made {
                Ok(made) if made.is_empty() => {}
                Ok(made) => return Poll::Ready(Some(Ok(Frame::data(made.into())))),
                Err(reject) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(Broken::Fault(reject))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }
}
