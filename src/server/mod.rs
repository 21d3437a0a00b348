//! Sockets in, HTTP out.
//!
//! In: bytes from clients. Out: requests for the chain, and its answers back. What a request means
//! is not decided here.

pub mod guard;
