//! Parameters: how path, query, header fields and cookies say a value, and whether it is a good one.
//!
//! The styles are those of OpenAPI (section "Style Values"), which are RFC 6570's. In: what stands in a
//! request, as it came. Out: a value for the schema, or what is wrong.

use std::{borrow::Cow, collections::BTreeMap};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    schema::Schema,
    shape::{Field, Kinds, Shape},
};
use crate::message::{Part, Violation, Violations, form_text, pairs, parse_json};

/// How deep a parameter of JSON may be nested.
const JSON_DEPTH: u8 = 16;

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Style {
    /// `a,b`: of paths and header fields.
    Simple,
    /// `.a.b`, of paths.
    Label,
    /// `;id=a;id=b`, of paths.
    Matrix,
    /// `id=a&id=b`, of queries and cookies.
    Form,
    /// `id=a%20b`, of queries.
    SpaceDelimited,
    /// `id=a|b`, of queries.
    PipeDelimited,
    /// `id[a]=b`, of queries.
    DeepObject,
    /// A document of JSON.
    Json,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) part: Part,
    pub(super) name: Box<str>,
    pub(super) required: bool,
    pub(super) allow_empty: bool,
    pub(super) style: Style,
    pub(super) explode: bool,
    pub(super) shape: Shape,
    pub(super) schema: Schema,
}

/// A query, in pairs as they came.
pub(super) type Pairs<'q> = Vec<(Cow<'q, str>, &'q str)>;

/// What a parameter's text makes.
type Made = Result<Option<Value>, &'static str>;

const NOT_TEXT: &str = "is not UTF-8";
pub(super) const TWICE: &str = "is given more than once";
const NO_JSON: &str = "is not well-formed JSON";

/// Takes a query apart; names are decoded, values are not.
pub(super) fn taken_apart(query: &str) -> Pairs<'_> {
    let own = |(name, value)| (form_text(name).unwrap_or(Cow::Borrowed(name)), value);
    pairs(query).map(own).collect()
}

fn path_text(raw: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(raw).decode_utf8().ok()
}

impl Parameter {
    /// Holds the parameter of a path or a header field to its schema; none is one that is not there.
    pub(super) fn check_text(&self, raw: Option<&str>, wrong: &mut Violations) {
        let made = raw.map_or(Ok(None), |raw| match self.part {
            Part::Path => self.of_path(raw),
            _ => self.of_field(raw),
        });
        self.check(made, wrong);
    }

    /// Holds the parameter of a query, or of cookies, to its schema; `others` says which names are of others.
    pub(super) fn check_pairs(
        &self,
        pairs: &Pairs<'_>,
        others: &dyn Fn(&str) -> bool,
        wrong: &mut Violations,
    ) {
        self.check(self.of_pairs(pairs, others), wrong);
    }

    /// Whether a name in a query is this parameter's.
    pub(super) fn takes(&self, name: &str) -> bool {
        match (self.style, &self.shape.properties) {
            (Style::DeepObject, _) => {
                name.strip_prefix(&*self.name).is_some_and(|rest| rest.starts_with('['))
            }
            (Style::Form, Some(fields)) if self.explode => fields.contains_key(name),
            _ => name == &*self.name,
        }
    }

    /// Whether it takes any name in a query: an object that is told by its properties, whatever they are.
    pub(super) fn takes_all(&self) -> bool {
        let open = |fields: &BTreeMap<_, _>| fields.is_empty() || self.shape.rest.is_some();
        let free = self.shape.properties.as_ref().is_some_and(open);
        free && self.style == Style::Form && self.explode
    }

    fn check(&self, made: Made, wrong: &mut Violations) {
        match made {
            Ok(Some(Value::String(text))) if text.is_empty() && self.allow_empty => {}
            Ok(Some(value)) if self.may_be_other(&value) => {}
            Ok(Some(value)) => self.schema.check(&value, self.part, &self.name, wrong),
            Ok(None) if self.required => self.say("is missing", wrong),
            Ok(None) => {}
            Err(what) => self.say(what, wrong),
        }
    }

