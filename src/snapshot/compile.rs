//! From a `Config` and the snapshot before it to a new [`Snapshot`], or to everything that is wrong.
//!
//! Each feature compiles its own section; here sections are joined and names are looked up. Nothing
//! of the world before is changed, so that a failure leaves no trace.

use std::{collections::BTreeMap, path::Path as FilePath, sync::Arc};

use http::HeaderValue;

use super::{
    Listener, Purpose, Route, Snapshot,
    access_log::access_log,
    admin,
    apis::{Written, apis},
    doors,
    guards::Guards,
    listener::Given,
    overload::{overload, shares},
    route,
};
use crate::{
    access::Lists,
    auth::{self, Cookies, Provider, Providers, Signer, identity_header},
    cache::Caches,
    config::{self, Config, Path, Problem, Problems},
    limit::Limits,
    message::{MIRRORED, Reserved},
    metrics::{self, Loading},
    overload::Shares,
    reject::Reject,
    route::{Listeners, RouteTable, Rule},
    store::{Store, Stores},
    upstream::{self, Upstream},
    worker::wall,
};

impl Snapshot {
    /// Compiles a configuration. What did not change since `previous` is taken over from it.
    ///
    /// Gives back the snapshot and what somebody should look at.
    ///
    /// # Errors
    /// Everything that is wrong, and what somebody should look at.
    #[expect(clippy::too_many_lines, reason = "a list: a line or two for each section")]
    pub fn compile(
        config: Config,
        purpose: Purpose,
        previous: Option<&Self>,
    ) -> Result<(Self, Problems), Problems> {
        let mut problems = Problems::new();
        let (workers, most_workers) = workers(&config, previous);
        let mut metrics = loading(previous, most_workers);
        let mut tickets = previous.map(|before| before.tickets.clone()).unwrap_or_default();
        let via = via(&config, &mut problems);
        let lists = Lists::compile(&config, &mut metrics, &mut problems);
        let stores = stores(&config, previous, &mut metrics, &mut problems);
        let mut limits = limits(&config, previous, &stores, &mut metrics, &mut problems);
        let state = (purpose == Purpose::Serve).then_some(&*config.server.state);
        let given = Given { lists: &lists, state, tickets: &mut tickets, limits: &limits };
        let listeners = listeners(&config, given, previous, &mut metrics, &mut problems);
        let given = (most_workers, state);
        let upstreams = upstreams(&config, given, previous, &mut metrics, &mut problems);
        let given = (state, &stores);
        let (signer, auths) = identities(&config, given, previous, &mut metrics, &mut problems);
        let caches = caches(&config, state.is_some(), previous, &stores, &mut problems);
        let (apis, written) = apis(&config, previous, &mut problems);
        let known = Known {
            upstreams: &upstreams,
            access: &lists,
            auths: &auths,
            limits: &limits,
            caches: &caches,
            config: &config,
        };
        let routes = routes((&written, &listeners), &known, &mut metrics, &mut problems);
        if !problems.has_errors() {
            limits.check_wanted(&mut problems);
        }
        let (log, losses) = access_log(&config, purpose, most_workers, previous, &mut problems);
        let overload = overload(&config, most_workers, previous, &mut problems);
        admin::check(&config.admin, &listeners, &mut problems);
        let (Some(via), Some(routes), Some(access_log), false) =
            (via, routes, log, problems.has_errors())
        else {
            return Err(problems);
        };
        limits.forget();
        let before = previous.map_or(&[][..], |previous| &previous.queries);
        let queries = caches.queries(&route::forms_of_urls(&routes), before);
        let snapshot = Self {
            methods: Written::methods(&written, &config),
            written: written.into_iter().map(|it| it.route.into_owned()).collect(),
            apis: apis.into_values().flatten().collect(),
            reserved: Arc::new(reserved(&config)),
            cookies: Cookies::of(&auths),
            config,
            listeners,
            upstreams: upstreams.into_values().flatten().collect(),
            stores: stores.into_values().flatten().collect(),
            auths: auths.into_values().flatten().collect(),
            signer,
            limits,
            caches,
            overload,
            queries,
            routes,
            no_route: metrics.route(metrics::NO_ROUTE),
            metrics: metrics.finish(),
            access_log,
            losses,
            via,
            tickets,
            workers,
            most_workers,
            generation: previous.map_or(1, |previous| previous.generation + 1),
        };
        Ok((snapshot, problems))
    }
}

