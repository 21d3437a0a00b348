//! What text may stand for: a parameter or a form field is text, and its schema says what kind of value.
//!
//! Text becomes a number only where the schema knows numbers and no text, and only if it is one; what
//! does not fit stays text, so that the schema says what is wrong with it.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::document::Document;

/// How deep schemas are looked into.
const MAX_DEPTH: u8 = 8;

/// How many are looked into for one.
const MAX_SCHEMAS: u16 = 5_000;

/// The kinds of values that a text may stand for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Kinds {
    pub(super) text: bool,
    pub(super) number: bool,
    pub(super) boolean: bool,
    pub(super) null: bool,
}

/// What a schema takes, as far as text can say it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Shape {
    pub(super) kinds: Kinds,
    /// Of the items, if it takes a list.
    pub(super) items: Option<Kinds>,
    /// Of the properties by name, if it takes an object; a list is one if it has items.
    pub(super) properties: Option<BTreeMap<String, Field>>,
    /// Of properties by any other name.
    pub(super) rest: Option<Field>,
}

/// A property of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Field {
    pub(super) kinds: Kinds,
    pub(super) items: Option<Kinds>,
    /// Whether it is an object itself, which a form tells as JSON.
    pub(super) nested: bool,
    /// Whether it may be anything: text, or a list of that where it is there several times.
    pub(super) free: bool,
}

impl Field {
    /// What nobody says anything of.
    const FREE: Self = Self {
        kinds: Kinds { text: true, number: false, boolean: false, null: false },
        items: None,
        nested: false,
        free: true,
    };
}

impl Kinds {
    /// The value of a text.
    pub(super) fn read(self, text: &str) -> Value {
        if !self.text {
            match text {
                "true" if self.boolean => return Value::Bool(true),
                "false" if self.boolean => return Value::Bool(false),
                "null" | "" if self.null => return Value::Null,
                _ => {}
            }
            if self.number
                && let Ok(number) = serde_json::from_str::<Number>(text)
                && text.trim() == text
            {
                return Value::Number(number);
            }
        }
        Value::String(text.to_owned())
    }
}

impl Shape {
    /// The shape of a schema.
    pub(super) fn of(document: &Document, schema: &Value) -> Self {
        let mut shape = Self::default();
        shape.learn(document, schema, MAX_DEPTH, &mut { MAX_SCHEMAS });
        let kinds = shape.kinds;
        let known = kinds != Kinds::default();
        if !known && shape.items.is_none() && shape.properties.is_none() {
            // It takes anything: what is text stays text.
            shape.kinds.text = true;
        }
        shape
    }

    /// As a property of an object.
    fn field(self) -> Field {
        let nested = self.properties.is_some();
        if self.kinds == Kinds::default() && self.items.is_none() && !nested {
            return Field::FREE;
        }
        Field { kinds: self.kinds, items: self.items, nested, free: false }
    }

    /// Of the property of this name.
    pub(super) fn property(&self, name: &str) -> Field {
        let known = self.properties.as_ref().and_then(|fields| fields.get(name)).copied();
        known.or(self.rest).unwrap_or(Field::FREE)
    }

