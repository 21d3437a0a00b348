//! Stages 8 and 11 of a route whose origin speaks GraphQL.
//!
//! In: a request as the client sent it. Out: the same, if everything that it asks may be asked; or one that a
//! stored operation makes of it. Answers of the service pass as they come; those of stored operations become JSON.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, Uri,
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
    request::Parts,
    uri::PathAndQuery,
};

use super::{
    answer::prefers_html,
    beside::{LARGE, aside, beside},
    exchange::Exchange,
    plan::announced,
    rehearse::{bytes, is_unknown, now},
    source::Source,
    validate::answers_101,
};
use crate::{
    config::Enforce,
    graphql::{Answered, Asked, Checked, Form, Given, Instead, Refused, Stored, errors},
    limit::Pass,
    message::{RequestBody, ask_anew},
    reject::Reject,
    route::Params,
    snapshot::{Governed, Graphql, Guarded, Route},
    translate::Spoken,
};

/// What a service that is asked takes as a type.
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/graphql-response+json, application/json;q=0.9");

/// What a request asks of a service of GraphQL.
#[derive(Default)]
pub(super) struct Questions {
    asked: Arc<[Asked]>,
    /// What limits of operations gave.
    pub(super) passes: Vec<(Arc<Governed>, Pass)>,
}

impl Questions {
    /// The first of them.
    pub(super) fn first(&self) -> Option<&Asked> {
        self.asked.first()
    }

    /// Whether there is something to tell.
    pub(super) fn tells(&self) -> bool {
        self.passes.iter().any(|(_, pass)| pass.tells())
    }

    /// Tells the client what is left.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        self.passes.iter().for_each(|(governed, pass)| governed.limit.tell(pass, headers));
    }
}

/// How a route's origin is asked, and what the client wants to upgrade to.
type Asking<'a> = (&'a Graphql, &'a Route, Option<&'a HeaderValue>);

impl Exchange {
    /// Makes a request one for a service of GraphQL; or answers it.
    pub(super) async fn ask_graphql(
        &mut self,
        (asked, route, upgrade): Asking<'_>,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<Option<Response<Source>>, Reject> {
        match asked {
            Graphql::Stored(stored) => self.ask_stored(stored, params, head, body).await?,
            Graphql::Guarded(guarded) => {
                if let Some(protocol) = upgrade {
                    let bare = matches!(body, RequestBody::Empty);
                    self.pass_socket(guarded, protocol, bare, head)?;
                    return Ok(None);
                }
                let done = self.guard(guarded, route, params, head, body).await;
                if let Err(Reject::GraphqlMethod) = done {
                    let mut response = self.problem(Reject::GraphqlMethod);
                    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                    return Ok(Some(response));
                }
                done?;
            }
        }
        Ok(None)
    }

    /// Lets a WebSocket pass, if those may; nothing else that upgrades does, since nobody would read it.
    fn pass_socket(
        &mut self,
        guarded: &Guarded,
        protocol: &HeaderValue,
        bare: bool,
        head: &Parts,
    ) -> Result<(), Reject> {
        let guard = &guarded.guard;
        let asks = guard.is_asked_by(head.uri.query());
        let reject = match is_socket(protocol, bare, head) && !asks {
            true if guard.websocket => None,
            true => Some(Reject::GraphqlWebsocket),
            false => Some(Reject::GraphqlRequest),
        };
        match reject {
            Some(reject) if guard.enforce == Enforce::Refuse => return Err(reject),
            Some(reject) => drop(self.reported.get_or_insert(reject)),
            // An origin that does not know of upgrades would answer it as any other request.
            None => self.unread = true,
        }
        Ok(())
    }

