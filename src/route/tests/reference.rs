//! The route table against a matcher that is slow and obvious.
//!
//! The reference knows no trees, no order and no relations. It tests each route against the request
//! by splitting strings, and finds out which of two routes is the more specific by putting every
//! request of a small world to both.

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use super::*;

const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
const HOSTS: [&str; 5] = ["a.example", "b.a.example", "*.example", "*.a.example", "*.b.a.example"];
const SEGMENTS: [&str; 5] = ["a", "b", "", "{p}", "{r*}"];
/// Values of one name: none, and three of which two match `^1`.
const VALUES: [Option<&str>; 4] = [None, Some("1"), Some("12"), Some("2")];

/// A condition on one name, as `VALUES` are numbered.
#[derive(Clone, Copy, Debug)]
enum Wants {
    Absent,
    Equals(usize),
    OneSomething,
    Present,
}

impl Wants {
    fn holds(self, value: usize) -> bool {
        match self {
            Self::Absent => value == 0,
            Self::Equals(wanted) => value == wanted,
            Self::OneSomething => value == 1 || value == 2,
            Self::Present => value != 0,
        }
    }

    fn config(self) -> config::Condition {
        match self {
            Self::Absent => config::Condition::Present(false),
            Self::Equals(value) => config::Condition::Equals(VALUES[value].unwrap_or("").into()),
            Self::OneSomething => {
                config::Condition::Regex(config::RegexCondition { regex: "^1".into() })
            }
            Self::Present => config::Condition::Present(true),
        }
    }
}

#[derive(Clone, Debug)]
struct Plain {
    host: Option<&'static str>,
    path: Option<String>,
    methods: Vec<&'static str>,
    header: Option<Wants>,
    query: Option<Wants>,
    listener: Option<usize>,
}

