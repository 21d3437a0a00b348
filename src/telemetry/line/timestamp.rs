//! RFC 3339 time in UTC with milliseconds: `2026-11-24T03:44:23.123Z`.
//!
//! In: milliseconds since 1970. Out: 24 bytes. It costs about as much as copying them, so nothing is
//! kept between lines.

const SECOND: u64 = 1_000;
const DAY: u64 = 86_400 * SECOND;
/// The last millisecond of the year 9999; the form has no room for more.
const LAST: u64 = 253_402_300_799_999;

pub(super) fn timestamp(millis: u64, out: &mut Vec<u8>) {
    let millis = millis.min(LAST);
    let (year, month, day) = date(millis / DAY);
    let second = (millis % DAY) / SECOND;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], second / 3_600);
    digits(&mut text[14..16], second / 60 % 60);
    digits(&mut text[17..19], second % 60);
    digits(&mut text[20..23], millis % SECOND);
    out.extend_from_slice(&text);
}

/// Year, month and day of the days since 1970. Howard Hinnant's `civil_from_days`: it counts from
/// 0000-03-01, so that the day that is not always there is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// Writes the last digits of `value` that fit.
fn digits(text: &mut [u8], mut value: u64) {
    for digit in text.iter_mut().rev() {
        // The remainder is below ten.
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_795_491_863_123, "2026-11-24T03:44:23.123Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let mut out = Vec::new();
            timestamp(millis, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
