//! Janua, a reverse proxy and API gateway.
pub mod config;
pub mod message;
pub mod metrics;
pub mod reject;
pub mod rewrite;
pub mod route;
pub mod server;
pub mod stream;
pub mod telemetry;
pub mod tls;
pub mod upstream;
pub mod worker;
