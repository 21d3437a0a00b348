//! [`Document`]: a schema as it is written, with its place and the namespace that it defines.

use std::path::Path;

use crate::{
    translate::soap::LoadError,
    xml::{Element, Tree},
};

/// A schema.
#[derive(Clone, Copy, Debug)]
pub(in crate::translate::soap) struct Document<'a> {
    pub(in crate::translate::soap) path: &'a Path,
    pub(in crate::translate::soap) tree: &'a Tree<'a>,
    pub(in crate::translate::soap) root: &'a Element<'a>,
    /// The namespace that it defines, its own or that of whoever includes it.
    pub(in crate::translate::soap) target: &'a str,
}

impl<'a> Document<'a> {
    /// Something wrong at an element of it.
    pub(in crate::translate::soap) fn wrong(
        &self,
        at: &Element<'_>,
        what: impl Into<String>,
    ) -> LoadError {
        LoadError::at(self.path, self.tree.place(at.at), what)
    }

    /// What a name in an attribute means.
    pub(in crate::translate::soap) fn resolve(
        &self,
        at: &'a Element<'a>,
        name: &'a str,
    ) -> Result<(&'a str, &'a str), LoadError> {
        let found = at.resolve(name.trim());
        let (namespace, local) =
            found.ok_or_else(|| self.wrong(at, format!("the prefix of `{name}` is not bound")))?;
        // A schema without a namespace that is included by one with.
        let adopted = namespace.is_empty() && self.root.attribute("targetNamespace").is_none();
        Ok((if adopted { self.target } else { namespace }, local))
    }

    pub(super) fn qualifies(&self, at: &Element<'_>, all: &str) -> bool {
        at.attribute("form").or_else(|| self.root.attribute(all)) == Some("qualified")
    }
}
