//! JSON becomes the content of an envelope, by the types of the service.
//!
//! Whatever an object holds is written or refused: a member that no element or attribute is for never
//! vanishes on the way.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    occurs::{Lack, Progress, Sink},
    schema::{ANY, Complex, Content, ElementUse, Hold, Kind, Member, TEXT, TYPE, TypeId, Types},
};
use crate::{
    message::{Violation, Violations, descend},
    xml::{NotXml, Writer},
};

/// Writes elements by their types.
pub(super) struct Writing<'s> {
    types: &'s Types,
    hold: Hold,
    pub(super) writer: Writer,
    pub(super) wrong: Violations,
    /// The way to where we are, as a JSON pointer.
    pointer: String,
    depth: usize,
}

/// Elements within elements that are written; JSON is bounded before.
const DEEPEST: usize = 100;

/// An object, and who writes its members.
struct Members<'w, 's, 'v> {
    writing: &'w mut Writing<'s>,
    complex: &'v Complex,
    object: &'v Map<String, Value>,
}

impl Sink for Members<'_, '_, '_> {
    fn take(&mut self, element: &ElementUse, first: usize, count: usize) {
        let Self { complex, object, .. } = *self;
        let Some(member) = complex.members.get(element.member) else { return };
        let values = values(member, object).iter().enumerate();
        for (index, value) in values.skip(first).take(count) {
            self.writing.within(&element.local, |writing| {
                let write = |writing: &mut Writing<'_>| {
                    writing.element(&element.written, element.of, element.nillable, value);
                };
                match member.list {
                    true => writing.within(&index.to_string(), write),
                    false => write(writing),
                }
            });
        }
    }

    fn any(&mut self) {
        let Some(value) = self.object.get(ANY) else { return };
        self.writing.within(ANY, |writing| match value {
            Value::Object(object) => writing.loose(object),
            _ => writing.refuse("must be an object"),
        });
    }

    fn lacks(&mut self, what: Lack<'_>) {
        self.writing.refuse(match what {
            Lack::Element(element) => match element.times.min {
                1 => format!("must have a member `{}`", element.local),
                min => format!("must have {min} values of `{}`", element.local),
            },
            Lack::Choice(names) => {
                format!("must have one of the members `{}`", names.join("`, `"))
            }
        });
    }
}

/// The values of a member.
fn values<'v>(member: &Member, object: &'v Map<String, Value>) -> &'v [Value] {
    match object.get(&*member.key) {
        Some(Value::Array(list)) if member.list => list,
        Some(value) => std::slice::from_ref(value),
        None => &[],
    }
}

impl<'s> Writing<'s> {
    /// Begins to write into a document.
    pub(super) fn new(types: &'s Types, writer: Writer, hold: Hold) -> Self {
        Self { types, hold, writer, wrong: Violations::default(), pointer: String::new(), depth: 0 }
    }

    /// Writes one element.
    pub(super) fn element(&mut self, name: &str, of: TypeId, nillable: bool, value: &Value) {
        self.depth += 1;
        let begun = self.writer.start(name);
        self.note(begun);
        match value {
            _ if self.depth > DEEPEST => self.refuse("is nested too deeply"),
            Value::Null if nillable => {
                let written = self.writer.attribute("xsi:nil", "true");
                self.note(written);
            }
            value => self.typed(of, value),
        }
        let ended = self.writer.end();
        self.note(ended);
        self.depth -= 1;
    }

    fn typed(&mut self, of: TypeId, value: &Value) {
        let types = self.types;
        match &types.list[of].kind {
            Kind::Any => self.anything(value),
            Kind::Simple(simple) => {
                let text = simple.write(value, self.hold);
                self.text(text);
            }
            Kind::Complex(complex) => match (complex.plain(), value) {
                (Some(simple), value) => {
                    let text = simple.write(value, self.hold);
                    self.text(text);
                }
                (None, Value::Object(object)) => self.object(of, complex, object),
                (None, _) => self.refuse("must be an object"),
            },
        }
    }

    fn object(&mut self, of: TypeId, complex: &'s Complex, object: &Map<String, Value>) {
        let complex = match object.get(TYPE) {
            None => complex,
            Some(name) => {
                let Some(complex) = self.extending(of, name) else {
                    self.within(TYPE, |this| {
                        this.refuse("must name a type that is derived from the one expected");
                    });
                    return;
                };
                complex
            }
        };
        self.attributes(complex, object);
        let there = complex.members.iter().map(|member| values(member, object).len());
        let mut progress = Progress::new(there, object.contains_key(ANY));
        match &complex.content {
            Content::Text(simple) => match object.get(TEXT) {
                Some(value) => {
                    let text = simple.write(value, self.hold);
                    self.within(TEXT, |this| this.text(text));
                }
                None => self.refuse("must have a member `#text`"),
            },
            Content::Elements(group) => {
                progress.group(group, false, &mut Members { writing: self, complex, object });
            }
        }
        self.leftovers(complex, object, &progress);
    }

