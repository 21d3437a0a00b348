//! Sockets in, HTTP out: workers, the addresses they accept at, and how they come and go.
//!
//! In: snapshots. Out: requests for the chain. [`Server`] is control's side: it gets the sockets and
//! threads that a new snapshot needs *before* that holds ([`Server::prepare`]; [`Server::listen`], when all else is
//! there), so that nothing can fail when it puts them to work and lets the old go ([`Server::commit`]). An address that stays keeps its
//! socket, its queue and its connections.

mod accept;
mod address;
mod bind;
mod connection;
mod driver;
mod enter;
mod fate;
pub mod guard;
mod heads;
mod pulse;
mod streams;
mod watched;
mod worker;

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc};

use self::{
    address::{Address, Provision},
    fate::fate,
    worker::Handle,
};
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

/// What a new snapshot needs, there and not yet at work.
#[derive(Debug)]
pub struct Prepared {
    bound: Vec<(Bind, Address)>,
    provisions: HashMap<Bind, Provision>,
    staff: Staff,
}

/// Workers for a new snapshot, by their numbers.
#[derive(Debug, Default)]
struct Staff {
    /// They were about to leave.
    stay: Vec<usize>,
    begin: Vec<(usize, Handle)>,
}

impl Server {
    /// A server without workers; the first [`commit`](Self::commit) starts them.
    pub fn new(world: Arc<World>, passed: Passed) -> Self {
        let (workers, addresses, pulse) = (Vec::new(), HashMap::new(), Pulse::default());
        Self { world, passed, workers, addresses, pulse }
    }

    /// Gets what a snapshot needs and is not there yet: sockets, and workers.
    ///
    /// # Errors
    /// Each listener that cannot be bound, and why; or that the system has no thread or socket for all of
    /// it. What was had for the others is given back.
    pub async fn prepare(&mut self, snapshot: &Snapshot) -> Result<Prepared, Problems> {
        let bound = self.bind(snapshot)?;
        let provisions = self.provide(&bound, snapshot).map_err(|error| exhausted(&error))?;
        let staff = self.hire(snapshot.workers).await.map_err(|error| exhausted(&error))?;
        Ok(Prepared { bound, provisions, staff })
    }

    /// Has what was prepared listen, so that clients come to it: the last thing that can fail, since those who come to
    /// a socket are lost with it. Addresses that take none from others first.
    ///
    /// # Errors
    /// Somebody else was faster, or the system has no room.
    pub fn listen(&self, prepared: &Prepared, snapshot: &Snapshot) -> Result<(), Problem> {
        let is_tcp = |bind: &Bind| matches!(bind, Bind::Tcp(_));
        let is_own =
            |own: &Bind, at| self.is_own(prepared.bound.iter().filter(|(bind, _)| bind != own), at);
        let takes = |bind: &Bind| matches!(bind, Bind::Tcp(at) if is_own(bind, *at));
        let mut bound: Vec<_> = prepared.bound.iter().filter(|(bind, _)| is_tcp(bind)).collect();
        bound.sort_by_key(|(bind, _)| takes(bind));
        for (bind, address) in bound {
            let listens = address.listen(|at| is_own(bind, at));
            listens.map_err(|error| self.unbound(bind, snapshot, &error))?;
        }
        let more = prepared.provisions.iter().filter(|(bind, _)| is_tcp(bind));
        more.map(|(_, provision)| provision)
            .try_for_each(Provision::listen)
            .map_err(|error| exhausted(&error))
    }

    /// Gives back what was prepared: its snapshot will not hold.
    pub async fn give_up(&self, prepared: Prepared) {
        self.dismiss(prepared.staff).await;
    }

