//! The document that a service is described by to clients that speak JSON.

use http::Method;
use serde_json::{Map, Value, json};

use super::{call::Operation, schema::Types};

/// Makes the document, of OpenAPI 3.1.
pub(super) fn document(title: &str, types: &Types, operations: &[(Operation, String)]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (operation, about) in operations {
        let item = paths.entry(operation.path.to_string()).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            let method = operation.method.as_str().to_ascii_lowercase();
            item.insert(method, described(operation, about));
        }
    }
    let mut schemas = types.schemas();
    schemas.insert("Problem".into(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

fn described(operation: &Operation, about: &str) -> Value {
    let types = &operation.types;
    let mut made = json!({"operationId": &*operation.id});
    if !about.is_empty() {
        made["description"] = about.into();
    }
    let parameters = parameters(operation);
    if let Some(root) = &operation.input
        && takes_body(operation)
    {
        let named: Vec<&str> = parameters.iter().filter_map(|p| p["name"].as_str()).collect();
        let schema = match named.is_empty() {
            true => types.schema_or_null(root.of, root.nillable),
            false => without(types.inline(root.of), &named),
        };
        made["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": schema}},
        });
    }
    if !parameters.is_empty() {
        made["parameters"] = parameters.into();
    }
    let mut success = json!({"description": "What the service answers."});
    if let Some(root) = &operation.output {
        let schema = types.schema_or_null(root.of, root.nillable);
        success["content"] = json!({"application/json": {"schema": schema}});
    }
    let schema = json!({"$ref": "#/components/schemas/Problem"});
    let failure = json!({
        "description": "Why there is no answer.",
        "content": {"application/problem+json": {"schema": schema}},
    });
    made["responses"] = json!({"2XX": success, "default": failure});
    made
}

/// Whether a call has a body.
pub(super) fn takes_body(operation: &Operation) -> bool {
    operation.method != Method::GET && operation.method != Method::DELETE
}

/// The members that are parameters of the path, and of the query where there is no body.
fn parameters(operation: &Operation) -> Vec<Value> {
    let Some(complex) = operation.takes() else { return Vec::new() };
    let mut made = Vec::new();
    for member in &complex.members {
        let in_path = operation.path.contains(&format!("{{{}}}", member.key));
        if !in_path && takes_body(operation) {
            continue;
        }
        let one = operation.types.schema(member.of);
        let schema = if member.list { json!({"type": "array", "items": one}) } else { one };
        made.push(json!({
            "name": &*member.key,
            "in": if in_path { "path" } else { "query" },
            "required": in_path || member.required,
            "schema": schema,
        }));
    }
    made
}

/// The schema of an object without some of its members.
fn without(mut schema: Value, names: &[&str]) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !names.contains(&&**name));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_none_or(|name| !names.contains(&name)));
    }
    schema
}

fn problem() -> Value {
    json!({
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "reason": {"type": "string"},
            "code": {"type": "string"},
            "fault": {"type": "object"},
        },
    })
}
