//! [`Place`]: where in a request a credential stands, found and taken away.
//!
//! In: a head. Out: the credential's text; later, the head without it. One that is there twice is
//! neither: the origin might have taken the other.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION, uri::PathAndQuery};
use percent_encoding::percent_decode;

use super::Ask;
use crate::{
    config::{Path, Problem},
    message::{clear_cookies, cookies},
    reject::Reject,
};

/// Where in a request a credential stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// In a header field of its own.
    Header(HeaderName),
    /// In `Authorization`, behind the name of its scheme.
    Authorization(&'static str),
    /// In a query parameter.
    Query(Box<str>),
    /// In a cookie.
    Cookie(Box<str>),
    /// In a cookie whose name begins like this.
    Cookies(Box<str>),
}

impl Place {
    /// The places that a section names: header field, query parameter, cookie; without any, the usual
    /// header field. `authorization` is behind the word `Bearer`.
    pub(super) fn list(
        [header, query, cookie]: [&Option<String>; 3],
        usual: &str,
        at: &Path,
    ) -> Result<Box<[Self]>, Problem> {
        let usual = (query.is_none() && cookie.is_none()).then_some(usual);
        let mut places = Vec::new();
        if let Some(name) = header.as_deref().or(usual) {
            let message = format!("`{name}` is not a header field's name");
            let name = name.parse().map_err(|_| Problem::error(at.key("header"), message))?;
            places.push(match name {
                AUTHORIZATION => Self::Authorization("Bearer"),
                name => Self::Header(name),
            });
        }
        places.extend(query.as_deref().map(|name| Self::Query(name.into())));
        places.extend(cookie.as_deref().map(|name| Self::Cookie(name.into())));
        Ok(places.into())
    }

    /// The credential, if it is there.
    pub(super) fn find<'a>(&self, ask: &Ask<'a>) -> Result<Option<Cow<'a, [u8]>>, Reject> {
        Ok(match self {
            Self::Header(name) => one(ask.headers, name)?.map(|it| it.as_bytes().into()),
            Self::Authorization(scheme) => {
                let value = one(ask.headers, &AUTHORIZATION)?.map(HeaderValue::as_bytes);
                value.and_then(|value| after_scheme(value, scheme)).map(Cow::Borrowed)
            }
            Self::Query(name) => {
                let pairs = ask.query.unwrap_or_default().split('&').map(pair);
                let named = pairs.filter(|(key, _)| decoded(key.as_bytes()) == name.as_bytes());
                single(named)?.map(|(_, value)| decoded(value.as_bytes()))
            }
            Self::Cookie(_) | Self::Cookies(_) => {
                single(cookies(ask.headers).filter(|(key, _)| self.is_cookie(key)))?
                    .map(|(_, value)| Cow::Borrowed(value))
            }
        })
    }

    /// The credential in the first of these places that has one.
    pub(super) fn first<'a>(
        places: &[Self],
        ask: &Ask<'a>,
    ) -> Result<Option<Cow<'a, [u8]>>, Reject> {
        for place in places {
            if let Some(found) = place.find(ask)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Takes the credential off the head.
    pub(super) fn clear(&self, headers: &mut HeaderMap, uri: &mut Uri) {
        match self {
            Self::Header(name) => drop(headers.remove(name)),
            Self::Authorization(_) => {
                if headers.get(AUTHORIZATION).is_some_and(|value| self.is_in_authorization(value)) {
                    headers.remove(AUTHORIZATION);
                }
            }
            Self::Query(name) => without_parameter(name, uri),
            Self::Cookie(_) | Self::Cookies(_) => {
                clear_cookies(headers, |key| self.is_cookie(key));
            }
        }
    }

    /// Whether the credential stands in this value of `Authorization`.
    pub(super) fn is_in_authorization(&self, value: &HeaderValue) -> bool {
        matches!(self, Self::Authorization(scheme) if after_scheme(value.as_bytes(), scheme).is_some())
    }

    /// Whether it is in a cookie of this name.
    fn is_cookie(&self, key: &[u8]) -> bool {
        match self {
            Self::Cookie(name) => key == name.as_bytes(),
            Self::Cookies(beginning) => key.starts_with(beginning.as_bytes()),
            Self::Header(_) | Self::Authorization(_) | Self::Query(_) => false,
        }
    }
}

/// The only one, if there is one.
fn single<T>(mut found: impl Iterator<Item = T>) -> Result<Option<T>, Reject> {
    let first = found.next();
    if found.next().is_some() { Err(Reject::AuthAmbiguous) } else { Ok(first) }
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Reject> {
    single(headers.get_all(name).iter())
}

/// What stands behind a scheme's name (RFC 9110 section 11.4), whose case does not matter.
pub(super) fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    if !name.eq_ignore_ascii_case(scheme.as_bytes()) {
        return None;
    }
    match rest {
        [] => Some(rest),
        [b' ' | b'\t', rest @ ..] => Some(rest.trim_ascii()),
        _ => None,
    }
}