    /// Whether the text that made a value that will not do may stand for another one that will: `7` for a number
    /// where text is taken, too, or `all` for itself where a list is.
    fn may_be_other(&self, value: &Value) -> bool {
        let kinds = self.shape.kinds;
        let text = match value {
            Value::String(text) => text,
            Value::Array(items) => match &items[..] {
                [Value::String(text)] => text,
                _ => return false,
            },
            _ => return false,
        };
        if kinds == Kinds::default() || self.schema.takes(value) {
            return false;
        }
        let others = [kinds.read(text), Kinds { text: false, ..kinds }.read(text)];
        others.iter().any(|other| other != value && self.schema.takes(other))
    }

    fn say(&self, what: &str, wrong: &mut Violations) {
        wrong.push(Violation::parameter(self.part, &self.name, what));
    }

    fn of_path(&self, raw: &str) -> Made {
        let list = |raw: &str, comma: char| self.taken_apart(raw.split(comma), path_text);
        match self.style {
            Style::Json => json(&path_text(raw).ok_or(NOT_TEXT)?),
            Style::Label => {
                let rest = raw.strip_prefix('.').ok_or("does not begin with `.`")?;
                let comma = if self.explode { '.' } else { ',' };
                self.compose(list(rest, comma)?)
            }
            Style::Matrix => {
                let mut texts = Vec::new();
                for part in raw.split(';').skip(1) {
                    let (name, value) = part.split_once('=').unwrap_or((part, ""));
                    let own = name == &*self.name;
                    match (self.explode, &self.shape.properties) {
                        (true, Some(_)) => texts.extend(list(part, '\0')?),
                        (true, None) if own => texts.extend(list(value, '\0')?),
                        (false, _) if own => texts.extend(list(value, ',')?),
                        _ => return Err("is not written as `;name=value`"),
                    }
                }
                if texts.is_empty() {
                    return Err("is not written as `;name=value`");
                }
                self.compose(texts)
            }
            _ => self.compose(list(raw, ',')?),
        }
    }

    fn of_field(&self, raw: &str) -> Made {
        match self.style {
            Style::Json => json(raw),
            _ if self.shape.items.is_some() || self.shape.properties.is_some() => {
                let own = |text| Some(Cow::Borrowed(text));
                self.compose(self.taken_apart(raw.split(',').map(str::trim), own)?)
            }
            _ => Ok(Some(self.shape.kinds.read(raw))),
        }
    }

