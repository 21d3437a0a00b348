//! A document of OpenAPI, read and bounded: the tree, its version, and what a `$ref` leads to.
//!
//! In: bytes of a file. Out: a [`Document`]. Nothing is fetched: a `$ref` leads to a place in the same
//! document, or it is an error.

use serde_json::{Map, Value};
use serde_saphyr::{Error, Location, budget::BudgetBreach};

use crate::message::{descend, parse_json};

/// The largest document, in bytes. It bounds how many values a file can hold, too, in JSON and in YAML.
pub const MAX_SIZE: u64 = 16 << 20;

/// What aliases of YAML may stand for, in all: what an error looks like, in each of very many operations.
const MAX_REPLAYED: usize = 200_000;

/// How deep a document may be nested, in JSON and in YAML. Readers of YAML take much of the stack for each level.
const MAX_DEPTH: u8 = 64;

/// How often one `$ref` may lead to another.
const MAX_HOPS: usize = 16;

/// Which OpenAPI: their schemas differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    /// 3.0, with a dialect of JSON Schema of its own.
    V30,
    /// 3.1, whose schemas are JSON Schema 2020-12.
    V31,
}

/// A document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Value,
    pub(super) version: Version,
}

/// A place in a document, as a JSON pointer.
#[derive(Clone, Debug, Default)]
pub(super) struct Place(String);

impl Place {
    /// The place of what has this name, within this one.
    pub(super) fn key(&self, name: &str) -> Self {
        let mut inner = self.clone();
        descend(&mut inner.0, name);
        inner
    }

    /// The place of an item.
    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// As a pointer.
    pub(super) fn pointer(&self) -> &str {
        &self.0
    }
}

/// Something that is wrong with a document, and where.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) what: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(place: &Place, what: impl Into<String>) -> Self {
        Self { place: place.clone(), what: what.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// What stands at a `$ref` within the same document, if anything does.
pub(super) fn at<'v>(root: &'v Value, reference: &str) -> Option<&'v Value> {
    let pointer = percent_encoding::percent_decode_str(reference.strip_prefix('#')?);
    root.pointer(&pointer.decode_utf8_lossy())
}

impl Document {
    /// Reads JSON, if it begins with `{`, or YAML.
    ///
    /// # Errors
    /// It is neither, or not of OpenAPI 3.0 or 3.1.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let top = Place::default();
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        let root = if first == Some(&b'{') {
            parse_json(bytes, MAX_DEPTH).map_err(|error| {
                let (line, column) = (error.line as u64, error.column as u64);
                if error.is_too_deep() { too_deep(line, column) } else { error.to_string() }
            })
        } else {
            read_yaml(bytes)
        };
        Self::of(root.map_err(|what| Fault::new(&top, what))?)
    }

    /// The document of this tree.
    ///
    /// # Errors
    /// It is not of OpenAPI 3.0 or 3.1.
    pub(super) fn of(root: Value) -> Result<Self, Fault> {
        let top = Place::default();
        let version = match root.get("openapi").and_then(Value::as_str) {
            Some(version) if version.starts_with("3.0.") => Version::V30,
            Some(version) if version.starts_with("3.1.") => Version::V31,
            Some(version) => {
                let what = format!("it is of OpenAPI `{version}`");
                return Err(Fault::new(&top.key("openapi"), what)
                    .help("3.0 and 3.1 are read here; converters are at openapi.tools"));
            }
            None if root.get("swagger").is_some() => {
                return Err(Fault::new(&top.key("swagger"), "it is of Swagger 2")
                    .help("convert it to OpenAPI 3: `npx swagger2openapi FILE`"));
            }
            None => {
                return Err(Fault::new(&top, "it is no document of OpenAPI")
                    .help("it has to begin with `openapi: 3.1.0`"));
            }
        };
        // It would be held to another draft than it is written in.
        if let Some(dialect) = root.get("jsonSchemaDialect").filter(|_| version == Version::V31)
            && !dialect.as_str().is_some_and(is_known)
        {
            let what = format!("its schemas are of the dialect {dialect}");
            return Err(Fault::new(&top.key("jsonSchemaDialect"), what).help(
                "JSON Schema 2020-12 is read here, which is OpenAPI's own: leave the key out",
            ));
        }
        let mut document = Self { root, version };
        document.put_in_path_items();
        Ok(document)
    }

    /// Puts what paths refer to into their places, so that whoever looks at paths sees all operations.
    fn put_in_path_items(&mut self) {
        let paths = self.root.get("paths").and_then(Value::as_object).into_iter().flatten();
        let referring = paths.filter(|(_, item)| item.get("$ref").is_some());
        let found = referring.filter_map(|(path, item)| {
            let item = self.follow(item, &Place::default()).ok()?;
            Some((path.clone(), item.clone()))
        });
        let found: Vec<_> = found.collect();
        if let Some(Value::Object(paths)) = self.root.get_mut("paths") {
            paths.extend(found);
        }
    }

    /// A schema that stands for itself.
    pub(super) fn of_schema(root: Value) -> Self {
        Self { root, version: Version::V31 }
    }

    /// What stands at a `$ref`.
    ///
    /// # Errors
    /// Why nothing does.
    pub(super) fn at(&self, reference: &str) -> Result<&Value, String> {
        if !reference.starts_with('#') {
            return Err(format!("`{reference}` leads out of the document, and nothing is fetched"));
        }
        at(&self.root, reference).ok_or_else(|| format!("`{reference}` leads to nothing"))
    }

    /// What a value is, where it may be a `$ref`.
    ///
    /// # Errors
    /// The reference leads to nothing, or in circles.
    pub(super) fn follow<'a>(
        &'a self,
        mut value: &'a Value,
        place: &Place,
    ) -> Result<&'a Value, Fault> {
        for _ in 0..MAX_HOPS {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Ok(value);
            };
            value = self.at(reference).map_err(|what| {
                let fault = Fault::new(&place.key("$ref"), what);
                if reference.starts_with('#') {
                    return fault;
                }
                fault.help("make it one file first: `npx @redocly/cli bundle FILE`")
            })?;
        }
        Err(Fault::new(&place.key("$ref"), "it leads in circles"))
    }

    /// The entries of an object, or none; something else there is a fault.
    pub(super) fn entries<'a>(
        &self,
        value: Option<&'a Value>,
        place: &Place,
        faults: &mut Vec<Fault>,
    ) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        let object = value.and_then(Value::as_object);
        if value.is_some() && object.is_none() {
            faults.push(Fault::new(place, "an object is expected here"));
        }
        object.into_iter().flat_map(Map::iter)
    }
}

