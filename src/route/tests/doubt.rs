//! Paths in doubt, against a list of origins that is naive and has each of them read a path on its own.

use proptest::{collection::vec, prelude::*};

use super::*;

const TOKENS: [&str; 12] =
    ["/", "/", ";", ";", "%3B", "%2F", "%2f", "\\", "%5C", "admin", "users", "7"];

/// What an origin does to a path, step by step.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Takes these for `/`.
    Divide(&'static [&'static str]),
    /// Drops what is behind a `;` in a segment.
    Drop,
    /// Has an escaped `;` for one.
    Decode,
}
use Step::{Decode, Divide, Drop};

const SLASHES: Step = Divide(&["%2F", "%2f"]);
const BACKSLASHES: Step = Divide(&["\\", "%5C"]);
const PLAIN_BACKSLASHES: Step = Divide(&["\\"]);

/// Every origin, by what it does and in which order.
const ORIGINS: [&[Step]; 24] = [
    // nginx and its like, Windows, WHATWG's URLs.
    &[SLASHES],
    &[BACKSLASHES],
    &[SLASHES, BACKSLASHES],
    &[PLAIN_BACKSLASHES],
    &[PLAIN_BACKSLASHES, SLASHES],
    // Those who decode and drop then.
    &[Decode, Drop],
    &[Decode, SLASHES, Drop],
    &[Decode, BACKSLASHES, Drop],
    &[Decode, SLASHES, BACKSLASHES, Drop],
    &[Decode, PLAIN_BACKSLASHES, Drop],
    &[Decode, PLAIN_BACKSLASHES, SLASHES, Drop],
    // Tomcat, and others that drop first.
    &[Drop],
    &[Drop, SLASHES],
    &[Drop, BACKSLASHES],
    &[Drop, SLASHES, BACKSLASHES],
    &[PLAIN_BACKSLASHES, Drop],
    &[PLAIN_BACKSLASHES, Drop, SLASHES],
    &[PLAIN_BACKSLASHES, Drop, SLASHES, BACKSLASHES],
    // And those that do it at both times, Spring's behind Tomcat.
    &[Drop, Decode, Drop],
    &[Drop, SLASHES, Decode, Drop],
    &[Drop, BACKSLASHES, Decode, Drop],
    &[Drop, SLASHES, BACKSLASHES, Decode, Drop],
    &[PLAIN_BACKSLASHES, Drop, Decode, Drop],
    &[PLAIN_BACKSLASHES, Drop, SLASHES, Decode, Drop],
];

/// The segments that are left of a path.
fn segments(path: &str, origin: &[Step]) -> Vec<String> {
    let mut path = path.to_owned();
    for step in origin {
        path = match step {
            Divide(marks) => marks.iter().fold(path, |path, mark| path.replace(mark, "/")),
            Decode => path.replace("%3B", ";"),
            Drop => {
                let kept = |segment: &str| segment.split(';').next().unwrap_or("").to_owned();
                path.split('/').map(kept).collect::<Vec<_>>().join("/")
            }
        };
    }
    let mut segments: Vec<String> = path.split('/').map(String::from).collect();
    let last = segments.pop();
    segments.retain(|segment| !segment.is_empty());
    segments.into_iter().chain(last).collect()
}

/// Which route of the table below those are for.
fn route_of(segments: &[String]) -> &'static str {
    match segments {
        [first, ..] if first == "admin" => "admin",
        [first, id] if first == "users" && !id.is_empty() => "user",
        _ => "open",
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_path_is_a_guarded_routes_to_its_origin_alone(
        pieces in vec(prop::sample::select(&TOKENS[..]), 1..8),
    ) {
        let table = table(&[
            ("open", r#"path = "/{rest*}""#),
            ("admin", r#"path = ["/admin", "/admin/{rest*}"], access = "a""#),
            ("user", r#"path = "/users/{id}", access = "a""#),
        ]);
        let path = format!("/{}", pieces.concat());
        let found = answer(&table, &format!("GET {path}"));
        let own = route_of(&segments(&path, &[]));
        for origin in ORIGINS {
            let theirs = route_of(&segments(&path, origin));
            if theirs != own && theirs != "open" {
                prop_assert_eq!(&found, "in doubt", "{} is {} for {:?}", path, theirs, origin);
            }
        }
    }
}
