//! Operations of a document, read one by one; everything that is wrong with them is found.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use http::Method;
use serde_json::Value;

use super::{
    answer::{Answers, Promise},
    body::{BodyRule, Content, Depth, Kind, Range},
    compile::{Given, in_route},
    dialect::Side,
    document::{Document, Fault, Place},
    drift::{Drift, Names},
    form::Fields,
    mock,
    operation::Operation,
    parameter::{Parameter, Style},
    schema::Schemas,
    security::query_credentials,
    shape::Shape,
};
use crate::{config, message::Part};

/// Operations that a document may have.
const MAX_OPERATIONS: usize = 10_000;

const METHODS: [(&str, Method); 8] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
    ("trace", Method::TRACE),
];

/// An operation that was read, and where it stands.
pub(super) struct Read<'d> {
    pub(super) operation: Operation,
    pub(super) written: &'d Value,
    pub(super) place: Place,
}

/// Reads operations.
pub(super) struct Reader<'d> {
    document: &'d Document,
    section: &'d config::Api,
    name: Arc<str>,
    /// What was seen of answers in the world before, by operation.
    before: HashMap<&'d str, &'d Arc<Drift>>,
    names: Arc<Names>,
    requests: Schemas<'d>,
    answers: Schemas<'d>,
    credentials: Vec<Box<str>>,
    pub(super) faults: Vec<Fault>,
}

impl<'d> Reader<'d> {
    /// # Errors
    /// What the document refers to cannot be used.
    pub(super) fn new(
        document: &'d Document,
        section: &'d config::Api,
        name: &str,
        given: Given<'d>,
    ) -> Result<Self, Fault> {
        let before = given.before.into_iter().flat_map(|api| &api.policies);
        let before = before.map(|policy| (&*policy.operation.id, &policy.operation.drift));
        Ok(Self {
            document,
            section,
            name: name.into(),
            before: before.collect(),
            names: Arc::new(Names::of(&document.root)),
            requests: Schemas::new(document, Side::Request)?,
            answers: Schemas::new(document, Side::Answer)?,
            credentials: [query_credentials(document), given.credentials.to_vec()].concat(),
            faults: Vec::new(),
        })
    }

