//! APIs whose origin speaks GraphQL: what `[api.NAME]` with `graphql` stands for.
//!
//! In: sections. Out: a guard for clients that ask the service itself, stored operations, which become routes,
//! and a document that describes them, for those who read it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use super::{
    Snapshot,
    apis::{Apis, Written, at_door, before},
    compile::Known,
    target::Target,
};
use crate::{
    auth::Auth,
    config::{self, Allow, Config, Introspect, IntrospectWord, Path, Problem, Problems},
    contract::{Api, Given},
    graphql::{Guard, OTHER, Stored, StoredSet, Types, door},
    limit::{Limiter, Place},
    metrics::{Loading, OperationMetrics},
};

/// How a route's origin is asked, if it speaks GraphQL.
#[derive(Debug)]
pub enum Graphql {
    /// Clients ask it themselves.
    Guarded(Arc<Guarded>),
    /// Clients speak JSON.
    Stored(Arc<Stored>),
}

/// What clients may ask, and who may.
#[derive(Debug)]
pub struct Guarded {
    /// What they may ask.
    pub guard: Arc<Guard>,
    /// Who may ask for the schema.
    pub introspection: Introspection,
    /// What is different for operations, by their names.
    pub operations: BTreeMap<Box<str>, Arc<Governed>>,
    /// What was asked: first all without a number, then by the guard's numbers.
    pub metrics: Vec<Arc<OperationMetrics>>,
}

/// Who may ask for the schema.
#[derive(Debug)]
pub enum Introspection {
    /// Everybody.
    Open,
    /// Nobody.
    Closed,
    /// Whoever is known.
    Identified,
    /// Whoever may by this.
    Allowed(Box<Auth>),
}

/// What is different for an operation.
#[derive(Debug)]
pub struct Governed {
    /// Who may ask it, of those whom the route knows.
    pub auth: Option<Auth>,
    /// How often.
    pub limit: Limiter,
}

/// An API, compiled.
pub(super) struct Service {
    pub(super) guard: Arc<Guard>,
    pub(super) stored: Option<StoredSet>,
}

/// APIs by name.
pub(super) type Services = BTreeMap<String, Service>;

/// What a written route's origin is asked by.
#[derive(Clone)]
pub(super) enum Speaks {
    Guarded(Arc<Guard>),
    Stored(Arc<Stored>),
}

/// Compiles those APIs that are services of GraphQL, and puts them among the others.
pub(super) fn services(
    config: &Config,
    previous: Option<&Snapshot>,
    apis: &mut Apis,
    problems: &mut Problems,
) -> Services {
    let mut all = Services::new();
    for (name, section) in &config.api {
        if section.is_graphql() && apis.contains_key(name) {
            continue;
        }
        let at = Path::root().key("api").key(name.clone());
        if !section.is_graphql() {
            check_others(section, &at, problems);
            continue;
        }
        let service = compile(name, section, &at, problems);
        let api = service.as_ref().and_then(|service| {
            let Some(stored) = &service.stored else { return Some(guarded_only(config, name)) };
            let before = before(previous, name);
            let given = Given { before, made: Some(&stored.document), ..Given::default() };
            // What is about clients' own operations is no business of the document.
            let mut own = section.clone();
            own.operations.retain(|_, own| own.is_stored() && own.enabled != Some(false));
            Api::compile(name, &own, given, &at, problems)
        });
        apis.insert(name.clone(), api.map(Arc::new));
        all.extend(service.map(|service| (name.clone(), service)));
    }
    all
}

/// An API of which nothing is a route but the door.
fn guarded_only(config: &Config, name: &str) -> Api {
    let at = |route: &&config::Route| route.api.as_deref() == Some(name);
    let path = config.route.iter().find(at).and_then(|route| route.path.first());
    let path = path.map_or("/graphql", String::as_str);
    Api {
        name: name.into(),
        title: name.into(),
        version: "1".into(),
        base: String::new(),
        document: Arc::new(door(name, path)),
        policies: Vec::new(),
    }
}

fn compile(
    name: &str,
    section: &config::Api,
    at: &Path,
    problems: &mut Problems,
) -> Option<Service> {
    let before = problems.iter().count();
    check_operations(section, at, problems);
    let types = match &section.graphql {
        Some(config::Graphql::Schema(file)) => {
            Some(Arc::new(Types::load(file, &section.guard, at, problems)?))
        }
        Some(config::Graphql::Shape(true)) => None,
        Some(config::Graphql::Shape(false)) | None => {
            let problem = Problem::error(at.key("graphql"), "`false` is no way to know a schema");
            problems.push(problem.help("graphql = \"schema.graphql\", or graphql = true"));
            return None;
        }
    };
    let guard = Guard::compile(name, section, types.clone(), at, problems);
    let stored = StoredSet::compile(name, section, types.as_deref(), at, problems);
    let guard = Arc::new(guard?);
    (problems.iter().count() == before).then_some(Service { guard, stored })
}

/// What is said of operations that they cannot have.
fn check_operations(section: &config::Api, at: &Path, problems: &mut Problems) {
    let all = section.operations.iter().filter(|(_, own)| !own.is_stored());
    for (name, own) in all {
        let at = at.key("operations").key(name.clone());
        for (key, there) in [
            ("cache", own.cache.is_some()),
            ("to", own.to.is_some()),
            ("method", own.method.is_some()),
            ("path", own.path.is_some()),
            ("enabled", own.enabled.is_some()),
            ("answer", own.answer.is_some()),
            ("null", own.null.is_some()),
        ] {
            if there {
                let what = format!("`{name}` has no `query`, so it is no route");
                problems.push(Problem::error(at.key(key), what).help("query = \"query { .. }\""));
            }
        }
        if own.auth.is_some() {
            let what = "who it is, is asked before anybody knows the operation";
            let problem = Problem::error(at.key("auth"), what);
            problems.push(
                problem.help("name `auth` at the route, and say here what one has to be: `allow`"),
            );
        }
    }
}

