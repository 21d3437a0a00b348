//! Schemas of OpenAPI as JSON Schema 2020-12, from the side of who is checked.
//!
//! OpenAPI 3.0 has a dialect of its own (`nullable`, `exclusiveMinimum: true`); both versions say that
//! what is `readOnly` is not asked of requests, and what is `writeOnly` not of answers. References are
//! made absolute, so that schemas can be compiled one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::document::{Document, Version};
use crate::message::each_object;

/// Whose message is checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// A client's.
    Request,
    /// An origin's.
    Answer,
}

/// Where schemas are that others refer to.
pub(super) const BASE: &str = "urn:janua:schemas";

/// How far a schema's parts are followed to see what the other side gives.
const MAX_DEPTH: u8 = 6;

/// Converts schemas.
pub(super) struct Dialect<'d> {
    document: &'d Document,
    side: Side,
    /// All that the document refers to, each with its number.
    referred: BTreeMap<&'d str, usize>,
}

impl<'d> Dialect<'d> {
    pub(super) fn new(document: &'d Document, side: Side) -> Self {
        let mut referred = BTreeMap::new();
        gather(&document.root, &mut |reference| {
            if document.at(reference).is_ok() {
                let next = referred.len();
                referred.entry(reference).or_insert(next);
            }
        });
        Self { document, side, referred }
    }

    /// A schema of the document as JSON Schema 2020-12.
    pub(super) fn convert(&self, schema: &Value) -> Value {
        self.convert_within(schema, &BTreeSet::new())
    }

    /// The same for one that is part of another, which has these properties that the other side gives.
    fn convert_within(&self, schema: &Value, given: &BTreeSet<&str>) -> Value {
        let Value::Object(written) = schema else { return schema.clone() };
        let old = self.document.version == Version::V30;
        if old && let Some(reference) = written.get("$ref") {
            // What stands beside it is ignored.
            return json!({ "$ref": self.refer(reference) });
        }
        let mut given = given.clone();
        self.find_given(schema, &mut given, MAX_DEPTH);
        let mut made = Map::new();
        for (key, value) in written {
            let value = match &**key {
                "$ref" => self.refer(value),
                "properties" | "patternProperties" | "$defs" | "definitions"
                | "dependentSchemas" => self.each(value),
                "items"
                | "additionalProperties"
                | "not"
                | "if"
                | "then"
                | "else"
                | "contains"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties"
                | "additionalItems" => self.convert(value),
                "allOf" | "anyOf" | "oneOf" => self.list(value, &given),
                "prefixItems" => self.list(value, &BTreeSet::new()),
                "required" => required(value, &given),
                // Of OpenAPI, and no assertion.
                "nullable" | "discriminator" | "xml" | "externalDocs" | "example" | "examples"
                | "$schema" => continue,
                _ => value.clone(),
            };
            made.insert(key.clone(), value);
        }
        if old {
            modernise(written.get("nullable") == Some(&Value::Bool(true)), &mut made);
        }
        narrow(&mut made);
        Value::Object(made)
    }

    /// All that is referred to, at the places that converted references lead to: schemas, and what is none and
    /// never looked at.
    pub(super) fn referred(&self) -> Value {
        let convert = |(reference, number): (&&str, &usize)| {
            let schema = self.document.at(reference).map(|schema| self.convert(schema));
            Some((number.to_string(), schema.ok()?))
        };
        let made: Map<_, _> = self.referred.iter().filter_map(convert).collect();
        json!({ "$defs": made })
    }

    fn refer(&self, reference: &Value) -> Value {
        let text = reference.as_str().unwrap_or_default();
        match self.referred.get(text) {
            Some(number) => Value::from(format!("{BASE}#/$defs/{number}")),
            // It leads nowhere: whoever compiles it says so.
            None => reference.clone(),
        }
    }

    fn each(&self, schemas: &Value) -> Value {
        let Value::Object(schemas) = schemas else { return schemas.clone() };
        let made = schemas.iter().map(|(name, schema)| (name.clone(), self.convert(schema)));
        Value::Object(made.collect())
    }

    fn list(&self, schemas: &Value, given: &BTreeSet<&str>) -> Value {
        let Value::Array(schemas) = schemas else { return schemas.clone() };
        schemas.iter().map(|schema| self.convert_within(schema, given)).collect()
    }

