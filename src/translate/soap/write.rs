//! JSON becomes the content of an envelope, by the types of the service.
//!
//! Whatever an object holds is written or refused: a member that no element or attribute is for never
//! vanishes on the way.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::schema::{
    ANY, Complex, Content, ElementUse, Group, Hold, Kind, Order, Part, TEXT, TYPE, TypeId, Types,
};
use crate::{
    message::{Violation, Violations},
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

/// How far the members of an object are written.
struct Progress<'v> {
    complex: &'v Complex,
    object: &'v Map<String, Value>,
    /// How many values of each member are written.
    written: Vec<usize>,
    any: bool,
    /// So many parts, all together: if a turn of a group adds nothing, none will.
    steps: usize,
}

impl<'v> Progress<'v> {
    fn values(&self, member: usize) -> &'v [Value] {
        let Some(member) = self.complex.members.get(member) else { return &[] };
        match self.object.get(&*member.key) {
            Some(Value::Array(list)) if member.list => list,
            Some(value) => std::slice::from_ref(value),
            None => &[],
        }
    }

    fn left(&self, element: &ElementUse) -> usize {
        self.values(element.member).len().saturating_sub(self.written[element.member])
    }

    /// Whether something is left for a part.
    fn has(&self, part: &Part) -> bool {
        match part {
            Part::Element(element) => self.left(element) > 0,
            Part::Group(group) => group.parts.iter().any(|part| self.has(part)),
            Part::Any => !self.any && self.object.contains_key(ANY),
        }
    }

    /// Whether everything is left that a part needs.
    fn fills(&self, part: &Part) -> bool {
        match part {
            Part::Element(element) => self.left(element) >= element.times.min,
            Part::Any => true,
            Part::Group(group) if group.times.min == 0 && !self.has(part) => true,
            Part::Group(group) => match group.order {
                Order::Sequence => group.parts.iter().all(|part| self.fills(part)),
                Order::Choice => group.parts.iter().any(|part| self.fills(part)),
            },
        }
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
                        this.refuse("must name a type that extends the one expected");
                    });
                    return;
                };
                complex
            }
        };
        self.attributes(complex, object);
        let mut progress = Progress {
            complex,
            object,
            written: vec![0; complex.members.len()],
            any: false,
            steps: 0,
        };
        match &complex.content {
            Content::Text(simple) => match object.get(TEXT) {
                Some(value) => {
                    let text = simple.write(value, self.hold);
                    self.within(TEXT, |this| this.text(text));
                }
                None => self.refuse("must have a member `#text`"),
            },
            Content::Elements(group) => self.group(group, &mut progress, false),
        }
        self.leftovers(&progress);
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
    }

    /// Says of what could not be written where it is.
    fn leftovers(&mut self, progress: &Progress<'_>) {
        for (key, value) in progress.object {
            let complex = progress.complex;
            let is_attribute = complex.attributes.iter().any(|attribute| *attribute.key == **key);
            let is_text = key == TEXT && matches!(complex.content, Content::Text(_));
            if is_attribute || is_text || key == TYPE || (key == ANY && progress.any) {
                continue;
            }
            let Some(member) = complex.members.iter().position(|member| *member.key == **key)
            else {
                self.within(key, |this| this.refuse("is not known"));
                continue;
            };
            if complex.members[member].list && !value.is_array() {
                self.within(key, |this| this.refuse("must be a list"));
            } else if progress.written[member] < progress.values(member).len() {
                self.within(key, |this| this.refuse("has no place here, or too many values"));
            }
        }
    }

    /// Writes a group; `shares` if it is repeated, so that each turn gets its share.
    fn group(&mut self, group: &'s Group, progress: &mut Progress<'_>, shares: bool) {
        let shares = shares || group.times.max > 1;
        for turn in 0..group.times.max {
            let has = group.parts.iter().any(|part| progress.has(part));
            if !has && turn >= group.times.min.min(1) {
                return;
            }
            let before = progress.steps;
            match group.order {
                Order::Sequence => {
                    for part in &group.parts {
                        self.part(part, progress, shares);
                    }
                }
                Order::Choice => self.choice(group, progress, shares),
            }
            if progress.steps == before {
                return;
            }
        }
    }

    fn choice(&mut self, group: &'s Group, progress: &mut Progress<'_>, shares: bool) {
        let has = |part: &&Part| progress.has(part);
        let chosen = group.parts.iter().filter(has).find(|part| progress.fills(part));
        match chosen.or_else(|| group.parts.iter().find(has)) {
            Some(part) => self.part(part, progress, shares),
            None if group.parts.iter().any(|part| progress.fills(part)) => {}
            None => {
                let names: Vec<_> = group.parts.iter().filter_map(first_name).collect();
                if !names.is_empty() {
                    self.refuse(format!("must have one of the members `{}`", names.join("`, `")));
                }
            }
        }
    }

    fn part(&mut self, part: &'s Part, progress: &mut Progress<'_>, shares: bool) {
        match part {
            Part::Group(group) => self.group(group, progress, shares),
            Part::Any => self.any(progress),
            Part::Element(element) => {
                let left = progress.left(element);
                let least = element.times.min.max(1);
                let count = if shares && element.times.max == 1 { left.min(least) } else { left };
                let count = count.min(element.times.max);
                if count < element.times.min {
                    let key = &element.local;
                    self.refuse(match element.times.min {
                        1 => format!("must have a member `{key}`"),
                        min => format!("must have {min} values of `{key}`"),
                    });
                }
                let first = progress.written[element.member];
                progress.written[element.member] += count;
                progress.steps += count;
                let is_list = progress.complex.members[element.member].list;
                let values = progress.values(element.member).iter().enumerate();
                for (index, value) in values.skip(first).take(count) {
                    self.within(&element.local, |this| {
                        let write = |this: &mut Self| {
                            this.element(&element.written, element.of, element.nillable, value);
                        };
                        match is_list {
                            true => this.within(&index.to_string(), write),
                            false => write(this),
                        }
                    });
                }
            }
        }
    }

    /// Elements that no schema lists: an object whose members they are.
    fn any(&mut self, progress: &mut Progress<'_>) {
        if let Some(value) = progress.object.get(ANY)
            && !progress.any
        {
            progress.any = true;
            progress.steps += 1;
            self.within(ANY, |this| match value {
                Value::Object(object) => this.loose(object),
                _ => this.refuse("must be an object"),
            });
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
                    let Some(name) = key.strip_prefix('@') else { continue };
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
        self.pointer.push('/');
        self.pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        then(self);
        self.pointer.truncate(before);
    }
}

fn first_name(part: &Part) -> Option<&str> {
    match part {
        Part::Element(element) => Some(&element.local),
        Part::Group(group) => group.parts.iter().find_map(first_name),
        Part::Any => None,
    }
}
