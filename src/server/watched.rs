//! The bytes of a client's connection, watched: guarded where they are HTTP/1, timed in any case.
//!
//! Lies between the stream and hyper. For HTTP/1 every byte passes the [`Guard`]; what it refuses is
//! answered from here, in our words, once everything before it was answered, and the connection ends.
//! How the connection stands is noted in [`Standing`] for the driver's deadlines: notes are stores,
//! nothing here reads a clock or sets a timer.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    guard::{Guard, Phase},
    heads::Heads,
};
use crate::{message::Client, reject::Reject, snapshot::HeadLimits, stream::Stream};

/// Bytes of a refused client that are still read, so that it gets to read its answer: closing a
/// socket with unread bytes resets it.
const LINGER: usize = 1 << 20;

/// How a connection stands, for its driver.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// 0 before anything came.
    phase: AtomicU8,
    /// When the phase began, on the worker's clock.
    since: AtomicU64,
    /// When the client stopped taking bytes, plus 1; 0 while it takes them.
    stuck: AtomicU64,
}

impl Standing {
    /// What the connection waits for, and since when.
    pub(super) fn phase(&self) -> (Phase, u64) {
        let phase = match self.phase.load(Relaxed) {
            0 | 1 => Phase::Idle,
            2 => Phase::Head,
            3 => Phase::Body,
            4 => Phase::Upgrade,
            5 => Phase::Tunnel,
            _ => Phase::Refused,
        };
        (phase, self.since.load(Relaxed))
    }

    /// Whether nothing has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.phase.load(Relaxed) == 0
    }

    /// When the client stopped taking bytes, if it did.
    pub(super) fn stuck(&self) -> Option<u64> {
        self.stuck.load(Relaxed).checked_sub(1)
    }

    /// Notes that the client is refused.
    pub(super) fn refuse(&self, now: u64) {
        self.enter(Phase::Refused, now);
    }

    fn enter(&self, phase: Phase, now: u64) {
        let number = match phase {
            Phase::Idle => 1,
            Phase::Head => 2,
            Phase::Body => 3,
            Phase::Upgrade => 4,
            Phase::Tunnel => 5,
            Phase::Refused => 6,
        };
        if self.phase.swap(number, Relaxed) != number {
            self.since.store(now, Relaxed);
        }
    }
}

/// Makes the bytes of the answer that says why a connection ends, and counts it.
pub(super) type Refuse = Box<dyn FnMut(Reject) -> Vec<u8> + Send + Sync>;

/// A client's stream, watched.
pub(super) struct Watched {
    stream: Stream,
    client: Arc<Client>,
    standing: Arc<Standing>,
    /// Bytes that were read and may not go on yet.
    held: Vec<u8>,
    http1: Option<Http1>,
    /// What HTTP/2 has instead.
    heads: Heads,
    /// What is to be written before anything else: interim answers, or the rest of them.
    before: Bytes,
    ending: Ending,
}

/// What HTTP/1 needs beyond the bytes.
pub(super) struct Http1 {
    pub(super) guard: Guard,
    pub(super) limits: HeadLimits,
    pub(super) refuse: Refuse,
}

/// How far a refused connection is with its end.
enum Ending {
    /// It is not ending.
    No,
    /// The request whose body is at fault fails, and says why.
    Fails,
    /// The answer waits for those before it; whether it was found waiting once already.
    Waits(bool),
    /// The answer is written, as far as this.
    Writes(Vec<u8>, usize),
    /// The answer was written, and the client may read it; how many bytes it may still send.
    Lingers(usize),
}

impl Watched {
    /// A stream of which `held` was read already.
    pub(super) fn new(
        stream: Stream,
        client: Arc<Client>,
        standing: Arc<Standing>,
        held: Vec<u8>,
        http1: Option<Http1>,
    ) -> Self {
        let (heads, before, ending) = (Heads::new(), Bytes::new(), Ending::No);
        Self { stream, client, standing, held, http1, heads, before, ending }
    }

    fn now(&self) -> u64 {
        self.client.worker.clock.now()
    }

    /// Reads from what is held, or from the stream.
    fn fill(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let fits = self.held.len().min(buf.remaining());
        buf.put_slice(&self.held[..fits]);
        self.held.drain(..fits);
        Poll::Ready(Ok(()))
    }

