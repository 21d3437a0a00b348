//! Stages 8 and 11 of a route whose origin speaks gRPC and whose clients speak something else.
//!
//! In: a request that is ready to go, and the origin's answer. Out: a call, and an answer that the client
//! understands. A message is held whole, within its bound; streams pass as they come, and so does gRPC-Web.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, TE, TRAILER},
    request::Parts,
};
use http_body::{Body as _, Frame};

use super::{
    answer::Body,
    beside::{LARGE, beside},
    exchange::Exchange,
    gather::Gathered,
    rehearse::{is_unknown, now},
    source::{BrokenOff, Source},
    transform::Filtered,
};
use crate::{
    grpc::{Broken, Form, Lines, Operation, Refused, Reply, Streamed, Unwrapped, Web, Wrapped},
    message::{RequestBody, ask_anew, is_json, is_plain, remove_where},
    reject::Reject,
    route::Params,
    snapshot::Calling,
};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What the answer to a request is to become.
pub(super) enum Speech {
    /// JSON; of a stream in this form.
    Call(Arc<Operation>, Lines),
    /// gRPC-Web; and whether the request turned out to be none.
    Web(Web, Option<Arc<AtomicBool>>),
}

impl Exchange {
    /// Makes a request one for an origin that speaks gRPC.
    pub(super) async fn call_by_grpc(
        &mut self,
        calling: &Calling,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        match calling {
            Calling::Call(operation, most) => {
                let form = self.form(operation)?;
                let bytes = match &mut *body {
                    RequestBody::Empty => Bytes::new(),
                    body => {
                        takes(&head.headers)?;
                        self.gather_request(body, *most).await?
                    }
                };
                let query = head.uri.query();
                let made = match bytes.len() < LARGE {
                    true => operation.request(|name| params.get(name), query, &bytes),
                    false => request_beside(operation, params, query, bytes).await?,
                };
                *body = made.map_err(|refused| self.refused(*refused))?.into();
                call(operation, head);
                self.speech = Some(Box::new(Speech::Call(operation.clone(), form)));
            }
            Calling::Web if head.method == Method::POST => {
                let Some(web) = Web::enter(&mut head.headers)? else { return Ok(()) };
                let malformed = (web.request == Form::Text).then(|| {
                    let change = Unwrapped::default();
                    let malformed = change.malformed();
                    body.change(Box::new(change));
                    malformed
                });
                self.speech = Some(Box::new(Speech::Web(web, malformed)));
            }
            Calling::Web => {}
        }
        Ok(())
    }

    /// The form of an operation's stream that the client takes.
    fn form(&self, operation: &Operation) -> Result<Lines, Reject> {
        match operation.streams() {
            true => Lines::pick(self.accept.as_ref()).ok_or(Reject::NotAcceptable),
            false => Ok(Lines::Json),
        }
    }

    fn refused(&mut self, refused: Refused) -> Reject {
        self.violations = Some(Box::new(refused.violations));
        refused.reject
    }

