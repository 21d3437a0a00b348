//! Janua, a reverse proxy and API gateway.
pub mod config;
pub mod metrics;
pub mod reject;
pub mod telemetry;
