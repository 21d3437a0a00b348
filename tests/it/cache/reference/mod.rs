//! Whatever is asked and answered, in whatever order: nothing is given that a reference of obvious code forbids,
//! which looks at all that was ever said.

mod rules;
mod world;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{select, subsequence},
    test_runner::{Config, TestError, TestRunner},
};

use self::world::World;

/// A request, and what the origin says if it is asked.
#[derive(Clone, Debug)]
struct Step {
    method: &'static str,
    authorization: Option<&'static str>,
    language: &'static str,
    says: &'static str,
    answer: Answer,
}

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    says: Vec<&'static str>,
    age: u32,
    tagged: bool,
    vary: Option<&'static str>,
    cookie: bool,
    /// Whether it breaks off in its body.
    torn: bool,
    /// Whether it is a 304, if that was asked for.
    holds: bool,
}

/// What answers may say, each at most once.
const SAYS: [&str; 13] = [
    "max-age=60",
    "max-age=0",
    "s-maxage=60",
    "public",
    "private",
    "no-store",
    "no-cache",
    "must-revalidate",
    "proxy-revalidate",
    "stale-while-revalidate=600",
    "stale-if-error=600",
    "immutable",
    "no-cache=\"x-a\"",
];

fn answer() -> impl Strategy<Value = Answer> {
    let says = (prop::bool::weighted(0.7), subsequence(SAYS.to_vec(), 0..3)).prop_map(
        |(fresh, mut says)| {
            if fresh && !says.contains(&"max-age=0") && !says.contains(&"max-age=60") {
                says.push("max-age=60");
            }
            says
        },
    );
    let vary = prop_oneof![
        6 => Just(None),
        2 => Just(Some("accept-language")),
        1 => Just(Some("authorization")),
        1 => Just(Some("*")),
    ];
    let status = select(vec![200, 200, 200, 200, 200, 200, 404, 500, 503]);
    let flags =
        (any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>());
    (status, says, select(vec![0, 0, 30, 90]), vary, flags).prop_map(
        |(status, says, age, vary, (tagged, cookie, torn, holds))| Answer {
            status,
            says,
            age,
            tagged,
            vary,
            cookie,
            torn,
            holds,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let method = select(vec!["GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST"]);
    let authorization = select(vec![None, None, None, Some("one"), Some("two")]);
    let says = select(vec![
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "no-cache",
        "no-store",
        "max-age=0",
        "max-age=40",
        "max-stale",
        "min-fresh=40",
        "only-if-cached",
    ]);
    (method, authorization, select(vec!["en", "de"]), says, answer()).prop_map(
        |(method, authorization, language, says, answer)| Step {
            method,
            authorization,
            language,
            says,
            answer,
        },
    )
}

/// Runs so many sequences on a route with these rules: what is forbidden and was given, and how often something
/// was given that was kept.
fn run(rules: &str, (cases, max_shrink_iters): (u32, u32)) -> (Result<(), String>, usize) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = runtime.block_on(World::new(rules));
    let config = Config { cases, failure_persistence: None, max_shrink_iters, ..Config::default() };
    let outcome = TestRunner::new(config).run(&vec(step(), 2..12), |steps| {
        runtime.block_on(world.play(&steps)).map_err(TestCaseError::fail)
    });
    let outcome = outcome.map_err(|error| match error {
        TestError::Fail(why, steps) => format!("{why}\n{steps:#?}"),
        TestError::Abort(why) => why.to_string(),
    });
    (outcome, world.given())
}

#[test]
fn nothing_is_given_that_a_naive_reference_forbids() {
    let (outcome, given) = run("", (300, 300));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    // Else it would have been easy. Chance decides how many: 200 have been seen.
    assert!(given > 100, "only {given} answers were given of what is kept");
}

/// The reference is not blind: of a cache that does not listen it says so.
#[test]
fn a_cache_that_does_not_listen_is_found_out() {
    for word in
        ["no-store", "private", "no-cache", "must-revalidate", "vary", "authorization", "request"]
    {
        let rules = format!("stale-if-error = \"1h\", ignore = [\"{word}\"]");
        let (outcome, _) = run(&rules, (2_000, 0));
        assert!(outcome.is_err(), "`{word}` is not listened to, and nobody sees it");
    }
}
