//! `explain`: the winner, why the others are not, what each stage does, and the request as an origin
//! sees it; and that the data plane does with real requests what it says.

use std::{net::SocketAddr, sync::Arc};

use janua::{
    app::{
        Gateway, Source,
        explain::{Arguments, Explanation, Unexplained, explain, explain_in},
    },
    chain::{Outcome, SAMPLE_ID},
    server::Passed,
    snapshot::Snapshot,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const SHOP: &str = r#"
[[listener]]
name = "public"
address = "127.0.0.1:8080"

[[listener]]
name = "secure"
address = "127.0.0.1:8443"
tls = "self-signed"
hsts = "1d"

[[listener]]
name = "upgrading"
address = "127.0.0.1:8081"
redirect-to-https = 8443

[upstream.orders]
endpoints = ["http://127.0.0.5:8080", { url = "http://127.0.0.6:8080", weight = 2 }]

[[route]]
name = "order"
host = "api.example.com"
path = "/orders/{id}"
methods = ["GET"]
strip-prefix = "/orders"
response-headers = { remove = ["server"], set = { "x-order" = "{path.id}" } }
to = "orders"

[[route]]
name = "order-v2"
host = "api.example.com"
path = "/orders/{id}"
methods = ["GET"]
headers = { x-version = "2" }
query = { debug = true }
to = "orders"

[[route]]
name = "upload"
path = "/upload"
methods = ["POST"]
max-body-size = "10B"
to = "orders"

[[route]]
name = "hello"
listener = "secure"
path = "/hello"
to = { status = 200, body = "Hello" }

[[route]]
name = "moved"
host = "old.example.com"
to = { redirect = "https://new.example.com{request.uri}" }

[[route]]
name = "echo"
path = "/echo/{rest*}"
to = "echo"
"#;

fn ask(config: &str, request: &str) -> Result<Explanation, Unexplained> {
    explain(&Source::Text("shop.toml".into(), config.into()), &arguments(request))
}

/// `METHOD URL; from=ADDRESS; listener=NAME; NAME: VALUE`.
fn arguments(request: &str) -> Arguments {
    let mut words = request.split("; ");
    let (method, url) = words.next().unwrap().split_once(' ').unwrap();
    let mut arguments =
        Arguments { method: method.into(), url: url.into(), ..Arguments::default() };
    for word in words {
        match word.split_once('=') {
            Some(("from", from)) => arguments.from = Some(from.into()),
            Some(("listener", name)) => arguments.listener = Some(name.into()),
            _ => arguments.headers.push(word.into()),
        }
    }
    arguments
}

/// Route and outcome in a few words.
fn outcome(explanation: &Explanation) -> String {
    let route = explanation.route().unwrap_or("-");
    match &explanation.plan().outcome {
        Outcome::Refused { stage, reject, .. } => {
            format!("{route} refused {} {} at {}", reject.code(), reject.reason(), stage.name())
        }
        Outcome::Answered(answer) => format!("{route} answered {}", answer.status().as_u16()),
        Outcome::Door(door) => format!("{route} at a door: {}", door.does()),
        Outcome::Forwarded { upstream, .. } => format!("{route} forwarded {}", upstream.name),
    }
}

#[test]
fn a_door_of_januas_own_says_what_it_is_for_and_refuses_nobody() {
    let config = "[auth.corp.oidc]\nissuer = \"https://idp.example\"\nclient-id = \"janua\"\n\
                  [[route]]\nauth = \"corp\"\nto = \"echo\"\n";
    for (request, name, does) in [
        ("GET /.janua/corp/callback", "callback", "browsers come back here from a login"),
        ("GET /.janua/corp/logout", "logout", "browsers log out here"),
        (
            "POST /.janua/corp/backchannel-logout",
            "backchannel-logout",
            "the identity provider tells here who logged out",
        ),
    ] {
        let explained = ask(config, request).unwrap();
        assert_eq!(outcome(&explained), format!("auth.corp.{name} at a door: {does}"));
        let text = explained.to_string();
        assert!(text.contains(does) && !text.contains("refuse"), "{text}");
        let json = explained.json();
        assert_eq!(json["outcome"]["is"], "door");
        assert_eq!(json["outcome"]["door"], format!("auth.corp.{name}"));
    }
}

#[test]
fn who_takes_it_and_what_comes_of_it() {
    for (request, listener, expected) in [
        ("GET http://api.example.com:8080/orders/7", "public", "order forwarded orders"),
        ("HEAD http://api.example.com:8080/orders/7", "public", "order forwarded orders"),
        ("GET https://api.example.com:8443/orders/7", "secure", "order forwarded orders"),
        (
            "GET http://api.example.com/orders/7?debug; x-version: 2",
            "public",
            "order-v2 forwarded orders",
        ),
        ("GET /orders/7; Host: api.example.com", "public", "order forwarded orders"),
        ("GET /orders/7", "public", "- refused 404 no_route at match"),
        (
            "POST http://api.example.com/orders/7",
            "public",
            "- refused 405 method_not_allowed at match",
        ),
        ("GET https://x.example/hello", "secure", "hello answered 200"),
        ("GET http://x.example/hello", "public", "- refused 404 no_route at match"),
        ("GET http://x.example/hello; listener=secure", "secure", "hello answered 200"),
        ("GET http://old.example.com/a?b", "public", "moved answered 308"),
        ("GET http://x.example:8081/hello", "upgrading", "- answered 308"),
        ("OPTIONS /echo/a/b", "public", "echo answered 200"),
        ("GET /echo/../hello; listener=secure", "secure", "hello answered 200"),
        ("POST /upload; content-length: 10", "public", "upload forwarded orders"),
        (
            "POST /upload; content-length: 11",
            "public",
            "upload refused 413 request.body_too_large at prepare",
        ),
        ("CONNECT /", "public", "- refused 405 request.method at validate"),
        ("GET /; Host: a; Host: b", "public", "- refused 400 request.host at validate"),
        ("GET /; expect: tea", "public", "- refused 417 request.expectation at validate"),
        ("GET *", "public", "- refused 400 request.target at validate"),
    ] {
        let explanation = ask(SHOP, request).expect(request);
        assert_eq!(outcome(&explanation), expected, "{request}");
        assert_eq!(explanation.json()["listener"]["name"], *listener, "{request}");
    }
}

#[test]
fn why_the_others_do_not_take_it() {
    for (request, route, why) in [
        ("GET http://api.example.com/orders/7", "order-v2", "the header `x-version`"),
        ("GET http://api.example.com/orders/7; x-version: 2", "order-v2", "the parameter `debug`"),
        ("GET http://api.example.com/orders/7?debug; x-version: 2", "order", "a more specific"),
        ("POST http://api.example.com/orders/7", "order", "the method is not among `methods`"),
        ("GET http://a.example/orders/7", "order", "the host is another"),
        ("GET http://api.example.com/hello", "hello", "the listener is another"),
        ("GET http://api.example.com/orders/7/8", "order", "the path is another"),
        ("GET http://old.example.com/echo/x", "echo", "a route of a more specific host"),
    ] {
        let json = ask(SHOP, request).expect(request).json();
        let candidates = json["candidates"].as_array().unwrap();
        let candidate = candidates.iter().find(|candidate| candidate["route"] == *route).unwrap();
        let said = candidate["why"].as_str().unwrap();
        assert!(said.contains(why), "{request}: {route}: {said}");
    }
}

#[test]
fn a_forwarded_request_fills_one_screen() {
    let explanation = ask(SHOP, "GET http://api.example.com:8080/orders/7?x=1; te: trailers");
    let expected = "\
GET /orders/7?x=1 for api.example.com:8080, from 192.0.2.1

listener public
  127.0.0.1:8080, in clear: it speaks http on port 8080

routes, the most specific first
  order-v2  api.example.com/orders/{id}  the header `x-version` is not as `headers` wants it
> order     api.example.com/orders/{id}  takes it
  moved     old.example.com              the host is another
  echo      /echo/{rest*}                the path is another
  hello     /hello                       the listener is another
  upload    /upload                      the path is another

stages
   1 validate   is well-formed
   2 find       the route `order`
   3 access     nothing configured
   4 identify   nothing configured
   5 authorize  nothing configured
   6 limit      nothing configured
   7 match      the route takes it
   8 prepare    the target `/orders/7?x=1` becomes `/7?x=1`
   9 lookup     nothing configured
  10 forward    to the upstream `orders`
  11 answer     the answer goes to the client

upstream orders
  round-robin: whose turn it is, by weight
  http://127.0.0.5:8080  weight 1  up  33 %
  http://127.0.0.6:8080  weight 2  up  67 %

the origin sees
  GET /7?x=1 HTTP/1.1
  host: api.example.com:8080
  x-request-id: (a new one for each request)
  x-forwarded-for: 192.0.2.1
  x-forwarded-proto: http
  x-forwarded-host: api.example.com:8080
  via: 1.1 janua
  te: trailers
  connection: te

the origin's answer, with these header fields changed
  remove server
  set    x-order: 7
  set    x-request-id: (a new one for each request)
";
    assert_eq!(explanation.unwrap().to_string(), expected);
}

#[test]
fn which_endpoint_has_it_and_why() {
    let with = |keys: &str| {
        format!(
            "[upstream.u]\n{keys}\n[[route]]\npath = \"/{{id}}\"\nto = \"u\"\n\
             [[listener]]\naddress = \"127.0.0.1:8080\"\n"
        )
    };
    let two = "endpoints = [\"http://127.0.0.5:80\", \"http://127.0.0.6:80\"]\n";
    let spare =
        "endpoints = [\"http://127.0.0.5:80\", { url = \"http://127.0.0.6:80\", backup = true }]\n";
    for (keys, fields, why, chosen) in [
        (
            two.to_owned() + "balance.hash = \"header:x-user\"",
            "; x-user: 7",
            "of header x-user `7`",
            true,
        ),
        (
            two.to_owned() + "balance.hash = \"header:x-user\"",
            "",
            "ip 192.0.2.1 for want of header x-user",
            true,
        ),
        (two.to_owned() + "balance.hash = \"path:id\"", "", "of path id `9`", true),
        (two.to_owned() + "balance = \"least-requests\"", "", "the one with fewer requests", false),
        (two.to_owned() + "balance = \"peak-ewma\"", "", "likely to answer first", false),
        (two.to_owned() + "balance = \"random\"", "", "by chance, by weight", false),
        (spare.to_owned(), "", "there is no other", true),
    ] {
        let explanation = ask(&with(&keys), &format!("GET /9{fields}")).unwrap();
        let text = explanation.to_string();
        assert!(text.contains(why), "{why}: {text}");
        assert_eq!(text.contains("\n> http://127.0.0."), chosen, "{why}: {text}");
        let json = explanation.json();
        let outcome = &json["outcome"];
        assert_eq!(outcome["choice"]["endpoint"].is_number(), chosen, "{json}");
        assert!(outcome["choice"]["why"].as_str().unwrap().contains(why), "{json}");
        assert_eq!(outcome["endpoints"][0]["state"], "up", "{json}");
    }
}

#[test]
fn a_refusal_names_its_stage() {
    let text = ask(SHOP, "POST https://api.example.com/orders/7").unwrap().to_string();
    let expected = "
   7 match      refuses: 405 method_not_allowed
   8 prepare    -
   9 lookup     -
  10 forward    -
  11 answer     goes to the client

refused at match: method_not_allowed
  This method is not allowed here.

Janua answers
  HTTP/1.1 405 Method Not Allowed
  content-type: application/problem+json
  cache-control: no-store
  allow: GET, HEAD
  x-request-id: (a new one for each request)
  strict-transport-security: max-age=86400
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn many_routes_do_not_fill_the_screen() {
    let route = |n: usize| format!("[[route]]\npath = \"/{n}\"\nto = \"echo\"\n");
    let config: String = (0..50).map(route).collect();
    let explanation = ask(&config, "GET /7").unwrap();
    let text = explanation.to_string();
    assert!(text.contains("> /7  /7  takes it\n  and 49 more"), "{text}");
    assert_eq!(explanation.json()["candidates"].as_array().unwrap().len(), 50);
}

#[test]
fn words_that_mean_nothing_are_named() {
    for (request, expected) in [
        ("GET ftp://a/x", "`ftp` is not http or https"),
        ("GET a.example/x", "`a.example/x` is not a URL; write http://HOST/PATH"),
        ("G@T /", "`G@T` is not a method"),
        ("GET /; from=me", "`me` is not an IP address; write it like"),
        ("GET /; listener=pulbic", "there is no listener `pulbic`; did you mean `public`?"),
        ("GET /; x-a", "`x-a` is not `name: value`"),
        ("GET /; x a: b", "`x a` is not a header field's name"),
    ] {
        let Err(Unexplained::Words(said)) = ask(SHOP, request) else { panic!("{request}") };
        assert!(said.contains(expected), "{request}: {said}");
    }
    let clear = "[[route]]\nto = \"echo\"\n";
    let Err(Unexplained::Words(said)) = ask(clear, "GET https://a/") else { panic!() };
    assert_eq!(
        said,
        "no listener speaks https; name the one that takes it all the same: `0.0.0.0:8080`"
    );
    let Err(Unexplained::Config(report)) = ask("[[route]]\nto = \"x\"\n", "GET /") else {
        panic!()
    };
    assert!(report.to_string().contains("there is no upstream `x`"), "{report}");
}

/// What real requests are sent to. `ORIGIN` is where the origin is.
const AGREEMENT: &str = r#"
server.workers = 1
log.access = "off"
admin.address = "off"

[[listener]]
name = "one"
address = "127.0.0.1:0"
max-headers = 12
max-header-size = "2KiB"
max-request-line = "200B"

[[listener]]
name = "two"
address = "127.0.0.2:0"
trusted-proxies = ["127.0.0.1"]

[[route]]
name = "items"
host = ["a.example", "*.b.example"]
path = "/items/{id}"
methods = ["GET", "POST"]
max-body-size = "10B"
cors = { origins = "https://app.example" }
rewrite = "/i/{path.id}?was={request.path}"
request-headers = { set = { x-id = "{path.id}" }, remove = ["x-gone"], add = { x-more = "m" } }
response-headers = { set = { x-route = "items" } }
to = "ORIGIN"

[[route]]
name = "new-items"
host = "a.example"
path = "/items/{id}"
methods = ["GET", "POST"]
headers = { x-version = { regex = "^2" } }
response-headers = { set = { x-route = "new-items" } }
to = "ORIGIN"

[[route]]
name = "two"
listener = "two"
response-headers = { set = { x-route = "two" } }
to = "ORIGIN"

[[route]]
name = "moved"
path = "/moved/{rest*}"
response-headers = { set = { x-route = "moved" } }
to = { redirect = "https://c.example/{path.rest}", status = 307 }

[[route]]
name = "fixed"
path = "/fixed"
query = { q = "1" }
response-headers = { set = { x-route = "fixed" } }
to = { status = 418, body = "{request.host} {request.query}" }

[[route]]
name = "echo"
path = "/echo"
response-headers = { set = { x-route = "echo" } }
to = "echo"
"#;

/// An origin that answers with the head that it got.
async fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    head.len()
                );
                stream.write_all(&[answer.as_bytes(), &head].concat()).await.unwrap();
            });
        }
    });
    address
}

