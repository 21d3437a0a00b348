//! A SOAP service as an API of JSON.
//!
//! In: its description, WSDL 1.1 with XML Schema, from files. Out: [`Operation`]s, which make envelopes of what
//! clients ask and JSON of what the service answers, both by its types; and a document of OpenAPI for clients, and
//! for whoever holds requests to it.

mod call;
mod door;
mod door_keys;
mod envelope;
mod error;
mod files;
mod json_schema;
mod names;
mod occurs;
mod openapi;
mod read;
mod scalar;
mod schema;
mod security;
mod write;
mod wsdl;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{Method, Uri};
use serde_json::Value;

pub use self::{
    call::{Answered, Asked, Operation},
    door::{Call, Called, Door, Envelope, NoCall, Whose},
    error::LoadError,
};
use self::{
    door_keys::is_off,
    files::load,
    openapi::{document, takes_body},
    schema::{Compiler, Hold, Types},
    security::Headers,
    wsdl::{Choice, Described, Description, File, Port, schemas},
};
use crate::config::{self, Enforce, Path, Problem, Problems, Severity};

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Its operations.
    pub operations: Vec<Arc<Operation>>,
    /// What it is to clients.
    pub document: Value,
    /// Where clients speak SOAP, if it is they who do and not the origin.
    pub door: Option<Arc<Door>>,
}

impl Service {
    /// Compiles what an `[api.NAME]` with a `wsdl` says.
    pub fn compile(section: &config::Api, at: &Path, problems: &mut Problems) -> Option<Self> {
        let wsdl = section.wsdl.as_ref()?;
        let before = errors(problems);
        let headers = Headers::compile(&section.soap, &at.key("soap"), problems);
        let statuses = statuses(&section.soap, &at.key("soap").key("faults"), problems);
        let choice =
            Choice { service: section.soap.service.as_deref(), port: section.soap.port.as_deref() };
        let (port, types, sources) = match describe(wsdl, choice) {
            Ok(described) => described,
            Err(errors) => {
                let problem = |error: &LoadError| Problem::error(at.key("wsdl"), error.to_string());
                problems.extend(errors.iter().map(problem));
                return None;
            }
        };
        for note in &types.notes {
            problems.push(Problem::finding(at.key("wsdl"), note.to_string()));
        }
        let given = Given {
            section,
            headers: Arc::new(headers),
            statuses: Arc::new(statuses),
            types: Arc::new(types),
            port: &port,
        };
        let is_door = section.soap.door.is_some();
        if is_door {
            door_keys::check(section, &port.operations, at, problems);
        }
        // Those of an API of JSON are in its document, which says which of them are routes.
        let is_off = |described: &Described| is_door && is_off(section, &described.name);
        let (off, on): (Vec<_>, Vec<_>) = port.operations.iter().partition(|it| is_off(it));
        let made = on.into_iter().filter_map(|described| {
            let at = at.key("operations").key(described.name.clone());
            let operation = given.operation(described, &at, problems)?;
            Some((operation, described.about.clone()))
        });
        let operations: Vec<_> = made.collect();
        given.check_paths(&operations, at, problems);
        if errors(problems) > before {
            return None;
        }
        let document = document(&port.service, &given.types, &operations);
        let operations: Vec<_> =
            operations.into_iter().map(|(operation, _)| Arc::new(operation)).collect();
        let door = section.soap.door.as_ref().map(|_| {
            let base = section.base_path.as_deref().unwrap_or_default();
            let off = off.iter().map(|described| (&*described.name).into()).collect();
            Arc::new(Door::new((operations.clone(), off), base, sources, section.max_body.0))
        });
        Some(Self { operations, document, door })
    }

    /// The operation of this name.
    pub fn operation(&self, id: &str) -> Option<&Arc<Operation>> {
        self.operations.iter().find(|operation| *operation.id == *id)
    }
}

/// How much is wrong that makes the configuration useless.
fn errors(problems: &Problems) -> usize {
    problems.iter().filter(|problem| problem.severity == Severity::Error).count()
}

/// The statuses of faults, by their names.
fn statuses(
    soap: &config::Soap,
    at: &Path,
    problems: &mut Problems,
) -> serde_json::Map<String, Value> {
    for (name, status) in &soap.faults {
        if !(400..600).contains(status) {
            let what = format!("{status} is no status of a failure");
            problems.push(Problem::error(at.key(name.clone()), what).help("400 to 599"));
        }
    }
    soap.faults.iter().map(|(name, status)| (name.clone(), Value::from(*status))).collect()
}

