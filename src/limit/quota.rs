//! [`Quota`]: the arithmetic of a quota, as pure functions of a number and the time.
//!
//! All that is known of a key is one number of 64 bits: of which day or month it is, and above that how much
//! was used in it. One of a day that is over says the same as none; and since a later day is a greater
//! number, it can stand in a [`Table`](super::table::Table), where what is not above now is free.
//!
//! Time is the calendar's, in milliseconds since 1970 (UTC), which may be set back. A count of a later day
//! then goes on counting, until that one is over. So nothing that was used is ever given back by a clock.

use crate::config::{self, Calendar};

/// How much in each day or month.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Quota {
    pub(super) units: u64,
    pub(super) calendar: Calendar,
}

/// A day or month: the number of it since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Window(u64);

/// Why something cannot be taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Spent {
    /// Not before this day or month is over.
    Until(Window),
    /// It is more than there ever is.
    Never,
}

/// Bits for what was used. The rest is for the day: enough until the year 47,000.
const BITS: u32 = 40;

const MOST: u64 = (1 << BITS) - 1;

const DAY: u64 = 86_400_000;

/// The end of the year 9999, in days.
const LAST: u64 = 2_932_896;

impl Quota {
    pub(super) fn new(written: config::Quota) -> Self {
        Self { units: written.count, calendar: written.calendar }
    }

    /// Takes `cost` units.
    #[inline]
    pub(super) fn take(self, count: &mut u64, now: Window, cost: u64) -> Result<(), Spent> {
        if cost > self.units {
            return Err(Spent::Never);
        }
        let (window, used) = open(*count, now);
        // Neither is above 2^41.
        let after = used + cost;
        if after > self.units {
            return Err(Spent::Until(window));
        }
        *count = pack(window, after);
        Ok(())
    }

    /// How many units are left.
    #[inline]
    pub(super) fn left(self, count: u64, now: Window) -> u64 {
        self.units.saturating_sub(open(count, now).1)
    }
}

/// What was used, and of which day or month that is.
#[inline]
pub(super) fn open(count: u64, now: Window) -> (Window, u64) {
    let (window, used) = (count >> BITS, count & MOST);
    if window < now.0 { (now, 0) } else { (Window(window), used) }
}

/// The number as if `cost` units had not been taken.
pub(super) fn give_back(count: u64, now: Window, cost: u64) -> u64 {
    let (window, used) = open(count, now);
    pack(window, used.saturating_sub(cost))
}

/// The number with what another counted meanwhile, up to `count` and from `base` on.
pub(super) fn merge(own: u64, base: u64, count: u64, now: Window) -> u64 {
    let (window, used) = open(count, now);
    // What was used in a day that is over by now is no part of this one's.
    let more = if base >> BITS == count >> BITS { used - (base & MOST).min(used) } else { used };
    let (own, sum) = open(own, now);
    pack(own.max(window), sum + more)
}

/// The number that says so.
pub(super) fn pack(window: Window, used: u64) -> u64 {
    window.0 << BITS | used.min(MOST)
}

impl Window {
    /// The one at this time.
    #[inline]
    pub(super) fn at(calendar: Calendar, wall: u64) -> Self {
        let day = (wall / DAY).min(LAST);
        Self(match calendar {
            Calendar::Day => day,
            Calendar::Month => month(day),
        })
    }

    /// Its number since 1970.
    pub(super) const fn number(self) -> u64 {
        self.0
    }

    /// The greatest number that says nothing was used in it.
    #[inline]
    pub(super) const fn floor(self) -> u64 {
        self.0 << BITS
    }

    /// When it is over, in milliseconds since 1970.
    pub(super) fn end(self, calendar: Calendar) -> u64 {
        let day = match calendar {
            Calendar::Day => self.0 + 1,
            Calendar::Month => first_day(self.0 + 1),
        };
        day * DAY
    }

    /// How many days it has.
    pub(super) fn days(self, calendar: Calendar) -> u64 {
        match calendar {
            Calendar::Day => 1,
            Calendar::Month => first_day(self.0 + 1) - first_day(self.0),
        }
    }
}

