//! Media types: what a body is, and which of JSON and XML a client would rather have.

use http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_TYPE},
};

use crate::{
    config::Format,
    message::{charsets, closeness, essence, is_plain, is_utf8, liking},
};

/// What a body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Nobody says.
    Unsaid,
    /// One that is translated.
    Of(Format),
    /// Something else, or in an encoding or a coding that is not read here.
    Other,
}

/// What a message's body is, by what its header says.
pub(super) fn kind(headers: &HeaderMap) -> Kind {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = said.next() else { return Kind::Unsaid };
    let (Ok(value), None, true) = (value.to_str(), said.next(), is_plain(headers)) else {
        return Kind::Other;
    };
    match format(&essence(value)) {
        Some(format) if charsets(value).all(is_utf8) => Kind::Of(format),
        _ => Kind::Other,
    }
}

fn format(name: &str) -> Option<Format> {
    match name {
        "application/json" => Some(Format::Json),
        "application/xml" | "text/xml" => Some(Format::Xml),
        name if name.ends_with("+json") => Some(Format::Json),
        name if name.ends_with("+xml") => Some(Format::Xml),
        _ => None,
    }
}

/// The types of a format, as they are asked for.
const fn names(format: Format) -> &'static [&'static str] {
    match format {
        Format::Json => &["application/json"],
        Format::Xml => &["application/xml", "text/xml"],
    }
}

/// The format that a client would rather have, `first` of those that it likes the same; none if it takes
/// neither.
pub(super) fn preferred(headers: &HeaderMap, first: Format) -> Option<Format> {
    let second = match first {
        Format::Json => Format::Xml,
        Format::Xml => Format::Json,
    };
    if !headers.contains_key(ACCEPT) {
        return Some(first);
    }
    let like = |name: &&str| liking(headers.get_all(ACCEPT), |range| closeness(range, name));
    let like =
        |format: Format| names(format).iter().filter_map(like).map(|(weight, _)| weight).max();
    let (one, other) = (like(first).unwrap_or(0), like(second).unwrap_or(0));
    match one.max(other) {
        0 => None,
        _ if other > one => Some(second),
        _ => Some(first),
    }
}
