//! Stored operations: each is a route of JSON whose requests become one request of GraphQL.
//!
//! In: documents of the operator's, at load; then requests' parameters and bodies. Out: bodies for the service.
//! What a request says is a value of a variable and nothing else: the document is never put together from it.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Number, Value};

use super::{Refused, schema::Types};
use crate::{
    config::{self, Path, Problems},
    message::{Part, Violation, Violations, form_text, pairs, parse_json},
    reject::Reject,
};

mod compile;
mod reply;

pub use self::reply::Answered;

/// An operation that is a route of its own.
#[derive(Debug)]
pub struct Stored {
    /// Its name.
    pub id: Box<str>,
    /// How clients call it.
    pub method: Method,
    /// Where they do.
    pub path: Box<str>,
    /// Bytes of a request's body, and of an answer.
    pub max_body: u64,
    /// Where the service is asked.
    pub(super) target: Uri,
    pub(super) depth: u8,
    /// The request up to its variables.
    pub(super) begin: Box<str>,
    pub(super) variables: Vec<Variable>,
    /// The field that is the answer; none if it is all of `data`.
    pub(super) field: Option<Box<str>>,
    /// The status where that is `null`.
    pub(super) null: Option<StatusCode>,
    pub(super) statuses: Arc<BTreeMap<String, u16>>,
}

/// A variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: Box<str>,
    pub(super) kind: Text,
    /// Whether it is a list, of what a text can say.
    pub(super) list: bool,
    pub(super) place: Part,
}

/// What a text stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Text {
    Int,
    Float,
    Boolean,
    /// Itself: a string, an ID, an enumeration, a scalar of the service's own.
    Itself,
    /// Nothing: no text can say it.
    Nothing,
}

/// All of an API.
#[derive(Debug)]
pub struct StoredSet {
    /// They.
    pub operations: Vec<Arc<Stored>>,
    /// What they are to clients: a document of OpenAPI.
    pub document: Value,
}

impl StoredSet {
    /// Compiles those of a section; none if it has none, or something is wrong with one.
    pub fn compile(
        name: &str,
        section: &config::Api,
        types: Option<&Types>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        compile::compile(name, section, types, at, problems)
    }

    /// The operation of this name.
    pub fn operation(&self, id: &str) -> Option<&Arc<Stored>> {
        self.operations.iter().find(|operation| *operation.id == *id)
    }
}

impl Text {
    /// The value of a text.
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Int => text.parse::<i32>().ok().map(Value::from),
            Self::Float => serde_json::from_str::<Number>(text).ok().map(Value::Number),
            Self::Boolean => text.parse::<bool>().ok().map(Value::Bool),
            Self::Itself => Some(text.into()),
            Self::Nothing => None,
        }
    }

    /// What a text has to be.
    const fn says(self) -> &'static str {
        match self {
            Self::Int => "is no whole number of 32 bits",
            Self::Float => "is no number",
            Self::Boolean => "is neither `true` nor `false`",
            Self::Itself | Self::Nothing => "cannot be said here",
        }
    }
}

impl Stored {
    /// Where the service is asked.
    pub fn target(&self) -> Uri {
        self.target.clone()
    }

    /// Makes the request that the service gets.
    ///
    /// # Errors
    /// What a request says that its variables cannot be.
    pub fn request<'p>(
        &self,
        path: impl Iterator<Item = (&'p str, &'p str)>,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<Bytes, Refused> {
        let mut values = Map::new();
        let mut wrong = Violations::default();
        for (name, raw) in path {
            let text = percent_decode_str(raw).decode_utf8();
            let text = text.map_err(|_| Violation::parameter(Part::Path, name, "is not UTF-8"));
            self.put((Part::Path, name), text.as_deref(), &mut values, &mut wrong);
        }
        if self.takes_body() {
            self.put_body(body, &mut values, &mut wrong)?;
        } else {
            for (name, raw) in pairs(query.unwrap_or_default()) {
                let Some(name) = form_text(name) else { continue };
                let fault = || Violation::parameter(Part::Query, &name, "is not UTF-8");
                let text = form_text(raw).ok_or_else(fault);
                self.put((Part::Query, &name), text.as_deref(), &mut values, &mut wrong);
            }
        }
        if !wrong.is_empty() {
            return Err(Refused::with(Reject::ContractParameter, wrong));
        }
        Ok(format!("{}{}}}", self.begin, Value::Object(values)).into())
    }

    /// Whether variables come in the body, those that are not in the path.
    pub(super) fn takes_body(&self) -> bool {
        self.method != Method::GET && self.method != Method::DELETE
    }

    fn put(
        &self,
        (part, name): (Part, &str),
        text: Result<&str, &Violation>,
        values: &mut Map<String, Value>,
        wrong: &mut Violations,
    ) {
        let here = |known: &&Variable| *known.name == *name && known.place == part;
        // What is no variable, the contract has looked at.
        let Some(variable) = self.variables.iter().find(here) else { return };
        let text = match text {
            Ok(text) => text,
            Err(violation) => return wrong.push(violation.clone()),
        };
        let Some(value) = variable.kind.read(text) else {
            return wrong.push(Violation::parameter(part, name, variable.kind.says()));
        };
        match (values.get_mut(name), variable.list) {
            (Some(Value::Array(list)), true) => list.push(value),
            (None, true) => drop(values.insert(name.into(), Value::Array(vec![value]))),
            (None, false) => drop(values.insert(name.into(), value)),
            (Some(_), _) => {
                wrong.push(Violation::parameter(part, name, "is there more than once"));
            }
        }
    }

    fn put_body(
        &self,
        body: &[u8],
        values: &mut Map<String, Value>,
        wrong: &mut Violations,
    ) -> Result<(), Refused> {
        if body.is_empty() {
            return Ok(());
        }
        let json = parse_json(body, self.depth).map_err(|error| {
            let wrong = Violation::body("", error.to_string());
            Refused::with(Reject::BodySyntax, wrong)
        })?;
        let Value::Object(members) = json else {
            let wrong = Violation::body("", "is no object");
            return Err(Refused::with(Reject::ContractBody, wrong));
        };
        for (name, value) in members {
            match self.variables.iter().find(|known| *known.name == *name) {
                Some(known) if known.place == Part::Body => drop(values.insert(name, value)),
                Some(_) => wrong.push(Violation::body(format!("/{name}"), "is said by the path")),
                None => {}
            }
        }
        Ok(())
    }
}
