//! gRPC for clients that speak something else: JSON by HTTP, or gRPC-Web as browsers do.
//!
//! In: the types of a service, from `.proto` files or a set of descriptors. Out: [`Services`], whose
//! operations are requests that become calls, by `google.api.http` where a method has such a rule; and a
//! document of OpenAPI that describes them. What a request says is checked against the types and written by
//! them, so nothing in it can be anything but the value of its field. Pure: this sends nothing and
//! waits for nothing.

mod frame;
mod imports;
mod load;
mod openapi;
mod operation;
mod query;
mod read;
mod reflection;
mod rule;
mod schema;
mod status;
mod stream;
mod template;
#[cfg(test)]
mod tests;
mod web;

use std::{path::PathBuf, sync::Arc};

use http::{HeaderMap, header::CONTENT_TYPE, uri::PathAndQuery};
use prost_reflect::{SerializeOptions, ServiceDescriptor};

use self::operation::Rpc;
pub use self::{
    frame::FrameError,
    operation::{Operation, Refused, Reply},
    reflection::{Pulled, Question, REFLECTION, Reflection, Said},
    stream::{Broken, Lines, Streamed},
    web::{Form, Unwrapped, Web, Wrapped},
};
use crate::config::{File, Path, Problem, Problems};

/// Where the types of an API come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// `.proto` files whose services are served.
    pub proto: &'a [File],
    /// Folders where what they import is looked for, before their own.
    pub include: &'a [PathBuf],
    /// A set of descriptors, in their place.
    pub descriptors: Option<&'a File>,
    /// The services to serve, by their full names; all if none is named.
    pub services: &'a [String],
}

/// How messages are read and written.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether names in bodies that no field has are passed over.
    pub lenient: bool,
    /// The same of parameters in the query.
    pub lenient_query: bool,
    /// How JSON is written.
    pub write: SerializeOptions,
    /// Bytes of a message.
    pub most: usize,
    /// How deep JSON may be nested.
    pub depth: u8,
}

/// The services of an API.
#[derive(Debug)]
pub struct Services {
    /// Their operations, in the order of the files.
    pub operations: Vec<Arc<Operation>>,
    /// The full names of all their methods, those that are left out too.
    pub methods: Vec<Arc<str>>,
}

impl Services {
    /// Reads and compiles the services of an API, whose section is at `at`. Methods that `is_off` names by
    /// their full names are left out.
    pub fn compile(
        sources: &Sources<'_>,
        options: &Options,
        is_off: impl Fn(&str) -> bool,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let services = problems.keep(load::load(sources, at))?;
        let key = if sources.descriptors.is_some() { "descriptors" } else { "proto" };
        let before = problems.has_errors();
        let (mut operations, mut methods) = (Vec::new(), Vec::new());
        for method in services.iter().flat_map(ServiceDescriptor::methods) {
            let id: Arc<str> = method.full_name().into();
            methods.push(id.clone());
            if is_off(&id) {
                continue;
            }
            let fault = |what: String| {
                let name = method.full_name();
                let problem = Problem::error(at.key(key), format!("`{name}`: {what}"));
                problem.help(format!("leave it out: operations.\"{name}\".enabled = false"))
            };
            if method.is_client_streaming() {
                problems.push(fault("a stream of requests cannot be said by HTTP and JSON".into()));
                continue;
            }
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let Ok(path) = PathAndQuery::try_from(path) else {
                problems.push(fault("its name cannot be in a path".into()));
                continue;
            };
            let rpc = Arc::new(Rpc {
                path,
                input: method.input(),
                output: method.output(),
                options: options.clone(),
                method: method.clone(),
            });
            let rules = problems.keep(rule::rules(&method).map_err(fault));
            for rule in rules.into_iter().flatten() {
                let made = Operation::compile(&rpc, &id, rule).map_err(fault);
                operations.extend(problems.keep(made).map(Arc::new));
            }
        }
        (before || !problems.has_errors()).then_some(Self { operations, methods })
    }
}

impl Services {
    /// Whether there is a method of this full name.
    pub fn has(&self, name: &str) -> bool {
        self.methods.iter().any(|known| **known == *name)
    }
}

/// Whether an answer is gRPC's, by its type.
fn is_grpc(head: &HeaderMap) -> bool {
    let kind = head.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let rest = kind
        .get(.."application/grpc".len())
        .filter(|start| start.eq_ignore_ascii_case("application/grpc"));
    rest.is_some()
        && matches!(kind.as_bytes().get("application/grpc".len()), None | Some(b'+' | b';' | b' '))
}
