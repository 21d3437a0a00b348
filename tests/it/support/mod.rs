//! What the end-to-end tests stand on: a gateway, scripted origins, clients that send raw bytes.
//!
//! Everything is real: sockets of this machine's loopback, threads, TLS. Nothing sleeps to let
//! others get ahead: what has to happen is waited for, by [`soon`] and [`until`], and a test fails
//! when it does not happen within [`PATIENCE`].

pub(crate) mod alone;
pub(crate) mod certs;
pub(crate) mod client;
pub(crate) mod daemon;
pub(crate) mod frames;
pub(crate) mod http2;
pub(crate) mod janua;
pub(crate) mod keys;
pub(crate) mod message;
pub(crate) mod mmdb;
pub(crate) mod origin;

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use self::{
    alone::alone,
    client::Client,
    daemon::{Daemon, Door},
    janua::{Janua, Setup},
    message::Message,
    origin::Origin,
};

/// How long anything may take before a test fails for it; these machines are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// How often [`until`] looks.
const LOOK: Duration = Duration::from_millis(5);

/// Any stream of bytes.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// What a future comes to, which has to be soon.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let output = tokio::time::timeout(PATIENCE, future).await;
    assert!(output.is_ok(), "{what}: nothing happened");
    output.unwrap()
}

/// Waits until something holds, which has to be soon.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
}
