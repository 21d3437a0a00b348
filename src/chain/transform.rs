//! Stages 8 and 11 of a route with filters: bodies of JSON become others.
//!
//! In: a request that keeps to its contract, as its client sent it; later an answer as its client would
//! understand it. Out: both with other bodies. What a filter does in no time is done here, all else beside the
//! workers; a stream is changed as it goes by.

use std::{
    borrow::Cow,
    cell::OnceCell,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, Method, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE},
    request::Parts,
};
use http_body::{Body as _, Frame};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{
    answer::Body,
    beside::deep,
    calls::Translated,
    exchange::Exchange,
    gather::Gathered,
    plan::announced,
    rehearse::now,
    source::{BrokenOff, Source},
};
use crate::{
    auth::Principal,
    message::{RequestBody, Violation, ask_whole, form_text, is_json, pairs, remade},
    reject::Reject,
    route::Params,
    snapshot::Route,
    transform::{Effort, Failed, Known, Lines, Made, Pieces, Progress, Transform, Variable},
};

/// Bodies from here on are changed beside the workers: to read them alone takes as much as a worker may do.
const LARGE: usize = 32 << 10;

/// What no filter sees.
const SECRET: [HeaderName; 4] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE];

impl Exchange {
    /// Changes a request's body, and notes what is to be known when its answer comes.
    pub(super) async fn transform_request(
        &mut self,
        by: &Arc<Transform>,
        (route, params): (&Route, &Params<'_, '_>),
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        self.expect_answer(by, (route, params), head);
        if !by.changes_requests() || matches!(body, RequestBody::Empty) {
            return Ok(());
        }
        if !is_json(&head.headers) {
            return if by.passes_other { Ok(()) } else { Err(Reject::BodyType) };
        }
        let bytes = self.gather_request(body, by.max_body).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        let known = self.known(by.of_request(), (route, params), head);
        let made = shape(by, bytes, known, Transform::request).await?;
        let made = made.map_err(|failed| self.spoilt(failed))?;
        self.send_instead(made.into(), head, body)
    }

    /// Notes what is to be known when the answer comes, which is to come whole and as it is.
    fn expect_answer(
        &mut self,
        by: &Transform,
        scope: (&Route, &Params<'_, '_>),
        head: &mut Parts,
    ) {
        if by.changes_answers() {
            // Those of the answer come with it.
            let wanted = by.of_answer().filter(|variable| *variable != Variable::Headers);
            self.filtered = Some(Box::new(self.known(wanted, scope, head)));
            ask_whole(&mut head.headers);
        }
    }

