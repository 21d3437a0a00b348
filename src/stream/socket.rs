//! A stream in clear: TCP or Unix.
//!
//! hyper asks a connection whether there is more to read each time that it does anything at all: some eight times
//! a request, of which two find something. The runtime notes each time anew, under a lock, whom to wake. Here is
//! remembered that it knows already: as long as nothing has come since it was asked by the same task, one look at
//! the socket's readiness is enough.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use rustix::net::{RecvFlags, recv};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
    task::coop::has_budget_remaining,
};

/// A stream in clear.
#[derive(Debug)]
pub struct Socket {
    kind: Kind,
    reader: Reader,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Whom the runtime wakes when there is something to read.
#[derive(Debug, Default)]
struct Reader {
    waker: Option<Waker>,
    /// The waker is what the runtime has for this socket.
    waits: bool,
}

impl Reader {
    /// Whether this task is woken without saying so once more.
    fn knows(&self, cx: &Context<'_>) -> bool {
        self.waits && self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// Takes note of whom the runtime knows now.
    fn note(&mut self, waits: bool, cx: &Context<'_>) {
        self.waits = waits;
        if waits && !self.knows(cx) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self { kind: Kind::Tcp(stream), reader: Reader::default() }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self { kind: Kind::Unix(stream), reader: Reader::default() }
    }
}

impl Socket {
    /// The next bytes, which stay where they are; none at the stream's end.
    ///
    /// # Errors
    /// What the system says.
    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.waits = false;
        match &self.kind {
            Kind::Tcp(socket) => socket.peek(buffer).await,
            Kind::Unix(socket) => {
                let peek = || Ok(recv(socket, &mut *buffer, RecvFlags::PEEK)?.0);
                socket.async_io(Interest::READABLE, peek).await
            }
        }
    }

    /// The next bytes, if they are there.
    ///
    /// # Errors
    /// They are not, or what the system says.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.waits = false;
        match &self.kind {
            Kind::Tcp(socket) => socket.try_read(buffer),
            Kind::Unix(socket) => socket.try_read(buffer),
        }
    }

    /// Whether there may be something to read, as far as the runtime knows.
    fn may_have(&self) -> bool {
        let look = || Ok(());
        match &self.kind {
            Kind::Tcp(socket) => socket.try_io(Interest::READABLE, look).is_ok(),
            Kind::Unix(socket) => socket.try_io(Interest::READABLE, look).is_ok(),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Tcp(socket) => socket.as_fd(),
            Kind::Unix(socket) => socket.as_fd(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reader.knows(cx) && !self.may_have() {
            return Poll::Pending;
        }
        let Self { kind, reader } = &mut *self;
        // A task that has had its turn is sent away, and the runtime notes nothing.
        let in_turn = has_budget_remaining();
        let read = match kind {
            Kind::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Kind::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        };
        reader.note(read.is_pending() && in_turn, cx);
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(socket) => Pin::new(socket).poll_write(cx, buf),
            Kind::Unix(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Tcp(socket) => small_as_one(Pin::new(socket), cx, bufs),
            Kind::Unix(socket) => small_as_one(Pin::new(socket), cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// There is nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Kind::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

/// Writes several pieces: small ones as one, since to copy them costs less than to have the kernel
/// walk a list.
fn small_as_one<S: AsyncWrite>(
    io: Pin<&mut S>,
    cx: &mut Context<'_>,
    bufs: &[io::IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let [one] = bufs {
        return io.poll_write(cx, one);
    }
    let mut whole = [0; 1024];
    let mut length = 0;
    for buf in bufs {
        let Some(space) = whole.get_mut(length..length + buf.len()) else {
            return io.poll_write_vectored(cx, bufs);
        };
        space.copy_from_slice(buf);
        length += buf.len();
    }
    io.poll_write(cx, &whole[..length])
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::{
        io::AsyncWriteExt as _,
        sync::mpsc::{self, Receiver},
        task::coop::has_budget_remaining,
        time::timeout,
    };

    use super::*;

    fn pair() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (ours.into(), theirs)
    }

    /// Asks for a byte; none if there is nothing yet.
    fn ask(socket: &mut Socket, cx: &mut Context<'_>) -> Option<u8> {
        let mut space = [0];
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(socket).poll_read(cx, &mut buf) {
            Poll::Ready(read) => read.map(|()| buf.filled()[0]).ok(),
            Poll::Pending => None,
        }
    }

    async fn comes(socket: &mut Socket) -> u8 {
        poll_fn(|cx| ask(socket, cx).map_or(Poll::Pending, Poll::Ready)).await
    }

    async fn asks_in_vain(socket: &mut Socket) {
        poll_fn(|cx| Poll::Ready(assert_eq!(ask(socket, cx), None))).await;
    }

    /// What a task comes to. It has no clock of its own, which would wake it as well.
    async fn soon<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> T {
        let task = timeout(Duration::from_secs(5), tokio::spawn(task));
        task.await.expect("nobody is woken").unwrap()
    }

    async fn send(peer: &mut UnixStream, byte: u8) {
        tokio::task::yield_now().await;
        peer.write_all(&[byte]).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_asked_often_is_woken_by_what_comes() {
        let (mut socket, mut peer) = pair();
        soon(async move {
            for byte in 0..100 {
                for _ in 0..3 {
                    asks_in_vain(&mut socket).await;
                }
                let (came, ()) = tokio::join!(comes(&mut socket), send(&mut peer, byte));
                assert_eq!(came, byte);
            }
        })
        .await;
    }

    #[tokio::test]
    async fn another_task_that_asks_is_woken() {
        let (mut socket, mut peer) = pair();
        asks_in_vain(&mut socket).await;
        let other = soon(async move { comes(&mut socket).await });
        assert_eq!(tokio::join!(other, send(&mut peer, b'x')).0, b'x');
    }

    #[tokio::test]
    async fn what_was_taken_in_another_way_is_not_waited_for() {
        let (mut socket, mut peer) = pair();
        let reader = soon(async move {
            asks_in_vain(&mut socket).await;
            assert_eq!(socket.peek(&mut [0; 2]).await.unwrap(), 1);
            assert_eq!(socket.try_read(&mut [0; 2]).unwrap(), 1);
            assert!(socket.try_read(&mut [0; 2]).is_err());
            comes(&mut socket).await
        });
        let sender = async {
            for byte in *b"xy" {
                send(&mut peer, byte).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert_eq!(tokio::join!(reader, sender).0, b'y');
    }

    /// Takes all that a task may do in one turn.
    fn have_done_enough(work: &mut Receiver<()>, cx: &mut Context<'_>) {
        while has_budget_remaining() {
            assert!(work.poll_recv(cx).is_ready());
        }
    }

    #[tokio::test]
    async fn whoever_was_sent_away_for_its_turns_end_is_woken_by_what_comes() {
        let (mut socket, mut peer) = pair();
        let (sender, mut work) = mpsc::channel(1_000);
        (0..1_000).for_each(|_| sender.try_send(()).unwrap());
        let reader = soon(async move {
            poll_fn(|cx| {
                have_done_enough(&mut work, cx);
                Poll::Ready(assert_eq!(ask(&mut socket, cx), None))
            })
            .await;
            tokio::task::yield_now().await;
            comes(&mut socket).await
        });
        let sender = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            send(&mut peer, b'x').await;
        };
        assert_eq!(tokio::join!(reader, sender).0, b'x');
    }
}