    /// Finds the properties of a schema that the other side gives, wherever it has them from.
    fn find_given<'s>(&self, schema: &'s Value, given: &mut BTreeSet<&'s str>, depth: u8)
    where
        'd: 's,
    {
        let Some(depth) = depth.checked_sub(1) else { return };
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            if self.is_given(property, depth) {
                given.insert(name);
            }
        }
        if let Some(referred) = self.referred_by(schema) {
            self.find_given(referred, given, depth);
        }
        let parts = schema.get("allOf").and_then(Value::as_array);
        parts.into_iter().flatten().for_each(|part| self.find_given(part, given, depth));
    }

    /// Whether the other side gives what such a schema is of.
    fn is_given(&self, schema: &Value, depth: u8) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        let flag = match self.side {
            Side::Request => "readOnly",
            Side::Answer => "writeOnly",
        };
        let old = self.document.version == Version::V30 && schema.get("$ref").is_some();
        let own = !old && schema.get(flag) == Some(&Value::Bool(true));
        let parts = schema.get("allOf").and_then(Value::as_array);
        let mut parts = parts.into_iter().flatten().chain(self.referred_by(schema));
        own || parts.any(|part| self.is_given(part, depth))
    }

    fn referred_by(&self, schema: &Value) -> Option<&'d Value> {
        self.document.at(schema.get("$ref")?.as_str()?).ok()
    }
}

/// What the other side gives is not asked of this one.
fn required(names: &Value, given: &BTreeSet<&str>) -> Value {
    let Value::Array(names) = names else { return names.clone() };
    let is_given = |name: &Value| name.as_str().is_some_and(|name| given.contains(name));
    names.iter().filter(|name| !is_given(name)).cloned().collect()
}

/// Calls `found` with each reference within a value.
fn gather<'v>(value: &'v Value, found: &mut impl FnMut(&'v str)) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                found(reference);
            }
            object.values().for_each(|value| gather(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| gather(value, found)),
        _ => {}
    }
}

/// A document of 3.0 as one of 3.1, as far as its schemas say things in another way; one of 3.1 as it is.
pub fn modernised(document: &mut Value) {
    let version = document.get("openapi").and_then(Value::as_str);
    if version.is_some_and(|version| version.starts_with("3.0")) {
        each_object(document, &mut |object| {
            let nullable = object.get("nullable") == Some(&Value::Bool(true));
            object.remove("nullable");
            modernise(nullable, object);
        });
        document["openapi"] = "3.1.0".into();
    }
}

/// What 3.0 says in its own way.
fn modernise(nullable: bool, made: &mut Map<String, Value>) {
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match made.get(flag) {
            Some(Value::Bool(true)) => {
                made.remove(flag);
                if let Some(limit) = made.remove(bound) {
                    made.insert(flag.to_owned(), limit);
                }
            }
            Some(Value::Bool(false)) => {
                made.remove(flag);
            }
            _ => {}
        }
    }
    if nullable {
        if let Some(Value::String(kind)) = made.get("type").cloned() {
            made.insert("type".into(), json!([kind, "null"]));
        }
        if let Some(Value::Array(values)) = made.get_mut("enum")
            && !values.contains(&Value::Null)
        {
            values.push(Value::Null);
        }
    }
}

