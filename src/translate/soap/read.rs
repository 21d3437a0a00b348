//! The content of an envelope becomes JSON, by the types of the service.
//!
//! Numbers are numbers and what may repeat is a list, whatever this answer happens to have. What the types do
//! not know is an error: a client is never given half of an answer as if it were all of it.

use super::{
    scalar::quote,
    schema::{ANY, Complex, Content, Hold, Kind, Simple, TEXT, TYPE, Type, TypeId, Types},
};
use crate::xml::{Element, Node, XSI_NAMESPACE};

/// What is wrong with an answer, and the byte where.
pub(super) type Misread = (usize, &'static str);

/// Reads elements by their types.
pub(super) struct Reading<'s> {
    pub(super) types: &'s Types,
    pub(super) json: String,
    /// Members of the outermost object that are left out.
    skip: Vec<Box<str>>,
}

impl<'s> Reading<'s> {
    /// Begins to read.
    pub(super) fn new(types: &'s Types) -> Self {
        Self { types, json: String::with_capacity(1024), skip: Vec::new() }
    }

    /// Reads an element, some members of which go another way.
    pub(super) fn without(
        &mut self,
        of: TypeId,
        element: &Element<'_>,
        members: &[&str],
    ) -> Result<(), Misread> {
        self.skip = members.iter().map(|member| (*member).into()).collect();
        self.element(of, element)
    }

    /// Reads one element.
    pub(super) fn element(&mut self, of: TypeId, element: &Element<'_>) -> Result<(), Misread> {
        let nil = element.attribute_in(XSI_NAMESPACE, "nil");
        if nil.is_some_and(|nil| matches!(nil.trim(), "true" | "1")) {
            self.json.push_str("null");
            return Ok(());
        }
        let types = self.types;
        let says = self.says_type(element);
        let of = says.filter(|says| types.extends(*says, of)).unwrap_or(of);
        match &types.list[of].kind {
            Kind::Any => self.anything(element),
            Kind::Simple(simple) => self.simple(simple, element),
            Kind::Complex(complex) => match complex.plain() {
                Some(simple) => self.simple(simple, element),
                None => self.object(complex, element, says == Some(of)),
            },
        }
    }

    /// The type that an element says it is of, if it is one that is known.
    fn says_type(&self, element: &Element<'_>) -> Option<TypeId> {
        let name = element.attribute_in(XSI_NAMESPACE, "type")?;
        let (namespace, local) = element.resolve(name.trim())?;
        let mut called = self.types.called(local);
        let is = |(_, of): &(TypeId, &Type)| {
            of.known_as.as_ref().is_some_and(|(known, _)| **known == *namespace)
        };
        called.find(is).map(|(id, _)| id)
    }

    fn simple(&mut self, simple: &Simple, element: &Element<'_>) -> Result<(), Misread> {
        if element.elements().next().is_some() {
            return Err((element.at, "an element has elements in place of text"));
        }
        simple
            .read(&element.text(), &mut self.json, Hold::Form)
            .map_err(|_| (element.at, "a value is not of its type"))
    }

    fn object(
        &mut self,
        complex: &Complex,
        element: &Element<'_>,
        typed: bool,
    ) -> Result<(), Misread> {
        self.json.push('{');
        let mut first = true;
        if typed && let Some(name) = element.attribute_in(XSI_NAMESPACE, "type") {
            let local = name.split_once(':').map_or(name, |(_, local)| local);
            self.key(TYPE, &mut first);
            quote(local.trim(), &mut self.json);
        }
        self.attributes(complex, element, &mut first)?;
        match &complex.content {
            Content::Text(simple) => {
                self.key(TEXT, &mut first);
                self.simple(simple, element)?;
            }
            Content::Elements(group) => {
                if element.has_text() {
                    return Err((element.at, "an element has text between elements"));
                }
                let loose = self.members(complex, element, &mut first)?;
                if let (Some(stranger), false) = (loose.first(), group.is_open()) {
                    return Err((stranger.at, "an element is not known here"));
                }
                if !loose.is_empty() {
                    self.key(ANY, &mut first);
                    self.json.push('{');
                    self.each(loose.into_iter(), true, Self::anything)?;
                    self.json.push('}');
                }
            }
        }
        self.json.push('}');
        Ok(())
    }

