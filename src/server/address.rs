//! An address that is bound: its sockets, and which worker accepts on which.
//!
//! Closing a socket that shares a port resets who is in its queue, and whoever is on the way there:
//! the kernel gives its share of the clients to it alone. So a socket stays open as long as its
//! address does, and is handed to another worker when there are fewer.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    accept::Entrance,
    bind,
    worker::{Command, Handle},
};
use crate::{snapshot::Bind, stream::Listening};

/// An address that is bound.
#[derive(Debug)]
pub(super) struct Address {
    entrance: Arc<Entrance>,
    /// Connections that may be open.
    most: u32,
    shares: Vec<Share>,
}

/// One of its sockets.
#[derive(Debug)]
struct Share {
    socket: Listening,
    /// Who accepts on it.
    worker: Option<usize>,
    /// Cancelled when it is taken from that worker, or given up.
    taken: CancellationToken,
}

impl Share {
    fn new(socket: Listening) -> Self {
        Self { socket, worker: None, taken: CancellationToken::new() }
    }
}

impl Address {
    /// Sockets at one address, of a listener with this number.
    pub(super) fn new(listener: usize, sockets: Vec<Listening>) -> Self {
        let entrance = Entrance {
            listener: AtomicUsize::new(listener),
            connections: Arc::new(Semaphore::new(0)),
            retired: CancellationToken::new(),
        };
        let shares = sockets.into_iter().map(Share::new).collect();
        Self { entrance: Arc::new(entrance), most: 0, shares }
    }

    /// Belongs to this listener, with so many connections.
    pub(super) fn hold(&mut self, listener: usize, most: u32) {
        self.entrance.listener.store(listener, Relaxed);
        let before = std::mem::replace(&mut self.most, most);
        let connections = &self.entrance.connections;
        if let Some(more) = most.checked_sub(before) {
            connections.add_permits(more as usize);
            return;
        }
        let fewer = before - most;
        let free = u32::try_from(connections.forget_permits(fewer as usize)).unwrap_or(fewer);
        if free < fewer {
            // The rest as connections end, before anybody else has theirs: its place in the queue is
            // taken here, not when the task has its turn.
            let mut rest = Box::pin(connections.clone().acquire_many_owned(fewer - free));
            let now = (&mut rest).now_or_never();
            tokio::spawn(async move {
                let permits = match now {
                    Some(permits) => permits,
                    None => rest.await,
                };
                if let Ok(permits) = permits {
                    permits.forget();
                }
            });
        }
    }

    /// Gives each of these workers as many sockets as any other.
    pub(super) async fn spread(&mut self, bind: &Bind, workers: &[Handle]) -> io::Result<()> {
        let have = self.shares.len();
        let want = match bind {
            Bind::Tcp(_) => have.next_multiple_of(workers.len()),
            // It is one socket, whoever has it.
            Bind::Unix(_) | Bind::Systemd(_) => workers.len(),
        };
        if let (Some(more), Some(first)) = (want.checked_sub(have), self.shares.first()) {
            let more = bind::more(bind, &first.socket, more)?;
            self.shares.extend(more.into_iter().map(Share::new));
        }
        self.shares.drain(want..).for_each(|share| share.taken.cancel());
        for (index, share) in self.shares.iter_mut().enumerate() {
            let index = index % workers.len();
            if share.worker == Some(index) {
                continue;
            }
            let socket = share.socket.try_clone()?;
            share.taken.cancel();
            share.taken = self.entrance.retired.child_token();
            share.worker = Some(index);
            let command = Command::Accept(socket, self.entrance.clone(), share.taken.clone());
            workers[index].send(command).await;
        }
        Ok(())
    }

    /// Gives it up.
    pub(super) fn retire(&self, bind: &Bind) {
        self.entrance.retired.cancel();
        if let Bind::Unix(path) = bind {
            let _ = std::fs::remove_file(path);
        }
    }

    /// One of its sockets; where they are, they are all.
    pub(super) fn socket(&self) -> Option<&Listening> {
        self.shares.first().map(|share| &share.socket)
    }
}