/// `format` of a number is its range; JSON Schema looks at `format` of strings only.
fn narrow(made: &mut Map<String, Value>) {
    let (least, most) = match made.get("format").and_then(Value::as_str) {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Some("int64") => (i64::MIN, i64::MAX),
        _ => return,
    };
    let is_number = |kind: &Value| kind == "integer" || kind == "number";
    let numeric = match made.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_number),
        Some(kind) => is_number(kind),
        None => false,
    };
    if numeric {
        let range = json!({ "minimum": least, "maximum": most });
        match made.entry("allOf").or_insert_with(|| json!([])) {
            Value::Array(all) => all.push(range),
            other => *other = json!([range]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(version: &str, schema: &Value) -> Document {
        Document::of(json!({
            "openapi": version,
            "schema": schema,
            "components": { "schemas": {
                "Id": { "type": "integer", "readOnly": true },
                "Node": { "properties": { "next": { "$ref": "#/components/schemas/Node" } } },
            } },
        }))
        .unwrap()
    }

    fn convert(version: &str, side: Side, schema: &Value) -> Value {
        Dialect::new(&document(version, schema), side).convert(schema)
    }

    #[test]
    fn schemas_of_3_0_become_json_schema() {
        for (written, made) in [
            (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
            (
                json!({"type": "string", "nullable": true, "enum": ["a"]}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (json!({"minimum": 1, "exclusiveMinimum": true}), json!({"exclusiveMinimum": 1})),
            (json!({"maximum": 1, "exclusiveMaximum": false}), json!({"maximum": 1})),
            (
                json!({"type": "integer", "format": "int32"}),
                json!({"type": "integer", "format": "int32",
                    "allOf": [{"minimum": i32::MIN, "maximum": i32::MAX}]}),
            ),
            // Values that look like schemas are none.
            (
                json!({"enum": [{"nullable": true}], "example": {"$ref": "#/x"}}),
                json!({"enum": [{"nullable": true}]}),
            ),
            (
                json!({"properties": {"nullable": {"type": "string", "nullable": true}}}),
                json!({"properties": {"nullable": {"type": ["string", "null"]}}}),
            ),
        ] {
            assert_eq!(convert("3.0.3", Side::Request, &written), made, "{written}");
        }
    }

    #[test]
    fn a_whole_document_of_3_0_becomes_one_of_3_1() {
        let schema = json!({ "type": "number", "minimum": 0, "exclusiveMinimum": true });
        let example = json!({ "type": "string", "nullable": true });
        let schema = json!({ "properties": { "nullable": { "nullable": true, "allOf": [schema] },
            "price": { "type": "string", "nullable": true } }, "example": example });
        let mut old = json!({ "openapi": "3.0.3", "components": { "schemas": { "A": schema } } });
        let mut new = old.clone();
        new["openapi"] = "3.1.1".into();
        let kept = new.clone();
        modernised(&mut new);
        assert_eq!(new, kept, "which says it in this way already");
        modernised(&mut old);
        let schema = json!({ "type": "number", "exclusiveMinimum": 0 });
        let schema = json!({ "properties": { "nullable": { "allOf": [schema] },
            "price": { "type": ["string", "null"] } }, "example": example });
        let made = json!({ "openapi": "3.1.0", "components": { "schemas": { "A": schema } } });
        assert_eq!(old, made);
    }

    #[test]
    fn nobody_is_asked_for_what_the_other_side_gives() {
        let schema = json!({
            "required": ["id", "name", "secret", "key", "own", "part"],
            "allOf": [
                { "properties": { "part": { "allOf": [{ "$ref": "#/components/schemas/Id" }] } } },
                { "required": ["key", "part"] },
            ],
            "properties": {
                "id": { "$ref": "#/components/schemas/Id" },
                "own": { "$ref": "#/components/schemas/Node", "readOnly": true },
                "name": {},
                "secret": { "writeOnly": true },
                "key": { "readOnly": false },
            },
        });
        let asked = |version, side| {
            let made = convert(version, side, &schema);
            (made["required"].clone(), made["allOf"][1]["required"].clone())
        };
        let (own, part) = asked("3.1.0", Side::Request);
        assert_eq!((own, part), (json!(["name", "secret", "key"]), json!(["key"])));
        let (own, part) = asked("3.1.0", Side::Answer);
        assert_eq!(own, json!(["id", "name", "key", "own", "part"]));
        assert_eq!(part, json!(["key", "part"]));
        // In 3.0 nothing counts that stands beside a reference.
        assert_eq!(asked("3.0.3", Side::Request).0, json!(["name", "secret", "key", "own"]));
    }

    #[test]
    fn what_is_referred_to_comes_along_once() {
        let schema = json!({
            "items": { "$ref": "#/components/schemas/Node", "nullable": true },
            "not": { "$ref": "#/components/schemas/Gone" },
        });
        let document = document("3.0.3", &schema);
        let dialect = Dialect::new(&document, Side::Request);
        let reference = json!({ "$ref": "urn:janua:schemas#/$defs/0" });
        assert_eq!(
            dialect.convert(&schema),
            json!({ "items": reference, "not": { "$ref": "#/components/schemas/Gone" } })
        );
        assert_eq!(
            dialect.referred(),
            json!({ "$defs": { "0": { "properties": { "next": reference } } } })
        );
    }
}
