//! `validate` of a route: an operation of schemas alone, without a document.
//!
//! In: the section as written, with the files that it names. Out: an [`Operation`] like those of documents.

use http::Method;
use jsonschema::Draft;
use serde_json::{Map, Value};

use super::{
    answer::Answers,
    body::{BodyRule, Content, Depth, Kind, Range},
    document::{Document, MAX_SIZE},
    operation::Operation,
    parameter::{Parameter, Style},
    schema::Schema,
    shape::Shape,
};
use crate::{
    config::{
        BodySchema, InlineSchema, Path, Problem, Problems, QuerySchema, Validate, read_file_up_to,
    },
    message::{Part, parse_json},
};

/// How deep a schema may be nested.
const MAX_DEPTH: u8 = 100;

impl Operation {
    /// Compiles the `validate` of the route of this name, whose path has these parameters, and whose clients say
    /// who they are in these of the query.
    pub fn of_schemas(
        section: &Validate,
        (route, params, credentials): (&str, &[impl AsRef<str>], Vec<Box<str>>),
        at: &Path,
        problems: &mut Problems,
    ) -> Self {
        let mut reader = Reader { at, problems };
        let mut parameters = reader.query(section.query.as_ref());
        parameters.extend(reader.each("headers", &section.headers, Part::Header));
        for name in section.path.keys() {
            if !params.iter().any(|known| known.as_ref() == name) {
                let what = format!("the route's path has no parameter `{name}`");
                let known = params.iter().map(AsRef::as_ref);
                let help = || "every path of the route has to have it".to_owned();
                let problem = Problem::error(at.key("path").key(name.clone()), what);
                reader.problems.push(problem.help_meant(name, known, help));
            }
        }
        parameters.extend(reader.each("path", &section.path, Part::Path));
        Self {
            id: route.into(),
            api: "".into(),
            method: Method::GET,
            template: "".into(),
            summary: None,
            enforce: section.enforce,
            max_body: section.max_body.0,
            drift: Default::default(),
            names: Default::default(),
            depth: Depth(section.max_depth),
            unknown_query: section.unknown_query,
            parameters,
            in_path: params
                .iter()
                .map(|name| (name.as_ref().into(), name.as_ref().into()))
                .collect(),
            credentials,
            body: reader.body(section),
            answers: Answers::default(),
        }
    }
}

