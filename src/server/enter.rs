//! What happens to a connection before a byte of TLS or HTTP is read: whose is it, and may they come?
//!
//! In: an accepted socket and who is at its other end. Out: the client's address; or why not, and the
//! connection is closed without a word. Of a PROXY header exactly its bytes are taken off the socket:
//! they are looked at first and then read, so that what follows needs no place of its own.

use std::{future::poll_fn, net::SocketAddr, pin::pin, task::Poll};

use super::connection::Site;
use crate::{
    limit::Permit,
    message::{ProxyHeader, Speaker},
    reject::Reject,
    snapshot::ProxyProtocol,
    stream::Socket,
    worker::Deadline,
};

/// Lets a connection in, with what it holds until it ends; or closes it: then there is nothing.
pub(super) async fn enter(
    site: &Site,
    socket: &Socket,
    peer: Option<SocketAddr>,
) -> Result<(Option<SocketAddr>, Option<Permit>), Closed> {
    let client = match &site.listener.proxy_protocol {
        None => Ok(peer),
        // Boxed, since it is rare: every connection's state would have room for it.
        Some(from) => Box::pin(proxied(site, from, socket, peer)).await,
    };
    let admitted = client.and_then(|client| {
        let ip = client.map(|client| client.ip().to_canonical());
        site.listener.access.admit_peer(ip)?;
        // Proxies speak for many.
        if site.listener.trusts(ip) {
            return Ok((client, None));
        }
        let permit = site.listener.per_address.connect(ip, site.listener.tls.is_some())?;
        Ok((client, permit))
    });
    admitted.map_err(|reject| {
        site.listener.metrics.refuse(site.worker.index, reject as usize);
        let (listener, reason) = (&*site.listener.name, reject.reason());
        tracing::debug!(listener, reason, ?peer, "a connection is closed");
        Closed
    })
}

/// The connection is to be closed; it was counted.
pub(super) struct Closed;

/// The client for whom a proxy speaks.
async fn proxied(
    site: &Site,
    from: &ProxyProtocol,
    socket: &Socket,
    peer: Option<SocketAddr>,
) -> Result<Option<SocketAddr>, Reject> {
    if !from.is_named(peer) {
        return Err(Reject::ProxyStranger);
    }
    let mut deadline = Deadline::new(&site.worker.clock, from.timeout);
    let mut header = pin!(header(socket));
    let speaker = poll_fn(|cx| match header.as_mut().poll(cx) {
        Poll::Ready(speaker) => Poll::Ready(speaker),
        Poll::Pending => deadline.poll(cx).map(|()| Err(Reject::ProxyTimeout)),
    });
    Ok(match speaker.await? {
        Speaker::Client(client) => Some(client),
        Speaker::Proxy => peer,
    })
}

/// Reads the header, and not a byte more.
async fn header(socket: &Socket) -> Result<Speaker, Reject> {
    let mut header = Vec::new();
    let mut piece = [0; 256];
    loop {
        let seen = socket.peek(&mut piece).await.map_err(|_| Reject::ProxyHeader)?;
        let before = header.len();
        header.extend_from_slice(&piece[..seen]);
        let parsed = ProxyHeader::parse(&header).map_err(|_| Reject::ProxyHeader)?;
        let end = match parsed {
            _ if seen == 0 => return Err(Reject::ProxyHeader),
            ProxyHeader::Partial => header.len(),
            ProxyHeader::Whole(end, _) => end,
        };
        // They are there: they were seen.
        let taken = socket.try_read(&mut piece[..end - before]).map_err(|_| Reject::ProxyHeader)?;
        match parsed {
            ProxyHeader::Whole(_, speaker) if before + taken == end => return Ok(speaker),
            _ => header.truncate(before + taken),
        }
    }
}