    async fn guard(
        &mut self,
        guarded: &Guarded,
        route: &Route,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        let guard = &guarded.guard;
        let read = match guard.reads(&head.method, &head.headers) {
            Ok(read) => read,
            Err(refused) => return self.not_read(guarded, refused, route),
        };
        let bytes = match (read, &mut *body) {
            (true, body) => self.gather_request(body, guard.max_body).await?,
            // A server might take what a GET says in its body.
            (false, RequestBody::Empty) => Bytes::new(),
            (false, _) => Bytes::from_static(b"?"),
        };
        let query = head.uri.query();
        let given = Given { method: &head.method, query, body: &bytes };
        let checked = match guard.is_large(&given) {
            false => guard.check(given),
            true => {
                let (guard, method) = (guard.clone(), head.method.clone());
                let query = query.map(String::from);
                beside(move || {
                    guard.check(Given { method: &method, query: query.as_deref(), body: &bytes })
                })
                .await?
            }
        };
        let checked = checked.map_err(|refused| self.unasked(guarded, refused))?;
        let (asked, instead) = self.note_asked(checked, route);
        self.ask_all(guarded, &asked, route, params, head).await?;
        match instead {
            None => {}
            Some(Instead::Body(made)) => self.send_instead(made, head, body)?,
            Some(Instead::Query(query)) => {
                let target = format!("{}?{query}", head.uri.path());
                let target = PathAndQuery::try_from(target).map_err(|_| Reject::TargetTooLong)?;
                head.uri = Uri::from(target);
            }
        }
        Ok(())
    }

    /// Refuses what cannot be read, or lets it pass on trial.
    fn not_read(
        &mut self,
        guarded: &Guarded,
        refused: Refused,
        route: &Route,
    ) -> Result<(), Reject> {
        if guarded.guard.enforce == Enforce::Refuse {
            return Err(self.unasked(guarded, refused));
        }
        let reported = Some(refused.reject);
        self.note_asked(Checked { reported, ..Checked::default() }, route);
        Ok(())
    }

    /// Notes what is asked.
    fn note_asked(&mut self, checked: Checked, route: &Route) -> (Arc<[Asked]>, Option<Instead>) {
        if let Some(reject) = checked.reported {
            self.reported.get_or_insert(reject);
            if !self.rehearsed {
                route.metrics.report(self.client.worker.index, reject as usize);
            }
        }
        let asked: Arc<[Asked]> = checked.asked.into();
        self.asked = Some(Box::new(Questions { asked: asked.clone(), passes: Vec::new() }));
        (asked, checked.instead)
    }

    /// Notes why something is not asked.
    fn unasked(&mut self, guarded: &Guarded, refused: Refused) -> Reject {
        let asked: Arc<[Asked]> = refused.asked.into_iter().map(|asked| *asked).collect();
        let name = asked.first().and_then(|asked| asked.name.clone());
        self.asked = Some(Box::new(Questions { asked, passes: Vec::new() }));
        if !self.rehearsed {
            guarded.counts(name.as_deref()).refuse(self.client.worker.index);
        }
        self.violations = Some(Box::new(refused.violations));
        refused.reject
    }

    /// Makes what a client asks a request of GraphQL.
    async fn ask_stored(
        &mut self,
        stored: &Arc<Stored>,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        let bytes = self.gather_request(body, stored.max_body).await?;
        let query = head.uri.query();
        let made = match bytes.len() < LARGE {
            true => stored.request(params.iter(), query, &bytes),
            false => {
                let params = params.to_owned();
                let (stored, query) = (stored.clone(), query.map(String::from));
                beside(move || {
                    let params = params.iter().map(|(name, value)| (&**name, &**value));
                    stored.request(params, query.as_deref(), &bytes)
                })
                .await?
            }
        };
        let made = made.map_err(|refused| (refused.reject, refused.violations));
        self.send_translated(made, head, body)?;
        self.spoken = Some(Spoken { body: true, answer: true, operation: None });
        address(stored, head);
        Ok(())
    }

    /// Makes JSON of what a service answers.
    pub(super) async fn stored_answer(
        &mut self,
        stored: Arc<Stored>,
        response: Response<Source>,
    ) -> Result<Response<Source>, Reject> {
        let (parts, source) = response.into_parts();
        let bytes = self.gather_translated(source, stored.max_body).await?;
        let status = parts.status;
        let made = aside(bytes, move |bytes| stored.answer(status, bytes)).await?;
        let made = made.map(|Answered { status, kind, body }| (status, kind, body));
        self.answer_made(parts, made)
    }