/// Keys that are about GraphQL, where that is not spoken.
fn check_others(section: &config::Api, at: &Path, problems: &mut Problems) {
    let default = config::Api::default();
    let mut all = vec![
        (at.key("guard"), section.guard != default.guard),
        (at.key("persisted"), section.persisted.is_some()),
        (at.key("errors"), !section.errors.is_empty()),
        (at.key("graphql-path"), section.graphql_path != default.graphql_path),
    ];
    for (name, own) in &section.operations {
        let at = at.key("operations").key(name.clone());
        all.extend([
            (at.key("query"), own.query.is_some()),
            (at.key("query-file"), own.query_file.is_some()),
            (at.key("answer"), own.answer.is_some()),
            (at.key("null"), own.null.is_some()),
        ]);
    }
    for (at, _) in all.into_iter().filter(|(_, there)| *there) {
        let problem = Problem::error(at, "this is about a service of GraphQL");
        problems.push(problem.help("graphql = \"schema.graphql\""));
    }
}

/// The routes of an API: its door, if the route has a path, and its stored operations.
pub(super) fn door_of<'a>(
    route: &config::Route,
    (name, service): (&str, &Service),
    at: &Path,
    problems: &mut Problems,
) -> Option<Written<'a>> {
    if route.path.is_empty() {
        if service.stored.is_none() {
            let problem = Problem::error(at.key("api"), "nothing says where clients ask it");
            problems.push(problem.help("path = \"/graphql\""));
        }
        return None;
    }
    let made = Cow::Owned(at_door(route, name, route.path.clone()));
    let graphql = Some(Speaks::Guarded(service.guard.clone()));
    Some(Written { graphql, ..Written::plain(at.clone(), made) })
}

/// How a route's origin is asked, and what of the route does not go with it.
pub(super) fn graphql(
    written: &Written<'_>,
    (name, params, target): (&str, &[Box<str>], Option<&Target>),
    known: &Known<'_>,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Option<Graphql> {
    let (route, at) = (&*written.route, &written.at);
    let speaks = written.graphql.clone()?;
    if route.translate.is_some() {
        let what = "the routes of an API are translated as its section says";
        problems.push(Problem::error(at.key("translate"), what));
    }
    let guard = match speaks {
        Speaks::Stored(stored) => {
            if route.cache.is_some() {
                let what = format!("answers of `{}` are not kept: it is asked by POST", stored.id);
                problems.push(Problem::error(at.key("api"), what));
            }
            return Some(Graphql::Stored(stored));
        }
        Speaks::Guarded(guard) => guard,
    };
    if matches!(target, Some(Target::Mock)) {
        let what = "a service of GraphQL has no examples to answer with";
        problems.push(Problem::error(at.key("to"), what));
    }
    let guarded = guarded(guard, route, (name, params), known, metrics, problems)?;
    Some(Graphql::Guarded(Arc::new(guarded)))
}

/// What clients may ask by a route, and who may.
fn guarded(
    guard: Arc<Guard>,
    route: &config::Route,
    (name, params): (&str, &[Box<str>]),
    known: &Known<'_>,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Option<Guarded> {
    let section = known.config.api.get(&*guard.name)?;
    let place = Path::root().key("api").key(guard.name.to_string());
    let auth = |allow: &Allow, at: &Path, problems: &mut Problems| {
        let asked = config::Route {
            auth: route.auth.clone(),
            require: route.require,
            allow: Some(allow.clone()),
            ..config::Route::default()
        };
        Auth::compile(&asked, (name, params), known.auths, at, problems)
    };
    let introspection = match &section.guard.introspection {
        Introspect::Word(IntrospectWord::Allow) => Introspection::Open,
        Introspect::Word(IntrospectWord::Deny) => Introspection::Closed,
        Introspect::Word(IntrospectWord::Identified) => Introspection::Identified,
        Introspect::Allow(allow) => {
            let at = place.key("guard").key("introspection");
            Introspection::Allowed(Box::new(auth(allow, &at, problems)?))
        }
    };
    let mut operations = BTreeMap::new();
    for (id, own) in section.operations.iter().filter(|(_, own)| !own.is_stored()) {
        let at = place.key("operations").key(id.clone());
        let allowed = match &own.allow {
            Some(allow) => Some(auth(allow, &at, problems)?),
            None => None,
        };
        let named = format!("{name}/{id}");
        let uses = own.limit.as_ref().map_or(&[][..], |uses| &uses.0[..]);
        let asks = !route.auth.is_empty();
        // No limit's name has a `/`.
        let told = &format!("default/{id}");
        let limited = Place { route: &named, told, params, asks, at: &at.key("limit") };
        let limit = known.limits.of_route(uses, limited, metrics, problems)?;
        if limit.paces() {
            let message = "the limit of an operation slows no answer: it may be one of several";
            let problem = Problem::error(at.key("limit"), message);
            problems.push(problem.help("`bandwidth` in a limit of the route"));
        }
        operations.insert(id.as_str().into(), Arc::new(Governed { auth: allowed, limit }));
    }
    let names = guard.names();
    let names = std::iter::once(OTHER).chain(names.iter().map(|name| &**name));
    let metrics = names.map(|id| metrics.operation(&guard.name, id)).collect();
    Some(Guarded { guard, introspection, operations, metrics })
}
