//! Rules for the query that goes to the origin: remove, set, add.
//!
//! In: the operator's rules, once; then a target and what is known of the request. Out: the target with another
//! query. Parameters that no rule is about stay as they came; no value can become two.

use std::collections::BTreeMap;

use http::uri::PathAndQuery;
use percent_encoding::percent_encode;

use super::{
    RewriteProblem,
    form::{Form, TEXT},
    path::target,
    template::Template,
    variable::Variables,
};
use crate::{
    config,
    message::{form_text, pairs},
    reject::Reject,
};

/// Rules for the query, compiled.
#[derive(Clone, Debug, Default)]
pub struct QueryRules {
    /// Names of those that go, or are set.
    gone: Box<[Box<str>]>,
    /// Those that come, by their names as they are written in a query.
    come: Box<[(Box<str>, Template)]>,
}

impl QueryRules {
    /// Compiles rules; `params` are the parameters that the route's path has.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn compile(
        written: &config::QueryRules,
        params: &[impl AsRef<str>],
    ) -> Result<Self, Vec<RewriteProblem>> {
        let mut problems = Vec::new();
        let mut come = Vec::new();
        let mut compile = |key: &'static str, rules: &BTreeMap<String, String>| {
            for (name, text) in rules {
                match Template::compile(text, Form::Query, params) {
                    Ok(template) => {
                        let name = percent_encode(name.as_bytes(), TEXT).to_string();
                        come.push((name.into(), template));
                    }
                    Err(problem) => {
                        problems.push(RewriteProblem::of_template(key, Some(name), problem));
                    }
                }
            }
        };
        compile("set", &written.set);
        compile("add", &written.add);
        let gone = written.remove.iter().chain(written.set.keys());
        let gone = gone.map(|name| name.as_str().into()).collect();
        match problems.is_empty() {
            true => Ok(Self { gone, come: come.into() }),
            false => Err(problems),
        }
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.come.is_empty()
    }

    /// Whether it makes something of more than the URL that was asked for.
    pub(super) fn is_beyond_url(&self) -> bool {
        self.come.iter().any(|(_, template)| template.is_beyond_url())
    }

    /// The target with the query that the rules make of its own.
    ///
    /// # Errors
    /// The reason to refuse a request whose target becomes too long.
    pub fn apply(
        &self,
        from: &PathAndQuery,
        variables: &Variables<'_>,
    ) -> Result<PathAndQuery, Reject> {
        let mut made = from.path().as_bytes().to_vec();
        let mut mark = b'?';
        let mut put = |name: &[u8], value: Option<&[u8]>| {
            made.push(std::mem::replace(&mut mark, b'&'));
            made.extend_from_slice(name);
            if let Some(value) = value {
                made.push(b'=');
                made.extend_from_slice(value);
            }
        };
        let query = from.query().unwrap_or_default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let name = pairs(part).next().and_then(|(name, _)| form_text(name));
            if !name.is_some_and(|name| self.gone.iter().any(|gone| **gone == *name)) {
                put(part.as_bytes(), None);
            }
        }
        for (name, template) in &self.come {
            let value = template.render(variables);
            // Where variables leave nothing of a value, there is no parameter.
            if !value.is_empty() || template.fixed().is_some() {
                put(name.as_bytes(), Some(&value));
            }
        }
        target(made)
    }
}
