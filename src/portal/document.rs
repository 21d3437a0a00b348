//! A document as this gateway means it: where it is, who may, how much; and nothing of what is not there.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::prune::prune;
use crate::message::descend;

/// What the route of an operation asks for.
#[derive(Clone, Debug, Default)]
pub struct Enforced {
    /// Its place in the document, as a JSON pointer.
    pub pointer: String,
    /// Names of security schemes; of several, any one is enough, or all are asked for.
    pub schemes: Vec<String>,
    /// Whether all are asked for.
    pub all: bool,
    /// Scopes.
    pub scopes: Vec<String>,
    /// How much, in words.
    pub limits: Vec<String>,
}

/// The document as this gateway means it: `server` is where its paths begin, `schemes` what the security schemes
/// are that operations ask for.
pub fn document(
    written: &Value,
    server: &str,
    operations: &[Enforced],
    schemes: Map<String, Value>,
) -> Value {
    let mut made = written.clone();
    let server = if server.is_empty() { "/" } else { server };
    if let Value::Object(top) = &mut made {
        top.insert("servers".into(), json!([{ "url": server }]));
        top.remove("security");
        let components = top.entry("components").or_insert_with(|| json!({}));
        if let Value::Object(components) = components {
            components.remove("securitySchemes");
            // Those of paths stand in their places.
            components.remove("pathItems");
            if !schemes.is_empty() {
                components.insert("securitySchemes".into(), Value::Object(schemes));
            }
        }
        for item in top.get_mut("webhooks").and_then(Value::as_object_mut).into_iter().flatten() {
            strip_item(item.1);
        }
        for kind in ["callbacks", "links", "responses"] {
            let all = top.get_mut("components").and_then(|all| all.get_mut(kind));
            for (_, component) in all.and_then(Value::as_object_mut).into_iter().flatten() {
                match kind {
                    "callbacks" => strip_items(component),
                    "links" => strip_link(component),
                    _ => strip_answer(component),
                }
            }
        }
    }
    let by_pointer: HashMap<_, _> = operations.iter().map(|it| (&*it.pointer, it)).collect();
    let paths = made.get_mut("paths").and_then(Value::as_object_mut);
    for (template, item) in paths.into_iter().flatten() {
        let Value::Object(item) = item else { continue };
        item.remove("servers");
        let mut place = "/paths".to_owned();
        descend(&mut place, template);
        item.retain(|key, operation| {
            if !METHODS.contains(&&**key) {
                return true;
            }
            let enforced = by_pointer.get(&*format!("{place}/{key}"));
            if let (Some(enforced), Value::Object(operation)) = (enforced, operation) {
                enforce(operation, enforced);
            }
            enforced.is_some()
        });
    }
    if let Some(paths) = made.get_mut("paths").and_then(Value::as_object_mut) {
        paths.retain(|_, item| {
            let is_operation = |key: &String| METHODS.contains(&&**key) || key == "$ref";
            item.as_object().is_some_and(|item| item.keys().any(is_operation))
        });
    }
    if let Value::Object(top) = &mut made {
        prune(top);
    }
    made
}

/// Takes addresses, and what is ours, from what an origin asks of its clients.
fn strip_item(item: &mut Value) {
    let Value::Object(item) = item else { return };
    item.remove("servers");
    for (_, operation) in item.iter_mut().filter(|(key, _)| METHODS.contains(&&***key)) {
        if let Value::Object(operation) = operation {
            operation.remove("security");
            strip(operation);
        }
    }
}

fn strip_items(items: &mut Value) {
    items.as_object_mut().into_iter().flatten().for_each(|(_, item)| strip_item(item));
}

fn strip_link(link: &mut Value) {
    link.as_object_mut().map(|link| link.remove("server"));
}

fn strip_answer(answer: &mut Value) {
    let links = answer.get_mut("links").and_then(Value::as_object_mut);
    links.into_iter().flatten().for_each(|(_, link)| strip_link(link));
}

fn strip(operation: &mut Map<String, Value>) {
    operation.retain(|key, _| !key.starts_with("x-janua-") && key != "servers");
    let callbacks = operation.get_mut("callbacks").and_then(Value::as_object_mut);
    callbacks.into_iter().flatten().for_each(|(_, items)| strip_items(items));
    let answers = operation.get_mut("responses").and_then(Value::as_object_mut);
    answers.into_iter().flatten().for_each(|(_, answer)| strip_answer(answer));
}

