//! What share of requests an endpoint has by itself: as it was written, as the operator says, as long as it is up.
//!
//! It belongs to the server: what the operator says, and a slow start that is under way, outlive a reload. Only the
//! control side looks at it.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::balance::{next_tenth, tenths};

/// What is known of an endpoint's share.
#[derive(Debug, Default)]
pub(super) struct Share(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What the operator says instead of what is written.
    said: Option<Said>,
    /// When it came up, if that was while others were there.
    came: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    /// What was written then.
    written: u16,
    weight: u16,
}

impl Share {
    /// Its weight: what the operator says, unless something else is written than was then. A configuration that is
    /// only tried changes nothing.
    pub(super) fn weight(&self, written: u16) -> u16 {
        let said = self.0.lock().said.filter(|said| said.written == written);
        said.map_or(written, |said| said.weight)
    }

    /// This is written now: what the operator said of something else is over.
    pub(super) fn settle(&self, written: u16) {
        let mut known = self.0.lock();
        known.said = known.said.filter(|said| said.written == written);
    }

    /// The operator says so.
    pub(super) fn say(&self, written: u16, weight: u16) {
        self.0.lock().said = (written != weight).then_some(Said { written, weight });
    }

    /// It is up from now on.
    pub(super) fn comes(&self, now: Instant) {
        self.0.lock().came = Some(now);
    }

    /// Tenths of its weight, if it takes so long to have all of it.
    pub(super) fn tenths(&self, over: Duration, now: Instant) -> u32 {
        self.age(now).map_or(10, |age| tenths(age, over))
    }

    /// When it is to have more.
    pub(super) fn next_tenth(&self, over: Duration, now: Instant) -> Option<Instant> {
        let age = self.age(now)?;
        next_tenth(age, over).map(|next| now + (next - age))
    }

    fn age(&self, now: Instant) -> Option<Duration> {
        self.0.lock().came.map(|came| now.saturating_duration_since(came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_has_the_word_until_the_file_says_otherwise() {
        let share = Share::default();
        assert_eq!(share.weight(2), 2);
        share.say(2, 7);
        assert_eq!((share.weight(2), share.weight(2)), (7, 7));
        assert_eq!(share.weight(3), 3, "something else is written");
        assert_eq!(share.weight(2), 7, "that was only tried");
        share.settle(2);
        assert_eq!(share.weight(2), 7);
        share.settle(3);
        assert_eq!(share.weight(2), 2, "that was the end of it");
        share.say(2, 0);
        assert_eq!(share.weight(2), 0);
        share.say(2, 2);
        assert_eq!(share.weight(2), 2);
    }

    #[test]
    fn one_that_came_has_more_from_step_to_step() {
        let (share, over, now) = (Share::default(), Duration::from_secs(9), Instant::now());
        assert_eq!((share.tenths(over, now), share.next_tenth(over, now)), (10, None));
        share.comes(now);
        assert_eq!(share.tenths(over, now), 1);
        let (mut at, mut seen) = (now, vec![]);
        while let Some(next) = share.next_tenth(over, at) {
            at = next;
            seen.push(share.tenths(over, at));
        }
        assert_eq!(seen, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(at <= now + over + Duration::from_micros(1));
        assert_eq!(share.tenths(Duration::ZERO, now), 10, "nobody asks for it any more");
    }
}
