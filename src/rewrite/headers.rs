//! Rules for header fields: remove, set, add.
//!
//! In: the operator's rules, once; then a header map and what is known of the request. Out: the map,
//! changed in that order. Values see the request as the client sent it, whatever other rules do.
//! Fields that frame the message or belong to one connection are not the operator's to change.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{
    RewriteProblem,
    form::Form,
    template::{Template, TemplateProblem},
    variable::Variables,
};
use crate::config;

/// A field's value: made at load, or from a request.
#[derive(Clone, Debug)]
pub enum FieldValue {
    /// The same for every request.
    Fixed(HeaderValue),
    /// From a request.
    Rendered(Template),
}

impl FieldValue {
    /// Compiles a value from a template.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub fn compile(text: &str, params: &[impl AsRef<str>]) -> Result<Self, TemplateProblem> {
        Self::of(Template::compile(text, Form::Header, params)?)
    }

    /// Compiles the value of a `Location`: what comes from the client is percent-encoded in it, and
    /// cannot make it lead to another host.
    ///
    /// # Errors
    /// What is wrong with the template.
    pub fn compile_uri(text: &str, params: &[impl AsRef<str>]) -> Result<Self, TemplateProblem> {
        Self::of(Template::compile(text, Form::Uri, params)?)
    }

    fn of(template: Template) -> Result<Self, TemplateProblem> {
        let Some(fixed) = template.fixed() else { return Ok(Self::Rendered(template)) };
        HeaderValue::from_maybe_shared(fixed.clone()).map(Self::Fixed).map_err(|_| {
            let message = "this is not a header field's value".into();
            TemplateProblem { at: 0, message, help: None }
        })
    }

    /// The value for a request.
    pub fn render(&self, variables: &Variables<'_>) -> HeaderValue {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Rendered(template) => {
                let mut value = template.render(variables);
                // `//` at the front would name a host that the operator did not write.
                while template.is_relative() && value.starts_with(b"//") {
                    value = value.slice(1..);
                }
                // The form has left out all that may not be there.
                HeaderValue::from_maybe_shared(value)
                    .unwrap_or_else(|_| HeaderValue::from_static(""))
            }
        }
    }
}

/// Fields that say how a message is framed, or that belong to one connection (RFC 9110 7.6.1).
static OURS: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Rules for header fields, compiled.
#[derive(Clone, Debug, Default)]
pub struct HeaderRules {
    remove: Box<[HeaderName]>,
    set: Box<[(HeaderName, FieldValue)]>,
    add: Box<[(HeaderName, FieldValue)]>,
}

impl HeaderRules {
    /// Compiles rules; `params` are the parameters that the route's path has.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn compile(
        written: &config::HeaderRules,
        params: &[impl AsRef<str>],
    ) -> Result<Self, Vec<RewriteProblem>> {
        let mut problems = Vec::new();
        let mut remove = Vec::new();
        for text in written.remove.iter() {
            match name("remove", text) {
                Ok(name) => remove.push(name),
                Err(problem) => problems.push(problem),
            }
        }
        let set = compile_values("set", &written.set, params, &mut problems);
        let add = compile_values("add", &written.add, params, &mut problems);
        if problems.is_empty() {
            Ok(Self { remove: remove.into(), set: set.into(), add: add.into() })
        } else {
            Err(problems)
        }
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// Whether a field of this name is made of more than the URL that was asked for.
    pub(super) fn is_beyond_url(&self, name: &HeaderName) -> bool {
        let is_beyond =
            |value: &FieldValue| matches!(value, FieldValue::Rendered(of) if of.is_beyond_url());
        self.set.iter().chain(&self.add).any(|(own, value)| own == name && is_beyond(value))
    }

    /// The fields that are made of who makes a request.
    pub(super) fn of_identity(&self) -> impl Iterator<Item = &HeaderName> {
        let is =
            |value: &FieldValue| matches!(value, FieldValue::Rendered(of) if of.is_of_identity());
        self.set.iter().chain(&self.add).filter(move |(_, value)| is(value)).map(|(name, _)| name)
    }

    /// Makes the values for a request. Apart from [`Changes::apply`], because the map to change is
    /// often the very one that the variables look at. Allocates only if there are variables.
    pub fn render(&self, variables: &Variables<'_>) -> Changes<'_> {
        let rendered = self
            .set
            .iter()
            .chain(&self.add)
            .filter(|(_, value)| matches!(value, FieldValue::Rendered(_)))
            .map(|(_, value)| value.render(variables));
        Changes { rules: self, rendered: rendered.collect() }
    }

    /// Changes a map that the variables do not look at: the answer's.
    pub fn apply(&self, headers: &mut HeaderMap, variables: &Variables<'_>) {
        self.render(variables).apply(headers);
    }
}

/// What becomes of a header field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FieldChange {
    /// All its values go.
    Remove,
    /// This takes the place of its values.
    Set(HeaderValue),
    /// This comes beside its values.
    Add(HeaderValue),
}

