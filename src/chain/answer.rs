//! Stage 11: the answer's body on its way to the client, and answers that say why there is none.
//!
//! [`problem`] is the one place where a [`Reject`] becomes an answer: RFC 9457's
//! `application/problem+json`, or a page where the client asks for one. Neither shows anything but
//! the reason, its sentence and the request's id.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SET_COOKIE},
};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{
    exchange::Exchange,
    pace::Paced,
    source::{BrokenOff, Source},
};
use crate::{
    auth::Login,
    cache::End,
    message::{Turn, Violations, escaped},
    overload::SMALL,
    reject::Reject,
};

/// An answer's body on its way to the client. The exchange ends with it.
#[derive(Debug)]
pub struct Body {
    source: Source,
    /// How fast it goes, if a limit says so.
    paced: Option<Box<Paced>>,
    exchange: Option<Box<Exchange>>,
}

impl Body {
    pub(super) fn new(
        source: Source,
        paced: Option<Box<Paced>>,
        exchange: Option<Box<Exchange>>,
    ) -> Self {
        Self { source, paced, exchange }
    }

    /// The next piece, from where the answer comes from.
    #[inline]
    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let frame = match &mut self.source {
            Source::Empty => return Poll::Ready(None),
            Source::Made(bytes) => {
                let bytes = std::mem::take(&mut **bytes);
                self.source = Source::Empty;
                Frame::data(bytes)
            }
            Source::Kept(pieces) => match pieces.next() {
                Some(piece) => Frame::data(piece),
                None => {
                    self.source = Source::Empty;
                    return Poll::Ready(None);
                }
            },
            Source::Shared(shared) => match shared.poll(cx) {
                Poll::Pending => {
                    self.wait();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(piece)) => Frame::data(piece),
                Poll::Ready(Err(End::Whole(None))) => {
                    self.source = Source::Empty;
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(End::Whole(Some(trailers)))) => Frame::trailers(trailers),
                Poll::Ready(Err(End::Broken(reject))) => {
                    return self.break_off(BrokenOff { reject, source: None }, cx);
                }
            },
            Source::Begun(_) | Source::Watched(_) | Source::Translated(_) => {
                match self.source.poll_within(cx) {
                    Poll::Ready(Some(Ok(frame))) => frame,
                    other => return self.pass(other, cx),
                }
            }
            Source::Broken(_) => {
                let broken = std::mem::replace(&mut self.source, Source::Empty);
                let Source::Broken(error) = broken else { return Poll::Ready(None) };
                return Poll::Ready(Some(Err(*error)));
            }
            Source::Origin(body) => match Pin::new(body).poll_frame(cx) {
                Poll::Pending => {
                    self.wait();
                    return Poll::Pending;
                }
                Poll::Ready(None) => {
                    self.source = Source::Empty;
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    let reject = error.reject();
                    return self.break_off(BrokenOff { reject, source: Some(error) }, cx);
                }
            },
        };
        if !frame.is_data() {
            // Nothing comes behind trailers, and nobody asks.
            self.source = Source::Empty;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// What comes of a source within another where that is no piece.
    #[cold]
    fn pass(
        &mut self,
        frame: Poll<Option<Result<Frame<Bytes>, BrokenOff>>>,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match frame {
            Poll::Pending => self.wait(),
            Poll::Ready(Some(Err(error))) => return self.break_off(error, cx),
            Poll::Ready(_) => self.source = Source::Empty,
        }
        frame
    }

    /// Breaks off, the next time that somebody asks: the library that writes it throws away what it has not written
    /// when it does, and that may be all that came before.
    #[cold]
    fn break_off(
        &mut self,
        error: BrokenOff,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(exchange) = &mut self.exchange {
            exchange.reject = Some(error.reject);
        }
        self.source = Source::Broken(Box::new(error));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next piece, or as much of one as may go now.
    #[cold]
    fn poll_paced(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        loop {
            if let Some(paced) = &mut self.paced
                && paced.held() > 0
            {
                let Poll::Ready(piece) = paced.poll(cx) else {
                    self.wait();
                    return Poll::Pending;
                };
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(self.poll_source(cx)) {
                Some(Ok(frame)) => match (frame.into_data(), &mut self.paced) {
                    (Ok(piece), Some(paced)) => paced.hold(piece),
                    (Ok(piece), None) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                    (Err(trailers), _) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
    }

    /// Notes that it is not the client who is waited for.
    fn wait(&self) {
        if let Some(exchange) = &self.exchange {
            exchange.client.state.set_turn(Turn::Origin);
        }
    }

    /// Bytes of a piece of which a part has gone.
    fn held(&self) -> u64 {
        self.paced.as_ref().map_or(0, |paced| paced.held() as u64)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        let frame = match this.paced {
            None => ready!(this.poll_source(cx)),
            Some(_) => ready!(this.poll_paced(cx)),
        };
        if let Some(Ok(frame)) = &frame
            && let (Some(exchange), Some(data)) = (&mut this.exchange, frame.data_ref())
        {
            let before = exchange.sent;
            exchange.client.state.set_turn(Turn::Client(before));
            exchange.sent += data.len() as u64;
            if exchange.sent > SMALL {
                exchange.carry(before);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let ended = match &self.source {
            Source::Empty => true,
            Source::Made(_)
            | Source::Kept(_)
            | Source::Shared(_)
            | Source::Begun(_)
            | Source::Broken(_) => false,
            Source::Origin(body) => body.is_end_stream(),
            Source::Watched(watched) => watched.is_end_stream(),
            Source::Translated(translated) => translated.is_end_stream(),
        };
        ended && self.held() == 0
    }

    fn size_hint(&self) -> SizeHint {
        let rest = match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Made(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Origin(body) => body.size_hint(),
            Source::Kept(pieces) => SizeHint::with_exact(pieces.length()),
            Source::Shared(_) | Source::Translated(_) | Source::Broken(_) => SizeHint::default(),
            Source::Begun(begun) => begun.size_hint(),
            Source::Watched(watched) => watched.size_hint(),
        };
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(self.held() + rest),
            None => rest,
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let over = self.is_end_stream();
        if let Some(exchange) = &mut self.exchange {
            exchange.leave(over);
        }
    }
}

/// Takes the body off an answer of ours that has none, and the length off one that can have none: `head` if that was
/// asked for.
pub(super) fn without_body(response: &mut Response<Source>, head: bool) {
    if response.status() == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6: HTTP/2 would take it for a body that does not come.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    let Source::Made(body) = response.body() else { return };
    let length = body.len();
    let none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if head && !none {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    if head || none {
        *response.body_mut() = Source::Empty;
    }
}

/// The answer that sends a browser to log in.
pub(super) fn login(login: Login) -> Response<Source> {
    let mut response = Response::new(Source::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, login.location);
    headers.extend(login.cookies.into_iter().map(|cookie| (SET_COOKIE, cookie)));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer that says why a request ends early; `last` if the connection ends with it, whatever the
/// reason.
pub(super) fn problem(
    reject: Reject,
    accept: Option<&HeaderValue>,
    id: &HeaderValue,
    last: bool,
    violations: Option<&Violations>,
) -> Response<Bytes> {
    let id = id.to_str().unwrap_or_default();
    let (kind, body) = if prefers_html(accept) {
        ("text/html; charset=utf-8", page(reject, id, violations))
    } else {
        ("application/problem+json", json(reject, id, violations))
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = reject.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if last || closes(reject) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// After these it is not known where the next request would begin, or it is not wanted.
const fn closes(reject: Reject) -> bool {
    matches!(
        reject,
        Reject::RequestLine
            | Reject::RequestHeader
            | Reject::RequestFraming
            | Reject::RequestChunk
            | Reject::RequestIncomplete
            | Reject::RequestTimeout
            | Reject::BodyTimeout
            | Reject::BodyTooLarge
            | Reject::Draining
    )
}

/// Whether `Accept` names HTML, and no JSON before it.
pub(super) fn prefers_html(accept: Option<&HeaderValue>) -> bool {
    let types = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let name =
        |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    types
        .split(',')
        .map(name)
        .find(|name| name == "text/html" || name.ends_with("json"))
        .is_some_and(|name| name == "text/html")
}

/// Nothing in it needs escaping: reasons and sentences are ours, and so is the grammar of an id; what is wrong
/// is JSON already.
fn json(reject: Reject, id: &str, violations: Option<&Violations>) -> String {
    let errors = violations.filter(|violations| !violations.is_empty());
    let errors = errors.map(|errors| format!(",\"errors\":{}", errors.to_json()));
    let errors = errors.unwrap_or_default();
    let (code, reason, detail) = (reject.code(), reject.reason(), reject.detail());
    let title = reject.status().canonical_reason().unwrap_or("Error");
    format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{code},\
         \"detail\":\"{detail}\",\"reason\":\"{reason}\",\"request_id\":\"{id}\"{errors}}}\n"
    )
}

fn page(reject: Reject, id: &str, violations: Option<&Violations>) -> String {
    let mut errors = String::new();
    for violation in violations.iter().flat_map(|violations| violations.iter()) {
        errors.push_str("<li>");
        errors.push_str(&escaped(&violation.to_string()));
    }
    let (code, reason, detail) = (reject.code(), reject.reason(), reject.detail());
    let title = reject.status().canonical_reason().unwrap_or("Error");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{code} {title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;\
         padding:0 1em;color:#222}}small{{color:#666}}</style>\n\
         <h1>{code} {title}</h1>\n<p>{detail}</p>\n<ul>{errors}</ul>\n<p><small>{reason} &middot; {id}</small></p>\n"
    )
}
