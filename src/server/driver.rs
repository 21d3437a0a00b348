//! What keeps a client's connection going: its deadlines, and what it is told to do.
//!
//! In: hyper's connection of either protocol. Polls it and, beside it, one deadline that it moves along lazily: a
//! request sets no timer.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{guard::Phase, watched::Standing};
use crate::{
    config::{self, ListenerTimeout},
    message::{Client, Signal},
    reject::Reject,
    snapshot::Listener,
    worker::Deadline,
};

/// How long a refused client may take to read its answer.
const LINGER: Duration = Duration::from_secs(2);

/// How long a client that is to finish may take for its first request: that may be on its way.
pub(super) const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// How long after it began a connection is looked at first, and how often while requests run. No
/// deadline is met later than this after its time.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// How long the first request of a client may take that is to finish.
pub(super) fn on_its_way(timeout: &ListenerTimeout) -> Duration {
    timeout.header.0.min(ON_ITS_WAY)
}

/// Drives a connection of either protocol.
pub(super) struct Driver {
    timeout: ListenerTimeout,
    client: Arc<Client>,
    standing: Arc<Standing>,
    http2: bool,
    deadline: Deadline,
    /// When the last request ended; none while one runs.
    quiet_since: Option<u64>,
    draining: bool,
    /// Since when its first request is waited for though it is to finish.
    awaited: Option<u64>,
    /// Whether the next look is as far off as that of a quiet connection.
    far: bool,
    /// Whether it was asked to finish for having been quiet too long.
    finishing: bool,
}

/// What a connection does of what it is told to.
enum Heed {
    /// Nothing.
    GoOn,
    /// It finishes what was begun.
    Finish,
    /// It ends.
    End,
}

/// What becomes of a connection when its deadline has come.
enum Patience {
    /// It is looked at again after this time.
    Left(Duration),
    /// It had its time without a request: it is closed, after what may have begun just now.
    Finish,
    /// Its client is too slow, and told so.
    Refuse(Reject),
    /// It ends.
    Over,
}

impl Driver {
    /// For a client's connection, by HTTP/2 or not, at a listener.
    pub(super) fn new(
        listener: &Listener,
        client: Arc<Client>,
        standing: Arc<Standing>,
        http2: bool,
    ) -> Self {
        let clock = &client.worker.clock;
        let (deadline, quiet_since) = (Deadline::new(clock, FIRST_LOOK), Some(clock.now()));
        let timeout = listener.timeout.clone();
        let (draining, awaited, far, finishing) = (false, None, false, false);
        Self {
            timeout,
            client,
            standing,
            http2,
            deadline,
            quiet_since,
            draining,
            awaited,
            far,
            finishing,
        }
    }

