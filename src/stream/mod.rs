//! A stream of bytes to a client or an origin: TCP or Unix, in clear or over TLS, as one type.
//!
//! One type means one copy of the HTTP code for all of them; the choice costs a predictable branch
//! for each read or write.

mod descriptors;
mod listener;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsStream;

pub use self::{
    descriptors::{Descriptors, is_exhausted},
    listener::{Listener, Listening, SocketFile, bind_unix},
};

/// A stream in clear.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

/// A stream, in clear or over TLS.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Clear(Socket),
    /// Over TLS. Boxed: its state is some kilobytes, and it must not weigh on streams in clear.
    Tls(Box<TlsStream<Socket>>),
}

impl Socket {
    /// The next bytes, which stay where they are; none at the stream's end.
    ///
    /// # Errors
    /// What the system says.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.peek(buffer).await,
            Self::Unix(socket) => {
                let peek = || Ok(recv(socket, &mut *buffer, RecvFlags::PEEK)?.0);
                socket.async_io(Interest::READABLE, peek).await
            }
        }
    }

    /// Whether the other end has closed it, also where bytes lie before that which nobody has read.
    pub fn is_closed_by_peer(&self) -> bool {
        let mut polled = [PollFd::new(self, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().intersects(closed)
    }

    /// The next bytes, if they are there.
    ///
    /// # Errors
    /// They are not, or what the system says.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_read(buffer),
            Self::Unix(socket) => socket.try_read(buffer),
        }
    }
}

impl Stream {
    /// Whether the other end has closed it, also where bytes lie before that which nobody has read.
    pub fn is_closed_by_peer(&self) -> bool {
        match self {
            Self::Clear(socket) => socket.is_closed_by_peer(),
            Self::Tls(stream) => stream.get_ref().0.is_closed_by_peer(),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// Passes every call on to the variant's own stream.
macro_rules! delegate {
    ($type:ident { $($variant:ident),* }, $write_vectored:path) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match self.get_mut() { $(Self::$variant(io) => Pin::new(io).poll_read(cx, buf),)* }
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() { $(Self::$variant(io) => Pin::new(io).poll_write(cx, buf),)* }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $(Self::$variant(io) => $write_vectored(Pin::new(io), cx, bufs),)*
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self { $(Self::$variant(io) => io.is_write_vectored(),)* }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $(Self::$variant(io) => Pin::new(io).poll_flush(cx),)* }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() { $(Self::$variant(io) => Pin::new(io).poll_shutdown(cx),)* }
            }
        }
    };
}

delegate!(Socket { Tcp, Unix }, small_as_one);
delegate!(Stream { Clear, Tls }, AsyncWrite::poll_write_vectored);

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
