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

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Request, Response, StatusCode};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use proptest::prelude::*;

use super::{
    super::policy::Policy,
    Asked, Exchange, Reuse, Said, keep, reuse,
    tests::{
        headers,
        naive::{NOW, exchanges},
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
    let twice = ["max-age=", "s-maxage=", "expires:", "age: ", "date:"];
    let times = |text: &str, word: &str| text.matches(word).count();
    // `s-maxage=` and `max-age=` are different words, `age: ` is not in `max-age`.
    let repeated = twice.iter().any(|word| times(answer, word) > 1);
    let status = [200, 203, 302, 404].contains(&status);
    status && !repeated && !odd.iter().any(|word| answer.contains(word) || request.contains(word))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn both_say_the_same(
        (request, status, answer) in exchanges(), (asks, _, _) in exchanges(), resident in 0_u64..200
    ) {
        prop_assume!(is_plain(&request, status, &answer) && is_plain(&asks, 200, ""));
        let policy = Policy::default();
        let status = StatusCode::from_u16(status).unwrap();
        let (mut theirs, mut reply) = (Request::get("/").body(()).unwrap(), Response::new(()));
        *theirs.headers_mut() = headers(&request);
        *reply.headers_mut() = headers(&answer);
        *reply.status_mut() = status;
        let other = CachePolicy::new_options(&theirs, &reply, at(NOW), CacheOptions::default());

        let exchange = Exchange {
            method: &Method::GET,
            authorized: theirs.headers().contains_key("authorization"),
            located: false,
            status,
            answer: reply.headers(),
            asked: &Asked::read(theirs.headers(), &policy),
            said: &Said::read(reply.headers(), &policy),
            sent: NOW,
            got: NOW,
        };
        let ours = keep(&exchange, &policy);
        if !other.is_storable() {
            prop_assert!(ours.is_err(), "{} {} {}", request, status, answer);
        }
        let Ok(kept) = ours else { return Ok(()) };
        let lifetime = other.time_to_live(at(NOW)).as_secs();
        if !kept.terms.no_cache() {
            let left = kept.terms.left(Duration::ZERO).max(0).cast_unsigned();
            prop_assert_eq!(left, lifetime, "{} {}", status, answer);
        }

        let mut again = Request::get("/").body(()).unwrap();
        *again.headers_mut() = headers(&asks);
        // Which request an answer is for is another question.
        prop_assume!(!answer.contains("vary"));
        let asked = Asked::read(again.headers(), &policy);
        let found = reuse(&kept.terms, Duration::from_secs(resident), &asked, false);
        let used = matches!(found, Reuse::Fresh | Reuse::StaleAllowed);
        let before = other.before_request(&again, at(NOW + resident));
        let theirs = matches!(before, BeforeRequest::Fresh(_));
        // To the second of the end, it says no.
        let stale = -kept.terms.left(Duration::from_secs(resident));
        let on_the_edge = asked.max_stale.is_some_and(|most| stale == i64::from(most));
        let forbidden = kept.terms.must_revalidate() || kept.terms.no_cache();
        if !(on_the_edge || (asked.max_stale.is_some() && forbidden)) {
            prop_assert_eq!(used, theirs, "{} after {} s, {:?}", answer, resident, asks);
        }
    }
}
