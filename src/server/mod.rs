//! Sockets in, HTTP out: workers, the addresses they accept at, and how they come and go.
//!
//! In: snapshots. Out: requests for the chain. [`Server`] is control's side: it binds what a new
//! snapshot needs *before* that holds ([`Server::prepare`]), and only then lets the old go
//! ([`Server::commit`]). An address that stays keeps its socket, its queue and its connections.

mod accept;
mod address;
mod bind;
mod connection;
mod enter;
pub mod guard;
mod pulse;
mod streams;
mod watched;
mod worker;

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc};

use self::{address::Address, worker::Handle};
pub use self::{bind::Passed, pulse::Pulse};
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
    /// Those that work, and then those that leave or have gone: a worker's number is its place.
    workers: Vec<Handle>,
    addresses: HashMap<Bind, Address>,
    pulse: Pulse,
}

/// Sockets that a new snapshot needs, bound and not yet accepting.
#[derive(Debug, Default)]
pub struct Prepared(Vec<(Bind, usize, Vec<Listening>)>);

impl Prepared {
    fn has_port(&self, port: u16) -> bool {
        self.0.iter().flat_map(|(.., sockets)| sockets).any(|socket| is_at(socket, port))
    }
}

fn is_at(socket: &Listening, port: u16) -> bool {
    socket.address().is_some_and(|address| address.port() == port)
}

impl Server {
    /// A server without workers; the first [`commit`](Self::commit) starts them.
    pub fn new(world: Arc<World>, passed: Passed) -> Self {
        let (workers, addresses, pulse) = (Vec::new(), HashMap::new(), Pulse::default());
        Self { world, passed, workers, addresses, pulse }
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
            let is_own = |port| self.has_port(port) || prepared.has_port(port);
            match bind::bind(&listener.bind, &self.passed, snapshot.workers, is_own) {
                Ok(sockets) => prepared.0.push((listener.bind.clone(), listener.id, sockets)),
                Err(error) => {
                    let at = Path::root().key("listener").index(index).key("address");
                    let message = format!("cannot listen on `{}`: {error}", listener.bind);
                    let problem = Problem::error(at, message);
                    let passed = self.passed.at(&listener.bind);
                    let passed = passed.map(|name| format!("it was passed: \"systemd:{name}\""));
                    let help = passed.or_else(|| hint(&error).map(str::to_owned));
                    problems.push(problem.help_if(help));
                }
            }
        }
        if problems.is_empty() { Ok(prepared) } else { Err(problems) }
    }

    fn has_port(&self, port: u16) -> bool {
        self.addresses.values().filter_map(Address::socket).any(|socket| is_at(socket, port))
    }

    /// What should be looked at: sockets that were passed and that nobody takes.
    pub fn findings(&self, snapshot: &Snapshot) -> Problems {
        let is_taken = |name: &str| {
            let mut binds = snapshot.listeners.iter().map(|listener| &listener.bind);
            binds.any(|bind| matches!(bind, Bind::Systemd(known) if known == name))
        };
        let idle = self.passed.names().filter(|name| !is_taken(name));
        idle.map(|name| {
            let message = format!("the service manager passed `{name}`, and no listener takes it");
            Problem::finding(Path::root().key("listener"), message)
                .help(format!("its clients wait for ever; address = \"systemd:{name}\""))
        })
        .collect()
    }

    /// Makes the data plane what the snapshot says, which by now is the one that holds.
    ///
    /// # Errors
    /// The system has no thread or socket for all of it; what there is goes on.
    pub async fn commit(&mut self, prepared: Prepared, snapshot: &Snapshot) -> io::Result<()> {
        self.retire(snapshot);
        for (bind, listener, sockets) in prepared.0 {
            self.addresses.insert(bind, Address::new(listener, sockets));
        }
        for listener in &snapshot.listeners {
            if let Some(address) = self.addresses.get_mut(&listener.bind) {
                address.hold(listener.id, listener.max_connections);
            }
        }
        let staffed = self.staff(snapshot.workers).await;
        let working = self.workers.iter().take(snapshot.workers);
        let working = working.take_while(|worker| worker.works()).count();
        if working == 0 {
            return staffed;
        }
        for (bind, address) in &mut self.addresses {
            address.spread(bind, &self.workers[..working]).await?;
        }
        // Only now, when others accept in their place.
        for worker in self.workers.iter().skip(snapshot.workers) {
            worker.leave().await;
        }
        staffed
    }

    /// Lets go of addresses that the snapshot has not.
    fn retire(&mut self, snapshot: &Snapshot) {
        self.addresses.retain(|bind, address| {
            let stays = snapshot.listeners.iter().any(|listener| listener.bind == *bind);
            if !stays {
                address.retire(bind);
            }
            stays
        });
        for worker in &self.workers {
            worker.clients.tell(Signal::Drain, |listener| snapshot.listener(listener).is_none());
        }
    }

    /// Has the first so many workers work.
    async fn staff(&mut self, count: usize) -> io::Result<()> {
        for index in 0..count {
            match self.workers.get_mut(index) {
                Some(worker) if worker.stay() => {}
                Some(gone) => {
                    // Two threads of one number would share what is a worker's own.
                    gone.join().await;
                    *gone = Handle::start(index, self.world.clone(), &self.pulse)?;
                }
                None => self.workers.push(Handle::start(index, self.world.clone(), &self.pulse)?),
            }
        }
        Ok(())
    }

    /// Stops accepting, and tells every client to finish what was begun.
    pub fn drain(&mut self) {
        for (bind, address) in self.addresses.drain() {
            address.retire(&bind);
        }
        for worker in &self.workers {
            worker.clients.tell_all(Signal::Drain);
        }
    }

    /// What tells whether the workers live.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Clients that are still there.
    pub fn clients(&self) -> usize {
        self.workers.iter().map(|worker| worker.clients.len()).sum()
    }

    /// Cuts what still runs and ends the workers.
    pub async fn stop(self) {
        self.pulse.forget();
        for worker in self.workers {
            worker.stop().await;
        }
    }

    /// Where a listener's socket is, with the port that the system chose.
    pub fn address(&self, bind: &Bind) -> Option<SocketAddr> {
        self.addresses.get(bind)?.socket()?.address()
    }

    /// Where it listens, in words.
    pub fn places(&self) -> impl Iterator<Item = String> {
        self.addresses.iter().map(|(bind, address)| {
            let socket = address.socket();
            let tcp = socket.and_then(Listening::address).map(|address| address.to_string());
            let unix = || Some(Bind::Unix(socket?.path()?).to_string());
            tcp.or_else(unix).unwrap_or_else(|| bind.to_string())
        })
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
