//! JSON that becomes a message of gRPC, and messages that become JSON.
#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, StatusCode};
use janua::grpc::{Options, Services, Sources};
use janua_fuzz::{compiled, shipped};
use libfuzzer_sys::fuzz_target;

static SERVICES: LazyLock<Services> = LazyLock::new(|| {
    let proto = [serde_json::from_value(serde_json::json!(shipped("fuzz/kinds.proto"))).unwrap()];
    let sources = Sources { proto: &proto, ..Sources::default() };
    let options = Options::default();
    compiled(|at, problems| Services::compile(&sources, &options, |_| false, at, problems))
        .expect("the file is good")
});

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else { return };
    let operations = &SERVICES.operations;
    let operation = &operations[usize::from(*which) % operations.len()];
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let (Some(query), Some(text), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let (Ok(query), Ok(text)) = (std::str::from_utf8(query), std::str::from_utf8(text)) else {
        return;
    };
    let ended = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    match operation.request(|_| Some(text), Some(query), body) {
        Ok(message) => {
            // What was written by the types can be read by them. The method gives back what it takes.
            let said = operation.answer(StatusCode::OK, &HeaderMap::new(), &message, Some(&ended));
            assert!(said.is_ok(), "{said:?}");
        }
        Err(refused) => drop(refused.violations.to_json()),
    }
    let _ = operation.answer(StatusCode::OK, &HeaderMap::new(), body, Some(&ended));
});