fn pair(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, ""))
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'%') { percent_decode(text).into() } else { Cow::Borrowed(text) }
}

fn without_parameter(name: &str, uri: &mut Uri) {
    let Some(query) = uri.query() else { return };
    let is_it = |text: &&str| decoded(pair(text).0.as_bytes()) == name.as_bytes();
    if !query.split('&').any(|text| is_it(&text)) {
        return;
    }
    let rest: Vec<_> = query.split('&').filter(|text| !is_it(text)).collect();
    let mut target = uri.path().to_owned();
    if !rest.is_empty() {
        target.push('?');
        target.push_str(&rest.join("&"));
    }
    // What is left of a valid target is one.
    if let Ok(target) = PathAndQuery::try_from(target) {
        *uri = target.into();
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn found(
        place: &Place,
        query: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<Option<String>, Reject> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let ask = Ask { query: Some(query), ..Ask::bare(&headers) };
        let text = |found: Cow<'_, [u8]>| String::from_utf8_lossy(&found).into_owned();
        place.find(&ask).map(|found| found.map(text))
    }

    #[test]
    fn a_credential_is_found_where_it_stands_and_nowhere_else() {
        let header = Place::Header(HeaderName::from_static("x-api-key"));
        let bearer = Place::Authorization("Bearer");
        let (query, cookie) = (Place::Query("key".into()), Place::Cookie("k".into()));
        let several = Place::Cookies("k~".into());
        for (place, text, fields, expected) in [
            (&header, "", &[("x-api-key", "a")][..], Ok(Some("a"))),
            (&header, "x-api-key=a", &[("cookie", "x-api-key=a")], Ok(None)),
            (&header, "", &[("x-api-key", "a"), ("x-api-key", "a")], Err(Reject::AuthAmbiguous)),
            (&header, "", &[("x-api-key", "")], Ok(Some(""))),
            (&bearer, "", &[("authorization", "bearer  a ")], Ok(Some("a"))),
            (&bearer, "", &[("authorization", "Bearer")], Ok(Some(""))),
            (&bearer, "", &[("authorization", "Bearera")], Ok(None)),
            (&bearer, "", &[("authorization", "Basic YTpi")], Ok(None)),
            (&bearer, "", &[("authorization", "")], Ok(None)),
            (
                &bearer,
                "",
                &[("authorization", "Basic YTpi"), ("authorization", "Bearer a")],
                Err(Reject::AuthAmbiguous),
            ),
            (&query, "x=1&k%65y=a%2Bb&y", &[], Ok(Some("a+b"))),
            (&query, "key", &[], Ok(Some(""))),
            (&query, "Key=a&keys=b&xkey=c", &[], Ok(None)),
            (&query, "key=a&key=b", &[], Err(Reject::AuthAmbiguous)),
            (&cookie, "", &[("cookie", "a=1;k=v=w; b")], Ok(Some("v=w"))),
            (&cookie, "", &[("cookie", "kk=1"), ("cookie", "K=2")], Ok(None)),
            (&cookie, "", &[("cookie", "k=1"), ("cookie", "k=2")], Err(Reject::AuthAmbiguous)),
            (&several, "", &[("cookie", "k=1; kk~a=2; k~a=3")], Ok(Some("3"))),
            (&several, "", &[("cookie", "k~a=1; k~b=2")], Err(Reject::AuthAmbiguous)),
        ] {
            let found = found(place, text, fields);
            assert_eq!(
                found,
                expected.map(|found| found.map(String::from)),
                "{place:?} {text} {fields:?}"
            );
        }
    }

    #[test]
    fn a_credential_that_is_taken_off_leaves_the_rest_as_it_was() {
        for (target, left) in [
            ("/a?key=1", "/a"),
            ("/a?x=1&key=2&y=%20", "/a?x=1&y=%20"),
            ("/a?k%65y=1&&x", "/a?&x"),
            ("/a?x=1", "/a?x=1"),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            Place::Query("key".into()).clear(&mut HeaderMap::new(), &mut uri);
            assert_eq!(uri.to_string(), left, "{target}");
        }
        for (cookie, left) in
            [("a=1; k=2; b=3", Some("a=1; b=3")), ("k=2", None), ("a=k", Some("a=k"))]
        {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, cookie.parse().unwrap());
            Place::Cookie("k".into()).clear(&mut headers, &mut Uri::default());
            assert_eq!(headers.get(COOKIE).map(|left| left.to_str().unwrap()), left, "{cookie}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "k~a=1; a=2; k~b=3; k=4".parse().unwrap());
        Place::Cookies("k~".into()).clear(&mut headers, &mut Uri::default());
        assert_eq!(headers[COOKIE], "a=2; k=4");
    }
}
