//! Simple types: text of some form, and what JSON Schema says of it.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::{
    Compiler, Form, Simple,
    builtin::builtin,
    compiler::DEEPEST,
    facets::{Bound, Hold, Octets, Space},
    pattern,
};
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
        if depth > DEEPEST {
            return Err(document.wrong(part, "a type goes back to others too often, or to itself"));
        }
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
                Ok(Simple::new(Form::List(Box::new(item)), schema))
            }
            "union" => {
                let mut union = Simple::new(Form::Text, json!({"type": "string"}));
                union.facets.types = self.members_of(index, inner, depth)?;
                Ok(union)
            }
            other => Err(document.wrong(inner, format!("`{other}` is not understood"))),
        }
    }

    /// The types of a union. Which of them a text is of, the text does not say.
    fn members_of(
        &mut self,
        index: usize,
        union: &'a Element<'a>,
        depth: usize,
    ) -> Result<Vec<Simple>, LoadError> {
        let named = union.attribute("memberTypes").unwrap_or_default();
        let mut members = Vec::new();
        for name in named.split_ascii_whitespace() {
            self.count(index, union)?;
            members.push(self.simple_named(index, union, name, depth)?);
        }
        for inner in union.elements().filter(|inner| inner.name.is(XML_SCHEMA, "simpleType")) {
            self.count(index, inner)?;
            members.push(self.simple(index, inner, depth + 1)?);
        }
        match members.is_empty() {
            true => Err(self.documents[index].wrong(union, "it does not say of which type")),
            false => Ok(members),
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
        if let Some(name) = at.attribute(attribute) {
            return self.simple_named(index, at, name, depth);
        }
        match at.element(XML_SCHEMA, "simpleType") {
            Some(inner) => self.simple(index, inner, depth + 1),
            None => Err(self.documents[index].wrong(at, "it does not say of which type")),
        }
    }

    fn simple_named(
        &mut self,
        index: usize,
        at: &'a Element<'a>,
        name: &'a str,
        depth: usize,
    ) -> Result<Simple, LoadError> {
        let document = self.documents[index];
        let (namespace, local) = document.resolve(at, name)?;
        if namespace == XML_SCHEMA {
            let missing = || document.wrong(at, format!("XML Schema has no simple type `{local}`"));
            return builtin(local).ok_or_else(missing);
        }
        match self.find("type", namespace, local) {
            Some((index, found)) if found.name.local == "simpleType" => {
                self.simple(index, found, depth + 1)
            }
            _ => {
                Err(document
                    .wrong(at, format!("there is no simple type `{local}` in `{namespace}`")))
            }
        }
    }

    /// Adds what a restriction says.
    pub(super) fn restrict(
        &mut self,
        index: usize,
        restriction: &'a Element<'a>,
        mut base: Simple,
    ) -> Result<Simple, LoadError> {
        let document = self.documents[index];
        let (mut values, mut texts) = (Vec::new(), Vec::new());
        let mut patterns: Vec<(&str, &Element<'_>)> = Vec::new();
        for facet in restriction.elements() {
            self.count(index, facet)?;
            let value = facet.attribute("value").unwrap_or_default();
            let refuse = || document.wrong(facet, format!("`{value}` is no value of this type"));
            match facet.name.local {
                "enumeration" => {
                    values.push(base.json(value).ok_or_else(refuse)?);
                    texts.push(base.space().of(value).into());
                }
                "pattern" => patterns.push((value, facet)),
                name => {
                    if base.narrow(name, value).ok_or_else(refuse)? == Looked::Never {
                        let what = format!("nobody looks at `{name}` of values of this type");
                        self.note(index, facet, what);
                    }
                }
            }
        }
        if !values.is_empty() {
            base.schema.insert("enum".into(), values.into());
            base.facets.values = texts;
        }
        if let Some((first, facet)) = patterns.first() {
            let patterns: Vec<&str> = patterns.iter().map(|(pattern, _)| *pattern).collect();
            match self.regex(&patterns) {
                Some(regex) => base.facets.patterns.push(regex),
                None => self.note(
                    index,
                    facet,
                    format!("the pattern `{first}` is not understood, so nobody looks at it"),
                ),
            }
            base.show_pattern(&patterns);
        }
        Ok(base)
    }

    /// An expression, which types that are used often have in common.
    fn regex(&mut self, patterns: &[&'a str]) -> Option<Regex> {
        let known = self.regexes.entry(patterns.into());
        known.or_insert_with(|| pattern::compile(patterns)).clone()
    }
}

/// Whether anybody looks at what a facet says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Looked {
    Always,
    Never,
}

fn object(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

impl Simple {
    /// Text of a form, of which JSON Schema says this.
    pub(super) fn new(form: Form, schema: Value) -> Self {
        Self { form, schema: object(schema), facets: Box::default() }
    }

    /// What becomes of white space in it.
    pub(in crate::translate::soap) fn space(&self) -> Space {
        if matches!(self.form, Form::Text) { self.facets.space } else { Space::Collapse }
    }

    /// Adds a facet that is there once in a step; none if it cannot have this value.
    fn narrow(&mut self, name: &str, value: &str) -> Option<Looked> {
        let is_number = matches!(self.form, Form::Integer | Form::Decimal | Form::Float);
        let whole = || value.trim().parse::<u32>().ok().map(|number| number as usize);
        match name {
            "length" | "minLength" | "maxLength" if is_number => return Some(Looked::Never),
            "length" => self.size(Some(whole()?), Some(whole()?)),
            "minLength" => self.size(Some(whole()?), None),
            "maxLength" => self.size(None, Some(whole()?)),
            "minInclusive" | "maxInclusive" | "minExclusive" | "maxExclusive" if !is_number => {
                return Some(Looked::Never);
            }
            "minInclusive" => self.limit("minimum", value)?,
            "maxInclusive" => self.limit("maximum", value)?,
            "minExclusive" => self.limit("exclusiveMinimum", value)?,
            "maxExclusive" => self.limit("exclusiveMaximum", value)?,
            "totalDigits" | "fractionDigits" if !is_number => return Some(Looked::Never),
            "totalDigits" => self.facets.digits = Some(whole()?),
            "fractionDigits" => self.facets.fraction = Some(whole()?),
            "whiteSpace" => {
                self.facets.space = match value.trim() {
                    "preserve" => Space::Preserve,
                    "replace" => Space::Replace,
                    "collapse" => Space::Collapse,
                    _ => return None,
                }
            }
            // Its base, and what is beside facets where a type has attributes.
            "simpleType" | "annotation" | "attribute" | "attributeGroup" | "anyAttribute" => {}
            _ => return Some(Looked::Never),
        }
        Some(Looked::Always)
    }

    /// How short and how long it may be.
    fn size(&mut self, shortest: Option<usize>, longest: Option<usize>) {
        let (min, max) = match self.form {
            Form::List(_) => ("minItems", "maxItems"),
            _ => ("minLength", "maxLength"),
        };
        // JSON Schema counts letters, of which an octet has two, or something between one and two.
        let letters = match self.facets.octets {
            None => Some(1),
            Some(Octets::Hex) => Some(2),
            Some(Octets::Base64) => None,
        };
        for (name, size) in [(min, shortest), (max, longest)] {
            if let (Some(size), Some(letters)) = (size, letters) {
                self.schema.insert(name.into(), size.saturating_mul(letters).into());
            }
        }
        self.facets.shortest = shortest.or(self.facets.shortest);
        self.facets.longest = longest.or(self.facets.longest);
    }

    /// Tells clients of a step's pattern, if JSON Schema can say it. That of a number is about its digits as
    /// they are written, which JSON does not have.
    fn show_pattern(&mut self, patterns: &[&str]) {
        let Some(made) = pattern::for_json(patterns).filter(|_| matches!(self.form, Form::Text))
        else {
            return;
        };
        if !self.schema.contains_key("pattern") {
            self.schema.insert("pattern".into(), made.into());
            return;
        }
        // Another step has one, which still holds.
        let all = self.schema.entry("allOf").or_insert_with(|| json!([]));
        all.as_array_mut().into_iter().for_each(|all| all.push(json!({"pattern": made})));
    }

    /// A bound for numbers; for what is no number, JSON Schema has none.
    fn limit(&mut self, name: &str, value: &str) -> Option<()> {
        let bound = self.json(value)?;
        let schema = match self.schema.get_mut("anyOf").and_then(Value::as_array_mut) {
            Some(several) => several.first_mut().and_then(Value::as_object_mut)?,
            None => &mut self.schema,
        };
        // A bound is in place of another of its kind.
        let (twin, is_low, out) = match name {
            "minimum" => ("exclusiveMinimum", true, false),
            "exclusiveMinimum" => ("minimum", true, true),
            "maximum" => ("exclusiveMaximum", false, false),
            _ => ("maximum", false, true),
        };
        schema.remove(twin);
        schema.insert(name.into(), bound);
        let bound = Some(Bound { value: value.trim().into(), out });
        *(if is_low { &mut self.facets.low } else { &mut self.facets.high }) = bound;
        Some(())
    }

    /// A text of this form as JSON.
    pub(in crate::translate::soap) fn json(&self, text: &str) -> Option<Value> {
        let mut json = String::new();
        self.read(text, &mut json, Hold::Form).ok()?;
        serde_json::from_str(&json).ok()
    }
}
