//! The route table: which of the operator's routes takes a request.
//!
//! In: rules, once; then what a request is about. Out: the one target whose route is the most
//! specific, with its path parameters; or that only the method was wrong; or nothing. Pure: it knows
//! no sockets, no policy and not what a target is, and it refuses nothing; the chain does that.
//!
//! # Which route wins
//!
//! The order of the rules never matters. What matters, in this order:
//!
//! 1. **Host**: an exact one, then `*.` with the most labels, then any. A host *owns* a path as soon
//!    as one of its routes (on this listener) is for that path. Less specific hosts are then not
//!    asked, even if the conditions of the owner's routes fail: else a request could dodge
//!    `api.example.com`'s policy by a method or a header that its route does not want. A path that
//!    none of its routes is for goes on to the next host, so that a route for
//!    `/.well-known/{rest*}` on any host does what it says.
//! 2. **Path**, segment by segment from the left: literal, then `{param}`, then `{rest*}`. Where the
//!    conditions of the best fail, the next best of the same host is asked.
//! 3. **Demands**, that is listeners, methods, header and query conditions together: a route comes
//!    before another if the other would take every request that it takes (`"2"` before "present",
//!    `GET` before any method, two conditions before one of them). Two routes of which neither
//!    comes before the other, and which some request would fit both, are a **tie**: an error at load.
//!    A header field or parameter that is repeated satisfies a condition if one of its values does;
//!    here it counts as occurring once, so `"1"` and `"2"` exclude each other. Who sends both is
//!    answered by the route whose value sorts first.
//!
//! `GET` brings `HEAD` along, unless another route on the same host and path names `HEAD` and takes
//! the request.
//!
//! # What is compared
//!
//! Hosts without case, port and final dot. Paths in the normal form of [`normalise`](crate::message::path::normalise), with
//! case; many slashes in a row count as one (`//a/` is `/a/`, which is not `/a`), as nearly every server has it. The
//! caller has to take out dot segments ([`without_dot_segments`](crate::message::path::without_dot_segments)) before it asks, and sends the origin the path
//! as it is then. Where an origin may take something for the end of a segment that is none here, which route takes
//! the path may be in doubt; see `doubt`.

mod compile;
mod demand;
mod doubt;
mod explain;
mod hash;
mod host;
mod methods;
mod order;
mod params;
mod pattern;
#[cfg(test)]
mod tests;
mod tree;

use std::ops::ControlFlow;

use http::{HeaderMap, Method};

use self::{
    demand::Demand,
    host::Host,
    params::Spans,
    pattern::Pattern,
    tree::{Forest, Tree},
};
pub use self::{
    demand::{Failure, Listeners},
    explain::{Candidate, Verdict},
    params::Params,
};
use crate::{config, message::path};

/// One route as the table takes it.
#[derive(Clone, Debug)]
pub struct Rule<'a, T> {
    /// What messages call it.
    pub name: &'a str,
    /// The listeners it is for.
    pub listeners: Listeners,
    /// Its hosts, paths, methods and conditions; nothing else of it is looked at.
    pub route: &'a config::Route,
    /// What guards it, as numbers that mean the same of every rule: who must not get past one guard is not let past by
    /// a rule without it.
    pub guards: Box<[u32]>,
    /// What it leads to.
    pub target: T,
}

/// Something wrong with a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteProblem {
    /// The rule's index.
    pub rule: usize,
    /// The key that it is about, as it is written in the file.
    pub key: &'static str,
    /// Which of several values.
    pub item: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// The parameters that a route's path has, whichever of its patterns a request fits: what templates
/// may ask for. A pattern that is wrong has none; [`RouteTable::compile`] reports it.
pub fn parameters(route: &config::Route) -> Vec<Box<str>> {
    let mut patterns = route.path.iter().map(|text| match Pattern::parse(text) {
        Ok(pattern) => pattern.names.into_vec(),
        Err(_) => Vec::new(),
    });
    let mut names = patterns.next().unwrap_or_default();
    for others in patterns {
        names.retain(|name| others.contains(name));
    }
    names
}

