//! A document of OpenAPI: it becomes operations, or there is a list of what is wrong with it.
#![no_main]

use http::HeaderMap;
use janua::{
    config,
    contract::{Api, Given, Head, lint},
    message::Violations,
};
use janua_fuzz::{compiled, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for advice in lint(bytes) {
        assert!(!advice.what.is_empty());
    }
    let section = serde_json::json!({"openapi": file("api.yaml", bytes)});
    let section: config::Api = serde_json::from_value(section).unwrap();
    let api = compiled(|at, problems| Api::compile("fuzz", &section, Given::default(), at, problems));
    let headers = HeaderMap::new();
    for policy in api.iter().flat_map(|api| &api.policies) {
        let mut wrong = Violations::default();
        let head = Head { path: &[("a", "a"), ("id", "1")], query: Some("a=1&b[c]=2"), headers: &headers };
        policy.operation.check_head(head, &mut wrong);
        let _ = policy.operation.check_body(&headers, b"{}", &mut wrong);
    }
});
