//! `janua cache`: what the running gateway keeps of answers, and how it goes.

use std::time::Duration;

use http::Method;

use super::{
    Exit,
    answer::show,
    ask::{Question, ask, encoded},
};
use crate::app::cli::{AdminDoor, Cache, CachePurge};

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does it.
pub(super) fn cache(verb: &Cache) -> Exit {
    match verb {
        Cache::Stats(arguments) => asked(&arguments.door, Method::GET, "/cache".into()),
        Cache::Get(arguments) => {
            asked(&arguments.door, Method::GET, format!("/cache?url={}", encoded(&arguments.url)))
        }
        Cache::Purge(arguments) => asked(&arguments.door, Method::POST, purge(arguments)),
    }
}

fn purge(arguments: &CachePurge) -> String {
    let what = &arguments.what;
    let ways =
        [("url", &what.url), ("prefix", &what.prefix), ("host", &what.host), ("tag", &what.tag)];
    let way = ways.into_iter().find_map(|(name, value)| value.as_ref().map(|value| (name, value)));
    let what = way.map_or_else(
        || "all=true".to_owned(),
        |(name, value)| format!("{name}={}", encoded(value)),
    );
    format!("/purge?{what}{}", if arguments.soft { "&soft=true" } else { "" })
}

fn asked(door: &AdminDoor, method: Method, path: String) -> Exit {
    let question = Question { method, path, accept: "application/json", patience: PATIENCE };
    show(ask(door, &question))
}
