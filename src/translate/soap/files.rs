//! The files of a service's description: the one that is named, and those that it imports.
//!
//! Only files of this machine, found beside the one that names them, and only so many. Nothing is fetched.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::{
    LoadError,
    names::{WSDL, XML_SCHEMA, is_known},
};
use crate::{
    config::read_file_up_to,
    xml::{Bounds, Element, Tree},
};

/// So many files make up a description.
const MOST_FILES: usize = 64;
/// So many bytes they have, all together.
const MOST_BYTES: u64 = 16 << 20;

/// What the parts of a description may be.
pub(super) const BOUNDS: Bounds =
    Bounds { depth: 64, elements: 200_000, attributes: 64, declarations: 256, name: 256 };

/// A file.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    bytes: Vec<u8>,
    /// The namespace that it is included in, for a schema that names none of its own.
    pub(super) included_in: Option<String>,
    /// What it imports: as it says where, and the number of the file.
    imports: Vec<(String, usize)>,
}

impl Source {
    /// As it is.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of the file that it imports from there.
    pub(super) fn imported(&self, location: &str) -> Option<usize> {
        let found = self.imports.iter().find(|(known, _)| known == location);
        found.map(|(_, index)| *index)
    }

    /// Reads it.
    pub(super) fn tree(&self) -> Result<Tree<'_>, LoadError> {
        Tree::read(&self.bytes, BOUNDS)
            .map_err(|error| LoadError::at(&self.path, (error.line, error.column), error.what))
    }
}

/// A file that is still to be read, and what asks for it.
struct Wanted {
    path: PathBuf,
    included_in: Option<String>,
    by: Option<By>,
}

/// An import: the number of its file, as it says where, and its place.
struct By {
    file: usize,
    location: String,
    place: LoadError,
}

/// Reads a description's files, the one that is named first.
pub(super) fn load(path: &Path) -> Result<Vec<Source>, LoadError> {
    let mut sources: Vec<Source> = Vec::new();
    let mut known: HashMap<(PathBuf, Option<String>), usize> = HashMap::new();
    let mut wanted = vec![Wanted { path: path.to_owned(), included_in: None, by: None }];
    let mut left = MOST_BYTES;
    while let Some(Wanted { path, included_in, by }) = wanted.pop() {
        let refuse = |what: String| match &by {
            Some(by) => by.place.clone().says(&what),
            None => LoadError::file(&path, what),
        };
        let canonical = path.canonicalize();
        let canonical = canonical
            .map_err(|error| refuse(format!("cannot read {}: {error}", path.display())))?;
        let index = *known.entry((canonical, included_in.clone())).or_insert(sources.len());
        if let Some(By { file, location, .. }) = &by {
            sources[*file].imports.push((location.clone(), index));
        }
        if index < sources.len() {
            continue;
        }
        if sources.len() == MOST_FILES {
            return Err(refuse(format!("imports more than {MOST_FILES} files")));
        }
        let bytes = read_file_up_to(&path, left).map_err(|what| {
            refuse(format!("{what} ({} MiB with all that is imported)", MOST_BYTES >> 20))
        })?;
        left -= bytes.len() as u64;
        let source = Source { path, bytes, included_in, imports: Vec::new() };
        let tree = source.tree()?;
        let mut next = Vec::new();
        imports(&source, (index, &tree), &tree.root, None, &mut next)?;
        // In the order in which they stand there.
        wanted.extend(next.into_iter().rev());
        sources.push(source);
    }
    Ok(sources)
}

fn imports(
    source: &Source,
    (index, tree): (usize, &Tree<'_>),
    element: &Element<'_>,
    target: Option<&str>,
    wanted: &mut Vec<Wanted>,
) -> Result<(), LoadError> {
    let is = |namespace: &str, local: &str| element.name.is(namespace, local);
    let here = |what: &str| LoadError::at(&source.path, tree.place(element.at), what);
    let (location, included) = match () {
        () if is(WSDL, "import") => (element.attribute("location"), false),
        () if is(XML_SCHEMA, "import") => (element.attribute("schemaLocation"), false),
        () if is(XML_SCHEMA, "include") => (element.attribute("schemaLocation"), true),
        () if is(XML_SCHEMA, "redefine") => return Err(here("`redefine` is not understood")),
        () => {
            let own = is(XML_SCHEMA, "schema").then(|| element.attribute("targetNamespace"));
            let target = match own {
                Some(own) => own.or(source.included_in.as_deref()),
                None => target,
            };
            let goes_in = is(WSDL, "definitions") || is(WSDL, "types") || is(XML_SCHEMA, "schema");
            for inner in element.elements().filter(|_| goes_in) {
                imports(source, (index, tree), inner, target, wanted)?;
            }
            return Ok(());
        }
    };
    // What everybody knows need not be there.
    if element.attribute("namespace").is_some_and(is_known) {
        return Ok(());
    }
    let Some(location) = location else {
        // Its schema is elsewhere in these files, or what is missing is said where it is used.
        return Ok(());
    };
    if location.contains("://") {
        return Err(here("imports from an address; keep a copy beside this file and name that"));
    }
    let folder = source.path.parent().unwrap_or_else(|| Path::new(""));
    let included_in = target.filter(|_| included).map(String::from);
    let by = By { file: index, location: location.into(), place: here("") };
    wanted.push(Wanted { path: folder.join(location), included_in, by: Some(by) });
    Ok(())
}
