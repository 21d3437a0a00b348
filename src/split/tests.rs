//! Shares as they come out, who stays, and what conditions do.

use std::net::Ipv4Addr;

use http::{HeaderValue, header::COOKIE};
use proptest::prelude::*;

use super::*;
use crate::config::{self, Loaded, Path, Problems, environment};

/// The split of a route with these keys.
fn split(keys: &str) -> Split {
    let text = format!("[[route]]\n{keys}\n");
    let config = Loaded::parse("<test>", &text, &environment).unwrap().config;
    compiled(&config.route[0])
}

fn compiled(route: &config::Route) -> Split {
    let mut problems = Problems::new();
    let made = Split::compile(route, &Path::root().key("route").index(0), &mut problems);
    assert!(!problems.has_errors(), "{problems:?}");
    made.unwrap()
}

/// A split of these weights, by the client's address.
fn by_address(weights: &[u16]) -> Split {
    let way = |(index, weight): (usize, &u16)| config::Way {
        upstream: index.to_string(),
        weight: Some(*weight),
        ..config::Way::default()
    };
    let to = config::To::Ways(weights.iter().enumerate().map(way).collect());
    let sticky = Some(config::SplitSticky::By("ip".into()));
    compiled(&config::Route { to, sticky, ..config::Route::default() })
}

fn from(client: u32, headers: &HeaderMap) -> Ask<'_> {
    Ask { headers, client: Some(Ipv4Addr::from(client).into()), who: None }
}

fn cookie(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(value).unwrap())])
}

/// Which of so many clients go which way.
fn ways(split: &Split, clients: u32) -> Vec<usize> {
    let headers = HeaderMap::new();
    (0..clients).map(|client| split.choose(&from(client, &headers)).way).collect()
}

#[test]
fn shares_come_out_as_they_are_written() {
    let drawn = split("to = [{ upstream = \"a\", weight = 5 }, { upstream = \"b\", weight = 95 }]");
    for (split, expected) in [
        (drawn, [0.05, 0.95, 0.0]),
        (by_address(&[5, 95]), [0.05, 0.95, 0.0]),
        (by_address(&[0, 1]), [0.0, 1.0, 0.0]),
        (by_address(&[1, 2, 3]), [1.0 / 6.0, 1.0 / 3.0, 0.5]),
        (by_address(&[65_535, 0, 65_535]), [0.5, 0.0, 0.5]),
    ] {
        let clients = 40_000;
        let taken = ways(&split, clients);
        for (way, expected) in expected.into_iter().enumerate() {
            let part = taken.iter().filter(|it| **it == way).count() as f64 / f64::from(clients);
            // Six times the standard deviation.
            let bound = 6.0 * (expected * (1.0 - expected) / f64::from(clients)).sqrt();
            assert!((part - expected).abs() <= bound, "{split:?}: {way} has {part}");
        }
    }
}

/// A release must not move anybody.
#[test]
fn a_client_has_the_same_point_for_ever() {
    let split = by_address(&[1]);
    let headers = HeaderMap::new();
    let point = |ask: &Ask<'_>| split.sticky.as_ref().unwrap().point(ask).unwrap();
    let expected = {
        let bytes = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[4, 192, 0, 2, 1]);
        u32::from_be_bytes(bytes.as_ref()[..4].try_into().unwrap())
    };
    assert_eq!(point(&from(0xc000_0201, &headers)), expected);
    let at = |ip: &str| point(&Ask { client: Some(ip.parse().unwrap()), ..from(0, &headers) });
    assert_eq!(at("2001:db8::1"), at("2001:db8::2"), "who has many addresses of IPv6 is one");
    assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
}

