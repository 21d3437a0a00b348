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
    pub(super) lost: Lost,
    /// Given back when the stream is closed, which may be long after the last answer: it may be a tunnel.
    pub(super) _room: Room,
}

/// What became of a connection on which nothing more can be sent: its origin may have answered before it went, as who
/// wants no upload does, and what it said is there to be read.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// Whether something was sent since something came: then an answer may be there.
    waits: bool,
    /// Why no more can be sent.
    why: Option<io::Error>,
}

/// Who is told.
pub(super) trait Ear {
    /// Whether an answer is read of who takes no more of a request; the library would give up at once.
    const READS_ON: bool;

    /// Something came, or the end.
    fn on_read(&self, bytes: &[u8]);

    /// This was sent.
    fn on_write(&self, _bytes: &[u8]) {}

    /// This could not be sent.
    fn on_failure(&self, _bytes: &[u8]) {}
}

impl Ear for Dialogue {
    const READS_ON: bool = true;

    fn on_read(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.hear(bytes);
        }
    }

    fn on_write(&self, bytes: &[u8]) {
        self.say(bytes);
    }

    fn on_failure(&self, bytes: &[u8]) {
        self.give_up(bytes);
    }
}

impl Ear for AtomicWaker {
    const READS_ON: bool = false;

    fn on_read(&self, _bytes: &[u8]) {
        self.wake();
    }
}

impl<E: Ear> Heard<E> {
    /// Takes note of what could not be sent. Over TLS some of it may have been.
    #[cold]
    fn fails(&self, bytes: &[u8]) {
        match &self.stream {
            Stream::Clear(_) => self.ear.on_failure(bytes),
            Stream::Tls(_) => self.ear.on_write(bytes),
        }
    }

    /// Takes so many bytes that could not be sent as if they had been, if an answer may be there. That nothing is, is
    /// told when it is looked for.
    #[cold]
    fn drops(&mut self, length: usize, why: io::Error) -> io::Result<usize> {
        if E::READS_ON && (self.lost.waits || self.lost.why.is_some()) {
            self.lost.why.get_or_insert(why);
            return Ok(length);
        }
        Err(why)
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
                && let Some(why) = self.lost.why.take()
            {
                return Poll::Ready(Err(why));
            }
            self.lost.waits = false;
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
            Poll::Ready(Ok(written)) => {
                self.lost.waits = true;
                self.ear.on_write(&buf[..written]);
            }
            Poll::Ready(Err(why)) => {
                self.fails(buf);
                return Poll::Ready(self.drops(buf.len(), why));
            }
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
                self.lost.waits = true;
                let mut left = written;
                for buf in bufs {
                    let length = left.min(buf.len());
                    self.ear.on_write(&buf[..length]);
                    left -= length;
                }
            }
            Poll::Ready(Err(why)) => {
                bufs.iter().for_each(|buf| self.fails(buf));
                let length = bufs.iter().map(|buf| buf.len()).sum();
                return Poll::Ready(self.drops(length, why));
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
