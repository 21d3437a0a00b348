//! The content of an envelope becomes JSON, by the types of the service.
//!
//! Numbers are numbers and what may repeat is a list, whatever this answer happens to have. What the types do
//! not know is an error: a client is never given half of an answer as if it were all of it.

use std::borrow::Cow;

use super::{
    occurs::{Lack, Progress, Sink},
    scalar::quote,
    schema::{
        ANY, Attribute, Complex, Content, ElementUse, Group, Hold, Kind, Simple, TEXT, TYPE, Type,
        TypeId, Types,
    },
    wsdl::Root,
};
use crate::xml::{self, Element, Node, XSI_NAMESPACE};

/// What is wrong with an answer, and the byte where.
pub(super) type Misread = (usize, Cow<'static, str>);

/// Reads elements by their types.
pub(super) struct Reading<'s> {
    pub(super) types: &'s Types,
    pub(super) json: String,
    /// Of what a client sends all that its types ask for is held; of what a service answers, the forms.
    hold: Hold,
    /// Members of the outermost object that are left out.
    skip: Vec<Box<str>>,
}

impl<'s> Reading<'s> {
    /// Begins to read what a service answers.
    pub(super) fn new(types: &'s Types) -> Self {
        Self { types, json: String::with_capacity(1024), hold: Hold::Form, skip: Vec::new() }
    }

    /// Begins to read what a client sends.
    pub(super) fn held(types: &'s Types) -> Self {
        Self { hold: Hold::Text, ..Self::new(types) }
    }

    /// Reads an element, some members of which go another way.
    pub(super) fn without(
        &mut self,
        root: &Root,
        element: &Element<'_>,
        members: &[&str],
    ) -> Result<(), Misread> {
        self.skip = members.iter().map(|member| (*member).into()).collect();
        self.one(root.of, root.nillable, element)
    }

    /// Reads one element, which may be nil or not.
    fn one(&mut self, of: TypeId, nillable: bool, element: &Element<'_>) -> Result<(), Misread> {
        let nil = element.attribute_in(XSI_NAMESPACE, "nil");
        if self.hold != Hold::Form && !nillable && nil.is_some_and(is_true) {
            return Err((element.at, format!("`{}` must not be nil", element.name.local).into()));
        }
        self.element(of, element)
    }

