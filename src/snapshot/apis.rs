//! Routes that stand for an API: one for each of its operations.
//!
//! In: `[[route]]`s as written. Out: those that requests meet, each with the place where it was written.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use http::Method;

use super::{
    Snapshot,
    bodies::transforms,
    calls::{self, Calls},
    graphql::{self, Speaks},
    portal::pages,
    strays::strays,
};
use crate::{
    config::{self, Config, Cost, LimitUse, OneOrMany, Path, Problem, Problems, To},
    contract::{Api, Given, Operation, Policy},
    grpc,
    message::NamedMethods,
    portal::Page,
    transform::Transform,
    translate::{Translation, soap::Service},
};

/// APIs by name; none for a name whose section is wrong, or whose clients speak SOAP.
pub(super) type Apis = BTreeMap<String, Option<Arc<Api>>>;

/// SOAP services, on one side of an API, by its name.
type Services = BTreeMap<String, Service>;

/// A route that requests meet.
pub(super) struct Written<'a> {
    /// Where it was written.
    pub(super) at: Path,
    pub(super) route: Cow<'a, config::Route>,
    /// The operation that it is for.
    pub(super) contract: Option<Arc<Operation>>,
    /// What its origin speaks, or its clients.
    pub(super) translation: Option<Translation>,
    /// The method of gRPC that it is for, and the largest body.
    pub(super) call: Option<(Arc<grpc::Operation>, u64)>,
    /// How its origin is asked, if by GraphQL.
    pub(super) graphql: Option<Speaks>,
    /// What becomes of its bodies.
    pub(super) transform: Option<Arc<Transform>>,
    /// The page of Janua's own that it leads to.
    pub(super) page: Option<Arc<Page>>,
}

impl<'a> Written<'a> {
    /// A route that stands for itself.
    pub(super) fn plain(at: Path, route: Cow<'a, config::Route>) -> Self {
        Self {
            at,
            route,
            contract: None,
            translation: None,
            call: None,
            graphql: None,
            transform: None,
            page: None,
        }
    }

    /// The route to a page of the portal.
    pub(super) fn page(route: config::Route, page: Arc<Page>) -> Self {
        let written = Self::plain(Path::root().key("docs"), Cow::Owned(route));
        Self { page: Some(page), ..written }
    }

    /// Where a key of it stands.
    pub(super) fn place(&self, key: &'static str) -> Path {
        match (self.contract.is_some() || self.call.is_some(), &self.page) {
            (true, _) => self.at.key("api"),
            (_, Some(_)) if !["access", "auth", "allow"].contains(&key) => self.at.key("path"),
            _ => self.at.key(key),
        }
    }

    /// Methods that routes, their `allow` and the costs of limits name.
    pub(super) fn methods(all: &[Self], config: &Config) -> NamedMethods {
        let routes = || all.iter().map(|written| &*written.route);
        let own = routes().flat_map(|route| &*route.methods).map(|name| &**name);
        let allowed = routes().flat_map(|route| &route.allow);
        let allowed = allowed.flat_map(|allow| allow.methods.keys());
        let allowed = allowed.flat_map(|names| names.split([',', ' ']));
        let allowed = allowed.filter(|name| !name.is_empty());
        let inline =
            routes().flat_map(|route| route.limit.iter()).filter_map(|limit| match limit {
                LimitUse::Table(limit) => Some(&**limit),
                LimitUse::Word(_) => None,
            });
        let costs = config.limit.values().chain(inline).filter_map(|limit| match &limit.cost {
            Cost::Table(table) => Some(table.methods.keys()),
            Cost::Number(_) => None,
        });
        let costs = costs.flatten().map(|name| &**name);
        NamedMethods::new(own.chain(allowed).chain(costs))
    }
}

/// Compiles all `[api.NAME]`s, and gives all routes that requests meet, in the order of the file and of the
/// documents. What was seen of answers goes on.
pub(super) fn apis<'a>(
    config: &'a Config,
    previous: Option<&Snapshot>,
    problems: &mut Problems,
) -> (Apis, Vec<Written<'a>>) {
    let mut services = Services::new();
    let credentials: Vec<_> = config.query_credentials().map(|name| (&**name).into()).collect();
    let mut compile = |(name, section): (&String, &config::Api), problems: &mut Problems| {
        let at = Path::root().key("api").key(name.clone());
        let before = before(previous, name);
        let Ok(service) = service(name, section, &at, problems) else {
            return (name.clone(), None);
        };
        if service.as_ref().is_some_and(|service| service.door.is_some()) {
            services.extend(service.map(|service| (name.clone(), service)));
            return (name.clone(), None);
        }
        let made = service.as_ref().map(|service| &service.document);
        let given = Given { before, made, credentials: &credentials };
        let made = Api::compile(name, section, given, &at, problems);
        services.extend(service.map(|service| (name.clone(), service)));
        (name.clone(), made.map(Arc::new))
    };
    let twice = two_contracts(config, problems);
    let ours = |name: &str, section: &config::Api| {
        !section.is_grpc() && !section.is_graphql() && !twice.contains_key(name)
    };
    let sections = config.api.iter().filter(|(name, section)| ours(name, section));
    let mut apis: Apis = sections.map(|it| compile(it, problems)).collect();
    apis.extend(twice);
    let calls = calls::calls(config, &mut apis, problems);
    let asked = graphql::services(config, previous, &mut apis, problems);
    let mut written = written(config, (&apis, &services, &calls, &asked), problems);
    unused(config, (&apis, &services), problems);
    strays(&apis, &written, problems);
    written.extend(pages(config, &apis, &written, problems));
    transforms(&mut written, problems);
    (apis, written)
}

