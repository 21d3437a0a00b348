//! `janua upstreams`, `janua drain`, `janua weight`: the endpoints of the running gateway, and the operator's word on them.

use std::{fmt::Write as _, time::Duration};

use http::Method;
use serde::Deserialize;

use super::{
    Exit,
    answer::show_list,
    ask::{Question, ask, encoded},
};
use crate::app::cli::{AdminDoor, Drain, Form, Upstreams, Weight};

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An upstream, as far as it is shown here.
#[derive(Deserialize)]
struct Upstream {
    name: String,
    panic: bool,
    breaker: Option<String>,
    waiting: Option<u32>,
    #[serde(default)]
    discovery: Vec<Source>,
    endpoints: Vec<Endpoint>,
}

/// Where endpoints are found that come and go.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Source {
    url: String,
    endpoints: usize,
    answered_ago: Option<u64>,
    wrong: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Endpoint {
    url: String,
    weight: u16,
    written: Option<u16>,
    #[serde(default)]
    priority: u16,
    starts: Option<u32>,
    state: String,
    used: bool,
    in_flight: u32,
    wrong: Option<String>,
    ejected_for: Option<u64>,
}

/// Shows the endpoints of all upstreams.
pub(super) fn upstreams(arguments: &Upstreams) -> Exit {
    asked(&arguments.door, Method::GET, "/upstreams".into(), arguments.format)
}

/// Gives an endpoint no more requests, or some again.
pub(super) fn drain(arguments: &Drain) -> Exit {
    let page = if arguments.undo { "/undrain" } else { "/drain" };
    let path = path(page, &arguments.upstream, &arguments.endpoint);
    asked(&arguments.door, Method::POST, path, arguments.format)
}

/// Gives an endpoint another weight.
pub(super) fn weigh(arguments: &Weight) -> Exit {
    let weight = arguments.weight.map(|weight| format!("&weight={weight}"));
    let path = path("/weight", &arguments.upstream, &arguments.endpoint);
    let path = path + &weight.unwrap_or_default();
    asked(&arguments.door, Method::POST, path, arguments.format)
}

/// The page for an endpoint.
fn path(page: &str, upstream: &str, endpoint: &str) -> String {
    format!("{page}?upstream={}&endpoint={}", encoded(upstream), encoded(endpoint))
}

fn asked(door: &AdminDoor, method: Method, path: String, format: Form) -> Exit {
    let question = Question { method, path, accept: "application/json", patience: PATIENCE };
    show_list(ask(door, &question), format, text)
}

fn text(upstreams: &[Upstream]) -> String {
    let mut text = String::new();
    for upstream in upstreams {
        let panic = if upstream.panic { " (too few are up: all are used)" } else { "" };
        // A `String` takes everything; there is no error to see.
        let _ = write!(text, "{}{panic}", upstream.name);
        if let Some(breaker) = &upstream.breaker {
            let _ = write!(text, " (breaker {breaker})");
        }
        if let Some(waiting @ 1..) = upstream.waiting {
            let _ = write!(text, " ({waiting} waiting)");
        }
        text.push('\n');
        upstream.discovery.iter().for_each(|source| shown(&mut text, source));
        let width = upstream.endpoints.iter().map(|it| it.url.len()).max().unwrap_or(0);
        for endpoint in &upstream.endpoints {
            let Endpoint { url, weight, state, used, .. } = endpoint;
            let used = if *used { "used" } else { "not used" };
            let _ = write!(text, "  {url:width$}  weight {weight}");
            if let Some(written) = endpoint.written {
                let _ = write!(text, " (written: {written})");
            }
            if endpoint.priority > 0 {
                let _ = write!(text, "  priority {}", endpoint.priority);
            }
            let _ = write!(text, "  {state}, {used}");
            if let Some(starts) = endpoint.starts {
                let _ = write!(text, ", starts with {starts} % of its weight");
            }
            if let Some(seconds) = endpoint.ejected_for {
                let _ = write!(text, ", for {seconds} s");
            }
            if endpoint.in_flight > 0 {
                let _ = write!(text, ", {} in flight", endpoint.in_flight);
            }
            if let Some(wrong) = &endpoint.wrong {
                let _ = write!(text, ": {}", plain(wrong));
            }
            text.push('\n');
        }
    }
    if text.is_empty() { "there are no upstreams\n".into() } else { text }
}

/// A source of endpoints, in a line.
fn shown(text: &mut String, source: &Source) {
    let Source { url, endpoints, answered_ago, wrong } = source;
    let _ = write!(text, "  found by {url}: {endpoints}");
    let _ = match answered_ago {
        Some(seconds) => write!(text, ", heard {seconds} s ago"),
        None => write!(text, ", nothing heard yet"),
    };
    if let Some(wrong) = wrong {
        let _ = write!(text, ": {}", plain(wrong));
    }
    text.push('\n');
}

/// What somebody else said, without what would move a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_line_and_each_endpoint_another() {
        let json = r#"[{"name": "shop", "panic": true, "breaker": "half-open", "waiting": 3, "discovery": [
            {"url": "dns://a:80", "endpoints": 2, "answered-ago": 3},
            {"url": "consul://b", "endpoints": 0, "answered-ago": null, "wrong": "no\u001b answer"}
        ], "endpoints": [
            {"url": "http://a", "weight": 1, "state": "up", "used": true, "in-flight": 0},
            {"url": "http://bb", "weight": 0, "state": "ejected", "used": false, "in-flight": 3, "ejected-for": 7},
            {"url": "http://c", "weight": 2, "written": 4, "priority": 1, "starts": 30, "state": "down", "used": true, "in-flight": 0, "wrong": "it answers\u001b 500"}
        ]}]"#;
        let upstreams: Vec<Upstream> = serde_json::from_str(json).unwrap();
        let expected = "\
            shop (too few are up: all are used) (breaker half-open) (3 waiting)\n  \
              found by dns://a:80: 2, heard 3 s ago\n  \
              found by consul://b: 0, nothing heard yet: no answer\n  \
              http://a   weight 1  up, used\n  \
              http://bb  weight 0  ejected, not used, for 7 s, 3 in flight\n  \
              http://c   weight 2 (written: 4)  priority 1  down, used, starts with 30 % of its weight: it answers 500\n";
        assert_eq!(text(&upstreams), expected);
        assert_eq!(text(&[]), "there are no upstreams\n");
    }
}
