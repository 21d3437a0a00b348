//! Sockets to listen on: bound by control, one for each worker, before anything is promised.
//!
//! Those of TCP do not listen before [`listen`]: the kernel would give them their share of the clients at once, and
//! close it with them if what they are for is refused.
//!
//! TCP: one socket for each worker with `SO_REUSEPORT`, so that the kernel spreads connections and
//! no worker is woken for another's. Since that option would also let a second gateway share the port
//! unseen, the address is first tried without it, unless it overlaps with one of this gateway's own: a listener may be
//! made wider or narrower, and two may overlap, of which the narrower one gets what is for both. Unix sockets, and sockets that the service manager
//! passed, are shared by the workers.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{
    snapshot::Bind,
    stream::{Listening, SocketFile, bind_unix},
};

/// The kernel's queue of connections that were not yet accepted; it caps this by `somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds an address for so many workers, and says which file that made; `is_own` says whether what is at an
/// address is this gateway's.
///
/// # Errors
/// What the system says; the address is not in it.
pub(super) fn bind(
    bind: &Bind,
    mode: Option<u32>,
    passed: &Passed,
    workers: usize,
    is_own: impl Fn(SocketAddr) -> bool,
) -> io::Result<(Vec<Listening>, Option<SocketFile>)> {
    let sockets = match bind {
        Bind::Tcp(address) => {
            if !is_own(*address) {
                try_alone(*address)?;
            }
            more_tcp(*address, workers)?
        }
        Bind::Unix(path) => {
            let (first, file) = bind_unix(path, mode, BACKLOG)?;
            return Ok((share(first, workers)?, Some(file)));
        }
        Bind::Systemd(name) => share(passed.named(name)?, workers)?,
    };
    Ok((sockets, None))
}

/// Has a socket of TCP that was bound listen; `is_own` as for [`bind`].
///
/// # Errors
/// Another process was faster; or what the system says.
pub(super) fn listen(socket: &Listening, is_own: impl Fn(SocketAddr) -> bool) -> io::Result<()> {
    let (Listening::Tcp(socket), Some(address)) = (socket, socket.address()) else { return Ok(()) };
    if !is_own(address) {
        try_alone(address)?;
    }
    SockRef::from(socket).listen(BACKLOG)
}

/// Whether two addresses have clients in common.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (ip, another) = (one.ip(), other.ip());
    let is_any = ip.is_unspecified() || another.is_unspecified();
    one.port() == other.port() && (is_any || ip == another)
}

/// More sockets where one is bound already, for more workers.
pub(super) fn more(bound: &Bind, one: &Listening, count: usize) -> io::Result<Vec<Listening>> {
    match (bound, one.address()) {
        // The port that it has, which the system may have chosen.
        (Bind::Tcp(_), Some(address)) => {
            (0..count).map(|_| tcp(address, true).map(Listening::Tcp)).collect()
        }
        _ => (0..count).map(|_| one.try_clone()).collect(),
    }
}

fn more_tcp(address: SocketAddr, workers: usize) -> io::Result<Vec<Listening>> {
    let first = tcp(address, true)?;
    // Port 0 is one port for all of them.
    let address = first.local_addr()?;
    let mut all = vec![Listening::Tcp(first)];
    for _ in 1..workers {
        all.push(Listening::Tcp(tcp(address, true)?));
    }
    Ok(all)
}

/// Fails if somebody listens there.
fn try_alone(address: SocketAddr) -> io::Result<()> {
    tcp(address, false).map(drop)
}

fn tcp(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` is for IPv4 too, as in nginx's `ipv6only=off` and everybody's expectation.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn share(first: Listening, workers: usize) -> io::Result<Vec<Listening>> {
    let mut all = Vec::with_capacity(workers);
    for _ in 1..workers {
        all.push(first.try_clone()?);
    }
    all.push(first);
    Ok(all)
}

/// Sockets that the service manager passed (`sd_listen_fds(3)`), by name; nothing for one that takes no
/// connections. They stay open, so that a listener can go and come again, and their files are not ours.
#[derive(Debug, Default)]
pub struct Passed(Vec<(String, Option<Listening>)>);

impl Passed {
    /// Takes them from the environment. To be called once, before there are threads.
    pub fn from_environment() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(String::from);
        let mut fds = ListenFd::from_env();
        let mut passed = Vec::new();
        for index in 0..fds.len() {
            // What systemd calls a socket without a name.
            let name =
                names.next().filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".into());
            let tcp = fds.take_tcp_listener(index).ok().flatten().map(Listening::Tcp);
            let unix = || fds.take_unix_listener(index).ok().flatten().map(Listening::Unix);
            passed.push((name, tcp.or_else(unix)));
        }
        Self(passed)
    }

    fn named(&self, name: &str) -> io::Result<Listening> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        let (socket, another) = (found.next(), found.next());
        if another.is_some() {
            let message = "the service manager passed several of this name; \
                to have names of their own, they need units of their own";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let Some((_, socket)) = socket else {
            let known: Vec<_> = self.names().collect();
            let message = match known.is_empty() {
                true => "the service manager passed no sockets".to_owned(),
                false => format!("the service manager passed only {}", known.join(", ")),
            };
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        };
        let message = "what the service manager passed takes no connections (`ListenStream` would)";
        let no_listener = || io::Error::new(io::ErrorKind::InvalidInput, message);
        let socket = socket.as_ref().ok_or_else(no_listener)?.try_clone()?;
        match &socket {
            Listening::Tcp(socket) => socket.set_nonblocking(true)?,
            Listening::Unix(socket) => socket.set_nonblocking(true)?,
        }
        Ok(socket)
    }

    /// The name of the one that is bound to an address.
    pub(super) fn at(&self, bind: &Bind) -> Option<&str> {
        let is_there = |socket: &Listening| match bind {
            Bind::Tcp(address) => socket.address() == Some(*address),
            Bind::Unix(path) => socket.path().as_ref() == Some(path),
            Bind::Systemd(_) => false,
        };
        let found = self.0.iter().find(|(_, socket)| socket.as_ref().is_some_and(is_there));
        found.map(|(name, _)| &**name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}
