//! A route, ready for requests: what is done to them and where they go.

use std::{collections::HashMap, sync::Arc};

use super::{
    Calling, Graphql, Mirror, Target, apis::Written, bodies::schemas, calls::calling,
    compile::Known, graphql::graphql, target::target,
};
use crate::{
    access::Access,
    auth::{Auth, Door},
    cache::{self, Cache},
    config::{self, Path, Problem, Problems},
    contract::Operation,
    cors::Cors,
    graphql::Stored,
    limit::{self, Limiter},
    metrics::{Loading, RouteMetrics},
    rewrite::{Beyond, HeaderRules, PathRewrite, QueryRules, RewriteProblem},
    route,
    transform::Transform,
    translate::{Formats, Translation},
};

/// A route, ready for requests.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Who may come in.
    pub access: Access,
    /// Who it has to be.
    pub auth: Auth,
    /// How much.
    pub limit: Limiter,
    /// What is kept.
    pub cache: Option<Box<Cache>>,
    /// What its requests and answers are held to.
    pub contract: Option<Arc<Operation>>,
    /// What becomes of its bodies.
    pub transform: Option<Arc<Transform>>,
    /// What its origin speaks, if clients may speak something else.
    pub translation: Option<Translation>,
    /// How its origin is called, if by gRPC for clients that speak something else.
    pub calling: Option<Calling>,
    /// How its origin is asked, if it speaks GraphQL.
    pub graphql: Option<Graphql>,
    /// Where requests go.
    pub target: Target,
    /// Who gets a copy of what goes there.
    pub mirror: Option<Arc<Mirror>>,
    /// What becomes of the path.
    pub rewrite: PathRewrite,
    /// What becomes of the query.
    pub request_query: QueryRules,
    /// What becomes of a request's header fields.
    pub request_headers: HeaderRules,
    /// What these three make out of more than the URL.
    pub beyond: Beyond,
    /// What becomes of an answer's header fields.
    pub response_headers: HeaderRules,
    /// Bytes of a request's body, instead of the listener's.
    pub max_body_size: Option<u64>,
    /// Which pages of other origins may use it.
    pub cors: Option<Box<Cors>>,
    /// Who goes first when there is no room for all.
    pub priority: config::Priority,
    /// Whether its requests are in the access log.
    pub log: bool,
    /// What happened here.
    pub metrics: Arc<RouteMetrics>,
}

impl Route {
    /// The route to a door of Janua's own.
    pub(super) fn to_door(door: Door, metrics: &mut Loading<'_>) -> Self {
        let name = door.name();
        Self {
            access: Access::default(),
            auth: Auth::default(),
            limit: Limiter::default(),
            cache: None,
            contract: None,
            transform: None,
            translation: None,
            calling: None,
            graphql: None,
            mirror: None,
            rewrite: PathRewrite::default(),
            request_query: QueryRules::default(),
            request_headers: HeaderRules::default(),
            beyond: Beyond::default(),
            response_headers: HeaderRules::default(),
            max_body_size: None,
            cors: None,
            priority: config::Priority::Normal,
            log: true,
            metrics: metrics.route(&name),
            name: name.into(),
            target: Target::Door(door),
        }
    }

    /// The operation of an API that it stands for.
    pub fn operation(&self) -> Option<&str> {
        if let Some(operation) = &self.contract {
            return Some(&operation.id);
        }
        match (&self.translation, &self.calling) {
            (Some(Translation::Soap(operation)), _) => Some(&operation.id),
            (_, Some(Calling::Call(operation, _))) => Some(&operation.id),
            _ => self.stored().map(|stored| &*stored.id),
        }
    }

    /// The stored operation of GraphQL that it is, if it is one.
    pub fn stored(&self) -> Option<&Arc<Stored>> {
        match &self.graphql {
            Some(Graphql::Stored(stored)) => Some(stored),
            Some(Graphql::Guarded(_)) | None => None,
        }
    }