#[test]
fn what_is_not_there_goes_by_the_address() {
    let table = |by: &str| {
        split(&format!("sticky = \"{by}\"\nto = [{{ upstream = \"a\" }}, {{ upstream = \"b\" }}]"))
    };
    let none = HeaderMap::new();
    let point = |split: &Split, ask: &Ask<'_>| split.sticky.as_ref().unwrap().point(ask).unwrap();
    let ip = point(&table("ip"), &from(7, &none));
    for by in ["identity", "header:x-team", "cookie:app"] {
        let split = table(by);
        assert_eq!(point(&split, &from(7, &none)), ip, "{by}");
        let mut headers = cookie("a=1; app=red");
        headers.insert("x-team", HeaderValue::from_static("red"));
        let known = |client| Ask { who: Some(("corp", "alice")), ..from(client, &headers) };
        assert_eq!(point(&split, &known(1)), point(&split, &known(2)), "{by}");
        assert_ne!(point(&split, &known(7)), ip, "{by}");
    }
}

#[test]
fn a_cookie_keeps_a_client_and_one_that_is_no_point_counts_for_nothing() {
    let split = split("sticky = \"cookie\"\nto = [{ upstream = \"a\" }, { upstream = \"b\" }]");
    for (value, way) in [
        ("janua-split=00000000", 0),
        ("a=b; janua-split=7fffffff", 0),
        ("janua-split=80000000;c", 1),
        ("janua-split=; janua-split=ffffffff", 1),
    ] {
        let headers = cookie(value);
        assert_eq!(split.choose(&from(1, &headers)), Choice { way, point: None }, "{value}");
    }
    for value in [
        "x=1",
        "janua-split=0000000",
        "janua-split=+0000000",
        "janua-split=FFFFFFFF",
        "Janua-Split=00000000",
    ] {
        let headers = cookie(value);
        let choice = split.choose(&from(1, &headers));
        let point = choice.point.unwrap();
        assert_eq!(split.at(point), choice.way, "{value}");
        let told = split.cookie(point, true).unwrap();
        assert_eq!(
            told,
            format!("janua-split={point:08x}; Path=/; HttpOnly; SameSite=Lax; Secure")
        );
        let headers = cookie(told.to_str().unwrap());
        assert_eq!(split.choose(&from(1, &headers)), Choice { way: choice.way, point: None });
    }
}

#[test]
fn the_first_way_whose_conditions_hold_takes_the_request() {
    let split = split(
        "sticky = \"ip\"\nto = [\
           { upstream = \"v3\", headers = { x-canary = \"v3\" }, cookies = { beta = true } },\
           { upstream = \"v2\", cookies = { canary = [\"v2\", \"yes\"] } },\
           { upstream = \"v1\", weight = 1, headers = { x-canary = \"never\", x-old = false } },\
           { upstream = \"v2\", weight = 0, headers = { x-canary = true } }]",
    );
    for (header, value, expected) in [
        ("", "beta=1", 2),
        ("v3", "beta=1", 0),
        ("v3", "", 3),
        ("", "canary=v2", 1),
        ("", "canary=v22; x", 2),
        ("never", "canary=yes", 1),
        ("never", "", 2),
    ] {
        let mut headers = cookie(value);
        if !header.is_empty() {
            headers.insert("x-canary", header.parse().unwrap());
        }
        assert_eq!(split.choose(&from(1, &headers)).way, expected, "{header} {value}");
    }
}

proptest! {
    /// Each moves only where the line between two shares has passed over it.
    #[test]
    fn a_canary_that_grows_only_wins_clients(first in 0_u16..100, more in 0_u16..100, rest in 1_u16..5) {
        let all = 200 * rest;
        let (before, after) = (by_address(&[first, all - first]), by_address(&[first + more, all - first - more]));
        for (before, after) in ways(&before, 500).into_iter().zip(ways(&after, 500)) {
            prop_assert!(before == after || (before, after) == (1, 0));
        }
    }

    #[test]
    fn every_point_has_a_way_that_takes_something(weights in proptest::collection::vec(0_u16.., 1..9), point: u32) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        for point in [point, 0, u32::MAX] {
            let split = by_address(&weights);
            prop_assert!(weights[split.at(point)] > 0);
        }
    }
}
