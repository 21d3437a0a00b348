//! Ways out: where another server is, how it is reached, whom to trust there, and a [`Fetcher`] for the
//! few questions that Janua itself has.
//!
//! In: URLs and files, as the operator wrote them. Out: sockets, authorities, whole answers. Requests of
//! clients go out by `upstream`, which has pools of its own; nothing here is made for their number.

mod address;
mod connect;
mod fetch;
mod resolve;
mod server;
mod trust;
mod verifier;

pub use self::{
    address::{Address, Place},
    connect::{NoConnection, open},
    fetch::{Destination, FetchError, Fetcher, Flow},
    resolve::Resolved,
    server::{Server, Unreachable},
    trust::{
        Identity, authorities, certificates, client_tls, private_key, system_roots, tls_between,
    },
    verifier::Trust,
};
