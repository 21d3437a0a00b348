//! Stages 8 and 11 of a door for clients that speak SOAP: an envelope becomes a call, and what comes of that
//! becomes an envelope.
//!
//! From the moment that a request is known to be an envelope its refusals are faults.

use std::sync::Arc;

use http::{
    HeaderValue, Method, Response,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG},
    request::Parts,
};

use super::{beside::aside, exchange::Exchange, source::Source};
use crate::{
    message::{RequestBody, ask_anew},
    reject::Reject,
    translate::{
        Spoken,
        soap::{Call, Door, Envelope, NoCall, Whose},
    },
};

impl Exchange {
    /// Makes the call that an envelope is; or gives the description to whoever asks for it.
    pub(super) async fn enter_soap(
        &mut self,
        door: &Arc<Door>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<Option<Response<Source>>, Reject> {
        if self.method != Method::POST {
            return self.describe(door).map(Some);
        }
        let bytes = self.gather_request(body, door.max_body).await?;
        let (by, headers) = (door.clone(), head.headers.clone());
        let call = match aside(bytes, move |bytes| by.call(&headers, bytes)).await? {
            Ok(call) => call,
            Err(NoCall { reject, what }) => {
                self.reject = Some(reject);
                let envelope = door.fault(&head.headers, Whose::Sender, &what);
                return Ok(Some(sealed(Response::new(Source::Empty), envelope)));
            }
        };
        let Call { operation, method, target, body: made } = call;
        self.spoken = Some(Spoken { body: true, answer: true, operation: Some(operation) });
        head.method = method;
        head.uri = target;
        let headers = &mut head.headers;
        ask_anew(headers);
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
        headers.remove("soapaction");
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        *body = RequestBody::Empty;
        if let Some(made) = made {
            self.hold(made.len() as u64)?;
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, made.len().into());
            *body = made.into();
        }
        Ok(None)
    }

    /// The description, with this door as the service's address.
    fn describe(&self, door: &Door) -> Result<Response<Source>, Reject> {
        let scheme = self.scheme.as_str();
        let host = self.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let address = format!("{scheme}://{host}{}", self.target.path());
        let file = self.target.query().and_then(|query| door.description(query, &address));
        let mut response = Response::new(Source::from(file.ok_or(Reject::NoRoute)?));
        let kind = HeaderValue::from_static("text/xml; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        Ok(response)
    }

    /// Makes an envelope of what came of a call.
    pub(super) async fn leave_soap(
        &mut self,
        door: &Arc<Door>,
        spoken: Spoken,
        outcome: Result<Response<Source>, Reject>,
    ) -> Result<Response<Source>, Reject> {
        let Some(operation) = spoken.operation else { return outcome };
        let answer = match outcome {
            Ok(response) => {
                let (parts, source) = response.into_parts();
                let gathered = self.gather_translated(source, door.max_body).await;
                gathered.map(|bytes| (parts, bytes))
            }
            Err(reject) => Err(reject),
        };
        let (parts, bytes) = match answer {
            Ok(answer) => answer,
            Err(reject) => {
                self.reject = Some(reject);
                let envelope = door.refuse(operation, reject.detail());
                return Ok(sealed(Response::new(Source::Empty), envelope));
            }
        };
        let (by, status, headers) = (door.clone(), parts.status, parts.headers.clone());
        let made = aside(bytes, move |bytes| by.answer(operation, status, &headers, bytes)).await?;
        self.hold(made.body.len() as u64)?;
        Ok(sealed(Response::from_parts(parts, Source::Empty), made))
    }
}

/// An answer with an envelope in it.
fn sealed(mut response: Response<Source>, envelope: Envelope) -> Response<Source> {
    let Envelope { status, kind, body } = envelope;
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, ETAG] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, kind);
    *response.body_mut() = Source::from(body);
    response
}