/// The API of this name as it was, for what goes on.
pub(super) fn before<'p>(previous: Option<&'p Snapshot>, name: &str) -> Option<&'p Api> {
    previous?.apis.iter().find(|api| *api.name == *name).map(|api| &**api)
}

/// Those APIs that more than one thing says the contract of, as none.
fn two_contracts(config: &Config, problems: &mut Problems) -> Apis {
    let mut twice = Apis::new();
    for (name, section) in &config.api {
        let all = [
            ("graphql", section.is_graphql()),
            ("proto", !section.proto.is_empty()),
            ("descriptors", section.descriptors.is_some()),
            ("openapi", section.openapi.is_some()),
            ("wsdl", section.wsdl.is_some()),
        ];
        let mut there = all.into_iter().filter(|(_, there)| *there).map(|(key, _)| key);
        let Some(first) = there.next() else { continue };
        for key in there {
            let what = format!("`{name}` has two contracts: `{first}` or `{key}`, not both");
            let at = Path::root().key("api").key(name.clone()).key(key);
            problems.push(Problem::error(at, what).help(format!("`{first}` or `{key}`")));
            twice.insert(name.clone(), None);
        }
    }
    twice
}

/// Something is wrong, and said.
struct Said;

/// The SOAP service that an API is, if it is one.
fn service(
    name: &str,
    section: &config::Api,
    at: &Path,
    problems: &mut Problems,
) -> Result<Option<Service>, Said> {
    if section.wsdl.is_none() {
        let has = |own: &config::Operation| own.method.is_some() || own.path.is_some();
        for (operation, _) in section.operations.iter().filter(|(_, own)| has(own)) {
            let at = at.key("operations").key(operation.clone());
            let what = format!("the document of `{name}` says how `{operation}` is called");
            let help = "`method` and `path` are for an API with a `wsdl`";
            problems.push(Problem::error(at, what).help(help));
        }
        if section.soap != config::Soap::default() {
            let problem = Problem::error(at.key("soap"), format!("nothing of `{name}` is SOAP"));
            problems.push(problem.help("wsdl = \"bank.wsdl\", in place of the document"));
        }
        return Ok(None);
    }
    Service::compile(section, at, problems).map(Some).ok_or(Said)
}

/// Operations without a route, since none stands for their API.
fn unused(config: &Config, (apis, services): (&Apis, &Services), problems: &mut Problems) {
    let is_door = |name: &String| services.get(name).is_some_and(|it| it.door.is_some());
    for (name, _) in apis.iter().filter(|(name, api)| api.is_some() || is_door(name)) {
        let of = |route: &config::Route| route.api.as_deref() == Some(name);
        if !config.route.iter().any(of) {
            let at = Path::root().key("api").key(name.clone());
            let what = format!("no route stands for the API `{name}`, so nobody can use it");
            let help = format!("[[route]]\napi = \"{name}\"\nto = \"an upstream\"");
            problems.push(Problem::finding(at, what).help(help));
        }
    }
}

