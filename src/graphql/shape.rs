//! What an operation is by its shape: how deep, how many fields.
//!
//! In: a document that is bounded in tokens and depth. Out: a [`Shape`] for each operation, with what fragments
//! bring along counted as often as they are used. Each fragment is gone through once, so a document whose
//! fragments multiply takes no longer than it is, and numbers stop at their largest.

use std::collections::HashMap;

use apollo_compiler::ast::{Definition, Document, FragmentDefinition, Selection};

/// How deep fields and fragments together may lead.
const LEVELS: u16 = 200;

/// What an operation, a fragment or a part of one is by its shape.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Shape {
    pub(super) depth: u64,
    pub(super) fields: u64,
    pub(super) aliases: u64,
    pub(super) directives: u64,
    pub(super) roots: u64,
    /// Whether it asks for the schema.
    pub(super) introspects: bool,
}

/// Why something has no shape.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Shapeless {
    /// A fragment uses itself, or others that do.
    Circle(String),
    /// There is no such fragment.
    Missing(String),
    /// Fragments are within each other too deeply.
    Deep,
}

/// Goes through a document.
pub(super) struct Walk<'d> {
    fragments: HashMap<&'d str, &'d FragmentDefinition>,
    /// Those that were gone through; nothing for those that are under way.
    known: HashMap<&'d str, Option<Shape>>,
    level: u16,
}

impl<'d> Walk<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        let fragments = document.definitions.iter().filter_map(|definition| match definition {
            Definition::FragmentDefinition(fragment) => Some((fragment.name.as_str(), &**fragment)),
            _ => None,
        });
        Self { fragments: fragments.collect(), known: HashMap::new(), level: 0 }
    }

    /// Goes through all fragments, those that nobody uses too.
    pub(super) fn fragments(&mut self) -> Result<(), Shapeless> {
        let names: Vec<&'d str> = self.fragments.keys().copied().collect();
        names.into_iter().try_for_each(|name| self.fragment(name).map(drop))
    }

    /// The shape of selections.
    pub(super) fn set(&mut self, selections: &'d [Selection]) -> Result<Shape, Shapeless> {
        self.level += 1;
        if self.level > LEVELS {
            return Err(Shapeless::Deep);
        }
        let mut shape = Shape::default();
        for selection in selections {
            let (inner, directives) = match selection {
                Selection::Field(field) => {
                    let name = field.name.as_str();
                    shape.fields = shape.fields.saturating_add(1);
                    shape.roots = shape.roots.saturating_add(1);
                    shape.aliases = shape.aliases.saturating_add(field.alias.is_some().into());
                    shape.introspects |= matches!(name, "__schema" | "__type");
                    let inner = self.set(&field.selection_set)?;
                    (Shape { depth: inner.depth + 1, roots: 0, ..inner }, &field.directives)
                }
                Selection::InlineFragment(fragment) => {
                    (self.set(&fragment.selection_set)?, &fragment.directives)
                }
                Selection::FragmentSpread(spread) => {
                    (self.fragment(spread.fragment_name.as_str())?, &spread.directives)
                }
            };
            shape.add(inner);
            shape.directives = shape.directives.saturating_add(directives.len() as u64);
        }
        self.level -= 1;
        Ok(shape)
    }

    fn fragment(&mut self, name: &'d str) -> Result<Shape, Shapeless> {
        match self.known.get(name) {
            Some(Some(shape)) => return Ok(*shape),
            Some(None) => return Err(Shapeless::Circle(name.to_owned())),
            None => {}
        }
        let fragment = self.fragments.get(name).copied();
        let fragment = fragment.ok_or_else(|| Shapeless::Missing(name.to_owned()))?;
        self.known.insert(name, None);
        let mut shape = self.set(&fragment.selection_set)?;
        shape.directives = shape.directives.saturating_add(fragment.directives.len() as u64);
        self.known.insert(name, Some(shape));
        Ok(shape)
    }
}

impl Shape {
    fn add(&mut self, inner: Self) {
        self.depth = self.depth.max(inner.depth);
        self.fields = self.fields.saturating_add(inner.fields);
        self.aliases = self.aliases.saturating_add(inner.aliases);
        self.directives = self.directives.saturating_add(inner.directives);
        self.roots = self.roots.saturating_add(inner.roots);
        self.introspects |= inner.introspects;
    }
}
