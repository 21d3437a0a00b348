//! Dates of header fields (RFC 9110 section 5.6.7), read as RFC 9111 section 4.2 wants caches to.
//!
//! In: the three formats, to the letter but for case; the day of the week is not checked, since nothing
//! depends on it. Out: seconds since 1970, or none: a date in another format or zone is no date.

use http::HeaderValue;

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const DAYS: [&[u8]; 7] =
    [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];

/// Seconds since 1970 that a field value says; `now` tells which century a year of two digits is in.
pub(super) fn read(value: &HeaderValue, now: u64) -> Option<u64> {
    parse(value.as_bytes().trim_ascii(), now)
}

fn parse(text: &[u8], now: u64) -> Option<u64> {
    match text.iter().position(|byte| *byte == b',') {
        Some(3) => fixed(text),
        Some(_) => rfc850(text, now),
        None => asctime(text),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn fixed(text: &[u8]) -> Option<u64> {
    let shape = text.len() == 29
        && is_day(&text[..3])
        && &text[3..5] == b", "
        && [7, 11, 16, 25].iter().all(|at| text[*at] == b' ')
        && text[26..].eq_ignore_ascii_case(b"GMT");
    let date = || (number(&text[12..16]), month(&text[8..11]), number(&text[5..7]));
    shape.then(date).and_then(|date| seconds(date, &text[17..25]))
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now: u64) -> Option<u64> {
    let (day, rest) = text.split_at(text.iter().position(|byte| *byte == b',')?);
    let shape = DAYS.iter().any(|name| name.eq_ignore_ascii_case(day))
        && rest.len() == 24
        && &rest[..2] == b", "
        && (rest[4], rest[8], rest[11], rest[20]) == (b'-', b'-', b' ', b' ')
        && rest[21..].eq_ignore_ascii_case(b"GMT");
    if !shape {
        return None;
    }
    // More than fifty years ahead, it is the last year that ended so.
    let this = year_of(now);
    let year = this / 100 * 100 + number(&rest[9..11])?;
    let year = if year > this + 50 { year - 100 } else { year };
    seconds((Some(year), month(&rest[5..8]), number(&rest[2..4])), &rest[12..20])
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<u64> {
    let shape =
        text.len() == 24 && is_day(&text[..3]) && [3, 7, 10, 19].iter().all(|at| text[*at] == b' ');
    if !shape {
        return None;
    }
    let day = if text[8] == b' ' { number(&text[9..10]) } else { number(&text[8..10]) };
    seconds((number(&text[20..]), month(&text[4..7]), day), &text[11..19])
}

fn is_day(text: &[u8]) -> bool {
    DAYS.iter().any(|name| name[..3].eq_ignore_ascii_case(text))
}

fn month(text: &[u8]) -> Option<u64> {
    MONTHS.iter().zip(1..).find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, at)| at)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

/// A day and a `08:49:37` of it, in seconds since 1970.
fn seconds(date: (Option<u64>, Option<u64>, Option<u64>), time: &[u8]) -> Option<u64> {
    let (year, month, day) = (date.0?, date.1?, date.2?);
    if year < 1970 || day == 0 || day > days_in(year, month) || (time[2], time[5]) != (b':', b':') {
        return before_1970(year);
    }
    let (hour, minute, second) = (number(&time[..2])?, number(&time[3..5])?, number(&time[6..])?);
    // A leap second is the one before it.
    let fits = hour < 24 && minute < 60 && second <= 60;
    let days = days_before(year) + (1..month).map(|month| days_in(year, month)).sum::<u64>();
    let time = (hour * 60 + minute) * 60 + second.min(59);
    fits.then_some((days + day - 1) * 86_400 + time)
}

/// Whatever is so long ago is as good as the first second we can count; it is a date, though.
fn before_1970(year: u64) -> Option<u64> {
    (1..1970).contains(&year).then_some(0)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of January of a year.
fn days_before(year: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

fn year_of(now: u64) -> u64 {
    let days = now / 86_400;
    let guess = 1970 + days / 366;
    (guess..).take(400).take_while(|year| days_before(*year) <= days).last().unwrap_or(guess)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-28
    const NOW: u64 = 1_795_824_000;

    #[test]
    fn the_three_formats_are_read_in_any_case_and_nothing_else_is() {
        const THEN: Option<u64> = Some(784_111_777);
        let cases: &[(&str, Option<u64>)] = &[
            ("Sun, 06 Nov 1994 08:49:37 GMT", THEN),
            ("Sunday, 06-Nov-94 08:49:37 GMT", THEN),
            ("Sun Nov  6 08:49:37 1994", THEN),
            // RFC 9111 section 4.2: a cache reads them in any case.
            ("SUN, 06 NOV 1994 08:49:37 gmt", THEN),
            ("sunday, 06-nov-94 08:49:37 gmt", THEN),
            // The day of the week decides nothing.
            ("Mon, 06 Nov 1994 08:49:37 GMT", THEN),
            ("Sat, 29 Feb 2020 23:59:59 GMT", Some(1_583_020_799)),
            ("Fri, 01 Jan 2100 00:00:00 GMT", Some(4_102_444_800)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_799)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Wed, 01 Jan 1969 00:00:00 GMT", Some(0)),
            // Section 5.6.7: two digits are never more than fifty years ahead.
            ("Friday, 01-Jan-76 00:00:00 GMT", Some(3_345_062_400)),
            ("Friday, 01-Jan-77 00:00:00 GMT", Some(220_924_800)),
            // RFC 9111 section 4.2: another zone is no date.
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("Sun, 06 Nov 1994 08:49:37 +0000", None),
            ("Sun, 06 Nov 94 08:49:37 GMT", None),
            ("Sun 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06  Nov  1994 08:49:37 GMT", None),
            ("Sun, 06-Nov-1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08.49.37 GMT", None),
            ("Sun, 06 Nov 1994 8:49:37 GMT", None),
            ("Sun, 31 Nov 1994 08:49:37 GMT", None),
            ("Sun, 29 Feb 2021 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("784111777", None),
            ("0", None),
            ("-1", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse(text.as_bytes(), NOW), *seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text: Vec<u8>, now: u32) {
            parse(&text, now.into());
        }

        #[test]
        fn nearly_dates_are_read_without_panic(text in "[A-Za-z]{3,9},? ?[0-9 -]{2}[ -][A-Za-z]{3}[ -][0-9]{2,4} [0-9:]{8} GMT") {
            parse(text.as_bytes(), NOW);
        }

        #[test]
        fn what_another_library_writes_is_read_as_meant(seconds in 0_u64..200_000_000_000) {
            let time = time::OffsetDateTime::from_unix_timestamp(seconds.cast_signed()).unwrap();
            let text = format!(
                "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                &time.weekday().to_string()[..3], time.day(), &time.month().to_string()[..3],
                time.year(), time.hour(), time.minute(), time.second(),
            );
            prop_assert_eq!(parse(text.as_bytes(), NOW), Some(seconds));
        }
    }
}
