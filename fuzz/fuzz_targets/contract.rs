//! Requests and answers of an API with a document: held to it, whatever they are.
#![no_main]

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use janua::{
    config,
    contract::{Api, Given, Head, Operation},
    message::Violations,
};
use janua_fuzz::{compiled, lines, shipped};
use libfuzzer_sys::fuzz_target;

static OPERATIONS: LazyLock<Vec<Arc<Operation>>> = LazyLock::new(|| {
    let document = shipped("fuzz/contract.yaml");
    let section: config::Api =
        serde_json::from_value(serde_json::json!({"openapi": document, "security": {}})).unwrap();
    let api = compiled(|at, problems| Api::compile("fuzz", &section, Given::default(), at, problems));
    api.expect("the document is good").policies.into_iter().map(|policy| policy.operation).collect()
});

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else { return };
    let Some(operation) = OPERATIONS.get(usize::from(*which) % OPERATIONS.len()) else { return };
    let head = rest.splitn(4, |byte| *byte == b'\n').collect::<Vec<_>>();
    let [query, path, kind, body] = head[..] else { return };
    let (Ok(query), Ok(path)) = (std::str::from_utf8(query), std::str::from_utf8(path)) else {
        return;
    };
    let Ok(kind) = HeaderValue::from_bytes(kind) else { return };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    let ([first], _) = lines(path);
    let mut wrong = Violations::default();
    operation.check_head(
        Head { path: &[("id", first), ("values", first)], query: Some(query), headers: &headers },
        &mut wrong,
    );
    if operation.expect_body(&headers, true, &mut wrong).is_ok() {
        let _ = operation.check_body(&headers, body, &mut wrong);
    }
    wrong.to_json();
    operation.check_answer(StatusCode::OK, &headers, Some(body)).to_json();
});