    /// What would become of a request, for people; and what becomes of its body, if that is there.
    pub(super) fn explain_transform(
        &mut self,
        by: &Arc<Transform>,
        scope: (&Route, &Params<'_, '_>),
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<String, Reject> {
        self.expect_answer(by, scope, head);
        let has_body = by.changes_requests() && announced(head) > 0;
        let json = is_json(&head.headers);
        if has_body && !json && !by.passes_other {
            return Err(Reject::BodyType);
        }
        now(self.transform_request(by, scope, head, body))?;
        Ok(match (has_body && json, by.changes_answers()) {
            (true, true) => "the body goes through a filter, and so does the answer; ",
            (true, false) => "the body goes through a filter; ",
            (false, true) => "the answer goes through a filter; ",
            (false, false) => "",
        }
        .to_owned())
    }

    /// Why a filter makes nothing of a request.
    fn spoilt(&mut self, failed: Failed) -> Reject {
        let (reject, says) = match failed {
            Failed::Syntax(error) => (Reject::BodySyntax, error.to_string()),
            Failed::TooLarge => {
                (Reject::TransformRequest, "what becomes of it is too large".into())
            }
            Failed::TooMuch => return Reject::TransformRequestSteps,
            Failed::Said(what) => {
                let route = self.route().map(|route| &*route.name);
                tracing::debug!(route, what, "a filter fails on a request");
                return Reject::TransformRequest;
            }
        };
        self.violations = Some(Box::new(Violation::body("", says).into()));
        reject
    }

    /// Changes what came of a request, if that is an answer with something to change.
    pub(super) async fn transform_outcome(
        &mut self,
        outcome: Result<Response<Source>, Reject>,
    ) -> Result<Response<Source>, Reject> {
        let response = outcome?;
        let by = self.route().and_then(|route| route.transform.clone());
        let (Some(by), Some(known)) = (by, self.filtered.take()) else { return Ok(response) };
        if self.tunnel.is_some() || self.reject.is_some() || !by.takes(response.status()) {
            return Ok(untaken(&by, response));
        }
        let (mut parts, source) = response.into_parts();
        let known = with_answer(&by, *known, parts.status, &parts.headers);
        let stream = Lines::of(&parts.headers).filter(|_| by.changes_bodies());
        let json = is_json(&parts.headers);
        if self.method == Method::HEAD || source.is_empty() {
            if json || stream.is_some() {
                remade(&mut parts.headers);
            }
            return Ok(Response::from_parts(parts, source));
        }
        if let Some(form) = stream {
            remade(&mut parts.headers);
            let pieces = Pieces::new(by, known, form);
            let filtered = Translated::Filtered(Filtered::new(source, pieces));
            let source = Source::Translated(Box::new(filtered));
            return Ok(Response::from_parts(parts, source));
        }
        if !json {
            let response = Response::from_parts(parts, source);
            let what = "it is no JSON, or in a coding";
            return match by.passes_other {
                true => Ok(response),
                false => Err(self.puzzled(Reject::TransformAnswer, what)),
            };
        }
        let bytes = match self.gather_answer(source, by.max_body).await {
            Gathered::Broken(reject) => return Err(reject),
            Gathered::Larger(_) => return Err(Reject::TransformTooLarge),
            Gathered::Whole(bytes, _) => bytes,
        };
        if bytes.is_empty() {
            return Ok(Response::from_parts(parts, Source::Empty));
        }
        let made = shape(&by, bytes.clone(), known, Transform::answer).await?;
        let Made { body, status } = made.map_err(|failed| self.failed(failed))?;
        if let Some(status) = status {
            parts.status = status;
            if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
                remade(&mut parts.headers);
                parts.headers.remove(CONTENT_TYPE);
                return Ok(Response::from_parts(parts, Source::Empty));
            }
        }
        let Some(body) = body else { return Ok(Response::from_parts(parts, bytes.into())) };
        self.hold(body.len() as u64)?;
        remade(&mut parts.headers);
        Ok(Response::from_parts(parts, Source::from(Bytes::from(body))))
    }

    /// Why a filter makes nothing of an answer.
    fn failed(&self, failed: Failed) -> Reject {
        let reject = failed.of_answer();
        match failed {
            Failed::Syntax(error) => self.puzzled(reject, &error.to_string()),
            Failed::Said(what) => self.puzzled(reject, &what),
            Failed::TooLarge | Failed::TooMuch => reject,
        }
    }

    /// What filters may know of a request: nothing that proves who makes it.
    fn known(
        &self,
        wanted: impl Iterator<Item = Variable>,
        (route, params): (&Route, &Params<'_, '_>),
        head: &Parts,
    ) -> Known {
        let told = OnceCell::new();
        let told = || {
            told.get_or_init(|| {
                let (mut headers, mut target) = (head.headers.clone(), head.uri.clone());
                self.world.cookies.clear(&mut headers);
                if route.auth.is_asked() {
                    route.auth.strip(&mut headers, &mut target);
                }
                (headers, target)
            })
        };
        let mut known = Known::new();
        for variable in wanted {
            let value = match variable {
                Variable::Headers => fields(&told().0),
                Variable::Query => query(told().1.query().unwrap_or_default()),
                Variable::Params => {
                    let text = |raw| percent_decode_str(raw).decode_utf8_lossy().into_owned();
                    let own = params.iter().map(|(name, raw)| (name.to_owned(), text(raw).into()));
                    Value::Object(own.collect())
                }
                Variable::Method => self.method.as_str().into(),
                Variable::Path => self.target.path().into(),
                Variable::Identity => self.who.principal().map_or(Value::Null, identity),
                // It is known when the answer is there.
                Variable::Status => continue,
            };
            known.push((variable, value));
        }
        known
    }
}

/// An answer that the filter leaves as it is. The tag of one that has not changed is that of what the filter made of
/// it before (RFC 9110 section 15.4.5).
fn untaken(by: &Transform, mut response: Response<Source>) -> Response<Source> {
    if response.status() == StatusCode::NOT_MODIFIED && by.changes_bodies() {
        remade(response.headers_mut());
    }
    response
}

/// What is known when the answer is there: its header fields and its status, too.
fn with_answer(by: &Transform, mut known: Known, status: StatusCode, headers: &HeaderMap) -> Known {
    for variable in by.of_answer() {
        match variable {
            Variable::Headers => known.push((variable, fields(headers))),
            Variable::Status => known.push((variable, status.as_u16().into())),
            _ => {}
        }
    }
    known
}