    /// Whether its clients speak GraphQL.
    pub fn is_guarded(&self) -> bool {
        matches!(self.graphql, Some(Graphql::Guarded(_)))
    }

    /// Compiles a route that was written.
    pub(super) fn compile(
        written: &Written<'_>,
        name: &str,
        known: &Known<'_>,
        metrics: &mut Loading<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let (route, at) = (&*written.route, &written.at);
        let params = route::parameters(route);
        let target = match &written.page {
            Some(page) => Some(Target::Page(page.clone())),
            None => target(route, &params, known.upstreams, at, problems),
        };
        check_ways(target.as_ref(), route, (name, &params), at, problems);
        let mirror = Mirror::compile(route, name, known.upstreams, metrics, at, problems);
        let access = known.access.named(&route.access, &at.key("access"), problems);
        let auth = Auth::compile(route, (name, &params), known.auths, at, problems);
        if let Some(auth) = &auth {
            check_auth(auth, route, known, at, problems);
        }
        let (asks, limits) = (!route.auth.is_empty(), at.key("limit"));
        let place =
            limit::Place { route: name, told: "default", params: &params, asks, at: &limits };
        let limit = known.limits.of_route(&route.limit, place, metrics, problems);
        let given = (name, &params[..], target.as_ref());
        let cache = answers_kept(route, given, known, metrics, at, problems);
        let validated = schemas(route, (name, &params), known.config, at, problems);
        let translation = translation(route, written.translation.clone(), at, problems);
        let calling = calling(written, target.as_ref(), known.config, at, problems);
        let graphql = graphql(written, given, known, metrics, problems);
        check_redirects(route, name, &known.config.listener, at, problems);
        let rewrite = kept(PathRewrite::compile(route, &params), at, problems);
        let query = QueryRules::compile(&route.request_query, &params);
        let request_query = kept(query, &at.key("request-query"), problems);
        let cors = pages(route, at, problems);
        let mut rules = |rules: &config::HeaderRules, key: &'static str| {
            kept(HeaderRules::compile(rules, &params), &at.key(key), problems)
        };
        let request_headers = rules(&route.request_headers, "request-headers");
        let response_headers = rules(&route.response_headers, "response-headers");
        let (rewrite, request_query) = (rewrite?, request_query?);
        let request_headers = request_headers?;
        Some(Self {
            name: name.into(),
            beyond: Beyond::of(&rewrite, &request_query, &request_headers),
            access: access?,
            auth: auth?,
            limit: limit?,
            cache: cache?,
            contract: written.contract.clone().or(validated),
            transform: written.transform.clone(),
            translation,
            calling,
            graphql,
            target: target?,
            mirror: mirror?,
            rewrite,
            request_query,
            request_headers,
            response_headers: response_headers?,
            max_body_size: route.max_body_size.map(|size| size.0),
            cors: cors?,
            priority: route.priority,
            log: route.log != Some(false),
            metrics: metrics.route(name),
        })
    }
}

/// Says what does not go well with the upstreams that a route leads to.
fn check_ways(
    target: Option<&Target>,
    route: &config::Route,
    (name, params): (&str, &[Box<str>]),
    at: &Path,
    problems: &mut Problems,
) {
    let asks = !route.auth.is_empty();
    for way in target.into_iter().flat_map(Target::ways) {
        if let Some((message, help)) = way.upstream.check_route(name, params, asks) {
            problems.push(Problem::finding(at.key("to"), message).help(help));
        }
    }
}

/// What is kept of a route's answers.
fn answers_kept(
    route: &config::Route,
    (name, params, target): (&str, &[Box<str>], Option<&Target>),
    known: &Known<'_>,
    metrics: &mut Loading<'_>,
    at: &Path,
    problems: &mut Problems,
) -> Option<Option<Box<Cache>>> {
    let ways = target.into_iter().flat_map(Target::ways).map(|way| &*way.upstream.name);
    let place = cache::Place {
        route: name,
        asks_for: &asks_for(route),
        upstreams: &ways.collect::<Vec<_>>(),
        asks: !route.auth.is_empty(),
        // A document says the methods of its operations.
        reads: route.api.is_some() || takes_get(&route.methods),
        params,
        at: &at.key("cache"),
    };
    let wanted = route.cache.as_ref().filter(|_| target.is_some());
    known.caches.of_route(wanted, place, metrics, problems)
}

