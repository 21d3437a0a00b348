//! One document of several APIs: what a developer searches who does not know yet which API it is.
//!
//! In: documents as the portal shows them. Out: one of OpenAPI 3.1, in which each path is whole, and each
//! component and operation is called by its API's name, too. Schemas are of 3.1 already.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{document::METHODS, prune::unescaped};
use crate::message::{descend, each_object};

/// An API in the portal.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// Its name.
    pub name: &'a str,
    /// What its document calls it.
    pub title: &'a str,
    /// Its document, as the portal shows it, with schemas of 3.1.
    pub document: Value,
}

/// All of them in one document, which has this title.
pub fn merged<'a>(title: &str, apis: impl Iterator<Item = Shown<'a>>) -> Value {
    let mut made = Merged::default();
    apis.for_each(|api| made.add(api));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": "1" },
        "servers": [{ "url": "/" }],
        "tags": made.tags,
        "x-tagGroups": made.groups,
        "paths": made.paths,
        "components": made.components,
    });
    for (key, all) in [("webhooks", made.webhooks), (OTHERS, made.others)] {
        if !all.is_empty() {
            document[key] = Value::Object(all);
        }
    }
    document
}

/// Where things are that documents have at places of their own.
const OTHERS: &str = "x-of";

#[derive(Default)]
struct Merged {
    tags: Vec<Value>,
    groups: Vec<Value>,
    paths: Map<String, Value>,
    webhooks: Map<String, Value>,
    components: Map<String, Value>,
    /// What documents have of their own and refer to, by API.
    others: Map<String, Value>,
    /// What stands before names so far.
    prefixes: BTreeSet<String>,
}

impl Merged {
    fn add(&mut self, api: Shown<'_>) {
        let Shown { name, title, mut document } = api;
        let server = document.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default();
        let server = server.to_owned();
        let (host, base) = apart(&server);
        let paths = self.called(&document, name, base);
        let renamed = Renamed { prefix: self.prefix(name), name, paths };
        each_object(&mut document, &mut |object| renamed.refer(object));
        let Value::Object(mut document) = document else { return };
        let mut take = |key: &str| match document.remove(key) {
            Some(Value::Object(object)) => object,
            _ => Map::new(),
        };
        let (paths, webhooks, components) = (take("paths"), take("webhooks"), take("components"));
        let mut tags = Vec::new();
        for (path, mut item) in paths.into_iter().filter(|(path, _)| path.starts_with('/')) {
            tag(&mut item, title, &mut tags);
            if let (Value::Object(item), Some(host)) = (&mut item, host) {
                item.insert("servers".into(), json!([{ "url": host }]));
            }
            let path = renamed.paths.get(&path).cloned().unwrap_or(path);
            self.paths.insert(path, item);
        }
        for (key, mut item) in webhooks {
            tag(&mut item, title, &mut tags);
            self.webhooks.insert(format!("{}{key}", renamed.prefix), item);
        }
        for (kind, all) in components {
            let (Value::Object(all), Value::Object(merged)) =
                (all, self.components.entry(&*kind).or_insert_with(|| json!({})))
            else {
                continue;
            };
            // Those are the gateway's, and the same for all.
            let is_ours = kind == "securitySchemes";
            let called = |key| if is_ours { key } else { format!("{}{key}", renamed.prefix) };
            merged.extend(all.into_iter().map(|(key, value)| (called(key), value)));
        }
        self.group(&document, title, &tags);
        document.retain(|key, _| !KNOWN.contains(&&**key));
        if !document.is_empty() {
            self.others.insert(name.to_owned(), Value::Object(document));
        }
    }

    /// What stands before the names of an API's components: of the signs only that names may have.
    fn prefix(&mut self, name: &str) -> String {
        let sign = |sign: char| match sign.is_ascii_alphanumeric() || "-_".contains(sign) {
            true => sign,
            false => '_',
        };
        let name: String = name.chars().map(sign).collect();
        let mut numbered = (2..).map(|number| format!("{name}{number}."));
        let mut free = format!("{name}.");
        while !self.prefixes.insert(free.clone()) {
            free = numbered.next().unwrap_or_default();
        }
        free
    }

    /// What the paths of an API are called here.
    fn called(&self, document: &Value, name: &str, base: &str) -> BTreeMap<String, String> {
        let paths = document.get("paths").and_then(Value::as_object);
        let paths = paths.into_iter().flatten().map(|(path, _)| path);
        let paths = paths.filter(|path| path.starts_with('/'));
        let called = paths.map(|path| {
            let mut whole = format!("{base}{path}");
            if self.paths.contains_key(&whole) {
                // The same at another host: a document has no two, and nobody is sent a fragment.
                whole = format!("{whole}#{name}");
            }
            (path.clone(), whole)
        });
        called.collect()
    }

