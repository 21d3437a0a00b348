//! An operation of an API: what a request for it has to be, and what its answers promise.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};

use super::{
    answer::Answers,
    body::{BodyRule, Content, Depth},
    drift::{Drift, Names},
    parameter::{Pairs, Parameter, taken_apart},
};
use crate::{
    config::{self, Enforce, Unknown},
    message::{self, Part, Violation, Violations},
    reject::Reject,
};

/// An operation.
#[derive(Debug)]
pub struct Operation {
    /// Its `operationId`, or method and path.
    pub id: Box<str>,
    /// The API's name; empty if schemas of a route say it all.
    pub api: Arc<str>,
    /// Its method.
    pub method: Method,
    /// Its path as the document has it.
    pub template: Box<str>,
    /// What it is about, in a sentence, if the document says so.
    pub summary: Option<Box<str>>,
    /// Whether a request that does not keep to it is refused, or only told of.
    pub enforce: Enforce,
    /// Bytes of a body that is looked at.
    pub max_body: u64,
    /// What of its answers was not as promised.
    pub drift: Arc<Drift>,
    /// What may be told of an answer that is not as promised.
    pub(super) names: Arc<Names>,
    pub(super) depth: Depth,
    pub(super) unknown_query: Unknown,
    pub(super) parameters: Vec<Parameter>,
    /// Its path's parameters, each by its name in the document and by the one that it has in the route's path.
    pub(super) in_path: Vec<(Box<str>, Box<str>)>,
    /// Credentials in the query, which are no parameter.
    pub(super) credentials: Vec<Box<str>>,
    pub(super) body: BodyRule,
    pub(super) answers: Answers,
}

/// A request's head, as far as a contract looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The parameters of the route's path that took it, with their values.
    pub path: &'a [(&'a str, &'a str)],
    /// The query, without its `?`.
    pub query: Option<&'a str>,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

impl Operation {
    /// What a request is held to, for people.
    pub fn describe(&self) -> String {
        match &*self.api {
            "" => "held to `validate` of its route".into(),
            api => format!("the operation `{}` of `{api}`", self.id),
        }
    }

    /// Whether there is anything to look at in a request.
    pub fn asks(&self) -> bool {
        !self.parameters.is_empty()
            || !self.body.kinds.is_empty()
            || self.unknown_query == Unknown::Refuse
    }

    /// Holds a request's head to the contract.
    pub fn check_head(&self, head: Head<'_>, wrong: &mut Violations) {
        if self.parameters.is_empty() && self.unknown_query == Unknown::Allow {
            return;
        }
        let query = taken_apart(head.query.unwrap_or_default());
        let cookies =
            if self.has(Part::Cookie) { pairs_of_cookies(head.headers) } else { Vec::new() };
        for parameter in &self.parameters {
            match parameter.part {
                Part::Path => {
                    let own = self.in_path.iter().find(|(name, _)| *name == parameter.name);
                    let taken = |(_, own): &(_, Box<str>)| {
                        head.path.iter().find(|(name, _)| *name == &**own).map(|(_, value)| *value)
                    };
                    parameter.check_text(own.and_then(taken), wrong);
                }
                Part::Header => {
                    let text = field(head.headers, &parameter.name);
                    parameter.check_text(text.as_deref(), wrong);
                }
                Part::Query => {
                    let others = |name: &str| self.is_of_others(parameter, name);
                    parameter.check_pairs(&query, &others, wrong);
                }
                Part::Cookie | Part::Body => parameter.check_pairs(&cookies, &|_| true, wrong),
            }
        }
        if self.unknown_query == Unknown::Refuse {
            self.check_unknown(&query, wrong);
        }
    }

    /// Looks at what is known of a request's body before it is read; `there` says whether it has one. Says
    /// whether it has to be read.
    ///
    /// # Errors
    /// It is of a type that is not taken.
    pub fn expect_body(
        &self,
        headers: &HeaderMap,
        there: bool,
        wrong: &mut Violations,
    ) -> Result<bool, Reject> {
        if there {
            return Ok(self.body.content(headers)?.is_some_and(Content::is_read));
        }
        if self.body.required {
            wrong.push(Violation::body("", "is missing"));
        }
        Ok(false)
    }

    /// Holds a body to the contract.
    ///
    /// # Errors
    /// It is not what its type says.
    pub fn check_body(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        wrong: &mut Violations,
    ) -> Result<(), Reject> {
        let Some(content) = self.body.content(headers)? else { return Ok(()) };
        if body.is_empty() && !self.body.required && matches!(content, Content::Json(_)) {
            return Ok(());
        }
        content.check(body, headers.get(CONTENT_TYPE), self.depth, wrong)
    }

    /// Whether anybody looks at its answers.
    pub fn looks_at_answers(&self) -> config::Answers {
        self.answers.look
    }

    /// Whether the body of such an answer has to be read to see what it is.
    pub fn reads_answer(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.answers.reads(status, headers)
    }

    /// Holds an answer to what is promised, and counts it; its body, where that is read.
    pub fn check_answer(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Violations {
        let mut wrong = Violations::default();
        self.answers.check(status, headers, body, self.depth, &mut wrong);
        self.drift.note(status.as_u16(), &wrong, &self.names);
        wrong
    }

    fn has(&self, part: Part) -> bool {
        self.parameters.iter().any(|parameter| parameter.part == part)
    }

    /// Whether a name in a query is of another parameter, or of none.
    fn is_of_others(&self, parameter: &Parameter, name: &str) -> bool {
        let mut others = self.parameters.iter().filter(|other| !std::ptr::eq(*other, parameter));
        others.any(|other| other.part == Part::Query && other.takes(name))
            || self.is_credential(name)
    }

    fn is_credential(&self, name: &str) -> bool {
        self.credentials.iter().any(|known| **known == *name)
    }

    fn check_unknown(&self, query: &Pairs<'_>, wrong: &mut Violations) {
        let own = || self.parameters.iter().filter(|parameter| parameter.part == Part::Query);
        if own().any(Parameter::takes_all) {
            return;
        }
        for (name, _) in query {
            let known = own().any(|parameter| parameter.takes(name)) || self.is_credential(name);
            if !known {
                wrong.push(Violation::parameter(Part::Query, name, "is not known"));
            }
        }
    }
}

/// What a request that is not as it should be is refused for.
pub fn reason(wrong: &Violations) -> Option<Reject> {
    let outside = [Part::Path, Part::Query, Part::Header, Part::Cookie];
    match wrong.is_empty() {
        true => None,
        false if outside.into_iter().any(|part| wrong.has(part)) => Some(Reject::ContractParameter),
        false => Some(Reject::ContractBody),
    }
}

/// A header field's value; several are one list.
pub(super) fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Names and values of cookies.
fn pairs_of_cookies(headers: &HeaderMap) -> Pairs<'_> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let pairs = message::cookies(headers);
    pairs.filter_map(|(name, value)| Some((text(name)?.into(), text(value)?))).collect()
}
