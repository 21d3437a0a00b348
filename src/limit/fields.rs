//! `RateLimit` and `RateLimit-Policy`: what is left, for clients that want to know
//! (draft-ietf-httpapi-ratelimit-headers-10, structured fields).
//!
//! A policy is the same for every answer and made at load; what is left is written for each, in one piece
//! of memory.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{gcra::Gcra, quota::Quota};
use crate::config::Calendar;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Takes out what an origin told of its own limits: nobody could tell it from what is told here, under one name
/// above all.
pub fn forget(headers: &mut HeaderMap) {
    headers.remove(RATE_LIMIT);
    headers.remove(RATE_LIMIT_POLICY);
}

/// How a limit is told to clients.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Its name, as a string of structured fields, and the name of the first parameter.
    left: Box<[u8]>,
    /// Months are of different lengths: from 28 days on, one for each.
    whole: Box<[HeaderValue]>,
}

/// The days of the shortest month.
const SHORTEST: u8 = 28;

impl Policy {
    pub(super) fn new(name: &str, rate: Gcra) -> Option<Self> {
        let units = rate.units();
        Self::of(name, units, [rate.seconds(units, rate.window())])
    }

    /// A quota's.
    pub(super) fn of_quota(name: &str, quota: Quota) -> Option<Self> {
        const DAY: u64 = 86_400;
        match quota.calendar {
            Calendar::Day => Self::of(name, quota.units, [DAY]),
            Calendar::Month => Self::of(name, quota.units, [28, 29, 30, 31].map(|days| days * DAY)),
        }
    }

    fn of<const N: usize>(name: &str, units: u64, windows: [u64; N]) -> Option<Self> {
        let name = quoted(name);
        let whole =
            windows.map(|window| HeaderValue::try_from(format!("{name};q={units};w={window}")));
        let whole = whole.into_iter().collect::<Result<_, _>>().ok()?;
        Some(Self { left: format!("{name};r=").into_bytes().into(), whole })
    }

    /// Adds what is left, and in how many seconds all of it is there again; of a quota, in a month of how
    /// many days.
    pub(super) fn tell(&self, left: u64, reset: u32, days: u8, headers: &mut HeaderMap) {
        let Some(whole) = self.whole.get(usize::from(days.saturating_sub(SHORTEST))) else {
            return;
        };
        let mut text = BytesMut::with_capacity(self.left.len() + 33);
        let mut digits = itoa::Buffer::new();
        text.put_slice(&self.left);
        text.put_slice(digits.format(left).as_bytes());
        text.put_slice(b";t=");
        text.put_slice(digits.format(reset).as_bytes());
        if let Ok(value) = HeaderValue::from_maybe_shared(text.freeze()) {
            headers.append(RATE_LIMIT, value);
            headers.append(RATE_LIMIT_POLICY, whole.clone());
        }
    }
}

/// A string of structured fields (RFC 9651 section 3.3.3). What it cannot hold is left out.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars().filter(|letter| (' '..='~').contains(letter)) {
        if ['"', '\\'].contains(&letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_and_what_is_left_are_structured_fields() {
        for (name, said) in
            [("per-client", "\"per-client\""), ("a \"b\" \\ ü\n", "\"a \\\"b\\\" \\\\ \"")]
        {
            let rate = Gcra::new(10, 1_000_000_000, 25).unwrap();
            let policy = Policy::new(name, rate).unwrap();
            let mut headers = HeaderMap::new();
            policy.tell(24, 1, 0, &mut headers);
            assert_eq!(headers[RATE_LIMIT], format!("{said};r=24;t=1"));
            assert_eq!(headers[RATE_LIMIT_POLICY], format!("{said};q=25;w=3"));
        }
    }

    #[test]
    fn a_rate_is_told_as_it_was_written_whether_it_divides_a_second_or_not() {
        const SECOND: u64 = 1_000_000_000;
        for (period, most) in [(1, 20_000), (60, 5_000), (3_600, 5_000), (86_400, 5_000)] {
            for units in 1..=most {
                let rate = Gcra::new(units, period * SECOND, units).unwrap();
                let whole = format!("\"l\";q={units};w={period}");
                assert_eq!(Policy::new("l", rate).unwrap().whole[0], whole);
                assert_eq!(rate.seconds(units, rate.window()), period, "all of {units} is owed");
                // Of what is owed no second is left out.
                let half = rate.interval() * units.div_ceil(2);
                let exact = (period * units.div_ceil(2)).div_ceil(units);
                assert_eq!(rate.seconds(units.div_ceil(2), half), exact, "half of {units}");
            }
        }
        let slow = Gcra::new(10, SECOND, 25).unwrap();
        assert_eq!(Policy::new("l", slow).unwrap().whole[0], "\"l\";q=25;w=3");
    }

    #[test]
    fn a_quota_tells_the_length_of_its_day_or_month() {
        for (calendar, days, window) in [
            (Calendar::Day, 1, 86_400),
            (Calendar::Month, 28, 2_419_200),
            (Calendar::Month, 31, 2_678_400),
        ] {
            let policy = Policy::of_quota("l", Quota { units: 1_000_000, calendar }).unwrap();
            let mut headers = HeaderMap::new();
            policy.tell(999_999, 2_678_400, days, &mut headers);
            assert_eq!(headers[RATE_LIMIT], "\"l\";r=999999;t=2678400");
            assert_eq!(headers[RATE_LIMIT_POLICY], format!("\"l\";q=1000000;w={window}"));
        }
    }
}
