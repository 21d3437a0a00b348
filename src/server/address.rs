//! An address that is bound: its sockets, and which worker accepts on which.
//!
//! Closing a socket that shares a port resets who is in its queue, and whoever is on the way there:
//! the kernel gives its share of the clients to it alone. So a socket stays open as long as its
//! address does, and is handed to another worker when there are fewer.

use std::{io, net::SocketAddr, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    accept::Entrance,
    bind,
    worker::{Command, Handle},
};
use crate::{
    snapshot::{Bind, Listener},
    stream::{Listening, SocketFile},
};

/// An address that is bound.
#[derive(Debug)]
pub(super) struct Address {
    entrance: Arc<Entrance>,
    /// The listener that it belongs to.
    listener: Arc<Listener>,
    /// Connections that may be open.
    most: u32,
    shares: Vec<Share>,
    /// Of a Unix socket that we bound.
    file: Option<SocketFile>,
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

/// What an address needs for so many workers, and has not: had before it is promised. Its sockets do not listen yet.
#[derive(Debug)]
pub(super) struct Provision {
    /// Sockets in all.
    want: usize,
    /// Sockets beside those that it has.
    more: Vec<Listening>,
    /// What each share's worker is given, of those that get one.
    given: Vec<Listening>,
}

impl Provision {
    /// Has its sockets of TCP listen, beside those that do.
    pub(super) fn listen(&self) -> io::Result<()> {
        self.more.iter().try_for_each(|socket| bind::listen(socket, |_| true))
    }
}

impl Share {
    fn new(socket: Listening) -> Self {
        Self { socket, worker: None, taken: CancellationToken::new() }
    }
}

impl Address {
    /// Sockets at the address of this listener.
    pub(super) fn new(
        listener: &Arc<Listener>,
        sockets: Vec<Listening>,
        file: Option<SocketFile>,
    ) -> Self {
        let entrance = Entrance {
            bind: listener.bind.clone(),
            connections: Arc::new(Semaphore::new(0)),
            retired: CancellationToken::new(),
        };
        let shares = sockets.into_iter().map(Share::new).collect();
        let (entrance, listener) = (Arc::new(entrance), listener.clone());
        Self { entrance, listener, most: 0, shares, file }
    }

    /// Whether nobody can come in any more: somebody removed the socket's file.
    pub(super) fn is_lost(&self) -> bool {
        self.file.as_ref().is_some_and(SocketFile::is_lost)
    }

    /// Lets those connect whom the bits of a mode name, of a Unix socket; without one, who may now.
    fn permit(&self, mode: Option<u32>) {
        if let (Some(file), Some(mode)) = (&self.file, mode)
            && let Err(error) = file.permit(mode)
        {
            tracing::error!(%error, "who may connect to a Unix socket stays as it was");
        }
    }

    /// The listener that it belongs to.
    pub(super) fn listener(&self) -> &Listener {
        &self.listener
    }

    /// Belongs to this listener, with its bounds.
    pub(super) fn hold(&mut self, listener: &Arc<Listener>) {
        self.listener = listener.clone();
        self.permit(listener.mode);
        let most = listener.max_connections;
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

    /// Gets what so many workers need for as many sockets each as any other.
    pub(super) fn provide(&self, bind: &Bind, workers: usize) -> io::Result<Provision> {
        let have = self.shares.len();
        let want = match bind {
            Bind::Tcp(_) => have.next_multiple_of(workers),
            // It is one socket, whoever has it.
            Bind::Unix(_) | Bind::Systemd(_) => workers,
        };
        let more = match self.shares.first() {
            Some(first) => bind::more(bind, &first.socket, want.saturating_sub(have))?,
            None => Vec::new(),
        };
        let held = self.shares.iter().take(want).enumerate();
        let held = held.filter(|(index, share)| share.worker != Some(index % workers));
        let to_give = held.map(|(_, share)| &share.socket).chain(&more);
        let given = to_give.map(Listening::try_clone).collect::<io::Result<_>>()?;
        Ok(Provision { want, more, given })
    }

    /// Has its sockets of TCP listen, which were bound just now; `is_own` says whether what is at an address is
    /// this gateway's.
    pub(super) fn listen(&self, is_own: impl Fn(SocketAddr) -> bool) -> io::Result<()> {
        // From the first on it is.
        let is_own = |index, address| index > 0 || is_own(address);
        let mut shares = self.shares.iter().enumerate();
        shares.try_for_each(|(index, share)| {
            bind::listen(&share.socket, |address| is_own(index, address))
        })
    }

    /// Gives each of these workers, for whom it was provided, its sockets.
    pub(super) async fn spread(&mut self, provision: Provision, workers: &[Handle]) {
        let Provision { want, more, given } = provision;
        self.shares.extend(more.into_iter().map(Share::new));
        self.shares.drain(want..).for_each(|share| share.taken.cancel());
        let mut given = given.into_iter();
        for (index, share) in self.shares.iter_mut().enumerate() {
            let index = index % workers.len();
            if share.worker == Some(index) {
                continue;
            }
            let Some(socket) = given.next() else { return };
            share.taken.cancel();
            share.taken = self.entrance.retired.child_token();
            share.worker = Some(index);
            let command = Command::Accept(socket, self.entrance.clone(), share.taken.clone());
            workers[index].send(command).await;
        }
    }

    /// Gives it up.
    pub(super) fn retire(self) {
        self.entrance.retired.cancel();
    }

    /// Gives it up for another with the same file.
    pub(super) fn make_room(mut self) {
        if let Some(file) = &mut self.file {
            file.leave();
        }
        self.retire();
    }

    /// Whether it has clients in common with this one.
    pub(super) fn overlaps(&self, other: SocketAddr) -> bool {
        let own = self.socket().and_then(Listening::address);
        own.is_some_and(|own| bind::overlap(own, other))
    }

    /// One of its sockets; where they are, they are all.
    pub(super) fn socket(&self) -> Option<&Listening> {
        self.shares.first().map(|share| &share.socket)
    }
}
