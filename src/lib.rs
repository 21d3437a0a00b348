//! Janua, a reverse proxy and API gateway.
pub mod config;
pub mod reject;
pub mod rewrite;
pub mod route;
