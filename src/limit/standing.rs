//! [`Standing`]: which clients kept within their limits lately.
//!
//! In: requests over a limit, by client. Out: a class, the best for those who had none. Each such request
//! costs a second of good standing, up to a minute; time gives it back. One table for all limits of the
//! process, so whoever breaks one limit waits behind others at the next.

use std::{hash::RandomState, net::IpAddr};

use tokio::time::Instant;

use super::table::Table;
use crate::key::{self, Who};

/// Which clients kept within their limits.
#[derive(Debug)]
pub struct Standing {
    /// The key of all digests.
    pub(super) seed: RandomState,
    epoch: Instant,
    owed: Table,
}

const SECOND: u64 = 1_000_000_000;

/// What a request over a limit costs.
const OFFENCE: u64 = SECOND;

/// The most that a client can owe.
const MOST: u64 = 60 * SECOND;

/// What is another class: of eight the last begins at a minute.
const CLASS: u64 = 10 * SECOND;

/// Clients that are known.
const CLIENTS: usize = 100_000;

impl Standing {
    pub(super) fn new() -> Self {
        Self { seed: RandomState::new(), epoch: Instant::now(), owed: Table::new(CLIENTS) }
    }

    fn time(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX / 4)
    }

    /// Notes a request over a limit.
    pub(super) fn offend(&self, client: u64, now: Instant) {
        let now = self.time(now);
        self.owed.with(client, now, |until| {
            *until = ((*until).max(now) + OFFENCE).min(now + MOST);
        });
    }

    /// How long it takes until the client is in good standing, in nanoseconds.
    pub(super) fn owed(&self, client: u64, now: Instant) -> u64 {
        let now = self.time(now);
        self.owed.peek(client, now).saturating_sub(now)
    }

    /// The client's class, 0 if it kept within its limits.
    pub(super) fn class(&self, client: u64, now: Instant) -> usize {
        match self.owed(client, now) {
            0 => 0,
            owed => 1 + usize::try_from(owed / CLASS).unwrap_or(usize::MAX - 1),
        }
    }

    /// Whether a client kept within its limits lately, whatever limit counts it: known, or by its address;
    /// those of IPv6 count as most limits have it.
    pub fn is_good(&self, ip: Option<IpAddr>, who: Option<&dyn Who>, now: Instant) -> bool {
        self.owed(key::client(&self.seed, (ip, who), 64), now) == 0
    }

    /// About how many clients are not in good standing.
    pub(super) fn clients(&self) -> usize {
        self.owed.keys(self.time(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::lane::CLASSES, *};

    #[test]
    fn offences_add_up_to_a_bound_and_time_forgives_them() {
        let (standing, now) = (Standing::new(), Instant::now());
        assert_eq!(standing.class(1, now), 0);
        standing.offend(1, now);
        assert_eq!(standing.class(1, now), 1);
        assert_eq!(standing.class(1, now + Duration::from_secs(1)), 0);
        for _ in 0..1_000 {
            standing.offend(1, now);
        }
        assert_eq!(standing.class(1, now), CLASSES - 1);
        assert_eq!(standing.class(1, now + Duration::from_secs(35)), 3);
        assert_eq!(standing.class(1, now + Duration::from_secs(60)), 0);
        assert_eq!((standing.class(2, now), standing.owed(2, now)), (0, 0), "somebody else");
    }
}