    /// Has the guard look at what was read since `before`; takes back what may not go on.
    fn look(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let now = self.now();
        let Some(http1) = &mut self.http1 else {
            let is_open = self.heads.follow(&buf.filled()[before..]);
            self.standing.enter(if is_open { Phase::Head } else { Phase::Body }, now);
            return;
        };
        let fresh = &buf.filled()[before..];
        if fresh.is_empty() {
            // The client will send no more. In the middle of a message that is a fault.
            if http1.guard.phase() == Phase::Body {
                self.client.state.refuse(Reject::RequestIncomplete);
            }
            return;
        }
        match http1.guard.inspect(fresh, &http1.limits) {
            Ok(accepted) => {
                if accepted < fresh.len() {
                    // Behind a request for an upgrade: kept until that is decided.
                    self.held.splice(..0, fresh[accepted..].iter().copied());
                    buf.set_filled(before + accepted);
                }
                self.standing.enter(http1.guard.phase(), now);
            }
            Err(refused) => {
                buf.set_filled(before + refused.accepted);
                self.held = Vec::new();
                self.client.state.refuse(refused.reject);
                self.standing.enter(Phase::Refused, now);
                self.ending = if refused.in_body { Ending::Fails } else { Ending::Waits(false) };
            }
        }
    }

    /// Says why the connection ends, and ends it.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.ending {
                Ending::No | Ending::Fails => {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                Ending::Waits(found) => {
                    // hyper has given all of the earlier answers to the socket once it comes here
                    // again with none in flight and none stuck.
                    let quiet = self.client.state.is_quiet() && self.standing.stuck().is_none();
                    if !(quiet && *found) {
                        if quiet {
                            *found = true;
                            cx.waker().wake_by_ref();
                        }
                        return Poll::Pending;
                    }
                    let reject = self.client.state.refusal().unwrap_or(Reject::Internal);
                    let answer = self.http1.as_mut().map(|http1| (http1.refuse)(reject));
                    self.ending = Ending::Writes(answer.unwrap_or_default(), 0);
                }
                Ending::Writes(answer, written) => {
                    while *written < answer.len() {
                        let stream = Pin::new(&mut self.stream);
                        *written += ready!(stream.poll_write(cx, &answer[*written..]))?;
                    }
                    ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                    ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                    self.ending = Ending::Lingers(LINGER);
                }
                Ending::Lingers(left) => {
                    ready!(poll_discard(&mut self.stream, cx, left))?;
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
        }
    }

    /// Writes what is to be written before anything else.
    #[cold]
    fn poll_before(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.before.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.before);
            self.note_write(&written);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.before.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn note_write<T>(&self, written: &Poll<T>) {
        match written {
            Poll::Ready(_) if self.standing.stuck.load(Relaxed) == 0 => {}
            Poll::Ready(_) => self.standing.stuck.store(0, Relaxed),
            Poll::Pending if self.standing.stuck.load(Relaxed) == 0 => {
                self.standing.stuck.store(self.now() + 1, Relaxed);
            }
            Poll::Pending => {}
        }
    }
}

/// Reads and throws away what a client still sends, until it stops or has sent too much.
fn poll_discard(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    left: &mut usize,
) -> Poll<io::Result<()>> {
    let mut space = [0; 4096];
    while *left > 0 {
        let mut buf = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf))?;
        if buf.filled().is_empty() {
            break;
        }
        *left = left.saturating_sub(buf.filled().len());
    }
    Poll::Ready(Ok(()))
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(http1) = &mut this.http1 {
            if matches!(this.ending, Ending::No) && this.standing.phase().0 == Phase::Refused {
                // The driver has lost patience.
                this.ending = Ending::Waits(false);
            }
            if !matches!(this.ending, Ending::No) {
                return this.poll_end(cx);
            }
            if http1.guard.phase() == Phase::Upgrade {
                if this.client.state.switched() {
                    http1.guard.tunnel();
                } else if this.client.state.is_quiet() {
                    http1.guard.resume();
                } else {
                    // The request's end wakes hyper; the tunnel comes by itself when it opens.
                    return Poll::Pending;
                }
            }
        }
        let before = buf.filled().len();
        ready!(this.fill(cx, buf))?;
        this.look(buf, before);
        if buf.filled().len() == before && !matches!(this.ending, Ending::No) {
            return this.poll_end(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.before.is_empty() {
            ready!(self.poll_before(cx))?;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.before.is_empty() {
            ready!(self.poll_before(cx))?;
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper comes here when it has given all of the earlier answers to the stream, so this is the place
        // for what goes before the next.
        loop {
            if !self.before.is_empty() {
                ready!(self.poll_before(cx))?;
            }
            if !self.client.state.has_before() {
                break;
            }
            self.before = self.client.state.take_before().into();
        }
        // hyper does not read while it has something that nobody took yet, a body or a next request.
        if self.client.state.looks() && self.stream.is_closed_by_peer() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        let unread = this.http1.as_ref().is_some_and(|http1| http1.guard.phase() == Phase::Body);
        if unread && matches!(this.ending, Ending::No) {
            let now = this.now();
            this.standing.enter(Phase::Refused, now);
            this.ending = Ending::Lingers(LINGER);
        }
        match &mut this.ending {
            Ending::Lingers(left) => poll_discard(&mut this.stream, cx, left),
            _ => Poll::Ready(Ok(())),
        }
    }
}
