//! The door's socket: one listener, on TCP or at a path of the file system.
//!
//! In: an address. Out: a socket that listens, and the file that goes with it. A Unix socket is for
//! its owner alone from its first moment on; so is the directory, if it has to be made.

use std::{fs, io, net::TcpListener, os::unix::fs::DirBuilderExt as _};

use crate::{
    snapshot::Bind,
    stream::{Listening, SocketFile, bind_unix},
};

/// The kernel's queue of connections that were not yet accepted.
const BACKLOG: i32 = 64;

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) socket: Listening,
    /// Where, with the port that the system chose.
    pub(super) address: Bind,
    pub(super) file: Option<SocketFile>,
}

/// Binds an address.
pub(super) fn bind(bind: &Bind) -> io::Result<Bound> {
    match bind {
        Bind::Tcp(address) => {
            let socket = TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            let address = Bind::Tcp(socket.local_addr()?);
            Ok(Bound { socket: Listening::Tcp(socket), address, file: None })
        }
        Bind::Unix(path) => {
            if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let (socket, file) = bind_unix(path, Some(0o600), BACKLOG)?;
            Ok(Bound { socket, address: bind.clone(), file: Some(file) })
        }
        Bind::Systemd(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, path::Path};

    use super::*;

    #[test]
    fn a_unix_socket_is_for_its_owner_and_goes_with_its_door() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/admin.sock");
        let address = Bind::Unix(path.clone());
        let bound = bind(&address).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);

        assert_eq!(bind(&address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_makes_room_and_a_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let bound = bind(&Bind::Unix(path.clone())).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(bound);
        assert!(bind(&Bind::Unix(path.clone())).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
