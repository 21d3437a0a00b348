//! Caches that cannot be meant, and what is said of them.

use janua::{
    config::Loaded,
    snapshot::{Purpose, Snapshot},
};

use crate::support::Setup;

const UPSTREAM: &str = "[upstream.u]\nendpoints = \"http://127.0.0.1:9\"\n";

/// Keys of `[cache]`, where the problem is, what is said of it, and what to do.
const SIZES: &[(&str, &str, &str, &str)] = &[
    ("size = \"1KiB\"", "size", "less than a mebibyte keeps nothing", "256MiB"),
    ("size = \"0\"", "size", "", ""),
    ("size = 1000000", "size", "", ""),
    ("size = \"many\"", "size", "`many` is not a size", ""),
    (
        "size = \"8MiB\"\nmax-object = \"2MiB\"",
        "max-object",
        "more than an eighth of `size`",
        "1048576",
    ),
    ("size = \"8MiB\"", "max-object", "more than an eighth of `size`", "larger `size`"),
    ("max-object = \"large\"", "max-object", "`large` is not a size", ""),
    ("max-filling = \"-1\"", "max-filling", "not a size", ""),
    ("max-variants = 0", "max-variants", "none could be kept", ""),
    ("max-variants = 65536", "max-variants", "out of range", ""),
    ("max-variants = -1", "max-variants", "out of range", ""),
    ("max-variants = \"3\"", "max-variants", "", ""),
    // What is no key of it is the name of rules.
    ("sizes = \"1GiB\"", "sizes", "", ""),
    ("path = \"/var/cache\"", "path", "", ""),
];

/// Rules, likewise; under a name or at a route.
const RULES: &[(&str, &str, &str, &str)] = &[
    ("tll = '1s'", "tll", "unknown key `tll`", "`ttl`"),
    ("ttl = 'soon'", "ttl", "", ""),
    ("ttl = 30", "ttl", "", ""),
    ("ttl = { 404 = 'soon' }", "ttl.404", "`soon` is not a duration", ""),
    ("ttl = { 4044 = '1s' }", "ttl.4044", "4044", "404"),
    ("ttl = { 6xx = '1s' }", "ttl.6xx", "6xx", "4xx"),
    ("ttl = { all = '1s' }", "ttl.all", "all", "default"),
    ("ttl = { 304 = '1s' }", "ttl.304", "304", ""),
    ("ttl = { '401-403' = '1s' }", "ttl.401-403", "unless its status is named", "each by itself"),
    ("ttl = { '502-504' = '1s' }", "ttl.502-504", "unless its status is named", "each by itself"),
    ("ttl = '500ms'", "ttl", "less than one", "1s"),
    ("ttl = { 404 = '999ms' }", "ttl.404", "less than one", "0s"),
    ("override-ttl = '999ms'", "override-ttl", "caches count in seconds", "1s"),
    ("stale-if-error = '1ms'", "stale-if-error", "less than one", ""),
    ("override-ttl = 'x'", "override-ttl", "not a duration", ""),
    ("heuristic = '10%'", "heuristic", "not a duration", ""),
    ("stale-while-revalidate = true", "stale-while-revalidate", "", ""),
    ("stale-if-error = '1y'", "stale-if-error", "not a duration", ""),
    (
        "ignore = ['no-stores']",
        "ignore[0]",
        "`no-stores` is not known here",
        "did you mean `no-store`?",
    ),
    ("ignore = true", "ignore", "", ""),
    ("status = []", "status", "nothing would be kept", "leave it out"),
    ("status = [206]", "status[0]", "answers with 206 are not kept", ""),
    ("status = [200, 304]", "status[1]", "answers with 304 are not kept", ""),
    ("status = 99", "status[0]", "answers with 99 are not kept", ""),
    ("status = [100]", "status[0]", "answers with 100 are not kept", ""),
    ("status = [600]", "status[0]", "answers with 600 are not kept", ""),
    ("status = ['4xx']", "status[0]", "expected an integer", ""),
    ("status = [429]", "status[0]", "answers with 429 are not kept", ""),
    ("methods = []", "methods", "no request would be answered", "leave `cache` out"),
    ("methods = ['HEAD']", "methods", "nothing would be kept", "GET"),
    ("methods = ['POST']", "methods[0]", "`POST` is not known here", "`GET` and `HEAD`"),
    ("methods = ['get']", "methods[0]", "`get` is not known here", "did you mean `GET`?"),
    (
        "query = { only = ['a'], except = ['b'] }",
        "query.except",
        "says nothing beside `only`",
        "those that do not",
    ),
    ("query = { only = [''] }", "query.only[0]", "an empty name is none", ""),
    ("query = { except = ['a', 'b*c'] }", "query.except[1]", "`b*c` is no name", "at the end"),
    ("query = { except = ['a**'] }", "query.except[0]", "more than one `*`", "at the end"),
    ("query = { order = true }", "query.order", "unknown key `order`", ""),
    ("query = 'a'", "query", "", ""),
    ("targeted = ['a b']", "targeted[0]", "`a b` is not a field name", ""),
    ("targeted = ['ok', '']", "targeted[1]", "`` is not a field name", ""),
    (
        "targeted = ['cache-control']",
        "targeted[0]",
        "`cache-control` is for all caches",
        "leave it out",
    ),
    ("normalise = 'yes'", "normalise", "", ""),
    ("whole = 1", "whole", "", ""),
    ("wait = 5", "wait", "", ""),
    ("wait = '-1s'", "wait", "not a duration", ""),
    ("cache-status = 'on'", "cache-status", "", ""),
];

