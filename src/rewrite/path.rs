//! The path and query that go to the origin.
//!
//! In: `strip-prefix`, `add-prefix` or `rewrite`, once; then what is known of a request. Out: a new
//! target, or none if the request's goes on as it came. A target never begins with `//`, which some
//! origins take for a host, and no variable makes a dot segment.

use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

use super::{
    RewriteProblem,
    form::{self, Form},
    template::Template,
    variable::Variables,
};
use crate::{
    config,
    message::path::{Dots, dots},
    reject::Reject,
};

/// How a route changes the path.
#[derive(Clone, Debug, Default)]
pub struct PathRewrite(Option<Change>);

#[derive(Clone, Debug)]
enum Change {
    /// One prefix instead of another. Both begin with `/` and do not end with it, or are empty.
    Prefix { strip: Box<str>, add: Box<str> },
    /// A target from variables.
    Whole(Template),
}

impl PathRewrite {
    /// Compiles a route's `strip-prefix`, `add-prefix` and `rewrite`; `params` are the parameters
    /// that its path has.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn compile(
        route: &config::Route,
        params: &[impl AsRef<str>],
    ) -> Result<Self, Vec<RewriteProblem>> {
        let mut problems = Vec::new();
        let mut prefix = |key, text: &Option<String>| {
            let read = text.as_deref().map(|text| read_prefix(key, text));
            read.transpose().map_err(|problem| problems.push(problem)).ok().flatten()
        };
        let strip = prefix("strip-prefix", &route.strip_prefix);
        let add = prefix("add-prefix", &route.add_prefix);
        let whole = route.rewrite.as_deref().map(|text| read_target(text, params));
        let whole = whole.transpose().map_err(|problem| problems.push(problem)).ok().flatten();
        if route.rewrite.is_some() && (route.strip_prefix.is_some() || route.add_prefix.is_some()) {
            let message = "`rewrite` says the whole path, so a prefix beside it has no effect";
            let help = "keep either `rewrite` or the prefixes";
            problems.push(problem("rewrite", message, Some(help)));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self(match (whole, strip, add) {
            (Some(template), ..) => Some(Change::Whole(template)),
            (None, None, None) => None,
            (None, strip, add) => Some(Change::Prefix {
                strip: strip.unwrap_or_default(),
                add: add.unwrap_or_default(),
            }),
        }))
    }

    /// Whether the target depends on more than the URL that was asked for.
    pub(super) fn is_beyond_url(&self) -> bool {
        matches!(&self.0, Some(Change::Whole(template)) if template.is_beyond_url())
    }

    /// The target that goes on instead of the request's; none if that goes on as it came.
    ///
    /// A rewrite without a `?` keeps the request's query.
    ///
    /// # Errors
    /// The reason to refuse a request whose target becomes too long, or that puts a dot segment
    /// into it.
    pub fn apply(&self, variables: &Variables<'_>) -> Result<Option<PathAndQuery>, Reject> {
        let Some(change) = &self.0 else { return Ok(None) };
        // `*`, the target of an OPTIONS for the whole server, is not a path.
        if !variables.path.starts_with('/') {
            return Ok(None);
        }
        let mut target = Vec::with_capacity(variables.path.len() + 128);
        match change {
            Change::Prefix { strip, add } => {
                let rest = stripped(variables.path, strip);
                if add.is_empty() && rest.len() == variables.path.len() {
                    return Ok(None);
                }
                target.extend_from_slice(add.as_bytes());
                target.extend_from_slice(rest.as_bytes());
            }
            Change::Whole(template) => template.write(variables, &mut target),
        }
        if dots(before_query(&target)?) != Dots::None {
            return Err(Reject::RequestTarget);
        }
        finish(target, variables.query).map(Some)
    }
}

/// The path without a prefix of whole segments, or all of it if it does not begin with that. What
/// is left begins with `/`.
///
/// Segments are compared decoded, and many slashes count as one, as with routes: `//%61pi/x` is below `/api`.
fn stripped<'p>(path: &'p str, prefix: &str) -> &'p str {
    let mut rest = path;
    for wanted in prefix.split('/').skip(1) {
        let from = rest.trim_start_matches('/');
        let segment = from.split_once('/').map_or(from, |(segment, _)| segment);
        if rest.is_empty() || !percent_decode_str(segment).eq(percent_decode_str(wanted)) {
            return path;
        }
        rest = &from[segment.len()..];
    }
    if rest.is_empty() { "/" } else { rest }
}

/// Makes the target valid and adds the request's query, unless it has its own.
fn finish(mut target: Vec<u8>, query: Option<&str>) -> Result<PathAndQuery, Reject> {
    let doubled = target.iter().take_while(|byte| **byte == b'/').count().saturating_sub(1);
    target.drain(..doubled);
    match (target.iter().position(|byte| *byte == b'?'), query) {
        // The variables after the `?` were empty.
        (Some(mark), _) if mark + 1 == target.len() => target.truncate(mark),
        (None, Some(query)) => {
            target.push(b'?');
            target.extend_from_slice(query.as_bytes());
        }
        (Some(_), _) | (None, None) => {}
    }
    self::target(target)
}

/// The target of these bytes.
pub(super) fn target(bytes: Vec<u8>) -> Result<PathAndQuery, Reject> {
    let long = bytes.len() >= usize::from(u16::MAX);
    let refusal = if long { Reject::TargetTooLong } else { Reject::RequestTarget };
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(bytes)).map_err(|_| refusal)
}

/// The path of a target.
fn before_query(target: &[u8]) -> Result<&str, Reject> {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    std::str::from_utf8(path).map_err(|_| Reject::RequestTarget)
}

fn read_prefix(key: &'static str, text: &str) -> Result<Box<str>, RewriteProblem> {
    let fault = |message: &str, help: &str| Err(problem(key, message, Some(help)));
    if !text.starts_with('/') {
        return fault("a prefix begins with `/`", &format!("write \"/{text}\""));
    }
    if text.contains(['{', '}', '?', '#', '*']) {
        return fault("a prefix is fixed text without a query", "use `rewrite` for more");
    }
    let prefix = text.trim_end_matches('/');
    if prefix.is_empty() || prefix.contains("//") || dots(prefix) != Dots::None {
        return fault("this is not a prefix of whole segments", "write it like \"/api\"");
    }
    Ok(form::uri(prefix).into())
}

fn read_target(text: &str, params: &[impl AsRef<str>]) -> Result<Template, RewriteProblem> {
    let key = "rewrite";
    let roots = ["{request.path}", "{request.uri}"];
    if !text.starts_with('/') && !roots.iter().any(|root| text.starts_with(root)) {
        let help = format!("write \"/{text}\"");
        return Err(problem(key, "a path begins with `/`", Some(&help)));
    }
    if text.contains('#') {
        return Err(problem(key, "a fragment never goes to an origin", Some("take the `#` away")));
    }
    Template::compile(text, Form::Uri, params)
        .map_err(|problem| RewriteProblem::of_template(key, None, problem))
}

fn problem(key: &'static str, message: &str, help: Option<&str>) -> RewriteProblem {
    let (message, help) = (message.into(), help.map(String::from));
    RewriteProblem { key, field: None, message, help }
}
