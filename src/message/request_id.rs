//! The name of a request, the same at the client, in the log and at the origin.
//!
//! UUIDv7 (RFC 9562 section 5.7): sorts by time and needs no coordination. It names, it does not
//! protect, so its random part comes from a fast generator.

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use uuid::{Builder, fmt::Hyphenated};

use super::InFlight;

/// `X-Request-Id`
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called that began then: as whoever is trusted calls it, or by a name of our own.
pub fn request_id(client: &InFlight, headers: &HeaderMap, began: Instant) -> HeaderValue {
    let given = if client.is_trusted() { headers.get(REQUEST_ID) } else { None };
    let mut id = match given.filter(|id| acceptable_request_id(id)) {
        Some(id) => id.clone(),
        None => new_request_id(client.worker.clock.wall(began)),
    };
    // No secret, but a value that never comes again: HPACK is not to remember it.
    id.set_sensitive(true);
    id
}

/// Makes a name for a request that began so many milliseconds after 1970.
pub fn new_request_id(millis: u64) -> HeaderValue {
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = Builder::from_unix_timestamp_millis(millis, &random);
    let mut text = [0; Hyphenated::LENGTH];
    let text = id.into_uuid().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
}

/// Whether a name that a trusted peer gave can go on: short, and harmless in a log.
fn acceptable_request_id(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_version_7_and_sort_by_time() {
        let ids: Vec<_> = [1_700_000_000_000_u64, 1_700_000_000_001, 1_800_000_000_000]
            .map(new_request_id)
            .into();
        assert!(ids.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()), "{ids:?}");
        for id in &ids {
            let uuid: uuid::Uuid = id.to_str().unwrap().parse().unwrap();
            assert_eq!(uuid.get_version_num(), 7);
        }
    }

    #[test]
    fn a_peers_name_must_be_short_and_harmless() {
        for (name, fine) in [
            ("018f-abc", true),
            ("Root=1-67891233-abcdef012345678912345678", true),
            ("", false),
            ("a b", false),
            ("\"", false),
        ] {
            assert_eq!(acceptable_request_id(&HeaderValue::from_static(name)), fine, "{name}");
        }
        let long = HeaderValue::try_from("a".repeat(129)).unwrap();
        assert!(!acceptable_request_id(&long));
    }
}