    fn learn(&mut self, document: &Document, schema: &Value, depth: u8, left: &mut u16) {
        let (Some(depth), Some(less)) = (depth.checked_sub(1), left.checked_sub(1)) else { return };
        *left = less;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str)
            && let Ok(referred) = document.at(reference)
        {
            self.learn(document, referred, depth, left);
        }
        for list in ["allOf", "anyOf", "oneOf"] {
            let schemas = schema.get(list).and_then(Value::as_array);
            for schema in schemas.into_iter().flatten() {
                self.learn(document, schema, depth, left);
            }
        }
        match schema.get("type") {
            Some(Value::String(kind)) => self.take(kind),
            Some(Value::Array(kinds)) => {
                kinds.iter().filter_map(Value::as_str).for_each(|kind| self.take(kind));
            }
            _ => self.guess(schema),
        }
        self.kinds.null |= schema.get("nullable") == Some(&Value::Bool(true));
        if let (Some(_), Some(items)) = (self.items, schema.get("items")) {
            let mut inner = Self::default();
            inner.learn(document, items, depth, left);
            self.items = Some(inner.kinds);
        }
        let rest = ["additionalProperties", "unevaluatedProperties"];
        let rest = rest.iter().find_map(|key| schema.get(key)).filter(|rest| rest.is_object());
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let patterns = patterns.into_iter().flat_map(|patterns| patterns.values());
        let mut rest = rest.into_iter().chain(patterns).peekable();
        if rest.peek().is_some() {
            let mut inner = Self::default();
            rest.for_each(|schema| inner.learn(document, schema, depth, left));
            self.rest = Some(inner.field());
        }
        if let (Some(fields), Some(Value::Object(written))) =
            (&mut self.properties, schema.get("properties"))
        {
            for (name, property) in written {
                let mut inner = Self::default();
                inner.learn(document, property, depth, left);
                fields.insert(name.clone(), inner.field());
            }
        }
    }

    fn take(&mut self, kind: &str) {
        match kind {
            "string" => self.kinds.text = true,
            "integer" | "number" => self.kinds.number = true,
            "boolean" => self.kinds.boolean = true,
            "null" => self.kinds.null = true,
            "array" => {
                self.items.get_or_insert_default();
            }
            "object" => {
                self.properties.get_or_insert_default();
            }
            _ => {}
        }
    }

    /// What a schema takes that says nothing of its type.
    fn guess(&mut self, schema: &Value) {
        let value = |value: &Value| match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let values = schema.get("enum").and_then(Value::as_array);
        let values = values.into_iter().flatten().chain(schema.get("const"));
        let kinds: Vec<_> = values.map(value).collect();
        kinds.into_iter().for_each(|kind| self.take(kind));
        if schema.get("properties").is_some() {
            self.take("object");
        }
        if schema.get("items").is_some() {
            self.take("array");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_becomes_what_its_schema_knows() {
        let document = Document::of(json!({
            "openapi": "3.1.0",
            "Id": { "type": "integer" },
            "Loop": { "allOf": [{ "$ref": "#/Loop" }], "type": "boolean" },
        }));
        let document = document.unwrap();
        for (schema, text, value) in [
            (json!({ "type": "integer" }), "12", json!(12)),
            (json!({ "type": "integer" }), "-1.5e3", json!(-1.5e3)),
            (json!({ "type": "integer" }), "012", json!("012")),
            (json!({ "type": "integer" }), " 12", json!(" 12")),
            (json!({ "type": "integer" }), "0x1", json!("0x1")),
            (json!({ "type": "integer" }), "", json!("")),
            (json!({ "type": "string" }), "12", json!("12")),
            (json!({ "type": ["string", "integer"] }), "12", json!("12")),
            (json!({ "type": "boolean" }), "true", json!(true)),
            (json!({ "type": "boolean" }), "True", json!("True")),
            (json!({ "type": "boolean" }), "1", json!("1")),
            (json!({ "type": ["integer", "null"] }), "null", json!(null)),
            (json!({ "type": "number", "nullable": true }), "", json!(null)),
            (json!({ "$ref": "#/Id" }), "7", json!(7)),
            (json!({ "$ref": "#/Loop" }), "true", json!(true)),
            (json!({ "anyOf": [{ "type": "boolean" }, { "$ref": "#/Id" }] }), "7", json!(7)),
            (json!({ "enum": [1, 2] }), "2", json!(2)),
            (json!({ "enum": ["1", "2"] }), "2", json!("2")),
            (json!({}), "2", json!("2")),
            (json!(true), "2", json!("2")),
        ] {
            let shape = Shape::of(&document, &schema);
            assert_eq!(shape.kinds.read(text), value, "{schema} {text:?}");
        }
    }
}
