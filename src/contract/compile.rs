//! `[api.NAME]`, compiled: the document's operations, and what each of them asks for.

use std::{fmt, path::Path as FilePath, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    document::{Document, Fault, MAX_SIZE, Place},
    operation::Operation,
    read::{Read, Reader},
    security::{Security, security},
};
use crate::config::{self, OneOrMany, Path, Problem, Problems, Require, read_file_up_to};

/// An API and its contract.
pub struct Api {
    /// Its name.
    pub name: Arc<str>,
    /// What the document calls it.
    pub title: String,
    /// The document's version of it.
    pub version: String,
    /// What stands before all its paths.
    pub base: String,
    /// The document.
    pub document: Arc<Value>,
    /// Its operations.
    pub policies: Vec<Policy>,
}

/// An operation and what its route is to be.
#[derive(Debug)]
pub struct Policy {
    /// The operation.
    pub operation: Arc<Operation>,
    /// The path of its route.
    pub path: String,
    /// Its place in the document, as a JSON pointer.
    pub pointer: String,
    /// What is different for it, by the file or by its document.
    pub own: config::Operation,
    /// Whether any of its `auth` is enough, where the document says so.
    pub require: Option<Require>,
    /// Scopes that the document asks for.
    pub scopes: Vec<String>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is known of an API beside its section.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The same API in the world before.
    pub before: Option<&'a Api>,
    /// Its document, if that is made of something else than a file.
    pub made: Option<&'a Value>,
    /// Query parameters that hold credentials, which are no operation's.
    pub credentials: &'a [Box<str>],
}

impl Api {
    /// Compiles a section; none if something is wrong with it.
    pub fn compile(
        name: &str,
        section: &config::Api,
        given: Given<'_>,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let (file, key, document) = match (given.made, &section.openapi) {
            (Some(made), _) => (FilePath::new("wsdl"), "wsdl", Document::of(made.clone())),
            (None, Some(file)) => {
                let read = read_file_up_to(file, MAX_SIZE);
                let at = at.key("openapi");
                let bytes = problems.keep(read.map_err(|what| Problem::error(at, what)))?;
                (&**file, "openapi", Document::read(&bytes))
            }
            (None, None) => {
                let what = format!("the API `{name}` has no contract");
                let problem = Problem::error(at.clone(), what);
                problems.push(problem.help("openapi = \"shop.yaml\""));
                return None;
            }
        };
        let at = at.key(key);
        let made = document.map_err(|fault| vec![fault]);
        match made.and_then(|document| Self::of_document(name, section, given, document)) {
            Ok(api) => {
                api.check_names(section, problems);
                Some(api)
            }
            Err(faults) => {
                problems.extend(faults.iter().map(|fault| problem(file, fault, &at)));
                None
            }
        }
    }

    fn of_document(
        name: &str,
        section: &config::Api,
        given: Given<'_>,
        document: Document,
    ) -> Result<Self, Vec<Fault>> {
        let mut reader =
            Reader::new(&document, section, name, given).map_err(|fault| vec![fault])?;
        let found = reader.operations();
        let mut faults = std::mem::take(&mut reader.faults);
        if found.is_empty() && faults.is_empty() {
            faults.push(Fault::new(&Place::default().key("paths"), "there is no operation"));
        }
        let base = base_path(section, &document);
        let mut policies = Vec::new();
        for read in found {
            match policy(&document, section, &base, read) {
                Ok(policy) => policies.extend(policy),
                Err(wrong) => faults.extend(wrong),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let text = |key: &str| document.root["info"][key].as_str().unwrap_or_default().to_owned();
        let (title, version) = (text("title"), text("version"));
        let title = if title.is_empty() { name.to_owned() } else { title };
        let document = Arc::new(document.root);
        Ok(Self { name: name.into(), title, version, base, document, policies })
    }

    /// What is said of operations that there are none of.
    fn check_names(&self, section: &config::Api, problems: &mut Problems) {
        let at = Path::root().key("api").key(self.name.to_string()).key("operations");
        let all = all_ids(&self.document);
        for name in section.operations.keys().filter(|name| !all.contains(name)) {
            let what = format!("`{}` has no operation `{name}`", self.name);
            let problem = Problem::error(at.key(name.clone()), what);
            let known = all.iter().map(String::as_str);
            let help = || "an `operationId`, or `GET /path` where there is none".to_owned();
            problems.push(problem.help_meant(name, known, help));
        }
    }
}

/// The names of all operations of a document, those that are no routes too.
fn all_ids(document: &Value) -> Vec<String> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = paths.flat_map(|(template, item)| {
        let operations = item.as_object().into_iter().flatten();
        operations.map(move |(method, operation)| {
            let id = operation.get("operationId").and_then(Value::as_str);
            let named = || format!("{} {template}", method.to_ascii_uppercase());
            id.map_or_else(named, str::to_owned)
        })
    });
    operations.collect()
}

