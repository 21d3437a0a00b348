//! `[docs]`: the pages of the portal as routes, so that who may see them is decided as for any other.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value, json};

use super::apis::{Apis, Written};
use crate::{
    config::{self, Audience, Config, LimitUse, OneOrMany, Path, Problem, Problems, Require},
    contract::{Api, modernised},
    portal::{self, Enforced, Page, Shown},
};

/// The routes to the portal's pages.
pub(super) fn pages<'a>(
    config: &'a Config,
    apis: &Apis,
    written: &[Written<'_>],
    problems: &mut Problems,
) -> Vec<Written<'a>> {
    let (docs, at) = (&config.docs, Path::root().key("docs"));
    let Some(base) = &docs.path else { return Vec::new() };
    let base = base.trim_end_matches('/');
    if !base.starts_with('/') || base.contains(['{', '}', '?', '#']) {
        let problem = Problem::error(at.key("path"), format!("`{base}` is no path for a portal"));
        problems.push(problem.help("path = \"/docs\""));
        return Vec::new();
    }
    for (index, name) in docs.apis.iter().enumerate().filter(|(_, name)| !apis.contains_key(*name))
    {
        let problem =
            Problem::error(at.key("apis").index(index), format!("there is no API `{name}`"));
        let help = || "the names of `[api.NAME]`s".to_owned();
        problems.push(problem.help_meant(name, apis.keys().map(String::as_str), help));
    }
    let shown =
        |api: &&Arc<Api>| docs.apis.is_empty() || docs.apis.iter().any(|it| **it == *api.name);
    let shown: Vec<_> = apis.values().flatten().filter(shown).collect();
    let own = Audience {
        access: docs.access.clone(),
        auth: docs.auth.clone(),
        require: docs.require,
        allow: docs.allow.clone(),
    };
    let about = |api: &Api| text(&api.document, "/info/description");
    let audience = |api: &Api| config.api.get(&*api.name).and_then(|api| api.audience.clone());
    let open = shown.iter().filter(|api| audience(api).is_none());
    let open: Vec<_> = open.map(|api| (api, about(api))).collect();
    let listed = open.iter().map(|(api, about)| (&*api.name, &*api.title, &*api.version, &**about));
    let first = portal::index(base, &docs.title, listed);
    let slash = format!("{base}/");
    let top = if base.is_empty() { vec!["/".into()] } else { vec![base.to_owned(), slash] };
    let script = vec![format!("{base}/scalar.js")];
    let mut pages = vec![
        route(docs, "", top, &own, Arc::new(first)),
        // What is anybody's at npm is a secret to nobody.
        route(docs, "/scalar.js", script, &Audience::default(), portal::script()),
    ];
    let documents: Vec<_> = shown.iter().map(|api| document(config, api, written)).collect();
    for (api, document) in shown.iter().zip(&documents) {
        let host = elsewhere(document);
        check_tries(config, &api.name, host, problems);
        let audience = audience(api).unwrap_or_else(|| own.clone());
        let (name, file) = (format!("/{}", api.name), format!("/{}/openapi.json", api.name));
        let page = portal::api(base, &file, &api.title, host.as_slice());
        pages.extend(shows(docs, [&name, &file], page, document, &audience));
    }
    if open.len() > 1 {
        let all = shown.iter().zip(documents).filter(|(api, _)| audience(api).is_none());
        let all = all.map(|(api, document)| (&***api, document)).collect();
        pages.extend(at_once(docs, all, &own));
    }
    pages
}

/// The page that shows all of these APIs, and their document.
fn at_once<'a>(
    docs: &config::Docs,
    mut all: Vec<(&Api, Value)>,
    audience: &Audience,
) -> [Written<'a>; 2] {
    let base = docs.path.as_deref().unwrap_or_default().trim_end_matches('/');
    all.iter_mut().for_each(|(_, document)| modernised(document));
    let hosts = all.iter().filter_map(|(_, document)| elsewhere(document)).map(str::to_owned);
    let hosts: BTreeSet<String> = hosts.collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let shown = all.into_iter().map(|(api, document)| {
        let (name, title) = (&*api.name, &*api.title);
        Shown { name, title, document }
    });
    let merged = portal::merged(&docs.title, shown);
    let [name, file] = portal::ALL;
    let page = portal::api(base, file, &docs.title, &hosts);
    shows(docs, [name, file], page, &merged, audience)
}

/// A page and the document that it shows, at these paths.
fn shows<'a>(
    docs: &config::Docs,
    [name, file]: [&str; 2],
    page: Page,
    document: &Value,
    audience: &Audience,
) -> [Written<'a>; 2] {
    let base = docs.path.as_deref().unwrap_or_default().trim_end_matches('/');
    let document = Page::new("application/json", document.to_string());
    [(name, page), (file, document)].map(|(name, page)| {
        route(docs, name, vec![format!("{base}{name}")], audience, Arc::new(page))
    })
}

fn route<'a>(
    docs: &config::Docs,
    name: &str,
    paths: Vec<String>,
    audience: &Audience,
    page: Arc<Page>,
) -> Written<'a> {
    let route = config::Route {
        name: Some(format!("docs{name}")),
        listener: docs.listener.clone(),
        host: docs.host.clone(),
        path: OneOrMany(paths),
        methods: OneOrMany(vec!["GET".into()]),
        access: audience.access.clone(),
        auth: audience.auth.clone(),
        require: audience.require,
        allow: audience.allow.clone(),
        ..config::Route::default()
    };
    Written::page(route, page)
}