/// Reads YAML. A file is bounded by its size and depth, and by what its aliases stand for; that there are many
/// values in it, or many aliases of few anchors, is no fault.
fn read_yaml(bytes: &[u8]) -> Result<Value, String> {
    let most = bytes.len().saturating_add(MAX_REPLAYED).saturating_mul(2);
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH.into(),
            max_nodes: most,
            max_events: most,
            max_aliases: MAX_REPLAYED,
            max_anchors: MAX_REPLAYED,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED },
    };
    serde_saphyr::from_slice_with_options(bytes, options).map_err(|error| {
        let place = error.location().unwrap_or(Location::UNKNOWN);
        told(error.without_snippet(), (place.line(), place.column()))
    })
}

fn told(error: &Error, (line, column): (u64, u64)) -> String {
    match error {
        Error::AliasError { error, .. } => told(error, (line, column)),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => too_deep(line, column),
        Error::AliasReplayLimitExceeded { .. }
        | Error::Budget {
            breach:
                BudgetBreach::Aliases { .. }
                | BudgetBreach::Anchors { .. }
                | BudgetBreach::RecordedAnchorEvents { .. }
                | BudgetBreach::RecordedAnchorBytes { .. },
            ..
        } => format!(
            "its aliases stand for more than {MAX_REPLAYED} values and names, in line {line}, column {column}"
        ),
        error => format!("it is not YAML that can be read: {error}"),
    }
}

fn too_deep(line: u64, column: u64) -> String {
    format!("it is nested deeper than {MAX_DEPTH} levels, in line {line}, column {column}")
}

