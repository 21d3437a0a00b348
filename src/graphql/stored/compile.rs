//! Stored operations out of their sections.

use std::sync::Arc;

use apollo_compiler::{
    ast::Type,
    executable::{self, Selection},
    schema::ExtendedType,
};
use http::{Method, StatusCode, Uri};
use serde_json::Value;

use super::{Stored, StoredSet, Text, Variable};
use crate::{
    config::{self, Path, Problem, Problems, StoredAnswer, read_text_file_up_to},
    graphql::{
        document::{Bounds, Document, Kind},
        openapi::Description,
        schema::Types,
    },
    message::Part,
};

/// Bytes of a document.
const MOST_BYTES: u64 = 1 << 20;
/// Tokens of it.
const MOST_TOKENS: usize = 100_000;

/// By which an operation may be called.
const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

pub(super) fn compile(
    name: &str,
    section: &config::Api,
    types: Option<&Types>,
    at: &Path,
    problems: &mut Problems,
) -> Option<StoredSet> {
    let before = problems.iter().count();
    let all = section.operations.iter();
    let mut stored =
        all.filter(|(_, own)| own.is_stored() && own.enabled != Some(false)).peekable();
    stored.peek()?;
    let Some(types) = types else {
        let what = "operations with a `query` need the schema";
        let problem = Problem::error(at.key("graphql"), what);
        problems.push(problem.help("graphql = \"schema.graphql\""));
        return None;
    };
    for (code, status) in &section.errors {
        if !(400..600).contains(status) {
            let what = format!("{status} is no status of a failure");
            let problem = Problem::error(at.key("errors").key(code.clone()), what);
            problems.push(problem.help("400 to 599"));
        }
    }
    let target = section.graphql_path.parse::<Uri>().ok();
    let target = target.filter(|_| section.graphql_path.starts_with('/'));
    if target.is_none() {
        let what = format!("`{}` is no path", section.graphql_path);
        problems.push(Problem::error(at.key("graphql-path"), what));
    }
    let statuses = Arc::new(section.errors.clone());
    let given = Given { section, types, target: target.unwrap_or_default(), statuses: &statuses };
    let mut description = Description::new(name, types);
    let mut operations: Vec<Arc<Stored>> = Vec::new();
    for (id, own) in stored {
        let at = at.key("operations").key(id.clone());
        let Some((document, operation)) = given.operation(id, own, &at, problems) else { continue };
        let same =
            |other: &Arc<Stored>| other.method == operation.method && other.path == operation.path;
        if operations.iter().any(same) {
            let what =
                format!("another operation has `{} {}`, too", operation.method, operation.path);
            problems.push(Problem::error(at, what).help("give one of them another `path`"));
        }
        if let Some(typed) = document.operation(None).and_then(|it| document.typed(it)) {
            let executable = document.executable.as_ref();
            description.add(&operation, typed, executable.map(|it| &it.fragments));
        }
        operations.push(Arc::new(operation));
    }
    let whole = problems.iter().count() == before;
    whole.then(|| StoredSet { operations, document: description.finish() })
}

struct Given<'a> {
    section: &'a config::Api,
    types: &'a Types,
    target: Uri,
    statuses: &'a Arc<std::collections::BTreeMap<String, u16>>,
}