    /// What becomes of a request, for people; the head becomes the origin's, and the body, if it is there.
    pub(super) fn explain_calling(
        &mut self,
        calling: &Calling,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<String, Reject> {
        match calling {
            Calling::Call(operation, _) => {
                if is_unknown(head, body) {
                    self.form(operation)?;
                    takes(&head.headers)?;
                    call(operation, head);
                } else {
                    now(self.call_by_grpc(calling, params, head, body))?;
                }
                Ok(format!("calls `{}` by gRPC; ", operation.id))
            }
            Calling::Web => {
                let web = match head.method == Method::POST {
                    true => Web::enter(&mut head.headers)?,
                    false => None,
                };
                let what = if web.is_some() { "gRPC-Web becomes gRPC; " } else { "" };
                Ok(what.into())
            }
        }
    }

    /// Why there is no answer, where what was said of it may not be all.
    #[cold]
    pub(super) fn blame(&self, reject: Reject) -> Reject {
        match self.speech.as_deref() {
            Some(Speech::Web(_, Some(malformed))) if malformed.load(Relaxed) => Reject::BodySyntax,
            _ => reject,
        }
    }

    /// Makes an answer one that the client understands.
    pub(super) async fn answer_call(
        &mut self,
        response: Response<Source>,
    ) -> Result<Response<Source>, Reject> {
        let Some(speech) = self.speech.take() else { return Ok(response) };
        match *speech {
            Speech::Call(operation, form) => {
                let (mut parts, source) = response.into_parts();
                if let Some(reply) = operation.ended(parts.status, &parts.headers)? {
                    let body = dress(&reply, &mut parts.headers);
                    parts.status = reply.status;
                    return Ok(Response::from_parts(parts, body));
                }
                let response = Response::from_parts(parts, source);
                match operation.streams() {
                    true => Ok(stream(operation, form, response)),
                    false => self.message(&operation, response).await,
                }
            }
            Speech::Web(web, _) => {
                let (mut parts, source) = response.into_parts();
                if !web.leave(&mut parts.headers) {
                    return Ok(Response::from_parts(parts, source));
                }
                let body = Wrapped::new(Body::new(source, None, None), web.answer);
                let source = Source::Translated(Box::new(Translated::Web(body)));
                Ok(Response::from_parts(parts, source))
            }
        }
    }

    /// The answer to a call with one message.
    async fn message(
        &mut self,
        operation: &Arc<Operation>,
        response: Response<Source>,
    ) -> Result<Response<Source>, Reject> {
        let (mut parts, source) = response.into_parts();
        let (body, trailers) = match self.gather_answer(source, operation.most()).await {
            Gathered::Whole(body, trailers) => (body, trailers),
            Gathered::Larger(_) => return Err(Reject::TranslateTooLarge),
            Gathered::Broken(reject) => return Err(reject),
        };
        let (status, head) = (parts.status, &parts.headers);
        let reply = match body.len() < LARGE {
            true => operation.answer(status, head, &body, trailers.as_ref()),
            false => {
                let (operation, head) = (operation.clone(), head.clone());
                let work = move || operation.answer(status, &head, &body, trailers.as_ref());
                beside(work).await?
            }
        };
        let reply = reply?;
        let body = dress(&reply, &mut parts.headers);
        parts.status = reply.status;
        Ok(Response::from_parts(parts, body))
    }
}

/// The answer of a call with a stream of messages.
fn stream(operation: Arc<Operation>, form: Lines, response: Response<Source>) -> Response<Source> {
    let (mut parts, source) = response.into_parts();
    let body = Streamed::new(operation, form, &parts.headers, Body::new(source, None, None));
    undress(&mut parts.headers);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    if form == Lines::Events {
        parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    parts.status = StatusCode::OK;
    Response::from_parts(parts, Source::Translated(Box::new(Translated::Lines(body))))
}

/// Puts on what a reply has for fields; gives its body.
fn dress(reply: &Reply, headers: &mut HeaderMap) -> Source {
    undress(headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    Source::from(reply.body.clone())
}

/// Takes off what is about a body that does not go on, and what is gRPC's own.
fn undress(headers: &mut HeaderMap) {
    remove_where(headers, |name| {
        matches!(name, "content-length" | "content-encoding" | "trailer")
            || name.starts_with("grpc-")
    });
}

/// Whether a body is JSON, as it is.
fn takes(headers: &HeaderMap) -> Result<(), Reject> {
    let json = match headers.contains_key(CONTENT_TYPE) {
        true => is_json(headers),
        false => is_plain(headers),
    };
    if json { Ok(()) } else { Err(Reject::BodyType) }
}

/// Makes a head that of a call. Other fields pass: they are the call's metadata.
fn call(operation: &Operation, head: &mut Parts) {
    head.method = Method::POST;
    head.uri = Uri::from(operation.path().clone());
    ask_anew(&mut head.headers);
    for name in [ACCEPT, CONTENT_LENGTH, GRPC_ENCODING, TRAILER] {
        head.headers.remove(name);
    }
    head.headers.insert(CONTENT_TYPE, GRPC);
    head.headers.insert(TE, HeaderValue::from_static("trailers"));
    head.headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Translates a large body beside the workers.
async fn request_beside(
    operation: &Arc<Operation>,
    params: &Params<'_, '_>,
    query: Option<&str>,
    body: Bytes,
) -> Result<Result<Bytes, Box<Refused>>, Reject> {
    let params = params.to_owned();
    let (operation, query) = (operation.clone(), query.map(String::from));
    beside(move || {
        let param =
            |name: &str| params.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        operation.request(param, query.as_deref(), &body)
    })
    .await
}

/// An answer that is translated as it goes by.
pub(super) enum Translated {
    /// To lines or events of JSON.
    Lines(Streamed<Body>),
    /// To gRPC-Web.
    Web(Wrapped<Body>),
    /// By a filter.
    Filtered(Filtered),
}

impl Translated {
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self {
            Self::Lines(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                let broken = |broken| match broken {
                    Broken::Origin(error) => error,
                    Broken::Fault(reject) => BrokenOff::by(reject),
                };
                Poll::Ready(frame.map(|frame| frame.map_err(broken)))
            }
            Self::Web(body) => Pin::new(body).poll_frame(cx),
            Self::Filtered(body) => body.poll(cx),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Lines(body) => body.is_end_stream(),
            Self::Web(body) => body.is_end_stream(),
            Self::Filtered(body) => body.is_end_stream(),
        }
    }
}

impl std::fmt::Debug for Translated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Translated").finish_non_exhaustive()
    }
}
