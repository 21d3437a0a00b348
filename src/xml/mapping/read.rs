//! XML becomes JSON.

use std::{borrow::Cow, mem};

use serde_json::{Map, Number, Value, map::Entry};

use super::Mapping;
use crate::xml::{Bounds, Event, Name, Reader, XSI_NAMESPACE, XmlError, is_whitespace};

/// An element that is open.
struct Frame<'a> {
    /// Its name in JSON.
    name: &'a str,
    members: Map<String, Value>,
    text: Cow<'a, str>,
    /// It has elements in it.
    elements: bool,
    nil: bool,
}

impl Mapping {
    /// Reads XML as JSON.
    ///
    /// # Errors
    /// It is no XML, or none that is taken.
    pub fn to_json(&self, xml: &[u8]) -> Result<Value, XmlError> {
        let mut reader = Reader::new(xml, Bounds::default())?;
        let mut open: Vec<Frame<'_>> = Vec::new();
        let mut document = Value::Null;
        loop {
            match reader.next()? {
                Event::Start(name) => {
                    let is_first = open.is_empty();
                    open.push(self.begin(&name, is_first, &reader)?);
                }
                Event::Text(text) => {
                    let Some(frame) = open.last_mut() else { continue };
                    match frame.text.is_empty() {
                        true => frame.text = text,
                        false => frame.text.to_mut().push_str(&text),
                    }
                }
                Event::End => {
                    let Some(frame) = open.pop() else { continue };
                    let name = frame.name;
                    let value = self.value(frame).map_err(|what| reader.wrong(what))?;
                    let above = open.iter().map(|frame| frame.name);
                    let is_list = !open.is_empty() && self.arrays.have(above, name);
                    match open.last_mut() {
                        Some(above) => add(above, name, value, is_list),
                        None if self.root.is_some() => document = value,
                        None => document = Value::Object(Map::from_iter([(name.into(), value)])),
                    }
                }
                Event::Eof => return Ok(document),
            }
        }
    }

    fn begin<'a>(
        &self,
        name: &Name<'a>,
        is_first: bool,
        reader: &Reader<'a>,
    ) -> Result<Frame<'a>, XmlError> {
        let shown = |name: &Name<'a>| if self.strips { name.local } else { name.written };
        let mut members = Map::new();
        let nil = reader.attributes().iter().any(|(name, value)| {
            name.is(XSI_NAMESPACE, "nil") && matches!(value.trim(), "true" | "1")
        });
        let is_nil = |name: &Name<'_>| name.is(XSI_NAMESPACE, "nil");
        for (prefix, namespace) in reader.declarations() {
            // `null` stands for the attribute and for what declares it, if nothing else is of it.
            let uses =
                |name: &Name<'_>| name.written.split_once(':').is_some_and(|(it, _)| it == *prefix);
            let attributes = reader.attributes().iter().map(|(name, _)| name);
            let others = attributes.filter(|name| !is_nil(name)).chain([name]);
            let is_nils = nil && namespace == XSI_NAMESPACE && !others.into_iter().any(uses);
            // What is written has the mapping's own, which JSON need not say.
            let is_own =
                is_first && prefix.is_empty() && Some(&**namespace) == self.namespace.as_deref();
            if !(self.strips || is_nils || is_own) {
                let colon = if prefix.is_empty() { "" } else { ":" };
                let name = format!("{}xmlns{colon}{prefix}", self.attributes);
                members.insert(name, Value::from(&**namespace));
            }
        }
        for (attribute, value) in reader.attributes() {
            if is_nil(attribute) {
                continue;
            }
            if self.strips && attribute.local == "xmlns" {
                return Err(
                    reader.wrong("an attribute would declare a namespace without its prefix")
                );
            }
            let name = [&*self.attributes, shown(attribute)].concat();
            if members.insert(name, self.scalar(value)).is_some() {
                return Err(reader.wrong("two attributes differ by their namespace only"));
            }
        }
        let name = shown(name);
        Ok(Frame { name, members, text: Cow::Borrowed(""), elements: false, nil })
    }

    fn value(&self, frame: Frame<'_>) -> Result<Value, &'static str> {
        let Frame { mut members, text, elements, nil, .. } = frame;
        if nil {
            if elements || !is_whitespace(&text) {
                return Err("an element is nil and not empty");
            }
            if members.is_empty() {
                return Ok(Value::Null);
            }
            members.insert((*self.text).into(), Value::Null);
        } else if members.is_empty() {
            return Ok(self.scalar(&text));
        } else if if elements { !is_whitespace(&text) } else { !text.is_empty() } {
            members.insert((*self.text).into(), self.scalar(&text));
        }
        Ok(Value::Object(members))
    }

    fn scalar(&self, text: &str) -> Value {
        let inferred = if self.infers { infer(text) } else { None };
        inferred.unwrap_or_else(|| text.into())
    }
}

/// Puts a value into the element that it is in.
fn add(above: &mut Frame<'_>, name: &str, value: Value, is_list: bool) {
    above.elements = true;
    match above.members.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(if is_list { Value::Array(vec![value]) } else { value });
        }
        // No element is a list by itself, so a list here is of elements with this name.
        Entry::Occupied(mut entry) => match entry.get_mut() {
            Value::Array(list) => list.push(value),
            slot => {
                let first = mem::take(slot);
                *slot = Value::Array(vec![first, value]);
            }
        },
    }
}

/// The number or boolean that JSON would write just like this.
fn infer(text: &str) -> Option<Value> {
    match text.as_bytes() {
        b"true" => return Some(Value::Bool(true)),
        b"false" => return Some(Value::Bool(false)),
        [b'-' | b'0'..=b'9', rest @ ..] if rest.len() < 40 => {}
        _ => return None,
    }
    let unsigned = text.parse().ok().map(u64::into);
    let number: Number = unsigned
        .or_else(|| text.parse().ok().map(i64::into))
        .or_else(|| text.parse().ok().and_then(Number::from_f64))?;
    (number.to_string() == text).then_some(Value::Number(number))
}
