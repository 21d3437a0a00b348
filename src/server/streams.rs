//! The streams of an HTTP/2 connection, each a task: one whose client takes nothing is cut.
//!
//! `timeout.write` is about the socket, and a client of HTTP/2 that reads but gives a stream no
//! window never fills it. In: hyper's future of a stream. Such a future polls the answer's body and
//! then waits for window, so the body notes for whom the stream waits ([`Turn`]); here the time is
//! counted, on the worker's clock, once there is something to be waited for. Dropping the future
//! resets the stream, and with it goes all that it holds.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::Executor;
use pin_project_lite::pin_project;

use crate::{
    message::{Client, Turn},
    overload::AHEAD,
    snapshot::Listener,
    worker::Deadline,
};

/// The rate where the listener demands none: that of its default.
const RATE: u64 = 240;

/// Spawns the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams(Arc<Rules>);

struct Rules {
    client: Arc<Client>,
    /// How long a client may take nothing.
    write: Duration,
    /// Bytes a second that it takes at least.
    rate: u64,
}

impl Streams {
    /// For a client's connection at a listener.
    pub(super) fn new(client: Arc<Client>, listener: &Listener) -> Self {
        let rate = if listener.body.rate == 0 { RATE } else { listener.body.rate };
        Self(Arc::new(Rules { client, write: listener.timeout.write.0, rate }))
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        let rules = self.0.clone();
        // Boxed, so that it stays where it is made: the runtime would move it seven times.
        let stream = Box::new_uninit();
        let stream =
            Box::write(stream, Stream { future: Some(future), rules, due: None, deadline: None });
        tokio::spawn(Box::into_pin(stream));
    }
}

pin_project! {
    /// A stream's future.
    struct Stream<F> {
        #[pin]
        future: Option<F>,
        rules: Arc<Rules>,
        // Until when the client must have taken something, if that is waited for.
        due: Option<u64>,
        // Made when a client is waited for first, and left to run: it is late rather than moved.
        deadline: Option<Box<Deadline>>,
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let state = &this.rules.client.state;
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        state.set_turn(Turn::Unknown);
        if future.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let now = this.rules.client.worker.clock.now();
        match state.turn() {
            Turn::Unknown => {}
            Turn::Origin => *this.due = None,
            Turn::Client(before) => *this.due = Some(now + millis(this.rules.patience(before))),
        }
        let Some(due) = *this.due else { return Poll::Pending };
        let clock = &this.rules.client.worker.clock;
        let left = || Duration::from_millis(due.saturating_sub(clock.now()));
        let deadline = this.deadline.get_or_insert_with(|| Box::new(Deadline::new(clock, left())));
        loop {
            ready!(deadline.poll(cx));
            if left().is_zero() {
                break;
            }
            deadline.reset(left());
        }
        state.cut_stream(|| this.future.set(None));
        Poll::Ready(())
    }
}

impl Rules {
    /// How long a client may leave a piece of an answer. It is not seen to take the pieces before,
    /// which lie in buffers: it has the time for them that the minimum rate gives.
    fn patience(&self, before: u64) -> Duration {
        self.write + Duration::from_millis(before.min(AHEAD) * 1_000 / self.rate)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