    /// What becomes of a request whose body is not there, for people.
    pub(super) fn explain_graphql(
        &mut self,
        (asked, route, upgrade): Asking<'_>,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<String, Reject> {
        let guarded = match asked {
            Graphql::Guarded(guarded) => guarded,
            Graphql::Stored(stored) => {
                match is_unknown(head, body) {
                    true => address(stored, head),
                    false => now(self.ask_stored(stored, params, head, body))?,
                }
                return Ok(format!("it asks the stored operation `{}`; ", stored.id));
            }
        };
        if let Some(protocol) = upgrade {
            self.pass_socket(guarded, protocol, announced(head) == 0, head)?;
            return Ok("nobody looks at operations in a WebSocket; ".into());
        }
        let guard = &guarded.guard;
        match guard.reads(&head.method, &head.headers) {
            Ok(reads) if !reads || bytes(body).is_some() => {}
            Ok(_) => {
                let what = "the operation in the body would be held to";
                return Ok(format!("{what} `{}`; ", guard.name));
            }
            Err(refused) => {
                let reject = refused.reject;
                self.not_read(guarded, refused, route)?;
                return Ok(on_trial(reject));
            }
        }
        let unknown: &[u8] = if announced(head) > 0 { b"?" } else { b"" };
        let body = bytes(body).unwrap_or_else(|| Bytes::from_static(unknown));
        let given = Given { method: &head.method, query: head.uri.query(), body: &body };
        let checked = guard.check(given).map_err(|refused| self.unasked(guarded, refused))?;
        let reported = checked.reported;
        let (asked, _) = self.note_asked(checked, route);
        let mut said = String::new();
        for one in &*asked {
            said.push_str(&explained(one));
            if let Some(governed) = self.may_ask(guarded, one, params, head)?
                && !governed.limit.is_empty()
            {
                let limits = self.explain_limit_by(&governed.limit, route, head, params);
                said.push_str(&format!("{limits}; "));
            }
        }
        if let Some(reject) = reported {
            said.push_str(&on_trial(reject));
        }
        Ok(said)
    }

    /// Says to a client of GraphQL why there is no answer.
    pub(super) fn say_in_graphql(&self, reject: Reject, answer: &mut Response<Source>) {
        let accept = self.accept.as_ref();
        let Some(form) = Form::pick(accept).filter(|_| !prefers_html(accept)) else { return };
        let id = self.id.to_str().unwrap_or_default();
        let body = errors(reject, id, self.violations.as_deref());
        *answer.body_mut() = Source::from(Bytes::from(body));
        let kind = HeaderValue::from_static(form.content_type());
        answer.headers_mut().insert(CONTENT_TYPE, kind);
    }
}

impl Guarded {
    /// The counts of an operation of this name.
    pub(super) fn counts(&self, name: Option<&str>) -> &crate::metrics::OperationMetrics {
        let number = self.guard.number(name).map_or(0, |number| number + 1);
        self.metrics.get(number).unwrap_or(&self.metrics[0])
    }
}

/// What would become of a request that passes on trial, for people.
fn on_trial(reject: Reject) -> String {
    format!("on trial, else {} {}; ", reject.code(), reject.reason())
}

/// Whether a request asks for a WebSocket and nothing else: by GET without a body (RFC 6455 section 4.1), or by
/// CONNECT, whose body is the socket's (RFC 8441).
fn is_socket(protocol: &HeaderValue, bare: bool, head: &Parts) -> bool {
    let by_get = head.method == Method::GET && bare;
    (by_get || !answers_101(head.version)) && protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}

/// An operation, for people.
fn explained(asked: &Asked) -> String {
    let name = asked.name.as_deref().map_or_else(String::new, |name| format!(" `{name}`"));
    let cost = asked.cost.map_or_else(String::new, |cost| format!(", costs {cost}"));
    format!("it asks the {}{name}, {} deep{cost}; ", asked.kind.name(), asked.depth)
}

/// Makes a head that of a request of GraphQL.
fn address(stored: &Stored, head: &mut Parts) {
    head.method = Method::POST;
    head.uri = stored.target();
    ask_anew(&mut head.headers);
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.insert(ACCEPT, ACCEPTED);
}