/// Whether two path patterns take the same paths, whatever they call their parameters.
pub fn are_same_paths(a: &str, b: &str) -> bool {
    let shape = |text| Pattern::parse(text).ok().map(|pattern| pattern.shape);
    shape(a).is_some_and(|a| shape(b) == Some(a))
}

/// Whether some host is one of both host patterns.
pub fn share_a_host(a: &str, b: &str) -> bool {
    let (Ok(a), Ok(b)) = (Host::parse(a), Host::parse(b)) else { return false };
    a.meets(&b)
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q, 'p> {
    /// The index of the listener where it came in.
    pub listener: usize,
    /// Its host, with or without a port.
    pub host: Option<&'q [u8]>,
    /// Its path as it came, without the query and without dot segments.
    pub path: &'p str,
    /// Its query, without the `?`.
    pub query: Option<&'q str>,
    /// Its method.
    pub method: &'q Method,
    /// Its header fields.
    pub headers: &'q HeaderMap,
}

/// What the table says of a request.
#[derive(Clone, Debug)]
pub enum Found<'t, 'q, T> {
    /// A route takes it.
    Route {
        /// What the route leads to.
        target: &'t T,
        /// The route's index among the rules.
        rule: usize,
        /// The path's parameters.
        params: Params<'t, 'q>,
    },
    /// Routes take it but for its method.
    MethodNotAllowed {
        /// The methods that they take, sorted: the answer's `Allow`.
        allowed: Vec<Method>,
    },
    /// A route takes it, and another one would if the origin reads the path as some do: `/admin%2Fx` as `/admin/x`.
    Doubtful,
    /// No route takes it.
    None,
}

/// A pair of a rule's hosts and paths.
#[derive(Clone, Debug)]
struct Entry {
    rule: usize,
    host: Host,
    path: Pattern,
}

impl Entry {
    /// Host and path, for messages.
    fn what(&self) -> String {
        match (&self.host, &*self.path.text) {
            (Host::Any, "*") => "any host and path".into(),
            (Host::Any, path) => path.into(),
            (host, "*") => host.to_string(),
            (host, path) => format!("{host}{path}"),
        }
    }
}

/// All routes, compiled.
#[derive(Debug)]
pub struct RouteTable<T> {
    forest: Forest,
    /// The most specific first; those of one host and path shape are neighbours.
    entries: Vec<Entry>,
    /// By rule.
    demands: Vec<Demand>,
    /// By rule.
    guards: Vec<Box<[u32]>>,
    /// By rule.
    targets: Vec<T>,
    findings: Vec<RouteProblem>,
}

impl<T> RouteTable<T> {
    /// Compiles rules.
    ///
    /// # Errors
    /// All that is wrong with them: patterns, conditions, and only if those are right, ties.
    pub fn compile(rules: Vec<Rule<'_, T>>) -> Result<Self, Vec<RouteProblem>> {
        compile::compile(rules)
    }

    /// What is allowed but surely not meant: routes that never take a request.
    pub fn findings(&self) -> &[RouteProblem] {
        &self.findings
    }

    /// The targets, by rule.
    pub fn targets(&self) -> &[T] {
        &self.targets
    }

    /// The methods that a rule takes, by its index, unless it takes any.
    pub fn methods(&self, rule: usize) -> impl Iterator<Item = &Method> {
        self.demands.get(rule).into_iter().flat_map(|demand| demand.methods.list())
    }

    /// The same table with other targets, if there is one for each.
    pub fn try_map<U>(self, map: impl FnMut(T) -> Option<U>) -> Option<RouteTable<U>> {
        let Self { forest, entries, demands, guards, targets, findings } = self;
        let targets = targets.into_iter().map(map).collect::<Option<_>>()?;
        Some(RouteTable { forest, entries, demands, guards, targets, findings })
    }

