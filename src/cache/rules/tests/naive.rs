//! The rules against a naive reading of the RFC, with exchanges made at random: what that forbids, they forbid.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use proptest::{prelude::*, sample::select};

use super::headers;
use crate::cache::{
    policy::Policy,
    rules::{Asked, Exchange, Failed, Kept, Reuse, Said, Unkept, Vary, keep, on_error, reuse},
};

/// Mon, 13 Sep 2021 12:26:40 GMT
pub(in super::super) const NOW: u64 = 1_631_536_000;

/// What an answer may say in `Cache-Control`.
fn said() -> impl Strategy<Value = String> {
    let seconds = select(vec!["0", "1", "10", "100", "\"50\"", "x", "-1", "99999999999"]);
    let word = select(vec![
        "no-store",
        "No-Store",
        "private",
        "private=\"a\"",
        "no-cache",
        "no-cache=\"b\"",
        "public",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "immutable",
        "foo=\"no-store\"",
        "",
    ]);
    let timed =
        select(vec!["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error", "Max-Age"]);
    let timed = (timed, seconds).prop_map(|(name, seconds)| format!("{name}={seconds}"));
    let directive = prop_oneof![word.prop_map(str::to_owned), timed];
    prop::collection::vec(directive, 0..4).prop_map(|list| match &*list {
        [] => String::new(),
        list => format!("cache-control: {}\n", list.join(", ")),
    })
}

/// Exchanges as origins and clients have them: (request, status, answer).
pub(in super::super) fn exchanges() -> impl Strategy<Value = (String, u16, String)> {
    let field = select(vec![
        "expires: Mon, 13 Sep 2021 12:27:40 GMT",
        "expires: Mon, 13 Sep 2021 12:20:40 GMT",
        "expires: 0",
        "last-modified: Mon, 13 Sep 2021 11:26:40 GMT",
        "etag: \"a\"",
        "age: 5",
        "age: 500",
        "vary: *",
        "vary: accept",
        "set-cookie: a=b",
        "date: Mon, 13 Sep 2021 12:26:40 GMT",
        "date: Mon, 13 Sep 2021 12:26:10 GMT",
        "pragma: no-cache",
    ]);
    let answer = (said(), prop::collection::vec(field, 0..4))
        .prop_map(|(said, fields)| format!("{said}{}", fields.join("\n")));
    let request = select(vec![
        "",
        "authorization: x",
        "cache-control: no-store",
        "cache-control: no-cache",
        "cache-control: max-age=3",
        "cache-control: max-stale",
        "cache-control: max-stale=20",
        "cache-control: min-fresh=5",
        "pragma: no-cache",
    ]);
    let status = select(vec![200, 200, 200, 203, 206, 302, 304, 404, 500, 503, 599, 429]);
    (request.prop_map(str::to_owned), status, answer)
}

/// What is kept of the answer to a GET, if it comes at once.
pub(in super::super) fn kept_of_get(
    policy: &Policy,
    (authorized, asked): (bool, &Asked),
    (status, answer): (StatusCode, &HeaderMap),
) -> Result<Kept, Unkept> {
    let exchange = Exchange {
        method: &Method::GET,
        authorized,
        cookies: false,
        located: false,
        status,
        answer,
        asked,
        said: &Said::read(answer, policy),
        sent: NOW,
        got: NOW,
    };
    keep(&exchange, policy)
}

/// Directives, by cutting at commas that are in no quotes; the exchanges above have no others.
fn directives(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_ascii_lowercase();
    let lines: Vec<_> = headers.get_all("cache-control").iter().map(text).collect();
    let cut = |member: &str| match member.split_once('=') {
        Some((name, value)) => (name.trim().to_owned(), value.trim_matches('"').to_owned()),
        None => (member.trim().to_owned(), String::new()),
    };
    lines.join(",").split(',').map(cut).filter(|(name, _)| !name.is_empty()).collect()
}

/// Whether the RFC forbids to keep it.
fn forbidden(request: &HeaderMap, status: u16, answer: &HeaderMap) -> bool {
    let (asked, said) = (directives(request), directives(answer));
    let bare =
        |list: &[(String, String)], name: &str| list.contains(&(name.to_owned(), String::new()));
    let any = |name: &str| said.iter().any(|(other, _)| other == name);
    let understood = [200, 203, 302, 404, 500, 503].contains(&status);
    let for_others = any("public") || any("s-maxage") || any("must-revalidate");
    bare(&asked, "no-store")
        || (any("no-store") && !(any("must-understand") && understood))
        || (any("must-understand") && !understood)
        || bare(&said, "private")
        || (request.contains_key("authorization") && !for_others)
        || (answer.contains_key("set-cookie") && !(any("public") || any("s-maxage")))
        || [206, 304, 429].contains(&status)
        || answer.get("vary").is_some_and(|vary| vary == "*")
        || !(any("public")
            || any("max-age")
            || any("s-maxage")
            || answer.contains_key("expires")
            || [200, 203, 404].contains(&status))
}

