//! Sockets that listen, of either kind, before and after they are in a runtime.
//!
//! In: a socket that somebody bound. Out: connections, as [`Socket`]s. Where and how to bind is the
//! business of who listens.

use std::{
    fs, io,
    net::{self, SocketAddr},
    os::unix::{
        self,
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    task::{Context, Poll},
};

use rustix::fs::{Mode, fchmod};
use socket2::{Domain, SockAddr, SockRef, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

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

    /// The file, of a Unix socket that has one.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(socket) => Some(socket.local_addr().ok()?.as_pathname()?.to_owned()),
        }
    }
}

/// Whether nobody listens at a Unix socket's path any more. It is not waited for an answer: who listens and is too
/// busy to accept has a full queue, and nobody knows for how long.
fn is_deserted(path: &Path) -> bool {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None);
    let connected = socket.and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    });
    connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Removes the file of a Unix socket on which nobody listens any more: it is in the way of the next.
///
/// # Errors
/// Somebody listens there, or it is no socket; a link is none, wherever it leads.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of this name"))
        }
        Ok(_) if is_deserted(path) => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(_) => Ok(()),
    }
}

/// Listens at a path, whose file those may use whom the bits of a mode name from its first moment on; without
/// one, whom the umask leaves.
///
/// # Errors
/// Somebody listens there, or there is another file; or what the system says.
pub fn bind_unix(
    path: &Path,
    mode: Option<u32>,
    backlog: i32,
) -> io::Result<(Listening, SocketFile)> {
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    if let Some(mode) = mode {
        // Before it has a name: the file is made with this mode, so nobody can slip in between.
        fchmod(&socket, Mode::from_raw_mode(mode))?;
    }
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::at(path)?;
    if let Some(mode) = mode {
        // The umask took from it.
        file.permit(mode)?;
    }
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok((Listening::Unix(socket.into()), file))
}

/// The file of a Unix socket that listens; it goes with this.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Which file it is: another gateway may have put its own in this one's place.
    inode: u64,
}

impl SocketFile {
    /// The file at a path, right after a socket was bound there.
    ///
    /// # Errors
    /// There is none.
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: fs::symlink_metadata(path)?.ino() })
    }

    /// Lets those connect that these bits of a mode name.
    ///
    /// # Errors
    /// It is not ours.
    pub fn permit(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))
    }

    /// Whether somebody removed it, and nobody listens in its place: its clients find nobody.
    pub fn is_lost(&self) -> bool {
        match fs::symlink_metadata(&self.path) {
            Ok(found) if found.ino() == self.inode || !found.file_type().is_socket() => false,
            Ok(_) => is_deserted(&self.path),
            Err(_) => true,
        }
    }

    /// Leaves the place to the next, whose file may have the same number.
    pub const fn leave(&mut self) {
        self.inode = 0;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Unless it is another's by now.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
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

    /// A connection that waits in the system's queue, of which the runtime may not know yet.
    ///
    /// # Errors
    /// None does; or what the system says.
    pub fn accept_waiting(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = SockRef::from(listener).accept()?;
                stream.set_nonblocking(true)?;
                let stream = TcpStream::from_std(stream.into())?;
                let _ = stream.set_nodelay(true);
                Ok((Socket::Tcp(stream), peer.as_socket()))
            }
            Self::Unix(listener) => {
                let (stream, _) = SockRef::from(listener).accept()?;
                stream.set_nonblocking(true)?;
                Ok((Socket::Unix(UnixStream::from_std(stream.into())?), None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_lost_when_nobody_listens_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (_listening, file) = bind_unix(&path, None, 1).unwrap();
        assert!(!file.is_lost());
        // Kept, so that the next one has another number.
        fs::rename(&path, folder.path().join("aside")).unwrap();
        assert!(file.is_lost());
        let other = unix::net::UnixListener::bind(&path).unwrap();
        assert!(!file.is_lost(), "it is another's now");
        drop(other);
        assert!(file.is_lost(), "who has died since");
    }

    #[test]
    fn who_listens_and_accepts_nobody_keeps_its_place_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (listening, file) = bind_unix(&path, None, 1).unwrap();
        fs::rename(&path, folder.path().join("aside")).unwrap();
        let busy = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let address = SockAddr::unix(&path).unwrap();
        busy.bind(&address).unwrap();
        busy.listen(0).unwrap();
        let connect = || {
            let client = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            client.connect(&address).map(|()| client)
        };
        let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
        assert!(!waiting.is_empty(), "its queue is full");

        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let place = path.clone();
        std::thread::spawn(move || {
            let taken = remove_stale(&place).map_err(|error| error.kind());
            tell.send((file.is_lost(), taken)).unwrap();
        });
        let found = told.recv_timeout(std::time::Duration::from_secs(5));
        assert_eq!(found, Ok((false, Err(io::ErrorKind::AddrInUse))));
        drop((listening, waiting));
    }

    #[test]
    fn only_a_socket_that_nobody_has_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        let kind = |name| remove_stale(&path(name)).map_err(|error| error.kind());
        assert_eq!(kind("nothing"), Ok(()));

        let used = unix::net::UnixListener::bind(path("used")).unwrap();
        assert_eq!(kind("used"), Err(io::ErrorKind::AddrInUse));
        drop(used);
        unix::fs::symlink(path("used"), path("link")).unwrap();
        assert_eq!(
            kind("link"),
            Err(io::ErrorKind::AlreadyExists),
            "what it leads to is another's"
        );
        assert_eq!(kind("used"), Ok(()));
        assert!(!path("used").exists());

        fs::write(path("file"), "mine").unwrap();
        assert_eq!(kind("file"), Err(io::ErrorKind::AlreadyExists));
    }
}
