//! Requests to a service of GraphQL: whatever they ask, the guard says what that is or why it may not be asked,
//! the same when it is asked again, and nothing of a document that is refused goes on.
#![no_main]

use std::sync::{Arc, LazyLock};

use http::Method;
use janua::{
    config,
    graphql::{Given, Guard, Types},
};
use janua_fuzz::{compiled, shipped};
use libfuzzer_sys::fuzz_target;

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let file = shipped("config/shop.graphql");
    let section: config::Api =
        serde_json::from_value(serde_json::json!({"graphql": file, "guard": {"max-batch": 3}}))
            .unwrap();
    let guard = compiled(|at, problems| {
        let types = Types::load(&file, &section.guard, at, problems).map(Arc::new);
        Guard::compile("fuzz", &section, types, at, problems)
    });
    guard.expect("the schema is good")
});

fuzz_target!(|body: &[u8]| {
    let query = std::str::from_utf8(body).ok();
    for (method, query, body) in [(&Method::POST, None, body), (&Method::GET, query, &[])] {
        let given = Given { method, query, body };
        let first = GUARD.check(given);
        let again = GUARD.check(given);
        match (first, again) {
            (Ok(one), Ok(other)) => assert_eq!(one.asked.len(), other.asked.len()),
            (Err(one), Err(other)) => assert_eq!(one.reject, other.reject),
            (one, other) => panic!("{one:?} {other:?}"),
        }
    }
});
