//! [`Turn`]: the turn of somebody who waits, and how it hears of it.
//!
//! In: what was taken for it. Out: that, once; or, if it is gone by then, nothing: it goes to whoever is next.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::state::{Blocked, Claim, State, Taken};

/// A turn. Who gets it and is gone by then gives it back.
#[derive(Debug)]
pub(super) struct Turn(Option<(Taken, Arc<State>, Claim)>);

impl Turn {
    pub(super) const fn new(taken: Taken, state: Arc<State>, claim: Claim) -> Self {
        Self(Some((taken, state, claim)))
    }

    /// Takes it.
    pub(super) fn accept(mut self) -> Option<Taken> {
        self.0.take().map(|(taken, ..)| taken)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((taken, state, claim)) = self.0.take() {
            let now = state.time(Instant::now());
            state.give_back(claim, now);
            drop(taken);
            // The next one has it, at once.
            state.hall.queue.move_on(claim.key, now);
        }
    }
}

/// There is no turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NoTurn {
    /// When it may be worth to come again, if that is known.
    pub(super) after: Option<Duration>,
    /// What stands in the way.
    pub(super) blocked: Blocked,
}

/// Where somebody who waits is told something.
#[derive(Debug, Default)]
pub(super) struct Ear {
    words: Mutex<Words>,
    pub(super) heard: Notify,
}

/// What somebody who waits is told.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// To go, or that there is nothing to wait for any more.
    pub(super) go: Option<Result<Turn, NoTurn>>,
    /// To look again at that time, for all in the lane.
    pub(super) drive: Option<u64>,
}

impl Ear {
    pub(super) fn go(&self, turn: Result<Turn, NoTurn>) {
        self.words.lock().go = Some(turn);
        self.heard.notify_one();
    }

    pub(super) fn drive(&self, time: u64) {
        self.words.lock().drive = Some(time);
        self.heard.notify_one();
    }

    pub(super) fn listen(&self) -> Words {
        std::mem::take(&mut *self.words.lock())
    }
}