/// An answer: status, `x-route`, and its body.
async fn send(to: SocketAddr, request: &str) -> (u16, Option<String>, String) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let route = lines.find_map(|line| line.strip_prefix("x-route: "));
    (status, route.map(String::from), body.into())
}

/// A head's lines without what is different each time, and without what frames the message.
fn comparable<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let framing = ["content-length", "transfer-encoding", "x-request-id"];
    let mut lines: Vec<_> = fields
        .filter(|(name, value)| {
            !framing.contains(name) || *name == "x-request-id" && *value == "mine"
        })
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.sort();
    lines
}

/// What the origin got, as the dry run says and as the origin says.
fn compare_heads(request: &str, json: &Value, got: &str) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sent = &json["sent"];
    let first = format!("{} {} HTTP/1.1", text(&sent["method"]), text(&sent["target"]));
    assert_eq!(got.lines().next(), Some(&*first), "{request}");
    let pairs = sent["headers"].as_array().unwrap();
    let pairs: Vec<_> = pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
    let planned = comparable(pairs.iter().map(|(name, value)| (&**name, &**value)));
    let got = got.lines().skip(1).filter_map(|line| line.split_once(": "));
    assert_eq!(planned, comparable(got), "{request}");
}

/// Fields of requests that are asked about and sent.
const FIELDS: &[&str] = &[
    "",
    "x-version: 2",
    "x-version: 2; x-gone: 1; x-more: 0",
    "x-forwarded-for: 6.6.6.6; x-request-id: mine; x_forwarded_for: 7.7.7.7",
    "te: trailers; x-hop: 1; connection: x-hop",
    "expect: tea",
    "max-forwards: 0",
    "content-length: 11",
    "accept: text/html",
    "origin: https://app.example; access-control-request-method: POST",
    "origin: https://other.example; access-control-request-method: POST",
    "origin: https://app.example; access-control-request-method: PUT",
    "a: 1; b: 1; c: 1; d: 1; e: 1; f: 1; g: 1; h: 1; i: 1; j: 1; k: 1; l: 1",
    "content-length: 11; transfer-encoding: chunked",
    "content-length: 1, 2",
    "transfer-encoding: gzip",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_data_plane_does_what_explain_says() {
    let config = AGREEMENT.replace("ORIGIN", &format!("http://{}", origin().await));
    let source = Source::Text("agreement.toml".into(), config);
    let gateway = Gateway::start(source, Passed::default(), None).await;
    let gateway = gateway.unwrap_or_else(|report| panic!("{report}"));
    let long = format!("/{}", "x".repeat(300));
    let large = format!("x-large: {}", "x".repeat(3000));
    let headers: Vec<_> = FIELDS.iter().copied().chain([&*large]).collect();
    let targets = [
        "/items/7",
        "/items/7?x=1",
        "/items/a%20b",
        "/items/",
        "/items/./7",
        "/x/../items/7",
        "//items//7",
        "/items%2F7",
        "/items/7;x",
        "/items/..%2f7",
        "/moved/a/b?c",
        "/fixed?q=1",
        "/fixed",
        "/echo",
        "/",
        "*",
        &long,
    ];
    let mut compared = 0;
    for listener in ["one", "two"] {
        let address = gateway.address(listener).await.unwrap();
        for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE"] {
            for host in ["a.example", "A.EXAMPLE:80", "x.b.example", "other"] {
                for target in targets {
                    for fields in &headers {
                        let asked = format!(
                            "{method} {target}; from=127.0.0.1; listener={listener}; \
                             Host: {host}; Connection: close; {fields}"
                        );
                        let asked = asked.trim_end_matches("; ");
                        agree(gateway.world().load(), asked, address).await;
                        compared += 1;
                    }
                }
            }
        }
    }
    assert_eq!(compared, 2 * 5 * 4 * targets.len() * headers.len());
    gateway.stop().await;
}