/// What limits count, which goes on.
fn limits(
    config: &Config,
    previous: Option<&Snapshot>,
    stores: &Stores,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Limits {
    let before = previous.map(|previous| &previous.limits);
    Limits::compile(config, before, stores, metrics, problems)
}

/// What is kept of answers, which stays.
fn caches(
    config: &Config,
    serves: bool,
    previous: Option<&Snapshot>,
    stores: &Stores,
    problems: &mut Problems,
) -> Caches {
    let before = previous.map(|previous| &previous.caches);
    Caches::compile(&config.cache, before, stores, serves, problems)
}

/// The counters, which go on.
fn loading(previous: Option<&Snapshot>, workers: usize) -> Loading<'_> {
    match previous {
        Some(previous) => Loading::after(&previous.metrics, workers, Reject::REASONS),
        None => Loading::first(workers, Reject::REASONS, now()),
    }
}

/// Threads that carry traffic, and the most there were of them.
fn workers(config: &Config, previous: Option<&Snapshot>) -> (usize, usize) {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = config.server.workers.map_or_else(cores, |workers| usize::from(workers.max(1)));
    (workers, previous.map_or(workers, |previous| previous.most_workers.max(workers)))
}

/// Seconds since 1970.
fn now() -> i64 {
    i64::try_from(wall() / 1_000).unwrap_or(i64::MAX)
}

/// What `Via` says.
fn via(config: &Config, problems: &mut Problems) -> Option<[HeaderValue; 3]> {
    let name = &config.server.name;
    let token =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let value = |version| HeaderValue::try_from(format!("{version} {name}")).ok().filter(|_| token);
    let values = value("1.0").zip(value("1.1")).zip(value("2"));
    let values = values.map(|((http10, http11), http2)| [http10, http11, http2]);
    let problem = || {
        Problem::error(Path::root().key("server").key("name"), format!("`{name}` is not a name"))
            .help("letters, digits, `-`, `.` and `_`")
    };
    problems.keep(values.ok_or_else(problem))
}

/// The listeners; without any, the one on `0.0.0.0:8080`.
fn listeners(
    config: &Config,
    mut given: Given<'_>,
    previous: Option<&Snapshot>,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Vec<Arc<Listener>> {
    let at = Path::root().key("listener");
    let default = [config::Listener::default()];
    let written = if config.listener.is_empty() { &default[..] } else { &config.listener[..] };
    let mut compiled: Vec<Arc<Listener>> = Vec::new();
    for (index, listener) in written.iter().enumerate() {
        let at = at.index(index);
        let name = listener.name.as_deref().unwrap_or(&listener.address);
        let known = previous.and_then(|previous| {
            previous.listeners.iter().find(|known| *known.name == *name).map(|known| &**known)
        });
        let made = Listener::compile(listener, &mut given, known, metrics, &at, problems);
        let Some(made) = made else { continue };
        if let Some(first) = compiled.iter().position(|other| other.bind == made.bind) {
            let problem = Problem::error(at.key("address"), format!("`{}` is taken", made.bind));
            problems
                .push(problem.also(Path::root().key("listener").index(first), "by this listener"));
        }
        compiled.push(Arc::new(made));
    }
    compiled
}

/// Upstreams by name; none for a name whose section is wrong, so that routes to it are not called
/// dangling too.
pub(super) type Upstreams = BTreeMap<String, Option<Arc<Upstream>>>;

/// What routes name.
pub(super) struct Known<'a> {
    pub(super) upstreams: &'a Upstreams,
    pub(super) access: &'a Lists,
    pub(super) auths: &'a Providers,
    pub(super) limits: &'a Limits,
    pub(super) caches: &'a Caches,
    pub(super) config: &'a Config,
}