struct Reader<'a> {
    at: &'a Path,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn query(&mut self, written: Option<&QuerySchema>) -> Vec<Parameter> {
        match written {
            None => Vec::new(),
            Some(QuerySchema::Each(each)) => self.each("query", each, Part::Query),
            Some(QuerySchema::File(file)) => {
                let at = self.at.key("query");
                let Some(schema) = self.file(file, &at) else { return Vec::new() };
                if !schema.get("properties").is_some_and(Value::is_object) {
                    let what = "the schema of a query is one of an object with `properties`";
                    self.problems.push(Problem::error(at, what));
                    return Vec::new();
                }
                let asks = |names: &Value| names.as_array().is_some_and(|names| !names.is_empty());
                let required = schema.get("required").is_some_and(asks);
                self.parameter("", schema, Part::Query, required, &at).into_iter().collect()
            }
        }
    }

    /// A parameter for each schema.
    fn each<'s>(
        &mut self,
        key: &'static str,
        each: impl IntoIterator<Item = (&'s String, &'s InlineSchema)>,
        part: Part,
    ) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for (name, InlineSchema(schema)) in each {
            let at = self.at.key(key).key(name.clone());
            let mut schema = schema.clone();
            let required = match schema.remove("required") {
                None => part == Part::Path,
                Some(Value::Bool(required)) => required,
                // That of an object within.
                Some(names) => {
                    schema.insert("required".into(), names);
                    part == Part::Path
                }
            };
            parameters.extend(self.parameter(name, Value::Object(schema), part, required, &at));
        }
        parameters
    }

    fn parameter(
        &mut self,
        name: &str,
        schema: Value,
        part: Part,
        required: bool,
        at: &Path,
    ) -> Option<Parameter> {
        let compiled = self.schema(&schema, at)?;
        let style = if part == Part::Query { Style::Form } else { Style::Simple };
        Some(Parameter {
            part,
            name: name.into(),
            required,
            allow_empty: false,
            style,
            explode: style == Style::Form,
            shape: Shape::of(&Document::of_schema(schema.clone()), &schema),
            schema: compiled,
        })
    }

    fn body(&mut self, section: &Validate) -> BodyRule {
        let at = self.at.key("body");
        let schema = match &section.body {
            None => return BodyRule::default(),
            Some(BodySchema::File(file)) => self.file(file, &at),
            Some(BodySchema::Inline(InlineSchema(schema))) => Some(Value::Object(schema.clone())),
        };
        let mut kinds = Vec::new();
        for (index, text) in section.types.iter().enumerate() {
            let range = Range::parse(text).filter(Range::is_json);
            let Some(range) = range else {
                let what = format!("`{text}` is no type of JSON");
                let problem = Problem::error(self.at.key("types").index(index), what);
                self.problems.push(problem.help("\"application/json\", \"application/NAME+json\""));
                continue;
            };
            // Each has one of its own: schemas are not copied.
            let compiled = schema.as_ref().and_then(|schema| self.schema(schema, &at));
            kinds.extend(
                compiled.map(|schema| Kind { range, content: Content::Json(Some(schema)) }),
            );
        }
        if section.types.is_empty() {
            let what = "a body that may be of no type is none";
            let problem = Problem::error(self.at.key("types"), what);
            self.problems.push(problem.help("\"application/json\""));
        }
        BodyRule { required: section.required, kinds }
    }

    fn file(&mut self, file: &std::path::Path, at: &Path) -> Option<Value> {
        let read = read_file_up_to(file, MAX_SIZE);
        let bytes = self.problems.keep(read.map_err(|what| Problem::error(at.clone(), what)))?;
        let parsed = parse_json(&bytes, MAX_DEPTH).map_err(|error| {
            let place = format!("{}:{}:{}", file.display(), error.line, error.column);
            Problem::error(at.clone(), format!("{place}: {}", error.what))
        });
        self.problems.keep(parsed)
    }

    fn schema(&mut self, schema: &Value, at: &Path) -> Option<Schema> {
        if let Some(reference) = leads_out(schema) {
            let what = format!("`{reference}` leads out of the schema, and nothing is fetched");
            let problem = Problem::error(at.clone(), what);
            self.problems.push(problem.help("put what it leads to into `$defs` of the same file"));
            return None;
        }
        let draft = draft(schema);
        let compiled = draft.and_then(|draft| Schema::of(schema, draft));
        let problem = |(what, help)| Problem::error(at.clone(), what).help_if(help);
        self.problems.keep(compiled.map_err(problem))
    }
}

/// The version of a schema.
fn draft(schema: &Value) -> Result<Draft, (String, Option<String>)> {
    let Some(named) = schema.get("$schema").and_then(Value::as_str) else {
        return Ok(Draft::Draft202012);
    };
    let bare =
        named.trim_end_matches('#').trim_start_matches("http://").trim_start_matches("https://");
    match bare {
        "json-schema.org/draft/2020-12/schema" => Ok(Draft::Draft202012),
        "json-schema.org/draft/2019-09/schema" => Ok(Draft::Draft201909),
        "json-schema.org/draft-07/schema" => Ok(Draft::Draft7),
        "json-schema.org/draft-06/schema" => Ok(Draft::Draft6),
        "json-schema.org/draft-04/schema" => Ok(Draft::Draft4),
        _ => {
            let help = "2020-12, 2019-09, draft-07, draft-06 and draft-04 are known";
            Err((format!("`$schema` is `{named}`, which is not known"), Some(help.into())))
        }
    }
}

/// A reference within a schema that leads to another document, if there is one.
fn leads_out(schema: &Value) -> Option<&str> {
    let named = |object: &Map<String, Value>| object.contains_key("$id");
    // Where parts have names of their own, it may lead to one of those.
    let found = find(schema, &|object| {
        let reference = object.get("$ref").or_else(|| object.get("$dynamicRef"));
        reference.and_then(Value::as_str).filter(|text| !text.starts_with('#'))
    });
    found.filter(|_| find(schema, &|object| named(object).then_some("")).is_none())
}

/// The first thing that is found in an object within.
fn find<'v>(
    value: &'v Value,
    look: &impl Fn(&'v Map<String, Value>) -> Option<&'v str>,
) -> Option<&'v str> {
    match value {
        Value::Object(object) => {
            look(object).or_else(|| object.values().find_map(|value| find(value, look)))
        }
        Value::Array(items) => items.iter().find_map(|value| find(value, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
