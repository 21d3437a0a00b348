//! A line of the access log: [`Record`], what is known of a finished request, and its two forms.
//!
//! In: borrowed facts. Out: bytes of one line, without its end. No allocation beyond the buffer's. A
//! client chooses much of what stands here, so both forms escape everything that could end the line,
//! forge a field or drive a terminal. Credentials cannot get here: there is no field for them, a user's
//! part of a URL is cut off, and [`Redaction`] hides values in queries.

mod escape;
mod json;
mod redaction;
mod text;
mod timestamp;

use std::net::IpAddr;

pub use self::{
    json::write_json,
    redaction::Redaction,
    text::{Paint, write_text},
};

/// What is known of a finished request. Bytes are what the client sent, with no promise about them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// When the request came, in milliseconds since 1970.
    pub time: u64,
    /// The request's id.
    pub id: &'a [u8],
    /// The client, as trusted peers tell it; none at a Unix socket.
    pub client: Option<IpAddr>,
    /// The other end of the connection; it stands in the line only if it is not the client.
    pub peer: Option<IpAddr>,
    /// The listener's name.
    pub listener: &'a str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'a str,
    /// The connection's TLS, if it has any.
    pub tls: Option<Tls<'a>>,
    /// The method.
    pub method: &'a [u8],
    /// The host the request is for.
    pub host: &'a [u8],
    /// The path, as it came.
    pub path: &'a [u8],
    /// The query, without its question mark.
    pub query: Option<&'a [u8]>,
    /// The status the client was sent; `None` if it had no answer at all.
    pub status: Option<u16>,
    /// What it asked of a service of GraphQL.
    pub operation: Option<Operation<'a>>,
    /// Why the request ended early.
    pub reason: Option<&'a str>,
    /// What the system or library said of it, if it happened on the way to an endpoint.
    pub cause: Option<&'a str>,
    /// What rules in trial would have refused it for.
    pub reported: Option<&'a str>,
    /// The route's name.
    pub route: Option<&'a str>,
    /// The upstream's name.
    pub upstream: Option<&'a str>,
    /// The endpoint that answered, or was tried last.
    pub endpoint: Option<&'a str>,
    /// Who it was: an identity's public name, never what proved it.
    pub user: Option<&'a [u8]>,
    /// The section `[auth.NAME]` that knows them.
    pub auth: Option<&'a str>,
    /// `User-Agent`.
    pub agent: Option<&'a [u8]>,
    /// `Referer`; its query is redacted like the request's.
    pub referer: Option<&'a [u8]>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Microseconds from the first byte of the head to the last of the answer.
    pub duration: u64,
    /// Microseconds that others took to say who makes the request; `None` if nobody was asked.
    pub identify: Option<u64>,
    /// Microseconds that it waited for its turn at a limit, if it did.
    pub waited: Option<u64>,
    /// Microseconds it took to connect to the endpoint; `None` if a connection was there.
    pub connect: Option<u64>,
    /// Microseconds from sending the request on to the head of its answer.
    pub first_byte: Option<u64>,
    /// What became of it at the cache, if its route has one.
    pub cache: Option<&'static str>,
    /// How often the request was sent on.
    pub tries: u32,
}

/// A connection's TLS.
#[derive(Clone, Copy, Debug)]
pub struct Tls<'a> {
    /// `TLSv1.3` and the like.
    pub version: &'a str,
    /// The cipher suite's name.
    pub cipher: &'a str,
}

/// An operation of GraphQL.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// Its name, which the client chose; the beginning of a long one is written.
    pub name: Option<&'a [u8]>,
    /// `query`, `mutation` or `subscription`.
    pub kind: &'a str,
    /// How deep its fields are nested.
    pub depth: u64,
    /// What it costs, if that is known.
    pub cost: Option<u64>,
}

impl Operation<'_> {
    fn name(&self) -> Option<&[u8]> {
        self.name.map(|name| &name[..name.len().min(100)])
    }
}

impl Record<'_> {
    /// The host without a user's part. Validation refuses one; the log does not count on that.
    fn host(&self) -> &[u8] {
        self.host.rsplit(|byte| *byte == b'@').next().unwrap_or_default()
    }

    /// The other end of the connection, if it is not the client.
    fn other_peer(&self) -> Option<IpAddr> {
        self.peer.filter(|peer| self.client != Some(*peer))
    }
}

fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A client at a Unix socket has no address.
fn client(client: Option<IpAddr>, out: &mut Vec<u8>) {
    match client {
        Some(ip) => address(ip, out),
        None => out.extend_from_slice(b"unix"),
    }
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            integer(first, out);
            for octet in rest {
                out.push(b'.');
                integer(octet, out);
            }
        }
        IpAddr::V6(address) => {
            use std::io::Write as _;
            // A `Vec` takes everything; there is no error to see.
            let _ = write!(out, "{address}");
        }
    }
}

#[cfg(test)]
mod tests;
