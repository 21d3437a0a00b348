//! A new connection to an endpoint: name, socket, TLS, and the first words of HTTP.

use std::sync::Arc;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::{
    compile::Settings,
    connections::Room,
    dialogue::Dialogue,
    endpoint::Origin,
    failure::Failure,
    heard::Heard,
    http2,
    pool::{Http1, Http2, Open, Pool, Streams},
};
use crate::{
    config::UpstreamProtocol as Protocol, dial, reject::Reject, stream::Stream, worker::Rouser,
};

/// hyper's own bound of what it buffers of an HTTP/1 connection, and what it needs of that beside a head.
const BUFFER: usize = 400 << 10;
const SPARE: usize = 8 << 10;

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

/// Connects for this pool, where there is room for it; says `introduction` before anything else.
///
/// # Errors
/// Which step failed: the name, the connection, TLS, or the protocol's own handshake.
pub(super) async fn connect(
    protocol: Protocol,
    introduction: Option<&[u8]>,
    pool: &Arc<Pool>,
    room: Room,
) -> Result<Connection, Failure> {
    let origin = &pool.origin;
    let (stream, is_http2) = origin.open(protocol, introduction).await?;
    let open = pool.connected();
    if is_http2 {
        let (sender, streams) = http2::speak((stream, room), &origin.settings, open).await?;
        return Ok(Connection::Http2(sender, streams));
    }
    let sender = speak_http1((stream, room), &origin.settings, open).await;
    sender.map(Connection::Http1).map_err(|error| Failure::caused(Reject::ConnectFailed, error))
}

impl Origin {
    /// Connects; says `introduction` before anything else. Says whether HTTP/2 is to be spoken.
    pub(super) async fn open(
        &self,
        protocol: Protocol,
        introduction: Option<&[u8]>,
    ) -> Result<(Stream, bool), Failure> {
        let mut socket = dial::open(&self.settings.address, &self.resolved).await?;
        if let Some(header) = introduction {
            socket.write_all(header).await.map_err(Failure::from_connect)?;
        }
        let Some(tls) = &self.tls else {
            return Ok((Stream::Clear(socket), protocol == Protocol::Http2));
        };
        let config = match protocol {
            Protocol::Http1 => &tls.config_http1,
            Protocol::Auto | Protocol::Http2 => &tls.config,
        };
        let connector = TlsConnector::from(config.clone());
        let stream = connector.connect(tls.name.clone(), socket).await;
        let stream = stream.map_err(|error| Failure::caused(Reject::UpstreamTls, error))?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if protocol == Protocol::Http2 && !is_http2 {
            let error = "the endpoint does not offer HTTP/2 (ALPN)";
            return Err(Failure::caused(Reject::UpstreamTls, error));
        }
        Ok((Stream::Tls(Box::new(stream.into())), is_http2))
    }
}

async fn speak_http1(
    (stream, room): (Stream, Room),
    settings: &Settings,
    open: Open,
) -> Result<Http1, hyper::Error> {
    let (size, fields) = (settings.max_header_size, usize::from(settings.max_headers));
    let mut builder = http1::Builder::new();
    // It counts the empty line before a head.
    builder.max_header_size(size.saturating_add(3));
    if size > BUFFER - SPARE {
        builder.max_buf_size(size.saturating_add(SPARE));
    }
    // Up to 100 fields are held on the stack, where it is said or not; for more it allocates, twice
    // for each answer and with whatever number is said.
    if fields != 100 {
        builder.max_headers(fields);
    }
    let dialogue = Arc::new(Dialogue::default());
    let hold = room.hold();
    let io = Heard { stream, ear: dialogue.clone(), lost: None, _room: room };
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await?;
    let rouser = Arc::new(Rouser::default());
    rouser.spawn(async move {
        drop(connection.with_upgrades().await);
        drop(open);
    });
    Ok(Http1 { sender, dialogue, rouser, hold })
}
