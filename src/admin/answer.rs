//! What the door answers: a page for each path.
//!
//! In: a request's head. Out: an answer, or a [`Refusal`]. First who asks, then what for: without the
//! token nobody learns which pages there are, but for those that say how the
//! process is, and the public keys.

use std::{borrow::Cow, sync::atomic::Ordering::Relaxed};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
    request::Parts,
};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;

use super::{
    House, purge,
    refusal::{Refusal, problem},
    serve::Room,
};
use crate::{
    cache::{self, Purge},
    config::{self, Condition, Report, To},
    metrics::{self, Outside},
    snapshot::{Diff, Snapshot},
    upstream::Upstream,
};

type Answer = Response<Full<Bytes>>;

const JSON: &str = "application/json";
const JWKS: &str = "application/jwk-set+json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The pages.
#[derive(Clone, Copy, Debug)]
enum Page {
    Livez,
    Readyz,
    Metrics,
    Config,
    Routes,
    Explain,
    Limits,
    Upstreams,
    Apis,
    Drain,
    Undrain,
    Weight,
    Cache,
    Purge,
    Jwks,
    Reload,
}

impl Page {
    fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/livez" => Self::Livez,
            "/readyz" => Self::Readyz,
            "/metrics" => Self::Metrics,
            "/config" => Self::Config,
            "/routes" => Self::Routes,
            "/explain" => Self::Explain,
            "/limits" => Self::Limits,
            "/upstreams" => Self::Upstreams,
            "/apis" => Self::Apis,
            "/drain" => Self::Drain,
            "/undrain" => Self::Undrain,
            "/weight" => Self::Weight,
            "/cache" => Self::Cache,
            "/purge" => Self::Purge,
            "/jwks" => Self::Jwks,
            "/reload" => Self::Reload,
            _ => return None,
        })
    }

    /// Whether it is there without a token.
    const fn is_public(self) -> bool {
        matches!(self, Self::Livez | Self::Readyz | Self::Jwks)
    }

    fn admit(self, method: &Method) -> Result<(), Refusal> {
        let acts =
            matches!(self, Self::Reload | Self::Drain | Self::Undrain | Self::Weight | Self::Purge);
        match *method {
            Method::POST if acts => Ok(()),
            _ if acts => Err(Refusal::Method("POST")),
            Method::GET | Method::HEAD => Ok(()),
            _ => Err(Refusal::Method("GET, HEAD")),
        }
    }
}

/// Answers a request.
pub(super) async fn answer(room: &Room, request: &Parts) -> Result<Answer, Refusal> {
    room.names.admit(request)?;
    let page = Page::find(request.uri.path());
    if !page.is_some_and(Page::is_public)
        && let Some(token) = &*room.token.load()
    {
        token.admit(request)?;
    }
    let page = page.ok_or(Refusal::NotFound)?;
    page.admit(&request.method)?;
    let house = &room.house;
    let ready = house.ready.load(Relaxed);
    Ok(match page {
        Page::Livez => made(StatusCode::OK, TEXT, "alive\n".into()),
        Page::Readyz if ready => made(StatusCode::OK, TEXT, "ready\n".into()),
        Page::Readyz => made(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n".into()),
        Page::Metrics => made(StatusCode::OK, metrics::CONTENT_TYPE, page_of_metrics(house)),
        Page::Config => {
            let text = config::show(&house.world.load().config);
            made(StatusCode::OK, "application/toml", text)
        }
        Page::Routes => made(StatusCode::OK, JSON, routes(&house.world.load())),
        Page::Explain => explained(house, request).await,
        Page::Limits => made(StatusCode::OK, JSON, house.world.load().limits.page()),
        Page::Upstreams => made(StatusCode::OK, JSON, upstreams(&house.world.load())),
        Page::Apis => made(StatusCode::OK, JSON, apis(&house.world.load())),
        Page::Drain => told(&house.world.load(), request, |to, url| to.drain(url, true))?,
        Page::Undrain => told(&house.world.load(), request, |to, url| to.drain(url, false))?,
        Page::Weight => {
            let weight = weight(request)?;
            told(&house.world.load(), request, |to, url| to.weigh(url, weight))?
        }
        Page::Cache => made(StatusCode::OK, JSON, kept(house, request).await),
        Page::Purge => purged(house, request).await?,
        Page::Jwks => made(StatusCode::OK, JWKS, jwks(&house.world.load())),
        Page::Reload if !ready => return Err(Refusal::Draining),
        Page::Reload => reloaded((house.reload)().await, prefers_text(request)),
    })
}

fn made(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn page_of_metrics(house: &House) -> String {
    let snapshot = house.world.load();
    snapshot.metrics_page(&Outside {
        log_lines_dropped: snapshot.losses.lines(),
        log_write_errors: snapshot.losses.errors(),
        open_files: metrics::open_files(),
        shelved: snapshot.caches.memory().shelved(),
    })
}

/// The public keys; none where no token is signed.
fn jwks(world: &Snapshot) -> String {
    world.signer.as_ref().map_or_else(|| json!({ "keys": [] }), |it| it.jwks()).to_string()
}

/// The APIs, and what of their answers was not as promised.
fn apis(world: &Snapshot) -> String {
    let pages: Vec<_> = world.apis.iter().map(|api| api.page()).collect();
    // Plain data into memory: it cannot fail.
    serde_json::to_string(&pages).unwrap_or_default() + "\n"
}

/// The upstreams and how their endpoints are.
fn upstreams(world: &Snapshot) -> String {
    let shown: Vec<_> = world.upstreams.iter().map(|upstream| upstream.shown()).collect();
    // Plain data into memory: it cannot fail.
    serde_json::to_string(&shown).unwrap_or_default() + "\n"
}

/// What is kept of answers: in numbers, or of the URL that is asked for.
async fn kept(house: &House, request: &Parts) -> String {
    let world = house.world.load();
    let memory = world.caches.memory().clone();
    let text = match value(request, "url") {
        None => serde_json::to_string(&memory.stats()),
        Some(url) => {
            let urls = purge::urls(&world, &cache::canonical(&url));
            let entries = tokio::task::spawn_blocking(move || memory.entries(&urls)).await;
            serde_json::to_string(&entries.unwrap_or_default())
        }
    };
    // Plain data into memory: it cannot fail.
    text.unwrap_or_default() + "\n"
}

/// What would become of a request now. What stages do for it may take a while, so it is done beside.
async fn explained(house: &House, request: &Parts) -> Answer {
    let (explain, world, text) = (house.explain, house.world.load(), prefers_text(request));
    let query = request.uri.query().unwrap_or_default().to_owned();
    let explained = tokio::task::spawn_blocking(move || {
        explain(world, &|name| values(&query, name).map(Cow::into_owned).collect(), text)
    });
    match explained.await {
        Ok(Ok(text_of_it)) => made(StatusCode::OK, if text { TEXT } else { JSON }, text_of_it),
        Ok(Err(why)) => problem(StatusCode::BAD_REQUEST, "admin.explain", &why, None),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "admin.explain", "it failed", None),
    }
}

/// Makes void what `?url=`, `prefix=`, `host=`, `tag=` or `all=true` says; with `soft=true` until its origin
/// says that it holds.
async fn purged(house: &House, request: &Parts) -> Result<Answer, Refusal> {
    let purge = Purge::read(|name| value(request, name)).ok_or(Refusal::Purge)?;
    let world = house.world.load();
    for purge in purge::forms(&world, purge) {
        let (memory, here) = (world.caches.memory().clone(), purge.clone());
        // It may have to wait for a disk.
        let purged = tokio::task::spawn_blocking(move || memory.purge(here)).await;
        purged.unwrap_or(Ok(())).map_err(|_| Refusal::Purges)?;
        if let Some(shared) = world.caches.shared() {
            shared.tell(&purge).await.map_err(|_| Refusal::Untold)?;
        }
    }
    Ok(made(StatusCode::OK, TEXT, "purged\n".into()))
}

/// What the query says by this name.
fn value<'r>(request: &'r Parts, name: &str) -> Option<Cow<'r, str>> {
    values(request.uri.query().unwrap_or_default(), name).next()
}