/// Has one request explained and sends it.
async fn agree(world: Arc<Snapshot>, asked: &str, address: SocketAddr) {
    let explanation = explain_in(world, &arguments(asked)).expect(asked);
    let json = explanation.json();
    let mut words = asked.split("; ");
    let mut request = format!("{} HTTP/1.1\r\n", words.next().unwrap());
    for word in words.filter(|word| word.contains(": ")) {
        request += &format!("{word}\r\n");
    }
    request += "\r\n";
    if request.contains("content-length: 11") {
        request += "hello world";
    }
    let (status, route, body) = send(address, &request).await;
    match &explanation.plan().outcome {
        Outcome::Refused { reject, .. } => {
            assert_eq!(status, reject.code(), "{asked}: {body}");
            // HEAD has no body to compare.
            assert!(body.is_empty() || body.contains(reject.reason()), "{asked}: {body}");
        }
        Outcome::Answered(answer) => {
            assert_eq!(status, answer.status().as_u16(), "{asked}: {body}");
            // What a browser asks ahead goes through no route's rules.
            if status != 204 {
                assert_eq!(route.as_deref(), explanation.route(), "{asked}");
            }
            let made = std::str::from_utf8(answer.body()).unwrap();
            let sample = SAMPLE_ID;
            if !body.is_empty() && !made.contains(sample.to_str().unwrap()) {
                assert_eq!(body, made, "{asked}");
            }
        }
        Outcome::Door(_) => panic!("there is no door here: {asked}"),
        Outcome::Forwarded { .. } => {
            assert_eq!(status, 200, "{asked}: {body}");
            assert_eq!(route.as_deref(), explanation.route(), "{asked}");
            if !body.is_empty() {
                compare_heads(asked, &json, &body);
            }
        }
    }
}

