//! The types of a service as JSON Schema: what clients may send, and what they get.

use serde_json::{Map, Value, json};

use super::schema::{ANY, Complex, Content, Group, Kind, Order, Part, TEXT, TYPE, TypeId, Types};

/// Where schemas with names are in the document that is made.
const PLACE: &str = "#/components/schemas/";

impl Types {
    /// All schemas that have names.
    pub(super) fn schemas(&self) -> Map<String, Value> {
        let named =
            self.list.iter().enumerate().filter_map(|(id, of)| Some((id, of.name.as_ref()?)));
        named.map(|(id, name)| (name.to_string(), self.inline(id))).collect()
    }

    /// A type where it is used.
    pub(super) fn schema(&self, of: TypeId) -> Value {
        match &self.list[of].name {
            Some(name) => json!({"$ref": format!("{PLACE}{name}")}),
            None => self.inline(of),
        }
    }

    /// A type where it may be nothing.
    pub(super) fn schema_or_null(&self, of: TypeId, nillable: bool) -> Value {
        match nillable {
            true => json!({"anyOf": [self.schema(of), {"type": "null"}]}),
            false => self.schema(of),
        }
    }

    /// What is behind a type's name.
    pub(super) fn inline(&self, of: TypeId) -> Value {
        match &self.list[of].kind {
            Kind::Any => json!({}),
            Kind::Simple(simple) => Value::Object(simple.schema.clone()),
            Kind::Complex(complex) => match complex.plain() {
                Some(simple) => Value::Object(simple.schema.clone()),
                None => self.object(of, complex),
            },
        }
    }

    fn object(&self, of: TypeId, complex: &Complex) -> Value {
        let mut properties = Map::new();
        let mut required: Vec<Value> = Vec::new();
        for attribute in &complex.attributes {
            properties.insert(attribute.key.to_string(), attribute.of.schema.clone().into());
            if attribute.required {
                required.push((&*attribute.key).into());
            }
        }
        let mut schema = Map::from_iter([("type".to_owned(), "object".into())]);
        let mut open = false;
        match &complex.content {
            Content::Text(simple) => {
                properties.insert(TEXT.into(), simple.schema.clone().into());
                required.push(TEXT.into());
            }
            Content::Elements(group) => {
                open = group.is_open();
                for member in &complex.members {
                    let one = self.schema_or_null(member.of, member.nillable);
                    let value =
                        if member.list { json!({"type": "array", "items": one}) } else { one };
                    properties.insert(member.key.to_string(), value);
                    if member.required {
                        required.push((&*member.key).into());
                    }
                }
                let mut choices = Vec::new();
                choices_of(group, false, &mut choices);
                if !choices.is_empty() {
                    schema.insert("allOf".into(), choices.into());
                }
            }
        }
        if complex.open {
            // Attributes that are not listed.
            let text = json!({"type": ["string", "number", "boolean"]});
            schema.insert("patternProperties".into(), json!({"^@[^:]+$": text}));
        }
        if open {
            properties.insert(ANY.into(), json!({"type": "object"}));
        }
        let (is_derived, is_extended) = self.derived(of);
        if is_derived {
            properties.insert(TYPE.into(), json!({"type": "string"}));
        }
        // It may be one that extends it, which has more.
        if !is_extended {
            schema.insert("additionalProperties".into(), false.into());
        }
        schema.insert("properties".into(), properties.into());
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        Value::Object(schema)
    }
}

/// Adds for each choice that has to be made once what its branches need.
fn choices_of(group: &Group, optional: bool, found: &mut Vec<Value>) {
    let optional = optional || group.times.min == 0;
    if group.times.max > 1 {
        return;
    }
    if group.order == Order::Sequence {
        let groups = group.parts.iter().filter_map(|part| match part {
            Part::Group(group) => Some(group),
            Part::Element(_) | Part::Any => None,
        });
        groups.for_each(|group| choices_of(group, optional, found));
        return;
    }
    let branches: Vec<Vec<&str>> = group.parts.iter().map(needs).collect();
    if branches.len() < 2 || branches.iter().any(Vec::is_empty) {
        return;
    }
    let mut ways: Vec<Value> = branches.iter().map(|names| json!({"required": names})).collect();
    if optional {
        let none: Vec<Value> = ways.clone();
        ways.push(json!({"not": {"anyOf": none}}));
    }
    found.push(json!({"oneOf": ways}));
}

/// The members that a part cannot be without.
fn needs(part: &Part) -> Vec<&str> {
    match part {
        Part::Element(element) if element.times.min > 0 => vec![&element.local],
        Part::Group(group) if group.order == Order::Sequence && group.times.min > 0 => {
            group.parts.iter().flat_map(needs).collect()
        }
        Part::Element(_) | Part::Group(_) | Part::Any => Vec::new(),
    }
}
