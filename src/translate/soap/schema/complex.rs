//! Complex types: attributes, and text or elements.

use super::{
    Attribute, Compiler, Complex, Content, Form, Group, Order, Part, Simple, Times,
    builtin::builtin, compiler::DEEPEST, group::is_group,
};
use crate::{
    translate::soap::{
        LoadError,
        names::{SOAP_ENCODING, XML_SCHEMA},
    },
    xml::{Element, XML_NAMESPACE},
};

impl<'a> Compiler<'a> {
    /// Compiles a `complexType`.
    pub(super) fn complex(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
    ) -> Result<Complex, LoadError> {
        let mut complex = self.definition(index, part, 0)?;
        if let Content::Elements(group) = &mut complex.content {
            let members = Complex::name_members(group);
            complex.members = members.map_err(|what| self.documents[index].wrong(part, what))?;
        }
        Ok(complex)
    }

    /// A type with what it has of others, its members not yet found.
    fn definition(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
        depth: usize,
    ) -> Result<Complex, LoadError> {
        let document = self.documents[index];
        if depth > DEEPEST {
            return Err(document.wrong(part, "a type goes back to others too often, or to itself"));
        }
        if part.attribute("mixed").is_some_and(super::compiler::is_true) {
            return Err(document.wrong(part, "text between elements is not understood"));
        }
        let content = part.elements().find(|inner| inner.name.local.ends_with("Content"));
        let Some(content) = content else {
            let mut complex = Complex::empty();
            self.own(index, part, &mut complex, depth)?;
            return Ok(complex);
        };
        let derived = content.elements().find(|inner| inner.name.local != "annotation");
        let derived = derived.ok_or_else(|| document.wrong(content, "it says nothing"))?;
        let restricts = match derived.name.local {
            "restriction" => true,
            "extension" => false,
            other => return Err(document.wrong(derived, format!("`{other}` is not understood"))),
        };
        let mut complex = self.base_of(index, derived, depth)?;
        if content.name.local == "simpleContent" {
            let Content::Text(simple) = complex.content else {
                return Err(document.wrong(derived, "its base has no text"));
            };
            let simple = match derived.element(XML_SCHEMA, "simpleType") {
                Some(narrower) if restricts => self.simple(index, narrower, depth + 1)?,
                _ => simple,
            };
            let simple = if restricts { self.restrict(index, derived, simple)? } else { simple };
            complex.content = Content::Text(simple);
            self.attributes(index, derived, &mut complex, depth)?;
        } else {
            if restricts {
                // What it does not say again is not there, but for attributes that are listed.
                complex.content = Content::Elements(Group::default());
                complex.open = false;
            }
            self.own(index, derived, &mut complex, depth)?;
        }
        Ok(complex)
    }

    /// What a type is derived from.
    fn base_of(
        &mut self,
        index: usize,
        derived: &'a Element<'a>,
        depth: usize,
    ) -> Result<Complex, LoadError> {
        let document = self.documents[index];
        let name = derived.attribute("base");
        let name =
            name.ok_or_else(|| document.wrong(derived, "it does not say what its base is"))?;
        let (namespace, local) = document.resolve(derived, name)?;
        let missing =
            || document.wrong(derived, format!("there is no type `{local}` in `{namespace}`"));
        let text = |simple| Complex { content: Content::Text(simple), ..Complex::empty() };
        if namespace == SOAP_ENCODING {
            return Err(document.wrong(derived, "values encoded as SOAP does are not understood"));
        }
        if namespace == XML_SCHEMA {
            return match local {
                "anyType" => Ok(Complex { open: true, ..Complex::empty() }),
                local => Ok(text(builtin(local).ok_or_else(missing)?)),
            };
        }
        let (index, found) = self.find("type", namespace, local).ok_or_else(missing)?;
        match found.name.local {
            "simpleType" => Ok(text(self.simple(index, found, depth + 1)?)),
            _ => self.definition(index, found, depth + 1),
        }
    }

