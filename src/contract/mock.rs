//! Answers without an origin: from a document's examples, or made to its schemas.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::{document::Document, operation::Operation};

/// How deep an answer is made.
const MAX_DEPTH: u8 = 8;

/// Values that an answer is made of at most.
const MAX_VALUES: u16 = 1_000;

/// Bytes of an answer that is made.
const MAX_SIZE: usize = 256 << 10;

/// An answer that can be given.
#[derive(Clone, Debug)]
pub(super) struct Example {
    /// Its name, if it is one of several.
    pub(super) name: Option<Box<str>>,
    /// The type of its body; none without a body.
    pub(super) kind: Option<HeaderValue>,
    pub(super) body: Bytes,
}

/// An answer of an operation without an origin.
#[derive(Debug)]
pub struct Mocked<'o> {
    /// Its status.
    pub status: StatusCode,
    /// The type of its body, if it has one.
    pub kind: Option<&'o HeaderValue>,
    /// Its body.
    pub body: Bytes,
}

impl Operation {
    /// The answer of an operation that has no origin: the one that `Prefer: code=404, example=gone`
    /// (RFC 7240) asks for, or the first good one.
    pub fn mock(&self, headers: &HeaderMap) -> Mocked<'_> {
        let wanted = |name: &str| preferred(headers, name);
        let by_status = &self.answers.by_status;
        let code = wanted("code").and_then(|code| code.parse::<StatusCode>().ok());
        let asked = code.and_then(|code| Some((code, self.answers.of(code)?)));
        let good = by_status.iter().find(|(status, _)| status.starts_with('2'));
        let first = good.or_else(|| by_status.iter().next());
        let first = first.map(|(status, promise)| (status_of(status), promise));
        let Some((status, promise)) = asked.or(first) else {
            return Mocked { status: StatusCode::NO_CONTENT, kind: None, body: Bytes::new() };
        };
        let name = wanted("example");
        let named = |example: &&Example| name.is_some() && example.name.as_deref() == name;
        let examples = &promise.examples;
        match examples.iter().find(named).or_else(|| examples.first()) {
            Some(example) => {
                Mocked { status, kind: example.kind.as_ref(), body: example.body.clone() }
            }
            None => Mocked { status, kind: None, body: Bytes::new() },
        }
    }
}

/// The status of an answer that is promised for several.
fn status_of(written: &str) -> StatusCode {
    let digits = written.replace(['X', 'x'], "0");
    digits.parse().unwrap_or(StatusCode::OK)
}

fn preferred<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let fields = headers.get_all("prefer").iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split([',', ';'])).filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    });
    pairs.next()
}

/// The examples of an answer's content: those that are written, or one made to its schema.
pub(super) fn examples(document: &Document, kind: &str, media: &Value) -> Vec<Example> {
    let json = kind.contains("json") || kind.contains('*');
    let named = if kind.contains('*') { "application/json" } else { kind };
    let own = HeaderValue::from_str(named).ok();
    let make = |name: Option<&String>, value: &Value| {
        let body = match value {
            Value::String(text) if !json => text.clone().into_bytes(),
            value => serde_json::to_vec_pretty(value).unwrap_or_default(),
        };
        let small = body.len() <= MAX_SIZE;
        let name = name.map(|name| name.as_str().into());
        small.then(|| Example { name, kind: own.clone(), body: body.into() })
    };
    if let Some(example) = media.get("example") {
        return make(None, example).into_iter().collect();
    }
    let named = media.get("examples").and_then(Value::as_object).into_iter().flatten();
    let named = named.filter_map(|(name, example)| {
        let reference = example.get("$ref").and_then(Value::as_str);
        let example = reference.and_then(|text| document.at(text).ok()).unwrap_or(example);
        make(Some(name), example.get("value")?)
    });
    let written: Vec<_> = named.collect();
    if !written.is_empty() {
        return written;
    }
    let Some(schema) = media.get("schema") else { return Vec::new() };
    let made = Maker { document, left: MAX_VALUES }.sample(schema, MAX_DEPTH);
    make(None, &made).into_iter().collect()
}

