//! A schema, compiled: values are held to it, and what they violate is said without telling them.

use jsonschema::{
    Draft, PatternOptions, Registry, ValidationError, ValidationOptions, Validator,
    error::ValidationErrorKind as Kind,
};
use serde_json::Value;

use super::{
    dialect::{BASE, Dialect, Side},
    document::{Document, Fault, Place, at},
    ways::{References, Telling, Ways},
};
use crate::message::{Part, Violation, Violations};

/// Bytes that a compiled regular expression may take.
const PATTERN_SIZE: usize = 1 << 20;

/// Steps that telling what is wrong with a value may take: the library puts all of it together before it tells
/// any.
const TOLD: usize = 10_000;

/// A schema.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
    ways: Ways,
    side: Side,
}

impl Schema {
    /// Compiles a schema that stands for itself.
    ///
    /// # Errors
    /// Why it cannot be, and what to do about it.
    pub(super) fn of(schema: &Value, draft: Draft) -> Result<Self, (String, Option<String>)> {
        let options = jsonschema::options().with_draft(draft);
        let ways = References::of([schema], |reference| at(schema, reference)).ways(schema);
        let validator = compile(options, schema);
        let validator = validator.map_err(|(what, help)| (what, help.map(str::to_owned)))?;
        Ok(Self { validator, ways, side: Side::Request })
    }

    /// Whether it takes a value.
    pub(super) fn takes(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Holds a value to it. `name` is the parameter's, if it is one.
    pub(super) fn check(&self, value: &Value, part: Part, name: &str, wrong: &mut Violations) {
        // This takes one step for each value and part of the schema; what follows does not.
        if self.takes(value) {
            return;
        }
        let mut say = |pointer: String, says: String| {
            wrong.push(Violation { part, name: name.to_owned(), pointer, says, at: None });
        };
        let mut tell = |error: ValidationError<'_>| {
            say(error.instance_path().to_string(), self.says(&error));
        };
        match self.ways.telling(value, TOLD) {
            Telling::All => self.validator.iter_errors(value).for_each(&mut tell),
            Telling::First => self.validator.validate(value).err().into_iter().for_each(tell),
            Telling::Nothing => {
                say(String::new(), "is not valid, and too large or deep to say where".into());
            }
        }
    }

    /// What is wrong, without the value. A client knows the names that it has sent; those in an answer may be keys
    /// of a map, and secrets.
    fn says(&self, error: &ValidationError<'_>) -> String {
        match (self.side, error.kind()) {
            (
                Side::Answer,
                Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. },
            ) => "it has members that its schema does not know".into(),
            (Side::Answer, Kind::PropertyNames { .. }) => {
                "it has members whose names are not as they should be".into()
            }
            _ => error.masked_with("it").to_string(),
        }
    }
}

/// Compiles the schemas of a document for one side.
pub(super) struct Schemas<'d> {
    dialect: Dialect<'d>,
    side: Side,
    registry: Registry<'static>,
    /// What the document refers to, as it is written there.
    references: References<'d>,
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
        let references = References::of([&document.root], |reference| document.at(reference).ok());
        Ok(Self { dialect, side, registry, references })
    }

    /// Compiles the schema at a place.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn compile(&self, schema: &'d Value, place: &Place) -> Result<Schema, Fault> {
        let ways = self.references.ways(schema);
        let schema = self.dialect.convert(schema);
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        let validator = compile(options.with_registry(&self.registry), &schema);
        let validator = validator.map_err(|(what, help)| {
            let fault = Fault::new(place, what);
            match help {
                Some(help) => fault.help(help),
                None => fault,
            }
        })?;
        Ok(Schema { validator, ways, side: self.side })
    }
}

/// Compiles a schema: nothing is fetched, and no pattern goes back.
fn compile(
    options: ValidationOptions<'_>,
    schema: &Value,
) -> Result<Validator, (String, Option<&'static str>)> {
    let options = options
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE))
        .offline();
    options.build(schema).map_err(|error| {
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
    fn of_an_answer_no_name_is_said_that_its_schema_has_not() {
        let document = document();
        for schema in [
            json!({ "properties": { "a": {} }, "additionalProperties": false }),
            json!({ "allOf": [{ "properties": { "a": {} } }], "unevaluatedProperties": false }),
            json!({ "propertyNames": { "maxLength": 3 } }),
            json!({ "properties": { "a": { "type": "string" } }, "required": ["b"] }),
        ] {
            for (side, shows) in [(Side::Request, true), (Side::Answer, false)] {
                let schemas = Schemas::new(&document, side).unwrap();
                let compiled = schemas.compile(&schema, &Place::default()).unwrap();
                let mut wrong = Violations::default();
                compiled.check(&json!({ "ann@mail.example": 1 }), Part::Body, "", &mut wrong);
                let said: Vec<_> = wrong.iter().map(ToString::to_string).collect();
                let is_shown = said.iter().any(|says| says.contains("ann@"));
                let names = schema.get("required").is_none();
                assert_eq!((said.len(), is_shown), (1, shows && names), "{schema}: {said:?}");
            }
        }
    }

    #[test]
    fn of_a_value_that_is_very_large_only_what_is_found_first_is_said() {
        let id = "0190a7a2-6f0f-7000-8000-000000000001";
        let lines = |many: usize| json!({ "id": id, "lines": vec!["x"; many] });
        assert_eq!(wrong(&lines(9)).len(), 9);
        assert!(wrong(&lines(TOLD - 3)).len() > 1);
        assert_eq!(wrong(&lines(TOLD)).len(), 1);
    }

    #[test]
    fn alternatives_that_lead_back_are_not_told_of_along_each_way() {
        let back = |kind: &str| {
            json!({ "required": ["k"], "properties": {
                "k": { "const": kind }, "next": { "$ref": "#" },
            } })
        };
        let schema = json!({ "oneOf": [back("a"), back("b"), back("c")] });
        let schema = Schema::of(&schema, Draft::Draft202012).unwrap();
        let chain = |levels: usize| {
            (0..levels).fold(json!({ "k": "x" }), |next, _| json!({ "k": "a", "next": next }))
        };
        for (levels, says) in [
            (1, "body: it is not valid under any of the schemas listed in the 'oneOf' keyword"),
            (60, "body: is not valid, and too large or deep to say where"),
        ] {
            let mut wrong = Violations::default();
            schema.check(&chain(levels), Part::Body, "", &mut wrong);
            assert_eq!(wrong.iter().map(ToString::to_string).collect::<Vec<_>>(), [says]);
        }
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
