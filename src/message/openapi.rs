//! Documents of OpenAPI, as far as it matters which of their objects say something and which are data.

use serde_json::{Map, Value};

/// Calls `visit` with each object of a document that says something, the outer ones first: none that is an example or
/// another value, and none whose keys are names that somebody chose.
pub fn each_object(document: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match document {
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, visit)),
        Value::Object(object) => {
            visit(object);
            for (key, value) in object.iter_mut() {
                match (&**key, value) {
                    // One may refer to another; what it shows is its own.
                    ("examples", Value::Object(examples)) => {
                        let all = examples.iter_mut().map(|(_, example)| example);
                        all.filter_map(Value::as_object_mut).for_each(&mut *visit);
                    }
                    ("example" | "examples" | "default" | "enum" | "const", _) => {}
                    (key, Value::Object(named)) if NAMED.contains(&key) => {
                        named.iter_mut().for_each(|(_, value)| each_object(value, visit));
                    }
                    (_, value) => each_object(value, visit),
                }
            }
        }
        _ => {}
    }
}

/// Keys of objects whose own keys are names.
const NAMED: [&str; 19] = [
    "$defs",
    "callbacks",
    "content",
    "definitions",
    "dependentSchemas",
    "encoding",
    "headers",
    "links",
    "mapping",
    "parameters",
    "pathItems",
    "paths",
    "patternProperties",
    "properties",
    "requestBodies",
    "responses",
    "schemas",
    "securitySchemes",
    "webhooks",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_a_value_or_a_name_is_none_that_says_something() {
        let seen = json!({ "seen": true });
        let mut document = json!({
            "paths": { "/a": { "get": { "responses": { "default": { "content": { "application/json": {
                "schema": { "properties": { "default": { "items": {} } }, "enum": [{}], "const": {} },
                "example": { "a": {} },
                "examples": { "one": { "value": { "b": {} } } },
            } } } } } } },
            "components": { "schemas": { "example": { "default": {}, "examples": [{}] } } },
        });
        each_object(&mut document, &mut |object| {
            object.insert("seen".into(), true.into());
        });
        assert_eq!(
            document,
            json!({
                "seen": true,
                "paths": { "/a": { "seen": true, "get": { "seen": true, "responses": { "default": {
                    "seen": true, "content": { "application/json": {
                        "seen": true,
                        "schema": {
                            "seen": true,
                            "properties": { "default": { "seen": true, "items": seen } },
                            "enum": [{}],
                            "const": {},
                        },
                        "example": { "a": {} },
                        "examples": { "one": { "seen": true, "value": { "b": {} } } },
                    } },
                } } } } },
                "components": { "seen": true, "schemas": { "example": {
                    "seen": true, "default": {}, "examples": [{}],
                } } },
            })
        );
    }
}