/// Keys of a path that are operations.
pub(super) const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn enforce(operation: &mut Map<String, Value>, enforced: &Enforced) {
    strip(operation);
    let scheme = |name: &String| (name.clone(), json!(enforced.scopes));
    let security = match enforced.all {
        true => json!([Value::Object(enforced.schemes.iter().map(scheme).collect())]),
        false => enforced.schemes.iter().map(|name| json!({ (name): enforced.scopes })).collect(),
    };
    operation.insert("security".into(), security);
    let mut refusals = vec![("default", "A refusal of the gateway, with its reason.")];
    if !enforced.schemes.is_empty() {
        refusals.push(("401", "Credentials are missing or do not hold."));
        refusals.push(("403", "This identity may not do this."));
    }
    if !enforced.limits.is_empty() {
        refusals
            .push(("429", "There are too many requests; `Retry-After` says when to come again."));
        let limits = format!("**Limit**: {}", enforced.limits.join("; "));
        let text = match operation.get("description").and_then(Value::as_str) {
            Some(text) => format!("{text}\n\n{limits}"),
            None => limits,
        };
        operation.insert("description".into(), text.into());
    }
    if let Value::Object(answers) = operation.entry("responses").or_insert_with(|| json!({})) {
        for (status, about) in refusals {
            if !answers.contains_key(status) {
                let content = json!({ "application/problem+json": {} });
                answers.insert(status.into(), json!({ "description": about, "content": content }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn written() -> Value {
        json!({
            "openapi": "3.1.0",
            "servers": [{ "url": "https://inside.example/v1" }],
            "security": [{ "inner": [] }],
            "components": {
                "securitySchemes": { "inner": { "type": "apiKey" } },
                "schemas": {
                    "Gone": {},
                    "Kept": { "items": { "$ref": "#/components/schemas/Too" } },
                    "Too": { "discriminator": { "mapping": { "a": "Also" } } },
                    "Also": {},
                },
                "pathItems": { "item": { "servers": [{ "url": "https://inside.example" }] } },
                "links": { "next": { "server": { "url": "https://inside.example" } } },
            },
            "paths": {
                "/a": {
                    "parameters": [],
                    "get": { "x-janua-limit": "1/s", "description": "All.", "tags": ["kept"],
                        "responses": { "401": { "description": "own" }, "200": {
                            "schema": { "$ref": "#/components/schemas/Kept" },
                            "links": { "a": { "server": { "url": "https://inside.example" } } },
                        } },
                        "callbacks": { "done": { "{$url}": { "post": { "servers": ["https://inside.example"] } } } } },
                    "post": {},
                },
                "/gone": { "get": { "tags": ["gone"], "a": { "$ref": "#/components/schemas/Gone" } } },
            },
            "tags": [{ "name": "gone" }, { "name": "kept" }],
            "webhooks": { "new": { "servers": [{ "url": "https://inside.example" }], "post": {} } },
        })
    }

    #[test]
    fn the_document_says_what_this_gateway_enforces() {
        let get = Enforced {
            pointer: "/paths/~1a/get".into(),
            schemes: vec!["partners".into(), "corp".into()],
            scopes: vec!["read".into()],
            limits: vec!["10/s".into()],
            all: false,
        };
        let schemes = Map::from_iter([("partners".to_owned(), json!({ "type": "apiKey" }))]);
        let made = document(&written(), "/v1", std::slice::from_ref(&get), schemes);
        assert_eq!(made["servers"], json!([{ "url": "/v1" }]));
        assert_eq!(
            made["components"]["securitySchemes"],
            json!({ "partners": { "type": "apiKey" } })
        );
        assert!(made.get("security").is_none() && made["paths"].get("/gone").is_none());
        let item = &made["paths"]["/a"];
        assert!(item.get("post").is_none(), "an operation that is no route");
        assert_eq!(
            item["get"]["security"],
            json!([{ "partners": ["read"] }, { "corp": ["read"] }])
        );
        assert_eq!(item["get"]["description"], "All.\n\n**Limit**: 10/s");
        assert!(item["get"].get("x-janua-limit").is_none());
        let answers = item["get"]["responses"].as_object().unwrap();
        assert_eq!(answers["401"]["description"], "own");
        assert!(["403", "429", "default"].iter().all(|status| answers.contains_key(*status)));
        assert!(!made.to_string().contains("inside"), "an address of the inside");
        let kept =
            made["components"]["schemas"].as_object().unwrap().keys().collect::<BTreeSet<_>>();
        assert!(
            kept.iter().eq(["Also", "Kept", "Too"].iter()),
            "what only others used is not there"
        );
        assert_eq!(made["tags"], json!([{ "name": "kept" }]));
        assert!(item["get"]["callbacks"]["done"].get("{$url}").is_some());
        let both = Enforced { all: true, ..get };
        let made = document(&written(), "", &[both], Map::new());
        assert_eq!(
            made["paths"]["/a"]["get"]["security"],
            json!([{ "partners": ["read"], "corp": ["read"] }])
        );
        assert_eq!(made["servers"], json!([{ "url": "/" }]));
    }
}