/// Reads a description.
fn describe(
    wsdl: &std::path::Path,
    choice: Choice<'_>,
) -> Result<(Port, Types, Vec<files::Source>), Vec<LoadError>> {
    let one = |error: LoadError| vec![error];
    let sources = load(wsdl).map_err(one)?;
    let trees =
        sources.iter().map(files::Source::tree).collect::<Result<Vec<_>, _>>().map_err(one)?;
    let files = sources.iter().zip(&trees).map(|(source, tree)| {
        let included_in = source.included_in.as_deref();
        File { path: &source.path, tree, included_in }
    });
    let files: Vec<File<'_>> = files.collect();
    let mut compiler = Compiler::new(schemas(&files)).map_err(one)?;
    let port = Description::new(&files, &mut compiler).map_err(one)?.port(choice)?;
    let types = compiler.finish().map_err(one)?;
    drop(files);
    drop(trees);
    Ok((port, types, sources))
}

/// By which an operation may be called.
const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// What operations are made of.
struct Given<'a> {
    section: &'a config::Api,
    headers: Arc<Headers>,
    statuses: Arc<serde_json::Map<String, Value>>,
    types: Arc<Types>,
    port: &'a Port,
}

impl Given<'_> {
    fn operation(
        &self,
        described: &Described,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Operation> {
        let own = self.section.operations.get(&described.name);
        let method = own.and_then(|own| own.method.as_deref()).unwrap_or("POST");
        let Some(method) = METHODS.iter().find(|known| known.as_str() == method).cloned() else {
            let what = format!("`{method}` is no method for a call");
            let problem = Problem::error(at.key("method"), what);
            problems.push(problem.help("GET, POST, PUT, PATCH or DELETE"));
            return None;
        };
        let path =
            own.and_then(|own| own.path.clone()).unwrap_or_else(|| format!("/{}", described.name));
        let address: Uri = self.port.address.parse().unwrap_or_default();
        let target = address.path_and_query().map_or("/", |target| target.as_str());
        let action = &described.action;
        if action.bytes().any(|byte| !(0x20..0x7f).contains(&byte) || matches!(byte, b'"' | b'\\'))
        {
            let what =
                format!("the action of `{}` cannot be sent in a header field", described.name);
            problems.push(Problem::error(at.parent().unwrap_or_else(|| at.clone()), what));
            return None;
        }
        let operation = Operation {
            id: (&*described.name).into(),
            method,
            path: path.into(),
            max_body: self.section.max_body.0,
            types: self.types.clone(),
            hold: match self.section.enforce {
                Enforce::Refuse => Hold::Value,
                Enforce::Report => Hold::Form,
            },
            version: described.version,
            action: (&**action).into(),
            addressed: (&*described.addressed).into(),
            target: target.parse().unwrap_or_default(),
            to: (&*self.port.address).into(),
            input: described.input.clone(),
            output: described.output.clone(),
            faults: described.faults.clone(),
            statuses: self.statuses.clone(),
            headers: self.headers.clone(),
        };
        self.check_parameters(&operation, at, problems);
        Some(operation)
    }

    /// What a call has in its path and query is text, so it has to be simple.
    fn check_parameters(&self, operation: &Operation, at: &Path, problems: &mut Problems) {
        if !operation.path.starts_with('/') {
            let what = format!("`{}` does not begin with `/`", operation.path);
            problems.push(Problem::error(at.key("path"), what));
        }
        for name in placeholders(&operation.path) {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
            if operation.parameter(name).is_none() || !name.chars().all(plain) {
                let what = format!("`{}` takes no simple value `{name}`", operation.id);
                problems.push(Problem::error(at.key("path"), what));
            }
        }
        if takes_body(operation) {
            return;
        }
        let complex = operation.takes();
        for member in complex.iter().flat_map(|complex| &complex.members) {
            if operation.parameter(&member.key).is_none() {
                let what = format!(
                    "`{}` of `{}` is no simple value, which a query could have",
                    member.key, operation.id
                );
                problems.push(Problem::error(at.key("method"), what).help("method = \"POST\""));
            }
        }
        let attributes = complex.is_some_and(|complex| !complex.attributes.is_empty());
        if attributes || (operation.input.is_some() && complex.is_none()) {
            let what = format!("`{}` takes what a query cannot have", operation.id);
            problems.push(Problem::error(at.key("method"), what).help("method = \"POST\""));
        }
    }

    fn check_paths(&self, operations: &[(Operation, String)], at: &Path, problems: &mut Problems) {
        for (index, (operation, _)) in operations.iter().enumerate() {
            let same = |(other, _): &(Operation, String)| {
                other.method == operation.method && other.path == operation.path
            };
            if operations[..index].iter().any(same) {
                let at = at.key("operations").key(operation.id.to_string());
                let what =
                    format!("another operation has `{} {}`, too", operation.method, operation.path);
                problems.push(Problem::error(at, what).help("give one of them another `path`"));
            }
        }
    }
}

/// The names in a path's braces.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}
