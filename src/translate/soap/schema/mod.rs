//! The types of a service, compiled from its schemas.
//!
//! In: XML Schema 1.0. Out: an arena of [`Type`]s by which values are written and read, and from which JSON
//! Schema is made. What is not understood is an error with its place, never a guess.

pub(super) mod builtin;
mod compiler;
mod complex;
mod document;
mod facets;
mod group;
mod pattern;
mod simple;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::LoadError;

pub(super) use self::{
    compiler::Compiler,
    document::Document,
    facets::{Facets, Hold},
};

/// Where a type is in [`Types`].
pub(super) type TypeId = usize;

/// All types of a service.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) list: Vec<Type>,
    /// Namespaces; their prefixes in what is written are `n0`, `n1` and so on.
    pub(super) namespaces: Vec<Box<str>>,
    /// What is said of values that nobody looks at.
    pub(super) notes: Vec<LoadError>,
    /// Types that `xsi:type` may name, by their local names.
    named: HashMap<Box<str>, Vec<TypeId>>,
}

/// A type.
#[derive(Debug)]
pub(super) struct Type {
    /// Its name among JSON Schemas, if it has one.
    pub(super) name: Option<Box<str>>,
    /// What it is to `xsi:type`: namespace and local name.
    pub(super) known_as: Option<(Box<str>, Box<str>)>,
    /// What it extends or restricts.
    pub(super) base: Option<TypeId>,
    /// It extends it.
    pub(super) extends: bool,
    pub(super) kind: Kind,
}

/// What values of a type are.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Anything.
    Any,
    Simple(Simple),
    Complex(Complex),
}

/// Text of some form.
#[derive(Clone, Debug)]
pub(super) struct Simple {
    pub(super) form: Form,
    /// What JSON Schema says of it.
    pub(super) schema: Map<String, Value>,
    /// What XML Schema says of it.
    pub(super) facets: Box<Facets>,
}

/// How text is written.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Text,
    Boolean,
    Integer,
    Decimal,
    Float,
    /// Values with space between them.
    List(Box<Simple>),
}

/// Attributes and content.
#[derive(Clone, Debug)]
pub(super) struct Complex {
    pub(super) attributes: Vec<Attribute>,
    /// Attributes that are not listed may be there.
    pub(super) open: bool,
    pub(super) content: Content,
    /// The elements of the content as members of an object.
    pub(super) members: Vec<Member>,
}

/// An attribute of a type.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    /// Its name in JSON, with `@`.
    pub(super) key: Box<str>,
    pub(super) namespace: Box<str>,
    pub(super) local: Box<str>,
    /// As it is written, with its prefix.
    pub(super) written: Box<str>,
    pub(super) of: Simple,
    pub(super) required: bool,
}

impl Attribute {
    /// Whether it is the one of this name.
    fn is(&self, namespace: &str, local: &str) -> bool {
        *self.namespace == *namespace && *self.local == *local
    }
}

/// What an element of a type has in it.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(Simple),
    Elements(Group),
}

/// Elements in some order.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) order: Order,
    pub(super) times: Times,
    pub(super) parts: Vec<Part>,
}

/// In which order elements come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Order {
    /// In this one; written so, `all` is too.
    #[default]
    Sequence,
    /// One of them.
    Choice,
}

/// How often something is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Times {
    pub(super) min: usize,
    /// `usize::MAX` if there is no end.
    pub(super) max: usize,
}

impl Default for Times {
    fn default() -> Self {
        Self { min: 1, max: 1 }
    }
}

/// A part of a group.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Element(ElementUse),
    Group(Group),
    /// Any element.
    Any,
}

/// An element where it is used.
#[derive(Clone, Debug)]
pub(super) struct ElementUse {
    pub(super) namespace: Box<str>,
    pub(super) local: Box<str>,
    /// As it is written, with its prefix.
    pub(super) written: Box<str>,
    pub(super) of: TypeId,
    pub(super) times: Times,
    pub(super) nillable: bool,
    /// The member of the object that it is; the index.
    pub(super) member: usize,
}

/// A member of the object that an element with elements is in JSON.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) key: Box<str>,
    pub(super) namespace: Box<str>,
    pub(super) of: TypeId,
    pub(super) nillable: bool,
    /// It is always a list.
    pub(super) list: bool,
    pub(super) required: bool,
}

/// The member for elements that are not listed.
pub(super) const ANY: &str = "#any";
/// The member for text beside attributes.
pub(super) const TEXT: &str = "#text";
/// The member that names a type that extends or restricts the one that is expected.
pub(super) const TYPE: &str = "@xsi:type";

impl Types {
    /// Whether a type is another, or is derived from it.
    pub(super) fn extends(&self, mut of: TypeId, base: TypeId) -> bool {
        for _ in 0..64 {
            if of == base {
                return true;
            }
            match self.list[of].base {
                Some(above) => of = above,
                None => return false,
            }
        }
        false
    }

    /// The types of this local name, in whatever namespace.
    pub(super) fn called(&self, local: &str) -> impl Iterator<Item = (TypeId, &Type)> {
        let ids = self.named.get(local).map(Vec::as_slice).unwrap_or_default();
        ids.iter().map(|id| (*id, &self.list[*id]))
    }

    /// Whether another type is derived from this one, and whether one of them has more than it.
    pub(super) fn derived(&self, base: TypeId) -> (bool, bool) {
        let others = self.list.iter().enumerate().filter(|(id, _)| *id != base);
        let mut others = others.filter(|(id, _)| self.extends(*id, base)).peekable();
        (others.peek().is_some(), others.any(|(_, other)| other.extends))
    }
}

impl Complex {
    /// Its text, if it is nothing else than text.
    pub(super) fn plain(&self) -> Option<&Simple> {
        match &self.content {
            Content::Text(simple) if self.attributes.is_empty() && !self.open => Some(simple),
            Content::Text(_) | Content::Elements(_) => None,
        }
    }
}

impl Group {
    /// Whether any element may be in it.
    pub(super) fn is_open(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Any => true,
            Part::Group(group) => group.is_open(),
            Part::Element(_) => false,
        })
    }
}
