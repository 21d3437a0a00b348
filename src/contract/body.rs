//! Bodies: which types a contract takes, and whether a body is what its type and its schema say.
//!
//! JSON is held to its schema whole; of forms, the fields are; of anything else only the type is looked at.

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

use super::{
    form::{Fields, read_form, read_parts},
    multipart,
    schema::Schema,
};
use crate::{
    message::{Part, Violation, Violations, charsets, essence, is_plain, is_utf8, parse_json},
    reject::Reject,
};

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
    Form(Fields, Schema),
    /// `multipart/form-data`.
    Multipart(Fields, Schema),
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
            (kind, sub) if kind == &*other.kind && sub == &*other.sub => Some(3),
            // `application/*+json`
            (kind, sub) if kind == &*other.kind => {
                let suffix = sub.strip_prefix('*')?;
                other.sub.ends_with(suffix).then_some(2)
            }
            _ => None,
        }
    }

    /// Whether it says nothing of the type: `*/*`, `application/*`.
    pub(super) fn is_open(&self) -> bool {
        &*self.sub == "*"
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

/// How a body of this type is looked at: by the kind that it is closest to.
pub(super) fn closest<'k>(kinds: &'k [Kind], named: &Range) -> Option<&'k Content> {
    let fits = kinds.iter().filter_map(|kind| Some((kind.range.takes(named)?, kind)));
    let (_, kind) = fits.max_by_key(|(closeness, _)| *closeness)?;
    // What says nothing of the type has a schema for what is JSON.
    let is_other = matches!(kind.content, Content::Json(_)) && !named.is_json();
    Some(if is_other { &Content::Any } else { &kind.content })
}

impl BodyRule {
    /// How a request's body is looked at, by its fields; none if whatever it is will do.
    ///
    /// # Errors
    /// It is none that is taken, or it may be read in another way than here.
    pub(super) fn content(&self, headers: &HeaderMap) -> Result<Option<&Content>, Reject> {
        if self.kinds.is_empty() {
            return Ok(None);
        }
        let mut said = headers.get_all(CONTENT_TYPE).iter();
        let (Some(kind), None) = (said.next(), said.next()) else { return Err(Reject::BodyType) };
        let kind = kind.to_str().map_err(|_| Reject::BodyType)?;
        let named = Range::parse(kind).ok_or(Reject::BodyType)?;
        let content = closest(&self.kinds, &named).ok_or(Reject::BodyType)?;
        let readable = is_plain(headers) && charsets(kind).all(is_utf8);
        if content.is_read() && !readable { Err(Reject::BodyType) } else { Ok(Some(content)) }
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
            Self::Form(fields, schema) => (read_form(body, fields).map_err(broken)?, schema),
            Self::Multipart(fields, schema) => {
                let parts = multipart::parts(body, kind).map_err(|what| broken(what.to_owned()))?;
                (read_parts(&parts, fields).map_err(broken)?, schema)
            }
        };
        schema.check(&value, Part::Body, "", wrong);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_range_takes_a_type() {
        let ranges = ["*/*", "text/*", "text/Plain; charset=utf-8", "a/*+json", "a/b+json"];
        let kind = |text: &str| Kind { range: Range::parse(text).unwrap(), content: Content::Any };
        let kinds = ranges.map(kind);
        for (named, range) in [
            ("text/plain", 2),
            ("TEXT/PLAIN;charset=latin1", 2),
            ("text/html", 1),
            ("image/png", 0),
            ("a/c+json", 3),
            ("a/b+json", 4),
            ("a/json", 0),
        ] {
            let found = closest(&kinds, &Range::parse(named).unwrap()).unwrap();
            assert!(std::ptr::eq(found, &raw const kinds[range].content), "{named}");
        }
        assert!(closest(&kinds[1..], &Range::parse("image/png").unwrap()).is_none());
        for nonsense in ["", "text", "/", "a/", "/b", "a/b/c"] {
            assert_eq!(Range::parse(nonsense), None, "{nonsense}");
        }
    }
}
