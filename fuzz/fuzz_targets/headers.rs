//! Rules for header fields: templates that an operator writes, filled in with what a client sends.
#![no_main]

use http::{HeaderMap, HeaderValue, Method, header::HeaderName};
use janua::rewrite::{FieldValue, Variables};
use janua_fuzz::lines;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let ([template, path, query, host], field) = lines(input);
    let Ok(sent) = HeaderValue::from_str(field.trim_end_matches('\n')) else { return };
    let headers = HeaderMap::from_iter([(HeaderName::from_static("x-sent"), sent.clone())]);
    let host = HeaderValue::from_str(host).ok();
    let param = |name: &str| (name == "id").then_some(path);
    let claim = |name: &str| (name == "sub").then(|| path.to_owned());
    let variables = Variables {
        method: &Method::GET,
        scheme: "https",
        host: host.as_ref(),
        path,
        query: Some(query),
        id: &sent,
        headers: &headers,
        client: None,
        claim: &claim,
        route: "fuzz",
        params: &param,
    };
    let values =
        [FieldValue::compile(template, &["id"]), FieldValue::compile_uri(template, &["id"])];
    for value in values.iter().flatten() {
        let value = value.render(&variables);
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
});
