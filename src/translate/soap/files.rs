//! The files of a service's description: the one that is named, and those that it imports.
//!
//! Only files of this machine, found beside the one that names them, and only so many. Nothing is fetched.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    LoadError,
    names::{WSDL, XML_SCHEMA, is_known},
};
use crate::xml::{Bounds, Element, Tree};

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
}

impl Source {
    /// As it is.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads it.
    pub(super) fn tree(&self) -> Result<Tree<'_>, LoadError> {
        Tree::read(&self.bytes, BOUNDS)
            .map_err(|error| LoadError::at(&self.path, (error.line, error.column), error.what))
    }
}

/// Reads a description's files, the one that is named first.
pub(super) fn load(path: &Path) -> Result<Vec<Source>, LoadError> {
    let mut sources: Vec<Source> = Vec::new();
    let mut known: HashMap<(PathBuf, Option<String>), ()> = HashMap::new();
    let mut wanted = vec![(path.to_owned(), None, None)];
    let mut size = 0;
    while let Some((path, included_in, by)) = wanted.pop() {
        let refuse =
            |what: String| by.clone().unwrap_or_else(|| LoadError::file(&path, "")).says(&what);
        let canonical = path.canonicalize();
        let canonical = canonical
            .map_err(|error| refuse(format!("cannot read {}: {error}", path.display())))?;
        if known.insert((canonical, included_in.clone()), ()).is_some() {
            continue;
        }
        if sources.len() == MOST_FILES {
            return Err(refuse(format!("imports more than {MOST_FILES} files")));
        }
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        size += length;
        if size > MOST_BYTES {
            return Err(refuse(format!(
                "has more than {} MiB with all that it imports",
                MOST_BYTES >> 20
            )));
        }
        let bytes = fs::read(&path);
        let bytes =
            bytes.map_err(|error| refuse(format!("cannot read {}: {error}", path.display())))?;
        let source = Source { path, bytes, included_in };
        let tree = source.tree()?;
        let mut next = Vec::new();
        imports(&source, &tree, &tree.root, None, &mut next)?;
        // In the order in which they stand there.
        wanted.extend(next.into_iter().rev());
        sources.push(source);
    }
    Ok(sources)
}

type Wanted = (PathBuf, Option<String>, Option<LoadError>);

fn imports(
    source: &Source,
    tree: &Tree<'_>,
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
                imports(source, tree, inner, target, wanted)?;
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
    wanted.push((folder.join(location), included_in, Some(here(""))));
    Ok(())
}
