//! JSON becomes XML.

use std::borrow::Cow;

use super::{Mapping, XmlNil};
use crate::{
    message::{Json, Members, Violation, descend},
    xml::{
        Bounds, NotXml, Writer,
        scope::{Scope, XSI_NAMESPACE, declared},
    },
};

/// Nothing is written that would not be read again.
const BOUNDS: Bounds = Bounds::DEFAULT;

/// What has no place in XML, and where: the names on the way to it, innermost first.
struct Misfit<'v> {
    says: &'static str,
    at: Vec<Cow<'v, str>>,
}

impl<'v> Misfit<'v> {
    fn new(says: &'static str) -> Self {
        Self { says, at: Vec::new() }
    }

    /// It is in this member.
    fn within(mut self, name: impl Into<Cow<'v, str>>) -> Self {
        self.at.push(name.into());
        self
    }

    fn violation(self) -> Violation {
        let mut pointer = String::new();
        for name in self.at.iter().rev() {
            descend(&mut pointer, name);
        }
        Violation::body(pointer, self.says)
    }
}

impl From<NotXml> for Misfit<'_> {
    fn from(error: NotXml) -> Self {
        Self::new(match error {
            NotXml::Name => "is not a name in XML",
            NotXml::Character => "has a character that XML cannot hold",
            NotXml::Place => "has no place in XML",
        })
    }
}

impl Mapping {
    /// Writes JSON as XML.
    ///
    /// # Errors
    /// Something in it has no place in XML.
    pub fn to_xml(&self, json: &Json<'_>) -> Result<Vec<u8>, Violation> {
        let mut writing = Writing {
            mapping: self,
            writer: Writer::document(),
            scope: Scope::default(),
            depth: 0,
        };
        writing.document(json).map_err(Misfit::violation)?;
        Ok(writing.writer.finish())
    }
}

struct Writing<'m, 'v> {
    mapping: &'m Mapping,
    writer: Writer,
    scope: Scope<'v>,
    depth: usize,
}

