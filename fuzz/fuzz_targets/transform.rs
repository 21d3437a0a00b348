//! Filters of operators and bodies of strangers: a filter is taken or it is said what is wrong with it; one that
//! is taken ends, for any body, within its steps.
#![no_main]

use janua::{
    config,
    transform::{Effort, Known, Transform},
};
use janua_fuzz::{compiled, lines};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let ([filter], body) = lines(input);
    let section = serde_json::json!({"request": filter, "response": filter, "max-steps": 20_000});
    let Ok(section) = serde_json::from_value::<config::Transform>(section) else { return };
    let made = compiled(|at, problems| Transform::compile(&section, at, problems));
    let Some(transform) = made else { return };
    let known = Known::default();
    let _ = transform.request(body.as_bytes(), &known, Effort::Little);
    let _ = transform.answer(body.as_bytes(), &known, Effort::Little);
});
