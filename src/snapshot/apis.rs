//! Routes that stand for an API: one for each of its operations.
//!
//! In: `[[route]]`s as written. Out: those that requests meet, each with the place where it was written.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{Snapshot, portal::pages};
use crate::{
    config::{self, Config, OneOrMany, Path, Problem, Problems, To},
    contract::{Api, Operation, Policy},
    portal::Page,
};

/// APIs by name; none for a name whose section is wrong.
pub(super) type Apis = BTreeMap<String, Option<Arc<Api>>>;

/// A route that requests meet.
pub(super) struct Written<'a> {
    /// Where it was written.
    pub(super) at: Path,
    pub(super) route: Cow<'a, config::Route>,
    /// The operation that it is for.
    pub(super) contract: Option<Arc<Operation>>,
    /// The page of Janua's own that it leads to.
    pub(super) page: Option<Arc<Page>>,
}

impl Written<'_> {
    /// The route to a page of the portal.
    pub(super) fn page(route: config::Route, page: Arc<Page>) -> Self {
        let at = Path::root().key("docs");
        Written { at, route: Cow::Owned(route), contract: None, page: Some(page) }
    }

    /// Where a key of it stands.
    pub(super) fn place(&self, key: &'static str) -> Path {
        match (&self.contract, &self.page) {
            (Some(_), _) => self.at.key("api"),
            (_, Some(_)) if !["access", "auth", "allow"].contains(&key) => self.at.key("path"),
            _ => self.at.key(key),
        }
    }
}

/// Compiles all `[api.NAME]`s, and gives all routes that requests meet, in the order of the file and of the
/// documents. What was seen of answers goes on.
pub(super) fn apis<'a>(
    config: &'a Config,
    previous: Option<&Snapshot>,
    problems: &mut Problems,
) -> (Apis, Vec<Written<'a>>) {
    let compile = |(name, section): (&String, &config::Api)| {
        let at = Path::root().key("api").key(name.clone());
        let before = previous.and_then(|before| before.apis.iter().find(|api| *api.name == **name));
        let made = Api::compile(name, section, before.map(|api| &**api), &at, problems);
        (name.clone(), made.map(Arc::new))
    };
    let apis = config.api.iter().map(compile).collect();
    let mut written = written(config, &apis, problems);
    unused(&apis, &written, problems);
    written.extend(pages(config, &apis, &written, problems));
    (apis, written)
}

/// Operations without a route, since none stands for their API.
fn unused(apis: &Apis, written: &[Written<'_>], problems: &mut Problems) {
    for api in apis.values().flatten() {
        let of = |written: &Written<'_>| {
            written.contract.as_ref().is_some_and(|operation| operation.api == api.name)
        };
        if !written.iter().any(of) {
            let at = Path::root().key("api").key(api.name.to_string());
            let what = format!("no route stands for the API `{}`, so nobody can use it", api.name);
            let help = format!("[[route]]\napi = \"{}\"\nto = \"an upstream\"", api.name);
            problems.push(Problem::finding(at, what).help(help));
        }
    }
}

fn written<'a>(config: &'a Config, apis: &Apis, problems: &mut Problems) -> Vec<Written<'a>> {
    let mut all = Vec::new();
    for (index, route) in config.route.iter().enumerate() {
        let at = Path::root().key("route").index(index);
        let Some(name) = &route.api else {
            all.push(Written { at, route: Cow::Borrowed(route), contract: None, page: None });
            continue;
        };
        let Some(known) = apis.get(name) else {
            let problem = Problem::error(at.key("api"), format!("there is no API `{name}`"));
            let names = apis.keys().map(String::as_str);
            let help = || format!("[api.{name}]\nopenapi = \"{name}.yaml\"");
            problems.push(problem.help_meant(name, names, help));
            continue;
        };
        for (key, written) in [("path", &route.path), ("methods", &route.methods)] {
            if !written.is_empty() {
                let what =
                    format!("the document of `{name}` says which `{key}` its operations have");
                let help =
                    "take it away; `base-path` in `[api.NAME]` is what stands before all paths";
                problems.push(Problem::error(at.key(key), what).help(help));
            }
        }
        let policies = known.iter().flat_map(|api| &api.policies);
        all.extend(policies.map(|policy| Written {
            at: at.clone(),
            route: Cow::Owned(expanded(route, name, policy)),
            contract: Some(policy.operation.clone()),
            page: None,
        }));
    }
    all
}

/// The route of an operation: what stands at the API's route, and what is different for it.
fn expanded(route: &config::Route, api: &str, policy: &Policy) -> config::Route {
    let name = route.name.as_deref().unwrap_or(api);
    let mut made = config::Route {
        name: Some(format!("{name}/{}", policy.operation.id)),
        path: OneOrMany(vec![policy.path.clone()]),
        methods: OneOrMany(vec![policy.operation.method.to_string()]),
        ..route.clone()
    };
    if let Some(auth) = &policy.auth {
        made.auth = auth.clone();
        made.require = policy.require;
        if auth.is_empty() {
            made.allow = None;
        }
    }
    made.allow = policy.allow.clone().or(made.allow);
    made.limit = policy.limit.clone().unwrap_or(made.limit);
    made.cache = policy.cache.clone().or(made.cache);
    if let Some(to) = &policy.to {
        made.to = To::Name(to.clone());
    }
    made
}