impl<'m: 'v, 'v> Writing<'m, 'v> {
    fn document(&mut self, json: &'v Json<'v>) -> Result<(), Misfit<'v>> {
        if let Some(root) = &self.mapping.root {
            return match json {
                Json::Array(_) => {
                    Err(Misfit::new("must be no list, since there is one document element"))
                }
                json => self.element(root, json),
            };
        }
        let mut members = json.as_object().into_iter().flat_map(Members::iter);
        match (members.next(), members.next()) {
            (Some((name, Json::Array(_))), None) => {
                Err(Misfit::new("must be no list, since there is one document element")
                    .within(name))
            }
            (Some((name, value)), None) => {
                self.element(name, value).map_err(|misfit| misfit.within(name))
            }
            _ => Err(Misfit::new("must be an object with one member, the document element")),
        }
    }

    /// One element; a list is none.
    fn element(&mut self, name: &'v str, value: &'v Json<'v>) -> Result<(), Misfit<'v>> {
        self.depth += 1;
        let object = value.as_object();
        if let Some(object) = object {
            self.declare(object)?;
        }
        short(name)?;
        self.bound(name)?;
        self.writer.start(name)?;
        if self.depth == 1 {
            self.default_namespace(object)?;
        }
        match value {
            Json::Null => self.nil()?,
            Json::Object(object) => self.members(object)?,
            Json::Array(_) => return Err(Misfit::new("must be no list within a list")),
            scalar => self.writer.text(&text(scalar)?)?,
        }
        self.writer.end()?;
        self.depth -= 1;
        self.scope.leave(self.depth);
        Ok(())
    }

    fn members(&mut self, object: &'v Members<'v>) -> Result<(), Misfit<'v>> {
        let mut attributes = 0;
        for (name, value) in object.iter() {
            if let Some(attribute) = self.attribute(name) {
                attributes += 1;
                if attributes > BOUNDS.attributes {
                    return Err(Misfit::new("has too many attributes"));
                }
                self.write_attribute(object, attribute, value)
                    .map_err(|misfit| misfit.within(name))?;
            }
        }
        if let Some(value) = object.get(&self.mapping.text) {
            let written = match value {
                Json::Null => self.nil(),
                value => text(value).and_then(|text| Ok(self.writer.text(&text)?)),
            };
            written.map_err(|misfit| misfit.within(&*self.mapping.text))?;
        }
        for (name, value) in object.iter() {
            if name == &*self.mapping.text || self.attribute(name).is_some() {
                continue;
            }
            self.member(name, value).map_err(|misfit| misfit.within(name))?;
        }
        Ok(())
    }

    fn member(&mut self, name: &'v str, value: &'v Json<'v>) -> Result<(), Misfit<'v>> {
        let list = match value {
            Json::Array(list) => list.as_slice(),
            value => std::slice::from_ref(value),
        };
        for (index, item) in list.iter().enumerate() {
            if *item == Json::Null && self.mapping.nil == XmlNil::Omit {
                continue;
            }
            let written = self.element(name, item);
            written.map_err(|misfit| match value {
                Json::Array(_) => misfit.within(index.to_string()),
                _ => misfit,
            })?;
        }
        Ok(())
    }

    /// The attribute that a member is, if it is one.
    fn attribute<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&*self.mapping.attributes)
    }

    fn write_attribute(
        &mut self,
        object: &'v Members<'v>,
        name: &'v str,
        value: &'v Json<'v>,
    ) -> Result<(), Misfit<'v>> {
        short(name)?;
        if let Some((prefix, local)) = name.split_once(':')
            && prefix != "xmlns"
        {
            self.bound(name)?;
            // Two names that are one by what their prefixes stand for.
            let namespace = self.scope.namespace(prefix);
            if local == "nil" && namespace.as_deref() == Some(XSI_NAMESPACE) {
                return Err(Misfit::new("must be left out; what is nil is null"));
            }
            let twin = object.iter().filter_map(|(other, _)| self.attribute(other)).any(|other| {
                let parts = other.split_once(':').filter(|_| other != name);
                parts.is_some_and(|(prefix, other)| {
                    other == local && self.scope.namespace(prefix) == namespace
                })
            });
            if twin {
                return Err(Misfit::new("is an attribute that is there twice"));
            }
        }
        Ok(self.writer.attribute(name, &text(value)?)?)
    }

    /// Takes note of the namespaces that an element declares.
    fn declare(&mut self, object: &'v Members<'v>) -> Result<(), Misfit<'v>> {
        for (name, value) in object.iter() {
            let Some(prefix) = self.attribute(name).and_then(declared) else { continue };
            let refuse = |says| Misfit::new(says).within(name);
            if self.mapping.strips {
                return Err(refuse("must not declare a namespace here"));
            }
            let namespace = value.as_str().ok_or_else(|| refuse("must be a string"))?;
            self.scope.declare(self.depth, prefix, namespace.into()).map_err(refuse)?;
            if self.scope.len() > BOUNDS.declarations {
                return Err(refuse("is one declaration of a namespace too many"));
            }
        }
        Ok(())
    }

    /// Whether a name's prefix is bound here.
    fn bound(&self, name: &str) -> Result<(), Misfit<'v>> {
        match name.split_once(':') {
            None => Ok(()),
            Some(_) if self.mapping.strips => Err(Misfit::new("must have no prefix here")),
            Some((prefix, _)) if self.scope.namespace(prefix).is_some() => Ok(()),
            Some(_) => Err(Misfit::new("has a prefix that is not bound to a namespace")),
        }
    }

    fn default_namespace(&mut self, root: Option<&'v Members<'v>>) -> Result<(), Misfit<'v>> {
        if let Some(namespace) = &self.mapping.namespace
            && !root.is_some_and(|root| {
                root.iter().any(|(name, _)| self.attribute(name) == Some("xmlns"))
            })
        {
            self.writer.attribute("xmlns", namespace)?;
        }
        Ok(())
    }

    /// The element that just began is nothing.
    fn nil(&mut self) -> Result<(), Misfit<'v>> {
        if self.mapping.nil != XmlNil::Xsi {
            return Ok(());
        }
        match self.scope.namespace("xsi") {
            Some(bound) if bound == XSI_NAMESPACE => {}
            Some(_) => return Err(Misfit::new("is null where `xsi` is something else")),
            None => self.writer.attribute("xmlns:xsi", XSI_NAMESPACE)?,
        }
        Ok(self.writer.attribute("xsi:nil", "true")?)
    }
}

fn short<'v>(name: &str) -> Result<(), Misfit<'v>> {
    match name.len() <= BOUNDS.name {
        true => Ok(()),
        false => Err(Misfit::new("is too long a name")),
    }
}

/// The text of what is neither a list nor an object.
fn text<'v>(value: &'v Json<'v>) -> Result<Cow<'v, str>, Misfit<'v>> {
    match value {
        Json::String(text) => Ok(Cow::Borrowed(text)),
        Json::Bool(true) => Ok(Cow::Borrowed("true")),
        Json::Bool(false) => Ok(Cow::Borrowed("false")),
        Json::Number(number) => Ok(Cow::Owned(number.to_string())),
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err(Misfit::new("must be a string, a number or a boolean"))
        }
    }
}