    fn of_pairs(&self, pairs: &Pairs<'_>, others: &dyn Fn(&str) -> bool) -> Made {
        let own = || pairs.iter().filter(|(name, _)| *name == *self.name).map(|(_, value)| *value);
        let text = |raw: &str| {
            // A plus is a blank in forms alone.
            let text = if self.part == Part::Cookie { path_text(raw) } else { form_text(raw) };
            text.map(Cow::into_owned).ok_or(NOT_TEXT)
        };
        match (self.style, &self.shape.properties) {
            (Style::DeepObject, _) => return self.deep(pairs),
            (Style::Form, Some(fields)) if self.explode => {
                // One without a name is all of the query.
                let all = self.takes_all() || self.name.is_empty();
                let mut object = Map::new();
                for (name, raw) in pairs {
                    if fields.contains_key(&**name) || all && !others(name) {
                        put(&mut object, name, self.shape.property(name), &text(raw)?)?;
                    }
                }
                return Ok((!object.is_empty()).then_some(Value::Object(object)));
            }
            (Style::Form, None) if self.explode && self.shape.items.is_some() => {
                let texts = own().map(text).collect::<Result<Vec<_>, _>>()?;
                return if texts.is_empty() { Ok(None) } else { self.compose(texts) };
            }
            _ => {}
        }
        let mut values = own();
        let Some(raw) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(TWICE);
        }
        let comma: &[&str] = match self.style {
            Style::Json => return json(&text(raw)?),
            Style::SpaceDelimited => &["%20", "+"],
            Style::PipeDelimited => &["|", "%7C", "%7c"],
            _ => &[","],
        };
        if self.shape.items.is_none() && self.shape.properties.is_none() {
            return Ok(Some(self.shape.kinds.read(&text(raw)?)));
        }
        let plain = comma.iter().fold(Cow::Borrowed(raw), |raw, comma| match raw.contains(comma) {
            true => Cow::Owned(raw.replace(comma, "\0")),
            false => raw,
        });
        self.compose(plain.split('\0').map(text).collect::<Result<_, _>>()?)
    }

    /// `name[property]=value`.
    fn deep(&self, pairs: &Pairs<'_>) -> Made {
        let mut object = Map::new();
        for (name, raw) in pairs {
            let inner = name.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix('['));
            let Some(inner) = inner else { continue };
            let property = inner.strip_suffix(']').filter(|inner| !inner.contains(['[', ']']));
            let property = property.ok_or("is not written as `name[property]=value`")?;
            let field = self.shape.property(property);
            put(&mut object, property, field, &form_text(raw).ok_or(NOT_TEXT)?)?;
        }
        Ok((!object.is_empty()).then_some(Value::Object(object)))
    }

    /// The texts of its parts; of an object's, name and value by turns.
    fn taken_apart<'r>(
        &self,
        parts: impl Iterator<Item = &'r str>,
        text: impl Fn(&'r str) -> Option<Cow<'r, str>>,
    ) -> Result<Vec<String>, &'static str> {
        let pairs = self.explode && self.shape.items.is_none() && self.shape.properties.is_some();
        let mut texts = Vec::new();
        for part in parts {
            let (name, value) = match part.split_once('=').filter(|_| pairs) {
                Some((name, value)) => (name, Some(value)),
                None if pairs && !part.is_empty() => return Err("is not written as `name=value`"),
                None => (part, None),
            };
            for part in [Some(name), value].into_iter().flatten() {
                texts.push(text(part).ok_or(NOT_TEXT)?.into_owned());
            }
        }
        Ok(texts)
    }

    /// A value of its parts: a list, an object, or the one that there is.
    fn compose(&self, mut texts: Vec<String>) -> Made {
        // Nothing at all is a list or an object with nothing in it, unless each item names the parameter.
        let named = self.explode && matches!(self.style, Style::Form | Style::Matrix);
        if !named && texts.len() == 1 && texts[0].is_empty() {
            texts.clear();
        }
        if let Some(items) = self.shape.items {
            return Ok(Some(texts.iter().map(|text| items.read(text)).collect()));
        }
        if self.shape.properties.is_none() {
            // A comma in what is no list belongs to it.
            return Ok(Some(self.shape.kinds.read(&texts.join(","))));
        }
        let mut object = Map::new();
        let mut texts = texts.into_iter();
        while let Some(name) = texts.next() {
            let value = texts.next().ok_or("has a name without a value")?;
            let field = self.shape.property(&name);
            put(&mut object, &name, Field { items: None, free: false, ..field }, &value)?;
        }
        Ok(Some(Value::Object(object)))
    }
}

/// Puts a property's text into an object: what is a list may come several times.
fn put(
    object: &mut Map<String, Value>,
    name: &str,
    field: Field,
    text: &str,
) -> Result<(), &'static str> {
    add(object, name, field, field.items.unwrap_or(field.kinds).read(text))
}

/// Adds a property to an object, or an item to the list that it is.
pub(super) fn add(
    object: &mut Map<String, Value>,
    name: &str,
    field: Field,
    value: Value,
) -> Result<(), &'static str> {
    match object.get_mut(name) {
        None if field.items.is_some() => drop(object.insert(name.to_owned(), vec![value].into())),
        None => drop(object.insert(name.to_owned(), value)),
        Some(Value::Array(list)) if field.items.is_some() || field.free => list.push(value),
        Some(first) if field.free => *first = vec![first.take(), value].into(),
        Some(_) => return Err(TWICE),
    }
    Ok(())
}

fn json(text: &str) -> Made {
    parse_json(text.as_bytes(), JSON_DEPTH).map(Some).map_err(|_| NO_JSON)
}
