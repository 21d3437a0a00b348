//! An answer's body that goes no faster than a limit lets it.
//!
//! In: pieces as they come from wherever the answer does. Out: as much of them as may go now. A piece is
//! held here until all of it has gone, and no other is asked for: so whoever sends the answer waits too,
//! and is not held to have been silent meanwhile.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    limit::Pace,
    worker::{Clock, Deadline, TICK, Worker},
};

/// An answer on its way, as fast as it may.
#[derive(Debug)]
pub(super) struct Paced {
    pace: Pace,
    /// What is to go next.
    held: Bytes,
    clock: Clock,
    worker: usize,
    /// When more may go.
    due: Deadline,
}

impl Paced {
    pub(super) fn new(pace: Pace, worker: &Worker) -> Self {
        let clock = worker.clock.clone();
        // It ticks on as long as there are deadlines, and this is one as soon as something waits.
        clock.catch_up();
        let due = Deadline::new(&clock, Duration::ZERO);
        Self { pace, held: Bytes::new(), clock, worker: worker.index, due }
    }

    /// Takes in a piece.
    pub(super) fn hold(&mut self, piece: Bytes) {
        self.held = piece;
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// As much of what is held as may go now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            match self.pace.allow(self.held.len(), self.clock.now()) {
                Ok(allowed) => return Poll::Ready(self.held.split_to(allowed)),
                Err(wait) => {
                    self.pace.count(self.worker);
                    // A deadline adds a tick, so as never to be early; here that does no harm.
                    self.due.reset(wait.saturating_sub(TICK));
                    ready!(self.due.poll(cx));
                }
            }
        }
    }
}
