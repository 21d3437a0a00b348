//! What policies may name: the schema of a route, and where in its file a policy is wrong.

use cedar_policy::Schema;
use http::{HeaderName, Method};
use miette::Diagnostic;

use crate::config::{Path, Problem};

/// A policy to begin with.
pub(super) const EXAMPLE: &str =
    "permit (principal in Role::\"admin\", action, resource);\nlets administrators do everything";

/// Methods that policies know, by name. HEAD is GET to them.
pub(super) const METHODS: [(&str, Method); 7] = [
    ("GET", Method::GET),
    ("OPTIONS", Method::OPTIONS),
    ("TRACE", Method::TRACE),
    ("POST", Method::POST),
    ("PUT", Method::PUT),
    ("PATCH", Method::PATCH),
    ("DELETE", Method::DELETE),
];

/// What policies read of a request, so that nothing else need be told them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reads {
    pub(super) address: bool,
    pub(super) time: bool,
    pub(super) host: bool,
}

/// What this text may read. A name that is written with escapes may be any.
pub(super) fn reads(text: &str) -> Reads {
    let named = |name| text.contains(name) || text.contains('\\');
    Reads { address: named("address"), time: named("time"), host: named("host") }
}

/// The schema for the policies of a route with these path parameters, that ask for these header fields.
pub(super) fn of_route(params: &[Box<str>], headers: &[HeaderName]) -> Result<Schema, String> {
    let params: String = params.iter().map(|name| format!("{name:?}: String, ")).collect();
    let headers: String =
        headers.iter().map(|name| format!("{:?}?: String, ", name.as_str())).collect();
    let scope = format!(
        "appliesTo {{ principal: User, resource: Route, context: {{ \
           address: ipaddr, time: datetime, host: String, headers: {{ {headers} }} }} }}"
    );
    let text = format!(
        "entity Role;\n\
         entity User in [Role] {{ \"auth\": String, \"method\": String, \"owner\"?: String, \
           \"roles\": Set<String>, \"scopes\": Set<String> }} tags Set<String>;\n\
         entity Route {{ params: {{ {params} }} }};\n\
         action \"read\", \"write\";\n\
         action \"GET\", \"OPTIONS\", \"TRACE\" in [\"read\"] {scope};\n\
         action \"POST\", \"PUT\", \"PATCH\", \"DELETE\" in [\"write\"] {scope};\n"
    );
    let (schema, _) = Schema::from_cedarschema_str(&text).map_err(|error| error.to_string())?;
    Ok(schema)
}

/// A file of policies.
pub(super) struct File<'a> {
    pub(super) name: String,
    pub(super) text: &'a str,
}

impl File<'_> {
    /// What is wrong in it, with its place.
    pub(super) fn error(&self, wrong: &(impl Diagnostic + ?Sized), at: &Path) -> Problem {
        helped(Problem::error(at.clone(), self.message(wrong)), wrong)
    }

    /// What is odd in it, with its place.
    pub(super) fn finding(&self, odd: &(impl Diagnostic + ?Sized), at: &Path) -> Problem {
        helped(Problem::finding(at.clone(), self.message(odd)), odd)
    }

    fn message(&self, wrong: &(impl Diagnostic + ?Sized)) -> String {
        let label = wrong.labels().and_then(|mut labels| labels.next());
        let place = label.and_then(|label| self.text.get(..label.offset())).map(|before| {
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|sign| *sign != '\n').count() + 1;
            format!("{line}:{column}: ")
        });
        format!("{}:{}{wrong}", self.name, place.unwrap_or_else(|| " ".into()))
    }
}

fn helped(problem: Problem, wrong: &(impl Diagnostic + ?Sized)) -> Problem {
    match wrong.help() {
        Some(help) => problem.help(help.to_string()),
        None => problem,
    }
}