    fn attributes(
        &mut self,
        complex: &Complex,
        element: &Element<'_>,
        first: &mut bool,
    ) -> Result<(), Misread> {
        for attribute in &element.attributes {
            let known = complex.attributes.iter().find(|known| {
                // Many qualify attributes that are not, or the other way round.
                *known.local == *attribute.name.local
                    && (attribute.name.is(&known.namespace, &known.local)
                        || attribute.name.namespace.is_empty())
            });
            match known {
                Some(known) => {
                    self.key(&known.key, first);
                    let read = known.of.read(&attribute.value, &mut self.json, Hold::Form);
                    read.map_err(|_| (element.at, "an attribute is not of its type"))?;
                }
                None if complex.open || attribute.name.namespace == XSI_NAMESPACE => {}
                // One of another namespace says something to others.
                None if !attribute.name.namespace.is_empty() => {}
                None => return Err((element.at, "an attribute is not known here")),
            }
        }
        Ok(())
    }

    /// Reads the elements that are known; those that are not are given back.
    fn members<'e, 'a>(
        &mut self,
        complex: &Complex,
        element: &'e Element<'a>,
        first: &mut bool,
    ) -> Result<Vec<&'e Element<'a>>, Misread> {
        let mut found: Vec<Vec<&Element<'_>>> = vec![Vec::new(); complex.members.len()];
        let mut loose = Vec::new();
        let mut at = 0;
        for child in element.elements() {
            // They mostly come in order.
            let order = (at..complex.members.len()).chain(0..at);
            let is = |index: &usize| {
                let member = &complex.members[*index];
                child.name.is(&member.namespace, &member.key)
            };
            match order.into_iter().find(is) {
                Some(index) => {
                    at = index;
                    found[index].push(child);
                }
                None => loose.push(child),
            }
        }
        let skip = std::mem::take(&mut self.skip);
        for (member, elements) in complex.members.iter().zip(found) {
            if skip.contains(&member.key) {
                continue;
            }
            match (member.list, &elements[..]) {
                (_, []) => {}
                (true, elements) => {
                    self.key(&member.key, first);
                    self.list(elements, |this, element| this.element(member.of, element))?;
                }
                (false, [element]) => {
                    self.key(&member.key, first);
                    self.element(member.of, element)?;
                }
                (false, [_, second, ..]) => {
                    return Err((second.at, "an element is there more than once"));
                }
            }
        }
        Ok(loose)
    }

    fn list(
        &mut self,
        elements: &[&Element<'_>],
        read: impl Fn(&mut Self, &Element<'_>) -> Result<(), Misread>,
    ) -> Result<(), Misread> {
        self.json.push('[');
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                self.json.push(',');
            }
            read(self, element)?;
        }
        self.json.push(']');
        Ok(())
    }

    /// An element of which no schema says anything: text, or an object.
    pub(super) fn anything(&mut self, element: &Element<'_>) -> Result<(), Misread> {
        let attributes = element.attributes.iter();
        let attributes = attributes.filter(|attribute| attribute.name.namespace.is_empty());
        let has_elements = element.elements().next().is_some();
        if !has_elements && attributes.clone().next().is_none() {
            quote(&element.text(), &mut self.json);
            return Ok(());
        }
        self.json.push('{');
        let mut first = true;
        for attribute in attributes {
            self.key(&format!("@{}", attribute.name.local), &mut first);
            quote(&attribute.value, &mut self.json);
        }
        let text = element.text();
        if if has_elements { element.has_text() } else { !text.is_empty() } {
            self.key(TEXT, &mut first);
            quote(&text, &mut self.json);
        }
        let children = element.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        });
        self.each(children, first, Self::anything)?;
        self.json.push('}');
        Ok(())
    }

    /// Elements as members by their local names, each read in this way.
    pub(super) fn each<'e, 'a: 'e>(
        &mut self,
        elements: impl Iterator<Item = &'e Element<'a>>,
        mut first: bool,
        read: impl Fn(&mut Self, &Element<'_>) -> Result<(), Misread>,
    ) -> Result<(), Misread> {
        let mut named: Vec<(&str, Vec<&Element<'_>>)> = Vec::new();
        for element in elements {
            match named.iter().position(|(name, _)| *name == element.name.local) {
                Some(index) => named[index].1.push(element),
                None if named.len() == MOST_NAMES => {
                    return Err((element.at, "there are too many elements that are not known"));
                }
                None => named.push((element.name.local, vec![element])),
            }
        }
        for (name, elements) in named {
            self.key(name, &mut first);
            match &elements[..] {
                [element] => read(self, element)?,
                elements => self.list(elements, &read)?,
            }
        }
        Ok(())
    }

    fn key(&mut self, key: &str, first: &mut bool) {
        if !std::mem::take(first) {
            self.json.push(',');
        }
        quote(key, &mut self.json);
        self.json.push(':');
    }
}

/// Elements of different names in one of which no schema says anything.
const MOST_NAMES: usize = 256;
