//! A WebSocket that says back what it is told (RFC 6455), for the demo's origins.
//!
//! In: a request for an upgrade. Out: the answer to it, and a task that echoes frame by frame until the
//! client closes. No extensions, and no frame beyond 64 KiB: what a demo needs, and no more.

use std::io;

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::message::websocket_accept;

/// The longest frame that is said back.
const LONGEST: u64 = 64 * 1024;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Answers a request for a WebSocket, and echoes on it from then on.
pub(super) fn accept(mut request: Request<Incoming>) -> Response<()> {
    let mut response = Response::new(());
    let Some(key) = key(request.headers()) else {
        *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return response;
    };
    let accept =
        HeaderValue::try_from(websocket_accept(key)).unwrap_or(HeaderValue::from_static(""));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // How a demo's conversation ends is nobody's concern.
        if let Ok(upgraded) = upgrade.await {
            let _ = echo(TokioIo::new(upgraded)).await;
        }
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// The key of a handshake, if it is one.
fn key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let asks = headers.get(UPGRADE)?.as_bytes().eq_ignore_ascii_case(b"websocket");
    let version = headers.get(SEC_WEBSOCKET_VERSION)? == "13";
    headers.get(SEC_WEBSOCKET_KEY).filter(|_| asks && version)
}

/// Says back every frame until the client closes.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    loop {
        let frame = match read(&mut stream).await {
            Ok(frame) => frame,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                // 1002, a protocol error.
                return write(&mut stream, &Frame::last(CLOSE, vec![0x03, 0xea])).await;
            }
            Err(error) => return Err(error),
        };
        match frame.opcode() {
            CLOSE => return write(&mut stream, &frame).await,
            PING => write(&mut stream, &Frame::last(PONG, frame.payload)).await?,
            PONG => {}
            _ => write(&mut stream, &frame).await?,
        }
    }
}

/// A frame, without its mask.
#[derive(Debug, Eq, PartialEq)]
struct Frame {
    /// Whether it is the last of its message, and its opcode.
    first: u8,
    payload: Vec<u8>,
}

impl Frame {
    fn last(opcode: u8, payload: Vec<u8>) -> Self {
        Self { first: 0x80 | opcode, payload }
    }

    const fn opcode(&self) -> u8 {
        self.first & 0xf
    }
}

/// Reads a client's frame (section 5.2). One without a mask, or too long, is invalid.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let first = stream.read_u8().await?;
    let second = stream.read_u8().await?;
    let length = match second & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    if second & 0x80 == 0 || first & 0x70 != 0 || length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await?;
    let mut payload = Vec::new();
    stream.take(length).read_to_end(&mut payload).await?;
    if payload.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok(Frame { first, payload })
}

/// Writes a server's frame: never masked.
async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let mut bytes = vec![frame.first];
    match u16::try_from(frame.payload.len()) {
        Ok(length @ ..=125) => bytes.push(length as u8),
        Ok(length) => {
            bytes.push(126);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(127);
            bytes.extend((frame.payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(&frame.payload);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ ..=125 => bytes.push(0x80 | length as u8),
            length @ ..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// What comes back for these bytes.
    async fn told(bytes: &[u8]) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let _ = echo(server).await;
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        back
    }

    #[tokio::test]
    async fn frames_come_back_without_a_mask() {
        assert_eq!(told(&masked(0x81, b"hello")).await, b"\x81\x05hello");
        // A message in two pieces stays in two.
        let pieces = [masked(0x02, b"a"), masked(0x80, b"b")].concat();
        assert_eq!(told(&pieces).await, b"\x02\x01a\x80\x01b");
        for length in [0, 125, 126, 65_535, 65_536] {
            let back = told(&masked(0x82, &vec![7; length])).await;
            assert!(back.ends_with(&vec![7; length]), "{length}");
            let head = if length < 126 { 2 } else { 4 + 6 * usize::from(length > 0xffff) };
            assert_eq!(back.len(), head + length, "{length}");
        }
    }

    #[tokio::test]
    async fn control_frames_are_answered_as_they_must_be() {
        assert_eq!(told(&masked(0x89, b"x")).await, b"\x8a\x01x");
        assert_eq!(told(&masked(0x8a, b"x")).await, b"");
        let both = [masked(0x88, b"\x03\xe8"), masked(0x81, b"late")].concat();
        assert_eq!(told(&both).await, b"\x88\x02\x03\xe8");
    }

    #[tokio::test]
    async fn what_is_no_client_frame_ends_it() {
        // Without a mask; with a reserved bit; too long.
        for bytes in [&b"\x81\x01x"[..], b"\xc1\x81\0\0\0\0x", b"\x82\xff\0\0\0\0\0\x01\0\x01"] {
            assert_eq!(told(bytes).await, b"\x88\x02\x03\xea");
        }
    }
}