#[test]
fn what_may_hold_a_request_back_is_said() {
    let config = "[upstream.u]\nendpoints = \"http://127.0.0.1:9\"\nbreaker = {}\nmax-requests = 5\n\
                  max-connections = 9\n\
                  [[route]]\nto = \"u\"\n";
    let text = ask(config, "GET /").unwrap().to_string();
    let held = "to the upstream `u`, the breaker closed, 5 at each endpoint at a time, 0 waiting, \
                at most 9 connections to each endpoint";
    assert!(text.contains(held), "{text}");
}

#[test]
fn what_is_looked_for_and_what_goes_by_the_cache_is_said() {
    let config = "[[route]]\ncache = true\nto = \"http://127.0.0.1:9\"\n";
    let lookup = |arguments: &Arguments| {
        let source = Source::Text("cache.toml".into(), config.into());
        let text = explain(&source, arguments).unwrap().to_string();
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("9 lookup"));
        line.expect(&text).trim_start().to_owned()
    };
    for (request, said) in [
        ("GET /a", "looks for what is kept of `http://"),
        ("GET /a; if-none-match: \"a\"", "looks for what is kept of `http://"),
        ("GET /a; if-match: \"a\"", "goes by, for what is done only if nothing has changed"),
        (
            "GET /a; if-match: \"a\"; cache-control: only-if-cached",
            "is not looked for, for what is done only if nothing has changed",
        ),
    ] {
        let said_of_it = lookup(&arguments(request));
        assert!(said_of_it.starts_with(said), "{request}: {said_of_it}");
    }
    let only = lookup(&arguments("GET /a; cache-control: only-if-cached"));
    assert!(only.ends_with("; 504 if there is nothing (`only-if-cached`)"), "{only}");
    let body = Arguments { body: Some(b"hi".to_vec()), ..arguments("GET /a") };
    assert!(lookup(&body).starts_with("goes by, for it has a body"), "{}", lookup(&body));
}

#[test]
fn what_a_change_makes_void_is_said_where_nothing_is_kept() {
    let config = "[[route]]\nname = \"reads\"\nmethods = \"GET\"\ncache = true\nto = \"http://127.0.0.1:9\"\n\
                  [[route]]\nname = \"writes\"\nmethods = [\"POST\", \"OPTIONS\"]\nto = \"http://127.0.0.1:9\"\n";
    for (request, said) in [
        ("POST /a", "9 lookup     makes void what `reads` keeps of its URL if it succeeds"),
        ("OPTIONS /a", "9 lookup     nothing configured"),
        ("GET /a", "9 lookup     looks for what is kept of `http://"),
    ] {
        let text = ask(config, request).unwrap().to_string();
        assert!(text.contains(said), "{request}: {text}");
    }
}