/// Keys, of a route.
const KEYS: &[(&str, &str, &str, &str)] = &[
    ("key = 'identity'", "key", "`r` asks nobody who they are", "add `auth`"),
    ("key = 'claim:tenant'", "key", "`r` asks nobody who they are", "add `auth`"),
    ("key = 'path:id'", "key", "`r` has no path parameter `id`", "another `key`"),
    ("key = ['header:a', 'path:id']", "key", "`r` has no path parameter `id`", ""),
    ("key = 'header:a b'", "key", "`a b` is not a field name", ""),
    ("key = 'header:'", "key", "`header:` names nothing", "`header:NAME`"),
    ("key = 'tenant'", "key", "`tenant`", ""),
    ("key = 'cookie:a b;'", "key", "`a b;` is no cookie's name", "without `;`"),
    ("key = 'cookie:a=b'", "key", "`a=b` is no cookie's name", ""),
    ("key = 'headers:a'", "key", "headers:a", ""),
    ("key = ['header:a', 'header:A']", "key[1]", "`header:A` is here twice", ""),
    ("key = ['global', 'ip']", "key[0]", "`global` is for all", "leave it out"),
    ("key = true", "key", "", ""),
];

async fn fails(text: String, path: &str, message: &str, help: &str) {
    Setup::new(format!("{text}\n")).fails_at(path, message, help).await;
}

#[tokio::test]
async fn sizes_that_cannot_be_meant_are_refused_at_load() {
    for (keys, path, message, help) in SIZES {
        let text = format!("[cache]\n{keys}\n[[route]]\nto = \"echo\"");
        fails(text, &format!("cache.{path}"), message, help).await;
    }
}

#[tokio::test]
async fn rules_that_cannot_be_meant_are_refused_where_they_stand() {
    for (keys, path, message, help) in RULES {
        let named = format!("{UPSTREAM}[cache.c]\n{keys}\n[[route]]\nto = \"u\"\ncache = \"c\"");
        fails(named, &format!("cache.c.{path}"), message, help).await;
    }
    for (keys, path, message, help) in RULES.iter().chain(KEYS) {
        let own = format!("{UPSTREAM}[[route]]\nname = \"r\"\nto = \"u\"\ncache = {{ {keys} }}");
        fails(own, &format!("route[0].cache.{path}"), message, help).await;
    }
}