    /// Adds the tags of an API, with what its document says of them.
    fn group(&mut self, document: &Map<String, Value>, title: &str, tags: &[String]) {
        let written = document.get("tags").and_then(Value::as_array).map_or(&[][..], |all| all);
        for called in tags {
            let is_it = |tag: &&Value| {
                tag["name"].as_str().is_some_and(|name| tagged(title, Some(name)) == *called)
            };
            let mut tag = written.iter().find(is_it).cloned().unwrap_or_else(|| json!({}));
            tag["name"] = json!(called);
            self.tags.push(tag);
        }
        if !tags.is_empty() {
            self.groups.push(json!({ "name": title, "tags": tags }));
        }
    }
}

/// Keys that are merged, or are nobody's but the document's itself.
const KNOWN: [&str; 7] =
    ["openapi", "info", "servers", "tags", "externalDocs", "jsonSchemaDialect", "security"];

/// What an API's things are called in a document of all.
struct Renamed<'a> {
    /// What stands before names of components.
    prefix: String,
    name: &'a str,
    /// Its paths, by what its own document calls them.
    paths: BTreeMap<String, String>,
}

impl Renamed<'_> {
    /// Lets what an object refers to be where it is now.
    fn refer(&self, object: &mut Map<String, Value>) {
        let discriminates = object.get("propertyName").is_some_and(Value::is_string);
        for (key, value) in object.iter_mut() {
            match (&**key, value) {
                ("$ref" | "operationRef", Value::String(reference)) => {
                    if let Some(now) = self.place(reference) {
                        *reference = now;
                    }
                }
                ("operationId", Value::String(id)) => *id = self.called(id),
                ("mapping", Value::Object(mapping)) if discriminates => self.discriminate(mapping),
                _ => {}
            }
        }
    }

    fn called(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What a discriminator names: references, or schemas by their names.
    fn discriminate(&self, mapping: &mut Map<String, Value>) {
        for (_, value) in mapping.iter_mut() {
            let Value::String(named) = value else { continue };
            *named = match named.starts_with('#') {
                true => self.place(named).unwrap_or_default(),
                false => self.called(named),
            };
        }
    }

    /// Where it is now what a reference within the document leads to.
    fn place(&self, reference: &str) -> Option<String> {
        let pointer = reference.strip_prefix("#/")?;
        let (top, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
        Some(match top {
            "components" => match rest.split_once('/') {
                Some((kind, name)) if kind != "securitySchemes" => {
                    format!("#/components/{kind}/{}{name}", self.prefix)
                }
                _ => return None,
            },
            "webhooks" => format!("#/webhooks/{}{rest}", self.prefix),
            "paths" => {
                let (path, within) = rest.split_once('/').unwrap_or((rest, ""));
                let mut place = "#/paths".to_owned();
                descend(&mut place, self.paths.get(&unescaped(path))?);
                if within.is_empty() { place } else { format!("{place}/{within}") }
            }
            _ => {
                let mut place = format!("#/{OTHERS}");
                descend(&mut place, self.name);
                format!("{place}/{pointer}")
            }
        })
    }
}

/// Tags the operations of a path; `tags` are those that there are so far.
fn tag(item: &mut Value, title: &str, tags: &mut Vec<String>) {
    let keys = item.as_object_mut().into_iter().flatten();
    let operations = keys.filter(|(key, _)| METHODS.contains(&&***key));
    for operation in operations.filter_map(|(_, operation)| operation.as_object_mut()) {
        let own = operation.get("tags").and_then(Value::as_array).into_iter().flatten();
        let own = own.filter_map(Value::as_str).map(|tag| tagged(title, Some(tag)));
        let mut own: Vec<_> = own.collect();
        if own.is_empty() {
            own.push(tagged(title, None));
        }
        let new: Vec<_> = own.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
        tags.extend(new);
        operation.insert("tags".into(), json!(own));
    }
}

/// A tag as one of an API.
fn tagged(title: &str, tag: Option<&str>) -> String {
    tag.map_or_else(|| title.to_owned(), |tag| format!("{title}: {tag}"))
}

/// The host of a server, with its slashes, if it has one, and the path behind it.
fn apart(server: &str) -> (Option<&str>, &str) {
    let (host, base) = match server.strip_prefix("//") {
        Some(rest) => match rest.find('/') {
            Some(at) => (Some(&server[..at + 2]), &rest[at..]),
            None => (Some(server), ""),
        },
        None => (None, server),
    };
    (host, base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(server: &str) -> Value {
        json!({
            "openapi": "3.1.0",
            "servers": [{ "url": server }],
            "tags": [{ "name": "orders", "description": "What was bought." }],
            "x-forms": { "id": { "type": "integer" } },
            "paths": { "/orders": {
                "parameters": [{ "$ref": "#/components/parameters/page" }],
                "get": { "operationId": "list", "tags": ["orders"], "security": [{ "key": [] }],
                    "responses": { "200": { "content": { "application/json": { "schema": {
                        "$ref": "#/components/schemas/Order" } } },
                        "links": { "next": { "operationId": "list" },
                            "first": { "operationRef": "#/paths/~1orders/get" } } } } },
                "post": { "operationId": "add" },
            } },
            "components": {
                "securitySchemes": { "key": { "type": "apiKey" } },
                "parameters": { "page": { "in": "query" } },
                "schemas": {
                    "Order": { "properties": {
                        "id": { "$ref": "#/x-forms/id" },
                        // No discriminator.
                        "mapping": { "type": "object" },
                        "part": { "$ref": "#/components/schemas/Part/properties/a" },
                    } },
                    "Part": { "properties": { "a": {} }, "discriminator": { "propertyName": "kind",
                        "mapping": { "o": "Order", "p": "#/components/schemas/Part" } } },
                },
            },
        })
    }

    fn all(servers: &[(&'static str, &str)]) -> Value {
        let shown = |(name, server): &(&'static str, &str)| Shown {
            name,
            title: name,
            document: shop(server),
        };
        merged("All", servers.iter().map(shown))
    }

    /// All references within a value.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match (&**key, value) {
                        ("$ref" | "operationRef", Value::String(text)) => found.push(text.clone()),
                        _ => references(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn apis_stand_beside_each_other_and_every_reference_leads_to_its_own() {
        let made = all(&[("shop", "/v1"), ("my bank", "//bank.example/v2/"), ("old", "/")]);
        let mut found = Vec::new();
        references(&made, &mut found);
        assert_eq!(found.len(), 15);
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(made.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        assert!(made["paths"]["/v1/orders"].get("servers").is_none());
        assert_eq!(made["paths"]["/v2/orders"]["servers"], json!([{ "url": "//bank.example" }]));
        let get = &made["paths"]["/v1/orders"]["get"];
        assert_eq!(get["operationId"], "shop.list");
        assert_eq!(get["security"], json!([{ "key": [] }]), "the gateway's, and the same for all");
        assert_eq!(get["responses"]["200"]["links"]["next"]["operationId"], "shop.list");
        let schemas = &made["components"]["schemas"];
        let part = &schemas["my_bank.Part"]["discriminator"];
        assert_eq!(part["mapping"]["o"], "my_bank.Order");
        assert_eq!(part["mapping"]["p"], "#/components/schemas/my_bank.Part");
        assert_eq!(schemas["shop.Order"]["properties"]["mapping"]["type"], "object");
    }

    #[test]
    fn tags_are_those_of_an_api() {
        let made = all(&[("a", "/a"), ("b", "/b")]);
        assert_eq!(made["paths"]["/a/orders"]["get"]["tags"], json!(["a: orders"]));
        assert_eq!(made["paths"]["/b/orders"]["post"]["tags"], json!(["b"]));
        assert_eq!(
            made["x-tagGroups"],
            json!([{ "name": "a", "tags": ["a: orders", "a"] },
                { "name": "b", "tags": ["b: orders", "b"] }])
        );
        let told = json!({ "name": "a: orders", "description": "What was bought." });
        assert_eq!(made["tags"][0], told);
    }

    #[test]
    fn names_that_only_signs_tell_apart_stay_apart() {
        let made = all(&[("a.b", "/1"), ("a_b", "/2"), ("a b", "/3")]);
        let schemas = made["components"]["schemas"].as_object().unwrap();
        let names: Vec<_> = schemas.keys().filter(|name| name.ends_with(".Order")).collect();
        assert_eq!(names, ["a_b.Order", "a_b2.Order", "a_b3.Order"]);
        assert_eq!(made["paths"]["/2/orders"]["get"]["operationId"], "a_b2.list");
    }

    #[test]
    fn two_hosts_may_have_the_same_path() {
        let made = all(&[("a", "//a.example"), ("b", "//b.example")]);
        let links = &made["paths"]["/orders#b"]["get"]["responses"]["200"]["links"];
        assert_eq!(links["first"]["operationRef"], "#/paths/~1orders#b/get");
        assert_eq!(made["paths"]["/orders"]["servers"][0]["url"], "//a.example");
        assert_eq!(made["paths"]["/orders#b"]["servers"][0]["url"], "//b.example");
    }
}
