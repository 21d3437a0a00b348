//! Origins that do what a test says, byte by byte, and remember what they were sent.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Io, Message,
    message::{Framing, find, unchunk},
    soon,
};

/// An origin; it ends when it is dropped.
pub(crate) struct Origin {
    /// What a route's `to` says.
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    memory: Arc<Memory>,
    task: JoinHandle<()>,
}

/// What an origin was sent.
#[derive(Default)]
struct Memory {
    /// Verbatim, by connection.
    bytes: Mutex<Vec<Vec<u8>>>,
    requests: Mutex<Vec<Message>>,
    open: AtomicUsize,
}

impl Origin {
    /// An origin that does this with each connection.
    pub(crate) async fn script<F, Fut>(script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::listening(listener, script)
    }

    /// An origin that answers as often as it was allowed to.
    pub(crate) async fn held() -> (Self, Arc<Semaphore>) {
        let may = Arc::new(Semaphore::new(0));
        let known = may.clone();
        let origin = Self::script(move |mut peer| {
            let may = known.clone();
            async move {
                while peer.request().await.is_some() {
                    may.acquire().await.unwrap().forget();
                    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }
        });
        (origin.await, may)
    }

    /// An origin that switches to whatever is asked for, and is silent then.
    pub(crate) async fn tunnels() -> Self {
        Self::script(|mut peer| async move {
            let asked = peer.request().await.and_then(|request| request.field("upgrade"));
            let asked = asked.unwrap_or_else(|| "x/1".into());
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ";
            peer.send(format!("{head}{asked}\r\n\r\n")).await;
            peer.ended().await;
        })
        .await
    }

    /// An origin that says the beginning of an answer, and then sends such bytes for as long as they are
    /// taken, up to `most`; and the count of them.
    pub(crate) async fn floods(
        beginning: impl Into<String>,
        byte: u8,
        most: usize,
    ) -> (Self, Arc<AtomicUsize>) {
        let (beginning, sent) = (Arc::new(beginning.into()), Arc::new(AtomicUsize::new(0)));
        let counter = sent.clone();
        let origin = Self::script(move |mut peer| {
            let (beginning, sent) = (beginning.clone(), counter.clone());
            async move {
                if peer.request().await.is_some() {
                    peer.send(&*beginning).await;
                    peer.flood(&[byte; 64 << 10], most, &sent).await;
                }
            }
        });
        (origin.await, sent)
    }

    /// An origin that does this with each connection, at a socket that listens already.
    pub(crate) fn listening<F, Fut>(listener: TcpListener, script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let memory = Arc::new(Memory::default());
        let known = memory.clone();
        let task = tokio::spawn(async move {
            let mut peers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                peers.spawn(script(Peer::new(stream, &known)));
            }
        });
        Self { url: format!("http://{address}"), address, memory, task }
    }