/// All routes that requests meet, in the order of the file and of the documents.
fn written<'a>(
    config: &'a Config,
    (apis, services, calls, asked): (&Apis, &Services, &Calls, &graphql::Services),
    problems: &mut Problems,
) -> Vec<Written<'a>> {
    let mut all = Vec::new();
    for (index, route) in config.route.iter().enumerate() {
        let at = Path::root().key("route").index(index);
        let Some(name) = &route.api else {
            all.push(Written::plain(at, Cow::Borrowed(route)));
            continue;
        };
        let Some(known) = apis.get(name) else {
            let problem = Problem::error(at.key("api"), format!("there is no API `{name}`"));
            let names = apis.keys().map(String::as_str);
            let help = || format!("[api.{name}]\nopenapi = \"{name}.yaml\"");
            problems.push(problem.help_meant(name, names, help));
            continue;
        };
        let asked = asked.get(name);
        let speaks = config.api.get(name).is_some_and(config::Api::is_graphql);
        if !speaks {
            check_document_says("path", &route.path, name, &at, problems);
        }
        check_document_says("methods", &route.methods, name, &at, problems);
        let service = services.get(name);
        let door = service.and_then(|service| service.door.clone());
        let path = config.api.get(name).and_then(|section| section.soap.door.as_ref());
        if let (Some(door), Some(path)) = (door, path) {
            let route = Cow::Owned(at_door(route, name, OneOrMany(vec![path.clone()])));
            let translation = Some(Translation::Door(door));
            all.push(Written { translation, ..Written::plain(at, route) });
            continue;
        }
        let call = |id: &str| service.and_then(|service| service.operation(id)).cloned();
        if let Some(service) = asked {
            all.extend(graphql::door_of(route, (name, service), &at, problems));
        }
        let stored = |id: &str| asked?.stored.as_ref()?.operation(id).cloned();
        let policies = known.iter().flat_map(|api| &api.policies);
        all.extend(policies.map(|policy| {
            let mut route = promised(route, name, policy);
            let stored = stored(&policy.operation.id).map(Speaks::Stored);
            if stored.is_some() {
                // What the route keeps is what clients get from the service by GET.
                route.cache.clone_from(&policy.own.cache);
            }
            Written {
                contract: Some(policy.operation.clone()),
                translation: call(&policy.operation.id).map(Translation::Soap),
                graphql: stored,
                ..Written::plain(at.clone(), Cow::Owned(route))
            }
        }));
        if let (Some(services), Some(section)) = (calls.get(name), config.api.get(name)) {
            all.extend(services.operations.iter().map(|operation| {
                let route = calls::expanded(route, (name, section), operation);
                let call = Some((operation.clone(), section.max_body.0));
                Written { call, ..Written::plain(at.clone(), Cow::Owned(route)) }
            }));
        }
    }
    all
}

/// A key of a route that its API's document has for each operation.
fn check_document_says(
    key: &'static str,
    written: &OneOrMany<String>,
    api: &str,
    at: &Path,
    problems: &mut Problems,
) {
    if !written.is_empty() {
        let what = format!("the document of `{api}` says which `{key}` its operations have");
        let help = "take it away; `base-path` in `[api.NAME]` is what stands before all paths";
        problems.push(Problem::error(at.key(key), what).help(help));
    }
}

/// The route to a door of an API, for clients that speak a language of their own.
pub(super) fn at_door(route: &config::Route, api: &str, path: OneOrMany<String>) -> config::Route {
    config::Route {
        name: Some(route.name.clone().unwrap_or_else(|| api.to_owned())),
        path,
        methods: OneOrMany(vec!["GET".to_owned(), "POST".to_owned()]),
        ..route.clone()
    }
}

/// An operation as its route is made of it.
pub(super) struct Made<'a> {
    pub(super) id: &'a str,
    pub(super) path: String,
    pub(super) method: &'a Method,
    /// What is different for it.
    pub(super) own: &'a config::Operation,
}

/// The route of an operation: what stands at the API's route, and what is different for it.
pub(super) fn expanded(route: &config::Route, api: &str, made: Made<'_>) -> config::Route {
    let Made { id, path, method, own } = made;
    let name = route.name.as_deref().unwrap_or(api);
    let mut made = config::Route {
        name: Some(format!("{name}/{id}")),
        path: OneOrMany(vec![path]),
        methods: OneOrMany(vec![method.to_string()]),
        ..route.clone()
    };
    if let Some(auth) = &own.auth {
        made.auth = auth.clone();
        if auth.is_empty() {
            made.allow = None;
        }
    }
    made.allow = own.allow.clone().or(made.allow);
    made.limit = own.limit.clone().unwrap_or(made.limit);
    made.cache = own.cache.clone().or(made.cache);
    if let Some(to) = &own.to {
        made.to = To::Name(to.clone());
    }
    made
}

/// The route of an operation of a document.
fn promised(route: &config::Route, api: &str, policy: &Policy) -> config::Route {
    let (own, operation) = (&policy.own, &policy.operation);
    let (id, method) = (&*operation.id, &operation.method);
    let made = Made { id, path: policy.path.clone(), method, own };
    let mut made = expanded(route, api, made);
    made.require = policy.require.unwrap_or(made.require);
    if own.allow.is_none() && !policy.scopes.is_empty() {
        // What the route asks for is asked for as well.
        let allow = made.allow.get_or_insert_default();
        let by_method = allow.methods.values_mut().map(|rule| &mut rule.scope);
        for asked in by_method.chain([&mut allow.scope]) {
            let new = policy.scopes.iter().filter(|scope| !asked.contains(scope)).cloned();
            asked.0.extend(new.collect::<Vec<_>>());
        }
    }
    made
}
