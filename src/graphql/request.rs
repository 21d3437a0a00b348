//! GraphQL over HTTP: what a request asks, by GET or by POST (`graphql-over-http`, and persisted documents).
//!
//! In: a query, or a body of JSON. Out: [`Call`]s. What could be read in two ways is refused: a parameter or a
//! member that is there twice, a value of another type than it has to be.

use std::borrow::Cow;

use http::{HeaderMap, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{Refused, persisted::sha256};
use crate::{
    message::{
        Part, Violation, Violations, charsets, essence, form_text, is_plain, pairs, parse_json,
    },
    reject::Reject,
};

/// What one operation of a request is.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    pub(super) text: Option<Cow<'a, str>>,
    /// What the document is called, if it is named.
    pub(super) id: Option<Cow<'a, str>>,
    /// The SHA-256 of the document, as clients with automatic persisted queries say it.
    pub(super) hash: Option<String>,
    pub(super) operation: Option<Cow<'a, str>>,
    pub(super) variables: Cow<'a, Map<String, Value>>,
}

/// Members and parameters that name a document.
const NAMES: [&str; 2] = ["documentId", "id"];

/// Parameters of a query that say what is asked.
const PARAMETERS: [&str; 6] =
    ["query", "operationName", "variables", "extensions", "documentId", "id"];

fn malformed(violation: Violation) -> Refused {
    Refused::with(Reject::GraphqlRequest, violation)
}

impl<'a> Call<'a> {
    /// What a body of JSON says; `pointer` is where it stands.
    pub(super) fn of_json(value: &'a Value, pointer: &str) -> Result<Self, Refused> {
        let fault = |key: &str, says: &str| {
            malformed(Violation::body(format!("{pointer}{key}"), says.to_owned()))
        };
        let object = value.as_object().ok_or_else(|| fault("", "is no object"))?;
        if let Some(name) = object.keys().find(|name| is_mistaken(name)) {
            return Err(fault(&format!("/{name}"), "would be taken for another member by some"));
        }
        let text = |key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(Cow::Borrowed(&**text))),
            Some(_) => Err(fault(&format!("/{key}"), "is no text")),
        };
        let map = |key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(fault(&format!("/{key}"), "is no object")),
        };
        let (named, written) = (text(NAMES[0])?, text("query")?);
        // Beside a text an `id` is something of the client's own.
        let id = if written.is_none() { text(NAMES[1])? } else { None };
        let hash = map("extensions")?.map(hash).transpose();
        let hash = hash.map_err(|says| fault("/extensions/persistedQuery", says))?;
        Ok(Self {
            text: written,
            id: named.or(id),
            hash: hash.flatten(),
            operation: text("operationName")?,
            variables: map("variables")?.map_or_else(Cow::default, Cow::Borrowed),
        })
    }

    /// What a query says.
    pub(super) fn of_query(query: &'a str) -> Result<Self, Refused> {
        let (mut call, mut id) = (Self::default(), None);
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        if let Some(name) = hidden(query) {
            return Err(malformed(Violation::parameter(Part::Query, &name, "is hidden")));
        }
        for (name, raw) in pairs(query) {
            let fault =
                |name: &str, says: &str| malformed(Violation::parameter(Part::Query, name, says));
            let name = form_text(name).ok_or_else(|| fault("", "is not UTF-8"))?;
            if !PARAMETERS.contains(&&*name) {
                continue;
            }
            if seen.contains(&name) {
                return Err(fault(&name, "is there more than once"));
            }
            let text = form_text(raw).ok_or_else(|| fault(&name, "is not UTF-8"))?;
            let map = |text: &str| match parse_json(text.as_bytes(), DEPTH) {
                Ok(Value::Object(map)) => Ok(Some(map)),
                Ok(Value::Null) => Ok(None),
                _ if text.is_empty() => Ok(None),
                _ => Err(fault(&name, "is no object of JSON")),
            };
            match &*name {
                "query" => call.text = Some(text),
                "operationName" => call.operation = Some(text).filter(|text| !text.is_empty()),
                "variables" => call.variables = Cow::Owned(map(&text)?.unwrap_or_default()),
                "extensions" => {
                    let said = map(&text)?.as_ref().map(hash).transpose();
                    call.hash = said.map_err(|says| fault("extensions", says))?.flatten();
                }
                "id" => id = Some(text).filter(|text| !text.is_empty()),
                _ => call.id = Some(text).filter(|text| !text.is_empty()),
            }
            seen.push(name);
        }
        // Beside a text an `id` is something of the client's own.
        if call.text.is_none() && call.id.is_none() {
            call.id = id;
        }
        Ok(call)
    }

    /// Whether the hash that is said is that of the text.
    pub(super) fn is_true(&self) -> bool {
        match (&self.text, &self.hash) {
            (Some(text), Some(hash)) => sha256(text) == *hash,
            _ => true,
        }
    }
}