fn problem(file: &FilePath, fault: &Fault, at: &Path) -> Problem {
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    let place = match fault.place.pointer() {
        "" => String::new(),
        pointer => format!("#{pointer}"),
    };
    let problem = Problem::error(at.clone(), format!("{file}{place}: {}", fault.what));
    match &fault.help {
        Some(help) => problem.help(help.clone()),
        None => problem,
    }
}

/// What stands before all paths.
fn base_path(section: &config::Api, document: &Document) -> String {
    let server = document.root.pointer("/servers/0");
    let url = server.and_then(|server| server.get("url")).and_then(Value::as_str);
    let path = match (&section.base_path, url) {
        (Some(path), _) => path.clone(),
        (None, Some(url)) => path_of(server, url),
        (None, None) => String::new(),
    };
    path.trim_end_matches('/').to_owned()
}

/// The path of a server's URL, its variables filled in.
fn path_of(server: Option<&Value>, url: &str) -> String {
    let mut url = url.to_owned();
    let variables = server.and_then(|server| server.get("variables")).and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), default);
    }
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or_else(String::new, |at| rest[at..].to_owned()),
        None => url,
    }
}

/// What an operation's route is to be; none if it is to be no route.
fn policy(
    document: &Document,
    section: &config::Api,
    base: &str,
    read: Read<'_>,
) -> Result<Option<Policy>, Vec<Fault>> {
    let Read { operation, written, place } = read;
    let mut own = section.operations.get(&*operation.id).cloned().unwrap_or_default();
    if own.enabled == Some(false) {
        return Ok(None);
    }
    let mut faults = Vec::new();
    let mut kept = |fault: Fault| faults.push(fault);
    own.auth = own.auth.or_else(|| extension(written, "x-janua-auth", &place, &mut kept));
    own.limit = own.limit.or_else(|| extension(written, "x-janua-limit", &place, &mut kept));
    own.cache = own.cache.or_else(|| extension(written, "x-janua-cache", &place, &mut kept));
    let asked = match &own.auth {
        Some(_) => Security::default(),
        None => security(document, written, &section.security, &place).unwrap_or_else(|fault| {
            kept(fault);
            Security::default()
        }),
    };
    let path = pattern(base, &operation.template, &place).unwrap_or_else(|fault| {
        kept(fault);
        String::new()
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let by_document = own.auth.is_none() && !asked.auth.is_empty();
    if by_document {
        own.auth = Some(OneOrMany(asked.auth));
    }
    Ok(Some(Policy {
        operation: Arc::new(operation),
        path,
        pointer: place.pointer().to_owned(),
        own,
        require: by_document.then_some(asked.require),
        scopes: asked.scopes,
    }))
}

/// A key of ours in a document.
fn extension<T: DeserializeOwned>(
    written: &Value,
    key: &str,
    place: &Place,
    wrong: &mut impl FnMut(Fault),
) -> Option<T> {
    let value = written.get(key)?.clone();
    let read = serde_json::from_value(value);
    read.map_err(|error| wrong(Fault::new(&place.key(key), error.to_string()))).ok()
}

/// The pattern of a route that takes what a template does.
fn pattern(base: &str, template: &str, place: &Place) -> Result<String, Fault> {
    if !template.starts_with('/') {
        return Err(Fault::new(place, format!("`{template}` does not begin with `/`")));
    }
    let mut made = base.to_owned();
    for segment in template[1..].split('/') {
        made.push('/');
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !name.contains(['{', '}']) => {
                made.push('{');
                made.push_str(&in_route(name));
                made.push('}');
            }
            _ if segment.contains(['{', '}']) => {
                let what = format!("a parameter takes a whole segment, and `{segment}` has more");
                return Err(Fault::new(place, what));
            }
            _ => made.push_str(&literal(segment)),
        }
    }
    Ok(made)
}

/// The name of a path's parameter as routes have them.
pub(super) fn in_route(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let name: String = name.chars().map(|l| if fits(l) { l } else { '_' }).collect();
    let first = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if first { name } else { format!("_{name}") }
}

/// A segment that means itself.
fn literal(segment: &str) -> String {
    match segment {
        "*" => "%2A".into(),
        "**" => "%2A%2A".into(),
        _ => segment.strip_prefix(':').map_or_else(|| segment.into(), |rest| format!("%3A{rest}")),
    }
}
