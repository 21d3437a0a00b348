//! Accepts connections on one worker at one address.
//!
//! When the system has no file descriptors or memory left, accepting pauses and what runs goes on.
//! When a listener has all its connections, accepting waits for one to end: the rest stay in the
//! kernel's queue, where they cost us nothing.

use std::{
    future::poll_fn,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::connection::{self, Site};
use crate::{
    message::Clients,
    snapshot::Lens,
    stream::{Listener, Listening},
    worker::Worker,
};

/// How long accepting pauses when the system has nothing left.
const PAUSE: Duration = Duration::from_millis(100);

/// An address as its accepting tasks share it.
#[derive(Debug)]
pub(super) struct Entrance {
    /// The listener that it belongs to; another, when a reload renames it.
    pub(super) listener: AtomicUsize,
    /// Cancelled when the address is given up. A state, not a signal: a task that has not begun yet
    /// must see it too.
    pub(super) retired: CancellationToken,
}

/// Accepts until the address is given up, then takes what is already in the queue.
pub(super) async fn accept(
    socket: Listening,
    entrance: Arc<Entrance>,
    lens: Lens,
    clients: Clients,
    worker: Worker,
) {
    let listener = match Listener::new(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot accept"),
    };
    let mut retired = std::pin::pin!(entrance.retired.cancelled());
    let current = || lens.look().listener(entrance.listener.load(Relaxed)).cloned();
    let Some(mut rules) = current() else { return };
    loop {
        // Nobody closes the semaphore.
        let permits = rules.connections.clone();
        let Ok(mut permit) = permits.clone().acquire_owned().await else { return };
        let accepted = poll_fn(|cx| {
            // The queue first: who is in it when the address is given up was let in.
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(Some(accepted));
            }
            retired.as_mut().poll(cx).map(|()| None)
        });
        let accepted = accepted.await;
        // It may have been waited for long: the rules are those of now.
        rules = current().unwrap_or(rules);
        match accepted {
            None => return,
            Some(Ok((socket, peer))) => {
                rules.metrics.at(worker.index).accepted.inc();
                if !Arc::ptr_eq(&permits, &rules.connections) {
                    let Ok(other) = rules.connections.clone().acquire_owned().await else { return };
                    permit = other;
                }
                let site = Site {
                    lens: lens.clone(),
                    listener: rules.clone(),
                    clients: clients.clone(),
                    worker: worker.clone(),
                };
                tokio::spawn(connection::serve(site, socket, peer, permit));
            }
            Some(Err(error)) if is_exhausted(&error) => {
                tracing::warn!(listener = &*rules.name, %error, "accepting pauses");
                tokio::time::sleep(PAUSE).await;
            }
            // The client gave up between its turn in the queue and ours.
            Some(Err(_)) => {}
        }
    }
}

/// Whether the system has no descriptors or memory left, which passes.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
