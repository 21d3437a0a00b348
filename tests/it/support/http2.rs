//! A well-behaved client of HTTP/2, by the `h2` library, so that streams can be held half open.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest};
use http::{Request, Response};
use tokio::{net::TcpStream, task::JoinHandle};

use super::{Io, soon};

/// A connection of HTTP/2.
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    /// In clear, by prior knowledge.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = soon("connect", TcpStream::connect(address)).await.unwrap();
        Self::over(stream).await
    }

    pub(crate) async fn over(stream: impl Io + 'static) -> Self {
        // It reads one answer after the other, and holds what comes of the others meanwhile.
        let mut builder = h2::client::Builder::new();
        let handshake = builder.data_frame_budget(8 << 20).handshake(stream);
        let (sender, connection) = soon("handshake", handshake).await.unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    /// Sends a head; its body follows by what this gives back, unless there is none.
    pub(crate) async fn begin(&mut self, request: Request<()>, end: bool) -> Call {
        self.try_begin(request, end).await.unwrap()
    }

    /// The same, unless the peer takes no more requests.
    pub(crate) async fn try_begin(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> Result<Call, h2::Error> {
        let mut sender = soon("room", self.sender.clone().ready()).await?;
        let (answer, body) = sender.send_request(request, end)?;
        Ok(Call { answer, body })
    }

    pub(crate) async fn get(&mut self, url: &str) -> (Response<()>, Bytes) {
        let request = Request::get(url).body(()).unwrap();
        self.begin(request, true).await.answer().await
    }

    /// Waits until the peer has enabled extended CONNECT.
    pub(crate) async fn extended_connect(&mut self) {
        super::until("extended CONNECT", || self.sender.is_extended_connect_protocol_enabled())
            .await;
    }

    /// Waits for the connection's end.
    pub(crate) async fn ended(self) -> Result<(), h2::Error> {
        drop(self.sender);
        soon("end", self.connection).await.unwrap()
    }
}

/// A request whose answer is to come.
pub(crate) struct Call {
    answer: h2::client::ResponseFuture,
    pub(crate) body: SendStream<Bytes>,
}

impl Call {
    /// The head of the answer.
    pub(crate) async fn head(self) -> Result<(Response<RecvStream>, SendStream<Bytes>), h2::Error> {
        let answer = soon("answer", self.answer).await?;
        Ok((answer, self.body))
    }

    /// The answer, all of it.
    pub(crate) async fn answer(self) -> (Response<()>, Bytes) {
        let (answer, _) = self.head().await.unwrap();
        let (head, mut body) = answer.into_parts();
        let mut all = Vec::new();
        while let Some(data) = soon("data", body.data()).await {
            let data = data.unwrap();
            let _ = body.flow_control().release_capacity(data.len());
            all.extend_from_slice(&data);
        }
        (Response::from_parts(head, ()), all.into())
    }
}
