//! Janua from the outside: one binary for all integration tests, a module for each subject.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::type_complexity,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should; its tables are plain tuples"
)]

mod access;
mod admin;
mod auth;
mod cache;
mod cache_disk;
mod cache_parts;
mod calls;
mod cli;
mod config;
mod config_tests;
mod contract;
mod cors;
mod deadlines;
mod demo;
mod discovery;
mod exhausted;
mod explain;
mod explain_bodies;
mod explain_live;
mod forwarding;
mod framing;
mod graphql;
mod hostile;
mod interim;
mod leaving;
mod limit;
mod log;
mod metrics;
mod overload;
mod process;
mod real;
mod reference;
mod reload;
mod shipped;
mod split;
mod support;
mod tls;
mod transform;
mod translate;
mod upstreams;
mod watch;
