//! The whole translation, by tables: what a client says, and what the service understands.

mod answers;
mod loading;
mod requests;

use std::{
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use super::{Operation, Options, Services, Sources};
use crate::config::{File, Path, Problems};

fn folder() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("src/grpc/tests")
}

fn compile(sources: &Sources<'_>, options: &Options) -> Result<Services, String> {
    let mut problems = Problems::new();
    let made = Services::compile(sources, options, |_| false, &Path::root(), &mut problems);
    let all: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
    made.ok_or_else(|| all.join("\n"))
}

fn greeter(options: &Options) -> Services {
    let proto = [File(folder().join("greeter.proto"))];
    compile(&Sources { proto: &proto, ..Sources::default() }, options).unwrap()
}

/// The operation of this method of HTTP and pattern.
fn operation(services: &Services, what: &str) -> Arc<Operation> {
    let is = |it: &&Arc<Operation>| format!("{} {}", it.method, it.pattern) == what;
    services.operations.iter().find(is).expect(what).clone()
}
