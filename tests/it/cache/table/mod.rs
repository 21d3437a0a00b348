//! The RFCs, statement by statement, as exchanges, in the texts of the folder `table`. Each paragraph is a row:
//!
//! ```text
//! # SECTION: the rule
//! [ttl = "10s"]                                              what the route's `cache` says, if anything
//! GET | accept: a/b <- 200 | cache-control: max-age=9 | body: x   a request; the origin's answers, if it is asked
//! GET /more | accept: a/b => hit | age: 0 | !x | >y: z       and what becomes of it
//! ```
//!
//! A row with `:: a b` behind its rule is one for each word, which stands where `$` is. Each has a URL of its
//! own. What becomes of a request: `origin` (asked, and its answer is what the client gets; so it is where
//! nothing is said), `hit` (not asked; what it said last), `hit 1` (what it said first), `valid` (asked, and its
//! 304 is taken for what is kept), `behind` (what is kept; the origin is asked behind it), `stale` (what is
//! kept; the origin was asked and failed), or the status that the client gets. Then fields of the client's
//! answer: exact, `~` for a part, `!` for none; with `>` of what the origin was sent.
//!
//! No row waits: the origin says how old its answers are.

mod row;
mod run;

use self::{row::rows, run::run};

const TEXTS: &[&str] = &[
    "storing",
    "directives",
    "keys",
    "freshness",
    "stale",
    "validation",
    "invalidation",
    "requests",
    "ranges",
    "status",
    "operator",
];

#[tokio::test]
async fn what_may_be_kept() {
    run("storing").await;
}

#[tokio::test]
async fn what_answers_say_to_caches() {
    run("directives").await;
}

#[tokio::test]
async fn which_answer_is_for_which_request() {
    run("keys").await;
}

#[tokio::test]
async fn how_long_an_answer_is_fresh() {
    run("freshness").await;
}

#[tokio::test]
async fn when_a_stale_answer_is_given() {
    run("stale").await;
}

#[tokio::test]
async fn how_an_answer_is_validated() {
    run("validation").await;
}

#[tokio::test]
async fn what_makes_an_answer_void() {
    run("invalidation").await;
}

#[tokio::test]
async fn what_requests_say_to_caches() {
    run("requests").await;
}

#[tokio::test]
async fn parts_and_conditions() {
    run("ranges").await;
}

#[tokio::test]
async fn what_cache_status_says() {
    run("status").await;
}

#[tokio::test]
async fn what_the_operator_says() {
    run("operator").await;
}

#[test]
fn the_table_has_rows_for_every_section() {
    let all: Vec<_> = TEXTS.iter().flat_map(|name| rows(name)).collect();
    let exchanges: usize = all.iter().map(|row| row.steps.len()).sum();
    assert!(all.len() >= 250 && exchanges >= 500, "{} rows, {exchanges} exchanges", all.len());
    for section in [
        "3",
        "3.1",
        "3.2",
        "3.3",
        "3.4",
        "3.5",
        "4",
        "4.1",
        "4.2",
        "4.2.1",
        "4.2.2",
        "4.2.3",
        "4.2.4",
        "4.3.1",
        "4.3.2",
        "4.3.3",
        "4.3.4",
        "4.3.5",
        "4.4",
        "5.1",
        "5.2.1.1",
        "5.2.1.2",
        "5.2.1.3",
        "5.2.1.4",
        "5.2.1.5",
        "5.2.1.6",
        "5.2.1.7",
        "5.2.2.1",
        "5.2.2.2",
        "5.2.2.3",
        "5.2.2.4",
        "5.2.2.5",
        "5.2.2.6",
        "5.2.2.7",
        "5.2.2.8",
        "5.2.2.9",
        "5.2.2.10",
        "5.2.3",
        "5.3",
        "5.4",
        "7.3",
        "5861 3",
        "5861 4",
        "8246 2",
        "9110 13.1",
        "9110 14.2",
        "9211 2",
        "9213 2",
        "-",
    ] {
        assert!(all.iter().any(|row| row.section == section), "no row for {section}");
    }
}