/// What a demand is put to: listener, method, header value, query value.
type Asked = (usize, &'static str, usize, usize);

/// All that can be asked: one listener and one method more than any route names.
fn world() -> impl Iterator<Item = Asked> {
    (0..3).flat_map(|listener| {
        ["GET", "HEAD", "POST", "PUT"].into_iter().flat_map(move |method| {
            (0..16).map(move |values| (listener, method, values / 4, values % 4))
        })
    })
}

impl Plain {
    fn meets_but_method(&self, (listener, _, header, query): Asked) -> bool {
        self.listener.is_none_or(|own| own == listener)
            && self.header.is_none_or(|wants| wants.holds(header))
            && self.query.is_none_or(|wants| wants.holds(query))
    }

    fn names(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.contains(&method)
    }

    fn takes_method(&self, method: &str) -> bool {
        self.names(method) || method == "HEAD" && self.names("GET")
    }

    fn meets(&self, asked: Asked) -> bool {
        self.meets_but_method(asked) && self.takes_method(asked.1)
    }

    /// Takes all that the other takes, by asking for all there is.
    fn covers(&self, other: &Self) -> bool {
        world().all(|asked| !other.meets(asked) || self.meets(asked))
    }

    /// Whether this one goes first where both take a request; neither does in a tie.
    fn outranks(&self, other: &Self) -> bool {
        let (covers, covered) = (self.covers(other), other.covers(self));
        let shared = world().any(|asked| {
            self.names(asked.1)
                && other.names(asked.1)
                && self.meets_but_method(asked)
                && other.meets_but_method(asked)
        });
        !covers && (covered || !shared && self.names("HEAD") && !other.names("HEAD"))
    }

    fn ties_with(&self, other: &Self) -> bool {
        self.host == other.host
            && self.shape() == other.shape()
            && world().any(|asked| self.meets(asked) && other.meets(asked))
            && !self.outranks(other)
            && !other.outranks(self)
    }

    /// How specific each piece of the path is, with the text of literals.
    fn shape(&self) -> Vec<(u8, &str)> {
        let path = self.path.as_deref().unwrap_or("/{r*}");
        let rank = |piece| match piece {
            "{p}" => (1, ""),
            "{r*}" => (2, ""),
            literal => (0, literal),
        };
        path.split('/').skip(1).map(rank).collect()
    }

    fn takes_path(&self, path: &str) -> bool {
        // Many slashes are one; what stands after the last is a piece, be it nothing.
        let mut left = path.split('/').skip(1).peekable();
        let mut all = Vec::new();
        while let Some(piece) = left.next() {
            if !piece.is_empty() || left.peek().is_none() {
                all.push(piece);
            }
        }
        let mut pieces = all.into_iter();
        for (rank, text) in self.shape() {
            match (rank, pieces.next()) {
                (2, piece) => return piece.is_some(),
                (0, Some(piece)) if piece == text => {}
                (1, Some(piece)) if !piece.is_empty() => {}
                _ => return false,
            }
        }
        pieces.next().is_none()
    }

    /// How specific the host is, if it takes this one; the smaller the more.
    fn takes_host(&self, host: &str) -> Option<usize> {
        match self.host {
            None => Some(100),
            Some(own) => match own.strip_prefix('*') {
                Some(suffix) => host.ends_with(suffix).then(|| 50 - suffix.matches('.').count()),
                None => (own == host).then_some(0),
            },
        }
    }

    fn config(&self) -> config::Route {
        let named = |wants: Option<Wants>| {
            wants.into_iter().map(|wants| ("n".to_owned(), wants.config())).collect()
        };
        config::Route {
            host: config::OneOrMany(self.host.into_iter().map(String::from).collect()),
            path: config::OneOrMany(self.path.iter().cloned().collect()),
            methods: config::OneOrMany(self.methods.iter().copied().map(String::from).collect()),
            headers: named(self.header),
            query: named(self.query),
            ..config::Route::default()
        }
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Answer {
    Takes(usize),
    Allowed(Vec<String>),
    Nothing,
}

fn slow(routes: &[Plain], host: &str, path: &str, asked: Asked) -> Answer {
    let on =
        |route: &&Plain| route.takes_path(path) && route.listener.is_none_or(|own| own == asked.0);
    let level = routes.iter().filter(on).filter_map(|route| route.takes_host(host)).min();
    if level.is_none() {
        return Answer::Nothing;
    }
    let owners: Vec<&Plain> =
        routes.iter().filter(on).filter(|route| route.takes_host(host) == level).collect();
    let fit: Vec<&Plain> = owners.iter().copied().filter(|route| route.meets(asked)).collect();
    let ranks =
        |route: &Plain| -> Vec<u8> { route.shape().iter().map(|(rank, _)| *rank).collect() };
    let best = fit.iter().find(|route| {
        fit.iter().all(|other| match ranks(route).cmp(&ranks(other)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => std::ptr::eq(**route, *other) || route.outranks(other),
            std::cmp::Ordering::Greater => false,
        })
    });
    if let Some(best) = best {
        return Answer::Takes(routes.iter().position(|route| std::ptr::eq(route, *best)).unwrap());
    }
    let but_method: Vec<_> = owners.iter().filter(|route| route.meets_but_method(asked)).collect();
    if but_method.is_empty() {
        return Answer::Nothing;
    }
    let takes = |method: &&&str| but_method.iter().any(|route| route.takes_method(method));
    Answer::Allowed(METHODS.iter().filter(takes).map(|method| (*method).to_owned()).collect())
}

fn wants() -> impl Strategy<Value = Option<Wants>> {
    option::weighted(
        0.4,
        prop_oneof![
            Just(Wants::Absent),
            (1..4_usize).prop_map(Wants::Equals),
            Just(Wants::OneSomething),
            Just(Wants::Present),
        ],
    )
}

fn pattern() -> impl Strategy<Value = Option<String>> {
    let pieces = vec(0..SEGMENTS.len(), 1..4).prop_map(|pieces| {
        let mut path = String::new();
        let mut seen = false;
        let last = pieces.len() - 1;
        for (at, piece) in pieces.into_iter().map(|piece| SEGMENTS[piece]).enumerate() {
            // Only the last one may be empty.
            let piece = if piece.is_empty() && at < last { "b" } else { piece };
            // A name is good for one parameter of a pattern.
            let piece =
                if piece == "{p}" && std::mem::replace(&mut seen, true) { "a" } else { piece };
            path = format!("{path}/{piece}");
            if piece == "{r*}" {
                break;
            }
        }
        path
    });
    option::weighted(0.9, pieces)
}

fn plain() -> impl Strategy<Value = Plain> {
    let host = option::weighted(0.6, prop::sample::select(&HOSTS[..]));
    let methods = subsequence(METHODS.to_vec(), 0..3);
    let listener = option::weighted(0.2, 0..2_usize);
    (host, pattern(), methods, wants(), wants(), listener).prop_map(
        |(host, path, methods, header, query, listener)| Plain {
            host,
            path,
            methods,
            header,
            query,
            listener,
        },
    )
}

fn fast(routes: &[Plain]) -> Result<RouteTable<String>, Vec<RouteProblem>> {
    let configs: Vec<_> = routes.iter().map(|route| (route.config(), route.listener)).collect();
    let rules = configs.iter().enumerate().map(|(index, (route, listener))| Rule {
        name: "r",
        listeners: listener.map_or(Listeners::All, |listener| Listeners::Only(vec![listener])),
        route,
        guards: Box::default(),
        target: index.to_string(),
    });
    RouteTable::compile(rules.collect())
}

fn request(host: &str, path: &str, (listener, method, header, query): Asked) -> Request {
    let value = |value: usize, sep: &str| {
        VALUES[value].map_or(String::new(), |value| format!("{sep}{value}"))
    };
    let (query, header) = (value(query, "?n="), value(header, " | n: "));
    Request::new(&format!("{method} {host}{path}{query} @{listener}{header}"))
}

/// Leaves out what ties with one before it, so that a table is left.
fn untied(routes: Vec<Plain>) -> Vec<Plain> {
    let mut kept: Vec<Plain> = Vec::new();
    for route in routes {
        if !kept.iter().any(|other| route.ties_with(other)) {
            kept.push(route);
        }
    }
    kept
}

fn paths() -> impl Strategy<Value = String> {
    vec(prop::sample::select(&["a", "b", "c", ""][..]), 1..5)
        .prop_map(|pieces| format!("/{}", pieces.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_table_answers_as_the_slow_matcher_does(
        routes in vec(plain(), 1..40),
        host in prop::sample::select(&["a.example", "b.a.example", "c.b.a.example", "example", "x"][..]),
        paths in vec(paths(), 1..8),
    ) {
        let routes = untied(routes);
        let table = fast(&routes).expect("no ties are left");
        for path in &paths {
            for asked in world() {
                let request = request(host, path, asked);
                let query = request.query();
                let answer = match table.find(&query) {
                    Found::Route { rule, .. } => Answer::Takes(rule),
                    Found::MethodNotAllowed { allowed } =>
                        Answer::Allowed(allowed.iter().map(Method::to_string).collect()),
                    Found::Doubtful | Found::None => Answer::Nothing,
                };
                prop_assert_eq!(&answer, &slow(&routes, host, path, asked), "{} {:?}", path, asked);
                let takes = table.explain(&query).into_iter().find(|c| c.verdict == Verdict::Takes);
                let found = match answer { Answer::Takes(rule) => Some(rule), _ => None };
                prop_assert_eq!(takes.map(|candidate| candidate.rule), found);
            }
        }
    }

    #[test]
    fn a_table_is_refused_exactly_where_two_routes_tie(routes in vec(plain(), 2..12)) {
        let tie = (1..routes.len())
            .any(|later| routes[..later].iter().any(|route| route.ties_with(&routes[later])));
        prop_assert_eq!(fast(&routes).is_err(), tie);
    }

    #[test]
    fn a_finding_never_takes_a_request(routes in vec(plain(), 1..30)) {
        // Few hosts and paths, so that much is on one leaf.
        let routes = routes.into_iter().map(|route| Plain { host: None, path: None, ..route });
        let routes = untied(routes.collect());
        let table = fast(&routes).expect("no ties are left");
        for asked in world() {
            if let Answer::Takes(rule) = slow(&routes, "x", "/", asked) {
                prop_assert!(table.findings().iter().all(|finding| finding.rule != rule));
            }
        }
    }

    #[test]
    fn the_order_in_the_file_never_matters(
        routes in vec(plain(), 1..20).prop_map(untied).prop_shuffle(),
        path in paths(),
        repeated in vec(1..4_usize, 2),
    ) {
        let (table, mut turned) = (fast(&routes).expect("a table"), routes.clone());
        turned.reverse();
        let other = fast(&turned).expect("the same table");
        let mut request = request("b.a.example", &path, (0, "GET", 0, 1));
        for value in repeated.iter().filter_map(|value| VALUES[*value]) {
            request.headers.append("n", HeaderValue::from_static(value));
        }
        let rule = |found| match found { Found::Route { rule, .. } => Some(rule), _ => None };
        let back = rule(other.find(&request.query())).map(|rule| routes.len() - 1 - rule);
        prop_assert_eq!(rule(table.find(&request.query())), back);
    }

    #[test]
    fn no_request_panics(host in option::of("\\PC*"), path in "\\PC*|[/%a-b.;25FC]*", query in option::of("\\PC*|[&=%+a-b]*")) {
        let headers = HeaderMap::new();
        let table = table(&[
            ("a", r#"host = "*.a", path = "/{a}/b/{c*}", query = { a = "b" }"#),
            ("b", r#"path = "/{a}", query = { a = { regex = "b" } }"#),
            ("c", ""),
        ]);
        let query = Query {
            listener: 0, host: host.as_deref().map(str::as_bytes), path: &path, query: query.as_deref(),
            method: &Method::GET, headers: &headers,
        };
        let found = matches!(table.find(&query), Found::Route { .. } | Found::Doubtful);
        prop_assert!(found);
        table.explain(&query);
    }
}