/// Makes values, and no more than so many.
struct Maker<'d> {
    document: &'d Document,
    left: u16,
}

impl Maker<'_> {
    /// A value that a schema takes, as far as that can be made without trying.
    fn sample(&mut self, schema: &Value, depth: u8) -> Value {
        let Some(left) = self.left.checked_sub(1) else { return Value::Null };
        self.left = left;
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let referred = self.document.at(reference).ok().zip(depth.checked_sub(1));
            return referred.map_or(Value::Null, |(schema, depth)| self.sample(schema, depth));
        }
        let written = ["example", "const", "default"].into_iter().find_map(|key| schema.get(key));
        let first = |key: &str| schema.get(key).and_then(Value::as_array)?.first();
        if let Some(value) = written.or_else(|| first("examples")).or_else(|| first("enum")) {
            return value.clone();
        }
        if let Some(schema) = first("oneOf").or_else(|| first("anyOf")) {
            return self.sample(schema, depth);
        }
        let kind = match schema.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str).unwrap_or("null"),
            _ if schema.get("items").is_some() => "array",
            _ => "object",
        };
        match kind {
            "object" => self.object(schema, depth),
            "array" => self.list(schema, depth),
            "string" => Value::from(text(schema)),
            "integer" | "number" => number(schema),
            "boolean" => Value::Bool(true),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, depth: u8) -> Value {
        let mut made = Map::new();
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if let Value::Object(more) = self.sample(part, depth) {
                made.extend(more);
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let must = required.is_some_and(|names| names.iter().any(|known| known == name));
            let hidden = property.get("writeOnly") == Some(&Value::Bool(true));
            match depth.checked_sub(1).filter(|_| self.left > 0) {
                Some(depth) if !hidden => {
                    made.insert(name.clone(), self.sample(property, depth));
                }
                None if must => {
                    made.insert(name.clone(), Value::Null);
                }
                _ => {}
            }
        }
        Value::Object(made)
    }

    fn list(&mut self, schema: &Value, depth: u8) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(0, 8);
        let least = if schema.get("maxItems") == Some(&json!(0)) { 0 } else { least.max(1) };
        match (schema.get("items"), depth.checked_sub(1)) {
            (Some(items), Some(depth)) => (0..least).map(|_| self.sample(items, depth)).collect(),
            _ => json!([]),
        }
    }
}

fn text(schema: &Value) -> String {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-01-01T12:00:00Z",
        Some("date") => "2026-01-01",
        Some("time") => "12:00:00Z",
        Some("email") => "somebody@example.com",
        Some("uuid") => "0190a7a2-6f0f-7000-8000-000000000001",
        Some("uri" | "url" | "uri-reference") => "https://example.com/",
        Some("hostname") => "example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("byte") => "dGV4dA==",
        _ => "text",
    };
    let bound = |key: &str| {
        let bound = schema.get(key).and_then(Value::as_u64);
        bound.map(|bound| usize::try_from(bound).unwrap_or(usize::MAX))
    };
    let least = bound("minLength").unwrap_or(0).min(1_000);
    let mut text = text.to_owned();
    while text.len() < least {
        text.push('x');
    }
    text.truncate(bound("maxLength").unwrap_or(usize::MAX));
    text
}

fn number(schema: &Value) -> Value {
    let bound = |key: &str| schema.get(key).filter(|value| value.is_number()).cloned();
    let above = schema.get("exclusiveMinimum").and_then(Value::as_i64).map(|least| least + 1);
    let most = bound("maximum").filter(|most| most.as_f64().is_some_and(|most| most < 1.0));
    bound("minimum").or_else(|| above.map(Value::from)).or(most).unwrap_or_else(|| json!(1))
}
