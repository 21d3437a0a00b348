//! Where the types of a service come from: `.proto` files, or a set of descriptors that `protoc` or
//! `janua proto pull` wrote.
//!
//! In: files. Out: a pool of types and the services to serve. What nearly everybody imports is built in:
//! the well-known types, `google/api/annotations.proto` and the details of failures. Nothing is fetched, and
//! nothing outside the folders that are named is read.

use std::{
    cell::Cell,
    path::{Component, Path as FilePath, PathBuf},
    rc::Rc,
};

use prost_reflect::{DescriptorPool, ServiceDescriptor};
use protox::{
    Compiler,
    file::{File, FileResolver, GoogleFileResolver},
};

use super::Sources;
use crate::config::{Path, Problem, nearest, read_file_up_to, read_text_file_up_to};

/// Bytes of all files of one API together.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// Files of one API.
pub(super) const MOST_FILES: usize = 1_000;

/// What is built in beside the well-known types.
const BUILT_IN: [(&str, &str); 5] = [
    ("google/api/http.proto", include_str!("proto/google/api/http.proto")),
    ("google/api/annotations.proto", include_str!("proto/google/api/annotations.proto")),
    ("google/api/field_behavior.proto", include_str!("proto/google/api/field_behavior.proto")),
    ("google/rpc/status.proto", include_str!("proto/google/rpc/status.proto")),
    ("google/rpc/error_details.proto", include_str!("proto/google/rpc/error_details.proto")),
];

/// Those of them that answers need, whether a service imports them or not.
const NEEDED: [&str; 2] = ["google/rpc/status.proto", "google/rpc/error_details.proto"];

/// Reads the services of an API, in the order of their files; `at` is its section.
pub(super) fn load(sources: &Sources<'_>, at: &Path) -> Result<Vec<ServiceDescriptor>, Problem> {
    let (pool, files) = match sources.descriptors {
        Some(file) => {
            (descriptors(file).map_err(|what| Problem::error(at.key("descriptors"), what))?, None)
        }
        None => {
            let (pool, names) = protos(sources, at)?;
            (pool, Some(names))
        }
    };
    let ours = |service: &ServiceDescriptor| match &files {
        Some(names) => names.iter().any(|name| name == service.parent_file().name()),
        None => true,
    };
    let services = pool.services().filter(ours).collect();
    choose(services, sources.services, at)
}

/// The services that are named, or all.
fn choose(
    known: Vec<ServiceDescriptor>,
    named: &[String],
    at: &Path,
) -> Result<Vec<ServiceDescriptor>, Problem> {
    if known.is_empty() {
        return Err(Problem::error(at.clone(), "there is no service in its files"));
    }
    if named.is_empty() {
        return Ok(known);
    }
    let mut chosen = Vec::new();
    for (index, name) in named.iter().enumerate() {
        match known.iter().find(|service| service.full_name() == name) {
            Some(service) => chosen.push(service.clone()),
            None => {
                let names = known.iter().map(ServiceDescriptor::full_name);
                let near = nearest(name, names.clone());
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", names.collect::<Vec<_>>().join(", ")),
                };
                let what = format!("there is no service `{name}` in its files");
                return Err(Problem::error(at.key("services").index(index), what).help(help));
            }
        }
    }
    Ok(chosen)
}

/// Reads a set of descriptors.
fn descriptors(file: &FilePath) -> Result<DescriptorPool, String> {
    let bytes = read_file_up_to(file, MOST_BYTES)?;
    let fault = |error: &dyn std::fmt::Debug| {
        format!("`{}` is not a whole set of descriptors: {error:?}", file.display())
    };
    let mut pool = DescriptorPool::decode(&bytes[..]).map_err(|error| fault(&error))?;
    let mut built_in = Compiler::with_file_resolver(BuiltIn(GoogleFileResolver::new()));
    let opened = built_in.include_imports(true).open_files(NEEDED);
    opened.map_err(|error| fault(&error))?;
    for file in built_in.descriptor_pool().files() {
        // A set that has a file of this name has its types already, in whatever version.
        if pool.get_file_by_name(file.name()).is_none() {
            let added = pool.add_file_descriptor_proto(file.file_descriptor_proto().clone());
            added.map_err(|error| fault(&error))?;
        }
    }
    Ok(pool)
}

/// Compiles `.proto` files; gives the names by which others import them, too.
fn protos(sources: &Sources<'_>, at: &Path) -> Result<(DescriptorPool, Vec<String>), Problem> {
    let parents = sources.proto.iter().filter_map(|file| file.parent());
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in sources.include.iter().map(|folder| &**folder).chain(parents) {
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    let resolver = Folders {
        folders: folders.clone(),
        built_in: BuiltIn(GoogleFileResolver::new()),
        left: Rc::new(Cell::new((MOST_BYTES, MOST_FILES))),
    };
    let mut compiler = Compiler::with_file_resolver(resolver);
    let mut names = Vec::new();
    for (index, file) in sources.proto.iter().enumerate() {
        let fault = |what: String| Problem::error(at.key("proto").index(index), what);
        if let Err(error) = file.metadata() {
            return Err(fault(format!("cannot read `{}`: {error}", file.display())));
        }
        let name = folders.iter().find_map(|folder| file.strip_prefix(folder).ok()?.to_str());
        let name = name.ok_or_else(|| fault(format!("`{}` is not a file", file.display())))?;
        if let Some(other) = folders.iter().map(|folder| folder.join(name)).find(|it| it.exists())
            && other != **file
        {
            let what = format!("`{}` is hidden by `{}`", file.display(), other.display());
            return Err(fault(what).help("files are looked for in `proto-path`, in its order"));
        }
        // Its debug form names the line.
        compiler.open_file(name).map_err(|error| fault(format!("{error:?}")))?;
        names.push(name.to_owned());
    }
    for name in NEEDED {
        let opened = compiler.open_file(name);
        opened.map_err(|error| Problem::error(at.key("proto"), format!("{error:?}")))?;
    }
    Ok((compiler.descriptor_pool(), names))
}

/// Files by a function of their names.
pub(super) struct By<F>(pub(super) F);

impl<F: Fn(&str) -> Result<File, protox::Error>> FileResolver for By<F> {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        (self.0)(name)
    }
}

/// Files that are built in.
struct BuiltIn(GoogleFileResolver);

impl FileResolver for BuiltIn {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => File::from_source(name, text),
            None => self.0.open_file(name),
        }
    }
}

/// Files in folders, before those that are built in.
struct Folders {
    folders: Vec<PathBuf>,
    built_in: BuiltIn,
    /// Bytes and files that may still come.
    left: Rc<Cell<(u64, usize)>>,
}

impl FileResolver for Folders {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let within =
            FilePath::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !within {
            return Err(protox::Error::file_not_found(name));
        }
        let found = self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        let Some(path) = found else { return self.built_in.open_file(name) };
        let (bytes, files) = self.left.get();
        let files = files.checked_sub(1).ok_or_else(|| fault("there are too many files".into()))?;
        let text = read_text_file_up_to(&path, bytes).map_err(fault)?;
        self.left.set((bytes - text.len() as u64, files));
        File::from_source(name, &text)
    }
}

fn fault(what: String) -> protox::Error {
    protox::Error::new(Fault(what))
}

/// A sentence of ours in the compiler's errors.
struct Fault(String);

impl std::error::Error for Fault {}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