#[tokio::test]
async fn a_key_that_no_request_has_is_refused_at_the_route() {
    for (keys, path, message, help) in &KEYS[..4] {
        let named = format!(
            "{UPSTREAM}[cache.c]\n{keys}\n[[route]]\nname = \"r\"\nto = \"u\"\ncache = \"c\""
        );
        fails(named, &format!("route[0].cache.{path}"), message, help).await;
    }
}

#[tokio::test]
async fn a_cache_that_is_not_there_or_keeps_nothing_is_refused() {
    for (route, path, message, help) in [
        (
            "to = 'u'\ncache = 'pges'",
            "route[0].cache",
            "there is no `[cache.pges]`",
            "did you mean `pages`?",
        ),
        ("to = 'u'\ncache = 'x'", "route[0].cache", "there is no `[cache.x]`", "`true`"),
        ("to = 'u'\ncache = ''", "route[0].cache", "there is no `[cache.]`", ""),
        ("to = 'u'\ncache = 3", "route[0].cache", "", ""),
        ("to = 'u'\ncache = ['pages']", "route[0].cache", "", ""),
        ("to = 'echo'\ncache = true", "route[0].cache", "this route has none", "leave `cache` out"),
        ("to = 'echo'\ncache = 'pages'", "route[0].cache", "this route has none", ""),
        ("to = { status = 200 }\ncache = {}", "route[0].cache", "this route has none", ""),
        ("to = { redirect = '/a' }\ncache = true", "route[0].cache", "this route has none", ""),
        ("to = 'u'\ncaches = true", "route[0].caches", "unknown key `caches`", "`cache`"),
    ] {
        fails(format!("{UPSTREAM}[cache.pages]\n[[route]]\n{route}"), path, message, help).await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_rules_is_said_once() {
    let text = format!(
        "{UPSTREAM}[cache.default]\nstatus = [206, 304]\nmethods = []\n\
         [[route]]\nto = \"u\"\npath = \"/a\"\ncache = true\n[[route]]\nto = \"u\"\ncache = \"default\"\n"
    );
    let report = Setup::new(text).fails_to_start().await;
    let paths: Vec<_> =
        report.json().as_array().unwrap().iter().map(|it| it["path"].clone()).collect();
    assert_eq!(
        paths,
        ["cache.default.status[0]", "cache.default.status[1]", "cache.default.methods"]
    );
}

#[tokio::test]
async fn a_cache_that_is_switched_off_is_no_cache() {
    let origin = crate::support::Origin::answering(
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    let janua =
        Setup::new(format!("[[route]]\nto = \"{}\"\ncache = false\n", origin.url)).start().await;
    for _ in 0..2 {
        janua.get("/").await;
    }
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn what_is_of_no_use_is_a_finding() {
    let disk = |size: &str| format!("[cache.disk]\npath = \"/nowhere\"\nsize = \"{size}\"\n");
    for (cache, methods, path, message) in [
        ("max-filling = \"15MiB\"\n".to_owned(), "", "cache.max-filling", "no answer of that size"),
        ("max-filling = \"16MiB\"\n".to_owned(), "", "", ""),
        (disk("127MiB"), "", "cache.disk.size", "are never written"),
        (disk("128MiB"), "", "", ""),
        (String::new(), "methods = \"POST\"\n", "route[0].cache", "takes no GET"),
        (String::new(), "methods = [\"POST\", \"GET\"]\n", "", ""),
    ] {
        let route = format!("[[route]]\nto = \"u\"\ncache = true\n{methods}");
        let text = format!("{UPSTREAM}[cache]\n{cache}{route}");
        let config = Loaded::parse("<test>", &text, &|_| None).unwrap().config;
        let (_, found) = Snapshot::compile(config, Purpose::Look, None).unwrap();
        let said: Vec<_> = found
            .iter()
            .map(|problem| (problem.path.to_string(), problem.message.clone()))
            .collect();
        match path {
            "" => assert_eq!(said, [], "{text}"),
            path => assert!(
                said.len() == 1 && said[0].0 == path && said[0].1.contains(message),
                "{text}: {said:?}"
            ),
        }
    }
}