    /// Drives it to its end.
    pub(super) async fn drive<C>(mut self, connection: C, finish: impl Fn(Pin<&mut C>))
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        let (rouser, mut known) = (Waker::from(self.client.rouser.clone()), false);
        poll_fn(|cx| {
            if !known {
                known = true;
                self.client.state.driven_by(cx.waker());
                self.client.rouser.wakes(cx.waker());
            }
            match self.heed() {
                Heed::GoOn => {}
                Heed::Finish => finish(connection.as_mut()),
                Heed::End => return Poll::Ready(()),
            }
            // By HTTP/2 the task reads for more than one.
            let ended = match self.http2 {
                true => connection.as_mut().poll(cx),
                false => connection.as_mut().poll(&mut Context::from_waker(&rouser)),
            };
            if ended.is_ready() {
                return Poll::Ready(());
            }
            self.note_quiet();
            if self.far && self.is_pressed() {
                self.far = false;
                self.deadline.reset(FIRST_LOOK);
            }
            while self.deadline.poll(cx).is_ready() {
                match self.patience() {
                    Patience::Left(time) => {
                        self.far = !self.is_pressed();
                        self.deadline.reset(time);
                    }
                    // HTTP/2 finishes when the client plays along; one that is silent does not.
                    Patience::Finish if self.finishing => return Poll::Ready(()),
                    Patience::Finish => {
                        self.finishing = true;
                        self.deadline.reset(LINGER);
                        finish(connection.as_mut());
                        cx.waker().wake_by_ref();
                    }
                    Patience::Refuse(reject) => {
                        self.client.state.refuse(reject);
                        self.standing.refuse(self.client.worker.clock.now());
                        self.deadline.reset(LINGER);
                        cx.waker().wake_by_ref();
                    }
                    Patience::Over => return Poll::Ready(()),
                }
            }
            Poll::Pending
        })
        .await;
    }

    /// What the connection does of what it is told to.
    fn heed(&mut self) -> Heed {
        let (signal, fresh) = (self.client.state.signal(), self.standing.is_fresh());
        match signal {
            Signal::GoOn => return Heed::GoOn,
            // By HTTP/1 the next answer says that it is the last.
            Signal::Leave if !self.http2 => return Heed::GoOn,
            Signal::Cut => return Heed::End,
            // The library would wait for the first bytes, without end.
            Signal::Expel if self.http2 && fresh => return Heed::End,
            _ if self.draining => return Heed::GoOn,
            Signal::Expel => {}
            Signal::Leave | Signal::Drain => {
                if fresh && self.awaited.is_none() {
                    self.client.worker.clock.catch_up();
                    self.awaited = Some(self.client.worker.clock.now());
                    self.far = false;
                    self.deadline.reset(on_its_way(&self.timeout));
                }
                // By HTTP/1 the library would end at once. A head that has begun has its own time.
                let is_head = self.standing.phase().0 == Phase::Head;
                if !self.http2 && (fresh || is_head) {
                    return Heed::GoOn;
                }
            }
        }
        self.draining = true;
        Heed::Finish
    }

    fn note_quiet(&mut self) {
        if self.client.state.in_flight() > 0 {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(self.client.worker.clock.now());
        }
    }

    /// Whether the client has less time than a quiet one. A request that comes whole, and whose
    /// answer is taken, presses nobody: it moves no deadline.
    fn is_pressed(&self) -> bool {
        matches!(self.standing.phase().0, Phase::Head | Phase::Refused)
            || self.standing.stuck().is_some()
    }

    /// Looks at how the connection stands.
    fn patience(&self) -> Patience {
        let now = self.client.worker.clock.now();
        let left = |since: u64, allowed: config::Duration| {
            allowed.0.checked_sub(Duration::from_millis(now.saturating_sub(since)))
        };
        if let Some(since) = self.standing.stuck() {
            return match left(since, self.timeout.write) {
                Some(time) => Patience::Left(time),
                None => {
                    self.client.state.refuse(Reject::WriteTimeout);
                    Patience::Over
                }
            };
        }
        if let Some(since) = self.awaited
            && self.standing.is_fresh()
        {
            let over = if self.http2 { Patience::Over } else { Patience::Finish };
            return left(since, on_its_way(&self.timeout).into()).map_or(over, Patience::Left);
        }
        let (phase, since) = self.standing.phase();
        // A request runs: its own deadlines hold, and what came behind it has its time afterwards.
        let Some(quiet) = self.quiet_since else {
            if !self.http2 {
                // What comes behind it is not read before it is answered, and so not the client's end either.
                self.client.state.look();
                self.client.state.wake();
            }
            return Patience::Left(FIRST_LOOK);
        };
        let since = since.max(quiet);
        match phase {
            Phase::Refused => left(since, LINGER.into()).map_or(Patience::Over, Patience::Left),
            // By HTTP/2 there is no stream yet on which it could be told.
            Phase::Head if self.http2 => {
                left(since, self.timeout.header).map_or(Patience::Finish, Patience::Left)
            }
            Phase::Head => left(since, self.timeout.header)
                .map_or(Patience::Refuse(Reject::RequestTimeout), Patience::Left),
            Phase::Idle | Phase::Body | Phase::Upgrade | Phase::Tunnel => {
                left(quiet, self.timeout.keep_alive).map_or(Patience::Finish, Patience::Left)
            }
        }
    }
}
