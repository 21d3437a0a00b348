//! The JSON Schema of the configuration, and a way to walk it.
//!
//! In: the types of `config`. Out: [`schema`] for editors and [`keys`] for the reference; [`Node`] for
//! those in here that check or print by the schema. Nothing about single keys stands here: what a
//! key is called, means and defaults to is said once, by its type.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Config;

/// The JSON Schema (2020-12) of a configuration file, for editors.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Config>();
    schema.insert("title".into(), "Janua configuration".into());
    let mut schema = schema.to_value();
    drop_defaults_of_required(&mut schema);
    schema
}

/// A key that must be written has no default, even where its type has to have one for Rust's sake.
fn drop_defaults_of_required(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(drop_defaults_of_required),
        Value::Object(object) => {
            let required = object.get("required").and_then(Value::as_array).cloned();
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                for name in required.iter().flatten().filter_map(Value::as_str) {
                    if let Some(Value::Object(property)) = properties.get_mut(name) {
                        property.remove("default");
                    }
                }
            }
            object.values_mut().for_each(drop_defaults_of_required);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A key of the configuration, as the reference lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyInfo {
    /// Where it stands: `route[].to.status`, `upstream.NAME.endpoints[].url`.
    pub path: String,
    /// What it is for.
    pub description: String,
    /// Its value when nobody writes it.
    pub default: Option<Value>,
    /// Whether somebody must write it.
    pub required: bool,
}

/// Every key there is.
pub fn keys() -> Vec<KeyInfo> {
    let schema = schema();
    let mut keys = Vec::new();
    list(Node::root(&schema), "", &mut keys);
    keys
}

fn list(table: Node<'_>, path: &str, keys: &mut Vec<KeyInfo>) {
    for (name, node) in table.properties() {
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        // The one key of a table like `{ env = .. }` is what the table is.
        let description = Some(node.description()).filter(|own| !own.is_empty());
        keys.push(KeyInfo {
            path: path.clone(),
            description: description.unwrap_or_else(|| table.description()),
            default: node.default().cloned(),
            required: table.requires(name),
        });
        list_inside(node, &path, keys);
    }
}

/// The keys of the tables that a value may be, or hold.
fn list_inside(node: Node<'_>, path: &str, keys: &mut Vec<KeyInfo>) {
    for branch in node.branches() {
        list(branch, path, keys);
        if let Some(items) = branch.items() {
            list_inside(items, &format!("{path}[]"), keys);
        }
        if let Some(values) = branch.values() {
            list_inside(values, &format!("{path}.NAME"), keys);
        }
    }
}

/// A place in the schema.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    root: &'a Value,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The whole configuration.
    pub(super) const fn root(schema: &'a Value) -> Self {
        Self { root: schema, value: schema }
    }

    /// The forms a value may have, each without a choice in it: words, strings, tables, lists.
    /// `null` is none of them, TOML has no such value.
    pub(super) fn branches(self) -> Vec<Self> {
        let node = self.resolved();
        let branches = ["anyOf", "oneOf"].iter().find_map(|word| node.value.get(word)?.as_array());
        match branches {
            Some(branches) => branches.iter().flat_map(|value| node.to(value).branches()).collect(),
            None if node.str("type") == Some("null") => Vec::new(),
            None => vec![node],
        }
    }

    /// Whether it is the same place, not merely an equal one.
    pub(super) fn is(self, other: Self) -> bool {
        std::ptr::eq(self.value, other.value)
    }

    /// What it is for: the first paragraph, on one line. A field's own words come before its type's.
    pub(super) fn description(self) -> String {
        let text = self.str("description").or_else(|| self.resolved().str("description"));
        let paragraph = text.unwrap_or_default().split("\n\n").next().unwrap_or_default();
        paragraph.replace('\n', " ")
    }

    /// The value when nobody writes it.
    pub(super) fn default(self) -> Option<&'a Value> {
        self.value.get("default")
    }

    /// A value to show: the field's own, else that of its type, unless this is a table.
    pub(super) fn example(self) -> Option<&'a Value> {
        let plain = |node: &Self| !node.is_table();
        let of_type = || self.branches().into_iter().filter(plain).find_map(Self::own_example);
        self.own_example().or_else(of_type)
    }

    /// A value to show, if this place itself has one.
    pub(super) fn own_example(self) -> Option<&'a Value> {
        self.value.get("examples")?.get(0)
    }

    /// The names of the JSON types it may have; none means any.
    pub(super) fn types(self) -> Vec<&'a str> {
        match self.value.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ if self.value.get("properties").is_some() => vec!["object"],
            _ if !self.words().is_empty() => vec!["string"],
            _ => Vec::new(),
        }
    }

    /// The words a string may be, if it may not be any.
    pub(super) fn words(self) -> Vec<&'a str> {
        if let Some(word) = self.str("const") {
            return vec![word];
        }
        let words = self.value.get("enum").and_then(Value::as_array);
        words.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The grammar of a string, or the width of an integer.
    pub(super) fn format(self) -> Option<&'a str> {
        self.str("format")
    }

    /// Whether what stands here must not be seen.
    pub(super) fn is_secret(self) -> bool {
        self.value.get("writeOnly").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The least and greatest integer.
    pub(super) fn range(self) -> (i128, i128) {
        let bound = |name| self.value.get(name).and_then(Value::as_i64).map(i128::from);
        let (least, greatest) = match self.format() {
            Some("uint8") => (0, u8::MAX.into()),
            Some("uint16") => (0, u16::MAX.into()),
            Some("uint32") => (0, u32::MAX.into()),
            Some("uint64" | "uint") => (0, i64::MAX.into()),
            Some("int8") => (i8::MIN.into(), i8::MAX.into()),
            Some("int16") => (i16::MIN.into(), i16::MAX.into()),
            Some("int32") => (i32::MIN.into(), i32::MAX.into()),
            _ => (i64::MIN.into(), i64::MAX.into()),
        };
        (bound("minimum").unwrap_or(least), bound("maximum").unwrap_or(greatest))
    }

    /// A list's elements.
    pub(super) fn items(self) -> Option<Self> {
        self.value.get("items").map(|items| self.to(items))
    }

    /// Whether this is a table whose keys are known.
    pub(super) fn is_table(self) -> bool {
        self.properties().next().is_some()
    }

    /// A table's known keys.
    pub(super) fn properties(self) -> impl Iterator<Item = (&'a str, Self)> {
        let properties = self.value.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flat_map(Map::iter)
            .map(move |(name, value)| (name.as_str(), self.to(value)))
    }

    /// A known key of a table.
    pub(super) fn property(self, name: &str) -> Option<Self> {
        self.value.get("properties")?.get(name).map(|value| self.to(value))
    }

    /// The values of a table whose keys are the operator's own names.
    pub(super) fn values(self) -> Option<Self> {
        let values = self.value.get("additionalProperties")?;
        (!values.is_boolean()).then(|| self.to(values))
    }

    /// Whether a table may hold keys that are not known.
    pub(super) fn is_open(self) -> bool {
        self.value.get("additionalProperties").and_then(Value::as_bool).unwrap_or(true)
    }

    /// The keys that a table must hold.
    pub(super) fn required(self) -> Vec<&'a str> {
        let names = self.value.get("required").and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether a table must hold this key.
    pub(super) fn requires(self, name: &str) -> bool {
        self.required().contains(&name)
    }

    /// The definition that this place refers to, or this place.
    fn resolved(self) -> Self {
        let name = self.str("$ref").and_then(|name| name.strip_prefix('#'));
        match name.and_then(|pointer| self.root.pointer(pointer)) {
            Some(value) => self.to(value).resolved(),
            None => self,
        }
    }

    const fn to(self, value: &'a Value) -> Self {
        Self { root: self.root, value }
    }

    fn str(self, name: &str) -> Option<&'a str> {
        self.value.get(name).and_then(Value::as_str)
    }
}
