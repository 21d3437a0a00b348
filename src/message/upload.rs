//! [`Upload`]: how far a client's body has come, for those who wait for what comes of it.
//!
//! The body itself is in the hands of the connection to the origin, which takes it piece by piece.
//! Whoever waits for the answer must know whom the exchange waits for: the client, who has a time of
//! its own; the origin, which takes no more; or the origin again, which has all of it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::worker::{Clock, TICK};

/// How far a client's body has come. Written by the body alone, on its worker.
#[derive(Debug, Default)]
pub struct Upload {
    received: AtomicU64,
    /// Whom the exchange waits for: a [`Phase`].
    phase: AtomicU8,
    /// Since when, or since the last piece; on the worker's clock.
    since: AtomicU64,
    /// Whether somebody wants to know exactly when it ends.
    timed: AtomicBool,
    ended: OnceLock<Instant>,
}

/// Whom an upload waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Phase {
    /// The origin is to take the next piece.
    Taking = 0,
    /// The client is to send the next piece.
    Sending,
    /// The origin has it all.
    Done,
}

impl Upload {
    /// An upload of which so much came, however it came.
    pub fn of(received: u64) -> Self {
        Self { received: AtomicU64::new(received), ..Self::default() }
    }

    /// The bytes that came.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Whether the origin has it all.
    pub fn is_whole(&self) -> bool {
        self.phase.load(Relaxed) == Phase::Done as u8
    }

    /// Counts bytes that came; says how many there were before.
    pub(super) fn count(&self, bytes: u64) -> u64 {
        self.received.fetch_add(bytes, Relaxed)
    }

    /// Has the moment noted at which it ends: the clock is read for those who ask only. One that was read whole before
    /// anybody asks ends now, as far as they wait for it.
    pub fn time(&self) {
        self.timed.store(true, Relaxed);
        if self.phase.load(Relaxed) == Phase::Done as u8 {
            self.ended.get_or_init(Instant::now);
        }
    }

    /// When it ended, if it has, and that was asked for.
    pub fn ended(&self) -> Option<Instant> {
        self.ended.get().copied()
    }

    pub(super) fn enter(&self, phase: Phase, clock: &Clock) {
        if phase == Phase::Done && self.timed.load(Relaxed) {
            self.ended.get_or_init(Instant::now);
        }
        self.phase.store(phase as u8, Relaxed);
        self.since.store(clock.now(), Relaxed);
    }

    /// A connection has it now: what was before is no fault of the origin's.
    pub fn hand_over(&self, clock: &Clock) {
        // A clock that stood still would be behind, and its next tick would look like a long wait.
        clock.catch_up();
        self.since.store(clock.now(), Relaxed);
    }

    /// How much longer an origin may take: `taking` for each piece, `answering` once it has it all.
    /// Never longer than either, since the upload may go on meanwhile.
    ///
    /// # Errors
    /// What it has taken too long for.
    pub fn left(
        &self,
        clock: &Clock,
        taking: Duration,
        answering: Duration,
    ) -> Result<Duration, Phase> {
        let (phase, allowed) = match self.phase.load(Relaxed) {
            phase if phase == Phase::Sending as u8 => return Ok(taking.min(answering)),
            phase if phase == Phase::Done as u8 => (Phase::Done, answering),
            _ => (Phase::Taking, taking),
        };
        let passed = clock.now().saturating_sub(self.since.load(Relaxed));
        // The clock may have been a tick behind when it was noted: never early.
        let left = (allowed + TICK).saturating_sub(Duration::from_millis(passed));
        if left.is_zero() { Err(phase) } else { Ok(left.min(taking).min(answering)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_read_before_anybody_asked_ends_when_somebody_asks() {
        let clock = Clock::new();
        for over in [false, true] {
            let upload = Upload::default();
            upload.enter(if over { Phase::Done } else { Phase::Sending }, &clock);
            assert_eq!(upload.ended(), None, "nobody has asked");
            upload.time();
            assert_eq!(upload.ended().is_some(), over);
            upload.enter(Phase::Done, &clock);
            assert!(upload.ended().is_some());
        }
    }
}