/// Header fields by name; several of a name are one, with commas between.
fn fields(headers: &HeaderMap) -> Value {
    let names = headers.keys().filter(|name| !SECRET.contains(name));
    let field = |name: &HeaderName| {
        let values = headers.get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (name.as_str().to_owned(), Value::from(values.join(", ")))
    };
    Value::Object(names.map(field).collect())
}

/// Parameters by name: text, or a list where there are several of a name.
fn query(query: &str) -> Value {
    let mut object = Map::new();
    for (name, value) in pairs(query) {
        let text = |raw| form_text(raw).unwrap_or(Cow::Borrowed(raw)).into_owned();
        let (name, value) = (text(name), Value::from(text(value)));
        match object.get_mut(&name) {
            None => drop(object.insert(name, value)),
            Some(Value::Array(several)) => several.push(value),
            Some(one) => *one = json!([one.take(), value]),
        }
    }
    Value::Object(object)
}

/// Who makes a request.
fn identity(who: &Principal) -> Value {
    json!({
        "sub": who.subject,
        "owner": who.owner,
        "roles": who.roles,
        "scopes": who.scopes,
        "auth": &*who.auth,
        "claims": who.claims,
    })
}

/// What filters do.
type Make<T> = fn(&Transform, &[u8], &Known, Effort) -> Result<T, Failed>;

/// Has a filter change a body: here, if that is little to do, else beside the worker.
async fn shape<T: Send + 'static>(
    by: &Arc<Transform>,
    body: Bytes,
    known: Known,
    make: Make<T>,
) -> Result<Result<T, Failed>, Reject> {
    if body.len() < LARGE {
        match make(by, &body, &known, Effort::Little) {
            Err(Failed::TooMuch) => {}
            done => return Ok(done),
        }
    }
    let by = by.clone();
    deep(by.stack(), move || make(&by, &body, &known, Effort::All)).await
}

/// What becomes of a value of a stream that is worked on beside the worker.
type Making = Pin<Box<dyn Future<Output = Result<Result<Vec<u8>, Failed>, Reject>> + Send>>;

/// A stream that goes through a filter.
pub(super) struct Filtered {
    body: Body,
    pieces: Pieces,
    making: Option<Making>,
    /// Whether others have a turn first.
    rests: bool,
    /// Whether the body has come to its end.
    ended: bool,
    over: bool,
    /// Why it breaks off, when what was made before has gone.
    broken: Option<Reject>,
}

impl Filtered {
    fn new(source: Source, pieces: Pieces) -> Self {
        let body = Body::new(source, None, None);
        let (making, broken) = (None, None);
        Self { body, pieces, making, rests: false, ended: false, over: false, broken }
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            let mut out = Vec::new();
            if let Some(making) = &mut self.making {
                let made = ready!(making.as_mut().poll(cx));
                self.making = None;
                match made {
                    Ok(Ok(made)) => out = made,
                    Ok(Err(failed)) => self.breaks_off(failed.of_answer()),
                    Err(reject) => self.breaks_off(reject),
                }
            } else if self.over {
                return Poll::Ready(self.broken.take().map(|reject| Err(BrokenOff::by(reject))));
            } else if mem::take(&mut self.rests) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            } else {
                match self.pieces.next(&mut out) {
                    Ok(Progress::Through) if self.ended => self.over = true,
                    Ok(Progress::Through) if out.is_empty() => {
                        if let Err(error) = ready!(self.poll_body(cx)) {
                            self.over = true;
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                    Ok(Progress::Through) => {}
                    Ok(Progress::Rest) => self.rests = true,
                    Ok(Progress::Beside(item)) => {
                        let making = deep(item.stack(), move || item.make());
                        self.making = Some(Box::pin(making));
                    }
                    Err(failed) => self.breaks_off(failed.of_answer()),
                }
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.into()))));
            }
        }
    }

    /// Takes the next piece of the body.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BrokenOff>> {
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Err(error)) => return Poll::Ready(Err(error)),
            // Trailers are about the stream as it was.
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    self.pieces.feed(piece);
                }
            }
            None => {
                self.ended = true;
                self.pieces.end();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn breaks_off(&mut self, reject: Reject) {
        self.over = true;
        self.broken = Some(reject);
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.over && self.broken.is_none()
    }
}