    /// The route that takes a request.
    ///
    /// Costs the length of host and path, plus the conditions of routes that have those in common.
    /// Nothing is allocated unless the path is spelled oddly or the method is refused.
    pub fn find<'t, 'p>(&'t self, query: &Query<'_, 'p>) -> Found<'t, 'p, T> {
        let host = query.host.filter(|_| self.forest.has_hosts()).map(host::normal);
        let (path, hides) = path::read(query.path);
        let mut spans = Spans::default();
        match self.search(host.as_deref(), &path, &mut spans, query) {
            Ok(at) if hides && self.is_in_doubt(at, host.as_deref(), &path, &spans, query) => {
                Found::Doubtful
            }
            Ok(at) => {
                let Entry { rule, path: pattern, .. } = &self.entries[at];
                let params = Params::new(&pattern.names, path, spans);
                Found::Route { target: &self.targets[*rule], rule: *rule, params }
            }
            Err(Some(owner)) => self.refuse(owner, &path, query),
            Err(None) => Found::None,
        }
    }

    /// The entry that takes a request for a path in normal form; or the tree of the host that owns it, if any does.
    #[inline]
    fn search<'t>(
        &'t self,
        host: Option<&str>,
        path: &str,
        spans: &mut Spans,
        query: &Query<'_, '_>,
    ) -> Result<usize, Option<&'t Tree>> {
        for tree in self.forest.of(host) {
            let mut owns = false;
            let taken = tree.walk(path, spans, &mut |mut leaf| {
                let takes = |at: &usize| match self.demand(*at).failing(query) {
                    None => true,
                    Some(failure) => {
                        owns |= failure != Failure::Listener;
                        false
                    }
                };
                leaf.find(takes).map_or(ControlFlow::Continue(()), ControlFlow::Break)
            });
            match taken {
                ControlFlow::Break(at) => return Ok(at),
                ControlFlow::Continue(()) if owns => return Err(Some(tree)),
                ControlFlow::Continue(()) => {}
            }
        }
        Err(None)
    }

    /// Every route with what it makes of a request, the most specific first; a route with several
    /// hosts or paths is there for each pair of them.
    pub fn explain(&self, query: &Query<'_, '_>) -> Vec<Candidate<'_>> {
        explain::explain(self, query)
    }

    /// What to say of a request that no route of its host takes: whether it was the method alone.
    #[cold]
    fn refuse<'p>(&self, tree: &Tree, path: &str, query: &Query<'_, 'p>) -> Found<'_, 'p, T> {
        let mut allowed: Vec<Method> = Vec::new();
        let ControlFlow::Continue(()) = tree.walk(path, &mut Spans::default(), &mut |leaf| {
            for demand in leaf.map(|at| self.demand(at)) {
                if demand.listeners.take(query.listener)
                    && demand.failing_condition(query).is_none()
                {
                    allowed.extend(demand.methods.list().cloned());
                }
            }
            ControlFlow::<std::convert::Infallible>::Continue(())
        });
        allowed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        allowed.dedup();
        if allowed.is_empty() { Found::None } else { Found::MethodNotAllowed { allowed } }
    }

    /// The rules by index, and what they lead to, the most specific first; one with several hosts or
    /// paths stands where its most specific pair does.
    pub fn ranking(&self) -> impl Iterator<Item = (usize, &T)> {
        let mut seen = vec![false; self.targets.len()];
        let rules = self.entries.iter().map(|entry| entry.rule);
        rules
            .filter(move |rule| !std::mem::replace(&mut seen[*rule], true))
            .map(|rule| (rule, &self.targets[rule]))
    }

    /// The demand of an entry's rule.
    #[inline]
    fn demand(&self, entry: usize) -> &Demand {
        &self.demands[self.entries[entry].rule]
    }
}