    /// An origin at a Unix socket that does this with each connection.
    pub(crate) fn unix<F, Fut>(path: &Path, script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = UnixListener::bind(path).unwrap();
        let memory = Arc::new(Memory::default());
        let known = memory.clone();
        let task = tokio::spawn(async move {
            let mut peers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                peers.spawn(script(Peer::over(Box::new(stream), None, &known)));
            }
        });
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        Self { url: format!("unix:{}", path.display()), address, memory, task }
    }

    /// An origin that speaks TLS, and does this with each connection that gets so far.
    pub(crate) async fn tls<F, Fut>(config: ServerConfig, script: F) -> Self
    where
        F: Fn(Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let memory = Arc::new(Memory::default());
        let (known, script) = (memory.clone(), Arc::new(script));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            let mut peers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (known, acceptor, script) = (known.clone(), acceptor.clone(), script.clone());
                peers.spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        script(Peer::over(Box::new(stream), None, &known)).await;
                    }
                });
            }
        });
        Self { url: format!("https://localhost:{}", address.port()), address, memory, task }
    }

    /// An origin that answers every request with these bytes.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::script(move |mut peer| {
            let answer = answer.clone();
            async move {
                while peer.request().await.is_some() {
                    peer.send(&*answer).await;
                }
            }
        })
        .await
    }

    /// An origin that is well.
    pub(crate) async fn ok() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await
    }

    /// An origin that answers with its name.
    pub(crate) async fn named(name: &str) -> Self {
        let length = name.len();
        Self::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}")).await
    }

    /// An origin that sends bodies back.
    pub(crate) async fn echo() -> Self {
        Self::script(|mut peer| async move {
            while let Some(request) = peer.request().await {
                let length = request.body.len();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
                peer.send(&request.body).await;
            }
        })
        .await
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.memory.bytes.lock().len()
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.memory.open.load(Relaxed)
    }

    /// All that came on the connections, one after the other.
    pub(crate) fn received(&self) -> String {
        let all = self.memory.bytes.lock().concat();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// All that came on one connection.
    pub(crate) fn raw(&self, connection: usize) -> Vec<u8> {
        self.memory.bytes.lock()[connection].clone()
    }

    /// The requests that came, all of each.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.memory.requests.lock().clone()
    }

    /// The request that came last.
    pub(crate) fn last(&self) -> Message {
        self.memory.requests.lock().last().cloned().unwrap()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A gateway's connection, as the origin has it.
pub(crate) struct Peer {
    /// Which connection this is, from 0.
    pub(crate) number: usize,
    wire: Box<dyn Io>,
    socket: Option<socket2::Socket>,
    held: Vec<u8>,
    memory: Arc<Memory>,
}

impl Peer {
    fn new(stream: TcpStream, memory: &Arc<Memory>) -> Self {
        stream.set_nodelay(true).unwrap();
        let socket = SockRef::from(&stream).try_clone().unwrap();
        Self::over(Box::new(stream), Some(socket), memory)
    }

    fn over(wire: Box<dyn Io>, socket: Option<socket2::Socket>, memory: &Arc<Memory>) -> Self {
        let number = {
            let mut bytes = memory.bytes.lock();
            bytes.push(Vec::new());
            bytes.len() - 1
        };
        memory.open.fetch_add(1, Relaxed);
        Self { number, wire, socket, held: Vec::new(), memory: memory.clone() }
    }

    /// The next request, all of it; none when the connection has ended.
    pub(crate) async fn request(&mut self) -> Option<Message> {
        let head = self.head().await?;
        self.body(head).await
    }

    /// The head of the next request.
    pub(crate) async fn head(&mut self) -> Option<Message> {
        let end = loop {
            if let Some(end) = find(&self.held, b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let head = Message::parse(&self.held[..end]);
        self.held.drain(..end + 4);
        Some(head)
    }

    /// The rest of a request.
    pub(crate) async fn body(&mut self, mut head: Message) -> Option<Message> {
        match head.framing() {
            Framing::None | Framing::Close => {}
            Framing::Length(length) => {
                while self.held.len() < length {
                    self.fill().await?;
                }
                head.body = self.held.drain(..length).collect();
            }
            Framing::Chunked => {
                let (data, trailers, length) = loop {
                    if let Some(whole) = unchunk(&self.held) {
                        break whole;
                    }
                    self.fill().await?;
                };
                (head.body, head.trailers) = (data, trailers);
                self.held.drain(..length);
            }
        }
        head.complete = true;
        self.memory.requests.lock().push(head.clone());
        Some(head)
    }

    /// Reads until these bytes come; says whether they did.
    pub(crate) async fn expect(&mut self, needle: impl AsRef<[u8]>) -> bool {
        let needle = needle.as_ref();
        loop {
            if let Some(at) = find(&self.held, needle) {
                self.held.drain(..at + needle.len());
                return true;
            }
            if self.fill().await.is_none() {
                return false;
            }
        }
    }

    /// What comes next; none at the end.
    pub(crate) async fn some(&mut self) -> Option<Vec<u8>> {
        if self.held.is_empty() {
            self.fill().await?;
        }
        Some(std::mem::take(&mut self.held))
    }

    /// Reads until the connection ends.
    pub(crate) async fn ended(&mut self) {
        while self.fill().await.is_some() {}
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.wire.write_all(bytes.as_ref()).await;
        let _ = self.wire.flush().await;
    }

    /// Sends pieces for as long as they are taken; says how many bytes that was.
    pub(crate) async fn flood(&mut self, piece: &[u8], most: usize, sent: &AtomicUsize) {
        while sent.load(Relaxed) < most {
            match self.wire.write(piece).await {
                Ok(count) => sent.fetch_add(count, Relaxed),
                Err(_) => return,
            };
        }
    }

    pub(crate) async fn half_close(&mut self) {
        let _ = self.wire.shutdown().await;
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(mut self) {
        if let Some(socket) = self.socket.take() {
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
    }

    /// Reads a piece; none at the end.
    async fn fill(&mut self) -> Option<()> {
        let before = self.held.len();
        let read = self.wire.read_buf(&mut self.held).await;
        let fresh = &self.held[before..];
        self.memory.bytes.lock()[self.number].extend_from_slice(fresh);
        matches!(read, Ok(1..)).then_some(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.memory.open.fetch_sub(1, Relaxed);
    }
}

pub(crate) type Reply = Response<BoxBody<Bytes, Infallible>>;

/// An answer with this body.
pub(crate) fn reply(body: impl Into<Bytes>) -> Reply {
    Response::new(Full::new(body.into()).boxed())
}

/// An origin that a library serves: h2c, or over TLS what ALPN says.
pub(crate) struct Served {
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Served {
    /// In clear, HTTP/2 only.
    pub(crate) async fn h2c<F, Fut>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self::start(None, hyper::server::conn::http2::Builder::new(TokioExecutor::new()), answer)
            .await
    }

    /// In clear, HTTP/2 only, with a server's settings.
    pub(crate) async fn start<F, Fut>(
        tls: Option<ServerConfig>,
        http2: hyper::server::conn::http2::Builder<TokioExecutor>,
        answer: F,
    ) -> Self
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = match &tls {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        let task = tokio::spawn(async move {
            let mut peers = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Relaxed);
                let (acceptor, http2, answer) = (acceptor.clone(), http2.clone(), answer.clone());
                peers.spawn(async move {
                    let (io, is_http2): (Box<dyn Io>, bool) = match acceptor {
                        None => (Box::new(stream), true),
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => {
                                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                                (Box::new(stream), is_http2)
                            }
                            Err(_) => return,
                        },
                    };
                    let service = service_fn(move |request| {
                        let answer = answer(request);
                        async move { Ok::<_, Infallible>(answer.await) }
                    });
                    let io = TokioIo::new(io);
                    let _ = match is_http2 {
                        true => http2.serve_connection(io, service).await,
                        false => {
                            hyper::server::conn::http1::Builder::new()
                                .serve_connection(io, service)
                                .await
                        }
                    };
                });
            }
        });
        Self { url, connections, task }
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All of a body.
pub(crate) async fn collect(body: Incoming) -> Bytes {
    soon("body", body.collect()).await.unwrap().to_bytes()
}