/// What a route says of the requests that it takes, and of what its origins are asked. Two that have no name may
/// change places in the file, or one its rewrite, and what was kept is another's then.
fn asks_for(route: &config::Route) -> String {
    let of = route.clone();
    let said = config::Route {
        host: of.host,
        path: of.path,
        headers: of.headers,
        query: of.query,
        strip_prefix: of.strip_prefix,
        add_prefix: of.add_prefix,
        rewrite: of.rewrite,
        request_headers: of.request_headers,
        request_query: of.request_query,
        ..config::Route::default()
    };
    serde_json::to_string(&said).unwrap_or_default()
}

/// Whether requests with GET are among those with these methods.
fn takes_get(methods: &[String]) -> bool {
    methods.is_empty() || methods.iter().any(|method| method.eq_ignore_ascii_case("GET"))
}

/// Which pages of other origins may use a route.
fn pages(route: &config::Route, at: &Path, problems: &mut Problems) -> Option<Option<Box<Cors>>> {
    let Some(section) = &route.cors else { return Some(None) };
    let web = route.translate.as_ref().is_some_and(config::Translate::is_grpc_web);
    let made = Cors::compile(section, (&route.methods, web), &at.key("cors"), problems)?;
    Some(Some(Box::new(made)))
}

/// What the origin speaks, if clients may speak something else.
fn translation(
    route: &config::Route,
    soap: Option<Translation>,
    at: &Path,
    problems: &mut Problems,
) -> Option<Translation> {
    let Some(rules) = route.translate.as_ref().and_then(config::Translate::rules) else {
        return soap;
    };
    let at = at.key("translate");
    if soap.is_some() {
        let problem = Problem::error(at, "this API is translated already: it has a `wsdl`");
        problems.push(problem.help("take it away"));
        return soap;
    }
    Some(Translation::Formats(Arc::new(Formats::compile(&rules, &at, problems))))
}

/// The listeners that a route is for.
fn listeners_of<'a>(
    route: &config::Route,
    all: &'a [config::Listener],
) -> impl Iterator<Item = &'a config::Listener> {
    all.iter().filter(|listener| {
        let name = listener.name.as_ref().unwrap_or(&listener.address);
        route.listener.is_empty() || route.listener.contains(name)
    })
}

/// What comes in at a listener that redirects to `https` meets no route.
fn check_redirects(
    route: &config::Route,
    name: &str,
    listeners: &[config::Listener],
    at: &Path,
    problems: &mut Problems,
) {
    let mut own = listeners_of(route, listeners).peekable();
    // Who came to a proxy by https is not sent there.
    let sends_all = |listener: &config::Listener| {
        listener.redirect_to_https.is_some() && listener.trusted_proxies.is_empty()
    };
    if own.peek().is_some() && own.all(sends_all) {
        let key = if route.listener.is_empty() { "to" } else { "listener" };
        let message = format!(
            "`{name}` never takes a request: every listener of it sends all to https, by \
             `redirect-to-https`"
        );
        let problem = Problem::finding(at.key(key), message);
        problems.push(problem.help("give it a listener with `tls`, or take it away"));
    }
}

/// What listeners have to have for a route's ways to say who one is.
fn check_auth(
    auth: &Auth,
    route: &config::Route,
    known: &Known<'_>,
    at: &Path,
    problems: &mut Problems,
) {
    if auth.wants_certificates() {
        check_certificates(route, &known.config.listener, at, problems);
    }
    if auth.logs_in() {
        check_cookies(route, known, at, problems);
    }
}

