//! From `to = [..]` to a [`Split`], or to what is wrong with it.

use http::HeaderName;

use super::{LINE, Split, Way, When, sticky::Sticky};
use crate::{
    config::{self, Path, Problem, Problems},
    message::Conditions,
};

impl Split {
    /// Compiles the ways of a route at `at`. Whether what they lead to is there is not looked at.
    ///
    /// Adds to `problems` and returns nothing when something is wrong.
    pub fn compile(route: &config::Route, at: &Path, problems: &mut Problems) -> Option<Self> {
        let before = problems.iter().len();
        let (ways, at_ways) = (route.to.ways().unwrap_or_default(), at.key("to"));
        // What is wrong with the route's own conditions is the route table's to say.
        let demanded = Conditions::on_headers(&route.headers).ok();
        let sticky = route.sticky.as_ref();
        let sticky =
            sticky.and_then(|sticky| problems.keep(Sticky::compile(sticky, &at.key("sticky"))));
        let whens: Vec<_> = ways
            .iter()
            .enumerate()
            .map(|(index, way)| When::compile(way, &at_ways.index(index), problems))
            .collect();
        if let Some(demanded) = &demanded {
            excluded(ways, &whens, demanded, &at_ways, problems);
        }
        covered(ways, &whens, &at_ways, problems);
        twice(ways, &at_ways, problems);
        let total: u128 = ways.iter().map(|way| u128::from(way.weight())).sum();
        if total == 0 {
            let (message, help) = match ways.is_empty() {
                true => {
                    ("a route needs somewhere to go", "[{ upstream = \"..\", weight = 5 }, ..]")
                }
                false => {
                    ("all weights are 0", "give one a weight, for requests without conditions")
                }
            };
            problems.push(Problem::error(at_ways, message).help(help));
        }
        if problems.iter().len() > before {
            return None;
        }
        if route.auth.is_empty() && sticky.as_ref().is_some_and(Sticky::asks) {
            let message =
                "this route asks nobody who they are, so clients are known by their address";
            let problem = Problem::finding(at.key("sticky"), message);
            problems.push(problem.help("add `auth` to the route"));
        }
        let mut sum = 0;
        let ways = ways.iter().zip(whens).map(|(way, when)| {
            sum += u128::from(way.weight());
            // No part of the line is longer than it.
            let until = u64::try_from(u128::from(LINE) * sum / total.max(1)).unwrap_or(LINE);
            Way { name: (*way.upstream).into(), weight: way.weight(), until, when: when.flatten() }
        });
        Some(Self { ways: ways.collect(), sticky })
    }
}

impl When {
    /// The conditions of a way at `at`, if it has any; nothing if they are wrong.
    fn compile(way: &config::Way, at: &Path, problems: &mut Problems) -> Option<Option<Box<Self>>> {
        if !way.has_conditions() {
            return Some(None);
        }
        let wrong = |key: &'static str| move |message| Problem::error(at.key(key), message);
        let headers = Conditions::on_headers(&way.headers).map_err(wrong("headers"));
        let cookies = Conditions::on_cookies(&way.cookies).map_err(wrong("cookies"));
        let (headers, cookies) = (problems.keep(headers), problems.keep(cookies));
        Some(Some(Box::new(Self { headers: headers?, cookies: cookies? })))
    }
}

type Whens = [Option<Option<Box<When>>>];

/// The conditions that could be read, by the number of their way.
fn known(whens: &Whens) -> impl Iterator<Item = (usize, &When)> {
    whens.iter().enumerate().filter_map(|(index, when)| Some((index, &**when.as_ref()?.as_ref()?)))
}

/// The key to point at.
fn key(way: &config::Way) -> &'static str {
    if way.headers.is_empty() { "cookies" } else { "headers" }
}

/// Conditions that do not go together with the route's own.
fn excluded(
    ways: &[config::Way],
    whens: &Whens,
    demanded: &Conditions<HeaderName>,
    at: &Path,
    problems: &mut Problems,
) {
    for (index, _) in known(whens).filter(|(_, when)| !when.headers.meet(demanded)) {
        let message = "this never holds: the route's own `headers` want something else";
        let at = at.index(index).key("headers");
        let name = &ways[index].upstream;
        problems
            .push(Problem::error(at, message).help(format!("nothing would go to `{name}` by it")));
    }
}

/// Conditions that hold only where those of a way before them do.
fn covered(ways: &[config::Way], whens: &Whens, at: &Path, problems: &mut Problems) {
    for (index, when) in known(whens) {
        let mut before = known(&whens[..index]);
        let Some((first, _)) = before.find(|(_, other)| when.within(other)) else { continue };
        if ways[first] == ways[index] {
            // It is named twice, and that is said.
            continue;
        }
        let problem = Problem::error(
            at.index(index).key(key(&ways[index])),
            "this never decides: a way before it takes all that it would",
        );
        problems.push(
            problem
                .also(at.index(first).key(key(&ways[first])), "this one")
                .help("the first way whose conditions hold takes the request: change their order"),
        );
    }
}

/// Upstreams that have two shares, or the same conditions twice.
fn twice(ways: &[config::Way], at: &Path, problems: &mut Problems) {
    for (index, way) in ways.iter().enumerate() {
        let same = |other: &config::Way| {
            let shares = other.weight() > 0 && way.weight() > 0;
            let conditions = other.headers == way.headers && other.cookies == way.cookies;
            other.upstream == way.upstream && (shares || conditions)
        };
        if let Some(first) = ways[..index].iter().position(same) {
            let upstream = at.index(index).key("upstream");
            let problem = Problem::error(upstream, format!("`{}` is named twice", way.upstream));
            problems.push(
                problem
                    .also(at.index(first).key("upstream"), "first here")
                    .help("give it one weight; a way with other conditions has the weight 0"),
            );
        }
    }
}
