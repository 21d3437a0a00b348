//! A whole document as a tree, for readers that have to look back and forth.

use std::{borrow::Cow, sync::Arc};

use super::{
    Bounds, Event, Name, Reader, XmlError, chars::is_whitespace, error::place, scope::XML_NAMESPACE,
};

/// A document.
#[derive(Debug)]
pub struct Tree<'a> {
    text: &'a str,
    /// Its document element.
    pub root: Element<'a>,
}

/// An attribute, without those that declare namespaces.
#[derive(Clone, Debug)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// Its value.
    pub value: Cow<'a, str>,
}

/// An element.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// Its attributes.
    pub attributes: Vec<Attribute<'a>>,
    /// What is in it.
    pub children: Vec<Node<'a>>,
    /// The byte where it begins.
    pub at: usize,
    /// Prefixes that hold in it, innermost last.
    scope: Arc<Vec<(&'a str, Cow<'a, str>)>>,
}

/// What an element has in it.
#[derive(Clone, Debug)]
pub enum Node<'a> {
    /// An element.
    Element(Element<'a>),
    /// Text; pieces that follow each other are one.
    Text(Cow<'a, str>),
}

impl<'a> Tree<'a> {
    /// Reads a document.
    ///
    /// # Errors
    /// It is no XML, or none that is taken.
    pub fn read(bytes: &'a [u8], bounds: Bounds) -> Result<Self, XmlError> {
        let mut reader = Reader::new(bytes, bounds)?;
        let mut open: Vec<Element<'a>> = Vec::new();
        let mut root = None;
        loop {
            match reader.next()? {
                Event::Start(name) => {
                    let above = open.last().map(|above| &above.scope);
                    let scope = match (above, reader.declarations()) {
                        (Some(above), []) => above.clone(),
                        (above, declared) => {
                            let mut scope = above.map_or_else(Vec::new, |above| above.to_vec());
                            scope.extend_from_slice(declared);
                            Arc::new(scope)
                        }
                    };
                    let attribute = |(name, value): &(Name<'a>, Cow<'a, str>)| Attribute {
                        name: name.clone(),
                        value: value.clone(),
                    };
                    let attributes = reader.attributes().iter().map(attribute).collect();
                    let at = reader.at();
                    open.push(Element { name, attributes, children: Vec::new(), at, scope });
                }
                Event::Text(text) => {
                    if let Some(element) = open.last_mut() {
                        element.add_text(text);
                    }
                }
                Event::End => {
                    let Some(element) = open.pop() else { continue };
                    match open.last_mut() {
                        Some(above) => above.children.push(Node::Element(element)),
                        None => root = Some(element),
                    }
                }
                Event::Eof => {
                    let root = root.ok_or_else(|| reader.wrong("there is no element"))?;
                    return Ok(Self { text: reader.document(), root });
                }
            }
        }
    }

    /// Line and column of a byte, from 1.
    pub fn place(&self, at: usize) -> (usize, usize) {
        place(&self.text.as_bytes()[..at.min(self.text.len())])
    }
}

impl<'a> Element<'a> {
    /// The value of an attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_in("", name)
    }

    /// The value of an attribute.
    pub fn attribute_in(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|attribute| attribute.name.is(namespace, name));
        found.map(|attribute| &*attribute.value)
    }

    /// The elements in it.
    pub fn elements(&self) -> impl Iterator<Item = &Element<'a>> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element in it with this name.
    pub fn element(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.elements().find(|element| element.name.is(namespace, name))
    }

    /// The text in it, without that of elements in it.
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.children.iter().filter_map(|node| match node {
            Node::Text(text) => Some(&**text),
            Node::Element(_) => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => Cow::Borrowed(""),
            (Some(text), None) => Cow::Borrowed(text),
            (Some(first), Some(second)) => {
                Cow::Owned([first, second].into_iter().chain(texts).collect())
            }
        }
    }

    /// Whether there is text beside space in it.
    pub fn has_text(&self) -> bool {
        self.children.iter().any(|node| matches!(node, Node::Text(text) if !is_whitespace(text)))
    }

    /// What a name means that is written in an attribute or in text here: namespace and local name.
    /// Nothing if its prefix is not bound.
    pub fn resolve<'s>(&'s self, name: &'s str) -> Option<(&'s str, &'s str)> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let bound = self.scope.iter().rev().find(|(bound, _)| *bound == prefix);
        match (bound, prefix) {
            (Some((_, namespace)), _) => Some((namespace, local)),
            (None, "") => Some(("", local)),
            (None, "xml") => Some((XML_NAMESPACE, local)),
            (None, _) => None,
        }
    }

    fn add_text(&mut self, text: Cow<'a, str>) {
        match self.children.last_mut() {
            Some(Node::Text(before)) => before.to_mut().push_str(&text),
            _ => self.children.push(Node::Text(text)),
        }
    }
}
