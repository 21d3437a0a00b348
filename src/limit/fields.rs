//! `RateLimit` and `RateLimit-Policy`: what is left, for clients that want to know
//! (draft-ietf-httpapi-ratelimit-headers-10, structured fields).
//!
//! A policy is the same for every answer and made at load; what is left is written for each, in one piece
//! of memory.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::gcra::Gcra;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How a limit is told to clients.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Its name, as a string of structured fields, and the name of the first parameter.
    left: Box<[u8]>,
    whole: HeaderValue,
}

impl Policy {
    pub(super) fn new(name: &str, rate: Gcra) -> Option<Self> {
        let window = rate.window().div_ceil(1_000_000_000).max(1);
        let name = quoted(name);
        let whole = HeaderValue::try_from(format!("{name};q={};w={window}", rate.units())).ok()?;
        Some(Self { left: format!("{name};r=").into_bytes().into(), whole })
    }

    /// Adds what is left, and in how many seconds all of it is there again.
    pub(super) fn tell(&self, left: u32, reset: u32, headers: &mut HeaderMap) {
        let mut text = BytesMut::with_capacity(self.left.len() + 23);
        let mut digits = itoa::Buffer::new();
        text.put_slice(&self.left);
        text.put_slice(digits.format(left).as_bytes());
        text.put_slice(b";t=");
        text.put_slice(digits.format(reset).as_bytes());
        if let Ok(value) = HeaderValue::from_maybe_shared(text.freeze()) {
            headers.append(RATE_LIMIT, value);
            headers.append(RATE_LIMIT_POLICY, self.whole.clone());
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
            policy.tell(24, 1, &mut headers);
            assert_eq!(headers[RATE_LIMIT], format!("{said};r=24;t=1"));
            assert_eq!(headers[RATE_LIMIT_POLICY], format!("{said};q=25;w=3"));
        }
    }
}
