//! A client that says exactly what a test wants and takes apart what comes back.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Io, Message,
    message::{Framing, find, unchunk},
    soon,
};

/// A connection to a gateway.
pub(crate) struct Client {
    wire: Box<dyn Io>,
    /// Bytes that were read and belong to what comes next.
    held: Vec<u8>,
    over: bool,
    /// Whether the connection ended by an error, not by its end.
    pub(crate) broken: Option<io::ErrorKind>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon("connect", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(crate) async fn unix(path: &Path) -> Self {
        Self::over(soon("connect", UnixStream::connect(path)).await.unwrap())
    }

    /// Over a socket of the test's own making.
    pub(crate) fn over(wire: impl Io + 'static) -> Self {
        Self { wire: Box::new(wire), held: Vec::new(), over: false, broken: None }
    }

    /// Over TLS, asking for a name.
    pub(crate) async fn tls(address: SocketAddr, name: &str, config: ClientConfig) -> Self {
        Self::over(handshake(address, name, Arc::new(config)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = soon("send", self.wire.write_all(bytes.as_ref())).await;
        // A gateway may refuse before it has read everything; the answer says so.
        if sent.is_ok() {
            let _ = self.wire.flush().await;
        }
    }

    /// Sends as much as the other side takes within a moment that nobody reads in; says how much.
    pub(crate) async fn flood(
        &mut self,
        piece: &[u8],
        most: usize,
        quiet: std::time::Duration,
    ) -> usize {
        let mut sent = 0;
        while sent < most {
            match tokio::time::timeout(quiet, self.wire.write(piece)).await {
                Ok(Ok(count)) => sent += count,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        sent
    }

    /// Says that nothing more comes.
    pub(crate) async fn half_close(&mut self) {
        let _ = soon("half close", self.wire.shutdown()).await;
    }

    /// Sends a request without a body and reads its answer.
    pub(crate) async fn request(&mut self, line: &str, fields: &str) -> Message {
        self.send(format!("{line} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")).await;
        if line.starts_with("HEAD") { self.answer_to_head().await } else { self.answer().await }
    }

    /// Sends a request with a body and reads its answer.
    pub(crate) async fn request_with(
        &mut self,
        line: &str,
        fields: &str,
        body: impl AsRef<[u8]>,
    ) -> Message {
        let (body, host) = (body.as_ref(), "Host: a.example");
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\n{host}\r\n{fields}Content-Length: {length}\r\n\r\n");
        self.send([head.as_bytes(), body].concat()).await;
        self.answer().await
    }

    pub(crate) async fn get(&mut self, target: &str) -> Message {
        self.request(&format!("GET {target}"), "").await
    }

    /// The next answer, all of it; interim ones before it are read over.
    pub(crate) async fn answer(&mut self) -> Message {
        loop {
            let head = self.head().await;
            if !matches!(head.status(), 102..=199) {
                return self.body(head).await;
            }
        }
    }

    /// The next answer, which has no body whatever it says.
    pub(crate) async fn answer_to_head(&mut self) -> Message {
        Message { complete: true, ..self.head().await }
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> Message {
        let end = self.wait_for(b"\r\n\r\n").await;
        assert!(end.is_some(), "no answer, but {:?}", String::from_utf8_lossy(&self.held));
        let end = end.unwrap();
        let head = Message::parse(&self.held[..end]);
        self.held.drain(..end + 4);
        head
    }

    /// The rest of an answer.
    pub(crate) async fn body(&mut self, mut head: Message) -> Message {
        let framing = match head.status() {
            100..=199 | 204 | 304 => Framing::None,
            _ => head.framing(),
        };
        head.complete = true;
        match framing {
            Framing::None => {}
            Framing::Length(length) => {
                while self.held.len() < length && self.fill().await {}
                head.complete = self.held.len() >= length;
                head.body = self.held.drain(..length.min(self.held.len())).collect();
            }
            Framing::Chunked => loop {
                if let Some((data, trailers, length)) = unchunk(&self.held) {
                    (head.body, head.trailers) = (data, trailers);
                    self.held.drain(..length);
                    break;
                }
                if !self.fill().await {
                    head.complete = false;
                    head.body = std::mem::take(&mut self.held);
                    break;
                }
            },
            Framing::Close => {
                while self.fill().await {}
                head.complete = self.broken.is_none();
                head.body = std::mem::take(&mut self.held);
            }
        }
        head
    }

    /// Reads until these bytes come; everything up to and with them.
    pub(crate) async fn expect(&mut self, needle: impl AsRef<[u8]>) -> Vec<u8> {
        let needle = needle.as_ref();
        let at = self.wait_for(needle).await;
        let text = || String::from_utf8_lossy(needle).into_owned();
        assert!(at.is_some(), "no {:?}, but {:?}", text(), String::from_utf8_lossy(&self.held));
        self.held.drain(..at.unwrap() + needle.len()).collect()
    }

    /// Reads exactly so many bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.held.len() < count && self.fill().await {}
        assert!(self.held.len() >= count, "ended after {} bytes", self.held.len());
        self.held.drain(..count).collect()
    }

    /// Reads exactly so many bytes; none if the connection ends before.
    pub(crate) async fn try_exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.held.len() < count && self.fill().await {}
        (self.held.len() >= count).then(|| self.held.drain(..count).collect())
    }

    /// Waits for the connection's end; what came before it.
    pub(crate) async fn ended(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }

    async fn wait_for(&mut self, needle: &[u8]) -> Option<usize> {
        loop {
            if let Some(at) = find(&self.held, needle) {
                return Some(at);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Reads a piece; says whether there may be more.
    async fn fill(&mut self) -> bool {
        if self.over {
            return false;
        }
        let read = soon("read", self.wire.read_buf(&mut self.held)).await;
        self.broken = read.as_ref().err().map(io::Error::kind);
        self.over = matches!(read, Ok(0) | Err(_));
        !self.over
    }
}

/// A TLS connection, or why there is none. With TLS 1.3 a refused client certificate is seen only at
/// the first read.
pub(crate) async fn handshake(
    address: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = soon("connect", TcpStream::connect(address)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    soon("handshake", TlsConnector::from(config).connect(name, stream)).await
}
