//! [`Fault`]: what to say of an access log that loses lines, and when.
//!
//! In: what became of a round, and the time. Out: at most one thing to say. A fault is told when it
//! begins, as a reminder while it goes on, and once when it is over; a sink that fails and recovers in
//! turns does not fill the daemon's log.

use std::time::{Duration, Instant};

/// How often a fault that goes on is told.
const REMINDER: Duration = Duration::from_secs(60);

/// What was said of the log.
#[derive(Debug)]
pub(super) struct Fault {
    /// Lines that were lost when something was last said.
    known: u64,
    said: Option<Instant>,
    /// Whether the last thing said was a loss.
    open: bool,
}

/// What became of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Whether any lines were written.
    pub(super) wrote: bool,
    /// Whether the sink failed.
    pub(super) failed: bool,
    /// Lines that were ever lost.
    pub(super) lost: u64,
}

/// What to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// This many lines were lost since it was last said.
    Loses(u64),
    /// Lines are written again.
    Recovered,
}

impl Fault {
    /// None yet; `lost` lines are somebody else's.
    pub(super) const fn new(lost: u64) -> Self {
        Self { known: lost, said: None, open: false }
    }

    /// What to say after a round, at `now`.
    pub(super) fn judge(&mut self, round: Outcome, now: Instant) -> Option<Verdict> {
        let lost = round.lost - self.known;
        if round.failed || lost > 0 {
            let due = self.said.is_none_or(|said| now.duration_since(said) >= REMINDER);
            return due.then(|| {
                *self = Self { known: round.lost, said: Some(now), open: true };
                Verdict::Loses(lost)
            });
        }
        if self.open && round.wrote {
            self.open = false;
            return Some(Verdict::Recovered);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_once_then_reminded_of_then_over() {
        let start = Instant::now();
        let mut fault = Fault::new(5);
        let mut at = |second, wrote, failed, lost| {
            fault.judge(Outcome { wrote, failed, lost }, start + Duration::from_secs(second))
        };
        assert_eq!(at(0, true, false, 5), None);
        assert_eq!(at(1, false, true, 7), Some(Verdict::Loses(2)));
        assert_eq!(at(2, false, true, 9), None);
        assert_eq!(at(61, false, true, 10), Some(Verdict::Loses(3)));
        assert_eq!(at(62, false, false, 10), None, "nothing was to be written");
        assert_eq!(at(63, true, false, 10), Some(Verdict::Recovered));
        assert_eq!(at(64, false, true, 11), None, "too soon after the last");
        assert_eq!(at(65, true, false, 11), None);
        assert_eq!(at(121, true, false, 12), Some(Verdict::Loses(2)));
    }
}
