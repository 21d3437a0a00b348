//! Routes of any patterns, and a path: what finds the route and what explains it agree.
#![no_main]

use http::{HeaderMap, Method};
use janua::{
    config,
    route::{Found, Listeners, Query, RouteTable, Rule, Verdict},
};
use janua_fuzz::lines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let ([path, host], patterns) = lines(input);
    let routes: Vec<config::Route> = patterns
        .lines()
        .take(16)
        .filter_map(|line| {
            let (host, path) = line.split_once(' ').unwrap_or(("*", line));
            let section = serde_json::json!({"path": path, "host": host, "to": "fuzz"});
            serde_json::from_value(section).ok()
        })
        .collect();
    let rule = |(index, route)| {
        let (listeners, guards) = (Listeners::All, Box::default());
        Rule { name: "fuzz", listeners, route, guards, target: index }
    };
    let Ok(table) = RouteTable::compile(routes.iter().enumerate().map(rule).collect()) else {
        return;
    };
    // Dot segments are refused before.
    if !path.starts_with('/') || path.contains("/.") || path.to_ascii_lowercase().contains("%2e") {
        return;
    }
    let (headers, method) = (HeaderMap::new(), Method::GET);
    let query = Query {
        listener: 0,
        host: Some(host.as_bytes()),
        path,
        query: None,
        method: &method,
        headers: &headers,
    };
    let candidates = table.explain(&query);
    let taking: Vec<usize> = candidates
        .iter()
        .filter(|candidate| candidate.verdict == Verdict::Takes)
        .map(|candidate| candidate.rule)
        .collect();
    match table.find(&query) {
        Found::Route { rule, params, .. } => {
            assert_eq!(taking, [rule]);
            for (name, _) in params.iter() {
                assert!(params.get(name).is_some());
            }
        }
        _ => assert!(taking.is_empty(), "{taking:?}"),
    }
});
