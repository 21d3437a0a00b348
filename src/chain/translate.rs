//! Stages 8 and 11 of a route whose origin speaks something else than its clients.
//!
//! In: a request as the client sent it, and what came of it. Out: both as the other side speaks. Bodies are
//! read whole, up to the bound that the route has for it.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG},
    request::Parts,
    response,
};

use super::{
    beside::aside,
    exchange::Exchange,
    gather::Gathered,
    plan::announced,
    rehearse::{bytes, is_unknown, now},
    source::Source,
};
use crate::{
    message::{Kept, RequestBody, Violations, ask_anew, remade},
    reject::Reject,
    route::Params,
    snapshot::Route,
    translate::{
        Formats, Spoken, Translation,
        soap::{Answered, Asked, Operation},
    },
};

/// Something in a language, or why there is nothing.
type Made<T> = Result<T, (Reject, Violations)>;

impl Exchange {
    /// Holds a request to its contract, and makes it what the origin understands; or answers it.
    #[inline]
    pub(super) async fn understand(
        &mut self,
        route: &Route,
        (params, kept): (&Params<'_, '_>, &Kept),
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<Option<Box<Response<Source>>>, Reject> {
        if let Some(contract) = &route.contract {
            Box::pin(self.keep_to(contract, params, head, body)).await?;
        }
        if let Some(by) = &route.transform {
            Box::pin(self.transform_request(by, (route, params), head, body)).await?;
        }
        let answer = match (&route.translation, &route.graphql) {
            (None, None) => return Ok(None),
            (Some(by), _) => Box::pin(self.translate_request(by, params, head, body)).await,
            (None, Some(asked)) => {
                let asking = (asked, route, kept.upgrade.as_ref());
                Box::pin(self.ask_graphql(asking, params, head, body)).await
            }
        };
        answer.map(|answer| answer.map(Box::new))
    }

    /// Translates a request, if the client speaks something else than the origin.
    async fn translate_request(
        &mut self,
        translation: &Translation,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<Option<Response<Source>>, Reject> {
        match translation {
            Translation::Formats(formats) => self.reformat(formats, head, body).await?,
            Translation::Soap(operation) => self.call(operation, params, head, body).await?,
            Translation::Door(door) => return self.enter_soap(door, head, body).await,
        }
        Ok(None)
    }

    async fn reformat(
        &mut self,
        formats: &Arc<Formats>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        let has_body = !matches!(body, RequestBody::Empty);
        let spoken = formats.spoken(&head.headers, has_body)?;
        self.spoken = Some(spoken);
        if spoken.body {
            let bytes = self.gather_request(body, formats.max_body).await?;
            let formats = formats.clone();
            let made = aside(bytes, move |bytes| formats.request(bytes)).await?;
            self.send_translated(made, head, body)?;
        }
        formats.ask(spoken, &mut head.headers);
        Ok(())
    }

    async fn call(
        &mut self,
        operation: &Arc<Operation>,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        let bytes = self.gather_request(body, operation.max_body).await?;
        let asked = Asked {
            path: params.to_owned(),
            query: self.target.query().map(String::from),
            body: bytes.clone(),
        };
        let called = operation.clone();
        let made = aside(bytes, move |_| called.request(&asked, SystemTime::now())).await?;
        self.send_translated(made, head, body)?;
        self.spoken = Some(Spoken { body: true, answer: true, operation: None });
        address(operation, head);
        Ok(())
    }

    /// Sends what came of a request's body in its place, or says what is wrong with it.
    pub(super) fn send_translated(
        &mut self,
        made: Made<Bytes>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        let made = made.map_err(|(reject, wrong)| {
            self.violations = Some(Box::new(wrong));
            reject
        })?;
        self.send_instead(made, head, body)
    }

    /// Sends another body in the place of a request's.
    pub(super) fn send_instead(
        &mut self,
        made: Bytes,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        self.hold(made.len() as u64)?;
        remade(&mut head.headers);
        head.headers.insert(CONTENT_LENGTH, made.len().into());
        *body = made.into();
        Ok(())
    }

    /// What would become of a request, for people.
    pub(super) fn explain_translation(
        &mut self,
        translation: &Translation,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(String, Option<Response<Source>>), Reject> {
        let is_unknown = is_unknown(head, body);
        let formats = match translation {
            Translation::Formats(formats) => formats,
            Translation::Soap(operation) => {
                if is_unknown {
                    self.spoken = Some(Spoken { body: true, answer: true, operation: None });
                    address(operation, head);
                } else {
                    now(self.call(operation, params, head, body))?;
                }
                return Ok((format!("it calls `{}` of a SOAP service; ", operation.id), None));
            }
            Translation::Door(_) if bytes(body).is_none() => {
                return Ok(("what it calls depends on its envelope; ".to_owned(), None));
            }
            Translation::Door(door) => {
                let answer = now(self.enter_soap(door, head, body))?;
                let what = "what comes of its envelope goes on; ";
                return Ok((what.to_owned(), answer));
            }
        };
        let spoken = formats.spoken(&head.headers, announced(head) > 0)?;
        match is_unknown {
            false => now(self.reformat(formats, head, body))?,
            true => {
                self.spoken = Some(spoken);
                formats.ask(spoken, &mut head.headers);
            }
        }
        let origin = formats.origin();
        let said = match (spoken.body, spoken.answer) {
            (true, true) => {
                format!("the body is made {origin}, and the answer is translated back; ")
            }
            (true, false) => format!("the body is made {origin}; "),
            (false, true) => format!("the answer is translated from {origin}; "),
            (false, false) => format!("the client speaks {origin}, as the origin does; "),
        };
        Ok((said, None))
    }

    /// Translates what came of a request, if that is an answer that the client would not understand.
    pub(super) async fn translate_outcome(
        &mut self,
        outcome: Result<Response<Source>, Reject>,
        spoken: Spoken,
    ) -> Result<Response<Source>, Reject> {
        let translation = self.route().and_then(|route| route.translation.clone());
        let stored = self.route().and_then(Route::stored).cloned();
        if let Some(Translation::Door(door)) = translation {
            return self.leave_soap(&door, spoken, outcome).await;
        }
        let response = outcome?;
        if self.tunnel.is_some() || self.reject.is_some() {
            return Ok(response);
        }
        if let Some(stored) = stored {
            return self.stored_answer(stored, response).await;
        }
        match translation {
            None | Some(Translation::Door(_)) => Ok(response),
            Some(Translation::Formats(formats)) => {
                self.reformat_answer(&formats, response, spoken).await
            }
            Some(Translation::Soap(operation)) => self.called(operation, response).await,
        }
    }

    async fn reformat_answer(
        &mut self,
        formats: &Arc<Formats>,
        mut response: Response<Source>,
        spoken: Spoken,
    ) -> Result<Response<Source>, Reject> {
        Formats::vary(response.headers_mut());
        if !spoken.answer || is_bare(response.status()) || !formats.reads(response.headers())? {
            return Ok(response);
        }
        if self.method == Method::HEAD {
            formats.tell(response.headers_mut());
            return Ok(response);
        }
        let (mut parts, source) = response.into_parts();
        let bytes = self.gather_translated(source, formats.max_body).await?;
        if bytes.is_empty() {
            return Ok(Response::from_parts(parts, Source::Empty));
        }
        let by = formats.clone();
        let made = aside(bytes, move |bytes| by.answer(bytes)).await?;
        let made =
            made.map_err(|wrong| self.puzzled(Reject::TranslateAnswer, &wrong.to_string()))?;
        self.hold(made.len() as u64)?;
        formats.tell(&mut parts.headers);
        Ok(Response::from_parts(parts, Source::from(made)))
    }

    async fn called(
        &mut self,
        operation: Arc<Operation>,
        response: Response<Source>,
    ) -> Result<Response<Source>, Reject> {
        let (parts, source) = response.into_parts();
        let bytes = self.gather_translated(source, operation.max_body).await?;
        let (status, headers) = (parts.status, parts.headers.clone());
        let made = aside(bytes, move |bytes| operation.answer(status, &headers, bytes)).await?;
        let made =
            made.map(|Answered { status: own, kind, body }| (own.unwrap_or(status), kind, body));
        self.answer_made(parts, made)
    }

    /// An answer of status, type and body that were made of what the origin says, or why there is none.
    pub(super) fn answer_made(
        &mut self,
        mut parts: response::Parts,
        made: Result<(StatusCode, HeaderValue, Bytes), String>,
    ) -> Result<Response<Source>, Reject> {
        let made = made.map_err(|what| self.puzzled(Reject::TranslateAnswer, &what));
        let (status, kind, body) = made?;
        self.hold(body.len() as u64)?;
        parts.status = status;
        for name in [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_TYPE, ETAG] {
            parts.headers.remove(name);
        }
        if !body.is_empty() {
            parts.headers.insert(CONTENT_TYPE, kind);
        }
        Ok(Response::from_parts(parts, Source::from(body)))
    }

    pub(super) async fn gather_translated(
        &mut self,
        source: Source,
        most: u64,
    ) -> Result<Bytes, Reject> {
        match self.gather_answer(source, most).await {
            Gathered::Broken(reject) => Err(reject),
            Gathered::Larger(_) => Err(Reject::TranslateTooLarge),
            Gathered::Whole(bytes, _) => Ok(bytes),
        }
    }

    /// Notes what is wrong with an answer; nobody outside is told.
    pub(super) fn puzzled(&self, reject: Reject, what: &str) -> Reject {
        let route = self.route().map(|route| &*route.name);
        let endpoint = self.endpoint.as_ref().map(|endpoint| &*endpoint.origin.name);
        let reason = reject.reason();
        tracing::debug!(route, endpoint, reason, what, "an answer is not what it has to be");
        reject
    }
}

/// Makes a request's head that of a call.
fn address(operation: &Operation, head: &mut Parts) {
    head.method = Method::POST;
    head.uri = operation.target();
    ask_anew(&mut head.headers);
    head.headers.remove(ACCEPT);
    for (name, value) in operation.fields() {
        head.headers.insert(name, value);
    }
}

/// Whether an answer of this status has no body of its own.
fn is_bare(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
