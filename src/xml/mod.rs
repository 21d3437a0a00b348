//! XML from strangers and to them, and what it is as JSON.
//!
//! In: bytes, which are read into events ([`Reader`]) or a tree ([`Tree`]) and held to everything that XML 1.0
//! and its namespaces ask for. There is no DOCTYPE, hence no entity beyond the five, and nothing is ever
//! fetched. Out: bytes of a [`Writer`], which escapes whatever it is given. Between the two, a [`Mapping`].

mod chars;
mod error;
mod mapping;
mod names;
mod reader;
mod scope;
mod tag;
mod tree;
mod writer;

#[cfg(test)]
mod tests;

pub use self::{
    chars::{is_name, is_ncname, is_text, is_whitespace},
    error::{NotXml, XmlError},
    mapping::Mapping,
    reader::{Bounds, Event, Name, Reader},
    scope::{XML_NAMESPACE, XSI_NAMESPACE},
    tree::{Attribute, Element, Node, Tree},
    writer::Writer,
};