/// Rules with the values for one request.
#[derive(Clone, Debug)]
pub struct Changes<'r> {
    rules: &'r HeaderRules,
    /// Of those that are not fixed, in the order of the rules.
    rendered: Vec<HeaderValue>,
}

impl Changes<'_> {
    /// Changes a map: removes, sets, adds.
    #[inline]
    pub fn apply(self, headers: &mut HeaderMap) {
        if !self.rules.is_empty() {
            self.change(headers);
        }
    }

    fn change(self, headers: &mut HeaderMap) {
        // A map is only ever full, at 32,768 fields, if it came so; the limit on fields is far below.
        self.each(|name, change| match change {
            FieldChange::Remove => drop(headers.remove(name)),
            FieldChange::Set(value) => drop(headers.try_insert(name, value)),
            FieldChange::Add(value) => drop(headers.try_append(name, value)),
        });
    }

    /// Each change, in the order in which they are made.
    ///
    /// Where variables leave nothing of a value, there is no field rather than an empty one, as
    /// nginx has it: `x-user = "{request.header.x-login}"` without a login removes `x-user`.
    #[inline]
    pub fn each(self, mut change: impl FnMut(&HeaderName, FieldChange)) {
        let mut rendered = self.rendered.into_iter();
        let mut value = |value: &FieldValue| match value {
            FieldValue::Fixed(value) => Some(value.clone()),
            FieldValue::Rendered(_) => rendered.next().filter(|value| !value.is_empty()),
        };
        for name in &self.rules.remove {
            change(name, FieldChange::Remove);
        }
        for (name, rule) in &self.rules.set {
            match value(rule) {
                Some(value) => change(name, FieldChange::Set(value)),
                None => change(name, FieldChange::Remove),
            }
        }
        for (name, rule) in &self.rules.add {
            if let Some(value) = value(rule) {
                change(name, FieldChange::Add(value));
            }
        }
    }
}

fn compile_values(
    key: &'static str,
    written: &BTreeMap<String, String>,
    params: &[impl AsRef<str>],
    problems: &mut Vec<RewriteProblem>,
) -> Vec<(HeaderName, FieldValue)> {
    let mut values = Vec::<(HeaderName, FieldValue)>::with_capacity(written.len());
    for (text, template) in written {
        let value = FieldValue::compile(template, params)
            .map_err(|problem| RewriteProblem::of_template(key, Some(text), problem));
        match (name(key, text), value) {
            (Ok(name), Ok(_)) if values.iter().any(|(other, _)| *other == name) => {
                let message = format!("`{text}` is there twice, in another case");
                let field = Some(text.clone());
                problems.push(RewriteProblem { key, field, message, help: None });
            }
            (Ok(name), Ok(value)) => values.push((name, value)),
            (name, value) => problems.extend(name.err().into_iter().chain(value.err())),
        }
    }
    values
}

/// Reads a field's name, and refuses those that are not the operator's to change.
fn name(key: &'static str, text: &str) -> Result<HeaderName, RewriteProblem> {
    let problem = |message, help: Option<&str>| RewriteProblem {
        key,
        field: Some(text.to_owned()),
        message,
        help: help.map(String::from),
    };
    let name: HeaderName = text
        .parse()
        .map_err(|_| problem(format!("`{text}` is not a header field's name"), None))?;
    if name == header::HOST {
        let help = "the upstream's `host` says which one it gets";
        return Err(problem("`host` is not changed by a rule".into(), Some(help)));
    }
    if OURS.contains(&name) {
        let help = "Janua writes it anew for each connection; take the rule away";
        return Err(problem(format!("`{name}` is not changed by a rule"), Some(help)));
    }
    Ok(name)
}
