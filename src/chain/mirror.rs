//! Copies of requests, for an upstream whose answers nobody sees.
//!
//! In: a request as its origin is about to get it. Out: nothing that the exchange could wait for or fail by:
//! a task of the same worker sends the copy, once the client's body has gone by, and throws the answer away.
//! It ends with the worker at the latest. What is beyond its bounds is not copied, and counted.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Request,
    header::{CONTENT_LENGTH, TRAILER},
    request::Parts,
};
use http_body_util::BodyExt as _;

use super::{exchange::Exchange, forward::introduction, overload::Room};
use crate::{
    message::{MIRRORED, RequestBody, Tapped, Untapped},
    metrics::{MirrorPlace, Mirrored, Unmirrored},
    snapshot::{Mirror, Route, Way},
    upstream::{Aim, Answer, AnswerBody, Call},
    worker::Worker,
};

/// As much of an answer is read, so that its connection can be used again.
const READ: usize = 1 << 20;

impl Exchange {
    /// Has a copy made, if the route says so and this request is one of those.
    #[inline]
    pub(super) fn mirror(
        &self,
        route: &Route,
        upgrade: bool,
        head: &Parts,
        body: &mut RequestBody,
    ) {
        if let Some(mirror) = &route.mirror
            && !upgrade
            && mirror.is_chosen()
        {
            self.copy(mirror, head, body);
        }
    }

    #[inline(never)]
    fn copy(&self, mirror: &Arc<Mirror>, head: &Parts, body: &mut RequestBody) {
        let worker = &self.client.worker;
        let skip = |reason| mirror.metrics.skip(worker.index, reason);
        let Some(place) = mirror.metrics.enter(mirror.max_in_flight) else {
            return skip(Unmirrored::InFlight);
        };
        let tapped = match body {
            RequestBody::Empty => None,
            body => match body.tap(mirror.max_body) {
                Some(tapped) => Some(tapped),
                None => return skip(Unmirrored::Body),
            },
        };
        let introduction = mirror.way.upstream.proxy_protocol.then(|| introduction(self).into());
        let copy = Copy {
            mirror: mirror.clone(),
            request: request(head),
            introduction,
            worker: worker.clone(),
            _place: place,
        };
        tokio::spawn(copy.run(tapped));
    }
}

/// The copy's head.
fn request(head: &Parts) -> Request<RequestBody> {
    let mut request = Request::new(RequestBody::Empty);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    // Trailers stay behind.
    request.headers_mut().remove(TRAILER);
    request.headers_mut().insert(MIRRORED, HeaderValue::from_static("1"));
    request
}

/// A copy on its way.
struct Copy {
    mirror: Arc<Mirror>,
    request: Request<RequestBody>,
    introduction: Option<Arc<Vec<u8>>>,
    worker: Worker,
    _place: MirrorPlace,
}

impl Copy {
    /// Sends it when its body is there, to the end of its answer.
    async fn run(mut self, tapped: Option<Tapped>) {
        let ended = match tapped {
            None => self.send().await,
            Some(tapped) => match tapped.whole().await {
                Ok(body) => {
                    self.fill(body);
                    self.send().await
                }
                Err(Untapped::TooLarge) => Err(Unmirrored::Body),
                Err(Untapped::BrokenOff) => Err(Unmirrored::Incomplete),
            },
        };
        let (metrics, worker) = (&self.mirror.metrics, self.worker.index);
        match ended {
            Ok(outcome) => metrics.end(worker, outcome),
            Err(reason) => metrics.skip(worker, reason),
        }
    }

    fn fill(&mut self, body: Bytes) {
        if body.is_empty() {
            return;
        }
        self.request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
        *self.request.body_mut() = body.into();
    }

    async fn send(&mut self) -> Result<Mirrored, Unmirrored> {
        let Way { upstream, timeout } = &self.mirror.way;
        let mut room = Room::enter(upstream, self.worker.index).ok_or(Unmirrored::Upstream)?;
        let mut timeout = *timeout;
        // Nobody would ever give it up.
        timeout.total.get_or_insert(timeout.first_byte);
        self.worker.clock.catch_up();
        let request = std::mem::replace(&mut self.request, Request::new(RequestBody::Empty));
        let mut call = Call::new(request, &self.worker, timeout);
        call.introduction = self.introduction.take();
        call.aim = Aim::any();
        let answer = upstream.forward(&mut call).await;
        room.tell(&answer);
        Ok(match answer {
            // Nobody asked for another protocol.
            Ok(Answer { response, .. }) if response.status().is_informational() => Mirrored::Failed,
            Ok(Answer { response, .. }) => {
                let error = response.status().is_server_error();
                match (discard(response.into_body()).await, error) {
                    (false, _) => Mirrored::Failed,
                    (true, true) => Mirrored::Error,
                    (true, false) => Mirrored::Answered,
                }
            }
            Err(failure) => {
                tracing::debug!(
                    reason = failure.reject.reason(),
                    upstream = &*upstream.name,
                    "no answer to a copy"
                );
                Mirrored::Failed
            }
        })
    }
}

/// Reads an answer, as far as that is worth it; says whether it was whole so far.
async fn discard(mut body: Box<AnswerBody>) -> bool {
    let mut left = READ;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { break };
        left = rest;
    }
    true
}
