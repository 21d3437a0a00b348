//! What a route asks of its cache, as far as the rules look at it: plain data, compiled at load.
//!
//! The default is what the RFCs say and nothing else: the origin decides.

use http::{HeaderName, Method, StatusCode};

use crate::config::Statuses;

/// A route's rules.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long an answer is fresh of which its origin does not say how long; instead of a guess.
    pub ttl: Ttl,
    /// Seconds that an answer is fresh whatever the origin says of times: `max-age`, `s-maxage`, `Expires`
    /// and `Age` are not looked at.
    pub override_ttl: Option<u32>,
    /// At most so many seconds are guessed from `Last-Modified`, a tenth of its age; 0 guesses never.
    pub heuristic: u32,
    /// Seconds, where the origin says nothing of it.
    pub stale_while_revalidate: u32,
    /// Seconds, where the origin says nothing of it.
    pub stale_if_error: u32,
    /// What is not listened to.
    pub ignore: Ignore,
    /// Statuses that may be kept at all; none: every one that RFC 9111 section 3 lets keep.
    pub status: Option<Box<[StatusCode]>>,
    /// Methods that are answered out of the cache.
    pub methods: Methods,
    /// Fields for us before `Cache-Control` (RFC 9213): the first that is there and valid decides alone.
    pub targeted: Box<[HeaderName]>,
    /// Whether the fields that `Vary` names are compared by what they mean, not by how they are written.
    pub normalise: bool,
    /// Whether the whole is fetched and kept when a part is asked for.
    pub whole: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Ttl::default(),
            override_ttl: None,
            heuristic: 86_400,
            stale_while_revalidate: 0,
            stale_if_error: 0,
            ignore: Ignore::default(),
            status: None,
            methods: Methods::default(),
            targeted: [HeaderName::from_static("cdn-cache-control")].into(),
            normalise: true,
            whole: false,
        }
    }
}

/// What of the origin's and the client's words is not listened to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignore {
    /// `no-store` of answers.
    pub no_store: bool,
    /// `private`.
    pub private: bool,
    /// `no-cache` of answers.
    pub no_cache: bool,
    /// `must-revalidate`, `proxy-revalidate`, and that `s-maxage` means the same.
    pub must_revalidate: bool,
    /// `Set-Cookie`: the answer is kept without it.
    pub set_cookie: bool,
    /// `Vary`.
    pub vary: bool,
    /// That a request was authorized: its answer is for all who share its key.
    pub authorization: bool,
    /// Every directive of requests.
    pub request: bool,
}

/// Methods that are answered out of the cache.
#[derive(Clone, Copy, Debug)]
pub struct Methods {
    /// GET; what is kept is always kept by it.
    pub get: bool,
    /// HEAD, by what a GET brought.
    pub head: bool,
    /// Whether the answer to a POST is kept for a GET, if it says that it is that (RFC 9110 section 9.3.3).
    pub post: bool,
}

impl Methods {
    /// Whether a request with this method is answered by what is kept.
    #[inline]
    pub fn answer(self, method: &Method) -> bool {
        match *method {
            Method::GET => self.get,
            Method::HEAD => self.head,
            _ => false,
        }
    }
}

impl Default for Methods {
    fn default() -> Self {
        Self { get: true, head: true, post: false }
    }
}

/// Seconds that answers are fresh of which their origin does not say how long.
#[derive(Clone, Debug, Default)]
pub struct Ttl {
    /// For statuses that may be kept without being told so.
    every: Option<u32>,
    /// For certain ones, the narrowest first.
    by_status: Box<[(Statuses, u32)]>,
}

impl Ttl {
    /// One for the statuses that RFC 9110 section 15.1 lets keep without a word, and others by status; a range means
    /// such statuses alone: what refuses one client (401, 403) is for others only where it is named.
    pub fn new(every: Option<u32>, by_status: impl IntoIterator<Item = (Statuses, u32)>) -> Self {
        let mut by_status: Box<[_]> = by_status.into_iter().collect();
        by_status.sort_by_key(|(statuses, _)| statuses.to.saturating_sub(statuses.from));
        Self { every, by_status }
    }

    /// Seconds for an answer of this status.
    pub fn of(&self, status: StatusCode) -> Option<u32> {
        let unasked = super::rules::is_kept_unasked(status);
        let means = |(statuses, _): &&(Statuses, u32)| {
            statuses.holds(status.as_u16()) && (unasked || statuses.from == statuses.to)
        };
        let named = self.by_status.iter().find(means);
        let every = || self.every.filter(|_| unasked);
        named.map(|(_, seconds)| *seconds).or_else(every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_status_decides_how_long() {
        let statuses = |text: &str| text.parse::<Statuses>().unwrap();
        let ttl =
            Ttl::new(Some(30), [(statuses("4xx"), 10), (statuses("404"), 5), (statuses("403"), 7)]);
        let cases = [
            (200, Some(30)),
            (404, Some(5)),
            (410, Some(10)),
            (403, Some(7)),
            (400, None),
            (401, None),
            (500, None),
            (302, None),
        ];
        for (status, seconds) in cases {
            assert_eq!(ttl.of(StatusCode::from_u16(status).unwrap()), seconds, "{status}");
        }
        assert_eq!(Ttl::default().of(StatusCode::OK), None);
    }
}
