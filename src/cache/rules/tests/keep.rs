//! What is kept, how, and why not: RFC 9111 section 3, 3.1, 3.5, 4.2, 5.2.2, 7.3.

use http::{HeaderName, Method, StatusCode};

use super::headers;
use crate::cache::{
    policy::Policy,
    rules::{Asked, Exchange, Kept, Said, Terms, Unkept, keep},
};

/// Sun, 09 Sep 2001 01:46:40 GMT
const NOW: u64 = 1_000_000_000;
const DATE: &str = "date: Sun, 09 Sep 2001 01:46:40 GMT\n";
const MODIFIED: &str = "last-modified: Sun, 09 Sep 2001 00:46:40 GMT";

/// An exchange to be judged; the default is a plain GET.
#[derive(Clone, Copy)]
struct Case<'a> {
    method: &'a str,
    request: &'a str,
    status: u16,
    answer: &'a str,
    located: bool,
}

const GET: Case<'_> = Case { method: "GET", request: "", status: 200, answer: "", located: false };

fn judge(case: Case<'_>, policy: &Policy) -> Result<Kept, Unkept> {
    let (request, answer) = (headers(case.request), headers(&format!("{DATE}{}", case.answer)));
    keep(
        &Exchange {
            method: &case.method.parse::<Method>().unwrap(),
            authorized: request.contains_key("authorization"),
            cookies: request.contains_key("cookie"),
            located: case.located,
            status: StatusCode::from_u16(case.status).unwrap(),
            answer: &answer,
            asked: &Asked::read(&request, policy),
            said: &Said::read(&answer, policy),
            sent: NOW,
            got: NOW,
        },
        policy,
    )
}

fn plain(case: Case<'_>) -> Result<Kept, Unkept> {
    judge(case, &Policy::default())
}

fn answer(answer: &str) -> Result<Kept, Unkept> {
    plain(Case { answer, ..GET })
}