/// Nobody can show a certificate where no listener asks for it.
fn check_certificates(
    route: &config::Route,
    listeners: &[config::Listener],
    at: &Path,
    problems: &mut Problems,
) {
    let asks = |listener: &config::Listener| match &listener.tls {
        Some(config::Tls::Files(files)) => files.client.is_some(),
        Some(config::Tls::Word(_)) | None => false,
    };
    if !listeners_of(route, listeners).any(asks) {
        let message = "no listener of this route asks for certificates, so nobody could show one";
        let problem = Problem::error(at.key("auth"), message);
        problems
            .push(problem.help("add `client = { ca = \"clients.pem\" }` to a listener's `tls`"));
    }
}

/// Browsers keep no session where everybody on the way could take it. On this machine nobody is on the way,
/// and who stands before the listener may have TLS.
fn check_cookies(route: &config::Route, known: &Known<'_>, at: &Path, problems: &mut Problems) {
    let insecure = |name: &String| {
        let section = known.config.auth.get(name).and_then(|section| section.oidc.as_ref());
        section.is_some_and(|oidc| oidc.insecure_cookies)
    };
    let default = [config::Listener::default()];
    let written = &known.config.listener;
    let listeners = if written.is_empty() { &default[..] } else { written };
    let keeps_none = |listener: &&config::Listener| {
        let name = listener.name.as_ref().unwrap_or(&listener.address);
        let takes = route.listener.is_empty() || route.listener.contains(name);
        let address = listener.address.parse::<std::net::SocketAddr>();
        let public = address.is_ok_and(|address| !address.ip().is_loopback());
        takes
            && public
            && listener.tls.is_none()
            && listener.redirect_to_https.is_none()
            && listener.trusted_proxies.is_empty()
    };
    if let Some(listener) = listeners.iter().find(keeps_none)
        && !route.auth.iter().any(insecure)
    {
        let name = listener.name.as_ref().unwrap_or(&listener.address);
        let message = format!("browsers keep no session that comes in clear, as at `{name}`");
        let help = "give the listener `tls` or `redirect-to-https`, name the proxy that has TLS in \
                    `trusted-proxies`, or take the route to another listener";
        problems.push(Problem::finding(at.key("auth"), message).help(help));
    }
}

/// The names of routes: as written, or host, path and methods. Two of the same become different.
pub(super) fn names<'a>(routes: impl IntoIterator<Item = &'a config::Route>) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let name = |route: &config::Route| {
        let join = |list: &[String], none: &str| match list {
            [] => none.to_owned(),
            list => list.join(","),
        };
        let name = route.name.clone().unwrap_or_else(|| {
            let place = join(&route.host, "") + &join(&route.path, "");
            match (place.is_empty(), route.methods.is_empty()) {
                (true, true) => "default".to_owned(),
                (true, false) => join(&route.methods, ""),
                (false, true) => place,
                (false, false) => format!("{} {place}", join(&route.methods, "")),
            }
        });
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name} #{count}") }
    };
    routes.into_iter().map(name).collect()
}

fn kept<T>(
    result: Result<T, Vec<RewriteProblem>>,
    at: &Path,
    problems: &mut Problems,
) -> Option<T> {
    let wrong = match result {
        Ok(value) => return Some(value),
        Err(wrong) => wrong,
    };
    problems.extend(wrong.into_iter().map(|wrong| {
        let at = at.key(wrong.key);
        let at = wrong.field.map_or_else(|| at.clone(), |field| at.key(field));
        Problem::error(at, wrong.message).help_if(wrong.help)
    }));
    None
}

/// In which forms routes keep answers' URLs.
pub(super) fn forms_of_urls(routes: &route::RouteTable<Route>) -> Vec<&cache::Query> {
    let keep = routes.targets().iter().filter_map(|route| route.cache.as_deref());
    keep.map(|cache| &cache.query).collect()
}
