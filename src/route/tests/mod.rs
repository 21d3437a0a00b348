//! What a user notices of the route table: which route takes a request, and what a bad table says.

mod doubt;
mod reference;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    Candidate, Failure, Found, Listeners, Query, RouteProblem, RouteTable, Rule, Verdict,
    are_same_paths, parameters, share_a_host,
};
use crate::config;

/// A route as a file says it, on one line: `path = "/a", methods = ["GET"]`.
fn route(text: &str) -> config::Route {
    #[derive(serde::Deserialize)]
    struct File {
        route: config::Route,
    }
    toml::from_str::<File>(&format!("route = {{ {text} }}")).expect(text).route
}

/// Compiles routes that are called what stands before their text; `@1` at its end is a listener.
fn compile(routes: &[(&str, &str)]) -> Result<RouteTable<String>, Vec<RouteProblem>> {
    let read = |text: &str| match text.rsplit_once(" @") {
        Some((text, index)) => (route(text), Listeners::Only(vec![index.parse().expect(index)])),
        None => (route(text), Listeners::All),
    };
    let routes: Vec<_> = routes.iter().map(|(name, text)| (name, read(text))).collect();
    let guard = |name: &String| u32::from(name.as_bytes()[0]);
    let rules = routes.iter().map(|(name, (route, listeners))| Rule {
        name,
        listeners: listeners.clone(),
        route,
        guards: route.access.iter().map(guard).collect(),
        target: name.to_string(),
    });
    RouteTable::compile(rules.collect())
}

fn table(routes: &[(&str, &str)]) -> RouteTable<String> {
    compile(routes).expect("a table")
}