/// Rows of section, exchange, and why its answer is not kept; none: it is.
fn check(cases: &[(&str, Case<'_>, Option<Unkept>)]) {
    for (rule, case, expected) in cases {
        let found = plain(*case).err();
        assert_eq!(found, *expected, "{rule}: {} -> {}", case.request, case.answer);
    }
}

const fn says(answer: &str) -> Case<'_> {
    Case { answer, ..GET }
}

#[test]
fn an_answer_that_could_never_be_used_is_not_kept() {
    use Unkept::{Expired, NoLifetime};
    check(&[
        // 3: somebody says for how long, or it can be guessed, or it can be validated.
        ("3", says("cache-control: max-age=9"), None),
        ("3", says("cache-control: s-maxage=9"), None),
        ("3", says("expires: Sun, 09 Sep 2001 01:47:40 GMT"), None),
        ("3", says(MODIFIED), None),
        ("3", says("etag: \"a\""), None),
        ("3", says(""), Some(NoLifetime)),
        ("3", says("cache-control: public"), Some(NoLifetime)),
        ("3", says("cache-control: foobar"), Some(NoLifetime)),
        ("4.2", says("cache-control: max-age=0"), Some(Expired)),
        ("4.2", says("cache-control: max-age=0\netag: \"a\""), None),
        ("4.2", says("cache-control: max-age=0\netag: "), Some(Expired)),
        ("4.2", says("cache-control: max-age=x"), Some(Expired)),
        ("4.2", says("cache-control: max-age=-1"), Some(Expired)),
        ("4.2", says("expires: 0"), Some(Expired)),
        ("4.2", says("expires: Sun, 09 Sep 2001 01:46:40 GMT"), Some(Expired)),
        ("4.2", says("cache-control: max-age=9\nage: 20"), None),
        ("RFC 5861", says("cache-control: max-age=0, stale-while-revalidate=9"), None),
        ("RFC 5861", says("cache-control: max-age=0, stale-if-error=9"), None),
        (
            "4.2.4",
            says("cache-control: max-age=0, stale-if-error=9, must-revalidate"),
            Some(Expired),
        ),
    ]);
}

#[test]
fn an_answer_that_is_not_for_all_is_not_kept() {
    use Unkept::{
        Authorization, Expired, NoCache, NoStore, Private, RequestNoStore, SetCookie, VaryStar,
    };
    let auth = |answer| Case { request: "authorization: x", answer, ..GET };
    let asks = |request| Case { request, answer: "cache-control: max-age=9", ..GET };
    check(&[
        // 5.2.1.5
        ("5.2.1.5", asks("cache-control: no-store"), Some(RequestNoStore)),
        ("5.2.1.4", asks("cache-control: no-cache"), None),
        // 5.2.2.5
        ("5.2.2.5", says("cache-control: no-store"), Some(NoStore)),
        ("5.2.2.5", says("cache-control: No-StOrE, max-age=9"), Some(NoStore)),
        ("5.2.2.5", says("cache-control: max-age=9\ncache-control: no-store"), Some(NoStore)),
        // 5.2.2.7
        ("5.2.2.7", says("cache-control: private, max-age=9"), Some(Private)),
        ("5.2.2.7", says("cache-control: private, public, max-age=9"), Some(Private)),
        ("5.2.2.7", says("cache-control: private=\"a\", max-age=9"), None),
        // 5.2.2.4
        ("5.2.2.4", says("cache-control: no-cache, max-age=9"), Some(NoCache)),
        ("5.2.2.4", says("cache-control: no-cache\netag: \"a\""), None),
        ("5.2.2.4", says("cache-control: no-cache=\"a\", max-age=9"), None),
        // 3.5
        ("3.5", auth("cache-control: max-age=9"), Some(Authorization)),
        ("3.5", auth("expires: Sun, 09 Sep 2001 01:47:40 GMT"), Some(Authorization)),
        ("3.5", auth("cache-control: max-age=9, public"), None),
        ("3.5", auth("cache-control: max-age=9, must-revalidate"), None),
        ("3.5", auth("cache-control: s-maxage=9"), None),
        ("3.5", auth("cache-control: max-age=9, proxy-revalidate"), Some(Authorization)),
        // 4.1
        ("4.1", says("cache-control: max-age=9\nvary: *"), Some(VaryStar)),
        ("4.1", says("cache-control: max-age=9\nvary: a, *"), Some(VaryStar)),
        ("4.1", says("cache-control: max-age=9\nvary: a"), None),
        // 7.3
        ("7.3", says("cache-control: max-age=9\nset-cookie: a=b"), Some(SetCookie)),
        ("7.3", says("cache-control: max-age=9, public\nset-cookie: a=b"), None),
        ("7.3", says("cache-control: s-maxage=9\nset-cookie: a=b"), None),
        ("7.3", says("cache-control: max-age=9, private=set-cookie\nset-cookie: a=b"), None),
        ("7.3", says("cache-control: max-age=9, no-cache=\"Set-Cookie\"\nset-cookie: a=b"), None),
        ("7.3", Case { request: "cookie: a=b", answer: "cache-control: max-age=9", ..GET }, None),
        // RFC 9213
        ("RFC 9213", says("cdn-cache-control: max-age=9\ncache-control: no-store"), None),
        ("RFC 9213", says("cdn-cache-control: no-store\ncache-control: max-age=9"), Some(NoStore)),
        ("RFC 9213", says("cdn-cache-control: private\ncache-control: max-age=9"), Some(Private)),
        (
            "RFC 9213",
            says("cdn-cache-control: max-age=0\nexpires: Sun, 09 Sep 2001 01:47:40 GMT"),
            Some(Expired),
        ),
        (
            "RFC 9213",
            says("cdn-cache-control: max-age=\"9\"\ncache-control: no-store"),
            Some(Expired),
        ),
        (
            "RFC 9213",
            says("cdn-cache-control: max-age=9, &&\ncache-control: no-store"),
            Some(NoStore),
        ),
        // 5.4: nothing, in an answer.
        ("5.4", says("cache-control: max-age=9\npragma: no-cache"), None),
    ]);
}

#[test]
fn which_statuses_are_kept() {
    use Unkept::{NoLifetime, Partial, Status};
    const UNASKED: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
    const NEVER: [u16; 8] = [304, 407, 412, 416, 428, 429, 431, 511];
    for status in 100..=699 {
        let of = |answer| plain(Case { status, answer, ..GET }).err();
        let fresh = match status {
            206 => Some(Partial),
            ..200 | 600.. => Some(Status),
            status if NEVER.contains(&status) => Some(Status),
            _ => None,
        };
        // 3: told for how long, any final status is, known or not.
        assert_eq!(of("cache-control: max-age=9"), fresh, "{status}");
        assert_eq!(of("expires: Sun, 09 Sep 2001 01:47:40 GMT"), fresh, "{status}");
        // 4.2.2: else those that RFC 9110 section 15.1 names, and those that say `public`.
        let guessed = if UNASKED.contains(&status) { None } else { fresh.or(Some(NoLifetime)) };
        assert_eq!(of(MODIFIED), guessed, "{status}");
        assert_eq!(of(&format!("{MODIFIED}\ncache-control: public")), fresh, "{status}");
    }
    // 5.2.2.3: kept in spite of `no-store` by who knows the status, and by nobody else.
    let of = |status, answer| plain(Case { status, answer, ..GET }).err();
    assert_eq!(of(200, "cache-control: max-age=9, no-store, must-understand"), None);
    assert_eq!(of(404, "cache-control: max-age=9, no-store, must-understand"), None);
    assert_eq!(of(599, "cache-control: max-age=9, no-store, must-understand"), Some(Status));
    assert_eq!(of(299, "cache-control: max-age=9, must-understand"), Some(Status));
}

#[test]
fn which_methods_are_kept() {
    let of = |method, located, answer, policy: &Policy| {
        judge(Case { method, located, answer, ..GET }, policy).err()
    };
    const FRESH: &str = "cache-control: max-age=9";
    let mut policy = Policy::default();
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "X"] {
        assert_eq!(of(method, true, FRESH, &policy), Some(Unkept::Method), "{method}");
    }
    policy.methods.post = true;
    let cases = [
        (true, FRESH, None),
        (true, "expires: Sun, 09 Sep 2001 01:47:40 GMT", None),
        (false, FRESH, Some(Unkept::Method)),
        (true, MODIFIED, Some(Unkept::Method)),
    ];
    for (located, answer, expected) in cases {
        assert_eq!(of("POST", located, answer, &policy), expected, "{located} {answer}");
    }
    policy.methods.get = false;
    assert_eq!(of("GET", false, FRESH, &policy), Some(Unkept::Method));
}

