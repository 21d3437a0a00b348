//! Simple types: text of some form, and what JSON Schema says of it.

use serde_json::{Map, Value, json};

use super::{Compiler, Form, Simple, builtin::builtin, compiler::DEEPEST};
use crate::{
    translate::soap::{LoadError, names::XML_SCHEMA},
    xml::Element,
};

impl<'a> Compiler<'a> {
    /// Compiles a `simpleType`.
    pub(super) fn simple(
        &mut self,
        index: usize,
        part: &'a Element<'a>,
        depth: usize,
    ) -> Result<Simple, LoadError> {
        let document = self.documents[index];
        let inner = part.elements().find(|inner| inner.name.local != "annotation");
        let inner = inner.ok_or_else(|| document.wrong(part, "a simple type says nothing"))?;
        match inner.name.local {
            "restriction" => {
                let base = self.simple_base(index, inner, "base", depth)?;
                self.restrict(index, inner, base)
            }
            "list" => {
                let item = self.simple_base(index, inner, "itemType", depth)?;
                let schema = json!({"type": "array", "items": item.schema});
                Ok(Simple { form: Form::List(Box::new(item)), schema: object(schema) })
            }
            // Which of its types a text is of, the text does not say.
            "union" => Ok(Simple { form: Form::Text, schema: object(json!({"type": "string"})) }),
            other => Err(document.wrong(inner, format!("`{other}` is not understood"))),
        }
    }

    /// A simple type that an attribute names, or that is written in the element.
    pub(super) fn simple_base(
        &mut self,
        index: usize,
        at: &'a Element<'a>,
        attribute: &str,
        depth: usize,
    ) -> Result<Simple, LoadError> {
        let document = self.documents[index];
        if depth > DEEPEST {
            return Err(document.wrong(at, "a type goes back to others too often, or to itself"));
        }
        if let Some(name) = at.attribute(attribute) {
            let (namespace, local) = document.resolve(at, name)?;
            if namespace == XML_SCHEMA {
                let missing =
                    || document.wrong(at, format!("XML Schema has no simple type `{local}`"));
                return builtin(local).ok_or_else(missing);
            }
            return match self.find("type", namespace, local) {
                Some((index, found)) if found.name.local == "simpleType" => {
                    self.simple(index, found, depth + 1)
                }
                _ => Err(document
                    .wrong(at, format!("there is no simple type `{local}` in `{namespace}`"))),
            };
        }
        match at.element(XML_SCHEMA, "simpleType") {
            Some(inner) => self.simple(index, inner, depth + 1),
            None => Err(document.wrong(at, "it does not say of which type")),
        }
    }

    /// Adds what a restriction says.
    pub(super) fn restrict(
        &self,
        index: usize,
        restriction: &'a Element<'a>,
        mut base: Simple,
    ) -> Result<Simple, LoadError> {
        let document = self.documents[index];
        let mut values = Vec::new();
        let mut patterns = Vec::new();
        for facet in restriction.elements() {
            let value = facet.attribute("value").unwrap_or_default();
            let refuse = || document.wrong(facet, format!("`{value}` is no value of this type"));
            let whole = || value.trim().parse::<u32>().map(Value::from).map_err(|_| refuse());
            let is_list = matches!(base.form, Form::List(_));
            match facet.name.local {
                "enumeration" => values.push(base.json(value).ok_or_else(refuse)?),
                "pattern" => patterns.push(value),
                "length" => {
                    let names =
                        if is_list { ["minItems", "maxItems"] } else { ["minLength", "maxLength"] };
                    for name in names {
                        base.schema.insert(name.into(), whole()?);
                    }
                }
                "minLength" => {
                    let name = if is_list { "minItems" } else { "minLength" };
                    base.schema.insert(name.into(), whole()?);
                }
                "maxLength" => {
                    let name = if is_list { "maxItems" } else { "maxLength" };
                    base.schema.insert(name.into(), whole()?);
                }
                "minInclusive" => base.limit("minimum", value).ok_or_else(refuse)?,
                "maxInclusive" => base.limit("maximum", value).ok_or_else(refuse)?,
                "minExclusive" => base.limit("exclusiveMinimum", value).ok_or_else(refuse)?,
                "maxExclusive" => base.limit("exclusiveMaximum", value).ok_or_else(refuse)?,
                // What numbers look like, and space: JSON has no word for it.
                _ => {}
            }
        }
        if !values.is_empty() {
            base.schema.insert("enum".into(), values.into());
        }
        if !patterns.is_empty() && matches!(base.form, Form::Text) {
            let pattern = format!("^(?:{})$", patterns.join("|"));
            if is_regular(&pattern) {
                base.schema.insert("pattern".into(), pattern.into());
            }
        }
        Ok(base)
    }
}

/// Whether a pattern of XML Schema means the same to JSON Schema.
fn is_regular(pattern: &str) -> bool {
    let foreign = ["\\i", "\\I", "\\c", "\\C", "-[", "\\p{Is", "\\P{Is", "[^^", "&&", "$|", "(?P"];
    !foreign.iter().any(|foreign| pattern.contains(foreign)) && regex::Regex::new(pattern).is_ok()
}

fn object(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

impl Simple {
    /// A bound for numbers; for what is no number, JSON Schema has none.
    fn limit(&mut self, name: &str, value: &str) -> Option<()> {
        if matches!(self.form, Form::Integer | Form::Decimal | Form::Float) {
            let value = self.json(value)?;
            let schema = match self.schema.get_mut("anyOf").and_then(Value::as_array_mut) {
                Some(several) => several.first_mut().and_then(Value::as_object_mut)?,
                None => &mut self.schema,
            };
            // A bound is in place of another of its kind.
            let twin = match name {
                "minimum" => "exclusiveMinimum",
                "exclusiveMinimum" => "minimum",
                "maximum" => "exclusiveMaximum",
                _ => "maximum",
            };
            schema.remove(twin);
            schema.insert(name.into(), value);
        }
        Some(())
    }

    /// A text of this form as JSON.
    pub(in crate::translate::soap) fn json(&self, text: &str) -> Option<Value> {
        let mut json = String::new();
        self.read(text, &mut json).ok()?;
        serde_json::from_str(&json).ok()
    }
}
