//! Stages 8 and 11 of a route with a contract: whether the request, and the answer, keep to it.
//!
//! In: a request as the client sent it. Out: nothing, or everything that is wrong with it at once. An
//! answer is only looked at if the contract says so; then it is told of, or refused in its place.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, request::Parts};

use super::{
    beside::{LARGE, beside},
    exchange::Exchange,
    gather::Gathered,
    plan::announced,
    rehearse::bytes,
    source::Source,
    watch::Watched,
};
use crate::{
    config::{Answers, Enforce},
    contract::{Head, Operation, reason},
    message::{RequestBody, Violations, ask_whole},
    reject::Reject,
    route::Params,
};

impl Exchange {
    /// Holds a request to its contract.
    pub(super) async fn keep_to(
        &mut self,
        operation: &Arc<Operation>,
        params: &Params<'_, '_>,
        head: &mut Parts,
        body: &mut RequestBody,
    ) -> Result<(), Reject> {
        self.promised = operation.looks_at_answers() != Answers::Off;
        if self.promised {
            ask_whole(&mut head.headers);
        }
        let mut wrong = self.look_at_head(operation, params, &head.headers);
        let broken = self.look_at_body(operation, head, body, &mut wrong).await;
        let Some(reject) = broken.err().or_else(|| reason(&wrong)) else { return Ok(()) };
        self.judge(operation, reject, wrong)
    }

    /// What is wrong with a request, before its body.
    pub(super) fn look_at_head(
        &self,
        operation: &Operation,
        params: &Params<'_, '_>,
        headers: &HeaderMap,
    ) -> Violations {
        let mut wrong = Violations::default();
        let path: Vec<_> = params.iter().collect();
        let head = Head { path: &path, query: self.target.query(), headers };
        operation.check_head(head, &mut wrong);
        wrong
    }

    /// Refuses what does not keep to its contract, or only tells of it.
    pub(super) fn judge(
        &mut self,
        operation: &Operation,
        reject: Reject,
        wrong: Violations,
    ) -> Result<(), Reject> {
        let by_contract = matches!(
            reject,
            Reject::ContractParameter
                | Reject::ContractBody
                | Reject::BodySyntax
                | Reject::BodyType
        );
        if by_contract && operation.enforce == Enforce::Report {
            self.reported.get_or_insert(reject);
            return Ok(());
        }
        self.violations = Some(Box::new(wrong));
        Err(reject)
    }

    /// What a contract makes of a request, for people, with its body if that is there; and whether it is refused,
    /// or what is wrong with it on trial.
    pub(super) fn explain_contract(
        &mut self,
        operation: &Operation,
        params: &Params<'_, '_>,
        head: &Parts,
        body: &RequestBody,
    ) -> (String, Result<Violations, Reject>) {
        let mut wrong = self.look_at_head(operation, params, &head.headers);
        let has_body = announced(head) > 0;
        let mut broken = operation.expect_body(&head.headers, has_body, &mut wrong);
        let there = bytes(body).filter(|_| broken == Ok(true));
        if let Some(there) = &there {
            broken = match there.len() as u64 > operation.max_body {
                true => Err(Reject::BodyTooLarge),
                false => operation.check_body(&head.headers, there, &mut wrong).map(|()| true),
            };
        }
        let mut said = operation.describe();
        match (broken, there) {
            (Ok(true), None) => said.push_str("; the body would be looked at"),
            (Ok(true), Some(_)) if wrong.is_empty() => {
                said.push_str("; the body is as it should be");
            }
            _ => {}
        }
        let Some(reject) = broken.err().or_else(|| reason(&wrong)) else {
            return (said, Ok(wrong));
        };
        let told = wrong.clone();
        let outcome = self.judge(operation, reject, wrong);
        if outcome.is_ok() {
            said.push_str(&told.listed());
            said.push_str(&format!("; on trial, else {} {}", reject.code(), reject.reason()));
        }
        (said, outcome.map(|()| told))
    }

    async fn look_at_body(
        &mut self,
        operation: &Arc<Operation>,
        head: &Parts,
        body: &mut RequestBody,
        wrong: &mut Violations,
    ) -> Result<(), Reject> {
        let there = !matches!(body, RequestBody::Empty);
        if !operation.expect_body(&head.headers, there, wrong)? {
            return Ok(());
        }
        let bytes = self.gather_request(body, operation.max_body).await?;
        if bytes.len() < LARGE {
            return operation.check_body(&head.headers, &bytes, wrong);
        }
        let (operation, headers) = (operation.clone(), head.headers.clone());
        let mut found = std::mem::take(wrong);
        let (found, broken) = beside(move || {
            let broken = operation.check_body(&headers, &bytes, &mut found);
            (found, broken)
        })
        .await?;
        *wrong = found;
        broken
    }

    /// Holds what came of a request to its contract, if that is an answer and no tunnel.
    pub(super) async fn hold_outcome(
        &mut self,
        outcome: Result<Response<Source>, Reject>,
    ) -> Result<Response<Source>, Reject> {
        let contract = self.route().and_then(|route| route.contract.clone());
        match (outcome, contract) {
            (Ok(response), Some(operation)) if self.tunnel.is_none() => {
                self.hold_answer(&operation, response).await
            }
            (outcome, _) => outcome,
        }
    }

    async fn hold_answer(
        &mut self,
        operation: &Arc<Operation>,
        response: Response<Source>,
    ) -> Result<Response<Source>, Reject> {
        let look = operation.looks_at_answers();
        let (parts, source) = response.into_parts();
        let (status, headers) = (parts.status, &parts.headers);
        let is_head = self.method == http::Method::HEAD;
        if !operation.reads_answer(status, headers) || is_head {
            // A head alone promises a body that is not there.
            let nothing = (source.is_empty() && !is_head).then_some(&b""[..]);
            let wrong = operation.check_answer(status, headers, nothing);
            self.judge_answer(look, &wrong)?;
            return Ok(Response::from_parts(parts, source));
        }
        if look == Answers::Report {
            let watched = Watched::new(source, operation.clone(), (status, headers.clone()));
            return Ok(Response::from_parts(parts, Source::Watched(Box::new(watched))));
        }
        let source = match self.gather_answer(source, operation.max_body).await {
            Gathered::Broken(reject) => return Err(reject),
            Gathered::Larger(source) => {
                operation.drift.skip();
                source
            }
            Gathered::Whole(bytes, _) => {
                let wrong = look_at_answer(operation, status, headers, &bytes).await?;
                self.judge_answer(look, &wrong)?;
                Source::from(bytes)
            }
        };
        Ok(Response::from_parts(parts, source))
    }

    fn judge_answer(&mut self, look: Answers, wrong: &Violations) -> Result<(), Reject> {
        match (wrong.is_empty(), look) {
            (true, _) | (_, Answers::Off) => Ok(()),
            (false, Answers::Report) => {
                self.reported.get_or_insert(Reject::ContractAnswer);
                Ok(())
            }
            (false, Answers::Enforce) => Err(Reject::ContractAnswer),
        }
    }
}

async fn look_at_answer(
    operation: &Arc<Operation>,
    status: StatusCode,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Violations, Reject> {
    if body.len() < LARGE {
        return Ok(operation.check_answer(status, headers, Some(body)));
    }
    let (operation, headers, body) = (operation.clone(), headers.clone(), body.clone());
    beside(move || operation.check_answer(status, &headers, Some(&body))).await
}
