//! The variables of templates.
//!
//! In: a name, once; then what is known of a request. Out: the variable's value, made safe for where
//! it goes. A variable that a request has no value for is empty.

use std::{fmt, io::Write, net::IpAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::form::{Form, Kind};
use crate::message::{text, without_port};

/// What is known of a request. All of it is as the client sent it, before any rule changed it, but for dot segments of
/// its path: no prefix that is added can be left by them.
#[derive(Clone, Copy)]
pub struct Variables<'a> {
    /// `{request.method}`
    pub method: &'a Method,
    /// `{request.scheme}`: `http` or `https`.
    pub scheme: &'a str,
    /// `{request.host}`; its port is left out, so that `https://{request.host}{request.uri}` is
    /// right whatever port the request came in at.
    pub host: Option<&'a HeaderValue>,
    /// `{request.path}`, without dot segments, and the first part of `{request.uri}`.
    pub path: &'a str,
    /// `{request.query}`, without the `?`, and the second part of `{request.uri}`.
    pub query: Option<&'a str>,
    /// `{request.id}`
    pub id: &'a HeaderValue,
    /// `{request.header.NAME}`: the first field of that name.
    pub headers: &'a HeaderMap,
    /// `{client.ip}`; a client at a Unix socket has none.
    pub client: Option<IpAddr>,
    /// `{identity.NAME}`: a claim of whoever makes it, as text; lists have commas between.
    pub claim: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// `{route}`: the route's name.
    pub route: &'a str,
    /// `{path.NAME}`: a path parameter, percent-encoded as paths are.
    pub params: &'a (dyn Fn(&str) -> Option<&'a str> + Sync),
}

impl fmt::Debug for Variables<'_> {
    /// Leaves out the header fields: there are secrets among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variables")
            .field("method", self.method)
            .field("host", &self.host)
            .field("path", &self.path)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}

/// A variable, by its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Variable {
    Claim(Box<str>),
    ClientIp,
    Header(HeaderName),
    Host,
    Id,
    Method,
    Param(Box<str>),
    Path,
    Query,
    Route,
    Scheme,
    Uri,
}

/// The variables whose names are fixed.
static FIXED: [(&str, Variable); 9] = [
    ("client.ip", Variable::ClientIp),
    ("request.host", Variable::Host),
    ("request.id", Variable::Id),
    ("request.method", Variable::Method),
    ("request.path", Variable::Path),
    ("request.query", Variable::Query),
    ("request.scheme", Variable::Scheme),
    ("request.uri", Variable::Uri),
    ("route", Variable::Route),
];

impl Variable {
    /// Reads a name; `params` are those that the route's path has.
    ///
    /// # Errors
    /// What is wrong, and what was probably meant.
    pub(super) fn parse(
        name: &str,
        params: &[impl AsRef<str>],
    ) -> Result<Self, (String, Option<String>)> {
        if let Some((_, variable)) = FIXED.iter().find(|(fixed, _)| *fixed == name) {
            return Ok(variable.clone());
        }
        if let Some(field) = name.strip_prefix("request.header.") {
            return field
                .parse()
                .map(Self::Header)
                .map_err(|_| (format!("`{field}` is not a header field's name"), None));
        }
        if let Some(claim) = name.strip_prefix("identity.").filter(|claim| !claim.is_empty()) {
            return Ok(Self::Claim(claim.into()));
        }
        if let Some(param) = name.strip_prefix("path.") {
            if params.iter().any(|own| own.as_ref() == param) {
                return Ok(Self::Param(param.into()));
            }
            let message = format!("the route's path has no parameter `{param}`");
            return Err((message, nearest(name, params).or_else(|| only_params(params))));
        }
        Err((format!("there is no variable `{name}`"), nearest(name, params).or_else(list)))
    }

    /// Whether it says more than the URL does that was asked for.
    pub(super) const fn is_beyond_url(&self) -> bool {
        match self {
            Self::Claim(_) | Self::ClientIp | Self::Header(_) | Self::Id | Self::Method => true,
            Self::Host
            | Self::Param(_)
            | Self::Path
            | Self::Query
            | Self::Route
            | Self::Scheme
            | Self::Uri => false,
        }
    }

    /// Writes the value, safe for the form.
    pub(super) fn write(&self, form: Form, of: &Variables<'_>, out: &mut Vec<u8>) {
        let (kind, value) = match self {
            Self::ClientIp => {
                // Digits, letters, dots and colons are safe everywhere; a vector takes all writes.
                if let Some(ip) = of.client {
                    let _ = write!(out, "{ip}");
                }
                return;
            }
            Self::Header(name) => {
                let value = of.headers.get(name).map(HeaderValue::as_bytes);
                return form.write(Kind::Text, value.unwrap_or_default(), out);
            }
            Self::Claim(name) => {
                let claim = (of.claim)(name).unwrap_or_default();
                return form.write(Kind::Text, claim.as_bytes(), out);
            }
            Self::Host => (Kind::Host, without_port(of.host.map(text).unwrap_or_default())),
            Self::Id => (Kind::Text, text(of.id)),
            Self::Method => (Kind::Text, of.method.as_str()),
            Self::Param(name) => (Kind::Uri, (of.params)(name).unwrap_or_default()),
            Self::Path => (Kind::Uri, of.path),
            Self::Query => (Kind::Uri, of.query.unwrap_or_default()),
            Self::Route => (Kind::Text, of.route),
            Self::Scheme => (Kind::Text, of.scheme),
            Self::Uri => {
                form.write(Kind::Uri, of.path.as_bytes(), out);
                if let Some(query) = of.query {
                    out.push(b'?');
                    form.write(Kind::Uri, query.as_bytes(), out);
                }
                return;
            }
        };
        form.write(kind, value.as_bytes(), out);
    }
}

/// "Did you mean", if a name is near enough to be meant.
fn nearest(name: &str, params: &[impl AsRef<str>]) -> Option<String> {
    let params = params.iter().map(|param| format!("path.{}", param.as_ref()));
    let known = FIXED.iter().map(|(fixed, _)| (*fixed).to_owned()).chain(params);
    known
        .map(|known| (strsim::osa_distance(name, &known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min()
        .map(|(_, known)| format!("did you mean `{{{known}}}`?"))
}

fn only_params(params: &[impl AsRef<str>]) -> Option<String> {
    let names: Vec<String> =
        params.iter().map(|param| format!("`{{path.{}}}`", param.as_ref())).collect();
    Some(if names.is_empty() {
        "every path of the route has to have it, like `path = \"/orders/{id}\"`".into()
    } else {
        format!("there is {}; every path of the route has to have it", names.join(", "))
    })
}

fn list() -> Option<String> {
    let names: Vec<&str> = FIXED.iter().map(|(name, _)| *name).collect();
    Some(format!(
        "there are {}, request.header.NAME, identity.NAME and path.NAME; for a brace write `{{{{`",
        names.join(", ")
    ))
}
