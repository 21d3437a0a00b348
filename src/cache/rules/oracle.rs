//! The rules against another library's, `http-cache-semantics`, with exchanges made at random.
//!
//! It is wrong in places, and knows less; where it differs for one of these reasons, it is not asked:
//!
//! - its parser tells `No-Store` from `no-store`, cuts within quotes, and where two directives differ it reads
//!   `must-revalidate` into them: exchanges with such are left out ([`is_plain`]);
//! - it knows no status but those of RFC 7231, so it keeps no 500 or 599 that says `max-age`, nor
//!   `must-understand`;
//! - it heeds `Pragma` in answers, which RFC 9111 section 5.4 says means nothing there;
//! - it takes `private="a"` and `no-cache="a"` for the whole answer;
//! - it keeps 404 and the like that say nothing at all, to no use; so what it keeps, we need not;
//! - it takes `proxy-revalidate` for a lifetime of 0, and has `immutable` answers fresh for a day;
//! - it lets a client's `max-stale` override `proxy-revalidate`, `s-maxage` and `no-cache`;
//! - it does not look at `Date` when it counts an age (section 4.2.3), only at `Age`;
//! - it lets an answer with `Set-Cookie` be stored and never be fresh; we keep it or not;
//! - it knows nothing of RFC 5861, 9213 and of ranges; and takes `max-age=0` of a request as "not older than
//!   now", which in the same second every answer fulfils.

use std::{
    cell::Cell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{Request, Response, StatusCode};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    super::policy::Policy,
    Asked, Reuse, Terms, reuse,
    tests::{
        headers,
        naive::{NOW, exchanges, kept_of_get},
    },
};

/// Whether the other library reads the exchange as it is meant.
fn is_plain(request: &str, status: u16, answer: &str) -> bool {
    let odd = [
        "=x",
        "=-1",
        "=\"",
        "=99999999999",
        "=foo",
        "no-store\"",
        "pragma",
        "must-understand",
        "immutable",
        "proxy-revalidate",
        "set-cookie",
        "12:26:10",
        "stale-while",
        "vary: *",
        "No-Store",
        "Max-Age",
    ];
    let twice = ["max-age=", "s-maxage=", "expires:", "age: ", "date:", "stale-if-error="];
    let times = |text: &str, word: &str| text.matches(word).count();
    // `s-maxage=` and `max-age=` are different words, `age: ` is not in `max-age`.
    let repeated = twice.iter().any(|word| times(answer, word) > 1);
    let status = [200, 203, 302, 404].contains(&status);
    status && !repeated && !odd.iter().any(|word| answer.contains(word) || request.contains(word))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn both_say_the_same() {
    let config = ProptestConfig {
        cases: 3000,
        max_global_rejects: 100_000,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let (kept, used) = (Cell::new(0), Cell::new(0));
    let exchanges = (exchanges(), exchanges(), 0_u64..200);
    let result =
        TestRunner::new(config).run(&exchanges, |((request, status, answer), again, resident)| {
            prop_assume!(is_plain(&request, status, &answer) && is_plain(&again.0, 200, ""));
            let both = Both::new(&request, status, &answer);
            let Some(terms) = both.keep()? else { return Ok(()) };
            kept.set(kept.get() + 1);
            // Which request an answer is for is another question.
            prop_assume!(!answer.contains("vary"));
            used.set(used.get() + usize::from(both.is_used(&terms, &again.0, resident)?));
            Ok(())
        });
    result.unwrap();
    // There was something to be of one mind about.
    assert!(kept.get() > 300 && used.get() > 100, "{} kept, {} used", kept.get(), used.get());
}

/// One exchange, as we and as the other library know it.
struct Both {
    request: Request<()>,
    answer: Response<()>,
    other: CachePolicy,
    policy: Policy,
}

impl Both {
    fn new(request: &str, status: u16, answer: &str) -> Self {
        let request = asking(request);
        let mut reply = Response::new(());
        *reply.headers_mut() = headers(answer);
        *reply.status_mut() = StatusCode::from_u16(status).unwrap();
        let options = CacheOptions::default();
        let other = CachePolicy::new_options(&request, &reply, at(NOW), options);
        Self { request, answer: reply, other, policy: Policy::default() }
    }

    /// Whether both keep it, and for as long.
    fn keep(&self) -> Result<Option<Terms>, TestCaseError> {
        let asks = self.request.headers();
        let asked = Asked::read(asks, &self.policy);
        let asks = (asks.contains_key("authorization"), &asked);
        let ours = kept_of_get(&self.policy, asks, (self.answer.status(), self.answer.headers()));
        let lifetime = self.other.time_to_live(at(NOW)).as_secs();
        if !self.other.is_storable() {
            prop_assert!(ours.is_err(), "we keep {:?} {:?}", self.request, self.answer);
        } else if lifetime > 0 {
            prop_assert!(ours.is_ok(), "{ours:?}: {:?} {:?}", self.request, self.answer);
        }
        let Ok(kept) = ours else { return Ok(None) };
        if !kept.terms.no_cache() {
            let left = kept.terms.left(Duration::ZERO).max(0).cast_unsigned();
            prop_assert_eq!(left, lifetime, "{:?}", self.answer);
        }
        Ok(Some(kept.terms))
    }

    /// Whether both use it for another request later.
    fn is_used(&self, terms: &Terms, again: &str, resident: u64) -> Result<bool, TestCaseError> {
        let again = asking(again);
        let asked = Asked::read(again.headers(), &self.policy);
        let found = reuse(terms, Duration::from_secs(resident), &asked, false);
        let used = matches!(found, Reuse::Fresh | Reuse::StaleAllowed);
        let before = self.other.before_request(&again, at(NOW + resident));
        let theirs = matches!(before, BeforeRequest::Fresh(_));
        // As stale as the client takes it, to the second, it says no.
        let stale = -terms.left(Duration::from_secs(resident));
        let on_the_edge = asked.max_stale.is_some_and(|most| stale == i64::from(most));
        let forbidden = terms.must_revalidate() || terms.no_cache();
        if !(on_the_edge || (asked.max_stale.is_some() && forbidden)) {
            prop_assert_eq!(used, theirs, "{:?} after {} s: {:?}", self.answer, resident, again);
        }
        Ok(used)
    }
}

fn asking(text: &str) -> Request<()> {
    let mut request = Request::get("/").body(()).unwrap();
    *request.headers_mut() = headers(text);
    request
}
