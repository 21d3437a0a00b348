//! What is left of a document when operations were taken from it: nothing that only those had to do with.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Takes away components and tags that nothing refers to any more. Security schemes stay.
pub(super) fn prune(document: &mut Map<String, Value>) {
    let mut used = BTreeSet::new();
    let mut tags = BTreeSet::new();
    for part in ["paths", "webhooks"] {
        let items = document.get(part).and_then(Value::as_object).into_iter().flatten();
        for operation in items.flat_map(|(_, item)| item.as_object()).flat_map(Map::values) {
            let own = operation.get("tags").and_then(Value::as_array).into_iter().flatten();
            tags.extend(own.filter_map(Value::as_str).map(str::to_owned));
        }
        if let Some(part) = document.get(part) {
            gather(part, &mut used);
        }
    }
    if let Some(Value::Array(written)) = document.get_mut("tags") {
        written.retain(|tag| tag["name"].as_str().is_some_and(|name| tags.contains(name)));
    }
    let Some(Value::Object(components)) = document.get_mut("components") else { return };
    let mut followed = BTreeSet::new();
    while let Some(next) = used.difference(&followed).next().cloned() {
        if let Some(component) = components.get(&next.0).and_then(|kind| kind.get(&next.1)) {
            gather(component, &mut used);
        }
        followed.insert(next);
    }
    for (kind, all) in components.iter_mut().filter(|(kind, _)| *kind != "securitySchemes") {
        if let Value::Object(all) = all {
            all.retain(|name, _| used.contains(&(kind.clone(), name.clone())));
        }
    }
    components.retain(|_, all| all.as_object().is_none_or(|all| !all.is_empty()));
}

/// Finds the components that are referred to: by kind and name.
fn gather(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        // References, and what a discriminator names.
        Value::String(text) => found.extend(named(text)),
        Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
        Value::Object(object) => {
            if let Some(Value::Object(mapping)) = object.get("mapping") {
                let names = mapping.values().filter_map(Value::as_str);
                found.extend(names.map(|name| ("schemas".to_owned(), name.to_owned())));
            }
            object.values().for_each(|value| gather(value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn named(reference: &str) -> Option<(String, String)> {
    let (kind, rest) = reference.strip_prefix("#/components/")?.split_once('/')?;
    Some((kind.to_owned(), unescaped(rest.split('/').next().unwrap_or_default())))
}

/// The name that a part of a reference is.
pub(super) fn unescaped(part: &str) -> String {
    let name = percent_encoding::percent_decode_str(part).decode_utf8_lossy();
    name.replace("~1", "/").replace("~0", "~")
}
