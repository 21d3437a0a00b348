//! What Janua changes about a request or an answer on its way: header fields, path and query.
//!
//! In: the operator's templates and rules, compiled once; then what is known of a request. Out:
//! header values and targets that are valid whatever a client sent. It sends nothing, refuses only a
//! target that cannot be made valid, and knows no route table: path parameters come as a look-up.
//!
//! A template is text with variables: `https://{request.host}{request.uri}`; see [`Template`].
//! Everything fixed is made at load; a template without variables costs one clone of a shared value.

mod beyond;
mod form;
mod headers;
mod path;
mod query;
mod template;
#[cfg(test)]
mod tests;
mod variable;

pub use self::{
    beyond::Beyond,
    form::Form,
    headers::{Changes, FieldChange, FieldValue, HeaderRules},
    path::PathRewrite,
    query::QueryRules,
    template::{Template, TemplateProblem},
    variable::Variables,
};

/// Something wrong with a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RewriteProblem {
    /// The key that it is about, in the table that was compiled: `rewrite`, `set`.
    pub key: &'static str,
    /// The header field below that key, as it is written, where it is about one.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl RewriteProblem {
    fn of_template(key: &'static str, field: Option<&str>, problem: TemplateProblem) -> Self {
        let TemplateProblem { message, help, .. } = problem;
        Self { key, field: field.map(String::from), message, help }
    }
}