/// Whether schemas of this dialect are JSON Schema 2020-12.
fn is_known(dialect: &str) -> bool {
    dialect.starts_with("https://spec.openapis.org/oas/3.1/dialect/")
        || dialect.trim_end_matches('#') == "https://json-schema.org/draft/2020-12/schema"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_are_read() {
        let yaml = "openapi: 3.0.3\npaths:\n  /a:\n    get:\n      responses:\n        200: {description: no}\n";
        let read = Document::read(yaml.as_bytes()).unwrap();
        assert_eq!(read.version, Version::V30);
        let answer = &read.root["paths"]["/a"]["get"]["responses"]["200"]["description"];
        assert_eq!(answer, "no");
        for dialect in [
            "https://spec.openapis.org/oas/3.1/dialect/base",
            "https://json-schema.org/draft/2020-12/schema",
        ] {
            let text = format!("openapi: 3.1.0\njsonSchemaDialect: '{dialect}'");
            assert!(Document::read(text.as_bytes()).is_ok(), "{dialect}");
        }
        let json = Document::read(b" {\"openapi\":\"3.1.0\"}").unwrap();
        assert_eq!(json.version, Version::V31);
    }

    #[test]
    fn what_is_no_document_says_why() {
        let bomb = format!(
            "openapi: 3.1.0\nx0: &x0 [a,a,a,a,a,a,a,a,a,a]\n{}",
            (1..9).fold(String::new(), |text, n| {
                let before = format!("*x{}", n - 1);
                text + &format!("x{n}: &x{n} [{}]\n", [&*before; 10].join(","))
            })
        );
        for (text, what) in [
            ("", "it is no document of OpenAPI"),
            ("- a", "it is no document of OpenAPI"),
            ("swagger: '2.0'", "it is of Swagger 2"),
            ("openapi: 3.2.0", "it is of OpenAPI `3.2.0`"),
            ("openapi: 2.0.0", "it is of OpenAPI `2.0.0`"),
            (
                "openapi: 3.1.0\njsonSchemaDialect: 'http://json-schema.org/draft-07/schema#'",
                "its schemas are of the dialect \"http://json-schema.org/draft-07/schema#\"",
            ),
            ("openapi: 3.1.0\njsonSchemaDialect: 7", "its schemas are of the dialect 7"),
            ("{\"openapi\":\"3.1.0\"", "it ends too early, in line 1, column 18"),
            ("{\"openapi\":\"3.1.0\",\"openapi\":\"3.0.0\"}", "an object has a name twice"),
            ("openapi: 3.1.0\nopenapi: 3.0.0", "it is not YAML that can be read"),
            ("openapi: [", "it is not YAML that can be read"),
            (&bomb, "its aliases stand for more than 200000 values and names, in line "),
        ] {
            let fault = Document::read(text.as_bytes()).unwrap_err();
            assert!(fault.what.starts_with(what), "{text:.60}: {}", fault.what);
        }
    }

    /// Text of JSON, by each of the two readers: YAML is told by what stands before it.
    fn both(json: &str) -> [Result<Document, Fault>; 2] {
        [Document::read(json.as_bytes()), Document::read(format!("---\n{json}").as_bytes())]
    }

    #[test]
    fn json_and_yaml_may_be_nested_equally_deep() {
        let nested = |levels| {
            let (open, close) = ("[".repeat(levels), "]".repeat(levels));
            format!("{{\"openapi\":\"3.1.0\",\n\"x\":{open}1{close}}}")
        };
        for read in both(&nested(63)) {
            assert_eq!(read.unwrap().root["x"].to_string().len(), 127);
        }
        let said = both(&nested(64)).map(|read| read.unwrap_err().what);
        assert_eq!(
            said,
            [
                "it is nested deeper than 64 levels, in line 2, column 68",
                "it is nested deeper than 64 levels, in line 3, column 68",
            ]
        );
        // Blocks are nested by indents; what is far too deep ends as early.
        let blocks: String = (0..10_000).map(|level| " ".repeat(level) + "a:\n").collect();
        let fault = Document::read(blocks.as_bytes()).unwrap_err();
        assert!(fault.what.starts_with("it is nested deeper than 64 levels"), "{}", fault.what);
    }

    #[test]
    fn a_large_document_is_read_as_json_and_as_yaml() {
        let mut text = "{\"openapi\":\"3.1.0\",\"x\":[0".to_owned();
        text.push_str(&",0".repeat(300_000));
        text.push_str("]}");
        for read in both(&text) {
            assert_eq!(read.unwrap().root["x"].as_array().map(Vec::len), Some(300_001));
        }
        // One answer that very many operations have.
        let mut text = "openapi: 3.1.0\nno: &no {a: [b]}\nx:\n".to_owned();
        text.push_str(&"- *no\n".repeat(20_000));
        let read = Document::read(text.as_bytes()).unwrap();
        assert_eq!(read.root["x"][19_999], serde_json::json!({ "a": ["b"] }));
    }

    #[test]
    fn references_are_followed_and_lead_nowhere_else() {
        let text = r##"{"openapi":"3.1.0","a":{"$ref":"#/b~1c"},"b/c":{"$ref":"#/d%20e"},"d e":{"x":1},
            "loop":{"$ref":"#/loop"},"out":{"$ref":"other.yaml#/x"},"none":{"$ref":"#/none/x"}}"##;
        let document = Document::read(text.as_bytes()).unwrap();
        let place = Place::default().key("a");
        let follow = |name: &str| document.follow(&document.root[name], &place);
        assert_eq!(follow("a").unwrap()["x"], 1);
        for (name, what) in [
            ("loop", "it leads in circles"),
            ("out", "`other.yaml#/x` leads out of the document, and nothing is fetched"),
            ("none", "`#/none/x` leads to nothing"),
        ] {
            let fault = follow(name).unwrap_err();
            assert_eq!((&*fault.what, fault.place.pointer()), (what, "/a/$ref"));
        }
    }
}
