//! `Cache-Status` (RFC 9211): what became of a request at the cache, for whoever reads its answer.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue, StatusCode};

use crate::cache::{Key, rules::Unkept};

/// The field.
pub(super) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went to the origin (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fwd {
    /// It was not to be looked for.
    Bypass,
    /// Its method is not answered from what is kept.
    Method,
    /// Nothing is kept under its URL.
    UriMiss,
    /// What is kept there is for other requests.
    VaryMiss,
    /// A part of it is kept, and not all that it wants.
    Partial,
    /// Its own words ask for it.
    Request,
    /// What is kept is stale.
    Stale,
}

/// What is given is stale.
const STALE: &str = "stale";

/// What is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    hit: bool,
    fwd: Option<Fwd>,
    status: Option<StatusCode>,
    ttl: Option<i64>,
    stored: bool,
    collapsed: bool,
    detail: Option<&'static str>,
}

impl Told {
    /// What is kept is the answer, without a word to its origin.
    pub(super) fn hit() -> Self {
        Self { hit: true, ..Self::default() }
    }

    /// What is kept is the answer although it is stale, or its client wanted to know. It is a hit unless its origin was
    /// to be asked first (RFC 9211 section 2.1), whatever came of that.
    pub(super) fn stale(fwd: Option<Fwd>) -> Self {
        let detail = (fwd != Some(Fwd::Request)).then_some(STALE);
        Self { hit: fwd.is_none(), fwd, detail, ..Self::default() }
    }

    /// What is kept holds, as its origin says, and may be kept on or not.
    pub(super) fn validated(fwd: Fwd, kept: Result<(), Unkept>) -> Self {
        let status = Some(StatusCode::NOT_MODIFIED);
        let detail = kept.err().map(Unkept::reason);
        Self { fwd: Some(fwd), status, stored: kept.is_ok(), detail, ..Self::default() }
    }

    /// It is fresh for so many seconds more; not what an operator wants to be taken as stale.
    pub(super) fn left(self, seconds: i64) -> Self {
        let most = if self.detail == Some(STALE) { 0 } else { i64::MAX };
        Self { ttl: Some(seconds.min(most)), ..self }
    }

    /// It was fetched, and is kept.
    pub(super) fn stored(fwd: Fwd, status: StatusCode) -> Self {
        Self { fwd: Some(fwd), status: Some(status), stored: true, ..Self::default() }
    }

    /// Somebody else fetched it.
    pub(super) fn joined(fwd: Fwd) -> Self {
        Self { fwd: Some(fwd), collapsed: true, ..Self::default() }
    }

    /// It was fetched, and is not kept.
    pub(super) fn unkept(fwd: Fwd, status: StatusCode, why: Unkept) -> Self {
        let detail = Some(why.reason());
        Self { fwd: Some(fwd), status: Some(status), detail, ..Self::default() }
    }

    /// It went by.
    pub(super) fn passed(fwd: Fwd, status: StatusCode) -> Self {
        Self { fwd: Some(fwd), status: Some(status), ..Self::default() }
    }

    /// The field's value, by a cache of this name, with the key if that is to be told.
    pub(super) fn value(&self, name: &str, key: Option<&str>) -> Option<HeaderValue> {
        let Self { hit, fwd, status, ttl, stored, collapsed, detail } = *self;
        // A token begins with a letter; what does not is a string.
        let mut text = match name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            true => name.to_owned(),
            false => format!("\"{name}\""),
        };
        if hit {
            text.push_str("; hit");
        }
        if let Some(fwd) = fwd {
            let _ = write!(text, "; fwd={}", fwd.word());
        }
        if let Some(status) = status {
            let _ = write!(text, "; fwd-status={}", status.as_u16());
        }
        if let Some(ttl) = ttl {
            let _ = write!(text, "; ttl={ttl}");
        }
        for (is, word) in [(stored, "; stored"), (collapsed, "; collapsed")] {
            text.push_str(if is { word } else { "" });
        }
        if let Some(key) = key {
            let _ = write!(text, "; key={key}");
        }
        if let Some(detail) = detail {
            let _ = write!(text, "; detail={detail}");
        }
        HeaderValue::try_from(text).ok()
    }
}

/// A key's URL as a string of structured fields (RFC 9651 section 3.3.3); none if it cannot be one.
pub(super) fn quoted(key: &Key) -> Option<Box<str>> {
    let plain = key.url().bytes().all(|byte| matches!(byte, b' '..=b'~'));
    plain.then(|| {
        let escaped = key.url().replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"").into()
    })
}

impl Fwd {
    const fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Partial => "partial",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_what_became_of_them() {
        let ok = StatusCode::OK;
        for (told, text) in [
            (Told::hit().left(30), "janua; hit; ttl=30"),
            (Told::stale(None).left(-3), "janua; hit; ttl=-3; detail=stale"),
            (Told::stale(None).left(600), "janua; hit; ttl=0; detail=stale"),
            (
                Told::validated(Fwd::Stale, Ok(())).left(9),
                "janua; fwd=stale; fwd-status=304; ttl=9; stored",
            ),
            (
                Told::validated(Fwd::Stale, Err(Unkept::NoStore)).left(0),
                "janua; fwd=stale; fwd-status=304; ttl=0; detail=no_store",
            ),
            (Told::stored(Fwd::UriMiss, ok), "janua; fwd=uri-miss; fwd-status=200; stored"),
            (Told::stale(Some(Fwd::Stale)).left(-3), "janua; fwd=stale; ttl=-3; detail=stale"),
            (Told::stale(Some(Fwd::Request)).left(30), "janua; fwd=request; ttl=30"),
            (Told::joined(Fwd::VaryMiss), "janua; fwd=vary-miss; collapsed"),
            (
                Told::stored(Fwd::Partial, StatusCode::PARTIAL_CONTENT),
                "janua; fwd=partial; fwd-status=206; stored",
            ),
            (
                Told::unkept(Fwd::UriMiss, ok, Unkept::NoStore),
                "janua; fwd=uri-miss; fwd-status=200; detail=no_store",
            ),
            (Told::passed(Fwd::Method, ok), "janua; fwd=method; fwd-status=200"),
        ] {
            assert_eq!(told.value("janua", None).unwrap(), text);
        }
        let told = Told::passed(Fwd::Bypass, ok).value("1.edge", Some("\"k\"")).unwrap();
        assert_eq!(told, "\"1.edge\"; fwd=bypass; fwd-status=200; key=\"k\"");
    }
}