/// All that a query says by a name.
fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = Cow<'q, str>> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let values = pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value);
    values.filter_map(|value| percent_decode_str(value).decode_utf8().ok())
}

/// The weight that an endpoint is to have; none if it is that which is written.
fn weight(request: &Parts) -> Result<Option<u16>, Refusal> {
    let weight = value(request, "weight").map(|weight| weight.parse());
    weight.transpose().map_err(|_| Refusal::Weight)
}

/// Does something to the endpoint of `?upstream=NAME&endpoint=URL`, and shows that upstream.
fn told(
    world: &Snapshot,
    request: &Parts,
    act: impl FnOnce(&Upstream, &str) -> bool,
) -> Result<Answer, Refusal> {
    let (upstream, endpoint) = (value(request, "upstream"), value(request, "endpoint"));
    let upstream = upstream.and_then(|name| world.upstream(&name)).ok_or(Refusal::Endpoint)?;
    if !endpoint.is_some_and(|url| act(upstream, &url)) {
        return Err(Refusal::Endpoint);
    }
    let shown = serde_json::to_string(&[upstream.shown()]).unwrap_or_default();
    Ok(made(StatusCode::OK, JSON, shown + "\n"))
}

fn prefers_text(request: &Parts) -> bool {
    let accept = request.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.trim_start().starts_with("text/plain"))
}

fn reloaded(outcome: Result<Diff, Report>, text: bool) -> Answer {
    match outcome {
        Ok(diff) if text => made(StatusCode::OK, TEXT, format!("{diff}\n")),
        Ok(diff) => {
            let Diff { added, changed, removed, renewed } = diff;
            let body = json!({ "added": added, "changed": changed, "removed": removed, "read_again": renewed });
            made(StatusCode::OK, JSON, format!("{body}\n"))
        }
        Err(report) if text => made(StatusCode::UNPROCESSABLE_ENTITY, TEXT, report.text(false)),
        Err(report) => problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "config.invalid",
            "the reload was refused, nothing has changed",
            Some(report.json()),
        ),
    }
}

/// A route as the page shows it: what it is for, and where it leads.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    listeners: &'a [String],
    hosts: &'a [String],
    paths: &'a [String],
    methods: &'a [String],
    headers: &'a std::collections::BTreeMap<String, Condition>,
    query: &'a std::collections::BTreeMap<String, Condition>,
    to: &'a To,
}

fn routes(snapshot: &Snapshot) -> String {
    let shown = snapshot.routes.ranking().filter_map(|(index, target)| {
        let route = snapshot.written.get(index)?;
        Some(Shown {
            name: &target.name,
            listeners: &route.listener,
            hosts: &route.host,
            paths: &route.path,
            methods: &route.methods,
            headers: &route.headers,
            query: &route.query,
            to: &route.to,
        })
    });
    // Plain data into memory: it cannot fail.
    serde_json::to_string(&shown.collect::<Vec<_>>()).unwrap_or_default() + "\n"
}
