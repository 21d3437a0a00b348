//! [`Overload`]: how much the gateway itself has in flight.
//!
//! In: requests as they come and go, and the bytes of their bodies. Out: that there is room, or the
//! reason why not. What a body holds of memory is not known from here, but what it may hold at most: of
//! an upload what its connection's buffers have room for, and of an answer what came, up to [`AHEAD`].
//! Little bodies are a request's own: up to [`SMALL`] each way count nothing.

use std::sync::Arc;

use super::{Budget, Priority, Shares};
use crate::{metrics::ProcessMetrics, reject::Reject};

/// Bytes of an answer that buffers on the way to the client hold at most, hyper's for an origin's
/// bytes being the largest of them.
pub const AHEAD: u64 = 512 << 10;

/// Bytes each way that count nothing.
pub const SMALL: u64 = 16 << 10;

/// What is in flight. It outlives every reload.
#[derive(Debug)]
pub struct Load {
    requests: Budget,
    bytes: Budget,
}

/// How much the gateway may have in flight, and has.
#[derive(Clone, Debug)]
pub struct Overload {
    requests: u64,
    bytes: u64,
    /// Up to here there is room for everybody: requests, bytes.
    low: (u64, u64),
    shares: Shares,
    load: Arc<Load>,
}

impl Overload {
    /// So many requests, so many bytes; what is in flight `before` goes on.
    pub fn new(
        (requests, bytes): (u64, u64),
        shares: Shares,
        workers: usize,
        before: Option<&Self>,
    ) -> Self {
        let load = before.map(|before| before.load.clone()).unwrap_or_else(|| {
            Arc::new(Load { requests: Budget::new(workers), bytes: Budget::new(workers) })
        });
        let low = |most| shares.of(Priority::Low, most);
        Self { requests, bytes, low: (low(requests), low(bytes)), shares, load }
    }

    /// Lets a request in while there is room for everybody.
    #[inline]
    pub fn enter(&self, worker: usize) -> bool {
        let Load { requests, bytes } = &*self.load;
        bytes.is_within(self.low.1)
            && requests.is_within(self.low.0)
            && (requests.take_in_hand(worker, 1)
                || requests.take(worker, 1, self.low.0, self.requests))
    }

    /// Lets a request of this priority in.
    ///
    /// # Errors
    /// What there is no room for.
    #[cold]
    pub fn enter_by(&self, worker: usize, priority: Priority) -> Result<(), Reject> {
        let part = |most| self.shares.of(priority, most);
        if !self.load.bytes.is_within(part(self.bytes).saturating_sub(1)) {
            return Err(Reject::OverloadMemory);
        }
        match self.load.requests.take(worker, 1, part(self.requests), self.requests) {
            true => Ok(()),
            false => Err(Reject::OverloadRequests),
        }
    }

    /// Takes memory for a body that is to come, of a request whose priority is only asked for where there
    /// is not room for all.
    ///
    /// # Errors
    /// There is not that much; and the priority that it had.
    pub fn expect(
        &self,
        worker: usize,
        bytes: u64,
        priority: impl FnOnce() -> Priority,
    ) -> Result<(), Priority> {
        let (memory, low) = (&self.load.bytes, self.low.1);
        let in_hand = memory.is_within(low) && memory.take_in_hand(worker, bytes);
        if in_hand || memory.take(worker, bytes, low, self.bytes) {
            return Ok(());
        }
        let priority = priority();
        let part = self.shares.of(priority, self.bytes);
        memory.take(worker, bytes, part, self.bytes).then_some(()).ok_or(priority)
    }

    /// Notes bytes of a body that are here.
    pub fn carry(&self, worker: usize, bytes: u64) {
        self.load.bytes.add(worker, bytes, self.bytes);
    }

    /// Lets go of a request and the bytes of its bodies.
    #[inline]
    pub fn leave(&self, worker: usize, bytes: u64) {
        self.load.requests.give(worker, 1, self.requests);
        if bytes > 0 {
            self.load.bytes.give(worker, bytes, self.bytes);
        }
    }

    /// What is in flight, and may be of this priority: requests, bytes.
    pub fn now(&self, priority: Priority) -> [(u64, u64); 2] {
        let Load { requests, bytes } = &*self.load;
        [(requests.used(), self.requests), (bytes.used(), self.bytes)]
            .map(|(used, most)| (used, self.shares.of(priority, most)))
    }

    /// Brings the gauges up to date.
    pub fn measure(&self, metrics: &ProcessMetrics) {
        let [(requests, most_requests), (bytes, most_bytes)] = self.now(Priority::High);
        let all = [requests, most_requests, bytes, most_bytes];
        metrics.load(all.map(|number| i64::try_from(number).unwrap_or(i64::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(overload: &Overload, priority: Priority) -> Result<(), Reject> {
        if overload.enter(0) { Ok(()) } else { overload.enter_by(0, priority) }
    }

    #[test]
    fn low_priority_is_the_first_that_there_is_no_room_for() {
        let overload = Overload::new((10, 1 << 20), Shares::new(true), 2, None);
        for (priority, most) in [(Priority::Low, 6), (Priority::Normal, 9), (Priority::High, 10)] {
            while enter(&overload, priority).is_ok() {}
            assert_eq!(overload.now(priority)[0], (most, most));
            assert_eq!(enter(&overload, priority), Err(Reject::OverloadRequests));
        }
        (0..10).for_each(|_| overload.leave(0, 0));
        assert!(enter(&overload, Priority::Low).is_ok());
    }

    #[test]
    fn no_request_comes_while_bodies_take_the_memory() {
        let overload = Overload::new((100, 1_000), Shares::new(false), 1, None);
        assert!(overload.enter(0) || overload.enter_by(0, Priority::Normal).is_ok());
        overload.carry(0, 700);
        assert_eq!(enter(&overload, Priority::Low), Err(Reject::OverloadMemory));
        assert_eq!(enter(&overload, Priority::Normal), Ok(()));
        assert_eq!(overload.expect(0, 400, || Priority::High), Err(Priority::High));
        assert_eq!(overload.expect(0, 200, || Priority::High), Ok(()));
        overload.carry(0, 5_000);
        assert_eq!(enter(&overload, Priority::High), Err(Reject::OverloadMemory));
        overload.leave(0, 5_900);
        assert_eq!(enter(&overload, Priority::Low), Ok(()));
    }

    #[test]
    fn what_is_in_flight_outlives_a_reload_and_other_bounds_hold_at_once() {
        let before = Overload::new((10, 1 << 20), Shares::new(false), 1, None);
        (0..8).for_each(|_| enter(&before, Priority::High).unwrap());
        let after = Overload::new((8, 1 << 20), Shares::new(false), 1, Some(&before));
        assert_eq!(enter(&after, Priority::High), Err(Reject::OverloadRequests));
        before.leave(0, 0);
        assert_eq!(enter(&after, Priority::High), Ok(()));
    }
}
