//! A stream to an origin that tells what is read and written: the libraries that speak on it do not.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{connections::Room, dialogue::Dialogue};
use crate::stream::Stream;

/// A stream that tells what is read and written.
pub(super) struct Heard<E> {
    pub(super) stream: Stream,
    pub(super) ear: Arc<E>,
    /// Why no more can be sent, until that is told: see [`Ear::may_have_answered`].
    pub(super) lost: Option<io::Error>,
    /// Given back when the stream is closed, which may be long after the last answer: it may be a tunnel.
    pub(super) _room: Room,
}

/// Who is told.
pub(super) trait Ear {
    /// Something came, or the end.
    fn on_read(&self, bytes: &[u8]);

    /// Whether an answer may be there to be read where no more of a request can be sent: who wants no upload answers and
    /// goes. The library would give up at once.
    fn may_have_answered(&self) -> bool {
        false
    }

    /// This was sent.
    fn on_write(&self, _bytes: &[u8]) {}

    /// This could not be sent.
    fn on_failure(&self, _bytes: &[u8]) {}
}

impl Ear for Dialogue {
    fn on_read(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.hear(bytes);
        }
    }

    fn may_have_answered(&self) -> bool {
        self.has_told()
    }

    fn on_write(&self, bytes: &[u8]) {
        self.say(bytes);
    }

    fn on_failure(&self, bytes: &[u8]) {
        self.give_up(bytes);
    }
}

impl Ear for AtomicWaker {
    fn on_read(&self, _bytes: &[u8]) {
        self.wake();
    }
}

impl<E: Ear> Heard<E> {
    /// Takes note of what could not be sent; over TLS some of it may have been. If an answer may be there it is as if all
    /// had been sent: that there is none is told when it is looked for.
    #[cold]
    fn fails(&mut self, pieces: &[&[u8]], why: io::Error) -> io::Result<usize> {
        let may_have_answered = self.ear.may_have_answered();
        for bytes in pieces {
            match &self.stream {
                Stream::Clear(_) => self.ear.on_failure(bytes),
                Stream::Tls(_) => self.ear.on_write(bytes),
            }
        }
        if !may_have_answered {
            return Err(why);
        }
        self.lost.get_or_insert(why);
        Ok(pieces.iter().map(|bytes| bytes.len()).sum())
    }
}

impl<E: Ear> AsyncRead for Heard<E> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            let came = &buf.filled()[before..];
            self.ear.on_read(came);
            if came.is_empty()
                && let Some(why) = self.lost.take()
            {
                return Poll::Ready(Err(why));
            }
        }
        read
    }
}

impl<E: Ear> AsyncWrite for Heard<E> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        match written {
            Poll::Ready(Ok(written)) => self.ear.on_write(&buf[..written]),
            Poll::Ready(Err(why)) => return Poll::Ready(self.fails(&[buf], why)),
            Poll::Pending => {}
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        match written {
            Poll::Ready(Ok(written)) => {
                let mut left = written;
                for buf in bufs {
                    let length = left.min(buf.len());
                    self.ear.on_write(&buf[..length]);
                    left -= length;
                }
            }
            Poll::Ready(Err(why)) => {
                let pieces: Vec<&[u8]> = bufs.iter().map(|buf| &**buf).collect();
                return Poll::Ready(self.fails(&pieces, why));
            }
            Poll::Pending => {}
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
