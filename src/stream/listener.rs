//! Sockets that listen, of either kind, before and after they are in a runtime.
//!
//! In: a socket that somebody bound. Out: connections, as [`Socket`]s. Where and how to bind is the
//! business of who listens.

use std::{
    io,
    net::{self, SocketAddr},
    os::unix,
    task::{Context, Poll},
};

use tokio::net::{TcpListener, UnixListener};

use super::Socket;

/// A socket that listens, not yet in any runtime.
#[derive(Debug)]
pub enum Listening {
    /// TCP.
    Tcp(net::TcpListener),
    /// A Unix socket.
    Unix(unix::net::UnixListener),
}

impl Listening {
    /// The same socket once more.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }

    /// The address, for a port that the system chose.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// A socket that listens in the runtime that made it one.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl Listener {
    /// Takes a socket, which does not block, into this runtime.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub fn new(socket: Listening) -> io::Result<Self> {
        match socket {
            Listening::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            Listening::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    /// The next connection, and who is at its other end; a Unix socket tells nobody.
    pub fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Socket, Option<SocketAddr>)>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, peer)| {
                // Without it an answer's last piece waits for the client's acknowledgement.
                let _ = stream.set_nodelay(true);
                (Socket::Tcp(stream), Some(peer))
            }),
            Self::Unix(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, _)| (Socket::Unix(stream), None))
            }
        }
    }
}
