//! Rules for header fields, path and query, as an operator writes them, and what a client sends to be changed by
//! them: whatever both say, fields that frame a message stay as they came, and no value can become two.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, Method, uri::PathAndQuery};
use janua::{
    config,
    message::{form_text, pairs},
    rewrite::{FieldValue, HeaderRules, PathRewrite, QueryRules, Variables},
};
use janua_fuzz::lines;
use libfuzzer_sys::fuzz_target;

/// Fields that are no rule's to change.
const FRAMING: [&str; 4] = ["connection", "content-length", "transfer-encoding", "te"];

/// The rules and the fields of an input: what a line is, its first sign says.
fn read(text: &str) -> (config::HeaderRules, config::QueryRules, config::Route, HeaderMap) {
    let (mut fields, mut query) = (config::HeaderRules::default(), config::QueryRules::default());
    let (mut route, mut sent) = (config::Route::default(), HeaderMap::new());
    for line in text.lines().take(32) {
        let Some(sign) = line.chars().next() else { continue };
        let rest = &line[sign.len_utf8()..];
        let (name, value) = rest.split_once('=').unwrap_or((rest, ""));
        let (name, value) = (name.to_owned(), value.to_owned());
        match sign {
            '-' => fields.remove.0.push(name),
            '=' => drop(fields.set.insert(name, value)),
            '+' => drop(fields.add.insert(name, value)),
            '!' => query.remove.0.push(name),
            '?' => drop(query.set.insert(name, value)),
            '&' => drop(query.add.insert(name, value)),
            '>' => route.rewrite = Some(rest.to_owned()),
            '/' => route.strip_prefix = Some(rest.to_owned()),
            '\\' => route.add_prefix = Some(rest.to_owned()),
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value));
                if let (Ok(name), Ok(value)) = (name, value) {
                    sent.append(name, value);
                }
            }
        }
    }
    (fields, query, route, sent)
}

fn is_clean(value: &HeaderValue) -> bool {
    !value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

fuzz_target!(|input: &str| {
    let ([target, host, location], rest) = lines(input);
    let Ok(from) = PathAndQuery::try_from(target) else { return };
    let (fields, query, route, sent) = read(rest);
    let host = HeaderValue::from_str(host).ok();
    let id = HeaderValue::from_static("0123");
    let param = |name: &str| (name == "id").then(|| from.path());
    let claim = |name: &str| (name == "sub").then(|| target.to_owned());
    let variables = Variables {
        method: &Method::GET,
        scheme: "https",
        host: host.as_ref(),
        path: from.path(),
        query: from.query(),
        id: &id,
        headers: &sent,
        client: None,
        claim: &claim,
        route: "fuzz",
        params: &param,
    };
    if let Ok(value) = FieldValue::compile_uri(location, &["id"]) {
        assert!(is_clean(&value.render(&variables)));
    }
    if let Ok(rules) = HeaderRules::compile(&fields, &["id"]) {
        let mut changed = sent.clone();
        rules.apply(&mut changed, &variables);
        for name in FRAMING {
            assert!(changed.get_all(name).iter().eq(sent.get_all(name)), "{name}");
        }
        assert!(changed.values().all(is_clean));
        let named = |key: &String, name: &HeaderName| key.eq_ignore_ascii_case(name.as_str());
        for name in changed.keys() {
            let (set, added) =
                ([&fields.set, &fields.add]).map(|keys| keys.keys().filter(|key| named(key, name)).count()).into();
            let removed = fields.remove.iter().any(|key| named(key, name));
            let before = if removed || set > 0 { set.min(1) } else { sent.get_all(name).iter().count() };
            assert!(changed.get_all(name).iter().count() <= before + added, "{name}");
        }
    }
    if let Ok(rewrite) = PathRewrite::compile(&route, &["id"])
        && let Ok(Some(target)) = rewrite.apply(&variables)
    {
        assert!(PathAndQuery::try_from(target.as_str()).is_ok(), "{target}");
        assert!(target.path().starts_with('/'), "{target}");
    }
    if let Ok(rules) = QueryRules::compile(&query, &["id"])
        && let Ok(target) = rules.apply(&from, &variables)
    {
        assert_eq!(target.path(), from.path());
        let count = |target: &PathAndQuery, wanted: &str| {
            let all = pairs(target.query().unwrap_or_default());
            all.filter(|(name, _)| form_text(name).is_some_and(|name| name == wanted)).count()
        };
        for name in query.set.keys() {
            let added = usize::from(query.add.contains_key(name));
            assert!(count(&target, name) <= 1 + added, "{name}: {target}");
        }
        for name in query.add.keys().filter(|name| !query.set.contains_key(*name)) {
            assert!(count(&target, name) <= count(&from, name) + 1, "{name}: {target}");
        }
    }
});
