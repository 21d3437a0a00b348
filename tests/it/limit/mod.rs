//! How much: rates, how many at a time, and what happens to those who want more, as a client sees it.

mod addresses;
mod answers;
mod problems;
mod quotas;
mod waits;

use crate::support::Origin;

/// An origin that switches to what it is asked for, and is silent then.
async fn tunnels() -> Origin {
    let origin = Origin::script(|mut peer| async move {
        peer.request().await;
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x/1\r\n\r\n",
        )
        .await;
        peer.ended().await;
    });
    origin.await
}