    /// All operations, in the document's order.
    pub(super) fn operations(&mut self) -> Vec<Read<'d>> {
        let top = Place::default().key("paths");
        let document = self.document;
        let paths = document.entries(document.root.get("paths"), &top, &mut self.faults);
        let mut found: Vec<Read<'d>> = Vec::new();
        let mut named: HashMap<Box<str>, Place> = HashMap::new();
        let mut taken: HashMap<(String, Method), Place> = HashMap::new();
        for (template, item) in paths.filter(|(name, _)| !name.starts_with("x-")) {
            let place = top.key(template);
            let Some(item) = self.kept(document.follow(item, &place)) else { continue };
            for (word, method) in METHODS {
                let Some(written) = item.get(word) else { continue };
                if found.len() == MAX_OPERATIONS {
                    let what = format!("there are more than {MAX_OPERATIONS} operations");
                    self.faults.push(Fault::new(&top, what));
                    return found;
                }
                let place = place.key(word);
                let operation = self.operation(template, method, (item, written), &place);
                match named.entry(operation.id.clone()) {
                    Entry::Occupied(twin) => {
                        let what = format!("`{}` is also {}", operation.id, twin.get().pointer());
                        self.faults.push(Fault::new(&place.key("operationId"), what));
                    }
                    Entry::Vacant(free) => {
                        free.insert(place.clone());
                    }
                }
                let alike = (without_names(template), operation.method.clone());
                match taken.entry(alike) {
                    Entry::Occupied(twin) => {
                        let what =
                            format!("it takes the same requests as {}", twin.get().pointer());
                        let help = "a path is told from another by more than names in braces";
                        self.faults.push(Fault::new(&place, what).help(help));
                    }
                    Entry::Vacant(free) => {
                        free.insert(place.clone());
                    }
                }
                found.push(Read { operation, written, place });
            }
        }
        found
    }

    fn kept<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn operation(
        &mut self,
        template: &str,
        method: Method,
        (item, written): (&'d Value, &'d Value),
        place: &Place,
    ) -> Operation {
        let text = |key: &str| written.get(key).and_then(Value::as_str);
        let id: Box<str> =
            text("operationId").map_or_else(|| format!("{method} {template}").into(), Into::into);
        let known = self.before.get(&*id).map(|drift| (*drift).clone());
        let in_path = names_in(template);
        let parameters = self.parameters((item, written), &in_path, place);
        Operation {
            id,
            api: self.name.clone(),
            summary: text("summary").map(Into::into),
            enforce: self.section.enforce,
            max_body: self.section.max_body.0,
            drift: known.unwrap_or_default(),
            names: self.names.clone(),
            depth: Depth(self.section.max_depth),
            unknown_query: self.section.unknown_query,
            parameters,
            in_path: in_path
                .into_iter()
                .map(|name| (name.clone(), in_route(&name).into()))
                .collect(),
            credentials: self.credentials.clone(),
            body: self.body(written.get("requestBody"), &place.key("requestBody")),
            answers: self.answers(written.get("responses"), &place.key("responses")),
            method,
            template: template.into(),
        }
    }

    /// The parameters of a path and an operation; what the operation says counts.
    fn parameters(
        &mut self,
        (item, written): (&'d Value, &'d Value),
        in_path: &[Box<str>],
        place: &Place,
    ) -> Vec<Parameter> {
        let mut by_name: BTreeMap<(String, String), (&'d Value, Place)> = BTreeMap::new();
        for holder in [item, written] {
            let list = holder.get("parameters").and_then(Value::as_array);
            for (index, parameter) in list.into_iter().flatten().enumerate() {
                let place = place.key("parameters").index(index);
                let followed = self.document.follow(parameter, &place);
                let Some(parameter) = self.kept(followed) else { continue };
                let text = |key: &str| parameter.get(key).and_then(Value::as_str);
                match (text("in"), text("name")) {
                    (Some(part), Some(name)) => {
                        by_name.insert((part.into(), name.into()), (parameter, place));
                    }
                    _ => {
                        let what = "a parameter has a `name` and says what it is `in`";
                        self.faults.push(Fault::new(&place, what));
                    }
                }
            }
        }
        for name in in_path {
            if !by_name.contains_key(&("path".to_owned(), name.to_string())) {
                let what = format!("nothing says what `{{{name}}}` in the path is");
                self.faults.push(Fault::new(&place.key("parameters"), what));
            }
        }
        let read = by_name.into_iter().filter_map(|((part, name), (written, place))| {
            self.parameter(&part, &name, written, in_path, &place)
        });
        read.collect()
    }

    fn parameter(
        &mut self,
        part: &str,
        name: &str,
        written: &'d Value,
        in_path: &[Box<str>],
        place: &Place,
    ) -> Option<Parameter> {
        let part = match part {
            "path" if in_path.iter().any(|known| **known == *name) => Part::Path,
            "path" => {
                let what = format!("the path has no `{{{name}}}`");
                self.faults.push(Fault::new(&place.key("name"), what));
                return None;
            }
            "query" => Part::Query,
            // These are said elsewhere, and are to be ignored here.
            "header"
                if ["accept", "content-type", "authorization"]
                    .contains(&&*name.to_ascii_lowercase()) =>
            {
                return None;
            }
            "header" => Part::Header,
            "cookie" => Part::Cookie,
            _ => {
                let what = format!("a parameter is not in `{part}`");
                let help = "path, query, header or cookie";
                self.faults.push(Fault::new(&place.key("in"), what).help(help));
                return None;
            }
        };
        self.described(part, name, written, Side::Request, place)
    }

    /// A parameter, or a header field of an answer.
    fn described(
        &mut self,
        part: Part,
        name: &str,
        written: &'d Value,
        side: Side,
        place: &Place,
    ) -> Option<Parameter> {
        let flag = |key: &str| written.get(key) == Some(&Value::Bool(true));
        let (schema, place, json) = match written.get("content").and_then(Value::as_object) {
            Some(content) => {
                let (kind, media) = content.iter().next()?;
                let json = Range::parse(kind).is_some_and(|range| range.is_json());
                (media.get("schema"), place.key("content").key(kind).key("schema"), json)
            }
            None => (written.get("schema"), place.key("schema"), false),
        };
        let schema = schema.unwrap_or(&Value::Bool(true));
        let style = written.get("style").and_then(Value::as_str);
        let style = match (part, style) {
            _ if json => Style::Json,
            (Part::Path | Part::Header, None | Some("simple")) => Style::Simple,
            (Part::Path, Some("label")) => Style::Label,
            (Part::Path, Some("matrix")) => Style::Matrix,
            (Part::Query | Part::Cookie, None | Some("form")) => Style::Form,
            (Part::Query, Some("spaceDelimited")) => Style::SpaceDelimited,
            (Part::Query, Some("pipeDelimited")) => Style::PipeDelimited,
            (Part::Query, Some("deepObject")) => Style::DeepObject,
            (_, Some(style)) => {
                let what = format!("`{style}` is no style for a parameter in {}", part.name());
                self.faults.push(Fault::new(&place, what));
                return None;
            }
            (Part::Body, None) => Style::Simple,
        };
        let explode = written.get("explode").and_then(Value::as_bool);
        let schemas = if side == Side::Request { &self.requests } else { &self.answers };
        let compiled = schemas.compile(schema, &place);
        Some(Parameter {
            part,
            name: name.into(),
            required: flag("required"),
            allow_empty: flag("allowEmptyValue"),
            style,
            explode: explode.unwrap_or(style == Style::Form),
            shape: Shape::of(self.document, schema),
            schema: self.kept(compiled)?,
        })
    }

    fn body(&mut self, written: Option<&'d Value>, place: &Place) -> BodyRule {
        let Some(written) = written else { return BodyRule::default() };
        let followed = self.document.follow(written, place);
        let Some(written) = self.kept(followed) else { return BodyRule::default() };
        let required = written.get("required") == Some(&Value::Bool(true));
        let kinds = self.kinds(written.get("content"), Side::Request, &place.key("content"));
        BodyRule { required, kinds }
    }

    fn kinds(&mut self, content: Option<&'d Value>, side: Side, place: &Place) -> Vec<Kind> {
        let entries = self.document.entries(content, place, &mut self.faults);
        let mut kinds = Vec::new();
        for (kind, media) in entries {
            let place = place.key(kind);
            let Some(range) = Range::parse(kind) else {
                let what = format!("`{kind}` is no media type");
                self.faults.push(Fault::new(&place, what));
                continue;
            };
            let schema = media.get("schema");
            let schemas = if side == Side::Request { &self.requests } else { &self.answers };
            let (json, form) = (range.is_json(), range.is_form() || range.is_multipart());
            let compiled = match schema.filter(|_| json || form || range.is_open()) {
                Some(schema) => {
                    let compiled = schemas.compile(schema, &place.key("schema"));
                    self.kept(compiled).map(|made| (schema, made))
                }
                None => None,
            };
            let content = match compiled {
                Some((schema, made)) if form => {
                    let fields = Fields::of(self.document, schema, media.get("encoding"));
                    let parts = range.is_multipart();
                    if parts {
                        Content::Multipart(fields, made)
                    } else {
                        Content::Form(fields, made)
                    }
                }
                Some((_, made)) => Content::Json(Some(made)),
                None if json => Content::Json(None),
                None => Content::Any,
            };
            kinds.push(Kind { range, content });
        }
        kinds
    }

    fn answers(&mut self, written: Option<&'d Value>, place: &Place) -> Answers {
        let look = self.section.answers;
        let entries = self.document.entries(written, place, &mut self.faults);
        let mut by_status = BTreeMap::new();
        for (status, answer) in entries.filter(|(status, _)| !status.starts_with("x-")) {
            let place = place.key(status);
            let good = status == "default"
                || matches!(status.as_bytes(), [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'])
                || matches!(status.as_bytes(), [b'1'..=b'5', b'X', b'X']);
            if !good {
                let what = format!("`{status}` is no status");
                self.faults.push(Fault::new(&place, what).help("200, 2XX or default"));
                continue;
            }
            let followed = self.document.follow(answer, &place);
            let Some(answer) = self.kept(followed) else { continue };
            let content = answer.get("content");
            let kinds = self.kinds(content, Side::Answer, &place.key("content"));
            let examples = content.and_then(Value::as_object).into_iter().flatten();
            let examples =
                examples.flat_map(|(kind, media)| mock::examples(self.document, kind, media));
            let examples = examples.collect();
            let headers = self.headers(answer.get("headers"), &place.key("headers"));
            by_status.insert(status.as_str().into(), Promise { kinds, headers, examples });
        }
        Answers { look, by_status }
    }

    fn headers(&mut self, written: Option<&'d Value>, place: &Place) -> Vec<Parameter> {
        let entries = self.document.entries(written, place, &mut self.faults);
        let mut headers = Vec::new();
        for (name, header) in entries {
            let place = place.key(name);
            if name.eq_ignore_ascii_case("content-type") {
                continue;
            }
            let followed = self.document.follow(header, &place);
            let Some(header) = self.kept(followed) else { continue };
            headers.extend(self.described(Part::Header, name, header, Side::Answer, &place));
        }
        headers
    }
}

/// A template as requests meet it: what a parameter is called says nothing to them.
fn without_names(template: &str) -> String {
    let mut parts = template.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| match part.split_once('}') {
        Some((_, rest)) => text + "{}" + rest,
        None => text + "{" + part,
    })
}

/// The names of a template's parameters, from left to right.
pub(super) fn names_in(template: &str) -> Vec<Box<str>> {
    let parts = template.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name.into()).collect()
}