/// The document of an API, as its routes are.
fn document(config: &Config, api: &Api, written: &[Written<'_>]) -> Value {
    let section = config.api.get(&*api.name);
    if section.is_some_and(config::Api::is_graphql) && api.policies.is_empty() {
        // It tells of the door alone.
        return (*api.document).clone();
    }
    let mut operations: Vec<Enforced> = Vec::new();
    let mut schemes = Map::new();
    // Of several routes for an API the first is shown.
    let mut routes: BTreeMap<String, &config::Route> = BTreeMap::new();
    let policies = api.policies.iter().map(|it| (Arc::as_ptr(&it.operation), &it.pointer));
    let policies: HashMap<_, _> = policies.collect();
    let own = written.iter().filter(|it| it.route.api.as_deref() == Some(&*api.name));
    for written in own {
        let pointer = match (&written.contract, &written.call) {
            (Some(operation), _) => policies.get(&Arc::as_ptr(operation)).map(|it| (*it).clone()),
            (None, Some((operation, _))) => {
                written.route.path.first().map(|path| operation.pointer(path))
            }
            (None, None) => None,
        };
        if let Some(pointer) = pointer {
            routes.entry(pointer).or_insert(&written.route);
        }
    }
    let first = routes.values().next().copied();
    for (pointer, route) in routes {
        for name in &*route.auth {
            let scheme = config.auth.get(name).map(scheme);
            schemes.extend(scheme.map(|scheme| (name.clone(), scheme)));
        }
        let scopes = route.allow.as_ref().map(|allow| allow.scope.0.clone());
        operations.push(Enforced {
            pointer,
            schemes: route.auth.0.clone(),
            all: route.require == Require::All && route.auth.len() > 1,
            scopes: scopes.unwrap_or_default(),
            limits: route.limit.iter().filter_map(|limit| limited(config, limit)).collect(),
        });
    }
    // The paths of a service of gRPC are whole.
    let base = if section.is_some_and(config::Api::is_grpc) { "" } else { &*api.base };
    let server = first.map_or_else(|| base.to_owned(), |route| server(&config.docs, route, base));
    portal::document(&api.document, &server, &operations, schemes)
}

/// Where the paths of a route begin, as seen from the portal: at the same host, if the route takes that.
fn server(docs: &config::Docs, route: &config::Route, base: &str) -> String {
    let here = route.host.is_empty() || docs.host.iter().any(|host| route.host.contains(host));
    let other = route.host.iter().find(|host| !here && !host.contains('*'));
    other.map_or_else(|| base.to_owned(), |host| format!("//{host}{base}"))
}

/// The host of an API, if that is not the portal's.
fn elsewhere(document: &Value) -> Option<&str> {
    let server = document.pointer("/servers/0/url")?.as_str()?.strip_prefix("//")?;
    server.split('/').next()
}

/// What is tried at another host is asked for by a page of another origin; a listener that has no page of the portal
/// is at a port that no document says.
fn check_tries(config: &Config, api: &str, host: Option<&str>, problems: &mut Problems) {
    let of = |route: &&config::Route| route.api.as_deref() == Some(api);
    let mut own = config.route.iter().filter(of);
    let seen = &config.docs.listener;
    let beside = |route: &config::Route| {
        let listeners = &route.listener;
        seen.is_empty() || listeners.is_empty() || listeners.iter().any(|it| seen.contains(it))
    };
    let (place, help) = match host {
        _ if !own.clone().any(beside) => (
            "another listener".to_owned(),
            "show the portal at a listener of its route, too (`docs.listener`)",
        ),
        Some(host) if own.all(|route| route.cors.is_none()) => (
            format!("`{host}`"),
            "let the portal's pages use its route (`cors`), or show the portal at that host (`docs.host`)",
        ),
        _ => return,
    };
    let what = format!("requests to `{api}` cannot be tried in the portal: it is at {place}");
    let at = Path::root().key("docs").key("path");
    problems.push(Problem::finding(at, what).help(help));
}

/// How somebody says who they are, as OpenAPI has it.
fn scheme(auth: &config::Auth) -> Value {
    if let Some(key) = &auth.api_key {
        let places = [("query", &key.query), ("cookie", &key.cookie), ("header", &key.header)];
        let named = places.iter().find_map(|(place, name)| Some((*place, name.as_deref()?)));
        let (place, name) = named.unwrap_or(("header", "x-api-key"));
        return json!({ "type": "apiKey", "in": place, "name": name });
    }
    if auth.basic.is_some() {
        return json!({ "type": "http", "scheme": "basic" });
    }
    if let Some(oidc) = &auth.oidc {
        let url = format!("{}/.well-known/openid-configuration", oidc.issuer.trim_end_matches('/'));
        return json!({ "type": "openIdConnect", "openIdConnectUrl": url });
    }
    if auth.mtls.is_some() {
        return json!({ "type": "mutualTLS" });
    }
    json!({ "type": "http", "scheme": "bearer" })
}

/// A limit, in words.
fn limited(config: &Config, limit: &LimitUse) -> Option<String> {
    let limit = match limit {
        LimitUse::Table(limit) => limit,
        LimitUse::Word(name) => match config.limit.get(name) {
            Some(limit) => limit,
            None => return Some(name.clone()),
        },
    };
    let rate = limit.rate.map(|rate| rate.to_string());
    let quota = limit.quota.map(|quota| quota.to_string());
    let concurrent = limit.concurrent.map(|count| format!("{count} at a time"));
    let words: Vec<_> = [rate, quota, concurrent].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn text(document: &Value, pointer: &str) -> String {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