    /// Reads one element.
    pub(super) fn element(&mut self, of: TypeId, element: &Element<'_>) -> Result<(), Misread> {
        let nil = element.attribute_in(XSI_NAMESPACE, "nil");
        if nil.is_some_and(is_true) {
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
            return Err((element.at, "an element has elements in place of text".into()));
        }
        let read = simple.read(&element.text(), &mut self.json, self.hold);
        read.map_err(|what| match self.hold {
            Hold::Form => (element.at, "a value is not of its type".into()),
            _ => (element.at, format!("`{}` {what}", element.name.local).into()),
        })
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
                    return Err((element.at, "an element has text between elements".into()));
                }
                let loose = self.members((complex, group), element, &mut first)?;
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
            match known_as(complex, attribute) {
                Some(known) => {
                    self.key(&known.key, first);
                    let read = known.of.read(&attribute.value, &mut self.json, self.hold);
                    read.map_err(|what| match self.hold {
                        Hold::Form => (element.at, "an attribute is not of its type".into()),
                        _ => (element.at, format!("`{}` {what}", known.key).into()),
                    })?;
                }
                None if complex.open && attribute.name.namespace.is_empty() => {
                    self.key(&format!("@{}", attribute.name.local), first);
                    quote(&attribute.value, &mut self.json);
                }
                // One of another namespace says something to others.
                None if !attribute.name.namespace.is_empty() => {}
                None => return Err((element.at, "an attribute is not known here".into())),
            }
        }
        match self.hold {
            Hold::Form => Ok(()),
            Hold::Value | Hold::Text => check_attributes(complex, element),
        }
    }

    /// Reads the elements that are known; those that are not are given back.
    fn members<'e, 'a>(
        &mut self,
        (complex, group): (&Complex, &Group),
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
        if let (Some(stranger), false) = (loose.first(), group.is_open()) {
            return Err((stranger.at, "an element is not known here".into()));
        }
        if self.hold != Hold::Form {
            check(group, &found, &loose, element)?;
        }
        let skip = std::mem::take(&mut self.skip);
        for (member, elements) in complex.members.iter().zip(found) {
            let before = (self.json.len(), *first);
            match (member.list, &elements[..]) {
                (_, []) => {}
                (true, elements) => {
                    self.key(&member.key, first);
                    let one = |this: &mut Self, element: &Element<'_>| {
                        this.one(member.of, member.nillable, element)
                    };
                    self.list(elements, one)?;
                }
                (false, [element]) => {
                    self.key(&member.key, first);
                    self.one(member.of, member.nillable, element)?;
                }
                (false, [_, second, ..]) => {
                    return Err((second.at, "an element is there more than once".into()));
                }
            }
            // It is held to its type like the others.
            if skip.contains(&member.key) {
                self.json.truncate(before.0);
                *first = before.1;
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
                    return Err((
                        element.at,
                        "there are too many elements that are not known".into(),
                    ));
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

/// The attribute of a type that one is. Many do not qualify those that are, which is taken where it can mean one only.
fn known_as<'c>(complex: &'c Complex, attribute: &xml::Attribute<'_>) -> Option<&'c Attribute> {
    let name = &attribute.name;
    let mut all = complex.attributes.iter();
    let is_it = |known: &&Attribute| name.is(&known.namespace, &known.local);
    let meant = |known: &&Attribute| name.namespace.is_empty() && *known.local == *name.local;
    all.clone().find(is_it).or_else(|| all.find(meant))
}

/// Whether each attribute that is required is there, and none twice, by either of its names.
fn check_attributes(complex: &Complex, element: &Element<'_>) -> Result<(), Misread> {
    let found = element.attributes.iter().filter_map(|attribute| known_as(complex, attribute));
    let found: Vec<_> = found.collect();
    for known in &complex.attributes {
        let what = match found.iter().filter(|it| std::ptr::eq(**it, known)).count() {
            0 if known.required => "is missing",
            0 | 1 => continue,
            _ => "is there more than once",
        };
        return Err((element.at, format!("`{}` {what}", known.key).into()));
    }
    Ok(())
}

/// Whether all that a group needs is there, and nothing too often. In which order they come nobody asks.
fn check(
    group: &Group,
    found: &[Vec<&Element<'_>>],
    loose: &[&Element<'_>],
    element: &Element<'_>,
) -> Result<(), Misread> {
    let mut missing = Missing(None);
    let mut progress = Progress::new(found.iter().map(Vec::len), !loose.is_empty());
    progress.group(group, false, &mut missing);
    if let Some(what) = missing.0 {
        return Err((element.at, what.into()));
    }
    for (member, elements) in found.iter().enumerate() {
        if let Some(stranger) = progress.short(member).and_then(|taken| elements.get(taken)) {
            let what =
                format!("`{}` has no place here, or is there too often", stranger.name.local);
            return Err((stranger.at, what.into()));
        }
    }
    Ok(())
}

/// The first that is missing.
struct Missing(Option<String>);

impl Sink for Missing {
    fn take(&mut self, _: &ElementUse, _: usize, _: usize) {}

    fn any(&mut self) {}

    fn lacks(&mut self, what: Lack<'_>) {
        self.0.get_or_insert_with(|| match what {
            Lack::Element(element) => match element.times.min {
                1 => format!("`{}` is missing", element.local),
                min => format!("`{}` is there less than {min} times", element.local),
            },
            Lack::Choice(names) => format!("one of `{}` is missing", names.join("`, `")),
        });
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}

/// Elements of different names in one of which no schema says anything.
const MOST_NAMES: usize = 256;
