//! Routes among an API's paths that no operation of its document has: what goes by them is held to nothing.
//!
//! In: routes as requests meet them. Out: findings. Answers of Janua's own are no way around a document. An API
//! at the root of all hosts has no paths that are nobody else's.

use super::apis::{Apis, Written};
use crate::{
    config::{self, OneOrMany, Problem, Problems, To},
    contract::Api,
};

/// Tells of routes that lead to an upstream by paths of an API, past its document.
pub(super) fn strays(apis: &Apis, written: &[Written<'_>], problems: &mut Problems) {
    let leads_on = |to: &To| !matches!(to, To::Redirect(_) | To::Respond(_));
    let by_hand = |it: &&Written<'_>| it.route.api.is_none() && leads_on(&it.route.to);
    for stray in written.iter().filter(by_hand) {
        for api in apis.values().flatten() {
            let own = |it: &&Written<'_>| it.route.api.as_deref() == Some(&*api.name);
            let own: Vec<_> = written.iter().filter(own).map(|it| &*it.route).collect();
            if let Some(path) = past(&stray.route, api, &own) {
                let (name, base) = (&api.name, if api.base.is_empty() { "/" } else { &api.base });
                let what = format!(
                    "`{path}` is among the paths of the API `{name}` (`{base}`), whose document has no such operation"
                );
                let help = "add it to the document, or give it another path: its requests are held to nothing";
                problems.push(Problem::finding(stray.at.key("path"), what).help(help));
            }
        }
    }
}

/// The path of a route that is one of an API at the same door, without an operation that has it.
fn past<'r>(route: &'r config::Route, api: &Api, operations: &[&config::Route]) -> Option<&'r str> {
    let beside = |own: &&&config::Route| {
        // At the root of a host that is its own alone.
        let has_place = !api.base.is_empty() || !(own.host.is_empty() || route.host.is_empty());
        has_place
            && meets(&own.host, &route.host, is_same_host)
            && meets(&own.listener, &route.listener, |a, b| a == b)
    };
    let operations: Vec<_> = operations.iter().filter(beside).collect();
    let is_known = |path: &str| {
        let same = operations.iter().filter(|own| own.path.iter().any(|it| is_same(it, path)));
        let methods: Vec<_> = same.flat_map(|own| own.methods.iter()).collect();
        // Without `methods` it has those as well that no operation has.
        !route.methods.is_empty() && route.methods.iter().all(|method| methods.contains(&method))
    };
    let is_among = |path: &&String| {
        path.strip_prefix(&*api.base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let paths = route.path.iter().filter(|_| !operations.is_empty()).filter(is_among);
    paths.map(String::as_str).find(|path| !is_known(path))
}

/// Whether two lists have something in common; an empty one has everything.
fn meets(a: &OneOrMany<String>, b: &OneOrMany<String>, same: impl Fn(&str, &str) -> bool) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|a| b.iter().any(|b| same(a, b)))
}

/// Whether a host is another, or one of those that the other stands for.
fn is_same_host(a: &str, b: &str) -> bool {
    let stands_for = |pattern: &str, host: &str| {
        pattern.strip_prefix('*').is_some_and(|rest| !rest.is_empty() && host.ends_with(rest))
    };
    a.eq_ignore_ascii_case(b) || stands_for(a, b) || stands_for(b, a)
}

/// Whether two patterns take the same paths, whatever they call their parameters.
fn is_same(a: &str, b: &str) -> bool {
    let kind = |segment: &str| match (segment.starts_with('{'), segment.ends_with("*}")) {
        (true, true) => 2,
        (true, false) => 1,
        (false, _) => 0,
    };
    let same = |(a, b): (&str, &str)| kind(a) == kind(b) && (kind(a) > 0 || a == b);
    a.split('/').count() == b.split('/').count() && a.split('/').zip(b.split('/')).all(same)
}