/// A request line `GET host/path?query`, with headers after ` | ` as `name: value`, and maybe `@1`.
struct Request {
    listener: usize,
    method: Method,
    host: Option<String>,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Request {
    fn new(text: &str) -> Self {
        let mut parts = text.split(" | ");
        let line = parts.next().unwrap_or_default();
        let (line, listener) = match line.split_once(" @") {
            Some((line, index)) => (line, index.parse().expect(index)),
            None => (line, 0),
        };
        let (method, target) = line.split_once(' ').expect("a method");
        let at = target.find('/').unwrap_or(0);
        let (host, target) = target.split_at(at);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in parts.filter_map(|field| field.split_once(": ")) {
            let name: HeaderName = name.parse().expect(name);
            headers.append(name, HeaderValue::from_str(value).expect(value));
        }
        Self {
            listener,
            method: method.parse().expect(method),
            host: (!host.is_empty()).then(|| host.to_owned()),
            path: path.to_owned(),
            query,
            headers,
        }
    }

    fn query(&self) -> Query<'_, '_> {
        Query {
            listener: self.listener,
            host: self.host.as_deref().map(str::as_bytes),
            path: &self.path,
            query: self.query.as_deref(),
            method: &self.method,
            headers: &self.headers,
        }
    }
}

/// The route's name with its parameters, or `405 GET,HEAD`, or `404`.
fn answer(table: &RouteTable<String>, text: &str) -> String {
    let request = Request::new(text);
    match table.find(&request.query()) {
        Found::Route { target, params, .. } => {
            let params: String =
                params.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{target}{params}")
        }
        Found::MethodNotAllowed { allowed } => {
            let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
            format!("405 {}", allowed.join(","))
        }
        Found::Doubtful => "in doubt".into(),
        Found::None => "404".into(),
    }
}

fn expect(table: &RouteTable<String>, answers: &[(&str, &str)]) {
    for (request, expected) in answers {
        assert_eq!(answer(table, request), *expected, "{request}");
    }
}

#[test]
fn the_smallest_gateway_takes_everything() {
    let all = [
        ("GET /", "all"),
        ("GET a.example/x/y?z=1", "all"),
        ("DELETE [::1]:80//", "all"),
        ("OPTIONS *", "all"),
    ];
    expect(&table(&[("all", "")]), &all);
    expect(&table(&[]), &[("GET /", "404"), ("GET a.example/x", "404"), ("OPTIONS *", "404")]);
    expect(
        &table(&[("all", r#"path = "/{rest*}""#)]),
        &[("GET /", "all rest="), ("GET //a/", "all rest=a/"), ("OPTIONS *", "all rest=*")],
    );
}

#[test]
fn the_most_specific_path_wins_wherever_it_stands() {
    let mut routes = [
        ("all", r#"path = "/{all*}""#),
        ("order", r#"path = "/orders/{id}""#),
        ("new", r#"path = "/orders/new""#),
        ("items", r#"path = "/orders/{id}/items""#),
        ("files", r#"path = "/files/{rest*}""#),
        ("readme", r#"path = ["/files/{dir}/readme", "/README"]"#),
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        expect(
            &table(&routes),
            &[
                ("GET /orders/new", "new"),
                ("GET /orders/7", "order id=7"),
                ("GET /orders/7/items", "items id=7"),
                ("GET /orders/new/items", "items id=new"),
                ("GET /orders/", "all all=orders/"),
                ("GET /orders", "all all=orders"),
                ("GET /orders/7/", "all all=orders/7/"),
                ("GET /files", "all all=files"),
                ("GET /files/", "files rest="),
                ("GET /files/a/b", "files rest=a/b"),
                ("GET /files//", "files rest="),
                ("GET /files/a/readme", "readme dir=a"),
                ("GET /files//readme", "files rest=readme"),
                ("GET /files/https://a//b", "files rest=https://a//b"),
                ("GET //files///a//readme", "readme dir=a"),
                ("GET /README", "readme"),
                ("GET /readme", "all all=readme"),
                ("GET //orders/new", "new"),
                ("GET /orders//7//", "all all=orders//7//"),
                ("GET //", "all all="),
            ],
        );
    }
}

#[test]
fn no_spelling_of_a_path_dodges_its_route() {
    let table = table(&[
        ("open", r#"path = "/{rest*}""#),
        ("admin", r#"path = ["/admin", "/admin/{rest*}"]"#),
        ("me", r#"path = "/@me""#),
        ("cafe", r#"path = "/café""#),
        ("slash", r#"path = "/a%2fb""#),
        ("b", r#"path = "/a/b""#),
    ]);
    expect(
        &table,
        &[
            ("GET /%61dmin", "admin"),
            ("GET /%61%64%6D%69%6e/x", "admin rest=x"),
            ("GET /%40me", "me"),
            ("GET /caf%c3%a9", "cafe"),
            ("GET /a%2Fb", "slash"),
            ("GET /a%2fb", "slash"),
            ("GET /a/b", "b"),
            ("GET //admin", "admin"),
            ("GET ///admin//x", "admin rest=x"),
            ("GET /admin%2Fx", "in doubt"),
            ("GET /%2561dmin", "open rest=%2561dmin"),
            ("GET /ADMIN", "open rest=ADMIN"),
            ("GET /%", "open rest=%25"),
        ],
    );
}

#[test]
fn a_path_that_may_be_another_routes_is_nobodys() {
    let table = table(&[
        ("open", r#"path = "/{rest*}""#),
        ("admin", r#"path = ["/admin", "/admin/{rest*}"]"#),
        ("matrix", r#"path = "/m;v=1""#),
        ("m", r#"path = "/m""#),
        ("project", r#"path = "/projects/{id}""#),
        ("issues", r#"path = "/projects/{id}/issues""#),
        ("team", r#"path = "/teams/{id}""#),
        ("team's", r#"path = "/teams/{id}/{rest*}""#),
        ("users", r#"path = "/users/{id}", methods = "GET""#),
        ("me", r#"path = "/users/me", methods = "GET""#),
        ("all", r#"host = "a.example", path = "/x/{rest*}""#),
        ("only", r#"path = "/only/{id}", host = "b.example""#),
        ("post", r#"path = "/d/{id}", host = "d.example", methods = "POST""#),
    ]);
    expect(
        &table,
        &[
            ("GET /admin%2Fx", "in doubt"),
            ("DELETE /admin%2fx", "in doubt"),
            ("GET /admin%5Cx", "in doubt"),
            ("GET /admin\\x", "in doubt"),
            ("GET /admin;x/y", "in doubt"),
            ("GET /admin;x", "in doubt"),
            ("GET /admin%3bx/y", "in doubt"),
            ("GET /;x/admin/y", "in doubt"),
            ("GET /%2Fadmin", "in doubt"),
            // Within one route nothing changes by it.
            ("GET /admin/a%2Fb;c", "admin rest=a%2Fb;c"),
            ("GET /other%2Fx;y", "open rest=other%2Fx;y"),
            // What a pattern spells out is meant so.
            ("GET /m;v=1", "matrix"),
            ("GET /m;v=2", "in doubt"),
            // A slash as data of a parameter, though there is a route for all the rest.
            ("GET /projects/a%2Fb", "project id=a%2Fb"),
            ("GET /projects/a%2Fb/issues", "issues id=a%2Fb"),
            ("GET /projects/a%2Fissues", "in doubt"),
            ("GET /teams/a", "team id=a"),
            ("GET /teams/a%2Fb", "in doubt"),
            ("GET /teams/a/b%2Fc", "team's id=a rest=b%2Fc"),
            ("GET /users/me;x", "in doubt"),
            ("GET /users/7;v=1", "users id=7;v=1"),
            ("POST /users%2F7", "open rest=users%2F7"),
            // A host's route of that path that does not take the method.
            ("GET d.example/d%2F7", "in doubt"),
            ("POST d.example/d%2F7", "in doubt"),
            ("GET a.example/x%2Fy", "in doubt"),
            ("GET c.example/x%2Fy", "open rest=x%2Fy"),
            ("GET b.example/only/a%2Fb", "only id=a%2Fb"),
            ("GET /%252Fadmin", "open rest=%252Fadmin"),
        ],
    );
}

#[test]
fn a_parameter_with_an_escaped_slash_opens_nothing_to_an_origin_that_drops_it_first() {
    let table = table(&[
        ("open", r#"path = "/{rest*}""#),
        ("admin", r#"path = ["/admin", "/admin/{rest*}"], access = "a""#),
        ("user", r#"path = "/users/{id}", access = "a""#),
    ]);
    expect(
        &table,
        &[
            ("GET /;%2Fx/admin/secret", "in doubt"),
            ("GET /;a%5Cb/admin/secret", "in doubt"),
            ("GET /;a\\b/admin/secret", "in doubt"),
            ("GET /;%2fx/users/7", "in doubt"),
            ("GET /users;%2Fx/7", "in doubt"),
            ("GET /admin;a=b%2Fc", "in doubt"),
            // Of two separators an origin may know only one; of backslashes only those that are not escaped.
            ("GET /users%2F7%5Cz", "in doubt"),
            ("GET /users%5C7%2Fz", "in doubt"),
            ("GET /users\\7%5Cz", "in doubt"),
            // An escaped `;` begins no parameter for who drops them first.
            ("GET /users;/7%3B", "in doubt"),
            ("GET /x;%2Fy/z", "open rest=x;%2Fy/z"),
            ("GET /users/7;a=%2F", "user id=7;a=%2F"),
        ],
    );
}

#[test]
fn a_path_of_an_open_route_does_not_open_what_is_guarded_besides() {
    let table = table(&[
        ("open", r#"path = "/{page}""#),
        ("known", r#"path = "/known/{id}", access = ["a", "b"]"#),
        ("others", r#"path = "/others/{id}", access = "b""#),
        ("rest", r#"path = "/{rest*}", access = "a""#),
        ("free", r#"host = "a.example", path = "/{rest*}""#),
        ("seldom", r#"host = "a.example", path = "/{page}", access = "a""#),
    ]);
    expect(
        &table,
        &[
            ("GET /private%2Fdoc", "in doubt"),
            ("GET /a;b", "open page=a;b"),
            ("GET /known/a%2Fb", "known id=a%2Fb"),
            ("GET /others/a%2Fb", "in doubt"),
            ("GET a.example/a%2Fb", "seldom page=a%2Fb"),
        ],
    );
}

#[test]
fn a_path_in_doubt_is_explained_as_that() {
    let table = table(&[("open", r#"path = "/{rest*}""#), ("admin", r#"path = "/admin/{rest*}""#)]);
    let verdicts = |text| {
        let request = Request::new(text);
        let candidates = table.explain(&request.query());
        candidates.into_iter().map(|candidate| candidate.verdict.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts("GET /admin//x")[0], "takes it");
    assert!(verdicts("GET /admin%2Fx")[1].contains("an escaped slash"));
}

#[test]
fn the_most_specific_host_wins() {
    let table = table(&[
        ("any", ""),
        ("below", r#"host = "*.example.com""#),
        ("deeper", r#"host = "*.eu.example.com""#),
        ("api", r#"host = ["API.example.com", "api.eu.example.com"]"#),
        ("v6", r#"host = "[2001:db8:0::1]""#),
    ]);
    expect(
        &table,
        &[
            ("GET /", "any"),
            ("GET example.com/", "any"),
            ("GET .example.com/", "any"),
            ("GET badexample.com/", "any"),
            ("GET www.example.com/", "below"),
            ("GET a.b.c.example.com./", "below"),
            ("GET eu.example.com/", "below"),
            ("GET x.eu.example.com:8443/", "deeper"),
            ("GET api.example.com/", "api"),
            ("GET Api.EU.example.com.:80/", "api"),
            ("GET [2001:DB8::1]:8080/", "v6"),
        ],
    );
    let long = format!("GET {}example.com/", "a.".repeat(5000));
    expect(&table, &[(&long, "below")]);
}

#[test]
fn a_host_owns_the_paths_that_it_has_routes_for() {
    let table = table(&[
        ("any", ""),
        ("acme", r#"path = "/.well-known/{rest*}""#),
        ("get", r#"host = "api.example.com", path = "/orders", methods = ["GET"]"#),
        ("beta", r#"host = "api.example.com", path = "/beta", headers = { x-beta = true }"#),
        ("inside", r#"host = "api.example.com", path = "/inside" @1"#),
    ]);
    expect(
        &table,
        &[
            ("GET api.example.com/orders", "get"),
            ("POST api.example.com/orders", "405 GET,HEAD"),
            ("GET api.example.com/beta", "404"),
            ("GET api.example.com/beta | x-beta: 1", "beta"),
            ("GET api.example.com/.well-known/x", "acme rest=x"),
            ("GET api.example.com/else", "any"),
            ("GET api.example.com/inside", "any"),
            ("GET api.example.com/inside @1", "inside"),
            ("POST b.example.com/orders", "any"),
        ],
    );
}

#[test]
fn where_the_conditions_of_the_best_path_fail_the_next_best_is_asked() {
    let table = table(&[
        ("all", r#"path = "/{rest*}", methods = ["GET", "PUT"]"#),
        ("one", r#"path = "/orders/{id}", methods = ["GET", "DELETE"]"#),
        ("new", r#"path = "/orders/new", methods = ["POST"], query = { dry = "1" }"#),
        ("beta", r#"path = "/orders/{id}", headers = { x-beta = "1" }, methods = ["GET"]"#),
    ]);
    expect(
        &table,
        &[
            ("POST /orders/new?dry=1", "new"),
            ("POST /orders/new", "405 DELETE,GET,HEAD,PUT"),
            ("GET /orders/new", "one id=new"),
            ("GET /orders/new | x-beta: 1", "beta id=new"),
            ("PUT /orders/new", "all rest=orders/new"),
            ("PATCH /orders/new?dry=1", "405 DELETE,GET,HEAD,POST,PUT"),
            ("PATCH /", "405 GET,HEAD,PUT"),
        ],
    );
}

#[test]
fn more_conditions_are_more_specific() {
    let mut routes = [
        ("plain", r#"path = "/""#),
        ("get", r#"path = "/", methods = ["GET"]"#),
        ("v", r#"path = "/", methods = ["GET"], headers = { v = true }"#),
        ("v1*", r#"path = "/", methods = ["GET"], headers = { v = { regex = "^1" } }"#),
        ("v1", r#"path = "/", methods = ["GET"], headers = { v = "1" }"#),
        ("v2", r#"path = "/", methods = ["GET"], headers = { v = "2" }"#),
        ("v2q", r#"path = "/", methods = ["GET"], headers = { v = "2" }, query = { q = false }"#),
        (
            "inner",
            r#"path = "/" , methods = ["GET"], headers = { v = "2" }, query = { q = false } @1"#,
        ),
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        expect(
            &table(&routes),
            &[
                ("POST / | v: 1", "plain"),
                ("GET /", "get"),
                ("HEAD /", "get"),
                ("GET / | v: 3", "v"),
                ("GET / | v: 12", "v1*"),
                ("GET / | v: 1", "v1"),
                ("GET /?q | v: 2", "v2"),
                ("GET / | v: 2", "v2q"),
                ("GET / @1 | v: 2", "inner"),
                ("GET /?q=1 | v: 2 | v: 1", "v1"),
            ],
        );
    }
}

#[test]
fn get_brings_head_along_unless_another_route_names_it() {
    let mut routes = [
        ("get", r#"path = "/", methods = ["GET"], headers = { a = "1" }"#),
        ("head", r#"path = "/", methods = ["HEAD", "PUT"]"#),
        ("all", r#"path = "/""#),
        ("alone", r#"path = "/alone", methods = ["GET"]"#),
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        expect(
            &table(&routes),
            &[
                ("HEAD / | a: 1", "head"),
                ("HEAD /", "head"),
                ("GET / | a: 1", "get"),
                ("GET /", "all"),
                ("HEAD /alone", "alone"),
                ("POST /alone", "405 GET,HEAD"),
            ],
        );
    }
}

#[test]
fn a_tie_is_an_error_that_names_both() {
    for (a, b) in [
        ("", ""),
        (r#"path = "/{a*}""#, ""),
        (r#"path = "/a/{x}""#, r#"path = "/a/{y}""#),
        (r#"path = "/a", host = "X.example""#, r#"path = "/%61", host = "x.example.""#),
        (r#"path = "/a", methods = ["GET", "PUT"]"#, r#"path = "/a", methods = ["POST", "PUT"]"#),
        (r#"path = "/a", methods = ["GET"]"#, r#"path = "/a", methods = ["HEAD", "GET"]"#),
        (r#"path = "/a", headers = { x = "1" }"#, r#"path = "/a", headers = { y = "1" }"#),
        (r#"path = "/a", headers = { x = "1" }"#, r#"path = "/a", query = { x = "1" }"#),
        (r#"path = "/a", methods = ["GET"]"#, r#"path = "/a", query = { x = "1" }"#),
        (
            r#"path = "/a", query = { x = { regex = "1" } }"#,
            r#"path = "/a", query = { x = { regex = "2" } }"#,
        ),
        (r#"path = "/a" @0"#, r#"path = "/a", methods = ["GET"]"#),
    ] {
        for routes in [[("first", a), ("second", b)], [("first", b), ("second", a)]] {
            if a.contains(" @") {
                let _ = compile(&routes).expect_err(a);
                continue;
            }
            let problems = compile(&routes).expect_err(a);
            assert_eq!(problems.len(), 1, "{a} {b}");
            assert_eq!(problems[0].rule, 1);
            let message = &problems[0].message;
            assert!(message.contains("`first` and `second`"), "{message}");
        }
    }
}

#[test]
fn what_cannot_hold_together_is_no_tie() {
    for (a, b) in [
        (r#"path = "/a" @0"#, r#"path = "/a" @1"#),
        (r#"path = "/a", methods = ["GET"]"#, r#"path = "/a", methods = ["POST"]"#),
        (
            r#"path = "/a", methods = ["GET"], query = { x = "1" }"#,
            r#"path = "/a", methods = ["HEAD"]"#,
        ),
        (r#"path = "/a", headers = { x = "1" }"#, r#"path = "/a", headers = { x = "2" }"#),
        (
            r#"path = "/a", headers = { x = true, y = "1" }"#,
            r#"path = "/a", headers = { x = false, z = "1" }"#,
        ),
        (
            r#"path = "/a", query = { x = "1" }"#,
            r#"path = "/a", query = { x = { regex = "^2" }, y = "1" }"#,
        ),
        (r#"path = "/a/{x}""#, r#"path = "/{x}/a""#),
        (r#"host = "*.a.example""#, r#"host = "*.example""#),
    ] {
        assert!(compile(&[("a", a), ("b", b)]).is_ok(), "{a} {b}");
        assert!(compile(&[("b", b), ("a", a)]).is_ok(), "{b} {a}");
    }
}

#[test]
fn every_problem_is_reported_with_its_key() {
    let problems = compile(&[
        ("a", r#"host = ["ok.example", "*"], path = ["/x", "y"]"#),
        ("b", r#"methods = ["get"], headers = { "a b" = true }, query = { x = { regex = "(" } }"#),
        ("c", r#"path = "/same""#),
        ("d", r#"path = "/same""#),
    ])
    .expect_err("problems");
    let about: Vec<_> = problems.iter().map(|problem| (problem.rule, problem.key)).collect();
    assert_eq!(about, [(0, "host"), (0, "path"), (1, "methods"), (1, "headers"), (1, "query")]);
    let same = compile(&[("a", r#"path = ["/{x}", "/{y}"]"#)]).expect_err("twice");
    assert_eq!(same[0].message, "`/{x}` and `/{y}` are the same in `a`");
}

#[test]
fn templates_may_ask_for_the_parameters_that_every_path_has() {
    for (text, names) in [
        ("", &[] as &[&str]),
        (r#"path = "/{a}/{b*}""#, &["a", "b"]),
        (r#"path = ["/{a}/{b}", "/x/{b*}"]"#, &["b"]),
        (r#"path = ["/{a}", "/"]"#, &[]),
    ] {
        let own = parameters(&route(text));
        assert!(own.iter().map(|name| &**name).eq(names.iter().copied()), "{text}: {own:?}");
    }
}

#[test]
fn a_route_that_never_takes_a_request_is_a_finding() {
    let findings = |routes: &[(&str, &str)]| -> Vec<usize> {
        table(routes).findings().iter().map(|finding| finding.rule).collect()
    };
    assert_eq!(
        findings(&[
            ("both", r#"path = "/", methods = ["GET", "POST"]"#),
            ("get", r#"path = "/", methods = ["GET"]"#),
            ("post", r#"path = "/", methods = ["POST"]"#),
        ]),
        [0],
    );
    assert_eq!(
        findings(&[
            ("get", r#"path = "/", methods = ["GET"]"#),
            ("one", r#"path = "/", methods = ["GET"] @0"#),
            ("post", r#"path = "/", methods = ["POST"], headers = { x = "1" }"#),
            ("other", r#"path = "/", methods = ["GET", "POST"]"#),
        ]),
        [] as [usize; 0],
    );
    assert_eq!(
        findings(&[
            ("both", r#"path = "/a", methods = ["CONNECT", "GET"]"#),
            ("connect", r#"path = "/b", methods = ["CONNECT"]"#),
            ("any", r#"path = "/c""#),
        ]),
        [1],
    );
}

#[test]
fn explain_says_why_in_the_order_of_the_search() {
    let table = table(&[
        ("any", ""),
        ("orders", r#"host = "api.example.com", path = "/orders/{id}""#),
        ("get", r#"host = "api.example.com", path = "/orders/{id}", methods = ["GET"]"#),
        (
            "v2",
            r#"host = "api.example.com", path = "/orders/{id}", methods = ["PUT"], headers = { v = "2" }"#,
        ),
        (
            "dry",
            r#"host = "api.example.com", path = "/orders/{id}", methods = ["PUT"], headers = { v = "3" }, query = { dry = true }"#,
        ),
        ("inner", r#"host = "api.example.com", path = "/orders/{id}", methods = ["DELETE"] @1"#),
        ("rest", r#"host = "api.example.com", path = ["/orders/{rest*}", "/x"]"#),
        ("other", r#"host = "*.example.org""#),
    ]);
    let request = Request::new("PUT api.example.com/orders/7 | v: 3");
    let mut said: Vec<_> = table
        .explain(&request.query())
        .into_iter()
        .map(|Candidate { rule, host, path, verdict }| {
            (table.targets()[rule].as_str(), format!("{host}{path}"), verdict)
        })
        .collect();
    let paths: Vec<_> = said.iter().map(|(_, path, _)| path.clone()).collect();
    let orders = || "api.example.com/orders/{id}".to_owned();
    assert_eq!(paths[..5], [orders(), orders(), orders(), orders(), orders()]);
    let rest = ["api.example.com/orders/{rest*}", "api.example.com/x", "*.example.org*", "**"];
    assert_eq!(paths[5..], rest);
    assert_eq!(said[4].0, "orders", "the one that demands least comes last");
    said.sort_by_key(|(name, path, _)| (*name, path.clone()));
    let header = HeaderName::from_static("v");
    assert_eq!(
        said,
        [
            ("any", "**".into(), Verdict::Overruled),
            ("dry", orders(), Verdict::Fails(Failure::Query("dry"))),
            ("get", orders(), Verdict::Fails(Failure::Method)),
            ("inner", orders(), Verdict::Fails(Failure::Listener)),
            ("orders", orders(), Verdict::Takes),
            ("other", "*.example.org*".into(), Verdict::Fails(Failure::Host)),
            ("rest", "api.example.com/orders/{rest*}".into(), Verdict::Outranked),
            ("rest", "api.example.com/x".into(), Verdict::Fails(Failure::Path)),
            ("v2", orders(), Verdict::Fails(Failure::Header(&header))),
        ],
    );
}

#[test]
fn patterns_are_compared_by_what_they_take() {
    for (a, b, same) in [
        ("/a/{id}", "/a/{other}", true),
        ("/a/%62", "/a/b", true),
        ("/a/{id}", "/a/{rest*}", false),
        ("/a/{id}", "/a/b", false),
        ("/a", "/a/", false),
        ("a", "a", false),
    ] {
        assert_eq!(are_same_paths(a, b), same, "{a} {b}");
    }
    for (a, b, share) in [
        ("a.example", "A.example", true),
        ("*.example", "a.b.example", true),
        ("*.example", "*.b.example", true),
        ("*.example", "example", false),
        ("*.example", "anexample", false),
        ("*.a.example", "*.b.example", false),
    ] {
        assert_eq!((share_a_host(a, b), share_a_host(b, a)), (share, share), "{a} {b}");
    }
}
