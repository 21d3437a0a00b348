//! What an operation promises of its answers, and whether one is so.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use super::{
    body::{Content, Depth, Kind, closest, type_of},
    mock::Example,
    operation::field,
    parameter::Parameter,
};
use crate::{
    config,
    message::{Violation, Violations, is_plain},
};

/// Which answers an operation promises.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Whether anybody looks.
    pub(super) look: config::Answers,
    /// By status: `200`, `2XX`, `default`.
    pub(super) by_status: BTreeMap<Box<str>, Promise>,
}

/// What an answer of a status is promised to be.
#[derive(Debug, Default)]
pub(super) struct Promise {
    pub(super) kinds: Vec<Kind>,
    pub(super) headers: Vec<Parameter>,
    pub(super) examples: Vec<Example>,
}

impl Answers {
    /// What is promised of a status.
    pub(super) fn of(&self, status: StatusCode) -> Option<&Promise> {
        let class = format!("{}XX", status.as_u16() / 100);
        let by = |name: &str| self.by_status.get(name);
        by(status.as_str()).or_else(|| by(&class)).or_else(|| by("default"))
    }

    /// Whether the body of such an answer has to be read.
    pub(super) fn reads(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let content = self.of(status).zip(type_of(headers));
        let content = content.and_then(|(promise, named)| closest(&promise.kinds, &named));
        matches!(content, Some(Content::Json(Some(_)))) && is_plain(headers)
    }

    /// Holds an answer to what is promised; its body, where that is read.
    pub(super) fn check(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
        depth: Depth,
        wrong: &mut Violations,
    ) {
        if status == StatusCode::NOT_MODIFIED || status.is_informational() {
            return;
        }
        let Some(promise) = self.of(status) else {
            let says = format!("the status {} is not promised", status.as_u16());
            wrong.push(Violation::body("", says));
            return;
        };
        for header in &promise.headers {
            header.check_text(field(headers, &header.name).as_deref(), wrong);
        }
        if promise.kinds.is_empty() {
            return;
        }
        let Some(named) = type_of(headers) else {
            if body.is_none_or(|body| !body.is_empty()) {
                wrong.push(Violation::body("", "the type of the body is not said"));
            }
            return;
        };
        let Some(content) = closest(&promise.kinds, &named) else {
            wrong.push(Violation::body("", "the type of the body is not promised"));
            return;
        };
        match (content, body) {
            // Nobody has asked for a coding.
            (Content::Json(Some(_)), _) if !is_plain(headers) => {
                wrong.push(Violation::body("", "the body is encoded, and cannot be looked at"));
            }
            (Content::Json(_), Some(body)) => {
                // What is wrong is in the list; an answer that is none is wrong in that way, too.
                let _ = content.check(body, headers.get(CONTENT_TYPE), depth, wrong);
            }
            _ => {}
        }
    }
}
