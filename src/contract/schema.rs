//! A schema, compiled: values are held to it, and what they violate is said without telling them.

use jsonschema::{Draft, PatternOptions, Registry, ValidationError, ValidationOptions, Validator};
use serde_json::Value;

use super::{
    dialect::{BASE, Dialect, Side},
    document::{Document, Fault, Place},
};
use crate::message::{Part, Violation, Violations};

/// Bytes that a compiled regular expression may take.
const PATTERN_SIZE: usize = 1 << 20;

/// Values within a value up to which all that is wrong with it is told: the library puts all of it together
/// before it tells any. Of a larger one it is what is found first.
const TOLD_WHOLE: usize = 10_000;

/// A schema.
#[derive(Debug)]
pub(super) struct Schema(Validator);

impl Schema {
    /// Compiles a schema that stands for itself.
    ///
    /// # Errors
    /// Why it cannot be, and what to do about it.
    pub(super) fn of(schema: &Value, draft: Draft) -> Result<Self, (String, Option<String>)> {
        let options = jsonschema::options().with_draft(draft);
        compile(options, schema).map_err(|(what, help)| (what, help.map(str::to_owned)))
    }

    /// Holds a value to it. `name` is the parameter's, if it is one.
    pub(super) fn check(&self, value: &Value, part: Part, name: &str, wrong: &mut Violations) {
        if self.0.is_valid(value) {
            return;
        }
        let mut say = |error: ValidationError<'_>| {
            let says = error.masked_with("it").to_string();
            let pointer = error.instance_path().to_string();
            wrong.push(Violation { part, name: name.to_owned(), pointer, says, at: None });
        };
        match is_larger(value, &mut { TOLD_WHOLE }) {
            true => self.0.validate(value).err().into_iter().for_each(say),
            false => self.0.iter_errors(value).for_each(&mut say),
        }
    }
}

/// Whether there are more values in one than are left.
fn is_larger(value: &Value, left: &mut usize) -> bool {
    let Some(less) = left.checked_sub(1) else { return true };
    *left = less;
    match value {
        Value::Array(items) => items.iter().any(|item| is_larger(item, left)),
        Value::Object(members) => members.values().any(|member| is_larger(member, left)),
        _ => false,
    }
}

/// Compiles the schemas of a document for one side.
pub(super) struct Schemas<'d> {
    dialect: Dialect<'d>,
    registry: Registry<'static>,
}

impl<'d> Schemas<'d> {
    /// # Errors
    /// What the document refers to is no set of schemas.
    pub(super) fn new(document: &'d Document, side: Side) -> Result<Self, Fault> {
        let dialect = Dialect::new(document, side);
        let fault = |what: String| Fault::new(&Place::default().key("components"), what);
        let registry = Registry::new().draft(Draft::Draft202012).add(BASE, dialect.referred());
        let registry = registry.and_then(jsonschema::RegistryBuilder::prepare);
        let registry = registry.map_err(|error| fault(error.to_string()))?;
        Ok(Self { dialect, registry })
    }

    /// Compiles the schema at a place.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn compile(&self, schema: &Value, place: &Place) -> Result<Schema, Fault> {
        let schema = self.dialect.convert(schema);
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        compile(options.with_registry(&self.registry), &schema).map_err(|(what, help)| {
            let fault = Fault::new(place, what);
            match help {
                Some(help) => fault.help(help),
                None => fault,
            }
        })
    }
}

/// Compiles a schema: nothing is fetched, and no pattern goes back.
fn compile(
    options: ValidationOptions<'_>,
    schema: &Value,
) -> Result<Schema, (String, Option<&'static str>)> {
    let options = options
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE))
        .offline();
    options.build(schema).map(Schema).map_err(|error| {
        let within = error.instance_path().to_string();
        let what = if within.is_empty() { error.to_string() } else { format!("{within}: {error}") };
        let help = "patterns are matched without going back: no `(?=..)`, `(?!..)` or `\\1`";
        (what, within.ends_with("/pattern").then_some(help))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Document {
        Document::of(json!({
            "openapi": "3.1.0",
            "uses": { "$ref": "#/components/schemas/Order" },
            "components": { "schemas": { "Order": {
                "type": "object",
                "required": ["id", "lines"],
                "additionalProperties": false,
                "properties": {
                    "id": { "type": "string", "format": "uuid" },
                    "lines": { "type": "array", "minItems": 1, "items": { "type": "integer" } },
                    "parent": { "$ref": "#/components/schemas/Order" },
                },
            } } },
        }))
        .unwrap()
    }

    fn wrong(value: &Value) -> Vec<String> {
        let document = document();
        let schemas = Schemas::new(&document, Side::Request).unwrap();
        let schema = schemas.compile(&document.root["uses"], &Place::default()).unwrap();
        let mut wrong = Violations::default();
        schema.check(value, Part::Body, "", &mut wrong);
        wrong.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_said_and_no_value_is() {
        let id = "0190a7a2-6f0f-7000-8000-000000000001";
        assert!(wrong(&json!({ "id": id, "lines": [1] })).is_empty());
        let said = wrong(&json!({
            "id": "secret", "lines": ["secret"], "parent": { "lines": [] }, "more": "secret",
        }));
        assert!(said.iter().all(|says| !says.contains("secret")), "{said:?}");
        for place in
            ["body /id: ", "body /lines/0: ", "body /parent: ", "body /parent/lines: ", "body: "]
        {
            assert!(said.iter().any(|says| says.starts_with(place)), "{place}: {said:?}");
        }
        assert_eq!(said.len(), 5);
    }

    #[test]
    fn of_a_value_that_is_very_large_only_what_is_found_first_is_said() {
        let id = "0190a7a2-6f0f-7000-8000-000000000001";
        let lines = |many: usize| json!({ "id": id, "lines": vec!["x"; many] });
        assert_eq!(wrong(&lines(9)).len(), 9);
        assert!(wrong(&lines(TOLD_WHOLE - 3)).len() > 1);
        assert_eq!(wrong(&lines(TOLD_WHOLE)).len(), 1);
    }

    #[test]
    fn what_cannot_be_compiled_says_why_and_where() {
        let document = document();
        let schemas = Schemas::new(&document, Side::Request).unwrap();
        for (schema, what) in [
            (json!({ "type": "strin" }), "/type: \"strin\" is not valid under any of the schemas"),
            (
                json!({ "$ref": "#/components/schemas/Gone" }),
                "Pointer '/components/schemas/Gone' does not exist",
            ),
            (
                json!({ "$ref": "http://127.0.0.1/x" }),
                "Resource 'http://127.0.0.1/x' is not present",
            ),
            (json!({ "pattern": "(a)\\1" }), "/pattern: \"(a)\\\\1\" is not a \"regex\""),
            (json!({ "pattern": "(?:a{1000}){1000}" }), "/pattern: "),
        ] {
            let fault = schemas.compile(&schema, &Place::default().key("a")).unwrap_err();
            assert!(fault.what.starts_with(what), "{schema}: {}", fault.what);
            assert_eq!(fault.place.pointer(), "/a");
        }
    }
}
