//! Parameters: how path, query, header fields and cookies say a value, and whether it is a good one.
//!
//! The styles are those of OpenAPI (section "Style Values"), which are RFC 6570's. In: what stands in a
//! request, as it came. Out: a value for the schema, or what is wrong.

use std::{borrow::Cow, collections::BTreeMap};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    schema::Schema,
    shape::{Kinds, Shape},
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
const TWICE: &str = "is given more than once";
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

    /// Holds the parameter of a query, or of cookies, to its schema.
    pub(super) fn check_pairs(&self, pairs: &Pairs<'_>, wrong: &mut Violations) {
        self.check(self.of_pairs(pairs), wrong);
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
        let free = self.shape.properties.as_ref().is_some_and(BTreeMap::is_empty);
        free && self.style == Style::Form && self.explode
    }

    fn check(&self, made: Made, wrong: &mut Violations) {
        match made {
            Ok(Some(Value::String(text))) if text.is_empty() && self.allow_empty => {}
            Ok(Some(value)) => self.schema.check(&value, self.part, &self.name, wrong),
            Ok(None) if self.required => self.say("is missing", wrong),
            Ok(None) => {}
            Err(what) => self.say(what, wrong),
        }
    }

    fn say(&self, what: &str, wrong: &mut Violations) {
        wrong.push(Violation::parameter(self.part, &self.name, what));
    }

    fn of_path(&self, raw: &str) -> Made {
        let list = |raw: &str, comma: char| -> Result<Vec<String>, &'static str> {
            let texts = raw.split(comma).map(|text| path_text(text).map(Cow::into_owned));
            texts.collect::<Option<_>>().ok_or(NOT_TEXT)
        };
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
                self.compose(raw.split(',').map(|text| text.trim().to_owned()).collect())
            }
            _ => Ok(Some(self.shape.kinds.read(raw))),
        }
    }

    fn of_pairs(&self, pairs: &Pairs<'_>) -> Made {
        let own = || pairs.iter().filter(|(name, _)| *name == *self.name).map(|(_, value)| *value);
        let text = |raw: &str| form_text(raw).map(Cow::into_owned).ok_or(NOT_TEXT);
        match (self.style, &self.shape.properties) {
            (Style::DeepObject, _) => return self.deep(pairs),
            (Style::Form, Some(fields)) if self.explode => {
                let mut object = Map::new();
                for (name, raw) in pairs {
                    let Some(field) = fields.get(&**name) else { continue };
                    let value = text(raw)?;
                    put(&mut object, name, field.kinds, field.items, &value)?;
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
        let none = Default::default();
        let fields = self.shape.properties.as_ref().unwrap_or(&none);
        let mut object = Map::new();
        for (name, raw) in pairs {
            let inner = name.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix('['));
            let Some(inner) = inner else { continue };
            let property = inner.strip_suffix(']').filter(|inner| !inner.contains(['[', ']']));
            let property = property.ok_or("is not written as `name[property]=value`")?;
            let field = fields.get(property).copied();
            let field = field.unwrap_or_default();
            put(&mut object, property, field.kinds, field.items, &form_text(raw).ok_or(NOT_TEXT)?)?;
        }
        Ok((!object.is_empty()).then_some(Value::Object(object)))
    }

    /// A value of its parts: a list, an object, or the one that there is.
    fn compose(&self, texts: Vec<String>) -> Made {
        if let Some(items) = self.shape.items {
            return Ok(Some(texts.iter().map(|text| items.read(text)).collect()));
        }
        let Some(fields) = &self.shape.properties else {
            // A comma in what is no list belongs to it.
            return Ok(Some(self.shape.kinds.read(&texts.join(","))));
        };
        let mut object = Map::new();
        let mut texts = texts.into_iter();
        while let Some(text) = texts.next() {
            let (name, value) = match (self.explode, text.split_once('=')) {
                (true, Some((name, value))) => (name.to_owned(), value.to_owned()),
                (true, None) => return Err("is not written as `name=value`"),
                (false, _) => (text, texts.next().ok_or("has a name without a value")?),
            };
            let kinds = fields.get(&name).map(|field| field.kinds).unwrap_or_default();
            put(&mut object, &name, kinds, None, &value)?;
        }
        Ok(Some(Value::Object(object)))
    }
}

/// Puts a property's text into an object: what is a list may come several times.
pub(super) fn put(
    object: &mut Map<String, Value>,
    name: &str,
    kinds: Kinds,
    items: Option<Kinds>,
    text: &str,
) -> Result<(), &'static str> {
    match (items, object.get_mut(name)) {
        (Some(items), Some(Value::Array(list))) => list.push(items.read(text)),
        (Some(items), _) => {
            object.insert(name.to_owned(), Value::Array(vec![items.read(text)]));
        }
        (None, Some(_)) => return Err(TWICE),
        (None, None) => {
            object.insert(name.to_owned(), kinds.read(text));
        }
    }
    Ok(())
}

fn json(text: &str) -> Made {
    parse_json(text.as_bytes(), JSON_DEPTH).map(Some).map_err(|_| NO_JSON)
}
