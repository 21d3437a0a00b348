//! Routes that stand for an API: one for each of its operations.
//!
//! In: `[[route]]`s as written. Out: those that requests meet, each with the place where it was written.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{
    Snapshot,
    calls::{self, Calls},
};
use crate::{
    config::{self, Config, OneOrMany, Path, Problem, Problems, To},
    contract::{Api, Operation, Policy},
    grpc,
};

/// APIs by name; none for a name whose section is wrong.
pub(super) type Apis = BTreeMap<String, Option<Arc<Api>>>;

/// A route that requests meet.
pub(super) struct Written<'a> {
    /// The `[[route]]` that it stands in.
    pub(super) index: usize,
    pub(super) route: Cow<'a, config::Route>,
    /// The operation that it is for.
    pub(super) contract: Option<Arc<Operation>>,
    /// The method of gRPC that it is for, and the largest body.
    pub(super) call: Option<(Arc<grpc::Operation>, u64)>,
}

impl Written<'_> {
    /// Whether it stands for an API's operation.
    pub(super) fn is_operation(&self) -> bool {
        self.contract.is_some() || self.call.is_some()
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
    let sections = config.api.iter().filter(|(_, section)| !section.is_grpc());
    let mut apis: Apis = sections.map(compile).collect();
    let calls = calls::calls(config, &mut apis, problems);
    let written = written(config, &apis, &calls, problems);
    (apis, written)
}

fn written<'a>(
    config: &'a Config,
    apis: &Apis,
    calls: &Calls,
    problems: &mut Problems,
) -> Vec<Written<'a>> {
    let mut all = Vec::new();
    for (index, route) in config.route.iter().enumerate() {
        let Some(name) = &route.api else {
            all.push(Written { index, route: Cow::Borrowed(route), contract: None, call: None });
            continue;
        };
        let at = Path::root().key("route").index(index);
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
            index,
            route: Cow::Owned(expanded(route, name, policy)),
            contract: Some(policy.operation.clone()),
            call: None,
        }));
        if let (Some(services), Some(section)) = (calls.get(name), config.api.get(name)) {
            all.extend(services.operations.iter().map(|operation| Written {
                index,
                route: Cow::Owned(calls::expanded(route, (name, section), operation)),
                contract: None,
                call: Some((operation.clone(), section.max_body.0)),
            }));
        }
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
