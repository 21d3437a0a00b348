//! Forms: an object of their fields, for the schema that they are held to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    body::Range,
    document::Document,
    multipart,
    parameter::{TWICE, add, taken_apart},
    shape::{Kinds, Shape},
};
use crate::message::{DEPTH, form_text, parse_json};

/// Fields that a form may have.
const MAX_FIELDS: usize = 1_000;

/// The fields of a form.
#[derive(Debug)]
pub(super) struct Fields {
    shape: Shape,
    /// Those that are written in another way than text, once for each item.
    encoded: BTreeMap<Box<str>, Encoding>,
}

/// How a field of a form is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    /// Items with this between them.
    Joined(char),
    /// A document of JSON.
    Json,
}

impl Fields {
    /// The fields of a schema; `encoding` is what a document says of how they are written.
    pub(super) fn of(document: &Document, schema: &Value, encoding: Option<&Value>) -> Self {
        let written = encoding.and_then(Value::as_object).into_iter().flatten();
        let encoded = written.filter_map(|(name, written)| {
            let text = |key: &str| written.get(key).and_then(Value::as_str);
            let style = text("style").unwrap_or("form");
            let explode = written.get("explode").and_then(Value::as_bool);
            let json = text("contentType").and_then(Range::parse).is_some_and(|it| it.is_json());
            let encoding = match (style, explode.unwrap_or(style == "form")) {
                _ if json => Encoding::Json,
                ("form", false) => Encoding::Joined(','),
                ("spaceDelimited", false) => Encoding::Joined(' '),
                ("pipeDelimited", false) => Encoding::Joined('|'),
                _ => return None,
            };
            Some((name.as_str().into(), encoding))
        });
        Self { shape: Shape::of(document, schema), encoded: encoded.collect() }
    }

    /// Puts a field into the object of all.
    fn put(&self, object: &mut Map<String, Value>, name: &str, text: &str) -> Result<(), String> {
        let field = self.shape.property(name);
        let kinds = field.items.unwrap_or(field.kinds);
        let json = || parse_json(text.as_bytes(), DEPTH);
        let value = match self.encoded.get(name) {
            Some(Encoding::Json) => {
                let value = json().map_err(|_| "a field of it is not JSON")?;
                match field.items {
                    // One of several that are told one by one.
                    Some(_) if !value.is_array() => Some(value),
                    _ => return put_whole(object, name, value),
                }
            }
            Some(Encoding::Joined(comma)) if field.items.is_some() => {
                let items = text.split(*comma).map(|item| kinds.read(item)).collect();
                return put_whole(object, name, items);
            }
            // What no text stands for is told as JSON.
            _ if field.nested || kinds == Kinds::default() => json().ok(),
            _ => None,
        };
        let value = value.unwrap_or_else(|| kinds.read(text));
        add(object, name, field, value).map_err(|what| format!("a field of it {what}"))
    }
}

fn put_whole(object: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), String> {
    match object.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(format!("a field of it {TWICE}")),
    }
}

/// An object of a form's fields.
pub(super) fn read_form(body: &[u8], fields: &Fields) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8")?;
    let mut object = Map::new();
    for (index, (name, raw)) in taken_apart(text).into_iter().enumerate() {
        if index >= MAX_FIELDS {
            return Err(format!("it has more than {MAX_FIELDS} fields"));
        }
        let value = form_text(raw).ok_or("it is not UTF-8")?;
        fields.put(&mut object, &name, &value)?;
    }
    Ok(Value::Object(object))
}

/// An object of a form's parts; of a file only that it is there.
pub(super) fn read_parts(parts: &[multipart::Part<'_>], fields: &Fields) -> Result<Value, String> {
    let mut object = Map::new();
    for part in parts {
        let text = if part.is_file { Some("") } else { std::str::from_utf8(part.body).ok() };
        let text = text.ok_or_else(|| "a part of it is not UTF-8".to_owned())?;
        fields.put(&mut object, part.name, text)?;
    }
    Ok(Value::Object(object))
}
