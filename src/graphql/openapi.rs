//! The document that stored operations are described by, and a guarded service.
//!
//! In: operations with their types. Out: OpenAPI 3.1. What a request has to be comes of the types of variables,
//! what an answer is of what the operation selects.

use std::collections::BTreeSet;

use apollo_compiler::{
    ast::Type,
    executable::{Field, FragmentMap, Operation, Selection, SelectionSet},
    schema::ExtendedType,
};
use serde_json::{Map, Value, json};

use super::{schema::Types, stored::Stored};
use crate::message::Part;

/// What is described so far.
pub(super) struct Description<'a> {
    title: &'a str,
    types: &'a Types,
    paths: Map<String, Value>,
    /// Types of input that are referred to, and those of them that are described.
    wanted: Vec<String>,
    known: BTreeSet<String>,
}

/// What an answer has at one name.
struct Member<'a> {
    fields: Vec<&'a Field>,
    certain: bool,
}

impl<'a> Description<'a> {
    pub(super) fn new(title: &'a str, types: &'a Types) -> Self {
        Self { title, types, paths: Map::new(), wanted: Vec::new(), known: BTreeSet::new() }
    }

    /// Describes an operation.
    pub(super) fn add(
        &mut self,
        stored: &Stored,
        operation: &Operation,
        fragments: Option<&FragmentMap>,
    ) {
        let mut parameters = Vec::new();
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (variable, known) in operation.variables.iter().zip(&stored.variables) {
            let needed = variable.ty.is_non_null() && variable.default_value.is_none();
            let name = variable.name.as_str();
            if known.place == Part::Body {
                properties.insert(name.into(), self.input(&variable.ty));
                required.extend(needed.then_some(name));
                continue;
            }
            parameters.push(json!({
                "name": name,
                "in": known.place.name(),
                "required": needed || known.place == Part::Path,
                "schema": self.text(&variable.ty),
            }));
        }
        let mut made = json!({ "operationId": &*stored.id });
        if let Some(about) = self.about(operation) {
            made["summary"] = about.into();
        }
        if !parameters.is_empty() {
            made["parameters"] = parameters.into();
        }
        if stored.takes_body() && !properties.is_empty() {
            let schema = json!({
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            });
            made["requestBody"] = json!({
                "required": !required.is_empty(),
                "content": { "application/json": { "schema": schema } },
            });
        }
        made["responses"] = self.responses(stored, operation, fragments);
        let item = self.paths.entry(stored.path.to_string()).or_insert_with(|| json!({}));
        item[stored.method.as_str().to_ascii_lowercase()] = made;
    }

    /// What the schema says of its first field.
    fn about(&self, operation: &Operation) -> Option<String> {
        let first = operation.selection_set.fields().next()?;
        let about = first.definition.description.as_ref()?.lines().next()?;
        Some(about.trim().to_owned()).filter(|about| !about.is_empty())
    }

    fn responses(
        &self,
        stored: &Stored,
        operation: &Operation,
        fragments: Option<&FragmentMap>,
    ) -> Value {
        let answers = Answers { types: self.types, fragments };
        let mut schema = answers.object(&[&operation.selection_set]);
        if let Some(field) = &stored.field {
            let own = schema.pointer_mut("/properties").and_then(|all| all.get_mut(&**field));
            schema = own.map(Value::take).unwrap_or_default();
        }
        if schema.is_null() {
            schema = true.into();
        }
        let problem = json!({ "$ref": "#/components/schemas/Problem" });
        let mut responses = json!({
            "200": {
                "description": "What the service answers.",
                "content": { "application/json": { "schema": schema } },
            },
            "default": {
                "description": "Why there is no answer.",
                "content": { "application/problem+json": { "schema": problem } },
            },
        });
        if stored.null.is_some_and(|status| status == 204) {
            responses["204"] = json!({ "description": "There is nothing." });
        }
        responses
    }

    /// The document.
    pub(super) fn finish(mut self) -> Value {
        let mut schemas = Map::new();
        while let Some(name) = self.wanted.pop() {
            if self.known.insert(name.clone()) {
                let schema = self.named(&name);
                schemas.insert(name, schema);
            }
        }
        // A type of the service's may have this name; what is wrong is then described by it, and nobody asks.
        schemas.entry("Problem").or_insert_with(problem);
        json!({
            "openapi": "3.1.0",
            "info": { "title": self.title, "version": "1" },
            "paths": self.paths,
            "components": { "schemas": schemas },
        })
    }

    /// A variable that comes as JSON.
    fn input(&mut self, ty: &Type) -> Value {
        let schema = match ty {
            Type::List(of) | Type::NonNullList(of) => {
                json!({ "type": "array", "items": self.input(of) })
            }
            Type::Named(name) | Type::NonNullNamed(name) => match name.as_str() {
                "ID" => json!({ "type": ["string", "integer"] }),
                name => self.leaf(name).unwrap_or_else(|| self.refer(name)),
            },
        };
        if ty.is_non_null() { schema } else { or_null(schema) }
    }

    /// A variable that comes as text.
    fn text(&self, ty: &Type) -> Value {
        match ty {
            Type::List(of) | Type::NonNullList(of) => {
                json!({ "type": "array", "items": self.text(of) })
            }
            Type::Named(name) | Type::NonNullNamed(name) => {
                leaf(self.types, name).unwrap_or_else(|| json!({}))
            }
        }
    }

