//! How a kept answer may be used: how old it is, until when it is fresh, and what then (RFC 9111 section 4.2).
//!
//! Plain numbers of seconds, kept with the answer; time itself is the caller's, who says how long the answer
//! is here ("resident").

use std::time::Duration;

use http::{
    HeaderMap,
    header::{AGE, DATE},
};

use super::{
    date,
    lists::{FOREVER, seconds, trim},
};

/// How a kept answer may be used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// Its age when it came.
    pub age: u32,
    /// The age from which on it is stale.
    pub lifetime: u32,
    /// For so long after that it may be used while another is fetched.
    pub stale_while_revalidate: u32,
    /// For so long after that it may be used if no other can be fetched.
    pub stale_if_error: u32,
    pub(super) flags: u8,
}

pub(super) const MUST_REVALIDATE: u8 = 1;
pub(super) const NO_CACHE: u8 = 2;
pub(super) const HEURISTIC: u8 = 4;
pub(super) const IMMUTABLE: u8 = 8;

impl Terms {
    /// The same as plain numbers, to be written down.
    pub(in crate::cache) fn parts(&self) -> ([u32; 4], u8) {
        let Self { age, lifetime, stale_while_revalidate, stale_if_error, flags } = *self;
        ([age, lifetime, stale_while_revalidate, stale_if_error], flags)
    }

    /// Terms that were written down.
    pub(in crate::cache) fn of_parts(numbers: [u32; 4], flags: u8) -> Self {
        let [age, lifetime, stale_while_revalidate, stale_if_error] = numbers;
        Self { age, lifetime, stale_while_revalidate, stale_if_error, flags }
    }

    /// How old it is, after so long here: what its `Age` says.
    #[inline]
    pub fn age_after(&self, resident: Duration) -> u32 {
        let resident = u32::try_from(resident.as_secs()).unwrap_or(FOREVER);
        self.age.saturating_add(resident).min(FOREVER)
    }

    /// For how many seconds more it is fresh; negative: since when it is stale.
    #[inline]
    pub fn left(&self, resident: Duration) -> i64 {
        i64::from(self.lifetime) - i64::from(self.age_after(resident))
    }

    /// Whether it must not be used once it is stale, whatever anybody else says.
    pub fn must_revalidate(&self) -> bool {
        self.flags & MUST_REVALIDATE != 0
    }

    /// Whether it must not be used at all unless the origin says that it still holds.
    pub fn no_cache(&self) -> bool {
        self.flags & NO_CACHE != 0
    }

    /// Whether its lifetime is a guess.
    pub fn heuristic(&self) -> bool {
        self.flags & HEURISTIC != 0
    }

    /// Whether it does not change while it is fresh (RFC 8246).
    pub fn immutable(&self) -> bool {
        self.flags & IMMUTABLE != 0
    }

    /// For how long after it came it is of any use without the origin's word. What it can still be validated
    /// with is worth more than that.
    pub fn useful(&self) -> Duration {
        let stale = if self.must_revalidate() || self.no_cache() {
            0
        } else {
            self.stale_while_revalidate.max(self.stale_if_error)
        };
        let until = u64::from(self.lifetime) + u64::from(stale);
        Duration::from_secs(until.saturating_sub(self.age.into()))
    }
}

/// The age of an answer when it came (section 4.2.3); `sent` and `got` are when its request went and its head
/// came, in seconds since 1970.
pub fn initial_age(answer: &HeaderMap, sent: u64, got: u64) -> u32 {
    let seconds = |seconds: u64| u32::try_from(seconds).unwrap_or(FOREVER).min(FOREVER);
    let apparent = date_of(answer, got).map_or(0, |date| seconds(got.saturating_sub(date)));
    let corrected = age_value(answer).saturating_add(seconds(got.saturating_sub(sent)));
    apparent.max(corrected).min(FOREVER)
}

/// When an answer was made, if it says so in a way that can be read.
pub(super) fn date_of(answer: &HeaderMap, now: u64) -> Option<u64> {
    answer.get(DATE).and_then(|date| date::read(date, now))
}

/// `Age`: of a list the first member counts; what is no number is not there (section 5.1).
fn age_value(answer: &HeaderMap) -> u32 {
    let first = |value: &[u8]| {
        let end = value.iter().position(|byte| *byte == b',').unwrap_or(value.len());
        seconds(trim(value.get(..end)?))
    };
    answer.get(AGE).and_then(|age| first(age.as_bytes())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::headers, *};

    #[test]
    fn terms_are_small() {
        assert!(size_of::<Terms>() <= 24, "{}", size_of::<Terms>());
    }

    #[test]
    fn the_age_of_an_answer_that_came() {
        // Sent at 1_000_000_000, which is Sun, 09 Sep 2001 01:46:40 GMT; (fields, seconds on the way, age).
        let cases = [
            ("", 0, 0),
            ("", 5, 5),
            ("age: 30", 0, 30),
            ("age: 30", 5, 35),
            // The larger of what it says and what its date says.
            ("date: Sun, 09 Sep 2001 01:46:40 GMT", 0, 0),
            ("date: Sun, 09 Sep 2001 01:46:30 GMT", 0, 10),
            ("date: Sun, 09 Sep 2001 01:46:30 GMT\nage: 4", 0, 10),
            ("date: Sun, 09 Sep 2001 01:46:30 GMT\nage: 40", 3, 43),
            // A clock that is fast makes nothing younger than it is.
            ("date: Sun, 09 Sep 2001 02:46:40 GMT", 2, 2),
            ("date: yesterday\nage: 7", 0, 7),
            // 5.1
            ("age: 7200, 0", 0, 7200),
            ("age: 0, 7200", 0, 0),
            ("age: 7200\nage: 0", 0, 7200),
            ("age: 0\nage: 7200", 0, 0),
            ("age: abc", 0, 0),
            ("age: -7200", 0, 0),
            ("age: 7200.0", 0, 0),
            ("age: 7200;a=b", 0, 0),
            ("age: ", 0, 0),
            ("age: 2147483647", 1, FOREVER),
            ("age: 2147483649", 0, FOREVER),
            ("age: 99999999999999", 9, FOREVER),
        ];
        for (text, way, age) in cases {
            let (sent, got) = (1_000_000_000, 1_000_000_000 + way);
            assert_eq!(initial_age(&headers(text), sent, got), age, "{text}, {way} s on the way");
        }
    }

    proptest! {
        #[test]
        fn nothing_gets_younger_or_fresher(age: u32, lifetime: u32, a: u32, b: u32) {
            let terms = Terms { age: age.min(FOREVER), lifetime, ..Terms::default() };
            let (a, b) = (Duration::from_secs(a.min(b).into()), Duration::from_secs(a.max(b).into()));
            prop_assert!(terms.age_after(a) <= terms.age_after(b));
            prop_assert!(terms.left(a) >= terms.left(b));
            prop_assert!(terms.age_after(b) <= FOREVER);
        }

        #[test]
        fn any_age_is_read_without_panic(text in "[0-9, ;a-]{0,20}", sent: u64, got: u64) {
            initial_age(&headers(&format!("age: {text}")), sent, got);
        }
    }
}