    /// Adds a group of elements, and attributes.
    fn own(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
        complex: &mut Complex,
        depth: usize,
    ) -> Result<(), LoadError> {
        if let Some(group) = part.elements().find(|inner| is_group(inner.name.local)) {
            let added = self.group(index, group, depth)?;
            complex.content = match std::mem::replace(
                &mut complex.content,
                Content::Elements(Group::default()),
            ) {
                Content::Elements(base) if !base.parts.is_empty() => {
                    let parts = vec![Part::Group(base), Part::Group(added)];
                    Content::Elements(Group {
                        order: Order::Sequence,
                        times: Times::default(),
                        parts,
                    })
                }
                Content::Elements(_) => Content::Elements(added),
                Content::Text(_) => {
                    return Err(
                        self.documents[index].wrong(group, "its base is text and has no elements")
                    );
                }
            };
        }
        self.attributes(index, part, complex, depth)
    }

    fn attributes(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
        complex: &mut Complex,
        depth: usize,
    ) -> Result<(), LoadError> {
        let document = self.documents[index];
        for inner in part.elements() {
            self.count(index, inner)?;
            match inner.name.local {
                "anyAttribute" => complex.open = true,
                "attribute" => {
                    let mut attribute = self.attribute(index, inner)?;
                    let others = &mut complex.attributes;
                    others.retain(|other| !other.is(&attribute.namespace, &attribute.local));
                    if let Some(other) = others.iter_mut().find(|it| it.key == attribute.key) {
                        // The same but for its namespace, as `lang` and `xml:lang`.
                        let plain = attribute.namespace.is_empty();
                        let longer = if plain { other } else { &mut attribute };
                        longer.key = format!("@{}", longer.written).into();
                    }
                    if inner.attribute("use") != Some("prohibited") {
                        complex.attributes.push(attribute);
                    }
                }
                "attributeGroup" if depth > DEEPEST => {
                    return Err(document.wrong(inner, "groups are within each other too often"));
                }
                "attributeGroup" => {
                    let name = inner.attribute("ref").unwrap_or_default();
                    let (namespace, local) = document.resolve(inner, name)?;
                    let missing = || {
                        document.wrong(
                            inner,
                            format!("there is no group of attributes `{local}` in `{namespace}`"),
                        )
                    };
                    let (index, found) =
                        self.find("attributeGroup", namespace, local).ok_or_else(missing)?;
                    self.attributes(index, found, complex, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn attribute(&mut self, index: usize, part: &'a Element<'a>) -> Result<Attribute, LoadError> {
        let document = self.documents[index];
        let required = part.attribute("use") == Some("required");
        if let Some(name) = part.attribute("ref") {
            let (namespace, local) = document.resolve(part, name)?;
            let of = match self.find("attribute", namespace, local) {
                Some((index, found)) => self.attribute_type(index, found)?,
                None if namespace == XML_NAMESPACE => self.string(),
                None => {
                    return Err(document
                        .wrong(part, format!("there is no attribute `{local}` in `{namespace}`")));
                }
            };
            return Ok(self.made_attribute(namespace, local, of, required));
        }
        let local = part
            .attribute("name")
            .ok_or_else(|| document.wrong(part, "an attribute has no name"))?;
        let namespace = if self.qualified_attribute(index, part) { document.target } else { "" };
        let of = self.attribute_type(index, part)?;
        Ok(self.made_attribute(namespace, local, of, required))
    }

    fn made_attribute(
        &mut self,
        namespace: &str,
        local: &str,
        of: Simple,
        required: bool,
    ) -> Attribute {
        let written = self.written(namespace, local);
        let key = format!("@{local}").into();
        Attribute { key, namespace: namespace.into(), local: local.into(), written, of, required }
    }

    fn attribute_type(&mut self, index: usize, part: &'a Element<'a>) -> Result<Simple, LoadError> {
        match part.attribute("type").is_some() || part.element(XML_SCHEMA, "simpleType").is_some() {
            true => self.simple_base(index, part, "type", 0),
            false => Ok(self.string()),
        }
    }

    fn string(&self) -> Simple {
        builtin("string").unwrap_or(Simple::new(Form::Text, serde_json::Value::Null))
    }
}
