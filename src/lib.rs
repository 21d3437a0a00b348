//! Janua (Latin: door, gateway): a reverse proxy and API gateway. This page is the map of the house.
//!
//! # Life of a request
//!
//! ```text
//! accept -> PROXY header, the peer's address                    server, access
//!        -> TLS handshake (SNI, ALPN) -> HTTP/1.1 | HTTP/2      server, tls
//!   1 validate    framing, Host, target, sizes                  server::guard, chain
//!   2 find        the route (pure, no effect yet); is there     route, overload
//!                 room for its request?
//!   3 access      IP and header lists; may this page?           access, cors
//!   4 identify    who is it                                     auth
//!   5 authorize   may it                                        auth
//!   6 limit       rate, concurrency, quota; may delay           limit
//!   7 match       no route? only now; which of several ways     chain, split
//!   8 prepare     held to its contract; changed, translated;    contract, transform, translate,
//!                 or guarded; rewriting, header fields for      graphql, rewrite, message
//!                 the origin; made a call                       grpc
//!   9 lookup      the cache                                     cache
//!  10 forward     is there room? pick an endpoint, send, retry  overload, upstream
//!  11 answer      made JSON again, changed; held to its         grpc, graphql, translate,
//!                 contract; header fields for the client,       transform, contract, chain,
//!                 count, log                                    metrics, telemetry
//! ```
//!
//! The list is a function: [`chain::serve`] calls the stages in this order, and reads like it.
//!
//! # Three lives
//!
//! [`config`] is what the operator wrote: plain data, with the place of every value. [`snapshot`] is
//! what it means: compiled, immutable, one `Arc`, published by one swap. What has a life of its own
//! (connections, counters, tickets) hangs in the snapshot by `Arc` and is carried over by name, so a
//! reload changes what changed and nothing else. [`app::Gateway`] does start and reload in the same
//! order: read, compile everything, run the configuration's tests, bind what is new, swap, retire.
//!
//! # Threads
//!
//! *Workers* carry traffic: one thread and one current-thread runtime each ([`server`]), with sockets,
//! connections to origins and counters of their own, so that a request meets no other core. *Control*
//! is a small runtime beside them: signals, reload, the admin door. One more thread writes the access
//! log; a few wait for the cache's disk, if it has one. Time on a worker is [`worker::Clock`]'s, which costs a load.
//!
//! # Ranks
//!
//! Imports go to strictly lower ranks, never sideways; `tests/architecture.rs` says so when they don't.
//!
//! ```text
//! 8 app                 process life, the command line
//! 7 server  admin       sockets in, HTTP out; the operator's door
//! 6 chain               the list above
//! 5 snapshot            Config and the snapshot before -> Snapshot
//! 4 access auth cache contract cors graphql grpc limit portal rewrite    features, strangers to one another
//!   route split tls transform translate upstream
//! 3 balance discovery health key overload store xml   whose turn it is, who is there and who is well, whose a
//!                       request is, how much may be in flight, what several gateways share
//! 2 dial message        ways out; what HTTP itself asks of a proxy
//! 1 metrics stream telemetry                                counters, byte streams, logs
//! 0 config reject state worker                              leaves
//! ```
//!
//! # Where to add what
//!
//! - *A way to refuse*: a line in [`reject`]; the compiler shows the rest.
//! - *A key*: a documented field in [`config`], its meaning in the feature's own `compile`; then
//!   `UPDATE=1 cargo test --test it` writes `config/reference.toml` anew.
//! - *A stage*: a module of rank 4 with a `compile` and one function; a field in [`snapshot::Route`];
//!   one line in [`chain`].
//! - *A verb*: a file in [`app`].

pub mod access;
pub mod admin;
pub mod app;
pub mod auth;
pub mod balance;
pub mod cache;
pub mod chain;
pub mod config;
pub mod contract;
pub mod cors;
pub mod dial;
pub mod discovery;
pub mod graphql;
pub mod grpc;
pub mod health;
pub mod key;
pub mod limit;
pub mod message;
pub mod metrics;
pub mod overload;
pub mod portal;
pub mod reject;
pub mod rewrite;
pub mod route;
pub mod server;
pub mod snapshot;
pub mod split;
pub mod state;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod tls;
pub mod transform;
pub mod translate;
pub mod upstream;
pub mod worker;
pub mod xml;
