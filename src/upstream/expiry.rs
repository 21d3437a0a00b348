//! [`Expiry`]: when a client gives a request up, so that nobody works for it any longer.
//!
//! In: `grpc-timeout`, or a field of the operator's choice. Out: the end of the whole exchange, and the same
//! field for the origin with what is left of the time, at each try.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

const GRPC: HeaderName = HeaderName::from_static("grpc-timeout");

/// Where it is said how long a client waits.
#[derive(Debug)]
pub(super) struct Expiries {
    /// Whether `grpc-timeout` is looked at: where origins speak gRPC, if any do.
    pub(super) grpc: bool,
    /// A field that says it in milliseconds.
    pub(super) header: Option<HeaderName>,
}

/// When a client gives a request up.
#[derive(Clone, Debug)]
pub(super) struct Expiry {
    pub(super) at: Instant,
    grpc: bool,
    header: Option<HeaderName>,
}

impl Expiries {
    /// Whether there is anything to look for.
    #[inline]
    pub(super) const fn is_on(&self) -> bool {
        self.grpc || self.header.is_some()
    }

    /// When a request ends of which the first byte came `started`, and which may take `total` from `now` on.
    #[cold]
    pub(super) fn find(
        &self,
        headers: &HeaderMap,
        started: Instant,
        total: Option<Duration>,
        now: Instant,
    ) -> Option<Expiry> {
        let grpc = if self.grpc { headers.get(GRPC).and_then(read_grpc) } else { None };
        let header = self.header.as_ref();
        let said = header.and_then(|name| headers.get(name)).and_then(read_millis);
        let waits = grpc.into_iter().chain(said).min();
        let until = waits.and_then(|time| started.checked_add(time));
        let total = total.and_then(|total| now.checked_add(total));
        // What is not said is not told to origins: that an exchange has an end is no wish of the client's.
        let (grpc, header) = (grpc.is_some(), header.cloned());
        let at = until.into_iter().chain(total).min()?;
        (grpc || header.is_some()).then_some(Expiry { at, grpc, header })
    }
}

impl Expiry {
    /// Says what is left of the time.
    pub(super) fn write(&self, headers: &mut HeaderMap, now: Instant) {
        let left = self.at.saturating_duration_since(now);
        if self.grpc {
            headers.insert(GRPC, write_grpc(left));
        }
        if let Some(name) = &self.header {
            let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            headers.insert(name.clone(), millis.into());
        }
    }
}

fn read_millis(value: &HeaderValue) -> Option<Duration> {
    number(value.to_str().ok()?, 12).map(Duration::from_millis)
}

/// So many digits at most, and nothing else.
fn number(text: &str, most: usize) -> Option<u64> {
    let digits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// gRPC over HTTP/2: eight digits at most, and a unit.
fn read_grpc(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count = number(digits, 8)?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// The same, rounded down, as exactly as eight digits can say it.
fn write_grpc(left: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let (count, unit) = match () {
        () if left.as_micros() <= MOST => (left.as_micros(), 'u'),
        () if left.as_millis() <= MOST => (left.as_millis(), 'm'),
        () => (u128::from(left.as_secs()).min(MOST), 'S'),
    };
    HeaderValue::try_from(format!("{count}{unit}")).unwrap_or_else(|_| 0.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(name: &'static str, value: &str) -> HeaderMap {
        [(HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect()
    }

    fn left(expiries: &Expiries, headers: &HeaderMap, total: Option<u64>) -> Option<Duration> {
        let (now, total) = (Instant::now(), total.map(Duration::from_secs));
        let started = now.checked_sub(Duration::from_secs(1)).unwrap();
        let found = expiries.find(headers, started, total, now);
        found.map(|expiry| expiry.at.saturating_duration_since(now))
    }

    #[test]
    fn the_least_of_what_is_said_counts_from_the_first_byte() {
        let both = Expiries { grpc: true, header: Some(HeaderName::from_static("x-timeout-ms")) };
        let grpc = Expiries { grpc: true, header: None };
        for (expiries, headers, total, expected) in [
            (&grpc, field("grpc-timeout", "5S"), None, Some(4_000)),
            (&grpc, field("grpc-timeout", "5S"), Some(2), Some(2_000)),
            (&grpc, field("grpc-timeout", "500m"), Some(2), Some(0)),
            (&grpc, field("grpc-timeout", "1H"), None, Some(3_599_000)),
            (&grpc, field("grpc-timeout", "2M"), None, Some(119_000)),
            (&grpc, field("grpc-timeout", "3000000u"), None, Some(2_000)),
            (&grpc, field("grpc-timeout", "99999999n"), None, Some(0)),
            // What makes no sense is as if it were not there, and goes on as it is.
            (&grpc, field("grpc-timeout", "5s"), None, None),
            (&grpc, field("grpc-timeout", "+5S"), None, None),
            (&grpc, field("grpc-timeout", "123456789S"), None, None),
            (&grpc, field("grpc-timeout", "S"), None, None),
            (&grpc, field("grpc-timeout", ""), None, None),
            (&grpc, HeaderMap::new(), Some(2), None),
            (&both, field("x-timeout-ms", "1500"), None, Some(500)),
            (&both, field("x-timeout-ms", "1.5"), Some(7), Some(7_000)),
            (&both, HeaderMap::new(), Some(2), Some(2_000)),
            (&both, HeaderMap::new(), None, None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(left(expiries, &headers, total), expected, "{headers:?} {total:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_never_more(micros in 0_u64..=u64::MAX / 1_000_000) {
            let left = Duration::from_micros(micros);
            let read = read_grpc(&write_grpc(left)).unwrap();
            prop_assert!(read <= left);
            // Eight digits: exact to one part in 100,000, up to three years.
            if left < Duration::from_secs(99_999_999) {
                prop_assert!((left - read).as_secs_f64() <= left.as_secs_f64() / 90_000.0);
            }
        }
    }
}
