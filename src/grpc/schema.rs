//! Types of protobuf as JSON Schema, as their JSON looks.

use std::collections::HashSet;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::{Map, Value as Json, json};

use super::openapi::Comments;

/// Schemas that were referred to, and have to be there.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    messages: Vec<MessageDescriptor>,
    enums: Vec<EnumDescriptor>,
    known: HashSet<String>,
}

impl Schemas {
    /// A message: a reference to its schema, or the schema of a well-known type.
    pub(super) fn message(&mut self, desc: &MessageDescriptor) -> Json {
        if let Some(schema) = well_known(desc.full_name()) {
            return schema;
        }
        if self.known.insert(desc.full_name().into()) {
            self.messages.push(desc.clone());
        }
        json!({ "$ref": format!("#/components/schemas/{}", desc.full_name()) })
    }

    /// A field's value.
    pub(super) fn field(&mut self, field: &FieldDescriptor) -> Json {
        let kind = field.kind();
        if field.is_map() {
            let value = kind.as_message().map(MessageDescriptor::map_entry_value_field);
            let value = value.map_or_else(|| json!({}), |value| self.kind(&value.kind()));
            return json!({ "type": "object", "additionalProperties": value });
        }
        let one = self.kind(&kind);
        if field.is_list() { json!({ "type": "array", "items": one }) } else { one }
    }

    fn kind(&mut self, kind: &Kind) -> Json {
        match kind {
            Kind::Double => json!({ "type": "number", "format": "double" }),
            Kind::Float => json!({ "type": "number", "format": "float" }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "format": "int32" })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "format": "uint32", "minimum": 0 })
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "format": "int64" })
            }
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "format": "uint64" }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Message(desc) => self.message(desc),
            Kind::Enum(desc) if desc.full_name() == "google.protobuf.NullValue" => {
                json!({ "type": "null" })
            }
            Kind::Enum(desc) => {
                if self.known.insert(desc.full_name().into()) {
                    self.enums.push(desc.clone());
                }
                json!({ "$ref": format!("#/components/schemas/{}", desc.full_name()) })
            }
        }
    }

    /// All schemas that are referred to, and what they refer to.
    pub(super) fn finish(mut self, comments: &mut Comments) -> Map<String, Json> {
        let mut all = Map::new();
        while let Some(desc) = self.messages.pop() {
            let schema = self.object(&desc, comments);
            all.insert(desc.full_name().into(), schema);
        }
        for desc in self.enums {
            let names: Vec<_> = desc.values().map(|value| value.name().to_owned()).collect();
            let mut schema = json!({ "type": "string", "enum": names });
            if let Some(text) = comments.of(&desc.parent_file(), desc.path()) {
                schema["description"] = text.into();
            }
            all.insert(desc.full_name().into(), schema);
        }
        all.sort_keys();
        all
    }

    fn object(&mut self, desc: &MessageDescriptor, comments: &mut Comments) -> Json {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        let behavior = desc.parent_pool().get_extension_by_name("google.api.field_behavior");
        for field in desc.fields() {
            let mut schema = self.field(&field);
            if let Some(text) = comments.of(&field.parent_file(), field.path()) {
                schema["description"] = text.into();
            }
            let options = field.options();
            let marks = behavior.as_ref().filter(|behavior| options.has_extension(behavior));
            let marks = marks.map(|behavior| options.get_extension(behavior).into_owned());
            let marks = marks.as_ref().and_then(|marks| marks.as_list()).unwrap_or_default();
            for mark in marks.iter().filter_map(Value::as_enum_number) {
                match mark {
                    2 => required.push(Json::from(field.json_name())),
                    3 => schema["readOnly"] = true.into(),
                    4 => schema["writeOnly"] = true.into(),
                    _ => {}
                }
            }
            if field.is_required() {
                required.push(field.json_name().into());
            }
            properties.insert(field.json_name().into(), schema);
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if let Some(text) = comments.of(&desc.parent_file(), desc.path()) {
            schema["description"] = text.into();
        }
        schema
    }
}

/// The schema of a well-known type.
fn well_known(name: &str) -> Option<Json> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Any" => json!({
            "type": "object", "properties": { "@type": { "type": "string" } }, "required": ["@type"],
        }),
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" }),
        "FieldMask" => json!({ "type": "string" }),
        "Struct" | "Empty" => json!({ "type": "object" }),
        "ListValue" => json!({ "type": "array" }),
        "Value" => json!({}),
        "DoubleValue" => json!({ "type": ["number", "null"], "format": "double" }),
        "FloatValue" => json!({ "type": ["number", "null"], "format": "float" }),
        "Int32Value" => json!({ "type": ["integer", "null"], "format": "int32" }),
        "UInt32Value" => json!({ "type": ["integer", "null"], "format": "uint32", "minimum": 0 }),
        "Int64Value" => json!({ "type": ["string", "null"], "format": "int64" }),
        "UInt64Value" => json!({ "type": ["string", "null"], "format": "uint64" }),
        "BoolValue" => json!({ "type": ["boolean", "null"] }),
        "StringValue" => json!({ "type": ["string", "null"] }),
        "BytesValue" => json!({ "type": ["string", "null"], "contentEncoding": "base64" }),
        _ => return None,
    })
}
