//! Routes among an API's paths that no operation of its document has: what goes by them is held to nothing.
//!
//! In: routes as requests meet them. Out: findings. Answers of Janua's own are no way around a document. An API
//! at the root of all hosts has no paths that are nobody else's.

use super::apis::{Apis, Written};
use crate::{
    config::{self, OneOrMany, Problem, Problems, To},
    route::{are_same_paths, share_a_host},
};

/// Tells of routes that lead to an upstream by paths of an API, past its document.
pub(super) fn strays(apis: &Apis, written: &[Written<'_>], problems: &mut Problems) {
    let operations = |api: &str| {
        let own = written.iter().filter(|it| it.route.api.as_deref() == Some(api));
        own.map(|it| &*it.route).collect::<Vec<_>>()
    };
    let apis = apis.values().flatten().map(|api| (api, operations(&api.name)));
    let apis: Vec<_> = apis.collect();
    let leads_on = |to: &To| !matches!(to, To::Redirect(_) | To::Respond(_));
    let by_hand = |it: &&Written<'_>| it.route.api.is_none() && leads_on(&it.route.to);
    for stray in written.iter().filter(by_hand) {
        for (api, operations) in &apis {
            if let Some(path) = past(&stray.route, &api.base, operations) {
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
fn past<'r>(
    route: &'r config::Route,
    base: &str,
    operations: &[&config::Route],
) -> Option<&'r str> {
    // Few routes are, so this is asked first.
    let is_among = |path: &&String| {
        path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut paths = route.path.iter().filter(is_among).peekable();
    paths.peek()?;
    let beside = |own: &&&config::Route| {
        // At the root of a host that is its own alone.
        let has_place = !base.is_empty() || !(own.host.is_empty() || route.host.is_empty());
        has_place
            && meets(&own.host, &route.host, share_a_host)
            && meets(&own.listener, &route.listener, |a, b| a == b)
    };
    let operations: Vec<_> = operations.iter().filter(beside).collect();
    if operations.is_empty() {
        return None;
    }
    let is_known = |path: &str| {
        let has = |own: &config::Route| own.path.iter().any(|it| are_same_paths(it, path));
        let same = operations.iter().filter(|own| has(own));
        let methods: Vec<_> = same.flat_map(|own| own.methods.iter()).collect();
        // Without `methods` it has those as well that no operation has.
        !route.methods.is_empty() && route.methods.iter().all(|method| methods.contains(&method))
    };
    paths.map(String::as_str).find(|path| !is_known(path))
}

/// Whether two lists have something in common; an empty one has everything.
fn meets(a: &OneOrMany<String>, b: &OneOrMany<String>, same: impl Fn(&str, &str) -> bool) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|a| b.iter().any(|b| same(a, b)))
}
