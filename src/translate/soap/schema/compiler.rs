//! Finds the parts of a service's schemas, and compiles those that are asked for.
//!
//! Types refer to each other, in circles too: one that is named gets its place in the arena when it is first
//! asked for, and is compiled in its turn.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use regex::Regex;

use super::{
    Complex, Content, Document, ElementUse, Form, Kind, Simple, Times, Type, TypeId, Types,
    builtin::builtin,
};
use crate::{
    translate::soap::{LoadError, names::XML_SCHEMA},
    xml::Element,
};

/// So many types a service has at most.
const MOST_TYPES: usize = 10_000;
/// So many parts they have, each as often as a group with it is used: groups of groups grow fast.
const MOST_PARTS: usize = 200_000;
/// So often a type goes back to another.
pub(super) const DEEPEST: usize = 32;

/// A part of a schema that has a name.
pub(super) type Found<'a> = (usize, &'a Element<'a>);
type Names<'a> = HashMap<(&'static str, &'a str, &'a str), Found<'a>>;

/// Compiles types.
#[derive(Debug)]
pub(in crate::translate::soap) struct Compiler<'a> {
    pub(super) documents: Vec<Document<'a>>,
    named: Names<'a>,
    known: HashMap<(&'static str, &'a str, &'a str), TypeId>,
    queue: Vec<(TypeId, Found<'a>)>,
    /// Names that types have among JSON Schemas.
    taken: HashSet<Box<str>>,
    /// Parts of types so far.
    parts: usize,
    pub(super) types: Types,
    /// Steps' patterns, compiled; none for those that are not understood.
    pub(super) regexes: HashMap<Vec<&'a str>, Option<Regex>>,
    /// Where a note is: the document and the byte.
    noted: HashSet<(usize, usize)>,
}

impl<'a> Compiler<'a> {
    /// Looks through the schemas.
    pub(in crate::translate::soap) fn new(documents: Vec<Document<'a>>) -> Result<Self, LoadError> {
        let mut named: Names<'a> = HashMap::new();
        for (index, document) in documents.iter().enumerate() {
            for part in document.root.elements().filter(|part| part.name.namespace == XML_SCHEMA) {
                let kind = match part.name.local {
                    "element" => "element",
                    "attribute" => "attribute",
                    "complexType" | "simpleType" => "type",
                    "group" => "group",
                    "attributeGroup" => "attributeGroup",
                    "import" | "include" | "annotation" | "notation" => continue,
                    other => {
                        return Err(document.wrong(part, format!("`{other}` is not understood")));
                    }
                };
                let Some(name) = part.attribute("name") else {
                    return Err(document.wrong(part, format!("a global {kind} has no name")));
                };
                if part.attribute("substitutionGroup").is_some() {
                    return Err(document.wrong(part, "substitution groups are not understood"));
                }
                // The same file may be there twice, by two ways.
                named.entry((kind, document.target, name)).or_insert((index, part));
            }
        }
        let any = Type { name: None, known_as: None, base: None, extends: false, kind: Kind::Any };
        let types = Types { list: vec![any], ..Types::default() };
        Ok(Self {
            documents,
            named,
            known: HashMap::new(),
            queue: Vec::new(),
            taken: HashSet::new(),
            parts: 0,
            types,
            regexes: HashMap::new(),
            noted: HashSet::new(),
        })
    }

    /// Compiles what is asked for and not yet compiled, with the types that are derived from it.
    pub(in crate::translate::soap) fn finish(mut self) -> Result<Types, LoadError> {
        self.drain()?;
        loop {
            let before = self.types.list.len();
            let mut derived: Vec<(&'a str, &'a str)> = Vec::new();
            for ((kind, namespace, local), (document, part)) in &self.named {
                if *kind == "type"
                    && !self.known.contains_key(&(*kind, *namespace, *local))
                    && self.base(*document, part).is_some()
                {
                    derived.push((namespace, local));
                }
            }
            derived.sort_unstable();
            for (namespace, local) in derived {
                self.type_named(namespace, local)?;
            }
            self.drain()?;
            if self.types.list.len() == before {
                break;
            }
        }
        self.name_bases();
        for (id, of) in self.types.list.iter().enumerate() {
            if let Some((_, local)) = &of.known_as {
                self.types.named.entry(local.clone()).or_default().push(id);
            }
        }
        Ok(self.types)
    }

    fn drain(&mut self) -> Result<(), LoadError> {
        while let Some((id, (document, part))) = self.queue.pop() {
            self.types.list[id].kind = self.kind(document, part)?;
        }
        Ok(())
    }

    /// The type that this one is derived from, if that is compiled, and whether it extends it.
    fn base(&self, document: usize, part: &'a Element<'a>) -> Option<(TypeId, bool)> {
        let content = part.elements().find(|inner| inner.name.local.ends_with("Content"))?;
        let extension = content.element(XML_SCHEMA, "extension");
        let derived = extension.or_else(|| content.element(XML_SCHEMA, "restriction"))?;
        let name = derived.attribute("base")?;
        let (namespace, local) = self.documents[document].resolve(derived, name).ok()?;
        let base = self.known.get(&("type", namespace, local)).copied()?;
        Some((base, extension.is_some()))
    }

    fn name_bases(&mut self) {
        let known: Vec<_> = self.known.iter().map(|(name, id)| (*name, *id)).collect();
        for ((kind, namespace, local), id) in known {
            if let Some((document, part)) = self.named.get(&(kind, namespace, local)).copied()
                && kind == "type"
                && let Some((base, extends)) = self.base(document, part)
            {
                let of = &mut self.types.list[id];
                (of.base, of.extends) = (Some(base), extends);
            }
        }
    }

    /// What a kind of part with a name is.
    pub(super) fn find(
        &self,
        kind: &'static str,
        namespace: &'a str,
        local: &'a str,
    ) -> Option<Found<'a>> {
        self.named.get(&(kind, namespace, local)).copied()
    }

    /// A type that is named.
    fn type_named(
        &mut self,
        namespace: &'a str,
        local: &'a str,
    ) -> Result<Option<TypeId>, LoadError> {
        let key = ("type", namespace, local);
        if let Some(id) = self.known.get(&key) {
            return Ok(Some(*id));
        }
        if namespace == XML_SCHEMA {
            if local == "anyType" {
                return Ok(Some(0));
            }
            let Some(simple) = builtin(local) else { return Ok(None) };
            let id = self.reserve(None, None)?;
            self.types.list[id].kind = Kind::Simple(simple);
            self.known.insert(key, id);
            return Ok(Some(id));
        }
        let Some(found) = self.find("type", namespace, local) else { return Ok(None) };
        let id = self.reserve(Some(local), Some((namespace.into(), local.into())))?;
        self.known.insert(key, id);
        self.queue.push((id, found));
        Ok(Some(id))
    }

    /// A type by what an attribute says.
    pub(in crate::translate::soap) fn type_by(
        &mut self,
        document: Document<'a>,
        at: &'a Element<'a>,
        name: &'a str,
    ) -> Result<TypeId, LoadError> {
        let (namespace, local) = document.resolve(at, name)?;
        let found = self.type_named(namespace, local)?;
        found.ok_or_else(|| {
            document.wrong(at, format!("there is no type `{local}` in `{namespace}`"))
        })
    }

    /// An element that is defined for all, once.
    pub(in crate::translate::soap) fn element_named(
        &mut self,
        namespace: &'a str,
        local: &'a str,
    ) -> Result<Option<ElementUse>, LoadError> {
        let Some((document, part)) = self.find("element", namespace, local) else {
            return Ok(None);
        };
        let of = self.type_of(document, part, Some((namespace, local)))?;
        Ok(Some(ElementUse {
            written: self.written(namespace, local),
            namespace: namespace.into(),
            local: local.into(),
            of,
            times: Times::default(),
            nillable: part.attribute("nillable").is_some_and(is_true),
            member: 0,
        }))
    }

    /// An element where it is used.
    pub(super) fn element(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
    ) -> Result<ElementUse, LoadError> {
        let document = self.documents[index];
        let times = self.times(index, part)?;
        if let Some(name) = part.attribute("ref") {
            let (namespace, local) = document.resolve(part, name)?;
            if (namespace, local) == (XML_SCHEMA, "schema") {
                // A table that says of itself what its columns are.
                return Ok(self.schema_itself(times));
            }
            let found = self.element_named(namespace, local)?;
            let missing =
                || document.wrong(part, format!("there is no element `{local}` in `{namespace}`"));
            return Ok(ElementUse { times, ..found.ok_or_else(missing)? });
        }
        let local =
            part.attribute("name").ok_or_else(|| document.wrong(part, "an element has no name"))?;
        let qualifies = document.qualifies(part, "elementFormDefault");
        let namespace = if qualifies { document.target } else { "" };
        Ok(ElementUse {
            written: self.written(namespace, local),
            namespace: namespace.into(),
            local: local.into(),
            of: self.type_of(index, part, None)?,
            times,
            nillable: part.attribute("nillable").is_some_and(is_true),
            member: 0,
        })
    }

    /// A schema as a value, of which nothing is asked.
    fn schema_itself(&mut self, times: Times) -> ElementUse {
        ElementUse {
            namespace: XML_SCHEMA.into(),
            local: "schema".into(),
            written: self.written(XML_SCHEMA, "schema"),
            of: 0,
            times,
            nillable: false,
            member: 0,
        }
    }

    /// The type of an element: what it names, or what is written in it.
    fn type_of(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
        global: Option<(&'a str, &'a str)>,
    ) -> Result<TypeId, LoadError> {
        if let Some(name) = part.attribute("type") {
            return self.type_by(self.documents[index], part, name);
        }
        let inner =
            part.elements().find(|inner| matches!(inner.name.local, "complexType" | "simpleType"));
        let Some(inner) = inner else { return Ok(0) };
        let key = global.map(|(namespace, local)| ("element", namespace, local));
        if let Some(id) = key.and_then(|key| self.known.get(&key)) {
            return Ok(*id);
        }
        let id = self.reserve(key.map(|(_, _, local)| local), None)?;
        if let Some(key) = key {
            self.known.insert(key, id);
        }
        self.queue.push((id, (index, inner)));
        Ok(id)
    }

    fn kind(&mut self, index: usize, part: &'a Element<'a>) -> Result<Kind, LoadError> {
        match part.name.local {
            "simpleType" => Ok(Kind::Simple(self.simple(index, part, 0)?)),
            _ => Ok(Kind::Complex(self.complex(index, part)?)),
        }
    }

    pub(in crate::translate::soap) fn reserve(
        &mut self,
        name: Option<&str>,
        known_as: Option<(Box<str>, Box<str>)>,
    ) -> Result<TypeId, LoadError> {
        if self.types.list.len() == MOST_TYPES {
            let path =
                self.documents.first().map_or_else(|| Path::new(""), |document| document.path);
            return Err(LoadError::file(path, format!("has more than {MOST_TYPES} types")));
        }
        let name = name.map(|name| self.free_name(name));
        let simple = Simple::new(Form::Text, serde_json::Value::Null);
        self.types.list.push(Type {
            name,
            known_as,
            base: None,
            extends: false,
            kind: Kind::Simple(simple),
        });
        Ok(self.types.list.len() - 1)
    }

    /// A type that is made here, not in a schema: elements one after the other.
    pub(in crate::translate::soap) fn made(
        &mut self,
        name: &str,
        complex: Complex,
    ) -> Result<TypeId, LoadError> {
        let id = self.reserve(Some(name), None)?;
        self.types.list[id].kind = Kind::Complex(complex);
        Ok(id)
    }

    /// A name that no other type has.
    fn free_name(&mut self, name: &str) -> Box<str> {
        let mut free: Box<str> = name.into();
        let mut count = 1;
        while !self.taken.insert(free.clone()) {
            count += 1;
            free = format!("{name}{count}").into();
        }
        free
    }

    /// Counts a part of a type, at this element.
    pub(super) fn count(&mut self, index: usize, part: &Element<'_>) -> Result<(), LoadError> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            let what = format!("its types have more than {MOST_PARTS} parts");
            return Err(self.documents[index].wrong(part, what));
        }
        Ok(())
    }

    /// Notes that nobody looks at what this element says.
    pub(super) fn note(&mut self, index: usize, at: &Element<'_>, what: String) {
        if self.noted.insert((index, at.at)) {
            self.types.notes.push(self.documents[index].wrong(at, what));
        }
    }

    /// A name as it is written, with the prefix of its namespace.
    pub(in crate::translate::soap) fn written(&mut self, namespace: &str, local: &str) -> Box<str> {
        if namespace.is_empty() {
            return local.into();
        }
        if namespace == crate::xml::XML_NAMESPACE {
            return format!("xml:{local}").into();
        }
        let known = self.types.namespaces.iter().position(|known| **known == *namespace);
        let index = known.unwrap_or_else(|| {
            self.types.namespaces.push(namespace.into());
            self.types.namespaces.len() - 1
        });
        format!("n{index}:{local}").into()
    }

    pub(super) fn times(&self, index: usize, part: &Element<'_>) -> Result<Times, LoadError> {
        let count = |name: &str| match part.attribute(name).map(str::trim) {
            None => Ok(1),
            Some("unbounded") if name == "maxOccurs" => Ok(usize::MAX),
            Some(number) => number.parse::<u32>().map(|number| number as usize).map_err(|_| {
                self.documents[index].wrong(part, format!("`{number}` is no number for `{name}`"))
            }),
        };
        Ok(Times { min: count("minOccurs")?, max: count("maxOccurs")? })
    }

    pub(super) fn qualified_attribute(&self, index: usize, part: &Element<'_>) -> bool {
        self.documents[index].qualifies(part, "attributeFormDefault")
    }
}

pub(in crate::translate::soap) fn is_true(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}

impl Complex {
    /// Nothing at all.
    pub(in crate::translate::soap) fn empty() -> Self {
        let content = Content::Elements(super::Group::default());
        Self { attributes: Vec::new(), open: false, content, members: Vec::new() }
    }
}
