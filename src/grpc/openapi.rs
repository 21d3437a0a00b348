//! A document of OpenAPI 3.1 that describes a service as clients of its JSON see it.
//!
//! In: operations. Out: the document, with what the `.proto` files say in comments; nothing of the origin.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost_reflect::{FileDescriptor, MessageDescriptor};
use serde_json::{Map, Value as Json, json};

use super::{
    Services,
    operation::{Operation, Payload},
    query,
    schema::Schemas,
};
use crate::message::descend;

/// How deep parameters of the query are listed; deeper ones are taken all the same.
const DEPTH: usize = 3;

impl Services {
    /// The document; `base` stands before all paths.
    pub fn openapi(&self, title: &str, base: &str) -> Json {
        let mut schemas = Schemas::default();
        let mut paths: BTreeMap<String, Map<String, Json>> = BTreeMap::new();
        let mut comments = Comments::default();
        let mut used: HashMap<&str, usize> = HashMap::new();
        for operation in &self.operations {
            let count = used.entry(&operation.id).or_default();
            *count += 1;
            let mut id = operation.id.to_string();
            if *count > 1 {
                id.push_str(&format!("_{count}"));
            }
            let described = describe(operation, id, &mut schemas, &mut comments);
            let path = template(&format!("{base}{}", operation.pattern));
            let method = operation.method.as_str().to_ascii_lowercase();
            paths.entry(path).or_default().insert(method, described);
        }
        let mut components = schemas.finish(&mut comments);
        components.insert("Problem".into(), problem());
        json!({
            "openapi": "3.1.0",
            "info": { "title": title, "version": "1" },
            "paths": paths,
            "components": { "schemas": components },
        })
    }
}

impl Operation {
    /// Its place in the document, as a JSON pointer, where its route has this path.
    pub fn pointer(&self, path: &str) -> String {
        let mut pointer = "/paths".to_owned();
        descend(&mut pointer, &template(path));
        descend(&mut pointer, &self.method.as_str().to_ascii_lowercase());
        pointer
    }
}

/// A path as documents have it.
fn template(pattern: &str) -> String {
    pattern.replace("*}", "}")
}

/// One operation.
fn describe(
    operation: &Operation,
    id: String,
    schemas: &mut Schemas,
    comments: &mut Comments,
) -> Json {
    let method = &operation.rpc.method;
    let mut described = Map::new();
    described.insert("operationId".into(), id.into());
    described.insert("tags".into(), json!([method.parent_service().name()]));
    if let Some(text) = comments.of(&method.parent_file(), method.path()) {
        let summary = text.lines().next().unwrap_or_default().trim_end_matches('.');
        described.insert("summary".into(), summary.into());
        described.insert("description".into(), text.into());
    }
    let parameters = parameters(operation, schemas);
    if !parameters.is_empty() {
        described.insert("parameters".into(), parameters.into());
    }
    let input = match &operation.body {
        Payload::None => None,
        Payload::Whole => Some(schemas.message(&operation.rpc.input)),
        Payload::Field(field) => Some(schemas.field(field)),
    };
    if let Some(schema) = input {
        let body =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        described.insert("requestBody".into(), body);
    }
    let output = match &operation.answer {
        Payload::Field(field) => schemas.field(field),
        Payload::Whole | Payload::None => schemas.message(&operation.rpc.output),
    };
    let content = match operation.streams() {
        false => json!({ "application/json": { "schema": output } }),
        true => json!({
            "application/x-ndjson": { "schema": output },
            "text/event-stream": { "schema": output },
        }),
    };
    let failed = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    described.insert(
        "responses".into(),
        json!({
            "200": { "description": if operation.streams() { "Messages, one after the other." } else { "The answer." }, "content": content },
            "default": { "description": "Why there is none.", "content": failed },
        }),
    );
    described.into()
}

/// Parameters of path and query.
fn parameters(operation: &Operation, schemas: &mut Schemas) -> Vec<Json> {
    let mut list = Vec::new();
    let simple: HashMap<&str, _> =
        operation.in_path().filter_map(|(name, path)| Some((name, path.last()?.clone()))).collect();
    for name in operation.pattern.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let name = name.trim_end_matches('*');
        let field = simple.get(&*name.replace('-', ".")).filter(|_| {
            // One that is a piece of a value is text.
            operation.params().any(|param| param == name)
        });
        let schema =
            field.map_or_else(|| json!({ "type": "string" }), |field| schemas.field(field));
        list.push(json!({ "name": name, "in": "path", "required": true, "schema": schema }));
    }
    if !matches!(operation.body, Payload::Whole) {
        let mut seen = HashSet::new();
        let taken = |name: &str| {
            let by_body = match &operation.body {
                Payload::Field(field) => name.split('.').next() == Some(field.name()),
                Payload::None | Payload::Whole => false,
            };
            by_body || simple.contains_key(name)
        };
        in_query(&operation.rpc.input, ("", ""), DEPTH, &mut seen, &taken, schemas, &mut list);
    }
    list
}

/// The parameters that fields of a message are, by their names in JSON, with what stands before them.
fn in_query(
    message: &MessageDescriptor,
    (name, json): (&str, &str),
    depth: usize,
    seen: &mut HashSet<String>,
    taken: &dyn Fn(&str) -> bool,
    schemas: &mut Schemas,
    list: &mut Vec<Json>,
) {
    if depth == 0 || !seen.insert(message.full_name().into()) {
        return;
    }
    for field in message.fields() {
        let (name, json) =
            (format!("{name}{}", field.name()), format!("{json}{}", field.json_name()));
        if taken(&name) {
            continue;
        }
        if query::takes_text(&field) {
            list.push(json!({ "name": json, "in": "query", "schema": schemas.field(&field) }));
        } else if let Some(inner) =
            field.kind().as_message().filter(|_| !field.is_list() && !field.is_map())
        {
            let (name, json) = (format!("{name}."), format!("{json}."));
            in_query(inner, (&name, &json), depth - 1, seen, taken, schemas, list);
        }
    }
    seen.remove(message.full_name());
}

/// What every failure looks like.
fn problem() -> Json {
    json!({
        "type": "object",
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "string", "description": "The name of a google.rpc.Code, where the service failed." },
            "reason": { "type": "string", "description": "Why the gateway refused, where it did." },
            "details": { "type": "array", "items": { "type": "object" } },
        },
    })
}

/// What `.proto` files say in comments, by file and place.
#[derive(Debug, Default)]
pub(super) struct Comments {
    files: HashMap<String, HashMap<Vec<i32>, String>>,
}

impl Comments {
    /// The comment before what is at this place.
    pub(super) fn of(&mut self, file: &FileDescriptor, path: &[i32]) -> Option<String> {
        let read = || {
            let info = file.file_descriptor_proto().source_code_info.iter();
            let places = info.flat_map(|info| &info.location).filter_map(|location| {
                let text = location.leading_comments().trim();
                let lines: Vec<_> = text.lines().map(str::trim).collect();
                (!text.is_empty()).then(|| (location.path.clone(), lines.join("\n")))
            });
            places.collect()
        };
        self.files.entry(file.name().into()).or_insert_with(read).get(path).cloned()
    }
}
