//! The page as a scraper reads it: a strict little parser of the exposition format, and what it finds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

type Sample = (String, BTreeMap<String, String>, f64);

/// The samples of a page. Panics where a strict scraper would refuse: a sample without a TYPE of its
/// own or away from its family, a family or series that is there twice, a bad name, value or escape.
fn parse(page: &str) -> Vec<Sample> {
    let (mut families, mut series) = (BTreeSet::new(), BTreeSet::new());
    let (mut helped, mut family) = (String::new(), (String::new(), String::new()));
    let mut samples = Vec::new();
    assert!(page.ends_with('\n'));
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty() && !text.contains('\\'));
            helped = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "HELP comes first");
            assert!(["counter", "gauge", "histogram"].contains(&kind));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            assert!(families.insert(name.to_owned()), "{name} is there twice");
            family = (name.to_owned(), kind.to_owned());
        } else {
            let sample = parse_sample(line);
            let suffix = sample.0.strip_prefix(&family.0).unwrap_or_else(|| panic!("{line}"));
            let histogram = ["_bucket", "_sum", "_count"].contains(&suffix);
            assert!(if family.1 == "histogram" { histogram } else { suffix.is_empty() }, "{line}");
            assert!(series.insert((sample.0.clone(), sample.1.clone())), "{line} is there twice");
            samples.push(sample);
        }
    }
    samples
}

fn parse_sample(line: &str) -> Sample {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(name.starts_with("janua_"));
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap();
            assert!(label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            let (value, after) = unescape(value);
            assert!(labels.insert(label.to_owned(), value).is_none());
            if let Some(more) = after.strip_prefix(',') {
                rest = more;
            } else {
                rest = after.strip_prefix('}').unwrap();
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap();
    assert!(!value.contains(' '));
    (name.to_owned(), labels, value.parse().unwrap())
}

/// A label's value up to its closing quote, and what follows the quote.
fn unescape(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.chars());
    loop {
        match chars.next().unwrap() {
            '"' => return (value, chars.as_str()),
            '\\' => value.push(match chars.next().unwrap() {
                'n' => '\n',
                same @ ('"' | '\\') => same,
                other => panic!("\\{other}"),
            }),
            other => value.push(other),
        }
    }
}

/// The value of the series with this name and exactly these labels.
fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels: BTreeMap<_, _> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    samples.iter().find(|sample| sample.0 == name && sample.1 == labels).map(|sample| sample.2)
}

static REASONS: [&str; 3] = ["no_route", "access.ip", "upstream.connect_refused"];
const AWKWARD: &str = "a \"b\" \\ c\nd{}=,";

fn registry() -> Registry {
    let mut loading = Loading::first(2, &REASONS, 1_700_000_000);
    loading.certificate("api.example.com", 1_800_000_000);
    let listener = loading.listener("public");
    listener.at(0).accepted.add(3);
    listener.at(1).active.inc();
    listener.at(0).handshakes_failed.inc();
    listener.at(1).request(Protocol::Http2);
    listener.refuse(1, 1);
    loading.access("office").inc(0, 1);
    let route = loading.route(AWKWARD);
    for (worker, micros) in [(0, 400), (1, 900), (0, 2_000_000), (1, 90_000_000)] {
        let finished = Finished { status: Some(200), micros, bytes_in: 5, bytes_out: 100 };
        route.finish(worker, &finished);
    }
    route.reject(0, 1);
    loading.route(NO_ROUTE).reject(1, 0);
    let upstream = loading.upstream("orders");
    upstream.at(0).connects.inc();
    upstream.at(1).in_flight.inc();
    upstream.connect_failed(0, 2);
    loading.finish()
}

