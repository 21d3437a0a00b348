//! Names that must be there once, and names that must be there at all.
//!
//! In: the configuration. Out: listeners or routes of the same name, and listeners that are asked for and
//! do not exist. The names of upstreams in `to` are not looked at: what `to` means is for `snapshot`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Config, Listener,
    nearest::listed,
    path::Path,
    problem::{Problem, Problems},
};

/// What is wrong with the names.
pub(super) fn check(config: &Config) -> Problems {
    let listeners = listeners(&config.listener);
    let known: BTreeSet<&str> = listeners.iter().map(|(name, _)| *name).collect();
    let mut problems = Problems::new();
    problems.extend(twice("listener", listeners));
    problems.extend(twice("route", routes(config)));
    problems.extend(upstreams(config));

    let path = Path::root().key("route");
    for (at, route) in config.route.iter().enumerate() {
        for (which, name) in route.listener.iter().enumerate() {
            let path = path.index(at).key("listener");
            let path = if route.listener.len() > 1 { path.index(which) } else { path };
            problems.extend(unknown_listener(path, name, &known));
        }
    }
    let path = Path::root().key("test");
    for (at, test) in config.test.iter().enumerate() {
        let path = path.index(at).key("listener");
        problems
            .extend(test.listener.as_ref().and_then(|name| unknown_listener(path, name, &known)));
    }
    problems
}

/// The listeners' names; one without a name has its address for one.
fn listeners(listeners: &[Listener]) -> Vec<(&str, Path)> {
    let names = listeners.iter().enumerate().map(|(at, listener)| {
        let path = Path::root().key("listener").index(at);
        match &listener.name {
            Some(name) => (name.as_str(), path.key("name")),
            None => (listener.address.as_str(), path.key("address")),
        }
    });
    names.collect()
}

fn routes(config: &Config) -> impl Iterator<Item = (&str, Path)> {
    config.route.iter().enumerate().filter_map(|(at, route)| {
        Some((route.name.as_deref()?, Path::root().key("route").index(at).key("name")))
    })
}

/// The second and every further use of a name.
fn twice<'a>(what: &str, names: impl IntoIterator<Item = (&'a str, Path)>) -> Vec<Problem> {
    let mut first: BTreeMap<&str, Path> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, here) in names {
        match first.get(name) {
            Some(there) => problems.push(
                Problem::error(here, format!("a {what} called `{name}` is there already"))
                    .help("names are how logs, metrics and tests tell them apart")
                    .also(there.clone(), "the first one"),
            ),
            None => drop(first.insert(name, here)),
        }
    }
    problems
}

fn upstreams(config: &Config) -> impl Iterator<Item = Problem> {
    config.upstream.keys().filter_map(|name| {
        let path = Path::root().key("upstream").key(name.clone());
        match name.as_str() {
            "" => Some(Problem::error(path, "an upstream needs a name")),
            "echo" => Some(
                Problem::error(path, "an upstream cannot be called `echo`")
                    .help("`to = \"echo\"` answers with the request itself; choose another name"),
            ),
            _ => None,
        }
    })
}

fn unknown_listener(path: Path, name: &str, listeners: &BTreeSet<&str>) -> Option<Problem> {
    if listeners.contains(name) {
        return None;
    }
    let problem = Problem::error(path, format!("there is no listener `{name}`"));
    Some(problem.help_meant(name, listeners.iter().copied(), || match listeners.is_empty() {
        true => "there is no `[[listener]]` to name".into(),
        false => {
            let listeners: Vec<_> = listeners.iter().collect();
            format!("the listeners are {}", listed(&listeners, "and"))
        }
    }))
}