impl Given<'_> {
    fn operation(
        &self,
        id: &str,
        own: &config::Operation,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<(Document, Stored)> {
        let (text, key) = problems.keep(text(own, at))?;
        let document = problems.keep(self.read(&text, &at.key(key)))?;
        let mut fault = |key: &'static str, what: String, help: &str| {
            let problem = Problem::error(at.key(key), what);
            problems.push(if help.is_empty() { problem } else { problem.help(help) });
        };
        let Some(known) = document.operation(None) else {
            fault(key, "it has more than one operation".into(), "give each an entry of its own");
            return None;
        };
        let method = own.method.as_deref().unwrap_or("POST");
        let Some(method) = METHODS.iter().find(|known| known.as_str() == method).cloned() else {
            fault(
                "method",
                format!("`{method}` is no method for a call"),
                "GET, POST, PUT, PATCH or DELETE",
            );
            return None;
        };
        match known.kind {
            Kind::Subscription => fault(key, "a subscription has no one answer".into(), ""),
            Kind::Mutation if method == Method::GET => {
                fault(
                    "method",
                    "what changes something is not asked by GET".into(),
                    "method = \"POST\"",
                );
            }
            Kind::Mutation | Kind::Query => {}
        }
        let typed = document.typed(known)?;
        let path = own.path.clone().unwrap_or_else(|| format!("/{id}"));
        let variables = self.variables(typed, (&method, &path), &mut fault);
        let (field, null) = answer(own, typed, &mut fault);
        let begin = begin(&text, known.name.as_deref());
        let stored = Stored {
            id: id.into(),
            method,
            path: path.into(),
            max_body: self.section.max_body.0,
            target: self.target.clone(),
            depth: self.section.max_depth,
            begin: begin.into_boxed_str(),
            variables,
            field,
            null,
            statuses: self.statuses.clone(),
        };
        Some((document, stored))
    }

    /// Reads a document that fits the schema.
    fn read(&self, text: &str, at: &Path) -> Result<Document, Problem> {
        let bounds = Bounds { tokens: MOST_TOKENS, guard: None };
        let document = Document::read(text, Some(self.types), bounds);
        let Some(fault) = &document.fault else { return Ok(document) };
        let said = fault.violations.iter().map(ToString::to_string);
        let said = std::iter::once(fault.reject.detail().to_owned()).chain(said);
        Err(Problem::error(at.clone(), said.collect::<Vec<_>>().join("\n")))
    }

    /// Where each variable comes from.
    fn variables(
        &self,
        operation: &executable::Operation,
        (method, path): (&Method, &str),
        fault: &mut impl FnMut(&'static str, String, &str),
    ) -> Vec<Variable> {
        if !path.starts_with('/') {
            fault("path", format!("`{path}` does not begin with `/`"), "");
        }
        let in_path: Vec<&str> = placeholders(path).collect();
        let in_query = *method == Method::GET || *method == Method::DELETE;
        let mut variables = Vec::new();
        for variable in &operation.variables {
            let name = variable.name.as_str();
            let (kind, list) = self.text(&variable.ty);
            let place = match in_path.contains(&name) {
                true => Part::Path,
                false if in_query => Part::Query,
                false => Part::Body,
            };
            if place == Part::Path && (kind == Text::Nothing || list) {
                fault("path", format!("`${name}` is no simple value, which a path could have"), "");
            }
            if place == Part::Query && kind == Text::Nothing {
                let what = format!("`${name}` is no simple value, which a query could have");
                fault("method", what, "method = \"POST\"");
            }
            variables.push(Variable { name: name.into(), kind, list, place });
        }
        for name in in_path {
            if !variables.iter().any(|known| *known.name == *name) {
                fault("path", format!("the document has no variable `${name}`"), "");
            }
        }
        variables
    }

    /// What a text may be for a type, and whether several are a list.
    fn text(&self, ty: &Type) -> (Text, bool) {
        let (name, list) = match ty {
            Type::Named(name) | Type::NonNullNamed(name) => (name, false),
            Type::List(of) | Type::NonNullList(of) => match &**of {
                Type::Named(name) | Type::NonNullNamed(name) => (name, true),
                Type::List(_) | Type::NonNullList(_) => return (Text::Nothing, true),
            },
        };
        let text = match name.as_str() {
            "Int" => Text::Int,
            "Float" => Text::Float,
            "Boolean" => Text::Boolean,
            name => match self.types.schema.types.get(name) {
                Some(ExtendedType::InputObject(_)) => Text::Nothing,
                _ => Text::Itself,
            },
        };
        (text, list)
    }
}

/// What is the answer of an operation, and the status where that is `null`.
fn answer(
    own: &config::Operation,
    operation: &executable::Operation,
    fault: &mut impl FnMut(&'static str, String, &str),
) -> (Option<Box<str>>, Option<StatusCode>) {
    let field = match own.answer {
        Some(StoredAnswer::Data) => None,
        Some(StoredAnswer::Field) | None => only_field(operation),
    };
    if field.is_none() && own.answer == Some(StoredAnswer::Field) {
        fault("answer", "it has not just one field at its top".into(), "answer = \"data\"");
    }
    let null = own.null.and_then(|status| StatusCode::from_u16(status).ok());
    let good = null.is_some_and(|status| status == 204 || (400..600).contains(&status.as_u16()));
    if own.null.is_some() && (!good || field.is_none()) {
        let what = "it is the status where the one field is `null`";
        fault("null", what.into(), "204, or 400 to 599");
    }
    (field, null)
}

/// The one field at the top of an operation, by the name that it has in the answer.
fn only_field(operation: &executable::Operation) -> Option<Box<str>> {
    match &operation.selection_set.selections[..] {
        [Selection::Field(field)] => Some(field.response_key().as_str().into()),
        _ => None,
    }
}

/// A request up to its variables.
fn begin(text: &str, name: Option<&str>) -> String {
    let mut begin = format!("{{\"query\":{}", Value::from(text));
    if let Some(name) = name {
        begin.push_str(&format!(",\"operationName\":{}", Value::from(name)));
    }
    begin + ",\"variables\":"
}

/// The text of a document, and the key that it is from.
fn text(own: &config::Operation, at: &Path) -> Result<(String, &'static str), Problem> {
    match (&own.query, &own.query_file) {
        (Some(text), None) => Ok((text.clone(), "query")),
        (Some(_), Some(_)) => {
            let what = "a document is written here or in a file, not both";
            Err(Problem::error(at.key("query-file"), what))
        }
        (None, Some(file)) => {
            let fault = |what: String| Problem::error(at.key("query-file"), what);
            Ok((read_text_file_up_to(file, MOST_BYTES).map_err(fault)?, "query-file"))
        }
        (None, None) => Err(Problem::error(at.clone(), "it has no `query`")),
    }
}

/// The names in a path's braces.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}
