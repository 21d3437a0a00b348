//! [`alone`]: tests of what a process has.

use std::{
    any::type_name,
    env::{current_exe, var},
    process::Command,
};

use tokio::runtime::Builder;

/// Says to a process which test it is there for.
const ALONE: &str = "JANUA_TEST_ALONE";

/// Runs a test in a process of its own, whatever runs it: memory, and what is counted of all gateways of a process, is
/// that of all tests that run in it at a time.
pub(crate) fn alone<T>(_test: T, body: impl Future<Output = ()>) {
    let (_, name) = type_name::<T>().split_once("::").unwrap();
    if var(ALONE).is_ok_and(|test| test == name) {
        return Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
    }
    let mut process = Command::new(current_exe().unwrap());
    let output = process.args(["--exact", name, "--nocapture"]).env(ALONE, name).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains(" 1 passed"), "{said}");
}
