//! How long an answer is fresh (RFC 9111 section 4.2.1, 4.2.2).
//!
//! The origin's word first, in its order: `s-maxage`, `max-age`, `Expires`; then the operator's; then a guess.

use http::{
    HeaderMap, StatusCode,
    header::{EXPIRES, LAST_MODIFIED},
};

use super::{
    super::policy::Policy, date, lists::FOREVER, said::Said, status::is_kept_unasked,
    terms::date_of,
};

/// How long an answer is fresh, counted from when it was made, and who says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lifetime {
    /// Somebody says it.
    Said(u32),
    /// Nobody does; a tenth of the time that it has not changed for.
    Guessed(u32),
    /// There is nothing to guess by.
    Unknown,
}

impl Lifetime {
    pub(super) const fn seconds(self) -> u32 {
        match self {
            Self::Said(seconds) | Self::Guessed(seconds) => seconds,
            Self::Unknown => 0,
        }
    }
}

/// The lifetime of an answer that came at `got`, `age` seconds old.
pub(super) fn lifetime(
    status: StatusCode,
    answer: &HeaderMap,
    said: &Said,
    (age, got): (u32, u64),
    policy: &Policy,
) -> Lifetime {
    if said.broken {
        return Lifetime::Said(0);
    }
    if let Some(seconds) = said.s_maxage.or(said.max_age) {
        return Lifetime::Said(seconds);
    }
    let made = || date_of(answer, got).unwrap_or(got);
    if let Some(expires) = answer.get(EXPIRES).filter(|_| !said.targeted) {
        // What is no date is in the past (section 5.3).
        let expires = date::read(expires, got).unwrap_or(0);
        return Lifetime::Said(capped(expires.saturating_sub(made())));
    }
    if let Some(seconds) = policy.ttl.of(status) {
        // The operator counts from when it came.
        return Lifetime::Said(age.saturating_add(seconds).min(FOREVER));
    }
    let modified = answer.get(LAST_MODIFIED).and_then(|date| date::read(date, got));
    match modified {
        Some(modified) if policy.heuristic > 0 && (is_kept_unasked(status) || said.public) => {
            let tenth = capped(made().saturating_sub(modified) / 10);
            Lifetime::Guessed(tenth.min(policy.heuristic))
        }
        _ => Lifetime::Unknown,
    }
}

fn capped(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(FOREVER).min(FOREVER)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::headers, *};

    /// Sun, 09 Sep 2001 01:46:40 GMT
    const NOW: u64 = 1_000_000_000;

    const DATE: &str = "date: Sun, 09 Sep 2001 01:46:40 GMT\n";

    fn of(status: u16, text: &str, policy: &Policy) -> Lifetime {
        let headers = headers(&format!("{DATE}{text}"));
        let status = StatusCode::from_u16(status).unwrap();
        lifetime(status, &headers, &Said::read(&headers, policy), (0, NOW), policy)
    }

    #[test]
    fn the_origin_says_how_long_it_holds() {
        use Lifetime::{Said, Unknown};
        let cases = [
            ("cache-control: max-age=10", Said(10)),
            ("cache-control: max-age=10, s-maxage=20", Said(20)),
            ("cache-control: s-maxage=5, max-age=10", Said(5)),
            ("cache-control: max-age=0\nexpires: Sun, 09 Sep 2001 01:47:40 GMT", Said(0)),
            ("cache-control: max-age=10\nexpires: Sun, 09 Sep 2001 01:45:40 GMT", Said(10)),
            ("cache-control: max-age=10\nexpires: 0", Said(10)),
            ("expires: Sun, 09 Sep 2001 01:47:40 GMT", Said(60)),
            ("expires: Sunday, 09-Sep-01 01:47:40 GMT", Said(60)),
            ("expires: Sun Sep  9 01:47:40 2001", Said(60)),
            ("expires: SUN, 09 SEP 2001 01:47:40 gmt", Said(60)),
            ("expires: Sun, 09 Sep 2001 01:46:40 GMT", Said(0)),
            ("expires: Sun, 09 Sep 2001 01:45:40 GMT", Said(0)),
            ("expires: 0", Said(0)),
            ("expires: -1", Said(0)),
            ("expires: never", Said(0)),
            ("expires: ", Said(0)),
            ("expires: Sun, 09 Sep 2001 01:47:40 UTC", Said(0)),
            // 4.2.1: of two the first one counts.
            (
                "expires: Sun, 09 Sep 2001 01:47:40 GMT\nexpires: Sun, 09 Sep 2001 01:46:50 GMT",
                Said(60),
            ),
            ("expires: Sun, 21 Nov 9286 04:46:39 GMT", Said(FOREVER)),
            ("cache-control: max-age=x\nexpires: Sun, 09 Sep 2001 01:47:40 GMT", Said(0)),
            // RFC 9213 section 2.2
            ("cdn-cache-control: foo\nexpires: Sun, 09 Sep 2001 01:47:40 GMT", Unknown),
            ("cdn-cache-control: max-age=7\ncache-control: max-age=9", Said(7)),
            ("", Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(of(200, text, &Policy::default()), expected, "{text}");
        }
    }

    #[test]
    fn expires_counts_from_the_date_of_the_answer_or_from_when_it_came() {
        let cases = [
            // Both fast, both slow, no date, and one that is none.
            ("date: Sun, 09 Sep 2001 01:56:40 GMT\nexpires: Sun, 09 Sep 2001 01:57:40 GMT", 60),
            ("date: Sun, 09 Sep 2001 01:56:40 GMT\nexpires: Sun, 09 Sep 2001 01:56:30 GMT", 0),
            ("date: Sun, 09 Sep 2001 01:36:40 GMT\nexpires: Sun, 09 Sep 2001 01:37:40 GMT", 60),
            ("expires: Sun, 09 Sep 2001 01:47:40 GMT", 60),
            ("date: foo\nexpires: Sun, 09 Sep 2001 01:47:40 GMT", 60),
        ];
        for (text, seconds) in cases {
            let (headers, policy) = (headers(text), Policy::default());
            let said = Said::read(&headers, &policy);
            let found = lifetime(StatusCode::OK, &headers, &said, (0, NOW), &policy);
            assert_eq!(found, Lifetime::Said(seconds), "{text}");
        }
    }

    #[test]
    fn what_the_origin_does_not_say_is_guessed_where_that_is_allowed() {
        use Lifetime::{Guessed, Unknown};
        const MODIFIED: &str = "last-modified: Sun, 09 Sep 2001 00:46:40 GMT";
        let allowed = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
        for status in 200..600 {
            let expected = if allowed.contains(&status) { Guessed(360) } else { Unknown };
            assert_eq!(of(status, MODIFIED, &Policy::default()), expected, "{status}");
            let public = format!("{MODIFIED}\ncache-control: public");
            assert_eq!(of(status, &public, &Policy::default()), Guessed(360), "{status}");
        }
        let future = "last-modified: Sun, 09 Sep 2001 02:46:40 GMT";
        assert_eq!(of(200, future, &Policy::default()), Guessed(0));
        assert_eq!(of(200, "last-modified: today", &Policy::default()), Unknown);
        let never = Policy { heuristic: 0, ..Policy::default() };
        assert_eq!(of(200, MODIFIED, &never), Unknown);
        let little = Policy { heuristic: 9, ..Policy::default() };
        assert_eq!(of(200, MODIFIED, &little), Guessed(9));
        assert_eq!(
            of(200, "last-modified: Mon, 09 Sep 1991 01:46:40 GMT", &Policy::default()),
            Guessed(86_400)
        );
    }
}
