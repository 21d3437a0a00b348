//! Where a route's requests go: to an upstream, to one of several, or nowhere.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::compile::Upstreams;
use crate::{
    auth::Door,
    config::{self, Path, Problem, Problems, RouteTimeout},
    portal::Page,
    rewrite::{FieldValue, Form, Template, TemplateProblem},
    split::Split,
    upstream::{Timeouts, Upstream},
};

/// Where requests go.
#[derive(Debug)]
pub enum Target {
    /// To an upstream.
    Upstream(Way),
    /// To one of several; boxed, since few routes have it.
    Fork(Box<Fork>),
    /// Somewhere else, says Janua.
    Redirect {
        /// Where.
        location: FieldValue,
        /// How.
        status: StatusCode,
    },
    /// Nowhere: Janua answers.
    Respond {
        /// The status.
        status: StatusCode,
        /// The body.
        body: Template,
        /// The body's type; none without a body.
        content_type: Option<HeaderValue>,
    },
    /// Nowhere: Janua says what it got.
    Echo,
    /// Nowhere: Janua answers from the examples of an API's document.
    Mock,
    /// Nowhere: to a page of the portal.
    Page(Arc<Page>),
    /// A door of Janua's own, for those who log in or out.
    Door(Door),
}

/// A way to an upstream.
#[derive(Debug)]
pub struct Way {
    /// Which.
    pub upstream: Arc<Upstream>,
    /// Its times, and the route's own.
    pub timeout: Timeouts,
}

/// Several ways, of which each request goes one.
#[derive(Debug)]
pub struct Fork {
    /// Which.
    pub split: Split,
    /// All of them.
    pub ways: Box<[Way]>,
}

impl Target {
    /// The way to an upstream; of several the one with this number.
    #[inline]
    pub fn way(&self, number: usize) -> Option<&Way> {
        match self {
            Self::Upstream(way) => Some(way),
            Self::Fork(fork) => fork.ways.get(number),
            Self::Redirect { .. }
            | Self::Respond { .. }
            | Self::Echo
            | Self::Mock
            | Self::Page(_)
            | Self::Door(_) => None,
        }
    }
}

impl Target {
    /// All ways to upstreams.
    pub fn ways(&self) -> &[Way] {
        match self {
            Self::Upstream(way) => std::slice::from_ref(way),
            Self::Fork(fork) => &fork.ways,
            Self::Redirect { .. }
            | Self::Respond { .. }
            | Self::Echo
            | Self::Mock
            | Self::Page(_)
            | Self::Door(_) => &[],
        }
    }
}

impl Way {
    /// The way to the upstream of this name, with a route's times.
    pub(super) fn to(
        name: &str,
        timeout: Option<&RouteTimeout>,
        upstreams: &Upstreams,
        at: &Path,
        problems: &mut Problems,
    ) -> Option<Self> {
        let found = upstreams.get(name).ok_or_else(|| dangling(name, upstreams, at));
        let upstream = problems.keep(found)?.clone()?;
        let timeout = upstream.timeout.or(timeout);
        Some(Self { upstream, timeout })
    }
}

/// Answers from an API's document.
fn mock(route: &config::Route, at: Path, problems: &mut Problems) -> Option<Target> {
    if route.api.is_none() {
        let problem = Problem::error(at, "only an API has examples to answer with");
        problems.push(problem.help("api = \"NAME\", of an `[api.NAME]`"));
        return None;
    }
    Some(Target::Mock)
}

/// Compiles a route's `to`.
pub(super) fn target(
    route: &config::Route,
    params: &[Box<str>],
    upstreams: &Upstreams,
    at_route: &Path,
    problems: &mut Problems,
) -> Option<Target> {
    let (at, timeout) = (at_route.key("to"), route.timeout.as_ref());
    if route.sticky.is_some() && route.to.ways().is_none() {
        let problem = Problem::error(at_route.key("sticky"), "there is only one way to go");
        problems.push(problem.help("to = [{ upstream = \"..\", weight = 5 }, ..]"));
    }
    match &route.to {
        config::To::Name(name) if name == "echo" => Some(Target::Echo),
        config::To::Name(name) if name == "mock" => mock(route, at, problems),
        config::To::Name(name) => {
            Way::to(name, timeout, upstreams, &at, problems).map(Target::Upstream)
        }
        config::To::Ways(ways) => {
            let ways = ways.iter().enumerate().map(|(index, way)| {
                let at = at.index(index).key("upstream");
                Way::to(&way.upstream, timeout, upstreams, &at, problems)
            });
            // All of them, so that every problem is seen.
            let ways: Vec<_> = ways.collect();
            let split = Split::compile(route, at_route, problems);
            let ways = ways.into_iter().collect::<Option<_>>()?;
            Some(Target::Fork(Box::new(Fork { split: split?, ways })))
        }
        config::To::Redirect(redirect) => {
            let location = FieldValue::compile_uri(&redirect.redirect, params)
                .map_err(|problem| template(problem, at.key("redirect")));
            let status = match redirect.status {
                301 | 302 | 303 | 307 | 308 => StatusCode::from_u16(redirect.status).ok(),
                _ => None,
            };
            let problem = || {
                Problem::error(
                    at.key("status"),
                    format!("{} is not a redirect's status", redirect.status),
                )
                .help("301, 302, 303, 307 or 308")
            };
            let status = problems.keep(status.ok_or_else(problem));
            Some(Target::Redirect { location: problems.keep(location)?, status: status? })
        }
        config::To::Respond(respond) => {
            let body = Template::compile(&respond.body, form(&respond.content_type), params)
                .map_err(|problem| template(problem, at.key("body")));
            let status = Some(respond.status).filter(|status| (200..600).contains(status));
            let problem = || {
                Problem::error(
                    at.key("status"),
                    format!("{} is not a status of an answer", respond.status),
                )
                .help("200 to 599")
            };
            let status = problems.keep(
                status.and_then(|status| StatusCode::from_u16(status).ok()).ok_or_else(problem),
            );
            let kind = HeaderValue::from_str(&respond.content_type)
                .map_err(|_| Problem::error(at.key("content-type"), "not a content type"));
            let (body, kind) = (problems.keep(body)?, problems.keep(kind)?);
            let content_type = (!respond.body.is_empty()).then_some(kind);
            Some(Target::Respond { status: status?, body, content_type })
        }
    }
}

/// What a body of this type has to be safe for.
fn form(content_type: &str) -> Form {
    if content_type.starts_with("text/html") { Form::Html } else { Form::Text }
}

fn dangling(name: &str, upstreams: &Upstreams, at: &Path) -> Problem {
    if name.is_empty() {
        let problem = Problem::error(at.clone(), "a route needs somewhere to go");
        return problem.help("to = \"http://127.0.0.1:3000\", or the name of an upstream");
    }
    let problem = Problem::error(at.clone(), format!("there is no upstream `{name}`"));
    problem.help_meant(name, upstreams.keys().map(String::as_str), || match name.contains(':') {
        true => "a URL begins with http://, https:// or unix:/".into(),
        false => format!("add [upstream.{name}], or write a URL"),
    })
}

fn template(problem: TemplateProblem, at: Path) -> Problem {
    Problem::error(at, problem.message).help_if(problem.help)
}
