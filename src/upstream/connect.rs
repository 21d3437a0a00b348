//! A new connection to an endpoint: name, socket, TLS, and the first words of HTTP.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::{
    address::{Address, Place},
    failure::Failure,
    pool::{Counted, Http1, Http2, Pool, Streams},
    resolve::Resolved,
};
use crate::{
    config::UpstreamProtocol as Protocol,
    reject::Reject,
    stream::{Socket, Stream},
};

/// TLS to an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<rustls::ClientConfig>,
    /// The same, offering HTTP/1.1 only.
    pub(super) config_http1: Arc<rustls::ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// A connection that speaks one of the two protocols.
pub(super) enum Connection {
    Http1(Http1),
    Http2(Http2, Arc<Streams>),
}

/// Connects.
///
/// # Errors
/// Which step failed: the name, the connection, TLS, or the protocol's own handshake.
pub(super) async fn connect(
    address: &Address,
    resolved: &Resolved,
    tls: Option<&Tls>,
    protocol: Protocol,
    pool: &Arc<Pool>,
) -> Result<Connection, Failure> {
    let socket = open(address, resolved).await?;
    let (stream, http2) = match tls {
        None => (Stream::Clear(socket), protocol == Protocol::Http2),
        Some(tls) => {
            let config = match protocol {
                Protocol::Http1 => &tls.config_http1,
                Protocol::Auto | Protocol::Http2 => &tls.config,
            };
            let connector = TlsConnector::from(config.clone());
            let stream = connector.connect(tls.name.clone(), socket).await;
            let stream = stream.map_err(|error| Failure::caused(Reject::UpstreamTls, error))?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            if protocol == Protocol::Http2 && !http2 {
                let error = "the endpoint does not offer HTTP/2 (ALPN)";
                return Err(Failure::caused(Reject::UpstreamTls, error));
            }
            (Stream::Tls(Box::new(stream.into())), http2)
        }
    };
    speak(stream, http2, pool.connected()).await
}

async fn speak(stream: Stream, http2: bool, open: Counted) -> Result<Connection, Failure> {
    let failed = |error: hyper::Error| Failure::caused(Reject::ConnectFailed, error);
    let io = TokioIo::new(stream);
    if http2 {
        let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20)
            .handshake(io)
            .await
            .map_err(failed)?;
        let streams = Streams::new(connection.current_max_send_streams());
        let known = streams.clone();
        // How a connection ends is told by the exchanges on it.
        tokio::spawn(poll_fn(move |cx| {
            let _ = &open;
            let ended = Pin::new(&mut connection).poll(cx).map(drop);
            known.most.store(connection.current_max_send_streams(), Relaxed);
            ended
        }));
        Ok(Connection::Http2(sender, streams))
    } else {
        let (sender, connection) = http1::Builder::new().handshake(io).await.map_err(failed)?;
        tokio::spawn(async move {
            drop(connection.with_upgrades().await);
            drop(open);
        });
        Ok(Connection::Http1(sender))
    }
}

async fn open(address: &Address, resolved: &Resolved) -> Result<Socket, Failure> {
    match &address.place {
        Place::Ip(ip, port) => {
            tcp(SocketAddr::new(*ip, *port)).await.map_err(Failure::from_connect)
        }
        Place::Unix(path) => {
            UnixStream::connect(path).await.map(Socket::Unix).map_err(Failure::from_connect)
        }
        Place::Name(name, port) => {
            let addresses = resolved.addresses(name, *port).await;
            let addresses = addresses.map_err(|error| Failure::caused(Reject::Resolve, error))?;
            let mut last = Failure::new(Reject::Resolve);
            for address in addresses {
                match tcp(address).await {
                    Ok(socket) => return Ok(socket),
                    Err(error) => last = Failure::from_connect(error),
                }
            }
            Err(last)
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Socket::Tcp(stream))
}
