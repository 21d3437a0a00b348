//! Bodies: which types a contract takes, and whether a body is what its type and its schema say.
//!
//! JSON is held to its schema whole; of forms, the fields are; of anything else only the type is looked at.

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use super::{
    multipart,
    parameter::{add, taken_apart},
    schema::Schema,
    shape::{Kinds, Shape},
};
use crate::{
    message::{Part, Violation, Violations, essence, form_text, is_plain, parse_json},
    reject::Reject,
};

/// Fields that a form may have.
const MAX_FIELDS: usize = 1_000;

/// The body that an operation takes.
#[derive(Debug, Default)]
pub(super) struct BodyRule {
    pub(super) required: bool,
    pub(super) kinds: Vec<Kind>,
}

/// One type that a body may have.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) range: Range,
    pub(super) content: Content,
}

/// How a body of a type is looked at.
#[derive(Debug)]
pub(super) enum Content {
    /// It is not.
    Any,
    /// JSON; of any shape, without a schema.
    Json(Option<Schema>),
    /// `application/x-www-form-urlencoded`.
    Form(Shape, Schema),
    /// `multipart/form-data`.
    Multipart(Shape, Schema),
}

/// A media range: `application/json`, `application/*`, `*/*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Range {
    kind: Box<str>,
    sub: Box<str>,
}

/// How a document of JSON is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth(pub(super) u8);

impl Range {
    /// Reads a media range; parameters do not matter.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let essence = essence(text);
        let (kind, sub) = essence.split_once('/')?;
        (!kind.is_empty() && !sub.is_empty() && !sub.contains('/'))
            .then(|| Self { kind: kind.into(), sub: sub.into() })
    }

    /// Whether a type is within the range, and how closely.
    fn takes(&self, other: &Self) -> Option<u8> {
        match (&*self.kind, &*self.sub) {
            ("*", "*") => Some(0),
            (kind, "*") if kind == &*other.kind => Some(1),
            (kind, sub) if kind == &*other.kind && sub == &*other.sub => Some(2),
            _ => None,
        }
    }

    /// Whether it is JSON: `application/json`, or `+json`.
    pub(super) fn is_json(&self) -> bool {
        &*self.kind == "application" && (&*self.sub == "json" || self.sub.ends_with("+json"))
            || &*self.kind == "text" && &*self.sub == "json"
    }

    /// Whether it is a form.
    pub(super) fn is_form(&self) -> bool {
        &*self.kind == "application" && &*self.sub == "x-www-form-urlencoded"
    }

    /// Whether it is a form in parts.
    pub(super) fn is_multipart(&self) -> bool {
        &*self.kind == "multipart" && &*self.sub == "form-data"
    }
}

/// The type that a message says its body has; none if it says none, or nonsense.
pub(super) fn type_of(headers: &HeaderMap) -> Option<Range> {
    Range::parse(headers.get(CONTENT_TYPE)?.to_str().ok()?)
}

/// Of several kinds the one that a type is closest to.
pub(super) fn closest<'k>(kinds: &'k [Kind], named: &Range) -> Option<&'k Kind> {
    let fits = kinds.iter().filter_map(|kind| Some((kind.range.takes(named)?, kind)));
    fits.max_by_key(|(closeness, _)| *closeness).map(|(_, kind)| kind)
}

impl BodyRule {
    /// The kind of a request's body, by its fields.
    ///
    /// # Errors
    /// It is none that is taken.
    pub(super) fn kind(&self, headers: &HeaderMap) -> Result<Option<&Kind>, Reject> {
        if self.kinds.is_empty() {
            return Ok(None);
        }
        if !is_plain(headers) || headers.get_all(CONTENT_TYPE).iter().count() > 1 {
            return Err(Reject::BodyType);
        }
        let named = type_of(headers).ok_or(Reject::BodyType)?;
        closest(&self.kinds, &named).map(Some).ok_or(Reject::BodyType)
    }
}

impl Content {
    /// Whether the body has to be read for it.
    pub(super) const fn is_read(&self) -> bool {
        !matches!(self, Self::Any)
    }

    /// Holds a body to it.
    ///
    /// # Errors
    /// It is not what its type says.
    pub(super) fn check(
        &self,
        body: &[u8],
        kind: Option<&HeaderValue>,
        depth: Depth,
        wrong: &mut Violations,
    ) -> Result<(), Reject> {
        let mut broken = |says: String| {
            wrong.push(Violation::body("", says));
            Reject::BodySyntax
        };
        let (value, schema) = match self {
            Self::Any => return Ok(()),
            Self::Json(schema) => {
                let value = parse_json(body, depth.0).map_err(|error| broken(error.to_string()))?;
                let Some(schema) = schema else { return Ok(()) };
                (value, schema)
            }
            Self::Form(shape, schema) => (read_form(body, shape).map_err(broken)?, schema),
            Self::Multipart(shape, schema) => {
                let parts = multipart::parts(body, kind).map_err(|what| broken(what.to_owned()))?;
                (read_parts(&parts, shape).map_err(broken)?, schema)
            }
        };
        schema.check(&value, Part::Body, "", wrong);
        Ok(())
    }
}

/// An object of a form's fields.
fn read_form(body: &[u8], shape: &Shape) -> Result<Value, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8")?;
    let mut object = Map::new();
    for (index, (name, raw)) in taken_apart(text).into_iter().enumerate() {
        if index >= MAX_FIELDS {
            return Err(format!("it has more than {MAX_FIELDS} fields"));
        }
        let value = form_text(raw).ok_or("it is not UTF-8")?;
        place(&mut object, &name, shape, &value)?;
    }
    Ok(Value::Object(object))
}

/// An object of a form's parts; of a file only that it is there.
fn read_parts(parts: &[multipart::Part<'_>], shape: &Shape) -> Result<Value, String> {
    let mut object = Map::new();
    for part in parts {
        let text = if part.is_file { Some("") } else { std::str::from_utf8(part.body).ok() };
        let text = text.ok_or_else(|| "a part of it is not UTF-8".to_owned())?;
        place(&mut object, part.name, shape, text)?;
    }
    Ok(Value::Object(object))
}

fn place(
    object: &mut Map<String, Value>,
    name: &str,
    shape: &Shape,
    text: &str,
) -> Result<(), String> {
    let field = shape.property(name);
    let kinds = field.items.unwrap_or(field.kinds);
    // What no text stands for is told as JSON.
    let json = match field.nested || kinds == Kinds::default() {
        true => parse_json(text.as_bytes(), crate::message::DEPTH).ok(),
        false => None,
    };
    let value = json.unwrap_or_else(|| kinds.read(text));
    add(object, name, field, value).map_err(|what| format!("a field of it {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_range_takes_a_type() {
        let kind = |text: &str| Kind { range: Range::parse(text).unwrap(), content: Content::Any };
        let kinds = [kind("*/*"), kind("text/*"), kind("text/Plain; charset=utf-8")];
        for (named, range) in [
            ("text/plain", "text/plain"),
            ("TEXT/PLAIN;charset=latin1", "text/plain"),
            ("text/html", "text/*"),
            ("image/png", "*/*"),
        ] {
            let found = closest(&kinds, &Range::parse(named).unwrap()).unwrap();
            assert_eq!(found.range, Range::parse(range).unwrap(), "{named}");
        }
        assert!(closest(&kinds[1..], &Range::parse("image/png").unwrap()).is_none());
        for nonsense in ["", "text", "/", "a/", "/b", "a/b/c"] {
            assert_eq!(Range::parse(nonsense), None, "{nonsense}");
        }
    }
}