    /// The type that a value says it is of, and writes that down.
    fn extending(&mut self, of: TypeId, name: &Value) -> Option<&'s Complex> {
        let types = self.types;
        let name = name.as_str()?;
        let found = types.called(name).find(|(id, _)| types.extends(*id, of));
        let (_, found) = found?;
        let (namespace, local) = found.known_as.as_ref()?;
        let prefix = types.namespaces.iter().position(|known| known == namespace);
        let written = match prefix {
            Some(prefix) => self.writer.attribute("xsi:type", &format!("n{prefix}:{local}")),
            // Nobody else needs its namespace; in none, it is without a prefix.
            None if namespace.is_empty() => self.writer.attribute("xsi:type", local),
            None => self
                .writer
                .attribute("xmlns:t", namespace)
                .and_then(|()| self.writer.attribute("xsi:type", &format!("t:{local}"))),
        };
        self.note(written);
        match &found.kind {
            Kind::Complex(complex) => Some(complex),
            Kind::Any | Kind::Simple(_) => None,
        }
    }

    fn attributes(&mut self, complex: &Complex, object: &Map<String, Value>) {
        for attribute in &complex.attributes {
            match object.get(&*attribute.key) {
                Some(value) => {
                    self.within(&attribute.key, |this| {
                        match attribute.of.write(value, this.hold) {
                            Ok(text) => {
                                let written = this.writer.attribute(&attribute.written, &text);
                                this.note(written);
                            }
                            Err(says) => this.refuse(says),
                        }
                    });
                }
                None if attribute.required => {
                    self.refuse(format!("must have a member `{}`", attribute.key));
                }
                None => {}
            }
        }
        if complex.open {
            let listed =
                |key: &str| complex.attributes.iter().any(|attribute| *attribute.key == *key);
            for (key, value) in object.iter().filter(|(key, _)| !listed(key) && *key != TYPE) {
                self.loose_attribute(key, value);
            }
        }
    }

    /// Says of what could not be written where it is.
    fn leftovers(&mut self, complex: &Complex, object: &Map<String, Value>, progress: &Progress) {
        for (key, value) in object {
            let is_attribute = complex.attributes.iter().any(|attribute| *attribute.key == **key)
                || (complex.open && key.starts_with('@'));
            let is_text = key == TEXT && matches!(complex.content, Content::Text(_));
            let is_any = key == ANY && progress.took_any();
            if is_attribute || is_text || key == TYPE || is_any {
                continue;
            }
            let Some(member) = complex.members.iter().position(|member| *member.key == **key)
            else {
                self.within(key, |this| this.refuse("is not known"));
                continue;
            };
            if complex.members[member].list && !value.is_array() {
                self.within(key, |this| this.refuse("must be a list"));
            } else if progress.short(member).is_some() {
                self.within(key, |this| this.refuse("has no place here, or too many values"));
            }
        }
    }

    /// A value of which no schema says anything.
    fn anything(&mut self, value: &Value) {
        match value {
            Value::Null => {
                let written = self.writer.attribute("xsi:nil", "true");
                self.note(written);
            }
            Value::Object(object) => {
                for (key, value) in object {
                    self.loose_attribute(key, value);
                }
                if let Some(text) = object.get(TEXT) {
                    self.within(TEXT, |this| this.anything(text));
                }
                self.loose(object);
            }
            Value::Array(_) => self.refuse("must be no list within a list"),
            Value::String(text) => self.text(Ok(Cow::Borrowed(text))),
            scalar => self.text(Ok(Cow::Owned(scalar.to_string()))),
        }
    }

    /// An attribute that no schema lists, if a member is one.
    fn loose_attribute(&mut self, key: &str, value: &Value) {
        let Some(name) = key.strip_prefix('@') else { return };
        let text = match value {
            Value::String(text) => Cow::Borrowed(&**text),
            value => Cow::Owned(value.to_string()),
        };
        self.within(key, |this| {
            let written = match name.contains(':') {
                true => Err(NotXml::Name),
                false => this.writer.attribute(name, &text),
            };
            this.note(written);
        });
    }

    fn loose(&mut self, object: &Map<String, Value>) {
        for (key, value) in object {
            if key.starts_with('@') || key == TEXT {
                continue;
            }
            let values = match value {
                Value::Array(list) => list.as_slice(),
                value => std::slice::from_ref(value),
            };
            for value in values {
                self.within(key, |this| match key.contains(':') {
                    true => this.refuse("must have no prefix"),
                    false => this.element(key, 0, true, value),
                });
            }
        }
    }

    fn text(&mut self, text: Result<Cow<'_, str>, &'static str>) {
        match text {
            Ok(text) => {
                let written = self.writer.text(&text);
                self.note(written);
            }
            Err(says) => self.refuse(says),
        }
    }

    fn note(&mut self, written: Result<(), NotXml>) {
        if let Err(error) = written {
            self.refuse(error.to_string());
        }
    }

    fn refuse(&mut self, says: impl Into<String>) {
        self.wrong.push(Violation::body(self.pointer.clone(), says));
    }

    fn within(&mut self, key: &str, then: impl FnOnce(&mut Self)) {
        let before = self.pointer.len();
        descend(&mut self.pointer, key);
        then(self);
        self.pointer.truncate(before);
    }
}
