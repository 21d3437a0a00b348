//! [`Waiting`]: a request that waits, for its turn at a limit or for what a store says of it.
//!
//! In: where it waits, and what the limits before that one gave it. Out: that it goes on, or that there is
//! no turn for it. Who goes away while it waits leaves its place, and gives back what it had got.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Refusal,
    queue::Seat,
    quota::Window,
    rule::Limit,
    shared::Question,
    state::{Blocked, Claim},
    turn::Turn,
};

/// A request that waits for its turn at one of the limits, or for what a store says of it.
#[derive(Debug)]
pub struct Waiting {
    pub(super) place: Place,
    pub(super) limit: Arc<Limit>,
    pub(super) number: usize,
    pub(super) tier: usize,
    pub(super) worker: usize,
    pub(super) given: Given,
    /// Whether it waits for a place alone, which it had before it waited elsewhere.
    pub(super) again: bool,
}

/// Where a request waits.
#[derive(Debug)]
pub(super) enum Place {
    Queue(Seat),
    Store(Question),
}

/// What limits gave to somebody who then had to wait at another. Unless it is kept, it goes back.
#[derive(Debug, Default)]
pub(super) struct Given(Vec<Gift>);

/// What one of them gave. Much time may pass before it goes back.
#[derive(Debug)]
struct Gift {
    limit: Arc<Limit>,
    claim: Claim,
    /// What its key owed then.
    tat: u64,
    /// The day or month that it counts in.
    window: Option<Window>,
}

impl Given {
    /// Adds what a limit gave just now.
    pub(super) fn add(&mut self, limit: &Arc<Limit>, claim: Claim, now: u64) {
        let (tat, window) = (limit.state.peek(claim.key, now), limit.window(claim));
        self.0.push(Gift { limit: limit.clone(), claim, tat, window });
    }

    /// It is the request's.
    pub(super) fn keep(&mut self) {
        self.0.clear();
    }

    #[cold]
    fn give_back(&mut self) {
        for Gift { limit, claim, tat, window } in self.0.drain(..) {
            limit.give_back_late(claim, (tat, window), limit.state.time(Instant::now()));
        }
    }
}

impl Drop for Given {
    #[inline]
    fn drop(&mut self) {
        // Nearly nobody waited.
        if !self.0.is_empty() {
            self.give_back();
        }
    }
}

/// A request whose turn has come, or that is to go on as the store said.
#[derive(Debug)]
pub struct Served {
    pub(super) turn: Result<Turn, Blocked>,
    pub(super) limit: Arc<Limit>,
    pub(super) number: usize,
    pub(super) tier: usize,
    pub(super) given: Given,
    pub(super) again: bool,
}

/// A request whose turn did not come.
#[derive(Debug)]
pub struct Lost {
    pub(super) number: usize,
    pub(super) tier: usize,
    pub(super) refusal: Refusal,
    pub(super) given: Given,
}

impl Waiting {
    /// Whether it is for others that it waits, which may be long, rather than for what a store says.
    pub const fn queues(&self) -> bool {
        matches!(self.place, Place::Queue(_))
    }

    /// Waits for the turn, or the store.
    ///
    /// # Errors
    /// The turn did not come in time.
    pub async fn wait(self) -> Result<Served, Lost> {
        let Self { place, limit, number, tier, worker, given, again } = self;
        let since = Instant::now();
        let turn = match place {
            Place::Store(question) => question.wait().await,
            Place::Queue(seat) => match seat.wait().await {
                Ok(turn) => {
                    let micros = since.elapsed().as_micros();
                    limit.metrics.delay(worker, u64::try_from(micros).unwrap_or(u64::MAX));
                    Ok(turn)
                }
                Err(none) => {
                    return Err(Lost { number, tier, refusal: limit.no_turn(none), given });
                }
            },
        };
        Ok(Served { turn, limit, number, tier, given, again })
    }
}