#[test]
fn the_page_says_what_was_counted() {
    let outside = Outside {
        log_lines_dropped: 7,
        log_write_errors: 2,
        open_files: Some(11),
        ..Outside::default()
    };
    let samples = parse(&registry().encode(&outside));
    let is = |name: &str, labels: &[(&str, &str)], expected: f64| {
        assert_eq!(value(&samples, name, labels), Some(expected), "{name} {labels:?}");
    };
    is("janua_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    is("janua_start_time_seconds", &[], 1.7e9);
    is("janua_open_fds", &[], 11.0);
    is("janua_access_log_lines_dropped_total", &[], 7.0);
    is("janua_access_log_write_errors_total", &[], 2.0);
    is("janua_config_last_reload_successful", &[], 1.0);
    let certificate = [("certificate", "api.example.com")];
    is("janua_certificate_expiry_timestamp_seconds", &certificate, 1.8e9);
    is("janua_listener_connections_accepted_total", &[("listener", "public")], 3.0);
    is("janua_listener_connections_active", &[("listener", "public")], 1.0);
    let failed = [("listener", "public"), ("outcome", "failed")];
    is("janua_listener_handshakes_total", &failed, 1.0);
    let closed = [("listener", "public"), ("reason", "access.ip")];
    is("janua_listener_connections_refused_total", &closed, 1.0);
    is("janua_access_reports_total", &[("list", "office"), ("reason", "access.ip")], 1.0);
    let h2 = [("listener", "public"), ("protocol", "HTTP/2")];
    is("janua_listener_requests_total", &h2, 1.0);
    is("janua_requests_total", &[("route", AWKWARD), ("status", "2xx")], 4.0);
    is("janua_requests_total", &[("route", NO_ROUTE), ("status", "none")], 0.0);
    is("janua_response_bytes_total", &[("route", AWKWARD)], 400.0);
    is("janua_rejects_total", &[("route", AWKWARD), ("reason", "access.ip")], 1.0);
    is("janua_rejects_total", &[("route", NO_ROUTE), ("reason", "no_route")], 1.0);
    is("janua_upstream_requests_in_flight", &[("upstream", "orders")], 1.0);
    let refused = [("upstream", "orders"), ("reason", "upstream.connect_refused")];
    is("janua_upstream_connect_failures_total", &refused, 1.0);
    let rejects = samples.iter().filter(|sample| sample.0 == "janua_rejects_total");
    assert_eq!(rejects.count(), 2, "what never happened has no series");
}

#[test]
fn buckets_are_cumulative_and_infinity_is_the_count() {
    let samples = parse(&registry().encode(&Outside::default()));
    let name = "janua_request_duration_seconds";
    for route in [AWKWARD, NO_ROUTE] {
        let buckets: Vec<_> = samples
            .iter()
            .filter(|sample| sample.0 == format!("{name}_bucket") && sample.1["route"] == route)
            .map(|sample| (sample.1["le"].parse::<f64>().unwrap(), sample.2))
            .collect();
        assert_eq!(buckets.len(), 17);
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        assert_eq!(buckets[16].0, f64::INFINITY);
        let count = value(&samples, &format!("{name}_count"), &[("route", route)]).unwrap();
        assert_eq!(buckets[16].1, count);
    }
    let sum = value(&samples, &format!("{name}_sum"), &[("route", AWKWARD)]);
    assert_eq!(sum, Some(92.0013));
    let second = [("route", AWKWARD), ("le", "1")];
    assert_eq!(value(&samples, &format!("{name}_bucket"), &second), Some(2.0));
}

#[test]
fn a_reload_moves_no_count() {
    let first = registry();
    let before = parse(&first.encode(&Outside::default()));
    let mut loading = Loading::after(&first, 5, &REASONS);
    loading.listener("public");
    loading.access("office");
    loading.route(AWKWARD);
    loading
        .route("new")
        .finish(4, &Finished { status: None, micros: 1, bytes_in: 0, bytes_out: 0 });
    loading.certificate("api.example.com", 1_800_000_000);
    let second = loading.finish();
    second.process().reload_failed();
    let after = parse(&second.encode(&Outside::default()));
    let moved = |sample: &&Sample| {
        let reload = sample.0.starts_with("janua_config_");
        let retired = sample.1.contains_key("upstream");
        !reload && !retired && !after.contains(sample)
    };
    assert_eq!(before.iter().find(moved), None);
    let none = [("route", "new"), ("status", "none")];
    assert_eq!(value(&after, "janua_requests_total", &none), Some(1.0));
    assert!(!after.iter().any(|sample| sample.1.contains_key("upstream")));
    assert_eq!(value(&after, "janua_config_last_reload_successful", &[]), Some(0.0));
}
