//! Who an operation asks for, by its document: security schemes are names of `[auth.NAME]`.
//!
//! What cannot be said here as it is said there is an error, never something weaker.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::document::{Document, Fault, Place};
use crate::config::Require;

/// Who an operation asks for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Security {
    /// Names of `[auth.NAME]`.
    pub(super) auth: Vec<String>,
    /// Whether any of them is enough.
    pub(super) require: Require,
    /// Scopes, each of which is asked for.
    pub(super) scopes: Vec<String>,
}

/// Who an operation asks for; `at` is its place.
///
/// # Errors
/// A scheme that is not mapped, or a combination that cannot be said here.
pub(super) fn security(
    document: &Document,
    operation: &Value,
    mapped: &BTreeMap<String, String>,
    at: &Place,
) -> Result<Security, Fault> {
    let (written, place) = match operation.get("security") {
        Some(written) => (Some(written), at.key("security")),
        None => (document.root.get("security"), Place::default().key("security")),
    };
    let alternatives = match written {
        None => return Ok(Security::default()),
        Some(Value::Array(alternatives)) => alternatives,
        Some(_) => {
            return Err(
                Fault::new(&place, "a list is expected here").help("security: [{ scheme: [] }]")
            );
        }
    };
    let mut ways = Vec::new();
    for (index, alternative) in alternatives.iter().enumerate() {
        let place = place.index(index);
        let Value::Object(schemes) = alternative else {
            return Err(Fault::new(&place, "an object is expected here"));
        };
        let mut way = Vec::new();
        for (scheme, scopes) in schemes {
            let place = place.key(scheme);
            let auth = mapped.get(scheme).ok_or_else(|| unmapped(document, scheme, &place))?;
            let scopes = Vec::<String>::deserialize(scopes)
                .map_err(|_| Fault::new(&place, "a list of scopes is expected here"))?;
            way.push((auth.clone(), scopes));
        }
        ways.push(way);
    }
    combine(ways, &place)
}

fn combine(mut ways: Vec<Vec<(String, Vec<String>)>>, place: &Place) -> Result<Security, Fault> {
    let help = "say who may come with `auth` and `allow` in `[api.NAME.operations.ID]`";
    if ways.iter().any(Vec::is_empty) {
        // Somebody without credentials is welcome, so nobody has to have any.
        if ways.iter().all(Vec::is_empty) {
            return Ok(Security::default());
        }
        let what = "credentials that may be left out cannot be asked for";
        return Err(Fault::new(place, what).help(help));
    }
    if ways.len() < 2 {
        let way = ways.pop().unwrap_or_default();
        let scopes = way.iter().flat_map(|(_, scopes)| scopes.clone()).collect();
        let auth: Vec<_> = way.into_iter().map(|(auth, _)| auth).collect();
        let require = if auth.len() > 1 { Require::All } else { Require::Any };
        return Ok(Security { auth, require, scopes });
    }
    let scopes = ways[0].first().map(|(_, scopes)| scopes.clone()).unwrap_or_default();
    if ways.iter().any(|way| way.len() > 1 || way[0].1 != scopes) {
        let what =
            "alternatives of several schemes, or with scopes of their own, cannot be asked for";
        return Err(Fault::new(place, what).help(help));
    }
    let auth = ways.into_iter().flatten().map(|(auth, _)| auth);
    Ok(Security { auth: auth.collect(), require: Require::Any, scopes })
}

fn unmapped(document: &Document, scheme: &str, place: &Place) -> Fault {
    let known = document.root.pointer("/components/securitySchemes");
    if known.and_then(|known| known.get(scheme)).is_none() {
        return Fault::new(place, format!("there is no security scheme `{scheme}`"));
    }
    Fault::new(place, format!("nothing says who `{scheme}` knows"))
        .help(format!("security = {{ {scheme} = \"the name of an [auth.NAME]\" }}"))
}

/// Names of query parameters that carry credentials, so that they are known.
pub(super) fn query_credentials(document: &Document) -> Vec<Box<str>> {
    let schemes = document.root.pointer("/components/securitySchemes").and_then(Value::as_object);
    let keys = schemes.into_iter().flat_map(|schemes| schemes.values()).filter_map(|scheme| {
        let key = scheme.get("type")? == "apiKey" && scheme.get("in")? == "query";
        scheme.get("name")?.as_str().filter(|_| key)
    });
    keys.map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_document_asks_for_is_asked_for_or_is_an_error() {
        let schemes = ["key", "oauth", "basic", "free"].map(|name| (name.to_owned(), json!({})));
        let document = Document::of(json!({
            "openapi": "3.1.0",
            "components": { "securitySchemes": Value::Object(schemes.into_iter().collect()) },
            "security": [{ "key": [] }],
        }));
        let document = document.unwrap();
        let mapped = ["key", "oauth", "basic"].map(|name| (name.to_owned(), format!("a-{name}")));
        let mapped = BTreeMap::from(mapped);
        for (operation, expected) in [
            (json!({}), Ok("any a-key")),
            (json!({ "security": [] }), Ok("any ")),
            (json!({ "security": [{}] }), Ok("any ")),
            (json!({ "security": [{ "oauth": ["r", "w"] }] }), Ok("any a-oauth r w")),
            (json!({ "security": [{ "key": [] }, { "basic": [] }] }), Ok("any a-key a-basic")),
            (json!({ "security": [{ "key": [], "basic": [] }] }), Ok("all a-basic a-key")),
            (json!({ "security": { "key": [] } }), Err("a list is expected here")),
            (json!({ "security": null }), Err("a list is expected here")),
            (json!({ "security": ["key"] }), Err("an object is expected here")),
            (json!({ "security": [{ "oauth": "r" }] }), Err("a list of scopes is expected here")),
            (
                json!({ "security": [{ "oauth": ["r", 1] }] }),
                Err("a list of scopes is expected here"),
            ),
            (json!({ "security": [{ "free": [] }] }), Err("nothing says who `free` knows")),
            (json!({ "security": [{ "nope": [] }] }), Err("there is no security scheme `nope`")),
            (json!({ "security": [{ "key": [] }, {}] }), Err("credentials that may be left out")),
            (json!({ "security": [{ "oauth": ["r"] }, { "key": [] }] }), Err("alternatives of")),
            (
                json!({ "security": [{ "oauth": [], "key": [] }, { "basic": [] }] }),
                Err("alternatives of"),
            ),
        ] {
            let made = security(&document, &operation, &mapped, &Place::default());
            match (made, expected) {
                (Ok(made), Ok(expected)) => {
                    let word = if made.require == Require::All { "all" } else { "any" };
                    let (mut auth, scopes) = (made.auth, made.scopes);
                    if word == "all" {
                        auth.sort();
                    }
                    let told = [vec![word.to_owned()], auth, scopes].concat().join(" ");
                    assert_eq!(told.trim_end(), expected.trim_end(), "{operation}");
                }
                (Err(fault), Err(expected)) => {
                    assert!(fault.what.starts_with(expected), "{operation}: {}", fault.what);
                }
                (made, _) => panic!("{operation}: {made:?}"),
            }
        }
    }
}
