//! Janua from the outside: one binary for all integration tests, a module for each subject.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod admin;
mod cli;
mod config;
mod config_tests;
mod explain;
mod framing;
mod process;
mod reference;
mod shipped;
mod support;
