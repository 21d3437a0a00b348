//! Sockets in, HTTP out: workers, the addresses they accept at, and how they come and go.
//!
//! In: snapshots. Out: requests for the chain. [`Server`] is control's side: it binds what a new
//! snapshot needs *before* that holds ([`Server::prepare`]), and only then lets the old go
//! ([`Server::commit`]). An address that stays keeps its socket, its queue and its connections.

mod accept;
mod bind;
mod connection;
pub mod guard;
mod streams;
mod watched;
mod worker;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use tokio_util::sync::CancellationToken;

pub use self::bind::Passed;
use self::{
    accept::Entrance,
    worker::{Command, Handle},
};
use crate::{
    config::{Path, Problem, Problems},
    message::Signal,
    snapshot::{Bind, Snapshot, World},
    stream::Listening,
};

/// The data plane, as control sees it.
#[derive(Debug)]
pub struct Server {
    world: Arc<World>,
    passed: Passed,
    workers: Vec<Handle>,
    addresses: HashMap<Bind, Address>,
}

/// An address that is bound.
#[derive(Debug)]
struct Address {
    entrance: Arc<Entrance>,
    /// Kept so that more workers can have a share of it.
    socket: Listening,
}

/// Sockets that a new snapshot needs, bound and not yet accepting.
#[derive(Debug, Default)]
pub struct Prepared(Vec<(Bind, usize, Vec<Listening>)>);

impl Server {
    /// A server without workers; the first [`commit`](Self::commit) starts them.
    pub fn new(world: Arc<World>, passed: Passed) -> Self {
        Self { world, passed, workers: Vec::new(), addresses: HashMap::new() }
    }

    /// Binds what a snapshot needs and is not bound yet.
    ///
    /// # Errors
    /// Each listener that cannot be bound, and why. What was bound for the others is closed again.
    pub fn prepare(&self, snapshot: &Snapshot) -> Result<Prepared, Problems> {
        let mut problems = Problems::new();
        let mut prepared = Prepared::default();
        for (index, listener) in snapshot.listeners.iter().enumerate() {
            if self.addresses.contains_key(&listener.bind) {
                continue;
            }
            match bind::bind(&listener.bind, &self.passed, snapshot.workers) {
                Ok(sockets) => prepared.0.push((listener.bind.clone(), listener.id, sockets)),
                Err(error) => {
                    let at = Path::root().key("listener").index(index).key("address");
                    let message = format!("cannot listen on `{}`: {error}", listener.bind);
                    let problem = Problem::error(at, message);
                    problems.push(match hint(&error) {
                        Some(help) => problem.help(help),
                        None => problem,
                    });
                }
            }
        }
        if problems.is_empty() { Ok(prepared) } else { Err(problems) }
    }

    /// Makes the data plane what the snapshot says, which by now is the one that holds.
    ///
    /// # Errors
    /// The system has no thread for another worker; those that run go on.
    pub async fn commit(&mut self, prepared: Prepared, snapshot: &Snapshot) -> io::Result<()> {
        self.retire(snapshot).await;
        while self.workers.len() < snapshot.workers {
            self.add_worker().await?;
        }
        for (bind, listener, sockets) in prepared.0 {
            let (listener, retired) = (AtomicUsize::new(listener), CancellationToken::new());
            let entrance = Arc::new(Entrance { listener, retired });
            let Some(first) = sockets.first() else { continue };
            let socket = first.try_clone()?;
            for (worker, socket) in self.workers.iter().zip(sockets) {
                worker.send(Command::Accept(socket, entrance.clone())).await;
            }
            self.addresses.insert(bind, Address { entrance, socket });
        }
        Ok(())
    }

    /// Lets go of addresses that the snapshot has not, and of workers it has too many of.
    async fn retire(&mut self, snapshot: &Snapshot) {
        self.addresses.retain(|bind, address| {
            let listener = snapshot.listeners.iter().find(|listener| listener.bind == *bind);
            match listener {
                Some(listener) => address.entrance.listener.store(listener.id, Relaxed),
                None => {
                    address.entrance.retired.cancel();
                    if let Bind::Unix(path) = bind {
                        let _ = std::fs::remove_file(path);
                    }
                }
            }
            listener.is_some()
        });
        for worker in &self.workers {
            worker.clients.tell(Signal::Drain, |listener| snapshot.listener(listener).is_none());
        }
    }

    async fn add_worker(&mut self) -> io::Result<()> {
        let worker = Handle::start(self.workers.len(), self.world.clone())?;
        for (bind, address) in &self.addresses {
            for socket in bind::more(bind, &address.socket, 1)? {
                worker.send(Command::Accept(socket, address.entrance.clone())).await;
            }
        }
        self.workers.push(worker);
        Ok(())
    }

    /// Stops accepting, and tells every client to finish what was begun.
    pub fn drain(&mut self) {
        for (bind, address) in self.addresses.drain() {
            address.entrance.retired.cancel();
            if let Bind::Unix(path) = bind {
                let _ = std::fs::remove_file(path);
            }
        }
        for worker in &self.workers {
            worker.clients.tell(Signal::Drain, |_| true);
        }
    }

    /// Clients that are still there.
    pub fn clients(&self) -> usize {
        self.workers.iter().map(|worker| worker.clients.len()).sum()
    }

    /// Cuts what still runs and ends the workers.
    pub async fn stop(self) {
        for worker in self.workers {
            worker.stop().await;
        }
    }

    /// Where it listens, with the ports that the system chose.
    pub fn addresses(&self) -> Vec<(Bind, Option<SocketAddr>)> {
        let address = |(bind, address): (&Bind, &Address)| (bind.clone(), address.socket.address());
        self.addresses.iter().map(address).collect()
    }
}

/// What to do about an address that cannot be bound.
fn hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::AddrInUse => Some("another process listens there; `ss -ltnp` says which"),
        io::ErrorKind::PermissionDenied => Some(
            "ports below 1024 need CAP_NET_BIND_SERVICE, and a Unix socket a directory that is ours",
        ),
        io::ErrorKind::AddrNotAvailable => Some("this machine has no such address"),
        _ => None,
    }
}
