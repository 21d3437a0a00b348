//! A new socket to an [`Address`], whose name is resolved now.

use std::{io, net::SocketAddr};

use tokio::net::{TcpStream, UnixStream};

use super::{Address, Place, Resolved};
use crate::stream::Socket;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    /// The name has no address.
    #[error("the name does not resolve: {0}")]
    Resolve(#[source] io::Error),
    /// Nobody takes the connection.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
}

/// Connects.
///
/// # Errors
/// Which step failed; of several addresses, what the last one came to.
pub async fn open(address: &Address, resolved: &Resolved) -> Result<Socket, NoConnection> {
    match &address.place {
        Place::Ip(ip, port) => {
            tcp(SocketAddr::new(*ip, *port)).await.map_err(NoConnection::Connect)
        }
        Place::Unix(path) => {
            UnixStream::connect(path).await.map(Socket::Unix).map_err(NoConnection::Connect)
        }
        Place::Name(name, port) => {
            let addresses = resolved.addresses(name, *port).await;
            let mut last = None;
            for address in addresses.map_err(NoConnection::Resolve)? {
                match tcp(address).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.map_or_else(
                || NoConnection::Resolve(io::ErrorKind::NotFound.into()),
                NoConnection::Connect,
            ))
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Socket::Tcp(stream))
}