    fn leaf(&self, name: &str) -> Option<Value> {
        leaf(self.types, name)
    }

    fn refer(&mut self, name: &str) -> Value {
        self.wanted.push(name.to_owned());
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// A type of input with members.
    fn named(&mut self, name: &str) -> Value {
        let types = self.types;
        let Some(ExtendedType::InputObject(of)) = types.schema.types.get(name) else {
            return true.into();
        };
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (name, field) in &of.fields {
            properties.insert(name.to_string(), self.input(&field.ty));
            let needed = field.ty.is_non_null() && field.default_value.is_none();
            required.extend(needed.then(|| name.as_str()));
        }
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }
}

/// Describes answers.
struct Answers<'a> {
    types: &'a Types,
    fragments: Option<&'a FragmentMap>,
}

impl<'a> Answers<'a> {
    /// What selections on one thing come to.
    fn object(&self, sets: &[&'a SelectionSet]) -> Value {
        let mut members: Vec<(&'a str, Member<'a>)> = Vec::new();
        for set in sets {
            self.collect(set, true, &mut members);
        }
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (name, member) in members {
            required.extend(member.certain.then_some(name));
            properties.insert(name.into(), self.member(&member.fields));
        }
        json!({ "type": "object", "properties": properties, "required": required })
    }

    fn collect(
        &self,
        set: &'a SelectionSet,
        certain: bool,
        members: &mut Vec<(&'a str, Member<'a>)>,
    ) {
        for selection in &set.selections {
            let sure = certain && selection.directives().is_empty();
            let inner = match selection {
                Selection::Field(field) => {
                    let name = field.response_key().as_str();
                    match members.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, member)) => {
                            member.fields.push(field);
                            member.certain |= sure;
                        }
                        None => members.push((name, Member { fields: vec![field], certain: sure })),
                    }
                    continue;
                }
                Selection::InlineFragment(fragment) => Some(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    let known = self.fragments.and_then(|all| all.get(&spread.fragment_name));
                    known.map(|fragment| &fragment.selection_set)
                }
            };
            if let Some(inner) = inner {
                self.collect(inner, sure && inner.ty == set.ty, members);
            }
        }
    }

    fn member(&self, fields: &[&'a Field]) -> Value {
        let Some(first) = fields.first() else { return true.into() };
        let ty = &first.definition.ty;
        if fields.iter().any(|other| other.definition.ty != *ty) {
            return true.into();
        }
        let sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
        self.output(ty, &sets)
    }

    fn output(&self, ty: &Type, sets: &[&'a SelectionSet]) -> Value {
        let schema = match ty {
            Type::List(of) | Type::NonNullList(of) => {
                json!({ "type": "array", "items": self.output(of, sets) })
            }
            Type::Named(name) | Type::NonNullNamed(name) => match leaf(self.types, name) {
                Some(leaf) => leaf,
                None => self.object(sets),
            },
        };
        if ty.is_non_null() { schema } else { or_null(schema) }
    }
}

/// The schema of what has no members.
fn leaf(types: &Types, name: &str) -> Option<Value> {
    Some(match name {
        "Int" => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        "Float" => json!({ "type": "number" }),
        "Boolean" => json!({ "type": "boolean" }),
        "String" | "ID" => json!({ "type": "string" }),
        _ => match types.schema.types.get(name) {
            Some(ExtendedType::Enum(of)) => {
                let values: Vec<&str> =
                    of.values.keys().map(apollo_compiler::Name::as_str).collect();
                json!({ "type": "string", "enum": values })
            }
            // What a scalar of the service's own may be, it knows.
            Some(ExtendedType::Scalar(_)) | None => json!({}),
            Some(_) => return None,
        },
    })
}

/// The same, or `null`.
fn or_null(mut schema: Value) -> Value {
    if let Some(kind @ Value::String(_)) = schema.get_mut("type")
        && schema_is_simple(kind)
    {
        let kind = kind.take();
        schema["type"] = json!([kind, "null"]);
        if let Some(Value::Array(values)) = schema.get_mut("enum") {
            values.push(Value::Null);
        }
        return schema;
    }
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.push("null".into());
        return schema;
    }
    match schema.as_object().is_some_and(Map::is_empty) {
        true => schema,
        false => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

fn schema_is_simple(kind: &Value) -> bool {
    kind.as_str().is_some_and(|kind| kind != "object")
}

fn problem() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "properties": {
            "type": text, "title": text, "status": { "type": "integer" }, "detail": text,
            "reason": text, "code": text, "errors": { "type": "array" },
        },
    })
}

/// The document of a service whose clients ask it in its own language.
pub fn door(title: &str, path: &str) -> Value {
    let asked = json!({
        "type": "object",
        "properties": {
            "query": { "type": "string" },
            "operationName": { "type": ["string", "null"] },
            "variables": { "type": ["object", "null"] },
            "extensions": { "type": ["object", "null"] },
        },
    });
    let answered = json!({
        "type": "object",
        "properties": { "data": {}, "errors": { "type": "array" }, "extensions": { "type": "object" } },
    });
    json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": "1" },
        "paths": { path: { "post": {
            "operationId": "graphql",
            "summary": "GraphQL over HTTP",
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": asked } },
            },
            "responses": { "200": {
                "description": "What the service answers.",
                "content": { "application/json": { "schema": answered } },
            } },
        } } },
    })
}
