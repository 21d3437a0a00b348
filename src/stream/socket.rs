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
    runtime::{Handle, RuntimeFlavor},
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
#[derive(Debug)]
struct Reader {
    waker: Option<Waker>,
    /// The waker is what the runtime has for this socket.
    waits: bool,
    /// One thread does it all. With several, one may take the waker that another has just noted, for what that one
    /// has read already: then it has to be noted once more.
    alone: bool,
}

impl Reader {
    fn new() -> Self {
        let runtime = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        let alone = matches!(runtime, Ok(RuntimeFlavor::CurrentThread));
        Self { waker: None, waits: false, alone }
    }

    /// Whether this task is woken without saying so once more.
    fn knows(&self, cx: &Context<'_>) -> bool {
        self.waits && self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// Takes note of whom the runtime knows now.
    fn note(&mut self, waits: bool, cx: &Context<'_>) {
        self.waits = waits && self.alone;
        if self.waits && !self.knows(cx) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self { kind: Kind::Tcp(stream), reader: Reader::new() }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self { kind: Kind::Unix(stream), reader: Reader::new() }
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
        let read = match kind {
            Kind::Tcp(socket) => Pin::new(socket).poll_read(cx, buf),
            Kind::Unix(socket) => Pin::new(socket).poll_read(cx, buf),
        };
        // A task that has had its turn is sent away, and the runtime notes nothing.
        reader.note(read.is_pending() && has_budget_remaining(), cx);
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

    use tokio::{io::AsyncWriteExt as _, sync::mpsc, time::timeout};

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
        let asked = poll_fn(|cx| Poll::Ready(ask(socket, cx))).await;
        assert_eq!(asked, None);
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

    /// Whatever was done in a task's turn before, and whether the last read took all that there was or just as much
    /// as it had room for.
    #[tokio::test]
    async fn whoever_was_sent_away_for_its_turns_end_is_woken_by_what_comes() {
        let (mut socket, mut peer) = pair();
        let (sender, mut work) = mpsc::channel(20_000);
        (0..20_000).for_each(|_| sender.try_send(()).unwrap());
        soon(async move {
            for steps in 0..150 {
                assert_eq!(tokio::join!(comes(&mut socket), send(&mut peer, 1)).0, 1);
                tokio::task::yield_now().await;
                let asked = poll_fn(|cx| {
                    for _ in 0..steps {
                        let _ = work.poll_recv(cx);
                    }
                    Poll::Ready(ask(&mut socket, cx))
                });
                assert_eq!(asked.await, None);
                tokio::task::yield_now().await;
                let (came, ()) = tokio::join!(comes(&mut socket), async {
                    for _ in 0..3 {
                        tokio::task::yield_now().await;
                    }
                    send(&mut peer, 2).await;
                });
                assert_eq!(came, 2, "after {steps} steps");
            }
        })
        .await;
    }

    /// There a waker that was noted may be taken for what was read already.
    #[tokio::test(flavor = "multi_thread")]
    async fn of_several_threads_nothing_is_remembered() {
        let (mut socket, _peer) = pair();
        asks_in_vain(&mut socket).await;
        assert!(!socket.reader.waits);
    }
}