/// The month since 1970 that a day is in: the Gregorian calendar with years that begin in March, so that the
/// day that comes in leap years is the last of one ("days from civil", Howard Hinnant).
fn month(day: u64) -> u64 {
    let day = day + EPOCH;
    let (era, day) = (day / ERA, day % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    // March is 0.
    let of_march = (5 * of_year + 2) / 153;
    (era * 400 + year) * 12 + of_march + 2 - 1970 * 12
}

/// The first day of a month, both since 1970.
fn first_day(month: u64) -> u64 {
    let month = month + 1970 * 12 - 2;
    let (year, of_march) = (month / 12, month % 12);
    let (era, year) = (year / 400, year % 400);
    era * ERA + 365 * year + year / 4 - year / 100 + (153 * of_march + 2) / 5 - EPOCH
}

/// Days from the first of March of the year 0 until 1970.
const EPOCH: u64 = 719_468;

/// Days of 400 years.
const ERA: u64 = 146_097;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{Date, Duration, Month};

    use super::*;

    fn date(wall: u64) -> Date {
        let first = Date::from_calendar_date(1970, Month::January, 1).unwrap();
        first + Duration::days(i64::try_from(wall / DAY).unwrap())
    }

    /// What a quota promises, said plainly: what is taken counts for the latest day or month that anything
    /// was taken in, and as long as that is not over.
    #[derive(Default)]
    struct Model(Vec<(Period, u64)>);

    type Period = (i32, u16);

    impl Model {
        fn take(&mut self, quota: Quota, now: Date, cost: u64) -> bool {
            let now = match quota.calendar {
                Calendar::Day => (now.year(), now.ordinal()),
                Calendar::Month => (now.year(), u8::from(now.month()).into()),
            };
            let now = self.0.iter().map(|(period, _)| *period).fold(now, Period::max);
            let current = self.0.iter().filter(|(period, _)| *period == now);
            let fits = current.map(|(_, cost)| cost).sum::<u64>() + cost <= quota.units;
            if fits {
                self.0.push((now, cost));
            }
            fits
        }
    }

    fn calendar() -> impl Strategy<Value = Calendar> {
        prop_oneof![Just(Calendar::Day), Just(Calendar::Month)]
    }

    const HOUR: u64 = 3_600_000;

    proptest! {
        #[test]
        fn it_lets_through_what_the_promise_allows_and_nothing_else(
            calendar in calendar(), units in 1_u64..40, start in 0_u64..40_000,
            requests in proptest::collection::vec((0_u64..60, 0_u64..5), 1..150),
        ) {
            let quota = Quota { units, calendar };
            let (mut model, mut count, mut wall) = (Model::default(), 0, start * DAY);
            for (hours, cost) in requests {
                wall += hours * hours * HOUR / 60;
                let taken = quota.take(&mut count, Window::at(calendar, wall), cost);
                let expected = model.take(quota, date(wall), cost);
                prop_assert_eq!(taken.is_ok(), expected, "{:?} on {}", taken, date(wall));
            }
        }

        /// A day or a month back and forth: what was used on any day of the clock counts until that is over.
        #[test]
        fn a_clock_that_jumps_gives_nothing_back(
            calendar in calendar(), units in 1_u64..20,
            requests in proptest::collection::vec((-1_i64..=1, 0_u64..5), 1..150),
        ) {
            let quota = Quota { units, calendar };
            let step = if calendar == Calendar::Day { 1 } else { 28 };
            let (mut day, mut count, mut model) = (20_000_i64, 0, Model::default());
            for (jump, cost) in requests {
                day += jump * step;
                let wall = u64::try_from(day).unwrap() * DAY;
                let taken = quota.take(&mut count, Window::at(calendar, wall), cost);
                let expected = model.take(quota, date(wall), cost);
                prop_assert_eq!(taken.is_ok(), expected, "{:?} on {}", taken, date(wall));
            }
        }

        #[test]
        fn what_is_given_back_can_be_taken_again(
            calendar in calendar(), wall in 0..LAST * DAY, units in 1_u64..1_000, cost in 0_u64..9,
        ) {
            let (quota, now) = (Quota { units, calendar }, Window::at(calendar, wall));
            let mut count = 0;
            if quota.take(&mut count, now, cost).is_ok() {
                prop_assert_eq!(quota.left(count, now), units - cost);
                prop_assert_eq!(quota.left(give_back(count, now, cost), now), units);
                prop_assert!(give_back(count, now, cost) >= now.floor());
            }
        }

        #[test]
        fn days_and_months_are_the_calendars(wall in 0..LAST * DAY) {
            let (day, month) = (Window::at(Calendar::Day, wall), Window::at(Calendar::Month, wall));
            prop_assert!(wall < day.end(Calendar::Day) && day.end(Calendar::Day) <= wall + DAY);
            let today = date(wall);
            let months = i64::from(today.year() - 1970) * 12 + i64::from(u8::from(today.month())) - 1;
            prop_assert_eq!(i64::try_from(month.0).unwrap(), months);
            let next = date(month.end(Calendar::Month));
            prop_assert_eq!((next.day(), next.month()), (1, today.month().next()));
            let length = today.month().length(today.year());
            prop_assert_eq!(month.days(Calendar::Month), u64::from(length));
        }

        #[test]
        fn no_number_overflows(count: u64, base: u64, other: u64, wall: u64, cost: u64, units: u64) {
            for calendar in [Calendar::Day, Calendar::Month] {
                let (quota, now) = (Quota { units: units >> 24, calendar }, Window::at(calendar, wall));
                let _ = (quota.take(&mut { count }, now, cost), quota.left(count, now));
                let _ = (give_back(count, now, cost), merge(count, base, other, now));
            }
        }

        /// Two processes that count from the same base on.
        #[test]
        fn what_two_counted_adds_up(start in 0_u64..50, one in 0_u64..50, other in 0_u64..50) {
            let now = Window::at(Calendar::Day, 20_000 * DAY);
            let base = pack(now, start);
            let merged = merge(pack(now, start + one), base, pack(now, start + other), now);
            prop_assert_eq!(open(merged, now), (now, start + one + other));
            // Midnight has passed since the base was read.
            let next = Window(now.0 + 1);
            let merged = merge(pack(next, one), base, pack(next, other), next);
            prop_assert_eq!(open(merged, next), (next, one + other));
            let merged = merge(pack(next, one), base, pack(now, start + other), next);
            prop_assert_eq!(open(merged, next), (next, one));
        }
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_gives_nothing_back() {
        let quota = Quota { units: 3, calendar: Calendar::Day };
        let day = |day: u64| Window::at(Calendar::Day, day * DAY);
        let mut count = 0;
        assert_eq!(quota.take(&mut count, day(20_000), 2), Ok(()));
        // As a machine without a battery starts.
        assert_eq!(quota.take(&mut count, day(0), 1), Ok(()));
        assert_eq!(quota.take(&mut count, day(0), 1), Err(Spent::Until(day(20_000))));
        assert_eq!(quota.take(&mut count, day(20_000), 1), Err(Spent::Until(day(20_000))));
        assert_eq!(quota.take(&mut count, day(20_001), 1), Ok(()));
    }
}
