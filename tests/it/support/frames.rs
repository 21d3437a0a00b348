//! HTTP/2 by hand: frames as bytes, good ones and others (RFC 9113).

use std::net::SocketAddr;

use super::Client;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// A frame, whatever its length says of its sense.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A field block: literals without indexing, without Huffman (RFC 7541, 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(name.as_bytes(), &mut block);
        string(value.as_bytes(), &mut block);
    }
    block
}

fn string(bytes: &[u8], block: &mut Vec<u8>) {
    let mut length = bytes.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).unwrap());
    }
    block.extend_from_slice(bytes);
}

/// What every request needs, and more fields.
pub(crate) fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields =
        vec![(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a.example")];
    fields.extend_from_slice(more);
    fields
}

/// A frame that came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How an exchange went for the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// A stream was answered; the answer's body.
    Answer(Vec<u8>),
    /// A stream was reset with this code.
    Reset(u32),
    /// The connection was ended with this code.
    GoAway(u32),
    /// The connection just ended.
    Closed,
}

/// A connection on which frames are written by hand.
pub(crate) struct Frames(Client);

impl Frames {
    /// A connection on which nothing was sent.
    pub(crate) async fn silent(address: SocketAddr) -> Self {
        Self(Client::connect(address).await)
    }

    /// A connection that began as it should.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut frames = Self::silent(address).await;
        frames.send(&[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()).await;
        frames
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.send(bytes).await;
    }

    /// The next frame; none when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let head = self.0.try_exactly(9).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = self.0.try_exactly(usize::try_from(length).unwrap()).await?;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of a kind, or the connection's end.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// How it went: what happens first to a stream or to the connection.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        let mut body = Vec::new();
        while let Some(frame) = self.next().await {
            match frame.kind {
                DATA => body.extend_from_slice(&frame.payload),
                RST_STREAM => return Outcome::Reset(code(&frame.payload, 0)),
                GOAWAY => return Outcome::GoAway(code(&frame.payload, 4)),
                _ => {}
            }
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                return Outcome::Answer(body);
            }
        }
        Outcome::Closed
    }
}

fn code(payload: &[u8], at: usize) -> u32 {
    payload[at..].first_chunk().map_or(u32::MAX, |code| u32::from_be_bytes(*code))
}
