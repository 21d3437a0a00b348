//! [`Waiting`]: a request that waits, for its turn at a limit or for what a store says of it.
//!
//! In: where it waits, and what the limits before that one gave it. Out: that it goes on, or that there is
//! no turn for it. Who goes away while it waits leaves its place, and gives back what it had got.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    Refusal,
    queue::{Seat, Turn},
    rule::Limit,
    shared::Question,
    state::{Blocked, Claim},
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
}

/// Where a request waits.
#[derive(Debug)]
pub(super) enum Place {
    Queue(Seat),
    Store(Question),
}

/// What the limits before this one gave. Unless it is kept, it goes back.
#[derive(Debug)]
pub(super) struct Given(pub(super) Vec<(Arc<Limit>, Claim)>);

impl Given {
    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        for (limit, claim) in self.0.drain(..) {
            limit.give_back(claim, limit.state.time(Instant::now()));
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
}

/// A request whose turn did not come.
#[derive(Debug)]
pub struct Lost {
    pub(super) number: usize,
    pub(super) tier: usize,
    pub(super) refusal: Refusal,
}

impl Waiting {
    /// Waits for the turn, or the store.
    ///
    /// # Errors
    /// The turn did not come in time.
    pub async fn wait(self) -> Result<Served, Lost> {
        let Self { place, limit, number, tier, worker, given } = self;
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
                    given.keep();
                    return Err(Lost { number, tier, refusal: limit.no_turn(none) });
                }
            },
        };
        given.keep();
        Ok(Served { turn, limit, number, tier })
    }
}