/// Whether a name is taken for one of ours by servers that do not look at capitals (of JSON those in Go, of
/// parameters those of ASP.NET), or that make lists and objects of brackets.
fn is_mistaken(name: &str) -> bool {
    let stem = name.split(['[', '.']).next().unwrap_or_default().trim();
    let folded = |text: &str| -> String {
        text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
    };
    let stem = folded(stem);
    PARAMETERS.iter().any(|known| name != *known && stem == folded(known))
}

/// A parameter that other servers would find in a query, and we do not.
fn hidden(query: &str) -> Option<Cow<'_, str>> {
    query.split('&').find_map(|pair| {
        let mut parts = pair.split(';').map(|part| {
            let name = part.split('=').next().unwrap_or_default();
            form_text(name).unwrap_or_default()
        });
        let first = parts.next().filter(|name| is_mistaken(name));
        let later = |name: &Cow<'_, str>| PARAMETERS.contains(&&**name) || is_mistaken(name);
        first.or_else(|| parts.find(later))
    })
}

/// The first parameter of a query that says what the body has to say.
pub(super) fn beside_body(query: &str) -> Option<Cow<'_, str>> {
    let names = pairs(query).map(|(name, _)| form_text(name).unwrap_or_default());
    // An `id` is something of the client's own.
    let mut ours = names.filter(|name| PARAMETERS.contains(&&**name) && name != "id");
    ours.next().or_else(|| hidden(query))
}

/// How deep JSON in a query may be nested.
const DEPTH: u8 = 32;

/// What `extensions.persistedQuery` says.
fn hash(extensions: &Map<String, Value>) -> Result<Option<String>, &'static str> {
    let Some(persisted) = extensions.get("persistedQuery").filter(|it| !it.is_null()) else {
        return Ok(None);
    };
    match persisted.get("sha256Hash").and_then(Value::as_str) {
        Some(hash) => Ok(Some(hash.to_ascii_lowercase())),
        None => Err("has no `sha256Hash`"),
    }
}

/// Whether a body may be one: JSON, as it is. A form of another site could send any other type without asking
/// first.
pub(super) fn takes(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // In another charset the same bytes say something else (UTF-7).
    let is_utf8 = charsets(kind).all(|charset| charset.eq_ignore_ascii_case("utf-8"));
    let json = essence(kind) == "application/json" && is_utf8;
    match json && is_plain(headers) && headers.get_all(CONTENT_TYPE).iter().count() == 1 {
        true => Ok(()),
        false => Err(Refused::by(Reject::BodyType)),
    }
}

/// Reads a body; nested no deeper than this.
pub(super) fn body(bytes: &[u8], depth: u8) -> Result<Value, Refused> {
    parse_json(bytes, depth).map_err(|error| {
        let violations = Violations::from(Violation::body("", error.to_string()));
        Refused::with(Reject::BodySyntax, violations)
    })
}

/// Puts the text of a document where its name was, in JSON.
pub(super) fn fill_json(call: &mut Value, text: &str) {
    let Some(object) = call.as_object_mut() else { return };
    for name in NAMES {
        object.remove(name);
    }
    if let Some(extensions) = object.get_mut("extensions").and_then(Value::as_object_mut) {
        extensions.remove("persistedQuery");
        if extensions.is_empty() {
            object.remove("extensions");
        }
    }
    object.insert("query".into(), text.into());
}

const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same in a query.
pub(super) fn fill_query(query: &str, text: &str) -> String {
    let mut made = format!("query={}", utf8_percent_encode(text, &PLAIN));
    for (name, value) in pairs(query) {
        let gone = form_text(name)
            .is_none_or(|name| NAMES.contains(&&*name) || name == "query" || name == "extensions");
        if !gone {
            made.push('&');
            made.push_str(name);
            made.push('=');
            made.push_str(value);
        }
    }
    made
}