#[test]
fn what_the_operator_does_not_listen_to() {
    type Ignore = fn(&mut Policy);
    let cases: [(Ignore, Case<'_>); 8] = [
        (
            |policy| policy.ignore.no_store = true,
            Case { answer: "cache-control: no-store, max-age=9", ..GET },
        ),
        (
            |policy| policy.ignore.private = true,
            Case { answer: "cache-control: private, max-age=9", ..GET },
        ),
        (
            |policy| policy.ignore.no_cache = true,
            Case { answer: "cache-control: no-cache, max-age=9", ..GET },
        ),
        (
            |policy| policy.ignore.set_cookie = true,
            Case { answer: "cache-control: max-age=9\nset-cookie: a", ..GET },
        ),
        (
            |policy| policy.ignore.vary = true,
            Case { answer: "cache-control: max-age=9\nvary: *", ..GET },
        ),
        (
            |policy| policy.ignore.authorization = true,
            Case { request: "authorization: x", answer: "cache-control: max-age=9", ..GET },
        ),
        (
            |policy| policy.ignore.request = true,
            Case { request: "cache-control: no-store", answer: "cache-control: max-age=9", ..GET },
        ),
        (
            |policy| policy.override_ttl = Some(9),
            Case { answer: "cache-control: max-age=0\nexpires: 0\nage: 99", ..GET },
        ),
    ];
    for (ignore, case) in cases {
        let mut policy = Policy::default();
        assert!(judge(case, &policy).is_err(), "{} -> {}", case.request, case.answer);
        ignore(&mut policy);
        assert!(judge(case, &policy).is_ok(), "{} -> {}", case.request, case.answer);
    }
    let policy = Policy { status: Some([StatusCode::OK].into()), ..Policy::default() };
    let of = |status| judge(Case { status, answer: "cache-control: max-age=9", ..GET }, &policy);
    assert!(of(200).is_ok());
    assert_eq!(of(404).err(), Some(Unkept::Status));
}

#[test]
fn how_an_answer_is_kept() {
    let terms = |text: &str| answer(text).unwrap().terms;
    let of = |age, lifetime| Terms { age, lifetime, ..Terms::default() };
    let numbers = |terms: Terms| Terms { flags: 0, ..terms };
    let cases = [
        ("4.2.1", "cache-control: max-age=9", of(0, 9)),
        ("4.2.3", "cache-control: max-age=9\nage: 4", of(4, 9)),
        ("4.2.3", "cache-control: max-age=9\nage: 40", of(40, 9)),
        ("4.2.1", "cache-control: max-age=9, s-maxage=5", of(0, 5)),
        ("4.2.2", MODIFIED, of(0, 360)),
        ("1.2.2", "cache-control: max-age=99999999999", of(0, 1 << 31)),
        (
            "RFC 5861",
            "cache-control: max-age=9, stale-while-revalidate=3, stale-if-error=5",
            Terms { stale_while_revalidate: 3, stale_if_error: 5, ..of(0, 9) },
        ),
    ];
    for (rule, text, expected) in cases {
        assert_eq!(numbers(terms(text)), expected, "{rule}: {text}");
    }
    // (must-revalidate, no-cache, guessed, immutable)
    let flags = [
        ("cache-control: max-age=9", (false, false, false, false)),
        ("cache-control: max-age=9, must-revalidate", (true, false, false, false)),
        ("cache-control: max-age=9, proxy-revalidate", (true, false, false, false)),
        ("cache-control: s-maxage=9", (true, false, false, false)),
        ("cache-control: max-age=9, no-cache\netag: \"a\"", (false, true, false, false)),
        (MODIFIED, (false, false, true, false)),
        ("cache-control: max-age=9, immutable", (false, false, false, true)),
    ];
    for (text, expected) in flags {
        let terms = terms(text);
        let found =
            (terms.must_revalidate(), terms.no_cache(), terms.heuristic(), terms.immutable());
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn how_the_operator_lets_it_be_kept() {
    let mut policy = Policy { stale_while_revalidate: 3, stale_if_error: 5, ..Policy::default() };
    let terms =
        |answer: &str, policy: &Policy| judge(Case { answer, ..GET }, policy).unwrap().terms;
    let with = |age, lifetime, while_revalidate, if_error| Terms {
        age,
        lifetime,
        stale_while_revalidate: while_revalidate,
        stale_if_error: if_error,
        ..Terms::default()
    };
    assert_eq!(terms("cache-control: max-age=9", &policy), with(0, 9, 3, 5));
    let own = "cache-control: max-age=9, stale-while-revalidate=1, stale-if-error=0";
    assert_eq!(terms(own, &policy), with(0, 9, 1, 0));
    // Never fresh by the origin's word, it is not used without it either.
    assert_eq!(terms("cache-control: max-age=0\netag: \"a\"", &policy), with(0, 0, 0, 5));
    assert_eq!(judge(GET, &policy).err(), Some(Unkept::NoLifetime));
    // `ttl` counts from when it came, and only where the origin says nothing.
    policy.ttl = crate::cache::policy::Ttl::new(Some(30), []);
    assert_eq!(terms("age: 100", &policy), with(100, 130, 3, 5));
    assert_eq!(terms("cache-control: max-age=9", &policy), with(0, 9, 3, 5));
    assert_eq!(terms(MODIFIED, &policy), with(0, 30, 3, 5));
    policy.override_ttl = Some(60);
    assert_eq!(terms("cache-control: s-maxage=9\nage: 100", &policy), with(100, 160, 3, 5));
    // Nothing is fresh then, however old it is.
    policy.override_ttl = Some(0);
    assert_eq!(terms("age: 100\netag: \"a\"", &policy), with(100, 100, 0, 5));
    policy.ignore.must_revalidate = true;
    policy.override_ttl = None;
    assert!(!terms("cache-control: s-maxage=9, must-revalidate", &policy).must_revalidate());
}

#[test]
fn what_is_left_out_of_it() {
    let names = |list: &[&'static str]| -> Vec<HeaderName> {
        list.iter().map(|name| HeaderName::from_static(name)).collect()
    };
    let cases: &[(&str, &str, &[&'static str])] = &[
        ("3.1", "a: 1", &[]),
        ("5.2.2.4", "cache-control: no-cache=\"a, b, c\"\na: 1\nb: 2", &["a", "b"]),
        ("5.2.2.7", "cache-control: private=a, no-cache=a\na: 1\nb: 2", &["a"]),
        (
            "3.1",
            "proxy-authenticate: x\nproxy-authentication-info: y",
            &["proxy-authenticate", "proxy-authentication-info"],
        ),
        ("4.2.3: counted anew", "age: 1", &["age"]),
    ];
    for (rule, text, expected) in cases {
        let kept = answer(&format!("cache-control: max-age=9\n{text}")).unwrap();
        assert_eq!(kept.strip.to_vec(), names(expected), "{rule}: {text}");
        assert!(!kept.undated);
    }
    let mut policy = Policy::default();
    policy.ignore.set_cookie = true;
    let cookie = Case { answer: "cache-control: max-age=9\nset-cookie: a=b", ..GET };
    assert_eq!(judge(cookie, &policy).unwrap().strip.to_vec(), names(&["set-cookie"]));
}

#[test]
fn an_answer_without_a_date_gets_one() {
    for (text, undated) in [("", true), ("date: foo\n", true), (DATE, false)] {
        let answer = headers(&format!("{text}cache-control: max-age=9"));
        let policy = Policy::default();
        let exchange = Exchange {
            method: &Method::GET,
            authorized: false,
            cookies: false,
            located: false,
            status: StatusCode::OK,
            answer: &answer,
            asked: &Asked::default(),
            said: &Said::read(&answer, &policy),
            sent: NOW,
            got: NOW,
        };
        assert_eq!(keep(&exchange, &policy).unwrap().undated, undated, "{text:?}");
    }
}

#[test]
fn each_reason_has_its_own_word() {
    let mut words: Vec<_> = Unkept::ALL.iter().map(|unkept| unkept.reason()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Unkept::ALL.len());
}