/// Stores by name. One that did not change keeps its connection.
fn stores(
    config: &Config,
    previous: Option<&Snapshot>,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Stores {
    let before = previous.map(|previous| &previous.stores[..]).unwrap_or_default();
    let compile = |(name, section): (&String, &config::Store)| {
        let at = Path::root().key("store").key(name.clone());
        let made = Store::compile(name, section, metrics.store(name), &at, problems);
        let made = made.map(|made| {
            let same = before.iter().find(|known| known.is_same(&made)).cloned();
            same.unwrap_or_else(|| Arc::new(made))
        });
        (name.clone(), made)
    };
    config.store.iter().map(compile).collect()
}

/// The gateway's own keys, and ways to say who one is.
fn identities(
    config: &Config,
    (state, stores): (Option<&FilePath>, &Stores),
    previous: Option<&Snapshot>,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> (Option<Arc<Signer>>, Providers) {
    let signer = signer(config, state, previous, problems);
    let auths = auths(config, previous, (signer.as_ref(), stores), metrics, problems);
    (signer, auths)
}

/// Ways to say who one is, by name.
fn auths(
    config: &Config,
    previous: Option<&Snapshot>,
    (signer, stores): (Option<&Arc<Signer>>, &Stores),
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Providers {
    let known = |name: &str| previous?.auths.iter().find(|known| *known.name == *name);
    let compile = |(name, section): (&String, &config::Auth)| {
        let at = Path::root().key("auth").key(name.clone());
        let (before, counters) = (known(name).map(|known| &**known), metrics.auth(name));
        let given = auth::Given { metrics: counters, signer, stores };
        let made = Provider::compile(name, section, before, &given, &at, problems);
        (name.clone(), made.map(Arc::new))
    };
    config.auth.iter().map(compile).collect()
}

/// The gateway's own keys, if a section has tokens signed. They are this process's once it has them.
fn signer(
    config: &Config,
    state: Option<&FilePath>,
    previous: Option<&Snapshot>,
    problems: &mut Problems,
) -> Option<Arc<Signer>> {
    let mut tokens = config.auth.iter().filter(|(_, auth)| auth.identity_token.is_some());
    let at = Path::root().key("auth").key(tokens.next()?.0.clone()).key("identity-token");
    if let Some(known) = previous.and_then(|previous| previous.signer.clone()) {
        return Some(known);
    }
    let now = wall();
    let made = Signer::load(state, now).map_err(|message| Problem::error(at, message));
    problems.keep(made).map(Arc::new)
}

/// Header fields that nobody but Janua may say: those of every section, wherever it is used, and what
/// marks a copy.
fn reserved(config: &Config) -> Reserved {
    let names = config.auth.values().flat_map(|auth| {
        let token = auth.identity_token.iter().map(|token| &token.header);
        let told = auth.forward.iter().flat_map(|forward| &*forward.response_headers);
        auth.identity_headers.keys().chain(token).chain(told)
    });
    let mirrors = config.route.iter().any(|route| route.mirror.is_some());
    let mark = mirrors.then_some(MIRRORED);
    Reserved::new(names.filter_map(|name| identity_header(name).ok()).chain(mark))
}

fn upstreams(
    config: &Config,
    (workers, state): (usize, Option<&FilePath>),
    previous: Option<&Snapshot>,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Upstreams {
    let known = |name: &str| {
        let upstreams = previous.map(|previous| &previous.upstreams[..]).unwrap_or_default();
        upstreams.iter().find(|known| *known.name == *name).map(|known| &**known)
    };
    let sticky_key = upstream::sticky_key(config, state, problems);
    let sticky_key = sticky_key.as_ref().map(|key| &key[..]);
    let zone = config.server.zone.as_deref();
    let mut compiled = Upstreams::new();
    for (name, upstream) in &config.upstream {
        let at = Path::root().key("upstream").key(name.clone());
        if ["echo", "mock"].contains(&name.as_str()) || name.contains("://") {
            let message =
                format!("an upstream cannot be called `{name}`: `to` means something else by it");
            problems.push(Problem::error(at.clone(), message));
        }
        let counters = metrics.upstream(name);
        let shares = shares(config, name);
        let given = upstream::Given { workers, metrics: counters, shares, zone, sticky_key };
        let made = Upstream::compile(name, upstream, known(name), given, &at, problems);
        compiled.insert(name.clone(), made.map(Arc::new));
    }
    // Those that a route names by URL: one for each URL, with every default.
    let at = Path::root().key("route");
    let routes = config.route.iter().enumerate();
    for (at, url) in routes.flat_map(|(index, route)| route.upstreams(&at.index(index))) {
        if !(url.contains("://") || url.starts_with("unix:")) || compiled.contains_key(url) {
            continue;
        }
        let upstream = config::Upstream::to_url(url);
        let counters = metrics.upstream(url);
        let shares = Shares::default();
        let given = upstream::Given { workers, metrics: counters, shares, zone, sticky_key };
        let made = Upstream::compile(url, &upstream, known(url), given, &at, problems);
        compiled.insert(url.into(), made.map(Arc::new));
    }
    compiled
}

/// The listeners that a route is for.
fn on(route: &config::Route, listeners: &[Arc<Listener>]) -> Listeners {
    let id = |name: &String| listeners.iter().find(|it| *it.name == **name).map(|known| known.id);
    match route.listener.is_empty() {
        true => Listeners::All,
        false => Listeners::Only(route.listener.iter().filter_map(id).collect()),
    }
}

fn routes(
    (written, listeners): (&[Written<'_>], &[Arc<Listener>]),
    known: &Known<'_>,
    metrics: &mut Loading<'_>,
    problems: &mut Problems,
) -> Option<RouteTable<Route>> {
    let config = known.config;
    let at = Path::root().key("route");
    if config.route.is_empty() {
        let problem = Problem::error(at, "there is no route, so every request would be refused");
        problems.push(
            problem.help("the smallest gateway is:\n[[route]]\nto = \"http://127.0.0.1:3000\""),
        );
        return None;
    }
    let names = route::names(written.iter().map(|written| &*written.route));
    let mut rules = Vec::new();
    for (written, name) in written.iter().zip(&names) {
        let route = &*written.route;
        let made = Route::compile(written, name, known, metrics, problems);
        rules.push((route, name, on(route, listeners), made));
    }
    let doors = doors::doors(config, known.auths);
    for (door, route) in &doors {
        let on = on(route, listeners);
        let name = route.name.as_ref().unwrap_or(&route.path[0]);
        rules.push((route, name, on, Some(Route::to_door(door.clone(), metrics))));
    }
    // Where a rule stands in the file: its route, or the section whose door it is.
    let place = |rule: usize, key: &'static str| match written.get(rule) {
        Some(written) => written.place(key),
        None => doors::place(&doors[rule - written.len()].0),
    };
    // A rule whose target is wrong takes part all the same, so that its ties are found now too.
    let mut guards = Guards::default();
    let rules = rules.into_iter().map(|(route, name, listeners, target)| Rule {
        name,
        listeners,
        route,
        guards: guards.of(route),
        target,
    });
    match RouteTable::compile(rules.collect()) {
        Ok(table) => {
            for finding in table.findings() {
                if finding.rule >= written.len() {
                    continue;
                }
                let path = place(finding.rule, finding.key);
                let problem = Problem::finding(path, finding.message.clone());
                problems.push(match &finding.help {
                    Some(help) => problem.help(help.clone()),
                    None => problem,
                });
            }
            table.try_map(|target| target)
        }
        Err(wrong) => {
            problems.extend(wrong.into_iter().map(|wrong| {
                let at = place(wrong.rule, wrong.key);
                let at = wrong.item.map_or_else(|| at.clone(), |item| at.index(item));
                Problem::error(at, wrong.message).help_if(wrong.help)
            }));
            None
        }
    }
}
