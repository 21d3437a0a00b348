//! A WebSocket that says back what it is told: as much of RFC 6455 as an echo needs.
//!
//! In: a connection after 101. Out: every data frame, unmasked; a pong for a ping; a close for a close.
//! For the demo's origins only; the gateway itself never looks into a tunnel.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A larger frame ends the connection.
const LARGEST: u64 = 1 << 20;

const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`.
pub(super) fn accept(key: &[u8]) -> String {
    let text = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &text))
}

/// Says back what it is told, until either side has enough.
pub(super) async fn echo<S>(mut stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let first = stream.read_u8().await?;
        let second = stream.read_u8().await?;
        let length = match second & !MASKED {
            126 => u64::from(stream.read_u16().await?),
            127 => stream.read_u64().await?,
            short => u64::from(short),
        };
        let code = match (second & MASKED, length) {
            (0, _) => Some(1002_u16),
            (_, LARGEST..) => Some(1009),
            _ => None,
        };
        if let Some(code) = code {
            return write(&mut stream, FIN | CLOSE, &code.to_be_bytes()).await;
        }
        let payload = unmasked(&mut stream, length).await?;
        match first & 0x0F {
            CLOSE => return write(&mut stream, FIN | CLOSE, &payload).await,
            PING => write(&mut stream, FIN | PONG, &payload).await?,
            PONG => {}
            _ => write(&mut stream, first, &payload).await?,
        }
    }
}

async fn unmasked<S: AsyncRead + Unpin>(stream: &mut S, length: u64) -> io::Result<Vec<u8>> {
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await?;
    let mut payload = Vec::new();
    let got = (&mut *stream).take(length).read_to_end(&mut payload).await?;
    if (got as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(payload)
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, first: u8, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(u8::try_from(short).unwrap_or_default()),
        length => match u16::try_from(length) {
            Ok(length) => {
                frame.push(126);
                frame.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                frame.push(127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        },
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_has_the_answer_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    /// A frame of a client's, with a mask that changes nothing.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(MASKED | short as u8),
            length @ 126..65_536 => {
                frame.push(MASKED | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(MASKED | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    #[tokio::test]
    async fn every_kind_of_frame_has_its_answer() {
        let (long, longer) = (vec![7; 300], vec![8; 70_000]);
        for (sent, length) in [
            (frame(0x81, b"hello"), 5),
            (frame(0x02, b""), 0),
            (frame(0x82, &long), 300),
            (frame(0x82, &longer), 70_000),
        ] {
            let (mut client, server) = tokio::io::duplex(1 << 18);
            let serving = tokio::spawn(echo(server));
            client.write_all(&sent).await.unwrap();
            client.write_all(&frame(0x89, b"p")).await.unwrap();
            client.write_all(&frame(0x8A, b"ignored")).await.unwrap();
            client.write_all(&frame(0x88, &1000_u16.to_be_bytes())).await.unwrap();
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            assert_eq!(got[0], sent[0]);
            let tail = [0x8A, 1, b'p', 0x88, 2, 0x03, 0xE8];
            assert!(got.ends_with(&tail), "{:?}", &got[got.len().saturating_sub(9)..]);
            let header = got.len() - tail.len() - length;
            assert_eq!(header, match length { 0..126 => 2, 126..65_536 => 4, _ => 10 });
            serving.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_not_masked_or_too_large_is_closed() {
        for (sent, code) in [
            (vec![0x81, 1, b'x'], 1002_u16),
            (vec![0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0], 1009),
        ] {
            let (mut client, server) = tokio::io::duplex(1 << 10);
            client.write_all(&sent).await.unwrap();
            echo(server).await.unwrap();
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, [&[0x88, 2], &code.to_be_bytes()[..]].concat());
        }
    }
}