/// The most seconds that any of its directives lets it live.
fn longest(answer: &HeaderMap) -> u64 {
    let said = directives(answer);
    let of = |name: &str| {
        let values = said.iter().filter(|(other, _)| other == name);
        values.filter_map(|(_, value)| value.parse::<u64>().ok()).max().unwrap_or(0)
    };
    let expires = if answer.contains_key("expires") { 60 + 30 } else { 0 };
    let guess = if answer.contains_key("last-modified") { 360 } else { 0 };
    of("max-age").max(of("s-maxage")).max(expires).max(guess)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_is_kept_that_the_rfc_forbids((request, status, answer) in exchanges()) {
        let policy = Policy::default();
        let (request, answer) = (headers(&request), headers(&answer));
        let asks = (request.contains_key("authorization"), &Asked::read(&request, &policy));
        let kept = kept_of_get(&policy, asks, (StatusCode::from_u16(status).unwrap(), &answer));
        if forbidden(&request, status, &answer) {
            prop_assert!(kept.is_err(), "{request:?} {status} {answer:?} {kept:?}");
        }
    }

    #[test]
    fn nothing_is_used_that_the_rfc_forbids(
        (_, status, answer) in exchanges(), (asks, _, _) in exchanges(), resident in 0_u64..1000
    ) {
        let policy = Policy::default();
        let (asks, answer) = (headers(&asks), headers(&answer));
        let asked = Asked::read(&asks, &policy);
        let comes = (StatusCode::from_u16(status).unwrap(), &answer);
        let kept = kept_of_get(&policy, (false, &Asked::default()), comes);
        let Ok(kept) = kept else { return Ok(()) };
        let resident = Duration::from_secs(resident);
        let found = reuse(&kept.terms, resident, &asked, false);
        let said = directives(&answer);
        let any = |name: &str| said.iter().any(|(other, _)| other == name);
        let no_cache = said.contains(&("no-cache".into(), String::new()));
        let asks_origin = asks.get("pragma").is_some() || directives(&asks).iter().any(|(name, _)| name == "no-cache");
        let stale = resident.as_secs() >= longest(&answer);
        let sworn = any("must-revalidate") || any("proxy-revalidate")
            || said.iter().any(|(name, value)| name == "s-maxage" && value.parse::<u64>().is_ok());
        if no_cache || asks_origin {
            prop_assert_eq!(found, Reuse::Validate);
            prop_assert!(!on_error(&kept.terms, resident, &asked, Failed::Silent, false));
        }
        if stale {
            prop_assert_ne!(found, Reuse::Fresh, "{:?}, {:?}", answer, kept.terms);
        }
        if stale && sworn {
            prop_assert_eq!(found, Reuse::Validate, "{:?}, {:?}", answer, kept.terms);
            prop_assert!(!on_error(&kept.terms, resident, &asked, Failed::Silent, false));
        }
    }

    #[test]
    fn whatever_comes_nothing_panics(
        name in select(vec!["cache-control", "cdn-cache-control", "expires", "age", "vary", "pragma", "last-modified", "date", "etag"]),
        value in prop::collection::vec(any::<u8>().prop_filter("a field value", |byte| *byte >= 32 && *byte != 127), 0..40),
        status in 100_u16..999, sent: u64, got: u64,
    ) {
        let policy = Policy::default();
        let mut answer = headers("last-modified: Mon, 13 Sep 2021 11:26:40 GMT");
        answer.append(name, http::HeaderValue::from_bytes(&value).unwrap());
        let exchange = Exchange {
            method: &Method::GET,
            authorized: false,
            cookies: false,
            located: false,
            status: StatusCode::from_u16(status).unwrap(),
            answer: &answer,
            asked: &Asked::read(&answer, &policy),
            said: &Said::read(&answer, &policy),
            sent,
            got,
        };
        if let Ok(kept) = keep(&exchange, &policy) {
            reuse(&kept.terms, Duration::from_secs(got), &Asked::read(&answer, &policy), false);
            kept.terms.useful();
        }
        if let Ok(Some(vary)) = Vary::read(&answer, &policy) {
            vary.values(&answer, &policy);
        }
    }
}