    /// Whether what is at an address is this gateway's: at one of its own, or of these `new` ones.
    fn is_own<'a>(
        &'a self,
        new: impl Iterator<Item = &'a (Bind, Address)>,
        at: SocketAddr,
    ) -> bool {
        let new = new.map(|(_, address)| address);
        self.addresses.values().chain(new).any(|address| address.overlaps(at))
    }

    /// Binds what is not bound yet, or lost its file.
    fn bind(&self, snapshot: &Snapshot) -> Result<Vec<(Bind, Address)>, Problems> {
        let mut problems = Problems::new();
        let mut bound: Vec<(Bind, Address)> = Vec::new();
        for listener in &snapshot.listeners {
            if self.addresses.get(&listener.bind).is_some_and(|address| !address.is_lost()) {
                continue;
            }
            let is_own = |at| self.is_own(bound.iter(), at);
            let (bind, mode) = (&listener.bind, listener.mode);
            match bind::bind(bind, mode, &self.passed, snapshot.workers, is_own) {
                Ok((sockets, file)) => {
                    let address = Address::new(listener, sockets, file);
                    bound.push((listener.bind.clone(), address));
                }
                Err(error) => problems.push(self.unbound(bind, snapshot, &error)),
            }
        }
        if problems.is_empty() { Ok(bound) } else { Err(problems) }
    }

    /// Says why a listener cannot have its address.
    fn unbound(&self, bind: &Bind, snapshot: &Snapshot, error: &io::Error) -> Problem {
        let index = snapshot.listeners.iter().position(|listener| listener.bind == *bind);
        let at = Path::root().key("listener").index(index.unwrap_or_default()).key("address");
        let problem = Problem::error(at, format!("cannot listen on `{bind}`: {error}"));
        let passed = self.passed.at(bind);
        let passed = passed.map(|name| format!("it was passed: \"systemd:{name}\""));
        problem.help_if(passed.or_else(|| hint(error).map(str::to_owned)))
    }

    /// What the workers of a snapshot need to accept at its addresses.
    fn provide(
        &self,
        bound: &[(Bind, Address)],
        snapshot: &Snapshot,
    ) -> io::Result<HashMap<Bind, Provision>> {
        let of = |bind: &Bind, address: &Address| {
            Ok((bind.clone(), address.provide(bind, snapshot.workers)?))
        };
        let is_new = |bind| bound.iter().any(|(new, _)| new == bind);
        let stay = snapshot.listeners.iter().map(|listener| &listener.bind);
        let stay = stay.filter(|bind| !is_new(*bind));
        let stay = stay.filter_map(|bind| Some((bind, self.addresses.get(bind)?)));
        let new = bound.iter().map(|(bind, address)| (bind, address));
        stay.chain(new).map(|(bind, address)| of(bind, address)).collect()
    }

    /// Has the first so many workers stay, or gets new ones in their places.
    async fn hire(&mut self, count: usize) -> io::Result<Staff> {
        let mut staff = Staff::default();
        for index in 0..count {
            match self.workers.get_mut(index) {
                Some(worker) if worker.works() => continue,
                Some(worker) if worker.stay() => {
                    staff.stay.push(index);
                    continue;
                }
                // Two threads of one number would share what is a worker's own.
                Some(gone) => gone.join().await,
                None => {}
            }
            match Handle::start(index, self.world.clone()).await {
                Ok(worker) => staff.begin.push((index, worker)),
                Err(error) => {
                    self.dismiss(staff).await;
                    return Err(error);
                }
            }
        }
        Ok(staff)
    }

    async fn dismiss(&self, staff: Staff) {
        for index in staff.stay {
            self.workers[index].leave().await;
        }
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
    pub async fn commit(&mut self, prepared: Prepared, snapshot: &Snapshot) {
        self.retire(snapshot);
        for (bind, address) in prepared.bound {
            if let Some(lost) = self.addresses.insert(bind, address) {
                lost.make_room();
            }
        }
        for (index, worker) in prepared.staff.begin {
            worker.begin(index, &self.pulse).await;
            match self.workers.get_mut(index) {
                Some(gone) => *gone = worker,
                None => self.workers.push(worker),
            }
        }
        let (working, leaving) = self.workers.split_at(snapshot.workers);
        for listener in &snapshot.listeners {
            if let Some(address) = self.addresses.get_mut(&listener.bind) {
                address.hold(listener);
            }
        }
        for (bind, provision) in prepared.provisions {
            if let Some(address) = self.addresses.get_mut(&bind) {
                address.spread(provision, working).await;
            }
        }
        // Only now, when others accept in their place.
        for worker in leaving {
            worker.leave().await;
        }
    }

    /// Lets go of addresses that the snapshot has not, and of clients who may not stay.
    fn retire(&mut self, snapshot: &Snapshot) {
        let listeners = self.addresses.values().map(Address::listener);
        let fates: HashMap<_, _> =
            listeners.map(|before| (before.id, fate(before, snapshot))).collect();
        let stays = |bind: &Bind| snapshot.listener_at(bind).is_some();
        self.addresses.extract_if(|bind, _| !stays(bind)).for_each(|(_, gone)| gone.retire());
        for worker in &self.workers {
            worker.clients.each(|client| match fates.get(&client.listener()) {
                Some(Ok(listener)) => client.move_to(*listener),
                Some(Err(signal)) => client.state.tell(*signal),
                // It was told before.
                None => {}
            });
        }
    }

    /// Stops accepting, and tells every client to finish what was begun.
    pub fn drain(&mut self) {
        self.addresses.drain().for_each(|(_, address)| address.retire());
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

    /// Whether a listener has this address.
    pub fn listens_at(&self, bind: &Bind) -> bool {
        self.addresses.contains_key(bind)
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

fn exhausted(error: &io::Error) -> Problem {
    let message = format!("the system has no threads or sockets left: {error}");
    Problem::error(Path::root(), message)
        .help("fewer `server.workers`, or more descriptors and tasks (`ulimit -n`, `ulimit -u`, `TasksMax=`)")
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
